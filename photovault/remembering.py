"""The daily look for memories: what is new since the last one, with its neighbourhood, and nothing else.

    changed pictures -> their days' digests -> habits -> occasions around them -> MemoryCreated, MemoryRevised ...
                     -> their pools         -> people, themes, places, best of ->  the same

What was looked at is in documents of the vault's own (`Checkpoints`): the watermark, habits, a digest a day (a document
a year) and the pools. They can be lost: a look at the whole history makes them anew, and finds the same memories, as
these are in the history (docs/adr/0018-a-memory-stays-itself.md).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any, Protocol

import msgspec
import numpy as np
from msgspec import Struct, structs

from domain import memory as memories
from domain.commits import Cause, derive_id
from domain.errors import ConflictError
from domain.event_base import Event
from domain.eventstore import EventStore
from domain.habits import (
    DAY_BEGINS_S,
    DAY_S,
    Base,
    Cluster,
    Day,
    Rhythm,
    Spot,
    Track,
    bases_and_spots,
    changed_days,
    day_of,
    digest,
    quiet_days,
    rhythm_of,
)
from domain.memory import OCCASIONS, Found, Memory, matched, memory_id, memory_stream
from domain.memory_events import MemoryCreated, MemoryRevised
from domain.memory_titles import day_title, event_title, place_of, trip_title
from domain.moment import Moment, local_seconds, local_text, may_be_remembered
from domain.occasions import LONGEST_TRIP_DAYS, Habits, Occasion, anchors, occasions
from domain.on_this_day import days_like, subject_of, widened
from domain.person import MAX_HOPS, Person
from domain.picking import cover, how_many, pick, pick_by_year
from domain.pools import Pool, add, considered, drop, keys_of, memory_of, period_ended
from domain.ports import Checkpoints, ViewStore
from domain.scanning import Serving
from domain.sphere import km_between
from projections.generations import Generations
from projections.memories import RETIRED, Memories
from projections.moments import MomentRow, Moments, changed_key
from projections.people import Faces, PeopleView, asset_in, person_range

__all__ = ["BATCH", "Made", "Remembering", "look"]

BATCH = 100_000
"""Changed pictures that one look takes on; the next goes on behind them."""

OVERLAP = timedelta(hours=1)
"""So far behind the last picture seen a look begins, for rows that were written late."""

GROWN = 1.05
"""Places are clustered anew when there are this many times as many days with pictures as the last time."""

_PAGE = 1000
_STAYS_APART_DAYS = 30
_PIECE_DAYS = 120  # a longer stretch is looked at in pieces
_LOOKED, _DAYS, _POOLS = "memories", "memory-days", "memory-pools"


class Remembering(Protocol):
    """What a vault, on one machine or on AWS, has for this."""

    store: EventStore
    views: ViewStore
    checkpoints: Checkpoints
    generations: Generations


class Made(Struct):
    """What one look did."""

    changed: int = 0  # pictures that were new or had changed
    read: int = 0  # rows of pictures that were read
    days: int = 0
    created: int = 0
    revised: int = 0
    retired: int = 0
    more: bool = False  # there are more changed pictures than one look takes


class _Place(Struct, frozen=True, array_like=True):
    """A place that is revisited."""

    id: str
    lat: float
    lon: float
    km: float


class _Looked(Struct, frozen=True, array_like=True):
    """What is known from one look to the next."""

    seen_us: int = 0
    on: str = ""  # day of the last look
    bases: tuple[Base, ...] = ()
    rhythms: dict[int, Rhythm] = {}
    usual: Rhythm = Rhythm()
    places: tuple[_Place, ...] = ()
    days: int = 0  # with pictures
    clustered: int = 0  # of these, when places were clustered
    people: dict[str, tuple[str, bool, str | None]] = {}  # id -> (where merges lead to, hidden, name)

    @property
    def habits(self) -> Habits:
        """What occasions are measured against."""
        return Habits(self.bases, self.rhythms, self.usual)


_encode = msgspec.msgpack.Encoder().encode


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
        self.vault, self.owner, self.today, self.cluster, self.serving = vault, owner, today, cluster, serving
        self.whole, self.batch, self.tick = whole, batch, tick
        self.made = Made()
        self.moments, self.table = vault.generations.active(Moments.name)
        self.memories, self.memory_table = vault.generations.active(Memories.name)
        self.looked = _Looked() if whole else self._load(_LOOKED, owner, _Looked) or _Looked()
        self.people = self._people()
        self.hidden = frozenset(each for each, (_, hidden, _) in self.people.items() if hidden)
        self.written: dict[str, Memory] = {}
        self.fresh: list[tuple[str, tuple[int, ...]]] = []  # places that were not known, and their days
        self._first_and_last: tuple[float, float] | None = None

    def run(self) -> Made:
        if self.whole:
            self._forget()
        rows, seen_us = self._changed()
        self.made.changed = len(rows)
        days = {day for row in rows for day in self._days_of(row)}
        if days:
            days |= self._learn(self._digests(days))
        self._occasions(self._stretches(days))
        self._pools(rows)
        self._today()
        on = self.today.isoformat()
        self._save(_LOOKED, self.owner, structs.replace(self.looked, seen_us=seen_us, on=on, people=self.people))
        return self.made

    # --- documents ---

    def _load(self, kind: str, name: str, of: Any) -> Any:
        entry = self.vault.checkpoints.load(kind, name)
        try:
            return msgspec.msgpack.decode(entry.value, type=of) if entry else None
        except msgspec.DecodeError:  # of another release: it is made anew
            return None

    def _save(self, kind: str, name: str, document: Any) -> None:
        self.vault.checkpoints.save(kind, name, _encode(document), expected=None)

    def _of(self, kind: str) -> str:
        """Documents of an owner are a kind of their own, so that listing them costs what they are."""
        return f"{kind}#{self.owner}"

    def _forget(self) -> None:
        for kind in (self._of(_DAYS), self._of(_POOLS)):
            for entry in list(self.vault.checkpoints.list(kind)):
                self.vault.checkpoints.delete(kind, entry.name)

    # --- rows ---

    def _changed(self) -> tuple[list[MomentRow], int]:
        """Rows that changed since the last look, and those of people about whom something was decided."""
        since = max(0, self.looked.seen_us - OVERLAP // timedelta(microseconds=1))
        found: dict[str, MomentRow] = {}
        seen_us, cursor = self.looked.seen_us, None
        while len(found) < self.batch:
            page = self.vault.views.query(
                self.table, self.owner, index="changed", low=changed_key(since), limit=_PAGE, cursor=cursor
            )
            for row in page.rows:
                state = self.moments.decode(row.data)
                found[row.key] = state
                seen_us = max(seen_us, state.changed_us)
            self.made.read += len(page.rows)
            cursor = page.cursor
            if cursor is None:
                break
        self.made.more = cursor is not None
        decided = [
            each for each, now in self.people.items() if self.looked.people.get(each, (each, False, None)) != now
        ]
        assets = {asset for each in decided for asset in self._assets_of(each)} - found.keys()
        found |= {row.moment.asset: row for row in self._get(sorted(assets))}
        return list(found.values()), seen_us

    def _get(self, assets: Sequence[str]) -> list[MomentRow]:
        rows = self.vault.views.get(self.table, [(self.owner, asset) for asset in assets]) if assets else ()
        self.made.read += len(assets)
        return [self.moments.decode(row.data) for row in rows if row is not None and not row.deleted]

    def _between(self, since: float, until: float) -> list[Moment]:
        """Pictures that may be in a memory, of a stretch of local time, in its order."""
        low, high = local_text(since), local_text(until)
        found: list[Moment] = []
        cursor = None
        while True:
            page = self.vault.views.query(
                self.table, self.owner, index="time", low=low, high=high, limit=_PAGE, cursor=cursor
            )
            found += [self.moments.decode(row.data).moment for row in page.rows]
            self.made.read += len(page.rows)
            cursor = page.cursor
            if cursor is None:
                break
        return [each for each in found if may_be_remembered(each, self.hidden, self.serving)]

    def _people(self) -> dict[str, tuple[str, bool, str | None]]:
        """Everybody: where merges lead to, and what holds there."""
        view, table = self.vault.generations.active(PeopleView.name)
        every: dict[str, Person] = {}
        cursor = None
        while True:
            page = self.vault.views.query(table, self.owner, limit=_PAGE, cursor=cursor)
            every |= {row.key: view.decode(row.data) for row in page.rows}
            cursor = page.cursor
            if cursor is None:
                break
        known = {each: person for each, person in every.items() if person.known}
        return {each: _led(known, each) for each in known}

    def _assets_of(self, person: str) -> Iterator[str]:
        _, table = self.vault.generations.active(Faces.name)
        low, high = person_range(person)
        cursor = None
        while True:
            page = self.vault.views.query(table, self.owner, low=low, high=high, limit=_PAGE, cursor=cursor)
            yield from (asset_in(row.key) for row in page.rows)
            cursor = page.cursor
            if cursor is None:
                return

    def _days_of(self, row: MomentRow) -> set[int]:
        """The days that a picture is on, and was."""
        locals_ = [row.moment.local, *row.once] if row.moment.local else [*row.once]
        return {day_of(local_seconds(each)) for each in locals_}

    # --- habits ---

    def _digests(self, days: set[int]) -> dict[int, list[Day]]:
        """Make the digests of some days anew; all digests of the years that these are in."""
        by_year: dict[int, set[int]] = defaultdict(set)
        for day in days:
            by_year[_year_of(day)].add(day)
        years: dict[int, list[Day]] = {}
        more = 0
        for year, some in sorted(by_year.items()):
            held: dict[int, Day] = self._load(self._of(_DAYS), str(year), dict[int, Day]) or {}
            before = len(held)
            for first, last in _runs(some, 1):
                rows = self._between(first * DAY_S + DAY_BEGINS_S, (last + 1) * DAY_S + DAY_BEGINS_S)
                grouped: dict[int, list[Moment]] = defaultdict(list)
                for each in rows:
                    grouped[day_of(local_seconds(each.local or ""))].append(each)
                for day in range(first, last + 1):
                    held.pop(day, None)
                    if grouped[day]:
                        held[day] = digest(day, _track(grouped[day]))
            more += len(held) - before
            self._save(self._of(_DAYS), str(year), held)
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
        held = {
            int(entry.name): [
                day for _, day in sorted(msgspec.msgpack.decode(entry.value, type=dict[int, Day]).items())
            ]
            for entry in self.vault.checkpoints.list(self._of(_DAYS))
        }
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

    def _places(self, spots: Sequence[Spot], bases: Sequence[Base]) -> tuple[_Place, ...]:
        """Places that are revisited and no home; one that was known keeps its id. What is new is filled from its days."""
        found: list[_Place] = []
        for spot in spots:
            stays = 1 + sum(b - a > _STAYS_APART_DAYS for a, b in pairwise(spot.days))
            if stays < 2 or any(_km(spot, base) <= base.km for base in bases):
                continue
            known = [old for old in self.looked.places if _km(spot, old) <= max(spot.km, old.km)]
            known = [old for old in known if old.id not in {each.id for each in found}]
            if known:
                ident = min(known, key=lambda old: (_km(spot, old), old.id)).id
            else:
                ident = derive_id(self.owner, "place", f"{spot.lat:.2f}", f"{spot.lon:.2f}", spot.days[0])
                self.fresh.append((ident, spot.days))
            found.append(_Place(ident, spot.lat, spot.lon, spot.km))
        return tuple(found)

    # --- trips and events ---

    def _stretches(self, days: Iterable[int]) -> list[tuple[int, int]]:
        """Runs of days, in pieces."""
        return [
            (begin, min(begin + _PIECE_DAYS - 1, last))
            for first, last in _runs(set(days), 2)
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
            begins, ends = (_at(rows[0]), _at(rows[-1])) if rows else (since, until)
            known = self._known(min(begins, since), max(ends, until))
            wider = min((local_seconds(m.found.since) for m in known if m.found), default=since)
            later = max((local_seconds(m.found.until) for m in known if m.found), default=until)
            if wider >= min(begins, since) and later <= max(ends, until):
                break
            since, until = min(since, wider), max(until, later + 1)
        found = occasions(_track(rows), self.looked.habits) if rows else []
        self._reconcile([self._found(each, rows) for each in found], known)
        return max(until, ends)

    def _window(self, since: float, until: float) -> list[Moment]:
        """The pictures of a stretch and of its neighbourhood, up to where it may be cut on both sides."""
        low, high, step = since - DAY_S, until + DAY_S, 2.0 * DAY_S
        rows = self._between(low, high)
        left = right = None
        while rows:
            begins, ends = anchors(_track(rows), self.looked.habits)
            before = [int(i) for i in begins if _at(rows[i]) < since]
            after = [int(i) for i in ends if _at(rows[i]) >= until]
            left, right = before[-1] if before else None, after[0] if after else None
            wide = step > 2 * LONGEST_TRIP_DAYS * DAY_S
            if left is None and not wide and self._edges()[0] < low:
                rows, low = [*self._between(low - step, low), *rows], low - step
            elif right is None and not wide and self._edges()[1] >= high:
                rows, high = [*rows, *self._between(high, high + step)], high + step
            else:
                break
            step *= 2 if step < 32 * DAY_S else 1.5
        return rows[left or 0 : len(rows) if right is None else right + 1]

    def _edges(self) -> tuple[float, float]:
        """Local times of the first and the last picture."""
        if self._first_and_last is None:
            both = [
                self.vault.views.query(self.table, self.owner, index="time", limit=1, descending=descending).rows
                for descending in (False, True)
            ]
            at = [local_seconds(self.moments.decode(rows[0].data).moment.local) if rows else 0.0 for rows in both]
            self._first_and_last = (at[0], at[1])
        return self._first_and_last

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

    # --- pools ---

    def _pools(self, rows: Sequence[MomentRow]) -> None:
        """People, themes, places and the best of months and years."""
        seen = [row.moment for row in rows]
        for ident, days in self.fresh:
            for first, last in _runs(set(days), 1):
                near = self._between(first * DAY_S + DAY_BEGINS_S, (last + 1) * DAY_S + DAY_BEGINS_S)
                seen += [each for each in near if self._place(each) == ident]
        added: dict[str, list[Moment]] = defaultdict(list)
        dropped: dict[str, set[str]] = defaultdict(set)
        for row in rows:
            for local in row.once:
                for key in (f"best:{local[:4]}", f"best:{local[:7]}"):
                    dropped[key].add(row.moment.asset)
        for moment in {each.asset: each for each in seen}.values():
            may = may_be_remembered(moment, self.hidden, self.serving)
            for key in keys_of(moment, self._person, self._place(moment)):
                added[key].append(moment) if may else dropped[key].add(moment.asset)
        due = {f"best:{each}" for each in self._ended()}
        for key in sorted({*added, *dropped, *due}):
            self._pool(key, added[key], dropped[key] - {each.asset for each in added[key]}, due=key in due)

    def _pool(self, key: str, added: Sequence[Moment], dropped: set[str], *, due: bool) -> None:
        held: Pool = self._load(self._of(_POOLS), key, Pool) or Pool()
        pool = add(drop(held, dropped), added)
        touched = {each.asset for each in added} & {each.asset for each in pool.entries}
        if pool == held and not touched and not due:
            return
        kind, _, subject = key.partition(":")
        moments = [row.moment for row in self._get(considered(key, pool))]
        fit = [
            each
            for each in sorted(moments, key=lambda each: (each.local or "", each.asset))
            if may_be_remembered(each, self.hidden, self.serving)
            and key in keys_of(each, self._person, self._place(each))
        ]
        pool = drop(pool, {each.asset for each in moments} - {each.asset for each in fit})
        self._save(self._of(_POOLS), key, pool)
        name = self.people[subject][2] if kind == "person" and subject in self.people else None
        found = memory_of(key, fit, name) if kind != "best" or period_ended(subject, self.today) else None
        ident = derive_id(self.owner, "memory", kind, subject)
        if found is not None:
            self._remember(ident, found)
        else:
            self._retire(ident, "too few pictures are left for it")

    def _ended(self) -> Iterator[str]:
        """Months and years that have come to their end since the last look."""
        if not self.looked.on:
            return
        day = date.fromisoformat(self.looked.on)
        for year in range(day.year, self.today.year):
            yield str(year)
        while (day.year, day.month) < (self.today.year, self.today.month):
            yield f"{day:%Y-%m}"
            day = (day.replace(day=1) + timedelta(days=31)).replace(day=1)

    def _person(self, ident: str) -> str | None:
        return self.people[ident][0] if ident in self.people else None

    def _place(self, moment: Moment) -> str | None:
        if moment.latitude is None or moment.longitude is None:
            return None
        here = _Place("", moment.latitude, moment.longitude, 0.0)
        near = [(_km(here, each), each.id) for each in self.looked.places]
        near = [(km, ident) for (km, ident), each in zip(near, self.looked.places, strict=True) if km <= each.km]
        return min(near)[1] if near else None

    # --- on this day ---

    def _today(self) -> None:
        found = self.on_this_day(self.today)
        ident = derive_id(self.owner, "memory", "on_this_day", subject_of(self.today))
        if found is not None:
            self._remember(ident, found)
        else:
            self._retire(ident, "no picture of this day is left")

    def on_this_day(self, day: date) -> Found | None:
        """What earlier years have of a day; the window is opened until there is enough."""
        first, last = self._edges()
        years = range(_year_of(first / DAY_S), min(day.year - 1, _year_of(last / DAY_S) + 1) + 1)
        held: dict[int, list[Moment]] = {}

        def count(around: int) -> int:
            if around not in held:
                held[around] = [each for year in years for each in self._of_days(days_like(day, year, around))]
            return len(held[around])

        around = widened(count)
        count(around)
        moments = sorted({m.asset: m for m in held[around]}.values(), key=lambda m: (m.local or "", m.asset))
        if not moments:
            return None
        chosen = pick_by_year(moments)
        seen = sorted({int((each.local or "")[:4]) for each in moments})
        return Found(
            kind="on_this_day",
            subject=subject_of(day),
            title=day_title(day, around, seen),
            since=moments[0].local or "",
            until=moments[-1].local or "",
            members=tuple(each.asset for each in moments),
            pictures=tuple(each.asset for each in chosen),
            cover=cover(chosen).asset,
        )

    def _of_days(self, days: Iterable[date]) -> list[Moment]:
        some = list(days)
        first = (some[0] - date(1970, 1, 1)).days
        return self._between(first * DAY_S, ((some[-1] - date(1970, 1, 1)).days + 1) * DAY_S)

    # --- writing ---

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


def decided(
    store: EventStore, owner: str, ident: str, actor: str, decide: Callable[[Memory], Sequence[Event]]
) -> tuple[Memory, Sequence[Event]]:
    """Load a memory, append what is decided about it, and give both: the memory as it is then, and the events.

    Cost:
        One load, and one append where anything is decided; a lost race costs one more of each.
    """
    stream = memory_stream(owner, ident)
    while True:
        loaded = store.load(stream)
        memory = memories.fold(stream, (each.event for each in loaded.events))
        events = decide(memory)
        if not events:
            return memory, ()
        cause = Cause(commit_id=derive_id("memory", stream, loaded.token), actor=actor, correlation_id=ident)
        try:
            store.append(stream, list(events), loaded.token, cause)
        except ConflictError:
            continue
        for event in events:
            memory = memories.evolve(memory, event)
        return memory, events


# --- small things ----------------------------------------------------------------------------------------------------


def _led(people: dict[str, Person], ident: str) -> tuple[str, bool, str | None]:
    """Where merges lead to; whether anybody on the way is hidden, since a hidden person's pictures stay hidden when it
    is merged; and the name at the end."""
    hidden, top = False, ident
    for _ in range(MAX_HOPS):
        hidden = hidden or people[top].now.hidden
        following = people[top].now.into
        if following is None or following not in people:
            break
        top = following
    return top, hidden, people[top].now.name


def _track(rows: Sequence[Moment]) -> Track:
    def number(value: float | None) -> float:
        return np.nan if value is None else value

    return Track(
        [each.asset for each in rows],
        np.array([_at(each) for each in rows], float),
        np.array([number(each.latitude) for each in rows], float),
        np.array([number(each.longitude) for each in rows], float),
    )


def _at(moment: Moment) -> float:
    return local_seconds(moment.local or "")


def _year_of(day: float) -> int:
    return (date(1970, 1, 1) + timedelta(days=int(np.clip(day, -700_000, 2_900_000)))).year


def _runs(days: set[int], apart: int) -> Iterator[tuple[int, int]]:
    """Days as runs (first, last), those at most so many days apart in one."""
    first = last = None
    for day in sorted(days):
        if first is None or last is None:
            first = day
        elif day - last > apart:
            yield first, last
            first = day
        last = day
    if first is not None and last is not None:
        yield first, last


def _km(a: Any, b: Any) -> float:
    """Between two things with a position."""
    return float(km_between(np.array([a.lat]), np.array([a.lon]), b.lat, b.lon)[0])
