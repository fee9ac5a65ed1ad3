"""People who were founded apart and are one: a face that came before those it is near to founds a person of its own.

A person with few faces is looked at anew: when each of them would be given to the same other person if it came now, by
the rules for every new face, the two are merged. Only people of whom nobody has said anything; never two whom one
picture shows, and never against "not this person". A merge is one event, which `people undo` takes back for good. What
turns out to be against a rule afterwards (another process decided at the same time) is taken back here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import combinations

from msgspec import Struct

from domain import asset as assets
from domain import person as persons
from domain.asset import asset_stream
from domain.commits import Cause, derive_id
from domain.errors import ConflictError, NotFound
from domain.events import Event, PersonDecisionUndone, PersonsMerged
from domain.eventstore import EventStore
from domain.people import NEIGHBOURS, Neighbour, same_as
from domain.person import MAX_HOPS, Person, person_stream
from photovault.face_collection import CollectedFaces
from photovault.face_memory import KeptFaces
from projections.people import Shown

__all__ = ["FEW", "merge_found"]

FEW = NEIGHBOURS // 2
"""Faces of a person up to which it is looked at: with more, its own are the nearest, and hide whom else it may be."""


class _Picture(Struct, frozen=True, gc=False):
    sealed: str
    count: int  # of its faces
    rejected: tuple[tuple[int, str], ...]


class _Group(Struct):
    """A person with those who are merged into it."""

    faces: list[tuple[str, int]]
    free: bool = True  # nobody has said anything of it


class _People:
    """Who there is, merges followed, and what is said of their faces; kept up with the merges that are made."""

    def __init__(self, memory: KeptFaces | CollectedFaces, owner: str, key: str) -> None:
        self._memory = memory
        self._owner = owner
        self._key = key
        self._known: dict[str, Person] = {}
        self._pictures: dict[str, _Picture] = {}
        self.groups: dict[str, _Group] = {}
        self.wrong: list[Person] = []
        """Whose merge by an earlier look is against a rule."""
        for state in memory.shown(owner):
            self._add(state)

    def _add(self, state: Shown) -> None:
        sealed = state.sealed or "" if state.key == self._key else ""
        self._pictures[state.asset] = _Picture(sealed, len(state.faces), state.rejected)
        held = {number: face.person for number, face in enumerate(state.faces) if face.person is not None}
        for number, person in held.items():
            top = self.top(person)
            if top is not None:
                group = self.groups.setdefault(top, _Group([]))
                group.faces.append((state.asset, number))
                said = state.faces[number].by == "person" or any(each.told for each in self._path(person))
                group.free = group.free and not said
        apart = [*combinations(held.values(), 2), *((held[n], p) for n, p in state.rejected if n in held)]
        for one, other in apart:
            if self.top(one) == self.top(other):
                self.wrong += self._bridge(one, other)

    def _bridge(self, one: str, other: str) -> list[Person]:
        """The merge by an earlier look that makes two persons one; none if somebody has said that they are."""
        paths = {each.id: each for each in self._path(one)}, {each.id: each for each in self._path(other)}
        between = [(paths[0] | paths[1])[each] for each in sorted(paths[0].keys() ^ paths[1].keys())]
        return [each for each in between if each.now.into is not None and not each.told][:1]

    def _path(self, person: str) -> list[Person]:
        """A person, whom it is merged into, and so on to the last."""
        found: list[Person] = []
        following: str | None = person
        while following is not None and len(found) <= MAX_HOPS:
            if following not in self._known:
                self._known[following] = self._memory.person(self._owner, following)
            found.append(self._known[following])
            following = found[-1].now.into
        return found

    def top(self, person: str | None) -> str | None:
        """Where merges lead to; None: to somebody who is forgotten, or the face is nobody's."""
        path = self._path(person) if person else []
        return path[-1].id if path and path[-1].known else None

    def near(self, person: str) -> list[Sequence[Neighbour]]:
        """What is near to each of a person's faces, merges followed."""
        return [self._near(*face) for face in self.groups[person].faces]

    def _near(self, asset: str, face: int) -> Sequence[Neighbour]:
        picture = self._pictures[asset]
        data = self._memory.unseal(self._owner, asset, self._key, picture.sealed)
        if data is None:
            return ()
        size = self._memory.size
        if len(data) != picture.count * size:
            return ()  # found by another recogniser
        try:
            [near] = self._memory.near(self._owner, asset, data[face * size : (face + 1) * size]).faces
        except NotFound:
            return ()  # found anew since the view was read, or gone from the collection
        return [Neighbour(n.asset, n.face, n.distance, self.top(n.person)) for n in near]

    def may_be_one(self, one: str, other: str) -> bool:
        """Whether neither a picture nor anybody says that two are not the same."""
        groups = self.groups[one], self.groups[other]
        seen = [{asset for asset, _ in group.faces} for group in groups]
        if not all(group.free for group in groups) or seen[0] & seen[1]:
            return False
        return not any(self._refused(group, top) for group, top in zip(groups, (other, one), strict=True))

    def _refused(self, group: _Group, top: str) -> bool:
        return any(
            number == face and self.top(person) == top
            for asset, face in group.faces
            for number, person in self._pictures[asset].rejected
        )

    def merged(self, person: Person, into: str) -> None:
        """From now on a person is another."""
        self._known[person.id] = person
        self.groups[into].faces += self.groups.pop(person.id).faces


