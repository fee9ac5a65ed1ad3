"""Each adapter, held to `suites.view_store.ViewStoreContract`; and what DynamoDB promises besides.

The cost of each call is counted on the wire, because AWS bills by it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.aws.connection import Aws
from adapters.aws.views import DynamoViewStore
from domain.errors import InvalidInput
from domain.ports import Row, ViewStore
from tests.contract.suites.view_store import GALLERY, NEXT, ViewStoreContract, move, row


class TestSqlite(ViewStoreContract):
    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[ViewStore]:
        from adapters.local.views import SqliteViewStore

        store = SqliteViewStore(tmp_path / "views.db")
        store.create(GALLERY)
        store.create(NEXT)
        yield store
        store.close()


class DynamoContract(ViewStoreContract):
    """What a DynamoDB store does besides."""

    @pytest.fixture
    def aws(self) -> Aws:
        raise NotImplementedError

    @pytest.fixture
    def store(self, aws: Aws, prefix: str) -> Iterator[DynamoViewStore]:
        store = DynamoViewStore(aws, prefix)
        store.create(GALLERY)
        store.create(NEXT)
        yield store
        store.drop(GALLERY)
        store.drop(NEXT)
        store.close()

    def test_fifty_moves_are_one_request(self, store: DynamoViewStore) -> None:
        store.costs.reset()
        moves = [move(f"{n:03d}", 0, 1, photos={"count": 1}, days={"count": 1}) for n in range(50)]
        assert all(store.move(GALLERY, moves))
        assert store.costs.requests == 1
        assert store.costs.wcu == 2 * (50 + 2)

    def test_a_row_that_moves_no_total_is_a_plain_write_at_its_base(self, store: DynamoViewStore) -> None:
        assert store.move(GALLERY, [move("a", 0, 1, photos={"count": 1})]) == [True]
        store.costs.reset()
        assert store.move(GALLERY, [move("a", 1, 2)]) == [True]
        assert (store.costs.requests, store.costs.wcu) == (1, 1)
        assert store.move(GALLERY, [move("a", 1, 3)]) == [False]
        assert store.get(GALLERY, [("anna", "a")])[0].version == 2  # type: ignore[union-attr]
        assert store.totals(GALLERY, "anna") == {"photos": {"count": 1}}

    def test_a_hundred_keys_are_one_request(self, store: DynamoViewStore) -> None:
        store.put(GALLERY, [row(f"{n:03d}") for n in range(101)])
        store.costs.reset()
        store.get(GALLERY, [("anna", f"{n:03d}") for n in range(100)] * 2)
        assert (store.costs.requests, store.costs.rcu) == (1, 100)
        store.get(GALLERY, [("anna", f"{n:03d}") for n in range(101)])
        assert store.costs.requests == 3

    def test_rows_of_more_than_16_megabytes_are_all_fetched(self, store: DynamoViewStore) -> None:
        rows = [row(f"{n:03d}", data=bytes([n]) * 350_000, index=(None, None)) for n in range(50)]
        store.put(GALLERY, rows)
        assert store.get(GALLERY, [("anna", one.key) for one in rows]) == rows

    def test_a_row_over_400_kb_is_refused_and_nothing_of_its_batch_is_written(self, store: DynamoViewStore) -> None:
        with pytest.raises(InvalidInput, match="409,600"):
            store.put(GALLERY, [row("a"), row("b", data=b"x" * 410_000)])
        assert store.get(GALLERY, [("anna", "a")]) == [None]

    @pytest.mark.parametrize("bad", [row(""), row("a", partition=""), row("x" * 1025), row("a", index=("", None))])
    def test_a_key_that_dynamodb_does_not_take_is_refused_in_plain_words(
        self, store: DynamoViewStore, bad: Row
    ) -> None:
        with pytest.raises(InvalidInput, match="must have 1 to"):
            store.put(GALLERY, [bad])


class TestMinistack(DynamoContract):
    @pytest.fixture
    def aws(self, emulated: Aws) -> Aws:
        return emulated


class TestNamedDynamo(DynamoContract):
    settling_seconds = 20.0

    @pytest.fixture
    def aws(self, named: Aws) -> Aws:
        return named
