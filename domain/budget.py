"""What a service that costs money may cost in a month, kept in `Checkpoints`: reserved before a call, so that workers
side by side never spend more than the cap; given back when the call failed and nothing was billed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
from msgspec import Struct

from domain.errors import PhotoVaultError, ServicePaused
from domain.eventstore import utc_now
from domain.ports import Checkpoints

__all__ = ["Budget"]

_KIND = "budget"
_TRIES = 50


class _Spent(Struct, frozen=True):
    microusd: int = 0
    calls: int = 0


_decode = msgspec.msgpack.Decoder(_Spent).decode
_encode = msgspec.msgpack.Encoder().encode


class Budget:
    """The budget of one service, by calendar month (UTC).

    Args:
        checkpoints: where the sum stands; shared by all workers.
        service: its name.
        cap_microusd: the most that a month may cost, in millionths of a dollar.
    """

    def __init__(
        self, checkpoints: Checkpoints, service: str, cap_microusd: int, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self._checkpoints = checkpoints
        self._service = service
        self._cap = cap_microusd
        self._clock = clock

    def reserve(self, microusd: int) -> str:
        """Set an amount aside before a call; the month that it belongs to, for `give_back`.

        Raises:
            ServicePaused: the month's cap would be passed.
        Cost:
            1 read and 1 conditional write; more of both while others reserve at the same moment.
        """
        month = self._clock().astimezone(UTC).strftime("%Y-%m")
        self._add(month, microusd, 1)
        return month

    def give_back(self, month: str, microusd: int) -> None:
        """The call failed: nothing was billed."""
        self._add(month, -microusd, -1)

    def spent(self) -> int:
        """Millionths of a dollar in this month."""
        return self._load(self._clock().astimezone(UTC).strftime("%Y-%m"))[0].microusd

    def _add(self, month: str, microusd: int, calls: int) -> None:
        for _ in range(_TRIES):
            spent, revision = self._load(month)
            if microusd > 0 and spent.microusd + microusd > self._cap:
                raise ServicePaused(
                    f"the cap of {self._cap / 1e6:.2f} USD a month for {self._service} is reached "
                    f"({spent.microusd / 1e6:.2f} USD for {spent.calls:,} calls in {month})"
                )
            after = _Spent(max(0, spent.microusd + microusd), max(0, spent.calls + calls))
            if self._checkpoints.save(_KIND, self._name(month), _encode(after), expected=revision) is not None:
                return
        raise PhotoVaultError(f"too many workers ask for {self._service} at once")  # a later attempt helps

    def _load(self, month: str) -> tuple[_Spent, int]:
        entry = self._checkpoints.load(_KIND, self._name(month))
        return (_decode(entry.value), entry.revision) if entry else (_Spent(), 0)

    def _name(self, month: str) -> str:
        return f"{self._service}/{month}"
