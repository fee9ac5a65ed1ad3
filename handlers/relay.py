"""The relay: commits from the event table's stream into the archive, into the queues of the steps that follow, and to
those who want to be told.

All may happen again with the same batch: an archived object is named by its content, and a message is only a hint.
"""

from __future__ import annotations

from typing import Any

from handlers.observe import correlate, count, count_lag, logger, observed, traced
from handlers.records import commits_of
from photovault.aws.cloud import cloud
from photovault.notices import notice
from steps.relay import CONSUMER


@traced
@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """DynamoDB stream, NEW_IMAGE. The archive comes first: what is not archived is not begun."""
    vault = cloud()
    commits = commits_of(event, CONSUMER, vault.parking)
    correlate(commit.correlation_id for commit in commits)
    objects = vault.archive.write(commits)
    messages = vault.relay.relay(commits)
    noticed = notice(vault, commits)
    count("commits", len(commits))
    count("messages", messages)
    count("archived_objects", len(objects))
    if noticed:
        count("noticed", noticed)
    count_lag(commits)
    logger.info("relayed", extra={"commits": len(commits), "messages": messages})
    return {"batchItemFailures": []}
