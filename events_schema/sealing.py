"""Sealing of personal fields inside an event, with the key of its stream (docs/adr/0020-erasure.md).

A stored event is `data`, with placeholders where it is personal, and `sealed`: the personal fields as JSON, encrypted
with AES-256-GCM and bound to the event's id and to the scope of its key. When the key is destroyed the placeholders are
what it says; the bytes stay, and so does the hash over them.
"""

from __future__ import annotations

import os
from base64 import b64encode
from binascii import a2b_base64
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType, structs

from domain.commits import Commit, split_stream, stream_name
from domain.errors import NotFound, UnreadableEvent
from domain.events import Event
from domain.keys import Keys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

__all__ = ["Sealing"]

_NONCE_BYTES = 12
_encode = msgspec.json.Encoder().encode


class Sealing:
    """Seals and opens the personal fields of events.

    Args:
        events: the event types.
        keys: None: nothing is sealed.
    """

    def __init__(self, events: Sequence[type[Event]], keys: Keys | None) -> None:
        self._keys = keys
        self._personal = frozenset(cls for cls in events if cls.PERSONAL)
        self._decode = {cls: msgspec.json.Decoder(_fields_of(cls)).decode for cls in self._personal}
        self._last: tuple[bytes, AESGCM | None] = (b"", None)

    def needed(self, events: Sequence[Event]) -> bool:
        """Whether any of these has personal fields to seal."""
        return self._keys is not None and any(type(event) in self._personal for event in events)

    def prepare(self, streams: Iterable[str]) -> None:
        """Look keys up at once."""
        if self._keys is not None:
            self._keys.prepare(streams)

    def seal(self, stream: str, event_id: str, event: Event) -> tuple[Event, str | None]:
        """An event as it is stored: without what is personal, and that sealed (None: there is nothing of it). With a
        key that is destroyed, nothing personal is stored at all."""
        blank = type(event).PERSONAL
        said = {name: value for name in blank if (value := getattr(event, name)) != blank[name]}
        if not said:
            return event, None
        assert self._keys is not None
        scope = _scope(stream, event)
        key = self._keys.ensure(scope)
        stored = structs.replace(event, **{name: blank[name] for name in said})
        if key is None:
            return stored, None
        nonce = os.urandom(_NONCE_BYTES)
        sealed = nonce + self._cipher(key).encrypt(nonce, _encode(said), _bound(scope, event_id))
        return stored, b64encode(sealed).decode("ascii")

    def open(self, commit: Commit, event_id: str, stored: Event, sealed: str) -> Event:
        """The event as it was before it was sealed; as it is stored when its key is destroyed.

        Raises:
            UnreadableEvent: the key is missing, or this is not what was sealed with it.
        """
        plain = self._plain(commit, event_id, _scope(commit.stream, stored), sealed)
        if plain is None:
            return stored
        try:
            fields = self._decode[type(stored)](plain)
        except (KeyError, msgspec.DecodeError) as error:
            raise UnreadableEvent(f"event {event_id}: its sealed fields can't be read: {error}") from error
        said = {name: value for name, value in structs.asdict(fields).items() if value is not UNSET}
        return structs.replace(stored, **said)

    def fields(
        self, commit: Commit, event_id: str, cls: type[Event], data: dict[str, Any], sealed: str
    ) -> dict[str, Any]:
        """The sealed fields as plain data, of whatever version of the type; none when the key is destroyed."""
        scope = _scope_by(commit.stream, data.get(cls.SEALED_FOR) if cls.SEALED_FOR else None)
        plain = self._plain(commit, event_id, scope, sealed)
        return {} if plain is None else msgspec.json.decode(plain, type=dict[str, Any])

    def _plain(self, commit: Commit, event_id: str, scope: str, sealed: str) -> bytes | None:
        try:
            cipher = self._opener(scope)
            if cipher is None:
                return None
            raw = a2b_base64(sealed)
            return cipher.decrypt(raw[:_NONCE_BYTES], raw[_NONCE_BYTES:], _bound(scope, event_id))
        except NotFound as error:
            raise UnreadableEvent(f"{_where(commit, event_id)}: {error}") from error
        except ValueError as error:
            raise UnreadableEvent(f"{_where(commit, event_id)}: its sealed fields were changed: {error}") from error
        except Exception as error:  # InvalidTag, of a library that is loaded only where something is sealed
            what = "its personal fields were not sealed with this key, or changed"
            raise UnreadableEvent(f"{_where(commit, event_id)}: {what}") from error

    def _opener(self, scope: str) -> AESGCM | None:
        """The cipher of a scope; None when its key is destroyed. Neighbours in a history have the same one."""
        if self._keys is None:
            raise NotFound("its personal fields are sealed, and there are no keys here")
        key = self._keys.get(scope)
        if key is None:
            return None
        known, cipher = self._last
        if known is not key:
            cipher = self._cipher(key)
            self._last = (key, cipher)
        return cipher

    def _cipher(self, key: bytes) -> AESGCM:
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(key)


def _where(commit: Commit, event_id: str) -> str:
    return f"stream {commit.stream}, commit {commit.number}, event {event_id}"


def _scope(stream: str, event: Event) -> str:
    return _scope_by(stream, getattr(event, event.SEALED_FOR) if event.SEALED_FOR else None)


def _scope_by(stream: str, asset: str | None) -> str:
    return stream if asset is None else stream_name(split_stream(stream)[0], "asset", asset)


def _bound(scope: str, event_id: str) -> bytes:
    return f"{scope}\x1f{event_id}".encode()


def _fields_of(cls: type[Event]) -> Any:
    """A struct of the personal fields alone, each of which may be absent."""
    hints = get_type_hints(cls, include_extras=True)
    fields = [(name, hints[name] | UnsetType, UNSET) for name in cls.PERSONAL]
    return msgspec.defstruct(f"{cls.__name__}Personal", fields, frozen=True, gc=False)
