"""Steps: one function a step, each with this code and its own queue; STEP names the step.

The worker says what becomes of a message. One that is due again later is hidden until then and reported as failed, so
that Lambda leaves it in the queue; one that is given up goes to the dead letters with its reason.
"""

from __future__ import annotations

import os
import time
from typing import Any

import msgspec
from aws_lambda_powertools.metrics import MetricUnit
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from domain.ports import Delivery, Message
from handlers.observe import correlate, count, logger, metrics, observed, traced
from photovault.aws.cloud import cloud

processor = BatchProcessor(event_type=EventType.SQS, raise_on_entire_batch_failure=False)
_decode = msgspec.json.Decoder(Message).decode


class Later(Exception):
    """The message stays in the queue and is due again after a while."""


@traced
@observed
def handler(event: dict[str, Any], context: Any) -> Any:
    """SQS, ReportBatchItemFailures. The lines that carry the metrics name the step."""
    metrics.add_metadata("step", os.environ["STEP"])
    blobs = cloud().blobs
    moved = blobs.read_bytes + blobs.written_bytes
    answer = process_partial_response(event=event, record_handler=_handle, processor=processor, context=context)
    count("bytes", blobs.read_bytes + blobs.written_bytes - moved, MetricUnit.Bytes)
    return answer


def _handle(record: SQSRecord) -> None:
    """One message.

    Raises:
        Later: it is due again, after the time that it is now hidden for.
        msgspec.DecodeError: it is no message: SQS moves it to the dead letters in the end.
    """
    vault, step = cloud(), os.environ["STEP"]
    message = _decode(record.body)
    receives = int(record.attributes.approximate_receive_count)
    correlate([message.correlation_id])
    count("queued_ms", max(0.0, time.time() * 1000 - int(record.attributes.sent_timestamp)), MetricUnit.Milliseconds)
    count("retries", receives - 1)
    delivery = Delivery(step, message, record.receipt_handle, receives)
    started = time.perf_counter()
    verdict = vault.worker.handle(delivery)
    count("step_ms", (time.perf_counter() - started) * 1000, MetricUnit.Milliseconds)
    count(f"outcome_{verdict.action}", 1)
    logger.info(verdict.action, extra={"step": step, "stream": message.stream, "reason": verdict.reason})
    if verdict.action == "retry":
        vault.queue.retry(delivery, verdict.after_seconds)
        raise Later(f"{message.stream}: due again in {verdict.after_seconds:.0f} s")
    if verdict.action == "bury":
        vault.queue.bury(delivery, verdict.reason)
        count("dead_letters", 1)  # the sweep counts them again, until none is left
