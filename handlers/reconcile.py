"""The reconciliation: on a schedule, what nobody told of is found by looking. See `photovault.aws.sweeping`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec

from handlers.observe import count, logger, observed, traced
from photovault.aws.cloud import cloud
from photovault.aws.sweeping import Swept, sweep_heads, sweep_objects, sweep_queues

_LEFT_MS = 60_000  # what a page may take at most; the listing goes on from its checkpoint with the next run


@traced
@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule. Registers the projections too, so that a new deployment can be queried before its first upload."""
    vault, swept = cloud(), Swept()
    vault.register()
    sweep_queues(vault, swept)
    sweep_heads(vault, swept)
    left_ms = context.get_remaining_time_in_millis() - _LEFT_MS
    sweep_objects(vault, swept, vault.clock() + timedelta(milliseconds=left_ms))
    done: dict[str, Any] = msgspec.to_builtins(swept)
    for name in ("waiting", "dead_letters"):  # alarms watch them, and a zero says that all is well again
        count(name, done[name])
    for name, value in done.items():
        if value:  # each metric is billed for the hours that it is sent in
            count(f"sweep_{name}", int(value))
    logger.info("swept", extra=done)
    return done
