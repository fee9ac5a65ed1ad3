"""Trips and events: what is away from home over a night, and what is out of the ordinary."""

from __future__ import annotations

import numpy as np
import pytest

from domain.habits import ALWAYS, Base, Rhythm, Track, bases_and_spots, changed_days, day_of, digest
from domain.occasions import Habits, Occasion, anchors, occasions
from domain.sphere import km_between, mean_position
from tests.support.remembering import HOME, LISBON, by_cells, ordinary, series, track

AT_HOME = Habits((Base(*HOME, 15.0, *ALWAYS),), {}, Rhythm(pause_s=7200, reach_km=4, crowd=10, quiet_days=4))
NEAR = (43.50, 11.90)  # 4.5 km from home


def found(pictures: Track, habits: Habits = AT_HOME) -> list[tuple[str, int]]:
    return [(each.kind, len(each.members)) for each in occasions(pictures, habits)]


class TestTrips:
    def test_pictures_far_from_home_over_a_night_are_a_trip(self) -> None:
        there = [*series("2008-10-10T15:00", 5, 60, LISBON), *series("2008-10-12T09:00", 5, 60, LISBON)]
        around = [*ordinary("2008-10-01", 9), *ordinary("2008-10-14", 9)]
        assert found(track(*around, *there)) == [("trip", 10)]

    def test_a_day_without_a_night_is_no_trip(self) -> None:
        assert found(track(*series("2008-10-10T09:00", 6, 60, LISBON))) == []

    def test_the_small_hours_belong_to_the_evening_before(self) -> None:
        assert found(track(*series("2008-10-10T21:00", 6, 60, LISBON))) == []

    def test_who_comes_home_in_between_makes_two_trips(self) -> None:
        one, two = series("2008-10-10T15:00", 6, 600, LISBON), series("2008-10-15T15:00", 6, 600, LISBON)
        assert found(track(*one, ("2008-10-14T12:00:00", HOME), *two)) == [("trip", 6), ("trip", 6)]

    def test_a_silence_that_is_long_for_the_owner_ends_a_trip(self) -> None:
        one, two = series("2008-10-10T15:00", 6, 600, LISBON), series("2008-10-20T15:00", 6, 600, LISBON)
        assert found(track(*one, *two)) == [("trip", 6), ("trip", 6)]

    def test_a_silence_is_judged_by_the_owner_not_by_a_number(self) -> None:
        pictures = track(*series("2008-10-10T15:00", 6, 600, LISBON), *series("2008-10-20T15:00", 6, 600, LISBON))
        slow = Habits(AT_HOME.bases, {}, Rhythm(quiet_days=12))
        assert found(pictures, slow) == [("trip", 12)]

    def test_pictures_without_a_position_belong_to_the_trip_around_them(self) -> None:
        there = [
            *series("2008-10-10T15:00", 5, 60, LISBON),
            *series("2008-10-11T09:00", 4, 60),
            *series("2008-10-12T09:00", 3, 60, LISBON),
        ]
        assert found(track(*there)) == [("trip", 12)]

    def test_one_position_that_jumps_does_not_end_a_trip(self) -> None:
        there = series("2008-10-10T09:00", 30, 60, LISBON)
        there[15] = (there[15][0], HOME)
        assert found(track(*there)) == [("trip", 30)]

    def test_home_is_where_it_was_at_the_time(self) -> None:
        moved = Habits(
            (Base(*HOME, 15, ALWAYS[0], day_of(1.2e9)), Base(*LISBON, 15, day_of(1.2e9), ALWAYS[1])), {}, AT_HOME.usual
        )
        before, after = series("2007-10-10T15:00", 6, 600, LISBON), series("2009-10-10T15:00", 6, 600, LISBON)
        assert found(track(*before, *after), moved) == [("trip", 6)]

    def test_a_journey_across_180_degrees_is_one_trip(self) -> None:
        fiji = Habits((Base(-17.7134, 178.065, 15.0, *ALWAYS),), {}, AT_HOME.usual)
        west, east = (-16.9, 179.95), (-16.9, -179.95)
        there = [
            *series("2008-10-10T15:00", 3, 60, west),
            *series("2008-10-11T09:00", 3, 60, east),
            *series("2008-10-12T09:00", 3, 60, west),
        ]
        assert found(track(*there), fiji) == [("trip", 9)]

    def test_home_beside_180_degrees_reaches_over_it(self) -> None:
        taveuni = Habits((Base(-16.8, 179.99, 15.0, *ALWAYS),), {}, AT_HOME.usual)
        assert found(track(*series("2008-10-10T15:00", 6, 600, (-16.8, -179.95))), taveuni) == []

    def test_near_the_pole_a_degree_of_longitude_is_a_short_way(self) -> None:
        pole = Habits((Base(89.95, 0.0, 15.0, *ALWAYS),), {}, AT_HOME.usual)
        assert found(track(*series("2008-10-10T15:00", 6, 600, (89.95, 170.0))), pole) == []


