"""The system's own small documents in one SQLite table; each changes by compare-and-set on its revision."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from adapters.local.sqlite import Database
from domain.ports import Entry

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    kind TEXT NOT NULL,
    name TEXT NOT NULL,
    value BLOB NOT NULL,
    revision INTEGER NOT NULL,
    PRIMARY KEY (kind, name)
) WITHOUT ROWID;
"""


class SqliteCheckpoints:
    """`domain.ports.Checkpoints` in a SQLite file; a saved document survives a power cut."""

    def __init__(self, path: Path | str) -> None:
        self._db = Database(path, "PRAGMA secure_delete=ON;" + _SCHEMA)  # keys are among the documents

    def load(self, kind: str, name: str) -> Entry | None:
        """The document, or None."""
        row = self._db.reader.execute(
            "SELECT kind, name, value, revision FROM entries WHERE kind=? AND name=?", (kind, name)
        ).fetchone()
        return Entry(*row) if row else None

    def save(self, kind: str, name: str, value: bytes, expected: int | None) -> Entry | None:
        """Write if the revision is as expected (0: none there; None: any); the new entry, or None."""
        with self._db.write() as connection:
            row = connection.execute("SELECT revision FROM entries WHERE kind=? AND name=?", (kind, name)).fetchone()
            stored = row[0] if row else 0
            if expected is not None and stored != expected:
                return None
            connection.execute(
                "INSERT INTO entries (kind, name, value, revision) VALUES (?1, ?2, ?3, ?4) "
                "ON CONFLICT (kind, name) DO UPDATE SET value=?3, revision=?4",
                (kind, name, value, stored + 1),
            )
            return Entry(kind, name, value, stored + 1)

    def delete(self, kind: str, name: str) -> None:
        """Remove the document; nothing when it is gone."""
        with self._db.write() as connection:
            connection.execute("DELETE FROM entries WHERE kind=? AND name=?", (kind, name))

    def purge(self) -> None:
        """Leave nothing of what was deleted or replaced in the files: not in free pages, not in the log."""
        self._db.truncate_log()

    def list(self, kind: str) -> Iterator[Entry]:
        """All documents of a kind, by name."""
        rows = self._db.reader.execute(
            "SELECT kind, name, value, revision FROM entries WHERE kind=? ORDER BY name", (kind,)
        ).fetchall()
        return (Entry(*row) for row in rows)

    def close(self) -> None:
        """Close the file."""
        self._db.close()
