"""Each adapter, held to `suites.event_store.EventStoreContract`; and what DynamoDB promises besides.

The cost of each call is counted on the wire, because AWS bills by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.aws import tables
from adapters.aws.commits import DynamoCommitStore
from adapters.aws.connection import Aws
from domain.commits import NEW
from domain.errors import ConflictError
from domain.eventstore import EventStore
from domain.ports import CommitStore
from events_schema.codec import EventCodec
from tests.contract.suites.event_store import STREAM, EventStoreContract, Memory, cause, seen


class TestSqlite(EventStoreContract):
    @pytest.fixture
    def commits(self, tmp_path: Path) -> Iterator[CommitStore]:
        from adapters.local.commits import SqliteCommitStore

        store = SqliteCommitStore(tmp_path / "events.db")
        yield store
        store.close()


class DynamoContract(EventStoreContract):
    """What it costs on DynamoDB, counted on the wire."""

    @pytest.fixture
    def aws(self) -> Aws:
        raise NotImplementedError

    @pytest.fixture
    def commits(self, aws: Aws, prefix: str) -> Iterator[DynamoCommitStore]:
        store = DynamoCommitStore(aws, f"{prefix}events")
        store.create()
        yield store
        store.close()
        tables.drop(aws, f"{prefix}events")

    @pytest.fixture
    def sent(self, aws: Aws) -> Iterator[list[dict[str, Any]]]:
        """The body of every request that goes over the wire while the test runs."""
        bodies: list[dict[str, Any]] = []

        def note(request: Any, **_: Any) -> None:
            bodies.append(msgspec.json.decode(request.body) | {"_": request.headers["X-Amz-Target"].decode()})

        aws.dynamodb.meta.events.register("before-send.dynamodb.*", note, unique_id="counted")
        yield bodies
        aws.dynamodb.meta.events.unregister("before-send.dynamodb.*", unique_id="counted")

    @pytest.mark.parametrize("count", [1, 5, 15])
    def test_an_append_is_one_put_of_one_item_whatever_the_number_of_events(
        self, store: EventStore, commits: DynamoCommitStore, sent: list[dict[str, Any]], count: int
    ) -> None:
        commits.costs.reset()
        store.append(STREAM, [seen("x" * 900)] * count, NEW, cause("c1"))
        (body,) = sent
        assert body["_"].endswith(".PutItem")
        assert (commits.costs.requests, commits.costs.wcu) == (1, -(-_size(body["Item"]) // 1024))

    def test_an_append_that_repeats_or_loses_is_one_request_too(
        self, store: EventStore, commits: DynamoCommitStore, sent: list[dict[str, Any]]
    ) -> None:
        store.append(STREAM, [seen()], NEW, cause("c1"))
        commits.costs.reset()
        sent.clear()
        store.append(STREAM, [seen()], NEW, cause("c1"))
        with pytest.raises(ConflictError):
            store.append(STREAM, [seen()], NEW, cause("c2"))
        assert len(sent) == 2
        assert (commits.costs.requests, commits.costs.wcu) == (2, 2)

    def test_a_decision_is_a_query_and_a_put(self, store: EventStore, sent: list[dict[str, Any]]) -> None:
        token = store.append(STREAM, [seen()], NEW, cause("c1")).token
        sent.clear()
        assert store.load(STREAM).token == token
        store.append(STREAM, [seen()], token, cause("c2"))
        assert [body["_"].rpartition(".")[2] for body in sent] == ["Query", "PutItem"]
        assert sent[0]["ConsistentRead"] is True

    def test_times_are_kept_to_the_microsecond(self, commits: DynamoCommitStore) -> None:
        moment = datetime(2026, 11, 24, 2, 3, 4, 567891, UTC)
        store = EventStore(commits, Memory(), EventCodec(), clock=lambda: moment)
        store.append(STREAM, [seen()], NEW, cause("c1"))
        assert store.load(STREAM).events[0].commit.recorded_at == moment


def _size(item: dict[str, dict[str, str]]) -> int:
    """DynamoDB's own arithmetic, told apart from the adapter's: B is base64 on the wire, N takes half its digits."""
    total = 0
    for name, value in item.items():
        ((kind, content),) = value.items()
        total += len(name) + {"S": len(content.encode()), "B": 32, "N": len(content) // 2 + 2}[kind]
    return total


class TestMinistack(DynamoContract):
    examples = 15

    @pytest.fixture
    def aws(self, emulated: Aws) -> Aws:
        return emulated


class TestNamedDynamo(DynamoContract):
    examples = 15

    @pytest.fixture
    def aws(self, named: Aws) -> Aws:
        return named
