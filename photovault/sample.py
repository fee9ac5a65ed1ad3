"""A sample library to try PhotoVault with: painted landscapes with cameras, dates and places, and two bad files.

Everything is computed from a seed, so that no picture has an owner; the same call gives the same pixels.
"""

from __future__ import annotations

import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from PIL import Image, ImageDraw, ImageFilter
from PIL.TiffImagePlugin import IFDRational

__all__ = ["write_sample_library"]

_Array = np.ndarray[Any, np.dtype[np.float32]]
Colour = tuple[int, int, int]


class _Scene(Struct, frozen=True):
    """One picture: where, when, with what, and which colours the sky and the land have."""

    name: str
    place: str
    latitude: float
    longitude: float
    taken: str  # local time
    offset: str
    camera: int
    sky: tuple[Colour, Colour]
    land: Colour
    width: int = 1920
    height: int = 1280
    orientation: int = 1
    sea: bool = False


_CAMERAS: tuple[tuple[str, str, str, float, int], ...] = (
    ("Canon", "Canon EOS R6", "RF24-105mm F4 L IS USM", 35.0, 35),
    ("NIKON CORPORATION", "NIKON Z 6_2", "NIKKOR Z 24-70mm f/4 S", 28.0, 28),
    ("Apple", "iPhone 13 Pro", "iPhone 13 Pro back triple camera 5.7mm f/1.5", 5.7, 26),
    ("Google", "Pixel 7", "Pixel 7 back camera 6.81mm f/1.85", 6.81, 24),
    ("FUJIFILM", "X-T4", "XF23mmF1.4 R", 23.0, 35),
)

_DAWN = ((58, 66, 120), (255, 180, 130))
_DAY = ((70, 140, 220), (205, 230, 250))
_DUSK = ((70, 40, 110), (255, 120, 70))
_NIGHT = ((8, 12, 40), (40, 50, 100))
_MIST = ((150, 165, 180), (235, 235, 230))

_SCENES: tuple[_Scene, ...] = (
    _Scene("IMG_0001.jpg", "Arezzo", 43.4633, 11.8796, "2022:04:17 09:12:40", "+02:00", 0, _DAY, (84, 120, 60)),
    _Scene("IMG_0002.jpg", "Arezzo", 43.4651, 11.8830, "2022:04:17 10:05:11", "+02:00", 0, _DAY, (120, 130, 70)),
    _Scene("IMG_0003.jpg", "Florence", 43.7687, 11.2569, "2022:04:18 19:41:03", "+02:00", 0, _DUSK, (70, 50, 60)),
    _Scene("IMG_0004.jpg", "Florence", 43.7731, 11.2560, "2022:04:18 22:15:47", "+02:00", 0, _NIGHT, (20, 24, 40)),
    _Scene("DSC_1001.jpg", "Reykjavik", 64.1466, -21.9426, "2022:06:21 23:48:09", "+00:00", 1, _DAWN, (50, 60, 70),
           sea=True),
    _Scene("DSC_1002.jpg", "Vik", 63.4187, -19.0060, "2022:06:22 14:20:30", "+00:00", 1, _MIST, (40, 46, 44), sea=True),
    _Scene("DSC_1003.jpg", "Vik", 63.4191, -19.0102, "2022:06:22 14:33:02", "+00:00", 1, _MIST, (60, 80, 50),
           width=1280, height=1920, orientation=8),
    _Scene("IMG_2101.jpg", "Lisbon", 38.7139, -9.1334, "2022:09:03 18:55:21", "+01:00", 2, _DUSK, (150, 90, 60),
           width=1536, height=2048, orientation=6),
    _Scene("IMG_2102.jpg", "Lisbon", 38.6970, -9.4215, "2022:09:04 07:02:55", "+01:00", 2, _DAWN, (90, 80, 90),
           sea=True, width=2048, height=1536, orientation=3),
    _Scene("IMG_2103.heic", "Sintra", 38.7876, -9.3906, "2022:09:04 11:40:12", "+01:00", 2, _DAY, (50, 110, 60),
           width=2016, height=1512),
    _Scene("IMG_2104.heic", "Cascais", 38.6979, -9.4206, "2022:09:04 20:01:36", "+01:00", 2, _DUSK, (60, 60, 90),
           sea=True, width=2016, height=1512),
    _Scene("PXL_20221231_225912000.jpg", "Sydney", -33.8568, 151.2153, "2023:01:01 09:59:12", "+11:00", 3, _DAY,
           (40, 90, 80), sea=True, width=2016, height=1512),
    _Scene("PXL_20230101_093015000.jpg", "Sydney", -33.8523, 151.2108, "2023:01:01 20:30:15", "+11:00", 3, _DUSK,
           (30, 40, 60), sea=True, width=1512, height=2016, orientation=6),
    _Scene("PXL_20230102_011500000.jpg", "Katoomba", -33.7320, 150.3120, "2023:01:02 12:15:00", "+11:00", 3, _MIST,
           (60, 100, 110), width=2400, height=1200),
    _Scene("DSCF3001.jpg", "Kyoto", 35.0116, 135.7681, "2023:04:02 06:21:18", "+09:00", 4, _DAWN, (170, 110, 130)),
    _Scene("DSCF3002.jpg", "Kyoto", 34.9671, 135.7727, "2023:04:02 10:44:39", "+09:00", 4, _DAY, (190, 120, 140)),
    _Scene("DSCF3003.jpg", "Tokyo", 35.6586, 139.7454, "2023:04:05 21:10:00", "+09:00", 4, _NIGHT, (30, 20, 50)),
    _Scene("DSCF3004.webp", "Hakone", 35.2324, 139.1069, "2023:04:06 16:30:45", "+09:00", 4, _DAY, (70, 100, 90)),
    _Scene("IMG_4001.jpg", "Denver", 39.7392, -104.9903, "2023:10:14 17:58:33", "-06:00", 0, _DUSK, (180, 110, 40)),
    _Scene("IMG_4002.jpg", "Boulder", 40.0150, -105.2705, "2023:10:15 08:08:08", "-06:00", 0, _DAWN, (200, 130, 50)),
    _Scene("IMG_4003.tif", "Boulder", 40.0176, -105.2797, "2023:10:15 12:00:59", "-06:00", 0, _DAY, (160, 140, 60),
           width=1600, height=1067),
    _Scene("Screenshot_2023-11-02-08-15-30.png", "", 0.0, 0.0, "", "", 0, _MIST, (90, 90, 120), width=1600, height=900),
)  # fmt: skip

