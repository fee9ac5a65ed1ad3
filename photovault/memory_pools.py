"""Memories that are known by their subject - people, themes, places, the best of months and years - after some
pictures have changed. Each pool that is touched is read and judged, and no other."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta

import numpy as np

from domain.commits import derive_id
from domain.habits import DAY_BEGINS_S, DAY_S
from domain.memory import Found
from domain.moment import Moment
from domain.pools import add, considered, drop, keys_of, memory_of, period_ended
from domain.sphere import km_between
from photovault.memory_documents import Looked, MemoryDocuments, Place
from photovault.moment_reading import MomentReader
from projections.moments import MomentRow

__all__ = ["PoolsLook"]

Tell = Callable[[str, Found | None, str], None]
"""(id, what it is now, why it is none): tells of a memory."""


class PoolsLook:
    """One look at what is known by its subject.

    Args:
        tell: called for each memory that was judged.
    """

    def __init__(
        self,
        reader: MomentReader,
        documents: MemoryDocuments,
        looked: Looked,
        owner: str,
        today: date,
        tell: Tell,
    ) -> None:
        self._reader, self._documents, self._looked = reader, documents, looked
        self._owner, self._today, self._tell = owner, today, tell

    def run(self, rows: Sequence[MomentRow], fresh: Iterable[tuple[str, Sequence[int]]]) -> None:
        """Judge what some changed pictures touch.

        Args:
            fresh: places that were not known before, and the days of their visits.
        """
        seen = [row.moment for row in rows]
        for ident, days in fresh:
            for day in days:
                begins = float(day * DAY_S + DAY_BEGINS_S)
                seen += [m for m in self._reader.between(begins, begins + DAY_S) if self._place(m) == ident]
        added: dict[str, list[Moment]] = defaultdict(list)
        dropped: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            for local in row.once:
                for key in (f"best:{local[:4]}", f"best:{local[:7]}"):
                    dropped[key].add(row.moment.asset)
        for moment in {each.asset: each for each in seen}.values():
            may = self._reader.may(moment)
            for key in keys_of(moment, self._reader.person_of, self._place(moment)):
                added[key].append(moment) if may else dropped[key].add(moment.asset)
        due = {f"best:{each}" for each in _ended(self._looked.on, self._today)}
        for key in sorted({*added, *dropped, *due}):
            self._judge(key, added[key], dropped[key] - {each.asset for each in added[key]}, due=key in due)

    def _judge(self, key: str, added: Sequence[Moment], dropped: set[str], *, due: bool) -> None:
        held = self._documents.pool(key)
        pool = add(drop(held, dropped), added)
        touched = {each.asset for each in added} & {each.asset for each in pool.entries}
        if pool == held and not touched and not due:
            return
        kind, _, subject = key.partition(":")
        moments = [row.moment for row in self._reader.get(considered(key, pool))]
        fit = [
            each
            for each in sorted(moments, key=lambda each: (each.local or "", each.asset))
            if self._reader.may(each) and key in keys_of(each, self._reader.person_of, self._place(each))
        ]
        pool = drop(pool, {each.asset for each in moments} - {each.asset for each in fit})
        self._documents.save_pool(key, pool)
        name = self._reader.people[subject][2] if kind == "person" and subject in self._reader.people else None
        found = memory_of(key, fit, name) if kind != "best" or period_ended(subject, self._today) else None
        ident = derive_id(self._owner, "memory", kind, subject)
        self._tell(ident, found, "too few pictures are left for it")

    def _place(self, moment: Moment) -> str | None:
        if moment.latitude is None or moment.longitude is None or not self._looked.places:
            return None
        places: Sequence[Place] = self._looked.places
        lat, lon = np.array([each.lat for each in places]), np.array([each.lon for each in places])
        apart = km_between(lat, lon, moment.latitude, moment.longitude)
        near = [(float(km), each.id) for km, each in zip(apart, places, strict=True) if km <= each.km]
        return min(near)[1] if near else None


def _ended(since: str, today: date) -> Iterator[str]:
    """Months and years that have come to their end since a day."""
    if not since:
        return
    day = date.fromisoformat(since)
    yield from (str(year) for year in range(day.year, today.year))
    while (day.year, day.month) < (today.year, today.month):
        yield f"{day:%Y-%m}"
        day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)
