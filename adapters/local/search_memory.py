"""One owner's columns and vectors in memory, brought up to date from what changed since the last search.

Filters, ranking, facets and likeness are then operations on whole columns; SQLite is asked only which documents have a
word. A document keeps its place; what is gone is masked.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any, TypeAlias

import msgspec
import numpy as np

from adapters.local.search_sql import FLAGS
from domain.query import Query
from domain.ranking import MAX_FACET_VALUES

FACETS = ("year", "country", "camera", "type")
_KEPT = 256  # words whose documents are remembered until something changes
Array: TypeAlias = np.ndarray[Any, Any]
_facets = msgspec.json.Decoder(tuple[str, str, str, str]).decode
_KINDS = {"image": 1, "video": 2}


class Memory:
    """Columns by place: a search of 100,000 documents touches 100,000 numbers, not 100,000 rows."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self._seq = 0
        self._values: list[dict[str, int]] = [{} for _ in FACETS]
        self._lock = threading.RLock()
        self._known: OrderedDict[str, Array] = OrderedDict()
        self.assets: list[str] = []
        self.places: dict[str, int] = {}  # by asset
        self.count = 0
        self._of_id = np.full(1, -1, np.int64)  # a document's place by its row's id
        self.live = np.empty(0, bool)
        self._taken: list[str] = []
        self._day = np.empty(0, "<U10")
        self.age = np.empty(0, np.float32)  # 0: the oldest, 1: the newest
        self._month = np.empty(0, np.int8)
        self._kind = np.empty(0, np.int8)
        self.rating = np.empty(0, np.float32)
        self._flags = np.empty(0, np.int32)
        self._position = np.empty((0, 2), np.float64)
        self.length = np.empty(0, np.float32)  # words
        self._codes = np.empty((0, len(FACETS)), np.int32)
        self._has_vector = np.empty(0, bool)
        self._vectors = np.empty((0, 0), np.float32)
        self._looks_seq = -1
        self._looks_at = np.empty(0, np.int64)
        self._looks = np.empty((0, 0), np.float32)

    def refresh(self, reader: sqlite3.Connection) -> None:
        """Read what was written since the last time."""
        with self._lock:
            p = self.prefix
            rows = reader.execute(
                "SELECT d.id, d.seq, d.asset, d.gone, d.taken, d.month, d.kind, d.rating, d.flags, d.latitude, "  # noqa: S608
                f"d.longitude, d.length, d.facets, v.vector FROM {p}_docs d LEFT JOIN {p}_vectors v ON v.id=d.id "
                "WHERE d.seq>? ORDER BY d.seq",
                (self._seq,),
            ).fetchall()
            if rows:
                self._known.clear()
                self._take(rows)

    def _take(self, rows: list[tuple[Any, ...]]) -> None:
        for row in rows:
            if self.places.setdefault(row[2], len(self.assets)) == len(self.assets):
                self.assets.append(row[2])
                self._taken.append("")
        self.count = len(self.assets)
        self._grow(self.count, max(row[0] for row in rows) + 1)
        at = np.array([self.places[row[2]] for row in rows])
        ids, _, _, gone, taken, month, kind, rating, flags, latitude, longitude, length, facets, vectors = zip(
            *rows, strict=True
        )
        self._of_id[np.array(ids)] = at
        self.live[at] = ~np.array(gone, bool)
        for place, moment in zip(at.tolist(), taken, strict=True):
            self._taken[place] = moment or ""
        self._day[at] = [(moment or "")[:10] for moment in taken]
        self._month[at] = [each or 0 for each in month]
        self._kind[at] = [_KINDS.get(each or "", 0) for each in kind]
        self.rating[at] = [each or 0 for each in rating]
        self._flags[at] = flags
        self._position[at, 0] = [np.nan if each is None else each for each in latitude]
        self._position[at, 1] = [np.nan if each is None else each for each in longitude]
        self.length[at] = length
        decoded = [_facets(each) for each in facets]
        for i, values in enumerate(self._values):
            self._codes[at, i] = [values.setdefault(each[i], len(values)) for each in decoded]
        self._take_vectors(at, vectors)
        self.age = np.empty(self.count, np.float32)
        self.age[np.argsort(np.array(self._taken), kind="stable")] = np.linspace(0, 1, self.count, dtype=np.float32)
        self._seq = rows[-1][1]

    def _take_vectors(self, at: Array, vectors: tuple[bytes | None, ...]) -> None:
        """Vectors of the first one's length; those of another model are compared with nothing until they are anew."""
        sizes = [len(each) // 2 for each in vectors if each]
        if sizes and not self._vectors.shape[1]:
            self._vectors = np.zeros((len(self.live), sizes[0]), np.float32)
        width = self._vectors.shape[1] * 2
        fits = np.array([each is not None and len(each) == width > 0 for each in vectors])
        self._has_vector[at] = fits
        if fits.any():
            joined = b"".join(each for each, good in zip(vectors, fits, strict=True) if good and each)
            self._vectors[at[fits]] = np.frombuffer(joined, "<f2").reshape(-1, width // 2)

    def _grow(self, need: int, ids: int) -> None:
        if ids > len(self._of_id):
            longer = np.full(ids + ids // 4, -1, np.int64)
            longer[: len(self._of_id)] = self._of_id
            self._of_id = longer
        have = len(self.live)
        if need <= have:
            return
        size = max(need, have + have // 4)
        for name in (
            "live", "_day", "_month", "_kind", "rating", "_flags", "_position", "length", "_codes", "_has_vector"
        ):  # fmt: skip
            setattr(self, name, _longer(getattr(self, name), size))
        if self._vectors.shape[1]:
            self._vectors = _longer(self._vectors, size)

    # --- what has a word ---

    def having(self, reader: sqlite3.Connection, expression: str) -> Array:
        """Places of the documents that an FTS5 expression matches; remembered until something changes."""
        with self._lock:
            known = self._known.get(expression)
            if known is None:
                p = self.prefix
                [joined] = reader.execute(
                    f"SELECT group_concat(rowid) FROM (SELECT rowid FROM {p}_fts WHERE {p}_fts MATCH ?)",  # noqa: S608
                    (expression,),
                ).fetchone()
                ids = np.array((joined or "").split(","), np.int64) if joined else np.empty(0, np.int64)
                ids = ids[ids < len(self._of_id)]  # younger than the last refresh
                known = self._of_id[ids]
                known = known[known >= 0]
                self._known[expression] = known
                if len(self._known) > _KEPT:
                    self._known.popitem(last=False)
            return known

    # --- filters ---

    def passing(self, query: Query, only: Collection[str] | None) -> Array:
        """Which places pass the filters that are not words."""
        n = self.count
        passes: Array = self.live[:n].copy()
        if query.span.since:
            passes &= self._day[:n] >= query.span.since
        if query.span.until:
            passes &= (self._day[:n] < query.span.until) & (self._day[:n] != "")
        if query.months:
            passes &= np.isin(self._month[:n], query.months)
        if query.kind:
            passes &= self._kind[:n] == _KINDS.get(query.kind, -1)
        if query.rating is not None:
            passes &= self.rating[:n] >= query.rating
        for flag in query.flags:
            passes &= (self._flags[:n] >> FLAGS.index(flag)) & 1 == 1
        for flag in query.without_flags:
            passes &= (self._flags[:n] >> FLAGS.index(flag)) & 1 == 0
        if query.near:
            a, b = np.radians((query.near.latitude, query.near.longitude))
            latitude, longitude = np.radians(self._position[:n, 0]), np.radians(self._position[:n, 1])
            h = np.sin((latitude - a) / 2) ** 2 + np.cos(a) * np.cos(latitude) * np.sin((longitude - b) / 2) ** 2
            passes &= 2 * 6371.0 * np.arcsin(np.sqrt(np.minimum(1.0, h))) <= query.near.km
        if only is not None:
            wanted = np.zeros(n, bool)
            wanted[[self.places[asset] for asset in only if asset in self.places]] = True
            passes &= wanted
        return passes

    # --- likeness ---

    def vector(self, place: int) -> Array | None:
        """A document's vector; None when it has none."""
        return self._vectors[place] if self._has_vector[place] else None

    def nearest(self, asked: Array, passes: Array, limit: int, least: float) -> list[tuple[int, float]]:
        """Places and cosines of the documents nearest to a vector, the nearest first; exact."""
        if self._vectors.shape[1] != len(asked) or not self.count:
            return []
        usable = np.flatnonzero(passes & self._has_vector[: self.count])
        if not len(usable):
            return []
        if len(usable) < self.count // 4:  # copying rows costs more than multiplying those that are not asked for
            cosines = products(self._vectors[usable], asked)
        else:
            cosines = products(self._vectors[: self.count], asked)[usable]
        limit = min(limit, len(usable))
        top = np.argpartition(cosines, -limit)[-limit:]
        top = top[np.lexsort((usable[top], -cosines[top]))]
        return [(int(usable[t]), float(cosines[t])) for t in top if cosines[t] >= least]

    def looking_like(
        self, reader: sqlite3.Connection, place: int, passes: Array, limit: int, least: float
    ) -> list[tuple[int, float]] | None:
        """Places and cosines of the pictures that look most like one; None where that one's look is not known. Looks
        are read by the first question of this kind after a change (512 bytes a document)."""
        with self._lock:
            if self._looks_seq != self._seq:
                rows = reader.execute(f"SELECT id, vector FROM {self.prefix}_pictures").fetchall()  # noqa: S608
                rows = [row for row in rows if row[0] < len(self._of_id)]  # younger than the last refresh
                at = self._of_id[np.array([row[0] for row in rows], np.int64)]
                self._looks_at = at[at >= 0]
                looks = np.frombuffer(b"".join(row[1] for row in rows), "<f2").astype(np.float32)
                self._looks = looks.reshape(len(rows), -1)[at >= 0] if rows else np.empty((0, 0), np.float32)
                self._looks_seq = self._seq
            at, looks = self._looks_at, self._looks
        mine = np.flatnonzero(at == place)
        if not len(mine):
            return None
        usable = np.flatnonzero(passes[at])
        cosines = products(looks[usable], looks[mine[0]])
        places = at[usable]
        order = np.lexsort((places, -cosines))[:limit]
        return [(int(places[i]), float(cosines[i])) for i in order if cosines[i] >= least]

    # --- what is shown beside ---

    def newest_first(self, at: Array) -> list[int]:
        """Places by date, the newest first."""
        found: list[int] = at[np.argsort(-self.age[at], kind="stable")].tolist()
        return found

    def facets(self, at: Array) -> Mapping[str, Mapping[str, int]]:
        """How many of these documents have each value: of each facet, the twenty that most have."""
        found: dict[str, dict[str, int]] = {}
        for i, facet in enumerate(FACETS):
            counts = np.bincount(self._codes[at, i], minlength=len(self._values[i]))
            named = [(value, int(counts[code])) for value, code in self._values[i].items() if value and counts[code]]
            found[facet] = dict(sorted(named, key=lambda pair: (-pair[1], pair[0]))[:MAX_FACET_VALUES])
        return found


def products(rows: Array, vector: Array) -> Array:
    """Each row's product with a vector; not by BLAS (`tests/unit/test_no_blas.py`), as memory is the limit for both."""
    product: Array = np.einsum("ij,j->i", rows, vector)
    return product


def _longer(array: Array, size: int) -> Array:
    longer = np.zeros((size, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
