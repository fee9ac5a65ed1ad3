"""Analytics: storage, performance, cost, behaviour and advice, each a sum over totals that projections keep.

No question here looks at an asset, so that it costs the same for a hundred as for a million.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any, Protocol

from msgspec import Struct

from domain.advice import (
    Advice,
    StepUse,
    Tiers,
    about_archive,
    about_failures,
    about_memory,
    about_waiting,
    year_before,
)
from domain.behaviour_events import AssetViewed, ViewedHow
from domain.errors import InvalidInput
from domain.eventstore import EventStore
from domain.histogram import BUCKETS, RELATIVE_ERROR, quantile
from domain.keys import Keys
from domain.pipeline import STEPS
from domain.ports import ViewStore
from photovault.behaviour import Recorder, agreement
from photovault.cost.inputs import FunctionShape, footprint, measured, price_table
from projections.behaviour import Behaviour
from projections.generations import Generations
from projections.library import Library
from projections.performance import ENDS, Performance
from projections.shares import Shares
from projections.storage import Storage

__all__ = ["AnalyticsVault", "advice", "behaviour", "cost", "note_view", "performance", "storage"]

_PERCENTILES = {"p50": Fraction(1, 2), "p95": Fraction(19, 20), "p99": Fraction(99, 100)}
_UNITS = {
    "wcu": "dynamodb_write",
    "rcu": "dynamodb_read",
    "s3_puts": "s3_put",
    "s3_gets": "s3_get",
    "sqs_requests": "sqs_request",
}
_BY = ("step", "version", "month")


class AnalyticsVault(Protocol):
    """What is needed of a vault."""

    @property
    def store(self) -> EventStore:
        """The history."""
        ...

    @property
    def views(self) -> ViewStore:
        """Rows of all projections."""
        ...

    @property
    def generations(self) -> Generations:
        """Which table of a projection readers see."""
        ...

    @property
    def keys(self) -> Keys:
        """What personal fields are sealed with."""
        ...

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time."""
        ...

    @property
    def behaviour(self) -> Recorder:
        """Notes what owners look at."""
        ...


def note_view(vault: AnalyticsVault, owner: str, asset: str, how: ViewedHow = "shown") -> None:
    """Note that an owner looks at one of their assets; nothing where they have not agreed to that.

    Cost: where they agreed, a read of one row.
    """
    if not vault.behaviour.counts(owner):
        return
    projection, table = vault.generations.active(Storage.name)
    row = vault.views.get(table, [(owner, asset)])[0]
    if row is None or row.deleted:
        return
    stored = projection.decode(row.data)
    vault.behaviour.note(owner, AssetViewed(asset=asset, how=how, uploaded=stored.month, size_bytes=stored.original))


# --- storage ---------------------------------------------------------------------------------------------------------


def storage(vault: AnalyticsVault, owners: Sequence[str]) -> dict[str, Any]:
    """Bytes of owners together: `kinds`, `made`, `months` (of upload), `trash`, and sums."""
    totals = _totals(vault, Storage.name, owners)
    kinds = {name: dict(counts) for name, counts in _named(totals, "kind:")}
    made = dict(sorted(totals.get("made", {}).items(), key=lambda entry: (-entry[1], entry[0])))
    return {
        "owners": list(owners),
        "original_bytes": sum(counts.get("original_bytes", 0) for counts in kinds.values()),
        "made_bytes": sum(made.values()),
        "kinds": kinds,
        "made": made,
        "months": {name: dict(counts) for name, counts in sorted(_named(totals, "month:"))},
        "trash": dict(totals.get("trash", {})),
    }


# --- performance -----------------------------------------------------------------------------------------------------


class Runs(Struct):
    """Runs that belong together."""

    ends: dict[str, int]
    retries: int
    ms: int
    cpu_ms: int
    took: dict[int, int]
    lags: dict[int, int]
    peaks: dict[int, int]

    @property
    def attempts(self) -> int:
        """All of them, however they ended."""
        return sum(self.ends.values())

    @property
    def failed(self) -> int:
        """Attempts that failed, the last ones included."""
        return self.ends["failed"] + self.ends["given_up"]


def runs_by(
    vault: AnalyticsVault, owners: Sequence[str], by: Sequence[str] = ("step",), since: str = "", until: str = "9999-99"
) -> dict[tuple[str, ...], Runs]:
    """Runs of owners together, by any of `step`, `version` and `month`; in the order of the pipeline.

    Args:
        since, until: months, both included: "2026-11".
    """
    if unknown := set(by) - set(_BY):
        raise InvalidInput(f"{min(unknown)!r} is nothing to sort runs by; there are: {', '.join(_BY)}")
    found: dict[tuple[str, ...], Runs] = {}
    for name, counters in _totals(vault, Performance.name, owners).items():
        cell = dict(zip(_BY, name.split(":"), strict=True))
        if since <= cell["month"] <= until:
            key = tuple(cell[part] for part in by)
            runs = found.setdefault(key, Runs(dict.fromkeys(ENDS, 0), 0, 0, 0, {}, {}, {}))
            _add(runs, counters)
    order = {step: n for n, step in enumerate(STEPS)}
    return dict(sorted(found.items(), key=lambda entry: [(order.get(part, -1), part) for part in entry[0]]))


