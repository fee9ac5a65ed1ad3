"""The system's own small documents (checkpoints, leases, parked streams, generations) in one DynamoDB table.

Each changes by compare-and-set on its revision: one conditional write, no lock.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from botocore.exceptions import ClientError

from adapters.aws.connection import Aws, Costs, attempts, capacity, error_code
from adapters.aws.items import MAX_ITEM_BYTES, MAX_PARTITION_KEY_BYTES, MAX_SORT_KEY_BYTES, check_key, item_bytes
from domain.errors import InvalidInput
from domain.ports import Entry


class DynamoCheckpoints:
    """`domain.ports.Checkpoints` in a DynamoDB table, see `tables.CheckpointItem`.

    Attributes:
        costs: requests and capacity units used by this instance; a lost race is counted as 1 WCU.
    """

    def __init__(self, aws: Aws, table: str) -> None:
        self.costs = Costs()
        self._aws = aws
        self._client = aws.dynamodb
        self._table = table

    def create(self) -> None:
        """Make the table; nothing when it is there."""
        from adapters.aws.tables import create_checkpoint_table  # PynamoDB: only who makes tables should pay

        create_checkpoint_table(self._aws, self._table)

    def load(self, kind: str, name: str) -> Entry | None:
        """The document, strongly consistent, or None. Cost: 1 request, 1 RCU for each started 4 KB."""
        answer = self._client.get_item(
            TableName=self._table, Key=_key(kind, name), ConsistentRead=True, ReturnConsumedCapacity="TOTAL"
        )
        self.costs.add(attempts(answer), rcu=capacity(answer))
        return _entry(answer["Item"]) if "Item" in answer else None

    def save(self, kind: str, name: str, value: bytes, expected: int | None) -> Entry | None:
        """Write if the revision is as expected (0: none there; None: any); the new entry, or None.

        Cost:
            1 request, 1 WCU for each started KB.
        Raises:
            InvalidInput: kind or name is empty or too long, or the document is over 400 KB.
        """
        update = "SET #value = :value ADD #revision :one"
        values: dict[str, Any] = {":value": {"B": value}, ":one": {"N": "1"}}
        guard: dict[str, Any] = {}
        if expected == 0:
            guard["ConditionExpression"] = "attribute_not_exists(#revision)"
        elif expected is not None:
            guard["ConditionExpression"] = "#revision = :expected"
            values[":expected"] = {"N": str(expected)}
        key = _key(kind, name)
        if item_bytes({**key, "value": {"B": value}, "revision": {"N": "9" * 18}}) > MAX_ITEM_BYTES:
            raise InvalidInput(f"{kind} {name}: {len(value):,} bytes are too many for a document of the system's own")
        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key=key,
                UpdateExpression=update,
                ExpressionAttributeNames={"#value": "value", "#revision": "revision"},
                ExpressionAttributeValues=values,
                ReturnValues="UPDATED_NEW",
                ReturnConsumedCapacity="TOTAL",
                **guard,
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            self.costs.add(attempts(error.response), wcu=1)
            return None
        self.costs.add(attempts(answer), wcu=capacity(answer))
        return Entry(kind, name, value, int(answer["Attributes"]["revision"]["N"]))

    def delete(self, kind: str, name: str) -> None:
        """Remove the document; nothing when it is gone. Cost: 1 request, 1 WCU for each started KB."""
        answer = self._client.delete_item(TableName=self._table, Key=_key(kind, name), ReturnConsumedCapacity="TOTAL")
        self.costs.add(attempts(answer), wcu=capacity(answer))

    def list(self, kind: str) -> Iterator[Entry]:
        """All documents of a kind, by name, strongly consistent. Cost: 1 request a started MB, 1 RCU a started 4 KB."""
        query: dict[str, Any] = {}
        while True:
            answer = self._client.query(
                TableName=self._table,
                KeyConditionExpression="#kind = :kind",
                ExpressionAttributeNames={"#kind": "kind"},
                ExpressionAttributeValues={":kind": {"S": kind}},
                ConsistentRead=True,
                ReturnConsumedCapacity="TOTAL",
                **query,
            )
            self.costs.add(attempts(answer), rcu=capacity(answer))
            yield from map(_entry, answer["Items"])
            if "LastEvaluatedKey" not in answer:
                return
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def close(self) -> None:
        """Nothing is held open; the clients belong to `Aws`."""


def _key(kind: str, name: str) -> dict[str, dict[str, Any]]:
    check_key(kind, MAX_PARTITION_KEY_BYTES, "a document's kind")
    check_key(name, MAX_SORT_KEY_BYTES, "a document's name")
    return {"kind": {"S": kind}, "name": {"S": name}}


def _entry(item: dict[str, Any]) -> Entry:
    return Entry(item["kind"]["S"], item["name"]["S"], item["value"]["B"], int(item["revision"]["N"]))
