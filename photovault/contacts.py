"""Contacts: who may be told of things. Nobody is, before they said that they want to be; what they say back comes with
a code that only a message to them has carried (docs/notifications.md).
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Literal, Protocol

from msgspec import Struct

from domain import contact as contacts
from domain.commits import Cause, derive_id
from domain.contact import Contact, contact_id, contact_stream
from domain.errors import ConflictError, InvalidInput, NotFound
from domain.events import Event
from domain.eventstore import EventStore
from domain.notification_events import Channel, Kind, Pace
from domain.ports import Checkpoints, ViewStore
from photovault.signing import Signing
from photovault.when import checked_zone
from projections.generations import Generations
from projections.notifications import PARTITION, Contacts, owned, owner_in

__all__ = [
    "Asked",
    "ContactBook",
    "Wanted",
    "add",
    "code",
    "confirm",
    "contacts_of",
    "everybody",
    "find_contact",
    "load",
    "owners",
    "prefer",
    "suppress",
    "suppress_address",
    "unsubscribe",
]

MAX_CONTACTS = 200
"""Of one owner: each is somebody whom a stranger's mail may reach once a day."""

CODE_HOLDS = timedelta(days=14)
"""How long the question whether they want to be told can be answered."""

Purpose = Literal["confirm", "unsubscribe"]
_MAX_RACES = 20
_PAGE = 500
_view = Contacts()


class ContactBook(Protocol):
    """What is needed of a vault."""

    @property
    def store(self) -> EventStore:
        """The history."""
        ...

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time."""
        ...

    @property
    def views(self) -> ViewStore:
        """Rows."""
        ...

    @property
    def generations(self) -> Generations:
        """Which of them."""
        ...

    @property
    def checkpoints(self) -> Checkpoints:
        """The vault's own documents."""
        ...


class Asked(Struct, frozen=True, forbid_unknown_fields=True):
    """Somebody to ask, as a program says it."""

    address: str
    name: str = ""
    zone: str = "UTC"


class Wanted(Struct, frozen=True, forbid_unknown_fields=True):
    """What a contact wants, as a program says it; what is left out stays."""

    paces: dict[str, Pace] = {}
    zone: str | None = None
    quiet: tuple[str, str] | None = None
    clear_quiet: bool = False


def add(vault: ContactBook, owner: str, channel: Channel, address: str, name: str = "", zone: str = "UTC") -> Contact:
    """Add somebody, who is asked once whether they want to be told; asked again when they have not answered.

    Raises:
        InvalidInput: address or zone can't be one, or nothing may be sent there.
    """
    address = contacts.normalised(channel, address)
    zone = checked_zone(zone)
    ident = contact_id(owner, channel, address)
    known = contacts_of(vault, owner)
    if len(known) >= MAX_CONTACTS and all(each.id != ident for each in known):
        raise InvalidInput(f"there are {MAX_CONTACTS} contacts: nobody can be added")
    now = vault.clock()
    return _decide(vault, owner, ident, lambda c: contacts.add(c, now, channel, address, name, zone), f"person:{owner}")


def confirm(vault: ContactBook, owner: str, ident: str, said: str) -> Contact:
    """They want to be told, and say so with the code that was sent to them.

    Raises:
        NotFound: the code is not theirs, or too old.
    """
    contact = load(vault, owner, ident)
    _must_match(vault, owner, contact, "confirm", said)
    if contact.confirmed_at is None and contact.added_at and vault.clock() - contact.added_at > CODE_HOLDS:
        raise NotFound("this code is too old: ask whoever added you to do so again")
    return _decide(vault, owner, ident, contacts.confirm, f"contact:{ident}")


def unsubscribe(vault: ContactBook, owner: str, ident: str, said: str | None, kind: Kind | None = None) -> Contact:
    """They want to be told no more; without a code, their owner says it for them.

    Raises:
        NotFound: the code is not theirs, or there is no such contact.
    """
    if said is not None:
        _must_match(vault, owner, load(vault, owner, ident), "unsubscribe", said)
    actor = f"contact:{ident}" if said is not None else f"person:{owner}"
    return _decide(vault, owner, ident, lambda c: contacts.unsubscribe(c, kind), actor)


def prefer(
    vault: ContactBook,
    owner: str,
    ident: str,
    paces: Mapping[str, Pace],
    *,
    zone: str | None = None,
    quiet: tuple[str, str] | None = None,
    clear_quiet: bool = False,
) -> Contact:
    """Change what somebody wants to be told of, how often, and when not."""
    zone = checked_zone(zone) if zone else None

    def decide(contact: Contact) -> Sequence[Event]:
        return contacts.prefer(contact, paces, zone=zone, quiet=quiet, clear_quiet=clear_quiet)

    return _decide(vault, owner, ident, decide, f"person:{owner}")


