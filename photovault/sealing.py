"""Seals and their verification: what the hash chain inside a stream can't show is a tail that was cut off.

A seal remembers the head (last commit's number and hash) of every stream that changed since the seal before. It is an
event like any other, in a stream of the vault's own; note the hash of its commit elsewhere, and the whole past is
pinned down (docs/adr/0008-seals-hold-what-changed.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta

import msgspec
from msgspec import Struct

from domain.commits import VAULT_OWNER, Cause, Commit, Head, derive_id, from_us, merkle_root, stream_name, to_us
from domain.errors import HistoryDamaged, NotFound
from domain.events import HistorySealed
from domain.eventstore import EventStore, verify_chain
from domain.ports import BlobStore

SEAL_STREAM = stream_name(VAULT_OWNER, "seal", "history")
SEAL_EVERY = timedelta(days=1)
_OVERLAP = timedelta(minutes=10)  # a commit may be stored a little after the time that it carries
_heads = msgspec.json.Decoder(list[tuple[str, int, str]]).decode


class Audit(Struct):
    """What the verification of a history came to."""

    commits: int = 0
    streams: int = 0
    seals: int = 0
    faults: list[HistoryDamaged] = []

    @property
    def intact(self) -> bool:
        """Whether nothing was changed, removed or put in."""
        return not self.faults


def last_seal_hash(store: EventStore) -> str | None:
    """Hash of the newest seal's commit, in hex: kept elsewhere, it covers every seal so far."""
    events = store.load(SEAL_STREAM).events
    return events[-1].commit.hash.hex() if events else None


def last_seal(store: EventStore) -> HistorySealed | None:
    """The newest seal."""
    events = store.load(SEAL_STREAM).events
    sealed = events[-1].event if events else None
    return sealed if isinstance(sealed, HistorySealed) else None


def seal(store: EventStore, blobs: BlobStore, now: datetime) -> HistorySealed | None:
    """Seal the streams that changed since the last seal; None when nothing has.

    Cost:
        One read of the window since the last seal, one blob, one append: proportional to what is new.
    """
    loaded = store.load(SEAL_STREAM)
    before = loaded.events[-1].event if loaded.events else None
    previous = before if isinstance(before, HistorySealed) else None
    since = previous.until - _OVERLAP if previous else from_us(0)
    heads: dict[str, Head] = {}
    for commit in store.commits.window(to_us(since), to_us(now)):
        known = heads.get(commit.stream)
        if commit.stream != SEAL_STREAM and (known is None or commit.number > known.number):
            heads[commit.stream] = Head(commit.stream, commit.number, commit.hash)
    if not heads:
        return None
    listed = [(head.stream, head.number, head.hash.hex()) for head in sorted(heads.values(), key=lambda h: h.stream)]
    sealed = HistorySealed(
        since=since,
        until=now,
        streams=len(heads),
        root=merkle_root(heads.values()).hex(),
        previous_root=previous.root if previous else None,
        heads_blob=blobs.put(msgspec.json.encode(listed)),
    )
    if previous and (previous.root, previous.streams) == (sealed.root, sealed.streams):
        return None  # only the overlap with the last seal, and nothing in it has changed
    seal_id = derive_id(SEAL_STREAM, loaded.token)
    store.append(SEAL_STREAM, [sealed], loaded.token, Cause(commit_id=seal_id, actor="seal", correlation_id=seal_id))
    return sealed


def verify_history(
    store: EventStore,
    blobs: BlobStore,
    commits: Iterable[Commit],
    stream: str | None = None,
    on_commit: Callable[[], None] = lambda: None,
    against: str | None = None,
) -> Audit:
    """Check hash chains, claim-checked bodies, the chain of seals, and every head that was ever sealed.

    Args:
        commits: what to check, stream by stream, each from its first commit.
        stream: check only the sealed heads of this one.
        against: hash of a seal's commit, in hex, that was kept elsewhere: it must still be there. That pins down all
            seals up to it only if `commits` has the stream of the seals.
    """
    audit = Audit()
    name = ""
    for commit, fault in verify_chain(iter(commits)):
        audit.commits += 1
        audit.streams += commit.stream != name
        name = commit.stream
        if fault is None and commit.body.startswith(b"{"):
            fault = _body_fault(store, commit)
        if fault is not None:
            audit.faults.append(fault)
        on_commit()
    faulty = {fault.stream for fault in audit.faults}
    for fault in _seal_faults(store, blobs, audit, stream, against):
        if fault.stream not in faulty:
            faulty.add(fault.stream)
            audit.faults.append(fault)
    return audit


def _body_fault(store: EventStore, commit: Commit) -> HistoryDamaged | None:
    try:
        store.body_of(commit)
    except HistoryDamaged as damaged:
        return damaged
    except msgspec.DecodeError:
        return HistoryDamaged(commit.stream, commit.number, "its claim check can't be read")
    return None


def _seal_faults(
    store: EventStore, blobs: BlobStore, audit: Audit, only: str | None, against: str | None
) -> Iterator[HistoryDamaged]:
    """Seals that are missing or do not follow from the one before, and heads that a seal remembers and the history no
    longer has; the newest seal first, as it says the most."""
    seals = store.load(SEAL_STREAM).events
    if against is not None and against not in {recorded.commit.hash.hex() for recorded in seals}:
        number = seals[-1].commit.number if seals else 0
        what = f"no seal up to here has the hash {against}: seals were cut off or rewritten since it was noted"
        yield HistoryDamaged(SEAL_STREAM, number, what)
    root: str | None = None
    for recorded in seals:
        if isinstance(recorded.event, HistorySealed):
            if recorded.event.previous_root != root:
                yield HistoryDamaged(SEAL_STREAM, recorded.commit.number, "does not follow from the seal before it")
            root = recorded.event.root
    for recorded in reversed(seals):
        sealed, number = recorded.event, recorded.commit.number
        if not isinstance(sealed, HistorySealed):
            continue
        audit.seals += 1
        try:
            listed = _heads(blobs.get(sealed.heads_blob))
            heads = [Head(stream, head, bytes.fromhex(digest)) for stream, head, digest in listed]
        except (NotFound, msgspec.DecodeError, ValueError):
            yield HistoryDamaged(SEAL_STREAM, number, "the list of heads that it sealed is missing or damaged")
            continue
        if merkle_root(heads).hex() != sealed.root:
            yield HistoryDamaged(SEAL_STREAM, number, "the list of heads that it sealed was changed")
            continue
        for head in heads:
            if only in (None, head.stream):
                commit = next(iter(store.commits.read(head.stream, head.number - 1)), None)
                if commit is None or commit.number != head.number:
                    what = f"is missing, though it was sealed on {sealed.until:%Y-%m-%d}: the stream's end was cut off"
                    yield HistoryDamaged(head.stream, head.number, what)
                elif commit.hash != head.hash:
                    what = f"is not the one that was sealed on {sealed.until:%Y-%m-%d}"
                    yield HistoryDamaged(head.stream, head.number, what)
