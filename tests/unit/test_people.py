"""Whose face is whose: the rules, and that nothing automatic breaks what people said."""

from __future__ import annotations

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain import person as persons
from domain.errors import InvalidInput, NotFound
from domain.events import (
    FaceAssigned,
    FaceRecognitionAgreed,
    FaceRecognitionWithdrawn,
    FaceRejected,
    PersonDecisionUndone,
    PersonDiscovered,
    PersonForgotten,
    PersonHidden,
    PersonNamed,
    PersonsMerged,
    PersonSplit,
)
from domain.faces import doubts, frontality
from domain.people import NEAR, Neighbour, agreement, carried, choose, gathered
from tests.support.people import face


def near(*found: tuple[str | None, float]) -> list[Neighbour]:
    return [Neighbour(f"a{i}", 0, distance, who) for i, (who, distance) in enumerate(found)]


def nobody(_: int, __: str) -> bool:
    return False


class TestTheGate:
    def test_a_sharp_large_frontal_face_may_found_a_person(self) -> None:
        assert doubts(score=0.99, pixels=100, sharpness=12.0, frontal=0.8) == ()

    def test_each_doubt_is_named(self) -> None:
        assert doubts(score=0.9, pixels=20, sharpness=1.0, frontal=0.1) == ("unsure", "small", "blurred", "turned")

    def test_a_nose_in_the_middle_is_frontal_and_one_beyond_an_eye_is_a_profile(self) -> None:
        assert frontality(((0, 0), (10, 0), (5, 5))) == pytest.approx(1)
        assert frontality(((0, 0), (10, 0), (2, 5))) == pytest.approx(0.25)
        assert frontality(((0, 0), (10, 0), (11, 5))) == 0
        assert frontality(((3, 3), (3, 3), (3, 5))) == 0


class TestChoosing:
    def test_a_face_is_whose_faces_are_nearest(self) -> None:
        [choice] = choose([near(("a", 0.3), ("b", 0.5))], nobody)
        assert (choice.person, choice.distance) == ("a", 0.3)

    def test_several_faces_outvote_one_that_is_a_little_nearer(self) -> None:
        [choice] = choose([near(("b", 0.33), ("a", 0.35), ("a", 0.36), ("a", 0.36))], nobody)
        assert choice.person == "a"

    def test_nobody_is_near_beyond_the_limit(self) -> None:
        assert choose([near(("a", NEAR + 0.01), (None, 0.1))], nobody) == []

    def test_two_faces_in_one_picture_are_two_people(self) -> None:
        [choice] = choose([near(("a", 0.4)), near(("a", 0.2))], nobody)
        assert (choice.face, choice.person) == (1, "a")

    def test_whom_somebody_named_in_the_picture_is_not_chosen_again(self) -> None:
        assert choose([near(("a", 0.1))], nobody, taken=["a"]) == []

    def test_a_refused_person_gives_way_to_the_next(self) -> None:
        [choice] = choose([near(("a", 0.1), ("b", 0.4))], lambda n, p: p == "a")
        assert choice.person == "b"

    @given(
        st.lists(
            st.lists(st.tuples(st.sampled_from(["a", "b", "c", "d", None]), st.floats(0, 1)), max_size=8),
            max_size=6,
        ),
        st.sets(st.tuples(st.integers(0, 5), st.sampled_from("abcd"))),
        st.sets(st.sampled_from("abcd"), max_size=2),
        st.sets(st.integers(0, 5), max_size=2),
    )
    def test_no_rule_is_ever_broken(self, found, rejected, taken, decided) -> None:  # type: ignore[no-untyped-def]
        chosen = choose([near(*each) for each in found], lambda n, p: (n, p) in rejected, taken, decided)
        people = [choice.person for choice in chosen]
        assert len(set(people)) == len(people)
        assert not set(people) & taken
        for choice in chosen:
            assert (choice.face, choice.person) not in rejected
            assert choice.face not in decided
            assert choice.distance <= NEAR
            assert (choice.person, choice.distance) in found[choice.face]

    @given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 0.5)), min_size=1, max_size=8), st.randoms())
    def test_the_order_in_which_neighbours_come_does_not_matter(
        self, found: list[tuple[str, float]], dice: random.Random
    ) -> None:
        exact = [(who, round(distance * 64) / 64) for who, distance in found]  # sums are exact in any order
        shuffled = dice.sample(exact, len(exact))
        assert choose([near(*shuffled)], nobody) == choose([near(*exact)], nobody)


