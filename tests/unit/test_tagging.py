"""From probabilities and boxes to tags: groups, thresholds, activities; and the tree that they hang in."""

from __future__ import annotations

import itertools
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.imagenet import IMAGENET
from domain.recognition import Box, ModelUse, Tag
from domain.tagging import MAX_TAGS, Sighting, activities, from_probabilities, from_sightings, merge
from domain.taxonomy import ABSTRACT, COCO, GROUPS, SCENES, ancestors, canonical

LABELS, BOXES = ModelUse("efficientnet-lite0", "1"), ModelUse("nanodet", "1")
LEFT, RIGHT, MIDDLE = Box(0.0, 0.0, 0.4, 1.0), Box(0.6, 0.0, 0.4, 1.0), Box(0.3, 0.2, 0.4, 0.6)


def number(name: str) -> int:
    return IMAGENET.index(name)


def told(**shares: float) -> dict[str, tuple[str, float]]:
    probabilities = [0.0] * 1000
    for name, share in shares.items():
        probabilities[number(name.replace("_", " "))] = share
    return {tag.name: (tag.kind, tag.confidence) for tag in from_probabilities(probabilities, LABELS)}


def seen(*things: tuple[str, Box]) -> list[Tag]:
    return from_sightings([Sighting(name, 0.8, box) for name, box in things], BOXES)


class TestTaxonomy:
    def test_a_class_is_in_one_group_and_every_list_is_whole(self) -> None:
        together = Counter(itertools.chain.from_iterable(classes for _, classes in GROUPS.values()))
        assert {n: times for n, times in together.items() if times > 1} == {}
        assert not set(together) & set(SCENES)
        assert (len(IMAGENET), len(COCO), len(set(COCO))) == (1000, 80, 80)
        assert GROUPS["dog"][1] == set(range(151, 269))

    @pytest.mark.parametrize(
        ("tag", "above"),
        [
            ("golden retriever", ("dog", "animal")),
            ("tabby", ("cat", "animal")),
            ("indian cobra", ("snake", "reptile", "animal")),
            ("laptop", ("computer", "electronics")),
            ("surfing", ("water sport", "sport")),
            ("beach", ("coast", "nature")),
            ("kitten", ("cat", "animal")),
            ("person", ()),
            ("something new", ()),
        ],
    )
    def test_parents(self, tag: str, above: tuple[str, ...]) -> None:
        assert ancestors(tag) == above

    def test_nothing_is_a_kind_of_itself(self) -> None:
        for name in {*GROUPS, *IMAGENET, *COCO}:
            assert name not in ancestors(name)

    @pytest.mark.parametrize(
        ("word", "tag"),
        [
            ("Kitten", "cat"),
            ("kittens", "cat"),
            ("PUPPIES", "dog"),
            ("motorbikes", "motorcycle"),
            ("buses", "bus"),
            ("skis", "skis"),
            ("golden  retrievers", "golden retriever"),
            ("people", "person"),
            ("zorblax", "zorblax"),
        ],
    )
    def test_a_persons_word_leads_to_a_tag(self, word: str, tag: str) -> None:
        assert canonical(word) == tag

    def test_what_is_below_a_tag_has_it_above(self) -> None:
        assert "cat" in ancestors("tabby")
        assert all("animal" in ancestors(each) for each in ("cat", "tabby", "dog", "goldfish"))
        assert "animal" not in ancestors("car")


