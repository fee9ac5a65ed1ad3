"""What people say of people, and what they ask: names, merges, splits, "not this person"; who is where, and with whom.

Each answer and each decision checks the agreement first: without it there is nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from msgspec import Struct

from domain import person as persons
from domain.asset import Asset, asset_stream, fold
from domain.commits import Cause, derive_id, split_stream
from domain.errors import ConflictError, InvalidInput, NotFound
from domain.events import (
    Event,
    FaceAssigned,
    FaceRejected,
    FaceRejectionUndone,
    FacesErased,
    FaceUnassigned,
    PersonForgotten,
    PersonSplit,
)
from domain.people import person_id
from domain.person import Person, person_stream
from photovault.finding import find_asset
from photovault.vault import Vault
from projections.people import Faces, PeopleView, Shown, asset_in, person_range, rejected_range
from steps.identify import root

__all__ = [
    "Listed",
    "find_person",
    "forget",
    "hide",
    "like",
    "merge",
    "name",
    "people",
    "pictures",
    "reject",
    "split",
    "together",
    "undo",
    "undo_rejection",
    "who",
]

_PAGE = 1000
_faces = Faces()
_people = PeopleView()


class Listed(Struct, frozen=True):
    """A person with what belongs to it, merged persons' faces included."""

    person: str
    name: str | None
    hidden: bool
    faces: int
    pictures: int
    cover: tuple[str, int] | None  # asset and face
    merged: tuple[str, ...] = ()


# --- questions -------------------------------------------------------------------------------------------------------


def people(vault: Vault, *, hidden: bool = False) -> list[Listed]:
    """Everybody with a face, those in most pictures first."""
    _agreed(vault)
    every = _everybody(vault)
    groups: dict[str, list[str]] = {}
    for each in every.values():
        groups.setdefault(_root(every, each.id), []).append(each.id)
    found = [_listed(vault, every[top], sorted(members)) for top, members in groups.items() if top in every]
    shown = [each for each in found if each.faces and (hidden or not each.hidden)]
    return sorted(shown, key=lambda each: (-each.pictures, each.name or "~", each.person))


def _listed(vault: Vault, person: Person, members: Sequence[str]) -> Listed:
    shown = pictures(vault, members)
    faces = [(state, n) for state in shown for n, face in enumerate(state.faces) if face.person in members]
    good = max(faces, key=lambda f: (not f[0].faces[f[1]].doubts, f[0].faces[f[1]].width, f[0].asset), default=None)
    founder = next((f for f in faces if (f[0].asset, f[1]) == (person.asset, person.face)), None)
    cover = founder or good
    return Listed(
        person.id,
        person.now.name,
        person.now.hidden,
        len(faces),
        len(shown),
        (cover[0].asset, cover[1]) if cover else None,
        tuple(each for each in members if each != person.id),
    )


def pictures(vault: Vault, members: Sequence[str]) -> list[Shown]:
    """Pictures that show any of these persons (ids as recorded, merges not followed), by asset."""
    owner = vault.settings.owner
    _, table = vault.generations.active(Faces.name)
    assets = sorted({asset_in(key) for member in members for key in _keys(vault, *person_range(member))})
    rows = vault.views.get(table, [(owner, asset) for asset in assets])
    return [_faces.decode(row.data) for row in rows if row is not None and not row.deleted]


def together(vault: Vault, wanted: Sequence[Person]) -> list[Shown]:
    """Pictures that show all of these persons."""
    _agreed(vault)
    every = _everybody(vault)
    sets = [{state.asset: state for state in pictures(vault, members_of(every, each.id))} for each in wanted]
    both = set.intersection(*map(set, sets)) if sets else set()
    return [sets[0][asset] for asset in sorted(both)]


def members_of(every: dict[str, Person], person: str) -> list[str]:
    """A person and all who were merged into it."""
    return [each for each in every if _root(every, each) == person]


