"""What every `ViewStore` does: no write takes a row back, no query misses, repeats or crosses, totals add up.

`ViewStoreContract` is the suite; `tests/contract/test_view_store.py` holds each adapter to it.
"""

from __future__ import annotations

import functools
import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from domain.errors import InvalidInput
from domain.ports import Move, Page, Row, ViewStore, ViewTable
from tests.support.waiting import wait_for

GALLERY = ViewTable("gallery", 1, ("by_date", "by_place"))
NEXT = ViewTable("gallery", 2, ("by_date", "by_place"))


def row(key: str, version: int = 1, data: bytes = b"", partition: str = "anna", **changes: Any) -> Row:
    """A row of the gallery; by default in its first index under its own key, and not in the second."""
    index = changes.pop("index", (key, None))
    return Row(partition, key, version, data or f"{key}@{version}".encode(), index, **changes)


def tombstone(key: str, version: int, partition: str = "anna") -> Row:
    """A row that went away."""
    return Row(partition, key, version, b"", (key, key), deleted=True)


def move(key: str, base: int, version: int, partition: str = "anna", **deltas: Mapping[str, int]) -> Move:
    """A contribution that changes totals by `deltas`: total -> counter -> difference."""
    return Move(row(key, version, partition=partition, index=(None, None)), base, deltas)


def nonzero(totals: Mapping[str, Mapping[str, int]]) -> dict[str, dict[str, int]]:
    """Totals without what is 0, which a store may leave out."""
    kept = {total: {c: n for c, n in counters.items() if n} for total, counters in totals.items()}
    return {total: counters for total, counters in kept.items() if counters}


