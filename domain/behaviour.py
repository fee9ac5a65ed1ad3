"""Behaviour: whether an owner agreed, and the streams that views and searches go to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from msgspec import Struct

from domain.behaviour_events import BehaviourAgreed, BehaviourWithdrawn
from domain.commits import Recorded, stream_name

__all__ = ["AGREEMENT", "Agreement", "agreement_of", "agreement_stream", "month_stream", "months"]

AGREEMENT = "agreement"
"""Id of the stream that says whether an owner agreed."""


class Agreement(Struct, frozen=True):
    """The last agreement of an owner."""

    number: int = 0  # how many there were
    since: datetime | None = None
    holds: bool = False


def agreement_of(events: Iterable[Recorded]) -> Agreement:
    """What the agreement's stream says now."""
    found = Agreement()
    for recorded in events:
        match recorded.event:
            case BehaviourAgreed(agreement=number):
                found = Agreement(number, recorded.commit.recorded_at, holds=True)
            case BehaviourWithdrawn():
                found = Agreement(found.number, found.since)
    return found


def agreement_stream(owner: str) -> str:
    """Where it is recorded whether the owner agreed."""
    return stream_name(owner, "behaviour", AGREEMENT)


def month_stream(owner: str, moment: datetime, agreement: int) -> str:
    """Where views and searches of a month go. Each agreement has streams of its own: the keys of an older one's are
    destroyed."""
    return stream_name(owner, "behaviour", f"{moment:%Y-%m}-{agreement}")


def months(first: datetime, last: datetime) -> Iterator[datetime]:
    """A moment in each month from one to another, both included."""
    at = first.replace(day=1)
    while (at.year, at.month) <= (last.year, last.month):
        yield at
        at = at.replace(year=at.year + at.month // 12, month=at.month % 12 + 1)
