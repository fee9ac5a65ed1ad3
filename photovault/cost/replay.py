"""What rebuilding every projection from n events costs on AWS, and how long it takes, from a scan or from an export.

Formulas in `docs/cost.md`. A replay folds each stream in memory and writes each row once, so its price follows from the
rows and not from the events; its time is bound by whichever is slower, the functions or what the tables take.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Literal

from msgspec import Struct

from domain.errors import InvalidInput
from photovault.cost.bill import ASSUMPTIONS, GB, Assumption, Draft, Line, exact, settle, stretch
from photovault.cost.inputs import Footprint, Measured, PriceTable

__all__ = ["REPLAY_ASSUMPTIONS", "ReplayCost", "replay_cost"]

From = Literal["scan", "export"]

REPLAY_ASSUMPTIONS: dict[str, Assumption] = {
    "scan_page_ms": Assumption(Decimal(100), "a scan's page of 1 MB, transfer included; pages one after the other"),
    "table_units_per_second": Assumption(Decimal(40_000), "AWS's default quota of write units for a table"),
    "owner_units_per_second": Assumption(Decimal(1_000), "DynamoDB's limit for one partition key: rows of one owner"),
    "writers": Assumption(Decimal(16), "rows that a worker writes at once (adapters.aws.views)"),
    "invocation_ms": Assumption(Decimal(780_000), "a worker stops two minutes before Lambda's 15 (handlers/replay.py)"),
    "export_part_bytes": Assumption(Decimal(16 * 1024 * 1024), "bytes of an export's file for each GET"),
    "passes": Assumption(Decimal(2), "a segment is folded into rows, then once more into digests to verify them by"),
    "unzip_cpu_us_per_event": Assumption(Decimal(5), "parsing an exported item costs about what folding an event does"),
}

_MB = Decimal(1024 * 1024)
_WORK = "replay-work"
_FINISH = "replay-finish"


class ReplayCost(Struct, frozen=True):
    """The price and the time of one replay."""

    events: int
    source: From
    lines: Sequence[Line]
    hours_of_functions: Decimal
    hours_of_tables: Decimal
    hours_to_verify: Decimal  # one function, which has a quarter of an hour

    @property
    def total(self) -> Decimal:
        """US dollars, without the free tier."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def hours(self) -> Decimal:
        """Filling, by whichever takes longer, and then verifying."""
        return max(self.hours_of_functions, self.hours_of_tables) + self.hours_to_verify


def replay_cost(
    events: int,
    measured: Measured,
    footprint: Footprint,
    prices: PriceTable,
    region: str,
    *,
    source: From = "scan",
    owners: int = 1000,
    workers: int | None = None,
) -> ReplayCost:
    """Price and time of a rebuild of all projections.

    Args:
        events: events in the history; their sizes, and rows for each, are those that were measured.
        source: `scan`: a parallel scan of the event table; `export`: its export to S3.
        workers: segments that are worked on at once (the template's MaxConcurrency), if not the default.
        owners: owners that the rows spread over, evenly: DynamoDB takes 1,000 write units a second for each.
    Raises:
        InvalidInput: there are no events, owners or workers.
    """
    if events < 1 or owners < 1 or (workers is not None and workers < 1):
        raise InvalidInput("a replay has at least one event, one owner and one worker")
    assumed = {name: assumption.value for name, assumption in REPLAY_ASSUMPTIONS.items()}
    sample = measured.replay
    times = Decimal(events) / sample.events
    size = sample.event_bytes * times
    requests = sample.requests * times
    units = {table: exact(wcu) * times for table, wcu in sample.wcu_by_table.items()}

    passes = assumed["passes"]
    cpu_us = exact(sample.fold_cpu_us_per_event) + (assumed["unzip_cpu_us_per_event"] if source == "export" else 0)
    cpu_ms = passes * cpu_us * events / 1000 + requests * exact(measured.client_cpu_ms_per_request)
    memory_mb = footprint.functions[_WORK].memory_mb
    page_ms = assumed["scan_page_ms"]
    reading_ms = size / _MB * page_ms if source == "scan" else size / ASSUMPTIONS["s3_bytes_per_ms"].value
    writing_ms = requests * ASSUMPTIONS["db_request_ms"].value / assumed["writers"]
    work_ms = cpu_ms * stretch(memory_mb) + passes * reading_ms + writing_ms
    row_bytes = sample.row_bytes * times
    verify_ms = row_bytes / _MB * page_ms
    segments = Decimal(footprint.replay_segments)
    invocations = segments * _up(work_ms / segments / assumed["invocation_ms"])

    draft = Draft(prices, region)
    per_gb_second = f"lambda_gb_second_{footprint.architecture}"
    draft.add("Lambda", "requests", "lambda_request", invocations + 2, _WORK)
    draft.add("Lambda", "duration", per_gb_second, work_ms / 1000 * memory_mb / 1024, _WORK)
    finish_gb = Decimal(footprint.functions[_FINISH].memory_mb) / 1024
    draft.add("Lambda", "duration", per_gb_second, verify_ms / 1000 * finish_gb, _FINISH)
    if source == "scan":  # eventually consistent: half a unit for 4 KB
        draft.add("DynamoDB", "scans of the events", "dynamodb_read", passes * size / 4096 / 2, _WORK)
    else:
        draft.add("DynamoDB", "export of the events", "dynamodb_export", size / GB, _WORK)
        draft.add("S3", "GET of the export", "s3_get", passes * size / assumed["export_part_bytes"], _WORK)
    draft.add("DynamoDB", "rows written once", "dynamodb_write", sum(units.values(), Decimal(0)), _WORK)
    draft.add("DynamoDB", "scan of the new rows", "dynamodb_read", row_bytes / 4096, _FINISH)
    # plan, map, finish; for each segment its start and its end, and a call and a choice for each invocation
    draft.add("Step Functions", "transitions", "step_transition", 3 + 2 * segments + 2 * invocations, _WORK)

    at_once = Decimal(min(workers or footprint.replay_workers, footprint.replay_segments))
    units_per_second = min(assumed["table_units_per_second"], owners * assumed["owner_units_per_second"])
    return ReplayCost(
        events=events,
        source=source,
        lines=settle(draft.lines, {}),
        hours_of_functions=work_ms / at_once / 3_600_000,
        hours_to_verify=verify_ms / 3_600_000,
        hours_of_tables=max(units.values()) / units_per_second / 3600,
    )


def _up(value: Decimal) -> Decimal:
    return max(Decimal(1), value.to_integral_value(ROUND_CEILING))