def performance(
    vault: AnalyticsVault, owners: Sequence[str], by: Sequence[str] = ("step",), since: str = "", until: str = "9999-99"
) -> dict[str, Any]:
    """Times, failures and waits: `items`, each with percentiles within `relative_error` of the exact ones."""
    items = []
    for key, runs in runs_by(vault, owners, by, since, until).items():
        items.append(
            dict(zip(by, key, strict=True))
            | {"attempts": runs.attempts, **runs.ends, "retries": runs.retries}
            | {"failure_rate": runs.failed / runs.attempts if runs.attempts else 0.0}
            | {
                "duration_ms": _percentiles(runs.took),
                "lag_ms": _percentiles(runs.lags),
                "peak_mb": _percentiles(runs.peaks),
            }
            | {"total_ms": runs.ms, "cpu_ms": runs.cpu_ms}
        )
    return {"owners": list(owners), "relative_error": float(RELATIVE_ERROR), "items": items, "cursor": None}


def _percentiles(counts: Mapping[int, int]) -> dict[str, int | None]:
    found = {name: quantile(counts, q) for name, q in _PERCENTILES.items()}
    return {name: None if value is None else round(value) for name, value in found.items()}


def _add(runs: Runs, counters: Mapping[str, int]) -> None:
    histograms = {"d": runs.took, "l": runs.lags, "m": runs.peaks}
    for name, count in counters.items():
        if name in runs.ends:
            runs.ends[name] += count
        elif name in ("retries", "ms", "cpu_ms"):
            setattr(runs, name, getattr(runs, name) + count)
        else:
            histogram, bucket = histograms[name[0]], int(name[1:])
            histogram[bucket] = histogram.get(bucket, 0) + count


# --- cost ------------------------------------------------------------------------------------------------------------


def cost(vault: AnalyticsVault, owners: Sequence[str], region: str = "us-east-1") -> dict[str, Any]:
    """What work and storage cost at list price, by owner, month and step: times as they were recorded, memory as the
    template gives it, requests as `photovault cost` measured them for one run.

    Raises:
        InvalidInput: the price table does not know the region.
    """
    items: list[dict[str, Any]] = []
    spent: list[tuple[Decimal, Decimal]] = []
    for owner in owners:
        for (month, step), runs in runs_by(vault, [owner], ("month", "step")).items():
            compute, requests = _cost_of(step, runs, region)
            spent.append((compute, requests))
            items.append(
                {
                    "owner": owner,
                    "month": month,
                    "step": step,
                    "attempts": runs.attempts,
                    "gb_seconds": _gb_seconds(step, runs),
                    "compute": compute,
                    "requests": requests,
                    "total": compute + requests,
                }
            )
    stored = {owner: _storage_cost(vault, owner, region) for owner in owners}
    return {
        "region": region,
        "items": items,
        "storage_a_month": stored,
        "total": sum((compute + requests for compute, requests in spent), Decimal(0)),
        "warning": price_table().warning,
        "cursor": None,
    }


def _cost_of(step: str, runs: Runs, region: str) -> tuple[Decimal, Decimal]:
    """US dollars for computing, and for requests."""
    prices = price_table()
    each = measured().per_image.functions.get(step) or measured().per_video.functions.get(step)
    requests = runs.attempts * prices.price("lambda_request", region)[1]
    if each is not None and each.invocations:
        for field, price in _UNITS.items():
            per_run = Decimal(str(getattr(each, field))) / Decimal(str(each.invocations))
            requests += runs.attempts * per_run * prices.price(price, region)[1]
    return _gb_seconds(step, runs) * _gb_second(region), requests


def _gb_seconds(step: str, runs: Runs) -> Decimal:
    return Decimal(runs.ms) / 1000 * _memory_mb(step) / 1024


def _gb_second(region: str) -> Decimal:
    return price_table().price(f"lambda_gb_second_{footprint().architecture}", region)[1]


def _memory_mb(step: str) -> int:
    return footprint().functions.get(step, FunctionShape(memory_mb=512)).memory_mb


def _storage_cost(vault: AnalyticsVault, owner: str, region: str) -> dict[str, Any]:
    """US dollars a month: originals of the last two months and all that was made in S3 Standard, older originals in
    Intelligent-Tiering's infrequent tier, as in `photovault cost`."""
    found = storage(vault, [owner])
    now = vault.clock()
    before = f"{now.year - (now.month == 1):04}-{(now.month - 2) % 12 + 1:02}"
    young = sum(counts.get("original_bytes", 0) for month, counts in found["months"].items() if month >= before)
    old = found["original_bytes"] - young
    standard, infrequent = (
        price_table().price(f"s3_storage_{name}", region)[1] for name in ("standard", "intelligent_infrequent")
    )
    gb = Decimal(10**9)
    parts = {
        "originals": young / gb * standard + old / gb * infrequent,
        "made": found["made_bytes"] / gb * standard,
    }
    return parts | {"total": parts["originals"] + parts["made"]}


