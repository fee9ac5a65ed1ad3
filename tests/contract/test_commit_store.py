"""Each adapter, held to `suites.commit_store.CommitStoreContract`; and what DynamoDB promises besides.

The cost of each call is counted on the wire, because AWS bills by it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from adapters.aws import tables
from adapters.aws.archive import CommitArchive
from adapters.aws.commits import DynamoCommitStore
from adapters.aws.connection import Aws
from domain.commits import Commit
from domain.errors import CommitTooLarge, InvalidInput, NotFound
from domain.ports import CommitStore
from tests.contract.suites.commit_store import START_US, CommitStoreContract, commit, fill, history


class TestSqlite(CommitStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[CommitStore]:
        from adapters.local.commits import SqliteCommitStore

        store = SqliteCommitStore(tmp_path / "events.db")
        yield store
        store.close()


class DynamoContract(CommitStoreContract):
    """What a DynamoDB store does besides."""

    @pytest.fixture
    def aws(self) -> Aws:
        raise NotImplementedError

    @pytest.fixture
    def archive(self) -> CommitArchive | None:
        return None

    @pytest.fixture
    def store(self, aws: Aws, prefix: str, archive: CommitArchive | None) -> Iterator[DynamoCommitStore]:
        store = DynamoCommitStore(aws, f"{prefix}events", archive)
        store.create()
        yield store
        store.close()
        tables.drop(aws, f"{prefix}events")

    @pytest.fixture
    def sent(self, aws: Aws) -> Iterator[list[str]]:
        """Every operation that goes over the wire while the test runs."""
        operations: list[str] = []

        def note(request: Any, operation_name: str, **_: Any) -> None:
            operations.append(operation_name)

        aws.dynamodb.meta.events.register(
            "before-send.dynamodb.*",
            lambda request, **_: note(request, request.headers["X-Amz-Target"].decode().split(".")[-1]),
            unique_id="counted",
        )
        yield operations
        aws.dynamodb.meta.events.unregister("before-send.dynamodb.*", unique_id="counted")

    @pytest.mark.parametrize(("body_bytes", "wcu"), [(0, 1), (3000, 4), (60_000, 59)])
    def test_a_put_is_one_request_and_a_wcu_a_started_kilobyte(
        self, store: DynamoCommitStore, sent: list[str], body_bytes: int, wcu: int
    ) -> None:
        store.costs.reset()
        store.put(commit(body=b'["' + b"x" * body_bytes + b'"]'))
        assert sent == ["PutItem"]
        assert (store.costs.requests, store.costs.wcu) == (1, wcu)

    def test_a_lost_race_is_one_request(self, store: DynamoCommitStore, sent: list[str]) -> None:
        store.put(commit())
        store.costs.reset()
        sent.clear()
        assert store.put(commit(commit_id="other")) is not None
        assert sent == ["PutItem"]
        assert (store.costs.requests, store.costs.wcu) == (1, 1)

    def test_reading_a_stream_is_a_request_a_megabyte(self, store: DynamoCommitStore, sent: list[str]) -> None:
        fill(store, history(1, 40, body=b'["' + b"x" * 60_000 + b'"]'))
        sent.clear()
        store.costs.reset()
        list(store.read("anna#asset#0"))
        assert sent == ["Query"] * store.costs.requests
        assert 3 <= store.costs.requests <= 4

    def test_an_item_over_400_kb_is_refused_before_anything_is_sent(
        self, store: DynamoCommitStore, sent: list[str]
    ) -> None:
        with pytest.raises(CommitTooLarge, match="409,600"):
            store.put(commit(body=b'["' + b"x" * 409_600 + b'"]'))
        assert sent == []
        assert list(store.read("anna#asset#1")) == []

    def test_the_largest_item_that_is_let_through_is_stored(self, store: DynamoCommitStore) -> None:
        def of(size: int) -> Commit:
            return commit(body=b'["' + b"x" * size + b'"]')

        low, high = 400_000, 409_600  # the largest body that the adapter lets through, by bisection
        while high - low > 1:
            middle = (low + high) // 2
            try:
                store.put(of(middle))
            except CommitTooLarge:
                high = middle
            else:
                low = middle
        other = commit(number=2, body=b'["' + b"x" * low + b'"]')
        assert store.put(other) is None
        assert list(store.read("anna#asset#1", after=1)) == [other]

    def test_the_event_table_has_a_stream_and_no_index(self, aws: Aws, store: DynamoCommitStore, prefix: str) -> None:
        table = aws.dynamodb.describe_table(TableName=f"{prefix}events")["Table"]
        assert table["StreamSpecification"] == {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
        assert "GlobalSecondaryIndexes" not in table
        assert "LocalSecondaryIndexes" not in table
        assert {key["AttributeName"]: key["KeyType"] for key in table["KeySchema"]} == {
            "stream": "HASH",
            "commit": "RANGE",
        }

    @pytest.mark.parametrize("checkpoint", ["", "nonsense", "{}", "[]", '{"stream": 1, "shards": {}}'])
    def test_a_made_up_checkpoint_is_refused(self, store: DynamoCommitStore, checkpoint: str) -> None:
        with pytest.raises(InvalidInput):
            store.tail(checkpoint, 10)

    def test_a_checkpoint_of_an_earlier_table_begins_with_the_oldest(self, store: DynamoCommitStore) -> None:
        store.put(commit())
        _, checkpoint = self.drain(store, None, 1)
        other = json.loads(checkpoint) | {"stream": "arn:aws:dynamodb:us-east-1:0:table/old/stream/2020"}
        assert [one.number for one in self.drain(store, json.dumps(other), 1)[0]] == [1]

    def test_a_checkpoint_whose_records_are_trimmed_begins_with_the_oldest(self, store: DynamoCommitStore) -> None:
        store.put(commit())
        _, checkpoint = self.drain(store, None, 1)
        shards = json.loads(checkpoint)
        shards["shards"] = dict.fromkeys(shards["shards"], "000000000000000000000000000001")
        assert [one.number for one in self.drain(store, json.dumps(shards), 1)[0]] == [1]

    def test_making_the_table_twice_changes_nothing(self, store: DynamoCommitStore) -> None:
        store.put(commit())
        store.create()
        assert len(list(store.read("anna#asset#1"))) == 1


class TestMinistack(DynamoContract):
    @pytest.fixture
    def aws(self, emulated: Aws) -> Aws:
        return emulated

    @pytest.fixture
    def archive(self, aws: Aws, prefix: str) -> Iterator[CommitArchive]:
        bucket = f"{prefix}archive"
        aws.s3.create_bucket(Bucket=bucket)
        yield CommitArchive(aws, bucket)
        for entry in aws.s3.list_objects_v2(Bucket=bucket).get("Contents", ()):
            aws.s3.delete_object(Bucket=bucket, Key=entry["Key"])
        aws.s3.delete_bucket(Bucket=bucket)

    @pytest.fixture(autouse=True)
    def _archive_of_the_test(self, archive: CommitArchive) -> None:
        self._archive = archive

    def ship(self, store: CommitStore, commits: Sequence[Commit]) -> None:
        self._archive.write(commits)

    def test_archiving_the_same_commits_again_adds_no_object(
        self, archive: CommitArchive, aws: Aws, prefix: str
    ) -> None:
        commits = [commit(number=n, recorded_us=START_US + n * 1_800_000_000) for n in range(1, 5)]
        first = archive.write(commits)
        assert archive.write(reversed(commits)) == first
        listed = [e["Key"] for e in aws.s3.list_objects_v2(Bucket=f"{prefix}archive")["Contents"]]
        assert sorted(listed) == sorted(first)
        assert first[0].startswith("events/2026/11/24/02/")

    def test_a_window_opens_only_objects_of_its_hours(self, archive: CommitArchive) -> None:
        hour = 3_600_000_000
        for n in range(1, 9):
            archive.write([commit(number=n, recorded_us=START_US + n * hour)])
        archive.costs.reset()
        assert [one.number for one in archive.read(START_US + 3 * hour, START_US + 5 * hour)] == [3, 4]
        assert archive.costs.requests == 3  # one list, two objects


class TestNamedDynamo(DynamoContract):
    @pytest.fixture
    def aws(self, named: Aws) -> Aws:
        return named

    def test_a_window_holds_what_was_recorded_from_its_start_to_before_its_end(self, store: CommitStore) -> None:
        with pytest.raises(NotFound, match="archive"):
            store.window(0, 1)

    def test_a_window_tells_in_the_order_of_recording_across_streams(self, store: CommitStore) -> None:
        pytest.skip("a window is read from the archive in S3, which this endpoint does not have")
