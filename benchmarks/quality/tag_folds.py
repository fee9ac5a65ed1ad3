"""Thresholds that are chosen on some pictures and scored on others: what they are worth on pictures that nobody tuned
them for.

Pictures whose names begin alike (one person, one walk, one HDR pair) stay in one fold. On the pictures of all other
folds a search chooses what `domain/tagging.py` holds: the least of classes, groups, scenes and located things, one
after the other until none gets better, and then a higher one for each name that was told wrongly, where that helps. It
tries to raise the sum of mean precision and of the share of pictures with a right tag.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct

from domain import tagging
from domain.recognition import ModelUse, Tag
from domain.tagging import Sighting, activities, from_probabilities, from_sightings, merge

__all__ = ["Chosen", "Seen", "choose", "confusion", "folds"]

_CLASSES, _BOXES = ModelUse("classes", "1"), ModelUse("boxes", "1")
_STEPS = {
    "CLASS_LEAST": (0.3, 0.4, 0.5, 0.6, 0.7),
    "GROUP_LEAST": (0.25, 0.3, 0.4, 0.5, 0.6),
    "SCENE_LEAST": (0.2, 0.25, 0.35, 0.5),
    "SIGHTING_LEAST": (0.4, 0.45, 0.5, 0.55, 0.6, 0.65),
}
_RAISED = (0.7, 0.9)
_PERSON = (0.4, 0.45, 0.5, 0.55, 0.6)


class Seen(Struct, frozen=True):
    """What the models gave for a picture, before any threshold."""

    name: str
    shares: tuple[float, ...]
    sightings: tuple[Sighting, ...]

    def tags(self) -> tuple[Tag, ...]:
        """By the thresholds as they stand."""
        things = from_sightings(self.sightings, _BOXES)
        return merge(from_probabilities(self.shares, _CLASSES), things, activities(things))


class Chosen(Struct, frozen=True):
    """One set of thresholds."""

    least: dict[str, float]  # by the constants' names
    classes: dict[str, float] = {}
    things: dict[str, float] = {}


Judge = Callable[[Sequence[Seen]], float]
WrongNames = Callable[[Sequence[Seen]], Counter[str]]


@contextmanager
def standing(chosen: Chosen) -> Iterator[None]:
    """With these thresholds in place of the product's."""
    values: dict[str, Any] = chosen.least | {"LEAST": chosen.classes, "SIGHTING_LEAST_OF": chosen.things}
    before = {name: getattr(tagging, name) for name in values}
    for name, value in values.items():
        setattr(tagging, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(tagging, name, value)


def choose(seen: Sequence[Seen], judge: Judge, wrong: WrongNames) -> Chosen:
    """The thresholds that are best for these pictures."""

    def worth(chosen: Chosen) -> float:
        with standing(chosen):
            return judge(seen)

    best = Chosen({name: values[1] for name, values in _STEPS.items()}, {}, {"person": 0.5})
    score, before = worth(best), -1.0
    while score > before:
        before = score
        for name, value in _changes():
            if name == "person":
                tried = Chosen(best.least, best.classes, {name: value})
            else:
                tried = Chosen(best.least | {name: value}, best.classes, best.things)
            if (found := worth(tried)) > score:
                best, score = tried, found
    with standing(best):
        names = [name for name, _ in wrong(seen).most_common()]
    for name in names:
        for value in _RAISED:
            for tried in (
                Chosen(best.least, best.classes | {name: value}, best.things),
                Chosen(best.least, best.classes, best.things | {name: value}),
            ):
                if (found := worth(tried)) > score:
                    best, score = tried, found
    return best


def _changes() -> Iterator[tuple[str, float]]:
    for name, values in (*_STEPS.items(), ("person", _PERSON)):
        yield from ((name, value) for value in values)


def folds(seen: Sequence[Seen], count: int) -> list[list[Seen]]:
    """The pictures in so many parts of about one size; names that begin alike are in one."""
    alike: dict[str, list[Seen]] = {}
    for each in seen:
        alike.setdefault(each.name[:5].lower(), []).append(each)
    parts: list[list[Seen]] = [[] for _ in range(count)]
    for group in sorted(alike.values(), key=lambda group: (-len(group), group[0].name)):
        min(parts, key=len).extend(group)
    return parts


def confusion(judged: Sequence[tuple[str, str]]) -> list[tuple[str, str, int]]:
    """(what is right, what was said, how often), the most frequent first."""
    counts = Counter(judged)
    return [(right, said, n) for (right, said), n in sorted(counts.items(), key=lambda each: (-each[1], each[0]))]
