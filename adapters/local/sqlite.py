"""One SQLite file, opened right: WAL, foreign processes waited for, one writer at a time, a reader for each thread."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from domain.errors import PhotoVaultError

BUSY_SECONDS = 60.0
CACHE_BYTES = 32 << 20
PAGE_BYTES = 4096
_BULK_CACHE_BYTES = 8 << 20  # bulk writes come in the order of their keys, and are no faster with more
_BULK_WAL_BYTES = 64 << 20  # pages that bulk writes touch again and again reach the file once, not each time


class Database:
    """Connections to one file; safe for threads, and for other processes that open the same file.

    Args:
        path: the file, or `:memory:` for one that lives as long as this object.
        schema: statements that make the tables, each harmless when they are there.
        durable: an acknowledged write survives a power cut (`synchronous=FULL`), or only a crash of the process.
        page_bytes: size of a page, if the file is new.
    """

    def __init__(
        self, path: Path | str, schema: str = "", *, durable: bool = True, page_bytes: int = PAGE_BYTES
    ) -> None:
        self._memory = str(path) == ":memory:"
        self._path = str(path)
        self._local = threading.local()
        self._all: list[sqlite3.Connection] = []
        self._lock = threading.RLock()
        if not self._memory:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        self._writer = self._connect()
        if not self._memory:
            self._writer.execute(f"PRAGMA page_size={page_bytes}")
            self._writer.execute("PRAGMA journal_mode=WAL")
            if not durable:
                self._writer.execute(f"PRAGMA wal_autocheckpoint={_BULK_WAL_BYTES // page_bytes}")
                self._writer.execute(f"PRAGMA cache_size=-{_BULK_CACHE_BYTES // 1024}")
        self._level = "FULL" if durable else "NORMAL"
        self._writer.execute(f"PRAGMA synchronous={self._level}")
        if schema:
            with self._lock:
                self._writer.executescript(schema)

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=512
        )
        # No memory map: it was not faster, and made a process as large as its files.
        connection.execute(f"PRAGMA cache_size=-{CACHE_BYTES // 1024}")
        with self._lock:
            self._all.append(connection)
        return connection

    @contextmanager
    def write(self, *, immediate: bool = True) -> Iterator[sqlite3.Connection]:
        """A transaction on the one writing connection: committed at the end, rolled back on an error."""
        with self._lock:
            self._writer.execute("BEGIN IMMEDIATE" if immediate else "BEGIN")
            try:
                yield self._writer
            except BaseException:
                self._writer.execute("ROLLBACK")
                raise
            self._writer.execute("COMMIT")

    def flush(self) -> None:
        """Force all that was written so far to disk, whatever `durable` is."""
        with self._lock:
            self._writer.execute("PRAGMA synchronous=FULL")
            self._writer.execute("PRAGMA wal_checkpoint(FULL)")
            self._writer.execute(f"PRAGMA synchronous={self._level}")

    def truncate_log(self) -> None:
        """Bring the log's pages into the file and empty it, so that it holds no older ones.

        Raises:
            PhotoVaultError: somebody has been reading for `BUSY_SECONDS`, and may still need the older ones.
        """
        with self._lock:
            busy, _, _ = self._writer.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise PhotoVaultError(f"another program is reading {self._path}: end it, and call this again")

    def execute_script(self, script: str) -> None:
        """Run statements that change the schema."""
        with self._lock:
            self._writer.executescript(script)

    @property
    def reader(self) -> sqlite3.Connection:
        """A connection of this thread's own, for reading; it sees what was committed before each statement."""
        if self._memory:
            return self._writer
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect()
            connection.execute("PRAGMA query_only=1")
        return connection

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for connection in self._all:
                connection.close()
            self._all.clear()
