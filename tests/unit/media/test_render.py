"""Renditions: upright, in the right colours, at the right sizes, and with nothing of the original but its pixels."""

from __future__ import annotations

import base64
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms

from adapters.media.colour import ADOBE_RGB, DISPLAY_P3, SRGB, is_srgb, matrix_profile
from adapters.media.images import FORMATS, inspect, render
from adapters.media.thumbhash import decode_average, thumbhash
from domain.errors import MediaRejected
from domain.media import RENDITION_SIZES, Limits, Rendered
from tests.unit.media.pictures import CORNERS, close, corners, noise, quarters, rendition, save

LIMITS = Limits()


def rendered(path: Path) -> Rendered:
    into = path.parent / f"{path.name}.out"
    into.mkdir()
    return render(path, LIMITS, into=str(into))


def test_three_sizes_in_two_formats_come_from_a_large_picture(tmp_path: Path) -> None:
    made = rendered(save(tmp_path, "a.jpg", noise(2600, 1500)))
    assert {(f.name, f.format) for f in made.files} == {(n, k) for n in RENDITION_SIZES for k in FORMATS}
    for file in made.files:
        edge = RENDITION_SIZES[file.name]
        assert (file.width, file.height) == (edge, round(1500 * edge / 2600))
        assert Path(file.path).stat().st_size == file.bytes
        with Image.open(file.path) as picture:
            assert picture.size == (file.width, file.height)
            assert picture.format == file.format.upper()
    assert made.engine.startswith("libvips ")


def test_a_small_picture_is_never_enlarged(tmp_path: Path) -> None:
    made = rendered(save(tmp_path, "a.png", noise(500, 300)))
    assert {(f.name, f.width, f.height) for f in made.files} == {
        ("small", 256, 154),
        ("medium", 500, 300),
        ("large", 500, 300),
    }


@pytest.mark.parametrize("size", [(1, 1), (3, 1000), (4000, 2), (257, 255), (3001, 301)])
def test_odd_shapes_keep_at_least_one_pixel(tmp_path: Path, size: tuple[int, int]) -> None:
    made = rendered(save(tmp_path, "a.png", Image.new("RGB", size, (200, 100, 50))))
    for file in made.files:
        with Image.open(file.path) as picture:
            assert picture.size == (file.width, file.height)
            assert min(picture.size) >= 1
            assert close(picture.convert("RGB").getpixel((0, 0)), (200, 100, 50))


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.tiff", "a.avif"])
def test_every_orientation_comes_out_upright(tmp_path: Path, name: str, orientation: int) -> None:
    path = save(tmp_path, name, quarters(), orientation=orientation)
    made = rendered(path)
    for kind in FORMATS:
        picture = rendition(made, "small", kind)
        assert picture.size == (256, 160)
        assert close(corners(picture), CORNERS, within=14)
    assert inspect(path, LIMITS).width == 320


def test_a_heic_whose_exif_alone_says_how_it_lies_is_not_turned(tmp_path: Path) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.heic"
    quarters().save(path, format="HEIF", exif=exif)  # ISO/IEC 23008-12: EXIF's orientation is to be ignored
    assert close(corners(rendition(rendered(path), "small")), CORNERS, within=14)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_heic_whose_container_and_exif_both_say_how_it_lies_is_turned_once(tmp_path: Path, orientation: int) -> None:
    path = save(tmp_path, "a.heic", quarters(), orientation=orientation)
    made = rendered(path)
    assert close(corners(rendition(made, "small")), CORNERS, within=14)
    assert (inspect(path, LIMITS).width, inspect(path, LIMITS).height) == (320, 200)


def test_wide_gamut_colours_are_brought_to_srgb(tmp_path: Path) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    picture = Image.new("RGB", (300, 200), (200, 60, 40))
    for name, primaries in (("p3", DISPLAY_P3), ("adobe", ADOBE_RGB)):
        profile = matrix_profile(primaries, 2.2)
        expected = ImageCms.profileToProfile(
            picture, ImageCms.getOpenProfile(_file(tmp_path / f"{name}.icc", profile)), srgb, renderingIntent=1
        )
        assert expected is not None
        for suffix in ("jpg", "png", "webp", "heic", "tiff"):
            options = {} if suffix in ("png", "tiff") else {"quality": 100}
            made = rendered(save(tmp_path, f"{name}.{suffix}", picture, icc_profile=profile, **options))
            found = rendition(made, "small").getpixel((100, 100))
            assert close(found, expected.getpixel((0, 0)), within=5), (name, suffix)
            assert not close(found, (200, 60, 40), within=5)


