"""One share: what it opens, for how long, and what was done with it. Pure; times are given, never looked up.

A share's stream grows with every visit, so its state is bounded and knows the last commit that it has seen: whoever
decides goes on from a row of the view and reads only what came since (`EventStore.resume`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from msgspec import Struct, structs

from domain.commits import Recorded, derive_id, split_stream, stream_name
from domain.errors import InvalidInput, NotFound
from domain.events import Event
from domain.share_events import (
    MAX_ITEMS,
    DenialReason,
    ShareCreated,
    ShareDenied,
    ShareItemDownloaded,
    ShareKind,
    ShareOpened,
    ShareRevoked,
    ShareUnlocked,
)

__all__ = [
    "LOCK",
    "LONGEST_LOCK",
    "MAX_WRONG",
    "SESSION",
    "Answer",
    "Share",
    "State",
    "create",
    "download",
    "evolve",
    "fold",
    "open_share",
    "revoke",
    "share_id",
    "share_stream",
    "token_sha256",
]

MAX_WRONG = 5
"""Wrong passwords in a row before the share is locked."""
LOCK = timedelta(minutes=15)
"""How long the first lock holds; each one after it twice as long."""
LONGEST_LOCK = timedelta(days=1)
SESSION = timedelta(minutes=30)
"""How long one opening lasts."""

State: TypeAlias = Literal["active", "expired", "revoked", "used_up", "locked"]


class Share(Struct, frozen=True, array_like=True):
    """State of one share."""

    id: str = ""
    created: ShareCreated | None = None
    created_at: datetime | None = None
    revoked_at: datetime | None = None
    views: int = 0
    downloads: int = 0
    denied: int = 0
    wrong: int = 0  # passwords in a row
    locks: int = 0  # since the right password
    locked_until: datetime | None = None
    opened_at: datetime | None = None  # last
    refused: dict[str, datetime] = {}  # reason -> the last time that it was recorded
    commits: int = 0  # number of the last commit that this state has seen

    def state(self, now: datetime) -> State:
        """How it stands at a moment."""
        created = self.created
        if created is None or self.revoked_at is not None:
            return "revoked"
        if created.expires_at is not None and now >= created.expires_at:
            return "expired"
        if created.max_views is not None and self.views >= created.max_views:
            return "used_up"
        return "locked" if self.locked_until is not None and now < self.locked_until else "active"


class Answer(Struct, frozen=True):
    """What is decided about a visitor: the events, and why the pictures are not shown (none: they are)."""

    events: tuple[Event, ...] = ()
    denied: DenialReason | Literal["password_needed", "button_needed"] | None = None


def token_sha256(token: str) -> str:
    """What of a link's token is recorded."""
    return hashlib.sha256(token.encode()).hexdigest()


def share_id(sha256: str) -> str:
    """The share that a token opens, by the SHA-256 of the token: half of its bits are in the id, all are compared."""
    return derive_id("share", sha256)


def share_stream(owner: str, share: str) -> str:
    """Name of a share's stream."""
    return stream_name(owner, "share", share)


def fold(stream: str, events: Iterable[Recorded], start: Share | None = None) -> Share:
    """The state after a stream's events, or after those that follow a known state."""
    share = start or Share(split_stream(stream)[2])
    for recorded in events:
        share = evolve(share, recorded.event, recorded.commit.recorded_at, recorded.commit.number)
    return share


def evolve(share: Share, event: Event, at: datetime, number: int) -> Share:
    """The state after one more event, recorded at a time, in the commit of this number."""
    match event:
        case ShareCreated():
            share = structs.replace(share, created=event, created_at=at)
        case ShareRevoked():
            share = structs.replace(share, revoked_at=at)
        case ShareOpened():
            share = structs.replace(share, views=share.views + 1, opened_at=at)
        case ShareUnlocked():
            share = structs.replace(share, wrong=0, locks=0, locked_until=None)
        case ShareItemDownloaded():
            share = structs.replace(share, downloads=share.downloads + 1)
        case ShareDenied():
            share = structs.replace(share, denied=share.denied + 1, refused={**share.refused, event.reason: at})
            if event.reason == "password":
                locked = event.locked_until is not None
                share = structs.replace(
                    share,
                    wrong=0 if locked else share.wrong + 1,
                    locks=share.locks + locked,
                    locked_until=event.locked_until or share.locked_until,
                )
    return structs.replace(share, commits=number)


# --- decisions -------------------------------------------------------------------------------------------------------


