"""Erasure: `AssetErased` is appended, the asset's files are deleted, and the key of its personal fields is destroyed.

The order makes it safe to be killed anywhere. First it is noted that an erasure is under way; then the event says so,
and from then on nothing shows the asset; then the files go, and at last the key, without which nobody can read what
the history says of it (docs/adr/0020-erasure.md). What was begun is ended by the next call, or by `cleanup`.

A blob that may be another asset's too is not deleted at once: `cleanup` reads the history and knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Literal, TypeAlias

from msgspec import Struct

from domain import asset as assets
from domain.asset import Asset, asset_stream, fold
from domain.blobs import blobs_of
from domain.commits import Cause, Recorded, derive_id
from domain.errors import ConflictError, NotFound
from domain.events import AssetErased
from domain.stacks import leave
from photovault.owned import UpkeptVault
from steps.stacks import change_stack, tell

__all__ = ["DOUBTED", "UNDER_WAY", "Erased", "erase", "erase_all", "finish"]

UNDER_WAY = "erasing"
"""Kind of the documents that name streams whose erasure has begun."""

DOUBTED = "doubted-blob"
"""Kind of the documents that name blobs of erased assets which may be other assets' too."""

Why: TypeAlias = Literal["asked", "trash_emptied", "trash_expired"]


class Erased(Struct):
    """What was erased."""

    assets: list[str] = []
    blobs: int = 0
    size_bytes: int = 0
    doubted: int = 0  # blobs that wait for `cleanup`


def erase_all(
    vault: UpkeptVault,
    streams: Iterable[str],
    why: Why,
    actor: str,
    on_asset: Callable[[], None] = lambda: None,
    done: Erased | None = None,
) -> Erased:
    """Erase assets, each with what stands behind it; those that stand behind go first.

    Cost:
        An asset: its stream is read twice, one append, a deletion for each blob, one of the key.
    """
    done = done if done is not None else Erased()
    for stream in streams:
        asset = fold(stream, vault.store.load(stream).events)
        behind = dict.fromkeys(part.asset for stack in asset.stacked.values() for part in stack.parts)
        for each in (*(asset_stream(asset.owner, part) for part in behind), stream):
            erase(vault, each, why, actor, done)
        on_asset()
    return done


def erase(vault: UpkeptVault, stream: str, why: Why, actor: str, done: Erased | None = None) -> Erased:
    """Erase one asset. Nothing when it is erased already, or was taken out of the trash meanwhile."""
    done = done if done is not None else Erased()
    while True:
        loaded = vault.store.load(stream)
        asset = fold(stream, loaded.events)
        events = assets.erase(asset, why)
        if not events:
            if vault.checkpoints.load(UNDER_WAY, stream) is not None:
                finish(vault, stream, done)
            return done
        vault.checkpoints.save(UNDER_WAY, stream, b"1", expected=None)
        _leave_stacks(vault, asset, actor)
        cause = Cause(commit_id=derive_id("erased", stream), actor=actor, correlation_id=asset.correlation_id)
        try:
            vault.store.append(stream, list(events), loaded.token, cause)
        except ConflictError:
            continue
        done.assets.append(asset.id)
        finish(vault, stream, done)
        return done


def finish(vault: UpkeptVault, stream: str, done: Erased) -> None:
    """Delete the files and the key of an asset whose history says that it is erased; nothing when it does not say so.
    May be called again and again."""
    events = vault.store.load(stream).events
    if any(isinstance(each.event, AssetErased) for each in events):
        for key in _named(events):
            _delete(vault, key, done)
        vault.keys.destroy(stream)
    vault.checkpoints.delete(UNDER_WAY, stream)


def _leave_stacks(vault: UpkeptVault, asset: Asset, actor: str) -> None:
    """Those that it stood with are told that it is there no longer."""
    met = dict.fromkeys((*(asset.metadata.stacks if asset.metadata else ()), *asset.stacked))
    for stack in met:

        def cause(*what: str | int, stack: str = stack) -> Cause:
            said = derive_id("erased", asset.stream, stack, *what)
            return Cause(commit_id=said, actor=actor, correlation_id=asset.correlation_id)

        changed = change_stack(vault.store, asset.owner, stack, lambda s: leave(s, asset.id), cause())
        for member, change in changed.items():
            if member != asset.id:
                tell(vault.store, asset.owner, member, change.event(stack), cause(member, change.version))


def _named(events: Sequence[Recorded]) -> list[str]:
    """All blobs that the asset's events name; those of the commits themselves are history, and not among them."""
    return list(dict.fromkeys(key for each in events for key in blobs_of(each.event)))


def _delete(vault: UpkeptVault, key: str, done: Erased) -> None:
    try:
        shared = vault.blobs.may_be_shared(key)
    except (NotFound, FileNotFoundError):
        return
    if shared:
        vault.checkpoints.save(DOUBTED, key, b"1", expected=None)
        done.doubted += 1
        return
    done.size_bytes += vault.blobs.delete(key)
    done.blobs += 1
