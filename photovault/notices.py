"""What is worth telling, and to whom: commits in, messages queued. A reactor: it is never replayed, and what it does is
an event of its own, in a stream whose name follows from cause and contact. So a commit that is delivered twice, or by
two at once, queues nothing twice.

`look` finds the causes that no single commit shows: everything uploaded has come to its end; a library is nearly full.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from domain import notification as notifications
from domain.commits import Cause, Commit, Recorded, derive_id, split_stream, stream_name
from domain.contact import Contact
from domain.errors import ConflictError, HistoryDamaged, UnreadableEvent, ViewUnavailable
from domain.events import AssetProcessed, Event
from domain.memory import OCCASIONS
from domain.memory_events import MemoryCreated
from domain.notification import Message, notification_id, notification_stream
from domain.notification_events import (
    ContactAdded,
    ImportFinished,
    Kind,
    NotificationCollected,
    NotificationQueued,
    QuotaReached,
    QuotaSet,
)
from domain.share_events import ShareCreated
from photovault.contacts import ContactBook, contacts_of, load, owners
from photovault.when import due
from projections.notifications import Contacts, Notifications

__all__ = ["CONSUMER", "SETTLE", "STALE", "Noticed", "ask_for_test", "look", "notice", "queue", "quota_of", "set_quota"]

CONSUMER = "notifier"
LATELY = timedelta(days=30)
"""Somebody is told of a trip or an event that ended within this time; of older ones that are found, nobody."""
STALE = timedelta(days=7)
"""What is older is no news: a history that is read in again tells nobody anything."""
SETTLE = timedelta(minutes=5)
"""Nothing may have come in for so long before an import counts as finished; files come one by one."""
THRESHOLDS = (80, 100)

_CATEGORIES = frozenset(("share", "memory", "imports", "quota", "contact", "asset"))
_MAX_RACES = 50
_MAX_PARTS = 50
_KIND = "import-look"
_messages = Notifications()


class Noticed(Struct, frozen=True):
    """What a cause says, before it is anybody's message."""

    kind: Kind
    title: str
    detail: str = ""
    assets: tuple[str, ...] = ()
    subject: str | None = None
    only: tuple[str, ...] | None = None  # contacts; None: everybody who wants to know


def notice(vault: ContactBook, commits: Iterable[Commit]) -> int:
    """Queue what a batch of commits is worth telling of; how many causes were queued, over all contacts.

    Cost:
        A look at each commit's category, and at the bytes of those of assets. For each owner with a cause one query;
        for each cause and contact that wants it one read and one append.
    """
    queued = 0
    book: dict[str, list[Contact]] = {}
    for commit in commits:
        owner, category, _ = split_stream(commit.stream)
        if category not in _CATEGORIES or vault.clock() - commit.recorded_at > STALE:
            continue
        if category == "asset" and b"AssetProcessed" not in commit.body and not commit.body.startswith(b"{"):
            continue
        try:
            events = vault.store.events_of(commit)
        except (UnreadableEvent, HistoryDamaged):
            continue  # the projector parks it, with its reason
        for recorded in events:
            found = _noticed(recorded)
            if found is None:
                continue
            if not _ready(vault):
                return queued
            if owner not in book:
                book[owner] = contacts_of(vault, owner)
            if category == "contact":  # its row may not be there yet
                book.pop(owner)
            queued += sum(queue(vault, owner, c, found, recorded) for c in _told(vault, owner, book, found, commit))
    return queued


def _ready(vault: ContactBook) -> bool:
    """Whether the views are built: while they are not, as after an upgrade, nobody is told, and nobody waits for it."""
    try:
        vault.generations.active(Contacts.name)
        vault.generations.active(Notifications.name)
    except ViewUnavailable:
        return False
    return True


def _told(
    vault: ContactBook, owner: str, book: dict[str, list[Contact]], found: Noticed, commit: Commit
) -> list[Contact]:
    if found.only is not None:
        return [c for c in (load(vault, owner, ident) for ident in found.only) if c.added_at is not None]
    return [
        c
        for c in book.get(owner, ())
        if c.refusal(found.kind) is None and c.confirmed_at is not None and c.confirmed_at <= commit.recorded_at
    ]


