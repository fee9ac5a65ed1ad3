"""Keys of personal fields in a DynamoDB table of their own, wrapped with their owner's key where KMS keeps that.

The table has no point-in-time recovery: a copy of it from before would bring back what was destroyed. A deletion leaves
an item that says so, and from then on no key is made for that scope.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator
from typing import Any, Protocol

from botocore.exceptions import ClientError

from adapters.aws.connection import Aws, Costs, attempts, capacity, error_code
from domain.commits import split_stream
from domain.errors import NotFound
from domain.keys import new_key

__all__ = ["DynamoKeys", "KmsWrap", "Wrap"]

OWNER_KEY = "#~"
"""What the scope of an owner's own key ends with; no stream's name does."""

_KEPT_SECONDS = 60.0
_KEPT = 10_000
_BATCH = 100
_NONCE_BYTES = 12


class Wrap(Protocol):
    """Encrypts data keys at rest."""

    def wrap(self, scope: str, key: bytes) -> bytes:
        """The key as the table has it."""
        ...

    def unwrap(self, scope: str, stored: bytes) -> bytes:
        """The key."""
        ...


class _AsItIs:
    """The table's own encryption is all."""

    def wrap(self, scope: str, key: bytes) -> bytes:
        return key

    def unwrap(self, scope: str, stored: bytes) -> bytes:
        return stored


class DynamoKeys:
    """`domain.keys.Keys` in a DynamoDB table with the key `scope`.

    A key is kept in memory for a minute at most, so that one which was destroyed elsewhere is soon unknown here.

    Cost:
        ensure: 1 request, 1 WCU (and 1 RCU when there is one); get: 1 request, 1 RCU; prepare: 1 request for 100 keys,
        0.5 RCU each. Nothing for a minute after.

    Attributes:
        costs: requests and capacity units used by this instance.
    """

    def __init__(self, aws: Aws, table: str, wrap: Wrap | None = None) -> None:
        self.costs = Costs()
        self._client = aws.dynamodb
        self._table = table
        self._wrap = wrap or _AsItIs()
        self._known: dict[str, tuple[float, bytes | None]] = {}

    def create(self) -> None:
        """Make the table; nothing when it is there. For tests: the template makes it."""
        try:
            self._client.create_table(
                TableName=self._table,
                AttributeDefinitions=[{"AttributeName": "scope", "AttributeType": "S"}],
                KeySchema=[{"AttributeName": "scope", "KeyType": "HASH"}],
                BillingMode="PAY_PER_REQUEST",
            )
        except ClientError as error:
            if error_code(error) != "ResourceInUseException":
                raise
        self._client.get_waiter("table_exists").wait(TableName=self._table)

    def ensure(self, scope: str) -> bytes | None:
        """See `Keys.ensure`."""
        kept = self._kept(scope)
        if kept is not None:
            return kept[1]
        key = new_key()
        try:
            answer = self._client.put_item(
                TableName=self._table,
                Item={"scope": {"S": scope}, "key": {"B": self._wrap.wrap(scope, key)}},
                ConditionExpression="attribute_not_exists(#scope)",
                ExpressionAttributeNames={"#scope": "scope"},
                ReturnConsumedCapacity="TOTAL",
            )
        except ClientError as error:
            if error_code(error) != "ConditionalCheckFailedException":
                raise
            self.costs.add(attempts(error.response), wcu=1)
            return self.get(scope)
        self.costs.add(attempts(answer), wcu=capacity(answer))
        return self._keep(scope, key)

    def get(self, scope: str) -> bytes | None:
        """See `Keys.get`; strongly consistent."""
        kept = self._kept(scope)
        if kept is not None:
            return kept[1]
        answer = self._client.get_item(
            TableName=self._table, Key={"scope": {"S": scope}}, ConsistentRead=True, ReturnConsumedCapacity="TOTAL"
        )
        self.costs.add(attempts(answer), rcu=capacity(answer))
        if "Item" not in answer:
            raise NotFound(f"the key of {scope} is missing, and was not destroyed: restore the keys from the backup")
        return self._take(answer["Item"])

    def prepare(self, scopes: Iterable[str]) -> None:
        """See `Keys.prepare`."""
        wanted = [scope for scope in dict.fromkeys(scopes) if self._kept(scope) is None]
        if len(wanted) < 2:  # `get` is as quick, and asks only if it must
            return
        for i in range(0, len(wanted), _BATCH):
            asked: dict[str, Any] = {
                self._table: {"Keys": [{"scope": {"S": scope}} for scope in wanted[i : i + _BATCH]]}
            }
            while asked:
                answer = self._client.batch_get_item(RequestItems=asked, ReturnConsumedCapacity="TOTAL")
                self.costs.add(
                    attempts(answer), rcu=sum(c["CapacityUnits"] for c in answer.get("ConsumedCapacity", ()))
                )
                for item in answer["Responses"].get(self._table, ()):
                    self._take(item)
                asked = answer.get("UnprocessedKeys") or {}

    def destroy(self, scope: str) -> bool:
        """See `Keys.destroy`."""
        answer = self._client.update_item(
            TableName=self._table,
            Key={"scope": {"S": scope}},
            UpdateExpression="SET #gone = :yes REMOVE #key",
            ExpressionAttributeNames={"#key": "key", "#gone": "gone"},
            ExpressionAttributeValues={":yes": {"BOOL": True}},
            ReturnValues="ALL_OLD",
            ReturnConsumedCapacity="TOTAL",
        )
        self.costs.add(attempts(answer), wcu=capacity(answer))
        self._keep(scope, None)
        return "key" in answer.get("Attributes", {})

    def everything(self) -> Iterator[tuple[str, bytes | None]]:
        """All scopes with their keys, None for those destroyed: for a copy. Cost: a scan of the table."""
        query: dict[str, Any] = {}
        while True:
            answer = self._client.scan(TableName=self._table, ConsistentRead=True, **query)
            for item in answer["Items"]:
                if not item["scope"]["S"].endswith(OWNER_KEY):
                    yield item["scope"]["S"], self._take(item)
            if "LastEvaluatedKey" not in answer:
                return
            query = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def take(self, entries: Iterable[tuple[str, bytes | None]]) -> None:
        """Put keys of a copy in; one that was destroyed, here or there, stays so. Cost: 1 request a key."""
        for scope, key in entries:
            if key is None:
                self.destroy(scope)
                continue
            try:
                self._client.put_item(
                    TableName=self._table,
                    Item={"scope": {"S": scope}, "key": {"B": self._wrap.wrap(scope, key)}},
                    ConditionExpression="attribute_not_exists(#scope)",
                    ExpressionAttributeNames={"#scope": "scope"},
                )
            except ClientError as error:
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
        self._known.clear()

    def _take(self, item: dict[str, Any]) -> bytes | None:
        scope = item["scope"]["S"]
        return self._keep(scope, self._wrap.unwrap(scope, item["key"]["B"]) if "key" in item else None)

    def _kept(self, scope: str) -> tuple[float, bytes | None] | None:
        kept = self._known.get(scope)
        return kept if kept is not None and kept[0] > time.monotonic() else None

    def _keep(self, scope: str, key: bytes | None) -> bytes | None:
        if len(self._known) >= _KEPT:
            self._known.clear()
        self._known[scope] = (time.monotonic() + _KEPT_SECONDS, key)
        return key


