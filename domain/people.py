"""Whose face is whose: rules of assignment on plain data. Pure.

A face is somebody's when it is near to faces that are. Three rules stand above nearness, and nothing automatic breaks
them: what a person said of a face; "not this person"; and two faces in one picture are two people. Where faces belong
is recorded in the stream of the asset that shows them, so that one more face costs the same however many a person has;
what people say of a person is in that person's stream (docs/adr/0014-faces-are-sealed.md).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from msgspec import Struct

from domain.commits import Cause, derive_id, stream_name
from domain.events import Event, FaceAssigned, FaceRecognitionAgreed, FaceRecognitionWithdrawn, FaceRejected
from domain.faces import Face
from domain.person import MAX_HOPS as MAX_MERGES
from domain.person import Person
from domain.recognition import ModelUse

__all__ = [
    "ALL_NEAR",
    "FAR",
    "MAX_MERGES",
    "NEAR",
    "NEIGHBOURS",
    "Choice",
    "FaceMemory",
    "Nearest",
    "Neighbour",
    "agreement",
    "agreement_stream",
    "carried",
    "choose",
    "gathered",
    "person_id",
    "same_as",
    "starred",
]

NEAR = 0.5
"""Euclidean distance between two vectors up to which a face may be the same person's as another. dlib's authors say 0.6
for a pair taken alone; among thousands of faces a stranger's is that near too often. Of the sample photos, the same
person's nearest are at most 0.44 apart, strangers at least 0.58."""

ALL_NEAR = 0.52
"""Limit of the root mean square of the distances to all faces of a person among the nearest. A stranger who looks like
somebody is near to a few of their faces by chance; to all of them only who they are."""

VOTES = 0.6
"""A face votes for its person by how much nearer it is than this: dlib's own limit."""

FAR = 0.8
"""Beyond it a neighbour says nothing."""

NEIGHBOURS = 16
"""Nearest faces that have a say."""

_SAME_BOX = 0.4
"""Overlap, of the union, from which on two boxes in one picture are one face's, found twice."""


class Neighbour(Struct, frozen=True):
    """A known face near to a new one."""

    asset: str
    face: int
    distance: float
    person: str | None  # merges followed; None: nobody's yet


class Choice(Struct, frozen=True):
    """Whose a face is."""

    face: int
    person: str
    distance: float


class Nearest(Struct, frozen=True):
    """What a search has found."""

    faces: Sequence[Sequence[Neighbour]]  # for each face that was asked for, nearest first
    models: tuple[ModelUse, ...] = ()  # who was asked, and what all of it cost; none: nobody outside


class FaceMemory(Protocol):
    """An owner's agreement, key, and faces by nearness. What one owner has, no other owner meets.

    Attributes:
        size: bytes that tell one face apart. What was sealed in another size was found by another recogniser, and is
            compared with nothing.
        growth: share by which an owner's faces must have grown before those that are nobody's are looked at again
            unasked: 0 where a look costs nothing.
    """

    size: int
    growth: float

    def key(self, owner: str) -> str | None:
        """Id of the key in force; None when the owner has not agreed. Cost: one load of a short stream."""
        ...

    def seal(self, owner: str, asset: str, key: str, vectors: bytes) -> str | None:
        """Store vectors so that only the owner's key opens them; the blob's key. None when the key is gone."""
        ...

    def unseal(self, owner: str, asset: str, key: str, blob: str) -> bytes | None:
        """Vectors again; None when the key or the blob is gone: they were forgotten."""
        ...

    def deciding(self, owner: str) -> AbstractContextManager[None]:
        """Held from a search to `remember` by the threads of a process; between processes `remember` decides."""
        ...

    def near(self, owner: str, asset: str, vectors: bytes) -> Nearest:
        """For each face of an asset the nearest known faces of other assets, none farther than `FAR`.

        Raises:
            ViewUnavailable: the view that says which faces there are is not built.
            NotFound: a face is not known any more, so that nothing can be near to it.
            ServicePaused: the month's cap is reached.
        """
        ...

    def remember(self, owner: str, asset: str, sealed: str, vectors: bytes, people: Mapping[int, str]) -> bool:
        """From now on the faces of an asset are found by every process's `near`. False, and nothing changed, when
        another process has remembered something since the last `near`: what it decided may be what was missing here,
        as two new faces of one stranger must not found two persons."""
        ...

    def erase(self, owner: str, asset: str) -> None:
        """No face of an asset is found by `near` any more. For an asset that is to be forgotten alone."""
        ...

    def tidy(self, owner: str) -> int:
        """Drop what no recorded detection names (an attempt that was not recorded, faces that were found anew); how
        many faces that were. Nothing where nothing is kept outside."""
        ...

    def person(self, owner: str, person: str) -> Person:
        """A person as its stream says, merges not followed."""
        ...

    def discover(self, owner: str, person: str, asset: str, face: int, cause: Cause) -> None:
        """Begin a person's stream; nothing when it is there."""
        ...


def agreement_stream(owner: str) -> str:
    """Name of the stream with the owner's agreement to face recognition."""
    return stream_name(owner, "library", "faces")


def agreement(events: Sequence[Event]) -> str | None:
    """Id of the key in force; None when faces are off."""
    key: str | None = None
    for event in events:
        match event:
            case FaceRecognitionAgreed():
                key = event.key
            case FaceRecognitionWithdrawn() if event.key == key:
                key = None
    return key


def person_id(asset_stream: str, sealed: str, face: int) -> str:
    """Id of the person that a face of a detection (by its sealed blob) founds, however often the step is repeated."""
    return derive_id("person", asset_stream, sealed, face)


