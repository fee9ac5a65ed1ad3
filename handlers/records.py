"""Records of the event table's stream as commits. What can't be read is parked with its reason, never in the way."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from adapters.aws.items import from_item
from domain.commits import Commit
from domain.parking import Parking
from handlers.observe import count, logger


def commits_of(event: Mapping[str, Any], consumer: str, parking: Parking) -> Sequence[Commit]:
    """Commits in the new images of a batch, in its order.

    A record that changes or removes an item does not come from PhotoVault, which only adds: it is counted as
    `history_touched` (an alarm watches it) and passed over. One that is no commit is parked under the consumer's name.
    """
    commits: list[Commit] = []
    for record in event["Records"]:
        change = record["dynamodb"]
        if record["eventName"] != "INSERT":
            count("history_touched", 1)
            logger.error("the history was changed from outside", extra={"change": record["eventName"]})
            continue
        try:
            commits.append(from_item({name: _value(value) for name, value in change["NewImage"].items()}))
        except (KeyError, ValueError, AttributeError, TypeError) as error:
            stream, number = change["Keys"]["stream"]["S"], int(change["Keys"]["commit"]["N"])
            parking.park(consumer, stream, number, error)
            count("unreadable", 1)
            logger.error("a record that is no commit was parked", extra={"stream": stream, "commit": number})
    return commits


def _value(value: Mapping[str, Any]) -> dict[str, Any]:
    """Lambda gives binary attributes as base64 text."""
    return {kind: base64.b64decode(held) if kind == "B" else held for kind, held in value.items()}
