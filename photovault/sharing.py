"""Sharing: links that owners make and visitors open. Who may see what is decided on the share's stream alone, so that
of two visitors who open the last time, one does.

A token is 256 random bits. The history holds its SHA-256; the vault keeps the token itself beside it, among its own
documents, for as long as the link lives, so that it can be sent and shown again. A password is checked by Argon2id.
"""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Protocol

from msgspec import Meta, Struct

from domain import share as shares
from domain.commits import NEW, Cause, derive_id
from domain.errors import ConflictError, InvalidInput, NotFound, ShareClosed
from domain.events import Event
from domain.eventstore import EventStore, Loaded
from domain.ports import Checkpoints
from domain.scanning import Serving
from domain.share import Answer, Share, share_stream
from domain.share_events import ShareKind
from photovault.share_files import Files, Handed, full_size, rendition
from photovault.shared_items import Item, Library, items_of, shown_assets
from photovault.signing import Signing
from projections.shares import LINK, Links, Shares

__all__ = [
    "Made",
    "Order",
    "SharingVault",
    "Visit",
    "create",
    "download",
    "list_shares",
    "look",
    "order",
    "over",
    "revoke",
    "saved_token",
    "visit",
]

_TOKENS = "share-link"
_MAX_RACES = 50
_MAX_PASSWORD = 200
_links, _shares = Links(), Shares()

REASONS = {
    "expired": "This link has expired.",
    "revoked": "This link is not valid any more.",
    "used_up": "This link was opened as often as it may be.",
    "locked": "Too many wrong passwords: try again later.",
    "password": "This is not the password.",
    "password_needed": "These pictures are behind a password.",
    "button_needed": "This link can be opened a limited number of times.",
    "no_item": "There is no such picture here.",
    "no_download": "Files can't be downloaded from this link.",
}


class SharingVault(Library, Files, Protocol):
    """What sharing needs of a vault, on one machine and on AWS alike."""

    @property
    def store(self) -> EventStore:
        """The history."""
        ...

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time."""
        ...

    @property
    def checkpoints(self) -> Checkpoints:
        """The vault's own documents."""
        ...


class Made(Struct, frozen=True):
    """A new link."""

    share: str
    token: str


class Visit(Struct, frozen=True):
    """What a visitor may see, and the code that lets them go on looking without it counting again."""

    owner: str
    share: Share
    items: list[Item]
    session: str
    expires_at: datetime
    new: bool  # it counts as an opening


class Order(Struct, frozen=True, forbid_unknown_fields=True):
    """A link as a program asks for it."""

    assets: tuple[str, ...] = ()
    person: str | None = None
    memory: str | None = None
    title: str = ""
    password: str | None = None
    days: Annotated[int, Meta(ge=1, le=3650)] | None = 30
    max_views: Annotated[int, Meta(ge=1)] | None = None
    download: bool = False
    to: tuple[str, ...] = ()


# --- the owner -------------------------------------------------------------------------------------------------------


