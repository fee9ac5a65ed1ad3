"""Each projection by its specification, however often and in whatever order the commits are delivered."""

from __future__ import annotations

from typing import ClassVar

import pytest
from msgspec import structs

from domain.events import ChunksEncoded
from domain.media import Camera, Position, TakenAt
from projections.files import Files, path_key
from projections.gallery import Gallery
from projections.library import Library
from projections.processing import ProcessingView
from projections.renditions import Renditions
from tests.support.factories import (
    analyzed,
    chunk,
    duplicate,
    failed,
    given_up,
    metadata,
    place,
    planned,
    poster,
    processed,
    quarantined,
    renditions,
    reprocess,
    seen_again,
    sha,
    sidecar,
    skipped,
    transcoded,
    uploaded,
    validated,
    video,
    whole_life,
)
from tests.support.specs import Projected

VIDEO = [[uploaded("v.mp4")], [video(), skipped("metadata"), skipped("video"), processed()]]
FILM = [[uploaded("v.mp4")], [video()], [metadata(), place()], [analyzed(), poster()], [renditions(), processed()]]
QUARANTINED = [[uploaded("q.jpg")], [quarantined(), processed("quarantined")]]


class TestGallery:
    def test_an_upload_is_on_the_timeline_at_once(self) -> None:
        Projected(Gallery()).given("a1", [uploaded()]).then_row(
            "a1", asset="a1", file_name="a.jpg", taken_at=None, state="processing"
        )

    def test_a_processed_picture_has_date_place_camera_and_pictures(self) -> None:
        Projected(Gallery()).given("a1", *whole_life()).then_row(
            "a1",
            state="done",
            kind="image",
            width=4000,
            height=3000,
            taken_at="2024-07-01T10:00:00+02:00",
            latitude=41.9,
            longitude=12.5,
            camera="Canon EOS 40D",
            thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI",
            renditions={"small": {"blob": sha("jpeg"), "width": 256, "height": 192, "bytes": 300}},
            place={"city": "Rome", "region": "Lazio", "country": "Italy", "country_code": "IT"},
        ).then_version("a1", 6)

    def test_a_video_has_a_length_a_moving_preview_and_the_pictures_of_its_poster(self) -> None:
        moving = {"blob": sha("preview"), "width": 320, "height": 180, "bytes": 900}
        Projected(Gallery()).given("v1", *FILM).then_row(
            "v1",
            state="done",
            kind="video",
            duration_ms=60_000,
            preview=moving,
            renditions={"small": {"blob": sha("jpeg"), "width": 256, "height": 192, "bytes": 300}},
        )

    def test_a_video_that_is_refused_after_all_shows_neither_picture_nor_preview(self) -> None:
        Projected(Gallery()).given("v1", *FILM, [quarantined(), processed("quarantined")]).then_row(
            "v1", preview=None, renditions={}, thumbhash=None
        )

    def test_an_offset_west_of_greenwich_and_of_half_an_hour_is_written_right(self) -> None:
        for minutes, text in ((-210, "-03:30"), (0, "+00:00"), (None, ""), (765, "+12:45")):
            taken = TakenAt("2024-07-01T10:00:00", "exif:DateTimeOriginal", minutes)
            Projected(Gallery()).given("a1", [uploaded()], [metadata(taken_at=taken)]).then_row(
                "a1", taken_at=f"2024-07-01T10:00:00{text}"
            )

    def test_the_timeline_is_in_the_order_of_dates_taken(self) -> None:
        def taken(local: str) -> list:
            return [metadata(taken_at=TakenAt(local, "exif:DateTimeOriginal"))]

        Projected(Gallery()).given("late", [uploaded("1.jpg")], taken("2024-07-02T09:00:00")).given(
            "early", [uploaded("2.jpg")], taken("1999-01-01T00:00:00")
        ).given("undated", [uploaded("3.jpg")]).then_index("timeline", "early", "late", "undated")

    def test_a_state_has_its_own_order(self) -> None:
        Projected(Gallery()).given("a1", *whole_life()).given("q1", *QUARANTINED).given("v1", *VIDEO).given(
            "p1", [uploaded("p.jpg")]
        ).then_index("state", "a1", "v1", "p1", "q1")

    def test_what_is_quarantined_after_all_is_shown_no_more(self) -> None:
        Projected(Gallery()).given(
            "a1", *whole_life(), [reprocess("validate")], [quarantined(), processed("quarantined")]
        ).then_row("a1", state="quarantined", renditions={}, thumbhash=None)

    def test_what_is_asked_for_again_is_processing_until_it_ends(self) -> None:
        Projected(Gallery()).given("a1", *whole_life(), [reprocess("metadata")]).then_row("a1", state="processing")

    def test_new_pictures_take_the_place_of_the_old_ones(self) -> None:
        again = [[reprocess("renditions")], [renditions(mark="new"), processed()]]
        Projected(Gallery()).given("a1", *whole_life(), *again).then_row(
            "a1", renditions={"small": {"blob": sha("jpegnew"), "width": 256, "height": 192, "bytes": 300}}
        )

    def test_a_position_that_is_taken_back_takes_its_name_along(self) -> None:
        Projected(Gallery()).given("a1", *whole_life(), [metadata(position=None)]).then_row("a1", place=None)

    def test_owners_are_kept_apart(self) -> None:
        Projected(Gallery()).given("a1", [uploaded()]).given("b1", [uploaded()], owner="ben").then_keys("a1").then_keys(
            "b1", owner="ben"
        )

    def test_what_is_shown_has_a_place_to_open_for_each_picture(self) -> None:
        [row] = Projected(Gallery()).given("a1", *whole_life()).rows()
        gallery = Gallery()
        shown = gallery.show(gallery.decode(row.data), lambda blob: f"/blobs/{blob}")
        assert shown["renditions"]["small"]["path"] == f"/blobs/{sha('jpeg')}"


