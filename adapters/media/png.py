"""Find what a PNG says of itself behind its pixels, without decoding them (PNG specification, third edition, 5, 11.3).

Pillow decodes the whole picture to get there: 0.6 s for 12 megapixels, in every step.
"""

from __future__ import annotations

import mmap
from pathlib import Path

__all__ = ["late_metadata"]

_SIGNATURE = 8
_AROUND = 12  # bytes of a chunk besides its data: length, type, checksum
_MAX_BYTES = 1 << 20
_XMP = b"XML:com.adobe.xmp\0\0\0"  # keyword, and a text that is not compressed; language and translation follow


def late_metadata(source: Path) -> tuple[bytes | None, bytes | None]:
    """Exif and XMP of the first chunks that hold them, wherever they stand; None for what is not there, is
    compressed or is over a megabyte."""
    exif = xmp = None
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = _SIGNATURE
        while at + _AROUND <= len(data):
            length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
            end = at + 8 + length
            if kind == b"IEND" or end > len(data):
                break
            if kind in (b"eXIf", b"iTXt") and length <= _MAX_BYTES:
                held = data[at + 8 : end]
                if kind == b"eXIf":
                    exif = exif or held
                elif held.startswith(_XMP):
                    xmp = xmp or held[len(_XMP) :].split(b"\0", 2)[-1]
            at += _AROUND + length
    return exif, xmp
