"""Counts what work on this machine would be billed for on AWS: capacity units, requests and bytes by function.

The meters stand between the application and the local adapters and count as the docstrings of `adapters/aws` say, from
the size that DynamoDB would give each item. Nothing here talks to AWS.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from msgspec import Struct, field

from adapters.aws.items import item_bytes, read_units, to_item, write_units
from domain.commits import Commit
from domain.ports import BlobStore, Checkpoints, CommitStore, Entry, Move, Page, Row, Tail, ViewStore, ViewTable

_PART_BYTES = 16 * 1024 * 1024  # adapters.aws.blobs
_KEYS = 100  # a BatchGetItem
_TOTAL_SHARDS = 8  # adapters.aws.totals


class Usage(Struct):
    """What one function used."""

    invocations: float = 0
    cpu_ms: float = 0
    wcu: float = 0
    rcu: float = 0
    db_requests: float = 0
    s3_puts: float = 0
    s3_gets: float = 0
    s3_bytes_read: float = 0
    s3_bytes_written: float = 0
    sqs_requests: float = 0


class Meter(Struct):
    """Usage by function and by table, for the function that is at work."""

    function: str = ""
    functions: dict[str, Usage] = field(default_factory=dict)
    wcu_by_table: dict[str, float] = field(default_factory=dict)
    stored_by_table: dict[str, int] = field(default_factory=dict)  # bytes, indexes included
    stored_blobs: int = 0  # bytes of derived objects
    archived: int = 0  # bytes of the archive
    items: int = 0  # items that were new in their table, those in indexes included

    @property
    def now(self) -> Usage:
        """Usage of the function that is at work."""
        return self.functions.setdefault(self.function, Usage())

    def write(self, table: str, units: float, stored: int = 0, requests: int = 1) -> None:
        """A write to a table."""
        self.now.wcu += units
        self.now.db_requests += requests
        self.wcu_by_table[table] = self.wcu_by_table.get(table, 0.0) + units
        self.stored_by_table[table] = self.stored_by_table.get(table, 0) + stored

    def read(self, units: float, requests: int = 1) -> None:
        """A read of a table."""
        self.now.rcu += units
        self.now.db_requests += requests


class MeteredCommits:
    """A `CommitStore` that counts as `adapters.aws.commits.DynamoCommitStore` is billed."""

    def __init__(self, inner: CommitStore, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    def put(self, commit: Commit) -> Commit | None:
        """1 WCU a started KB."""
        size = item_bytes(to_item(commit))
        self._meter.write("events", write_units(size), size)
        self._meter.items += 1
        return self._inner.put(commit)

    def read(self, stream: str, after: int = 0) -> Iterator[Commit]:
        """1 RCU a started 4 KB of all that is read."""
        commits = list(self._inner.read(stream, after))
        self._meter.read(read_units(sum(item_bytes(to_item(commit)) for commit in commits)))
        return iter(commits)

    def tail(self, checkpoint: str | None, limit: int) -> Tail:
        """Free: Lambda's own reads of a stream are not billed."""
        return self._inner.tail(checkpoint, limit)

    def segments(self, parts: int) -> Sequence[str]:
        """Not metered."""
        return self._inner.segments(parts)

    def segment(self, segment: str, after: tuple[str, int] | None = None) -> Iterator[Commit]:
        """Not metered: `photovault.cost.replay` computes a scan."""
        return self._inner.segment(segment, after)

    def window(self, since_us: int, until_us: int) -> Iterator[Commit]:
        """Not metered."""
        return self._inner.window(since_us, until_us)

    def close(self) -> None:
        """The inner store stays open."""


