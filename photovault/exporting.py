"""Export and import of the history: JSON lines, one commit a line, gzip when the file's name ends in .gz.

The lines are in the order of recording. A commit comes back exactly as it was, hash and all; one that does not match
its own hash, or another commit at its place, stops the import before it is stored.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from domain.commits import Commit
from domain.errors import HistoryDamaged, InvalidInput
from domain.events import HistorySealed
from domain.eventstore import EventStore
from domain.ports import BlobStore
from events_schema.lines import from_line, to_line
from photovault.sealing import SEAL_STREAM

_BATCH = 1000


class Imported(Struct):
    """What an import did, in commits."""

    commits: int = 0
    added: int = 0
    known: int = 0


def line_of(store: EventStore, blobs: BlobStore, commit: Commit) -> bytes:
    """A commit as one line, with the blobs that the history itself needs."""
    needed = [store.body_of(commit).decode()] if commit.body.startswith(b"{") else []
    if commit.stream == SEAL_STREAM:
        needed += [
            blobs.get(recorded.event.heads_blob).decode()
            for recorded in store.events_of(commit)
            if isinstance(recorded.event, HistorySealed)
        ]
    return to_line(commit, needed)


def export_history(store: EventStore, blobs: BlobStore, to: Path, on_commit: Callable[[], None] = lambda: None) -> int:
    """Write the whole history to a file, complete or not at all; returns the number of commits.

    Raises:
        InvalidInput: the file exists.
    """
    if to.exists():
        raise InvalidInput(f"{to} exists: name a new file")
    partial = to.with_name(to.name + ".partial")
    written = 0
    try:
        with _open(partial, "wb", zipped=to.suffix == ".gz") as file:
            checkpoint: str | None = None
            while (tail := store.commits.tail(checkpoint, _BATCH)).commits:
                checkpoint = tail.checkpoint
                for commit in tail.commits:
                    file.write(line_of(store, blobs, commit) + b"\n")
                    written += 1
                    on_commit()
        partial.replace(to)
    finally:
        partial.unlink(missing_ok=True)
    return written


def import_history(
    store: EventStore, blobs: BlobStore, source: Path, on_commit: Callable[[], None] = lambda: None
) -> Imported:
    """Take a history in, commit by commit; what is there already is left as it is.

    Raises:
        InvalidInput: the file is not an export.
        HistoryDamaged: a commit does not match its hash, does not follow from the one before it, or stands where
            this vault has another.
    """
    result = Imported()
    heads: dict[str, bytes] = {}
    for number, line in enumerate(_lines(source), 1):
        try:
            read = from_line(line)
            commit = read.commit()
        except (msgspec.DecodeError, ValueError) as error:
            raise InvalidInput(f"{source}, line {number} is not an exported commit: {error}") from error
        if commit.computed_hash() != commit.hash:
            raise HistoryDamaged(commit.stream, commit.number, "was changed after it was written")
        if commit.number > 1 and commit.prev_hash != (heads.get(commit.stream) or _head_before(store, commit)):
            raise HistoryDamaged(commit.stream, commit.number, "does not follow from the commit before it")
        for text in read.blobs:
            blobs.put(text.encode())
        store.body_of(commit)  # a body behind a claim check must be there, and be the one that was claimed
        holder = store.commits.put(commit)
        if holder is not None and holder.hash != commit.hash:
            raise HistoryDamaged(commit.stream, commit.number, "this vault has another commit there")
        heads[commit.stream] = commit.hash
        result.commits += 1
        result.added += holder is None
        result.known += holder is not None
        on_commit()
    return result


def _head_before(store: EventStore, commit: Commit) -> bytes | None:
    before = next(iter(store.commits.read(commit.stream, commit.number - 2)), None)
    return before.hash if before and before.number == commit.number - 1 else None


def _lines(source: Path) -> Iterator[bytes]:
    try:
        with source.open("rb") as probe:
            zipped = probe.read(2) == b"\x1f\x8b"
        with _open(source, "rb", zipped=zipped) as file:
            yield from (line for line in file if line.strip())
    except (EOFError, gzip.BadGzipFile) as error:
        raise InvalidInput(f"{source} is damaged or cut short: {error}") from error


def _open(path: Path, mode: str, *, zipped: bool) -> IO[bytes]:
    if zipped:
        return gzip.open(path, mode)  # type: ignore[return-value]
    return path.open(mode)
