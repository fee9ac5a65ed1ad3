"""How good a picture is to look at, measured with libvips alone: the step that makes renditions has no NumPy in its
process. The measures are `domain.quality`'s, and the same as `video_sampling` takes of frames."""

from __future__ import annotations

from array import array

import pyvips

from domain.quality import Look

__all__ = ["EDGE", "look_of"]

EDGE = 640
"""Longest edge of what is measured."""

_LAPLACIAN = [[0, -1, 0], [-1, 4, -1], [0, -1, 0]]
_DARK = 25.5


def look_of(picture: pyvips.Image) -> Look:
    """Measure a picture that is upright and in sRGB.

    Cost:
        About 5 ms of a processor.
    """
    if picture.hasalpha():
        picture = picture.flatten(background=[255, 255, 255])
    if max(picture.width, picture.height) > EDGE:
        picture = picture.thumbnail_image(EDGE, height=EDGE, size="down")
    luma = picture[0].cast("float")
    if picture.bands >= 3:
        luma = picture[0] * 0.2126 + picture[1] * 0.7152 + picture[2] * 0.0722
    luma = luma.cast("float").copy_memory()
    return Look(
        at_ms=0,
        brightness=round(luma.avg() / 255, 4),
        contrast=round(luma.deviate() / 255, 4) if luma.width * luma.height > 1 else 0.0,
        sharpness=round(_sharpness(luma), 3),
        dark=round((luma < _DARK).avg() / 255, 4),
    )


def _sharpness(luma: pyvips.Image) -> float:
    """Mean absolute Laplacian in the sharpest tenth of 8 x 8 parts."""
    if luma.width < 3 or luma.height < 3:
        return 0.0
    kernel = pyvips.Image.new_from_array(_LAPLACIAN)
    edges = luma.conv(kernel, precision="float").abs().crop(1, 1, luma.width - 2, luma.height - 2)
    columns, rows = min(8, edges.width), min(8, edges.height)
    wide, high = edges.width // columns, edges.height // rows
    parts = array("f")
    parts.frombytes(edges.crop(0, 0, columns * wide, rows * high).shrink(wide, high).cast("float").write_to_memory())
    sharpest = sorted(parts)[-max(1, len(parts) // 10) :]
    return sum(sharpest) / len(sharpest)