class TestRenditions:
    def test_every_format_is_listed(self) -> None:
        [row] = Projected(Renditions()).given("a1", *whole_life()).rows()
        view = Renditions()
        shown = view.show(view.decode(row.data), lambda blob: f"/blobs/{blob}")
        assert shown["original"] == f"/blobs/{sha('a.jpg')}"
        assert [(r["name"], r["format"], r["bytes"]) for r in shown["renditions"]] == [
            ("small", "jpeg", 300),
            ("small", "webp", 200),
        ]

    def test_a_video_s_poster_and_preview_are_listed_and_outlive_a_new_rendition(self) -> None:
        [row] = Projected(Renditions()).given("v1", *FILM, [reprocess("renditions")], [renditions(mark="2")]).rows()
        view = Renditions()
        shown = view.show(view.decode(row.data), lambda blob: f"/blobs/{blob}")["renditions"]
        assert [(r["name"], r["format"], r["path"]) for r in shown[2:]] == [
            ("poster", "jpeg", f"/blobs/{sha('poster')}"),
            ("preview", "webp", f"/blobs/{sha('preview')}"),
        ]

    def test_an_upload_has_an_original_and_nothing_else(self) -> None:
        Projected(Renditions()).given("a1", [uploaded()]).then_row("a1", original=sha("a.jpg"), renditions=())

    def test_what_is_quarantined_has_none(self) -> None:
        past = [*whole_life(), [reprocess("validate")], [quarantined(), processed("quarantined")]]
        Projected(Renditions()).given("a1", *past).then_row("a1", renditions=(), thumbhash=None)


