"""Stacks in the views: one item to the person, every file in the totals, whatever the delivery."""

from __future__ import annotations

from typing import Any

from domain.events import Event, Stacked, StackPart
from domain.media import MotionVideo
from projections.gallery import Gallery
from projections.library import Library
from tests.support.factories import metadata, processed, quarantined, renditions, reprocess, sha, uploaded, validated
from tests.support.specs import Projected

MOTION = MotionVideo(blob=sha("motion"), size_bytes=500, offset=500, source="google", width=64, height=48)


def life(name: str, *then: Event, **about: Any) -> list[list[Event]]:
    """An asset that is processed, and what comes after."""
    return [
        [uploaded(name)],
        [validated()],
        [metadata(**about)],
        [renditions(), processed()],
        *[[event] for event in then],
    ]


def behind(main: str, version: int = 2, stack: str = "s", role: str = "raw") -> Stacked:
    """It stands behind another."""
    return Stacked(stack=stack, stack_version=version, main=main, role=role)


def before(*parts: str, version: int = 2, stack: str = "s", role: str = "raw") -> Stacked:
    """Others stand behind it."""
    return Stacked(stack=stack, stack_version=version, parts=tuple(StackPart(asset=part, role=role) for part in parts))


class TestGallery:
    def test_what_stands_behind_another_is_not_on_the_timeline_but_among_its_state(self) -> None:
        pair = (
            Projected(Gallery())
            .given("jpeg", *life("a.jpg", before("raw")))
            .given("raw", *life("a.dng", behind("jpeg")))
        )
        pair.then_index("timeline", "jpeg").then_index("state", "jpeg", "raw")

    def test_a_lower_version_of_a_stack_comes_too_late(self) -> None:
        late = Projected(Gallery()).given("a", *life("a.dng", Stacked(stack="s", stack_version=5), behind("x", 4)))
        late.then_index("timeline", "a").then_row("a", stacks={"s": {"version": 5}})

    def test_of_several_stacks_one_is_enough_to_hide_it(self) -> None:
        both = Projected(Gallery()).given(
            "a", *life("a.jpg", behind("x", 9, "b", "burst_frame"), before("r", version=1))
        )
        both.then_index("timeline")

    def test_a_position_that_comes_before_the_metadata_holds(self) -> None:
        early = Projected(Gallery()).given("a", [uploaded("a.dng")], [validated()], [behind("x")], [metadata()])
        early.then_index("timeline").then_index("state", "a")

    def test_what_is_shown_again_is_on_the_timeline_again(self) -> None:
        again = Projected(Gallery()).given("a", *life("a.dng", behind("x"), Stacked(stack="s", stack_version=3)))
        again.then_index("timeline", "a")

    def test_an_item_names_its_main_its_parts_and_its_video(self) -> None:
        events = life("a.jpg", before("r", "q"), before("v", stack="t", role="live_video"), motion=MOTION)
        (row,) = Projected(Gallery()).given("a", *events).rows()
        gallery = Gallery()
        shown = gallery.show(gallery.decode(row.data), lambda blob: f"/blobs/{blob}")
        assert shown["stacked_under"] is None
        assert shown["parts"] == [
            {"asset": "r", "role": "raw"},
            {"asset": "q", "role": "raw"},
            {"asset": "v", "role": "live_video"},
        ]
        assert shown["motion"] == {
            "path": f"/blobs/{sha('motion')}",
            "width": 64,
            "height": 48,
            "bytes": 500,
            "duration_ms": None,
        }

    def test_the_main_is_named_of_the_shot_before_the_burst(self) -> None:
        events = life("a.dng", behind("cover", stack="a", role="burst_frame"), behind("jpeg", stack="z"))
        (row,) = Projected(Gallery()).given("a", *events).rows()
        gallery = Gallery()
        assert gallery.show(gallery.decode(row.data), str)["stacked_under"] == "jpeg"

    def test_the_video_of_what_is_refused_is_not_shown(self) -> None:
        events = life("a.jpg", reprocess("validate"), quarantined(), motion=MOTION)
        Projected(Gallery()).given("a", *events).then_row("a", motion=None)


class TestLibrary:
    def test_every_file_counts_and_every_shot_counts_once(self) -> None:
        pair = Projected(Library()).given("jpeg", *life("a.jpg", before("raw"), motion=MOTION))
        pair.given("raw", *life("a.dng", behind("jpeg"))).then_totals(
            {
                "library": {
                    "assets": 2,
                    "stacked": 1,
                    "original_bytes": 2000,
                    "rendition_bytes": 1000,
                    "renditions": 4,
                    "with_place": 2,
                    "motion_photos": 1,
                    "motion_bytes": 500,
                },
                "kind:image": {"assets": 1, "original_bytes": 1000},
                "type:image/jpeg": {"assets": 2, "original_bytes": 2000},
                "year:2024": {"assets": 1},
                "camera:Canon EOS 40D": {"assets": 1},
            }
        )
