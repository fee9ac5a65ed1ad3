"""The intake: S3's notices of new objects, through SQS, into events. Each object becomes an asset or a refusal.

One SQS message may hold several notices, keys come URL-encoded, and S3 sends a test notice when a bucket is set up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any
from urllib.parse import unquote_plus

from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from adapters.aws.originals import UNVERSIONED
from domain.commits import derive_id
from handlers.observe import correlate, count, logger, observed, traced
from photovault.aws.cloud import cloud
from photovault.aws.intake import Stored, take_in

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)


@traced
@observed
def handler(event: dict[str, Any], context: Any) -> Any:
    """SQS, ReportBatchItemFailures: a message that can't be read comes back, and ends in the dead letters."""
    return process_partial_response(event=event, record_handler=_handle, processor=processor, context=context)


def _handle(record: SQSRecord) -> None:
    vault = cloud()
    for stored in objects_in(json.loads(record.body)):
        taken = take_in(vault.store, stored, vault.settings.default_owner)
        correlate([derive_id("upload", taken.stream)])
        outcome = "refused" if taken.refused else "taken" if taken.new else "repeated"
        count(f"uploads_{outcome}", 1)
        count("bytes", stored.size_bytes if taken.new else 0, MetricUnit.Bytes)
        count("lag_ms", max(0.0, (vault.clock() - stored.at).total_seconds() * 1000), MetricUnit.Milliseconds)
        logger.info(outcome, extra={"stream": taken.stream, "reason": taken.refused})


def objects_in(notice: dict[str, Any]) -> Iterator[Stored]:
    """Objects that a notice says were created; none for S3's test, and for deletions.

    Raises:
        KeyError, ValueError: it is no notice of S3's.
    """
    if notice.get("Event") == "s3:TestEvent":
        return
    for record in notice["Records"]:
        if not record["eventName"].startswith("ObjectCreated:"):
            continue
        bucket, stored = record["s3"]["bucket"], record["s3"]["object"]
        yield Stored(
            bucket=bucket["name"],
            key=unquote_plus(stored["key"]),
            version=stored.get("versionId") or UNVERSIONED,
            etag=stored.get("eTag", "").strip('"'),
            size_bytes=int(stored.get("size", 0)),
            at=datetime.fromisoformat(record["eventTime"]),
        )
