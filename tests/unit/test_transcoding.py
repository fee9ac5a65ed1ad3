"""What is made of a video for the web: the decision, the ladder, the parts."""

from __future__ import annotations

import itertools
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given as given_any
from hypothesis import strategies as st
from msgspec import structs

from domain.events import VideoAnalyzed
from domain.transcoding import Plan, StreamingLimits, grid_rate, ladder, plan, work_per_frame
from domain.video import AudioTrack
from tests.support.factories import analyzed

SHORT = 30_000


def found(audio: AudioTrack | str | None = "as it is", **changes: Any) -> VideoAnalyzed:
    """Half a minute of H.264 and AAC in an MP4 that plays everywhere, but for these changes (also of its video)."""
    event = analyzed(duration_ms=SHORT)
    video = {name: changes.pop(name) for name in list(changes) if name in type(event.video).__struct_fields__}
    event = structs.replace(event, video=structs.replace(event.video, **video), **changes)
    return event if audio == "as it is" else structs.replace(event, audio=audio)


class TestDecision:
    def test_what_plays_everywhere_and_is_light_is_left_alone(self) -> None:
        assert plan(found()).skip.startswith("the original plays everywhere")
        assert plan(found(audio=None)).skip
        assert plan(found(rotation=90, width=1080, height=1920)).skip

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"container": "mov"}, "the container is mov"),
            ({"container": "matroska", "fast_start": None}, "the container is matroska"),
            ({"fast_start": False}, "index is at its end"),
            ({"fragmented": True}, "fragments"),
        ],
    )
    def test_another_container_is_copied_and_nothing_encoded(self, changes: dict[str, Any], reason: str) -> None:
        made = plan(found(**changes))
        assert (made.mp4, made.audio, made.stream, made.parts, made.renditions) == ("copy", "copy", False, (), ())
        assert any(reason in each for each in made.reasons)

    def test_sound_that_does_not_play_everywhere_is_encoded_alone(self) -> None:
        for sound in (AudioTrack(codec="opus", channels=2), AudioTrack(codec="aac", channels=6)):
            made = plan(found(audio=sound))
            assert (made.mp4, made.audio, made.stream) == ("copy", "encode", False)
            assert [part.media for part in made.parts] == ["audio"]

    @pytest.mark.parametrize(
        ("changes", "reason"),
        [
            ({"codec": "hevc"}, "hevc"),
            ({"codec": "vp9"}, "vp9"),
            ({"codec": "av1"}, "av1"),
            ({"profile": "High 10", "pixel_format": "yuv420p10le"}, "High 10"),
            ({"pixel_format": "yuv444p"}, "yuv444p"),
            ({"level": 52}, "level 5.2"),
            ({"hdr": "hlg", "transfer": "arib-std-b67"}, "HDR"),
            ({"interlaced": True}, "interlaced"),
            ({"mirrored": True}, "mirrored"),
            ({"width": 3840, "height": 2160}, "3840 x 2160"),
            ({"width": 2160, "height": 3840}, "2160 x 3840"),
            ({"frame_rate": 240.0}, "240"),
            ({"bitrate": 60_000_000}, "60 Mbit/s"),
        ],
    )
    def test_pictures_that_do_not_play_everywhere_are_encoded_and_streamed(
        self, changes: dict[str, Any], reason: str
    ) -> None:
        event = found(**{name: value for name, value in changes.items() if name != "bitrate"})
        if "bitrate" in changes:
            event = structs.replace(event, video=structs.replace(event.video, bitrate=changes["bitrate"]))
        made = plan(event)
        assert (made.mp4, made.stream) == ("encode", True)
        assert any(reason in each for each in made.reasons)
        assert made.renditions

    @pytest.mark.parametrize("changes", [{"duration_ms": 61_000}, {"bitrate": 9_000_000}])
    def test_what_plays_but_is_heavy_is_streamed_beside_the_original(self, changes: dict[str, Any]) -> None:
        event = structs.replace(found(), **changes)
        made = plan(event)
        assert (made.mp4, made.stream) == ("original", True)
        assert [rung.name for rung in made.renditions] == ["1080p", "720p", "480p", "240p"]

    def test_a_clip_of_a_few_seconds_is_not_streamed_however_many_bits_it_needs(self) -> None:
        assert plan(structs.replace(found(), bitrate=19_000_000, duration_ms=4_000)).skip

    def test_plain_aac_is_copied_into_the_stream_and_other_aac_is_not(self) -> None:
        plain = AudioTrack(codec="aac", profile="LC", channels=2, sample_rate=48_000)
        assert plan(found(codec="hevc", audio=plain)).audio == "copy"
        for change in ({"profile": "HE-AAC"}, {"channels": 6}, {"sample_rate": 22_050}):
            assert plan(found(codec="hevc", audio=structs.replace(plain, **change))).audio == "encode"

    def test_hdr_is_tone_mapped_by_the_curve_that_the_track_states(self) -> None:
        assert plan(found(codec="hevc", hdr="hdr10", transfer="smpte2084")).tone_map == "pq"
        assert plan(found(codec="hevc", hdr="hlg", transfer="arib-std-b67")).tone_map == "hlg"
        assert plan(found(codec="hevc")).tone_map is None


