"""Two things at once are refused with a name for the second; honest files with much behind their end are taken."""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.media.images import inspect
from adapters.media.polyglot import examine
from adapters.media.sandbox import SandboxedMediaEngine
from adapters.media.sniff import sniff
from domain.errors import MediaRejected
from domain.media import Limits
from tests.unit.media.disguises import (
    AT_THE_END_ONLY,
    HONEST,
    NAMES,
    PAYLOADS,
    archive,
    clip,
    media,
    tar_that_begins_as,
    with_comment,
)
from tests.unit.media.pictures import encoded, noise, quarters, save

LIMITS = Limits()
JPEG = encoded(quarters(64, 48), "JPEG")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    folder = tmp_path_factory.mktemp("samples")
    return {name: media(folder, name) for name in NAMES}


def refusal_of(path: Path, data: bytes) -> MediaRejected:
    path.write_bytes(data)
    with pytest.raises(MediaRejected) as refused:
        inspect(path, LIMITS)
    return refused.value


@pytest.mark.parametrize("name", NAMES)
def test_without_anything_behind_them_the_samples_are_taken(
    samples: dict[str, bytes], tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    path.write_bytes(samples[name])
    found = inspect(path, LIMITS)
    assert (found.width, found.notes) == (64, ())


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("payload", PAYLOADS)
def test_what_is_appended_to_a_picture_or_a_video_is_named_and_refused(tmp_path: Path, name: str, payload: str) -> None:
    hidden, called = PAYLOADS[payload]
    good = media(tmp_path, name)
    path = tmp_path / f"whole-{name}"
    path.write_bytes(good)
    assert inspect(path, LIMITS).width == 64  # without it the file is taken
    refused = refusal_of(path, good + hidden)
    assert refused.code == "polyglot"
    assert called in refused.reason


@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("a.tiff",)])
@pytest.mark.parametrize("payload", AT_THE_END_ONLY)
@pytest.mark.parametrize("gap", [b"", b"\0" * 40, b"\r\n"])
def test_short_signatures_count_right_behind_the_end(
    samples: dict[str, bytes], tmp_path: Path, name: str, payload: str, gap: bytes
) -> None:
    hidden, called = AT_THE_END_ONLY[payload]
    refused = refusal_of(tmp_path / name, samples[name] + gap + hidden)
    assert (refused.code, called in refused.reason) == ("polyglot", True)


@pytest.mark.parametrize("honest", HONEST, ids=[make.__name__ for make in HONEST])
def test_honest_files_are_taken(tmp_path: Path, honest: Callable[[Path], bytes]) -> None:
    path = tmp_path / "honest"
    path.write_bytes(honest(tmp_path))
    found = inspect(path, LIMITS)
    assert found.width in (64, 320)


@pytest.mark.parametrize("honest", HONEST, ids=[make.__name__ for make in HONEST])
@pytest.mark.parametrize("payload", ["zip", "php", "elf"])
def test_an_honest_tail_hides_nothing(tmp_path: Path, honest: Callable[[Path], bytes], payload: str) -> None:
    hidden, called = PAYLOADS[payload]
    refused = refusal_of(tmp_path / "file", honest(tmp_path) + hidden)
    assert (refused.code, called in refused.reason) == ("polyglot", True)


@pytest.mark.parametrize(
    ("comment", "called"),
    [
        (b"<?php passthru($_GET[0]); __halt_compiler();", "a PHP script"),
        (b"*/=1;</style><script>alert(1)</script>", "a web page"),
        (b"%PDF-1.4\n%...", "a PDF document"),
        (b"Rar!\x1a\x07\x00" + bytes(40), "a RAR archive"),
        (archive(), "a ZIP archive"),
    ],
)
def test_a_comment_hides_nothing(tmp_path: Path, comment: bytes, called: str) -> None:
    refused = refusal_of(tmp_path / "a.jpg", with_comment(JPEG, comment))
    assert (refused.code, called in refused.reason) == ("polyglot", True)


