"""Histograms: every percentile is within the error that is stated, and parts add up to the whole."""

from __future__ import annotations

import math
from collections import Counter
from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from domain.histogram import BUCKETS, RELATIVE_ERROR, bucket_of, quantile, value_of

numbers = st.one_of(st.integers(0, 40), st.integers(0, 20_000), st.integers(0, BUCKETS[-1]))
parts = st.fractions(0, 1)


def histogram(values: list[int]) -> Counter[int]:
    return Counter(map(bucket_of, values))


@given(st.lists(numbers, min_size=1, max_size=300), parts)
def test_a_quantile_is_within_the_error_of_the_value_of_that_rank(values: list[int], q: Fraction) -> None:
    exact = sorted(values)[max(1, math.ceil(q * len(values))) - 1]
    found = quantile(histogram(values), q)
    assert found is not None
    assert abs(Fraction(found) - exact) <= RELATIVE_ERROR * exact


@given(st.lists(numbers), st.lists(numbers), parts)
def test_histograms_of_parts_add_up_to_that_of_the_whole(one: list[int], other: list[int], q: Fraction) -> None:
    assert histogram(one) + histogram(other) == histogram(one + other)
    assert quantile(histogram(one) + histogram(other), q) == quantile(histogram(one + other), q)


@given(numbers)
def test_a_number_lies_in_its_bucket(value: int) -> None:
    bucket = bucket_of(value)
    assert (BUCKETS[bucket - 1] if bucket else -1) < value <= BUCKETS[bucket]


def test_what_is_beyond_the_bounds_counts_as_the_bound() -> None:
    assert bucket_of(-5) == 0
    assert bucket_of(BUCKETS[-1] * 2) == len(BUCKETS) - 1


def test_up_to_nine_numbers_are_exact() -> None:
    assert [value_of(bucket_of(n)) for n in range(10)] == list(range(10))


def test_of_nothing_there_is_no_percentile() -> None:
    assert quantile({}, Fraction(1, 2)) is None
    assert quantile({3: 0}, Fraction(1, 2)) is None


def test_a_year_of_milliseconds_takes_few_buckets() -> None:
    assert len(BUCKETS) < 128
