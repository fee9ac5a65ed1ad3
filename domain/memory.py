"""One memory: what it holds, and how it stays itself when pictures come and go. Pure.

An occasion (a trip or an event) is the memory that most of its pictures were in before; all other kinds are known by
their subject. What the owner dismissed stays dismissed, however it is revised, and what falls off it does not come back
as a new memory.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, structs

from domain.commits import derive_id, split_stream, stream_name
from domain.errors import NotFound
from domain.event_base import Event
from domain.memory_events import (
    MAX_MEMBERS,
    MemoryCreated,
    MemoryDismissed,
    MemoryKind,
    MemoryRestored,
    MemoryRetired,
    MemoryRevised,
)

__all__ = [
    "OCCASIONS",
    "Found",
    "Matched",
    "Memory",
    "dismiss",
    "evolve",
    "fold",
    "matched",
    "memory_id",
    "memory_stream",
    "remember",
    "restore",
    "retire",
]

OCCASIONS: frozenset[MemoryKind] = frozenset(("trip", "event"))
"""Kinds that are known by their pictures. One may become the other: the weekend that a party turns out to be."""

SAME = 0.5
"""Of the pictures of the smaller of two, so many must be in the other for them to be the same."""


class Found(Struct, frozen=True, kw_only=True):
    """What a look at the pictures says that a memory is."""

    kind: MemoryKind
    title: str
    since: str  # local
    until: str
    members: tuple[str, ...]
    pictures: tuple[str, ...]
    cover: str
    subject: str = ""
    place: str | None = None


class Memory(Struct, frozen=True):
    """State of one memory."""

    id: str = ""
    found: Found | None = None
    dismissed: bool = False
    retired: str | None = None  # why
    into: str | None = None

    @property
    def live(self) -> bool:
        """Whether it is one, dismissed or not."""
        return self.found is not None and self.retired is None


def memory_stream(owner: str, memory: str) -> str:
    """Name of a memory's stream."""
    return stream_name(owner, "memory", memory)


def memory_id(owner: str, found: Found) -> str:
    """The id of a new memory: of an occasion by its first picture, of any other by its subject."""
    return derive_id(
        owner, "memory", *(("occasion", found.members[0]) if found.kind in OCCASIONS else (found.kind, found.subject))
    )


def fold(stream: str, events: Iterable[Event]) -> Memory:
    """The state after a stream's events."""
    memory = Memory(split_stream(stream)[2])
    for event in events:
        memory = evolve(memory, event)
    return memory


def evolve(memory: Memory, event: Event) -> Memory:
    """The state after one more event."""
    match event:
        case MemoryCreated():
            found = Found(**{name: getattr(event, name) for name in Found.__struct_fields__})
            return structs.replace(memory, found=found, retired=None, into=None)
        case MemoryRevised() if memory.found is not None:
            gone = set(event.removed)
            members = tuple(dict.fromkeys((*(m for m in memory.found.members if m not in gone), *event.added)))
            now = {
                name: getattr(event, name) for name in ("kind", "title", "since", "until", "pictures", "cover", "place")
            }
            return structs.replace(
                memory, found=structs.replace(memory.found, members=members, **now), retired=None, into=None
            )
        case MemoryRetired():
            return structs.replace(memory, retired=event.reason, into=event.into)
        case MemoryDismissed():
            return structs.replace(memory, dismissed=True)
        case MemoryRestored():
            return structs.replace(memory, dismissed=False)
    return memory


# --- decide ----------------------------------------------------------------------------------------------------------


def remember(memory: Memory, found: Found) -> Sequence[Event]:
    """Pictures that are this memory were found: it is created, or revised by what is different; else nothing."""
    found = structs.replace(found, members=_thinned(found.members))
    was = memory.found
    if was is None:
        return (MemoryCreated(**structs.asdict(found)),)
    old, new = set(was.members), set(found.members)
    changes = {
        "retired": memory.retired is not None,
        "kind": was.kind != found.kind,
        "members": old != new,
        "time": (was.since, was.until) != (found.since, found.until),
        "title": was.title != found.title,
        "place": was.place != found.place,
        "pictures": was.pictures != found.pictures,
        "cover": was.cover != found.cover,
    }
    names = tuple(name for name, changed in changes.items() if changed)
    if not names:
        return ()
    return (
        MemoryRevised(
            changes=names,
            kind=found.kind,
            title=found.title,
            since=found.since,
            until=found.until,
            added=tuple(each for each in found.members if each not in old),
            removed=tuple(each for each in was.members if each not in new),
            pictures=found.pictures,
            cover=found.cover,
            place=found.place,
        ),
    )


def retire(memory: Memory, reason: str, into: str | None = None) -> Sequence[Event]:
    """It is no memory any more; nothing when it is none."""
    return (MemoryRetired(reason=reason, into=into),) if memory.live else ()


def dismiss(memory: Memory) -> Sequence[Event]:
    """The owner does not want to see it; nothing when that is known."""
    _must_be(memory)
    return () if memory.dismissed else (MemoryDismissed(),)


def restore(memory: Memory) -> Sequence[Event]:
    """The owner wants to see it again; nothing when it was not dismissed."""
    _must_be(memory)
    return (MemoryRestored(),) if memory.dismissed else ()


def _must_be(memory: Memory) -> None:
    if memory.found is None:
        raise NotFound(f"there is no memory {memory.id!r}: `photovault memories list` lists those there are")


def _thinned(members: tuple[str, ...]) -> tuple[str, ...]:
    if len(members) <= MAX_MEMBERS:
        return members
    return tuple(members[i * len(members) // MAX_MEMBERS] for i in range(MAX_MEMBERS))


# --- which occasion is which memory ----------------------------------------------------------------------------------


class Matched(Struct, frozen=True):
    """Which memories occasions are."""

    same: Mapping[int, str]  # number of the occasion -> id of its memory
    fallen_off: frozenset[int]  # occasions that are no memory: their pictures were dismissed with another one
    gone: Mapping[str, str | None]  # live memories without an occasion -> the memory that has their pictures now


def matched(occasions: Sequence[Sequence[str]], memories: Sequence[Memory]) -> Matched:
    """Give each occasion the memory that shares most pictures with it, and each memory to one occasion at most.

    Args:
        occasions: members of each.
        memories: all occasions of the same time that were remembered before, live ones and others.
    """
    where = {asset: n for n, members in enumerate(occasions) for asset in members}
    shared: dict[tuple[int, str], int] = {}
    sizes = {each.id: len(each.found.members) for each in memories if each.found is not None}
    for memory in memories:
        for asset in memory.found.members if memory.found is not None else ():
            if asset in where:
                pair = (where[asset], memory.id)
                shared[pair] = shared.get(pair, 0) + 1
    by_id = {each.id: each for each in memories}
    same: dict[int, str] = {}
    taken: set[str] = set()
    order = sorted(shared.items(), key=lambda item: (-item[1], not by_id[item[0][1]].live, item[0][1], item[0][0]))
    for (n, ident), count in order:
        if n not in same and ident not in taken and count >= SAME * min(len(occasions[n]), sizes[ident]):
            same[n] = ident
            taken.add(ident)
    fallen_off = {
        n
        for (n, ident), count in order
        if n not in same and by_id[ident].dismissed and count >= SAME * len(occasions[n])
    }
    gone: dict[str, str | None] = {}
    for memory in memories:
        if memory.live and memory.id not in taken:
            heirs = [(count, same[n]) for (n, ident), count in order if ident == memory.id and n in same]
            gone[memory.id] = max(heirs, key=lambda heir: heir[0])[1] if heirs else None
    return Matched(same, frozenset(fallen_off), gone)
