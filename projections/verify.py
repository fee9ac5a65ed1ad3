"""Verify: a fresh fold of the history against the stored rows, by digest per bucket, then row by row where they differ.

A bucket's digest is the sum of its rows' hashes, so rows may come in any order and memory does not grow with the
history: the first pass keeps 4,096 numbers a projection, the second only the rows of buckets that differ.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from domain.commits import Commit
from domain.eventstore import EventStore
from domain.ports import Row, ViewStore, ViewTable
from projections.base import Projection
from projections.replay import fold_streams

_BUCKETS = 4096
_MODULUS = 1 << 64
_pack = msgspec.msgpack.Encoder().encode


class Difference(Struct, frozen=True):
    """One row or total that is not what the history says."""

    partition: str
    key: str
    what: str  # "missing", "unexpected", "version 3 instead of 5", "other content"


class Verdict(Struct, frozen=True):
    """What the comparison of one projection came to."""

    projection: str
    generation: int
    rows: int  # that the history asks for
    different: Sequence[Difference]

    @property
    def equal(self) -> bool:
        """Whether every row is right."""
        return not self.different


def verify(
    projection: Projection[Any],
    table: ViewTable,
    store: EventStore,
    views: ViewStore,
    history: Callable[[], Iterable[Commit]],
) -> Verdict:
    """Compare one generation with a fresh fold. Nothing is written.

    Args:
        history: gives all commits, stream by stream; called once, and once more if something differs.
    """
    totals: dict[tuple[str, str, str], int] = {}
    fresh = [0] * _BUCKETS
    count = 0
    for row in _fresh_rows(projection, store, history(), totals):
        fresh[_bucket(row)] += _hash(row)
        count += 1
    stored = [0] * _BUCKETS
    for row in views.scan(table):
        if not row.deleted:
            stored[_bucket(row)] += _hash(row)
    differing = {i for i in range(_BUCKETS) if fresh[i] % _MODULUS != stored[i] % _MODULUS}
    different: list[Difference] = []
    if differing:
        want = {
            (r.partition, r.key): r for r in _fresh_rows(projection, store, history(), {}) if _bucket(r) in differing
        }
        have = {(r.partition, r.key): r for r in views.scan(table) if not r.deleted and _bucket(r) in differing}
        different += _compare(want, have)
    if projection.has_totals:
        different += _compare_totals(totals, table, views)
    return Verdict(projection.name, table.generation, count, different)


def _fresh_rows(
    projection: Projection[Any],
    store: EventStore,
    commits: Iterable[Commit],
    totals: dict[tuple[str, str, str], int],
) -> Iterator[Row]:
    for folded in fold_streams(commits, store, [projection]):
        if folded.damage:
            continue
        state = folded.states[0]
        yield projection.home_row(folded.stream, state, folded.version)
        yield from projection.other_rows(folded.stream, None, state, folded.version)
        if projection.has_totals:
            partition, _ = projection.home(folded.stream)
            for total, counters in projection.totals(state).items():
                for counter, value in counters.items():
                    key = (partition, total, counter)
                    totals[key] = totals.get(key, 0) + value


def _bucket(row: Row) -> int:
    return zlib.crc32(f"{row.partition}\x1f{row.key}".encode("utf-8", "surrogatepass")) % _BUCKETS


def _content(row: Row) -> bytes:
    # The version of a row beside the home row says when it last changed, which a fresh fold can't know.
    return _pack((row.partition, row.key, row.data, row.index))


def _hash(row: Row) -> int:
    return int.from_bytes(hashlib.blake2b(_content(row), digest_size=8).digest(), "big")


def _compare(want: dict[tuple[str, str], Row], have: dict[tuple[str, str], Row]) -> Iterator[Difference]:
    for key in sorted({*want, *have}):
        wanted, stored = want.get(key), have.get(key)
        if stored is None:
            yield Difference(*key, "missing")
        elif wanted is None:
            yield Difference(*key, "unexpected")
        elif _content(wanted) != _content(stored):
            what = "other content"
            if wanted.version != stored.version:
                what = f"version {stored.version} instead of {wanted.version}"
            yield Difference(*key, what)


def _compare_totals(want: dict[tuple[str, str, str], int], table: ViewTable, views: ViewStore) -> Iterator[Difference]:
    partitions = {partition for partition, _, _ in want}
    partitions.update(row.partition for row in views.scan(table))
    have = {
        (partition, total, counter): value
        for partition in partitions
        for total, counters in views.totals(table, partition).items()
        for counter, value in counters.items()
    }
    for key in sorted({*want, *have}):
        if want.get(key, 0) != have.get(key, 0):
            partition, total, counter = key
            what = f"{have.get(key, 0)} instead of {want.get(key, 0)}"
            yield Difference(partition, f"total {total}/{counter}", what)
