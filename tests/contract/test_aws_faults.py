"""What AWS does and no emulator plays: contention, unprocessed keys, split shards, expired iterators, refused batches.

The answers are AWS's own, given where botocore would send the request.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from botocore.exceptions import ClientError

from adapters.aws.connection import MAX_ATTEMPTS, Aws, Costs, retry_contention
from adapters.aws.items import to_item
from adapters.aws.objects import put_if_absent
from adapters.aws.queues import SqsQueue
from adapters.aws.tail import StreamTail
from adapters.aws.views import DynamoViewStore
from domain.commits import Commit
from domain.ports import Delivery, Message, Move, Row, ViewTable

TABLE = ViewTable("totals", 1)


class _Body:
    """A response's body, as urllib3 gives it."""

    def __init__(self, content: bytes) -> None:
        self._content = content

    def stream(self, **_: Any) -> Iterator[bytes]:
        yield self._content

    def read(self, *_: Any) -> bytes:
        return self._content


class Wire:
    """Answers requests in the order given; the last answer stands for all that follow. Keeps what was sent."""

    def __init__(self, client: Any, *answers: tuple[int, Any]) -> None:
        self.sent: list[dict[str, Any]] = []
        self.conditions: list[str | None] = []
        self._answers = list(answers)
        client.meta.events.register("before-send.*.*", self._answer)

    def _answer(self, request: Any, **_: Any) -> AWSResponse:
        body = request.body
        condition = request.headers.get("If-None-Match")
        self.conditions.append(condition.decode() if isinstance(condition, bytes) else condition)
        self.sent.append(json.loads(body) if isinstance(body, bytes | str) and body else {})
        status, content = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        return AWSResponse(request.url, status, {"content-length": str(len(raw))}, _Body(raw))


@pytest.fixture
def aws() -> Iterator[Aws]:
    session = boto3.session.Session("test", "test", region_name="us-east-1")
    aws = Aws(session, endpoint_url="http://127.0.0.1:1")
    yield aws
    aws.close()


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting between attempts."""
    monkeypatch.setattr("botocore.endpoint.time.sleep", lambda _: None)


def cancelled(*codes: str) -> tuple[int, dict[str, Any]]:
    """DynamoDB's answer when a transaction was cancelled."""
    return 400, {
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": "Transaction cancelled",
        "CancellationReasons": [{"Code": code} for code in codes],
    }


def moves(count: int) -> list[Move]:
    """So many contributions of one photo each."""
    return [Move(Row("anna", str(n), 1, b""), 0, {"photos": {"count": 1}}) for n in range(count)]


DONE = (200, {"ConsumedCapacity": [{"TableName": "t", "CapacityUnits": 6.0}]})


@pytest.mark.usefixtures("at_once")
class TestTransactions:
    def test_a_transaction_that_met_another_one_is_tried_again_as_it_is(self, aws: Aws) -> None:
        wire = Wire(aws.dynamodb, cancelled("None", "None", "TransactionConflict"), DONE)
        store = DynamoViewStore(aws, "t-")
        assert list(store.move(TABLE, moves(2))) == [True, True]
        assert len(wire.sent) == 2
        assert wire.sent[0] == wire.sent[1]
        assert wire.sent[0]["ClientRequestToken"]
        assert store.costs.requests == 2

    def test_a_stale_move_beside_a_conflict_is_left_out_and_the_others_are_made(self, aws: Aws) -> None:
        wire = Wire(aws.dynamodb, cancelled("None", "ConditionalCheckFailed", "TransactionConflict"), DONE)
        store = DynamoViewStore(aws, "t-")
        assert list(store.move(TABLE, moves(2))) == [True, False]
        assert [len(body["TransactItems"]) for body in wire.sent] == [3, 2]

    def test_contention_without_end_is_an_error_and_no_move_is_called_made(self, aws: Aws) -> None:
        wire = Wire(aws.dynamodb, cancelled("None", "None", "TransactionConflict"))
        with pytest.raises(ClientError, match="TransactionCanceled"):
            DynamoViewStore(aws, "t-").move(TABLE, moves(2))
        assert len(wire.sent) == MAX_ATTEMPTS

    def test_a_failed_guard_is_not_tried_again_as_it_is(self) -> None:
        _, answer = cancelled("ConditionalCheckFailed", "None")
        assert retry_contention(response=(None, answer), attempts=1) is None
        assert retry_contention(response=None, attempts=1) is None
        assert retry_contention(response=(None, {}), attempts=1) is None

    def test_waits_grow_and_are_bounded(self) -> None:
        _, answer = cancelled("TransactionConflict")
        for attempt in range(1, MAX_ATTEMPTS):
            waits = [retry_contention(response=(None, answer), attempts=attempt) for _ in range(50)]
            assert all(wait is not None and 0 <= wait <= min(2.0, 0.05 * 2**attempt) for wait in waits)


