"""The codec: events to the bytes of a commit's body, and back, whatever version they were recorded in.

What does not satisfy its own schema is never written; what can't be read raises `UnreadableEvent`, nothing else.
Replay lives on `EventCodec.decode`: one call into msgspec for the whole commit, then one `Recorded` an event.

Personal fields (`Event.PERSONAL`) are stored sealed, beside data that says of them what stays when their key is gone
(`events_schema.sealing`): so what is stored satisfies its schema with the key and without.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, NoReturn, Union

import msgspec
from msgspec import Meta, Struct

from domain.commits import Commit, Recorded
from domain.errors import InvalidEvent, UnreadableEvent
from domain.events import EVENTS, Event
from domain.keys import Keys
from events_schema.sealing import Sealing
from events_schema.upcasters import UPCASTERS, Upcasters, check_upcasters

__all__ = ["Envelope", "EventCodec"]

_Moment = Annotated[datetime, Meta(tz=True, description="When it happened, UTC.")]
_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
_UNWRITABLE = (TypeError, ValueError, OverflowError, RecursionError, msgspec.EncodeError)
_to_json = msgspec.json.Encoder().encode
_MISSING_FIELD = re.compile(r"missing required field `([^`]*)`")
_PATH = re.compile(r" - at `\$\.?([^`]*)`$")


class Envelope(Struct, frozen=True, kw_only=True):
    """What surrounds the data of every event in the body of a commit, whatever its type and version."""

    type: Annotated[str, Meta(min_length=1, description="Name of the event type.")]
    event_id: Annotated[str, Meta(description="Unique: the id of its commit, a hyphen, its place from 1.")]
    schema_version: Annotated[int, Meta(ge=1, description="Version of the type's schema that `data` satisfies.")]
    occurred_at: _Moment
    sealed: Annotated[
        str | None,
        Meta(description="Personal fields of `data`: base64 of AES-256-GCM over a JSON object. Absent: none."),
    ] = None
    data: Annotated[msgspec.Raw, Meta(description="The fact itself: an object, as the type's schema says.")]


class EventCodec:
    """Encodes the events of one commit as JSON, and decodes them, upcasting what an older version recorded.

    Args:
        events: every event type, in its current version.
        upcasters: (type, from version) -> function that lifts plain data by one version.
        keys: what personal fields are sealed with; none are sealed without, and sealed ones can't be read.
    Raises:
        ValueError: two types share a name, or an upcaster is missing or leads nowhere.
    """

    def __init__(
        self,
        events: Sequence[type[Event]] = EVENTS,
        upcasters: Upcasters = UPCASTERS,
        keys: Keys | None = None,
    ) -> None:
        self._sealing = Sealing(events, keys)
        check_upcasters(events, upcasters)
        self._upcasters = upcasters
        self._types = {cls.__name__: cls for cls in events}
        if len(self._types) != len(events):
            raise ValueError("two event types share a name: the name is what the history stores, so it must be unique")
        self._envelopes = {cls: _envelope_of(cls) for cls in events}
        # A tagged union that admits the current versions only: msgspec checks type, version and data in one pass.
        union: Any = Union[tuple(self._envelopes.values())]  # noqa: UP007 - the members are known at run time
        self._decode_current: Callable[[bytes], list[Any]] = msgspec.json.Decoder(list[union]).decode
        self._decode_envelopes = msgspec.json.Decoder(list[Envelope]).decode
        self._decode_data = {cls: msgspec.json.Decoder(cls).decode for cls in events}

    def encode(self, events: Sequence[Event], commit_id: str, occurred_at: datetime, stream: str = "") -> bytes:
        """The body of a commit; event ids are `<commit_id>-1`, `-2`, ... Personal fields are sealed for `stream`, if
        one is named and there are keys.

        Raises:
            InvalidEvent: an event would not read back as it is; names its type and the field.
        """
        if not events:
            raise InvalidEvent("a commit holds at least one event")
        if occurred_at.tzinfo is None:
            raise InvalidEvent("occurred_at has no time zone: give a UTC datetime")
        moment = occurred_at.astimezone(UTC)
        try:
            envelopes = [
                self._envelopes[type(event)](f"{commit_id}-{i}", event.VERSION, moment, event)
                for i, event in enumerate(events, 1)
            ]
            body = _to_json(envelopes)
            # Equality too: NaN is written as null, and a list comes back as a tuple.
            reads_back = self._decode_current(body) == envelopes
        except (KeyError, *_UNWRITABLE, *_UNREADABLE):
            reads_back = False
        if not reads_back:
            self._refuse(events, commit_id)
        if not stream or not self._sealing.needed(events):
            return body
        return _to_json(
            [
                self._envelopes[type(event)](f"{commit_id}-{i}", event.VERSION, moment, data, sealed)
                for i, event in enumerate(events, 1)
                for data, sealed in [self._sealing.seal(stream, f"{commit_id}-{i}", event)]
            ]
        )

    def prepare(self, streams: Iterable[str]) -> None:
        """Look the keys of many streams up at once, before their commits are decoded."""
        self._sealing.prepare(streams)

    def decode(self, commit: Commit, body: bytes) -> list[Recorded]:
        """The events of a commit, in order. `body` is given apart, because the commit may hold a claim check.

        Cost:
            0.5 to 1.1 µs an event of the current version, nearly all of it msgspec; 4 µs an older one.
        Raises:
            UnreadableEvent: names stream, commit, event type, version and field.
        """
        try:
            envelopes = self._decode_current(body)
        except _UNREADABLE:
            return self._decode_any(commit, body)
        if len(envelopes) != commit.count:
            _unreadable(commit, f"says that it holds {commit.count} events, but has {len(envelopes)}")
        if commit.count == 1:
            only = envelopes[0]
            data = (
                only.data if only.sealed is None else self._sealing.open(commit, only.event_id, only.data, only.sealed)
            )
            return [Recorded(data, commit.first_version, only.event_id, only.occurred_at, commit)]
        return [
            Recorded(
                each.data if each.sealed is None else self._sealing.open(commit, each.event_id, each.data, each.sealed),
                version,
                each.event_id,
                each.occurred_at,
                commit,
            )
            for version, each in enumerate(envelopes, commit.first_version)
        ]

    def _decode_any(self, commit: Commit, body: bytes) -> list[Recorded]:
        """The slow path: each event by its own version, and a message that says what is wrong where."""
        try:
            envelopes = self._decode_envelopes(body)
        except _UNREADABLE as error:
            field, what = _explain(error)
            _unreadable(commit, f"{f'field {field}: ' if field else ''}{what}", error)
        if len(envelopes) != commit.count:
            _unreadable(commit, f"says that it holds {commit.count} events, but has {len(envelopes)}")
        return [
            Recorded(self._lift(commit, each), version, each.event_id, each.occurred_at, commit)
            for version, each in enumerate(envelopes, commit.first_version)
        ]

    def _lift(self, commit: Commit, envelope: Envelope) -> Event:
        """One event, upcast one version at a time to the version of today."""
        name, recorded = envelope.type, envelope.schema_version
        where = f"event {envelope.event_id} of type {name}, version {recorded}"
        cls = self._types.get(name)
        if cls is None:
            _unreadable(commit, f"{where}: this type is not known; was it written by a newer PhotoVault?")
        if recorded > cls.VERSION:
            _unreadable(commit, f"{where}: the newest version known here is {cls.VERSION}; update PhotoVault")
        version = recorded
        try:
            if version == cls.VERSION and envelope.sealed is None:
                return self._decode_data[cls](envelope.data)
            data = msgspec.json.decode(envelope.data, type=dict[str, Any])
            if envelope.sealed is not None:
                data |= self._sealing.fields(commit, envelope.event_id, cls, data, envelope.sealed)
            while version < cls.VERSION:
                data = self._upcasters[name, version](data)
                version += 1
            return msgspec.convert(data, cls, str_keys=True)
        except UnreadableEvent:
            raise
        except _UNREADABLE as error:
            field, what = _explain(error)
            lifted = f" (upcast to version {version})" if version != recorded else ""
            _unreadable(commit, f"{where}{lifted}: field {field or 'data'}: {what}", error)
        except Exception as error:  # an upcaster meets what no schema of its time allowed: park it, go on
            what = f"{type(error).__name__}: {error}"
            _unreadable(commit, f"{where}: the upcaster from version {version} failed: {what}", error)

    def _refuse(self, events: Sequence[Event], commit_id: str) -> NoReturn:
        """Name the event and the field that `encode` stumbled over."""
        for event in events:
            name = type(event).__name__
            if type(event) not in self._envelopes:
                raise InvalidEvent(f"{name} is not one of the event types: add it to EVENTS in domain/events.py")
            fault = self._fault(event)
            if fault:
                raise InvalidEvent(f"{name}, field {fault}")
        raise InvalidEvent(f"the commit id {commit_id!r} can't be written as JSON")

    def _fault(self, event: Event) -> str:
        """The field that keeps the event from reading back as it is, and why; "" when it does read back."""
        try:
            back = self._decode_data[type(event)](_to_json(event))
        except (*_UNREADABLE, *_UNWRITABLE) as error:
            field, what = _explain(error)
            return f"{field or _unwritable_field(event)}: {what}"
        for name in event.__struct_fields__:
            wrote, reads = getattr(event, name), getattr(back, name)
            if wrote != reads:
                return f"{name}: it would read back as {reads!r}, not as {wrote!r}"
        return ""


def _envelope_of(cls: type[Event]) -> type[Struct]:
    """The envelope of one type in its current version: `Literal` sends every other version down the slow path."""
    return msgspec.defstruct(
        f"{cls.__name__}Envelope",
        [
            ("event_id", str),
            ("schema_version", Literal[cls.VERSION]),
            ("occurred_at", _Moment),
            ("data", cls),
            ("sealed", str | None, None),
        ],
        omit_defaults=True,
        tag_field="type",
        tag=cls.__name__,
        frozen=True,
        gc=False,
    )


def _explain(error: Exception) -> tuple[str, str]:
    """The dotted path of the field ("" when msgspec does not say) and what is wrong with it."""
    text = str(error)
    at = _PATH.search(text)
    path = at[1] if at else ""
    missing = _MISSING_FIELD.search(text)
    if missing:
        path = f"{path}.{missing[1]}" if path else missing[1]
    return path, text[: at.start()] if at else text


def _unwritable_field(event: Event) -> str:
    """Name of the first field that has no JSON form; "data" when it is none of them alone."""
    for name in event.__struct_fields__:
        try:
            _to_json(getattr(event, name))
        except _UNWRITABLE:
            return name
    return "data"


def _unreadable(commit: Commit, what: str, cause: BaseException | None = None) -> NoReturn:
    raise UnreadableEvent(f"stream {commit.stream}, commit {commit.number}: {what}") from cause
