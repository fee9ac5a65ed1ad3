"""A small poller that plays an event source mapping's part by AWS's rules, which emulators do not.

Streams: shards in order, one batch of a shard at a time; a failed batch is tried again, split in two where bisection is
on (which uses up no retry), and goes to the on-failure destination when its retries are used up. Queues: what a batch
response does not name is deleted. Source: AWS Lambda developer guide, "Process DynamoDB records with Lambda" and
"Handling errors for an SQS event source".
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from msgspec import Struct

from adapters.aws.connection import Aws

Invoke = Callable[[dict[str, Any]], Any]


class Failure(Struct, frozen=True):
    """What the on-failure destination is told: not the records, only where they are."""

    condition: str
    shard: str
    start_sequence: str
    end_sequence: str
    batch_size: int


class StreamMapping(Struct, frozen=True, kw_only=True):
    """Settings of an event source mapping on a stream."""

    batch_size: int = 100
    max_retries: int = 3
    bisect: bool = True
    report_item_failures: bool = True


class StreamPoller:
    """Reads a stream's shards and invokes a function with what it finds.

    Attributes:
        failures: what went to the on-failure destination.
        batches: the sequence numbers of each invocation, in order.
    """

    def __init__(self, invoke: Invoke, mapping: StreamMapping | None = None) -> None:
        self.failures: list[Failure] = []
        self.batches: list[list[str]] = []
        self._invoke = invoke
        self._mapping = mapping or StreamMapping()
        self._read: set[tuple[str, str]] = set()

    def poll(self, aws: Aws, table: str) -> int:
        """Hand out everything that a table's stream holds and was not handed out before; how many records."""
        handed = 0
        arn = aws.dynamodb.describe_table(TableName=table)["Table"]["LatestStreamArn"]
        for shard in aws.streams.describe_stream(StreamArn=arn)["StreamDescription"]["Shards"]:
            new = [
                r for r in _records(aws, arn, shard["ShardId"]) if (shard["ShardId"], _sequence(r)) not in self._read
            ]
            self.feed(new, shard["ShardId"])
            self._read.update((shard["ShardId"], _sequence(record)) for record in new)
            handed += len(new)
        return handed

    def feed(self, records: Sequence[Mapping[str, Any]], shard: str = "shardId-0001") -> None:
        """Hand out one shard's records, batch by batch; the next batch waits until this one is done with."""
        size = self._mapping.batch_size
        for start in range(0, len(records), size):
            self._deliver(list(records[start : start + size]), shard, 0)

    def _deliver(self, batch: list[Mapping[str, Any]], shard: str, tried: int) -> None:
        """One batch, until it succeeds or is given up; `tried` retries have been made for it."""
        while batch:
            left = self._call(batch)
            if not left:
                return
            if left < len(batch):  # a partial response: what comes before the lowest failure is done
                batch, tried = batch[-left:], 0
                continue
            if self._mapping.bisect and len(batch) > 1:
                middle = len(batch) // 2
                self._deliver(batch[:middle], shard, tried)
                batch = batch[middle:]
                continue
            if tried == self._mapping.max_retries:
                first, last = _sequence(batch[0]), _sequence(batch[-1])
                self.failures.append(Failure("RetryAttemptsExhausted", shard, first, last, len(batch)))
                return
            tried += 1

    def _call(self, batch: list[Mapping[str, Any]]) -> int:
        """Invoke once; how many records of the end of the batch are to be handed out again."""
        self.batches.append([_sequence(record) for record in batch])
        try:
            answer = self._invoke({"Records": batch})
        except Exception:
            return len(batch)
        if not self._mapping.report_item_failures:
            return 0
        named = [failure.get("itemIdentifier") for failure in (answer or {}).get("batchItemFailures") or ()]
        if not named:
            return 0
        places = {_sequence(record): i for i, record in enumerate(batch)}
        if any(name not in places for name in named):  # an answer that names nothing known fails the whole batch
            return len(batch)
        return len(batch) - min(places[name] for name in named)


class QueuePoller:
    """Receives from a queue, invokes a function, and deletes what it did not report as failed."""

    def __init__(self, aws: Aws, url: str, invoke: Invoke, batch_size: int = 10, visibility_seconds: int = 60) -> None:
        self._sqs = aws.sqs
        self._url = url
        self._invoke = invoke
        self._batch_size = batch_size
        self._visibility_seconds = visibility_seconds

    def poll(self) -> int:
        """One batch; how many messages were handed out."""
        received = self._sqs.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=self._batch_size,
            VisibilityTimeout=self._visibility_seconds,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        ).get("Messages", [])
        if not received:
            return 0
        failed = self._call(received)
        for one in received:
            if one["MessageId"] not in failed:
                self._sqs.delete_message(QueueUrl=self._url, ReceiptHandle=one["ReceiptHandle"])
        return len(received)

    def _call(self, received: Sequence[Mapping[str, Any]]) -> set[str]:
        """Invoke once; ids of the messages that stay in the queue."""
        ids = {one["MessageId"] for one in received}
        event = {
            "Records": [
                {
                    "messageId": one["MessageId"],
                    "receiptHandle": one["ReceiptHandle"],
                    "body": one["Body"],
                    "attributes": one["Attributes"],
                    "messageAttributes": {},
                    "md5OfBody": one.get("MD5OfBody", ""),
                    "eventSource": "aws:sqs",
                    "eventSourceARN": "arn:aws:sqs:us-east-1:123456789012:queue",
                    "awsRegion": "us-east-1",
                }
                for one in received
            ]
        }
        try:
            answer = self._invoke(event)
        except Exception:
            return ids
        named = {failure.get("itemIdentifier") for failure in (answer or {}).get("batchItemFailures") or ()}
        return ids if named - ids else named & ids


def _records(aws: Aws, arn: str, shard: str) -> Iterator[dict[str, Any]]:
    """All records of a shard, from the oldest on, as Lambda gives them."""
    where = {"StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON"}
    iterator = aws.streams.get_shard_iterator(**where)["ShardIterator"]
    while iterator:
        answer = aws.streams.get_records(ShardIterator=iterator, Limit=1000)
        for record in answer["Records"]:
            yield {**record, "dynamodb": _plain(record["dynamodb"]), "eventSourceARN": arn}
        if not answer["Records"]:
            return
        iterator = answer.get("NextShardIterator")


def _plain(change: Mapping[str, Any]) -> dict[str, Any]:
    """A change as JSON: bytes as base64 text, the time as seconds."""
    plain = {name: value for name, value in change.items() if name != "ApproximateCreationDateTime"}
    for image in ("Keys", "NewImage"):
        if image in change:
            plain[image] = {
                name: {k: base64.b64encode(v).decode() if isinstance(v, bytes) else v for k, v in value.items()}
                for name, value in change[image].items()
            }
    return plain


def _sequence(record: Mapping[str, Any]) -> str:
    return str(record["dynamodb"]["SequenceNumber"])
