"""Events of shares: one stream for each link that an owner hands out, `<owner>#share#<id>`.

No token is in an event, only its SHA-256; a password is there as its Argon2id hash. A visitor is eight bytes of a
salted hash of the address, the salt another for each share: visits can be told apart, and nobody's address is kept.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta

from domain.event_base import Event, Sha256, doc

__all__ = [
    "MAX_ITEMS",
    "SHARE_EVENTS",
    "DenialReason",
    "ShareCreated",
    "ShareDenied",
    "ShareItemDownloaded",
    "ShareKind",
    "ShareOpened",
    "ShareRevoked",
    "ShareUnlocked",
]

MAX_ITEMS = 1000
"""Assets that one selection may hold."""

ShareKind: TypeAlias = Literal["asset", "selection", "person", "memory"]
DenialReason: TypeAlias = Literal["expired", "revoked", "used_up", "locked", "password", "no_item", "no_download"]

Visitor: TypeAlias = Annotated[
    str, doc("16 hex digits that tell visitors of this share apart; empty when unknown.", pattern="^([0-9a-f]{16})?$")
]


class ShareCreated(Event, frozen=True, kw_only=True):
    """An owner made a link to some pictures."""

    STREAM = "share"
    WHEN = "`share create` was called, or the API's POST /shares."
    BY = "a person"

    kind: Annotated[ShareKind, doc("What is shared.")]
    token_sha256: Annotated[Sha256, doc("SHA-256 of the link's token, which itself is kept nowhere in the history.")]
    assets: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...],
        doc("The assets, of `asset` and `selection`; in the order they are shown in.", max_length=MAX_ITEMS),
    ] = ()
    subject: Annotated[str, doc("Id of the person or the memory.", max_length=64)] | None = None
    title: Annotated[str, doc("Shown above the pictures.", max_length=200)] = ""
    password: Annotated[str, doc("Argon2id hash of the password, in PHC form.", max_length=300)] | None = None
    expires_at: Annotated[datetime, Meta(tz=True), doc("From here on the link opens nothing.", "UTC")] | None = None
    max_views: Annotated[int, doc("How often it can be opened; none: no limit.", "openings", ge=1)] | None = None
    download: Annotated[bool, doc("Whether files in full size may be fetched.")] = False
    to: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=64)], ...],
        doc("Ids of the contacts who are told.", max_length=50),
    ] = ()


class ShareRevoked(Event, frozen=True, kw_only=True):
    """The link opens nothing any more."""

    STREAM = "share"
    WHEN = "`share revoke` was called, or the API's DELETE /shares/<id>."
    BY = "a person"


class ShareOpened(Event, frozen=True, kw_only=True):
    """Somebody looked at the pictures. One opening lasts half an hour: pages and pictures in it count once."""

    STREAM = "share"
    WHEN = "The link was opened; with a password, after it was given."
    BY = "a visitor"

    view: Annotated[int, doc("Which opening this is, from 1.", ge=1)]
    items: Annotated[int, doc("Pictures and videos that were shown.", ge=0)] = 0
    visitor: Visitor = ""


class ShareUnlocked(Event, frozen=True, kw_only=True):
    """The right password was given."""

    STREAM = "share"
    WHEN = "Together with the ShareOpened that it allows."
    BY = "a visitor"

    visitor: Visitor = ""


class ShareItemDownloaded(Event, frozen=True, kw_only=True):
    """A file in full size was fetched, without its metadata and under a neutral name."""

    STREAM = "share"
    WHEN = "A visitor asked for the file."
    BY = "a visitor"

    asset: Annotated[str, doc("Id of the asset.", min_length=1, max_length=64)]
    name: Annotated[str, doc("The name that the file was given.", min_length=1, max_length=64)]
    size_bytes: Annotated[int, doc("Length of what was handed out.", "bytes", ge=0)] = 0
    visitor: Visitor = ""


class ShareDenied(Event, frozen=True, kw_only=True):
    """Somebody with the link was turned away.

    Every wrong password is recorded. Of the other reasons, which trying again can't change, one in a minute is.
    """

    STREAM = "share"
    WHEN = "The link is expired, revoked, used up or locked; a password was wrong; or a file is not for this link."
    BY = "a visitor"

    reason: Annotated[DenialReason, doc("Why.")]
    locked_until: (
        Annotated[datetime, Meta(tz=True), doc("No password is taken before, after too many wrong ones.", "UTC")] | None
    ) = None
    visitor: Visitor = ""


SHARE_EVENTS: tuple[type[Event], ...] = (
    ShareCreated,
    ShareRevoked,
    ShareOpened,
    ShareUnlocked,
    ShareItemDownloaded,
    ShareDenied,
)
