"""The projector: commits from the event table's stream into the rows of every projection.

A stream that can't be folded is parked by itself. Only a fault of the infrastructure fails the batch, so that Lambda
hands it out again; whatever had been written by then is guarded by the version in the row.
"""

from __future__ import annotations

from typing import Any

from handlers.observe import correlate, count, count_lag, logger, observed, traced
from handlers.records import commits_of
from photovault.aws.cloud import cloud


@traced
@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """DynamoDB stream, NEW_IMAGE. Reports no single record: a batch is done, or raises."""
    vault = cloud()
    projector = vault.projector
    commits = commits_of(event, "projector", vault.parking)
    correlate(commit.correlation_id for commit in commits)
    done = projector.project(commits)
    count("commits", done.commits)
    count("rows", done.rows)
    count("parked", done.parked)
    count_lag(commits)
    logger.info("projected", extra={"commits": done.commits, "rows": done.rows, "parked": done.parked})
    return {"batchItemFailures": []}
