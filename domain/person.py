"""One person: what people say of them - a name, hidden, the same as another, not the same - and how it is undone. Pure.

Each decision remembers what it changed, so that undoing takes back the newest one that still holds, then the one
before. Faces are not here: see `domain.people`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import Struct, structs

from domain.commits import split_stream, stream_name
from domain.errors import InvalidInput, NotFound
from domain.events import (
    Event,
    PersonDecisionUndone,
    PersonDiscovered,
    PersonForgotten,
    PersonHidden,
    PersonNamed,
    PersonsMerged,
    PersonSplit,
)

__all__ = ["MAX_HOPS", "Decided", "Person", "evolve", "fold", "hide", "merge", "name", "person_stream", "undo"]

MAX_HOPS = 50
"""Merges that are followed from one person to the next; a circle can't be made, and would end here."""


class Decided(Struct, frozen=True, array_like=True):
    """What holds of a person by what people said."""

    name: str | None = None
    hidden: bool = False
    into: str | None = None
    apart: tuple[str, ...] = ()
    split: str | None = None  # the person that the newest decision split off, if that is what it did


class Person(Struct, frozen=True):
    """State of one person."""

    id: str = ""
    asset: str = ""  # the face that founded it
    face: int = 0
    now: Decided = Decided()
    past: tuple[Decided, ...] = ()  # what held before each decision that holds, the newest last
    forgotten: bool = False
    told: bool = False  # whether anybody has said something of it, taken back or not: then nothing automatic merges it

    @property
    def known(self) -> bool:
        """Whether it was discovered, and is not forgotten."""
        return bool(self.asset) and not self.forgotten


def person_stream(owner: str, person: str) -> str:
    """Name of a person's stream."""
    return stream_name(owner, "person", person)


def fold(stream: str, events: Iterable[Event]) -> Person:
    """The state after a stream's events."""
    person = Person(split_stream(stream)[2])
    for event in events:
        person = evolve(person, event)
    return person


def evolve(person: Person, event: Event) -> Person:
    """The state after one more event."""
    now = structs.replace(person.now, split=None)
    match event:
        case PersonDiscovered():
            return structs.replace(person, asset=event.asset, face=event.face)
        case PersonNamed():
            now = structs.replace(now, name=event.name)
        case PersonHidden():
            now = structs.replace(now, hidden=event.hidden)
        case PersonsMerged():
            now = structs.replace(now, into=event.into)
        case PersonSplit():
            now = structs.replace(now, apart=(*now.apart, event.off), split=event.off)
        case PersonDecisionUndone() if person.past:
            return structs.replace(person, now=person.past[-1], past=person.past[:-1], told=True)
        case PersonForgotten():
            return structs.replace(person, now=Decided(), past=(), forgotten=True)
        case _:
            return person
    told = person.told or not (isinstance(event, PersonsMerged) and event.by == "cluster")
    return structs.replace(person, now=now, past=(*person.past, person.now), told=told)


def name(person: Person, said: str) -> Sequence[Event]:
    """Give a name; nothing when it has that name.

    Raises:
        NotFound: there is no such person.
        InvalidInput: the name is empty, too long, or would drive a terminal.
    """
    _must_be(person)
    said = " ".join(said.split())
    if not said or len(said) > 200 or not said.isprintable():
        raise InvalidInput("a name has 1 to 200 printable characters")
    return () if person.now.name == said else (PersonNamed(name=said),)


def hide(person: Person, *, hidden: bool) -> Sequence[Event]:
    """Hide a person, or show it again; nothing when it is so already."""
    _must_be(person)
    return () if person.now.hidden == hidden else (PersonHidden(hidden=hidden),)


def merge(person: Person, into: Person) -> Sequence[Event]:
    """Two are the same; nothing when they are so already. Both must be where merges end.

    Raises:
        InvalidInput: a person can't be merged with itself.
    """
    _must_be(person)
    _must_be(into)
    if person.id == into.id:
        raise InvalidInput(f"both are person {person.id}: there is nothing to merge")
    return (PersonsMerged(into=into.id),)


def undo(person: Person) -> Sequence[Event]:
    """Take back the newest decision that holds.

    Raises:
        InvalidInput: there is none.
    """
    _must_be(person)
    if not person.past:
        raise InvalidInput(f"nothing was decided about person {person.id}: there is nothing to undo")
    return (PersonDecisionUndone(),)


def _must_be(person: Person) -> None:
    if not person.known:
        raise NotFound(f"there is no person {person.id!r}: `photovault people list` lists those there are")
