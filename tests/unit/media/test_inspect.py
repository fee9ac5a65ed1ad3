"""Inspection: type, upright size and frames of what is whole; a refusal with a reason for what is not."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from PIL import Image, ImageSequence

from adapters.media.images import inspect
from domain.errors import MediaRejected
from domain.media import Limits
from tests.unit.media.pictures import encoded, noise, quarters, save

LIMITS = Limits()


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("a.jpg", "image/jpeg"),
        ("a.png", "image/png"),
        ("a.webp", "image/webp"),
        ("a.gif", "image/gif"),
        ("a.tiff", "image/tiff"),
        ("a.bmp", "image/bmp"),
        ("a.heic", "image/heic"),
        ("a.avif", "image/avif"),
    ],
)
def test_every_format_is_told_by_content_whatever_the_name(tmp_path: Path, name: str, media_type: str) -> None:
    path = save(tmp_path, name, quarters(64, 40)).rename(tmp_path / "holiday.pdf")
    found = inspect(path, LIMITS)
    assert (found.media_type, found.kind, found.width, found.height, found.frames) == (media_type, "image", 64, 40, 1)
    assert found.notes == ()


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_is_as_a_person_sees_it(tmp_path: Path, orientation: int) -> None:
    found = inspect(save(tmp_path, "a.jpg", quarters(64, 40), orientation=orientation), LIMITS)
    assert (found.width, found.height) == (64, 40)


def test_a_progressive_and_a_one_pixel_jpeg_are_fine(tmp_path: Path) -> None:
    assert inspect(save(tmp_path, "p.jpg", noise(300, 200), progressive=True), LIMITS).width == 300
    assert inspect(save(tmp_path, "one.jpg", Image.new("RGB", (1, 1))), LIMITS).height == 1


def test_frames_are_counted(tmp_path: Path) -> None:
    pages = [quarters(40 + 8 * n, 30) for n in range(4)]
    tiff = tmp_path / "pages.tif"
    pages[0].save(tiff, save_all=True, append_images=pages[1:])
    assert inspect(tiff, LIMITS).frames == 4
    same = [noise(40, 30, seed) for seed in range(4)]
    for kind in ("gif", "webp"):
        path = tmp_path / f"moving.{kind}"
        same[0].save(path, save_all=True, append_images=same[1:])
        assert inspect(path, LIMITS).frames == 4
        with pytest.raises(MediaRejected, match="4 frames"):
            inspect(path, Limits(max_frames=3))
        with Image.open(path) as image:
            assert len(list(ImageSequence.Iterator(image))) == 4


@pytest.mark.parametrize("name", ["a.jpg", "p.jpg", "a.png", "a.webp", "a.gif", "a.tiff", "a.bmp", "a.heic", "a.avif"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_a_file_that_is_cut_short_is_refused(tmp_path: Path, name: str, kept: float) -> None:
    path = save(tmp_path, name, noise(400, 300), **({"progressive": True} if name == "p.jpg" else {}))
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * kept)])
    with pytest.raises(MediaRejected) as refusal:
        inspect(path, LIMITS)
    assert refusal.value.code in ("truncated", "corrupt")


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_a_file_with_bytes_overwritten_in_its_middle_is_refused(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, name, noise(400, 300))
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 64] = b"\xff\xd9" * 32
    path.write_bytes(data)
    with pytest.raises(MediaRejected) as refusal:
        inspect(path, LIMITS)
    assert refusal.value.code in ("truncated", "corrupt")


def test_limits_are_checked_before_pixels_are_decoded(tmp_path: Path) -> None:
    path = save(tmp_path, "a.png", quarters(200, 100))
    with pytest.raises(MediaRejected, match="at most 10,000") as refusal:
        inspect(path, Limits(max_pixels=10_000))
    assert refusal.value.code == "too_many_pixels"
    with pytest.raises(MediaRejected, match=r"200 x 100 pixels.* 150 along an edge"):
        inspect(path, Limits(max_edge_px=150))


def test_a_png_that_claims_to_be_gigantic_is_refused(tmp_path: Path) -> None:
    data = bytearray(encoded(quarters(8, 8), "PNG"))
    data[16:24] = struct.pack(">II", 60_000, 60_000)
    path = tmp_path / "bomb.png"
    path.write_bytes(data)
    with pytest.raises(MediaRejected):
        inspect(path, LIMITS)


def test_a_gif_with_a_frame_far_beyond_its_canvas_is_refused(tmp_path: Path) -> None:
    data = bytearray(encoded(quarters(16, 16), "GIF"))
    at = data.index(b"\x2c\0\0\0\0\x10\0\x10\0")
    data[at + 1 : at + 9] = struct.pack("<4H", 65_000, 65_000, 16, 16)
    path = tmp_path / "bomb.gif"
    path.write_bytes(data)
    with pytest.raises(MediaRejected) as refusal:
        inspect(path, LIMITS)
    assert refusal.value.code == "too_many_pixels"


def test_damaged_exif_is_a_note_and_the_picture_is_fine(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x010F], exif[0x0110] = "x" * 300, "Canon", "EOS"
    block = exif.tobytes()
    path = tmp_path / "a.jpg"
    for cut in (14, 100, 310, 350):
        path.write_bytes(encoded(quarters(), "JPEG", exif=block[: len(block) - cut]))
        found = inspect(path, LIMITS)
        assert found.width == 320
        assert any("EXIF" in note for note in found.notes), cut


def test_a_camera_raw_file_in_a_tiff_coat_is_refused_and_not_taken_for_its_thumbnail(tmp_path: Path) -> None:
    path = tmp_path / "photo.dng"
    quarters(64, 40).save(path, "TIFF", tiffinfo={271: "Leica", 50706: b"\1\4\0\0"})
    with pytest.raises(MediaRejected, match="camera raw"):
        inspect(path, LIMITS)
