"""Kinds of colour that a browser would not show right: each comes out in sRGB, 8 bits, as a person would see it."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import pyvips
from PIL import Image

from adapters.media.boxes import avif_transfer
from adapters.media.colour import DISPLAY_P3, matrix_profile
from adapters.media.sandbox import SandboxedMediaEngine
from domain.media import Limits, Rendered
from tests.support.moving import HDR_NITS, avif_hdr, heic_hdr
from tests.unit.media.pictures import CORNERS, close, corners, encoded, quarters, rendition, save


@pytest.fixture(scope="module")
def engine() -> Iterator[SandboxedMediaEngine]:
    with SandboxedMediaEngine(Limits()) as engine:
        yield engine


def rendered(engine: SandboxedMediaEngine, path: Path) -> Rendered:
    into = path.parent / f"{path.name}.out"
    into.mkdir()
    return engine.render(path, into)


def full(made: Rendered) -> bool:
    return any(file.name == "full" for file in made.files)


def deep(picture: Image.Image) -> pyvips.Image:
    """The picture with 16 bits."""
    values = np.asarray(picture, np.uint16) * 257
    return pyvips.Image.new_from_array(values).copy(interpretation="rgb16" if values.ndim == 3 else "grey16")


def test_a_cmyk_jpeg_is_not_inverted_and_gets_a_full_copy_in_rgb(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    path = save(tmp_path, "a.jpg", quarters().convert("CMYK"), quality=95)
    assert b"Adobe" in path.read_bytes()[:40], "as Photoshop writes it: all four inverted"
    made = rendered(engine, path)
    for name in ("large", "full"):
        picture = rendition(made, name)
        assert picture.mode == "RGB"
        found = np.array(corners(picture), int)
        assert [int(colour.argmax()) for colour in found[:3]] == [0, 1, 2], "ink is duller, but red, green and blue"
        assert found[:3].max(axis=1).min() > 110
        assert found[3].min() > 230, "white stays white"


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_come_down_to_eight(engine: SandboxedMediaEngine, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    deep(quarters()).write_to_file(str(path))
    assert engine.inspect(path).width == 320
    made = rendered(engine, path)
    assert close(corners(rendition(made, "large")), CORNERS)
    if suffix == "tif":
        assert close(corners(rendition(made, "full")), CORNERS)


def test_sixteen_bits_of_grey_come_down_to_eight(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    deep(Image.new("L", (90, 60), 128)).write_to_file(str(path))
    made = rendered(engine, path)
    assert close(corners(rendition(made, "full")), [(128, 128, 128)] * 4)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
@pytest.mark.parametrize("suffix", ["png", "webp", "tif"])
def test_transparency_is_kept_in_webp_and_lies_on_white_in_jpeg(
    engine: SandboxedMediaEngine, tmp_path: Path, mode: str, suffix: str
) -> None:
    picture = Image.new("RGBA", (100, 80), (90, 90, 90, 255))
    picture.paste((90, 90, 90, 0), (50, 0, 100, 80))
    stored = picture if suffix == "webp" else picture.convert(mode)
    made = rendered(engine, save(tmp_path, f"a.{suffix}", stored))
    kept = rendition(made, "large", "webp").convert("RGBA")
    assert [kept.getpixel((x, 40))[3] for x in (10, 90)] == [255, 0]  # type: ignore[index]
    assert close(rendition(made, "large").convert("RGB").getpixel((90, 40)), (255, 255, 255), within=3)
    assert close(rendition(made, "large").convert("RGB").getpixel((10, 40)), (90, 90, 90), within=4)


def test_a_palette_with_a_transparent_colour_is_transparent(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    picture = quarters().quantize(4)
    for name in ("a.png", "a.gif"):
        made = rendered(engine, save(tmp_path, name, picture, transparency=picture.getpixel((5, 5))))
        kept = rendition(made, "large", "webp").convert("RGBA")
        assert kept.getpixel((5, 5))[3] == 0  # type: ignore[index]
        assert kept.getpixel((300, 5))[3] == 255  # type: ignore[index]


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tif", "heic", "avif"])
def test_display_p3_becomes_srgb_in_every_size(engine: SandboxedMediaEngine, tmp_path: Path, suffix: str) -> None:
    profile = matrix_profile(DISPLAY_P3, 2.2)
    grey = Image.new("RGB", (120, 80), (200, 120, 120))
    made = rendered(engine, save(tmp_path, f"a.{suffix}", grey, icc_profile=profile))
    for file in made.files:
        found = rendition(made, file.name, file.format).convert("RGB").getpixel((60, 40))
        assert close(found, (211, 116, 117), within=6), file.name


def test_a_broken_profile_is_noted_and_the_full_copy_is_made_without_it(
    engine: SandboxedMediaEngine, tmp_path: Path
) -> None:
    profile = bytearray(matrix_profile(DISPLAY_P3, 2.2))
    profile[150:400] = bytes(250)
    made = rendered(engine, save(tmp_path, "a.tif", quarters(), icc_profile=bytes(profile)))
    assert any("colour profile" in note for note in made.notes)
    assert close(corners(rendition(made, "full")), CORNERS)


# --- HDR --------------------------------------------------------------------------------------------------------------


def test_of_a_jpeg_with_a_gain_map_the_ordinary_picture_is_shown(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    """Ultra HDR and Apple's: the base comes first, the map (here: plain white) behind it as a second picture."""
    path = tmp_path / "a.jpg"
    xmp = b'<x:xmpmeta xmlns:hdrgm="http://ns.adobe.com/hdr-gain-map/1.0/" hdrgm:Version="1.0"/>'
    quarters().save(path, "MPO", save_all=True, append_images=[Image.new("RGB", (80, 50), "white")], xmp=xmp)
    assert b"MPF\0" in path.read_bytes()
    assert engine.inspect(path).media_type == "image/jpeg"
    made = rendered(engine, path)
    assert close(corners(rendition(made, "large")), CORNERS)
    for file in made.files:
        data = Path(file.path).read_bytes()
        assert b"hdrgm" not in data
        assert b"MPF\0" not in data