class TestLabels:
    def test_breeds_that_a_model_wavers_between_add_up(self) -> None:
        """Neither retriever is likely enough; the dog is."""
        assert told(golden_retriever=0.35, labrador_retriever=0.35) == {"dog": ("object", 0.7)}

    def test_a_sure_class_is_told_with_its_group(self) -> None:
        assert told(tabby=0.8) == {"tabby": ("object", 0.8), "cat": ("object", 0.8)}

    def test_names_that_only_stand_above_are_not_told(self) -> None:
        assert "animal" not in told(otter=0.9)
        assert told(otter=0.9) == {"otter": ("object", 0.9)}

    def test_scenes_are_of_their_own_kind_and_told_sooner(self) -> None:
        assert told(valley=0.3) == {"valley": ("scene", 0.3)}
        assert told(seashore=0.3, sandbar=0.3) == {
            "seashore": ("scene", 0.3),
            "beach": ("scene", 0.3),
            "coast": ("scene", 0.6),
        }

    def test_clothes_have_to_be_surer(self) -> None:
        assert told(suit=0.6) == {}
        assert told(suit=0.8) == {"suit": ("object", 0.8)}

    def test_some_classes_are_activities(self) -> None:
        assert told(scuba_diver=0.9)["diving"] == ("activity", 0.9)

    def test_two_classes_of_one_name_are_one_tag(self) -> None:
        probabilities = [0.0] * 1000
        for at, name in enumerate(IMAGENET):
            if name == "laptop":
                probabilities[at] = 0.5
        tags = from_probabilities(probabilities, LABELS)
        assert sorted(tag.name for tag in tags) == ["computer", "laptop"]

    @given(st.dictionaries(st.integers(0, 999), st.floats(0, 1, width=32)))
    def test_whatever_a_model_says_makes_valid_tags(self, said: dict[int, float]) -> None:
        probabilities = [said.get(number, 0.0) for number in range(1000)]
        for tag in from_probabilities(probabilities, LABELS):
            assert 0 <= tag.confidence <= 1
            assert tag.name not in ABSTRACT
            assert tag.model == "efficientnet-lite0 1"


class TestActivities:
    def test_a_person_on_a_board_surfs(self) -> None:
        [found] = activities(seen(("person", MIDDLE), ("surfboard", LEFT)))
        assert (found.name, found.kind, found.confidence, found.box) == ("surfing", "activity", 0.8, None)

    def test_a_bicycle_at_the_other_end_of_the_picture_is_not_ridden(self) -> None:
        assert activities(seen(("person", LEFT), ("bicycle", RIGHT))) == []

    def test_a_meal_takes_a_person_a_table_and_something_on_it(self) -> None:
        assert activities(seen(("person", LEFT), ("dining table", RIGHT))) == []
        [dining] = activities(seen(("person", LEFT), ("dining table", RIGHT), ("fork", RIGHT)))
        assert dining.name == "dining"

    def test_a_scene_follows_from_what_stands_there(self) -> None:
        [street] = activities(seen(("stop sign", LEFT)))
        assert (street.name, street.kind, street.model) == ("street", "scene", "combination 1")

    def test_only_what_was_located_counts(self) -> None:
        unseen = [Tag("surfboard", "object", 0.9, "efficientnet-lite0 1")]
        assert activities([*seen(("person", LEFT)), *unseen]) == []

    def test_it_is_as_sure_as_the_least_sure_thing(self) -> None:
        things = from_sightings([Sighting("person", 0.9, MIDDLE), Sighting("skis", 0.6, MIDDLE)], BOXES)
        assert [tag.confidence for tag in activities(things)] == [0.6]


def test_what_is_not_sure_enough_is_no_tag() -> None:
    sightings = [Sighting("person", 0.45, LEFT), Sighting("kite", 0.6, LEFT), Sighting("cat", 0.6, LEFT)]
    assert [tag.name for tag in from_sightings(sightings, BOXES)] == ["cat"]


def test_the_surest_come_first_and_there_is_an_end() -> None:
    many = [Tag("cat", "object", n / 1000, "nanodet 1", Box(0, 0, n / 1000, 1)) for n in range(500)]
    merged = merge(many, many)
    assert len(merged) == MAX_TAGS
    assert merged[0].confidence == 0.499
    assert list(merged) == sorted(merged, key=lambda tag: -tag.confidence)
