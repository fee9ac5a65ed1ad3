"""What every function tells of itself: structured logs with a correlation id, EMF metrics, and X-Ray segments.

A metric is one of the whole deployment: AWS bills each name with each value of a dimension. Whose it was is in the log
line that carries it (`function`, and a step's `step`), where a query adds up by it for nothing.

Nothing logs an event, a body, a link or a file's content: only names of streams and steps, counts and times.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from importlib.util import find_spec
from typing import Any

from aws_lambda_powertools import Logger, Metrics
from aws_lambda_powertools.metrics import MetricUnit

from domain.commits import Commit

SERVICE = os.environ.get("POWERTOOLS_SERVICE_NAME") or "photovault"
NAMESPACE = os.environ.get("POWERTOOLS_METRICS_NAMESPACE") or "PhotoVault"

logger = Logger(service=SERVICE)
metrics = Metrics(namespace=NAMESPACE, service=SERVICE)

NANOUSD_PER_GB_S = 16_667
"""Lambda's price of a GB-second on x86 in us-east-1, in billionths of a dollar (photovault/cost/prices.json)."""
NANOUSD_PER_REQUEST = 200

Handler = Callable[[dict[str, Any], Any], Any]


def observed(handler: Handler) -> Handler:
    """Wrap an entry point: request id and cold start in each log line, its duration, cost and outcome as metrics.

    The duration and the outcome (`succeeded` or `failed`, 1) are counted even when it raises, which Lambda then sees.
    """

    def timed(event: dict[str, Any], context: Any) -> Any:
        started = time.perf_counter()
        failed = True
        try:
            answer = handler(event, context)
            failed = False
            return answer
        except Exception as error:
            logger.exception("the invocation failed", extra={"error": type(error).__name__})
            raise
        finally:
            metrics.add_metadata("function", context.function_name)
            metrics.add_metric("failed" if failed else "succeeded", MetricUnit.Count, 1)
            seconds = time.perf_counter() - started
            count("duration_ms", seconds * 1000, MetricUnit.Milliseconds)
            count("cost_nanousd", cost_nanousd(seconds, context.memory_limit_in_mb), MetricUnit.NoUnit)

    timed.__name__ = timed.__qualname__ = getattr(handler, "__name__", "handler")
    logged: Handler = logger.inject_lambda_context(timed, clear_state=True)
    metered: Handler = metrics.log_metrics(logged)
    return metered


def cost_nanousd(seconds: float, memory_mb: int | str) -> int:
    """What Lambda bills for an invocation of so long with so much memory, before any free tier, in 1e-9 dollars."""
    return NANOUSD_PER_REQUEST + round(NANOUSD_PER_GB_S * seconds * int(memory_mb) / 1024)


def traced(handler: Handler) -> Handler:
    """Subsegments by X-Ray's SDK where Lambda has its daemon, unless POWERTOOLS_TRACE_DISABLED says no or the SDK is
    missing. Not for the API: it takes 0.2 s to import, and Lambda's own segment comes without it."""
    off = os.environ.get("POWERTOOLS_TRACE_DISABLED", "").lower() in ("1", "true", "yes", "on")
    if off or not os.environ.get("AWS_XRAY_DAEMON_ADDRESS") or find_spec("aws_xray_sdk") is None:
        return handler
    from aws_lambda_powertools import Tracer

    segmented: Handler = Tracer(service=SERVICE).capture_lambda_handler(handler, capture_response=False)
    return segmented


def count(name: str, value: float, unit: MetricUnit = MetricUnit.Count) -> None:
    """One metric of this invocation; several values of a name become a distribution."""
    metrics.add_metric(name, unit, value)


def count_lag(commits: Iterable[Commit]) -> None:
    """How old the oldest of the commits is: `lag_ms` [now - recorded_at]."""
    oldest = min((commit.recorded_us for commit in commits), default=None)
    if oldest is not None:
        count("lag_ms", max(0.0, time.time() * 1000 - oldest / 1000), MetricUnit.Milliseconds)


def correlate(ids: Iterable[str]) -> None:
    """Put the correlation id of what is worked on into each log line; of a batch, the first ten."""
    distinct = list(dict.fromkeys(ids))
    logger.append_keys(correlation_id=distinct[0] if len(distinct) == 1 else distinct[:10])
