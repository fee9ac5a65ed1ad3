"""Events of notifications: who wants to be told (`<owner>#contact#<id>`), what is told
(`<owner>#notification#<id>`, one stream a message), and two causes that come from nowhere else: a finished import,
and a full library.

A message's stream tells its whole life: why it is due (one or more causes), that somebody is about to send it, and what
came of that. The claim comes before the sending: see docs/adr/0017-notified-at-most-once.md.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from domain.event_base import Event, doc

__all__ = [
    "CHANNELS",
    "KINDS",
    "NOTIFICATION_EVENTS",
    "Channel",
    "ContactAdded",
    "ContactConfirmed",
    "ContactPreferred",
    "ContactSuppressed",
    "ContactUnsubscribed",
    "ImportFinished",
    "Kind",
    "NotificationClaimed",
    "NotificationCollected",
    "NotificationFailed",
    "NotificationPostponed",
    "NotificationQueued",
    "NotificationSent",
    "NotificationWithheld",
    "Pace",
    "QuotaReached",
    "QuotaSet",
]

Channel: TypeAlias = Literal["email", "sms"]
Kind: TypeAlias = Literal["share", "memory", "import", "failure", "quota", "confirm", "test"]
Pace: TypeAlias = Literal["at_once", "daily", "weekly", "off"]

CHANNELS: tuple[Channel, ...] = ("email", "sms")
KINDS: tuple[Kind, ...] = ("share", "memory", "import", "failure", "quota")
"""What a person can choose to be told of; `confirm` and `test` are asked for."""

_Id: TypeAlias = Annotated[str, Meta(min_length=1, max_length=64)]


# --- contacts --------------------------------------------------------------------------------------------------------


class ContactAdded(Event, frozen=True, kw_only=True):
    """Somebody may be told of things, once they have said that they want to. Until then one message asks them."""

    STREAM = "contact"
    WHEN = "`notify add` was called, also again for one who has not answered."
    BY = "a person"

    channel: Annotated[Channel, doc("How.")]
    address: Annotated[str, doc("Mail address, or phone number in E.164.", min_length=3, max_length=254)]
    name: Annotated[str, doc("As people call them.", max_length=200)] = ""
    zone: Annotated[str, doc("Their time zone, by its IANA name.", min_length=1, max_length=64)] = "UTC"


class ContactConfirmed(Event, frozen=True, kw_only=True):
    """They said that they want to be told. Nothing but the question was sent before."""

    STREAM = "contact"
    WHEN = "The link or the code in the question came back."
    BY = "the contact"


class ContactPreferred(Event, frozen=True, kw_only=True):
    """What they want to be told of and how often, and when they want quiet. It replaces what they said before."""

    STREAM = "contact"
    WHEN = "`notify preferences` was called."
    BY = "a person"

    paces: Annotated[dict[str, Pace], doc("Kind -> at once, in a digest, or not at all.", max_length=16)]
    zone: Annotated[str, doc("Their time zone, by its IANA name.", min_length=1, max_length=64)]
    quiet_from: Annotated[str, doc("Local time, HH:MM.", pattern="^[0-2][0-9]:[0-5][0-9]$")] | None = None
    quiet_until: Annotated[str, doc("Local time, HH:MM.", pattern="^[0-2][0-9]:[0-5][0-9]$")] | None = None


class ContactUnsubscribed(Event, frozen=True, kw_only=True):
    """They want to be told no more; only they can change that, by confirming again."""

    STREAM = "contact"
    WHEN = "The link in a message was followed, a mail program's button pressed, or `notify unsubscribe` called."
    BY = "the contact"

    kind: Annotated[Kind, doc("Of this alone; none: of anything.")] | None = None


class ContactSuppressed(Event, frozen=True, kw_only=True):
    """Nothing is sent there any more, whoever asks: the address does not exist, or its owner complained."""

    STREAM = "contact"
    WHEN = "A message bounced for good, was marked as spam, or a phone number opted out."
    BY = "the mail or message service"

    why: Annotated[Literal["bounce", "complaint", "opted_out"], doc("What happened.")]
    detail: Annotated[str, doc("The service's own words.", max_length=300)] = ""


# --- messages --------------------------------------------------------------------------------------------------------


class NotificationQueued(Event, frozen=True, kw_only=True):
    """There is a cause to tell somebody of. A digest's message collects several; the same cause never counts twice."""

    STREAM = "notification"
    WHEN = "A share, a memory, a finished import, a failure, or a quota that is reached; for each who wants to know."
    BY = "notify"

    contact: Annotated[str, doc("Id of the contact.", min_length=1, max_length=64)]
    kind: Annotated[Kind, doc("Of what.")]
    cause: Annotated[str, doc("Id of the event that it tells of.", min_length=1, max_length=128)]
    due_at: Annotated[datetime, Meta(tz=True), doc("Not to be sent before.", "UTC")]
    digest: Annotated[str, doc("The period that is collected, such as `daily:2026-05-01`.", max_length=64)] | None = (
        None
    )
    title: Annotated[str, doc("What it is, in a few words.", max_length=300)] = ""
    detail: Annotated[str, doc("A sentence more.", max_length=1000)] = ""
    assets: Annotated[tuple[_Id, ...], doc("Pictures that go with it.", max_length=6)] = ()
    subject: Annotated[str, doc("Id of the share or memory.", max_length=64)] | None = None


