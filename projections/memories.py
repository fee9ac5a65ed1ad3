"""Memories: what an owner's pictures were found to hold, by the time that it began."""

from __future__ import annotations

from typing import Any

from domain import memory as memories
from domain.commits import Commit, split_stream
from domain.memory import Memory
from domain.memory_events import MEMORY_EVENTS
from projections.base import Locate, Projection

__all__ = ["RETIRED", "Memories"]

RETIRED = "~"
"""Before the time of those that are none any more: they sort behind the others, and are found when they come back."""


def _moved(state: Memory, event: Any, commit: Commit) -> Memory:
    return memories.evolve(state, event)


class Memories(Projection[Memory]):
    """An owner's memories."""

    name = "memories"
    version = 1
    about = "an owner's memories: what belongs to each, what it shows, its title and its cover"
    category = "memory"
    indexes = ("time",)
    state = Memory
    on = dict.fromkeys(MEMORY_EVENTS, _moved)

    def start(self, stream: str) -> Memory:
        """Nothing is remembered yet."""
        return Memory(split_stream(stream)[2])

    def keys(self, state: Memory) -> tuple[str | None, ...]:
        """By its beginning; apart, those that are retired."""
        if state.found is None:
            return (None,)
        return (state.found.since if state.live else f"{RETIRED}{state.found.since}",)

    def show(self, state: Memory, locate: Locate) -> dict[str, Any]:
        """What it is; nothing here leads to a picture (see `photovault.memories`)."""
        found = state.found
        return {
            "memory": state.id,
            "kind": found.kind if found else None,
            "subject": found.subject if found else None,
            "title": found.title if found else None,
            "since": found.since if found else None,
            "until": found.until if found else None,
            "place": found.place if found else None,
            "members": len(found.members) if found else 0,
            "dismissed": state.dismissed,
            "retired": state.retired,
            "into": state.into,
        }