class KmsWrap:
    """Data keys wrapped with a key of their owner, which KMS alone can open; it stands in the same table.

    Cost:
        1 request to KMS and 1 to DynamoDB for each owner and process (KMS: 0.03 US dollars for 10,000).
    """

    def __init__(self, aws: Aws, table: str, kms_key: str) -> None:
        self._kms = aws.kms
        self._dynamodb = aws.dynamodb
        self._table = table
        self._key_id = kms_key
        self._owners: dict[str, bytes] = {}

    def wrap(self, scope: str, key: bytes) -> bytes:
        """See `Wrap.wrap`."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        nonce = os.urandom(_NONCE_BYTES)
        return nonce + AESGCM(self._owner_key(scope)).encrypt(nonce, key, scope.encode())

    def unwrap(self, scope: str, stored: bytes) -> bytes:
        """See `Wrap.unwrap`."""
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(self._owner_key(scope)).decrypt(stored[:_NONCE_BYTES], stored[_NONCE_BYTES:], scope.encode())

    def _owner_key(self, scope: str) -> bytes:
        owner = split_stream(scope)[0]
        if owner in self._owners:
            return self._owners[owner]
        context = {"owner": owner}
        place = {"scope": {"S": f"{owner}{OWNER_KEY}"}}
        answer = self._dynamodb.get_item(TableName=self._table, Key=place, ConsistentRead=True)
        if "Item" not in answer:
            made = self._kms.generate_data_key(KeyId=self._key_id, KeySpec="AES_256", EncryptionContext=context)
            try:
                self._dynamodb.put_item(
                    TableName=self._table,
                    Item=place | {"key": {"B": made["CiphertextBlob"]}},
                    ConditionExpression="attribute_not_exists(#scope)",
                    ExpressionAttributeNames={"#scope": "scope"},
                )
            except ClientError as error:  # somebody else made one just now
                if error_code(error) != "ConditionalCheckFailedException":
                    raise
            answer = self._dynamodb.get_item(TableName=self._table, Key=place, ConsistentRead=True)
        opened = self._kms.decrypt(CiphertextBlob=answer["Item"]["key"]["B"], EncryptionContext=context)
        self._owners[owner] = opened["Plaintext"]
        return self._owners[owner]
