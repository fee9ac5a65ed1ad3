"""One contact: somebody who may be told of things, if they said so. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from msgspec import Struct, structs

from domain.commits import Recorded, derive_id, split_stream, stream_name
from domain.errors import InvalidInput, NotFound
from domain.events import Event
from domain.notification_events import (
    KINDS,
    Channel,
    ContactAdded,
    ContactConfirmed,
    ContactPreferred,
    ContactSuppressed,
    ContactUnsubscribed,
    Kind,
    Pace,
)

__all__ = [
    "DEFAULT_PACES",
    "Contact",
    "Refusal",
    "add",
    "confirm",
    "contact_id",
    "contact_stream",
    "evolve",
    "fold",
    "normalised",
    "prefer",
    "suppress",
    "unsubscribe",
]

DEFAULT_PACES: Mapping[str, Pace] = {
    "share": "at_once",
    "memory": "daily",
    "import": "daily",
    "failure": "daily",
    "quota": "at_once",
}
"""What somebody who has confirmed is told of, until they say otherwise."""

ASK_AGAIN = timedelta(days=1)
LEAVE_ALONE = timedelta(days=30)
"""Nobody is asked more often, and nobody who left is asked sooner."""

Refusal: TypeAlias = Literal["not_confirmed", "unsubscribed", "suppressed", "switched_off"]

_MAIL = re.compile(r"^[^@\s<>\"',;:\\\x00-\x1f]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,250}[A-Za-z0-9])?$")
_PHONE = re.compile(r"^\+[1-9]\d{6,14}$")
_CLOCK = re.compile(r"^([01]\d|2[0-3]):[0-5]\d$")


class Contact(Struct, frozen=True, array_like=True):
    """State of one contact."""

    id: str = ""
    channel: Channel = "email"
    address: str = ""
    name: str = ""
    zone: str = "UTC"
    added_at: datetime | None = None  # when they were last asked
    confirmed_at: datetime | None = None  # None: not yet, or not any more
    paces: dict[str, Pace] = {}
    quiet_from: str | None = None
    quiet_until: str | None = None
    unsubscribed: bool = False
    suppressed: str | None = None
    unsubscribed_at: datetime | None = None

    def pace(self, kind: Kind) -> Pace:
        """How often they want to be told of a kind of thing."""
        return self.paces.get(kind) or DEFAULT_PACES.get(kind, "at_once")

    def refusal(self, kind: Kind) -> Refusal | None:
        """Why nothing of this kind may be sent now; None: it may."""
        if self.suppressed is not None:
            return "suppressed"
        if kind == "confirm":
            return None
        if self.unsubscribed:
            return "unsubscribed"
        if self.confirmed_at is None:
            return "not_confirmed"
        return "switched_off" if self.pace(kind) == "off" else None


def normalised(channel: Channel, address: str) -> str:
    """An address as it is kept: a mail address's host in lower case, a number without spaces.

    Raises:
        InvalidInput: it can't be one.
    """
    address = address.strip()
    if channel == "email":
        local, _, host = address.rpartition("@")
        address = f"{local}@{host.lower()}"
        if not _MAIL.match(address):
            raise InvalidInput(f"{address!r} is not a mail address")
        return address
    address = re.sub(r"[\s().-]", "", address)
    if not _PHONE.match(address):
        raise InvalidInput(f"{address!r} is not a phone number with its country, such as +351912345678")
    return address


def contact_id(owner: str, channel: Channel, address: str) -> str:
    """The contact that an address of an owner's is; the same whenever it is added."""
    return derive_id("contact", owner, channel, address)


def contact_stream(owner: str, contact: str) -> str:
    """Name of a contact's stream."""
    return stream_name(owner, "contact", contact)


def fold(stream: str, events: Iterable[Recorded]) -> Contact:
    """The state after a stream's events."""
    contact = Contact(split_stream(stream)[2])
    for recorded in events:
        contact = evolve(contact, recorded.event, recorded.commit.recorded_at)
    return contact


