"""Sizes and turns of pictures: how large a rendition gets, reducing without ringing at edges, which side is up."""

from __future__ import annotations

import pyvips

__all__ = ["resize", "target_size", "upright"]


def target_size(width: int, height: int, edge: int) -> tuple[int, int]:
    """Size whose long edge is at most `edge`, with the same proportions, never larger and never 0."""
    factor = min(1.0, edge / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def resize(picture: pyvips.Image, width: int, height: int) -> pyvips.Image:
    """Reduce with Lanczos to exactly this size; alpha weighs the colours."""
    if (picture.width, picture.height) == (width, height):
        return picture
    alpha = picture.hasalpha()
    kind, interpretation = picture.format, picture.interpretation
    if alpha:
        picture = picture.premultiply()
    picture = picture.resize(width / picture.width, vscale=height / picture.height, kernel="lanczos3")
    if alpha:
        picture = picture.unpremultiply().rint().cast(kind).copy(interpretation=interpretation)
    if (picture.width, picture.height) != (width, height):  # libvips rounds for itself
        picture = picture.embed(0, 0, width, height, extend="copy")
    return picture


def upright(picture: pyvips.Image, orientation: int) -> pyvips.Image:
    """Apply an EXIF orientation: mirror first, then turn clockwise (JEITA CP-3451, 4.6.4)."""
    if orientation in (2, 4, 5, 7):
        picture = picture.fliphor()
    turn = {3: "d180", 4: "d180", 5: "d270", 6: "d90", 7: "d90", 8: "d270"}.get(orientation)
    return picture.rot(turn) if turn else picture