def who(vault: Vault, asset: str) -> dict[str, Any]:
    """The faces of a picture with the persons they are."""
    _agreed(vault)
    stream = find_asset(vault, asset)
    _, table = vault.generations.active(Faces.name)
    row = vault.views.get(table, [(vault.settings.owner, split_stream(stream)[2])])[0]
    if row is None or row.deleted:
        return {"asset": split_stream(stream)[2], "faces": []}
    shown = _faces.show(_faces.decode(row.data), vault.locate)
    for face in shown["faces"]:
        top = root(vault.people, vault.settings.owner, face["person"]) if face["person"] else None
        face["person"] = top
        face["name"] = vault.people.person(vault.settings.owner, top).now.name if top else None
    return shown


def like(vault: Vault, asset: str, face: int) -> list[dict[str, Any]]:
    """Faces of other pictures that are near to this one, nearest first."""
    _agreed(vault)
    owner = vault.settings.owner
    found = _asset(vault, find_asset(vault, asset))
    detected = _face_of(found, face)
    assert detected.faces is not None
    record = detected.faces
    data = vault.people.unseal(owner, found.id, record.key or "", record.sealed or "")
    if data is None:
        raise NotFound("what tells this face apart can't be read any more: it was forgotten")
    if len(data) != len(record.faces) * vault.people.size:
        raise InvalidInput("this face was found by another recogniser than the one in use: reprocess the step faces")
    size = vault.people.size
    near = vault.people.near(owner, found.id, data[face * size : (face + 1) * size]).faces[0]
    return [{"asset": n.asset, "face": n.face, "distance": round(n.distance, 4), "person": n.person} for n in near]


def find_person(vault: Vault, text: str, *, follow: bool = True) -> Person:
    """A person by id, the beginning of one, or name; where merges lead to unless they are not to be followed.

    Raises:
        NotFound: nobody is called so.
        InvalidInput: several are.
    """
    _agreed(vault)
    every = _everybody(vault)
    said = " ".join(text.split()).casefold()
    tops = {_root(every, each) if follow else each for each in every}
    named = [each for each in sorted(tops) if (every[each].now.name or "").casefold() == said]
    begun = sorted({_root(every, each) if follow else each for each in every if text and each.startswith(text)})
    found = named or begun
    if not found:
        raise NotFound(f"there is no person {text!r}: `photovault people list --hidden` lists those there are")
    if len(found) > 1:
        raise InvalidInput(f"several persons are called {text!r}: {', '.join(found)}; give an id")
    return every[found[0]]


# --- decisions -------------------------------------------------------------------------------------------------------


def name(vault: Vault, person: Person, said: str) -> bool:
    """Give a name; whether it is new."""
    return _decide(vault, person.id, lambda p: persons.name(p, said))


def hide(vault: Vault, person: Person, *, hidden: bool) -> bool:
    """Hide, or show again; whether that is new."""
    return _decide(vault, person.id, lambda p: persons.hide(p, hidden=hidden))


def merge(vault: Vault, person: Person, into: Person, *, force: bool = False) -> bool:
    """Two are the same; the faces of the first count as the second's.

    Raises:
        InvalidInput: a picture shows both, or somebody said of a face of one that it is not the other.
    """
    every = _everybody(vault)
    one, other = members_of(every, person.id), members_of(every, into.id)
    if not force:
        ones = {state.asset for state in pictures(vault, one)}
        both = sorted(ones & {state.asset for state in pictures(vault, other)})
        if both:
            raise InvalidInput(
                f"{len(both)} pictures show both, so they are two people ({both[0]} is one of them); "
                "--force if they are mirrors, collages or pictures in pictures"
            )
        if set(one) & {a for m in other for a in every[m].now.apart} or set(other) & {
            a for m in one for a in every[m].now.apart
        }:
            raise InvalidInput("one was split off the other, so they are two people: undo that, or give --force")
    against = _contradictions(vault, one, other) + _contradictions(vault, other, one)
    if against:
        raise InvalidInput(
            f"somebody said that a face of asset {against[0]} is one of them and not the other: "
            f"`photovault people undo {against[0]}` takes that back"
        )
    return _decide(vault, person.id, lambda p: persons.merge(p, into))


