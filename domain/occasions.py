"""Trips and events in an owner's pictures: away from home over a night, and bursts in time and place. Pure.

Everything is measured against the owner's own habits (`domain.habits`): what is away, which pause ends an occasion,
how many pictures are out of the ordinary. What comes out for a stretch of pictures depends on that stretch and a few
neighbours alone, so a new picture needs its neighbourhood looked at and no more (`anchors`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from msgspec import Struct
from numpy.typing import NDArray

from domain.habits import DAY_BEGINS_S, DAY_S, SCENE_S, Base, Rhythm, Track
from domain.sphere import Floats, km_between

__all__ = ["LONGEST_TRIP_DAYS", "Habits", "Occasion", "anchors", "occasions"]

LEAST_TRIP = 4
"""Pictures of a trip, at least."""

LONGEST_TRIP_DAYS = 92
"""Who is away for longer has moved."""

_JET_KMH = 1200.0
_WALK_KMH = 4.0  # a way that a walk explains is none
_DAY_TRIP_KM = 60.0
_SILENCE_S = 10 * DAY_S
_WHEREABOUTS_S = 3 * DAY_S  # for so long a position says where the next pictures without one are


class Habits(Struct, frozen=True):
    """What occasions are measured against."""

    bases: tuple[Base, ...] = ()
    rhythms: Mapping[int, Rhythm] = {}  # by year
    usual: Rhythm = Rhythm()

    def rhythm(self, at: float) -> Rhythm:
        """The rhythm at a local time."""
        return self.rhythms.get(1970 + int(at // (365.2425 * DAY_S)), self.usual)


class Occasion(Struct, frozen=True):
    """Pictures that belong together: numbers in the track, in order."""

    kind: Literal["trip", "event"]
    members: tuple[int, ...]


def occasions(track: Track, habits: Habits) -> list[Occasion]:
    """All trips and events, in the order of their beginnings; no picture is in two."""
    if not len(track):
        return []
    located = track.located & ~_glitches(track)
    away = _away(track, located, habits.bases)
    trips = _trips(track, away, located, habits)
    taken = np.zeros(len(track), bool)
    for trip in trips:
        taken[list(trip.members)] = True
    events = _events(track, located, taken, habits)
    return sorted((*trips, *events), key=lambda o: o.members[0])


def anchors(track: Track, habits: Habits) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Where a track can be cut without changing what is found on one side of the cut: numbers of the pictures that a
    part may begin with, and of those that it may end with. These are pictures at home with a pause before them (after
    them), and the edges of a silence that no journey outlasts."""
    located = track.located & ~_glitches(track)
    home = located & (_away(track, located, habits.bases) == 0)
    pause = np.array([habits.rhythm(at).pause_s for at in track.at])
    gaps = np.diff(track.at)
    paused = np.concatenate(([False], gaps > np.maximum(pause[1:], pause[:-1]), [False]))
    silent = np.concatenate(([False], gaps > _SILENCE_S, [False]))
    begins, ends = home & paused[:-1] | silent[:-1], home & paused[1:] | silent[1:]
    return np.flatnonzero(begins), np.flatnonzero(ends)


def _glitches(track: Track) -> NDArray[np.bool_]:
    """Positions that nobody can have been at: farther from both neighbours than a jet flies in the time, while these
    are near to each other."""
    wrong = np.zeros(len(track), bool)
    numbers = np.flatnonzero(track.located)
    if len(numbers) < 3:
        return wrong
    lat, lon, at = track.lat[numbers], track.lon[numbers], track.at[numbers]
    step = km_between(lat[:-1], lon[:-1], lat[1:], lon[1:])
    fast = step > 5.0 + _JET_KMH * np.diff(at) / 3600
    across = km_between(lat[:-2], lon[:-2], lat[2:], lon[2:])
    wrong[numbers[1:-1]] = fast[:-1] & fast[1:] & (across < 0.2 * np.minimum(step[:-1], step[1:]))
    return wrong


