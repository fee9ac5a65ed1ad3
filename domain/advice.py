"""What could cost less or go better, with numbers: pure functions on what was counted. Amounts are US dollars a month.

A function on Lambda has a processor in proportion to its memory, a whole one at 1,769 MB. So less memory makes work
slower, as far as it computes; only while it waits (for S3, for DynamoDB) memory is paid for without a use.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Literal, TypeAlias

from msgspec import Struct

__all__ = [
    "FULL_PROCESSOR_MB",
    "Advice",
    "StepUse",
    "Tiers",
    "about_archive",
    "about_failures",
    "about_memory",
    "about_waiting",
    "year_before",
]

FULL_PROCESSOR_MB = 1769
"""Memory at which a function has one whole processor ("Configure Lambda function memory", AWS documentation)."""

_SIZES_MB = (512, 768, 1024, 1280, 1536, 1769, 2048, 2560, 3072, 3538, 4096, 5120, 7076, 10240)
_HEAD_ROOM = Decimal("1.3")  # over what 95 of 100 runs need
_TOP_ROOM = Decimal("1.1")  # over the most that was ever seen
_SLOWEST = Decimal(2)  # times as long as now; more is no saving but another system
_WORTH = Decimal("0.01")  # of what it costs now
_FEW = 20  # runs that say nothing yet
_MIB = Decimal(1 << 20)
_MUCH_FAILS = Decimal("0.05")
_CENT = Decimal("0.01")

Subject: TypeAlias = Literal["memory", "archive", "failures", "waiting"]


class Advice(Struct, frozen=True, kw_only=True):
    """One suggestion."""

    subject: Subject
    step: str | None = None
    text: str
    saves: Decimal | None = None  # US dollars a month; None: it is not about money
    change: str  # what to do, for somebody at a keyboard


class StepUse(Struct, frozen=True, kw_only=True):
    """How a step was in one month."""

    step: str
    memory_mb: int  # that its function has, in MB as Lambda counts: 2**20 bytes
    runs: int  # attempts
    failed: int  # attempts that failed or gave up
    ms: int  # of all attempts together
    cpu_ms: int
    peak_mb: Decimal | None = None  # at most this, in 95 of 100 attempts that know it; 10**6 bytes
    most_mb: Decimal | None = None  # in all of them
    known: int = 0  # attempts that know it
    took_ms: Decimal | None = None  # p95
    lag_ms: Decimal | None = None  # p95


def about_memory(use: StepUse, gb_second: Decimal) -> Advice | None:
    """The memory that costs least and is enough: with head room over what was needed, and at most twice as slow.

    Args:
        gb_second: the price of one, in US dollars.
    """
    if use.peak_mb is None or use.most_mb is None or use.known < _FEW or not use.ms:
        return None
    peak, most = (size * 10**6 / _MIB for size in (use.peak_mb, use.most_mb))  # as Lambda counts
    needed = max(peak * _HEAD_ROOM, most * _TOP_ROOM)
    says = f"{use.step} uses {peak:,.0f} MB of {use.memory_mb:,} MB (95 of 100 runs; at most {most:,.0f})"
    if needed > use.memory_mb:
        size = next((size for size in _SIZES_MB if size >= needed), _SIZES_MB[-1])
        if size <= use.memory_mb:
            return None
        return Advice(
            subject="memory",
            step=use.step,
            text=f"{says}: too little room; {size:,} MB leave some",
            change=_memory_change(use.step, size),
        )
    now = _price(use, use.memory_mb, gb_second)
    sizes = [size for size in _SIZES_MB if size >= needed and size < use.memory_mb and _slower(use, size) <= _SLOWEST]
    if not sizes:
        return None
    best = min(sizes, key=lambda size: (round(_price(use, size, gb_second) / now, 3), -size))
    saves, slower = now - _price(use, best, gb_second), _slower(use, best)
    if saves < now * _WORTH:
        return None
    speed = "at the same speed" if slower <= Decimal("1.02") else f"and takes {slower:.2f} times as long"
    return Advice(
        subject="memory",
        step=use.step,
        text=f"{says}: {best:,} MB saves {_usd(saves)} of {_usd(now)} a month {speed}",
        saves=saves,
        change=_memory_change(use.step, best),
    )


class Tiers(Struct, frozen=True):
    """Prices of a GB-month."""

    now: Decimal  # where untouched originals lie
    archive: Decimal


def about_archive(untouched: Sequence[tuple[str, int]], touched: int, tiers: Tiers, *, counted: bool) -> Advice | None:
    """Whether old originals should go to the archive tier.

    Args:
        untouched: (month of upload, bytes), of months that ended more than a year ago.
        touched: bytes of these that were looked at within the year, or more: several views may count one twice.
        counted: whether views were counted at all.
    """
    whole = sum(size for _, size in untouched)
    least = max(0, whole - touched)
    if not least:
        return None
    saves = Decimal(least) / 10**9 * (tiers.now - tiers.archive)
    if saves < _CENT:
        return None
    known = "untouched for a year" if counted else "older than a year (whether anybody looks at them is not counted)"
    return Advice(
        subject="archive",
        text=(
            f"{_gb(least)} of originals {known}: deep archive access saves {_usd(saves)} a month; to open one again "
            "takes up to 12 hours, and a reprocess of it fails until then"
        ),
        saves=saves,
        change=(
            "aws s3api put-bucket-intelligent-tiering-configuration on the bucket of originals, "
            "Tierings: [{AccessTier: DEEP_ARCHIVE_ACCESS, Days: 365}]"
        ),
    )


def about_failures(use: StepUse, dollars: Decimal) -> Advice | None:
    """A step of which one attempt in twenty or more fails.

    Args:
        dollars: what all its attempts cost in the month.
    """
    if use.runs < _FEW or Decimal(use.failed) / use.runs < _MUCH_FAILS:
        return None
    share = Decimal(use.failed) / use.runs
    return Advice(
        subject="failures",
        step=use.step,
        text=(
            f"{use.step}: {use.failed:,} of {use.runs:,} attempts failed ({share:.0%}), "
            f"which cost {_usd(share * dollars)}"
        ),
        saves=share * dollars,
        change="photovault audit --failed",
    )


def about_waiting(use: StepUse) -> Advice | None:
    """A step that waits much longer than it works: more of it at once would end sooner, at the same price."""
    if use.runs < _FEW or use.took_ms is None or use.lag_ms is None:
        return None
    if use.lag_ms < 60_000 or use.lag_ms < 20 * max(use.took_ms, Decimal(1)):
        return None
    return Advice(
        subject="waiting",
        step=use.step,
        text=(
            f"{use.step} ends {use.lag_ms / 1000:,.0f} s after it was due and takes {use.took_ms / 1000:,.1f} s "
            "(95 of 100): more at once end sooner, at the same price"
        ),
        change="MaxConcurrency of the template; on one machine: photovault work --workers",
    )


def year_before(moment: datetime) -> str:
    """The month that has ended a year before: what was uploaded in it or earlier is older than a year."""
    year, month = (moment.year - 1, moment.month - 1) if moment.month > 1 else (moment.year - 2, 12)
    return f"{year:04}-{month:02}"


def _threads(use: StepUse) -> Decimal:
    """Processors that the step can use: one, or as many as it was seen to keep busy on average."""
    return max(Decimal(1), (Decimal(use.cpu_ms) / use.ms).to_integral_value("ROUND_CEILING")) if use.ms else Decimal(1)


def _takes(use: StepUse, memory_mb: int) -> Decimal:
    """Milliseconds of all attempts with other memory: waiting stays, computing stretches with the processor's share."""
    threads = _threads(use)
    computing = Decimal(use.cpu_ms) / threads  # as long as it takes with whole processors
    share = min(Decimal(1), Decimal(memory_mb) / FULL_PROCESSOR_MB / threads)
    share_now = min(Decimal(1), Decimal(use.memory_mb) / FULL_PROCESSOR_MB / threads)
    waiting = max(Decimal(0), use.ms - computing / share_now)
    return waiting + computing / share


def _slower(use: StepUse, memory_mb: int) -> Decimal:
    return _takes(use, memory_mb) / _takes(use, use.memory_mb)


def _price(use: StepUse, memory_mb: int, gb_second: Decimal) -> Decimal:
    return _takes(use, memory_mb) / 1000 * memory_mb / 1024 * gb_second


def _memory_change(step: str, size_mb: int) -> str:
    return f"memory_mb={size_mb} of {step} in infrastructure/steps.py, then python -m infrastructure.repeated"


def _gb(size: int) -> str:
    return f"{Decimal(size) / 10**9:,.1f} GB" if size >= 10**8 else f"{Decimal(size) / 10**6:,.1f} MB"


def _usd(amount: Decimal) -> str:
    return f"${amount:,.2f}" if amount >= 1 else f"${amount:,.4f}"
