"""Small pictures for the media tests, generated: four quarters of plain colour tell every turn and mirror apart."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from domain.media import Rendered

RED, GREEN, BLUE, WHITE = (220, 30, 30), (30, 180, 30), (30, 30, 220), (245, 245, 245)
CORNERS = (RED, GREEN, BLUE, WHITE)  # top left, top right, bottom left, bottom right

# How to store an upright picture so that its EXIF orientation brings it back (JEITA CP-3451, 4.6.4).
_STORE = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def quarters(width: int = 320, height: int = 200) -> Image.Image:
    """A picture with one colour in each quarter."""
    picture = Image.new("RGB", (width, height))
    for at, colour in enumerate(CORNERS):
        picture.paste(colour, ((at % 2) * width // 2, (at // 2) * height // 2, width, height))
    return picture


def noise(width: int, height: int, seed: int = 1) -> Image.Image:
    """Smooth noise: compresses like a photo."""
    rng = np.random.default_rng(seed)
    small = rng.integers(0, 255, (height // 8 + 1, width // 8 + 1, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def save(folder: Path, name: str, picture: Image.Image, *, orientation: int = 1, **options: Any) -> Path:
    """Write a picture; the suffix tells the format. With an orientation its pixels are stored turned."""
    if orientation > 1:
        picture = picture.transpose(_STORE[orientation])
        exif = options.setdefault("exif", Image.Exif())
        exif[0x0112] = orientation
    path = folder / name
    if path.suffix in (".heic", ".heif"):
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
        options["format"] = "HEIF"
    if "exif" in options:  # as bytes: only then does pillow-heif write the container's own rotation too
        options["exif"] = options["exif"].tobytes()
    if path.suffix == ".jxl":
        path.write_bytes(_jxl(picture, options.get("exif", b"")))
    else:
        picture.save(path, **options)
    return path


def _jxl(picture: Image.Image, exif: bytes) -> bytes:
    """By way of a JPEG, as cameras' pictures come to JPEG XL: its EXIF orientation becomes the codestream's."""
    import pylibjxl

    return pylibjxl.jpeg_to_jxl(encoded(picture, "JPEG", quality=95, exif=exif))


def encoded(picture: Image.Image, kind: str, **options: Any) -> bytes:
    """The bytes of a file."""
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def rendition(made: Rendered, name: str, kind: str = "jpeg") -> Image.Image:
    """One of the rendered pictures, loaded."""
    path = next(file.path for file in made.files if (file.name, file.format) == (name, kind))
    with Image.open(path) as picture:
        picture.load()
        return picture.copy()


def corners(picture: Image.Image) -> tuple[tuple[int, ...], ...]:
    """Colours in the middle of the four quarters."""
    picture = picture.convert("RGB")
    xs, ys = (picture.width // 4, picture.width * 3 // 4), (picture.height // 4, picture.height * 3 // 4)
    return tuple(picture.getpixel((x, y)) for y in ys for x in xs)  # type: ignore[misc]


def close(found: Any, expected: Any, within: float = 10) -> bool:
    """Whether two colours, or tuples of colours, differ by at most so much in every channel."""
    return bool(np.abs(np.asarray(found, float) - np.asarray(expected, float)).max() <= within)
