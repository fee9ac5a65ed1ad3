"""Colours: recognise profiles that already are sRGB, bring everything else there, and make small RGB profiles.

The transform runs on the reduced picture, so its price does not grow with the camera's.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import pyvips

__all__ = ["ADOBE_RGB", "DISPLAY_P3", "SRGB", "is_srgb", "matrix_profile", "to_srgb"]

SRGB = ((0.4361, 0.2225, 0.0139), (0.3851, 0.7169, 0.0971), (0.1431, 0.0606, 0.7141))
ADOBE_RGB = ((0.6097, 0.3111, 0.0195), (0.2053, 0.6257, 0.0609), (0.1492, 0.0632, 0.7446))
DISPLAY_P3 = ((0.5151, 0.2412, -0.0011), (0.2920, 0.6922, 0.0419), (0.1571, 0.0666, 0.7841))
"""CIE XYZ of red, green and blue, adapted to D50, as ICC profiles hold them (ICC.1:2022, annex E)."""

_UNUSABLE = "the colour profile could not be used; the colours were taken as they are"
_SRGB_AT_HALF = 0.2140  # IEC 61966-2-1: linear value of the signal 0.5
_TOLERANCE = 0.003


def is_srgb(profile: bytes) -> bool:
    """Whether an ICC profile has the primaries and, at mid grey, the curve of sRGB: no transform is needed then."""
    try:
        tags = _tags(profile)
        for name, expected in zip((b"rXYZ", b"gXYZ", b"bXYZ"), SRGB, strict=True):
            at = tags[name][0] + 8
            found = [value / 65536 for value in struct.unpack_from(">3i", profile, at)]
            if any(abs(a - b) > _TOLERANCE for a, b in zip(found, expected, strict=True)):
                return False
        return abs(_curve_at_half(profile, tags[b"gTRC"][0]) - _SRGB_AT_HALF) < _TOLERANCE
    except (struct.error, KeyError, IndexError, ZeroDivisionError, OverflowError, ValueError):
        return False


def _tags(profile: bytes) -> dict[bytes, tuple[int, int]]:
    count = min(struct.unpack_from(">I", profile, 128)[0], 100)
    entries = (struct.unpack_from(">4sII", profile, 132 + 12 * i) for i in range(count))
    return {name: (offset, size) for name, offset, size in entries}


def _curve_at_half(profile: bytes, at: int) -> float:
    """Linear value of the signal 0.5 by a `curv` or a `para` tag (ICC.1:2022, 10.6 and 10.18)."""
    kind = profile[at : at + 4]
    if kind == b"curv":
        count = struct.unpack_from(">I", profile, at + 8)[0]
        if count == 0:
            return 0.5
        if count == 1:
            return float(0.5 ** (struct.unpack_from(">H", profile, at + 12)[0] / 256))
        low, high = struct.unpack_from(">2H", profile, at + 12 + 2 * ((count - 1) // 2))
        return float((low + high) / 2 / 65535 if count % 2 == 0 else low / 65535)
    if kind != b"para":
        raise ValueError(kind)
    form = struct.unpack_from(">H", profile, at + 8)[0]
    numbers = [n / 65536 for n in struct.unpack_from(f">{(1, 3, 4, 5, 7)[form]}i", profile, at + 12)]
    gamma, a, b = (*numbers, 1.0, 0.0)[:3] if form == 0 else numbers[:3]
    offset = numbers[3] if form == 2 else numbers[5] if form == 4 else 0.0
    return float((a * 0.5 + b) ** gamma + offset)


def matrix_profile(primaries: Sequence[Sequence[float]], gamma: float) -> bytes:
    """A minimal ICC version 2 display profile: three primaries (XYZ at D50) and one gamma (ICC.1:2001-04)."""

    def fixed(*values: float) -> bytes:
        return struct.pack(f">{len(values)}i", *(round(v * 65536) for v in values))

    name = b"RGB\0"
    desc = b"desc\0\0\0\0" + struct.pack(">I", len(name)) + name + bytes(79)
    body: dict[bytes, bytes] = {
        b"desc": desc + bytes(-len(desc) % 4),
        b"cprt": b"text\0\0\0\0CC0\0",
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249),
        **{tag: b"XYZ \0\0\0\0" + fixed(*xyz) for tag, xyz in zip((b"rXYZ", b"gXYZ", b"bXYZ"), primaries, strict=True)},
        **{tag: b"curv\0\0\0\0" + struct.pack(">IHxx", 1, round(gamma * 256)) for tag in (b"rTRC", b"gTRC", b"bTRC")},
    }
    table, data, start = b"", b"", 132 + 12 * len(body)
    for tag, content in body.items():
        table += struct.pack(">4sII", tag, start + len(data), len(content))
        data += content
    header = struct.pack(">I4xI4s4s4s12x4s", start + len(data), 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    header = (header + bytes(68 - len(header)) + fixed(0.9642, 1.0, 0.8249)).ljust(128, b"\0")
    return header + struct.pack(">I", len(body)) + table + data


def to_srgb(
    image: pyvips.Image, profile: bytes | str | None, *, at_once: bool = True
) -> tuple[pyvips.Image, str | None]:
    """Bring a picture to 8-bit sRGB, three bands or four with alpha.

    Args:
        image: any interpretation and depth that a loader makes; alpha, if any, not premultiplied.
        profile: ICC profile, "p3" for libvips' own Display P3, or None for what the interpretation says.
        at_once: run the transform here, so that an unusable profile is found; else it is known to work.
    Returns:
        The picture, and a note when the profile could not be used.
    """
    note = None
    alpha = None
    if image.hasalpha():
        image, alpha = image[: image.bands - 1], image[image.bands - 1]
        top = 255.0 if alpha.format == "uchar" else 65535.0 if alpha.format == "ushort" else 255.0
        alpha = (alpha * (255.0 / top)).rint().cast("uchar") if top != 255.0 or alpha.format != "uchar" else alpha
    if profile is not None and not (isinstance(profile, bytes) and is_srgb(profile)):
        try:
            with _warnings() as said:
                moved = _transform(image, profile)
                if at_once:
                    moved = moved.copy_memory()  # where its errors are caught
            image, note = (image, _UNUSABLE) if said else (moved, None)
        except pyvips.Error:
            note = _UNUSABLE
    if image.interpretation != "srgb" or image.format != "uchar":
        image = image.colourspace("srgb").cast("uchar")
    if image.bands != 3:
        image = image[0].bandjoin([image[0], image[0]]) if image.bands < 3 else image[:3]
    return (image if alpha is None else image.bandjoin(alpha).copy(interpretation="srgb")), note


@contextmanager
def _warnings() -> Iterator[list[str]]:
    """What libvips warns of meanwhile: it falls back to sRGB where a profile is damaged, and only says so."""
    said: list[str] = []

    class Listener(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            said.append(record.getMessage())

    logger, listener = logging.getLogger("pyvips"), Listener(logging.WARNING)
    logger.addHandler(listener)
    try:
        yield said
    finally:
        logger.removeHandler(listener)


def _transform(image: pyvips.Image, profile: bytes | str) -> pyvips.Image:
    if isinstance(profile, bytes):
        image = image.copy()
        image.set_type(pyvips.GValue.blob_type, "icc-profile-data", profile)
        moved = image.icc_transform("srgb", embedded=True, intent="relative", black_point_compensation=True, depth=8)
    else:
        moved = image.icc_transform("srgb", input_profile=profile, embedded=False, intent="relative", depth=8)
    return moved
