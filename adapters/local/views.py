"""Views in SQLite: two tables a generation (rows, totals), and the guard of `domain.ports.ViewStore` in each write."""

from __future__ import annotations

import base64
import re
import sqlite3
import zlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from adapters.local.sqlite import Database
from domain.errors import InvalidInput, NotFound
from domain.ports import Move, Page, Row, ViewTable

_NAME = re.compile(r"^[a-z][a-z0-9_]{0,62}$")
_GENERATION = re.compile(r"^view_([a-z0-9_]+)_g(\d+)$")  # the inverse of `domain.ports.ViewTable.name` and `_name`
_FETCH = 1000
_PAGE_BYTES = 8192  # some ten rows a page: a replay splits half as many pages as with 4 KB


class SqliteViewStore:
    """`domain.ports.ViewStore` in a SQLite file.

    Cost:
        put and move: one transaction and one flush to disk for the whole batch; query: an index range.

    Args:
        durable: each write survives a power cut; a rebuild does without, and calls `flush` at its end.
    """

    def __init__(self, path: Path | str, *, durable: bool = True) -> None:
        self._db = Database(path, durable=durable, page_bytes=_PAGE_BYTES)
        self._indexed: set[tuple[str, str]] = set()  # by table and column: indexes that are known to be there

    # --- tables ---

    def create(self, table: ViewTable) -> None:
        """Make the tables of a generation. Each index is made by the first query that asks for it, so that a replay
        sorts its rows once (0.2 s for 100,000) instead of finding each row's place in every index."""
        name = _name(table)
        columns = "".join(f", {_column(i)} TEXT" for i in range(len(table.indexes)))
        self._db.execute_script(
            f"CREATE TABLE IF NOT EXISTS {name} (partition TEXT NOT NULL, key TEXT NOT NULL, version INTEGER NOT NULL, "
            f"deleted INTEGER NOT NULL, data BLOB NOT NULL{columns}, PRIMARY KEY (partition, key)) WITHOUT ROWID;"
            f"CREATE TABLE IF NOT EXISTS {name}_totals (partition TEXT NOT NULL, total TEXT NOT NULL, "
            "counter TEXT NOT NULL, value INTEGER NOT NULL, PRIMARY KEY (partition, total, counter)) WITHOUT ROWID;"
        )

    def _index(self, table: ViewTable, index: str) -> str:
        """The column of an index, which is there from now on."""
        name, column = _name(table), _index_column(table, index)
        if (name, column) not in self._indexed:
            with _missing_table(table):
                self._db.execute_script(
                    f"CREATE INDEX IF NOT EXISTS {name}_{column} ON {name} (partition, {column}, key) "
                    f"WHERE {column} IS NOT NULL;"
                )
            self._indexed.add((name, column))
        return column

    def drop(self, table: ViewTable) -> None:
        """Remove a generation with all its rows."""
        name = _name(table)
        self._db.execute_script(f"DROP TABLE IF EXISTS {name}; DROP TABLE IF EXISTS {name}_totals;")

    def generations(self) -> Mapping[str, Collection[int]]:
        """The generations whose tables are here, by the name of their projection."""
        found: dict[str, list[int]] = defaultdict(list)
        for (name,) in self._db.reader.execute("SELECT name FROM sqlite_master WHERE type='table'"):
            if match := _GENERATION.match(name):
                found[match[1]].append(int(match[2]))
        return found

    # --- rows ---

    def get(self, table: ViewTable, keys: Sequence[tuple[str, str]]) -> Sequence[Row | None]:
        """Rows by (partition, key), in the order asked; tombstones too."""
        statement = f"SELECT {_columns(table)} FROM {_name(table)} WHERE partition=? AND key=?"  # noqa: S608
        with _missing_table(table):
            reader = self._db.reader
            return [_row(found) if (found := reader.execute(statement, key).fetchone()) else None for key in keys]

    def put(self, table: ViewTable, rows: Sequence[Row], *, repair: bool = False) -> int:
        """Write rows that are newer than the stored ones (with `repair` also those of the same version)."""
        if not rows:
            return 0
        with _missing_table(table), self._db.write() as connection:
            before = connection.total_changes
            connection.executemany(_upsert(table, "<=" if repair else "<"), map(_values, rows))
            return connection.total_changes - before

    def move(self, table: ViewTable, moves: Sequence[Move]) -> Sequence[bool]:
        """Write contribution rows and move the totals by what they changed, in one transaction."""
        if not moves:
            return []
        if all(move.base == 0 for move in moves):  # as in a replay, five times faster: one call writes all rows
            try:
                with _missing_table(table), self._db.write() as connection:
                    connection.executemany(_insert(table), [_values(move.row) for move in moves])
                    _add_up(connection, table, moves)
                return [True] * len(moves)
            except sqlite3.IntegrityError:
                pass  # nothing was written, because a row is there: which one, only a call a row can tell
        update = (
            f"UPDATE {_name(table)} SET ({_columns(table)}) = ({_marks(table)}) "  # noqa: S608
            "WHERE partition=? AND key=? AND version=?"
        )
        made: list[bool] = []
        with _missing_table(table), self._db.write() as connection:
            for move in moves:
                row = move.row
                if move.base == 0:
                    cursor = connection.execute(_insert(table, "OR IGNORE"), _values(row))
                else:
                    cursor = connection.execute(update, (*_values(row), row.partition, row.key, move.base))
                made.append(cursor.rowcount > 0)
            _add_up(connection, table, [move for move, moved in zip(moves, made, strict=True) if moved])
        return made

    def totals(self, table: ViewTable, partition: str) -> Mapping[str, Mapping[str, int]]:
        """All totals of a partition: total -> counter -> value."""
        found: dict[str, dict[str, int]] = defaultdict(dict)
        with _missing_table(table):
            for total, counter, value in self._db.reader.execute(
                f"SELECT total, counter, value FROM {_name(table)}_totals "  # noqa: S608
                "WHERE partition=? AND value<>0",
                (partition,),
            ):
                found[total][counter] = value
        return dict(found)

    def query(
        self,
        table: ViewTable,
        partition: str,
        *,
        index: str | None = None,
        low: str = "",
        high: str | None = None,
        descending: bool = False,
        limit: int = 100,
        cursor: str | None = None,
        consistent: bool = False,
    ) -> Page:
        """Rows of a partition with low <= key < high, by primary key or by an index, without tombstones.
        Always consistent: there is one copy."""
        column = "key" if index is None else self._index(table, index)
        scope = f"{table.projection}|{partition}|{index}|{low}|{high}|{descending}"
        conditions, values = [f"partition=? AND {column}>=? AND NOT deleted"], [partition, low]
        if high is not None:
            conditions.append(f"{column}<?")
            values.append(high)
        if cursor is not None:
            conditions.append(f"({column}, key) {'<' if descending else '>'} (?, ?)")
            values += _read_cursor(cursor, scope)
        order = "DESC" if descending else "ASC"
        statement = (
            f"SELECT {_columns(table)} FROM {_name(table)} WHERE {' AND '.join(conditions)} "  # noqa: S608
            f"ORDER BY {column} {order}, key {order} LIMIT ?"
        )
        with _missing_table(table):
            found = self._db.reader.execute(statement, (*values, limit + 1)).fetchall()
        rows = [_row(values) for values in found[:limit]]
        if len(found) <= limit or not rows:
            return Page(rows, None)
        last = rows[-1]
        sort_key = last.key if index is None else last.index[table.indexes.index(index)]
        return Page(rows, _cursor(scope, sort_key or "", last.key))

    def scan(self, table: ViewTable, part: int = 0, parts: int = 1) -> Iterator[Row]:
        """Every row of one part of the table, tombstones too."""
        with _missing_table(table):
            found = self._db.reader.execute(f"SELECT {_columns(table)} FROM {_name(table)}")  # noqa: S608
            while batch := found.fetchmany(_FETCH):
                for values in batch:
                    if parts == 1 or zlib.crc32(values[1].encode()) % parts == part:
                        yield _row(values)

    def flush(self) -> None:
        """Force everything written so far to disk."""
        self._db.flush()

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _name(table: ViewTable) -> str:
    if not _NAME.match(table.name):
        raise InvalidInput(f"{table.name!r} is not a name for a view")
    return f"view_{table.name}"


