"""Files: which asset a path belongs to, for every path that its bytes were seen at."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import datetime

from msgspec import Struct, structs

from domain.commits import Commit, to_us
from domain.events import AssetSeenAgain, AssetUploaded, SidecarAttached
from projections.base import OtherRow, Projection

PATHS = "~"
"""First letter of the keys of paths: no id of an asset begins with it, and it sorts behind them all."""


class Place(Struct, frozen=True, array_like=True):
    """One file as an import saw it; the same size and time at the same path mean that it need not be read again."""

    path: str
    asset: str
    size_bytes: int
    modified_us: int | None = None
    seen_us: int = 0  # when this was recorded


class Paths(Struct, frozen=True, array_like=True):
    """All files of one asset."""

    asset: str = ""
    size_bytes: int = 0
    places: tuple[Place, ...] = ()
    trashed: str | None = None


def path_key(path: str) -> str:
    """Key of a path's row: 128 bits of a hash, as a path may be longer than a key; it sorts behind all assets."""
    return f"{PATHS}{hashlib.sha256(path.encode('utf-8', 'surrogatepass')).hexdigest()[:32]}"


def _uploaded(state: Paths, event: AssetUploaded, commit: Commit) -> Paths:
    asset = commit.stream.rpartition("#")[2]
    before = Paths(asset, event.size_bytes)
    return before if event.path is None else _with(before, event.path, event.modified_at, commit)


def _seen_again(state: Paths, event: AssetSeenAgain, commit: Commit) -> Paths:
    return _with(state, event.path, event.modified_at, commit)


def _attached(state: Paths, event: SidecarAttached, commit: Commit) -> Paths:
    return state if event.path is None else _with(state, event.path, event.modified_at, commit, event.size_bytes)


def _with(
    state: Paths, path: str, modified_at: datetime | None, commit: Commit, size_bytes: int | None = None
) -> Paths:
    modified_us = to_us(modified_at) if modified_at else None
    size_bytes = state.size_bytes if size_bytes is None else size_bytes
    place = Place(path, state.asset, size_bytes, modified_us, commit.recorded_us)
    return structs.replace(state, places=(*(p for p in state.places if p.path != path), place))


class Files(Projection[Paths]):
    """Assets by path. A home row is keyed by the asset, a path's row by `path_key`."""

    name = "files"
    version = 3
    about = "which asset a file's path belongs to, a sidecar's too"
    follows_trash = False  # a file of the trash is known again when an import meets it
    state = Paths
    on = {AssetUploaded: _uploaded, AssetSeenAgain: _seen_again, SidecarAttached: _attached}

    def others(self, state: Paths) -> Mapping[str, OtherRow]:
        """A row a path. A file that was changed in place is another asset at the same path: the last one seen there
        has it, in whatever order their streams are folded."""
        return {path_key(place.path): OtherRow(place, version=place.seen_us) for place in state.places}
