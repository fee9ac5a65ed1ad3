"""Contacts, and messages: by owner for people to read, and by the time they are due for the one who sends them.

Both views lie in one partition, each row under its owner's name: the sender asks once for whatever is due of anybody's,
and there are few. Whoever asks for an owner asks for the range of keys that begin with the owner's name.
"""

from __future__ import annotations

from typing import Any

from domain import contact as contacts
from domain import notification as notifications
from domain.commits import VAULT_OWNER, Commit, split_stream
from domain.contact import Contact
from domain.notification import Message
from domain.notification_events import (
    KINDS,
    ContactAdded,
    ContactConfirmed,
    ContactPreferred,
    ContactSuppressed,
    ContactUnsubscribed,
    NotificationClaimed,
    NotificationCollected,
    NotificationFailed,
    NotificationPostponed,
    NotificationQueued,
    NotificationSent,
    NotificationWithheld,
)
from projections.base import Locate, Projection

__all__ = ["PARTITION", "Contacts", "Notifications", "owned", "owner_in"]

PARTITION = VAULT_OWNER


def owned(owner: str) -> tuple[str, str]:
    """Keys of an owner's rows: (from, to)."""
    return f"{owner}#", f"{owner}$"


def owner_in(key: str) -> str:
    """Whose row it is."""
    return key.partition("#")[0]


def _home(stream: str) -> tuple[str, str]:
    owner, _, ident = split_stream(stream)
    return PARTITION, f"{owner}#{ident}"


def _contact(state: Contact, event: Any, commit: Commit) -> Contact:
    return contacts.evolve(state, event, commit.recorded_at)


def _message(state: Message, event: Any, commit: Commit) -> Message:
    return notifications.evolve(state, event, commit.recorded_at, commit.number)


class Contacts(Projection[Contact]):
    """Who may be told of things; the index `address` holds whose an address is."""

    name = "contacts"
    version = 1
    about = "who may be told of things: address, agreement, what they want to know, when they want quiet"
    category = "contact"
    indexes = ("address",)
    state = Contact
    on = dict.fromkeys(
        (ContactAdded, ContactConfirmed, ContactPreferred, ContactUnsubscribed, ContactSuppressed), _contact
    )

    def start(self, stream: str) -> Contact:
        """Nobody yet."""
        return Contact(split_stream(stream)[2])

    def home(self, stream: str) -> tuple[str, str]:
        """All in one partition, by owner."""
        return _home(stream)

    def keys(self, state: Contact) -> tuple[str | None, ...]:
        """By address."""
        return (f"{state.channel}:{state.address}" if state.address else None,)

    def show(self, state: Contact, locate: Locate) -> dict[str, Any]:
        """What holds now."""
        return {
            "contact": state.id,
            "channel": state.channel,
            "address": state.address,
            "name": state.name,
            "zone": state.zone,
            "confirmed_at": state.confirmed_at,
            "unsubscribed": state.unsubscribed,
            "suppressed": state.suppressed,
            "quiet": [state.quiet_from, state.quiet_until] if state.quiet_from else None,
            "paces": {kind: state.pace(kind) for kind in KINDS},
        }


class Notifications(Projection[Message]):
    """Messages; the index `due` holds those that somebody has to look at, `owner` all of an owner's by time."""

    name = "notifications"
    version = 1
    about = "messages to contacts: what is due, what was sent, what was not and why"
    category = "notification"
    indexes = ("due", "owner")
    state = Message
    on = dict.fromkeys(
        (
            NotificationQueued,
            NotificationCollected,
            NotificationPostponed,
            NotificationClaimed,
            NotificationSent,
            NotificationFailed,
            NotificationWithheld,
        ),
        _message,
    )

    def start(self, stream: str) -> Message:
        """Nothing to tell yet; whose it is follows from the stream."""
        owner, _, ident = split_stream(stream)
        return Message(ident, owner)

    def home(self, stream: str) -> tuple[str, str]:
        """All in one partition, by owner."""
        return _home(stream)

    def keys(self, state: Message) -> tuple[str | None, ...]:
        """By when it has to be looked at, and by when it was queued."""
        look_at = state.look_at
        return (
            look_at.isoformat() if look_at else None,
            f"{state.owner}#{state.queued_at.isoformat()}" if state.queued_at else None,
        )

    def show(self, state: Message, locate: Locate) -> dict[str, Any]:
        """What became of it."""
        return {
            "notification": state.id,
            "contact": state.contact,
            "kind": state.kind,
            "status": state.status,
            "digest": state.digest,
            "causes": len(state.known),
            "title": state.causes[0].title if state.causes else "",
            "queued_at": state.queued_at,
            "due_at": state.look_at,
            "ended_at": state.ended_at,
            "attempts": state.attempts,
            "by": state.by or None,
            "reason": state.reason or None,
        }