class TestGathering:
    def test_a_group_needs_enough_pictures_and_takes_one_face_of_each(self) -> None:
        vectors = [[0.0], [0.1], [0.2], [0.05], [5.0]]
        assert gathered([0, 0, 0, 0, -1], ["a", "b", "c", "a", "d"], vectors, 3) == [[1, 3, 2]]
        assert gathered([0, 0, -1, -1, -1], ["a", "b", "c", "a", "d"], vectors, 3) == []

    def test_what_is_far_from_the_middle_is_left_out(self) -> None:
        assert gathered([0] * 4, list("abcd"), [[0.0], [0.1], [0.2], [3.0]], 3) == [[2, 1, 0]]


class TestWhatIsCarried:
    def test_what_people_said_binds_when_faces_are_found_again(self) -> None:
        before, after = [face(0.1), face(0.5)], [face(0.3), face(0.51), face(0.11)]
        people = {
            0: FaceAssigned(face=0, person="p", by="person"),
            1: FaceAssigned(face=1, person="q", by="nearest"),
        }
        assert carried(before, after, people, {(1, "r")}) == [
            FaceAssigned(face=2, person="p", by="person"),
            FaceRejected(face=1, person="r"),
        ]


class TestAPerson:
    FOUND = (PersonDiscovered(asset="a", face=0),)

    def test_is_named_hidden_merged_and_each_is_undone_in_turn(self) -> None:
        said = (PersonNamed(name="Anna"), PersonHidden(hidden=True), PersonsMerged(into="q"), PersonSplit(off="r"))
        states = [persons.fold("me#person#p", (*self.FOUND, *said[:n])).now for n in range(5)]
        for n in range(5):
            undone = (PersonDecisionUndone(),) * n
            assert persons.fold("me#person#p", (*self.FOUND, *said, *undone)).now == states[4 - n]

    def test_nothing_is_left_to_undo_at_the_beginning(self) -> None:
        with pytest.raises(InvalidInput, match="nothing was decided"):
            persons.undo(persons.fold("me#person#p", self.FOUND))

    def test_the_same_name_twice_is_one_event(self) -> None:
        named = persons.fold("me#person#p", (*self.FOUND, PersonNamed(name="Anna")))
        assert persons.name(named, "  Anna ") == ()
        assert persons.name(named, "Ann") == (PersonNamed(name="Ann"),)

    @pytest.mark.parametrize("text", ["", "   ", "x" * 201, "a\x1b[31m"])
    def test_what_is_no_name_is_refused(self, text: str) -> None:
        with pytest.raises(InvalidInput):
            persons.name(persons.fold("me#person#p", self.FOUND), text)

    def test_one_who_is_forgotten_or_was_never_there_can_not_be_named(self) -> None:
        gone = persons.fold("me#person#p", (*self.FOUND, PersonNamed(name="Anna"), PersonForgotten()))
        assert gone.now.name is None
        for nobody_there in (gone, persons.Person("p")):
            with pytest.raises(NotFound):
                persons.name(nobody_there, "Anna")

    def test_is_not_merged_with_itself(self) -> None:
        one = persons.fold("me#person#p", self.FOUND)
        with pytest.raises(InvalidInput, match="nothing to merge"):
            persons.merge(one, one)


@settings(max_examples=50)
@given(st.lists(st.sampled_from(["k1", "k2", "-k1", "-k2"]), max_size=8))
def test_an_agreement_holds_until_its_own_key_is_withdrawn(said: list[str]) -> None:
    events = [FaceRecognitionWithdrawn(key=s[1:]) if s[0] == "-" else FaceRecognitionAgreed(key=s) for s in said]
    expected = None
    for s in said:
        expected = (None if s[1:] == expected else expected) if s[0] == "-" else s
    assert agreement(events) == expected


def test_permutations_of_one_picture_choose_alike() -> None:
    rows = [near(("a", 0.3), ("b", 0.35)), near(("a", 0.25)), near(("b", 0.5))]
    pairs = set()
    for order in itertools.permutations(range(3)):
        chosen = choose([rows[i] for i in order], nobody)
        pairs.add(frozenset((order[c.face], c.person) for c in chosen))
    assert pairs == {frozenset({(1, "a"), (0, "b")})}
