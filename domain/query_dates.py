"""Dates as people write them in a query, and as words that a photo can be found by. Pure: the day is passed in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import date, timedelta

from msgspec import Struct

__all__ = ["MONTHS", "Span", "date_words", "natural_span", "span_of"]

MONTHS = (
    "january", "february", "march", "april", "may", "june",
    "july", "august", "september", "october", "november", "december",
)  # fmt: skip
_DAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
_SEASONS = {"spring": 3, "summer": 6, "autumn": 9, "fall": 9, "winter": 12}  # meteorological, north: first month
_ALSO_WORDS = ("march", "may", "april", "august", "june")  # names and verbs too
_HOLIDAYS = {  # fixed days only: first and last, as (month, day)
    "christmas": ((12, 24), (12, 26)),
    "new year": ((12, 31), (1, 1)),
    "halloween": ((10, 31), (10, 31)),
    "valentine": ((2, 14), (2, 14)),
}
_DAY = re.compile(r"(\d{4})(?:-(\d{1,2})(?:-(\d{1,2}))?)?", re.ASCII)


class Span(Struct, frozen=True):
    """Days from `since` to before `until`, as 2019-06-21; None: open."""

    since: str | None = None
    until: str | None = None

    def both(self, other: Span) -> Span:
        """The days that are in both."""
        since = max(filter(None, (self.since, other.since)), default=None)
        return Span(since, min(filter(None, (self.until, other.until)), default=None))


def _span(first: date, after: date) -> Span:
    return Span(first.isoformat(), after.isoformat())


def _month(year: int, month: int, months: int = 1) -> Span:
    last = month - 1 + months
    return _span(date(year, month, 1), date(year + last // 12, last % 12 + 1, 1))


def span_of(text: str, today: date) -> Span | None:
    """2019, 2019-06, 2019-06-21, "june 2019", "christmas 2019", "last summer"; None: it is no date."""
    match = _DAY.fullmatch(text)
    if match:
        try:
            year = int(match[1])
            if not 1 <= year < 9999:
                return None
            if match[3]:
                day = date(year, int(match[2]), int(match[3]))
                return _span(day, day + timedelta(days=1))
            return _month(year, int(match[2])) if match[2] else _month(year, 1, 12)
        except ValueError:
            return None
    found = natural_span(text.split(), today)
    if found is None or found[0] != len(text.split()) or found[2] is not None:
        return None
    return found[1]


def natural_span(words: Sequence[str], today: date) -> tuple[int, Span, int | None] | None:
    """What the first words say of a date: how many words, the days, and a month of any year; None: nothing."""
    if not words:
        return None
    first, second = words[0], words[1] if len(words) > 1 else ""
    third = words[2] if len(words) > 2 else ""
    if f"{first} {second}" == "new year" and _year(third):
        return 3, _holiday("new year", int(third)), None
    if first in _HOLIDAYS and _year(second):
        return 2, _holiday(first, int(second)), None
    if first in MONTHS and _year(second):
        return 2, _month(int(second), MONTHS.index(first) + 1), None
    if first in _SEASONS and _year(second):
        return 2, _month(int(second), _SEASONS[first], 3), None
    if first in ("last", "this") and second:
        span = _relative(first, second, today)
        return (2, span, None) if span else None
    if first in ("today", "yesterday"):
        day = today - timedelta(days=first == "yesterday")
        return 1, _span(day, day + timedelta(days=1)), None
    if _year(first):
        return 1, _month(int(first), 1, 12), None
    if first in MONTHS and (first not in _ALSO_WORDS or first == "june"):
        return 1, Span(), MONTHS.index(first) + 1
    return None


def _year(word: str) -> bool:
    return len(word) == 4 and word.isascii() and word.isdigit() and 1826 <= int(word) <= 2100  # the first photograph


def _holiday(name: str, year: int) -> Span:
    (month, day), (last_month, last_day) = _HOLIDAYS[name]
    end = date(year + (last_month < month), last_month, last_day)
    return _span(date(year, month, day), end + timedelta(days=1))


def _relative(which: str, unit: str, today: date) -> Span | None:
    """The last one is the one before the present one; the last summer is the newest that has begun before today and is
    over, or is under way for `this`."""
    back = which == "last"
    if not 2 <= today.year <= 9990:
        return None
    if unit == "year":
        return _month(today.year - back, 1, 12)
    if unit == "month":
        number = today.year * 12 + today.month - 1 - back
        return _month(number // 12, number % 12 + 1)
    if unit in ("week", "weekend"):
        monday = today - timedelta(days=today.weekday() + 7 * back)
        return _span(monday + timedelta(days=5 if unit == "weekend" else 0), monday + timedelta(days=7))
    if unit in _SEASONS:
        spans = [_month(year, _SEASONS[unit], 3) for year in range(today.year - 2, today.year + 1)]
        if back:
            return [span for span in spans if (span.until or "") <= today.isoformat()][-1]
        return next((s for s in spans if (s.since or "") <= today.isoformat() < (s.until or "")), spans[-1])
    if unit in MONTHS:
        month = MONTHS.index(unit) + 1
        return _month(today.year - (back and month >= today.month), month)
    if unit in _HOLIDAYS:
        year = today.year - (back and _holiday(unit, today.year).until > today.isoformat())  # type: ignore[operator]
        return _holiday(unit, year)
    if unit in _DAYS and back:
        day = today - timedelta(days=(today.weekday() - _DAYS.index(unit) - 1) % 7 + 1)
        return _span(day, day + timedelta(days=1))
    return None


def date_words(local: str, latitude: float | None = None) -> tuple[str, ...]:
    """Words for a local date: year, month, weekday, season (of the hemisphere, where that is known), fixed holidays."""
    try:
        day = date.fromisoformat(local[:10])
    except ValueError:
        return ()
    month = day.month
    season = ("winter", "spring", "summer", "autumn")[month % 12 // 3]
    if latitude is not None and latitude < 0:
        season = {"winter": "summer", "summer": "winter", "spring": "autumn", "autumn": "spring"}[season]
    words = [f"{day.year:04}", MONTHS[month - 1], _DAYS[day.weekday()], season]
    if day.weekday() >= 5:
        words.append("weekend")
    for name, (first, last) in _HOLIDAYS.items():
        inside = (
            first <= (month, day.day) <= last
            if first <= last
            else (month, day.day) >= first or (month, day.day) <= last
        )
        if inside:
            words.append(name)
    return tuple(words)