def suppress(
    vault: ContactBook, owner: str, ident: str, why: Literal["bounce", "complaint", "opted_out"], detail: str, by: str
) -> Contact:
    """Send nothing there any more."""
    return _decide(vault, owner, ident, lambda c: contacts.suppress(c, why, detail), by)


def suppress_address(
    vault: ContactBook,
    channel: Channel,
    address: str,
    why: Literal["bounce", "complaint", "opted_out"],
    detail: str,
    by: str,
) -> int:
    """Send nothing to an address any more, whoever has it among their contacts; how many had. Cost: one query."""
    try:
        address = contacts.normalised(channel, address)
    except InvalidInput:
        return 0
    _, table = vault.generations.active(Contacts.name)
    key = f"{channel}:{address}"
    rows = vault.views.query(table, PARTITION, index="address", low=key, high=key + "\0", limit=_PAGE).rows
    for row in rows:
        suppress(vault, owner_in(row.key), row.key.partition("#")[2], why, detail, by)
    return len(rows)


def code(vault: ContactBook, owner: str, contact: Contact, purpose: Purpose) -> str:
    """What only a message to them carries: 22 characters, 132 bits. One to confirm with is good for one question."""
    moment = contact.added_at.isoformat() if purpose == "confirm" and contact.added_at else ""
    return Signing(vault.checkpoints).sign(purpose, owner, contact.id, moment)[:22]


def load(vault: ContactBook, owner: str, ident: str) -> Contact:
    """A contact as its stream has it; an empty one when there is none."""
    stream = contact_stream(owner, ident)
    return contacts.fold(stream, vault.store.load(stream).events)


def contacts_of(vault: ContactBook, owner: str) -> list[Contact]:
    """An owner's contacts. Cost: one query."""
    _, table = vault.generations.active(Contacts.name)
    low, high = owned(owner)
    rows = vault.views.query(table, PARTITION, low=low, high=high, limit=_PAGE).rows
    return [_view.decode(row.data) for row in rows]


def everybody(vault: ContactBook) -> Iterator[tuple[str, Contact]]:
    """All contacts of all owners, each with the owner."""
    _, table = vault.generations.active(Contacts.name)
    cursor: str | None = None
    while True:
        page = vault.views.query(table, PARTITION, limit=_PAGE, cursor=cursor)
        yield from ((owner_in(row.key), _view.decode(row.data)) for row in page.rows)
        cursor = page.cursor
        if cursor is None:
            return


def owners(vault: ContactBook) -> list[str]:
    """Owners with somebody who wants to be told."""
    return sorted({owner for owner, contact in everybody(vault) if contact.confirmed_at is not None})


def find_contact(vault: ContactBook, owner: str, text: str) -> Contact:
    """A contact by address, name, id or the beginning of an id.

    Raises:
        NotFound: nobody is called so.
        InvalidInput: several are.
    """
    said = text.strip().casefold()
    every = contacts_of(vault, owner)
    exact = [c for c in every if said and said in (c.address.casefold(), c.name.casefold(), c.id)]
    found = exact or [c for c in every if said and c.id.startswith(said)]
    if not found:
        raise NotFound(f"there is no contact {text!r}: `photovault notify list --contacts` lists those there are")
    if len(found) > 1:
        raise InvalidInput(f"several contacts are called {text!r}: {', '.join(c.id for c in found)}; give an id")
    return found[0]


def _must_match(vault: ContactBook, owner: str, contact: Contact, purpose: Purpose, said: str) -> None:
    expected = code(vault, owner, contact, purpose)
    if contact.added_at is None or not hmac.compare_digest(said.encode(), expected.encode()):
        raise NotFound("this code is not known, or not good any more")


def _decide(
    vault: ContactBook, owner: str, ident: str, decide: Callable[[Contact], Sequence[Event]], actor: str
) -> Contact:
    """Append what is decided; the contact after it."""
    stream = contact_stream(owner, ident)
    for _ in range(_MAX_RACES):
        loaded = vault.store.load(stream)
        contact = contacts.fold(stream, loaded.events)
        events = list(decide(contact))
        if not events:
            return contact
        said = derive_id(stream, loaded.token, *(type(event).__name__ for event in events), repr(events))
        cause = Cause(commit_id=said, actor=actor, correlation_id=ident)
        try:
            vault.store.append(stream, events, loaded.token, cause)
        except ConflictError:
            continue
        return contacts.fold(stream, vault.store.load(stream).events)
    raise InvalidInput("somebody else changes the same contact all the time: try again")
