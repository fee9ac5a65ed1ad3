"""The sender: messages that are due, each claimed before it is sent and told of after (docs/adr/0017).

When somebody dies between the two, or the answer is lost, a way out that can be asked (the outbox) is asked, and the
message is sent again only if it surely was not. One that nobody can ask about is left `uncertain`: it may be missing,
but it is never sent twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Literal, Protocol, cast

from msgspec import Struct

from domain import notification as notifications
from domain.commits import Cause, derive_id
from domain.contact import Contact
from domain.errors import ConflictError, DeliveryUnknown, InvalidInput, NotDelivered, NotFound
from domain.events import Event
from domain.eventstore import Loaded
from domain.notification import Message, message_id, notification_stream
from domain.notification_events import (
    NotificationFailed,
    NotificationPostponed,
    NotificationSent,
    NotificationWithheld,
)
from domain.ports import Notifier, Outgoing
from domain.scanning import Serving
from photovault.contacts import load, suppress
from photovault.messages import Sender, Writing, render
from photovault.notices import CONSUMER, resumed
from photovault.when import quiet_until
from projections.notifications import PARTITION, Notifications, owner_in

__all__ = ["Mailing", "Sent", "is_due", "resend", "send_due"]

_view = Notifications()


class Mailing(Writing, Protocol):
    """What sending needs of a vault, on one machine and on AWS alike."""

    @property
    def notifiers(self) -> Mapping[str, Notifier]:
        """Ways out, by channel."""
        ...

    @property
    def sender(self) -> Sender:
        """Who messages come from."""
        ...


class Sent(Struct):
    """What one run did, in messages."""

    due: int = 0
    sent: int = 0
    failed: int = 0  # and are tried again
    given_up: int = 0
    uncertain: int = 0
    withheld: int = 0
    postponed: int = 0
    skipped: int = 0  # somebody else was at them, or they changed meanwhile


def send_due(vault: Mailing, serving: Serving, limit: int = 100) -> Sent:
    """Send what is due, the oldest first, at most so many. Safe beside others that do the same.

    Cost:
        One query; for each message two appends, two reads and the sending.
    """
    done = Sent()
    _, table = vault.generations.active(Notifications.name)
    now = vault.clock()
    page = vault.views.query(table, PARTITION, index="due", high=now.isoformat() + "~", limit=limit)
    for row in page.rows:
        done.due += 1
        outcome = _send(vault, serving, owner_in(row.key), row.key.partition("#")[2])
        setattr(done, outcome, getattr(done, outcome) + 1)
    return done


def is_due(vault: Mailing) -> bool:
    """Whether there is anything to send. Cost: one query."""
    _, table = vault.generations.active(Notifications.name)
    high = vault.clock().isoformat() + "~"
    return bool(vault.views.query(table, PARTITION, index="due", high=high, limit=1).rows)


def resend(vault: Mailing, owner: str, ident: str) -> None:
    """Let a message that was given up, or may not have arrived, be due again: a person says so.

    Raises:
        NotFound: there is no such message.
        InvalidInput: it is at another point of its life.
    """
    message, loaded = resumed(vault, owner, ident)
    if not message.known:
        raise NotFound(f"there is no message {ident!r}: `photovault notify list` lists those there are")
    if message.status not in ("given_up", "uncertain"):
        raise InvalidInput(f"message {ident} is {message.status}: only one that failed for good is sent again")
    event = NotificationFailed(
        attempt=message.attempts, reason="somebody asked for it to be sent again", retry_at=vault.clock()
    )
    _append(vault, owner, ident, loaded, [event], f"resend:{message.attempts}", actor=f"person:{owner}")


Outcome = Literal["sent", "failed", "given_up", "uncertain", "withheld", "postponed", "skipped"]


def _send(vault: Mailing, serving: Serving, owner: str, ident: str) -> Outcome:
    message, loaded = resumed(vault, owner, ident)
    now = vault.clock()
    if message.look_at is None or now < message.look_at:
        return "skipped"
    contact = load(vault, owner, message.contact)
    notifier = vault.notifiers.get(contact.channel)
    if message.status == "claimed":  # by somebody who died
        known = notifier.sent(message.message_id) if notifier else None
        if known is not False:
            return _close_claim(vault, owner, message, loaded, known, notifier)
    refused = _refused(contact, message)
    if refused is not None:
        gone = NotificationWithheld(reason=refused)
        return "withheld" if _append(vault, owner, ident, loaded, [gone], "withheld") else "skipped"
    later = quiet_until(contact, now) if message.kind not in ("confirm", "test") else None
    if notifier is None:
        later = now + timedelta(days=1)
    if later is not None:
        postponed = [NotificationPostponed(until=later)]
        return "postponed" if _append(vault, owner, ident, loaded, postponed, later.isoformat()) else "skipped"
    assert notifier is not None
    name = message_id(ident, vault.sender.host)
    body = render(vault, owner, contact, message, vault.sender, serving, name)
    claim = notifications.claim(message, now, name)
    if not claim or not _append(vault, owner, ident, loaded, claim, f"claim:{message.attempts + 1}"):
        return "skipped"
    outgoing = Outgoing(name, contact.channel, vault.sender.address, contact.address, body)
    return _hand_over(vault, owner, ident, contact, notifier, outgoing)


def _hand_over(
    vault: Mailing, owner: str, ident: str, contact: Contact, notifier: Notifier, outgoing: Outgoing
) -> Outcome:
    """Send what was claimed, and record what came of it. A fault that nobody foresaw leaves the claim: see above."""
    events: list[Event]
    outcome: Outcome
    try:
        taken = notifier.send(outgoing)
        events, outcome = (
            [NotificationSent(message_id=outgoing.message_id, by=notifier.name, provider_id=taken)],
            "sent",
        )
    except NotDelivered as error:
        message, _ = resumed(vault, owner, ident)
        ended = notifications.failed(message, vault.clock(), str(error), retryable=error.retryable)
        events, outcome = [ended], "failed" if ended.retry_at else "given_up"
        if error.refused in ("bounce", "opted_out"):
            why = cast(Literal["bounce", "opted_out"], error.refused)
            suppress(vault, owner, contact.id, why, str(error), notifier.name)
    except DeliveryUnknown as error:
        message, _ = resumed(vault, owner, ident)
        events = [NotificationFailed(attempt=max(1, message.attempts), reason=str(error)[:1000], uncertain=True)]
        outcome = "uncertain"
    message, loaded = resumed(vault, owner, ident)
    _append(vault, owner, ident, loaded, events, f"{outcome}:{message.attempts}")
    return outcome


def _close_claim(
    vault: Mailing, owner: str, message: Message, loaded: Loaded, known: bool | None, notifier: Notifier | None
) -> Outcome:
    if known and notifier is not None:
        event: Event = NotificationSent(message_id=message.message_id, by=notifier.name)
    else:
        event = NotificationFailed(
            attempt=message.attempts,
            reason="whoever sent it ended in between: it may have been sent, so it is not sent again by itself",
            uncertain=True,
        )
    outcome: Outcome = "sent" if known else "uncertain"
    done = _append(vault, owner, message.id, loaded, [event], f"{outcome}:{message.attempts}")
    return outcome if done else "skipped"


def _refused(
    contact: Contact, message: Message
) -> Literal["not_confirmed", "unsubscribed", "suppressed", "switched_off", "gone"] | None:
    """Why nothing of the message may be sent; None while one of its causes may."""
    if contact.added_at is None:
        return "gone"
    if message.kind == "confirm" and contact.confirmed_at is not None:
        return "gone"  # they have answered
    reasons = [contact.refusal(cause.kind) for cause in message.causes]
    return None if not reasons or None in reasons else reasons[0]


def _append(
    vault: Mailing, owner: str, ident: str, loaded: Loaded, events: Sequence[Event], what: str, actor: str = CONSUMER
) -> bool:
    """Record; False when somebody else did something first."""
    stream = notification_stream(owner, ident)
    said = derive_id(stream, what, uuid.uuid4().hex)  # of this one sender: two who claim at once are a conflict
    try:
        vault.store.append(stream, list(events), loaded.token, Cause(commit_id=said, actor=actor, correlation_id=ident))
    except ConflictError:
        return False
    return True
