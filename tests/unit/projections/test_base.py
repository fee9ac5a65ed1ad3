"""What all projections share: rows from states, tombstones, and the difference between two contributions."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from projections import PROJECTIONS
from projections.base import Projection, difference, plain
from projections.files import Paths, Place
from projections.gallery import Gallery
from tests.support.factories import STREAM, recorded, seen_again, uploaded, whole_life
from tests.support.fakes import MemoryVault
from tests.unit.projections.toys import Marks, marked

TOTALS = st.dictionaries(
    st.sampled_from(["a", "b", "c"]), st.dictionaries(st.sampled_from(["x", "y"]), st.integers(-5, 5)), max_size=3
)


def test_the_difference_is_what_must_be_added() -> None:
    before = {"a": {"x": 2, "y": 1}, "gone": {"x": 1}}
    after = {"a": {"x": 5, "y": 1}, "new": {"y": 4}}
    assert difference(before, after) == {"a": {"x": 3}, "gone": {"x": -1}, "new": {"y": 4}}


def test_nothing_is_to_be_added_when_nothing_changed() -> None:
    assert difference({"a": {"x": 1}}, {"a": {"x": 1}}) == {}


@given(TOTALS, TOTALS)
def test_a_contribution_and_the_difference_give_the_next_contribution(before: Any, after: Any) -> None:
    def flat(totals: Any) -> dict[tuple[str, str], int]:
        return {(t, c): n for t, counters in totals.items() for c, n in counters.items() if n}

    summed = flat(before)
    for key, delta in flat(difference(before, after)).items():
        summed[key] = summed.get(key, 0) + delta
    assert {key: n for key, n in summed.items() if n} == flat(after)


@pytest.mark.parametrize("projection", PROJECTIONS, ids=lambda p: p.name)
class TestEveryProjection:
    def test_a_state_comes_back_from_its_row(self, projection: Projection[Any]) -> None:
        state = projection.start(STREAM)
        for each in recorded(*whole_life(), seen_again()):
            state = projection.evolve(state, each)
        row = projection.home_row(STREAM, state, 6)
        assert projection.decode(row.data) == state
        assert len(row.index) == len(projection.indexes)

    def test_it_is_pure(self, projection: Projection[Any]) -> None:
        def fold() -> Any:
            state = projection.start(STREAM)
            for each in recorded(*whole_life()):
                state = projection.evolve(state, each)
            return projection.home_row(STREAM, state, 5), projection.totals(state), projection.others(state)

        assert fold() == fold()

    def test_it_contributes_nothing_before_the_first_event(self, projection: Projection[Any]) -> None:
        assert projection.totals(projection.start(STREAM)) == {}
        assert projection.others(projection.start(STREAM)) == {}

    def test_it_says_what_it_is_about(self, projection: Projection[Any]) -> None:
        assert projection.about
        assert projection.version >= 1

    def test_it_has_totals_or_other_rows_and_not_both(self, projection: Projection[Any]) -> None:
        """Totals are counted over a partition's rows, all of which must then be home rows."""
        assert not (projection.has_totals and projection.has_others())

    def test_what_is_shown_names_what_it_is_of(self, projection: Projection[Any]) -> None:
        state = projection.start(STREAM)
        for each in recorded(*whole_life()):
            state = projection.evolve(state, each)
        subject = "asset" if projection.category == "asset" else projection.category
        assert projection.show(state, lambda blob: f"/blobs/{blob}")[subject] == "a1"


def test_states_are_shown_by_field_name_without_what_has_its_default() -> None:
    state = Paths("a1", 7, (Place("/b.jpg", "a1", 7, seen_us=5),))
    assert plain(state) == {
        "asset": "a1",
        "size_bytes": 7,
        "places": ({"path": "/b.jpg", "asset": "a1", "size_bytes": 7, "seen_us": 5},),
    }
    assert plain(Paths()) == {}


def test_an_event_that_a_projection_does_not_know_moves_only_its_version() -> None:
    gallery = Gallery()
    [first, again] = recorded(uploaded(), seen_again())
    state = gallery.evolve(gallery.start(STREAM), first)
    assert gallery.evolve(state, again) == state


def test_a_row_that_goes_away_leaves_a_tombstone_with_its_version() -> None:
    with MemoryVault(projections=(Marks(),)) as vault:
        marked(vault, "a1", "red", "red blue", "blue")
        vault.projector.project(vault.everything())
        rows = {row.key: row for row in vault.views.scan(vault.table("marks"))}
        assert "a1:red" not in rows  # never written: the batch was folded before anything was
        assert not rows["a1:blue"].deleted
        marked(vault, "a1", "green")
        vault.projector.project(vault.everything())
        rows = {row.key: row for row in vault.views.scan(vault.table("marks"))}
        assert rows["a1:blue"].deleted
        assert rows["a1:blue"].version == rows["a1"].version == 4
        assert [row.key for row in vault.views.query(vault.table("marks"), "anna").rows] == ["a1", "a1:green"]


def test_a_late_row_does_not_come_back_over_its_tombstone() -> None:
    with MemoryVault(projections=(Marks(),)) as vault:
        marks, table = vault.generations.active("marks")
        commits = marked(vault, "a1", "red", "blue")
        vault.projector.project(commits[:1])
        vault.projector.project(commits)
        early = marks.other_rows(STREAM, None, marks.state(("red",), 1, "a1"), 1)
        assert vault.views.put(table, early) == 0
