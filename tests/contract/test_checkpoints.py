"""What every `Checkpoints` does: small documents that change by compare-and-set, with one winner a race.

`CheckpointsContract` is the suite; the classes at the end hold each adapter to it.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.aws import tables
from adapters.aws.checkpoints import DynamoCheckpoints
from adapters.aws.connection import Aws
from domain.errors import InvalidInput
from domain.ports import Checkpoints, Entry


class CheckpointsContract:
    """Subclasses give `checkpoints`, empty for each test."""

    @pytest.fixture
    def checkpoints(self) -> Iterator[Checkpoints]:
        raise NotImplementedError

    def test_what_is_saved_is_loaded(self, checkpoints: Checkpoints) -> None:
        saved = checkpoints.save("lease", "gallery / ünïcode 📷", bytes(range(256)), 0)
        assert saved == Entry("lease", "gallery / ünïcode 📷", bytes(range(256)), 1)
        assert checkpoints.load("lease", "gallery / ünïcode 📷") == saved

    def test_what_was_never_saved_is_none(self, checkpoints: Checkpoints) -> None:
        assert checkpoints.load("lease", "gallery") is None

    def test_an_empty_document_is_a_document(self, checkpoints: Checkpoints) -> None:
        checkpoints.save("lease", "a", b"", 0)
        assert checkpoints.load("lease", "a") == Entry("lease", "a", b"", 1)

    def test_each_save_raises_the_revision(self, checkpoints: Checkpoints) -> None:
        checkpoints.save("lease", "a", b"1", 0)
        assert checkpoints.save("lease", "a", b"2", 1) == Entry("lease", "a", b"2", 2)
        assert checkpoints.save("lease", "a", b"3", None) == Entry("lease", "a", b"3", 3)
        assert checkpoints.load("lease", "a") == Entry("lease", "a", b"3", 3)

    @pytest.mark.parametrize("expected", [0, 1, 3])
    def test_a_save_from_another_revision_is_not_made(self, checkpoints: Checkpoints, expected: int) -> None:
        checkpoints.save("lease", "a", b"1", 0)
        checkpoints.save("lease", "a", b"2", 1)
        assert checkpoints.save("lease", "a", b"x", expected) is None
        assert checkpoints.load("lease", "a") == Entry("lease", "a", b"2", 2)

    def test_a_save_from_a_revision_of_what_is_not_there_is_not_made(self, checkpoints: Checkpoints) -> None:
        assert checkpoints.save("lease", "a", b"x", 1) is None
        assert checkpoints.load("lease", "a") is None

    def test_a_save_whatever_the_revision_makes_the_document(self, checkpoints: Checkpoints) -> None:
        assert checkpoints.save("lease", "a", b"x", None) == Entry("lease", "a", b"x", 1)

    def test_a_deleted_document_is_gone_and_may_be_made_again(self, checkpoints: Checkpoints) -> None:
        checkpoints.save("lease", "a", b"1", 0)
        checkpoints.delete("lease", "a")
        checkpoints.delete("lease", "a")
        assert checkpoints.load("lease", "a") is None
        assert checkpoints.save("lease", "a", b"2", 1) is None
        assert checkpoints.save("lease", "a", b"2", 0) == Entry("lease", "a", b"2", 1)

    def test_documents_of_a_kind_are_listed_by_name(self, checkpoints: Checkpoints) -> None:
        for name in ("b", "a", "10", "2", "é"):
            checkpoints.save("lease", name, name.encode(), 0)
        checkpoints.save("lea", "z", b"", 0)
        checkpoints.save("parked", "a", b"other", 0)
        assert [entry.name for entry in checkpoints.list("lease")] == ["10", "2", "a", "b", "é"]
        assert list(checkpoints.list("parked")) == [Entry("parked", "a", b"other", 1)]
        assert list(checkpoints.list("nothing")) == []

    def test_a_kind_of_more_than_a_megabyte_is_listed_whole(self, checkpoints: Checkpoints) -> None:
        for n in range(40):
            checkpoints.save("parked", f"{n:02d}", b"x" * 40_000, 0)
        assert [entry.name for entry in checkpoints.list("parked")] == [f"{n:02d}" for n in range(40)]

    @pytest.mark.parametrize("value", [b"the same", None])
    def test_of_many_savers_from_one_revision_exactly_one_wins(
        self, checkpoints: Checkpoints, value: bytes | None
    ) -> None:
        savers = 8
        for revision in range(5):
            ready = threading.Barrier(savers)

            def save(name: int, revision: int = revision, ready: threading.Barrier = ready) -> Entry | None:
                ready.wait()
                return checkpoints.save("lease", "a", value or str(name).encode(), revision)

            with ThreadPoolExecutor(savers) as pool:
                answers = [entry for entry in pool.map(save, range(savers)) if entry is not None]
            assert len(answers) == 1
            assert answers[0].revision == revision + 1
            assert checkpoints.load("lease", "a") == answers[0]

    def test_no_save_is_lost_when_many_count(self, checkpoints: Checkpoints) -> None:
        def count(_: int) -> None:
            while True:
                entry = checkpoints.load("count", "a")
                value = int(entry.value) + 1 if entry else 1
                if checkpoints.save("count", "a", str(value).encode(), entry.revision if entry else 0):
                    return

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(count, range(30)))
        assert checkpoints.load("count", "a") == Entry("count", "a", b"30", 30)


class TestSqlite(CheckpointsContract):
    @pytest.fixture
    def checkpoints(self, tmp_path: Path) -> Iterator[Checkpoints]:
        from adapters.local.checkpoints import SqliteCheckpoints

        checkpoints = SqliteCheckpoints(tmp_path / "checkpoints.db")
        yield checkpoints
        checkpoints.close()


class DynamoContract(CheckpointsContract):
    """What DynamoDB does besides."""

    @pytest.fixture
    def aws(self) -> Aws:
        raise NotImplementedError

    @pytest.fixture
    def checkpoints(self, aws: Aws, prefix: str) -> Iterator[DynamoCheckpoints]:
        checkpoints = DynamoCheckpoints(aws, f"{prefix}checkpoints")
        checkpoints.create()
        checkpoints.create()
        yield checkpoints
        checkpoints.close()
        tables.drop(aws, f"{prefix}checkpoints")

    def test_a_save_and_a_load_are_one_request_each(self, checkpoints: DynamoCheckpoints) -> None:
        checkpoints.save("lease", "a", b"x" * 500, 0)
        assert (checkpoints.costs.requests, checkpoints.costs.wcu) == (1, 1)
        checkpoints.load("lease", "a")
        assert (checkpoints.costs.requests, checkpoints.costs.rcu) == (2, 1)

    def test_a_document_over_400_kb_is_refused(self, checkpoints: DynamoCheckpoints) -> None:
        with pytest.raises(InvalidInput, match="too many"):
            checkpoints.save("lease", "a", b"x" * 409_600, 0)
        assert checkpoints.costs.requests == 0

    @pytest.mark.parametrize(("kind", "name"), [("", "a"), ("lease", ""), ("lease", "x" * 1025)])
    def test_a_key_that_dynamodb_does_not_take_is_refused_in_plain_words(
        self, checkpoints: DynamoCheckpoints, kind: str, name: str
    ) -> None:
        with pytest.raises(InvalidInput, match="must have 1 to"):
            checkpoints.load(kind, name)


class TestMinistack(DynamoContract):
    @pytest.fixture
    def aws(self, emulated: Aws) -> Aws:
        return emulated


class TestNamedDynamo(DynamoContract):
    @pytest.fixture
    def aws(self, named: Aws) -> Aws:
        return named