@pytest.mark.parametrize("transfer", [16, 18])
@pytest.mark.parametrize("suffix", ["heic", "avif"])
def test_hdr_is_bent_into_what_a_screen_shows(
    engine: SandboxedMediaEngine, tmp_path: Path, suffix: str, transfer: int
) -> None:
    path = (heic_hdr if suffix == "heic" else avif_hdr)(tmp_path / f"a.{suffix}", transfer)
    assert engine.inspect(path).width == 320
    made = rendered(engine, path)
    assert full(made), "no browser shows it right everywhere"
    for name in ("large", "full"):
        paper, grey, shadow, lamp = (colour[1] for colour in corners(rendition(made, name)))
        assert 210 <= paper <= 245, "paper white is bright, and there is room above it"
        assert abs(grey - srgb(HDR_NITS[1] / 203)) < 6, "below the knee nothing is changed"
        assert abs(shadow - srgb(HDR_NITS[2] / 203)) < 6
        assert lamp >= 250, "the brightest light is white"


def srgb(linear: float) -> float:
    return 255 * (1.055 * linear ** (1 / 2.4) - 0.055)


def test_an_avif_without_hdr_is_shown_as_it_is(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    path = save(tmp_path, "a.avif", quarters(), quality=90)
    assert avif_transfer(path) not in (16, 18)
    made = rendered(engine, path)
    assert not full(made)
    assert close(corners(rendition(made, "large")), CORNERS)


def test_a_broken_index_of_an_avif_says_nothing_about_its_light(tmp_path: Path) -> None:
    data = avif_hdr(tmp_path / "a.avif", 16).read_bytes()
    at = data.index(b"ipma")
    for cut in (at, at + 6, at + 14):
        broken = tmp_path / "b.avif"
        broken.write_bytes(data[:cut])
        assert avif_transfer(broken) == 2
    wild = tmp_path / "c.avif"
    wild.write_bytes(data[: at + 8] + b"\xff" * 40 + data[at + 48 :])
    assert avif_transfer(wild) == 2


# --- nothing but pixels -----------------------------------------------------------------------------------------------


@pytest.fixture
def signed(tmp_path: Path) -> Path:
    exif = Image.Exif()
    exif[0x013B], exif[0x8298], exif[0x010F] = "A. Photographer", "(c) 2026 A. Photographer", "Secretmaker"
    exif.get_ifd(0x8825)[1] = "N"
    return save(tmp_path, "a.jpg", quarters(900, 600), exif=exif, comment=b"secret", xmp=b"<x:xmpmeta>secret</x>")


def test_a_copyright_is_kept_only_when_asked_for_and_alone(signed: Path, tmp_path: Path) -> None:
    for keep in (False, True):
        into = tmp_path / str(keep)
        into.mkdir()
        with SandboxedMediaEngine(keep_copyright=keep, optimise=("jpeg", "webp", "avif")) as engine:
            made = engine.render(signed, into)
        for file in made.files:
            data = Path(file.path).read_bytes()
            assert b"ecret" not in data
            with Image.open(io.BytesIO(data)) as picture:
                kept = {0x013B: "A. Photographer", 0x8298: "(c) 2026 A. Photographer"}
                assert dict(picture.getexif()) == (kept if keep and file.format == "jpeg" else {})
                assert not picture.getexif().get_ifd(0x8825)


def test_a_picture_that_names_no_author_gets_no_exif_even_when_asked(tmp_path: Path) -> None:
    with SandboxedMediaEngine(keep_copyright=True) as engine:
        made = rendered(engine, save(tmp_path, "a.jpg", quarters()))
    assert b"Exif" not in Path(made.files[-1].path).read_bytes()


# --- copies for the web -----------------------------------------------------------------------------------------------


def test_web_copies_are_smaller_in_full_size_and_upright(tmp_path: Path) -> None:
    from tests.unit.media.pictures import noise

    path = save(tmp_path, "a.jpg", noise(1200, 900), orientation=6, quality=97)
    with SandboxedMediaEngine(optimise=("jpeg", "webp", "avif")) as engine:
        made = rendered(engine, path)
    web = {file.format: file for file in made.files if file.name == "web"}
    assert set(web) == {"jpeg", "webp", "avif"}
    expected = np.asarray(noise(1200, 900).resize((60, 45), Image.Resampling.BOX), float)
    for file in web.values():
        assert (file.width, file.height) == (1200, 900)
        assert file.bytes < path.stat().st_size
        with Image.open(file.path) as picture:
            found = np.asarray(picture.convert("RGB").resize((60, 45), Image.Resampling.BOX), float)
            assert picture.size == (1200, 900)
        assert np.abs(found - expected).mean() < 4


def test_a_copy_that_would_be_larger_is_not_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(encoded(quarters(800, 600), "PNG", optimize=True))
    with SandboxedMediaEngine(optimise=("jpeg", "webp")) as engine:
        made = rendered(engine, path)
    for kind in ("jpeg", "webp"):
        copies = [file for file in made.files if (file.name, file.format) == ("web", kind)]
        assert all(file.bytes < path.stat().st_size for file in copies)
        assert copies or any(f"no {kind} copy" in note for note in made.notes)
    assert any("larger than the original" in note for note in made.notes)


def test_what_an_encoder_would_have_to_hold_whole_is_left_out_with_a_note(tmp_path: Path) -> None:
    path = save(tmp_path, "a.jpg", quarters(800, 600), quality=97)
    with SandboxedMediaEngine(Limits(max_whole_bytes=800 * 600 * 7), optimise=("webp", "avif")) as engine:
        made = rendered(engine, path)
    assert [file.format for file in made.files if file.name == "web"] == ["webp"]
    assert any("no avif copy" in note and "too large" in note for note in made.notes)
