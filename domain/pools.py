"""Pools: the best pictures of each person, theme, place, month and year, kept small so that one more picture costs the
same however many there are. Pure.

A pool holds the best `PER_YEAR` pictures of each year (of a month, of the month), by a total order. The best of a whole
are among the best of its parts, so a pool that takes pictures one by one, in any order and however often, holds what a
look at all of them would find; only when one of the best goes does its place stay empty until a whole look.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from datetime import date
from itertools import pairwise

from msgspec import Struct

from domain.memory import Found
from domain.memory_titles import best_title, person_title, place_of, place_title, theme_title
from domain.moment import Moment
from domain.picking import cover, how_many, pick, score
from domain.taxonomy import ancestors

__all__ = ["PER_YEAR", "THEMES", "Entry", "Pool", "add", "considered", "drop", "keys_of", "memory_of", "period_ended"]

PER_YEAR = 24

CONSIDERED, LEAST_CONSIDERED = 6, 36
"""Of each year, so many are read to choose from, and of a few years so many in all; of a month or a year all are."""

_THEMES = (
    "airplane|alp|animal|beach|bicycle|bird|boat|bridge|butterfly|castle|cat|church|cliff|coral reef|cow|cycling|deer|"
    "dessert|dog|duck|elephant|fish|flower|food|fruit|geyser|hiking|horse|lake|lakeside|monkey|motorcycle|mountain|"
    "mushroom|seashore|sheep|skiing|snow|sunset|surfing|swimming|train|valley|volcano"
)
THEMES = frozenset(_THEMES.split("|"))
"""Tags that make a theme: what people photograph for its own sake. A shoe on every second picture is none."""

THEME_LEAST = 0.5  # confidence

_PEOPLE_LEAST, _THEME_LEAST, _PLACE_LEAST, _MONTH_LEAST, _YEAR_LEAST = 8, 8, 6, 12, 20
_STAYS_APART_DAYS = 30


class Entry(Struct, frozen=True, array_like=True, gc=False):
    """One picture of a pool."""

    asset: str
    local: str
    score: float


class Pool(Struct, frozen=True, array_like=True):
    """The best pictures under one key, by year."""

    years: dict[int, tuple[Entry, ...]] = {}

    @property
    def entries(self) -> list[Entry]:
        """All of them, in the order of time."""
        return sorted((e for some in self.years.values() for e in some), key=lambda e: (e.local, e.asset))


def keys_of(moment: Moment, person_of: Callable[[str], str | None], place: str | None) -> list[str]:
    """The pools that a picture may be in.

    Args:
        person_of: where merges of a person lead to; None for nobody.
        place: id of the place that it was taken at, when that is one that is revisited.
    """
    if moment.local is None:
        return []
    names = {tag for tag, sure in moment.tags if sure >= THEME_LEAST}
    names |= {above for tag in names for above in ancestors(tag)}
    people = {top for each in moment.people if (top := person_of(each)) is not None}
    return [
        *(f"theme:{name}" for name in sorted(names & THEMES)),
        *(f"person:{each}" for each in sorted(people)),
        f"best:{moment.local[:4]}",
        f"best:{moment.local[:7]}",
        *([f"place:{place}"] if place is not None else []),
    ]


def add(pool: Pool, moments: Iterable[Moment]) -> Pool:
    """The pool after these were seen; one that is in it already is judged anew."""
    years: dict[int, dict[str, Entry]] = defaultdict(dict)
    for year, some in pool.years.items():
        years[year] = {each.asset: each for each in some}
    fresh = [Entry(m.asset, m.local or "", round(score(m), 4)) for m in moments]
    for entry in fresh:
        for held in years.values():
            held.pop(entry.asset, None)
    for entry in fresh:
        years[int(entry.local[:4])][entry.asset] = entry
    kept = {
        year: tuple(sorted(held.values(), key=lambda e: (-e.score, e.asset))[:PER_YEAR])
        for year, held in sorted(years.items())
        if held
    }
    return Pool(kept)


def drop(pool: Pool, assets: Iterable[str]) -> Pool:
    """The pool without some."""
    gone = set(assets)
    kept = {year: tuple(each for each in some if each.asset not in gone) for year, some in pool.years.items()}
    return Pool({year: some for year, some in kept.items() if some})


def considered(key: str, pool: Pool) -> list[str]:
    """The assets that a memory is chosen from."""
    few = max(CONSIDERED, LEAST_CONSIDERED // max(1, len(pool.years)))
    most = PER_YEAR if key.startswith("best:") else few
    return [each.asset for some in pool.years.values() for each in some[:most]]


def period_ended(subject: str, today: date) -> bool:
    """Whether a month or a year is over."""
    return subject < f"{today:%Y-%m}"[: len(subject)]


def memory_of(key: str, moments: Sequence[Moment], name: str | None = None) -> Found | None:
    """The memory that a pool makes; None when it makes none.

    Args:
        moments: what is considered and may be shown, in the order of time.
        name: of the person.
    """
    kind, _, subject = key.partition(":")
    days = sorted({(each.local or "")[:10] for each in moments})
    years = sorted({int(day[:4]) for day in days})
    if not days:
        return None
    stays = 1 + sum((date.fromisoformat(b) - date.fromisoformat(a)).days > _STAYS_APART_DAYS for a, b in pairwise(days))
    where = place_of(moments)
    match kind:
        case "person" if len(moments) >= _PEOPLE_LEAST and len(years) >= 2 and name is not None:
            return _found("person", subject, person_title(name, years), moments, None)
        case "theme" if len(moments) >= _THEME_LEAST and len(days) >= 3:
            return _found("theme", subject, theme_title(subject, years), moments, None)
        case "place" if len(moments) >= _PLACE_LEAST and stays >= 2:
            return _found("place", subject, place_title(where, stays), moments, where)
        case "best" if len(moments) >= (_MONTH_LEAST if "-" in subject else _YEAR_LEAST):
            return _found("best", subject, best_title(subject), moments, where)
    return None


def _found(kind: str, subject: str, title: str, moments: Sequence[Moment], place: str | None) -> Found:
    chosen = pick(moments, how_many(len(moments)))
    return Found(
        kind=kind,  # type: ignore[arg-type]
        subject=subject,
        title=title,
        since=chosen[0].local or "",
        until=chosen[-1].local or "",
        members=tuple(each.asset for each in chosen),
        pictures=tuple(each.asset for each in chosen),
        cover=cover(chosen).asset,
        place=place,
    )
