"""The event store's commits in a DynamoDB table: one item a commit, one conditional PutItem an append.

Reads and writes go through botocore (docs/adr/0002-pynamodb-where.md); the tail is in `tail.py`, what was recorded
between two times comes from the archive (`archive.py`), because an index by time would double every append.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from botocore.exceptions import ClientError

from adapters.aws.archive import CommitArchive
from adapters.aws.connection import Aws, Costs, attempts, capacity, error_code
from adapters.aws.items import (
    MAX_ITEM_BYTES,
    MAX_PARTITION_KEY_BYTES,
    check_key,
    from_item,
    item_bytes,
    to_item,
    write_units,
)
from adapters.aws.tail import StreamTail
from domain.commits import Commit
from domain.errors import CommitTooLarge, InvalidInput, NotFound
from domain.ports import Tail

_LAST = "9" * 38
"""The largest number that DynamoDB holds exactly: behind every commit of a stream."""


class DynamoCommitStore:
    """`domain.ports.CommitStore` on DynamoDB, DynamoDB Streams and (for windows) an archive in S3.

    Args:
        aws: the clients.
        table: name of the event table, see `tables.EventItem`.
        archive: where the relay ships every commit; needed by `window` alone.

    Attributes:
        costs: requests and capacity units used by this instance. What a lost race costs is computed, since an error
            reports no capacity: the item that holds the place, a WCU a started KB.
    """

    def __init__(self, aws: Aws, table: str, archive: CommitArchive | None = None) -> None:
        self.costs = Costs()
        self._aws = aws
        self._client = aws.dynamodb
        self._table = table
        self._archive = archive
        self._tail = StreamTail(aws, table, self.costs)

    def create(self) -> None:
        """Make the event table; nothing when it is there."""
        from adapters.aws.tables import create_event_table  # PynamoDB: 60 ms that only who makes tables should pay

        create_event_table(self._aws, self._table)

    def put(self, commit: Commit) -> Commit | None:
        """Store a commit if its place is free; None, or the commit that holds the place.

        Cost:
            1 request; 1 WCU for each started KB of the item (of the holder, when the place is taken).
        Raises:
            CommitTooLarge: the item would be larger than DynamoDB takes; nothing was written, nothing was sent.
            InvalidInput: the stream's name is empty or over 2,048 bytes.
        """
        check_key(commit.stream, MAX_PARTITION_KEY_BYTES, "a stream's name")
        item = to_item(commit)
        size = item_bytes(item)
        if size > MAX_ITEM_BYTES:
            raise CommitTooLarge(
                f"commit {commit.number} of {commit.stream} takes {size:,} bytes; DynamoDB holds {MAX_ITEM_BYTES:,} "
                "in an item: put what is large into the blob store and refer to it"
            )
        try:
            response = self._client.put_item(
                TableName=self._table,
                Item=item,
                ConditionExpression="attribute_not_exists(#stream)",
                ExpressionAttributeNames={"#stream": "stream"},
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            holder = error.response["Item"]
            self.costs.add(attempts(error.response), wcu=write_units(item_bytes(holder)))
            return from_item(holder)
        self.costs.add(attempts(response), wcu=write_units(size))
        return None

    def read(self, stream: str, after: int = 0) -> Iterator[Commit]:
        """Commits of one stream with a number above `after`, in order, strongly consistent.

        Cost:
            1 request for each started MB, 1 RCU for each started 4 KB.
        """
        check_key(stream, MAX_PARTITION_KEY_BYTES, "a stream's name")
        return self._pages(
            self._client.query,
            KeyConditionExpression="#stream = :stream AND #commit > :after",
            ExpressionAttributeNames={"#stream": "stream", "#commit": "commit"},
            ExpressionAttributeValues={":stream": {"S": stream}, ":after": {"N": str(after)}},
            ConsistentRead=True,
        )

    def tail(self, checkpoint: str | None, limit: int) -> Tail:
        """At most `limit` commits after a checkpoint, from the table's stream; see `tail.StreamTail`.

        Cost:
            2 requests for the table's stream and its shards, and 1 or 2 for each open shard; only GetRecords is billed.
        Raises:
            InvalidInput: the checkpoint is not one of this store's.
        """
        return self._tail.read(checkpoint, limit)

    def segments(self, parts: int) -> Sequence[str]:
        """Names of the parts of a parallel scan: "0/4", "1/4", ..."""
        return [f"{part}/{max(1, parts)}" for part in range(max(1, parts))]

    def segment(self, segment: str, after: tuple[str, int] | None = None) -> Iterator[Commit]:
        """One part: streams one after the other, each whole and in order; `after` resumes behind (stream, number).

        A stream is held until the next one begins and sorted by number: DynamoDB returns it sorted, ministack
        sorts numbers as text. To resume, the rest of the stream is read by key, then the scan goes on behind it.

        Cost:
            1 request for each started MB, 0.5 RCU for each started 4 KB; to resume, one `read` more.
        """
        part, parts = _segment(segment)
        start: dict[str, Any] = {}
        if after is not None:
            yield from self.read(*after)
            start = {"ExclusiveStartKey": {"stream": {"S": after[0]}, "commit": {"N": _LAST}}}
        stream: list[Commit] = []
        for commit in self._pages(self._client.scan, Segment=part, TotalSegments=parts, **start):
            if stream and commit.stream != stream[0].stream:
                yield from sorted(stream, key=_number)
                stream.clear()
            stream.append(commit)
        yield from sorted(stream, key=_number)

    def window(self, since_us: int, until_us: int) -> Iterator[Commit]:
        """Commits recorded in [since, until), in the order of recording, as far as the relay has archived them.

        Cost:
            See `archive.CommitArchive.read`.
        Raises:
            NotFound: this store was given no archive.
        """
        if self._archive is None:
            raise NotFound("a window of time is read from the archive, and no archive bucket is configured")
        return self._archive.read(since_us, until_us)

    def close(self) -> None:
        """Nothing is held open; the clients belong to `Aws`."""

    def _pages(self, call: Any, **query: Any) -> Iterator[Commit]:
        """Items of all pages; a page ends at 1 MB."""
        while True:
            page = call(TableName=self._table, ReturnConsumedCapacity="TOTAL", **query)
            self.costs.add(attempts(page), rcu=capacity(page))
            for item in page["Items"]:
                yield from_item(item)
            if "LastEvaluatedKey" not in page:
                return
            query["ExclusiveStartKey"] = page["LastEvaluatedKey"]


def _number(commit: Commit) -> int:
    return commit.number


def _segment(segment: str) -> tuple[int, int]:
    part, slash, parts = segment.partition("/")
    if not (slash and part.isdecimal() and parts.isdecimal() and int(part) < int(parts)):
        raise InvalidInput(f"{segment!r} is not a segment of this store")
    return int(part), int(parts)