class NotificationCollected(Event, frozen=True, kw_only=True):
    """A cause is told of in a digest. In the stream that the cause would have by itself: its first event decides once
    and for all where it is told, whatever the contact prefers later.
    """

    STREAM = "notification"
    WHEN = "A cause comes up for somebody who wants this kind of thing in a digest."
    BY = "notify"

    digest: Annotated[str, doc("The period, such as `daily:2026-05-01`.", min_length=1, max_length=64)]
    due_at: Annotated[datetime, Meta(tz=True), doc("When the digest is due.", "UTC")]


class NotificationPostponed(Event, frozen=True, kw_only=True):
    """It was due while the contact wants quiet, or the way out was closed for a while."""

    STREAM = "notification"
    WHEN = "At the moment of sending."
    BY = "notify"

    until: Annotated[datetime, Meta(tz=True), doc("When it is due again.", "UTC")]


class NotificationClaimed(Event, frozen=True, kw_only=True):
    """Somebody is about to send it: recorded before, so that no one else does."""

    STREAM = "notification"
    WHEN = "Before each attempt."
    BY = "notify"

    attempt: Annotated[int, doc("From 1.", ge=1)]
    message_id: Annotated[str, doc("The message's own id, the same at each attempt.", min_length=1, max_length=200)]
    causes: Annotated[int, doc("How many causes it tells of.", ge=1)]


class NotificationSent(Event, frozen=True, kw_only=True):
    """The mail server, the service or the folder has taken it."""

    STREAM = "notification"
    WHEN = "After the attempt."
    BY = "notify"

    message_id: Annotated[str, doc("The message's own id.", min_length=1, max_length=200)]
    by: Annotated[str, doc("`outbox`, `smtp`, `ses` or `sns`.", min_length=1, max_length=32)]
    provider_id: Annotated[str, doc("What the service calls it.", max_length=200)] = ""


class NotificationFailed(Event, frozen=True, kw_only=True):
    """It was not sent, or nobody knows whether it was."""

    STREAM = "notification"
    WHEN = "After the attempt."
    BY = "notify"

    attempt: Annotated[int, doc("From 1.", ge=1)]
    reason: Annotated[str, doc("Why, in a sentence for a person.", min_length=1, max_length=1000)]
    retry_at: Annotated[datetime, Meta(tz=True), doc("When it is tried again; none: it is not.", "UTC")] | None = None
    uncertain: Annotated[bool, doc("It may have been sent; so it is not tried again unless a person says so.")] = False


class NotificationWithheld(Event, frozen=True, kw_only=True):
    """It is not sent: the contact does not want it, or may not be written to."""

    STREAM = "notification"
    WHEN = "At the moment of sending."
    BY = "notify"

    reason: Annotated[
        Literal["not_confirmed", "unsubscribed", "suppressed", "switched_off", "gone"],
        doc("Why; `gone`: what it tells of is not there any more."),
    ]


# --- causes ----------------------------------------------------------------------------------------------------------


class ImportFinished(Event, frozen=True, kw_only=True):
    """Everything that was uploaded up to now has come to its end."""

    STREAM = "imports"
    WHEN = "Nothing of an owner's is being processed any more, and there are more assets than the last time."
    BY = "notify"

    new: Annotated[int, doc("Assets since the last time.", ge=1)]
    total: Annotated[int, doc("Assets in all.", ge=1)]
    failed: Annotated[int, doc("Of all, those that were refused or given up.", ge=0)] = 0


class QuotaSet(Event, frozen=True, kw_only=True):
    """How much an owner's library may hold. Nothing is refused beyond it: people are told."""

    STREAM = "quota"
    WHEN = "`notify quota` was called."
    BY = "a person"

    quota_bytes: Annotated[int, doc("Originals and all that is made of them; none: no limit.", "bytes", ge=1)] | None


class QuotaReached(Event, frozen=True, kw_only=True):
    """The library holds so much of what it may."""

    STREAM = "quota"
    WHEN = "Once for each threshold after each QuotaSet."
    BY = "notify"

    percent: Annotated[int, doc("The threshold that was reached: 80 or 100.", "%", ge=1, le=100)]
    used_bytes: Annotated[int, doc("What the library held.", "bytes", ge=0)]
    quota_bytes: Annotated[int, doc("What it may hold.", "bytes", ge=1)]


NOTIFICATION_EVENTS: tuple[type[Event], ...] = (
    ContactAdded,
    ContactConfirmed,
    ContactPreferred,
    ContactUnsubscribed,
    ContactSuppressed,
    NotificationQueued,
    NotificationCollected,
    NotificationPostponed,
    NotificationClaimed,
    NotificationSent,
    NotificationFailed,
    NotificationWithheld,
    ImportFinished,
    QuotaSet,
    QuotaReached,
)
