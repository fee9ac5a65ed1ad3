"""Scores and verdicts on plain numbers: what makes a poster, and when a video is good, fair or poor."""

from __future__ import annotations

from typing import Any

import pytest

from domain.quality import Cadence, Look, black_stretches, cadence, frozen_stretches, judge, poster_score
from domain.video import Stretch, VideoQuality


def seen(at_ms: int = 0, **changes: Any) -> Look:
    """A sharp, well lit picture."""
    fields: dict[str, Any] = {"brightness": 0.45, "contrast": 0.2, "sharpness": 25.0, "dark": 0.05, "change": 12.0}
    return Look(at_ms=at_ms, **fields | changes)


def judged(**changes: Any) -> VideoQuality:
    """The verdict on a minute of good 1080p, but for what is changed."""
    fields: dict[str, Any] = {
        "width": 1920,
        "height": 1080,
        "codec": "h264",
        "bits_per_pixel": 0.12,
        "looks": [seen(n * 2500) for n in range(24)],
        "duration_ms": 60_000,
        "rhythm": Cadence(frame_rate=30.0, frames=1800),
    }
    return judge(**fields | changes)


class TestPosterScore:
    @pytest.mark.parametrize(
        "worse",
        [
            seen(sharpness=4.0),
            seen(brightness=0.05, contrast=0.05),
            seen(brightness=0.97),
            seen(contrast=0.01),
            seen(damaged=True),
            seen(dark=0.99, brightness=0.02),
        ],
        ids=["blurred", "dim", "glaring", "flat", "damaged", "black"],
    )
    def test_a_good_picture_is_preferred(self, worse: Look) -> None:
        assert poster_score(seen()) > 1.3 * poster_score(worse)

    def test_black_is_the_last_choice_of_all(self) -> None:
        assert poster_score(seen(dark=1.0, brightness=0.01)) < poster_score(seen(damaged=True, sharpness=1.0))

    def test_a_score_is_never_below_0_or_above_1(self) -> None:
        assert 0 <= poster_score(seen(brightness=1.0, contrast=0.0, sharpness=0.0)) <= 1
        assert 0 <= poster_score(seen(sharpness=1e6, contrast=0.5)) <= 1


class TestStretches:
    def test_black_runs_to_the_next_picture_that_is_not(self) -> None:
        looks = [seen(0, dark=1.0), seen(1000, dark=0.99), seen(2000), seen(3000, dark=1.0)]
        assert black_stretches(looks, 4000) == (Stretch(0, 2000), Stretch(3000, 4000))

    def test_frozen_begins_with_the_picture_that_does_not_change_any_more(self) -> None:
        looks = [seen(0), seen(1000), seen(2000, change=0.0), seen(3000, change=0.1), seen(4000)]
        assert frozen_stretches(looks, 5000) == (Stretch(1000, 3000),)

    def test_black_is_not_frozen_and_an_instant_is_no_stretch(self) -> None:
        black = [seen(n * 1000, dark=1.0, change=0.0) for n in range(4)]
        assert frozen_stretches(black, 4000) == ()
        assert frozen_stretches([seen(0), seen(100, change=0.0), seen(200)], 300) == ()


class TestCadence:
    def test_a_steady_rate_has_no_gaps_however_coarse_its_clock(self) -> None:
        found = cadence([round(n * 1000 / 60) for n in range(600)])  # 16, 17, 17 ... ms, as Matroska has it
        assert (found.variable, found.dropped, found.gaps) == (False, 0, ())
        assert found.frame_rate == pytest.approx(60, abs=0.1)

    def test_each_missing_picture_counts(self) -> None:
        times = [40.0 * n for n in range(100) if n not in (10, 50, 51, 52)]
        found = cadence(times)
        assert (found.dropped, found.gaps, found.variable) == (4, (Stretch(360, 440), Stretch(1960, 2120)), False)

    def test_with_a_variable_rate_only_long_gaps_count(self) -> None:
        times = [float(t) for n in range(50) for t in (n * 100, n * 100 + 30, n * 100 + 75)]
        assert cadence(times).variable
        assert cadence(times).dropped == 0
        assert cadence([*times, 7000.0]).gaps == (Stretch(4975, 7000),)

    @pytest.mark.parametrize("times", [[], [0.0], [5.0, 5.0]])
    def test_one_picture_has_no_rate(self, times: list[float]) -> None:
        assert cadence(times).frame_rate is None


class TestVerdict:
    def test_a_good_video_has_nothing_against_it(self) -> None:
        assert (judged().verdict, judged().reasons) == ("good", ())

    @pytest.mark.parametrize(
        ("changes", "verdict", "reason"),
        [
            ({"width": 640, "height": 480}, "fair", "low resolution (640 x 480)"),
            ({"width": 176, "height": 144}, "poor", "low resolution (176 x 144)"),
            ({"bits_per_pixel": 0.03}, "fair", "strongly compressed"),
            ({"bits_per_pixel": 0.01}, "poor", "strongly compressed"),
            ({"bits_per_pixel": 0.04, "codec": "hevc"}, "good", ""),
            ({"looks": [seen(sharpness=4.0)] * 8}, "fair", "blurred"),
            ({"looks": [seen(sharpness=1.0)] * 8}, "poor", "blurred"),
            ({"looks": [seen(n * 2500, dark=float(n < 4)) for n in range(24)]}, "fair", "black for 17% of the time"),
            ({"looks": [seen(n * 2500, dark=float(n < 14)) for n in range(24)]}, "poor", "black for 58% of the time"),
            ({"looks": [seen(n * 2500, change=0.1) for n in range(24)]}, "poor", "standing still"),
            ({"looks": [seen(n * 2500, damaged=n == 3) for n in range(24)]}, "fair", "damaged in 1 of 24 samples"),
            ({"rhythm": Cadence(frame_rate=30.0, frames=1800, dropped=40)}, "fair", "pictures are missing (2.2%)"),
            ({"rhythm": Cadence(frame_rate=30.0, frames=1800, dropped=300)}, "poor", "pictures are missing (14.3%)"),
            ({"shake": 1.4}, "fair", "shaky (1.4 % of the picture a frame)"),
            ({"shake": 3.5}, "poor", "shaky"),
            ({"shake": 0.4}, "good", ""),
            ({"rhythm": Cadence(frame_rate=8.0, frames=480)}, "fair", "jerky (8 pictures a second)"),
        ],
    )
    def test_each_fault_has_its_reason(self, changes: dict[str, Any], verdict: str, reason: str) -> None:
        found = judged(**changes)
        assert found.verdict == verdict
        assert [r for r in found.reasons if r.startswith(reason)] if reason else not found.reasons

    def test_the_worst_fault_decides(self) -> None:
        both = judged(width=640, height=480, bits_per_pixel=0.001)
        assert both.verdict == "poor"
        assert len(both.reasons) == 2

    def test_a_video_of_unknown_bitrate_and_length_is_judged_by_the_rest(self) -> None:
        assert judged(bits_per_pixel=None, duration_ms=0, rhythm=Cadence()).verdict == "good"