def create(
    vault: SharingVault,
    owner: str,
    kind: ShareKind,
    serving: Serving,
    *,
    assets: Sequence[str] = (),
    subject: str | None = None,
    title: str = "",
    password: str | None = None,
    lasts: timedelta | None = None,
    max_views: int | None = None,
    download: bool = False,
    to: Sequence[str] = (),
    actor: str = "",
) -> Made:
    """Make a link to an owner's own pictures.

    Args:
        assets, subject: ids; of assets, or of a person or memory.
        to: ids of contacts who are told.
    Raises:
        NotFound: an asset is not the owner's, or can't be shown.
        InvalidInput: see `domain.share.create`; or the password is too short or too long.
    """
    if password is not None and not 6 <= len(password) <= _MAX_PASSWORD:
        raise InvalidInput(f"a password for a link has 6 to {_MAX_PASSWORD} characters")
    token = secrets.token_urlsafe(32)
    sha256 = shares.token_sha256(token)
    now = vault.clock()
    event = shares.create(
        kind,
        sha256,
        now,
        assets=assets,
        subject=subject,
        title=title,
        password=_hasher().hash(password) if password is not None else None,
        expires_at=now + lasts if lasts is not None else None,
        max_views=max_views,
        download=download,
        to=to,
    )
    if kind == "memory" and not items_of(vault, owner, Share(created=event), serving):
        raise NotFound(f"there is no memory {subject!r} with pictures that can be shown")
    if event.assets:
        seen = {item.asset for item in shown_assets(vault, owner, event.assets, serving)}
        missing = [asset for asset in event.assets if asset not in seen]
        if missing:
            raise NotFound(f"asset {missing[0]} can't be shared: it is not there, not processed yet, or held back")
    share = shares.share_id(sha256)
    vault.checkpoints.save(_TOKENS, share, token.encode(), expected=None)
    cause = Cause(commit_id=derive_id("share", share), actor=actor or f"person:{owner}", correlation_id=share)
    vault.store.append(share_stream(owner, share), [event], NEW, cause)
    return Made(share, token)


def order(vault: SharingVault, owner: str, asked: Order, serving: Serving) -> Made:
    """Make the link that a program asks for.

    Raises:
        InvalidInput, NotFound: see `create`.
    """
    if (bool(asked.assets), asked.person is not None, asked.memory is not None).count(True) != 1:
        raise InvalidInput("share assets, or a person, or a memory: one of the three")
    if any("#" in each for each in (*asked.assets, asked.person or "", asked.memory or "", *asked.to)):
        raise NotFound("there is no such asset, person, memory or contact")
    kind: ShareKind = "selection" if len(asked.assets) > 1 else "asset"
    kind = "person" if asked.person is not None else "memory" if asked.memory is not None else kind
    return create(
        vault,
        owner,
        kind,
        serving,
        assets=asked.assets,
        subject=asked.person or asked.memory,
        title=asked.title,
        password=asked.password,
        lasts=timedelta(days=asked.days) if asked.days is not None else None,
        max_views=asked.max_views,
        download=asked.download,
        to=asked.to,
    )


def revoke(vault: SharingVault, owner: str, share: str, actor: str = "") -> bool:
    """End a link at once; whether it was not ended before. Its token is forgotten.

    Raises:
        NotFound: the owner has no such share.
    """
    stream = share_stream(owner, share)
    changed = False
    for _ in range(_MAX_RACES):
        loaded = _load(vault, owner, share)
        events = shares.revoke(loaded[0])
        if not events:
            break
        said = derive_id(stream, "revoke")
        cause = Cause(commit_id=said, actor=actor or f"person:{owner}", correlation_id=share)
        try:
            vault.store.append(stream, list(events), loaded[1].token, cause)
        except ConflictError:
            continue
        changed = True
        break
    vault.checkpoints.delete(_TOKENS, share)
    return changed


def over(vault: SharingVault, before: datetime) -> list[tuple[str, str]]:
    """Owners and ids of the links whose tokens are kept and whose time was over before a moment.

    Cost:
        One row, and the end of a stream, for each link that was not revoked.
    """
    found = []
    for entry in vault.checkpoints.list(_TOKENS):
        try:
            owner, ident = _owner_of(vault, entry.value.decode())
        except NotFound:  # its row is still to come
            continue
        created = _load(vault, owner, ident)[0].created
        if created is not None and created.expires_at is not None and created.expires_at < before:
            found.append((owner, ident))
    return found


def list_shares(vault: SharingVault, owner: str, limit: int = 50, cursor: str | None = None) -> dict[str, Any]:
    """An owner's shares, the newest first."""
    projection, table = vault.generations.active(Shares.name)
    page = vault.views.query(table, owner, index="created", descending=True, limit=limit, cursor=cursor)
    now = vault.clock()
    items = []
    for row in page.rows:
        state = projection.decode(row.data)
        items.append(projection.show(state, str) | {"state": state.state(now)})
    return {"items": items, "cursor": page.cursor}


