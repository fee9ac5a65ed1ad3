"""Verify: a fresh fold of the history against the stored rows, by digest per bucket, then row by row where they differ.

A bucket's digest is the sum of its rows' hashes, so rows may come in any order, parts of the history can be digested
side by side, and memory does not grow with it: the first pass keeps 4,096 numbers a projection, the second only the
rows of buckets that differ.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
from msgspec import Struct, field

from domain.commits import Commit, split_stream
from domain.eventstore import EventStore
from domain.ports import Row, ViewStore, ViewTable
from projections.base import Projection
from projections.replay import Folded, fold_streams

_BUCKETS = 4096
_MODULUS = 1 << 64
_SEPARATOR = "\x1f"
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


class Digest(Struct):
    """What the history asks of one projection, small enough to send: parts of the history give digests that add up."""

    rows: int = 0
    buckets: list[int] = field(default_factory=lambda: [0] * _BUCKETS)
    totals: dict[str, int] = {}  # "partition\x1ftotal\x1fcounter" -> value

    def count(self, projection: Projection[Any], row: Row) -> None:
        """Take one row in."""
        self.rows += 1
        i = _bucket(row)
        self.buckets[i] = (self.buckets[i] + _hash(projection, row)) % _MODULUS

    def add(self, other: Digest) -> None:
        """Take another part of the history in."""
        self.rows += other.rows
        self.buckets = [(a + b) % _MODULUS for a, b in zip(self.buckets, other.buckets, strict=True)]
        for key, value in other.totals.items():
            self.totals[key] = self.totals.get(key, 0) + value


def digest(projections: Sequence[Projection[Any]], store: EventStore, commits: Iterable[Commit]) -> list[Digest]:
    """Fold a part of the history once, and digest the rows of each projection."""
    digests = [Digest() for _ in projections]
    for folded in fold_streams(commits, store, projections):
        for projection, mine, state in zip(projections, digests, folded.states, strict=True):
            for row in _rows(projection, folded, state):
                mine.count(projection, row)
            if projection.has_totals and folded.version:
                partition, _ = projection.home(folded.stream)
                for total, counters in projection.counted(state).items():
                    for counter, value in counters.items():
                        key = _SEPARATOR.join((partition, total, counter))
                        mine.totals[key] = mine.totals.get(key, 0) + value
    return digests


def compare(
    projection: Projection[Any],
    table: ViewTable,
    want: Digest,
    store: EventStore,
    views: ViewStore,
    history: Callable[[], Iterable[Commit]],
) -> Verdict:
    """Compare the rows of one generation with what the history asks for. Nothing is written.

    Args:
        want: the digest of the whole history.
        history: gives all commits, stream by stream; called only when something differs.
    """
    have = Digest()
    for row in views.scan(table):
        if not row.deleted:
            have.count(projection, row)
    different: list[Difference] = []
    differing = {i for i in range(_BUCKETS) if want.buckets[i] != have.buckets[i]}
    if differing:
        fresh: dict[tuple[str, str], Row] = {}
        for folded in fold_streams(history(), store, [projection]):
            for row in _rows(projection, folded, folded.states[0]):
                known = fresh.get((row.partition, row.key))
                if _bucket(row) in differing and (known is None or known.version < row.version):
                    fresh[row.partition, row.key] = row
        stored = {(r.partition, r.key): r for r in views.scan(table) if not r.deleted and _bucket(r) in differing}
        different += _compare_rows(projection, fresh, stored)
    if projection.has_totals:
        different += _compare_totals(want.totals, table, views)
    return Verdict(projection.name, table.generation, want.rows, different)


def _rows(projection: Projection[Any], folded: Folded, state: Any) -> Iterator[Row]:
    if not folded.version or split_stream(folded.stream)[1] != projection.category:
        return
    rows = (
        projection.home_row(folded.stream, state, folded.version),
        *projection.other_rows(folded.stream, None, state, folded.version),
    )
    yield from (row for row in rows if not row.deleted)


def _bucket(row: Row) -> int:
    return zlib.crc32(f"{row.partition}\x1f{row.key}".encode("utf-8", "surrogatepass")) % _BUCKETS


def _content(projection: Projection[Any], row: Row) -> bytes:
    # The version of a row beside the home row says when it last changed, which a fresh fold can't know.
    version = 0 if projection.has_others() else row.version
    return _pack((row.partition, row.key, row.data, row.index, version))


def _hash(projection: Projection[Any], row: Row) -> int:
    return int.from_bytes(hashlib.blake2b(_content(projection, row), digest_size=8).digest(), "big")


def _compare_rows(
    projection: Projection[Any], want: dict[tuple[str, str], Row], have: dict[tuple[str, str], Row]
) -> Iterator[Difference]:
    for key in sorted({*want, *have}):
        wanted, stored = want.get(key), have.get(key)
        if stored is None:
            yield Difference(*key, "missing")
        elif wanted is None:
            yield Difference(*key, "unexpected")
        elif _content(projection, wanted) != _content(projection, stored):
            what = "other content"
            if wanted.version != stored.version:
                what = f"version {stored.version} instead of {wanted.version}"
            yield Difference(*key, what)


def _compare_totals(want: dict[str, int], table: ViewTable, views: ViewStore) -> Iterator[Difference]:
    partitions = {key.split(_SEPARATOR)[0] for key in want}
    partitions.update(row.partition for row in views.scan(table))
    have = {
        _SEPARATOR.join((partition, total, counter)): value
        for partition in partitions
        for total, counters in views.totals(table, partition).items()
        for counter, value in counters.items()
    }
    for key in sorted({*want, *have}):
        if want.get(key, 0) != have.get(key, 0):
            partition, total, counter = key.split(_SEPARATOR)
            what = f"{have.get(key, 0)} instead of {want.get(key, 0)}"
            yield Difference(partition, f"total {total}/{counter}", what)