class ViewStoreContract:
    """Subclasses give a `store` that holds an empty GALLERY and an empty NEXT."""

    settling_seconds = 0.0
    """How long a query may lag behind a write."""

    @pytest.fixture
    def store(self) -> Iterator[ViewStore]:
        raise NotImplementedError

    def walk(self, store: ViewStore, *, limit: int = 100, table: ViewTable = GALLERY, **query: Any) -> list[Row]:
        """All pages of a query."""
        rows: list[Row] = []
        page = Page([], None)
        while True:
            page = store.query(
                table,
                query.get("partition", "anna"),
                limit=limit,
                cursor=page.cursor,
                **{name: value for name, value in query.items() if name != "partition"},
            )
            assert len(page.rows) <= limit
            rows += page.rows
            if page.cursor is None:
                return rows

    def assert_keys(self, store: ViewStore, expected: Sequence[str], **query: Any) -> None:
        """The keys that a walk gives, as soon as the store has settled."""
        found: list[str] = []

        def settled() -> bool:
            found[:] = [one.key for one in self.walk(store, **query)]
            return found == list(expected)

        wait_for(settled, self.settling_seconds)
        assert found == list(expected)

    # --- put and get -------------------------------------------------------------------------------------------------

    def test_a_row_comes_back_as_it_was_put(self, store: ViewStore) -> None:
        rows = [
            row("ünïcode 写真 📷", data=bytes(range(256)), index=("2026-11-24", "Köln/Dom")),
            row("b", data=b"x", index=(None, None)),
            row("c", index=("2026", None)),
        ]
        assert store.put(GALLERY, rows) == 3
        assert store.get(GALLERY, [(one.partition, one.key) for one in rows]) == rows

    def test_rows_are_returned_in_the_order_asked_and_none_for_what_is_not_there(self, store: ViewStore) -> None:
        store.put(GALLERY, [row("a"), row("b")])
        assert store.get(GALLERY, [("anna", "b"), ("anna", "x"), ("anna", "a"), ("ben", "a"), ("anna", "b")]) == [
            row("b"), None, row("a"), None, row("b"),
        ]  # fmt: skip
        assert store.get(GALLERY, []) == []

    @pytest.mark.parametrize(("stored", "written", "wins"), [(5, 4, False), (5, 5, False), (5, 6, True), (9, 10, True)])
    def test_only_a_later_version_is_written(self, store: ViewStore, stored: int, written: int, wins: bool) -> None:
        store.put(GALLERY, [row("a", stored, b"old")])
        assert store.put(GALLERY, [row("a", written, b"new")]) == int(wins)
        (found,) = store.get(GALLERY, [("anna", "a")])
        assert found == (row("a", written, b"new") if wins else row("a", stored, b"old"))

    @pytest.mark.parametrize(("stored", "written", "wins"), [(2, 1, False), (2, 2, True), (2, 3, True)])
    def test_a_repair_replaces_the_same_version_but_no_later_one(
        self, store: ViewStore, stored: int, written: int, wins: bool
    ) -> None:
        store.put(GALLERY, [row("a", stored, b"damaged")])
        assert store.put(GALLERY, [row("a", written, b"mended")], repair=True) == int(wins)
        (found,) = store.get(GALLERY, [("anna", "a")])
        assert found is not None
        assert found.data == (b"mended" if wins else b"damaged")

    def test_whatever_the_order_of_writes_the_latest_version_stays(self, store: ViewStore) -> None:
        versions = [3, 1, 12, 7, 2, 11, 9]
        for version in versions:
            store.put(GALLERY, [row("a", version)])
        assert store.get(GALLERY, [("anna", "a")]) == [row("a", 12)]

    def test_of_racing_writers_the_latest_version_stays(self, store: ViewStore) -> None:
        versions = list(range(1, 33))
        random.Random(4).shuffle(versions)
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda version: store.put(GALLERY, [row("a", version)]), versions))
        assert store.get(GALLERY, [("anna", "a")]) == [row("a", 32)]

    def test_of_a_key_that_is_twice_in_a_batch_the_latest_version_stays(self, store: ViewStore) -> None:
        store.put(GALLERY, [row("a", 2), row("b", 1), row("a", 5), row("a", 3)])
        assert store.get(GALLERY, [("anna", "a"), ("anna", "b")]) == [row("a", 5), row("b", 1)]

    @pytest.mark.parametrize("count", [0, 1, 26, 130])
    def test_batches_may_be_large(self, store: ViewStore, count: int) -> None:
        rows = [row(f"{n:04d}") for n in range(count)]
        assert store.put(GALLERY, rows) == count
        assert store.get(GALLERY, [("anna", one.key) for one in rows]) == rows
        assert store.put(GALLERY, rows) == 0

    # --- tombstones --------------------------------------------------------------------------------------------------

    def test_a_tombstone_is_in_no_query_but_guards_its_version(self, store: ViewStore) -> None:
        store.put(GALLERY, [row("a", 3), row("b", 3)])
        assert store.put(GALLERY, [tombstone("a", 5)]) == 1
        self.assert_keys(store, ["b"])
        self.assert_keys(store, ["b"], index="by_date")
        (found,) = store.get(GALLERY, [("anna", "a")])
        assert found is not None
        assert (found.deleted, found.version) == (True, 5)
        assert store.put(GALLERY, [row("a", 4)]) == 0
        self.assert_keys(store, ["b"])

    def test_a_later_version_brings_a_row_back(self, store: ViewStore) -> None:
        store.put(GALLERY, [row("a", 3)])
        store.put(GALLERY, [tombstone("a", 5)])
        assert store.put(GALLERY, [row("a", 6)]) == 1
        assert store.get(GALLERY, [("anna", "a")]) == [row("a", 6)]
        self.assert_keys(store, ["a"], index="by_date")

    @pytest.mark.parametrize("limit", [1, 3, 7])
    def test_pages_are_full_although_tombstones_lie_between(self, store: ViewStore, limit: int) -> None:
        store.put(GALLERY, [row(f"{n:02d}") if n % 5 == 0 else tombstone(f"{n:02d}", 1) for n in range(40)])
        self.assert_keys(store, [f"{n:02d}" for n in range(0, 40, 5)], limit=limit)
        page = store.query(GALLERY, "anna", limit=limit)
        assert len(page.rows) == limit

    # --- queries -----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("index", [None, "by_date"])
    @pytest.mark.parametrize("descending", [False, True])
    @pytest.mark.parametrize(
        ("low", "high", "expected"),
        [
            ("", None, "abcdef"),
            ("c", None, "cdef"),
            ("", "c", "ab"),
            ("b", "e", "bcd"),
            ("b", "b", ""),
            ("e", "b", ""),
            ("bb", "cc", "c"),
            ("x", None, ""),
        ],
    )
    def test_a_query_gives_a_range_in_order(
        self, store: ViewStore, index: str | None, descending: bool, low: str, high: str | None, expected: str
    ) -> None:
        store.put(GALLERY, [row(key) for key in "dbface"])
        keys = list(reversed(expected)) if descending else list(expected)
        for limit in (1, 2, 100):
            self.assert_keys(store, keys, index=index, low=low, high=high, descending=descending, limit=limit)

    def test_a_consistent_query_sees_every_write_before_it(self, store: ViewStore) -> None:
        for i in range(20):
            store.put(GALLERY, [row(f"k{i:02}")])
            page = store.query(GALLERY, "anna", low="k", high="l", consistent=True)
            assert [one.key for one in page.rows] == [f"k{n:02}" for n in range(i + 1)]

    def test_keys_are_ordered_as_their_bytes_in_utf_8(self, store: ViewStore) -> None:
        keys = ["10", "2", "Z", "a", "é", "写", "📷"]
        store.put(GALLERY, [row(key) for key in reversed(keys)])
        self.assert_keys(store, keys)
        self.assert_keys(store, keys, index="by_date")

    @pytest.mark.parametrize("limit", [1, 7, 50, 60])
    @pytest.mark.parametrize("index", [None, "by_date"])
    def test_a_walk_by_cursors_meets_every_row_once(self, store: ViewStore, limit: int, index: str | None) -> None:
        keys = [f"{n:03d}" for n in range(50)]
        store.put(GALLERY, [row(key) for key in keys])
        self.assert_keys(store, keys, index=index, limit=limit)
        self.assert_keys(store, keys[::-1], index=index, limit=limit, descending=True)

    def test_rows_with_the_same_key_in_an_index_are_each_met_once(self, store: ViewStore) -> None:
        rows = [row(f"{n:02d}", index=(f"day{n // 6}", None)) for n in range(24)]
        store.put(GALLERY, rows)

        def found(limit: int) -> list[str]:
            return sorted(one.key for one in self.walk(store, index="by_date", limit=limit, low="day1", high="day3"))

        expected = [one.key for one in rows if one.index[0] in {"day1", "day2"}]
        for limit in (1, 4, 5):
            wait_for(functools.partial(lambda size: found(size) == expected, limit), self.settling_seconds)
            assert found(limit) == expected

    def test_the_last_page_says_that_it_is_the_last(self, store: ViewStore) -> None:
        store.put(GALLERY, [row(key) for key in "abcd"])
        self.assert_keys(store, list("abcd"))
        first = store.query(GALLERY, "anna", limit=2)
        assert first.cursor is not None
        second = store.query(GALLERY, "anna", limit=2, cursor=first.cursor)
        assert [one.key for one in second.rows] == ["c", "d"]
        assert second.cursor is None

    def test_a_walk_goes_on_where_it_was_although_rows_come_and_go(self, store: ViewStore) -> None:
        store.put(GALLERY, [row(key) for key in "bdfh"])
        self.assert_keys(store, list("bdfh"))
        first = store.query(GALLERY, "anna", limit=2)
        store.put(GALLERY, [row("a"), row("e"), tombstone("d", 2)])
        wait_for(lambda: [one.key for one in self.walk(store)] == list("abefh"), self.settling_seconds)
        second = store.query(GALLERY, "anna", limit=9, cursor=first.cursor)
        assert [one.key for one in second.rows] == list("efh")

    def test_more_than_a_megabyte_is_one_page_when_asked_for(self, store: ViewStore) -> None:
        rows = [row(f"{n:03d}", data=b"x" * 30_000) for n in range(80)]
        store.put(GALLERY, rows)
        self.assert_keys(store, [one.key for one in rows])
        for index in (None, "by_date"):
            assert list(store.query(GALLERY, "anna", index=index, limit=80).rows) == rows

    def test_partitions_do_not_meet(self, store: ViewStore) -> None:
        store.put(
            GALLERY, [row("a"), row("a", partition="ben"), row("b", partition="ann"), row("c", partition="anna2")]
        )
        for partition, keys in {"anna": ["a"], "ben": ["a"], "ann": ["b"], "anna2": ["c"], "zoe": []}.items():
            self.assert_keys(store, keys, partition=partition)
            self.assert_keys(store, keys, partition=partition, index="by_date")

    def test_a_row_without_a_key_in_an_index_is_not_in_it(self, store: ViewStore) -> None:
        store.put(GALLERY, [row("a", index=("x", None)), row("b", index=(None, "y")), row("c", index=(None, None))])
        self.assert_keys(store, ["a", "b", "c"])
        self.assert_keys(store, ["a"], index="by_date")
        self.assert_keys(store, ["b"], index="by_place")

    def test_a_row_moves_in_an_index_when_its_key_changes(self, store: ViewStore) -> None:
        store.put(GALLERY, [row("a", 1, index=("2020", "Rome")), row("b", 1, index=("2021", None))])
        store.put(GALLERY, [row("a", 2, index=("2022", None))])
        self.assert_keys(store, ["b", "a"], index="by_date")
        self.assert_keys(store, [], index="by_place")

    # --- cursors -----------------------------------------------------------------------------------------------------

    def test_a_cursor_is_good_for_its_own_query_only(self, store: ViewStore) -> None:
        keys = [f"{n:02d}" for n in range(9)]
        store.put(GALLERY, [row(key) for key in keys] + [row(key, partition="ben") for key in keys])
        self.assert_keys(store, keys, index="by_date")
        cursor = store.query(GALLERY, "anna", limit=2).cursor
        assert cursor is not None
        foreign: list[Callable[[], Page]] = [
            lambda: store.query(GALLERY, "ben", limit=2, cursor=cursor),
            lambda: store.query(GALLERY, "anna", limit=2, cursor=cursor, index="by_date"),
            lambda: store.query(GALLERY, "anna", limit=2, cursor=cursor, descending=True),
            lambda: store.query(GALLERY, "anna", limit=2, cursor=cursor, low="05"),
            lambda: store.query(GALLERY, "anna", limit=2, cursor=cursor, high="05"),
        ]
        for query in foreign:
            with pytest.raises(InvalidInput):
                query()

    @pytest.mark.parametrize("cursor", ["", "x", "nonsense", "AAAA", "é", "e30", "null", "W10", "../..", "A" * 5000])
    def test_a_made_up_cursor_is_refused(self, store: ViewStore, cursor: str) -> None:
        with pytest.raises(InvalidInput):
            store.query(GALLERY, "anna", cursor=cursor)

    def test_a_changed_cursor_is_refused(self, store: ViewStore) -> None:
        store.put(GALLERY, [row(key) for key in "abcd"])
        self.assert_keys(store, list("abcd"))
        cursor = store.query(GALLERY, "anna", limit=2).cursor
        assert cursor is not None
        for changed in (cursor[:-2], cursor + "AA", cursor[1:], cursor[::-1]):
            with pytest.raises(InvalidInput):
                store.query(GALLERY, "anna", limit=2, cursor=changed)

    def test_an_unknown_index_is_refused(self, store: ViewStore) -> None:
        with pytest.raises(InvalidInput):
            store.query(GALLERY, "anna", index="by_colour")

    # --- totals ------------------------------------------------------------------------------------------------------

    def test_moves_write_rows_and_add_to_totals(self, store: ViewStore) -> None:
        moves = [
            move("a", 0, 1, photos={"count": 1, "bytes": 100}),
            move("b", 0, 2, photos={"count": 1, "bytes": 50}, videos={"count": 1}),
        ]
        assert list(store.move(GALLERY, moves)) == [True, True]
        assert nonzero(store.totals(GALLERY, "anna")) == {
            "photos": {"count": 2, "bytes": 150},
            "videos": {"count": 1},
        }
        assert [one and one.version for one in store.get(GALLERY, [("anna", "a"), ("anna", "b")])] == [1, 2]
        assert list(store.move(GALLERY, [move("b", 2, 3, photos={"bytes": -20}, videos={"count": -1})])) == [True]
        assert nonzero(store.totals(GALLERY, "anna")) == {"photos": {"count": 2, "bytes": 130}}

    @pytest.mark.parametrize(("base", "made"), [(0, False), (1, False), (3, True), (4, False)])
    def test_a_move_from_another_base_is_not_made_at_all(self, store: ViewStore, base: int, made: bool) -> None:
        store.move(GALLERY, [move("a", 0, 3, photos={"count": 1})])
        assert list(store.move(GALLERY, [move("a", base, 5, photos={"count": 10})])) == [made]
        assert nonzero(store.totals(GALLERY, "anna")) == {"photos": {"count": 11 if made else 1}}
        (found,) = store.get(GALLERY, [("anna", "a")])
        assert found is not None
        assert found.version == (5 if made else 3)

    def test_a_move_from_a_base_where_there_is_no_row_is_not_made(self, store: ViewStore) -> None:
        assert list(store.move(GALLERY, [move("a", 4, 5, photos={"count": 1})])) == [False]
        assert nonzero(store.totals(GALLERY, "anna")) == {}
        assert store.get(GALLERY, [("anna", "a")]) == [None]

    def test_stale_moves_in_a_batch_leave_the_others_whole(self, store: ViewStore) -> None:
        store.move(GALLERY, [move(f"{n:03d}", 0, 1, photos={"count": 1}) for n in range(0, 120, 7)])
        one = {"count": 1}
        moves = [Move(row(f"{n:03d}", 2), 0, {"photos": one, f"day{n % 3}": one}) for n in range(120)]
        assert list(store.move(GALLERY, moves)) == [n % 7 != 0 for n in range(120)]
        made = [n for n in range(120) if n % 7]
        assert nonzero(store.totals(GALLERY, "anna")) == {"photos": {"count": 120}} | {
            f"day{day}": {"count": sum(1 for n in made if n % 3 == day)} for day in range(3)
        }

    def test_moves_of_one_row_in_one_batch_follow_each_other(self, store: ViewStore) -> None:
        moves = [
            move("a", 0, 1, photos={"bytes": 1}),
            move("a", 1, 2, photos={"bytes": 10}),
            move("a", 1, 3, photos={"bytes": 100}),
            move("a", 2, 4, photos={"bytes": 1000}),
        ]
        assert list(store.move(GALLERY, moves)) == [True, True, False, True]
        assert nonzero(store.totals(GALLERY, "anna")) == {"photos": {"bytes": 1011}}

    def test_a_move_may_change_no_total(self, store: ViewStore) -> None:
        assert list(store.move(GALLERY, [move("a", 0, 1), move("b", 0, 1, photos={"count": 0})])) == [True, True]
        assert list(store.move(GALLERY, [])) == []
        assert nonzero(store.totals(GALLERY, "anna")) == {}

    def test_totals_of_partitions_and_generations_do_not_meet(self, store: ViewStore) -> None:
        store.move(GALLERY, [move("a", 0, 1, photos={"count": 1}), move("a", 0, 1, "ben", photos={"count": 5})])
        store.move(NEXT, [move("a", 0, 1, photos={"count": 9})])
        assert nonzero(store.totals(GALLERY, "anna")) == {"photos": {"count": 1}}
        assert nonzero(store.totals(GALLERY, "ben")) == {"photos": {"count": 5}}
        assert nonzero(store.totals(NEXT, "anna")) == {"photos": {"count": 9}}
        assert nonzero(store.totals(GALLERY, "zoe")) == {}

    def test_totals_are_not_rows(self, store: ViewStore) -> None:
        store.move(GALLERY, [move("a", 0, 1, photos={"count": 1})])
        self.assert_keys(store, ["a"])
        assert [one.key for one in store.scan(GALLERY)] == ["a"]

    def test_totals_are_right_when_many_move_at_the_same_time(self, store: ViewStore) -> None:
        """Each of 6 workers brings every stream from version to version, as redelivered batches do."""
        streams, steps, workers = 12, 4, 6
        ready = threading.Barrier(workers)

        def work(seed: int) -> int:
            ready.wait()
            made = 0
            for version in range(1, steps + 1):
                moves = [
                    move(f"{s:02d}", version - 1, version, photos={"count": 1, "bytes": s}) for s in range(streams)
                ]
                random.Random(seed).shuffle(moves)
                made += sum(store.move(GALLERY, moves))
            return made

        with ThreadPoolExecutor(workers) as pool:
            made = sum(pool.map(work, range(workers)))
        rows = store.get(GALLERY, [("anna", f"{s:02d}") for s in range(streams)])
        versions = [one.version if one else 0 for one in rows]
        assert made == sum(versions)
        assert nonzero(store.totals(GALLERY, "anna")) == {
            "photos": {"count": made, "bytes": sum(s * version for s, version in enumerate(versions))}
        }

    # --- tables ------------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("parts", [1, 3])
    def test_the_parts_of_a_scan_hold_every_row_once_tombstones_too(self, store: ViewStore, parts: int) -> None:
        rows = [row(f"{n:03d}", partition=f"owner{n % 9}", data=b"x" * 9000) for n in range(150)]
        rows += [tombstone("t", 3, partition="owner1")]
        store.put(GALLERY, rows)
        found = [one for part in range(parts) for one in store.scan(GALLERY, part, parts)]
        assert sorted((r.partition, r.key, r.version, r.deleted, r.data) for r in found) == sorted(
            (r.partition, r.key, r.version, r.deleted, r.data) for r in rows
        )

    def test_making_a_table_twice_keeps_its_rows(self, store: ViewStore) -> None:
        store.put(GALLERY, [row("a")])
        store.create(GALLERY)
        assert store.get(GALLERY, [("anna", "a")]) == [row("a")]

    def test_generations_do_not_meet_and_dropping_one_leaves_the_other(self, store: ViewStore) -> None:
        store.put(GALLERY, [row("a", 1)])
        store.put(NEXT, [row("a", 2), row("b", 1)])
        assert store.get(GALLERY, [("anna", "a"), ("anna", "b")]) == [row("a", 1), None]
        store.drop(GALLERY)
        store.drop(GALLERY)
        assert store.get(NEXT, [("anna", "a"), ("anna", "b")]) == [row("a", 2), row("b", 1)]
        store.create(GALLERY)
        assert list(store.scan(GALLERY)) == []

    def test_a_dropped_table_keeps_no_totals(self, store: ViewStore) -> None:
        store.move(GALLERY, [move("a", 0, 1, photos={"count": 1})])
        store.drop(GALLERY)
        store.create(GALLERY)
        assert nonzero(store.totals(GALLERY, "anna")) == {}
        assert list(store.move(GALLERY, [move("a", 0, 1, photos={"count": 1})])) == [True]

    def test_a_table_may_have_no_index(self, store: ViewStore) -> None:
        table = ViewTable("plain", 1)
        store.create(table)
        one = Row("anna", "a", 1, b"x")
        store.put(table, [one])
        assert store.get(table, [("anna", "a")]) == [one]
        self.assert_keys(store, ["a"], table=table)
        store.drop(table)
