"""Which days of the past belong to a day."""

from __future__ import annotations

from datetime import date

import pytest

from domain.on_this_day import ENOUGH, WIDEST, days_like, widened


@pytest.mark.parametrize(
    ("day", "year", "around", "first", "last"),
    [
        ("2026-10-22", 2008, 0, "2008-10-22", "2008-10-22"),
        ("2024-02-29", 2020, 0, "2020-02-29", "2020-02-29"),
        ("2024-02-29", 2023, 0, "2023-02-28", "2023-02-28"),  # a leap day has an answer in years without one
        ("2023-02-28", 2020, 0, "2020-02-28", "2020-02-29"),  # and is not lost in years without one
        ("2024-02-28", 2020, 0, "2020-02-28", "2020-02-28"),
        ("2024-02-29", 2023, 1, "2023-02-27", "2023-03-01"),
        ("2026-01-01", 2019, 2, "2018-12-30", "2019-01-03"),  # over the end of a year
        ("2026-12-31", 2019, 2, "2019-12-29", "2020-01-02"),
    ],
)
def test_the_days_of_a_year(day: str, year: int, around: int, first: str, last: str) -> None:
    days = list(days_like(date.fromisoformat(day), year, around))
    assert (days[0], days[-1]) == (date.fromisoformat(first), date.fromisoformat(last))
    assert len(days) == (days[-1] - days[0]).days + 1


@pytest.mark.parametrize(
    ("counts", "around"),
    [
        ([ENOUGH, 9, 9, 9], 0),
        ([2, ENOUGH, 9, 9], 1),
        ([2, 3, 4, 5], WIDEST),
        ([2, 3, 3, 3], 1),  # no wider than what brings something
        ([0, 0, 0, 0], 0),
    ],
)
def test_a_thin_day_is_widened_until_there_is_enough(counts: list[int], around: int) -> None:
    assert widened(lambda n: counts[n]) == around
