"""What memories are called, in plain words: "Weekend in Arezzo, October 2008". Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import date, datetime, timedelta

from domain.moment import Moment

__all__ = [
    "best_title",
    "day_title",
    "event_title",
    "person_title",
    "place_of",
    "place_title",
    "theme_title",
    "trip_title",
]

_MONTHS = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
]
_NUMBERS = ["no", "one", "two", "three", "four", "five", "six"]
_MOST = 0.6  # of the pictures that have a place: then the name stands for all


def place_of(moments: Sequence[Moment]) -> str | None:
    """Where pictures were taken, in words: the city when most are there, else the region, else the countries."""
    for names in (
        [each.city for each in moments if each.country],
        [each.region for each in moments if each.country],
    ):
        counts = Counter(name for name in names if name)
        if counts:
            name, most = min(counts.items(), key=lambda item: (-item[1], item[0]))
            if most >= _MOST * len(names):
                return name
    countries = Counter(each.country for each in moments if each.country)
    total = sum(countries.values())
    named = [name for name, n in sorted(countries.items(), key=lambda c: (-c[1], c[0])) if n >= 0.15 * total]
    if not named:
        return None
    return (
        " and ".join(filter(None, (", ".join(named[:-1][:2]), named[-1])))
        if len(named) <= 3
        else f"{named[0]} and more"
    )


def trip_title(since: datetime, until: datetime, place: str | None) -> str:
    """Weekend in Arezzo, October 2008."""
    first, last = since.date(), until.date()
    days = (last - first).days + 1
    where = f" in {place}" if place else " away"
    return f"{_length(first, days)}{where}, {_months(first, last)}"


def _length(first: date, days: int) -> str:
    if days <= 4 and any((first + timedelta(days=n)).weekday() == 5 for n in range(days)):
        return "Weekend" if days <= 3 else "Long weekend"
    if 7 <= days <= 8:
        return "A week"
    if 13 <= days <= 16:
        return "Two weeks"
    if 20 <= days <= 23:
        return "Three weeks"
    return f"{_NUMBERS[days].capitalize() if days < len(_NUMBERS) else days} days"


def _months(first: date, last: date) -> str:
    if (first.year, first.month) == (last.year, last.month):
        return f"{_MONTHS[first.month - 1]} {first.year}"
    if first.year == last.year:
        return f"{_MONTHS[first.month - 1]} and {_MONTHS[last.month - 1]} {first.year}"
    return f"{_MONTHS[first.month - 1]} {first.year} and {_MONTHS[last.month - 1]} {last.year}"


def event_title(since: datetime, until: datetime, place: str | None, tags: Sequence[str] = ()) -> str:
    """Evening in Arezzo, 22 October 2008; with what most pictures show where that names an occasion."""
    day = since.date() - timedelta(days=since.hour < 5)
    what = next((_OCCASIONS[tag] for tag in tags if tag in _OCCASIONS), None)
    if what is None:
        hours = (until - since).total_seconds() / 3600
        begins = since.hour + (24 if since.hour < 5 else 0)
        what = (
            "Night"
            if begins >= 22
            else "Evening"
            if begins >= 17
            else "Day"
            if hours > 5
            else "Morning"
            if begins < 11 and until.hour < 13
            else "Afternoon"
            if begins >= 12
            else "Day"
        )
    return f"{what}{f' in {place}' if place else ''}, {_day(day)}"


_OCCASIONS = {"groom": "Wedding", "birthday": "Birthday", "skiing": "Skiing", "swimming": "Swimming", "hiking": "Hike"}


def _day(day: date) -> str:
    return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"


def day_title(day: date, around: int, years: Sequence[int]) -> str:
    """On this day, 22 October; around it when the window was widened."""
    when = f"{day.day} {_MONTHS[day.month - 1]}"
    return f"{'Around' if around else 'On'} this day, {when}{f' {years[0]}' if len(years) == 1 else ''}"


def best_title(subject: str) -> str:
    """Best of October 2008; best of 2008."""
    year, _, month = subject.partition("-")
    return f"Best of {f'{_MONTHS[int(month) - 1]} ' if month else ''}{year}"


def person_title(name: str | None, years: Sequence[int]) -> str:
    """Anna through the years, 2008 to 2012."""
    return f"{name or 'Somebody'} through the years, {years[0]} to {years[-1]}"


def theme_title(tag: str, years: Sequence[int]) -> str:
    """Beach, 2008 to 2012."""
    span = f"{years[0]}" if years[0] == years[-1] else f"{years[0]} to {years[-1]}"
    return f"{tag.capitalize()}, {span}"


def place_title(place: str | None, times: int) -> str:
    """Again and again: Cascais."""
    often = _NUMBERS[times] if times < len(_NUMBERS) else str(times)
    return f"Back in {place or 'the same place'}: {often} times"