def evolve(contact: Contact, event: Event, at: datetime) -> Contact:
    """The state after one more event, recorded at a time."""
    match event:
        case ContactAdded():
            return structs.replace(
                contact,
                channel=event.channel,
                address=event.address,
                name=event.name,
                zone=event.zone if contact.added_at is None else contact.zone,
                added_at=at,
            )
        case ContactConfirmed():
            return structs.replace(contact, confirmed_at=at, unsubscribed=False)
        case ContactPreferred():
            return structs.replace(
                contact,
                paces=dict(event.paces),
                zone=event.zone,
                quiet_from=event.quiet_from,
                quiet_until=event.quiet_until,
            )
        case ContactUnsubscribed(kind=None):
            return structs.replace(contact, unsubscribed=True, confirmed_at=None, unsubscribed_at=at)
        case ContactUnsubscribed():
            return structs.replace(contact, paces={**contact.paces, str(event.kind): "off"})
        case ContactSuppressed():
            return structs.replace(contact, suppressed=event.why)
    return contact


# --- decisions -------------------------------------------------------------------------------------------------------


def add(contact: Contact, now: datetime, channel: Channel, address: str, name: str, zone: str) -> Sequence[Event]:
    """Ask somebody whether they want to be told; nothing while they have said yes, or were asked a day ago at most.

    Raises:
        InvalidInput: nothing may be sent there any more, or they unsubscribed a short while ago.
    """
    if contact.suppressed is not None:
        raise InvalidInput(f"nothing is sent to {contact.address} any more: {contact.suppressed.replace('_', ' ')}")
    if contact.unsubscribed and contact.unsubscribed_at is not None and now - contact.unsubscribed_at < LEAVE_ALONE:
        raise InvalidInput(
            f"{contact.address} wants to hear no more: ask again in {LEAVE_ALONE.days} days at the soonest"
        )
    if contact.confirmed_at is not None or (contact.added_at is not None and now - contact.added_at < ASK_AGAIN):
        return ()
    name = " ".join(name.split())
    if len(name) > 200 or not name.isprintable():
        raise InvalidInput("a name has at most 200 printable characters")
    return (ContactAdded(channel=channel, address=address, name=name, zone=zone),)


def confirm(contact: Contact) -> Sequence[Event]:
    """They want to be told; nothing when they have said so."""
    _must_be(contact)
    return () if contact.confirmed_at is not None else (ContactConfirmed(),)


def prefer(
    contact: Contact,
    paces: Mapping[str, Pace],
    *,
    zone: str | None = None,
    quiet: tuple[str, str] | None = None,
    clear_quiet: bool = False,
) -> Sequence[Event]:
    """Change what is said, and leave the rest as it is; nothing when nothing changes.

    Raises:
        InvalidInput: a kind or a time can't be meant.
    """
    _must_be(contact)
    if unknown := [kind for kind in paces if kind not in KINDS]:
        raise InvalidInput(f"{unknown[0]!r} is nothing to be told of; there are: {', '.join(KINDS)}")
    for time in quiet or ():
        if not _CLOCK.match(time):
            raise InvalidInput(f"{time!r} is no time of day: it takes HH:MM, such as 22:00")
    kept = (contact.quiet_from, contact.quiet_until)
    began, ended = (None, None) if clear_quiet else quiet or kept
    event = ContactPreferred(
        paces={kind: contact.pace(kind) for kind in KINDS} | dict(paces),
        zone=zone or contact.zone,
        quiet_from=began,
        quiet_until=ended,
    )
    assert contact.added_at is not None
    return () if evolve(contact, event, contact.added_at) == contact else (event,)


def unsubscribe(contact: Contact, kind: Kind | None = None) -> Sequence[Event]:
    """They want to be told no more, of one kind of thing or of anything; nothing when it is so."""
    _must_be(contact)
    if kind is None:
        return () if contact.unsubscribed else (ContactUnsubscribed(),)
    return () if contact.pace(kind) == "off" else (ContactUnsubscribed(kind=kind),)


def suppress(contact: Contact, why: Literal["bounce", "complaint", "opted_out"], detail: str) -> Sequence[Event]:
    """Nothing is sent there any more; nothing new when it is so."""
    if contact.added_at is None or contact.suppressed is not None:
        return ()
    return (ContactSuppressed(why=why, detail="".join(c for c in detail if c.isprintable())[:300]),)


def _must_be(contact: Contact) -> None:
    if contact.added_at is None:
        raise NotFound(f"there is no contact {contact.id!r}: `photovault notify list --contacts` lists those there are")