def test_adobe_rgb_that_is_said_by_exif_alone_is_believed(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x8769] = {0xA001: 0xFFFF, 0xA005: {1: "R03"}}
    made = rendered(save(tmp_path, "a.jpg", Image.new("RGB", (300, 200), (100, 200, 100)), exif=exif, quality=100))
    plain = rendered(save(tmp_path, "b.jpg", Image.new("RGB", (300, 200), (100, 200, 100)), quality=100))
    assert rendition(made, "small").getpixel((9, 9))[0] < rendition(plain, "small").getpixel((9, 9))[0] - 20  # type: ignore[index]


def test_a_damaged_profile_is_a_note(tmp_path: Path) -> None:
    profile = bytearray(matrix_profile(DISPLAY_P3, 2.2))
    profile[128:] = b"\xff" * (len(profile) - 128)
    made = rendered(save(tmp_path, "a.jpg", quarters(), icc_profile=bytes(profile)))
    assert any("colour profile" in note for note in made.notes)
    assert close(corners(rendition(made, "small")), CORNERS, within=14)


def test_a_profile_is_taken_for_srgb_only_when_it_is() -> None:
    assert is_srgb(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    assert is_srgb(matrix_profile(SRGB, 2.2)) is False or abs(0.5**2.2 - 0.214) < 0.004
    assert not is_srgb(matrix_profile(SRGB, 1.8))
    assert not is_srgb(matrix_profile(DISPLAY_P3, 2.2))
    assert not is_srgb(b"")
    assert not is_srgb(b"\xff" * 400)


def test_cmyk_greyscale_palette_and_16_bit_come_out_as_8_bit_srgb(tmp_path: Path) -> None:
    cmyk = rendered(save(tmp_path, "cmyk.jpg", Image.new("CMYK", (300, 200), (0, 255, 255, 0))))
    red = rendition(cmyk, "small").getpixel((9, 9))
    assert isinstance(red, tuple)
    assert red[0] > 180
    assert max(red[1:]) < 90
    grey = rendered(save(tmp_path, "grey.png", Image.new("L", (300, 200), 77)))
    assert close(rendition(grey, "small").convert("RGB").getpixel((9, 9)), (77, 77, 77), within=2)
    palette = rendered(save(tmp_path, "palette.png", quarters().quantize(16)))
    assert close(corners(rendition(palette, "small")), CORNERS, within=14)
    deep = Image.fromarray(np.full((200, 300), 32768, np.uint16))
    found = rendition(rendered(save(tmp_path, "deep.png", deep)), "small")
    assert close(found.convert("RGB").getpixel((9, 9)), (128, 128, 128), within=2)


def test_alpha_is_kept_in_webp_and_lies_on_white_in_jpeg(tmp_path: Path) -> None:
    picture = Image.new("RGBA", (400, 400), (255, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (0, 0, 200, 400))
    made = rendered(save(tmp_path, "a.png", picture))
    on_white = rendition(made, "small")
    assert close(on_white.getpixel((50, 128)), (0, 0, 255))
    assert close(on_white.getpixel((200, 128)), (255, 255, 255))
    clear = rendition(made, "small", "webp")
    assert clear.mode == "RGBA"
    assert clear.getpixel((200, 128))[3] == 0  # type: ignore[index]
    edge = np.asarray(on_white)[128, 120:136, 1].astype(int)
    assert (np.diff(edge) >= -12).all(), "no red fringe where a transparent red meets blue"


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    path = tmp_path / "moving.gif"
    quarters().save(path, save_all=True, append_images=[Image.new("RGB", (320, 200))] * 3)
    assert close(corners(rendition(rendered(path), "medium")), CORNERS, within=14)


def test_nothing_of_the_original_but_its_pixels_is_in_a_rendition(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x010E], exif[0x010F] = "SECRET-WORDS", "SECRET-CAMERA"
    exif[0x8825] = {1: "N"}
    options = {"exif": exif, "icc_profile": matrix_profile(DISPLAY_P3, 2.2)}
    xmp = b"<x:xmpmeta>SECRET-XMP</x:xmpmeta>"
    for path in (
        save(tmp_path, "a.jpg", noise(1200, 900), comment=b"SECRET-COMMENT", xmp=xmp, **options),
        save(tmp_path, "a.webp", noise(1200, 900), xmp=xmp, **options),
        save(tmp_path, "a.heic", noise(1200, 900), **options),
        save(tmp_path, "a.png", noise(300, 200), **options),
    ):
        for file in rendered(path).files:
            data = Path(file.path).read_bytes()
            assert b"SECRET" not in data
            with Image.open(file.path) as picture:
                assert not picture.getexif()
                assert not {"icc_profile", "xmp", "comment", "exif", "photoshop"} & picture.info.keys()


def test_a_cut_picture_and_a_video_are_refused(tmp_path: Path) -> None:
    path = save(tmp_path, "a.jpg", noise(800, 600))
    path.write_bytes(path.read_bytes()[:9000])
    with pytest.raises(MediaRejected):
        render(path, LIMITS, into=str(tmp_path))
    video = tmp_path / "b.mp4"
    video.write_bytes(b"\0\0\0\x18ftypmp42\0\0\0\0isommp42")
    with pytest.raises(MediaRejected, match="poster"):
        render(video, LIMITS, into=str(tmp_path))


def test_only_the_formats_that_were_asked_for_are_written(tmp_path: Path) -> None:
    made = render(save(tmp_path, "a.jpg", quarters()), LIMITS, into=str(tmp_path), formats=("jpeg",))
    assert [(file.name, file.format) for file in made.files] == [(n, "jpeg") for n in ("small", "medium", "large")]


def test_the_placeholder_is_at_most_25_bytes_and_holds_the_average_colour(tmp_path: Path) -> None:
    made = rendered(save(tmp_path, "a.png", Image.new("RGB", (500, 300), (200, 100, 50))))
    assert len(base64.b64decode(made.thumbhash)) <= 25
    assert close(np.array(decode_average(made.thumbhash)) * 255, (200, 100, 50), within=8)


def test_the_placeholder_equals_the_reference_implementation() -> None:
    rgba = np.asarray(noise(90, 60).convert("RGBA")).copy()
    assert thumbhash(rgba) == _reference_thumbhash(rgba)
    rgba[..., 3] = np.asarray(noise(90, 60, seed=2))[..., 0]
    assert thumbhash(rgba) == _reference_thumbhash(rgba)
    assert thumbhash(rgba.transpose(1, 0, 2).copy()) == _reference_thumbhash(rgba.transpose(1, 0, 2))


def _file(path: Path, data: bytes) -> str:
    path.write_bytes(data)
    return str(path)


def _reference_thumbhash(rgba: np.ndarray) -> str:  # type: ignore[type-arg]
    """The published JavaScript, https://evanw.github.io/thumbhash/, line by line in slow Python."""
    from math import cos, floor, pi

    h, w = rgba.shape[:2]
    flat = [[float(v) for v in px] for px in rgba.reshape(-1, 4)]
    avg_a = sum(px[3] / 255 for px in flat)
    avg = [sum(px[3] / 255 / 255 * px[c] for px in flat) / avg_a for c in range(3)]
    has_alpha = avg_a < w * h
    limit = 5 if has_alpha else 7
    r = lambda v: floor(v + 0.5)  # noqa: E731 - Math.round
    lx, ly = max(1, r(limit * w / max(w, h))), max(1, r(limit * h / max(w, h)))
    channels: list[list[float]] = [[], [], [], []]
    for px in flat:
        a = px[3] / 255
        red, green, blue = (avg[c] * (1 - a) + a / 255 * px[c] for c in range(3))
        values = ((red + green + blue) / 3, (red + green) / 2 - blue, red - green, a)
        for channel, value in zip(channels, values, strict=True):
            channel.append(value)

    def encode(channel: list[float], nx: int, ny: int) -> tuple[float, list[float], float]:
        dc, ac, scale = 0.0, [], 0.0
        for cy in range(ny):
            cx = 0
            while cx * ny < nx * (ny - cy):
                f = 0.0
                fx = [cos(pi / w * cx * (x + 0.5)) for x in range(w)]
                for y in range(h):
                    fy = cos(pi / h * cy * (y + 0.5))
                    for x in range(w):
                        f += channel[x + y * w] * fx[x] * fy
                f /= w * h
                if cx or cy:
                    ac.append(f)
                    scale = max(scale, abs(f))
                else:
                    dc = f
                cx += 1
        return dc, [0.5 + 0.5 / scale * v for v in ac] if scale else ac, scale

    l_dc, l_ac, l_scale = encode(channels[0], max(3, lx), max(3, ly))
    p_dc, p_ac, p_scale = encode(channels[1], 3, 3)
    q_dc, q_ac, q_scale = encode(channels[2], 3, 3)
    a_dc, a_ac, a_scale = encode(channels[3], 5, 5) if has_alpha else (1.0, [], 1.0)
    landscape = w > h
    h24 = r(63 * l_dc) | r(31.5 + 31.5 * p_dc) << 6 | r(31.5 + 31.5 * q_dc) << 12 | r(31 * l_scale) << 18
    h24 |= has_alpha << 23
    h16 = (ly if landscape else lx) | r(63 * p_scale) << 3 | r(63 * q_scale) << 9 | landscape << 15
    out = [h24 & 255, h24 >> 8 & 255, h24 >> 16, h16 & 255, h16 >> 8]
    if has_alpha:
        out.append(r(15 * a_dc) | r(15 * a_scale) << 4)
    start, index = len(out), 0
    for ac in [l_ac, p_ac, q_ac] + ([a_ac] if has_alpha else []):
        for f in ac:
            if index % 2 == 0:
                out.append(0)
            out[start + (index >> 1)] |= r(15 * f) << ((index & 1) << 2)
            index += 1
    return base64.b64encode(bytes(out)).decode()
