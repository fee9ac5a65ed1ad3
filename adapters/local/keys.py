"""Keys of personal fields in a SQLite file of their own: what is deleted there is overwritten, in the log as well."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from pathlib import Path

from adapters.local.sqlite import Database
from domain.errors import NotFound
from domain.keys import new_key

_SCHEMA = """
PRAGMA secure_delete=ON;
CREATE TABLE IF NOT EXISTS keys (scope TEXT PRIMARY KEY, key BLOB) WITHOUT ROWID;
"""
_KEPT = 10_000
_KEPT_SECONDS = 60.0
_PAGE = 500


class SqliteKeys:
    """`domain.keys.Keys` in a SQLite file.

    A key is kept in memory for a minute at most, so that one which another process destroyed is soon unknown here.

    Cost:
        ensure: for a new scope one insert, and a share in one flush to disk; get: a look-up, or none.
    """

    def __init__(self, path: Path | str) -> None:
        self._db = Database(path, _SCHEMA)
        self._known: OrderedDict[str, tuple[float, bytes | None]] = OrderedDict()
        self._pending: dict[str, bytes] = {}
        self._lock = threading.Lock()
        self._writing = threading.Lock()

    def ensure(self, scope: str) -> bytes | None:
        """See `Keys.ensure`. Threads that come while another one writes share the next write."""
        try:
            return self.get(scope)
        except NotFound:
            pass
        with self._lock:
            self._pending.setdefault(scope, new_key())
        with self._writing:
            with self._lock:
                batch, self._pending = self._pending, {}
            if batch:
                with self._db.write() as connection:
                    connection.executemany("INSERT OR IGNORE INTO keys (scope, key) VALUES (?, ?)", batch.items())
        return self.get(scope)

    def get(self, scope: str) -> bytes | None:
        """See `Keys.get`."""
        kept = self._known.get(scope)
        if kept is not None and kept[0] > time.monotonic():
            return kept[1]
        row = self._db.reader.execute("SELECT key FROM keys WHERE scope=?", (scope,)).fetchone()
        if row is None:
            raise NotFound(f"the key of {scope} is missing, and was not destroyed: restore the keys from the backup")
        self._keep([(scope, row[0])])
        key: bytes | None = row[0]
        return key

    def prepare(self, scopes: Iterable[str]) -> None:
        """See `Keys.prepare`."""
        now = time.monotonic()
        with self._lock:
            wanted = [s for s in dict.fromkeys(scopes) if (kept := self._known.get(s)) is None or kept[0] <= now]
        for i in range(0, len(wanted), _PAGE):
            some = wanted[i : i + _PAGE]
            marks = ",".join("?" * len(some))
            rows = self._db.reader.execute(f"SELECT scope, key FROM keys WHERE scope IN ({marks})", some)  # noqa: S608
            self._keep(rows.fetchall())

    def destroy(self, scope: str) -> bool:
        """See `Keys.destroy`."""
        with self._db.write() as connection:
            row = connection.execute("SELECT key FROM keys WHERE scope=?", (scope,)).fetchone()
            connection.execute(
                "INSERT INTO keys (scope, key) VALUES (?, NULL) ON CONFLICT (scope) DO UPDATE SET key=NULL", (scope,)
            )
        self._db.truncate_log()
        with self._lock:
            self._known.pop(scope, None)
        return row is not None and row[0] is not None

    def everything(self) -> Iterator[tuple[str, bytes | None]]:
        """All scopes with their keys, None for those destroyed: for a backup."""
        return iter(self._db.reader.execute("SELECT scope, key FROM keys ORDER BY scope").fetchall())

    def take(self, entries: Iterable[tuple[str, bytes | None]]) -> None:
        """Put keys of a backup in; one that was destroyed, here or there, stays so."""
        with self._db.write() as connection:
            connection.executemany(
                "INSERT INTO keys (scope, key) VALUES (?1, ?2) ON CONFLICT (scope) DO UPDATE SET key=NULL "
                "WHERE ?2 IS NULL",
                list(entries),
            )
        with self._lock:
            self._known.clear()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    def _keep(self, entries: Iterable[tuple[str, bytes | None]]) -> None:
        until = time.monotonic() + _KEPT_SECONDS
        with self._lock:
            for scope, key in entries:
                self._known[scope] = (until, key)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