@pytest.mark.usefixtures("at_once")
class TestRows:
    def test_keys_that_were_not_processed_are_asked_for_again(self, aws: Aws) -> None:
        def item(key: str) -> dict[str, Any]:
            return {"pk": {"S": "anna"}, "sk": {"S": key}, "version": {"N": "1"}, "data": {"B": "eA=="}}

        left = {"t-totals_g1": {"Keys": [{"pk": {"S": "anna"}, "sk": {"S": "b"}}], "ConsistentRead": True}}
        wire = Wire(
            aws.dynamodb,
            (200, {"Responses": {"t-totals_g1": [item("a")]}, "UnprocessedKeys": left}),
            (200, {"Responses": {"t-totals_g1": [item("b")]}, "UnprocessedKeys": {}}),
        )
        found = DynamoViewStore(aws, "t-").get(TABLE, [("anna", "b"), ("anna", "a")])
        assert found == [Row("anna", "b", 1, b"x"), Row("anna", "a", 1, b"x")]
        assert len(wire.sent) == 2

    def test_a_throttled_put_is_tried_again(self, aws: Aws) -> None:
        throttled = {"__type": "com.amazonaws.dynamodb.v20120810#ProvisionedThroughputExceededException", "message": ""}
        wire = Wire(aws.dynamodb, (400, throttled), (400, throttled), (200, {"ConsumedCapacity": {"CapacityUnits": 1}}))
        store = DynamoViewStore(aws, "t-")
        assert store.put(TABLE, [Row("anna", "a", 1, b"x")]) == 1
        assert len(wire.sent) == 3
        assert store.costs.requests == 3


class TestObjects:
    def test_two_writers_of_one_object_at_the_same_instant_both_succeed(self, aws: Aws) -> None:
        busy = b"<Error><Code>ConditionalRequestConflict</Code><Message>busy</Message></Error>"
        wire = Wire(aws.s3, (409, busy), (200, b""))
        costs = Costs()
        put_if_absent(aws.s3, costs, "bucket", "key", b"x")
        assert len(wire.sent) == costs.requests == 2
        assert wire.conditions == ["*", None]


class TestQueues:
    def test_messages_that_sqs_refuses_are_an_error(self, aws: Aws) -> None:
        refused = {"Failed": [{"Id": "0", "SenderFault": False, "Code": "InternalError", "Message": "try later"}]}
        Wire(aws.sqs, (200, {"QueueUrl": "http://127.0.0.1:1/0/q"}), (200, refused))
        with pytest.raises(ClientError, match="try later"):
            SqsQueue(aws, "").send("q", [Message("m", "s", "q", "", "")])

    def test_a_retry_is_never_later_than_sqs_allows(self, aws: Aws) -> None:
        wire = Wire(aws.sqs, (200, {"QueueUrl": "http://127.0.0.1:1/0/q"}), (200, {}))
        queue = SqsQueue(aws, "")
        for seconds, hidden in ((0, 0), (0.2, 1), (90, 90), (7 * 24 * 3600, 11 * 3600)):
            queue.retry(Delivery("q", Message("m", "s", "q", "", ""), "receipt", 1), seconds)
            assert wire.sent[-1]["VisibilityTimeout"] == hidden


def commit(stream: str, number: int) -> Commit:
    return Commit(stream, number, number, 1, f"c{number}", number, "a", "b", None, b"[]", bytes(32), bytes(32))


class Shards:
    """DynamoDB Streams with shards that split, as AWS describes them; takes the place of both clients."""

    def __init__(self, shards: dict[str, tuple[str | None, bool, Sequence[Commit]]]) -> None:
        self.shards = shards
        self.calls: list[str] = []
        self.expired: set[str] = set()
        self.trimmed: set[str] = set()
        self.empty_first = False

    @property
    def dynamodb(self) -> Shards:
        return self

    @property
    def streams(self) -> Shards:
        return self

    def describe_table(self, **_: Any) -> dict[str, Any]:
        return {"Table": {"LatestStreamArn": "arn:stream"}}

    def describe_stream(self, ExclusiveStartShardId: str = "", **_: Any) -> dict[str, Any]:  # noqa: N803
        names = [name for name in self.shards if name > ExclusiveStartShardId]
        listed = [
            {"ShardId": name}
            | ({"ParentShardId": self.shards[name][0]} if self.shards[name][0] else {})
            | {"SequenceNumberRange": {"EndingSequenceNumber": "9"} if self.shards[name][1] else {}}
            for name in names[:2]
        ]
        more = {"LastEvaluatedShardId": names[1]} if len(names) > 2 else {}
        return {"StreamDescription": {"Shards": listed} | more}

    def get_shard_iterator(self, ShardId: str, ShardIteratorType: str, SequenceNumber: str = "0", **_: Any) -> Any:  # noqa: N803
        if ShardIteratorType == "AFTER_SEQUENCE_NUMBER" and ShardId in self.trimmed:
            raise ClientError({"Error": {"Code": "TrimmedDataAccessException", "Message": ""}}, "GetShardIterator")
        return {"ShardIterator": f"{ShardId}/{0 if ShardIteratorType == 'TRIM_HORIZON' else SequenceNumber}"}

    def get_records(self, ShardIterator: str, Limit: int) -> dict[str, Any]:  # noqa: N803
        name, _, start = ShardIterator.partition("/")
        self.calls.append(name)
        if ShardIterator in self.expired:
            self.expired.discard(ShardIterator)
            raise ClientError({"Error": {"Code": "ExpiredIteratorException", "Message": ""}}, "GetRecords")
        _, closed, commits = self.shards[name]
        if closed and self.empty_first and not start.endswith("e"):
            return {"Records": [], "NextShardIterator": f"{ShardIterator}e"}
        begin = int(start.rstrip("e"))
        records = [
            {"dynamodb": {"SequenceNumber": str(begin + i + 1), "NewImage": to_item(one)}}
            for i, one in enumerate(commits[begin : begin + Limit])
        ]
        end = begin + len(records)
        following = {} if closed and end >= len(commits) else {"NextShardIterator": f"{name}/{end}"}
        return {"Records": records} | following


