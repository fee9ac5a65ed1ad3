"""Histograms that add up: counts of whole numbers in buckets that grow by two ninths, for percentiles within 10 %.

Bounds are whole numbers made by whole arithmetic, so that a number falls into the same bucket on every machine and a
replay counts as the first fold did. The idea is DDSketch's: buckets of the same relative width keep every quantile's
relative error below half that width, whatever the distribution, and histograms of parts add up to that of the whole.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from fractions import Fraction

__all__ = ["BUCKETS", "RELATIVE_ERROR", "bucket_of", "quantile", "value_of"]

RELATIVE_ERROR = Fraction(1, 10)
"""Of `quantile`, against the value of that rank."""

_LARGEST = 10**10  # as milliseconds 115 days


def _bounds() -> tuple[int, ...]:
    """The largest number in each bucket. Up to 9 each number has its own."""
    bounds = [0]
    while bounds[-1] < _LARGEST:
        bounds.append(max(bounds[-1] + 1, bounds[-1] * 11 // 9))
    return tuple(bounds)


BUCKETS = _bounds()


def bucket_of(value: int) -> int:
    """The bucket that a number belongs to. Negative ones count as 0, those beyond the last bound as that bound."""
    return min(bisect_left(BUCKETS, value), len(BUCKETS) - 1)


def value_of(bucket: int) -> float:
    """What stands for a bucket: the number with the same relative distance to its least and its largest one."""
    largest = BUCKETS[bucket]
    least = BUCKETS[bucket - 1] + 1 if bucket else 0
    return 2 * least * largest / (least + largest) if largest else 0.0


def quantile(counts: Mapping[int, int], q: Fraction) -> float | None:
    """The value of rank ceil(q * n) among n, the first being 1: within `RELATIVE_ERROR` of it. None where n is 0.

    Args:
        counts: bucket -> how many.
        q: from 0 to 1.
    """
    total = sum(counts.values())
    if total <= 0:
        return None
    rank = max(1, -(-q.numerator * total // q.denominator))
    seen = 0
    for bucket in sorted(counts):
        seen += counts[bucket]
        if seen >= rank:
            return value_of(bucket)
    raise AssertionError("a rank is at most the sum")