class TestProcessing:
    def test_after_the_upload_validation_waits(self) -> None:
        Projected(ProcessingView()).given("a1", [uploaded()]).then_totals(
            {"assets": {"total": 1, "processing": 1}, "step:validate": {"waiting": 1}}
        ).then_index("attention")

    @pytest.mark.usefixtures("renditions_come_last")
    def test_each_step_has_the_status_of_its_last_outcome(self) -> None:
        past = [[uploaded()], [validated()], [failed("metadata")], [renditions()]]
        Projected(ProcessingView()).given("a1", *past).then_totals(
            {
                "assets": {"total": 1, "processing": 1},
                "step:validate": {"done": 1},
                "step:metadata": {"failed": 1},
                "step:renditions": {"done": 1},
            }
        ).then_index("attention", "a1")

    def test_a_failure_is_no_matter_of_attention_once_a_retry_succeeds(self) -> None:
        past = [[uploaded()], [validated()], [failed("metadata")], [renditions()], [metadata(2), processed()]]
        Projected(ProcessingView()).given("a1", *past).then_index("attention").then_row("a1", state="done")

    def test_what_is_given_up_or_quarantined_needs_attention(self) -> None:
        given_up_one = [[uploaded()], [validated()], [metadata()], [given_up("renditions"), processed("given_up")]]
        Projected(ProcessingView()).given("a1", *given_up_one).given("q1", *QUARANTINED).given(
            "ok", *whole_life()
        ).then_index("attention", "a1", "q1").then_totals(
            {
                "assets": {"total": 3, "given_up": 1, "quarantined": 1, "done": 1},
                "step:validate": {"done": 3},
                "step:metadata": {"done": 2},
                "step:place": {"done": 1},
                "step:renditions": {"done": 1, "given_up": 1},
            }
        )

    def test_the_reason_of_a_quarantine_is_kept(self) -> None:
        [row] = Projected(ProcessingView()).given("q1", *QUARANTINED).rows()
        progress = ProcessingView().decode(row.data).steps["validate"]
        assert (progress.status, progress.error) == ("done", "truncated")
        assert progress.reason == "the picture ends in the middle"

    def test_a_failure_says_when_it_is_tried_again(self) -> None:
        [row] = Projected(ProcessingView()).given("a1", [uploaded()], [failed("validate")]).rows()
        assert ProcessingView().decode(row.data).steps["validate"].next_attempt_at == "2026-05-01T12:00:02+00:00"

    def test_what_a_video_skips_is_skipped_and_not_waiting(self) -> None:
        Projected(ProcessingView()).given("v1", *VIDEO).then_totals(
            {
                "assets": {"total": 1, "done": 1},
                "step:validate": {"done": 1},
                "step:metadata": {"skipped": 1},
                "step:video": {"skipped": 1},
            }
        )

    def test_renditions_of_a_video_wait_for_its_poster(self) -> None:
        analysis = {f"step:{step}": {"done": 1} for step in ("validate", "metadata", "place", "video")}
        Projected(ProcessingView()).given("v1", *FILM[:3]).then_totals(
            {"assets": {"total": 1, "processing": 1}} | analysis | {"step:video": {"waiting": 1}}
        )
        Projected(ProcessingView()).given("v1", *FILM[:4]).then_totals(
            {"assets": {"total": 1, "processing": 1}}
            | analysis
            | {"step:renditions": {"waiting": 1}, "step:transcode": {"waiting": 1}}
        )
        Projected(ProcessingView()).given("v1", *FILM).then_totals(
            {"assets": {"total": 1, "done": 1}}
            | {name: counts for name, counts in analysis.items() if "waiting" not in counts}
            | {"step:renditions": {"done": 1}}
        )

    def test_a_request_makes_its_step_wait_again(self) -> None:
        Projected(ProcessingView()).given("a1", *whole_life(), [reprocess("metadata")]).then_totals(
            {
                "assets": {"total": 1, "processing": 1},
                "step:validate": {"done": 1},
                "step:metadata": {"waiting": 1},
                "step:place": {"done": 1},
                "step:renditions": {"done": 1},
            }
        )

    def test_a_sidecar_makes_metadata_wait_again_and_nothing_before_validation_or_of_a_copy(self) -> None:
        Projected(ProcessingView()).given("a1", *whole_life(), [sidecar()]).then_row("a1", state="processing")
        waiting = {"assets": {"total": 1, "processing": 1}, "step:validate": {"waiting": 1}}
        Projected(ProcessingView()).given("a1", [uploaded()], [sidecar()]).then_totals(waiting)
        Projected(ProcessingView()).given("v1", *VIDEO, [sidecar()]).then_row("v1", state="done")

    def test_totals_are_each_owner_s_own(self) -> None:
        expected = {"assets": {"total": 1, "processing": 1}, "step:validate": {"waiting": 1}}
        Projected(ProcessingView()).given("a1", [uploaded()]).given("b1", [uploaded()], owner="ben").then_totals(
            expected
        ).then_totals(expected, owner="ben")