def _contradictions(vault: Vault, rejected: Sequence[str], held: Sequence[str]) -> list[str]:
    """Assets with a face that is said not to be one of `rejected` and is one of `held`."""
    owner = vault.settings.owner
    found = []
    for asset in sorted({asset_in(key) for person in rejected for key in _keys(vault, *rejected_range(person))}):
        known = _asset(vault, asset_stream(owner, asset))
        if any(p in rejected and n in known.people and known.people[n].person in held for n, p in known.rejected):
            found.append(asset)
    return found


def reject(vault: Vault, asset: str, face: int) -> str:
    """This face is not the person it is taken for; who that was."""
    _agreed(vault)
    stream = find_asset(vault, asset)
    _face_of(_asset(vault, stream), face)
    was: list[str] = []

    def decide(state: Asset) -> Sequence[Event]:
        _face_of(state, face)
        known = state.people.get(face)
        if known is None:
            raise InvalidInput(f"face {face} of asset {state.id} is nobody's: there is nothing to reject")
        top = root(vault.people, vault.settings.owner, known.person) or known.person
        was.append(top)
        events: list[Event] = [FaceRejected(face=face, person=top)]
        return [*events, FaceUnassigned(face=face, person=known.person)]

    _change(vault, stream, decide)
    return was[-1]


def undo_rejection(vault: Vault, asset: str) -> list[tuple[int, str]]:
    """Take back every "not this person" of a picture; a face that is nobody's is again whose it was."""
    _agreed(vault)
    undone: list[tuple[int, str]] = []

    def top(person: str) -> str | None:
        return root(vault.people, vault.settings.owner, person)

    def decide(state: Asset) -> Sequence[Event]:
        undone[:] = sorted(state.rejected)
        events: list[Event] = []
        taken = {top(each.person) for each in state.people.values()}
        for face, person in undone:
            events.append(FaceRejectionUndone(face=face, person=person))
            if face not in state.people and top(person) not in taken:
                events.append(FaceAssigned(face=face, person=person, by="person"))
                taken.add(top(person))
        return events

    _change(vault, find_asset(vault, asset), decide)
    return undone


def split(vault: Vault, person: Person, faces: Sequence[tuple[str, int]]) -> str:
    """These faces of a person are another's; the new person's id."""
    if not faces:
        raise InvalidInput("name the faces that are another's: ASSET:FACE")
    owner = vault.settings.owner
    members = members_of(_everybody(vault), person.id)
    streams = [(find_asset(vault, asset), face) for asset, face in faces]
    for stream, face in streams:
        known = _face_of(_asset(vault, stream), face).people.get(face)
        if known is None or known.person not in members:
            raise InvalidInput(
                f"face {face} of asset {split_stream(stream)[2]} is not {person.now.name or person.id}'s"
            )
    first, number = streams[0]
    new = person_id(first, derive_id("split", person.id, len(person.past)), number)
    actor = f"person:{owner}"
    cause = Cause(commit_id=derive_id(owner, "discover", new), actor=actor, correlation_id=new)
    vault.people.discover(owner, new, split_stream(first)[2], number, cause)
    _decide(vault, person.id, lambda p: () if new in p.now.apart else (PersonSplit(off=new),))
    for stream, face in streams:
        _change(vault, stream, lambda state, face=face: _give(state, face, new))  # type: ignore[misc]
    return new


def _give(state: Asset, face: int, person: str) -> Sequence[Event]:
    known = state.people.get(face)
    if known is not None and (known.person, known.by) == (person, "person"):
        return ()
    return (FaceAssigned(face=face, person=person, by="person"),)


def undo(vault: Vault, person: Person) -> None:
    """Take back the newest decision about a person; after a split, the two are one again."""
    split_off = person.now.split
    _decide(vault, person.id, persons.undo)
    if split_off is not None:
        target = vault.people.person(vault.settings.owner, person.id)
        _decide(vault, split_off, lambda p: () if p.now.into == target.id else persons.merge(p, target))