# --- behaviour -------------------------------------------------------------------------------------------------------


def behaviour(vault: AnalyticsVault, owner: str) -> dict[str, Any]:
    """Views and searches by month, favourites and shares; only `agreed` of an owner who has not agreed."""
    agreed = agreement(vault, owner)
    if not agreed.holds:
        return {"owner": owner, "agreed": False, "since": None, "months": {}, "favourites": None, "shares": None}
    vault.behaviour.flush()
    totals = _totals(vault, Behaviour.name, [owner])
    names = ("views", "originals", "searches", "without_result")
    months = {
        month: {name: counts.get(name, 0) for name in names} for month, counts in sorted(_named(totals, "month:"))
    }
    shares = _totals(vault, Shares.name, [owner]).get("shares", {})
    return {
        "owner": owner,
        "agreed": True,
        "since": agreed.since,
        "months": {month: counts for month, counts in months.items() if any(counts.values())},
        "favourites": _totals(vault, Library.name, [owner]).get("library", {}).get("favourites", 0),
        "shares": {name: shares.get(name, 0) for name in ("links", "views", "downloads", "denied")},
    }


# --- advice ----------------------------------------------------------------------------------------------------------


def advice(vault: AnalyticsVault, owners: Sequence[str], region: str = "us-east-1") -> list[Advice]:
    """Suggestions on what the newest month with runs shows, the ones that save most first."""
    by_month = runs_by(vault, owners, ("month", "step"))
    newest = max((month for month, _ in by_month), default="")
    found: list[Advice | None] = []
    for (month, step), runs in by_month.items():
        if month == newest:
            use = _use(step, runs)
            compute, requests = _cost_of(step, runs, region)
            found += [
                about_memory(use, _gb_second(region)),
                about_failures(use, compute + requests),
                about_waiting(use),
            ]
    found.append(_archive(vault, owners, region))
    return sorted((each for each in found if each), key=lambda each: -(each.saves or Decimal(0)))


def _use(step: str, runs: Runs) -> StepUse:
    return StepUse(
        step=step,
        memory_mb=_memory_mb(step),
        runs=runs.attempts,
        failed=runs.failed,
        ms=runs.ms,
        cpu_ms=runs.cpu_ms,
        peak_mb=_at_most(runs.peaks, _PERCENTILES["p95"]),
        most_mb=_at_most(runs.peaks, Fraction(1)),
        known=sum(runs.peaks.values()),
        took_ms=_at_most(runs.took, _PERCENTILES["p95"]),
        lag_ms=_at_most(runs.lags, _PERCENTILES["p95"]),
    )


def _at_most(counts: Mapping[int, int], q: Fraction) -> Decimal | None:
    """The upper bound of the bucket that a quantile lies in: what must be enough is never guessed too small."""
    value = quantile(counts, q)
    return None if value is None else Decimal(next(bound for bound in BUCKETS if bound >= value))


def _archive(vault: AnalyticsVault, owners: Sequence[str], region: str) -> Advice | None:
    now = vault.clock()
    last = year_before(now)
    old = [
        (month, counts["original_bytes"])
        for month, counts in storage(vault, owners)["months"].items()
        if month <= last and counts.get("original_bytes")
    ]
    touched = sum(
        size
        for month, uploads in _named(_totals(vault, Behaviour.name, owners), "touched:")
        if month > last
        for upload, size in uploads.items()
        if upload <= last
    )
    tiers = Tiers(*(price_table().price(f"s3_storage_intelligent_{name}", region)[1] for name in ("instant", "deep")))
    return about_archive(old, touched, tiers, counted=all(agreement(vault, owner).holds for owner in owners))


# --- totals ----------------------------------------------------------------------------------------------------------


def _totals(vault: AnalyticsVault, name: str, owners: Iterable[str]) -> dict[str, dict[str, int]]:
    """Totals of owners together, without what is zero."""
    _, table = vault.generations.active(name)
    sums: dict[str, dict[str, int]] = {}
    for owner in owners:
        for total, counters in vault.views.totals(table, owner).items():
            mine = sums.setdefault(total, {})
            for counter, count in counters.items():
                mine[counter] = mine.get(counter, 0) + count
    found = {total: {name: count for name, count in counters.items() if count} for total, counters in sums.items()}
    return {total: counters for total, counters in found.items() if counters}


def _named(totals: Mapping[str, Mapping[str, int]], prefix: str) -> list[tuple[str, Mapping[str, int]]]:
    return [(name.removeprefix(prefix), counts) for name, counts in totals.items() if name.startswith(prefix)]
