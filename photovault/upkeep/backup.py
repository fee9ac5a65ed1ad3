"""Backup into a folder (another disk, a mounted bucket), the restore from it, and the drill that proves it.

    FOLDER/backup.json            how far the copy has come
    FOLDER/events/*.jsonl.gz      the history, a file a run, as `events export` writes it; never changed
    FOLDER/blobs/ab/ab12...       files by SHA-256, each read back and proved when it is copied
    FOLDER/keys.json              keys of personal fields: written anew by each run, so that destroyed ones go

A run copies what is new. What was erased since the last run is forgotten here as well: its key and its files.
"""

from __future__ import annotations

import gzip
import hashlib
import os
import random
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import msgspec
from msgspec import Struct

from domain.blobs import blobs_of
from domain.commits import split_stream
from domain.errors import HistoryDamaged, InvalidInput, NotFound, PhotoVaultError, UnreadableEvent
from domain.events import AssetErased, AssetUploaded, BackupDrilled, BackupMade
from photovault.exporting import import_history, line_of, lines_in
from photovault.keyfile import KEYS, read_keys, write_keys
from photovault.upkeep.log import record
from photovault.upkeep.proving import Drilled, prove
from photovault.vault import Vault

__all__ = ["Backup", "Saved", "drill", "opened", "restore", "save"]

_BATCH = 1000
_CHUNK = 1 << 20
_LISTED = 100


class Backup(Struct, frozen=True):
    """How far a backup has come."""

    position: str  # of the source's tail
    vault: str  # hash of the history's first commit: a backup is of one vault
    made_at: str  # RFC 3339, UTC
    commits: int
    format: int = 1


class Saved(Struct):
    """What one run did."""

    commits: int = 0
    files: int = 0
    size_bytes: int = 0
    forgotten: int = 0
    missing: list[str] = []  # blobs that the history names and the vault no longer has


# --- save ------------------------------------------------------------------------------------------------------------


def save(vault: Vault, folder: Path, on_commit: Callable[[], None] = lambda: None) -> Saved:
    """Copy what is new since the last run. May be killed anywhere: the next run copies again what was not whole.

    Raises:
        InvalidInput: the folder is another vault's backup, or holds something else.
    """
    before = _opened(vault, folder)
    done = Saved()
    erased: list[str] = []
    position = before.position if before else None
    (folder / "events").mkdir(parents=True, exist_ok=True, mode=0o700)
    while (tail := vault.commits.tail(position, _BATCH)).commits:
        lines: list[bytes] = []
        for commit in vault.store.prepared(tail.commits):
            lines.append(line_of(vault.store, vault.blobs, commit))
            try:
                events = vault.store.events_of(commit)
            except (UnreadableEvent, HistoryDamaged):
                events = []
            for each in events:
                if isinstance(each.event, AssetErased):
                    erased.append(commit.stream)
                for key in blobs_of(each.event):
                    _copy(vault, key, folder, done)
            done.commits += 1
            on_commit()
        number = (before.commits if before else 0) + done.commits
        _write(folder / "events" / f"{number - len(lines) + 1:012}-{number:012}.jsonl.gz", _zipped(lines))
        position = tail.checkpoint
        state = Backup(position, _identity(vault), vault.clock().isoformat(), number)
        _write(folder / "backup.json", msgspec.json.encode(state))
    write_keys(vault.keys, folder / KEYS)
    for stream in erased:
        _forget(vault, stream, folder, done)
    event = BackupMade(commits=done.commits, files=done.files, size_bytes=done.size_bytes, forgotten=done.forgotten)
    record(vault, event)
    return done


def _opened(vault: Vault, folder: Path) -> Backup | None:
    if not folder.exists() or not any(folder.iterdir()):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return None
    state = opened(folder)
    if state.vault != _identity(vault):
        raise InvalidInput(f"{folder} is the backup of another vault: name another folder")
    return state


def opened(folder: Path) -> Backup:
    """What a backup says of itself.

    Raises:
        InvalidInput: the folder is none.
    """
    try:
        return msgspec.json.decode((folder / "backup.json").read_bytes(), type=Backup)
    except (OSError, msgspec.DecodeError) as error:
        raise InvalidInput(
            f"{folder} is no backup (backup.json can't be read); `photovault backup save` makes one in an empty folder"
        ) from error


def _identity(vault: Vault) -> str:
    first = vault.commits.tail(None, 1).commits
    return first[0].hash.hex() if first else ""


