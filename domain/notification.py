"""One message: why it is due, and what came of it. Pure.

queued -> claimed -> sent
                  -> failed (due again) -> claimed ...
                  -> given_up            it was surely not sent, and is not tried again
                  -> uncertain           it may have been sent; a person decides
queued -> withheld                       it may not be sent
collected                                no message, but a cause that is told of in a digest

Once it is claimed it takes no more causes: the next one begins the next part of the digest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from msgspec import Struct, structs

from domain.commits import Recorded, derive_id, split_stream, stream_name
from domain.events import Event
from domain.notification_events import (
    Kind,
    NotificationClaimed,
    NotificationCollected,
    NotificationFailed,
    NotificationPostponed,
    NotificationQueued,
    NotificationSent,
    NotificationWithheld,
)

__all__ = [
    "CLAIM",
    "MAX_ATTEMPTS",
    "MAX_CAUSES",
    "Cause",
    "Message",
    "Status",
    "claim",
    "evolve",
    "failed",
    "fold",
    "message_id",
    "notification_id",
    "notification_stream",
    "queue",
]

MAX_CAUSES = 200
"""Of one message; a digest with more has a second part."""
SHOWN_CAUSES = 20
"""Of which the words are kept; of the others the number."""
CLAIM = timedelta(minutes=15)
"""A claim that nothing came of for so long was made by somebody who died."""
MAX_ATTEMPTS = 5
_WAITS = (timedelta(minutes=1), timedelta(minutes=5), timedelta(minutes=30), timedelta(hours=2))

Status: TypeAlias = Literal["queued", "collected", "claimed", "sent", "failed", "given_up", "uncertain", "withheld"]


class Cause(Struct, frozen=True, array_like=True):
    """One thing to tell."""

    kind: Kind
    title: str
    detail: str = ""
    assets: tuple[str, ...] = ()
    subject: str | None = None


class Message(Struct, frozen=True, array_like=True):
    """State of one message."""

    id: str = ""
    owner: str = ""
    contact: str = ""
    status: Status = "queued"
    due_at: datetime | None = None
    digest: str | None = None
    kind: Kind = "test"  # of the first cause
    causes: tuple[Cause, ...] = ()
    known: tuple[str, ...] = ()  # ids of all causes
    queued_at: datetime | None = None
    attempts: int = 0
    message_id: str = ""
    claimed_at: datetime | None = None
    ended_at: datetime | None = None
    reason: str = ""
    by: str = ""
    commits: int = 0

    @property
    def open(self) -> bool:
        """Whether it takes more causes."""
        return self.status == "queued" and self.attempts == 0 and len(self.known) < MAX_CAUSES

    @property
    def look_at(self) -> datetime | None:
        """When somebody has to look at it next; None: it is at its end."""
        if self.status in ("queued", "failed"):
            return self.due_at
        return self.claimed_at + CLAIM if self.status == "claimed" and self.claimed_at else None


def notification_id(owner: str, contact: str, key: str, part: int = 1) -> str:
    """The message that a cause (or a digest's period) has for a contact; the same whenever it is asked."""
    return derive_id("notification", owner, contact, key, part)


def notification_stream(owner: str, message: str) -> str:
    """Name of a message's stream."""
    return stream_name(owner, "notification", message)


def message_id(message: str, host: str) -> str:
    """The Message-ID, the same at each attempt (RFC 5322, 3.6.4)."""
    return f"<{message}@{host}>"


def fold(stream: str, events: Iterable[Recorded], start: Message | None = None) -> Message:
    """The state after a stream's events, or after those that follow a known state."""
    owner, _, ident = split_stream(stream)
    message = start or Message(ident, owner)
    for recorded in events:
        message = evolve(message, recorded.event, recorded.commit.recorded_at, recorded.commit.number)
    return message


def evolve(message: Message, event: Event, at: datetime, number: int) -> Message:
    """The state after one more event, recorded at a time, in the commit of this number."""
    changed = structs.replace(message, commits=number)
    match event:
        case NotificationQueued() if event.cause not in message.known:
            cause = Cause(event.kind, event.title, event.detail, event.assets, event.subject)
            first = not message.known
            return structs.replace(
                changed,
                contact=event.contact,
                due_at=event.due_at if first else message.due_at,
                digest=event.digest if first else message.digest,
                kind=event.kind if first else message.kind,
                causes=(*message.causes, cause)[:SHOWN_CAUSES],
                known=(*message.known, event.cause),
                queued_at=message.queued_at or at,
            )
        case NotificationCollected() if message.queued_at is None:
            return structs.replace(changed, status="collected", digest=event.digest, due_at=event.due_at)
        case NotificationPostponed():
            return structs.replace(changed, due_at=event.until)
        case NotificationClaimed():
            return structs.replace(
                changed, status="claimed", attempts=event.attempt, message_id=event.message_id, claimed_at=at
            )
        case NotificationSent():
            return structs.replace(changed, status="sent", ended_at=at, by=event.by, reason="")
        case NotificationFailed(uncertain=True):
            return structs.replace(changed, status="uncertain", ended_at=at, reason=event.reason)
        case NotificationFailed(retry_at=None):
            return structs.replace(changed, status="given_up", ended_at=at, reason=event.reason)
        case NotificationFailed():
            return structs.replace(changed, status="failed", due_at=event.retry_at, reason=event.reason)
        case NotificationWithheld():
            return structs.replace(changed, status="withheld", ended_at=at, reason=event.reason)
    return changed


# --- decisions -------------------------------------------------------------------------------------------------------


def queue(message: Message, event: NotificationQueued) -> Sequence[Event] | None:
    """Add a cause; nothing when the message has it, None when it takes no more."""
    if event.cause in message.known:
        return ()
    return (event,) if not message.known or message.open else None


def claim(message: Message, now: datetime, ident: str) -> Sequence[Event]:
    """Say that it is about to be sent; nothing when it is not due, or somebody else said so a short while ago."""
    look_at = message.look_at
    if look_at is None or now < look_at:
        return ()
    return (NotificationClaimed(attempt=message.attempts + 1, message_id=ident, causes=len(message.known)),)


def failed(message: Message, now: datetime, reason: str, *, retryable: bool) -> NotificationFailed:
    """It was surely not sent: when it is tried again, if it is.

    Args:
        message: after its claim.
    """
    waits = retryable and message.attempts < MAX_ATTEMPTS
    retry_at = now + _WAITS[min(message.attempts, len(_WAITS)) - 1] if waits else None
    return NotificationFailed(attempt=max(1, message.attempts), reason=reason[:1000] or "failed", retry_at=retry_at)