def told(commits: Sequence[Commit]) -> list[tuple[str, int]]:
    return [(one.stream, one.number) for one in commits]


class TestTail:
    @pytest.fixture
    def split(self) -> Shards:
        """A shard that split in two, one of which split again; children are listed before their parents."""
        return Shards(
            {
                "a-child": ("z-root", True, [commit("s", 3), commit("s", 4)]),
                "b-child": ("z-root", False, [commit("t", 3)]),
                "c-grandchild": ("a-child", False, [commit("s", 5)]),
                "z-root": ("gone", True, [commit("s", 1), commit("t", 1), commit("s", 2), commit("t", 2)]),
            }
        )

    def read_all(self, shards: Shards, limit: int, checkpoint: str | None = None) -> tuple[list[Commit], str]:
        """Follow the tail with a new reader for each call, as a worker that restarts does."""
        found: list[Commit] = []
        for _ in range(20):
            tail = StreamTail(shards, "t", Costs()).read(checkpoint, limit)  # type: ignore[arg-type]
            checkpoint = tail.checkpoint
            found += tail.commits
        assert checkpoint is not None
        return found, checkpoint

    @pytest.mark.parametrize("limit", [1, 2, 3, 100])
    def test_a_split_shard_is_read_before_its_children(self, split: Shards, limit: int) -> None:
        found, _ = self.read_all(split, limit)
        assert [n for s, n in told(found) if s == "s"] == [1, 2, 3, 4, 5]
        assert [n for s, n in told(found) if s == "t"] == [1, 2, 3]

    def test_what_comes_after_the_split_is_read_from_the_children(self, split: Shards) -> None:
        _, checkpoint = self.read_all(split, 100)
        split.shards["c-grandchild"] = ("a-child", False, [commit("s", 5), commit("s", 6)])
        del split.shards["z-root"], split.shards["a-child"]  # AWS lists a shard for a day
        assert told(self.read_all(split, 100, checkpoint)[0]) == [("s", 6)]

    def test_an_empty_answer_of_a_closed_shard_is_not_its_end(self, split: Shards) -> None:
        split.empty_first = True
        assert len(self.read_all(split, 100)[0]) == 8

    def test_an_expired_iterator_is_renewed_where_it_was(self) -> None:
        shards = Shards({"a": (None, False, [commit("s", n) for n in range(1, 6)])})
        tail = StreamTail(shards, "t", Costs())  # type: ignore[arg-type]
        first = tail.read(None, 3)
        shards.expired.add("a/3")
        assert told(tail.read(first.checkpoint, 10).commits) == [("s", 4), ("s", 5)]

    def test_a_kept_iterator_is_not_used_for_another_checkpoint(self) -> None:
        shards = Shards({"a": (None, False, [commit("s", n) for n in range(1, 6)])})
        tail = StreamTail(shards, "t", Costs())  # type: ignore[arg-type]
        first = tail.read(None, 2)
        tail.read(first.checkpoint, 2)
        assert told(tail.read(first.checkpoint, 10).commits) == [("s", 3), ("s", 4), ("s", 5)]

    def test_trimmed_records_are_left_behind_and_the_oldest_there_is_comes_next(self) -> None:
        shards = Shards({"a": (None, False, [commit("s", n) for n in range(1, 4)])})
        checkpoint = self.read_all(shards, 2)[1]
        shards.trimmed.add("a")
        assert told(StreamTail(shards, "t", Costs()).read(checkpoint, 10).commits)[0] == ("s", 1)  # type: ignore[arg-type]

    def test_records_of_one_stream_that_come_out_of_order_or_twice_are_told_in_order_and_once(self) -> None:
        order = [commit("s", 2), commit("t", 1), commit("s", 1), commit("s", 2), commit("s", 10), commit("s", 9)]
        found = StreamTail(Shards({"a": (None, False, order)}), "t", Costs()).read(None, 10)  # type: ignore[arg-type]
        assert told(found.commits) == [("s", 1), ("t", 1), ("s", 2), ("s", 9), ("s", 10)]