class TestLibrary:
    def test_bytes_count_from_the_upload_on(self) -> None:
        Projected(Library()).given("a1", [uploaded(size_bytes=1000)]).then_totals(
            {"library": {"assets": 1, "original_bytes": 1000}}
        )

    def test_a_processed_picture_counts_by_kind_type_year_and_camera(self) -> None:
        Projected(Library()).given("a1", *whole_life()).given("v1", *VIDEO).then_totals(
            {
                "library": {
                    "assets": 2,
                    "original_bytes": 2000,
                    "rendition_bytes": 500,
                    "renditions": 2,
                    "with_place": 1,
                },
                "kind:image": {"assets": 1, "original_bytes": 1000},
                "kind:video": {"assets": 1, "original_bytes": 1000},
                "type:image/jpeg": {"assets": 1, "original_bytes": 1000},
                "type:video/mp4": {"assets": 1, "original_bytes": 1000},
                "year:2024": {"assets": 1},
                "camera:Canon EOS 40D": {"assets": 1},
                "country:Italy": {"assets": 1},
            }
        )

    def test_the_length_of_videos_is_added_up(self) -> None:
        both = Projected(Library()).given("v1", *FILM).given("v2", *FILM[:3], [analyzed(duration_ms=1500), poster()])
        both.then_totals(
            {
                "library": {
                    "assets": 2,
                    "original_bytes": 2000,
                    "rendition_bytes": 500,
                    "renditions": 2,
                    "with_place": 2,
                    "duration_ms": 61_500,
                },
                "kind:video": {"assets": 1, "original_bytes": 1000, "duration_ms": 60_000},
                "type:video/mp4": {"assets": 1, "original_bytes": 1000},
                "year:2024": {"assets": 1},
                "camera:Canon EOS 40D": {"assets": 1},
                "country:Italy": {"assets": 1},
            }
        )

    def test_a_video_of_unknown_length_adds_none(self) -> None:
        [row] = Projected(Library()).given("v1", *FILM[:3], [analyzed(duration_ms=None), poster()]).rows()
        assert "duration_ms" not in Library().totals(Library().decode(row.data))["library"]

    def test_copies_for_the_web_count_with_what_they_save(self) -> None:
        made = renditions()
        copy = structs.replace(made.renditions[0], name="web", size_bytes=400)
        copied = structs.replace(made, renditions=(*made.renditions, copy), original_bytes=1000, saved_bytes=600)
        [row] = Projected(Library()).given("a1", [uploaded()], [validated()], [copied]).rows()
        own = Library().totals(Library().decode(row.data))["library"]
        assert (own["web_bytes"], own["saved_bytes"], own["rendition_bytes"]) == (400, 600, 900)

    def test_what_is_quarantined_after_all_leaves_kind_year_and_camera(self) -> None:
        past = [*whole_life(), [reprocess("validate")], [quarantined(), processed("quarantined")]]
        counted = {"assets": 1, "original_bytes": 1000, "rendition_bytes": 500, "renditions": 2, "with_place": 1}
        Projected(Library()).given("a1", *past).then_totals({"library": counted})

    def test_another_date_moves_the_asset_to_another_year(self) -> None:
        other = metadata(taken_at=TakenAt("1999-12-31T23:59:59", "file_name"), position=None, camera=Camera("Nikon"))
        Projected(Library()).given("a1", *whole_life(), [reprocess("metadata")], [other, processed()]).then_totals(
            {
                "library": {"assets": 1, "original_bytes": 1000, "rendition_bytes": 500, "renditions": 2},
                "kind:image": {"assets": 1, "original_bytes": 1000},
                "type:image/jpeg": {"assets": 1, "original_bytes": 1000},
                "year:1999": {"assets": 1},
                "camera:Nikon": {"assets": 1},
            }
        )

    def test_a_place_counts_once_however_often_it_is_found(self) -> None:
        again = [[reprocess("metadata")], [metadata(position=Position(1.0, 2.0)), processed()]]
        [row] = Projected(Library()).given("a1", *whole_life(), *again).rows()
        assert Library().decode(row.data).located

    def test_a_position_that_is_taken_back_takes_its_country_along(self) -> None:
        [row] = Projected(Library()).given("a1", *whole_life(), [metadata(position=None)]).rows()
        assert Library().decode(row.data).country is None


