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
    parked_us: int  # since when


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
        before = _decode(earlier.value) if earlier else None
        text = f"{type(error).__name__}: {error}"[:1000]
        since = before.parked_us if before else to_us(self._clock())
        parked = Parked(consumer, stream, commit, text, (before.attempts if before else 0) + 1, since)
        self._checkpoints.save(_KIND, name, _encode(parked), expected=None)

    def release(self, consumer: str, stream: str) -> None:
        """The stream waits no longer."""
        self._checkpoints.delete(_KIND, f"{consumer}/{stream}")

    def list(self) -> list[Parked]:
        """All that waits."""
        return [_decode(entry.value) for entry in self._checkpoints.list(_KIND)]
