"""An owner's habits, from their own history: home bases, places they come back to, and the rhythm of their pictures.

What is kept of the history is a digest a day: how many pictures, how long the pauses between them were, and where. It
is small (a year is about 30 KB) and made anew for a day when a picture of that day comes or goes, so that habits never
need the pictures of the whole library.

- A *visit* is a square kilometre on a day. Visits that lie densely together (HDBSCAN on the sphere) are a place.
- A place is a *home base* for as long as it is among the owner's ordinary weeks: it comes up in at least `BASE_WEEKS`
  of any `BASE_AMONG` weeks with pictures, over at least `BASE_SPAN` weeks. So a holiday of three weeks is no home, a
  family that moves has one after the other, and who photographs once a month has a home too.
- A *crowd* is a number of scenes in one go that is far out of the ordinary for this owner.
- The *pause* that ends an occasion is one that hardly ever comes inside of the owner's own crowded days.
- *Quiet* is for how many days the owner may be silent on a journey, as measured on journeys that went on where they
  had stopped.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from domain.sphere import EARTH_KM, Floats, cells, km_between, mean_position

__all__ = [
    "ALWAYS",
    "DAY_BEGINS_S",
    "SCENE_S",
    "Base",
    "Cluster",
    "Day",
    "Rhythm",
    "Spot",
    "Track",
    "Visit",
    "bases_and_spots",
    "changed_days",
    "day_of",
    "digest",
    "quiet_days",
    "rhythm_of",
]

DAY_S = 86_400
SCENE_S = 10.0
"""Pictures that follow each other within this time are one scene: a series of thirty is no event."""

STRETCH_S = 3600.0
"""How long pauses are that part a day into stretches, so that these can be compared; no occasion ends by it."""

DAY_BEGINS_S = 5 * 3600
"""An evening belongs to the day that it began on: the small hours are the end of the day before. (`On this day` goes
by the calendar.)"""

BASE_WEEKS, BASE_AMONG, BASE_SPAN = 6, 26, 12
BASE_LEAST_KM, BASE_MOST_KM = 12.0, 35.0
"""How far a home base reaches: three times as far as nine in ten of its visits lie from its middle, within these."""

ALWAYS = (-1_000_000, 1_000_000)
"""Days that no history reaches."""

VISITS_OF_A_PLACE = 4
PLACE_KM = 0.7
"""Clusters whose edges are nearer to each other than this are one place."""

_BINS = 48
_BIN_LOW, _BIN_HIGH = np.log(20.0), np.log(90.0 * DAY_S)  # of a pause, in seconds
_STEPS = 24
_STEP_LOW, _STEP_HIGH = np.log(0.3), np.log(300.0)  # of a way, in kilometres


class Track(Struct, frozen=True):
    """Pictures of one owner in the order of their own local time."""

    ids: Sequence[str]
    at: Floats  # seconds of the local wall clock since 1970
    lat: Floats  # degrees; not a number where unknown
    lon: Floats

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def located(self) -> NDArray[np.bool_]:
        """Which have a position."""
        return np.isfinite(self.lat)

    def part(self, which: slice | NDArray[np.int64] | NDArray[np.bool_]) -> Track:
        """Some of them."""
        numbers = np.arange(len(self.ids))[which]
        return Track([self.ids[i] for i in numbers], self.at[numbers], self.lat[numbers], self.lon[numbers])


class Visit(Struct, frozen=True, array_like=True, gc=False):
    """A square kilometre where pictures were taken on a day."""

    lat: float
    lon: float
    pictures: int


class Day(Struct, frozen=True, array_like=True):
    """What is kept of one day."""

    day: int  # since 1970, by `day_of`
    pictures: int
    stretches: tuple[int, ...]  # scenes of each stretch without a pause of `STRETCH_S`
    first: float  # seconds of the local wall clock
    last: float
    pauses: dict[int, int] = {}  # class of length -> how many
    steps: dict[int, int] = {}
    visits: tuple[Visit, ...] = ()


class Base(Struct, frozen=True, array_like=True):
    """A home base, and from which day to which it was one."""

    lat: float
    lon: float
    km: float
    since: int
    until: int


class Spot(Struct, frozen=True, array_like=True):
    """A place, and the days of its visits."""

    lat: float
    lon: float
    km: float
    days: tuple[int, ...]


class Rhythm(Struct, frozen=True, array_like=True):
    """What is ordinary for an owner in a year."""

    pause_s: float = 3 * 3600.0
    reach_km: float = 5.0
    crowd: float = 12.0
    quiet_days: float = 4.0


class Cluster(Protocol):
    """Density clusters of positions in radians; a label for each, -1 for none."""

    def __call__(self, rows: Floats, *, least: int, epsilon: float) -> NDArray[np.int64]: ...


def day_of(at: float) -> int:
    """The day that a local time belongs to, an evening's small hours to the day before."""
    return int((at - DAY_BEGINS_S) // DAY_S)


# --- digests ---------------------------------------------------------------------------------------------------------


def digest(day: int, track: Track) -> Day:
    """What is kept of a day's pictures."""
    gaps = np.diff(track.at)
    found = track.located
    lat, lon = track.lat[found], track.lon[found]
    visits: list[Visit] = []
    steps: dict[int, int] = {}
    if len(lat):
        _, which, counts = np.unique(cells(lat, lon), axis=0, return_inverse=True, return_counts=True)
        which = which.reshape(-1)
        for i, count in enumerate(counts):
            middle = mean_position(lat[which == i], lon[which == i])
            visits.append(Visit(round(middle[0], 4), round(middle[1], 4), int(count)))
        ways = km_between(lat[:-1], lon[:-1], lat[1:], lon[1:])
        steps = _histogram(ways[ways > np.exp(_STEP_LOW)], _STEP_LOW, _STEP_HIGH, _STEPS)
    pauses = _histogram(gaps[gaps > np.exp(_BIN_LOW)], _BIN_LOW, _BIN_HIGH, _BINS)
    edges = np.concatenate(([0], np.flatnonzero(gaps > STRETCH_S) + 1, [len(track)]))
    begins = np.concatenate(([True], gaps > SCENE_S))
    stretches = tuple(int(begins[a:b].sum()) for a, b in pairwise(edges.tolist()))
    return Day(day, len(track), stretches, float(track.at[0]), float(track.at[-1]), pauses, steps, tuple(visits))


def _histogram(values: Floats, low: float, high: float, bins: int) -> dict[int, int]:
    classes = np.clip(((np.log(values) - low) / (high - low) * bins).astype(np.int64), 0, bins - 1)
    numbers, counts = np.unique(classes, return_counts=True)
    return {int(n): int(count) for n, count in zip(numbers, counts, strict=True)}


# --- rhythm ----------------------------------------------------------------------------------------------------------

_LEAST_COUNTS = 40
_LEAST_DAYS = 20


def rhythm_of(days: Sequence[Day], fallback: Rhythm = Rhythm()) -> Rhythm:  # noqa: B008 - frozen
    """The rhythm of some days; what too few of them can't say is the fallback's. Quiet days are always the fallback's:
    see `quiet_days`."""
    enough = len(days) >= _LEAST_DAYS
    crowd = _crowd(np.array([n for each in days for n in each.stretches], float)) if enough else fallback.crowd
    pauses = _total((each.pauses for each in days if max(each.stretches) >= crowd), _BINS)
    steps = _total((each.steps for each in days), _STEPS)
    return Rhythm(
        pause_s=_pause(pauses) if pauses.sum() >= _LEAST_COUNTS else fallback.pause_s,
        reach_km=_middle(steps) if steps.sum() >= _LEAST_COUNTS else fallback.reach_km,
        crowd=crowd,
        quiet_days=fallback.quiet_days,
    )


def quiet_days(days: Sequence[Day], bases: Sequence[Base], fallback: float = 4.0) -> float:
    """For how many days the owner may be silent on a journey: two more than nearly ever; 4 to 7."""
    gaps: list[int] = []
    before: Day | None = None
    for each in days:
        if not each.visits:
            continue
        if not _all_away(each, bases):
            before = None
            continue
        if before is not None:
            lat, lon = np.array([each.visits[0].lat]), np.array([each.visits[0].lon])
            if float(km_between(lat, lon, before.visits[-1].lat, before.visits[-1].lon)[0]) < _STAYED_KM:
                gaps.append(each.day - before.day)
        before = each
    gaps = [gap for gap in gaps if gap <= 2 * _QUIET_MOST]
    return 2.0 + float(np.clip(np.quantile(gaps, 0.99), 2.0, _QUIET_MOST)) if len(gaps) >= _LEAST_DAYS else fallback


_STAYED_KM = 50.0
_QUIET_MOST = 5.0


def _all_away(day: Day, bases: Sequence[Base]) -> bool:
    lat, lon = np.array([v.lat for v in day.visits]), np.array([v.lon for v in day.visits])
    alive = [base for base in bases if base.since <= day.day <= base.until]
    return all(bool((km_between(lat, lon, base.lat, base.lon) > base.km).all()) for base in alive)


def _total(histograms: Iterable[Mapping[int, int]], bins: int) -> Floats:
    total = np.zeros(bins)
    for each in histograms:
        for n, count in each.items():
            total[n] += count
    return total


def _centres(low: float, high: float, bins: int) -> Floats:
    return low + (np.arange(bins) + 0.5) * (high - low) / bins


def _pause(counts: Floats) -> float:
    """Two and a half times the pause that one in twenty exceeds: where pauses come by chance, one in 2,000 is longer.
    Half an hour to 8 hours."""
    x = _centres(_BIN_LOW, _BIN_HIGH, _BINS)
    longest = x[int(np.searchsorted(np.cumsum(counts), 0.95 * counts.sum()))]
    return float(np.clip(2.5 * np.exp(longest), 1800.0, 8 * 3600.0))


def _middle(counts: Floats) -> float:
    """Median way between two pictures in different places, in kilometres; 2 to 15."""
    x = _centres(_STEP_LOW, _STEP_HIGH, _STEPS)
    return float(np.clip(np.exp(x[int(np.searchsorted(np.cumsum(counts), counts.sum() / 2))]), 2.0, 15.0))


def _crowd(counts: Floats) -> float:
    """So many scenes are far out of the ordinary: over Tukey's outer fence (the upper quartile and 3 times the distance
    between the quartiles); 8 at least."""
    low, high = np.quantile(counts, (0.25, 0.75))
    return float(max(8.0, high + 3 * (high - low)))


# --- bases and places ------------------------------------------------------------------------------------------------


def bases_and_spots(days: Sequence[Day], cluster: Cluster) -> tuple[tuple[Base, ...], tuple[Spot, ...]]:
    """Home bases, and all places with at least `VISITS_OF_A_PLACE` visits, from the digests of a whole history.

    Cost:
        One clustering of all visits: n log n.
    """
    lat = np.array([v.lat for each in days for v in each.visits], float)
    lon = np.array([v.lon for each in days for v in each.visits], float)
    day = np.array([each.day for each in days for _ in each.visits], np.int64)
    if len(lat) < VISITS_OF_A_PLACE:
        return (), ()
    rows = np.radians(np.stack((lat, lon), axis=1))
    labels = cluster(rows, least=VISITS_OF_A_PLACE, epsilon=PLACE_KM / EARTH_KM)
    weeks = np.unique(day // 7)
    bases: list[Base] = []
    spots: list[Spot] = []
    for label in range(int(labels.max()) + 1):
        mine = labels == label
        middle = mean_position(lat[mine], lon[mine])
        apart = km_between(lat[mine], lon[mine], *middle)
        spread = float(np.quantile(apart, 0.9))
        spots.append(Spot(middle[0], middle[1], max(1.0, 1.5 * spread), tuple(np.unique(day[mine]).tolist())))
        near = km_between(lat, lon, *middle) <= max(3.0, spread)  # visits beside a home are visits of it
        reach = float(np.clip(3 * spread, BASE_LEAST_KM, BASE_MOST_KM))
        bases += [Base(*middle, reach, *alive) for alive in _alive(np.unique(day[near] // 7), weeks)]
    return _merged(bases), tuple(spots)


def _alive(visited: NDArray[np.int64], weeks: NDArray[np.int64]) -> list[tuple[int, int]]:
    """From which day to which a place is among the owner's ordinary weeks. What is one in the first weeks of a history,
    or in its last, is taken to be one before and after them."""
    if len(visited) < BASE_WEEKS:
        return []
    order = np.searchsorted(weeks, visited)  # weeks without any picture say nothing
    first, last = order[: -(BASE_WEEKS - 1)], order[BASE_WEEKS - 1 :]
    found: list[tuple[int, int]] = []
    for i in np.flatnonzero(last - first < BASE_AMONG):
        begins, ends = int(visited[i]), int(visited[i + BASE_WEEKS - 1])
        if found and begins <= found[-1][1]:
            found[-1] = (found[-1][0], ends)
        else:
            found.append((begins, ends))
    opened, closed = int(weeks[:BASE_WEEKS][-1]), int(weeks[-BASE_WEEKS:][0])
    return [
        (ALWAYS[0] if a <= opened else a * 7 - 7, ALWAYS[1] if b >= closed else b * 7 + 13)
        for a, b in found
        if b - a >= BASE_SPAN
    ]


def changed_days(before: Sequence[Base], after: Sequence[Base]) -> list[tuple[int, int]]:
    """Stretches of days (first, last) on which an owner was at home elsewhere than was thought before. Bases that moved
    by less than a fifth of their reach, or are a week longer or shorter, are the same."""
    found: list[tuple[int, int]] = []
    rest = list(after)
    for base in before:
        same = next((each for each in rest if _like(base, each)), None)
        if same is None:
            found.append((base.since, base.until))
            continue
        rest.remove(same)
        for one, other in ((base.since, same.since), (base.until, same.until)):
            if abs(one - other) > 7:
                found.append((min(one, other), max(one, other)))
    return [*found, *((each.since, each.until) for each in rest)]


def _like(one: Base, other: Base) -> bool:
    apart = float(km_between(np.array([one.lat]), np.array([one.lon]), other.lat, other.lon)[0])
    at_once = one.since <= other.until and other.since <= one.until
    return apart < 0.2 * one.km and abs(one.km - other.km) < 0.2 * one.km and at_once


def _merged(bases: Sequence[Base]) -> tuple[Base, ...]:
    """Bases inside of others are left out: a flat, and the park around the corner."""
    kept: list[Base] = []
    for base in sorted(bases, key=lambda b: (b.since - b.until, b.since, b.lat, b.lon)):
        inside = any(
            float(km_between(np.array([base.lat]), np.array([base.lon]), k.lat, k.lon)[0]) < k.km
            and k.since <= base.since
            and base.until <= k.until
            for k in kept
        )
        if not inside:
            kept.append(base)
    return tuple(kept)