def look(vault: SharingVault, owner: str, share: str) -> Share:
    """One share of an owner's, by its id or the beginning of it.

    Raises:
        NotFound: there is none.
        InvalidInput: several begin so.
    """
    _, table = vault.generations.active(Shares.name)
    rows = vault.views.query(table, owner, low=share, high=share + "\U0010ffff", limit=5).rows if share else ()
    if len(rows) > 1 and share not in [row.key for row in rows]:
        raise InvalidInput(
            f"several shares begin with {share!r}: {', '.join(r.key for r in rows)}; give more of the id"
        )
    found = rows[0].key if len(rows) == 1 else share
    state = _load(vault, owner, found)[0] if "#" not in found and found else Share()
    if state.created is None:
        raise NotFound(f"there is no share {share!r}: `photovault share list` lists those there are")
    return state


def saved_token(checkpoints: Checkpoints, share: str) -> str | None:
    """The token of a link that lives; None once it was revoked."""
    entry = checkpoints.load(_TOKENS, share)
    return entry.value.decode() if entry else None


# --- the visitor -----------------------------------------------------------------------------------------------------


def visit(
    vault: SharingVault,
    token: str,
    serving: Serving,
    *,
    password: str | None = None,
    asked: bool = False,
    session: str | None = None,
    address: str | None = None,
    request: str = "",
    renew: bool = True,
) -> Visit:
    """Open a link.

    Args:
        asked: somebody pressed a button, so that it is no program that looks behind every link.
        session: the code of an earlier visit.
        address: the visitor's; only a salted hash of it is recorded.
        request: names this request.
        renew: whether this may become an opening of its own; else it has to be part of one.
    Cost:
        A row, the share's newest commits, one append unless it is the same opening; and the items' rows.
    Raises:
        NotFound: the token opens nothing.
        ShareClosed: it does, but not now or not to this visitor; what is recorded of that was recorded.
    """
    owner, ident = _owner_of(vault, token)
    signing = Signing(vault.checkpoints)
    visitor = signing.visitor(ident, address)
    items: list[Item] | None = None
    right: bool | None = None
    for _ in range(_MAX_RACES):
        share, loaded = _load(vault, owner, ident)
        _must_open(share, token)
        now = vault.clock()
        known = session is not None and _session_holds(signing, share, session, now)
        if not known and not renew:
            raise ShareClosed("button_needed", "this opening is over: open the link again")
        if right is None and password is not None and not known and share.state(now) == "active":
            right = _is_right(share, password)
        if items is None:
            items = items_of(vault, owner, share, serving)
        answer = shares.open_share(
            share, now, right=right, asked=asked, items=len(items), visitor=visitor, session=known
        )
        if not _append(vault, owner, ident, loaded, answer, f"{request or uuid.uuid4().hex}"):
            continue
        if answer.denied is not None:
            raise ShareClosed(answer.denied, REASONS[answer.denied])
        if known and session is not None:
            return Visit(owner, share, items, session, _until(session), new=False)
        until = now + shares.SESSION
        return Visit(owner, share, items, _session(signing, share, until), until, new=True)
    raise ShareClosed("locked", "too many visitors at once: try again")


def download(
    vault: SharingVault, seen: Visit, number: int, *, address: str | None = None, request: str = ""
) -> tuple[Handed, str]:
    """A file in full size of a visit, and its neutral name; recorded before it is handed out.

    Raises:
        ShareClosed: files can't be downloaded, or there is no such item.
        NotFound: the file can't be had.
    """
    item = next((each for each in seen.items if each.number == number), None)
    allowed = seen.share.created is not None and seen.share.created.download
    made = full_size(vault, seen.owner, item.asset) if item and allowed else None
    name = f"{item.name}.{made.suffix}" if item and made else ""
    visitor = Signing(vault.checkpoints).visitor(seen.share.id, address)
    for _ in range(_MAX_RACES):
        share, loaded = _load(vault, seen.owner, seen.share.id)
        answer = shares.download(
            share, vault.clock(), item.asset if item else None, name, made.bytes if made else 0, visitor
        )
        if not _append(vault, seen.owner, share.id, loaded, answer, request or uuid.uuid4().hex):
            continue
        if answer.denied is not None or made is None:
            raise ShareClosed(answer.denied or "no_item", REASONS[answer.denied or "no_item"])
        return made, name
    raise ShareClosed("locked", "too many visitors at once: try again")


