"""What a decoder has to hold at once, estimated from the header: some formats can't be read from top to bottom.

Baseline JPEG, PNG and TIFF pass through in strips, whatever their size. The rest is held whole, and is refused up front
when that would take more than a worker has, instead of dying half-way. `benchmarks/memory.py` measures the factors.
"""

from __future__ import annotations

from PIL import Image

from domain.errors import MediaRejected
from domain.media import Limits

__all__ = ["RAW_BYTES_A_PIXEL", "check_weight", "whole_bytes"]

_BYTES_A_PIXEL = {
    "image/webp": 8,
    "image/gif": 6,
    "image/bmp": 10,
    "image/heic": 9,
    "image/heif": 9,
    "image/avif": 12,
    "image/jxl": 12,
}
RAW_BYTES_A_PIXEL = 5  # LibRaw: the sensor's 16 bits, and a quarter of them in four colours when it is developed
_NAMES = {"image/jpeg": "a progressive JPEG", "image/png": "an interlaced PNG"}


def whole_bytes(image: Image.Image, media_type: str) -> int:
    """Bytes that a decoder takes for the whole picture; 0 where it goes from top to bottom.

    A progressive JPEG keeps every coefficient (2 bytes) of every component until its last scan (ITU-T T.81, G.1.1).
    """
    width, height = image.size
    if media_type == "image/jpeg":
        layers = getattr(image, "layer", ())
        if "progression" not in image.info or not layers:
            return 0
        across, down = max(layer[1] for layer in layers) or 1, max(layer[2] for layer in layers) or 1
        return sum(2 * width * height * layer[1] * layer[2] // (across * down) for layer in layers)
    if media_type == "image/png":
        return 8 * width * height if image.info.get("interlace") else 0
    return _BYTES_A_PIXEL.get(media_type, 0) * width * height


def check_weight(media_type: str, width: int, height: int, needed: int, limits: Limits) -> None:
    """Refuse a picture whose decoder would take more memory than is spent on one."""
    if needed > limits.max_whole_bytes:
        what = _NAMES.get(
            media_type, f"a picture of this kind ({media_type.removeprefix('image/').removeprefix('x-').upper()})"
        )
        raise MediaRejected(
            "too_many_pixels",
            f"{what} can only be decoded as a whole; {width:,} x {height:,} pixels would take "
            f"{needed >> 20:,} MB of memory, and at most {limits.max_whole_bytes >> 20:,} MB are spent",
        )