def _column(i: int) -> str:
    return f"index_{i}"


def _index_column(table: ViewTable, index: str) -> str:
    if index not in table.indexes:
        raise InvalidInput(f"view {table.projection} has no index {index!r}; it has: {', '.join(table.indexes)}")
    return _column(table.indexes.index(index))


def _columns(table: ViewTable) -> str:
    return ", ".join(
        ["partition", "key", "version", "data", "deleted", *(_column(i) for i in range(len(table.indexes)))]
    )


def _marks(table: ViewTable) -> str:
    return ",".join("?" * (5 + len(table.indexes)))


def _insert(table: ViewTable, otherwise: str = "") -> str:
    return f"INSERT {otherwise} INTO {_name(table)} ({_columns(table)}) VALUES ({_marks(table)})"  # noqa: S608


def _upsert(table: ViewTable, comparison: str) -> str:
    """An insert that replaces the stored row only if its version compares so with the new one's."""
    own = ["version", "data", "deleted", *(_column(i) for i in range(len(table.indexes)))]
    sets = ", ".join(f"{column}=excluded.{column}" for column in own)
    return (
        f"{_insert(table)} ON CONFLICT (partition, key) "
        f"DO UPDATE SET {sets} WHERE version {comparison} excluded.version"
    )


def _add_up(connection: sqlite3.Connection, table: ViewTable, moves: Sequence[Move]) -> None:
    """Move the totals by the deltas of moves that were made: one write a counter, however many moves."""
    sums: dict[tuple[str, str, str], int] = defaultdict(int)
    for move in moves:
        partition = move.row.partition
        for total, counters in move.deltas.items():
            for counter, delta in counters.items():
                sums[partition, total, counter] += delta
    connection.executemany(
        f"INSERT INTO {_name(table)}_totals VALUES (?,?,?,?) "  # noqa: S608
        "ON CONFLICT DO UPDATE SET value = value + excluded.value",
        [(*key, delta) for key, delta in sums.items() if delta],
    )


def _values(row: Row) -> tuple[object, ...]:
    return (row.partition, row.key, row.version, row.data, row.deleted, *row.index)


def _row(values: Sequence[Any]) -> Row:
    return Row(values[0], values[1], values[2], values[3], tuple(values[5:]), bool(values[4]))


def _cursor(scope: str, sort_key: str, key: str) -> str:
    raw = msgspec.msgpack.encode((zlib.crc32(scope.encode()), sort_key, key))
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _read_cursor(cursor: str, scope: str) -> tuple[str, str]:
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        check, sort_key, key = msgspec.msgpack.decode(raw, type=tuple[int, str, str])
    except (ValueError, msgspec.DecodeError) as error:
        raise InvalidInput("this cursor is damaged: start again without one") from error
    if check != zlib.crc32(scope.encode()):
        raise InvalidInput("this cursor belongs to another query: start again without one")
    return sort_key, key


@contextmanager
def _missing_table(table: ViewTable) -> Iterator[None]:
    """A view that does not exist is the caller's error, not SQLite's."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if "no such table" not in str(error):
            raise
        raise NotFound(f"there is no generation {table.generation} of view {table.projection}") from error
