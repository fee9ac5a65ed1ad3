"""Every format: upright exactly once, in its colours, and with a full-size JPEG where a browser can't show it."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from adapters.media.boxes import canon_directories
from adapters.media.sandbox import SandboxedMediaEngine
from adapters.media.sniff import sniff
from domain.errors import MediaRejected
from domain.media import Limits, Rendered
from tests.support import rawfiles
from tests.unit.media.pictures import _STORE, CORNERS, close, corners, encoded, quarters, rendition, save

WITH_ORIENTATION = ("jpg", "png", "webp", "tif", "heic", "avif", "jxl", "dng", "nef", "arw", "cr2", "rw2")
SHOWN_BY_BROWSERS = ("jpg", "png", "webp", "gif", "avif")
RAW = {
    "dng": rawfiles.dng,
    "nef": rawfiles.nef,
    "arw": rawfiles.arw,
    "cr2": rawfiles.cr2,
    "rw2": rawfiles.rw2,
}
MEDIA_TYPES = {
    "dng": "image/x-adobe-dng",
    "nef": "image/x-nikon-nef",
    "arw": "image/x-sony-arw",
    "cr2": "image/x-canon-cr2",
    "rw2": "image/x-panasonic-rw2",
}


@pytest.fixture(scope="module")
def engine() -> Iterator[SandboxedMediaEngine]:
    with SandboxedMediaEngine(Limits()) as engine:
        yield engine


def written(folder: Path, kind: str, orientation: int = 1) -> Path:
    """Four quarters, stored so that the orientation brings them upright."""
    upright = quarters()
    if kind not in RAW:
        options = {"quality": 90} if kind in ("jpg", "heic", "avif") else {}
        return save(folder, f"a.{kind}", upright, orientation=orientation, **options)
    stored = upright.transpose(_STORE[orientation]) if orientation > 1 else upright
    path = folder / f"a.{kind}"
    path.write_bytes(
        RAW[kind](stored, preview=stored.resize((stored.width // 2, stored.height // 2)), orientation=orientation)
    )
    return path


def rendered(engine: SandboxedMediaEngine, path: Path) -> Rendered:
    into = path.parent / "out"
    into.mkdir()
    return engine.render(path, into)


def names(made: Rendered) -> set[str]:
    return {file.name for file in made.files}


@pytest.mark.parametrize("kind", WITH_ORIENTATION)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_every_orientation_of_every_format_is_applied_exactly_once(
    engine: SandboxedMediaEngine, tmp_path: Path, kind: str, orientation: int
) -> None:
    path = written(tmp_path, kind, orientation)
    found = engine.inspect(path)
    assert (found.width, found.height) == (320, 200)
    told = engine.read_metadata(path)
    assert (told.width, told.height, told.orientation) == (320, 200, orientation)
    made = rendered(engine, path)
    for file in made.files:
        picture = rendition(made, file.name, file.format)
        assert picture.size == (file.width, file.height)
        assert file.width > file.height
        assert close(corners(picture), CORNERS, within=18), f"{file.name} as {file.format}"
    assert ("full" in names(made)) == (kind not in SHOWN_BY_BROWSERS)


@pytest.mark.parametrize("kind", ["jpg", "png", "webp", "tif", "bmp", "gif", "avif", "heic", "jxl"])
@pytest.mark.parametrize("size", [(1, 1), (1, 5000), (3, 7), (641, 2)])
def test_odd_sizes_survive_in_every_format(
    engine: SandboxedMediaEngine, tmp_path: Path, kind: str, size: tuple[int, int]
) -> None:
    if kind == "heic":
        size = (size[0], min(size[1], 500))  # the encoder takes no longer a line
    path = save(tmp_path, f"a.{kind}", Image.new("RGB", size, (200, 100, 50)))
    found = engine.inspect(path)
    assert (found.width, found.height) == size
    made = rendered(engine, path)
    assert {"small", "medium", "large"} <= names(made)
    assert ("full" in names(made)) == (kind not in SHOWN_BY_BROWSERS)
    for file in made.files:
        picture = rendition(made, file.name, file.format).convert("RGB")
        assert picture.size == (file.width, file.height)
        assert close(picture.getpixel((0, 0)), (200, 100, 50), within=14)


def test_a_full_copy_has_all_pixels_and_nothing_else(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x013B], exif[0x8298] = "A. Photographer", "(c) A. Photographer"
    path = save(tmp_path, "a.heic", quarters(2600, 1800), exif=exif, xmp=b"<x:xmpmeta>secret</x:xmpmeta>")
    full = next(file for file in rendered(engine, path).files if file.name == "full")
    assert (full.width, full.height, full.format) == (2600, 1800, "jpeg")
    with Image.open(full.path) as picture:
        assert picture.size == (2600, 1800)
        assert close(corners(picture), CORNERS)
        assert not {"exif", "icc_profile", "xmp", "comment", "photoshop", "progression"} & picture.info.keys()
    assert b"secret" not in Path(full.path).read_bytes()
    assert b"Photographer" not in Path(full.path).read_bytes()


def test_a_tiff_of_many_pages_shows_its_first_and_tells_how_many(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    quarters().save(path, save_all=True, append_images=[Image.new("RGB", (50, 60)), Image.new("L", (9, 9))])
    assert engine.inspect(path).frames == 3
    made = rendered(engine, path)
    assert close(corners(rendition(made, "full")), CORNERS)


def test_the_comment_of_a_jpeg_is_not_carried_over(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    made = rendered(engine, save(tmp_path, "a.jpg", quarters(), comment=b"do not tell"))
    assert all(b"do not tell" not in Path(file.path).read_bytes() for file in made.files)


# --- camera raw ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", RAW)
def test_a_raw_files_own_tags_are_read_and_its_size_is_the_sensors(
    engine: SandboxedMediaEngine, tmp_path: Path, kind: str
) -> None:
    path = written(tmp_path, kind, 6)
    found = engine.inspect(path)
    assert (found.media_type, found.width, found.height) == (MEDIA_TYPES[kind], 320, 200)
    tags = engine.read_metadata(path).tags
    assert tags["EXIF:DateTimeOriginal"] == "2021:06:05 04:03:02"
    assert tags["EXIF:FNumber"] == 2.8
    assert tags["EXIF:ISOSpeedRatings"] == 400
    made = rendered(engine, path)
    assert any("that the camera put into the raw file" in note for note in made.notes)
    assert max(f.width for f in made.files) == 160  # the preview's


def test_a_canon_cr3_has_its_tags_in_three_boxes(tmp_path: Path) -> None:
    def box(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I4s", 8 + len(body), kind) + body

    canon = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")
    main, shot, place = (rawfiles.tiff({tag: (2, text)}) for tag, text in ((271, "Canon"), (0x9003, "2021"), (1, "N")))
    inside = box(b"uuid", canon + box(b"CMT1", main) + box(b"CMT2", shot) + box(b"CMT3", b"x") + box(b"CMT4", place))
    path = tmp_path / "a.cr3"
    path.write_bytes(
        box(b"ftyp", b"crx \0\0\0\1crx isom") + box(b"moov", inside + box(b"trak", b"")) + box(b"mdat", b"")
    )
    assert sniff(path, Limits()).media_type == "image/x-canon-cr3"
    assert canon_directories(path) == [main, shot, place]
    for length in range(40, path.stat().st_size - 8, 7):
        cut = tmp_path / "cut.cr3"
        cut.write_bytes(path.read_bytes()[:length])
        assert all(block in (b"", main, shot, place) for block in canon_directories(cut))


def test_an_orientation_inside_the_preview_repeats_the_raw_files_and_is_not_applied_again(
    engine: SandboxedMediaEngine, tmp_path: Path
) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = quarters().transpose(_STORE[6])
    path = tmp_path / "a.dng"
    path.write_bytes(rawfiles.dng(stored, preview=stored, orientation=6, preview_exif=exif.tobytes()))
    assert close(corners(rendition(rendered(engine, path), "large")), CORNERS)


def test_a_preview_that_is_upright_already_is_not_turned(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(rawfiles.dng(quarters().transpose(_STORE[8]), preview=quarters(), orientation=8))
    assert close(corners(rendition(rendered(engine, path), "large")), CORNERS)


def test_the_largest_preview_is_shown_not_the_thumbnail(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(rawfiles.dng(quarters(2400, 1600), preview=quarters(1500, 1000)))
    assert rendition(rendered(engine, path), "full").size == (1500, 1000)


@pytest.mark.parametrize("orientation", [1, 3, 6, 7])
def test_without_a_useful_preview_the_raw_data_is_developed(
    engine: SandboxedMediaEngine, tmp_path: Path, orientation: int
) -> None:
    upright = quarters(600, 400)
    stored = upright.transpose(_STORE[orientation]) if orientation > 1 else upright
    path = tmp_path / "a.dng"
    path.write_bytes(rawfiles.dng(stored, preview=None, orientation=orientation))
    made = rendered(engine, path)
    assert any("developed from the raw data" in note for note in made.notes)
    picture = rendition(made, "full")
    assert picture.size == (300, 200)
    found = np.array(corners(picture), int)
    assert [int(colour.argmax()) for colour in found[:3]] == [0, 1, 2], "red, green, blue are where they belong"
    assert found[3].min() > 180, "and white is white"


def test_a_raw_file_that_is_cut_short_is_refused_or_noted(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    whole = rawfiles.dng(quarters(600, 400), preview=quarters(), sensor=bytes(600 * 400 * 2))
    path = tmp_path / "empty.dng"
    path.write_bytes(whole)
    assert "may be cut short" in " ".join(engine.inspect(path).notes)
    cut = tmp_path / "cut.nef"
    cut.write_bytes(rawfiles.nef(quarters(600, 400), preview=quarters())[:200_000])
    with pytest.raises(MediaRejected, match="cut short"):
        engine.inspect(cut)


def test_an_ordinary_tiff_of_a_camera_maker_is_a_tiff(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010F] = "NIKON CORPORATION"
    path = save(tmp_path, "a.tif", quarters(), exif=exif)
    assert engine.inspect(path).media_type == "image/tiff"


# --- what can only be decoded whole -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "options", "said"),
    [
        ("a.jpg", {"progressive": True}, "a progressive JPEG"),
        ("a.webp", {}, "WEBP"),
        ("a.gif", {}, "GIF"),
        ("a.bmp", {}, "BMP"),
        ("a.avif", {"speed": 10}, "AVIF"),
        ("a.heic", {}, "HEIC"),
        ("a.jxl", {}, "JXL"),
    ],
)
def test_what_would_take_too_much_memory_is_refused_before_it_is_decoded(
    tmp_path: Path, name: str, options: dict[str, object], said: str
) -> None:
    path = save(tmp_path, name, quarters(640, 480), **options)
    with SandboxedMediaEngine(Limits(max_whole_bytes=640 * 480 * 2)) as strict:
        for call in (lambda: strict.inspect(path), lambda: strict.render(path, tmp_path)):
            with pytest.raises(MediaRejected, match=said) as refusal:
                call()
            assert refusal.value.code == "too_many_pixels"
            assert "640 x 480" in refusal.value.reason


def test_what_passes_in_strips_needs_no_memory_for_its_size(tmp_path: Path) -> None:
    with SandboxedMediaEngine(Limits(max_whole_bytes=1000)) as strict:
        for name in ("a.jpg", "a.png", "a.tif"):
            assert strict.inspect(save(tmp_path, name, quarters(640, 480))).width == 640


def test_an_interlaced_png_counts_as_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    pyvips.Image.black(300, 200, bands=3).pngsave(str(path), interlace=True)
    with SandboxedMediaEngine(Limits(max_whole_bytes=1000)) as strict, pytest.raises(MediaRejected, match="interlaced"):
        strict.inspect(path)


@pytest.mark.slow
def test_four_hundred_megapixels_pass_and_a_larger_progressive_jpeg_says_why_not(tmp_path: Path) -> None:
    large = tmp_path / "large.jpg"
    pyvips.Image.black(20_000, 20_000, bands=3).jpegsave(str(large))
    huge = tmp_path / "huge.jpg"
    pyvips.Image.black(16_000, 16_000, bands=3).jpegsave(str(huge), interlace=True, subsample_mode="off")
    with SandboxedMediaEngine(Limits()) as engine:
        assert engine.inspect(large).width == 20_000
        assert rendition(engine.render(large, tmp_path), "large").size == (2048, 2048)
        with pytest.raises(MediaRejected, match="1,464 MB of memory, and at most 1,280 MB"):
            engine.inspect(huge)


def test_jpeg_xl_keeps_transparency_and_a_wide_profile(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    import pylibjxl

    from adapters.media.colour import DISPLAY_P3, matrix_profile

    clear = np.dstack([np.asarray(quarters()), np.full((200, 320), 128, np.uint8)])
    path = tmp_path / "alpha.jxl"
    path.write_bytes(pylibjxl.encode(clear, lossless=True))
    assert rendition(rendered(engine, path), "large", "webp").getpixel((5, 5)) == pytest.approx(
        (220, 30, 30, 128), abs=8
    )
    wide = tmp_path / "p3" / "a.jxl"
    wide.parent.mkdir()
    wide.write_bytes(pylibjxl.encode(np.asarray(quarters()), lossless=True, icc=matrix_profile(DISPLAY_P3, 2.2)))
    red = rendition(rendered(engine, wide), "large").getpixel((5, 5))
    assert red[0] > 235, "P3's red is more than the same numbers in sRGB"


def test_a_jpeg_inside_a_tiff_like_file_is_not_taken_for_a_photo(tmp_path: Path, engine: SandboxedMediaEngine) -> None:
    path = tmp_path / "a.dng"
    path.write_bytes(b"II*\0\x08\0\0\0" + bytes(200) + encoded(quarters(), "JPEG"))
    with pytest.raises(MediaRejected):
        engine.inspect(path)
