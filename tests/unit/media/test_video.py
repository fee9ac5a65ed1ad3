"""Analysis of videos: facts, the verdict, and pictures that are upright, bright and sharp."""

from __future__ import annotations

import re
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapters.media.images import inspect
from adapters.media.metadata import read_metadata
from adapters.media.video_analysis import analyze, extract_poster
from domain.errors import MediaRejected
from domain.media import Limits
from domain.video import VideoReport
from tests.unit.media.films import black, blurred, encode, hdr10, moving, turned
from tests.unit.media.pictures import CORNERS, close, corners, noise, quarters

LIMITS = Limits()


def look(path: Path) -> VideoReport:
    into = path.parent / "out"
    into.mkdir(exist_ok=True)
    return analyze(path, LIMITS, into=str(into))


def poster(report: VideoReport) -> Image.Image:
    with Image.open(report.poster.path) as picture:
        return picture.copy()


# --- facts -----------------------------------------------------------------------------------------------------------


def test_an_ordinary_video_is_described(tmp_path: Path) -> None:
    found = look(encode(tmp_path / "a.mp4", moving, frames=60, sound=True, movflags="faststart"))
    assert (found.container, found.brand, found.fast_start, found.fragmented) == ("mp4", "isom", True, False)
    assert found.duration_ms == 3000
    video = found.video
    assert (video.codec, video.codec_tag, video.pixel_format, video.bit_depth) == ("h264", "avc1", "yuv420p", 8)
    assert (video.width, video.height, video.rotation, video.hdr, video.interlaced) == (320, 200, 0, "none", False)
    assert (video.frame_rate, video.variable_frame_rate, video.frames) == (20.0, False, 60)
    assert found.audio is not None
    assert (found.audio.codec, found.audio.channels, found.audio.sample_rate) == ("aac", 2, 48_000)
    assert found.audio_tracks == 1
    assert video.bitrate is not None
    assert found.quality.bits_per_pixel == pytest.approx(video.bitrate / (20 * 320 * 200), abs=1e-3)
    assert found.quality.dropped_frames == 0
    assert found.notes == ()


@pytest.mark.parametrize(
    ("name", "codec", "options", "obstacle"),
    [
        ("a.mp4", "libx264", {"movflags": "faststart"}, None),
        ("b.mp4", "libx264", {}, "its index is at the end of the file"),
        ("c.mp4", "libx264", {"movflags": "frag_keyframe+empty_moov"}, "it comes in fragments"),
        ("d.mov", "libx264", {"movflags": "faststart"}, "the container is mov"),
        ("e.mp4", "libx265", {"movflags": "faststart"}, "the codec is hevc"),
        ("f.mkv", "libx264", {}, "the container is matroska"),
        ("g.webm", "libvpx-vp9", {}, None),
        ("h.mp4", "libx264", {"movflags": "faststart", "pixels": "yuv420p10le"}, "the pixel format is yuv420p10le"),
    ],
)
def test_what_browsers_play_is_known_and_why_not(
    tmp_path: Path, name: str, codec: str, options: dict[str, Any], obstacle: str | None
) -> None:
    quiet = {"x265-params": "log-level=none"} if codec == "libx265" else {}
    found = look(encode(tmp_path / name, moving, frames=20, codec=codec, options=quiet, **options))
    if obstacle is None:
        assert found.web_obstacles == ()
    else:
        assert obstacle in found.web_obstacles


