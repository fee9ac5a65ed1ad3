"""Pictures as arrays that models take. Only our own renditions come here: JPEG, upright, in sRGB.

Several steps look at the same rendition one after the other; the last few are kept decoded, for all models.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from domain.errors import MediaRejected

__all__ = ["Array", "centre", "decoded", "open_jpeg", "planes", "scaled", "smaller"]

Array = np.ndarray[Any, np.dtype[Any]]

_KEPT = 8  # pictures of 1,024 pixels take at most 4 MB each
_MAX_EDGE = 8192


def open_jpeg(path: Path) -> Image.Image:
    """A rendition in RGB, decoded or remembered. It is shared: nobody may change it."""
    return decoded(path.read_bytes())


@lru_cache(maxsize=_KEPT)
def decoded(data: bytes) -> Image.Image:
    """A rendition in RGB, as `open_jpeg`.

    Raises:
        MediaRejected: it is larger than any rendition of ours.
    """
    with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
        if max(picture.size) > _MAX_EDGE:
            raise MediaRejected(
                "too_many_pixels", f"the picture is no rendition of ours: it is over {_MAX_EDGE:,} pixels"
            )
        picture.load()
        return picture if picture.mode == "RGB" else picture.convert("RGB")


def smaller(picture: Image.Image, width: int, height: int) -> Image.Image:
    """The picture stretched to a size, antialiased. Each edge is halved while it stays as long as wanted, which costs a
    quarter of other scaling, and differs from it by a level or two of 255."""
    edges = zip(picture.size, (width, height), strict=True)
    across, down = (1 << max(0, (have // wanted).bit_length() - 1) for have, wanted in edges)
    halved = picture.reduce((across, down)) if across * down > 1 else picture
    return halved.resize((width, height), Image.Resampling.BILINEAR)


def scaled(picture: Image.Image, width: int, height: int) -> Array:
    """As `smaller`: [height, width, 3], float32, 0 to 255."""
    return np.asarray(smaller(picture, width, height)).astype(np.float32)


def planes(picture: Image.Image, into: Array, means: Sequence[float], scales: Sequence[float]) -> None:
    """Write (value - mean) / scale of red, green and blue into [3, height, width], float32: split as bytes, which is
    quicker than to bring floats into another order."""
    for band, plane, mean, scale in zip(picture.split(), into, means, scales, strict=True):
        np.subtract(np.asarray(band), np.float32(mean), out=plane, dtype=np.float32)
        plane *= np.float32(1 / scale)


def centre(picture: Image.Image) -> Image.Image:
    """The largest square in the middle."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))
