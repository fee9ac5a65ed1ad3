"""Items of an answer from DynamoDB, parsed by msgspec instead of botocore's walk over its service model.

That walk costs a third of a long load (boto/boto3 issue 2928; docs/adr/0002-pynamodb-where.md has the numbers). What
comes out has the shape that botocore gives, for items without nested attributes, as all of ours are.
"""

from __future__ import annotations

from binascii import a2b_base64
from collections.abc import Iterable
from typing import Any

import msgspec

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def register(client: Any) -> None:
    """Let a DynamoDB client parse the items of pages and batches this way. Not for tables with nested attributes."""
    for operation in ("Query", "Scan", "BatchGetItem"):
        client.meta.events.register(f"before-parse.dynamodb.{operation}", take_items)


def take_items(response_dict: dict[str, Any], customized_response_dict: dict[str, Any], **_: Any) -> None:
    """For botocore's `before-parse`: move the items out of the body, so that its own parser sees only the rest."""
    if response_dict["status_code"] != 200:
        return
    try:
        answer = _decode(response_dict["body"])
    except msgspec.DecodeError:
        return  # not what DynamoDB says: botocore knows the words for it
    if (items := answer.pop("Items", None)) is not None:
        customized_response_dict["Items"] = with_bytes(items)
    if (responses := answer.pop("Responses", None)) is not None:
        customized_response_dict["Responses"] = {table: with_bytes(items) for table, items in responses.items()}
    response_dict["body"] = _encode(answer)


def with_bytes(items: list[dict[str, dict[str, Any]]]) -> list[dict[str, dict[str, Any]]]:
    """Items with their binary attributes decoded in place."""
    for item in items:
        _decode_bytes(item.values())
    return items


def _decode_bytes(values: Iterable[dict[str, Any]]) -> None:
    for value in values:
        if "B" in value:
            value["B"] = a2b_base64(value["B"])
