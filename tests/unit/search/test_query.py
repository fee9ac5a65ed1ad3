"""The query language: what people type, and that nothing that they may type breaks it."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from domain.errors import InvalidInput
from domain.query import Filter, Near, Query, Span, boxes, distance_km, parse, written

TODAY = date(2026, 11, 24)  # a Tuesday


def asked(text: str) -> Query:
    return parse(text, TODAY)


def test_words_rank_and_quotes_dashes_and_fields_filter() -> None:
    query = asked('Beach "red umbrella" -dog place:Lisbon camera:"Canon EOS" -tag:cat person:anna')
    assert query.words == ("beach",)
    assert set(query.filters) == {
        Filter("text", "red umbrella"),
        Filter("text", "dog", excluded=True),
        Filter("place", "lisbon"),
        Filter("camera", "canon eos"),
        Filter("tag", "cat", excluded=True),
        Filter("person", "anna"),
    }


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2019", "2019-01-01", "2020-01-01"),
        ("after:2019", "2019-01-01", None),
        ("before:2019-06", None, "2019-06-01"),
        ("on:2019-06-21", "2019-06-21", "2019-06-22"),
        ("after:2019 before:2021", "2019-01-01", "2021-01-01"),
        ("june 2019", "2019-06-01", "2019-07-01"),
        ("christmas 2019", "2019-12-24", "2019-12-27"),
        ("new year 2019", "2019-12-31", "2020-01-02"),
        ("winter 2019", "2019-12-01", "2020-03-01"),
        ("last summer", "2026-06-01", "2026-09-01"),
        ("last winter", "2025-12-01", "2026-03-01"),
        ("last year", "2025-01-01", "2026-01-01"),
        ("last month", "2026-10-01", "2026-11-01"),
        ("this month", "2026-11-01", "2026-12-01"),
        ("last week", "2026-11-16", "2026-11-23"),
        ("last weekend", "2026-11-21", "2026-11-23"),
        ("last monday", "2026-11-23", "2026-11-24"),
        ("last tuesday", "2026-11-17", "2026-11-18"),
        ("last christmas", "2025-12-24", "2025-12-27"),
        ("last november", "2025-11-01", "2025-12-01"),
        ("last october", "2026-10-01", "2026-11-01"),
        ("yesterday", "2026-11-23", "2026-11-24"),
        ('on:"last summer"', "2026-06-01", "2026-09-01"),
    ],
)
def test_dates_as_people_write_them(text: str, since: str | None, until: str | None) -> None:
    assert asked(text) == Query(span=Span(since, until))


def test_a_month_alone_is_that_month_of_any_year_unless_it_is_also_a_word() -> None:
    assert asked("june").months == (6,)
    assert asked("may march").words == ("may", "march")
    assert asked("month:may").months == (5,)


def test_the_seasons_follow_the_day_that_is_passed_in() -> None:
    assert parse("last summer", date(2026, 7, 1)).span == Span("2025-06-01", "2025-09-01")
    assert parse("this summer", date(2026, 7, 1)).span == Span("2026-06-01", "2026-09-01")


def test_quotes_make_words_of_a_date() -> None:
    assert asked('"2019"') == Query(filters=(Filter("text", "2019"),))


def test_the_other_fields() -> None:
    assert asked("type:photo is:favorite -is:raw rating:3 near:38.72,-9.14,5 like:VUYN3") == Query(
        kind="image",
        flags=("favourite",),
        without_flags=("raw",),
        rating=3,
        near=Near(38.72, -9.14, 5.0),
        like="vuyn3",
    )
    assert asked("near:38.72,-9.14").near == Near(38.72, -9.14, 10.0)


def test_a_field_that_there_is_not_is_words() -> None:
    assert asked("note:hello http://x.org/a_b").words == ("note", "hello", "http", "x", "org", "a", "b")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("before:soon", "it takes 2019, 2019-06"),
        ("on:2019-02-30", "is no date"),
        ("type:song", "there are: photo, video"),
        ("is:pretty", "there are: favourite"),
        ("near:here", "near:38.72,-9.14,5"),
        ("near:99,0,5", "not on Earth"),
        ("near:nan,0,5", "near:38.72,-9.14,5"),
        ("rating:9", "0 to 5"),
        ("like:../x", "the id of an asset"),
        ('place:""', "takes a word"),
        ("-type:photo", "a minus goes before"),
        ("month:smarch", "january to december"),
        ("a " * 65, "at most 64 parts"),
        ("a" * 1001, "at most 1,000 characters"),
    ],
)
def test_what_can_not_be_meant_is_said_with_what_can(text: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        asked(text)


_WRITTEN = """dog beach "red umbrella" -cat -"two words" place:lisbon tag:"big cat" -tag:cat 2019 june last summer new
year before:2019 after:2018-02 on:2019-06-21 type:video is:live -is:raw rating:2 near:1,2,3 like:abc . - " : -: ""
month:may christmas,2019 last.summer .2019"""
_pieces = st.sampled_from(_WRITTEN.split())


@settings(max_examples=300)
@given(st.one_of(st.text(max_size=60), st.lists(_pieces, max_size=12).map(" ".join)), st.dates(date(2, 1, 1)))
@example("İ ß ﬁ", TODAY)
@example("new-year-2019", TODAY)
def test_any_text_is_a_query_or_a_refusal_and_what_is_written_is_read_the_same(text: str, today: date) -> None:
    try:
        query = parse(text, today)
    except InvalidInput:
        return
    assert parse(written(query), date(1990, 1, 1)) == query


@given(st.floats(-89, 89), st.floats(-180, 180), st.floats(0.1, 3000), st.floats(0, 1), st.floats(0, 6.28))
def test_the_boxes_hold_the_circle(latitude: float, longitude: float, km: float, share: float, angle: float) -> None:
    import math

    reach = km * share / 6371.0
    la = math.radians(latitude)
    lb = math.asin(math.sin(la) * math.cos(reach) + math.cos(la) * math.sin(reach) * math.cos(angle))
    lo = math.radians(longitude) + math.atan2(
        math.sin(angle) * math.sin(reach) * math.cos(la), math.cos(reach) - math.sin(la) * math.sin(lb)
    )
    point = math.degrees(lb), (math.degrees(lo) + 540) % 360 - 180
    if distance_km((latitude, longitude), point) > km * 0.999:
        return
    inside = [
        south - 1e-6 <= point[0] <= north + 1e-6 and west - 1e-6 <= point[1] <= east + 1e-6
        for south, north, west, east in boxes(Near(latitude, longitude, km))
    ]
    assert any(inside)
