"""The look at faces that are nobody's: once a day, of all owners who have agreed. See `photovault.looking_again`."""

from __future__ import annotations

from typing import Any

import msgspec

from handlers.observe import count, logger, observed, traced
from photovault.aws.cloud import cloud
from photovault.looking_again import look_at_everybody

_LEFT_MS = 300_000  # what one owner may take at most; who had no turn comes first tomorrow


@traced
@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule. Returns what was done; errors are in the log, without whose they were."""
    vault = cloud()
    done = look_at_everybody(vault, vault.clock(), lambda: context.get_remaining_time_in_millis() > _LEFT_MS)
    answer: dict[str, Any] = msgspec.to_builtins(done)
    for name in ("looked", "assigned", "people", "merged", "tidied", "failed"):
        if answer[name]:  # each metric is billed for the hours that it is sent in
            count(f"faces_{name}", int(answer[name]))
    logger.info("looked at faces", extra=answer)
    return answer
