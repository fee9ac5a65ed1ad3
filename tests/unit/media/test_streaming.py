"""Encoding for the web, on generated videos: every picture in its place, sound with pictures, in all that comes in."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from adapters.media.encoding import encode_video
from adapters.media.fragments import boxes, layout
from adapters.media.joining import encode_audio, join_mp4
from domain.errors import MediaRejected
from domain.media import Limits
from domain.streaming import LEAD_FRAMES, Encoded, EncodedFile
from tests.support.videos import SIZE, click_times, drift, flashes, make_video, number_of, pictures_of, sound_of

LIMITS = Limits()
LADDER = [
    {"name": "192p", "width": 320, "height": 192, "max_bitrate": 1_000_000},
    {"name": "96p", "width": 160, "height": 96, "max_bitrate": 300_000},
]
RATE = (30, 1)


def encode(source: Path, into: Path, first: int = 0, end: int = 100_000, **changes: Any) -> Encoded:
    into.mkdir(exist_ok=True)
    options: dict[str, Any] = {
        "format": {".mkv": "matroska", ".webm": "webm", ".mov": "mov"}.get(source.suffix, "mp4"),
        "rate": RATE,
        "gop": 30,
        "segment": 60,
        "rungs": LADDER,
    }
    return encode_video(source, LIMITS, into=str(into), first=first, end=end, **options | changes)


def numbers(files: Sequence[EncodedFile]) -> list[int]:
    """Numbers of the pictures of some files, in order."""
    return [number_of(image) for file in files for _, image in pictures_of(file.path)]


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_video(tmp_path_factory.mktemp("videos") / "plain.mp4", 5, audio="aac", options={"g": "25"})


class TestStretches:
    def test_one_decode_gives_all_renditions_with_every_picture_in_its_place(self, plain: Path, tmp_path: Path) -> None:
        made = encode(plain, tmp_path / "out")
        assert [(file.rendition, file.width, file.height) for file in made.files] == [
            ("192p", 320, 192),
            ("96p", 160, 96),
        ]
        for file in made.files:
            shown = pictures_of(file.path)
            assert [number_of(image) for _, image in shown] == list(range(150))
            assert [at for at, _ in shown] == pytest.approx([(n + LEAD_FRAMES) / 30 for n in range(150)], abs=1e-4)

    @pytest.mark.parametrize("borders", [(0, 60, 120, 400), (0, 7, 8, 63, 400), (0, 150, 400)])
    def test_stretches_made_apart_are_the_whole_without_a_seam(
        self, plain: Path, tmp_path: Path, borders: tuple[int, ...]
    ) -> None:
        parts = [encode(plain, tmp_path / str(first), first, end) for first, end in itertools.pairwise(borders)]
        files = [part.files[0] for part in parts if part.files]
        assert numbers(files) == list(range(150))
        assert len({file.head_sha256 for file in files}) == 1
        data = b"".join(Path(file.path).read_bytes()[file.head_bytes if i else 0 :] for i, file in enumerate(files))
        whole = tmp_path / "whole.mp4"
        whole.write_bytes(data)
        shown = pictures_of(whole)
        assert [number_of(image) for _, image in shown] == list(range(150))
        assert [at for at, _ in shown] == pytest.approx([(n + LEAD_FRAMES) / 30 for n in range(150)], abs=1e-4)

    @pytest.mark.parametrize(
        ("name", "codec", "options", "container"),
        [
            ("a.mkv", "libx264", {"g": "40", "bf": "3"}, {}),
            ("live.mkv", "libx264", {"g": "40"}, {"live": "1"}),  # without an index
            ("fragmented.mp4", "libx264", {"g": "40"}, {"movflags": "frag_keyframe+empty_moov"}),
            ("a.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8", "g": "40"}, {}),
            ("open-gop.mp4", "libx265", {"preset": "fast", "x265-params": "keyint=25:open-gop=1:log-level=none"}, {}),
            ("one-key.mp4", "libx264", {"g": "999"}, {}),
        ],
        ids=lambda value: value if isinstance(value, str) and "." in value else "",
    )
    def test_a_stretch_is_found_in_any_container_and_any_group_of_pictures(
        self, tmp_path: Path, name: str, codec: str, options: dict[str, str], container: dict[str, str]
    ) -> None:
        source = make_video(tmp_path / name, 4, codec=codec, options=options, container_options=container)
        parts = [encode(source, tmp_path / str(n), n * 33, (n + 1) * 33) for n in range(4)]
        assert numbers([part.files[0] for part in parts]) == list(range(120))

    def test_what_is_behind_the_end_gives_no_file(self, plain: Path, tmp_path: Path) -> None:
        assert encode(plain, tmp_path / "out", 300, 400).files == ()

    def test_decoding_times_go_on_from_one_stretch_to_the_next(self, plain: Path, tmp_path: Path) -> None:
        times = []
        for first, end in ((0, 50), (50, 100), (100, 150)):
            [file, _] = encode(plain, tmp_path / str(first), first, end).files
            with av.open(file.path) as container:
                times += [packet.dts for packet in container.demux(video=0) if packet.size]
        assert times == list(range(0, 150_000, 1000))

    def test_segments_are_the_file_and_each_begins_with_a_key_picture(self, plain: Path, tmp_path: Path) -> None:
        [file, _] = encode(plain, tmp_path / "out").files
        assert file.head_bytes + sum(segment.bytes for segment in file.segments) == file.bytes
        assert [segment.ticks / file.timescale for segment in file.segments] == [2, 2, 1]
        data = Path(file.path).read_bytes()
        at, count = file.head_bytes, 0
        for segment in file.segments:
            alone = tmp_path / "alone.mp4"
            alone.write_bytes(data[: file.head_bytes] + data[at : at + segment.bytes])
            shown = pictures_of(alone)
            assert [number_of(image) for _, image in shown] == list(range(count, count + len(shown)))
            at, count = at + segment.bytes, count + len(shown)
        assert count == 150

    def test_fragments_say_when_they_start_and_how_long_they_play(self, plain: Path, tmp_path: Path) -> None:
        [file, _] = encode(plain, tmp_path / "out", 30, 120).files
        found = layout(Path(file.path))
        assert [(f.start, f.ticks, f.samples) for f in found.fragments] == [
            (30_000, 30_000, 30),
            (60_000, 30_000, 30),
            (90_000, 30_000, 30),
        ]


class TestSources:
    @pytest.mark.parametrize(
        ("name", "codec", "options", "audio"),
        [
            ("a.mp4", "libx265", {"preset": "ultrafast", "x265-params": "log-level=none"}, "aac"),
            ("a.mkv", "libx264", {"preset": "ultrafast"}, "ac3"),
            ("a.webm", "libvpx-vp9", {"deadline": "realtime", "cpu-used": "8"}, "libopus"),
            ("a.mp4", "libsvtav1", {"preset": "12", "crf": "20"}, "aac"),
            ("a.mov", "mjpeg", {}, "pcm_s16le"),
            ("a.mp4", "mpeg4", {}, "libmp3lame"),
        ],
        ids=["hevc-mp4", "h264-mkv", "vp9-webm", "av1-mp4", "mjpeg-mov", "mpeg4-mp4"],
    )
    def test_codecs_and_containers_come_out_whole_and_in_step(
        self, tmp_path: Path, name: str, codec: str, options: dict[str, str], audio: str
    ) -> None:
        form = "yuvj420p" if codec == "mjpeg" else "yuv420p"
        source = make_video(tmp_path / name, 3, codec=codec, options=options, audio=audio, pixel_format=form)
        made = encode(source, tmp_path / "out")
        assert numbers(made.files[:1]) == list(range(90))
        joined = join(source, made, tmp_path)
        assert drift(joined) <= 0.04
        assert [number_of(image) for _, image in pictures_of(joined)] == list(range(90))

    def test_a_variable_frame_rate_becomes_even_and_keeps_its_time(self, tmp_path: Path) -> None:
        times = [Fraction(n, 30) for n in range(30)] + [Fraction(1) + Fraction(n, 10) for n in range(30)]
        source = make_video(tmp_path / "v.mp4", 4, times=times, audio="aac")
        made = encode(source, tmp_path / "out")
        shown = pictures_of(made.files[0].path)
        assert [number_of(image) for _, image in shown][:30] == list(range(30))
        assert [number_of(image) for _, image in shown][30:117] == [30 + n // 3 for n in range(87)]
        assert [at for at, _ in shown] == pytest.approx([(n + LEAD_FRAMES) / 30 for n in range(len(shown))], abs=1e-4)
        assert drift(join(source, made, tmp_path)) <= 0.04

    def test_a_faster_video_leaves_pictures_out_evenly(self, tmp_path: Path) -> None:
        source = make_video(tmp_path / "fast.mp4", 2, rate=120)
        assert numbers(encode(source, tmp_path / "out").files[:1]) == list(range(0, 240, 4))

    @pytest.mark.parametrize("rotation", [0, 90, 180, 270])
    def test_a_turned_picture_comes_out_upright(self, tmp_path: Path, rotation: int) -> None:
        source = make_video(tmp_path / "turned.mp4", 1, turned=rotation)
        made = encode(source, tmp_path / "out", rotation=rotation)
        _, image = pictures_of(made.files[0].path)[9]
        assert image.shape == (192, 320, 3)
        assert number_of(image) == 9
        assert image[150, 10, 0] > 150 > image[150, 10, 1]  # red at its left

    def test_a_mirrored_picture_is_mirrored_back(self, tmp_path: Path) -> None:
        source = make_video(tmp_path / "plain.mp4", 1)
        made = encode(source, tmp_path / "out", mirrored=True)
        _, image = pictures_of(made.files[0].path)[9]
        assert number_of(image[:, ::-1]) == 9

    def test_odd_sizes_are_made_even(self, tmp_path: Path) -> None:
        source = make_video(tmp_path / "odd.mkv", 1, size=(321, 193), codec="ffv1", pixel_format="yuv444p")
        assert numbers(encode(source, tmp_path / "out").files[:1]) == list(range(30))

    def test_what_is_damaged_in_the_middle_costs_a_note_and_no_time(self, plain: Path, tmp_path: Path) -> None:
        data = bytearray(plain.read_bytes())
        with av.open(str(plain)) as container:
            sizes = [(p.pos, p.size) for p in container.demux(video=0) if p.size]
        for at, size in sizes[40:44]:
            data[at : at + size] = bytes(size)
        broken = tmp_path / "broken.mp4"
        broken.write_bytes(data)
        made = encode(broken, tmp_path / "out")
        assert len(numbers(made.files[:1])) == 150
        assert made.notes

    def test_10_bit_4_2_2_becomes_what_every_player_takes(self, tmp_path: Path) -> None:
        source = make_video(tmp_path / "pro.mov", 1, codec="prores_ks", pixel_format="yuv422p10le")
        [file, _] = encode(source, tmp_path / "out").files
        with av.open(file.path) as container:
            track = container.streams.video[0].codec_context
            assert (track.name, track.pix_fmt, track.profile) == ("h264", "yuv420p", "High")
        assert numbers([file]) == list(range(30))

    def test_a_file_that_is_no_video_is_refused(self, tmp_path: Path) -> None:
        source = tmp_path / "a.mp4"
        source.write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
        with pytest.raises(MediaRejected, match="damaged"):
            encode(source, tmp_path / "out")


class TestHdr:
    @pytest.mark.parametrize(("hdr", "transfer"), [("pq", 16), ("hlg", 18)])
    def test_hdr_becomes_bt709_with_8_bits_near_what_the_exact_tone_map_gives(
        self, tmp_path: Path, hdr: str, transfer: int
    ) -> None:
        from adapters.media.hdr import to_sdr

        source = make_video(
            tmp_path / "hdr.mkv",
            1,
            codec="ffv1",
            pixel_format="yuv420p10le",
            colours=(9, transfer, 9),
        )
        [file, _] = encode(source, tmp_path / "out", hdr=hdr).files
        with av.open(file.path) as container:
            frame: Any = next(container.decode(video=0))
            assert (frame.format.name, frame.color_primaries, frame.color_trc, frame.colorspace) == (
                "yuv420p", 1, 1, 1,
            )  # fmt: skip
        _, image = pictures_of(file.path)[9]
        with av.open(str(source)) as container:
            coded = list(container.decode(video=0))[9].to_ndarray(format="rgb48le").astype(np.float32) / 65535
        exact = to_sdr(coded, hdr, "bt2020", peak_nits=1000.0) * 255  # type: ignore[arg-type]
        for area in (np.s_[100:180, 80:300], np.s_[100:180, 8:32]):  # grey, and red, away from edges
            assert np.abs(image[area].mean(axis=(0, 1)) - exact[area].mean(axis=(0, 1))).max() < 6


# --- sound and the MP4 -----------------------------------------------------------------------------------------------


def join(source: Path, made: Encoded, folder: Path, *, copy: bool = False) -> Path:
    """The MP4 of a largest rendition and the sound."""
    into = folder / "joined"
    into.mkdir(exist_ok=True)
    form = {".mkv": "matroska", ".webm": "webm", ".mov": "mov"}.get(source.suffix, "mp4")
    sound = encode_audio(source, LIMITS, into=str(into), format=form, copy=copy, rate=RATE)
    joined = join_mp4(
        source,
        LIMITS,
        into=str(into),
        format=form,
        rate=RATE,
        pictures=[made.files[0].path] if made.files else [],
        sound=sound.files[0].path,
    )
    return Path(joined.path)


def index_comes_first(path: Path) -> bool:
    """Whether `moov` is before `mdat`, by walking the boxes."""
    with path.open("rb") as file:
        kinds = [kind for kind, _, _ in boxes(file, 0, path.stat().st_size)]
    return kinds.index(b"moov") < kinds.index(b"mdat")


class TestSound:
    @pytest.mark.parametrize(
        ("codec", "layout_name", "rate"),
        [("aac", "mono", 44_100), ("aac", "5.1", 48_000), ("libopus", "stereo", 48_000), ("pcm_s16le", "mono", 8_000)],
    )
    def test_any_sound_becomes_stereo_aac_and_starts_where_it_should(
        self, tmp_path: Path, codec: str, layout_name: str, rate: int
    ) -> None:
        source = make_video(tmp_path / "a.mkv", 3, audio=codec, layout=layout_name, sample_rate=rate)
        [file] = encode_audio(source, LIMITS, into=str(tmp_path), format="matroska", copy=False, rate=RATE).files
        with av.open(file.path) as container:
            track: Any = container.streams.audio[0].codec_context
            assert (track.name, track.profile, track.layout.name, track.sample_rate) == ("aac", "LC", "stereo", 48_000)
        start, _, samples = sound_of(file.path)
        assert start == pytest.approx(LEAD_FRAMES / 30, abs=1e-4)
        assert click_times(samples, 48_000) == pytest.approx([0, 1, 2], abs=0.025)

    def test_sound_that_begins_late_stays_late(self, tmp_path: Path) -> None:
        """The first second of sound is cut off, as a camera does that starts its microphone late."""
        whole = make_video(tmp_path / "whole.mkv", 4, audio="pcm_s16le")
        late = tmp_path / "late.mkv"
        with av.open(str(whole)) as source, av.open(str(late), "w") as target:
            tracks = {s.index: target.add_stream_from_template(s) for s in source.streams}
            for packet in source.demux():
                if packet.size and (packet.stream.type == "video" or packet.pts * packet.time_base >= 1.5):
                    packet.stream = tracks[packet.stream.index]
                    target.mux(packet)
        made = encode(late, tmp_path / "out")
        joined = join(late, made, tmp_path)
        start, rate, samples = sound_of(joined)
        assert start == pytest.approx(0, abs=0.03)
        assert click_times(samples, rate) == pytest.approx([2, 3], abs=0.03)

    def test_plain_aac_is_copied_bit_by_bit(self, plain: Path, tmp_path: Path) -> None:
        [file] = encode_audio(plain, LIMITS, into=str(tmp_path), format="mp4", copy=True, rate=RATE).files

        def packets(path: Path | str) -> list[bytes]:
            with av.open(str(path)) as container:
                return [bytes(packet) for packet in container.demux(audio=0) if packet.size and packet.pts >= 0]

        assert packets(file.path) == packets(plain)
        assert sound_of(file.path)[0] == pytest.approx(LEAD_FRAMES / 30, abs=1e-4)

    def test_a_video_without_sound_is_told_apart(self, tmp_path: Path) -> None:
        source = make_video(tmp_path / "silent.mp4", 1)
        with pytest.raises(MediaRejected, match="no audio track"):
            encode_audio(source, LIMITS, into=str(tmp_path), format="mp4", copy=False, rate=RATE)


class TestTheMp4:
    def test_joined_parts_play_as_one_with_the_index_in_front(self, plain: Path, tmp_path: Path) -> None:
        parts = [encode(plain, tmp_path / str(n), n * 50, n * 50 + 50) for n in range(3)]
        [sound] = encode_audio(plain, LIMITS, into=str(tmp_path), format="mp4", copy=False, rate=RATE).files
        joined = join_mp4(
            plain,
            LIMITS,
            into=str(tmp_path),
            format="mp4",
            rate=RATE,
            pictures=[part.files[0].path for part in parts],
            sound=sound.path,
        )
        path = Path(joined.path)
        assert index_comes_first(path)
        shown = pictures_of(path)
        assert [number_of(image) for _, image in shown] == list(range(150))
        assert [at for at, _ in shown] == pytest.approx([n / 30 for n in range(150)], abs=1e-3)
        assert drift(path) <= 0.04
        assert click_times(sound_of(path)[2], 48_000) == pytest.approx([0, 1, 2, 3, 4], abs=0.025)

    @pytest.mark.parametrize("name", ["a.mkv", "a.mov", "fragmented.mp4"])
    def test_a_copy_keeps_every_packet_and_the_time_of_each(self, tmp_path: Path, name: str) -> None:
        options = {"movflags": "frag_keyframe+empty_moov"} if name.startswith("frag") else {}
        source = make_video(tmp_path / name, 3, audio="aac", container_options=options)
        form = {".mkv": "matroska", ".mov": "mov"}.get(source.suffix, "mp4")
        into = tmp_path / "out"
        into.mkdir()
        joined = join_mp4(source, LIMITS, into=str(into), format=form, rate=RATE, pictures=[], copy_sound=True)
        assert index_comes_first(Path(joined.path))
        before, after = pictures_of(source), pictures_of(joined.path)
        assert len(before) == len(after) == 90
        assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(before, after, strict=True))
        assert [at for at, _ in after] == pytest.approx([at - before[0][0] + after[0][0] for at, _ in before], abs=2e-3)
        assert abs(drift(joined.path) - drift(source)) <= 0.002

    def test_a_flash_stays_with_its_picture(self, plain: Path, tmp_path: Path) -> None:
        shown = pictures_of(join(plain, encode(plain, tmp_path / "out"), tmp_path))
        lit = [number_of(image) for _, image in shown if flashes(image)]
        assert lit == [n for n in range(150) if n % 30 < 3]
        assert shown[0][1].shape == (SIZE[1], SIZE[0], 3)
