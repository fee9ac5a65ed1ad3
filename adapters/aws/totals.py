"""Totals of a view: counters that move by differences, in one transaction with the rows that the differences come from.

A total is spread over a few items, so that writers seldom meet; all of a partition's are read with one query.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError
from msgspec import Struct, field

from adapters.aws.connection import Aws, Costs, attempts, cancellation_codes, capacity, error_code
from adapters.aws.items import item_bytes
from domain.ports import Move

SHARDS = 8
"""Items a total is spread over: two transactions at once collide with a chance of one in eight, then one is retried."""

SEPARATOR = "\x1f"
"""Sets totals apart from rows; no owner's name holds it."""

_MAX_ITEMS = 100  # TransactWriteItems' limits
_MAX_BYTES = 4_000_000
_COUNTER = "n_"

_Prepared = tuple[Move, dict[str, Any]]


class _Chunk(Struct):
    """Moves of one partition that fit into one transaction: no row twice, and one update for each total."""

    indices: list[int] = field(default_factory=list)
    keys: set[str] = field(default_factory=set)
    totals: set[str] = field(default_factory=set)
    bytes: int = 0

    def takes(self, move: Move, size: int) -> bool:
        items = len(self.keys) + 1 + len(self.totals | move.deltas.keys())
        return move.row.key not in self.keys and items <= _MAX_ITEMS and self.bytes + size <= _MAX_BYTES

    def add(self, index: int, move: Move, size: int) -> None:
        self.indices.append(index)
        self.keys.add(move.row.key)
        self.totals |= move.deltas.keys()
        self.bytes += size


class Totals:
    """Moves and reads the totals in a view's table."""

    def __init__(self, aws: Aws, costs: Costs) -> None:
        self._client = aws.dynamodb
        self._costs = costs

    def move(self, table: str, moves: Sequence[_Prepared]) -> list[bool]:
        """Make each move whole or not at all; whether each was made (see `DynamoViewStore.move`).

        Args:
            table: name of the DynamoDB table.
            moves: each with its row as an item.
        """
        made = [False] * len(moves)
        for chunk in _chunks(moves):
            for index in self._apply(table, moves, chunk.indices):
                made[index] = True
        return made

    def read(self, table: str, partition: str) -> Mapping[str, Mapping[str, int]]:
        """Sums over the shards: total -> counter -> value."""
        sums: dict[str, dict[str, int]] = {}
        query: dict[str, Any] = {}
        while True:
            answer = self._client.query(
                TableName=table,
                KeyConditionExpression="pk = :pk",
                ExpressionAttributeValues={":pk": {"S": _partition(partition)}},
                ConsistentRead=True,
                ReturnConsumedCapacity="TOTAL",
                **query,
            )
            self._costs.add(attempts(answer), rcu=capacity(answer))
            for item in answer["Items"]:
                total, _, _ = item["sk"]["S"].rpartition(SEPARATOR)
                _add(sums.setdefault(total, {}), _counters(item))
            if "LastEvaluatedKey" not in answer:
                return sums
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _apply(self, table: str, moves: Sequence[_Prepared], indices: Sequence[int]) -> Sequence[int]:
        """One transaction; when rows are not at their base, again without them. Returns the moves that were made."""
        if len(indices) == 1 and not any(moves[indices[0]][0].deltas.values()):
            return indices if self._put(table, *moves[indices[0]]) else ()
        pending = list(indices)
        while pending:
            writes = [_row_write(table, *moves[index]) for index in pending]
            writes += _total_writes(table, [moves[index][0] for index in pending])
            try:
                answer = self._client.transact_write_items(TransactItems=writes, ReturnConsumedCapacity="TOTAL")
            except ClientError as error:
                codes = cancellation_codes(error.response)
                stale = [i for i, code in zip(pending, codes, strict=False) if code == "ConditionalCheckFailed"]
                if error_code(error) != "TransactionCanceledException" or not stale:
                    raise
                self._costs.add(attempts(error.response), wcu=2 * len(writes))
                pending = [index for index in pending if index not in stale]
                continue
            self._costs.add(attempts(answer), wcu=capacity(answer))
            break
        return pending

    def _put(self, table: str, move: Move, item: dict[str, Any]) -> bool:
        """A row that moves no total needs no transaction, which costs twice as much."""
        try:
            answer = self._client.put_item(**_row_write(table, move, item)["Put"], ReturnConsumedCapacity="TOTAL")
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            self._costs.add(attempts(error.response), wcu=1)
            return False
        self._costs.add(attempts(answer), wcu=capacity(answer))
        return True


def _chunks(moves: Sequence[_Prepared]) -> list[_Chunk]:
    """Moves packed into transactions: a partition's in their order, so that several of one row follow each other."""
    chunks: list[_Chunk] = []
    open_chunks: dict[str, _Chunk] = {}
    for index, (move, item) in enumerate(moves):
        size = item_bytes(item) + 200 * len(move.deltas)
        chunk = open_chunks.get(move.row.partition)
        if chunk is None or not chunk.takes(move, size):
            chunk = open_chunks[move.row.partition] = _Chunk()
            chunks.append(chunk)
        chunk.add(index, move, size)
    return chunks


def _row_write(table: str, move: Move, item: dict[str, Any]) -> dict[str, Any]:
    put: dict[str, Any] = {"TableName": table, "Item": item, "ConditionExpression": "attribute_not_exists(pk)"}
    if move.base:
        put["ConditionExpression"] = "#version = :base"
        put["ExpressionAttributeNames"] = {"#version": "version"}
        put["ExpressionAttributeValues"] = {":base": {"N": str(move.base)}}
    return {"Put": put}


def _total_writes(table: str, moves: Sequence[Move]) -> list[dict[str, Any]]:
    """One update for each total that the moves change, in a shard that the first of their rows picks."""
    shard = zlib.crc32(moves[0].row.key.encode()) % SHARDS
    sums: dict[str, dict[str, int]] = {}
    for move in moves:
        for total, deltas in move.deltas.items():
            _add(sums.setdefault(total, {}), deltas)
    updates = []
    for total, deltas in sums.items():
        changes = [(counter, delta) for counter, delta in deltas.items() if delta]
        if changes:
            updates.append(
                {
                    "Update": {
                        "TableName": table,
                        "Key": {
                            "pk": {"S": _partition(moves[0].row.partition)},
                            "sk": {"S": f"{total}{SEPARATOR}{shard}"},
                        },
                        "UpdateExpression": "ADD " + ", ".join(f"#c{i} :c{i}" for i in range(len(changes))),
                        "ExpressionAttributeNames": {f"#c{i}": _COUNTER + c for i, (c, _) in enumerate(changes)},
                        "ExpressionAttributeValues": {f":c{i}": {"N": str(d)} for i, (_, d) in enumerate(changes)},
                    }
                }
            )
    return updates


def _partition(partition: str) -> str:
    return f"{partition}{SEPARATOR}totals"


def _counters(item: dict[str, Any]) -> dict[str, int]:
    return {name[len(_COUNTER) :]: int(value["N"]) for name, value in item.items() if name.startswith(_COUNTER)}


def _add(sums: dict[str, int], deltas: Mapping[str, int]) -> None:
    for counter, delta in deltas.items():
        sums[counter] = sums.get(counter, 0) + delta
