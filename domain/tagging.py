"""From what models say to tags: things, scenes and activities, each with the model that is answerable for it.

A classifier's probabilities are summed over groups (all 118 breeds of dog make "dog"), so that a model that wavers
between two breeds is still sure of the dog; a single class is told only when it is likely by itself. Activities follow
from things that are seen together and, where it matters, at the same place.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from domain.imagenet import IMAGENET
from domain.recognition import Box, ModelUse, Tag, TagKind
from domain.taxonomy import ABSTRACT, GROUPS, SCENES, ancestors

__all__ = ["COMBINED", "MAX_TAGS", "Sighting", "activities", "from_probabilities", "from_sightings", "merge", "named"]

MAX_TAGS = 100
"""Of one picture, the surest first."""

CLASS_LEAST = 0.50
"""A single ImageNet class is told from this probability on."""

GROUP_LEAST = 0.40
"""A group of classes is told from this sum of probabilities on."""

SCENE_LEAST = 0.25
"""A scene is told from this probability on: scenes share their probability with the things in them."""

LEAST: Mapping[str, float] = {
    "clothing": 0.70,  # a portrait has to be something among 1,000 classes, and ends as a tie or a wig
    "weapon": 0.70,
    "wig": 0.90,
    "web site": 0.90,
    "website": 0.90,
    "book cover": 0.70,
    "comic book": 0.70,
}
"""Classes and groups that are told only when they are surer, with all that is a kind of them."""

SIGHTING_LEAST = 0.55
"""A located thing is told from this score on."""

SIGHTING_LEAST_OF: Mapping[str, float] = {
    "person": 0.50,  # rarely wrong, and what activities hang on
    **dict.fromkeys(("toothbrush", "hair dryer", "scissors", "toaster", "kite", "frisbee", "clock", "vase"), 0.65),
}
"""Things that the detector sees too readily, or can be believed sooner."""

COMBINED = ModelUse(name="combination", version="1")
"""Who says an activity that follows from several things: the rules in this module. Raise it with them."""


class Sighting(Struct, frozen=True, gc=False):
    """One thing that a detector located."""

    name: str
    score: float
    box: Box


def named(model: ModelUse) -> str:
    """A model as a tag names it."""
    return f"{model.name} {model.version}"


def _members() -> dict[str, tuple[int, ...]]:
    """Every ImageNet class below each group that may be told."""
    found: dict[str, set[int]] = {}
    for group, (_, classes) in GROUPS.items():
        for name in (group, *ancestors(group)):
            found.setdefault(name, set()).update(classes)
    return {name: tuple(sorted(found[name])) for name in GROUPS if name not in ABSTRACT}


_MEMBERS = _members()
_ACTIVITY_CLASSES: Mapping[int, str] = {701: "parachuting", 801: "snorkeling", 981: "baseball", 982: "wedding",
                                        983: "diving"}  # fmt: skip
_COAST = (976, 977, 978)


def from_probabilities(probabilities: Sequence[float], model: ModelUse) -> list[Tag]:
    """Tags of a picture by the probabilities of ImageNet's 1,000 classes."""
    told: dict[tuple[str, TagKind], float] = {}

    def tell(name: str, kind: TagKind, share: float) -> None:
        told[name, kind] = min(1.0, max(told.get((name, kind), 0.0), share))

    by_name: dict[str, float] = {}
    for number, share in enumerate(probabilities):
        if share < 0.01:
            continue
        if number in SCENES:
            by_name[SCENES[number]] = by_name.get(SCENES[number], 0.0) + share
            if SCENES[number] in by_name and by_name[SCENES[number]] >= SCENE_LEAST:
                tell(SCENES[number], "scene", by_name[SCENES[number]])
        elif share >= _least(IMAGENET[number], CLASS_LEAST):
            tell(IMAGENET[number], "object", share)
        if number in _ACTIVITY_CLASSES and share >= CLASS_LEAST:
            tell(_ACTIVITY_CLASSES[number], "activity", share)
    coast = sum(probabilities[number] for number in _COAST)
    if coast >= CLASS_LEAST:
        tell("coast", "scene", coast)
    for group, classes in _MEMBERS.items():
        share = sum(map(probabilities.__getitem__, classes))
        if share >= GROUP_LEAST and share >= _least(group, GROUP_LEAST):
            tell(group, "object", share)
    return [Tag(name, kind, round(share, 4), named(model)) for (name, kind), share in told.items()]


