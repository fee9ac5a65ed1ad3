"""The DynamoDB tables, declared once as PynamoDB models: tests create them from here, template.yaml must agree.

PynamoDB declares and creates; items are read and written with botocore (docs/adr/0002-pynamodb-where.md has the
numbers).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from botocore.exceptions import ClientError
from pynamodb.attributes import BinaryAttribute, BooleanAttribute, NumberAttribute, UnicodeAttribute
from pynamodb.connection import Connection
from pynamodb.constants import PAY_PER_REQUEST_BILLING_MODE
from pynamodb.exceptions import TableError
from pynamodb.models import Model

from adapters.aws.connection import Aws, error_code
from adapters.aws.items import index_attribute


class EventItem(Model):
    """One commit. No index of any kind: one would double the price of every append, and could throttle it."""

    class Meta:
        table_name = "events"

    stream = UnicodeAttribute(hash_key=True)
    commit = NumberAttribute(range_key=True)
    first_version = NumberAttribute()
    count = NumberAttribute()  # type: ignore[assignment]  # shadows Model.count, which nothing here calls
    commit_id = UnicodeAttribute()
    recorded_at = NumberAttribute()  # microseconds since 1970-01-01 UTC
    actor = UnicodeAttribute()
    correlation_id = UnicodeAttribute()
    causation_id = UnicodeAttribute(null=True)
    body = UnicodeAttribute()
    prev_hash = BinaryAttribute(legacy_encoding=False)
    hash = BinaryAttribute(legacy_encoding=False)


class ViewItem(Model):
    """One row of a view, or one shard of a total. Each index of the view adds a sort key of its own: `ix_<name>`."""

    class Meta:
        table_name = "view"

    pk = UnicodeAttribute(hash_key=True)
    sk = UnicodeAttribute(range_key=True)
    version = NumberAttribute(null=True)  # a total has none
    data = BinaryAttribute(null=True, legacy_encoding=False)
    deleted = BooleanAttribute(null=True)  # only on tombstones


class CheckpointItem(Model):
    """One of the system's own small documents."""

    class Meta:
        table_name = "checkpoints"

    kind = UnicodeAttribute(hash_key=True)
    name = UnicodeAttribute(range_key=True)
    value = BinaryAttribute(legacy_encoding=False)
    revision = NumberAttribute()


class KeyItem(Model):
    """The key of one stream's personal fields; `gone` once it was destroyed."""

    class Meta:
        table_name = "keys"

    scope = UnicodeAttribute(hash_key=True)
    key = BinaryAttribute(null=True, legacy_encoding=False)
    gone = BooleanAttribute(null=True)


def definition(model: type[Model], *, stream: bool = False, indexes: Sequence[str] = ()) -> dict[str, Any]:
    """A table as CreateTable and CloudFormation both spell it, without its name.

    Args:
        stream: whether changes go to a DynamoDB stream (new images).
        indexes: names of global secondary indexes, each by (partition key, `ix_<name>`), all attributes projected.
    """
    keys = sorted(
        (attribute for attribute in model.get_attributes().values() if attribute.is_hash_key or attribute.is_range_key),
        key=lambda attribute: not attribute.is_hash_key,
    )
    names = [attribute.attr_name for attribute in keys]
    described: dict[str, Any] = {
        "AttributeDefinitions": [{"AttributeName": a.attr_name, "AttributeType": a.attr_type} for a in keys]
        + [{"AttributeName": index_attribute(index), "AttributeType": "S"} for index in indexes],
        "KeySchema": _key_schema(*names) if len(names) > 1 else [{"AttributeName": names[0], "KeyType": "HASH"}],
        "BillingMode": PAY_PER_REQUEST_BILLING_MODE,
    }
    if stream:
        described["StreamSpecification"] = {"StreamViewType": "NEW_IMAGE"}
    if indexes:
        described["GlobalSecondaryIndexes"] = [
            {
                "IndexName": index,
                "KeySchema": _key_schema(names[0], index_attribute(index)),
                "Projection": {"ProjectionType": "ALL"},
            }
            for index in indexes
        ]
    return described


def create(aws: Aws, name: str, described: dict[str, Any]) -> None:
    """Create a table from its `definition` and wait until it may be used; nothing to do when it is there."""
    stream = described.get("StreamSpecification")
    try:
        _SessionConnection(aws).create_table(
            name,
            attribute_definitions=described["AttributeDefinitions"],
            key_schema=described["KeySchema"],
            global_secondary_indexes=[
                {"index_name": i["IndexName"], "key_schema": i["KeySchema"], "projection": i["Projection"]}
                | {"provisioned_throughput": None}
                for i in described.get("GlobalSecondaryIndexes", ())
            ],
            stream_specification={"stream_enabled": True, "stream_view_type": stream["StreamViewType"]}
            if stream
            else None,
            billing_mode=described["BillingMode"],
        )
    except TableError as error:
        if error.cause_response_code != "ResourceInUseException":
            raise
    aws.dynamodb.get_waiter("table_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 180})


def create_event_table(aws: Aws, name: str) -> None:
    """The events, with the stream that the projector and the relay read."""
    create(aws, name, definition(EventItem, stream=True))


def create_checkpoint_table(aws: Aws, name: str) -> None:
    """The system's own small documents."""
    create(aws, name, definition(CheckpointItem))


def drop(aws: Aws, name: str) -> None:
    """Delete a table and wait until it is gone; nothing to do when there is none."""
    try:
        aws.dynamodb.delete_table(TableName=name)
    except ClientError as error:
        if error_code(error) != "ResourceNotFoundException":
            raise
    aws.dynamodb.get_waiter("table_not_exists").wait(TableName=name, WaiterConfig={"Delay": 1, "MaxAttempts": 180})


class _SessionConnection(Connection):
    """PynamoDB's connection on the client of our session, instead of one from the environment."""

    def __init__(self, aws: Aws) -> None:
        super().__init__()
        self._given = aws.dynamodb

    @property
    def client(self) -> Any:
        return self._given


def _key_schema(partition: str, sort: str) -> list[dict[str, str]]:
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