_FILM = _Scene("IMG_2105.mov", "Cascais", 38.6962, -9.4198, "2022:09:04 20:06:10", "+01:00", 2, _DUSK, (60, 60, 90),
               sea=True, width=3200, height=1280)  # fmt: skip


def write_sample_library(folder: Path) -> int:
    """Write the sample library into a folder, made if need be; a file that is there already is left alone.

    Twenty-two pictures (JPEG, HEIC, WebP, TIFF, PNG; four of them stored on their side), an animated GIF, a short film,
    a JPEG that is cut short and a text with a picture's name.

    Returns:
        How many files were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = 0
    for seed, scene in enumerate(_SCENES):
        if not (folder / scene.name).exists():
            _write(folder / scene.name, scene, seed)
            written += 1
    animation = folder / "fireworks.gif"
    if not animation.exists():
        frames = [_firework(step) for step in range(10)]
        frames[0].save(animation, save_all=True, append_images=frames[1:], duration=90, loop=0)
        written += 1
    film = folder / _FILM.name
    if not film.exists():
        from photovault.sample_film import write_film  # PyAV takes 0.2 s to load

        write_film(film, _paint(_FILM, len(_SCENES)), _film_tags(_FILM))
        written += 1
    cut = folder / "IMG_4004_cut_short.jpg"
    if not cut.exists():
        whole = (folder / _SCENES[0].name).read_bytes()
        cut.write_bytes(whole[: len(whole) * 2 // 5])
        written += 1
    fake = folder / "not_a_photo.jpg"
    if not fake.exists():
        fake.write_text("This is a text that somebody has given the name of a picture.\n", encoding="utf-8")
        written += 1
    return written


# --- painting --------------------------------------------------------------------------------------------------------


def _paint(scene: _Scene, seed: int) -> Image.Image:
    """Sky with a sun or moon and clouds, ridges that fade with distance, sea or meadow, and a little film grain."""
    rng = np.random.default_rng(seed)
    width, height = scene.width // 2, scene.height // 2  # half the size is a quarter of the time
    horizon = rng.uniform(0.52, 0.66)
    picture = _sky(scene, (width, height), horizon, rng)
    _add_light(picture, scene, horizon, rng)
    near = np.array(scene.land, np.float32)
    far = np.array(scene.sky[1], np.float32)
    y = np.arange(height, dtype=np.float32)[:, None]
    for depth in (0.25, 0.5, 0.75, 1.0):
        top = (horizon + 0.12 * (depth - 0.6)) * height - _ridge(width, rng) * height * 0.11 * (1.3 - 0.5 * depth)
        if scene.sea and depth == 1.0:
            _add_sea(picture, scene, int((horizon + 0.05) * height), rng)
            break
        cover = np.clip(y - top[None, :] + 0.5, 0, 1)[..., None]
        shade = 1.0 - 0.35 * np.clip((y - top[None, :]) / (height * 0.4), 0, 1)[..., None]
        picture += cover * ((far + (near - far) * depth) * shade - picture)
    grain = rng.integers(-4, 5, (height, width, 1), dtype=np.int8)
    painted = Image.fromarray(np.clip(picture + grain, 0, 255).astype(np.uint8))
    return painted.resize((scene.width, scene.height), Image.Resampling.BICUBIC)


def _sky(scene: _Scene, size: tuple[int, int], horizon: float, rng: np.random.Generator) -> _Array:
    width, height = size
    down = np.clip(np.linspace(0, 1 / horizon, height, dtype=np.float32), 0, 1)[:, None, None]
    top, bottom = (np.array(colour, np.float32) for colour in scene.sky)
    sky = np.broadcast_to(top + (bottom - top) * down**1.4, (height, width, 3)).copy()
    small = rng.random((7, 9), dtype=np.float32) * 255
    clouds = Image.fromarray(small.astype(np.uint8)).resize(size, Image.Resampling.BICUBIC)
    cover = np.clip((np.asarray(clouds, np.float32) / 255 - 0.55) * 1.6, 0, 0.6)[..., None] * (1 - down * 0.5)
    sky += cover * (np.minimum(255, bottom + 30) - sky)
    return sky


def _add_light(picture: _Array, scene: _Scene, horizon: float, rng: np.random.Generator) -> None:
    height, width = picture.shape[:2]
    night = scene.sky is _NIGHT
    x0, y0 = width * rng.uniform(0.2, 0.8), height * horizon * rng.uniform(0.3, 0.8)
    radius = min(width, height) * (0.035 if night else 0.05)
    y, x = np.ogrid[0:height, 0:width]
    distance = np.sqrt((x - x0).astype(np.float32) ** 2 + (y - y0).astype(np.float32) ** 2)
    glow = np.exp(-distance / (radius * 4))[..., None] * (0.35 if night else 0.8)
    disc = np.clip(radius - distance, 0, 1)[..., None]
    light = np.array((235, 235, 220) if night else (255, 244, 210), np.float32)
    picture += np.maximum(glow, disc) * (light - picture)
    if night:
        stars = rng.integers(0, (width - 2, int(height * horizon) - 2), (260, 2))
        picture[stars[:, 1], stars[:, 0]] = picture[stars[:, 1], stars[:, 0] + 1] = 230


def _ridge(width: int, rng: np.random.Generator) -> _Array:
    """A line of hills: waves of many lengths, each half as high as the one before."""
    x = np.linspace(0, 1, width, dtype=np.float32)
    waves = [np.sin(x * math.tau * (1.3 * 2**n) + rng.uniform(0, math.tau)) / 1.9**n for n in range(7)]
    return np.asarray(np.sum(waves, axis=0) + 0.6, np.float32)


def _add_sea(picture: _Array, scene: _Scene, shore: int, rng: np.random.Generator) -> None:
    """The sky's mirror, darker, with ripples that grow towards the viewer."""
    rows = picture.shape[0] - shore
    depth = np.linspace(0, 1, rows, dtype=np.float32)[:, None]
    x = np.linspace(0, math.tau, picture.shape[1], dtype=np.float32)[None, :]
    ripples = np.sin(x * 9 + rng.uniform(0, 6) + 60 * np.sqrt(depth)) * np.sin(depth**0.5 * 150 + 3 * np.sin(x * 2))
    top, bottom = (np.array(colour, np.float32) for colour in scene.sky)
    picture[shore:] = (bottom + (top - bottom) * depth[..., None]) * 0.72 + ripples[..., None] * (
        10 + 16 * depth[..., None]
    )