def _copy(vault: Vault, key: str, folder: Path, done: Saved) -> None:
    """One blob, read back from where it went to."""
    place = _place(folder, key)
    if place is None or place.exists():
        return
    try:
        with vault.blobs.file(key) as source:
            place.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            partial = place.with_suffix(".partial")
            shutil.copyfile(source, partial)
    except NotFound:
        done.missing.append(key)
        return
    if _digest(partial) != key:
        partial.unlink()
        raise PhotoVaultError(f"blob {key} is not what its name says, here or in the copy: `photovault scrub --all`")
    with partial.open("rb") as file:
        os.fsync(file.fileno())
    partial.replace(place)
    done.files += 1
    done.size_bytes += place.stat().st_size


def _forget(vault: Vault, stream: str, folder: Path, done: Saved) -> None:
    """What the vault has deleted of an erased asset."""
    events = [each.event for each in vault.store.read(stream)]
    named = {key for event in events for key in blobs_of(event)}
    named |= {event.sha256 for event in events if isinstance(event, AssetUploaded) and event.sha256}
    for key in named:
        place = _place(folder, key)
        if place is not None and place.exists() and not vault.blobs.path(key).exists():
            place.unlink()
            done.forgotten += 1


# --- restore ---------------------------------------------------------------------------------------------------------


def restore(vault: Vault, folder: Path, on_commit: Callable[[], None] = lambda: None) -> Saved:
    """Bring a backup into a vault, which is empty or was restored from it before: history, keys and files, each proved
    by its hash. The views are the caller's affair.

    Raises:
        InvalidInput: the folder is no backup.
        HistoryDamaged: a commit is not what it was.
        PhotoVaultError: a file is not what its name says.
    """
    opened(folder)
    done = Saved()
    vault.keys.take(read_keys(folder / KEYS))
    taken = import_history(vault.store, vault.blobs, lines_in(folder / "events"), on_commit)
    done.commits = taken.added
    for place in sorted((folder / "blobs").rglob("*")):
        if not place.is_file() or place.suffix:
            continue
        if _digest(place) != place.name:
            raise PhotoVaultError(f"{place} was changed: its bytes are not those of its name; take it from elsewhere")
        if not vault.blobs.path(place.name).exists():
            vault.blobs.import_file(place)
            vault.blobs.doubt(place.name)  # whether another asset needs it too is not in the backup
            done.files += 1
            done.size_bytes += place.stat().st_size
    for stream in _erased_in(vault):
        vault.keys.destroy(stream)  # an older backup's key does not undo an erasure
    return done


def _erased_in(vault: Vault) -> Iterator[str]:
    for part in vault.commits.segments(1):
        for commit in vault.store.prepared(vault.commits.segment(part)):
            if b'"AssetErased"' in commit.body:
                yield commit.stream


# --- drill -----------------------------------------------------------------------------------------------------------


def drill(vault: Vault, folder: Path, sample: int | None, on_asset: Callable[[], None] = lambda: None) -> Drilled:
    """Restore a sample of assets from the backup into a vault of its own, and prove it: the chain of each stream by its
    hashes, each stream against the head that this vault has, each file by its SHA-256, and that the keys open what is
    sealed. Recorded as an event.

    Args:
        sample: how many assets; None: all.
    """
    state = opened(folder)
    names = sorted({line.stream for line in lines_in(folder / "events") if split_stream(line.stream)[1] == "asset"})
    chosen = names if sample is None or sample >= len(names) else random.sample(names, sample)
    lines = [line for line in lines_in(folder / "events") if line.stream in set(chosen)]
    keys = dict(read_keys(folder / KEYS))

    def read(key: str) -> bytes | None:
        place = _place(folder, key)
        return place.read_bytes() if place is not None and place.exists() else None

    done = prove(lines, keys, read, lambda stream, number: _hash_at(vault, stream, number), on_asset)
    if not state.commits:
        done.faults.append("the backup holds nothing")
    record(vault, BackupDrilled(assets=done.assets, size_bytes=done.size_bytes, faults=tuple(done.faults[:_LISTED])))
    return done


def _hash_at(vault: Vault, stream: str, number: int) -> bytes | None:
    commit = next(iter(vault.commits.read(stream, number - 1)), None)
    return commit.hash if commit is not None and commit.number == number else None


# --- files -----------------------------------------------------------------------------------------------------------


def _place(folder: Path, key: str) -> Path | None:
    """Where a blob is in a backup; None for a key that is no SHA-256."""
    return folder / "blobs" / key[:2] / key if len(key) == 64 and key.isalnum() else None


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _zipped(lines: Sequence[bytes]) -> bytes:
    return gzip.compress(b"".join(line + b"\n" for line in lines), 6, mtime=0)


def _write(path: Path, data: bytes, mode: int = 0o600) -> None:
    """Whole or not at all."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False, suffix=".partial") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).chmod(mode)
    Path(file.name).replace(path)