def _least(name: str, base: float) -> float:
    return max(base, *(LEAST.get(each, 0.0) for each in (name, *ancestors(name))))


def from_sightings(sightings: Sequence[Sighting], model: ModelUse) -> list[Tag]:
    """Tags of the things that a detector located surely enough."""
    return [
        Tag(seen.name, "object", round(min(1.0, seen.score), 4), named(model), seen.box)
        for seen in sightings
        if seen.score >= SIGHTING_LEAST_OF.get(seen.name, SIGHTING_LEAST)
    ]


class _Rule(Struct, frozen=True):
    name: str
    kind: TagKind
    all_of: tuple[str, ...]  # each of these is seen
    one_of: tuple[str, ...] = ()  # and one of these
    touching: bool = False  # a person's box overlaps with the box of the last thing in `all_of`, or of `one_of`


_RULES: tuple[_Rule, ...] = (
    _Rule("surfing", "activity", ("person", "surfboard"), touching=True),
    _Rule("skiing", "activity", ("person", "skis"), touching=True),
    _Rule("snowboarding", "activity", ("person", "snowboard"), touching=True),
    _Rule("skateboarding", "activity", ("person", "skateboard"), touching=True),
    _Rule("cycling", "activity", ("person", "bicycle"), touching=True),
    _Rule("motorcycling", "activity", ("person", "motorcycle"), touching=True),
    _Rule("riding", "activity", ("person", "horse"), touching=True),
    _Rule("tennis", "activity", ("person", "tennis racket")),
    _Rule("baseball", "activity", ("person",), ("baseball bat", "baseball glove")),
    _Rule("ball game", "activity", ("person", "sports ball")),
    _Rule("kite flying", "activity", ("person", "kite")),
    _Rule("reading", "activity", ("person", "book"), touching=True),
    _Rule("dining", "activity", ("person", "dining table"),
          ("fork", "knife", "spoon", "bowl", "wine glass", "pizza", "sandwich", "cake")),
    _Rule("computer work", "activity", ("person", "laptop"), touching=True),
    _Rule("phone call", "activity", ("person", "mobile phone"), touching=True),
    _Rule("boating", "activity", ("person", "boat"), touching=True),
    _Rule("street", "scene", (), ("traffic light", "stop sign", "parking meter", "fire hydrant")),
    _Rule("kitchen", "scene", (), ("oven", "refrigerator", "microwave")),
    _Rule("bathroom", "scene", (), ("toilet",)),
    _Rule("bedroom", "scene", ("bed",)),
    _Rule("living room", "scene", ("sofa", "television")),
    _Rule("office", "scene", ("computer keyboard", "computer mouse")),
)  # fmt: skip


def activities(tags: Sequence[Tag]) -> list[Tag]:
    """Activities and scenes that follow from things that were located together. As sure as the least sure of them."""
    seen: dict[str, list[Tag]] = {}
    for tag in tags:
        if tag.box is not None:
            seen.setdefault(tag.name, []).append(tag)
    return [
        Tag(rule.name, rule.kind, confidence, named(COMBINED))
        for rule in _RULES
        if (confidence := max(_confidences(rule, seen), default=0.0)) > 0
    ]


def _confidences(rule: _Rule, seen: Mapping[str, Sequence[Tag]]) -> Iterator[float]:
    if any(name not in seen for name in rule.all_of):
        return
    needed = [max(tag.confidence for tag in seen[name]) for name in rule.all_of]
    others = [tag for name in rule.one_of for tag in seen.get(name, ())]
    if rule.one_of and not others:
        return
    if not rule.touching:
        yield min((*needed, max(tag.confidence for tag in others)) if others else needed)
        return
    for person in seen["person"]:
        for thing in seen[rule.all_of[-1]]:
            if person.box and thing.box and _overlap(person.box, thing.box):
                yield min(person.confidence, thing.confidence)


def _overlap(a: Box, b: Box) -> bool:
    across = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    down = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    return across > 0 and down > 0


def merge(*found: Sequence[Tag]) -> tuple[Tag, ...]:
    """All tags, the surest first; of those that say the same at the same place by the same model, one."""
    unique = {(t.name, t.kind, t.model, t.box): t for tags in found for t in tags}
    return tuple(sorted(unique.values(), key=lambda t: (-t.confidence, t.name, t.model))[:MAX_TAGS])