def _firework(step: int) -> Image.Image:
    picture = Image.new("RGB", (480, 360), (6, 8, 30))
    draw = ImageDraw.Draw(picture)
    for number, (x, y, colour) in enumerate(
        ((150, 130, (255, 120, 80)), (320, 100, (120, 200, 255)), (240, 190, (255, 230, 120)))
    ):
        reach = 14 * ((step + 3 * number) % 10)
        for ray in range(18):
            angle = math.tau * ray / 18
            tip = (x + reach * math.cos(angle), y + reach * math.sin(angle) + reach * reach / 500)
            draw.ellipse((tip[0] - 3, tip[1] - 3, tip[0] + 3, tip[1] + 3), fill=colour)
    return picture.filter(ImageFilter.GaussianBlur(0.8))


# --- writing ---------------------------------------------------------------------------------------------------------

_STORE = {3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_90, 8: Image.Transpose.ROTATE_270}
"""How to lay an upright picture down so that its EXIF orientation sets it up again."""


def _write(path: Path, scene: _Scene, seed: int) -> None:
    picture = _paint(scene, seed)
    if scene.orientation in _STORE:
        picture = picture.transpose(_STORE[scene.orientation])
    exif = _exif(scene, seed).tobytes() if scene.taken else b""
    match path.suffix:
        case ".heic":
            import pillow_heif  # only for these two

            pillow_heif.register_heif_opener(thumbnails=False)
            picture.save(path, format="HEIF", quality=60, exif=exif, enc_params={"preset": "ultrafast"})
        case ".png":
            picture.quantize(200).save(path, compress_level=3)
        case ".webp":
            picture.save(path, quality=80, method=0, exif=exif)
        case ".tif":
            picture.save(path, exif=exif)  # uncompressed: libtiff, which compresses, can't write EXIF here
        case _:
            picture.save(path, quality=88, exif=exif)


