"""Decoded frames of a video as upright sRGB arrays: turned once, square pixels, one field of two, HDR tone-mapped."""

from __future__ import annotations

import math
import struct
from typing import Any, TypeAlias

import numpy as np
from msgspec import Struct
from PIL import Image

from adapters.media.hdr import Primaries, Transfer, gamut_to_srgb, to_sdr

__all__ = ["Picture", "View", "hdr_of", "peak_of", "picture_of", "view_of"]

Picture: TypeAlias = np.ndarray[Any, np.dtype[np.uint8]]
"""Shape (height, width, 3), or 4 with alpha; upright, sRGB."""

_BT709, _BT2020_SPACES = 1, (9, 10)
_SWSCALE_SPACES = {1: 1, 4: 4, 5: 5, 6: 5, 7: 7, 9: 9, 10: 9}
"""AVColorSpace -> the colourspace that swscale calculates with. Others are guessed by size, as players do."""

_PQ, _HLG = 16, 18  # AVColorTransferCharacteristic
_PRIMARIES: dict[int, Primaries] = {9: "bt2020", 11: "p3", 12: "p3"}
_FULL_RANGE = 2
_BILINEAR, _AREA, _BICUBIC = 2, 0x20, 4  # swscale's flags
_FORMATS = {(False, False): "rgb24", (True, False): "rgba", (False, True): "rgb48le", (True, True): "rgb48le"}


class View(Struct, frozen=True):
    """How decoded frames are to be shown: mirror left to right, then turn, then stretch to square pixels."""

    coded_width: int
    coded_height: int
    quarter_turns: int = 0  # clockwise
    mirrored: bool = False
    pixel_aspect: tuple[int, int] = (1, 1)
    crooked: bool = False  # the file asks for a turn that is no multiple of 90 degrees; the nearest is taken

    @property
    def width(self) -> int:
        """As a person sees it."""
        return self._stretched[1 if self.quarter_turns % 2 else 0]

    @property
    def height(self) -> int:
        """As a person sees it."""
        return self._stretched[0 if self.quarter_turns % 2 else 1]

    @property
    def _stretched(self) -> tuple[int, int]:
        across, down = self.pixel_aspect
        return max(1, round(self.coded_width * across / down)), self.coded_height

    def within(self, edge: int) -> tuple[int, int]:
        """Upright size whose long edge is at most `edge`; never larger than the video, never 0."""
        factor = min(1.0, edge / max(self.width, self.height))
        return max(1, round(self.width * factor)), max(1, round(self.height * factor))


def view_of(frame: Any, pixel_aspect: Any = None) -> View:
    """The view that a decoded frame and its stream's sample aspect ratio ask for.

    PyAV hands out frames as coded; the display matrix (ISO/IEC 14496-12, 8.3.2) comes with each as side data.
    """
    turns, mirrored, crooked = 0, False, False
    matrix = next((bytes(data) for data in frame.side_data if data.type.name == "DISPLAYMATRIX"), None)
    if matrix is not None and len(matrix) >= 36:
        a, b, _, c, d = struct.unpack("=5i", matrix[:20])
        mirrored = a * d - b * c < 0
        degrees = math.degrees(math.atan2(-b, -a) if mirrored else math.atan2(b, a))
        turns, crooked = round(degrees / 90) % 4, abs(degrees / 90 - round(degrees / 90)) > 0.02
    across, down = (pixel_aspect.numerator, pixel_aspect.denominator) if pixel_aspect else (1, 1)
    if not (across > 0 and down > 0 and 0.1 <= across / down <= 10):
        across, down = 1, 1
    return View(frame.width, frame.height, turns, mirrored, (across, down), crooked)


def hdr_of(frame: Any) -> Transfer | None:
    """The HDR transfer curve that a frame states."""
    return {_PQ: "pq", _HLG: "hlg"}.get(int(frame.color_trc))  # type: ignore[return-value]


def picture_of(frame: Any, view: View, edge: int, *, peak_nits: float | None = None) -> Picture:
    """The frame as a person sees it, its long edge at most `edge` pixels.

    Costs one pass of swscale, which converts and shrinks at once; HDR frames are tone-mapped after shrinking.

    Args:
        peak_nits: see `hdr.to_sdr`; the same for all pictures of a video, or they flicker.
    """
    size = view.within(edge)
    width, height = size[::-1] if view.quarter_turns % 2 else size
    transfer = hdr_of(frame)
    alpha = any(letter == "a" for letter in (c.is_alpha and "a" for c in frame.format.components))
    rgb = _as_rgb(frame, width, height, _FORMATS[alpha, transfer is not None])
    primaries = _PRIMARIES.get(int(frame.color_primaries), "bt709")
    if transfer is not None:
        rgb = _to_bytes(to_sdr(rgb.astype(np.float32) / 65535, transfer, primaries, peak_nits=peak_nits))
    elif primaries != "bt709" and not alpha:
        rgb = _to_bytes(gamut_to_srgb(rgb.astype(np.float32) / 255, primaries))
    if view.mirrored:
        rgb = rgb[:, ::-1]
    return np.ascontiguousarray(np.rot90(rgb, -view.quarter_turns))


def peak_of(frame: Any) -> float | None:
    """Brightest light in cd/m2 that an HDR frame's side data promises (CTA-861.3 MaxCLL, or the mastering display's
    peak); None when it promises nothing of use."""
    for data in frame.side_data:
        if data.type.name == "CONTENT_LIGHT_LEVEL":
            max_cll = struct.unpack("=I", bytes(data)[:4])[0]
            if 203 < max_cll <= 10000:
                return float(max_cll)
    return None


def _as_rgb(frame: Any, width: int, height: int, pixels: str) -> Any:
    """Convert and resize in one step; where a frame is two fields, the first alone is taken."""
    options: dict[str, Any] = {"format": pixels, "threads": 1}
    if not frame.format.is_rgb:
        space = _SWSCALE_SPACES.get(int(frame.colorspace))
        if space is None:
            space = _BT709 if max(frame.width, frame.height) > 1024 or frame.height > 576 else 5
        options |= {"src_colorspace": space, "dst_colorspace": _BT709, "dst_color_range": _FULL_RANGE}
    if frame.interlaced_frame and frame.height >= 4:
        rgb = frame.reformat(width=width, interpolation=_BILINEAR, **options).to_ndarray()[::2]
        if rgb.dtype == np.uint8:
            return np.asarray(Image.fromarray(rgb).resize((width, height), Image.Resampling.BILINEAR))
        return rgb[np.minimum(np.arange(height) * rgb.shape[0] // height, rgb.shape[0] - 1)]
    shrink = max(frame.width / width, frame.height / height)
    how = _AREA if shrink > 1.5 else _BICUBIC
    return frame.reformat(width=width, height=height, interpolation=how, **options).to_ndarray()


def _to_bytes(rgb: Any) -> Picture:
    return np.asarray(np.clip(rgb * 255 + 0.5, 0, 255), np.uint8)