def create(
    kind: ShareKind,
    sha256: str,
    now: datetime,
    *,
    assets: Sequence[str] = (),
    subject: str | None = None,
    title: str = "",
    password: str | None = None,
    expires_at: datetime | None = None,
    max_views: int | None = None,
    download: bool = False,
    to: Sequence[str] = (),
) -> ShareCreated:
    """Make a link.

    Args:
        sha256: of the token.
        password: its hash, not the password.
    Raises:
        InvalidInput: there is nothing to share, too much, or it would be over before it begins.
    """
    unique = tuple(dict.fromkeys(assets))
    if kind in ("asset", "selection") and not unique:
        raise InvalidInput("name at least one asset to share")
    if len(unique) > MAX_ITEMS:
        raise InvalidInput(f"{len(unique):,} assets are too many for one link: at most {MAX_ITEMS:,}")
    if kind in ("person", "memory") and not subject:
        raise InvalidInput(f"name the {kind} to share")
    if expires_at is not None and expires_at <= now:
        raise InvalidInput("the link would be expired already: name a time that is to come")
    if max_views is not None and max_views < 1:
        raise InvalidInput("a link is opened once at least: leave the limit out, or give 1 or more")
    title = " ".join(title.split())
    if len(title) > 200 or not title.isprintable():
        raise InvalidInput("a title has at most 200 printable characters")
    if len(to) > 50:
        raise InvalidInput("at most 50 contacts can be told of one link")
    return ShareCreated(
        kind=kind,
        token_sha256=sha256,
        assets=unique,
        subject=subject,
        title=title,
        password=password,
        expires_at=expires_at,
        max_views=max_views,
        download=download,
        to=tuple(dict.fromkeys(to)),
    )


def revoke(share: Share) -> Sequence[Event]:
    """End a share; nothing when it is ended so already.

    Raises:
        NotFound: there is no such share.
    """
    if share.created is None:
        raise NotFound(f"there is no share {share.id!r}: `photovault share list` lists those there are")
    return () if share.revoked_at is not None else (ShareRevoked(),)


def open_share(
    share: Share,
    now: datetime,
    *,
    right: bool | None = None,
    asked: bool = False,
    items: int = 0,
    visitor: str = "",
    session: bool = False,
) -> Answer:
    """Show the pictures, or say why not.

    Args:
        right: whether the password that was given is the right one; None: none was given.
        asked: somebody pressed the button; a program that only looks what is behind a link does not, and so uses up
            none of a limited number of openings.
        items: how many pictures would be shown.
        session: the visitor opened it a short while ago, so that this is the same opening.
    """
    state = share.state(now)
    if session and state in ("active", "used_up", "locked"):
        return Answer()
    if state != "active":
        return _refused(share, state, now, visitor)
    if share.created is not None and share.created.password is not None:
        if right is None:
            return Answer(denied="password_needed")
        if not right:
            return _wrong(share, now, visitor)
        return Answer((ShareUnlocked(visitor=visitor), _opened(share, items, visitor)))
    if share.created is not None and share.created.max_views is not None and not asked:
        return Answer(denied="button_needed")
    return Answer((_opened(share, items, visitor),))


def download(share: Share, now: datetime, asset: str | None, name: str, size_bytes: int, visitor: str = "") -> Answer:
    """Hand out one file to a visitor who has opened the share; None: it is not among its items."""
    state = share.state(now)
    if state in ("revoked", "expired"):
        return _refused(share, state, now, visitor)
    if asset is None:
        return _refused(share, "no_item", now, visitor)
    if share.created is None or not share.created.download:
        return _refused(share, "no_download", now, visitor)
    return Answer((ShareItemDownloaded(asset=asset, name=name, size_bytes=size_bytes, visitor=visitor),))


def _opened(share: Share, items: int, visitor: str) -> ShareOpened:
    return ShareOpened(view=share.views + 1, items=items, visitor=visitor)


def _wrong(share: Share, now: datetime, visitor: str) -> Answer:
    until = None
    if share.wrong + 1 >= MAX_WRONG:
        until = now + min(LOCK * 2 ** min(share.locks, 16), LONGEST_LOCK)
    return Answer((ShareDenied(reason="password", locked_until=until, visitor=visitor),), "password")


def _refused(share: Share, reason: DenialReason, now: datetime, visitor: str) -> Answer:
    """Recorded once in a minute, so that nobody fills the history by asking again."""
    last = share.refused.get(reason)
    if last is not None and now - last < timedelta(minutes=1):
        return Answer(denied=reason)
    return Answer((ShareDenied(reason=reason, visitor=visitor),), reason)