def _away(track: Track, located: NDArray[np.bool_], bases: Sequence[Base]) -> Floats:
    """1: away from home; 0: not; not a number: nobody knows. A picture without a position is where those around it are;
    where these differ, where the one is that is nearer in time by far; if they are too far, nobody knows."""
    away = np.full(len(track), np.nan)
    numbers = np.flatnonzero(located)
    if not len(numbers):
        return away
    day = (track.at - DAY_BEGINS_S) // DAY_S
    home = np.zeros(len(numbers), bool)
    for base in bases:
        alive = (day[numbers] >= base.since) & (day[numbers] <= base.until)
        if alive.any():
            near = km_between(track.lat[numbers], track.lon[numbers], base.lat, base.lon) <= base.km
            home |= alive & near
    away[numbers] = ~home
    where = np.searchsorted(numbers, np.arange(len(track)), side="right")
    before = numbers[np.clip(where - 1, 0, len(numbers) - 1)]
    after = numbers[np.clip(where, 0, len(numbers) - 1)]
    for i in np.flatnonzero(~located):
        sides = sorted((abs(track.at[j] - track.at[i]), away[j]) for j in {int(before[i]), int(after[i])})
        sides = [side for side in sides if side[0] <= _WHEREABOUTS_S]
        if sides and (len({said for _, said in sides}) == 1 or sides[0][0] < sides[1][0] / 2):
            away[i] = sides[0][1]
    return away


def _trips(track: Track, away: Floats, located: NDArray[np.bool_], habits: Habits) -> list[Occasion]:
    """Runs of pictures away from home, cut where the owner came home, or must have."""
    day = (track.at - DAY_BEGINS_S) // DAY_S
    found: list[Occasion] = []
    run: list[int] = []
    last = -1  # the last of the run with a position

    def close() -> None:
        nights = int(day[run[-1]] - day[run[0]]) if run else 0
        if len(run) >= LEAST_TRIP and 1 <= nights <= LONGEST_TRIP_DAYS:
            found.append(Occasion("trip", tuple(run)))
        run.clear()

    for i in range(len(track)):
        if away[i] == 0:
            close()
        elif away[i] == 1:
            silent = day[i] - day[run[-1]] if run else 0
            if silent >= 1 and silent > _silence(track, last, i if located[i] else -1, habits):
                close()
            run.append(i)
            if located[i]:
                last = i
    close()
    return found


def _silence(track: Track, last: int, following: int, habits: Habits) -> float:
    """For how many days the owner may have been silent without having been at home. The nearer home is, and the
    more it lies on the way from the last place to the next, the fewer: a walk in the hills on Saturday and a flight on
    Monday are two occasions."""
    allowed = habits.rhythm(track.at[last]).quiet_days
    if last < 0 or following < 0:
        return allowed
    ends = np.array([last, following])
    direct = float(km_between(track.lat[ends[:1]], track.lon[ends[:1]], track.lat[following], track.lon[following])[0])
    day = (track.at[last] - DAY_BEGINS_S) // DAY_S
    alive = [base for base in habits.bases if base.since <= day <= base.until]
    if not alive:
        return allowed
    apart = [km_between(track.lat[ends], track.lon[ends], base.lat, base.lon) for base in alive]
    on_the_way = direct / max(min(float(each.sum()) for each in apart), 1e-9)
    near = float(np.exp(-((min(float(each[0]) for each in apart) / _DAY_TRIP_KM) ** 2)))
    return allowed * max(0.0, 1.0 - max(on_the_way, near) ** 2)


def _events(track: Track, located: NDArray[np.bool_], taken: NDArray[np.bool_], habits: Habits) -> list[Occasion]:
    """Stretches without a long pause or way, that have more scenes than is ordinary. A pause and a way add up: half of
    the one and half of the other end an occasion too."""
    found: list[Occasion] = []
    session: list[int] = []
    before, way = _ways(track, located)

    def close() -> None:
        if session:
            at = track.at[session]
            scenes = 1 + int((np.diff(at) > SCENE_S).sum())
            if scenes >= habits.rhythm(at[0]).crowd:
                found.append(Occasion("event", tuple(session)))
        session.clear()

    for i in range(len(track)):
        if taken[i]:
            close()
            continue
        if session:
            rhythm = habits.rhythm(track.at[i])
            passed = track.at[i] - track.at[session[-1]]
            strain = passed / rhythm.pause_s
            if before[i] >= session[0]:
                strain += max(0.0, way[i] - _WALK_KMH * passed / 3600) / rhythm.reach_km
            if strain > 1:
                close()
        session.append(i)
    close()
    return found


def _ways(track: Track, located: NDArray[np.bool_]) -> tuple[NDArray[np.int64], Floats]:
    """For each picture with a position: the one with a position before it, and how far away that is. -1: none."""
    before, way = np.full(len(track), -1), np.zeros(len(track))
    numbers = np.flatnonzero(located)
    if len(numbers) > 1:
        lat, lon = track.lat[numbers], track.lon[numbers]
        before[numbers[1:]] = numbers[:-1]
        way[numbers[1:]] = km_between(lat[:-1], lon[:-1], lat[1:], lon[1:])
    return before, way