def picture(seen: Visit, number: int, size: str) -> Handed:
    """A rendition of one item of a visit; part of the opening, so that nothing is recorded.

    Raises:
        NotFound: there is none.
    """
    for item in seen.items:
        if item.number == number:
            return rendition(item.state, size)
    raise NotFound("there is no such file")


# --- how -------------------------------------------------------------------------------------------------------------


def _owner_of(vault: SharingVault, token: str) -> tuple[str, str]:
    """By the row whose partition follows from the token; all of the hash is compared once the share is loaded."""
    if not 20 <= len(token) <= 100 or not token.isascii():
        raise NotFound("this link opens nothing")
    ident = shares.share_id(shares.token_sha256(token))
    _, table = vault.generations.active(Links.name)
    row = vault.views.get(table, [(ident, LINK)])[0]
    if row is None or row.deleted:
        raise NotFound("this link opens nothing")
    return _links.decode(row.data).owner, ident


def _must_open(share: Share, token: str) -> None:
    said = shares.token_sha256(token)
    if share.created is None or not secrets.compare_digest(share.created.token_sha256, said):
        raise NotFound("this link opens nothing")


def _load(vault: SharingVault, owner: str, ident: str) -> tuple[Share, Loaded]:
    """The state as the stream has it: from the row on, so that a long stream costs no more than a short one."""
    _, table = vault.generations.active(Shares.name)
    row = vault.views.get(table, [(owner, ident)])[0]
    start = _shares.decode(row.data) if row is not None and not row.deleted else Share(ident)
    stream = share_stream(owner, ident)
    loaded = vault.store.resume(stream, start.commits)
    return shares.fold(stream, loaded.events, start), loaded


def _append(vault: SharingVault, owner: str, ident: str, loaded: Loaded, answer: Answer, request: str) -> bool:
    """Record what was decided; False when somebody else was first, so that it has to be decided anew."""
    if not answer.events:
        return True
    stream = share_stream(owner, ident)
    names = "+".join(type(event).__name__ for event in answer.events)
    cause = Cause(commit_id=derive_id(stream, names, request), actor="visitor", correlation_id=ident)
    try:
        vault.store.append(stream, list[Event](answer.events), loaded.token, cause)
    except ConflictError:
        return False
    return True


def _session(signing: Signing, share: Share, until: datetime) -> str:
    moment = str(int(until.timestamp()))
    return f"{moment}.{signing.sign('session', share.id, moment, _password(share))}"


def _session_holds(signing: Signing, share: Share, session: str, now: datetime) -> bool:
    moment, _, code = session.partition(".")
    if not (moment.isascii() and moment.isdigit() and len(moment) < 12) or now.timestamp() >= int(moment):
        return False
    return code.isascii() and signing.check(code, "session", share.id, moment, _password(share))


def _until(session: str) -> datetime:
    return datetime.fromtimestamp(int(session.partition(".")[0]), UTC)


def _password(share: Share) -> str:
    return (share.created.password if share.created else None) or ""


def _hasher() -> Any:
    from argon2 import PasswordHasher  # only where a password is

    return PasswordHasher()  # RFC 9106's second choice: Argon2id, 64 MiB, 3 passes, 4 lanes


def _is_right(share: Share, password: str) -> bool:
    from argon2.exceptions import Argon2Error, InvalidHashError

    held = _password(share)
    if not held or len(password) > _MAX_PASSWORD:
        return False
    try:
        return bool(_hasher().verify(held, password))
    except (Argon2Error, InvalidHashError):
        return False
