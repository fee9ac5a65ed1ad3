"""What ties the files of one shot together, as cameras write it: identifiers of live photos and of bursts.

Apple's maker note is a small directory of its own behind "Apple iOS"; its offsets count from the note's first byte
(tag numbers as ExifTool documents them: 0x000b BurstUUID, 0x0011 ContentIdentifier).
"""

from __future__ import annotations

import re
import struct

__all__ = ["shot_tags", "xmp_value"]

_APPLE = b"Apple iOS\0"
_APPLE_TEXTS = {0x000B: "Apple:BurstUUID", 0x0011: "Apple:ContentIdentifier"}
_ASCII = 2
_MAX_TEXT = 100


def shot_tags(maker_note: object, xmp: bytes) -> dict[str, str]:
    """Identifiers by tag name; what is damaged is left out."""
    tags = _apple(maker_note) if isinstance(maker_note, bytes) and maker_note.startswith(_APPLE) else {}
    if b"Burst" in xmp:
        text = xmp.decode("utf-8", "replace")
        for name in ("BurstID", "BurstPrimary"):
            value = xmp_value(text, name)
            if value:
                tags[f"XMP:GCamera:{name}"] = value[:_MAX_TEXT]
    return tags


def xmp_value(text: str, name: str) -> str | None:
    """A simple property under any prefix, as attribute or as element; no XML parser ever meets a stranger's file."""
    match = re.search(rf"""\b\w{{1,40}}:{name}\s*(?:=\s*["']([^"'<]{{1,200}})["']|>\s*([^<]{{1,200}})<)""", text)
    return (match[1] or match[2]).strip() if match else None


def _apple(note: bytes) -> dict[str, str]:
    order = "<" if note[12:14] == b"II" else ">"
    tags: dict[str, str] = {}
    try:
        (count,) = struct.unpack_from(f"{order}H", note, 14)
        for at in range(16, 16 + 12 * min(count, 200), 12):
            tag, kind, length, value = struct.unpack_from(f"{order}HHII", note, at)
            if tag in _APPLE_TEXTS and kind == _ASCII and 0 < length <= _MAX_TEXT:
                start = value if length > 4 else at + 8
                text = note[start : start + length].split(b"\0")[0].decode("ascii", "ignore").strip()
                if text.isprintable() and text:
                    tags[_APPLE_TEXTS[tag]] = text
    except struct.error:
        pass  # cut short: what was read stands
    return tags
