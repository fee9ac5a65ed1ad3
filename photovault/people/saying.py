"""What people say of people: names, merges, splits, "not this person"; and that all of it is forgotten.

Each decision checks the agreement first, and is an event.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain import person as persons
from domain.asset import Asset, asset_stream, fold
from domain.commits import Cause, derive_id, split_stream
from domain.errors import ConflictError, InvalidInput
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
from photovault.owned import OwnedVault
from photovault.people.asking import agreed, asset_now, everybody, face_of, keys, members_of, pictures
from projections.people import asset_in, rejected_range
from steps.identify import root

__all__ = ["forget", "hide", "merge", "name", "reject", "split", "undo", "undo_rejection"]


def name(vault: OwnedVault, person: Person, said: str) -> bool:
    """Give a name; whether it is new."""
    return _decide(vault, person.id, lambda p: persons.name(p, said))


def hide(vault: OwnedVault, person: Person, *, hidden: bool) -> bool:
    """Hide, or show again; whether that is new."""
    return _decide(vault, person.id, lambda p: persons.hide(p, hidden=hidden))


def merge(vault: OwnedVault, person: Person, into: Person, *, force: bool = False) -> bool:
    """Two are the same; the faces of the first count as the second's.

    Raises:
        InvalidInput: a picture shows both, or somebody said of a face of one that it is not the other.
    """
    every = everybody(vault)
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


def _contradictions(vault: OwnedVault, rejected: Sequence[str], held: Sequence[str]) -> list[str]:
    """Assets with a face that is said not to be one of `rejected` and is one of `held`."""
    owner = vault.settings.owner
    found = []
    for asset in sorted({asset_in(key) for person in rejected for key in keys(vault, *rejected_range(person))}):
        known = asset_now(vault, asset_stream(owner, asset))
        if any(p in rejected and n in known.people and known.people[n].person in held for n, p in known.rejected):
            found.append(asset)
    return found


def reject(vault: OwnedVault, asset: str, face: int) -> str:
    """This face is not the person it is taken for; who that was."""
    agreed(vault)
    stream = find_asset(vault, asset)
    face_of(asset_now(vault, stream), face)
    was: list[str] = []

    def decide(state: Asset) -> Sequence[Event]:
        face_of(state, face)
        known = state.people.get(face)
        if known is None:
            raise InvalidInput(f"face {face} of asset {state.id} is nobody's: there is nothing to reject")
        top = root(vault.people, vault.settings.owner, known.person) or known.person
        was.append(top)
        events: list[Event] = [FaceRejected(face=face, person=top)]
        return [*events, FaceUnassigned(face=face, person=known.person)]

    _change(vault, stream, decide)
    return was[-1]


def undo_rejection(vault: OwnedVault, asset: str) -> list[tuple[int, str]]:
    """Take back every "not this person" of a picture; a face that is nobody's is again whose it was."""
    agreed(vault)
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


def split(vault: OwnedVault, person: Person, faces: Sequence[tuple[str, int]]) -> str:
    """These faces of a person are another's; the new person's id."""
    if not faces:
        raise InvalidInput("name the faces that are another's: ASSET:FACE")
    owner = vault.settings.owner
    members = members_of(everybody(vault), person.id)
    streams = [(find_asset(vault, asset), face) for asset, face in faces]
    for stream, face in streams:
        known = face_of(asset_now(vault, stream), face).people.get(face)
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


def undo(vault: OwnedVault, person: Person) -> None:
    """Take back the newest decision about a person; after a split, the two are one again."""
    split_off = person.now.split
    _decide(vault, person.id, persons.undo)
    if split_off is not None:
        target = vault.people.person(vault.settings.owner, person.id)
        _decide(vault, split_off, lambda p: () if p.now.into == target.id else persons.merge(p, target))


def forget(vault: OwnedVault) -> dict[str, int] | None:
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
    for each in everybody(vault).values():
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


def _change(vault: OwnedVault, stream: str, decide: Callable[[Asset], Sequence[Event]]) -> bool:
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


def _decide(vault: OwnedVault, person: str, decide: Callable[[Person], Sequence[Event]]) -> bool:
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


def _cause(vault: OwnedVault, stream: str, token: str, correlation_id: str) -> Cause:
    return Cause(
        commit_id=derive_id("people", stream, token),
        actor=f"person:{vault.settings.owner}",
        correlation_id=correlation_id,
    )
