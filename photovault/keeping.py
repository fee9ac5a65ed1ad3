"""What its owner says of an asset as a whole: that it is a favourite, that it goes into the trash, that it comes back.

Nothing is deleted here. What stands behind an asset (the video of a live photo, the RAW of a pair) goes with it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from domain import asset as assets
from domain.asset import Asset, asset_stream, fold
from domain.commits import Cause, derive_id, split_stream
from domain.errors import ConflictError, InvalidInput
from domain.events import Event
from domain.ports import Page
from domain.upkeep import WITH_TRASH
from projections.gallery import TRASH, Gallery
from projections.serving import served

AnyVault: TypeAlias = Any
"""`photovault.vault.Vault`, or `photovault.aws.cloud.Cloud`: the same parts under the same names."""

__all__ = ["change", "list_trash", "restore", "set_favourite", "trash", "trash_page", "trashed_ids"]

_PAGE = 1000


def set_favourite(vault: AnyVault, stream: str, *, favourite: bool) -> bool:
    """Mark an asset, or take the mark away; whether that is new."""
    return change(vault, stream, lambda asset: assets.set_favourite(asset, favourite=favourite))


def trash(vault: AnyVault, stream: str, reason: str) -> list[str]:
    """Put an asset and what stands behind it into the trash; the ids of those that were not there before.

    Raises:
        InvalidInput: the reason is empty or too long.
    """
    _check(reason)
    owner = split_stream(stream)[0]
    if vault.checkpoints.load(WITH_TRASH, owner) is None:
        vault.checkpoints.save(WITH_TRASH, owner, b"1", expected=None)
    return _each(vault, stream, lambda asset: assets.trash(asset, reason))


def restore(vault: AnyVault, stream: str, reason: str) -> list[str]:
    """Take an asset and what stands behind it out of the trash; the ids of those that were there.

    Raises:
        InvalidInput: the reason is empty or too long.
    """
    _check(reason)
    return _each(vault, stream, lambda asset: assets.restore(asset, reason))


def trash_page(vault: AnyVault, owner: str, *, limit: int = 50, cursor: str | None = None) -> Page:
    """Gallery rows of what is in an owner's trash, the last one put there first."""
    _, table = vault.generations.active(Gallery.name)
    page: Page = vault.views.query(
        table,
        owner,
        index="state",
        low=f"{TRASH}#",
        high=f"{TRASH}$",
        descending=True,
        limit=limit,
        cursor=cursor,
    )
    return page


def list_trash(vault: AnyVault, limit: int = 50, cursor: str | None = None) -> tuple[list[dict[str, Any]], str | None]:
    """The trash as `query gallery` shows assets, with `trashed_at`; and the cursor of the next page."""
    page = trash_page(vault, vault.settings.owner, limit=limit, cursor=cursor)
    gallery = Gallery()
    items = [served(gallery, row, vault.locate, vault.settings.serving, from_trash=True) for row in page.rows]
    return items, page.cursor


def trashed_ids(vault: AnyVault) -> list[str]:
    """Ids of all assets in the trash, the last one put there first."""
    found: list[str] = []
    cursor: str | None = None
    while True:
        page = trash_page(vault, vault.settings.owner, limit=_PAGE, cursor=cursor)
        found += [row.key for row in page.rows]
        cursor = page.cursor
        if cursor is None:
            return found


def change(vault: AnyVault, stream: str, decide: Callable[[Asset], Sequence[Event]]) -> bool:
    """Append what the owner decides about an asset; whether that was anything."""
    while True:
        loaded = vault.store.load(stream)
        asset = fold(stream, loaded.events)
        events = decide(asset)
        if not events:
            return False
        cause = Cause(
            commit_id=derive_id("said", stream, loaded.token),
            actor=f"person:{asset.owner}",
            correlation_id=asset.correlation_id or derive_id("upload", stream),
        )
        try:
            vault.store.append(stream, list(events), loaded.token, cause)
        except ConflictError:
            continue
        return True


def _each(vault: AnyVault, stream: str, decide: Callable[[Asset], Sequence[Event]]) -> list[str]:
    """The same for an asset and all that stand behind it; those that stand behind come first, so that a killed command
    leaves the one that a person sees, and can name again."""
    asset = fold(stream, vault.store.load(stream).events)
    behind = dict.fromkeys(part.asset for stack in asset.stacked.values() for part in stack.parts)
    streams = [*(asset_stream(asset.owner, each) for each in behind), stream]
    return [each.rpartition("#")[2] for each in streams if change(vault, each, decide)]


def _check(reason: str) -> None:
    if not reason.strip() or len(reason) > 2000:
        raise InvalidInput("a reason has 1 to 2,000 characters")