class TestEvents:
    def test_a_burst_of_pictures_is_an_event_and_an_ordinary_day_is_none(self) -> None:
        party = series("2008-10-10T18:00", 25, 12, NEAR)
        assert found(track(*ordinary("2008-10-01", 9), *party, *ordinary("2008-10-11", 9))) == [("event", 25)]

    def test_a_party_past_midnight_is_one_event(self) -> None:
        assert found(track(*series("2008-10-10T20:00", 40, 10, NEAR))) == [("event", 40)]

    def test_a_series_of_one_scene_is_no_event(self) -> None:
        assert found(track(*series("2008-10-10T18:00", 60, 0.05, NEAR))) == []

    def test_what_is_much_depends_on_the_owner(self) -> None:
        pictures = track(*series("2008-10-10T18:00", 25, 12, NEAR))
        assert found(pictures, Habits(AT_HOME.bases, {}, Rhythm(crowd=40))) == []

    def test_a_long_way_ends_an_event_before_a_long_pause_does(self) -> None:
        party, at_home = series("2008-10-10T18:00", 25, 12, (43.55, 11.95)), series("2008-10-10T23:30", 2, 5, HOME)
        assert found(track(*party, *at_home)) == [("event", 25)]

    def test_a_walk_stays_together(self) -> None:
        walk = [(local, (43.6 + n * 0.002, 11.9)) for n, (local, _) in enumerate(series("2008-10-10T09:00", 30, 10))]
        assert found(track(*walk)) == [("event", 30)]

    def test_without_any_position_time_alone_decides(self) -> None:
        assert found(track(*series("2008-10-10T18:00", 25, 12))) == [("event", 25)]


class TestHabits:
    def test_where_the_owner_is_week_after_week_is_home(self) -> None:
        bases = self.bases(*ordinary("2008-01-01", 300, every=3), *ordinary("2008-06-01", 20, LISBON))
        assert len(bases) == 1
        assert km_between(np.array([bases[0].lat]), np.array([bases[0].lon]), *HOME)[0] < 1

    def test_who_moves_has_one_home_after_the_other(self) -> None:
        bases = self.bases(*ordinary("2008-01-01", 300, every=3), *ordinary("2009-01-01", 300, LISBON, every=3))
        assert sorted(each.lat for each in bases) == pytest.approx([LISBON[0], HOME[0]], abs=0.01)
        first, second = sorted(bases, key=lambda each: each.since)
        assert (first.since, second.until) == ALWAYS
        assert first.until - second.since < 30

    def test_who_photographs_once_a_month_has_a_home_too(self) -> None:
        assert len(self.bases(*ordinary("2008-01-01", 700, every=28))) == 1

    def test_the_middle_of_positions_on_both_sides_of_180_degrees_is_between_them(self) -> None:
        lat, lon = mean_position(np.array([10.0, 10.0]), np.array([179.0, -179.0]))
        assert abs(lon) == pytest.approx(180.0)
        assert lat == pytest.approx(10.0, abs=0.01)

    def test_a_base_that_only_lasts_longer_changes_no_day(self) -> None:
        assert changed_days([Base(*HOME, 15, 0, 700)], [Base(*HOME, 15, 0, 705)]) == []

    def test_a_base_that_is_new_changes_its_days(self) -> None:
        assert changed_days([Base(*HOME, 15, *ALWAYS)], [Base(*HOME, 15, *ALWAYS), Base(*LISBON, 15, 3, 9)]) == [(3, 9)]

    def bases(self, *pictures: tuple[str, tuple[float, float] | None]) -> tuple[Base, ...]:
        whole = track(*pictures)
        numbers = np.array([day_of(at) for at in whole.at])
        days = [digest(int(day), whole.part(numbers == day)) for day in np.unique(numbers)]
        return bases_and_spots(days, by_cells)[0]


def test_a_part_that_is_cut_at_anchors_gives_what_the_whole_gives() -> None:
    trip = [*series("2008-10-10T15:00", 6, 60, LISBON), *series("2008-10-12T09:00", 6, 60, LISBON)]
    party = series("2008-10-20T18:00", 25, 12, NEAR)
    whole = track(*ordinary("2008-10-01", 9), *trip, *ordinary("2008-10-14", 5), *party, *ordinary("2008-10-22", 5))
    begins, ends = anchors(whole, AT_HOME)
    assert len(begins) > 5
    assert len(ends) > 5
    everything = occasions(whole, AT_HOME)
    for first in begins:
        for last in ends[ends > first]:
            part = whole.part(slice(int(first), int(last) + 1))
            shifted = [Occasion(o.kind, tuple(n + int(first) for n in o.members)) for o in occasions(part, AT_HOME)]
            assert shifted == [o for o in everything if o.members[0] >= first and o.members[-1] <= last]
