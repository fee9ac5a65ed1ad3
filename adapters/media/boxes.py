"""Boxes of the ISO base media file format (ISO/IEC 14496-12), as far as pictures need them: the colour of an AVIF's
primary item, the EXIF of a Canon CR3 and of a JPEG XL. Only the index is read, within limits; never the pixels.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

__all__ = ["avif_transfer", "canon_directories", "jxl_exif"]

_MAX_INDEX = 4 << 20  # bytes of an index (meta, moov) that are read
_MAX_BOXES = 4096
_CANON = bytes.fromhex("85c0b687820f11e08111f4ce462b6a48")  # the uuid box in a CR3's moov


def _top(file: BinaryIO, size: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, start and end of each box of a file's top level."""
    at = 0
    for _ in range(_MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            return
        length, kind = struct.unpack(">I4s", head[:8])
        start = at + 8
        if length == 1 and len(head) == 16:
            (length,) = struct.unpack(">Q", head[8:])
            start = at + 16
        end = size if length == 0 else at + length
        if end < start:
            return
        yield kind, start, min(end, size)
        at = end


def _inner(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Type and body of each box inside a box."""
    at = 0
    for _ in range(_MAX_BOXES):
        if at + 8 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        if length < 8 or at + length > len(data):
            return
        yield kind, data[at + 8 : at + length]
        at += length


def _find(data: bytes, kind: bytes) -> bytes:
    return next((body for found, body in _inner(data) if found == kind), b"")


def _first(source: Path, kind: bytes) -> bytes:
    size = source.stat().st_size
    with source.open("rb") as file:
        for found, start, end in _top(file, size):
            if found == kind:
                file.seek(start)
                return file.read(min(end - start, _MAX_INDEX))
    return b""


def avif_transfer(source: Path) -> int:
    """Transfer characteristics (ITU-T H.273) of an AVIF's primary item: 16 is PQ, 18 is HLG; 2 when it says none.

    A gain map's alternate picture may be HDR beside a base that is not: only what belongs to the primary item counts.
    """
    try:
        meta = _first(source, b"meta")[4:]
        primary = _find(meta, b"pitm")
        (item,) = struct.unpack_from(">I" if primary[0] else ">H", primary, 4)
        properties = _find(meta, b"iprp")
        held = list(_inner(_find(properties, b"ipco")))
        for at in _associated(_find(properties, b"ipma"), item):
            kind, body = held[at - 1]
            if kind == b"colr" and body[:4] == b"nclx":
                return int(struct.unpack_from(">HHH", body, 4)[1])
    except (struct.error, IndexError):
        pass
    return 2


def _associated(ipma: bytes, item: int) -> list[int]:
    """Indices of an item's properties (ISO/IEC 23008-12, 9.3)."""
    version, wide = ipma[0], ipma[3] & 1
    (count,) = struct.unpack_from(">I", ipma, 4)
    at = 8
    for _ in range(min(count, _MAX_BOXES)):
        (found,) = struct.unpack_from(">I" if version else ">H", ipma, at)
        at += 4 if version else 2
        number, at = ipma[at], at + 1
        form, step = (">H", 2) if wide else (">B", 1)
        indices = [struct.unpack_from(form, ipma, at + step * n)[0] & (0x7FFF if wide else 0x7F) for n in range(number)]
        if found == item:
            return indices
        at += step * number
    return []


def canon_directories(source: Path) -> list[bytes]:
    """The three TIFF directories of a Canon CR3: main, EXIF and GPS; empty where one is missing."""
    moov = _first(source, b"moov")
    for kind, body in _inner(moov):
        if kind == b"uuid" and body[:16] == _CANON:
            return [_find(body[16:], name) for name in (b"CMT1", b"CMT2", b"CMT4")]
    return [b"", b"", b""]


def jxl_exif(source: Path) -> bytes:
    """The EXIF block of a JPEG XL in a container (ISO/IEC 18181-2), compressed or not; empty when there is none."""
    size = source.stat().st_size
    with source.open("rb") as file:
        if file.read(2) == b"\xff\x0a":
            return b""
        for kind, start, end in _top(file, size):
            if kind not in (b"Exif", b"brob"):
                continue
            file.seek(start)
            box = file.read(min(end - start, _MAX_INDEX))
            if kind == b"brob":
                if box[:4] != b"Exif":
                    continue
                box = _decompressed(box)
            if len(box) >= 8:
                (offset,) = struct.unpack_from(">I", box)
                return box[4 + offset :] if offset < len(box) else b""
    return b""


def _decompressed(box: bytes) -> bytes:
    """Let libjxl decompress a Brotli box: it does so in whole files only, so the box gets a picture of one pixel."""
    import numpy as np
    import pylibjxl

    pixel = pylibjxl.encode(np.zeros((1, 1, 3), np.uint8), lossless=True)
    if pixel[:2] != b"\xff\x0a":  # in a container: take the codestream out
        pixel = _find(pixel, b"jxlc")
    parts = ((b"JXL ", b"\r\n\x87\n"), (b"ftyp", b"jxl \0\0\0\0jxl "), (b"brob", box), (b"jxlc", pixel))
    file = b"".join(struct.pack(">I4s", 8 + len(body), kind) + body for kind, body in parts)
    try:
        _, told = pylibjxl.decode(file, metadata=True)
    except (RuntimeError, ValueError):
        return b""
    exif = told.get("exif", b"")
    return bytes(4) + exif if exif else b""
