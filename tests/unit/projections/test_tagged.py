"""Tags and moderation in the views: found by name and by what they are a kind of, counted, withheld when held."""

from __future__ import annotations

from typing import Any

import pytest

from domain.events import Event
from domain.scanning import Serving
from projections.base import Projection
from projections.gallery import Gallery
from projections.library import Library
from projections.processing import ProcessingView
from projections.renditions import Renditions
from projections.serving import served
from projections.tagged import Tagged, tag_range
from tests.support.factories import (
    metadata,
    moderated,
    processed,
    quarantined,
    renditions,
    ruled,
    sha,
    tagged,
    uploaded,
    validated,
)
from tests.support.specs import Projected

WHEN = "2024-07-01T10:00:00"


def life(*more: Event) -> list[list[Event]]:
    return [[uploaded()], [validated()], [metadata()], [renditions()], [*more, processed()]]


class TestTagged:
    def test_a_picture_is_found_by_its_tags_and_by_what_they_are_a_kind_of(self) -> None:
        Projected(Tagged()).given("a1", *life(tagged("tabby", "sofa"))).then_keys(
            "a1", *(f"~{name}#{WHEN}#a1" for name in ("tabby", "cat", "animal", "sofa", "furniture"))
        ).then_row("a1", models=("nanodet 1",), vector=sha("vector"))

    def test_a_newer_model_takes_back_what_it_does_not_see(self) -> None:
        Projected(Tagged()).given("a1", *life(tagged("cat")), [tagged("dog", version="2")]).then_keys(
            "a1", f"~dog#{WHEN}#a1", f"~animal#{WHEN}#a1"
        ).then_row("a1", models=("nanodet 2",))

    def test_what_is_refused_is_found_by_nothing(self) -> None:
        Projected(Tagged()).given("a1", *life(tagged("cat")), [quarantined()]).then_keys("a1")

    def test_owners_do_not_meet(self) -> None:
        Projected(Tagged()).given("a1", *life(tagged("cat"))).given("b1", *life(tagged("dog")), owner="bert").then_keys(
            "a1", f"~cat#{WHEN}#a1", f"~animal#{WHEN}#a1", owner="anna"
        ).then_keys("b1", f"~dog#{WHEN}#b1", f"~animal#{WHEN}#b1", owner="bert")

    def test_a_word_leads_to_a_range_that_holds_its_tag_alone(self) -> None:
        low, high = tag_range("Kittens")
        keys = [f"~{name}#{WHEN}#a1" for name in ("car", "cat", "cat show", "catamaran", "caterpillar")]
        assert [key for key in keys if low <= key < high] == [f"~cat#{WHEN}#a1"]
        low, high = tag_range("cat", "2025")
        assert not low <= f"~cat#{WHEN}#a1" < high

    def test_a_tag_cannot_end_its_own_key(self) -> None:
        low, high = tag_range("cat#2020$")
        assert (low.count("#"), high.count("$")) == (1, 1)


def test_the_gallery_shows_each_name_once_with_its_highest_confidence() -> None:
    twice = tagged("cat", "cat", "sofa")
    Projected(Gallery()).given("a1", *life(twice)).then_row(
        "a1",
        tags=(
            {"name": "cat", "kind": "object", "confidence": 0.9},
            {"name": "sofa", "kind": "object", "confidence": 0.88},
        ),
    )


def test_the_library_counts_pictures_by_tag() -> None:
    vault_rows = Projected(Library()).given("a1", *life(tagged("tabby"))).given("a2", *life(tagged("dog")))
    for _, vault in vault_rows._delivered():
        totals = vault.views.totals(vault.table("library"), "anna")
        counted = {name: counters["assets"] for name, counters in totals.items() if name.startswith("tag:")}
        assert counted == {"tag:tabby": 1, "tag:cat": 1, "tag:animal": 2, "tag:dog": 1}


def test_processing_keeps_which_models_were_asked() -> None:
    for _, vault in Projected(ProcessingView()).given("a1", *life(tagged(), moderated()))._delivered():
        [row] = vault.views.query(vault.table("processing"), "anna").rows
        steps = ProcessingView().decode(row.data).steps
        assert (steps["tags"].models, steps["moderation"].models) == (("nanodet 1",), ("open-nsfw 1",))


@pytest.mark.parametrize("projection", [Gallery(), Renditions()], ids=lambda p: p.name)
class TestModeration:
    def shown(self, projection: Projection[Any], *more: Event) -> dict[str, Any]:
        [row] = Projected(projection).given("a1", *life(*more)).rows()
        return served(projection, row, lambda blob: f"blobs/{blob}", Serving())

    def test_what_nobody_judged_is_shown(self, projection: Projection[Any]) -> None:
        shown = self.shown(projection)
        assert (shown["moderation"], shown["withheld"], bool(shown["renditions"])) == (None, False, True)

    def test_what_is_allowed_is_shown(self, projection: Projection[Any]) -> None:
        shown = self.shown(projection, moderated("allow"))
        assert (shown["moderation"], shown["withheld"], bool(shown["renditions"])) == ("allow", False, True)

    def test_what_is_to_be_blurred_is_marked(self, projection: Projection[Any]) -> None:
        shown = self.shown(projection, moderated("blur", 0.9))
        assert (shown["moderation"], shown["withheld"], bool(shown["renditions"])) == ("blur", False, True)

    def test_what_is_held_leads_to_no_picture(self, projection: Projection[Any]) -> None:
        shown = self.shown(projection, moderated("hold", 0.99))
        assert (shown["moderation"], shown["withheld"], bool(shown["renditions"])) == ("hold", True, False)
        assert "blobs/" not in str(shown)

    def test_a_person_has_the_last_word_whatever_a_model_says_later(self, projection: Projection[Any]) -> None:
        freed = self.shown(projection, moderated("hold", 0.99), ruled("allow"), moderated("hold", 1.0, "2"))
        assert (freed["moderation"], freed["withheld"]) == ("allow", False)
        held = self.shown(projection, ruled("hold"), moderated("allow"))
        assert (held["moderation"], held["withheld"]) == ("hold", True)

    def test_a_ruling_can_be_taken_back(self, projection: Projection[Any]) -> None:
        assert self.shown(projection, moderated("blur", 0.9), ruled("hold"), ruled(None))["moderation"] == "blur"