class TestFiles:
    def test_a_sidecar_s_path_leads_to_its_picture_with_its_own_size(self) -> None:
        rows = Projected(Files()).given("a1", [uploaded()], [sidecar()])
        rows.then_keys("a1", path_key("/photos/a.jpg"), path_key("/photos/a.jpg.xmp"))
        rows.then_path("/photos/a.jpg.xmp", "a1")
        [home, *_] = [row for row in rows.rows() if row.key == "a1"]
        assert [place.size_bytes for place in Files().decode(home.data).places] == [1000, 500]

    def test_an_asset_is_found_by_each_of_its_paths(self) -> None:
        Projected(Files()).given("a1", [uploaded()], [seen_again("/copies/a.jpg")]).then_keys(
            "a1", path_key("/photos/a.jpg"), path_key("/copies/a.jpg")
        )

    def test_an_upload_without_a_path_has_only_itself(self) -> None:
        Projected(Files()).given("a1", [uploaded(path=None)]).then_keys("a1")

    def test_a_path_belongs_to_the_asset_that_was_seen_there_last(self) -> None:
        """A file that was edited in place is another asset; how far either asset has come plays no part."""
        for late in ([], [[validated()], [metadata()], [renditions(), processed()]]):
            rows = (
                Projected(Files())
                .given("old", [uploaded()], [duplicate()], *late)
                .given("new", [reprocess("validate")], [uploaded(size_bytes=2000, sha256=sha("b"), blob=sha("b"))])
            )
            rows.then_path("/photos/a.jpg", "new")

    def test_a_path_of_any_length_and_any_letters_has_a_key(self) -> None:
        keys = {path_key(path) for path in ("/" + "x" * 4000, "/" + "x" * 3999, "/ä\udcff\n.jpg", "/日本.jpg")}
        assert len(keys) == 4
        assert all(key.isascii() and len(key) < 100 for key in keys)


class TestVideosForTheWeb:
    PAST: ClassVar = [*FILM[:-1], [renditions()], [planned(2)], [chunk(0)]]

    def test_the_gallery_says_what_plays_and_where_the_stream_is(self) -> None:
        done = [chunk(1), ChunksEncoded(parts_done=2)]
        made = transcoded()
        assert made.mp4 is not None
        Projected(Gallery()).given("v1", *self.PAST, done, [made, processed()]).then_row(
            "v1",
            plays="mp4",
            mp4={"blob": made.mp4.blob, "width": 1920, "height": 1080, "bytes": 5000},
            stream=made.master,
        )
        Projected(Gallery()).given("v1", *FILM[:-1], [skipped("transcode")]).then_row("v1", plays="original")

    @pytest.mark.usefixtures("renditions_come_last")
    def test_parts_are_counted_with_their_step_and_the_join_waits_for_all(self) -> None:
        before = {f"step:{step}": {"done": 1} for step in ("validate", "metadata", "place", "video", "renditions")}
        total = {"assets": {"total": 1, "processing": 1}} | before | {"step:transcode": {"done": 1}}
        Projected(ProcessingView()).given("v1", *self.PAST).then_totals(
            total | {"step:encode": {"done": 1, "waiting": 1}}
        )
        done = [chunk(1), ChunksEncoded(parts_done=2)]
        Projected(ProcessingView()).given("v1", *self.PAST, done).then_totals(
            total | {"step:encode": {"done": 2}, "step:join": {"waiting": 1}}
        )

    @pytest.mark.usefixtures("renditions_come_last")
    def test_a_shorter_plan_leaves_no_part_of_the_longer_one_behind(self) -> None:
        past = [*FILM[:-1], [renditions()], [planned(4)], [chunk(0)], [reprocess("transcode")], [planned(1)]]
        before = {f"step:{step}": {"done": 1} for step in ("validate", "metadata", "place", "video", "renditions")}
        Projected(ProcessingView()).given("v1", *past).then_totals(
            {"assets": {"total": 1, "processing": 1}}
            | before
            | {"step:transcode": {"done": 1}, "step:encode": {"waiting": 1}}
        )
