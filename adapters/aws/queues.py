"""Queues on SQS: one a step, each with a dead-letter queue beside it. Messages are hints and may come twice or late.

What the code gives up goes to the dead letters with its reason; what no worker ever ends (a crash that takes the
process with it) SQS moves there itself, after `max_receives`.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from botocore.exceptions import ClientError

from adapters.aws.connection import Aws, Costs, attempts, error_code
from domain.errors import NotFound
from domain.ports import DeadLetter, Delivery, Message, QueueDepth

_BATCH = 10  # SQS's limit for batches and receives
_MAX_HIDDEN_SECONDS = 11 * 3600  # SQS allows 12 hours from the receive on; one is left for the lease
_MAX_REASON_BYTES = 4096
_LOOK_SECONDS = 60
"""How long `dead` and `redrive` hide the letters from each other."""

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Message).decode


class SqsQueue:
    """`domain.ports.Queue` on SQS: standard queues `<prefix><name>` and `<prefix><name>-dead`.

    Args:
        aws: the clients.
        prefix: what the queues' names begin with.
        wait_seconds: how long one receive waits for a message on an empty queue (long polling, up to 20). With 0, SQS
            asks only some of its servers and may miss a message; it comes with the next call.
        clock: seconds since 1970, for the time of a burial.

    Attributes:
        costs: requests used by this instance.
    """

    def __init__(self, aws: Aws, prefix: str, wait_seconds: int = 0, clock: Callable[[], float] = time.time) -> None:
        self.costs = Costs()
        self._client = aws.sqs
        self._prefix = prefix
        self._wait_seconds = wait_seconds
        self._clock = clock
        self._urls: dict[str, str] = {}
        self._lock = threading.Lock()

    def create(self, queue: str, lease_seconds: int = 300, max_receives: int = 20) -> None:
        """Make a queue and its dead-letter queue; nothing when they are there with the same settings.

        Args:
            lease_seconds: for consumers that name no lease of their own, such as Lambda.
            max_receives: after so many receives without an end SQS moves a message to the dead letters by itself.
        """
        keep = {"MessageRetentionPeriod": str(14 * 24 * 3600)}
        self._call(self._client.create_queue, QueueName=self._name(queue, dead=True), Attributes=keep)
        described = self._call(
            self._client.get_queue_attributes, QueueUrl=self._url(queue, dead=True), AttributeNames=["QueueArn"]
        )
        policy = {"deadLetterTargetArn": described["Attributes"]["QueueArn"], "maxReceiveCount": max_receives}
        settings = keep | {"VisibilityTimeout": str(lease_seconds), "RedrivePolicy": json.dumps(policy)}
        self._call(self._client.create_queue, QueueName=self._name(queue), Attributes=settings)

    def drop(self, queue: str) -> None:
        """Remove a queue and its dead letters, with all they hold."""
        for dead in (False, True):
            self._call(self._client.delete_queue, QueueUrl=self._url(queue, dead))
            self._urls.pop(self._name(queue, dead))

    def send(self, queue: str, messages: Sequence[Message]) -> None:
        """Store messages durably; a message that is there already may be stored again.

        Cost:
            1 request for each started 10, of at most 1 MB together.
        Raises:
            ClientError: SQS refused some of them; the others may have been stored.
        """
        entries = [{"MessageBody": _encode(message).decode()} for message in messages]
        self._batch(self._client.send_message_batch, self._url(queue), entries)

    def receive(self, queues: Sequence[str], limit: int, lease_seconds: float) -> Sequence[Delivery]:
        """Up to `limit` messages from the queues in that order; each hidden from others for the lease (whole seconds).

        A body that is no message is left alone: it comes back until SQS moves it to the dead letters.

        Cost:
            1 request for each queue, and for each further 10 messages.
        """
        deliveries: list[Delivery] = []
        for queue in queues:
            while len(deliveries) < limit:
                asked = min(_BATCH, limit - len(deliveries))
                received = self._receive(self._url(queue), asked, math.ceil(lease_seconds), self._wait_seconds)
                for one in received:
                    if (message := _message(one)) is not None:
                        receives = int(one["Attributes"]["ApproximateReceiveCount"])
                        deliveries.append(Delivery(queue, message, one["ReceiptHandle"], receives))
                if len(received) < asked:
                    break
        return deliveries

    def done(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages for good; one whose lease has ended may come again. Cost: 1 request for each started 10."""
        by_queue: dict[str, list[dict[str, Any]]] = {}
        for delivery in deliveries:
            by_queue.setdefault(delivery.queue, []).append({"ReceiptHandle": delivery.receipt})
        for queue, entries in by_queue.items():
            self._batch(self._client.delete_message_batch, self._url(queue), entries, strict=False)

    def retry(self, delivery: Delivery, after_seconds: float) -> None:
        """Hand the message out again after so many seconds, at most 11 hours. Cost: 1 request.

        A worker that gets it too early sees in the asset's stream when the next attempt is due, and puts it back.
        """
        self._call(
            self._client.change_message_visibility,
            QueueUrl=self._url(delivery.queue),
            ReceiptHandle=delivery.receipt,
            VisibilityTimeout=min(_MAX_HIDDEN_SECONDS, math.ceil(after_seconds)),
        )

    def bury(self, delivery: Delivery, reason: str) -> None:
        """Move the message to the dead letters: sent there first, then deleted, so that a crash leaves it in both.

        Cost:
            2 requests.
        """
        attributes = {
            "reason": _text(reason.encode()[:_MAX_REASON_BYTES].decode(errors="ignore") or "no reason given"),
            "buried_us": _text(str(int(self._clock() * 1e6))),
        }
        self._call(
            self._client.send_message,
            QueueUrl=self._url(delivery.queue, dead=True),
            MessageBody=_encode(delivery.message).decode(),
            MessageAttributes=attributes,
        )
        self.done([delivery])

    def depth(self, queue: str) -> QueueDepth:
        """About how many messages there are. A retried message counts as in flight until due. Cost: 2 requests."""
        main, dead = self._counts(queue, dead=False), self._counts(queue, dead=True)
        return QueueDepth(main[0], main[1], main[2], sum(dead))

    def dead(self, queue: str) -> Iterable[DeadLetter]:
        """The dead letters, oldest first. They are hidden from a second look while this one lasts.

        Cost:
            2 requests for each started 10.
        """
        received = list(self._all_dead(queue))
        entries = [{"ReceiptHandle": one["ReceiptHandle"], "VisibilityTimeout": 0} for one in received]
        change = self._client.change_message_visibility_batch
        self._batch(change, self._url(queue, dead=True), entries, strict=False)
        return sorted((_letter(queue, one) for one in received), key=lambda letter: letter.buried_us)

    def redrive(self, queue: str) -> int:
        """Make all dead letters due again, with their count of receives at 0; returns how many.

        Cost:
            3 requests for each started 10.
        """
        moved = 0
        letters = list(self._all_dead(queue))
        for start in range(0, len(letters), _BATCH):
            batch = letters[start : start + _BATCH]
            self._batch(self._client.send_message_batch, self._url(queue), [{"MessageBody": m["Body"]} for m in batch])
            receipts = [{"ReceiptHandle": one["ReceiptHandle"]} for one in batch]
            self._batch(self._client.delete_message_batch, self._url(queue, dead=True), receipts, strict=False)
            moved += len(batch)
        return moved

    def close(self) -> None:
        """Nothing is held open; the clients belong to `Aws`."""

    def _all_dead(self, queue: str) -> Iterator[dict[str, Any]]:
        while batch := self._receive(self._url(queue, dead=True), _BATCH, _LOOK_SECONDS, self._wait_seconds):
            yield from batch

    def _receive(self, url: str, limit: int, hidden_seconds: int, wait_seconds: int) -> list[dict[str, Any]]:
        answer = self._call(
            self._client.receive_message,
            QueueUrl=url,
            MaxNumberOfMessages=limit,
            VisibilityTimeout=hidden_seconds,
            WaitTimeSeconds=wait_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount", "SentTimestamp"],
            MessageAttributeNames=["reason", "buried_us"],
        )
        received: list[dict[str, Any]] = answer.get("Messages", [])
        return received

    def _counts(self, queue: str, dead: bool) -> tuple[int, int, int]:
        kinds = ("", "Delayed", "NotVisible")
        names = [f"ApproximateNumberOfMessages{kind}" for kind in kinds]
        answer = self._call(self._client.get_queue_attributes, QueueUrl=self._url(queue, dead), AttributeNames=names)
        waiting, delayed, in_flight = (int(answer["Attributes"].get(name, 0)) for name in names)
        return waiting, delayed, in_flight

    def _batch(self, call: Any, url: str, entries: Sequence[dict[str, Any]], strict: bool = True) -> None:
        """Send entries 10 at a time; what SQS could not take is an error when `strict`, else it is left as it is."""
        for start in range(0, len(entries), _BATCH):
            batch = [entry | {"Id": str(i)} for i, entry in enumerate(entries[start : start + _BATCH])]
            answer = self._call(call, QueueUrl=url, Entries=batch)
            if strict and (failed := answer.get("Failed")):
                fault = {"Code": failed[0].get("Code", ""), "Message": failed[0].get("Message", "")}
                raise ClientError({"Error": fault}, call.__name__)

    def _call(self, call: Any, **arguments: Any) -> dict[str, Any]:
        answer: dict[str, Any] = call(**arguments)
        self.costs.add(attempts(answer))
        return answer

    def _name(self, queue: str, dead: bool = False) -> str:
        return f"{self._prefix}{queue}{'-dead' if dead else ''}"

    def _url(self, queue: str, dead: bool = False) -> str:
        name = self._name(queue, dead)
        with self._lock:
            if name not in self._urls:
                try:
                    self._urls[name] = self._call(self._client.get_queue_url, QueueName=name)["QueueUrl"]
                except ClientError as error:
                    if error_code(error) in {"AWS.SimpleQueueService.NonExistentQueue", "QueueDoesNotExist"}:
                        raise NotFound(f"there is no queue {name}: deploy the template, or create it") from error
                    raise
            return self._urls[name]


def _text(value: str) -> dict[str, str]:
    return {"DataType": "String", "StringValue": value}


def _message(received: dict[str, Any]) -> Message | None:
    try:
        return _decode(received["Body"])
    except msgspec.DecodeError:
        return None


def _letter(queue: str, received: dict[str, Any]) -> DeadLetter:
    """A dead letter; one that SQS moved by itself, or that holds no message, says so."""
    attributes = {name: value["StringValue"] for name, value in received.get("MessageAttributes", {}).items()}
    message = _message(received)
    reason = attributes.get("reason", "no worker came to an end with it, so SQS moved it here")
    if message is None:
        message = Message(received["MessageId"], "", queue, "", "")
        reason = f"not a message of PhotoVault: {received['Body'][:200]!r}"
    sent_us = int(received.get("Attributes", {}).get("SentTimestamp", 0)) * 1000
    return DeadLetter(queue, message, reason, int(attributes.get("buried_us", sent_us)))