def test_a_comment_may_speak_of_anything_else(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for comment in (b"made with <html> in mind", b"PHP: <?= or <?php", b"see report.pdf, PK", b"caf\xc3\xa9 <3"):
        path.write_bytes(with_comment(JPEG, comment))
        assert inspect(path, LIMITS).notes == ()


def test_a_script_between_the_picture_data_and_its_end_marker_is_found(tmp_path: Path) -> None:
    hidden = PAYLOADS["php"][0]
    refused = refusal_of(tmp_path / "a.jpg", JPEG[:-2] + hidden + JPEG[-2:])
    assert refused.code == "polyglot"


def test_a_picture_that_is_also_a_tape_archive_or_a_cd_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    for data, called in (
        (tar_that_begins_as(JPEG[:20]), "a tar archive"),
        (JPEG.ljust(32769, b"\0") + b"CD001\1" + bytes(100), "a CD"),
    ):
        path.write_bytes(data)
        with pytest.raises(MediaRejected, match=called):
            examine(path, "image/jpeg", LIMITS)


def test_a_video_with_a_script_in_a_box_that_players_skip_is_refused(tmp_path: Path) -> None:
    hidden = PAYLOADS["php"][0]
    box = struct.pack(">I4s", 8 + len(hidden), b"free") + hidden
    refused = refusal_of(tmp_path / "a.mp4", media(tmp_path, "a.mp4") + box)
    assert (refused.code, "a PHP script" in refused.reason) == ("polyglot", True)
    title = clip(tmp_path / "b.mkv", title="<script>alert(1)</script>").read_bytes()
    assert refusal_of(tmp_path / "b.mkv", title).code == "polyglot"


def test_a_tail_that_means_nothing_is_a_note(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG + b"\x01\x02\x03\x04" * 100)
    assert inspect(path, LIMITS).notes == (
        "400 bytes follow the end of the picture; they were looked at and are not shown",
    )


def test_the_engine_refuses_them_too(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG + archive())
    with SandboxedMediaEngine() as engine, pytest.raises(MediaRejected, match="besides a picture"):
        engine.inspect(path)


@given(st.sampled_from(NAMES), st.integers(0, 4000), st.binary(min_size=1, max_size=64), st.integers(0, 4000))
def test_a_damaged_structure_never_breaks_the_walk(
    samples: dict[str, bytes], tmp_path_factory: pytest.TempPathFactory, name: str, at: int, new: bytes, cut: int
) -> None:
    data = bytearray(samples[name])
    data[at % len(data) : at % len(data) + len(new)] = new
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(data[: len(data) - cut] or b"\0")
    for media_type in (
        "image/jpeg",
        "image/png",
        "image/gif",
        "image/webp",
        "image/bmp",
        "image/tiff",
        "video/mp4",
        "video/webm",
    ):
        with contextlib.suppress(MediaRejected):  # the one error that may come of it
            examine(path, media_type, LIMITS)


# --- how deep, how long, how many ------------------------------------------------------------------------------------


def nested_boxes(depth: int) -> bytes:
    body = b""
    for _ in range(depth):
        body = struct.pack(">I4s", 8 + len(body), b"udta") + body
    return body


def nested_tags(depth: int) -> bytes:
    """SimpleTags in each other (RFC 9559, 5.1.8.1.2) in a file of its own: the segment and the tags around them are
    two more levels."""
    body = b""
    for ident in (*[b"\x67\xc8"] * (depth - 2), b"\x12\x54\xc3\x67", b"\x18\x53\x80\x67"):
        body = ident + struct.pack(">Q", 1 << 56 | len(body)) + body
    return b"\x1a\x45\xdf\xa3\x80" + body


@pytest.mark.parametrize(("depth", "taken"), [(10, True), (15, True), (16, False), (5000, False)])
def test_boxes_and_elements_lie_so_deep_in_each_other_and_no_deeper(tmp_path: Path, depth: int, taken: bool) -> None:
    path = tmp_path / "deep"
    for data in (media(tmp_path, "a.mp4") + nested_boxes(depth), nested_tags(depth)):
        path.write_bytes(data)
        if taken:
            examine(path, sniff(path, LIMITS).media_type, LIMITS)
        else:
            with pytest.raises(MediaRejected, match="16 deep") as refused:
                examine(path, sniff(path, LIMITS).media_type, LIMITS)
            assert refused.value.code == "too_deep"


def directory(next_at: int, *pointers: tuple[int, int]) -> bytes:
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in pointers)
    return struct.pack("<H", len(pointers)) + entries + struct.pack("<I", next_at)


