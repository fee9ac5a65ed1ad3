"""The three functions of the replay's state machine: plan, then work for each segment until it is done, then finish."""

from __future__ import annotations

import time
from typing import Any

import msgspec

from handlers.observe import count, logger, observed, traced
from photovault.aws import rebuild as cloud_rebuild
from photovault.aws.cloud import cloud

_LEFT_MS = 120_000  # a worker ends its slice, or goes on with the next one, before this much of its time is left


@traced
@observed
def plan(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Takes a `cloud_rebuild.Order` as JSON; gives the run and its segments."""
    planned = cloud_rebuild.plan(cloud(), msgspec.convert(event, cloud_rebuild.Order))
    logger.info("planned", extra={"run": planned["run"], "segments": len(planned["segments"])})
    return planned


@traced
@observed
def work(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Takes one segment ({"run", "segment"}); gives {"done"}: False asks for another call with the same segment."""
    left_ms = max(0, context.get_remaining_time_in_millis() - _LEFT_MS)
    done = cloud_rebuild.work(cloud(), event["run"], int(event["segment"]), time.time() + left_ms / 1000)
    logger.info("worked", extra={"run": event["run"], "segment": event["segment"], **done})
    return done


@traced
@observed
def finish(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """Takes {"run"}; gives the `cloud_rebuild.Outcome`."""

    def has_time() -> bool:
        return bool(context.get_remaining_time_in_millis() > _LEFT_MS)

    outcome = cloud_rebuild.finish(cloud(), event["run"], has_time)
    count("replayed_events", outcome.events)
    count("differences", len(outcome.differences))
    result: dict[str, Any] = msgspec.to_builtins(outcome)
    logger.info("finished", extra={name: value for name, value in result.items() if name != "differences"})
    return result