def _noticed(recorded: Recorded) -> Noticed | None:
    event = recorded.event
    _, _, ident = split_stream(recorded.commit.stream)
    match event:
        case ShareCreated() if event.to:
            title = event.title or "Pictures were shared with you"
            assets = () if event.password else event.assets[:6]
            return Noticed("share", title, assets=assets, subject=ident, only=event.to)
        case ContactAdded():
            return Noticed("confirm", "Do you want to hear of new pictures?", only=(ident,))
        case AssetProcessed(state="quarantined" | "given_up"):
            said = "was refused" if event.state == "quarantined" else "could not be processed"
            return Noticed("failure", f"A file {said}", subject=ident)
        case ImportFinished():
            failed = f"{event.failed:,} of them are not well: `photovault audit --failed`" if event.failed else ""
            files = "1 new file is" if event.new == 1 else f"{event.new:,} new files are"
            return Noticed("import", f"{files} in the library", failed)
        case QuotaReached():
            what = "is full" if event.percent >= 100 else f"is {event.percent} % full"
            detail = f"{event.used_bytes:,} of {event.quota_bytes:,} bytes are used"
            return Noticed("quota", f"The library {what}", detail)
        case MemoryCreated() if event.kind == "on_this_day" or _lately(event, recorded):
            assets = (event.cover, *(each for each in event.pictures if each != event.cover))
            return Noticed("memory", event.title, assets=assets[:6], subject=ident)
    return None


def _lately(event: MemoryCreated, recorded: Recorded) -> bool:
    """Whether a memory is of what has just been: who brings ten years of pictures is not told of each party."""
    since = (recorded.commit.recorded_at - LATELY).replace(tzinfo=None).isoformat()
    return event.kind in OCCASIONS and event.until >= since


def ask_for_test(vault: ContactBook, owner: str, contact: Contact) -> None:
    """Queue one message that says that messages arrive; each call is a cause of its own."""
    ident = derive_id("test", owner, contact.id, vault.clock().isoformat())
    _queue(vault, owner, contact, Noticed("test", "Messages from PhotoVault arrive"), ident, ident, None)


# --- queueing --------------------------------------------------------------------------------------------------------


def queue(vault: ContactBook, owner: str, contact: Contact, found: Noticed, cause: Recorded) -> int:
    """Queue one cause for one contact; 0 when it is queued already. Cost: a row, the stream's newest commits, an
    append."""
    return _queue(vault, owner, contact, found, cause.event_id, cause.commit.correlation_id, cause.event_id)


def _queue(
    vault: ContactBook,
    owner: str,
    contact: Contact,
    found: Noticed,
    cause: str,
    correlation_id: str,
    causation_id: str | None,
) -> int:
    """The first event in the cause's own stream decides where it is told, by itself or in which digest; so preferences
    that change between two deliveries make no second message."""

    def who(stream: str) -> Cause:
        said = derive_id(stream, cause)
        return Cause(commit_id=said, actor=CONSUMER, correlation_id=correlation_id, causation_id=causation_id)

    own = notification_id(owner, contact.id, cause)
    for _ in range(_MAX_RACES):
        message, loaded = resumed(vault, owner, own)
        if message.known:
            return 0
        if message.status == "collected":
            due_at, digest = message.due_at, message.digest
            break
        due_at, digest = due(contact, found.kind, vault.clock())
        decided: Event = _queued(contact, found, cause, due_at, None)
        if digest is not None:
            decided = NotificationCollected(digest=digest, due_at=due_at)
        try:
            vault.store.append(notification_stream(owner, own), [decided], loaded.token, who(own))
        except ConflictError:
            continue
        if digest is None:
            return 1
        break
    assert due_at is not None
    assert digest is not None
    for part in range(1, _MAX_PARTS + 1):
        ident = notification_id(owner, contact.id, digest, part)
        stream = notification_stream(owner, ident)
        for _ in range(_MAX_RACES):
            message, loaded = resumed(vault, owner, ident)
            events = notifications.queue(message, _queued(contact, found, cause, due_at, digest))
            if events is None:
                break  # this part takes no more: the next
            if not events:
                return 0
            try:
                vault.store.append(stream, list(events), loaded.token, who(stream))
            except ConflictError:
                continue
            return 1
    return 0


def _queued(contact: Contact, found: Noticed, cause: str, due_at: datetime, digest: str | None) -> NotificationQueued:
    return NotificationQueued(
        contact=contact.id,
        kind=found.kind,
        cause=cause,
        due_at=due_at,
        digest=digest,
        title=found.title[:300],
        detail=found.detail[:1000],
        assets=found.assets,
        subject=found.subject,
    )