def merge_found(store: EventStore, memory: KeptFaces | CollectedFaces, owner: str) -> int:
    """Merge an owner's people who are one; how many were merged. The view of faces must be caught up.

    Cost:
        A pass over the rows of pictures with faces; a search for each face of people with few of them, which is paid
        where nearness is a service's.
    Raises:
        ServicePaused: the month's cap of the service is reached.
    """
    key = memory.key(owner)
    if key is None:
        return 0
    with memory.deciding(owner):
        people = _People(memory, owner, key)
        if people.wrong:
            for person in people.wrong:
                _append(store, owner, person.id, [PersonDecisionUndone()], lambda now: now.now.into is not None)
            people = _People(memory, owner, key)
        total = 0
        while merged := sum(_merge(store, owner, people, each) for each in _few(people)):
            total += merged
        return total


def _few(people: _People) -> list[str]:
    """Who may be somebody else, the fewest faces first; in the same order whoever came first."""
    few = [each for each, group in people.groups.items() if group.free and len(group.faces) <= FEW]
    return sorted(few, key=lambda each: (len(people.groups[each].faces), min(people.groups[each].faces)))


def _merge(store: EventStore, owner: str, people: _People, person: str) -> bool:
    """Merge a person with whom it is, if it is somebody; whether that was done."""
    if person not in people.groups or len(people.groups[person].faces) > FEW:
        return False  # it was merged since
    other = same_as(person, people.near(person))
    if other is None or other not in people.groups or not people.may_be_one(person, other):
        return False
    if len(people.groups[other].faces) < len(people.groups[person].faces):
        person, other = other, person
    there = person_stream(owner, other)
    target = persons.fold(there, (each.event for each in store.read(there)))
    if not _free(target) or any(_shows(store, owner, people, asset, other) for asset, _ in people.groups[person].faces):
        return False
    merged = _append(store, owner, person, [PersonsMerged(into=other, by="cluster")], _free)
    if merged is not None:
        people.merged(merged, other)
    return merged is not None


def _shows(store: EventStore, owner: str, people: _People, asset: str, person: str) -> bool:
    """Whether a picture says, by its history and not by a view that may be late, that another of its people is this
    one, or that somebody in it is not."""
    stream = asset_stream(owner, asset)
    now = assets.fold(stream, store.read(stream))
    return person in {people.top(each.person) for each in now.people.values()} | {
        people.top(refused) for face, refused in now.rejected if face in now.people
    }


def _free(person: Person) -> bool:
    return person.known and not person.told and person.now.into is None


def _append(
    store: EventStore, owner: str, person: str, events: Sequence[Event], still: Callable[[Person], bool]
) -> Person | None:
    """Decide about a person as it is now; how it is then. None: it is not so any more, or somebody was faster."""
    stream = person_stream(owner, person)
    loaded = store.load(stream)
    now = persons.fold(stream, (each.event for each in loaded.events))
    if not still(now):
        return None
    cause = Cause(commit_id=derive_id("merging", stream, loaded.token), actor="clustering", correlation_id=person)
    try:
        store.append(stream, events, loaded.token, cause)
    except ConflictError:
        return None
    for event in events:
        now = persons.evolve(now, event)
    return now
