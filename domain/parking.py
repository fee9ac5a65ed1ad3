"""Parking: what a consumer of events could not take waits alone, with its reason, and everything else moves on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec
from msgspec import Struct

from domain.commits import to_us
from domain.eventstore import utc_now
from domain.ports import Checkpoints

_KIND = "parked"


class Parked(Struct, frozen=True):
    """A stream that a consumer could not read or fold."""

    consumer: str  # a projection's name, or "relay"
    stream: str
    commit: int  # number of the last commit that was tried
    error: str
    attempts: int
    parked_us: int


_decode = msgspec.msgpack.Decoder(Parked).decode
_encode = msgspec.msgpack.Encoder().encode


class Parking:
    """Parked streams, kept in `Checkpoints`."""

    def __init__(self, checkpoints: Checkpoints, clock: Callable[[], datetime] = utc_now) -> None:
        self._checkpoints = checkpoints
        self._clock = clock

    def park(self, consumer: str, stream: str, commit: int, error: Exception) -> None:
        """Note that a stream waits, and why; once more if it waits already."""
        name = f"{consumer}/{stream}"
        earlier = self._checkpoints.load(_KIND, name)
        attempts = _decode(earlier.value).attempts if earlier else 0
        text = f"{type(error).__name__}: {error}"[:1000]
        parked = Parked(consumer, stream, commit, text, attempts + 1, to_us(self._clock()))
        self._checkpoints.save(_KIND, name, _encode(parked), expected=None)

    def release(self, consumer: str, stream: str) -> None:
        """The stream waits no longer."""
        self._checkpoints.delete(_KIND, f"{consumer}/{stream}")

    def list(self) -> list[Parked]:
        """All that waits."""
        return [_decode(entry.value) for entry in self._checkpoints.list(_KIND)]
