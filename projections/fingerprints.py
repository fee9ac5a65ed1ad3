"""Fingerprints: an owner's pictures by their hashes, and which of them look alike.

The home row of an asset holds its hashes and what its own search found. Beside it stand rows by which others find it:

    ~p#<pixels>#<asset>             one; the same pixels under other metadata
    ~0#<value>#<asset> ... ~4#      one for each band of the perceptual hash (domain/likeness.py), with the hash
    ~by#<other>#<asset>             one for each match, so that an edge is found from either side

`~` is in no asset's id and sorts behind them all. A row that is no longer right stays as a tombstone for ever (`gone`):
a projector that is behind, and the `duplicates` step folds streams beside the live one, can't bring it back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, structs

from domain.commits import Commit
from domain.events import (
    AssetRestored,
    AssetTrashed,
    AssetUploaded,
    FileQuarantined,
    FingerprintComputed,
    LookalikesFound,
)
from domain.likeness import ALGORITHM, Lookalike, band_values
from projections.base import Locate, OtherRow, Projection, plain

__all__ = ["Fingerprint", "Fingerprints", "asset_in", "band_range", "by_range", "pixels_range"]

BEHIND = "~"
"""Where an owner's assets end and the other rows begin."""


class Fingerprint(Struct, frozen=True, array_like=True):
    """One asset's hashes and look-alikes."""

    asset: str = ""
    size_bytes: int = 0
    pixels: str | None = None
    phash: int | None = None
    matches: tuple[Lookalike, ...] = ()
    found_us: int = 0  # when the search ended that found the matches
    more: bool = False
    gone: tuple[str, ...] = ()  # keys of rows that were once right
    trashed: str | None = None


def _uploaded(state: Fingerprint, event: AssetUploaded, commit: Commit) -> Fingerprint:
    return structs.replace(state, asset=commit.stream.rpartition("#")[2], size_bytes=event.size_bytes)


def _computed(state: Fingerprint, event: FingerprintComputed, commit: Commit) -> Fingerprint:
    if event.algorithm != ALGORITHM:  # an older one's hashes can't be compared with ours
        return _changed(state, structs.replace(state, pixels=None, phash=None, matches=(), more=False))
    phash = int(event.phash, 16) if event.phash else None
    return _changed(state, structs.replace(state, pixels=event.pixels, phash=phash))


def _found(state: Fingerprint, event: LookalikesFound, commit: Commit) -> Fingerprint:
    after = structs.replace(state, matches=event.matches, more=event.more, found_us=commit.recorded_us)
    return _changed(state, after)


def _quarantined(state: Fingerprint, event: FileQuarantined, commit: Commit) -> Fingerprint:
    """What is refused is never shown, nor found."""
    return _changed(state, structs.replace(state, pixels=None, phash=None, matches=(), more=False))


def _trashed(state: Fingerprint, event: AssetTrashed, commit: Commit) -> Fingerprint:
    return _changed(state, structs.replace(state, trashed=commit.recorded_at.isoformat()))


def _restored(state: Fingerprint, event: AssetRestored, commit: Commit) -> Fingerprint:
    return _changed(state, structs.replace(state, trashed=None))


def _changed(before: Fingerprint, after: Fingerprint) -> Fingerprint:
    old, new = {key for key, _ in _others(before)}, {key for key, _ in _others(after)}
    return structs.replace(after, gone=tuple(sorted({*before.gone, *old} - new)))


def _others(state: Fingerprint) -> Iterator[tuple[str, object]]:
    if state.trashed is not None:
        return
    if state.pixels is not None:
        yield f"{pixels_range(state.pixels)[0]}{state.asset}", None
    if state.phash is not None:
        for band, value in enumerate(band_values(state.phash)):
            yield f"{band_range(band, value, value + 1)[0]}#{state.asset}", state.phash
    for match in state.matches:
        yield f"{by_range(match.asset)[0]}{state.asset}", None


def pixels_range(pixels: str) -> tuple[str, str]:
    """Keys of the assets with these pixels: (from, to); 128 bits of the hash are enough to tell pictures apart."""
    prefix = f"{BEHIND}p#{pixels[:32]}"
    return f"{prefix}#", f"{prefix}$"


def band_range(band: int, first: int, end: int) -> tuple[str, str]:
    """Keys of the assets whose hash has a value from `first` on, and below `end`, in a band: (from, to)."""
    return f"{BEHIND}{band}#{first:04x}", f"{BEHIND}{band}#{end:04x}"


def by_range(asset: str) -> tuple[str, str]:
    """Keys of the assets that name this one: (from, to)."""
    return f"{BEHIND}by#{asset}#", f"{BEHIND}by#{asset}$"


def asset_in(key: str) -> str:
    """The asset that a row beside its home row belongs to."""
    return key.rpartition("#")[2]


class Fingerprints(Projection[Fingerprint]):
    """Assets by their hashes; the index `lookalikes` holds those that found another, newest find last."""

    name = "fingerprints"
    version = 2
    about = "which pictures look alike: hashes, an index to find near ones by, and what was found"
    indexes = ("lookalikes",)
    state = Fingerprint
    on = {
        AssetUploaded: _uploaded,
        FingerprintComputed: _computed,
        LookalikesFound: _found,
        FileQuarantined: _quarantined,
        AssetTrashed: _trashed,
        AssetRestored: _restored,
    }

    def show(self, state: Fingerprint, locate: Locate) -> dict[str, Any]:
        """Hashes as the event gives them."""
        return {
            "asset": state.asset,
            "size_bytes": state.size_bytes,
            "pixels": state.pixels,
            "phash": None if state.phash is None else f"{state.phash:016x}",
            "matches": [plain(match) | {"distance": match.distance} for match in state.matches],
            "more": state.more,
        }

    def keys(self, state: Fingerprint) -> tuple[str | None, ...]:
        """In `lookalikes` with a match of its own: an edge is listed by the side that found it."""
        return (f"{state.found_us:020}" if state.matches else None,)

    def trash_others(self, state: Fingerprint) -> Mapping[str, OtherRow]:
        """Nobody finds it in the trash: tombstones of all its rows."""
        return self.others(state)

    def others(self, state: Fingerprint) -> Mapping[str, OtherRow]:
        """The rows that others find it by, and tombstones of those that were."""
        rows = {key: OtherRow(data) for key, data in _others(state)}
        return rows | {key: OtherRow(None, gone=True) for key in state.gone}
