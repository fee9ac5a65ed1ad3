"""The event store's commits in one SQLite table, in the order of their recording.

Group commit: while one thread waits for the disk, the others queue up, and the next one writes them all in a single
transaction. An acknowledged append is on the disk (`synchronous=FULL`), and eight writers share one flush
(docs/adr/0007-group-commit.md).
"""

from __future__ import annotations

import itertools
import json
import sqlite3
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

from adapters.local.sqlite import Database
from domain.commits import Commit
from domain.errors import InvalidInput
from domain.ports import Tail

_SCHEMA = """
CREATE TABLE IF NOT EXISTS commits (
    position INTEGER PRIMARY KEY,
    stream TEXT NOT NULL,
    number INTEGER NOT NULL,
    first_version INTEGER NOT NULL,
    count INTEGER NOT NULL,
    commit_id TEXT NOT NULL,
    recorded_us INTEGER NOT NULL,
    actor TEXT NOT NULL,
    correlation_id TEXT NOT NULL,
    causation_id TEXT,
    body BLOB NOT NULL,
    prev_hash BLOB NOT NULL,
    hash BLOB NOT NULL
);
CREATE UNIQUE INDEX IF NOT EXISTS commits_by_stream ON commits (stream, number);
CREATE INDEX IF NOT EXISTS commits_by_time ON commits (recorded_us);
CREATE TRIGGER IF NOT EXISTS commits_are_never_changed BEFORE UPDATE ON commits
    BEGIN SELECT RAISE(ABORT, 'events are never changed'); END;
CREATE TRIGGER IF NOT EXISTS commits_are_never_deleted BEFORE DELETE ON commits
    BEGIN SELECT RAISE(ABORT, 'events are never deleted'); END;
"""

_COLUMNS = (
    "stream, number, first_version, count, commit_id, recorded_us, actor, correlation_id, causation_id, "
    "body, prev_hash, hash"
)
_INSERT = f"INSERT OR IGNORE INTO commits ({_COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"  # noqa: S608
# Bytes whatever a tampering hand has made of them, so that verification can say so instead of stumbling.
_READ = _COLUMNS.replace("body, prev_hash, hash", "CAST(body AS BLOB), CAST(prev_hash AS BLOB), CAST(hash AS BLOB)")
_SELECT = f"SELECT {_READ} FROM commits"  # noqa: S608
_FETCH = 512
_SEGMENT_CACHE_BYTES = 2 << 20


class _Waiting:
    """A commit on its way to the disk; `call` lets its thread go on, either done or to write for all."""

    __slots__ = ("_called", "commit", "done", "error", "holder")

    def __init__(self, commit: Commit) -> None:
        self.commit = commit
        self.holder: Commit | None = None
        self.error: BaseException | None = None
        self.done = False
        self._called = threading.Lock()
        self._called.acquire()

    def wait(self) -> None:
        self._called.acquire()

    def call(self) -> None:
        self._called.release()


