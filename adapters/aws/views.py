"""Rows of all projections in DynamoDB: a table for each generation, every write guarded by the version in the row.

Totals live in the same table (`totals.py`), in a partition of their own beside their owner's rows. No query scans.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from botocore.exceptions import ClientError

from adapters.aws import cursors
from adapters.aws.connection import Aws, Costs, attempts, capacity, error_code
from adapters.aws.items import (
    MAX_ITEM_BYTES,
    MAX_PARTITION_KEY_BYTES,
    MAX_SORT_KEY_BYTES,
    check_key,
    index_attribute,
    item_bytes,
    read_units,
)
from adapters.aws.totals import SEPARATOR, Totals
from domain.errors import InvalidInput
from domain.ports import Move, Page, Row, ViewTable

_GET_KEYS = 100  # BatchGetItem's limit


class DynamoViewStore:
    """`domain.ports.ViewStore` on DynamoDB.

    Args:
        aws: the clients.
        prefix: what the tables' names begin with, such as "photovault-prod-".
        writers: how many rows are put at the same time (BatchWriteItem carries no condition, so each is a request).

    Attributes:
        costs: requests and capacity units used by this instance, as DynamoDB reports them; computed for `get` (a unit
            a started 4 KB, 1 for a row that is not there), and 1 WCU for a put that its guard refused.
    """

    def __init__(self, aws: Aws, prefix: str, writers: int = 16) -> None:
        self.costs = Costs()
        self._aws = aws
        self._client = aws.dynamodb
        self._prefix = prefix
        self._pool = ThreadPoolExecutor(writers, thread_name_prefix="view-writer")
        self._totals = Totals(aws, self.costs)

    def table_name(self, table: ViewTable) -> str:
        """Name of the DynamoDB table that holds a generation."""
        return f"{self._prefix}{table.name}"

    def create(self, table: ViewTable) -> None:
        """Make the table with its indexes and wait until it may be used; nothing when it is there."""
        from adapters.aws import tables  # PynamoDB: 60 ms of a cold start that only who makes tables should pay

        tables.create(self._aws, self.table_name(table), tables.definition(tables.ViewItem, indexes=table.indexes))

    def drop(self, table: ViewTable) -> None:
        """Remove the table with all its rows, and wait until it is gone; nothing when it is gone."""
        from adapters.aws import tables

        tables.drop(self._aws, self.table_name(table))

    def get(self, table: ViewTable, keys: Sequence[tuple[str, str]]) -> Sequence[Row | None]:
        """Rows by (partition, key) in the order asked, strongly consistent; tombstones too, None where there is none.

        What DynamoDB leaves unprocessed (an answer ends at 16 MB) is asked for again.

        Cost:
            1 request for each started 100 keys, 1 RCU for each started 4 KB of each row.
        """
        name = self.table_name(table)
        wanted = [_key(*key) for key in dict.fromkeys(keys)]
        found: dict[tuple[str, str], Row] = {}
        while wanted:
            asked, wanted = wanted[:_GET_KEYS], wanted[_GET_KEYS:]
            answer = self._client.batch_get_item(RequestItems={name: {"Keys": asked, "ConsistentRead": True}})
            items = answer["Responses"].get(name, ())
            unprocessed = answer.get("UnprocessedKeys", {}).get(name, {}).get("Keys", ())
            missing = len(asked) - len(unprocessed) - len(items)
            self.costs.add(attempts(answer), rcu=missing + sum(read_units(item_bytes(item)) for item in items))
            for item in items:
                row = _row(table, item)
                found[row.partition, row.key] = row
            wanted += unprocessed
        return [found.get(key) for key in keys]

    def put(self, table: ViewTable, rows: Sequence[Row], *, repair: bool = False) -> int:
        """Write each row unless the stored one has the same version or a later one; returns how many were written.

        With `repair`, a stored row of the same version is replaced too. Of several rows with one key, the latest alone
        is sent.

        Cost:
            1 request and 1 WCU a started KB for each row, and again for each index whose key it has.
        Raises:
            InvalidInput: a key is empty or too long, or a row is over 400 KB; nothing was written.
        """
        latest: dict[tuple[str, str], Row] = {}
        for row in rows:
            held = latest.get((row.partition, row.key))
            if held is None or held.version < row.version:
                latest[row.partition, row.key] = row
        items = [_item(table, row) for row in latest.values()]
        name = self.table_name(table)
        if len(items) == 1:
            return int(self._put(name, items[0], repair))
        return sum(self._pool.map(lambda item: self._put(name, item, repair), items))

    def move(self, table: ViewTable, moves: Sequence[Move]) -> Sequence[bool]:
        """Write contribution rows and move totals by their deltas, each move whole or not at all.

        Cost:
            1 request for each started 50 moves of a partition, and 1 more for each round in which rows were not at
            their base; 2 WCU a started KB of each row and of each total (once a request, not once a move);
            half of that for a single row that moves no total.
        Raises:
            InvalidInput: as `put`.
        """
        return self._totals.move(self.table_name(table), [(move, _item(table, move.row)) for move in moves])

    def totals(self, table: ViewTable, partition: str) -> Mapping[str, Mapping[str, int]]:
        """All totals of a partition: total -> counter -> value, strongly consistent.

        Cost:
            1 request, 1 RCU for each started 4 KB (a total has up to `totals.SHARDS` items of about 100 bytes).
        """
        return self._totals.read(self.table_name(table), partition)

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

        One row more than `limit` is asked for, so that the last page says that it is the last.

        Cost:
            1 request for each started MB (and for each run of tombstones), 0.5 RCU for each started 4 KB; twice that
            when consistent.
        Raises:
            InvalidInput: the cursor is not one of this query's, there is no such index, or the limit is below 1.
        """
        if index is not None and index not in table.indexes:
            raise InvalidInput(
                f"{table.projection} has no index {index!r}: it has {', '.join(table.indexes) or 'none'}"
            )
        if limit < 1:
            raise InvalidInput(f"a page has at least one row, not {limit}")
        key = index_attribute(index) if index else "sk"
        scope = (table.projection, partition, index, low, high, descending)
        request = self._key_condition(partition, key, low, high)
        start = cursors.read(scope, cursor) if cursor is not None else None
        if (high is not None and high <= low) or not partition:
            return Page([], None)
        request |= {"TableName": self.table_name(table), "ScanIndexForward": not descending}
        request["ReturnConsumedCapacity"] = "TOTAL"
        if consistent:
            request["ConsistentRead"] = True
        if index is not None:
            request["IndexName"] = index
        else:  # tombstones are in no index
            request["FilterExpression"] = "attribute_not_exists(#deleted)"
            request["ExpressionAttributeNames"]["#deleted"] = "deleted"
        if start is not None:
            request["ExclusiveStartKey"] = _key(partition, start[0]) | ({key: {"S": start[1]}} if index else {})
        rows: list[tuple[str, Row]] = []
        while len(rows) <= limit:
            answer = self._client.query(**request, Limit=limit + 1 - len(rows))
            self.costs.add(attempts(answer), rcu=capacity(answer))
            rows += [(i[key]["S"], _row(table, i)) for i in answer["Items"] if high is None or i[key]["S"] < high]
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        page = rows[:limit]
        more = len(rows) > limit
        return Page([row for _, row in page], cursors.issue(scope, page[-1][1].key, page[-1][0]) if more else None)

    def scan(self, table: ViewTable, part: int = 0, parts: int = 1) -> Iterator[Row]:
        """Every row in one of `parts` parts of a parallel scan, strongly consistent, tombstones too; no totals.

        Cost:
            1 request for each started MB, 1 RCU for each started 4 KB.
        """
        if not 0 <= part < parts:
            raise InvalidInput(f"there is no part {part} of {parts}")
        query: dict[str, Any] = {"Segment": part, "TotalSegments": parts, "ConsistentRead": True}
        return self._scan(table, query)

    def close(self) -> None:
        """End the writers' threads; the clients belong to `Aws`."""
        self._pool.shutdown()

    def _scan(self, table: ViewTable, query: dict[str, Any]) -> Iterator[Row]:
        while True:
            answer = self._client.scan(TableName=self.table_name(table), ReturnConsumedCapacity="TOTAL", **query)
            self.costs.add(attempts(answer), rcu=capacity(answer))
            yield from (_row(table, item) for item in answer["Items"] if "version" in item)
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _put(self, name: str, item: dict[str, Any], repair: bool) -> bool:
        try:
            answer = self._client.put_item(
                TableName=name,
                Item=item,
                ConditionExpression=f"attribute_not_exists(pk) OR #version {'<=' if repair else '<'} :version",
                ExpressionAttributeNames={"#version": "version"},
                ExpressionAttributeValues={":version": item["version"]},
                ReturnConsumedCapacity="TOTAL",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            self.costs.add(attempts(error.response), wcu=1)
            return False
        self.costs.add(attempts(answer), wcu=capacity(answer))
        return True

    @staticmethod
    def _key_condition(partition: str, key: str, low: str, high: str | None) -> dict[str, Any]:
        """The range as DynamoDB can say it: one condition on the sort key, so BETWEEN, whose upper end is let out
        afterwards."""
        names = {"#pk": "pk"}
        values = {":pk": {"S": partition}}
        condition = "#pk = :pk"
        if low or high is not None:
            names["#key"] = key
            values |= {":low": {"S": low}} if low else {}
            values |= {":high": {"S": high}} if high is not None else {}
            condition += (
                " AND #key BETWEEN :low AND :high"
                if low and high is not None
                else (" AND #key >= :low" if low else " AND #key < :high")
            )
        return {
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }


def _key(partition: str, key: str) -> dict[str, dict[str, Any]]:
    return {"pk": {"S": partition}, "sk": {"S": key}}


def _item(table: ViewTable, row: Row) -> dict[str, dict[str, Any]]:
    """A row as an item; index keys where it has them, and none on a tombstone, so that no index holds it."""
    check_key(row.partition, MAX_PARTITION_KEY_BYTES, "a row's partition")
    check_key(row.key, MAX_SORT_KEY_BYTES, "a row's key")
    if SEPARATOR in row.partition:
        raise InvalidInput(f"a row's partition must not hold the character U+001F: {row.partition!r}")
    item = _key(row.partition, row.key)
    item["version"] = {"N": str(row.version)}
    item["data"] = {"B": row.data}
    if row.deleted:
        item["deleted"] = {"BOOL": True}
    else:
        item.update(_index_keys(table, row.index))
    if (size := item_bytes(item)) > MAX_ITEM_BYTES:
        raise InvalidInput(f"row {row.key} takes {size:,} bytes; DynamoDB holds {MAX_ITEM_BYTES:,} in an item")
    return item


def _index_keys(table: ViewTable, keys: Iterable[str | None]) -> Iterator[tuple[str, dict[str, Any]]]:
    for index, key in zip(table.indexes, keys, strict=False):
        if key is not None:
            check_key(key, MAX_SORT_KEY_BYTES, f"a key in index {index}")
            yield index_attribute(index), {"S": key}


def _row(table: ViewTable, item: dict[str, dict[str, Any]]) -> Row:
    return Row(
        item["pk"]["S"],
        item["sk"]["S"],
        int(item["version"]["N"]),
        item["data"]["B"],
        tuple(item.get(index_attribute(index), {}).get("S") for index in table.indexes),
        "deleted" in item,
    )
