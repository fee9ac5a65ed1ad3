"""What is known from one look for memories to the next: documents of the vault's own, not events.

All of it can be lost: a look at the whole history makes it anew.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from domain.habits import Base, Day, Rhythm
from domain.occasions import Habits
from domain.pools import Pool
from domain.ports import Checkpoints
from photovault.moment_reading import Led

__all__ = ["LOOKED", "Looked", "MemoryDocuments", "Place"]

LOOKED = "memories"
"""Kind of the document that each owner has one of."""

T = TypeVar("T")


class Place(Struct, frozen=True, array_like=True):
    """A place that is revisited."""

    id: str
    lat: float
    lon: float
    km: float


class Looked(Struct, frozen=True, array_like=True):
    """How far the last look came, and the habits that it knew."""

    from_us: int = 0  # the change that the next look begins with
    on: str = ""  # day of the last look
    bases: tuple[Base, ...] = ()
    rhythms: dict[int, Rhythm] = {}  # by year
    usual: Rhythm = Rhythm()
    places: tuple[Place, ...] = ()
    days: int = 0  # with pictures
    clustered: int = 0  # of these, when places were clustered
    people: dict[str, Led] = {}

    @property
    def habits(self) -> Habits:
        """What occasions are measured against."""
        return Habits(self.bases, self.rhythms, self.usual)


class MemoryDocuments:
    """The documents of one owner.

    Cost:
        Each call one document, but for listing: a document for each year with pictures.
    """

    def __init__(self, checkpoints: Checkpoints, owner: str) -> None:
        self._checkpoints, self._owner = checkpoints, owner
        self._days, self._pools = f"memory-days#{owner}", f"memory-pools#{owner}"

    def looked(self) -> Looked:
        """How far the last look came; the beginning when there was none."""
        return self._load(LOOKED, self._owner, Looked) or Looked()

    def save_looked(self, looked: Looked) -> None:
        """Note how far a look came."""
        self._save(LOOKED, self._owner, looked)

    def year(self, year: int) -> dict[int, Day]:
        """Digests of the days of a year."""
        return self._load(self._days, str(year), dict[int, Day]) or {}

    def save_year(self, year: int, days: dict[int, Day]) -> None:
        """Keep the digests of a year."""
        self._save(self._days, str(year), days)

    def years(self) -> Iterator[tuple[int, list[Day]]]:
        """Digests of all years, each year's in order."""
        for entry in self._checkpoints.list(self._days):
            days = msgspec.msgpack.decode(entry.value, type=dict[int, Day])
            yield int(entry.name), [day for _, day in sorted(days.items())]

    def pool(self, key: str) -> Pool:
        """A pool; an empty one where there is none."""
        return self._load(self._pools, key, Pool) or Pool()

    def save_pool(self, key: str, pool: Pool) -> None:
        """Keep a pool."""
        self._save(self._pools, key, pool)

    def forget(self) -> None:
        """Remove digests and pools, before everything is looked at anew."""
        for kind in (self._days, self._pools):
            for entry in list(self._checkpoints.list(kind)):
                self._checkpoints.delete(kind, entry.name)

    def _load(self, kind: str, name: str, of: type[T]) -> T | None:
        entry = self._checkpoints.load(kind, name)
        try:
            return msgspec.msgpack.decode(entry.value, type=of) if entry else None
        except msgspec.DecodeError:  # of another release: it is made anew
            return None

    def _save(self, kind: str, name: str, document: Any) -> None:
        self._checkpoints.save(kind, name, msgspec.msgpack.encode(document), expected=None)
