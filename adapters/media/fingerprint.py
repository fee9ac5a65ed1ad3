"""The perceptual hash: 64 bits that say what a picture looks like; runs inside the sandbox's child.

The grey picture is reduced to 32 x 32, its discrete cosine transform taken, and each of the 64 lowest frequencies
compared with their median (Zauner 2010, "Implementation and Benchmarking of Perceptual Image Hash Functions", 3.2).
Made from a rendition, which is upright and in sRGB already. The bits are those of ImageHash's `phash`, without SciPy.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adapters.media.header import open_picture
from domain.media import Hashed, Limits

__all__ = ["FEATURELESS", "perceptual_hash", "phash_of"]

_EDGE = 32
_KEPT = 8

FEATURELESS = 0.12
"""Grey levels of 255. When half of the frequencies lie within so little of their median, noise decides the bits: of
320 real pictures the seven below it were blank, or lost up to 40 bits in a copy; the next above lay at 0.2."""


def perceptual_hash(source: Path, limits: Limits) -> Hashed:
    """Hash a JPEG rendition.

    Raises:
        MediaRejected: it can't be decoded.
    """
    with open_picture(source, "image/jpeg", limits) as (image, _):
        return phash_of(image)


def phash_of(image: Image.Image) -> Hashed:
    """Hash a picture; no value when it has no features."""
    grey = image.convert("L").resize((_EDGE, _EDGE), Image.Resampling.LANCZOS)
    waves = (_dct() @ np.asarray(grey, dtype=np.float64) @ _dct().T)[:_KEPT, :_KEPT].ravel()
    apart = waves - np.median(waves)
    if np.median(np.abs(apart[1:])) / _EDGE**2 < FEATURELESS:
        return Hashed(None, "the picture is blank or nearly so: it can't be compared by its looks")
    return Hashed(f"{int.from_bytes(np.packbits(apart > 0).tobytes(), 'big'):016x}")


@cache
def _dct() -> np.ndarray[Any, np.dtype[np.float64]]:
    """The matrix of the DCT-II, not normalised: a wave of one grey level comes out as 32."""
    k, n = np.ogrid[:_EDGE, :_EDGE]
    matrix: np.ndarray[Any, np.dtype[np.float64]] = 2 * np.cos(np.pi * k * (2 * n + 1) / (2 * _EDGE))
    return matrix