class SqliteCommitStore:
    """`domain.ports.CommitStore` in a SQLite file.

    Cost:
        put: one insert, and a share in one flush to disk; read, segment, window: an index range.
    """

    def __init__(self, path: Path | str) -> None:
        self._db = Database(path, _SCHEMA)
        self._pending: list[_Waiting] = []
        self._pending_lock = threading.Lock()
        self._writing = False  # whether some thread writes, or was called to

    def put(self, commit: Commit) -> Commit | None:
        """Store a commit if its place is free; None, or the commit that holds the place."""
        waiting = _Waiting(commit)
        with self._pending_lock:
            self._pending.append(waiting)
            others_write, self._writing = self._writing, True
        if others_write:
            waiting.wait()
        if not waiting.done:
            self._write_for_all(waiting)
        if waiting.error is not None:
            raise waiting.error
        return waiting.holder

    def _write_for_all(self, mine: _Waiting) -> None:
        """Write all that is pending, call the next writer from what came meanwhile, then all that are done."""
        with self._pending_lock:
            batch, self._pending = self._pending, []
        try:
            self._write(batch)
        finally:
            with self._pending_lock:
                self._writing = bool(self._pending)
                if self._writing:
                    self._pending[0].call()
            for waiting in batch:
                if waiting is not mine:
                    waiting.call()

    def _write(self, batch: Sequence[_Waiting]) -> None:
        try:
            with self._db.write() as connection:
                for waiting in batch:
                    waiting.holder = _insert(connection, waiting.commit)
        except BaseException as error:
            for waiting in batch:
                waiting.error = error
            if not isinstance(error, Exception):
                raise
        finally:
            for waiting in batch:
                waiting.done = True

    def read(self, stream: str, after: int = 0) -> Iterator[Commit]:
        """Commits of one stream with a number above `after`, in order."""
        rows = self._db.reader.execute(f"{_SELECT} WHERE stream=? AND number>? ORDER BY number", (stream, after))
        return _commits(rows)

    def tail(self, checkpoint: str | None, limit: int) -> Tail:
        """At most `limit` commits recorded after a checkpoint, in the order of recording."""
        after = int(checkpoint) if checkpoint else 0
        rows = self._db.reader.execute(
            f"SELECT position, {_READ} FROM commits WHERE position>? ORDER BY position LIMIT ?",  # noqa: S608
            (after, limit),
        ).fetchall()
        last = rows[-1][0] if rows else after
        return Tail([Commit(*row[1:]) for row in rows], str(last))

    def last_position(self) -> int:
        """Position of the newest commit; 0 in an empty store."""
        return int(self._db.reader.execute("SELECT coalesce(max(position), 0) FROM commits").fetchone()[0])

    def segments(self, parts: int) -> Sequence[str]:
        """Ranges of stream names with about as many commits each, cut by a sample of at most 2,000 commits."""
        last = self.last_position()
        step = max(1, last // 2000)
        sample = sorted(
            row[0]
            for row in self._db.reader.execute(
                "WITH RECURSIVE at(p) AS (VALUES(?1) UNION ALL SELECT p + ?1 FROM at WHERE p + ?1 <= ?2) "
                "SELECT stream FROM at JOIN commits ON position = p",
                (step, last),
            )
        )
        cuts = sorted({sample[len(sample) * i // parts] for i in range(1, parts)}) if sample else []
        bounds = ["", *cuts, None]
        return [json.dumps([low, high]) for low, high in itertools.pairwise(bounds)]

    def segment(self, segment: str, after: tuple[str, int] | None = None) -> Iterator[Commit]:
        """One range of streams, each whole and in order."""
        try:
            low, high = json.loads(segment)
        except ValueError as error:
            raise InvalidInput(f"{segment!r} is not a segment of this store") from error
        stream, number = after or (low, 0)
        # Neighbours by stream lie far apart on the disk, so pages are rarely met twice: a small cache is the quickest.
        self._db.reader.execute(f"PRAGMA cache_size=-{_SEGMENT_CACHE_BYTES // 1024}")
        limit, bound = ("AND stream < ?", (high,)) if high is not None else ("", ())
        rows = self._db.reader.execute(
            f"{_SELECT} WHERE (stream, number) > (?, ?) {limit} ORDER BY stream, number",
            (stream, number, *bound),
        )
        return _commits(rows)

    def window(self, since_us: int, until_us: int) -> Iterator[Commit]:
        """Commits recorded in [since, until), in the order of recording."""
        rows = self._db.reader.execute(
            f"{_SELECT} WHERE recorded_us>=? AND recorded_us<? ORDER BY recorded_us, position", (since_us, until_us)
        )
        return _commits(rows)

    def owners(self) -> list[str]:
        """Owners that have streams. Cost: a look-up an owner, however many streams they have."""
        found: list[str] = []
        after = ""
        while True:
            row = self._db.reader.execute("SELECT min(stream) FROM commits WHERE stream >= ?", (after,)).fetchone()
            if row[0] is None:
                return found
            owner = str(row[0]).partition("#")[0]
            found.append(owner)
            after = f"{owner}$"  # the character behind `#`

    def counts(self) -> tuple[int, int]:
        """Number of events and of streams."""
        events = self._db.reader.execute("SELECT coalesce(sum(count), 0) FROM commits").fetchone()[0]
        streams = self._db.reader.execute("SELECT count(*) FROM commits WHERE number=1").fetchone()[0]
        return int(events), int(streams)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _insert(connection: sqlite3.Connection, commit: Commit) -> Commit | None:
    values = (
        commit.stream,
        commit.number,
        commit.first_version,
        commit.count,
        commit.commit_id,
        commit.recorded_us,
        commit.actor,
        commit.correlation_id,
        commit.causation_id,
        commit.body,
        commit.prev_hash,
        commit.hash,
    )
    if connection.execute(_INSERT, values).rowcount:
        return None
    row = connection.execute(f"{_SELECT} WHERE stream=? AND number=?", (commit.stream, commit.number)).fetchone()
    return Commit(*row)


def _commits(rows: sqlite3.Cursor) -> Iterator[Commit]:
    while batch := rows.fetchmany(_FETCH):
        yield from itertools.starmap(Commit, batch)
