"""Export and import of the history: JSON lines, one commit a line, gzip when the file's name ends in .gz.

An export is in the order of recording; a copy of the archive in S3 is a folder of such files, in nearly that order. A
commit comes back exactly as it was, hash and all; one that does not match its own hash, or another commit at its
place, stops the import before it is stored.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO

import msgspec
from msgspec import Struct

from domain.commits import Commit
from domain.errors import HistoryDamaged, InvalidInput
from domain.events import HistorySealed
from domain.eventstore import EventStore
from domain.ports import BlobStore
from events_schema.lines import Line, from_line, to_line
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


def lines_in(source: Path) -> Iterator[Line]:
    """Commits in an export, or in all files `*.jsonl` and `*.jsonl.gz` below a folder, by name.

    Raises:
        InvalidInput: there is nothing, or a line is no commit; names the file and the line.
    """
    files = [source]
    if source.is_dir():
        files = sorted(path for path in source.rglob("*") if path.name.endswith((".jsonl", ".jsonl.gz")))
        if not files:
            raise InvalidInput(f"there is no file *.jsonl or *.jsonl.gz in {source}")
    for file in files:
        for number, line in enumerate(_lines(file), 1):
            try:
                yield from_line(line)
            except (msgspec.DecodeError, ValueError) as error:
                raise InvalidInput(f"{file}, line {number} is not an exported commit: {error}") from error


def archived_lines(store: EventStore, blobs: BlobStore, commits: Iterable[Commit]) -> Iterator[Line]:
    """Commits of another vault as lines, each with the blobs that the history itself needs."""
    return (from_line(line_of(store, blobs, commit)) for commit in commits)


def import_history(
    store: EventStore, blobs: BlobStore, lines: Iterable[Line], on_commit: Callable[[], None] = lambda: None
) -> Imported:
    """Take a history in, commit by commit; what is there already is left as it is. Within a stream, a commit that
    comes before its predecessor waits for it.

    Raises:
        HistoryDamaged: a commit does not match its hash, does not follow from the one before it, or stands where
            this vault has another; or the one before it never comes.
        InvalidInput: a line's hashes can't be read.
    """
    result = Imported()
    heads: dict[str, Commit] = {}
    early: dict[str, dict[int, Line]] = {}
    for line in lines:
        head = heads.get(line.stream) or _head_before(store, line)
        if line.number > (head.number if head else 0) + 1:
            early.setdefault(line.stream, {})[line.number] = line
            continue
        following: Line | None = line
        while following is not None:
            head = _take(store, blobs, following, head, result)
            heads[line.stream] = head
            on_commit()
            following = early.get(line.stream, {}).pop(head.number + 1, None)
    for stream, waiting in early.items():
        if waiting:
            number = min(waiting)
            raise HistoryDamaged(stream, number, f"commit {number - 1} before it is missing")
    return result


def _take(store: EventStore, blobs: BlobStore, line: Line, head: Commit | None, result: Imported) -> Commit:
    """Prove one commit and store it; returns the head of its stream."""
    try:
        commit = line.commit()
    except ValueError as error:
        raise InvalidInput(f"commit {line.number} of stream {line.stream} can't be read: {error}") from error
    if commit.computed_hash() != commit.hash:
        raise HistoryDamaged(commit.stream, commit.number, "was changed after it was written")
    if head is not None and commit.number == head.number + 1 and commit.prev_hash != head.hash:
        raise HistoryDamaged(commit.stream, commit.number, "does not follow from the commit before it")
    for text in line.blobs:
        blobs.put(text.encode())
    store.body_of(commit)  # a body behind a claim check must be there, and be the one that was claimed
    holder = store.commits.put(commit)
    if holder is not None and holder.hash != commit.hash:
        raise HistoryDamaged(commit.stream, commit.number, "this vault has another commit there")
    result.commits += 1
    result.added += holder is None
    result.known += holder is not None
    return commit if head is None or commit.number > head.number else head


def _head_before(store: EventStore, line: Line) -> Commit | None:
    """The commit before a line that is the first of its stream here, if this vault has it."""
    if line.number == 1:
        return None
    before = next(iter(store.commits.read(line.stream, line.number - 2)), None)
    return before if before and before.number == line.number - 1 else None


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
