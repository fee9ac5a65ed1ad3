"""One owner's vectors and facets in memory, brought up to date from what changed since the last search."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
import numpy as np

FACETS = ("year", "country", "camera", "type")
_MAX_VALUES = 20
_Array: TypeAlias = np.ndarray[Any, Any]
_facets = msgspec.json.Decoder(tuple[str, str, str, str]).decode


class Memory:
    """Columns by place; a document's place never changes, and what is gone has none in `ids`."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._seq = 0
        self._place: dict[int, int] = {}
        self._lock = threading.Lock()
        self._values: list[dict[str, int]] = [{} for _ in FACETS]
        self._count = 0
        self._ids = np.empty(0, np.int64)
        self._live = np.empty(0, bool)
        self._taken: list[str] = []
        self._rating = np.empty(0, np.float32)
        self._codes = np.empty((0, len(FACETS)), np.int32)
        self._vectors = np.empty((0, 0), np.float32)
        self._has_vector = np.empty(0, bool)
        self.ids: _Array = np.empty(0, np.int64)  # of all documents that are there
        self._age = np.empty(0, np.float32)

    def refresh(self, reader: sqlite3.Connection) -> None:
        """Read what was written since the last time."""
        with self._lock:
            p = self._prefix
            rows = reader.execute(
                f"SELECT d.id, d.seq, d.gone, d.taken, d.rating, d.facets, v.vector FROM {p}_docs d "  # noqa: S608
                f"LEFT JOIN {p}_vectors v ON v.id=d.id WHERE d.seq>? ORDER BY d.seq",
                (self._seq,),
            ).fetchall()
            if not rows:
                return
            self._grow(sum(row[0] not in self._place for row in rows))
            for ident, seq, gone, taken, rating, facets, vector in rows:
                place = self._place.setdefault(ident, len(self._place))
                if place == len(self._taken):
                    self._taken.append("")
                self._ids[place], self._live[place], self._taken[place] = ident, not gone, taken or ""
                self._rating[place] = rating or 0
                for i, value in enumerate(_facets(facets)):
                    self._codes[place, i] = self._values[i].setdefault(value, len(self._values[i]))
                self._has_vector[place] = vector is not None
                if vector is not None:
                    self._set_vector(place, np.frombuffer(vector, "<f2").astype(np.float32))
                self._seq = seq
            self._count = len(self._place)
            self.ids = np.sort(self._ids[: self._count][self._live[: self._count]])
            order = np.argsort(np.array(self._taken), kind="stable")
            self._age = np.empty(self._count, np.float32)
            self._age[order] = np.arange(self._count, dtype=np.float32) / max(1, self._count - 1)

    def _grow(self, more: int) -> None:
        need = len(self._place) + more
        have = len(self._ids)
        if need <= have:
            return
        size = max(need, have + have // 4)
        self._ids = _longer(self._ids, size)
        self._live, self._has_vector = _longer(self._live, size), _longer(self._has_vector, size)
        self._rating, self._codes = _longer(self._rating, size), _longer(self._codes, size)
        if self._vectors.shape[1]:
            self._vectors = _longer(self._vectors, size)

    def _set_vector(self, place: int, vector: _Array) -> None:
        if not self._vectors.shape[1]:
            self._vectors = np.zeros((len(self._ids), len(vector)), np.float32)
        if len(vector) == self._vectors.shape[1]:
            self._vectors[place] = vector
        else:  # of another model: compared with nothing until it is embedded again
            self._has_vector[place] = False

    def vector(self, ident: int) -> _Array | None:
        """A document's vector; None when it has none."""
        place = self._place[ident]
        return self._vectors[place] if self._has_vector[place] else None

    def nearest(self, asked: _Array, allowed: _Array | None, limit: int, least: float) -> list[tuple[int, float]]:
        """Ids and cosines of the documents nearest to a vector, the nearest first; exact."""
        if self._vectors.shape[1] != len(asked) or not self._count:
            return []
        usable = self._live[: self._count] & self._has_vector[: self._count]
        if allowed is not None and len(allowed) < self._count // 4:
            places = np.array([self._place[i] for i in allowed.tolist()], np.int64)
            places = places[usable[places]]
            cosines = self._vectors[places] @ asked
        else:
            cosines = self._vectors[: self._count] @ asked
            if allowed is not None:
                usable &= np.isin(self._ids[: self._count], allowed)
            cosines[~usable] = -2.0
            places = np.arange(self._count)
        if not len(places):
            return []
        limit = min(limit, len(places))
        top = np.argpartition(cosines, -limit)[-limit:]
        top = top[np.lexsort((self._ids[places[top]], -cosines[top]))]
        return [(int(self._ids[places[t]]), float(cosines[t])) for t in top if cosines[t] >= least]

    def boosts(self, idents: Iterable[int], newest: float, best: float) -> Mapping[int, float]:
        """What being new and well rated adds: at most `newest` and `best`."""
        return {
            ident: float(newest * self._age[place] + best * max(0.0, self._rating[place]) / 5)
            for ident in idents
            for place in (self._place[ident],)
        }

    def newest_first(self, idents: _Array) -> list[int]:
        """Ids by date, the newest first."""
        return sorted(idents.tolist(), key=lambda ident: (self._taken[self._place[ident]], ident), reverse=True)

    def facets(self, idents: _Array) -> Mapping[str, Mapping[str, int]]:
        """How many of these documents have each value: of each facet, the twenty that most have."""
        places = self._places(idents)
        found: dict[str, dict[str, int]] = {}
        for i, facet in enumerate(FACETS):
            counts = np.bincount(self._codes[places, i], minlength=len(self._values[i]))
            named = [(value, int(counts[code])) for value, code in self._values[i].items() if value and counts[code]]
            found[facet] = dict(sorted(named, key=lambda pair: (-pair[1], pair[0]))[:_MAX_VALUES])
        return found

    def _places(self, idents: Sequence[int] | _Array) -> _Array:
        if len(idents) == len(self.ids):
            return np.flatnonzero(self._live[: self._count])
        order = np.argsort(self._ids[: self._count], kind="stable")
        return order[np.searchsorted(self._ids[: self._count], idents, sorter=order)]


def _longer(array: _Array, size: int) -> _Array:
    longer = np.zeros((size, *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer
