"""Moving pictures (GIF, WebP, APNG, AVIF): which frame stands for the whole, and a short, small preview that moves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvips
from PIL import Image

from adapters.media.colour import to_srgb
from adapters.media.geometry import target_size, upright
from adapters.media.header import Header, open_picture
from domain.media import Limits, RenditionFile

__all__ = ["count_frames", "look"]

PREVIEW_EDGE = 320
PREVIEW_MS = 3000
PREVIEW_FRAMES = 30
PREVIEW_QUALITY = 60
_STILL_AMONG = 10  # a frame that shows something is looked for among so many
_LEAST_MS = 20  # what is shorter is shown for 100 ms, as browsers do


def count_frames(source: Path, media_type: str, header: Header) -> int:
    """How many frames there are, from the index."""
    if media_type in ("image/gif", "image/webp"):
        load = pyvips.Image.gifload if media_type == "image/gif" else pyvips.Image.webpload
        picture = load(str(source), access="sequential")
        return int(picture.get("n-pages")) if picture.get_typeof("n-pages") else 1
    return header.frames


def look(
    source: Path, media_type: str, header: Header, profile: bytes | str | None, limits: Limits, into: Path
) -> tuple[int, RenditionFile | None]:
    """Number of the first frame that is not blank, and a preview of the first three seconds.

    Frames are decoded one after the other, at most as many pixels as the largest picture has. A frame that can't be
    decoded ends the preview.
    """
    width, height = target_size(header.width, header.height, PREVIEW_EDGE)
    frames: list[pyvips.Image] = []
    starts: list[int] = []
    still: int | None = None
    now = 0
    at_most = max(1, limits.max_pixels // (header.width * header.height))
    with open_picture(source, media_type, limits) as (image, _):
        for at in range(min(at_most, getattr(image, "n_frames", 1))):
            try:
                image.seek(at)
                small = image.convert("RGBA")
            except (OSError, EOFError, ValueError, SyntaxError):
                break
            small.thumbnail((width, height), Image.Resampling.BOX)
            if still is None and at < _STILL_AMONG and not _blank(small):
                still = at
            if now < PREVIEW_MS and now >= len(frames) * PREVIEW_MS // PREVIEW_FRAMES:
                frames.append(_prepared(small, profile, header.orientation))
                starts.append(now)
            lasts = int(image.info.get("duration") or 0)
            now += lasts if lasts >= _LEAST_MS else 100
            if now >= PREVIEW_MS and (still is not None or at >= _STILL_AMONG):
                break
    if len(frames) < 2:
        return still or 0, None
    return still or 0, _write(frames, starts, min(now, PREVIEW_MS), into / "preview.webp")


def _blank(picture: Image.Image) -> bool:
    """Whether nothing can be seen: all transparent, or one colour all over."""
    *colours, alpha = picture.getextrema()
    return alpha == (0, 0) or all(low == high for low, high in [*colours, alpha])


def _prepared(picture: Image.Image, profile: bytes | str | None, orientation: int) -> pyvips.Image:
    frame = pyvips.Image.new_from_array(np.asarray(picture)).copy(interpretation="srgb")
    return upright(to_srgb(frame, profile)[0], orientation).copy_memory()


def _write(frames: list[pyvips.Image], starts: list[int], end: int, path: Path) -> RenditionFile:
    height = frames[0].height
    strip = pyvips.Image.arrayjoin(frames, across=1).copy()
    strip.set_type(pyvips.GValue.gint_type, "page-height", height)
    delays = [b - a for a, b in zip(starts, [*starts[1:], max(end, starts[-1] + _LEAST_MS)], strict=True)]
    strip.set_type(pyvips.GValue.array_int_type, "delay", delays)
    strip.set_type(pyvips.GValue.gint_type, "loop", 0)
    strip.webpsave(str(path), Q=PREVIEW_QUALITY, effort=2, keep="none")
    return RenditionFile("preview", "webp", str(path), strip.width, height, path.stat().st_size)
