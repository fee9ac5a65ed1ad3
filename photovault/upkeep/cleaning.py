"""Cleanup: what nobody needs any more is found, shown, and deleted. What was deleted is an event.

- uploads that were begun and never ended (half-written files; on AWS multipart uploads);
- what was in the trash for 30 days: erased, as `trash empty` does; no other original is ever deleted;
- erasures that were begun and not ended, and files of erased assets that might have been another asset's too;
- links to pictures whose time was over a week ago: revoked, and their tokens forgotten;
- orphans: derived files that no asset names any more, a week after they were stored;
- generations of views that nobody has read for a week.

Which blobs are needed is asked of the history itself, in one pass over it; of the store a part is looked at each time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from itertools import groupby

import msgspec
from msgspec import Struct

from domain.asset import asset_stream, fold
from domain.blobs import blobs_of
from domain.commits import Commit, split_stream, to_us
from domain.errors import HistoryDamaged, UnreadableEvent
from domain.events import AssetErased, AssetUploaded, ChunkEncoded, VaultCleaned
from domain.eventstore import EventStore
from domain.upkeep import TRASH_KEPT, UNUSED_KEPT
from photovault.erasing import DOUBTED, UNDER_WAY, Erased, erase_all, finish
from photovault.owned import UpkeptVault
from photovault.sharing import over, revoke
from photovault.upkeep.log import record
from projections.gallery import TRASH, Gallery

__all__ = ["SLICES", "Plan", "clean", "expired", "needed_blobs"]

SLICES = 16
"""Parts of the store: one is looked at for orphans each day, so that each has its turn in a fortnight or so."""

_CURSOR = ("upkeep", "orphans")
_SEGMENTS = 1
_PAGE = 1000


class Plan(Struct):
    """What a cleanup deletes, or would delete."""

    trash: list[str] = []  # streams
    unfinished: list[str] = []  # streams whose erasure was begun
    orphans: list[tuple[str, int]] = []  # blobs and their bytes
    released: list[str] = []  # blobs of erased assets that nobody else needs
    kept: list[str] = []  # the others of them
    uploads: int = 0
    upload_bytes: int = 0
    generations: list[tuple[str, int]] = []
    shares: list[tuple[str, str]] = []  # owner and id
    unreadable: list[str] = []  # streams that hold commits which can't be read: nothing is called an orphan then

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do."""
        return not (
            self.trash
            or self.unfinished
            or self.orphans
            or self.released
            or self.kept
            or self.uploads
            or self.generations
            or self.shares
        )


def clean(
    vault: UpkeptVault,
    owners: Iterable[str],
    *,
    dry: bool = False,
    everything: bool = False,
    on_step: Callable[[str], None] = lambda what: None,
) -> tuple[Plan, VaultCleaned]:
    """Find what can go, and unless `dry` delete it and record that.

    Args:
        owners: whose trash is looked at.
        everything: look for orphans in the whole store, not in the part whose turn it is.
    Cost:
        The ids in the trash; one pass over the history; a listing of a 16th of the store.
    """
    plan = Plan()
    on_step("trash")
    before = vault.clock() - TRASH_KEPT
    plan.trash = [asset_stream(owner, each) for owner in owners for each in expired(vault, owner, before)]
    plan.unfinished = [entry.name for entry in vault.checkpoints.list(UNDER_WAY)]
    on_step("views")
    plan.generations = list(_unread(vault, vault.clock() - UNUSED_KEPT))
    plan.uploads, plan.upload_bytes = vault.abandoned_uploads(dry=True)
    plan.shares = over(vault, vault.clock() - UNUSED_KEPT)
    erased = Erased()
    if not dry:
        for owner, share in plan.shares:
            revoke(vault, owner, share, "upkeep")
        erase_all(vault, plan.trash, "trash_expired", "upkeep", done=erased)
        for stream in plan.unfinished:
            finish(vault, stream, erased)
        vault.abandoned_uploads(dry=False)
        for name, number in plan.generations:
            vault.generations.drop(name, number)
    on_step("orphans")
    _find_orphans(vault, plan, everything=everything, dry=dry)
    freed = erased.size_bytes + plan.upload_bytes + sum(size for _, size in plan.orphans)
    if not dry:
        for key, _ in plan.orphans:
            vault.blobs.delete(key)
        for key in plan.released:
            freed += vault.blobs.delete(key)
        for key in (*plan.released, *plan.kept):
            vault.checkpoints.delete(DOUBTED, key)
    done = VaultCleaned(
        erased=len(plan.trash),
        orphans=len(plan.orphans) + len(plan.released),
        uploads=plan.uploads,
        generations=len(plan.generations),
        shares=len(plan.shares),
        freed_bytes=freed,
    )
    if not dry and done != VaultCleaned():
        record(vault, done)
    return plan, done


