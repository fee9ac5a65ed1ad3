"""This day in other years, out of the pictures as they are now."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from domain.memory import Found
from domain.memory_titles import day_title
from domain.moment import Moment
from domain.on_this_day import days_like, subject_of, widened
from domain.picking import cover, pick_by_year
from photovault.moment_reading import MomentReader

__all__ = ["on_this_day"]

DAY_S = 86_400


def on_this_day(reader: MomentReader, day: date) -> Found | None:
    """What earlier years have of a day; the window is opened until there is enough. None: nothing.

    Cost:
        A range of rows for each year with pictures; up to four times that for a thin day.
    """
    first, last = (date(1970, 1, 1) + timedelta(days=int(at // DAY_S)) for at in reader.edges())
    years = range(first.year, min(day.year - 1, last.year + 1) + 1)
    held: dict[int, list[Moment]] = {}

    def count(around: int) -> int:
        if around not in held:
            held[around] = [each for year in years for each in _of_days(reader, list(days_like(day, year, around)))]
        return len(held[around])

    around = widened(count)
    count(around)
    moments = sorted({m.asset: m for m in held[around]}.values(), key=lambda m: (m.local or "", m.asset))
    if not moments:
        return None
    chosen = pick_by_year(moments)
    return Found(
        kind="on_this_day",
        subject=subject_of(day),
        title=day_title(day, around, sorted({int((each.local or "")[:4]) for each in moments})),
        since=moments[0].local or "",
        until=moments[-1].local or "",
        members=tuple(each.asset for each in moments),
        pictures=tuple(each.asset for each in chosen),
        cover=cover(chosen).asset,
    )


def _of_days(reader: MomentReader, days: Sequence[date]) -> list[Moment]:
    """Pictures of neighbouring days, by the calendar."""
    first, last = ((day - date(1970, 1, 1)).days for day in (days[0], days[-1]))
    return reader.between(float(first * DAY_S), float((last + 1) * DAY_S))