def _exif(scene: _Scene, seed: int) -> Image.Exif:
    make, model, lens, focal, focal_35 = _CAMERAS[scene.camera]
    dark = scene.sky in (_NIGHT, _DUSK)
    exif = Image.Exif()
    exif[0x010E] = scene.place
    exif[0x010F], exif[0x0110], exif[0x0112] = make, model, scene.orientation
    exif[0x0132] = scene.taken
    exif[0x8769] = {
        0x829A: IFDRational(1, 30 if dark else 250 + 10 * seed),
        0x829D: IFDRational(18, 10),
        0x8827: 1600 if dark else 100,
        0x9003: scene.taken,
        0x9004: scene.taken,
        0x9010: scene.offset,
        0x9011: scene.offset,
        0x9209: 16,
        0x920A: IFDRational(round(focal * 100), 100),
        0xA405: focal_35,
        0xA434: lens,
    }
    utc = _utc(scene)
    exif[0x8825] = {
        1: "N" if scene.latitude >= 0 else "S",
        2: _degrees(scene.latitude),
        3: "E" if scene.longitude >= 0 else "W",
        4: _degrees(scene.longitude),
        5: b"\0",
        6: IFDRational(40 + 7 * seed, 1),
        7: (IFDRational(utc.hour), IFDRational(utc.minute), IFDRational(utc.second)),
        29: utc.strftime("%Y:%m:%d"),
    }
    return exif


def _film_tags(scene: _Scene) -> dict[str, str]:
    """What a phone writes into the container."""
    make, model, *_ = _CAMERAS[scene.camera]
    prefix = "com.apple.quicktime."
    return {
        f"{prefix}make": make,
        f"{prefix}model": model,
        f"{prefix}creationdate": scene.taken.replace(":", "-", 2).replace(" ", "T") + scene.offset.replace(":", ""),
        f"{prefix}location.ISO6709": f"{scene.latitude:+08.4f}{scene.longitude:+09.4f}/",
    }


def _utc(scene: _Scene) -> datetime:
    local = datetime.strptime(scene.taken + scene.offset, "%Y:%m:%d %H:%M:%S%z")
    return local - (local.utcoffset() or timedelta())


def _degrees(value: float) -> tuple[IFDRational, IFDRational, IFDRational]:
    """Degrees, minutes and hundredths of a second, as EXIF holds them."""
    hundredths = round(abs(value) * 360_000)
    return (
        IFDRational(hundredths // 360_000),
        IFDRational(hundredths // 6000 % 60),
        IFDRational(hundredths % 6000, 100),
    )
