"""Read every tag that a file carries as plain values; what they mean is judged by `domain.metadata`.

Pillow reads EXIF (it reads HEIC and WebP where exifread 3.5 finds nothing or fails); XMP is searched, never parsed.
"""

from __future__ import annotations

import contextlib
import html
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL.ExifTags import GPSTAGS, TAGS
from PIL.TiffImagePlugin import IFDRational

from adapters.media.header import read_header
from adapters.media.motion import find_video
from adapters.media.shots import shot_tags
from adapters.media.sniff import sniff
from domain.media import Limits, RawMetadata

__all__ = ["read_metadata"]

Value = str | int | float | list[float]

_MAX_TAGS = 500
_MAX_TEXT = 4000
_MAX_NUMBERS = 64
_POINTERS = {0x8769, 0x8825, 0xA005, 0x014A, 0x02BC, 0x83BB, 0x8649, 0x8773, 0x0111, 0x0117, 0x0144, 0x0145, 0x927C}
"""Offsets, strips and blobs: places in the file, not facts about the photo."""

_XMP = (
    "xmp:CreateDate", "photoshop:DateCreated", "exif:DateTimeOriginal", "xmp:CreatorTool", "exif:GPSLatitude",
    "exif:GPSLongitude", "exif:GPSAltitude", "tiff:Make", "tiff:Model", "aux:Lens", "xmp:Rating",
)  # fmt: skip
_XMP_BAG = re.compile(r"<dc:subject>(.{0,20000}?)</dc:subject>", re.S)
_XMP_ITEM = re.compile(r"<rdf:li[^>]{0,200}>([^<]{1,400})</rdf:li>")
_XMP_TEXT = re.compile(r"<dc:description>.{0,200}?<rdf:li[^>]{0,200}>([^<]{1,4000})</rdf:li>", re.S)


def read_metadata(source: Path, limits: Limits) -> RawMetadata:
    """All tags of a picture or a video.

    Names are "EXIF:DateTimeOriginal", "GPS:GPSLatitude", "XMP:xmp:CreateDate", "Container:creation_time". Rationals are
    floats; bytes that are no text are left out; texts are cut at 4,000 characters and lists at 64 numbers.

    Raises:
        MediaRejected: the file is not a picture or video, or its header can't be read.
    """
    found = sniff(source, limits)
    if found.kind == "video":
        from adapters.media import video  # PyAV takes 40 MB that pictures do not need

        return video.read_metadata(source, found.media_type, limits)
    header = read_header(source, found.media_type, limits)
    notes = list(header.notes)
    tags: dict[str, Value] = {}
    for prefix, names, block in (
        ("EXIF", TAGS, header.exif),
        ("EXIF", TAGS, header.exif_sub),
        ("GPS", GPSTAGS, header.exif_gps),
    ):
        _collect(tags, prefix, names, block, notes)
    tags.update(_read_xmp(header.xmp))
    tags.update(shot_tags(header.exif_sub.get(0x927C), header.xmp))
    embedded, missing = find_video(source, found.media_type, header.xmp)
    notes += [missing] if missing else []
    width, height = header.upright
    return RawMetadata(tags, width, height, header.stored_orientation, tuple(dict.fromkeys(notes)), embedded)


def _collect(
    tags: dict[str, Value], prefix: str, names: Mapping[int, str], block: Mapping[int, Any], notes: list[str]
) -> None:
    for number, raw in block.items():
        if number in _POINTERS:
            continue
        if len(tags) >= _MAX_TAGS:
            notes.append(f"there are more than {_MAX_TAGS} tags; the rest was left out")
            return
        name = names.get(number, f"0x{number:04x}")
        try:
            value = _plain(name, raw)
        except (ValueError, TypeError, ArithmeticError, LookupError):
            value = None
        if value is None:
            if isinstance(raw, IFDRational):
                notes.append(f"{name} is not a number")
        else:
            tags.setdefault(f"{prefix}:{name}", value)


def _plain(name: str, raw: Any) -> Value | None:
    """A value that JSON can hold, or None when there is nothing to keep."""
    if isinstance(raw, bool):
        return int(raw)
    if isinstance(raw, int):
        return raw if abs(raw) < 1 << 53 else None
    if isinstance(raw, str):
        return _text(raw)
    if isinstance(raw, bytes):
        return _from_bytes(name, raw)
    if isinstance(raw, (float, IFDRational)):
        return _number(raw)
    if isinstance(raw, (tuple, list)):
        if all(isinstance(item, str) for item in raw):
            return _text(" ".join(raw))
        numbers = [_number(item) for item in raw[:_MAX_NUMBERS]]
        return [number for number in numbers if number is not None] if None not in numbers and numbers else None
    return None


def _number(raw: Any) -> float | None:
    if isinstance(raw, IFDRational) and not raw.denominator:
        return None
    value = float(raw)
    return value if math.isfinite(value) else None


def _from_bytes(name: str, raw: bytes) -> Value | None:
    if name in ("GPSAltitudeRef", "GPSDifferential") and len(raw) == 1:
        return raw[0]
    if name in ("GPSVersionID", "ComponentsConfiguration"):
        return [float(byte) for byte in raw[:_MAX_NUMBERS]]
    if name.startswith("XP"):
        return _text(raw[: 2 * _MAX_TEXT].decode("utf-16-le", "ignore"))
    if name in ("UserComment", "GPSProcessingMethod", "GPSAreaInformation"):
        code, rest = raw[:8].upper(), raw[8 : 8 + 2 * _MAX_TEXT]
        if code.startswith(b"UNICODE"):
            return _text(rest.decode("utf-16-be" if rest[:1] == b"\0" else "utf-16-le", "ignore"))
        raw = rest if code.startswith((b"ASCII", b"JIS")) or code == bytes(8) else raw
    kept = raw.rstrip(b"\0 ")[:_MAX_TEXT]
    try:
        text = kept.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return _text(text) if text.isprintable() else None


def _text(raw: str) -> str | None:
    """Cut at the first NUL, repaired where UTF-8 was taken for Latin-1, without control characters and padding."""
    raw = raw.split("\0", 1)[0][: 2 * _MAX_TEXT]
    with contextlib.suppress(UnicodeError):
        raw = raw.encode("latin-1").decode("utf-8")
    kept = "".join(c for c in raw if c.isprintable() or c in "\n\t").strip()
    return kept[:_MAX_TEXT] or None


def _read_xmp(block: bytes) -> dict[str, Value]:
    """A few properties by search: no XML parser ever meets a stranger's file."""
    text = block.decode("utf-8", "replace")
    found: dict[str, Value] = {}
    for name in _XMP:
        match = re.search(rf"""{name}\s*(?:=\s*["']([^"']{{1,200}})["']|>\s*([^<]{{1,200}})<)""", text)
        value = _text(html.unescape(match[1] or match[2])) if match else None
        if value:
            found[f"XMP:{name}"] = value
    described = _XMP_TEXT.search(text)
    value = _text(html.unescape(described[1])) if described else None
    if value:
        found["XMP:dc:description"] = value
    bag = _XMP_BAG.search(text)
    words = [_text(html.unescape(word)) for word in _XMP_ITEM.findall(bag[1])[:200]] if bag else []
    if any(words):
        found["XMP:dc:subject"] = "\n".join(" ".join(word.split()) for word in words if word)[:_MAX_TEXT]
    return found
