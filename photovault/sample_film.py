"""The film of the sample library: five seconds along a painted shore at dusk, with the sound of waves."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

__all__ = ["write_film"]

_SIZE = (1280, 720)
_RATE = 24
_SECONDS = 5
_SOUND_RATE = 48_000


def write_film(path: Path, picture: Image.Image, tags: dict[str, str]) -> None:
    """Pan over a picture, as a phone would film it: H.264 and AAC in a QuickTime file, its index at the end.

    Args:
        picture: wider than 1280 pixels in proportion; what the film passes over.
        tags: of the container, such as `com.apple.quicktime.creationdate`.
    """
    width, height = _SIZE
    wide = picture.resize((round(picture.width * height / picture.height), height)).convert("RGB")
    way = wide.width - width
    with av.open(str(path), "w", format="mov", options={"movflags": "use_metadata_tags"}) as container:
        container.metadata.update(tags)
        video: Any = container.add_stream("libx264", rate=_RATE)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        video.options = {"preset": "ultrafast", "crf": "24", "g": str(_RATE), "threads": "1"}
        sound: Any = container.add_stream("aac", rate=_SOUND_RATE, layout="mono")
        for block in _waves(sound.codec_context.frame_size or 1024):
            container.mux(sound.encode(block))
        for number in range(_RATE * _SECONDS):
            at = round(way * (1 - np.cos(np.pi * number / (_RATE * _SECONDS))) / 2)
            seen = np.asarray(wide.crop((at, 0, at + width, height)))
            container.mux(video.encode(av.VideoFrame.from_ndarray(seen, format="rgb24")))
        container.mux(video.encode())
        container.mux(sound.encode())


def _waves(block: int) -> list[av.AudioFrame]:
    """Noise that swells and ebbs, the same each time."""
    count = _SOUND_RATE * _SECONDS
    noise = np.random.default_rng(7).normal(size=count).astype(np.float32)
    soft = np.convolve(noise, np.ones(24, np.float32) / 24, "same")
    swell = 0.12 + 0.1 * np.sin(np.linspace(0, 2 * np.pi * _SECONDS / 4, count, dtype=np.float32))
    samples = (soft * swell).astype(np.float32)
    frames = []
    for start in range(0, count - block + 1, block):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + block], format="fltp", layout="mono")
        frame.sample_rate, frame.time_base, frame.pts = _SOUND_RATE, Fraction(1, _SOUND_RATE), start
        frames.append(frame)
    return frames
