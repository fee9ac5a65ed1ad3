"""The daily look for memories: what is new since the last one, with its neighbourhood, and nothing else.

    changed pictures -> their days' digests -> habits -> occasions around them -> MemoryCreated, MemoryRevised ...
                     -> their pools         -> people, themes, places, best of ->  the same

What was looked at is in documents of the vault's own (`Checkpoints`): the watermark, habits, a digest a day (a document
a year) and the pools. They can be lost: a look at the whole history makes them anew, and finds the same memories, as
these are in the history (docs/adr/0018-a-memory-stays-itself.md).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from msgspec import Struct, structs
from numpy.typing import NDArray

from domain import memory as memories
from domain.commits import derive_id, to_us
from domain.event_base import Event
from domain.habits import (
    DAY_BEGINS_S,
    DAY_S,
    Base,
    Cluster,
    Day,
    Rhythm,
    Spot,
    bases_and_spots,
    changed_days,
    day_of,
    digest,
    quiet_days,
    rhythm_of,
)
from domain.memory import OCCASIONS, Found, Memory, matched, memory_id
from domain.memory_events import MemoryCreated, MemoryRevised
from domain.memory_titles import event_title, place_of, trip_title
from domain.moment import Moment, local_seconds, local_text
from domain.occasions import LONGEST_TRIP_DAYS, Occasion, anchors, occasions
from domain.on_this_day import subject_of
from domain.picking import cover, how_many, pick
from domain.scanning import Serving
from domain.sphere import Floats
from photovault.memory_deciding import decided
from photovault.memory_documents import Looked, MemoryDocuments, Place
from photovault.memory_pools import PoolsLook
from photovault.moment_reading import MomentReader, Remembering
from photovault.this_day import on_this_day
from photovault.timeline import days_of, km_apart, runs_of, seconds_of, track_of, year_of
from projections.memories import RETIRED, Memories
from projections.moments import MomentRow

__all__ = ["BATCH", "Made", "look", "look_all", "places_by"]

BATCH = 100_000
"""Changed pictures that one look takes on; the next goes on behind them."""

OVERLAP = timedelta(hours=1)
"""So far before the last look the next one begins, for what was recorded then and came into the view later."""

GROWN = 1.05
"""Places are clustered anew when there are this many times as many days with pictures as the last time."""

_STAYS_APART_DAYS = 30
_PIECE_DAYS = 120  # a longer stretch is looked at in pieces


class Made(Struct):
    """What one look did."""

    changed: int = 0  # pictures that were new or had changed
    read: int = 0  # rows of pictures that were read
    days: int = 0
    created: int = 0
    revised: int = 0
    retired: int = 0
    more: bool = False  # there are more changed pictures than one look takes


def look(
    vault: Remembering,
    owner: str,
    today: date,
    cluster: Cluster,
    serving: Serving,
    *,
    whole: bool = False,
    batch: int = BATCH,
    tick: Callable[[int, int], None] = lambda done, of: None,
) -> Made:
    """Look at what is new in an owner's pictures and make, revise and retire memories.

    Args:
        today: by the owner's calendar.
        cluster: density clusters on the sphere.
        whole: forget what was looked at, and look at everything.
        tick: called with stretches of days that are done, and of how many.
    Cost:
        Rows of the changed pictures, of their days, and of the neighbourhood up to the next picture at home; a document
        for each touched year and pool. What a memory has is read again when it is touched.
    Raises:
        ViewUnavailable: a view is not built.
    """
    return _Look(vault, owner, today, cluster, serving, whole=whole, batch=batch, tick=tick).run()


def look_all(vault: Remembering, owner: str, today: date, cluster: Cluster, serving: Serving, **options: Any) -> Made:
    """As `look`, until nothing that has changed is left; what all looks did together."""
    made = look(vault, owner, today, cluster, serving, **options)
    while made.more:
        following = look(vault, owner, today, cluster, serving, **options | {"whole": False})
        for name in ("changed", "read", "days", "created", "revised", "retired"):
            setattr(following, name, getattr(following, name) + getattr(made, name))
        made = following
    return made


def places_by(clusters: Callable[..., Any]) -> Cluster:
    """`Cluster` by `adapters.ml.density.density_clusters`."""

    def cluster(rows: Floats, *, least: int, epsilon: float) -> NDArray[np.int64]:
        labels: NDArray[np.int64] = clusters(
            rows, metric="haversine", min_cluster_size=least, min_samples=least, epsilon=epsilon, single=True
        ).labels
        return labels

    return cluster


class _Look:
    def __init__(
        self,
        vault: Remembering,
        owner: str,
        today: date,
        cluster: Cluster,
        serving: Serving,
        *,
        whole: bool,
        batch: int,
        tick: Callable[[int, int], None],
    ) -> None:
        self.vault, self.owner, self.today, self.cluster = vault, owner, today, cluster
        self.whole, self.batch, self.tick = whole, batch, tick
        self.made, self.began = Made(), vault.clock()
        self.reader = MomentReader(vault, owner, serving)
        self.memories, self.memory_table = vault.generations.active(Memories.name)
        self.documents = MemoryDocuments(vault.checkpoints, owner)
        self.looked = Looked() if whole else self.documents.looked()
        self.written: dict[str, Memory] = {}
        self.fresh: list[tuple[str, tuple[int, ...]]] = []  # places that were not known, and their days

    def run(self) -> Made:
        if self.whole:
            self.documents.forget()
        rows, from_us = self._changed()
        days = {day for row in rows for day in days_of(row)}
        if days:
            days |= self._learn(self._digests(days))
        self._occasions(self._stretches(days))
        PoolsLook(self.reader, self.documents, self.looked, self.owner, self.today, self._tell).run(rows, self.fresh)
        today = derive_id(self.owner, "memory", "on_this_day", subject_of(self.today))
        self._tell(today, on_this_day(self.reader, self.today), "no picture of this day is left")
        on = self.today.isoformat()
        self.looked = structs.replace(self.looked, from_us=from_us, on=on, people=self.reader.people)
        self.documents.save_looked(self.looked)
        self.made.read = self.reader.read
        return self.made

    def _changed(self) -> tuple[list[MomentRow], int]:
        """Rows that changed since the last look, and those of people about whom something was decided; and from which
        change on the next look begins."""
        rows, seen_us, self.made.more = self.reader.changed(self.looked.from_us, self.batch)
        before, nobody = self.looked.people, (None, False, None)
        decided_on = [each for each, now in self.reader.people.items() if before.get(each, nobody) != now]
        decided_on += [each for each in before if each not in self.reader.people]
        held = {row.moment.asset for row in rows}
        assets = {asset for each in decided_on for asset in self.reader.assets_of(each)} - held
        rows += self.reader.get(sorted(assets))
        self.made.changed = len(rows)
        if not self.made.more:  # all is seen but what was recorded lately and is not in the view yet
            seen_us = to_us(self.began - OVERLAP)
        return rows, max(seen_us, self.looked.from_us)

    # --- habits ---

    def _digests(self, days: set[int]) -> dict[int, list[Day]]:
        """Make the digests of some days anew; all digests of the years that these are in."""
        by_year: dict[int, set[int]] = defaultdict(set)
        for day in days:
            by_year[year_of(day)].add(day)
        years: dict[int, list[Day]] = {}
        more = 0
        for year, some in sorted(by_year.items()):
            held = self.documents.year(year)
            before = len(held)
            for first, last in runs_of(some, 1):
                rows = self.reader.between(first * DAY_S + DAY_BEGINS_S, (last + 1) * DAY_S + DAY_BEGINS_S)
                grouped: dict[int, list[Moment]] = defaultdict(list)
                for each in rows:
                    grouped[day_of(local_seconds(each.local or ""))].append(each)
                for day in range(first, last + 1):
                    held.pop(day, None)
                    if grouped[day]:
                        held[day] = digest(day, track_of(grouped[day]))
            more += len(held) - before
            self.documents.save_year(year, held)
            years[year] = [day for _, day in sorted(held.items())]
        self.made.days = len(days)
        self.looked = structs.replace(self.looked, days=self.looked.days + more)
        return years

    def _learn(self, years: dict[int, list[Day]]) -> set[int]:
        """Habits after some years have changed; the days on which home is somewhere else than was thought."""
        looked = self.looked
        rhythms = looked.rhythms | {year: rhythm_of(some, looked.usual) for year, some in years.items()}
        self.looked = structs.replace(looked, rhythms=rhythms)
        if looked.clustered / GROWN < looked.days < GROWN * looked.clustered:
            return set()
        held = dict(self.documents.years())
        every = [day for _, some in sorted(held.items()) for day in some]
        bases, spots = bases_and_spots(every, self.cluster)
        usual = rhythm_of(every, Rhythm(quiet_days=quiet_days(every, bases)))
        self.looked = structs.replace(
            looked,
            bases=bases,
            usual=usual,
            rhythms={year: rhythm_of(some, usual) for year, some in held.items()},
            places=self._places(spots, bases),
            clustered=looked.days,
        )
        moved = changed_days(looked.bases, bases)
        return {each.day for each in every if any(first <= each.day <= last for first, last in moved)}

    def _places(self, spots: Sequence[Spot], bases: Sequence[Base]) -> tuple[Place, ...]:
        """Places that are revisited and no home. One that was known keeps its id; a new one is filled from its days."""
        found: list[Place] = []
        for spot in spots:
            stays = 1 + sum(b - a > _STAYS_APART_DAYS for a, b in pairwise(spot.days))
            if stays < 2 or any(km_apart(spot, base) <= base.km for base in bases):
                continue
            known = [old for old in self.looked.places if km_apart(spot, old) <= max(spot.km, old.km)]
            known = [old for old in known if old.id not in {each.id for each in found}]
            if known:
                ident = min(known, key=lambda old: (km_apart(spot, old), old.id)).id
            else:
                ident = derive_id(self.owner, "place", f"{spot.lat:.2f}", f"{spot.lon:.2f}", spot.days[0])
                self.fresh.append((ident, spot.days))
            found.append(Place(ident, spot.lat, spot.lon, spot.km))
        return tuple(found)

    # --- trips and events ---

    def _stretches(self, days: Iterable[int]) -> list[tuple[int, int]]:
        """Runs of days, in pieces."""
        return [
            (begin, min(begin + _PIECE_DAYS - 1, last))
            for first, last in runs_of(set(days), 2)
            for begin in range(first, last + 1, _PIECE_DAYS)
        ]

    def _occasions(self, stretches: Sequence[tuple[int, int]]) -> None:
        """Find what is in some stretches and around them, and tell it from what was known."""
        covered = -1.0
        for n, (first, last) in enumerate(stretches):
            since, until = first * DAY_S + DAY_BEGINS_S, (last + 1) * DAY_S + DAY_BEGINS_S
            if until > covered:
                covered = self._around(float(since), float(until))
            self.tick(n + 1, len(stretches))

    def _around(self, since: float, until: float) -> float:
        """One stretch of local time, with what it touches; the time up to which nothing is left to be looked at."""
        while True:
            rows = self._window(since, until)
            begins, ends = (seconds_of(rows[0]), seconds_of(rows[-1])) if rows else (since, until)
            known = self._known(min(begins, since), max(ends, until))
            wider = min((local_seconds(m.found.since) for m in known if m.found), default=since)
            later = max((local_seconds(m.found.until) for m in known if m.found), default=until)
            if wider >= min(begins, since) and later <= max(ends, until):
                break
            since, until = min(since, wider), max(until, later + 1)
        found = occasions(track_of(rows), self.looked.habits) if rows else []
        self._reconcile([self._found(each, rows) for each in found], known)
        return max(until, ends)

    def _window(self, since: float, until: float) -> list[Moment]:
        """The pictures of a stretch and of its neighbourhood, up to where it may be cut on both sides."""
        low, high, step = since - DAY_S, until + DAY_S, 2.0 * DAY_S
        rows = self.reader.between(low, high)
        left = right = None
        while rows:
            begins, ends = anchors(track_of(rows), self.looked.habits)
            before = [int(i) for i in begins if seconds_of(rows[i]) < since]
            after = [int(i) for i in ends if seconds_of(rows[i]) >= until]
            left, right = before[-1] if before else None, after[0] if after else None
            wide = step > 2 * LONGEST_TRIP_DAYS * DAY_S
            if left is None and not wide and self.reader.edges()[0] < low:
                rows, low = [*self.reader.between(low - step, low), *rows], low - step
            elif right is None and not wide and self.reader.edges()[1] >= high:
                rows, high = [*rows, *self.reader.between(high, high + step)], high + step
            else:
                break
            step *= 2 if step < 32 * DAY_S else 1.5
        return rows[left or 0 : len(rows) if right is None else right + 1]

    def _known(self, since: float, until: float) -> list[Memory]:
        """Occasions that were remembered before, retired ones too, of a stretch of local time."""
        low = local_text(since - (LONGEST_TRIP_DAYS + 1) * DAY_S)
        found: dict[str, Memory] = {}
        for prefix in ("", RETIRED):
            cursor = None
            while True:
                page = self.vault.views.query(
                    self.memory_table,
                    self.owner,
                    index="time",
                    low=prefix + low,
                    high=prefix + local_text(until + 1),
                    cursor=cursor,
                )
                found |= {row.key: self.memories.decode(row.data) for row in page.rows}
                cursor = page.cursor
                if cursor is None:
                    break
        found |= self.written  # rows may lag behind what this look has appended
        return [
            each
            for _, each in sorted(found.items())
            if each.found is not None
            and each.found.kind in OCCASIONS
            and local_seconds(each.found.until) >= since
            and local_seconds(each.found.since) <= until
        ]

    def _reconcile(self, found: Sequence[Found], known: Sequence[Memory]) -> None:
        match = matched([each.members for each in found], known)
        for n, each in enumerate(found):
            if n in match.fallen_off:
                continue
            self._remember(match.same.get(n) or memory_id(self.owner, each), each)
        for ident, heir in match.gone.items():
            reason = "its pictures are in another memory now" if heir else "too few of its pictures are left"
            self._retire(ident, reason, heir)

    def _found(self, occasion: Occasion, rows: Sequence[Moment]) -> Found:
        members = [rows[i] for i in occasion.members]
        chosen = pick(members, how_many(len(members)))
        since, until = (datetime.fromisoformat(each.local or "") for each in (members[0], members[-1]))
        place = place_of(members)
        tags = Counter(name for each in members for name, sure in each.tags if sure >= 0.5)
        telling = [name for name, n in tags.most_common() if n >= max(2, 0.1 * len(members))]
        return Found(
            kind=occasion.kind,
            title=trip_title(since, until, place)
            if occasion.kind == "trip"
            else event_title(since, until, place, telling),
            since=members[0].local or "",
            until=members[-1].local or "",
            members=tuple(each.asset for each in members),
            pictures=tuple(each.asset for each in chosen),
            cover=cover(chosen).asset,
            place=place,
        )

    # --- writing ---

    def _tell(self, ident: str, found: Found | None, why: str) -> None:
        """A memory is this now, or none any more."""
        if found is not None:
            self._remember(ident, found)
        else:
            self._retire(ident, why)

    def _remember(self, ident: str, found: Found) -> None:
        for event in self._decide(ident, lambda memory: memories.remember(memory, found)):
            self.made.created += isinstance(event, MemoryCreated)
            self.made.revised += isinstance(event, MemoryRevised)

    def _retire(self, ident: str, reason: str, into: str | None = None) -> None:
        row = self.vault.views.get(self.memory_table, [(self.owner, ident)])[0]
        if row is None and ident not in self.written:  # there never was such a memory
            return
        self.made.retired += len(self._decide(ident, lambda memory: memories.retire(memory, reason, into)))

    def _decide(self, ident: str, decide: Callable[[Memory], Sequence[Event]]) -> Sequence[Event]:
        """Append what is decided about a memory; what that was."""
        memory, events = decided(self.vault.store, self.owner, ident, "memories", decide)
        self.written[ident] = memory
        return events
