"""A small event type with a past, for tests: `NoteTaken` is at version 3, and `recorded_notes.json` holds all three.

Version 1 had `text` and `minutes`; 2 renamed `text` to `title`; 3 measures `duration_ms` and knows an author.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from msgspec import Meta, Struct

from domain.events import Event
from events_schema.upcasters import Upcaster

RECORDED = Path(__file__).with_name("recorded_notes.json")


class Author(Struct, frozen=True):
    """Who wrote a note."""

    name: Annotated[str, Meta(min_length=1, description="As the person spells it.")]


class NoteTaken(Event, frozen=True, kw_only=True):
    """Somebody wrote something down."""

    VERSION = 3
    STREAM = "note"
    WHEN = "A person pressed Save."
    BY = "a person"

    title: Annotated[str, Meta(min_length=1, description="First line.")]
    duration_ms: Annotated[int, Meta(ge=0, description="How long it took to write.")]
    author: Annotated[Author | None, Meta(description="Who wrote it, where known.")] = None


def title_for_text(data: dict[str, Any]) -> dict[str, Any]:
    """The text is called title."""
    return {"title": data["text"], "minutes": data["minutes"]}


def milliseconds_for_minutes(data: dict[str, Any]) -> dict[str, Any]:
    """Durations are in milliseconds."""
    return {"title": data["title"], "duration_ms": data["minutes"] * 60_000}


NOTE_UPCASTERS: dict[tuple[str, int], Upcaster] = {
    ("NoteTaken", 1): title_for_text,
    ("NoteTaken", 2): milliseconds_for_minutes,
}
