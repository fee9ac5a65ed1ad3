"""The scrub: stored files against the SHA-256 that the history has of them, a little every day, so that all have had
their turn in a round; then it begins anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator

import msgspec
from msgspec import Struct

from domain.asset import Asset, fold
from domain.blobs import blobs_of
from domain.commits import Recorded, split_stream
from domain.errors import HistoryDamaged, NotFound, UnreadableEvent
from domain.events import FilesScrubbed
from photovault.owned import UpkeptVault
from photovault.upkeep.log import record

__all__ = ["DAILY_BYTES", "DAILY_FILES", "Fault", "Scrubbed", "scrub"]

DAILY_BYTES = 256 * 1024 * 1024
DAILY_FILES = 1_000
_CURSOR = ("upkeep", "scrub")
_CHUNK = 1 << 20
_LISTED = 100


class Fault(Struct, frozen=True):
    """One file that is not as it was recorded."""

    stream: str
    blob: str
    what: str


class Scrubbed(Struct):
    """What one run read."""

    assets: int = 0
    files: int = 0
    size_bytes: int = 0
    faults: list[Fault] = []
    through: bool = False  # the round is whole: the next run begins anew


def scrub(
    vault: UpkeptVault,
    *,
    most_bytes: int | None = DAILY_BYTES,
    most_files: int | None = DAILY_FILES,
    on_file: Callable[[], None] = lambda: None,
) -> Scrubbed:
    """Read files from where the last run stopped, until there were enough, or every asset has had its turn; record it.

    Args:
        most_bytes, most_files: of one run; None: all.
    Cost:
        The streams of the assets whose turn it is, and their files.
    """
    done = Scrubbed()
    whole = most_bytes is None and most_files is None
    entry = None if whole else vault.checkpoints.load(*_CURSOR)
    after = msgspec.json.decode(entry.value, type=tuple[str, int] | None) if entry else None
    for asset, place in _assets(vault, after):
        for blob, recorded in _files(asset).items():
            _look(vault, asset, blob, recorded, done)
            on_file()
        done.assets += 1
        after = place
        if (most_bytes is not None and done.size_bytes >= most_bytes) or (
            most_files is not None and done.files >= most_files
        ):
            break
    else:
        done.through = True
        after = None
    if not whole:
        vault.checkpoints.save(*_CURSOR, msgspec.json.encode(after), expected=None)
    faulty = tuple(dict.fromkeys(split_stream(fault.stream)[2] for fault in done.faults))[:_LISTED]
    record(vault, FilesScrubbed(files=done.files, size_bytes=done.size_bytes, faulty=faulty, through=done.through))
    return done


def _assets(vault: UpkeptVault, after: tuple[str, int] | None) -> Iterator[tuple[Asset, tuple[str, int]]]:
    """Assets behind a place of the history, each with the place of its last commit."""
    [segment] = vault.commits.segments(1)
    stream, place = "", ("", 0)
    events: list[Recorded] = []
    for commit in vault.store.prepared(vault.commits.segment(segment, after)):
        if commit.stream != stream:
            if events:
                yield fold(stream, events), place
            stream, events = commit.stream, []
        place = (commit.stream, commit.number)
        if split_stream(stream)[1] == "asset":
            try:
                events += vault.store.events_of(commit)
            except (UnreadableEvent, HistoryDamaged):
                continue  # the doctor and `audit --verify` tell of that
    if events:
        yield fold(stream, events), place


def _files(asset: Asset) -> dict[str, str | None]:
    """Blobs of an asset's present state, with the SHA-256 that is recorded; a blob's key is its own but for uploads."""
    if asset.uploaded is None:
        return {}
    found: dict[str, str | None] = {key: key for key in blobs_of(asset)}
    found[asset.uploaded.blob] = asset.validated.sha256 if asset.validated else asset.uploaded.sha256
    return found


def _look(vault: UpkeptVault, asset: Asset, blob: str, recorded: str | None, done: Scrubbed) -> None:
    done.files += 1
    digest = hashlib.sha256()
    try:
        with vault.blobs.file(blob) as path, path.open("rb") as file:
            while chunk := file.read(_CHUNK):
                digest.update(chunk)
                done.size_bytes += len(chunk)
    except NotFound:
        done.faults.append(Fault(asset.stream, blob, "is missing"))
        return
    except OSError as error:
        done.faults.append(Fault(asset.stream, blob, f"can't be read: {error.strerror or error}"))
        return
    if recorded is not None and digest.hexdigest() != recorded:
        done.faults.append(Fault(asset.stream, blob, f"was changed: its SHA-256 is {digest.hexdigest()}"))