class TestGrid:
    @pytest.mark.parametrize(
        ("average", "rate"),
        [
            (30.0, Fraction(30)),
            (29.97002997, Fraction(30_000, 1001)),
            (29.95, Fraction(30_000, 1001)),
            (23.976, Fraction(24_000, 1001)),
            (25.0, Fraction(25)),
            (27.5, Fraction(30_000, 1001)),
            (59.94, Fraction(60_000, 1001)),
            (120.0, Fraction(60)),
            (239.76, Fraction(60_000, 1001)),
            (1.0, Fraction(1)),
            (0.2, Fraction(1)),
            (None, Fraction(30)),
            (float("nan"), Fraction(30)),
        ],
    )
    def test_the_rate_is_a_usual_one(self, average: float | None, rate: Fraction) -> None:
        assert grid_rate(average) == rate

    @given_any(st.floats(0.001, 100_000))
    def test_the_rate_is_never_over_60_nor_far_below_what_the_video_has(self, average: float) -> None:
        rate = grid_rate(average)
        assert 1 <= rate <= 60
        assert average > 60 or rate >= Fraction(average) * Fraction(96, 100)


class TestLadder:
    @pytest.mark.parametrize(
        ("size", "names"),
        [
            ((1920, 1080), ["1080p", "720p", "480p", "240p"]),
            ((3840, 2160), ["1080p", "720p", "480p", "240p"]),
            ((1080, 1920), ["1080p", "720p", "480p", "240p"]),
            ((1280, 720), ["720p", "480p", "240p"]),
            ((854, 480), ["480p", "240p"]),
            ((800, 600), ["600p", "480p", "240p"]),
            ((320, 240), ["240p"]),
            ((161, 121), ["120p"]),
        ],
    )
    def test_rungs_are_the_source_s_size_and_below(self, size: tuple[int, int], names: list[str]) -> None:
        assert [rung.name for rung in ladder(*size, Fraction(30))] == names

    @given_any(st.integers(2, 8192), st.integers(2, 8192))
    def test_every_rung_is_even_fits_the_source_and_keeps_its_proportions(self, width: int, height: int) -> None:
        rungs = ladder(width, height, Fraction(30))
        assert len({rung.name for rung in rungs}) == len(rungs) >= 1
        for rung in rungs:
            assert rung.width % 2 == rung.height % 2 == 0
            assert rung.width <= width + 1
            assert rung.height <= height + 1
            assert abs(rung.width * height - rung.height * width) <= 2 * max(width, height)

    def test_more_pictures_a_second_get_more_bits(self) -> None:
        assert ladder(1920, 1080, Fraction(60))[0].max_bitrate > ladder(1920, 1080, Fraction(30))[0].max_bitrate


class TestParts:
    def parts(self, made: Plan) -> list[tuple[int, int]]:
        return [(part.first_frame, part.end_frame) for part in made.parts if part.media == "video"]

    @given_any(st.integers(1, 36_000_000), st.sampled_from([24.0, 29.97, 30.0, 60.0, 240.0, 1.0]), st.booleans())
    def test_parts_cover_the_video_once_cut_at_segments_borders(self, ms: int, rate: float, hdr: bool) -> None:
        event = found(codec="hevc", frame_rate=rate, transfer="smpte2084" if hdr else None)
        made = plan(structs.replace(event, duration_ms=ms))
        parts = self.parts(made)
        assert parts[0][0] == 0
        assert all(one[1] == two[0] for one, two in itertools.pairwise(parts))
        assert parts[-1][1] >= Fraction(*made.frame_rate) * ms / 1000
        assert all(first % made.segment_frames == 0 for first, _ in parts)
        assert made.segment_frames % made.gop_frames == 0

    @given_any(st.integers(1, 36_000_000), st.integers(16, 8192), st.integers(16, 4320))
    def test_no_part_is_more_work_than_a_worker_may_take(self, ms: int, width: int, height: int) -> None:
        limits = StreamingLimits()
        event = found(codec="hevc", width=width, height=height, coded_width=width, coded_height=height)
        made = plan(structs.replace(event, duration_ms=ms), limits)
        work = work_per_frame(event.video, made.renditions[0])
        for first, end in self.parts(made)[:-1]:
            assert (end - first) * work <= limits.part_megapixels + made.segment_frames * work

    def test_an_hour_in_full_hd_is_cut_into_parts_of_about_a_minute(self) -> None:
        parts = self.parts(plan(structs.replace(found(codec="hevc"), duration_ms=3_600_000)))
        seconds = [(end - first) / 30 for first, end in parts[:-1]]
        assert 45 <= min(seconds) <= max(seconds) <= 90

    def test_sound_is_one_part_of_its_own(self) -> None:
        made = plan(structs.replace(found(codec="hevc"), duration_ms=3_600_000))
        assert [part.media for part in made.parts].count("audio") == 1
        assert plan(found(codec="hevc", audio=None)).parts[0].media == "video"

    def test_a_video_of_unknown_length_is_one_part_that_ends_with_it(self) -> None:
        made = plan(structs.replace(found(codec="hevc"), duration_ms=None))
        assert len(self.parts(made)) == 1
