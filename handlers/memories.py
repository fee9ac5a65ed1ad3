"""Memories: once a day, what is new in each owner's pictures is looked at. See `photovault.remembering`."""

from __future__ import annotations

from collections import Counter
from datetime import date
from typing import Any

from adapters.ml.density import density_clusters
from domain.errors import ViewUnavailable
from handlers.observe import count, logger, observed, traced
from photovault.aws.cloud import cloud
from photovault.aws.owners import owners
from photovault.remembering import look, places_by

_LEFT_MS = 300_000  # what a look of `BATCH` pictures may take; what is left waits for the next day
_BATCH = 50_000


@traced
@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule; an operator may name another day: {"day": "2026-09-04"}. A day begins at midnight UTC; an owner whose
    looks did not come to an end goes on the next day."""
    vault, total = cloud(), Counter[str]()
    day = date.fromisoformat(event["day"]) if "day" in event else vault.clock().date()
    try:
        for owner in owners(vault):
            more = True
            while more and context.get_remaining_time_in_millis() > _LEFT_MS:
                made = look(
                    vault,
                    owner,
                    day,
                    places_by(density_clusters),
                    vault.settings.serving,
                    batch=_BATCH,
                )
                more = made.more
                for name in ("changed", "read", "created", "revised", "retired"):
                    total[name] += getattr(made, name)
            total["unfinished"] += more
            total["owners"] += 1
    except ViewUnavailable as missing:  # a deployment whose projections are not registered or not rebuilt yet
        logger.warning("not yet", extra={"reason": str(missing)})
        return {"waiting": str(missing)}
    if total["unfinished"]:  # each metric is billed for the hours that it is sent in: the log has the others
        count("memories_unfinished", total["unfinished"])
    logger.info("looked", extra={"memories": dict(total)})
    return dict(total)
