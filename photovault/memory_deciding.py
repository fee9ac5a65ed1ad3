"""A decision about one memory, appended to its stream."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain import memory as memories
from domain.commits import Cause, derive_id
from domain.errors import ConflictError
from domain.event_base import Event
from domain.eventstore import EventStore
from domain.memory import Memory, memory_stream

__all__ = ["decided"]


def decided(
    store: EventStore, owner: str, ident: str, actor: str, decide: Callable[[Memory], Sequence[Event]]
) -> tuple[Memory, Sequence[Event]]:
    """Load a memory, append what is decided about it, and give both: the memory as it is then, and the events.

    Cost:
        One load, and one append where anything is decided; a lost race costs one more of each.
    """
    stream = memory_stream(owner, ident)
    while True:
        loaded = store.load(stream)
        memory = memories.fold(stream, (each.event for each in loaded.events))
        events = decide(memory)
        if not events:
            return memory, ()
        cause = Cause(commit_id=derive_id("memory", stream, loaded.token), actor=actor, correlation_id=ident)
        try:
            store.append(stream, list(events), loaded.token, cause)
        except ConflictError:
            continue
        for event in events:
            memory = memories.evolve(memory, event)
        return memory, events
