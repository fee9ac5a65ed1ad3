"""The peer of the event store's benchmarks: the library `eventsourcing` (PyPI, 9.5), set up as its documentation says.

Two ways to write its events are measured. *msgspec*: events are msgspec structs, stored as JSON by a mapper of a few
lines and folded by a plain function; its documentation builds one example in this way, and nothing in the library is
faster. *default*: `Aggregate` with `@event`, stored by its own `JSONTranscoder`.

Both use its SQLite recorder as it comes: WAL, synchronous=FULL (checked), no snapshots, no cache.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, ClassVar
from uuid import UUID, uuid4

import msgspec
from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Mapper, StoredEvent, Transcoder
from eventsourcing.utils import get_topic, resolve_topic
from msgspec import Struct

from domain.events import EVENTS, Event

_now = partial(datetime.now, UTC)
_to_json = msgspec.json.Encoder().encode


# --- msgspec ---------------------------------------------------------------------------------------------------------


class Fact(Struct, frozen=True, kw_only=True):
    """One event of theirs around one event of ours: the same data on both sides."""

    originator_id: UUID
    originator_version: int
    timestamp: datetime = msgspec.field(default_factory=_now)
    event_id: UUID = msgspec.field(default_factory=uuid4)


FACTS: dict[type[Event], type[Fact]] = {
    kind: msgspec.defstruct(
        f"{kind.__name__}Fact", [("data", kind)], bases=(Fact,), module=__name__, frozen=True, kw_only=True
    )
    for kind in EVENTS
}
globals().update({fact.__name__: fact for fact in FACTS.values()})  # topics name them by module and attribute


class StructMapper(Mapper[UUID]):
    """Structs to JSON and back; one decoder a type is kept."""

    _decoders: ClassVar[dict[str, Any]] = {}

    def to_stored_event(self, domain_event: Any) -> StoredEvent:
        """One event of theirs as the recorder takes it."""
        return StoredEvent(
            domain_event.originator_id,
            domain_event.originator_version,
            get_topic(domain_event.__class__),
            _to_json(domain_event),
        )

    def to_domain_event(self, stored_event: StoredEvent) -> Any:
        """The inverse."""
        decode = self._decoders.get(stored_event.topic)
        if decode is None:
            decode = msgspec.json.Decoder(resolve_topic(stored_event.topic)).decode
            self._decoders[stored_event.topic] = decode
        return decode(stored_event.state)


class NoTranscoder(Transcoder):
    """The mapper does it all; the library insists on having one."""

    def encode(self, obj: Any) -> bytes:
        """Never called."""
        raise NotImplementedError

    def decode(self, data: bytes) -> Any:
        """Never called."""
        raise NotImplementedError


class StructApplication(Application[UUID]):
    """Their application with struct events; pages of the notification log are a hundred times their default."""

    env: ClassVar[dict[str, str]] = {
        "MAPPER_TOPIC": "benchmarks.peers:StructMapper",
        "TRANSCODER_TOPIC": "benchmarks.peers:NoTranscoder",
    }
    log_section_size = 1000


class State(Struct, frozen=True):
    """What their fold comes to: the last event of each type, far less than `domain.asset` works out."""

    id: UUID
    version: int
    facts: dict[str, Any]


def fold(state: State | None, facts: Iterable[Any]) -> State | None:
    """The projector function of their repository."""
    for fact in facts:
        known = {**state.facts, type(fact).__name__: fact.data} if state else {type(fact).__name__: fact.data}
        state = State(fact.originator_id, fact.originator_version, known)
    return state


# --- default ---------------------------------------------------------------------------------------------------------


class Photo(Aggregate):
    """An aggregate in the style of their tutorial; its data are plain JSON values."""

    def __init__(self, data: dict[str, Any]) -> None:
        self.facts = {"AssetUploaded": data}

    @event("Found")
    def find(self, kind: str, data: dict[str, Any]) -> None:
        """Any event after the upload."""
        self.facts[kind] = data


class DefaultApplication(Application[UUID]):
    """Their application as it comes."""

    log_section_size = 1000


def open_application(kind: type[Application[UUID]], path: Path) -> Application[UUID]:
    """Their application on a SQLite file.

    Raises:
        RuntimeError: it does not write as durably as ours.
    """
    application = kind(
        {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(path),
            "SQLITE_LOCK_TIMEOUT": "60",
        }
    )
    with application.factory.datastore.get_connection(commit=True) as connection:  # type: ignore[attr-defined]
        cursor = connection.cursor()
        found = []
        for pragma in ("journal_mode", "synchronous"):
            cursor.execute(f"PRAGMA {pragma}")
            found.append(cursor.fetchone()[0])
    if found != ["wal", 2]:
        raise RuntimeError(f"journal mode and synchronous are {found}, not WAL and FULL: no fair comparison")
    return application