def test_a_container_that_states_no_length_and_no_index_is_measured(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mkv", moving, frames=60, kind="matroska", options={})
    data = path.read_bytes().replace(b"\x44\x89", b"\xec\x89")  # Duration becomes Void: as a live recording has it
    path.write_bytes(data)
    found = look(path)
    assert found.duration_ms == pytest.approx(3000, abs=60)
    assert found.poster.candidates > 4


# --- the way it is held ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mirror", [False, True])
@pytest.mark.parametrize("turn", [0, 90, 180, 270])
def test_every_turn_and_mirror_is_undone_once(tmp_path: Path, turn: int, mirror: bool) -> None:
    path = turned(tmp_path / "a.mp4", turn, mirror=mirror)
    found = look(path)
    assert (found.video.rotation, found.video.mirrored) == (turn, mirror)
    assert (found.video.width, found.video.height) == (320, 200)
    assert poster(found).size == (320, 200)
    assert close(corners(poster(found)), CORNERS, within=16)
    assert found.preview is not None
    assert found.strip is not None
    with Image.open(found.preview.path) as preview:
        assert preview.size == (320, 200)
        assert close(corners(preview), CORNERS, within=30)
    with Image.open(found.strip.path) as strip:
        assert close(corners(strip.crop((0, 0, found.strip.tile_width, found.strip.tile_height))), CORNERS, within=30)
    assert (inspect(path, LIMITS).width, inspect(path, LIMITS).height) == (320, 200)
    raw = read_metadata(path, LIMITS)
    assert (raw.width, raw.height) == (320, 200)


def test_an_anamorphic_video_gets_square_pixels(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", lambda _: quarters(144, 116), frames=20, aspect=Fraction(16, 11))
    found = look(path)
    assert found.video.pixel_aspect == (16, 11)
    assert (found.video.width, found.video.height) == poster(found).size == (209, 116)
    assert close(corners(poster(found)), CORNERS, within=16)
    assert (inspect(path, LIMITS).width, read_metadata(path, LIMITS).width) == (209, 209)


def test_odd_sizes_and_tiny_ones_are_fine(tmp_path: Path) -> None:
    assert poster(look(encode(tmp_path / "a.webm", lambda _: quarters(161, 121), codec="libvpx-vp9"))).size == (
        161,
        121,
    )
    assert poster(look(encode(tmp_path / "b.mp4", lambda _: quarters(16, 16)))).size == (16, 16)


def test_transparency_in_vp9_is_told_and_the_poster_is_whole(tmp_path: Path) -> None:
    found = look(encode(tmp_path / "a.webm", lambda _: quarters(), codec="libvpx-vp9", pixels="yuva420p", frames=10))
    assert found.video.alpha
    assert close(corners(poster(found)), CORNERS, within=16)


def test_a_picture_track_that_starts_after_the_sound_has_its_own_clock(tmp_path: Path) -> None:
    late = encode(tmp_path / "a.mp4", moving, frames=40, times=lambda n: n + 30, sound=True)
    found = look(late)
    assert found.poster.at_ms < 3500
    assert found.quality.dropped_frames == 0
    assert found.quality.samples >= 8


# --- colours ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("nits", "level"), [(10, 63), (100, 186), (203, 229)])
def test_hdr10_is_tone_mapped_to_the_level_that_its_light_has_in_sdr(tmp_path: Path, nits: int, level: int) -> None:
    found = look(hdr10(tmp_path / "a.mp4", nits))
    assert (found.video.hdr, found.video.bit_depth, found.video.transfer) == ("hdr10", 10, "smpte2084")
    assert (found.video.primaries, found.video.matrix) == ("bt2020", "bt2020nc")
    assert found.poster.tone_mapped
    assert close(corners(poster(found))[0], (level,) * 3, within=6)


def test_hlg_is_told_and_tone_mapped(tmp_path: Path) -> None:
    found = look(hdr10(tmp_path / "a.mp4", 1000, transfer=18))  # signal 0.75: reference white
    assert found.video.hdr == "hlg"
    assert close(corners(poster(found))[0], (229,) * 3, within=8)


def test_ten_bits_without_hdr_are_not_tone_mapped(tmp_path: Path) -> None:
    found = look(encode(tmp_path / "a.mp4", lambda _: quarters(), pixels="yuv420p10le", frames=10))
    assert (found.video.hdr, found.video.bit_depth, found.poster.tone_mapped) == ("none", 10, False)
    assert close(corners(poster(found)), CORNERS, within=16)


def test_full_range_and_both_matrices_come_out_in_the_same_colours(tmp_path: Path) -> None:
    import av

    for name, space, swscale in (("709", 1, 1), ("601", 5, 5)):
        for reach, pixels in ((1, "yuv420p"), (2, "yuvj420p")):
            path = tmp_path / f"{name}{reach}.mp4"
            with av.open(str(path), "w") as container:
                stream: Any = container.add_stream("libx264", rate=10)
                stream.width, stream.height, stream.pix_fmt = 320, 200, pixels
                stream.codec_context.colorspace, stream.codec_context.color_range = space, reach
                for _ in range(5):
                    frame = av.VideoFrame.from_image(quarters())
                    made = frame.reformat(format=pixels, dst_colorspace=swscale, dst_color_range=reach)
                    made.colorspace, made.color_range = space, reach
                    container.mux(stream.encode(made))
                container.mux(stream.encode())
            assert close(corners(poster(look(path))), CORNERS, within=16), (name, reach)


def test_an_interlaced_video_is_told_and_its_poster_has_no_combs(tmp_path: Path) -> None:
    def fields(number: int) -> Image.Image:
        """Even rows show the bar 20 pixels before the odd ones."""
        rows = np.full((200, 320, 3), 40, np.uint8)
        at = 40 + 4 * number
        rows[::2, at : at + 60], rows[1::2, at + 20 : at + 80] = 220, 220
        return Image.fromarray(rows)

    found = look(encode(tmp_path / "a.mp4", fields, frames=20, options={"flags": "+ildct+ilme"}))
    assert found.video.interlaced
    assert "it is interlaced" in found.web_obstacles
    picture = np.asarray(poster(found).convert("L"), np.float32)
    assert np.abs(np.diff(picture, axis=0)).mean() < 2  # combs would make a difference at every row


# --- the choice ------------------------------------------------------------------------------------------------------


def test_a_black_beginning_and_blurred_pictures_are_not_chosen(tmp_path: Path) -> None:
    def film(number: int) -> Image.Image:
        return black(number) if number < 20 else moving(number) if 60 <= number < 65 else blurred(number)

    found = look(encode(tmp_path / "a.mp4", film, frames=100, options={"crf": "18"}))
    assert found.poster.at_ms == 3000
    assert found.poster.sharpness > 3 * found.quality.sharpness  # type: ignore[operator]
    assert found.poster.candidates == 20
    assert [(s.from_ms, s.until_ms) for s in found.quality.black] == [(0, 1000)]
    assert "blurred" in found.quality.reasons


def test_a_video_with_one_key_frame_in_the_dark_still_gets_a_picture(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", lambda n: black(n) if n < 20 else moving(n), frames=60, key_every=1000)
    found = look(path)
    assert found.poster.at_ms >= 1000
    assert found.poster.brightness > 0.2
    assert found.preview is not None
    assert found.preview.frames >= 6


def test_a_video_that_is_black_from_end_to_end_has_a_black_poster_and_a_poor_verdict(tmp_path: Path) -> None:
    found = look(encode(tmp_path / "a.mp4", black, frames=40))
    assert found.quality.verdict == "poor"
    assert "black for 100% of the time" in found.quality.reasons


def test_one_picture_is_a_video_without_preview(tmp_path: Path) -> None:
    found = look(encode(tmp_path / "a.mp4", moving, frames=1))
    assert (found.poster.candidates, found.preview, found.strip) == (1, None, None)


def test_no_more_than_24_pictures_are_decoded_however_long_a_video_is(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "a.mp4", lambda n: moving(n, 64, 48), frames=1200, key_every=3, options={"preset": "ultrafast"}
    )
    found = look(path)
    assert found.quality.samples == 24
    assert found.strip is not None
    assert (found.strip.tiles, found.strip.columns, found.strip.rows, found.strip.interval_ms) == (24, 6, 4, 2500)
    assert extract_poster(path, LIMITS, into=str(tmp_path), key_frames=5).candidates == 5


def test_the_strip_s_tiles_are_in_order_of_time(tmp_path: Path) -> None:
    path = encode(
        tmp_path / "a.mp4", lambda n: Image.new("RGB", (320, 200), (40 + 2 * n, 60, 60)), frames=96, key_every=4
    )
    strip = look(path).strip
    assert strip is not None
    with Image.open(strip.path) as sheet:
        middles = [
            sheet.getpixel(
                ((n % strip.columns) * strip.tile_width + 80, (n // strip.columns) * strip.tile_height + 50)
            )[0]  # type: ignore[index]
            for n in range(strip.tiles)
        ]
    assert middles == sorted(middles)
    assert middles[-1] - middles[0] > 150


def test_the_preview_moves_and_leaves_the_dark_out(tmp_path: Path) -> None:
    found = look(encode(tmp_path / "a.mp4", lambda n: black(n) if n < 40 else moving(n), frames=120))
    preview = found.preview
    assert preview is not None
    assert (preview.frames, preview.duration_ms, preview.format) == (12, 3000, "webp")
    with Image.open(preview.path) as moving_picture:
        shown = []
        for n in range(preview.frames):
            moving_picture.seek(n)
            shown.append(np.asarray(moving_picture.convert("L"), np.float32))
    assert min(picture.mean() for picture in shown) > 30
    assert min(np.abs(a - b).mean() for a, b in pairwise(shown)) > 1


# --- the verdict -----------------------------------------------------------------------------------------------------


def test_a_frozen_stretch_is_found(tmp_path: Path) -> None:
    found = look(encode(tmp_path / "a.mp4", lambda n: moving(min(n, 40)), frames=120, options={"crf": "12"}))
    [frozen] = found.quality.frozen
    assert frozen.from_ms == pytest.approx(2000, abs=300)
    assert frozen.until_ms == pytest.approx(6000, abs=300)
    assert any("standing still" in reason for reason in found.quality.reasons)


def test_a_shaking_camera_is_told_from_an_even_pan_and_from_a_tripod(tmp_path: Path) -> None:
    scene, dice = noise(600, 300, seed=4), np.random.default_rng(5)
    jolts = dice.integers(-9, 10, (40, 2))

    def held(name: str, place: Callable[[int], tuple[int, int]]) -> float:
        def seen(number: int) -> Image.Image:
            x, y = place(number)
            return scene.crop((x, y, x + 320, y + 200))

        shake = look(encode(tmp_path / name, seen, frames=40)).quality.shake
        assert shake is not None
        return shake

    tripod = held("tripod.mp4", lambda n: (50, 50))
    pan = held("pan.mp4", lambda n: (10 + 5 * n, 50))
    hand = held("hand.mp4", lambda n: (50 + int(jolts[n][0]), 50 + int(jolts[n][1])))
    assert tripod < 0.1
    assert pan < 0.5
    assert hand > 2


def test_a_scene_that_changes_all_the_time_is_not_called_shaky(tmp_path: Path) -> None:
    found = look(encode(tmp_path / "a.mp4", lambda n: noise(320, 200, seed=n), frames=30))
    assert found.quality.shake is None or found.quality.shake < 1


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv"])
def test_missing_pictures_are_counted_where_they_are_missing(tmp_path: Path, name: str) -> None:
    found = look(encode(tmp_path / name, moving, frames=100, times=lambda n: n if n < 50 else n + 8))
    assert found.quality.dropped_frames == 8
    [gap] = found.quality.gaps
    assert (gap.from_ms, gap.until_ms) == (pytest.approx(2450, abs=2), pytest.approx(2900, abs=2))
    assert not found.video.variable_frame_rate


def test_a_variable_rate_is_not_taken_for_missing_pictures(tmp_path: Path) -> None:
    rates = np.random.default_rng(1).integers(3, 12, 100).cumsum()
    found = look(encode(tmp_path / "a.mp4", moving, frames=80, rate=100, times=lambda n: int(rates[n])))
    assert found.video.variable_frame_rate
    assert found.quality.dropped_frames == 0


# --- what is broken --------------------------------------------------------------------------------------------------


def refusal(path: Path) -> MediaRejected:
    with pytest.raises(MediaRejected) as caught:
        inspect(path, LIMITS)
    return caught.value


@pytest.mark.parametrize(
    ("name", "movflags", "codec", "says"),
    [
        ("a.mp4", None, "libx264", "its index \\(moov\\)"),
        ("b.mp4", "faststart", "libx264", "3[5-9] % of it is missing"),
        ("c.mov", "faststart", "libx264", "of it is missing"),
        ("d.mp4", "frag_keyframe+empty_moov", "libx264", "it should have"),
        ("e.webm", None, "libvpx-vp9", "it should have"),
        ("f.mkv", None, "libx264", "it should have"),
    ],
)
def test_a_video_that_is_cut_short_is_refused_with_what_is_missing(
    tmp_path: Path, name: str, movflags: str | None, codec: str, says: str
) -> None:
    path = encode(tmp_path / name, lambda n: moving(n % 20), frames=100, codec=codec, movflags=movflags)
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * 0.62)])
    refused = refusal(path)
    assert refused.code == "truncated"
    assert refused.reason.startswith("the video is cut short")
    assert re.search(says, refused.reason), refused.reason


def test_a_wrong_length_of_the_media_alone_does_no_harm(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", moving, frames=40, movflags="faststart")
    data = bytearray(path.read_bytes())
    at = data.index(b"mdat") - 4
    data[at : at + 4] = (int.from_bytes(data[at : at + 4], "big") + 5000).to_bytes(4, "big")
    path.write_bytes(data)
    assert inspect(path, LIMITS).kind == "video"
    assert look(path).notes == ()


def test_damage_in_the_middle_is_noted_and_the_poster_is_from_elsewhere(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", moving, frames=120, movflags="faststart")
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    length = len(data) - start
    low, high = start + int(length * 0.4), start + int(length * 0.6)
    data[low:high] = np.random.default_rng(2).integers(0, 255, high - low, dtype=np.uint8).tobytes()
    path.write_bytes(data)
    assert inspect(path, LIMITS).kind == "video"
    found = look(path)
    assert any("damaged" in note for note in found.notes)
    assert not 2400 <= found.poster.at_ms <= 3500
    assert found.quality.verdict != "good"


def test_a_file_whose_pictures_are_all_rubbish_is_refused(tmp_path: Path) -> None:
    path = encode(tmp_path / "a.mp4", moving, frames=20, movflags="faststart")
    data = bytearray(path.read_bytes())
    start = data.index(b"mdat") + 4
    data[start:] = bytes(len(data) - start)
    path.write_bytes(data)
    assert refusal(path).code == "corrupt"
    with pytest.raises(MediaRejected, match="can be decoded"):
        look(path)


def test_a_picture_and_a_sound_file_are_no_videos(tmp_path: Path) -> None:
    quarters().save(tmp_path / "a.jpg")
    with pytest.raises(MediaRejected, match="not a video"):
        look(tmp_path / "a.jpg")
