"""What upkeep has done is an event, in a stream of the vault's own for each month."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from domain.commits import Cause, Recorded, derive_id
from domain.errors import ConflictError
from domain.events import Event
from domain.upkeep import stream_of
from photovault.owned import UpkeptVault

__all__ = ["last", "recent", "record"]

_MONTHS = 13
_ACTOR = "upkeep"


def record(vault: UpkeptVault, event: Event) -> None:
    """Append what was done."""
    now: datetime = vault.clock()
    stream = stream_of(f"{now:%Y-%m}")
    while True:
        loaded = vault.store.load(stream)
        said = derive_id(stream, loaded.token)
        try:
            vault.store.append(stream, [event], loaded.token, Cause(commit_id=said, actor=_ACTOR, correlation_id=said))
        except ConflictError:
            continue
        return


def recent(vault: UpkeptVault) -> Iterator[Recorded]:
    """What was done in the last year, the newest first. Cost: one read a month, until the caller has enough."""
    month: datetime = vault.clock().replace(day=1)
    for _ in range(_MONTHS):
        yield from reversed(vault.store.load(stream_of(f"{month:%Y-%m}")).events)
        month = (month - timedelta(days=1)).replace(day=1)


def last(vault: UpkeptVault, kind: type[Event]) -> Recorded | None:
    """The newest event of a kind."""
    return next((each for each in recent(vault) if isinstance(each.event, kind)), None)
