"""How unsteadily a video was held: from a second of consecutive pictures in its middle."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import av.error
import numpy as np

__all__ = ["measure_shake"]

_FRAMES = 25
_PIXELS = 60_000_000  # 29 pictures of 1080p, 7 of 2160p
_LEAST = 6
_SIDE = 128
_AREA = 0x20  # swscale's flag
_CLEAR = 0.05  # height of the peak below which two pictures do not show the same scene


def measure_shake(container: Any, stream: Any, at_ms: int) -> float | None:
    """Mean unsteadiness in per cent of the picture a frame; 0 for a tripod and for an even pan alike.

    Consecutive pictures are compared by phase correlation (Kuglin and Hines, 1975), which gives the shift between them;
    what counts is how far each shift is from the mean of the shifts before and after it.

    Returns:
        None when fewer than six pictures in a row show the same scene.
    """
    budget = min(_FRAMES, _PIXELS // max(1, (stream.width or 1) * (stream.height or 1)))
    spectra = []
    try:
        target = int(stream.start_time or 0) + round(at_ms / 1000 / stream.time_base)
        container.seek(target, stream=stream, backward=True)
        stream.codec_context.flush_buffers()
        for frame in container.decode(stream):
            grey = frame.reformat(width=_SIDE, height=_SIDE, format="gray", interpolation=_AREA, threads=1).to_ndarray()
            spectra.append(np.fft.rfft2((grey - grey.mean()) * _WINDOW))
            if len(spectra) >= budget:
                break
    except (av.error.FFmpegError, ValueError):
        return None
    shifts = [_shift(before, after) for before, after in pairwise(spectra)]
    jolts = [
        float(np.hypot(*(here - (before + after) / 2)))
        for before, here, after in zip(shifts, shifts[1:], shifts[2:], strict=False)
        if before is not None and here is not None and after is not None
    ]
    return round(100 * float(np.mean(jolts)), 3) if len(jolts) >= _LEAST - 3 else None


def _shift(before: Any, after: Any) -> Any:
    """How far the picture moved, down and right, in parts of its sides; None when there is no clear answer."""
    product = after * np.conj(before)
    surface = np.fft.irfft2(product / np.maximum(np.abs(product), 1e-6), (_SIDE, _SIDE))
    row, column = np.unravel_index(int(surface.argmax()), surface.shape)
    if surface[row, column] < _CLEAR:
        return None
    down = row + _between(surface[row - 1, column], surface[row, column], surface[(row + 1) % _SIDE, column])
    right = column + _between(surface[row, column - 1], surface[row, column], surface[row, (column + 1) % _SIDE])
    return (np.asarray((down, right)) / _SIDE + 0.5) % 1 - 0.5


def _between(left: float, peak: float, right: float) -> float:
    """Place of a parabola's top between samples, -0.5 to 0.5."""
    bend = left - 2 * peak + right
    return float(np.clip(0.5 * (left - right) / bend, -0.5, 0.5)) if bend < 0 else 0.0


_WINDOW = np.outer(np.hanning(_SIDE), np.hanning(_SIDE))
