"""Pictures and days on a time line, as a look for memories handles them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np

from domain.habits import Track, day_of
from domain.moment import Moment, local_seconds
from domain.sphere import km_between
from projections.moments import MomentRow

__all__ = ["days_of", "km_apart", "runs_of", "seconds_of", "track_of", "year_of"]


def track_of(moments: Sequence[Moment]) -> Track:
    """Pictures in the order of their local time, as arrays."""

    def number(value: float | None) -> float:
        return np.nan if value is None else value

    return Track(
        [each.asset for each in moments],
        np.array([local_seconds(each.local or "") for each in moments], float),
        np.array([number(each.latitude) for each in moments], float),
        np.array([number(each.longitude) for each in moments], float),
    )


def days_of(row: MomentRow) -> set[int]:
    """The days that a picture is on, and was."""
    locals_ = (row.moment.local, *row.once) if row.moment.local else row.once
    return {day_of(local_seconds(each)) for each in locals_}


def seconds_of(moment: Moment) -> float:
    return local_seconds(moment.local or "")


def year_of(day: float) -> int:
    return (date(1970, 1, 1) + timedelta(days=int(np.clip(day, -700_000, 2_900_000)))).year


def runs_of(days: set[int], apart: int) -> Iterator[tuple[int, int]]:
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


def km_apart(a: Any, b: Any) -> float:
    """Between two things with a position."""
    return float(km_between(np.array([a.lat]), np.array([a.lon]), b.lat, b.lon)[0])
