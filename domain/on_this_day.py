"""Which days of the past belong to a day: the same calendar day of every year before, by the pictures' own local dates.

A 29 February has an answer in every year: in one without that day it is shown on the 28th, and on a 29th the years
without it show their 28th. A window around the day reaches over the end of a year: around 1 January 2020 is also
31 December 2018, which belongs to 2019's turn.
"""

from __future__ import annotations

from calendar import isleap
from collections.abc import Callable, Iterator
from datetime import date, timedelta

__all__ = ["ENOUGH", "WIDEST", "days_like", "subject_of", "widened"]

ENOUGH = 6
"""So many pictures make a day; with fewer the window widens."""

WIDEST = 3
"""Days before and after, at most."""


def subject_of(day: date) -> str:
    """A day of any year, `10-22`."""
    return f"{day:%m-%d}"


def days_like(day: date, year: int, around: int = 0) -> Iterator[date]:
    """The days of a past year that belong to a day, in order: the day itself, and so many before and after it."""
    middles = [_in(day, year)]
    if (day.month, day.day) == (2, 28) and not isleap(day.year) and isleap(year):
        middles.append(date(year, 2, 29))
    first, last = middles[0] - timedelta(days=around), middles[-1] + timedelta(days=around)
    while first <= last:
        yield first
        first += timedelta(days=1)


def _in(day: date, year: int) -> date:
    return (
        day.replace(year=year, day=28)
        if (day.month, day.day) == (2, 29) and not isleap(year)
        else day.replace(year=year)
    )


def widened(count: Callable[[int], int]) -> int:
    """How far the window is opened: until there is enough, and not at all when there is nothing even in the widest.

    Args:
        count: how many pictures there are with so many days around.
    """
    around = 0
    while count(around) < ENOUGH and around < WIDEST:
        around += 1
    while around and count(around) == count(around - 1):  # wider brought nothing
        around -= 1
    return around