def needed_blobs(
    store: EventStore, history: Iterable[Commit], wanted: Callable[[str], bool]
) -> tuple[set[str], list[str]]:
    """Of the blobs that are `wanted`, those which the history needs; and streams that can't be read.

    An asset needs what its present state names (and every part of a video that was ever encoded: playlists name those),
    an unfinished one all that its events name, an erased one nothing; any other stream all that its events name. And a
    commit needs its own body.
    """
    needed: set[str] = set()
    unreadable: list[str] = []
    for stream, commits in groupby(store.prepared(history), key=lambda commit: commit.stream):
        events = []
        for commit in commits:
            if commit.body.startswith(b"{"):
                key = msgspec.json.decode(commit.body).get("claim_check", "")
                if wanted(key):
                    needed.add(key)
            try:
                events += store.events_of(commit)
            except (UnreadableEvent, HistoryDamaged):
                unreadable.append(stream)
        if any(isinstance(each.event, AssetErased) for each in events):
            continue
        asset = fold(stream, events) if split_stream(stream)[1] == "asset" else None
        if asset is None or asset.due():
            named = {key for each in events for key in blobs_of(each.event)}
        else:
            parts = (each.event for each in events if isinstance(each.event, ChunkEncoded | AssetUploaded))
            named = {*blobs_of(asset), *(key for part in parts for key in blobs_of(part))}
        needed |= {key for key in named if wanted(key)}
    return needed, unreadable


def expired(vault: UpkeptVault, owner: str, before: datetime) -> Iterator[str]:
    """Ids in an owner's trash since before a moment."""
    _, table = vault.generations.active(Gallery.name)
    high, cursor = f"{TRASH}#{before.isoformat()}", None
    while True:
        page = vault.views.query(table, owner, index="state", low=f"{TRASH}#", high=high, limit=_PAGE, cursor=cursor)
        yield from (row.key for row in page.rows)
        cursor = page.cursor
        if cursor is None:
            return


def _unread(vault: UpkeptVault, before: datetime) -> Iterator[tuple[str, int]]:
    """Generations that were replaced before a moment."""
    for name in vault.generations.projections:
        registered = vault.generations.registered(name)
        active = registered.find(registered.active)
        if active is None:
            continue
        for each in registered.generations:
            if each.status == "draining" and active.created_us < to_us(before):
                yield name, each.number


def _find_orphans(vault: UpkeptVault, plan: Plan, *, everything: bool, dry: bool) -> None:
    entry = vault.checkpoints.load(*_CURSOR)
    turn = int(entry.value) if entry else 0
    prefixes = [f"{n:x}" for n in range(SLICES)] if everything else [f"{turn % SLICES:x}"]
    young = (vault.clock() - UNUSED_KEPT).timestamp()
    found = {key: size for prefix in prefixes for key, size, at in vault.blobs.listed(prefix) if at < young}
    doubted = {entry.name for entry in vault.checkpoints.list(DOUBTED)}
    if found or doubted:
        history = (commit for part in vault.commits.segments(_SEGMENTS) for commit in vault.commits.segment(part))
        needed, plan.unreadable = needed_blobs(vault.store, history, {*found, *doubted}.__contains__)
        if not plan.unreadable:
            plan.orphans = sorted((key, size) for key, size in found.items() if key not in needed | doubted)
            plan.released, plan.kept = sorted(doubted - needed), sorted(doubted & needed)
    if not dry:
        vault.checkpoints.save(*_CURSOR, str(turn + 1).encode(), expected=None)