def choose(
    near: Sequence[Sequence[Neighbour]],
    refused: Callable[[int, str], bool],
    taken: Collection[str] = (),
    decided: Collection[int] = (),
) -> list[Choice]:
    """Whose the faces of one picture are; those who are near to nobody are left out.

    The nearest faces vote for their persons, each the more the nearer it is; a person is eligible by `NEAR` and
    `ALL_NEAR`. The surest face chooses first, and nobody is chosen twice.

    Args:
        near: known faces near to each face.
        refused: whether somebody said that a face is not this person.
        taken: persons who are in the picture already.
        decided: faces that need no choice.
    """
    options: list[tuple[float, float, int, str]] = []
    for face, neighbours in enumerate(near):
        apart: dict[str, list[float]] = {}
        for neighbour in neighbours:
            if neighbour.person is not None and face not in decided and neighbour.distance <= FAR:
                apart.setdefault(neighbour.person, []).append(neighbour.distance)
        for person, distances in apart.items():
            nearest = min(distances)
            together = math.sqrt(sum(d * d for d in distances) / len(distances))
            limit = NEAR + (ALL_NEAR - NEAR) * min(1.0, (len(distances) - 1) / 3)  # one face says as much as `NEAR`
            if nearest <= NEAR and together <= limit:
                options.append((-sum(max(0.0, VOTES - d) for d in distances), nearest, face, person))
    chosen: list[Choice] = []
    gone, done = set(taken), set(decided)
    for _, distance, face, person in sorted(options):
        if face in done or person in gone or refused(face, person):
            continue
        chosen.append(Choice(face, person, distance))
        gone.add(person)
        done.add(face)
    return sorted(chosen, key=lambda choice: choice.face)


def gathered(
    labels: Sequence[int], assets: Sequence[str], vectors: Sequence[Sequence[float]], least: int
) -> list[list[int]]:
    """Groups that may found a person: tight, one face a picture, and of so many pictures at least.

    Args:
        labels: of a clustering, one a face; negative: in no group.
        vectors: of the faces; of each group only those count that are near to its middle one.
    """
    groups: dict[int, list[int]] = {}
    for place, label in enumerate(labels):
        if label >= 0:
            groups.setdefault(label, []).append(place)
    found = []
    for _, places in sorted(groups.items()):
        middle = min(places, key=lambda i: sum(_apart(vectors[i], vectors[k]) for k in places[:200]))
        seen: set[str] = set()
        kept = []
        for place in sorted(places, key=lambda i: (_apart(vectors[middle], vectors[i]), i)):
            if assets[place] not in seen and _apart(vectors[middle], vectors[place]) <= NEAR:
                kept.append(place)
                seen.add(assets[place])
        if len(kept) >= least:
            found.append(kept)
    return found


def starred(near: Sequence[Mapping[int, float]], assets: Sequence[str], least: int) -> list[list[int]]:
    """Groups as `gathered` makes them, where only distances are known: a face with the most faces near to it and those,
    then the same of what is left.

    Args:
        near: for each face the others (by place) and how far they are.
    """
    left = set(range(len(near)))
    found: list[list[int]] = []
    while left:
        stars = {place: _star(place, near[place], assets, left) for place in sorted(left)}
        middle = min(left, key=lambda place: (-len(stars[place]), place))
        if len(stars[middle]) < least:
            return found
        found.append(stars[middle])
        left -= set(stars[middle])
    return found


def _star(middle: int, near: Mapping[int, float], assets: Sequence[str], left: Collection[int]) -> list[int]:
    """A face with the nearest others, one a picture."""
    kept, seen = [middle], {assets[middle]}
    for place, distance in sorted(near.items(), key=lambda each: (each[1], each[0])):
        if place in left and distance <= NEAR and assets[place] not in seen:
            kept.append(place)
            seen.add(assets[place])
    return kept


def same_as(person: str, near: Sequence[Sequence[Neighbour]]) -> str | None:
    """Who a person is that was founded too early: to whom each of its faces would be given if it came only now.

    Args:
        near: known faces near to each of its faces, its own among them.
    """
    found: set[str | None] = set()
    for neighbours in near:
        chosen = choose([[each for each in neighbours if each.person != person]], lambda *_: False)
        found.add(chosen[0].person if chosen else None)
    return found.pop() if len(found) == 1 else None


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    return math.dist(one, other)


def carried(
    before: Sequence[Face],
    after: Sequence[Face],
    people: Mapping[int, FaceAssigned],
    rejected: Collection[tuple[int, str]],
) -> list[Event]:
    """What people said of faces, for the same faces when they were found again: it binds for ever. So does whom a face
    has founded, who may have a name by now."""
    said: list[Event] = []
    for old, new in _matches(before, after).items():
        known = people.get(old)
        if known is not None and known.by in ("person", "founded"):
            said.append(FaceAssigned(face=new, person=known.person, by=known.by))
        said += [FaceRejected(face=new, person=person) for face, person in sorted(rejected) if face == old]
    return said


def _matches(before: Sequence[Face], after: Sequence[Face]) -> dict[int, int]:
    overlaps = sorted(
        ((_overlap(one, other), i, k) for i, one in enumerate(before) for k, other in enumerate(after)), reverse=True
    )
    matched: dict[int, int] = {}
    for overlap, i, k in overlaps:
        if overlap >= _SAME_BOX and i not in matched and k not in matched.values():
            matched[i] = k
    return matched


def _overlap(one: Face, other: Face) -> float:
    a, b = one.box, other.box
    wide = min(a.left + a.width, b.left + b.width) - max(a.left, b.left)
    high = min(a.top + a.height, b.top + b.height) - max(a.top, b.top)
    shared = max(0.0, wide) * max(0.0, high)
    whole = a.width * a.height + b.width * b.height - shared
    return shared / whole if whole else 0.0