def resumed(vault: ContactBook, owner: str, ident: str) -> tuple[Message, Any]:
    """A message as its stream has it, read from its row on."""
    _, table = vault.generations.active(Notifications.name)
    stream = notification_stream(owner, ident)
    row = vault.views.get(table, [_messages.home(stream)])[0]
    start = _messages.decode(row.data) if row is not None and not row.deleted else _messages.start(stream)
    loaded = vault.store.resume(stream, start.commits)
    return notifications.fold(stream, loaded.events, start), loaded


# --- causes that nobody commits --------------------------------------------------------------------------------------


def look(vault: ContactBook, settle: timedelta = SETTLE) -> int:
    """Find finished imports and full libraries of the owners somebody wants to hear of; how many were found.

    Cost: one query; for each such owner two reads of totals and two of short streams.
    """
    found = 0
    for owner in owners(vault):
        try:
            found += _imports(vault, owner, settle) + _quota(vault, owner)
        except ViewUnavailable:
            continue  # being built: the next look
    return found


def _imports(vault: ContactBook, owner: str, settle: timedelta) -> int:
    _, table = vault.generations.active("processing")
    assets = vault.views.totals(table, owner).get("assets", {})
    total, busy = assets.get("total", 0), assets.get("processing", 0)
    stream = stream_name(owner, "imports", "library")
    loaded = vault.store.load(stream)
    before = max((e.event.total for e in loaded.events if isinstance(e.event, ImportFinished)), default=0)
    if busy or total <= before:
        return 0
    if settle and not _settled(vault, owner, total, settle):
        return 0
    failed = assets.get("quarantined", 0) + assets.get("given_up", 0)
    event = ImportFinished(new=total - before, total=total, failed=failed)
    return _record(vault, stream, event, loaded.token, str(total))


def _settled(vault: ContactBook, owner: str, total: int, settle: timedelta) -> bool:
    """Whether the total is what it was so long ago."""
    now = vault.clock().timestamp()
    entry = vault.checkpoints.load(_KIND, owner)
    seen: list[float] = msgspec.json.decode(entry.value, type=list[float]) if entry else [0.0, 0.0]
    if seen[0] != total:
        vault.checkpoints.save(_KIND, owner, msgspec.json.encode([float(total), now]), expected=None)
        return False
    return now - seen[1] >= settle.total_seconds()


def set_quota(vault: ContactBook, owner: str, quota_bytes: int | None) -> bool:
    """Say how much an owner's library may hold; False when it was so. Thresholds are told anew from then on."""
    if quota_of(vault, owner) == quota_bytes:
        return False
    stream = stream_name(owner, "quota", "library")
    loaded = vault.store.load(stream)
    said = derive_id(stream, loaded.token, quota_bytes)
    cause = Cause(commit_id=said, actor=f"person:{owner}", correlation_id=said)
    vault.store.append(stream, [QuotaSet(quota_bytes=quota_bytes)], loaded.token, cause)
    return True


def quota_of(vault: ContactBook, owner: str) -> int | None:
    """How much an owner's library may hold; None: as much as there is room for."""
    return _quota_state(vault.store.load(stream_name(owner, "quota", "library")).events)[0]


def _quota_state(events: Sequence[Recorded]) -> tuple[int | None, int]:
    """The quota, and the highest threshold that was told since it was set."""
    quota, told = None, 0
    for recorded in events:
        if isinstance(recorded.event, QuotaSet):
            quota, told = recorded.event.quota_bytes, 0
        elif isinstance(recorded.event, QuotaReached):
            told = max(told, recorded.event.percent)
    return quota, told


def _quota(vault: ContactBook, owner: str) -> int:
    stream = stream_name(owner, "quota", "library")
    loaded = vault.store.load(stream)
    quota, told = _quota_state(loaded.events)
    if quota is None:
        return 0
    _, table = vault.generations.active("library")
    totals = vault.views.totals(table, owner).get("library", {})
    used = totals.get("original_bytes", 0) + totals.get("rendition_bytes", 0)
    reached = max((percent for percent in THRESHOLDS if used * 100 >= quota * percent), default=0)
    if reached <= told:
        return 0
    event = QuotaReached(percent=reached, used_bytes=used, quota_bytes=quota)
    return _record(vault, stream, event, loaded.token, f"{reached}:{len(loaded.events)}")


def _record(vault: ContactBook, stream: str, event: Event, token: Any, what: str) -> int:
    said = derive_id(stream, type(event).__name__, what)
    try:
        vault.store.append(stream, [event], token, Cause(commit_id=said, actor=CONSUMER, correlation_id=said))
    except ConflictError:
        return 0  # somebody else looked at the same moment
    return 1