class MeteredViews:
    """A `ViewStore` that counts as `adapters.aws.views.DynamoViewStore` is billed, indexes and transactions included.

    An index costs a write of its own for each put of a row that it holds, and a second one when the row's key in it
    changes (source: "Global secondary indexes", Amazon DynamoDB developer guide).
    """

    def __init__(self, inner: ViewStore, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter
        self._held: dict[tuple[str, str, str], tuple[int, tuple[str | None, ...]]] = {}
        self._totals: dict[str, int] = {}

    def create(self, table: ViewTable) -> None:
        """Free."""
        self._inner.create(table)

    def drop(self, table: ViewTable) -> None:
        """Free."""
        self._inner.drop(table)

    def get(self, table: ViewTable, keys: Sequence[tuple[str, str]]) -> Sequence[Row | None]:
        """1 RCU a started 4 KB of each row, 1 for one that is not there."""
        rows = self._inner.get(table, keys)
        units = sum(read_units(row_bytes(table, row)) if row else 1 for row in rows)
        self._meter.read(units, requests=-(-len(keys) // _KEYS))
        return rows

    def put(self, table: ViewTable, rows: Sequence[Row], *, repair: bool = False) -> int:
        """1 WCU a started KB of each row, and as much for each index that holds it."""
        for row in rows:
            units, growth = self._row(table, row)
            self._meter.write(table.projection, units, growth)
        return self._inner.put(table, rows, repair=repair)

    def move(self, table: ViewTable, moves: Sequence[Move]) -> Sequence[bool]:
        """A transaction: 2 WCU a started KB of each row, of each row in an index, and of each total; one row that moves
        no total is a plain write."""
        units, growth = 0, 0
        totals: set[str] = set()
        for move in moves:
            row_units, row_growth = self._row(table, move.row)
            units += row_units if len(moves) == 1 and not any(move.deltas.values()) else 2 * row_units
            growth += row_growth
            shard = zlib.crc32(moves[0].row.key.encode()) % _TOTAL_SHARDS
            totals |= {f"{table.name}/{move.row.partition}/{total}/{shard}" for total in move.deltas}
        for name in totals:
            if name not in self._totals:
                self._meter.items += 1
                self._totals[name] = 100 + len(name)  # about 100 bytes a shard (adapters.aws.views.totals)
                growth += self._totals[name]
        self._meter.write(table.projection, units + 2 * len(totals), growth)
        return self._inner.move(table, moves)

    def totals(self, table: ViewTable, partition: str) -> Mapping[str, Mapping[str, int]]:
        """Not metered: no function of the pipeline asks for totals."""
        return self._inner.totals(table, partition)

    def query(self, table: ViewTable, partition: str, **options: Any) -> Page:
        """0.5 RCU a started 4 KB, 1 when strongly consistent."""
        page = self._inner.query(table, partition, **options)
        share = 1 if options.get("consistent") else 2
        self._meter.read(read_units(sum(row_bytes(table, row) for row in page.rows)) / share)
        return page

    def scan(self, table: ViewTable, part: int = 0, parts: int = 1) -> Iterator[Row]:
        """Not metered."""
        return self._inner.scan(table, part, parts)

    def close(self) -> None:
        """The inner store stays open."""

    def _row(self, table: ViewTable, row: Row) -> tuple[int, int]:
        """Units of a put, and the bytes by which the table and its indexes grow."""
        name = (table.name, row.partition, row.key)
        size = row_bytes(table, row)
        old_size, old_keys = self._held.get(name, (0, ()))
        keys = () if row.deleted else row.index
        units = write_units(max(size, old_size))
        growth = size - old_size
        for i in range(len(table.indexes)):
            old = old_keys[i] if i < len(old_keys) else None
            new = keys[i] if i < len(keys) else None
            if old == new and new is not None:
                units += write_units(max(size, old_size))
            else:
                units += (write_units(old_size) if old is not None else 0) + (write_units(size) if new else 0)
            growth += (size if new is not None else 0) - (old_size if old is not None else 0)
            self._meter.items += (new is not None) - (old is not None)
        self._meter.items += name not in self._held
        self._held[name] = size, keys
        return units, growth


class MeteredCheckpoints:
    """`Checkpoints` that count as `adapters.aws.checkpoints.DynamoCheckpoints` is billed."""

    def __init__(self, inner: Checkpoints, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    def load(self, kind: str, name: str) -> Entry | None:
        """1 RCU a started 4 KB."""
        entry = self._inner.load(kind, name)
        self._meter.read(read_units(len(entry.value) if entry else 0))
        return entry

    def save(self, kind: str, name: str, value: bytes, expected: int | None) -> Entry | None:
        """1 WCU a started KB."""
        self._meter.write("checkpoints", write_units(len(value) + len(kind) + len(name) + 40))
        return self._inner.save(kind, name, value, expected)

    def delete(self, kind: str, name: str) -> None:
        """1 WCU."""
        self._meter.write("checkpoints", 1)
        self._inner.delete(kind, name)

    def list(self, kind: str) -> Iterator[Entry]:
        """1 RCU a started 4 KB of all."""
        entries = list(self._inner.list(kind))
        self._meter.read(read_units(sum(len(entry.value) for entry in entries)))
        return iter(entries)

    def close(self) -> None:
        """The inner store stays open."""


class MeteredBlobs:
    """A `BlobStore` that counts as `adapters.aws.blobs.S3BlobStore` is billed."""

    def __init__(self, inner: BlobStore, meter: Meter) -> None:
        self._inner = inner
        self._meter = meter

    def put(self, data: bytes) -> str:
        """1 PUT."""
        self._meter.now.s3_puts += 1
        self._meter.now.s3_bytes_written += len(data)
        self._meter.stored_blobs += len(data)
        return self._inner.put(data)

    def put_files(self, paths: Sequence[Path]) -> Sequence[str]:
        """A HEAD and a PUT (or one a part) for each file."""
        for path in paths:
            size = path.stat().st_size
            self._meter.now.s3_gets += 1
            self._meter.now.s3_puts += transfer_requests(size)
            self._meter.now.s3_bytes_written += size
            self._meter.stored_blobs += size
        return self._inner.put_files(paths)

    def get(self, key: str) -> bytes:
        """1 GET."""
        data = self._inner.get(key)
        self._meter.now.s3_gets += 1
        self._meter.now.s3_bytes_read += len(data)
        return data

    def file(self, key: str) -> AbstractContextManager[Path]:
        """A HEAD and a GET (or one a part): on Lambda the file is fetched whole."""
        opened = self._inner.file(key)
        size = len_of(self._inner, key)
        self._meter.now.s3_gets += 1 + transfer_requests(size)
        self._meter.now.s3_bytes_read += size
        return opened

    def close(self) -> None:
        """The inner store stays open."""


def transfer_requests(size: int) -> int:
    """Requests that S3 bills for a transfer: one, or one a part of 16 MB and two around them."""
    return 1 if size < _PART_BYTES else -(-size // _PART_BYTES) + 2


def len_of(blobs: BlobStore, key: str) -> int:
    """Size of a blob in bytes."""
    with blobs.file(key) as path:
        return path.stat().st_size


def archived_bytes(commits: Sequence[Commit]) -> int:
    """Size of the archive's object for a batch: JSON lines, compressed with gzip as `adapters.aws.archive` does."""
    lines = b"".join(
        b'{"stream":"%s","commit_id":"%s","body":%s,"hash":"%s"}\n'
        % (c.stream.encode(), c.commit_id.encode(), c.body, c.hash.hex().encode())
        for c in commits
    )
    return len(gzip.compress(lines, 6, mtime=0))


def row_bytes(table: ViewTable, row: Row) -> int:
    """Size of a row as DynamoDB counts it, without its copies in indexes."""
    item: dict[str, dict[str, Any]] = {
        "pk": {"S": row.partition},
        "sk": {"S": row.key},
        "version": {"N": str(row.version)},
        "data": {"B": row.data},
    }
    if row.deleted:
        item["deleted"] = {"BOOL": True}
    else:
        keys = zip(table.indexes, row.index, strict=False)
        item |= {f"ix_{index}": {"S": key} for index, key in keys if key is not None}
    return item_bytes(item)
