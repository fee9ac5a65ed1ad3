"""ThumbHash: a picture in at most 25 bytes, to show while the real one loads.

The format and its constants are Evan Wallace's, https://evanw.github.io/thumbhash/ (public domain); the code is a
numpy version: two small matrix products a channel in place of four nested loops.
"""

from __future__ import annotations

import base64
from typing import Any

import numpy as np

__all__ = ["decode_average", "thumbhash"]

_Array = np.ndarray[Any, np.dtype[np.float64]]


def thumbhash(rgba: np.ndarray[Any, np.dtype[np.uint8]]) -> str:
    """Hash a picture of at most 100 x 100 pixels.

    Args:
        rgba: shape (height, width, 4), alpha not premultiplied.
    Returns:
        The hash in base64.
    """
    height, width = rgba.shape[:2]
    if not (1 <= height <= 100 and 1 <= width <= 100):
        raise ValueError(f"{width} x {height} is not between 1 and 100 pixels")
    pixels = rgba.astype(np.float64) / 255
    alpha = pixels[..., 3]
    covered = alpha.sum()
    average = (pixels[..., :3] * alpha[..., None]).sum(axis=(0, 1)) / (covered or 1)
    has_alpha = bool(covered < alpha.size)
    red, green, blue = np.moveaxis(average * (1 - alpha[..., None]) + alpha[..., None] * pixels[..., :3], 2, 0)

    limit, longest = (5 if has_alpha else 7), max(width, height)
    lx, ly = (max(1, _half_up(limit * side / longest)) for side in (width, height))
    l_dc, l_ac, l_scale = _channel((red + green + blue) / 3, max(3, lx), max(3, ly))
    p_dc, p_ac, p_scale = _channel((red + green) / 2 - blue, 3, 3)
    q_dc, q_ac, q_scale = _channel(red - green, 3, 3)

    landscape = width > height
    header = (
        _half_up(63 * l_dc)
        | _half_up(31.5 + 31.5 * p_dc) << 6
        | _half_up(31.5 + 31.5 * q_dc) << 12
        | _half_up(31 * l_scale) << 18
        | has_alpha << 23
    )
    shape = (ly if landscape else lx) | _half_up(63 * p_scale) << 3 | _half_up(63 * q_scale) << 9 | landscape << 15
    out = bytearray(header.to_bytes(3, "little") + shape.to_bytes(2, "little"))
    nibbles = [*l_ac, *p_ac, *q_ac]
    if has_alpha:
        a_dc, a_ac, a_scale = _channel(alpha, 5, 5)
        out.append(_half_up(15 * a_dc) | _half_up(15 * a_scale) << 4)
        nibbles += a_ac
    values = [_half_up(15 * value) for value in nibbles]
    values += [0] * (len(values) % 2)
    out += bytes(low | high << 4 for low, high in zip(values[::2], values[1::2], strict=True))
    return base64.b64encode(bytes(out)).decode("ascii")


def decode_average(value: str) -> tuple[float, float, float]:
    """Average red, green and blue (0 to 1) that a hash holds."""
    head = int.from_bytes(base64.b64decode(value)[:3], "little")
    luma, p, q = (head & 63) / 63, (head >> 6 & 63) / 31.5 - 1, (head >> 12 & 63) / 31.5 - 1
    blue = luma - 2 / 3 * p
    red = (3 * luma - blue + q) / 2
    return tuple(min(1.0, max(0.0, v)) for v in (red, red - q, blue))  # type: ignore[return-value]


def _channel(values: _Array, nx: int, ny: int) -> tuple[float, list[float], float]:
    """Cosine transform: the constant term, the others scaled to 0..1, and the scale."""
    height, width = values.shape
    rows = np.cos(np.pi / height * np.outer(np.arange(ny), np.arange(height) + 0.5))
    columns = np.cos(np.pi / width * np.outer(np.arange(nx), np.arange(width) + 0.5))
    terms = rows @ values @ columns.T / (width * height)
    ac = [float(terms[cy, cx]) for cy in range(ny) for cx in range(nx) if (cx or cy) and cx * ny < nx * (ny - cy)]
    scale = max((abs(value) for value in ac), default=0.0)
    return float(terms[0, 0]), [0.5 + 0.5 / scale * value for value in ac] if scale else [0.0] * len(ac), scale


def _half_up(value: float) -> int:
    """Rounding as in JavaScript, so that hashes equal the reference's."""
    return int(np.floor(value + 0.5))
