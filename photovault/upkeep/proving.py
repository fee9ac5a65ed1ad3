"""The proof of a backup: streams are restored from their lines alone, and each is held against its hashes, the living
history, its keys and its files.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Sequence

import msgspec
from msgspec import Struct

from domain.asset import fold
from domain.blobs import blobs_of
from domain.commits import Commit, Recorded
from domain.errors import NotFound, UnreadableEvent
from domain.eventstore import verify_chain
from events_schema.codec import EventCodec
from events_schema.lines import Line

__all__ = ["Drilled", "prove"]


class Drilled(Struct):
    """What came of a drill."""

    assets: int = 0
    files: int = 0
    size_bytes: int = 0
    faults: list[str] = []


def prove(
    lines: Sequence[Line],
    keys: dict[str, bytes | None],
    read: Callable[[str], bytes | None],
    hash_at: Callable[[str, int], bytes | None],
    on_asset: Callable[[], None] = lambda: None,
) -> Drilled:
    """Restore streams from their lines, and prove each by its hashes.

    Args:
        read: a file of the backup by its key; None: it is not there.
        hash_at: the hash that the living history has of a commit; None: it has none.
    """
    done = Drilled()
    codec = EventCodec(keys=_Given(keys))
    streams: dict[str, dict[int, Line]] = {}
    for line in lines:
        streams.setdefault(line.stream, {})[line.number] = line
    for stream, numbered in sorted(streams.items()):
        done.assets += 1
        events = _restored(stream, [numbered[n] for n in sorted(numbered)], codec, hash_at, done)
        for key, recorded in _files(stream, events).items():
            data = read(key)
            if data is None:
                done.faults.append(f"{stream}: file {key} is not in the backup")
                continue
            done.files += 1
            done.size_bytes += len(data)
            if hashlib.sha256(data).hexdigest() != recorded:
                done.faults.append(f"{stream}: file {key} is not what was recorded")
        on_asset()
    return done


def _restored(
    stream: str,
    lines: Sequence[Line],
    codec: EventCodec,
    hash_at: Callable[[str, int], bytes | None],
    done: Drilled,
) -> list[Recorded]:
    events: list[Recorded] = []
    try:
        commits = [line.commit() for line in lines]
    except ValueError as error:
        done.faults.append(f"{stream}: a line can't be read: {error}")
        return []
    bodies = {hashlib.sha256(text.encode()).hexdigest(): text.encode() for line in lines for text in line.blobs}
    for commit, fault in verify_chain(iter(commits)):
        if fault is not None:
            done.faults.append(str(fault))
            continue
        if hash_at(stream, commit.number) != commit.hash:
            done.faults.append(f"{stream}, commit {commit.number}: the vault has another one there, or none")
        try:
            events += codec.decode(commit, _body(commit, bodies))
        except (UnreadableEvent, KeyError) as error:
            done.faults.append(f"{stream}, commit {commit.number}: {error}")
    return events


def _body(commit: Commit, bodies: dict[str, bytes]) -> bytes:
    if not commit.body.startswith(b"{"):
        return commit.body
    return bodies[msgspec.json.decode(commit.body)["claim_check"]]


def _files(stream: str, events: Iterable[Recorded]) -> dict[str, str]:
    """Files that the asset's present state names, with their SHA-256; those alone whose hash is known."""
    asset = fold(stream, events)
    if asset.uploaded is None:
        return {}
    found = {key: key for key in blobs_of(asset) if len(key) == hashlib.sha256().digest_size * 2}
    recorded = asset.validated.sha256 if asset.validated else asset.uploaded.sha256
    return found | ({asset.uploaded.blob: recorded} if recorded else {})


class _Given:
    """`domain.keys.Keys` that are given, and none else."""

    def __init__(self, keys: dict[str, bytes | None]) -> None:
        self._keys = keys

    def ensure(self, scope: str) -> bytes | None:
        raise NotFound("nothing is written in a drill")

    def get(self, scope: str) -> bytes | None:
        if scope not in self._keys:
            raise NotFound(f"the key of {scope} is not in the backup")
        return self._keys[scope]

    def prepare(self, scopes: Iterable[str]) -> None:
        """All are at hand."""

    def destroy(self, scope: str) -> bool:
        raise NotFound("nothing is destroyed in a drill")
