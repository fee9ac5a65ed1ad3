"""Finding look-alikes through the view `fingerprints`: a few dozen ranges of an index, never all against all.

Reads its own writes: the asset's stream is folded into the view before it is searched, by the projector's own code. So
when two assets search at the same time, the one whose rows were written second sees the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from typing import NamedTuple

import msgspec

from domain.commits import split_stream
from domain.errors import PhotoVaultError
from domain.eventstore import EventStore, utc_now
from domain.likeness import Lookup, nearest, ranges
from domain.parking import Parking
from domain.ports import Checkpoints, Row, ViewStore, ViewTable
from projections.fingerprints import Fingerprints, asset_in, band_range, pixels_range
from projections.generations import Generations
from projections.projector import Projector

__all__ = ["MAX_READ", "IndexedLookalikes"]

MAX_READ = 5_000
"""Rows of one range that are read at most: a million pictures have about 1,000 in each."""

_PAGE = 1_000
_hash = msgspec.msgpack.Decoder(int).decode


class _Range(NamedTuple):
    """Rows of one range of the index, and whether there were more."""

    rows: list[Row]
    cut: bool


class IndexedLookalikes:
    """`domain.ports.Lookalikes` on any event store and view store. Safe to share between threads.

    Args:
        threads: how many ranges are asked for at once; for a store behind a network.
    """

    def __init__(
        self,
        store: EventStore,
        views: ViewStore,
        checkpoints: Checkpoints,
        clock: Callable[[], datetime] = utc_now,
        threads: int = 1,
    ) -> None:
        self._store = store
        self._views = views
        self._generations = Generations(views, checkpoints, (Fingerprints(),), clock)
        self._parking = Parking(checkpoints, clock)
        self._pool = ThreadPoolExecutor(threads, "lookalikes") if threads > 1 else None

    def near(self, stream: str, pixels: str | None, phash: str | None) -> Lookup:
        """See `domain.ports.Lookalikes.near`."""
        owner, _, asset = split_stream(stream)
        self._index(stream)
        _, table = self._generations.active(Fingerprints.name)  # after the stream was folded into all that there are
        asked = [pixels_range(pixels)] if pixels is not None else []
        wanted = int(phash, 16) if phash is not None else None
        if wanted is not None:
            asked += [band_range(*each) for each in ranges(wanted)]
        found = list(self._map(lambda keys: self._read(table, owner, *keys), asked))
        same = found.pop(0) if pixels is not None else _Range([], cut=False)
        hashes = {asset_in(row.key): _hash(row.data) for part in found for row in part.rows}
        hashes.pop(asset, None)
        lookup = nearest(wanted, {asset_in(row.key) for row in same.rows} - {asset}, hashes)
        cut = same.cut or any(part.cut for part in found)
        return msgspec.structs.replace(lookup, more=lookup.more or cut)

    def close(self) -> None:
        """End the threads."""
        if self._pool:
            self._pool.shutdown()

    def _index(self, stream: str) -> None:
        """Fold the stream into every generation that is fed; what is there already is left alone."""
        projector = Projector(self._store, self._views, self._generations, self._parking)
        if projector.project(self._store.commits.read(stream)).parked:
            raise PhotoVaultError("the asset's history can't be folded: `photovault parked` says why")

    def _read(self, table: ViewTable, owner: str, low: str, high: str) -> _Range:
        rows = list(islice(self._rows(table, owner, low, high), MAX_READ + 1))
        return _Range(rows[:MAX_READ], len(rows) > MAX_READ)

    def _rows(self, table: ViewTable, owner: str, low: str, high: str) -> Iterator[Row]:
        cursor = None
        while True:
            page = self._views.query(table, owner, low=low, high=high, limit=_PAGE, cursor=cursor, consistent=True)
            yield from page.rows
            cursor = page.cursor
            if cursor is None:
                return

    def _map(self, read: Callable[[tuple[str, str]], _Range], asked: Iterable[tuple[str, str]]) -> Iterable[_Range]:
        return self._pool.map(read, asked) if self._pool else map(read, asked)
