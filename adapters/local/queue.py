"""Queues in one SQLite table: leases, delays, dead letters.

`send` is forced to disk, because the relay's checkpoint moves on after it. The rest is not: a lease or a removal that
a power cut undoes makes a message come again, which is harmless.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import msgspec

from adapters.local.sqlite import Database
from domain.ports import DeadLetter, Delivery, Message, QueueDepth

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    queue TEXT NOT NULL,
    message_id TEXT NOT NULL,
    message BLOB NOT NULL,
    due_at REAL NOT NULL,
    leased INTEGER NOT NULL DEFAULT 0,
    receives INTEGER NOT NULL DEFAULT 0,
    dead_reason TEXT,
    dead_at REAL,
    UNIQUE (queue, message_id)
);
CREATE INDEX IF NOT EXISTS messages_due ON messages (queue, due_at) WHERE dead_reason IS NULL;
CREATE INDEX IF NOT EXISTS messages_dead ON messages (queue, dead_at) WHERE dead_reason IS NOT NULL;
"""

_decode = msgspec.msgpack.Decoder(Message).decode
_encode = msgspec.msgpack.Encoder().encode


class SqliteQueue:
    """`domain.ports.Queue` in a SQLite file.

    Args:
        clock: seconds since 1970, for leases and delays.
    """

    def __init__(self, path: Path | str, clock: Callable[[], float] = time.time) -> None:
        self._durable = Database(path, _SCHEMA)
        self._db = Database(path, durable=False) if str(path) != ":memory:" else self._durable
        self._clock = clock

    def send(self, queue: str, messages: Sequence[Message]) -> None:
        """Store messages; one that is there already is not stored again."""
        if not messages:
            return
        now = self._clock()
        with self._durable.write() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO messages (queue, message_id, message, due_at) VALUES (?,?,?,?)",
                [(queue, m.id, _encode(m), now) for m in messages],
            )

    def receive(self, queues: Sequence[str], limit: int, lease_seconds: float) -> Sequence[Delivery]:
        """Up to `limit` due messages, from the queues in that order, the longest due first."""
        if not self._any_due(queues):
            return []
        now = self._clock()
        deliveries: list[Delivery] = []
        with self._db.write() as connection:
            for queue in queues:
                rows = connection.execute(
                    "UPDATE messages SET receives = receives + 1, leased = 1, due_at = ?1 WHERE id IN ("
                    "SELECT id FROM messages WHERE queue=?2 AND dead_reason IS NULL AND due_at<=?3 "
                    "ORDER BY due_at, id LIMIT ?4) RETURNING id, message, receives",
                    (now + lease_seconds, queue, now, limit - len(deliveries)),
                ).fetchall()
                rows.sort()
                deliveries += [Delivery(queue, _decode(row[1]), f"{row[0]}:{row[2]}", row[2]) for row in rows]
                if len(deliveries) >= limit:
                    break
        return deliveries

    def _any_due(self, queues: Sequence[str]) -> bool:
        """A look without the write lock, so that idle workers cost the busy ones nothing."""
        now = self._clock()
        return any(
            self._db.reader.execute(
                "SELECT 1 FROM messages WHERE queue=? AND dead_reason IS NULL AND due_at<=? LIMIT 1", (queue, now)
            ).fetchone()
            for queue in queues
        )

    def done(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages, unless they were handed to another worker meanwhile."""
        with self._db.write() as connection:
            connection.executemany(
                "DELETE FROM messages WHERE id=? AND receives=?", [_receipt(delivery) for delivery in deliveries]
            )

    def retry(self, delivery: Delivery, after_seconds: float) -> None:
        """Make the message due again after so many seconds."""
        with self._db.write() as connection:
            connection.execute(
                "UPDATE messages SET leased = 0, due_at = ? WHERE id=? AND receives=?",
                (self._clock() + after_seconds, *_receipt(delivery)),
            )

    def bury(self, delivery: Delivery, reason: str) -> None:
        """Move the message to the dead letters."""
        with self._durable.write() as connection:
            connection.execute(
                "UPDATE messages SET leased = 0, dead_reason = ?, dead_at = ? WHERE id=? AND receives=?",
                (reason, self._clock(), *_receipt(delivery)),
            )

    def depth(self, queue: str) -> QueueDepth:
        """How many messages wait, are delayed, in flight, dead."""
        row = self._db.reader.execute(
            "SELECT coalesce(sum(dead_reason IS NULL AND due_at<=?1), 0),"
            " coalesce(sum(dead_reason IS NULL AND due_at>?1 AND NOT leased), 0),"
            " coalesce(sum(dead_reason IS NULL AND due_at>?1 AND leased), 0),"
            " coalesce(sum(dead_reason IS NOT NULL), 0) FROM messages WHERE queue=?2",
            (self._clock(), queue),
        ).fetchone()
        return QueueDepth(*row)

    def dead(self, queue: str) -> Iterable[DeadLetter]:
        """Dead letters, oldest first."""
        rows = self._db.reader.execute(
            "SELECT message, dead_reason, dead_at FROM messages WHERE queue=? AND dead_reason IS NOT NULL "
            "ORDER BY dead_at, id",
            (queue,),
        ).fetchall()
        return [DeadLetter(queue, _decode(row[0]), row[1], int(row[2] * 1e6)) for row in rows]

    def redrive(self, queue: str) -> int:
        """Make all dead letters due again, with their count of receives at 0."""
        with self._durable.write() as connection:
            return connection.execute(
                "UPDATE messages SET dead_reason=NULL, dead_at=NULL, receives=0, due_at=? "
                "WHERE queue=? AND dead_reason IS NOT NULL",
                (self._clock(), queue),
            ).rowcount

    def release(self) -> int:
        """End all leases: for the one process that may work on this vault, when it starts after a crash."""
        with self._db.write() as connection:
            return connection.execute(
                "UPDATE messages SET leased=0, due_at=? WHERE leased AND dead_reason IS NULL", (self._clock(),)
            ).rowcount

    def next_due_in(self, queues: Sequence[str]) -> float | None:
        """Seconds until the next message is due that no worker holds; 0 when one is; None when there is none."""
        marks = ",".join("?" * len(queues))
        row = self._db.reader.execute(
            f"SELECT min(due_at) FROM messages WHERE queue IN ({marks}) "  # noqa: S608
            "AND dead_reason IS NULL AND NOT leased",
            tuple(queues),
        ).fetchone()
        return None if row[0] is None else max(0.0, row[0] - self._clock())

    def close(self) -> None:
        """Close the file."""
        self._durable.close()
        if self._db is not self._durable:
            self._db.close()


def _receipt(delivery: Delivery) -> tuple[int, int]:
    ident, _, receives = delivery.receipt.partition(":")
    return int(ident), int(receives)
