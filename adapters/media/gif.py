"""Walk the blocks of a GIF without decoding: frames that claim to be far larger than the canvas are a bomb.

libvips clips such frames and is safe; what a viewer does with the original is not known, so the file is refused.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path

__all__ = ["after_blocks", "frame_extents", "table_bytes"]

_EXTENSION, _IMAGE = 0x21, 0x2C


def frame_extents(source: Path) -> Iterator[tuple[int, int]]:
    """Right and lower edge of every frame in pixels (GIF89a specification, 20), as far as the file goes."""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        at = 13 + table_bytes(data[10])
        while at < len(data):
            if data[at] == _EXTENSION:
                at = after_blocks(data, at + 2)
            elif data[at] == _IMAGE and at + 10 <= len(data):
                left, top, width, height = struct.unpack_from("<4H", data, at + 1)
                yield left + width, top + height
                at = after_blocks(data, at + 11 + table_bytes(data[at + 9]))
            else:
                return


def table_bytes(flags: int) -> int:
    """Length of the colour table that a flags byte announces."""
    return 3 << (flags & 7) + 1 if flags & 0x80 else 0


def after_blocks(data: mmap.mmap | bytes, at: int) -> int:
    """First byte behind a chain of sub-blocks (GIF89a specification, 15)."""
    while at < len(data) and data[at]:
        at += 1 + data[at]
    return at + 1
