"""Photos and videos to measure with: as large and as busy as a camera's, computed from a seed, owned by nobody.

Not the sample library (`sample.py`), whose pictures are small so that it is made in seconds.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import IFDRational

__all__ = ["PHOTO_SIZE", "VIDEO_BITS_PER_SECOND", "VIDEO_SIZE", "write_photo", "write_video"]

PHOTO_SIZE = (4000, 3000)
VIDEO_SIZE = (1920, 1080)
_FRAMES_PER_SECOND = 30
VIDEO_BITS_PER_SECOND = 8_000_000


def write_photo(path: Path, seed: int) -> Path:
    """A JPEG of 12 megapixels with structure at all scales, sensor noise, and the tags of a telephone's camera."""
    rng = np.random.default_rng(seed)
    width, height = PHOTO_SIZE
    picture: np.ndarray[Any, Any] = np.full((height, width, 3), 128, np.float32)
    for cells, strength in ((8, 60), (32, 35), (128, 18), (512, 12), (1500, 8)):
        small = rng.normal(size=(cells * 3 // 4 + 2, cells + 2, 3)).astype(np.float32)
        for band in range(3):
            layer = Image.fromarray(small[..., band]).resize(PHOTO_SIZE, Image.Resampling.BICUBIC)
            picture[..., band] += strength * np.asarray(layer)
    picture += rng.normal(size=(height, width, 1)).astype(np.float32) * 4.5
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    image.save(path, quality=92, exif=_exif(seed))
    return path


def write_video(path: Path, seed: int, seconds: int) -> Path:
    """An MP4 in H.265, 1080p at 30 frames and about 8 Mbit a second: a pattern that moves over noise."""
    rng = np.random.default_rng(seed)
    width, height = VIDEO_SIZE
    noise = rng.integers(0, 60, (height + 128, width + 128, 3), dtype=np.uint8)
    ramp = np.linspace(0, 180, width, dtype=np.uint8)[None, :, None]
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx265", rate=_FRAMES_PER_SECOND)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.bit_rate = VIDEO_BITS_PER_SECOND
        stream.time_base = Fraction(1, _FRAMES_PER_SECOND)
        stream.options = {"preset": "ultrafast", "x265-params": "log-level=error"}
        for number in range(seconds * _FRAMES_PER_SECOND):
            at = number % 128
            frame = av.VideoFrame.from_ndarray(noise[at : at + height, at : at + width] + ramp, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def _exif(seed: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Apple", "iPhone 13 Pro"
    exif[0x0112] = 1
    exif[0x0132] = f"2026:11:{1 + seed % 28:02} 12:30:00"
    photo = exif.get_ifd(0x8769)
    photo[0x9003] = photo[0x9004] = exif[0x0132]
    photo[0x9011] = "+01:00"
    photo[0x829A], photo[0x829D], photo[0x8827] = IFDRational(1, 250), IFDRational(18, 10), 64
    photo[0x920A], photo[0xA405] = IFDRational(57, 10), 26
    photo[0xA434] = "iPhone 13 Pro back triple camera 5.7mm f/1.5"
    place = exif.get_ifd(0x8825)
    place[1], place[2] = "N", (IFDRational(48), IFDRational(8 + seed % 30), IFDRational(1200, 100))
    place[3], place[4] = "E", (IFDRational(11), IFDRational(34), IFDRational(3000, 100))
    return exif