def forget(vault: Vault) -> dict[str, int] | None:
    """Destroy the owner's key, then take faces and people off every view; None when faces were off and nothing is left.

    May be stopped anywhere and called again.
    """
    owner = vault.settings.owner
    actor = f"person:{owner}"
    key = vault.people.withdraw(owner, actor)
    assets = people_ = 0
    for state in list(vault.people.shown(owner)):
        if state.key is None or state.key == vault.people.key(owner):
            continue
        assets += _change(vault, asset_stream(owner, state.asset), _erase)
    for each in _everybody(vault).values():
        stream = person_stream(owner, each.id)
        loaded = vault.store.load(stream)
        if persons.fold(stream, (r.event for r in loaded.events)).known:
            cause = Cause(commit_id=derive_id(stream, "forget"), actor=actor, correlation_id=each.id)
            vault.store.append(stream, [PersonForgotten()], loaded.token, cause)
            people_ += 1
    return {"pictures": assets, "people": people_} if key or assets or people_ else None


def _erase(asset: Asset) -> Sequence[Event]:
    return (FacesErased(key=asset.faces.key or "none"),) if asset.faces is not None else ()


# --- how ------------------------------------------------------------------------------------------------------------


def _agreed(vault: Vault) -> None:
    if vault.people.key(vault.settings.owner) is None:
        raise InvalidInput("face recognition is off: `photovault faces agree` switches it on")


def _everybody(vault: Vault) -> dict[str, Person]:
    _, table = vault.generations.active(PeopleView.name)
    found: dict[str, Person] = {}
    cursor: str | None = None
    while True:
        page = vault.views.query(table, vault.settings.owner, limit=_PAGE, cursor=cursor)
        for row in page.rows:
            state = _people.decode(row.data)
            if state.known:
                found[state.id] = state
        cursor = page.cursor
        if cursor is None:
            return found


def _root(every: dict[str, Person], person: str) -> str:
    for _ in range(persons.MAX_HOPS):
        following = every[person].now.into if person in every else None
        if following is None:
            return person
        person = following
    return person


def _keys(vault: Vault, low: str, high: str) -> Iterator[str]:
    _, table = vault.generations.active(Faces.name)
    cursor: str | None = None
    while True:
        page = vault.views.query(table, vault.settings.owner, low=low, high=high, limit=_PAGE, cursor=cursor)
        yield from (row.key for row in page.rows)
        cursor = page.cursor
        if cursor is None:
            return


def _asset(vault: Vault, stream: str) -> Asset:
    return fold(stream, vault.store.load(stream).events)


def _face_of(asset: Asset, face: int) -> Asset:
    count = len(asset.faces.faces) if asset.faces else 0
    if not 0 <= face < count:
        raise InvalidInput(f"asset {asset.id} has {count} faces, numbered from 0: there is no face {face}")
    return asset


def _change(vault: Vault, stream: str, decide: Callable[[Asset], Sequence[Event]]) -> bool:
    """Append what is decided about an asset; whether that was anything."""
    while True:
        loaded = vault.store.load(stream)
        asset = fold(stream, loaded.events)
        events = decide(asset)
        if not events:
            return False
        cause = _cause(vault, stream, loaded.token, asset.correlation_id)
        try:
            vault.store.append(stream, list(events), loaded.token, cause)
        except ConflictError:
            continue
        return True


def _decide(vault: Vault, person: str, decide: Callable[[Person], Sequence[Event]]) -> bool:
    """Append what is decided about a person; whether that was anything."""
    stream = person_stream(vault.settings.owner, person)
    while True:
        loaded = vault.store.load(stream)
        events = decide(persons.fold(stream, (each.event for each in loaded.events)))
        if not events:
            return False
        cause = _cause(vault, stream, loaded.token, person)
        try:
            vault.store.append(stream, list(events), loaded.token, cause)
        except ConflictError:
            continue
        return True


def _cause(vault: Vault, stream: str, token: str, correlation_id: str) -> Cause:
    return Cause(
        commit_id=derive_id("people", stream, token),
        actor=f"person:{vault.settings.owner}",
        correlation_id=correlation_id,
    )
