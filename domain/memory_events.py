"""Events of memories: one stream for each memory of an owner, `<owner>#memory#<id>`.

A memory that is revised stays the same memory: its id follows from what founded it, not from what is in it now
(docs/adr/0018-a-memory-stays-itself.md).
"""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from domain.event_base import Event, Reason, doc

__all__ = [
    "MAX_MEMBERS",
    "MAX_PICTURES",
    "MEMORY_EVENTS",
    "MemoryCreated",
    "MemoryDismissed",
    "MemoryKind",
    "MemoryRestored",
    "MemoryRetired",
    "MemoryRevised",
]

MAX_MEMBERS = 10_000
"""Assets that belong to one memory; of more, those at even distances are kept."""

MAX_PICTURES = 60
"""Assets that a memory shows."""

MemoryKind: TypeAlias = Literal["trip", "event", "on_this_day", "place", "person", "theme", "best"]

_Asset = Annotated[str, Meta(min_length=1, max_length=64)]
_Assets: TypeAlias = tuple[_Asset, ...]
_Local: TypeAlias = Annotated[str, doc("Wall clock of the place, without a zone.", max_length=32)]
_Pictures: TypeAlias = Annotated[_Assets, doc("Those that are shown, in order.", max_length=MAX_PICTURES)]
_Title: TypeAlias = Annotated[
    str, doc("In plain words: Weekend in Arezzo, October 2008.", min_length=1, max_length=200)
]


class MemoryCreated(Event, frozen=True, kw_only=True):
    """Pictures belong together: a trip, a party, a place, a person through the years."""

    STREAM = "memory"
    WHEN = "The daily look at what is new found pictures that belong together and to no memory yet."
    BY = "memories"

    kind: Annotated[MemoryKind, doc("What holds them together.")]
    subject: Annotated[
        str,
        doc(
            "`10-22`, `2008`, `2008-10`, a tag, or the id of a person or place; empty for trips and events.",
            max_length=200,
        ),
    ] = ""
    title: _Title
    since: _Local
    until: _Local
    members: Annotated[_Assets, doc("All assets that belong to it.", max_length=MAX_MEMBERS)]
    pictures: _Pictures
    cover: Annotated[_Asset, doc("The picture that stands for it.")]
    place: Annotated[str, doc("Where, in words.", max_length=200)] | None = None


class MemoryRevised(Event, frozen=True, kw_only=True):
    """The memory is still the same, and something of it has changed: what is given here holds from now on."""

    STREAM = "memory"
    WHEN = "Pictures came late or went, or what is known of them changed; also when a retired memory comes back."
    BY = "memories"

    changes: Annotated[
        tuple[str, ...],
        doc(
            "Names of what changed: `members`, `pictures`, `cover`, `title`, `time`, `place`, `kind`, `retired`.",
            max_length=20,
        ),
    ]
    kind: Annotated[MemoryKind, doc("What holds them together.")]
    title: _Title
    since: _Local
    until: _Local
    added: Annotated[_Assets, doc("Assets that belong to it now, too.", max_length=MAX_MEMBERS)] = ()
    removed: Annotated[_Assets, doc("Assets that belong to it no longer.", max_length=MAX_MEMBERS)] = ()
    pictures: _Pictures
    cover: Annotated[_Asset, doc("The picture that stands for it.")]
    place: Annotated[str, doc("Where, in words.", max_length=200)] | None = None


class MemoryRetired(Event, frozen=True, kw_only=True):
    """There is too little left of it, or another memory has all that it had. It is not shown any more."""

    STREAM = "memory"
    WHEN = "Its pictures went, or a late upload joined it with another memory."
    BY = "memories"

    reason: Reason
    into: Annotated[_Asset | None, doc("Id of the memory that has its pictures now.")] = None


class MemoryDismissed(Event, frozen=True, kw_only=True):
    """The owner does not want to see it. That holds whatever becomes of it, until it is taken back."""

    STREAM = "memory"
    WHEN = "`memories dismiss` was called."
    BY = "a person"


class MemoryRestored(Event, frozen=True, kw_only=True):
    """The owner wants to see it again."""

    STREAM = "memory"
    WHEN = "`memories restore` was called."
    BY = "a person"


MEMORY_EVENTS: tuple[type[Event], ...] = (
    MemoryCreated,
    MemoryRevised,
    MemoryRetired,
    MemoryDismissed,
    MemoryRestored,
)
"""In the order of a memory's life."""
