"""A library for memories: pictures with a local time and a position, as events, and a look at them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from domain.asset import asset_stream
from domain.events import Event, QualityScored
from domain.habits import Track
from domain.media import Position, TakenAt
from domain.memory import Memory
from domain.moment import local_seconds
from domain.scanning import Serving
from domain.sphere import Floats, cells
from photovault.remembering import Made, look
from photovault.runtime import catch_up
from tests.support.factories import OWNER, append, metadata, place, processed, renditions, uploaded, validated
from tests.support.fakes import MemoryVault

HOME = (43.4631, 11.8783)
LISBON = (38.7223, -9.1393)
TODAY = date(2026, 5, 1)


def by_cells(rows: Floats, *, least: int, epsilon: float) -> NDArray[np.int64]:
    """Stands for density clusters where a test needs none: visits in one cube of 10 km are a place."""
    _, which, counts = np.unique(cells(*np.degrees(rows).T, km=10.0), axis=0, return_inverse=True, return_counts=True)
    kept = {int(label): n for n, label in enumerate(np.flatnonzero(counts >= least))}
    return np.array([kept.get(int(label), -1) for label in which.reshape(-1)])


def track(*pictures: tuple[str, tuple[float, float] | None]) -> Track:
    """Pictures by local time and position, in the order of time."""
    ordered = sorted(pictures, key=lambda each: each[0])
    spots = [spot or (np.nan, np.nan) for _, spot in ordered]
    at = np.array([local_seconds(local) for local, _ in ordered])
    ids = [f"p{n:05}" for n in range(len(ordered))]
    return Track(ids, at, np.array([lat for lat, _ in spots], float), np.array([lon for _, lon in spots], float))


def series(
    begins: str, count: int, minutes: float, where: tuple[float, float] | None = None
) -> list[tuple[str, tuple[float, float] | None]]:
    """Pictures one after the other at a place."""
    first = datetime.fromisoformat(begins)
    return [((first + timedelta(minutes=minutes * n)).isoformat()[:19], where) for n in range(count)]


def ordinary(
    first: str, days: int, where: tuple[float, float] = HOME, every: int = 1
) -> list[tuple[str, tuple[float, float] | None]]:
    """Two pictures at noon and one in the evening on every so many days."""
    begin = datetime.fromisoformat(first)
    found: list[tuple[str, tuple[float, float] | None]] = []
    for n in range(0, days, every):
        day = (begin + timedelta(days=n)).date().isoformat()
        found += [(f"{day}T12:00:00", where), (f"{day}T12:03:00", where), (f"{day}T19:30:00", where)]
    return found


class Album:
    """A vault whose pictures come as events.

    Args:
        owner: whose it is.
    """

    def __init__(self, vault: MemoryVault | None = None, owner: str = OWNER) -> None:
        self.vault = vault or MemoryVault()
        self.owner = owner
        self._count = 0

    def add(
        self,
        pictures: Sequence[tuple[str, tuple[float, float] | None]],
        *more: Event,
        city: str | None = None,
        **taken: Any,
    ) -> list[str]:
        """Pictures arrive and are processed; their ids."""
        idents = []
        for local, where in pictures:
            ident = f"{self.owner}{self._count:06}"
            self._count += 1
            append(self.vault.store, asset_stream(self.owner, ident), self.life(local, where, city, *more, **taken))
            idents.append(ident)
        return idents

    def life(
        self, local: str, where: tuple[float, float] | None, city: str | None, *more: Event, **taken: Any
    ) -> list[Event]:
        """What is recorded of one picture."""
        source = taken.get("source", "exif:DateTimeOriginal")
        position = Position(*where) if where else None
        said = metadata(taken_at=TakenAt(local, source), position=position, rating=taken.get("rating"))
        named = [place(city=city, region=None)] if where and city else []
        good = QualityScored(
            sharpness=taken.get("sharp", 20.0), exposure=0.45, contrast=0.2, dark=0.05, resolution=12.0
        )
        return [uploaded(), validated(), said, *named, renditions(), good, *more, processed()]

    def tell(self, ident: str, *events: Event) -> None:
        """Something more happens to a picture."""
        append(self.vault.store, asset_stream(self.owner, ident), list(events))

    def look(self, today: date = TODAY, **options: Any) -> Made:
        """Project, look, project."""
        catch_up(self.vault)  # type: ignore[arg-type]
        made = look(self.vault, self.owner, today, by_cells, options.pop("serving", Serving()), **options)
        catch_up(self.vault)  # type: ignore[arg-type]
        return made

    def memories(self, kind: str | None = None, *, live: bool = True) -> list[Memory]:
        """What is remembered, by time."""
        projection, table = self.vault.generations.active("memories")
        states = [projection.decode(row.data) for row in self.vault.views.scan(table) if row.partition == self.owner]
        found = [m for m in states if m.live == live and m.found and kind in (None, m.found.kind)]
        return sorted(found, key=lambda m: (m.found.since, m.id) if m.found else ("", m.id))