@pytest.mark.parametrize(
    "second", [directory(8), directory(26, (330, 8)), directory(26)], ids=["a chain", "a child", "itself"]
)
def test_directories_that_go_in_a_circle_are_refused(tmp_path: Path, second: bytes) -> None:
    path = tmp_path / "a.tiff"
    path.write_bytes(b"II*\0\x08\0\0\0" + directory(26, (330, 26))[:18] + second)
    with pytest.raises(MediaRejected, match="circle") as refused:
        inspect(path, LIMITS)
    assert refused.value.code == "too_deep"


def test_directories_that_lie_too_deep_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    path.write_bytes(b"II*\0\x08\0\0\0" + b"".join(directory(0, (330, 8 + 18 * (n + 1))) for n in range(40)))
    with pytest.raises(MediaRejected, match="16 deep"):
        inspect(path, LIMITS)


def test_an_honest_tiff_with_many_pages_and_directories_is_taken(tmp_path: Path) -> None:
    exif = noise(64, 48).getexif()
    exif.get_ifd(0x8769)[0x9003] = "2024:01:01 10:00:00"
    pages = [noise(64, 48, seed) for seed in range(30)]
    path = tmp_path / "pages.tiff"
    pages[0].save(path, save_all=True, append_images=pages[1:], exif=exif)
    assert inspect(path, LIMITS).frames == 30
    pages[0].save(path, big_tiff=True)
    assert inspect(path, LIMITS).width == 64


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
def test_a_video_is_so_long_and_no_longer(tmp_path: Path, suffix: str) -> None:
    path = clip(tmp_path / f"a.{suffix}", frames=3, apart=6 * 3600 - 10)
    assert inspect(path, LIMITS).kind == "video"
    path = clip(tmp_path / f"b.{suffix}", frames=3, apart=6 * 3600 + 10)
    with pytest.raises(MediaRejected, match=r"12\.0 hours; at most 12") as refused:
        inspect(path, LIMITS)
    assert refused.value.code == "too_long"


def test_a_video_has_so_many_frames_and_no_more(tmp_path: Path) -> None:
    path = clip(tmp_path / "a.mp4", frames=5)
    assert inspect(path, Limits(max_video_frames=5)).kind == "video"
    with pytest.raises(MediaRejected, match="5 frames; at most 4") as refused:
        inspect(path, Limits(max_video_frames=4))
    assert refused.value.code == "too_many_frames"


def test_drawings_and_documents_are_refused_with_what_to_do_instead(tmp_path: Path) -> None:
    svg = refusal_of(tmp_path / "a.png", b'<?xml version="1.0"?>\n<svg xmlns="http://www.w3.org/2000/svg"></svg>')
    assert "export it as a PNG" in svg.reason
    pdf = refusal_of(tmp_path / "a.jpg", b"%PDF-1.7\n")
    assert "save its pages as pictures" in pdf.reason
    assert save(tmp_path, "b.png", quarters()).exists()


@pytest.mark.parametrize(
    ("media_type", "data"),
    [
        ("image/jpeg", b"\xff\xd8" + b"\xff\xe0\0\2" * 300_000),
        ("image/png", b"\x89PNG\r\n\x1a\n" + b"\0\0\0\0tEXt\0\0\0\0" * 300_000),
        ("video/mp4", b"\0\0\0\x08free" * 300_000),
        ("video/webm", b"\xec\x80" * 300_000),
    ],
)
def test_a_file_of_endless_parts_is_refused(tmp_path: Path, media_type: str, data: bytes) -> None:
    path = tmp_path / "endless"
    path.write_bytes(data)
    with pytest.raises(MediaRejected, match="more than 200,000") as refused:
        examine(path, media_type, LIMITS)
    assert refused.value.code == "too_deep"


def test_fill_bytes_between_segments_cost_nothing(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(JPEG[:2] + b"\xff" * 2_000_000 + JPEG[2:] + PAYLOADS["php"][0])
    with pytest.raises(MediaRejected, match="a PHP script"):
        examine(path, "image/jpeg", LIMITS)
