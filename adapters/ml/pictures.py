"""Pictures as arrays that models take. Only our own renditions come here: JPEG, upright, in sRGB."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["Array", "centre", "open_jpeg", "scaled"]

Array = np.ndarray[Any, np.dtype[Any]]


def open_jpeg(path: Path) -> Image.Image:
    """Decode a rendition, in RGB."""
    with Image.open(path, formats=["JPEG"]) as picture:
        return picture.convert("RGB")


def scaled(picture: Image.Image, width: int, height: int) -> Array:
    """The picture stretched to a size: [height, width, 3], float32, 0 to 255. Antialiased."""
    return np.asarray(picture.resize((width, height), Image.Resampling.BILINEAR), np.float32)


def centre(picture: Image.Image) -> Image.Image:
    """The largest square in the middle."""
    side = min(picture.size)
    left, top = (picture.width - side) // 2, (picture.height - side) // 2
    return picture.crop((left, top, left + side, top + side))
