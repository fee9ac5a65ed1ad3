"""Items: a commit as DynamoDB's typed attributes and back, and how large DynamoDB counts an item.

The hot part of every append and load: plain dictionaries, no model objects (docs/adr/0002-pynamodb-where.md).
"""

from __future__ import annotations

from typing import Any

from domain.commits import Commit
from domain.errors import InvalidInput

MAX_ITEM_BYTES = 400 * 1024
"""DynamoDB's limit for one item, its attributes' names included."""

MAX_PARTITION_KEY_BYTES = 2048
MAX_SORT_KEY_BYTES = 1024


def to_item(commit: Commit) -> dict[str, dict[str, Any]]:
    """A commit as DynamoDB's typed attributes; an absent `causation_id` is no attribute."""
    item: dict[str, dict[str, Any]] = {
        "stream": {"S": commit.stream},
        "commit": {"N": str(commit.number)},
        "first_version": {"N": str(commit.first_version)},
        "count": {"N": str(commit.count)},
        "commit_id": {"S": commit.commit_id},
        "recorded_at": {"N": str(commit.recorded_us)},
        "actor": {"S": commit.actor},
        "correlation_id": {"S": commit.correlation_id},
        "body": {"S": commit.body.decode()},
        "prev_hash": {"B": commit.prev_hash},
        "hash": {"B": commit.hash},
    }
    if commit.causation_id is not None:
        item["causation_id"] = {"S": commit.causation_id}
    return item


def from_item(item: dict[str, dict[str, Any]]) -> Commit:
    """The inverse of `to_item`; also for the new image of a stream's record."""
    causation = item.get("causation_id")
    return Commit(
        item["stream"]["S"],
        int(item["commit"]["N"]),
        int(item["first_version"]["N"]),
        int(item["count"]["N"]),
        item["commit_id"]["S"],
        int(item["recorded_at"]["N"]),
        item["actor"]["S"],
        item["correlation_id"]["S"],
        causation["S"] if causation is not None else None,
        item["body"]["S"].encode(),
        item["prev_hash"]["B"],
        item["hash"]["B"],
    )


def item_bytes(item: dict[str, dict[str, Any]]) -> int:
    """Size of an item as DynamoDB counts it: names and strings in UTF-8, a number a byte for two digits and one more.

    Source: "DynamoDB item sizes and formats" in the Amazon DynamoDB developer guide. Rounded up by a byte where the
    guide says "approximately".
    """
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def write_units(size: int) -> int:
    """WCU of a put: one for each started KB."""
    return max(1, -(-size // 1024))


def read_units(size: int) -> int:
    """RCU of a strongly consistent read of one item: one for each started 4 KB."""
    return max(1, -(-size // 4096))


def index_attribute(index: str) -> str:
    """The attribute that holds a row's sort key in an index; a row without it is not in that index."""
    return f"ix_{index}"


def check_key(value: str, limit: int, what: str) -> None:
    """`InvalidInput` for a key that DynamoDB would refuse: empty, or over its limit in UTF-8."""
    if not value or len(value.encode()) > limit:
        raise InvalidInput(f"{what} must have 1 to {limit} bytes: {value[:80]!r}")


def _value_bytes(value: dict[str, Any]) -> int:
    ((kind, content),) = value.items()
    if kind == "S":
        return len(content.encode())
    if kind == "N":
        return len(content) // 2 + 2
    return len(content) if kind == "B" else 1
