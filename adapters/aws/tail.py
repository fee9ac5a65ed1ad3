"""The tail of the event table: its DynamoDB stream, shard by shard, from an opaque checkpoint on.

The stream is a hint and the table is the truth: records may repeat, and after 24 hours they are gone. On AWS a Lambda
event source mapping reads it; this reader is for a worker of one's own, and for tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from msgspec import Struct

from adapters.aws.connection import Aws, Costs, attempts, error_code
from adapters.aws.items import from_item
from domain.commits import Commit
from domain.errors import InvalidInput, NotFound
from domain.ports import Tail

_START = ""
_CLOSED = "-"
_MAX_RECORDS = 1000
_RENEWABLE = {"ExpiredIteratorException", "TrimmedDataAccessException"}
_MAX_RENEWALS = 3
"""How often one call renews an iterator that AWS has let expire."""


class _Checkpoint(Struct, frozen=True):
    """The stream, and for each of its shards the last sequence number that was read, or that it is read to its end."""

    stream: str
    shards: dict[str, str]


class _Shard(Struct, frozen=True):
    id: str
    parent: str | None
    closed: bool


class StreamTail:
    """Reads a table's stream. Keeps only iterators between calls; the checkpoint alone says where to go on.

    Not for several threads at once: each consumer has a tail of its own.
    """

    def __init__(self, aws: Aws, table: str, costs: Costs) -> None:
        self._aws = aws
        self._table = table
        self._costs = costs
        self._iterators: dict[str, tuple[str, str]] = {}  # shard -> (last sequence number read, iterator behind it)

    def read(self, checkpoint: str | None, limit: int) -> Tail:
        """At most `limit` commits after a checkpoint, each stream's in order, and the next checkpoint.

        A shard is read after its parents, so that a stream of commits that a split moved keeps its order. A checkpoint
        whose records are trimmed (over 24 hours old), or that belongs to an earlier stream of the table, goes on with
        the oldest record there is: consumers see the gap in a stream's numbers and read the table.

        Raises:
            InvalidInput: the checkpoint is not one of this store's.
            NotFound: the table has no stream.
        """
        arn = self._stream_arn()
        done = _decode(checkpoint)
        positions = dict(done.shards) if done is not None and done.stream == arn else {}
        shards = {shard.id: shard for shard in self._shards(arn)}
        positions = {name: position for name, position in positions.items() if name in shards}
        commits: dict[tuple[str, int], Commit] = {}
        visited: set[str] = set()
        while len(commits) < limit and (shard := _next(shards, positions, visited)):
            visited.add(shard.id)
            positions[shard.id] = self._drain(arn, shard, positions.get(shard.id, _START), commits, limit)
        return Tail(_by_stream(commits), msgspec.json.encode(_Checkpoint(arn, positions)).decode())

    def _drain(self, arn: str, shard: _Shard, position: str, commits: dict[tuple[str, int], Commit], limit: int) -> str:
        """Read one shard until `limit`, its end, or nothing more for now; the new position."""
        kept, iterator = self._iterators.pop(shard.id, ("", None))
        if iterator is None or kept != position:
            iterator = self._iterator(arn, shard, position)
        renewals = 0
        while iterator is not None and len(commits) < limit:
            size = min(_MAX_RECORDS, limit - len(commits))
            try:
                answer = self._aws.streams.get_records(ShardIterator=iterator, Limit=size)
            except ClientError as error:
                if error_code(error) not in _RENEWABLE or renewals == _MAX_RENEWALS:
                    raise
                renewals += 1
                iterator = self._iterator(arn, shard, position)
                continue
            self._costs.add(attempts(answer))
            iterator = answer.get("NextShardIterator")
            for record in answer["Records"]:
                position = record["dynamodb"]["SequenceNumber"]
                if image := record["dynamodb"].get("NewImage"):
                    commit = from_item(image)
                    commits[commit.stream, commit.number] = commit
            if not answer["Records"] and not shard.closed:
                break  # nothing more for now; a closed shard may have gaps before its end
        if iterator is None:
            return _CLOSED
        self._iterators[shard.id] = (position, iterator)
        return position

    def _iterator(self, arn: str, shard: _Shard, position: str) -> str:
        where = (
            {"ShardIteratorType": "AFTER_SEQUENCE_NUMBER", "SequenceNumber": position}
            if position
            else {"ShardIteratorType": "TRIM_HORIZON"}
        )
        try:
            answer = self._aws.streams.get_shard_iterator(StreamArn=arn, ShardId=shard.id, **where)
        except ClientError as error:
            if not position or error_code(error) != "TrimmedDataAccessException":
                raise
            return self._iterator(arn, shard, _START)
        self._costs.add(attempts(answer))
        return str(answer["ShardIterator"])

    def _stream_arn(self) -> str:
        answer = self._aws.dynamodb.describe_table(TableName=self._table)
        self._costs.add(attempts(answer))
        arn = answer["Table"].get("LatestStreamArn")
        if not arn:
            raise NotFound(f"table {self._table} has no stream: create it with one (StreamViewType NEW_IMAGE)")
        return str(arn)

    def _shards(self, arn: str) -> Iterator[_Shard]:
        query: dict[str, Any] = {"StreamArn": arn}
        while True:
            answer = self._aws.streams.describe_stream(**query)
            self._costs.add(attempts(answer))
            description = answer["StreamDescription"]
            for shard in description.get("Shards", ()):
                closed = "EndingSequenceNumber" in shard.get("SequenceNumberRange", {})
                yield _Shard(shard["ShardId"], shard.get("ParentShardId"), closed)
            if not description.get("LastEvaluatedShardId"):
                return
            query["ExclusiveStartShardId"] = description["LastEvaluatedShardId"]


def _next(shards: dict[str, _Shard], positions: dict[str, str], visited: set[str]) -> _Shard | None:
    """A shard that may be read now: not read to its end, and its parent is, or is gone."""
    for shard in shards.values():
        if shard.id in visited or positions.get(shard.id) == _CLOSED:
            continue
        if shard.parent is None or shard.parent not in shards or positions.get(shard.parent) == _CLOSED:
            return shard
    return None


def _by_stream(commits: dict[tuple[str, int], Commit]) -> list[Commit]:
    """Each stream's commits in order, at the places where they came: a stream's order holds for one item only."""
    numbers: dict[str, list[int]] = {}
    for stream, number in commits:
        numbers.setdefault(stream, []).append(number)
    ordered = {stream: iter(sorted(found)) for stream, found in numbers.items()}
    return [commits[stream, next(ordered[stream])] for stream, _ in commits]


def _decode(checkpoint: str | None) -> _Checkpoint | None:
    if checkpoint is None:
        return None
    try:
        return msgspec.json.decode(checkpoint, type=_Checkpoint)
    except msgspec.DecodeError as error:
        raise InvalidInput(f"{checkpoint[:80]!r} is not a checkpoint of this store") from error
