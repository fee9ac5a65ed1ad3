"""Small videos for tests, made by PyAV."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

_SOUND_RATE = 48_000


def write_webm(path: Path, seconds: int = 2, size: tuple[int, int] = (320, 180)) -> Path:
    """A WebM with VP9 and Opus, which not every player takes: a bright square that wanders, and a tone."""
    width, height = size
    with av.open(str(path), "w", format="webm") as container:
        pictures: Any = container.add_stream("libvpx-vp9", rate=24)
        pictures.width, pictures.height, pictures.pix_fmt = width, height, "yuv420p"
        pictures.options = {"deadline": "realtime", "cpu-used": "8"}
        sound: Any = container.add_stream("libopus", rate=_SOUND_RATE)
        for number in range(seconds * 24):
            shade: Any = np.full((height, width, 3), (30, 60, 90), np.uint8)
            at = number * 3 % (width - 40)
            shade[60:100, at : at + 40] = (240, 200, 120)
            container.mux(pictures.encode(av.VideoFrame.from_ndarray(shade, format="rgb24")))
        container.mux(pictures.encode())
        for start in range(0, seconds * _SOUND_RATE, 960):
            wave = np.sin(np.arange(start, start + 960) * 440 * 2 * np.pi / _SOUND_RATE) * 8000
            frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None, :], format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = _SOUND_RATE, start, Fraction(1, _SOUND_RATE)
            container.mux(sound.encode(frame))
        container.mux(sound.encode())
    return path
