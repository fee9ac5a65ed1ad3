"""A picture's file without what it says of itself, its pixels untouched: for what leaves the house by a link.

    JPEG   APPn and comments go; the colour profile, Adobe's colour transform and the orientation stay. What follows the
           picture's end (a motion photo's video, further pictures) goes
    PNG    every chunk goes that says nothing of how to show the pixels
    WebP   EXIF, XMP and chunks that nobody knows go
    GIF    comments, texts and applications' blocks go, but for the number of rounds

A list of what may stay, never of what must go. Runs inside the sandbox's child; the standard library alone, so that a
function without decoders can do it. Sources: ITU-T T.81 annex B; PNG third edition, 5 and 11; RFC 9649; GIF89a.
"""

from __future__ import annotations

import mmap
import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, TypeAlias

from domain.errors import MediaRejected
from domain.media import Limits, Stripped

__all__ = ["strip"]

Data: TypeAlias = mmap.mmap

_CHUNK = 4 << 20
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_SOS, _EOI, _COM, _APP0, _APP1, _APP2, _APP14, _APP15 = 0xDA, 0xD9, 0xFE, 0xE0, 0xE1, 0xE2, 0xEE, 0xEF
_JFIF_BYTES = 18  # of a JFIF segment without a small picture in it
_PNG_KEPT = frozenset(
    b"IHDR PLTE IDAT IEND tRNS gAMA cHRM sRGB iCCP sBIT bKGD pHYs cICP mDCV cLLI acTL fcTL fdAT".split()
)
_WEBP_KEPT = frozenset((b"VP8X", b"ICCP", b"ANIM", b"ANMF", b"ALPH", b"VP8 ", b"VP8L"))
_WEBP_EXIF, _WEBP_XMP = 0x08, 0x04
_GIF_ROUNDS = (b"NETSCAPE2.0", b"ANIMEXTS1.0")
_ORIENTATION = 0x0112


def strip(source: Path, limits: Limits, into: str) -> Stripped:
    """Write the picture without its metadata.

    Raises:
        MediaRejected: it is none of the four formats (`unsupported`), or not built as they are (`corrupt`).
    """
    if not 0 < source.stat().st_size <= limits.max_image_bytes:
        raise MediaRejected("unsupported", "the file is empty, or too large for a picture")
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for head, media_type, suffix, write in (
            (b"\xff\xd8\xff", "image/jpeg", "jpg", _jpeg),
            (b"\x89PNG\r\n\x1a\n", "image/png", "png", _png),
            (b"RIFF", "image/webp", "webp", _webp),
            (b"GIF8", "image/gif", "gif", _gif),
        ):
            if data[: len(head)] == head:
                path = Path(into) / f"stripped.{suffix}"
                with path.open("xb") as out:
                    try:
                        write(data, out)
                    except (IndexError, struct.error, ValueError) as error:
                        raise MediaRejected("corrupt", f"the {suffix} file ends where it should not") from error
                return Stripped(str(path), media_type, path.stat().st_size)
    raise MediaRejected("unsupported", "only JPEG, PNG, WebP and GIF files are stripped")


def _copy(data: Data, start: int, end: int, out: BinaryIO) -> None:
    for at in range(start, end, _CHUNK):
        out.write(data[at : min(at + _CHUNK, end)])


# --- JPEG ------------------------------------------------------------------------------------------------------------


def _jpeg(data: Data, out: BinaryIO) -> None:
    segments = list(_segments(data))
    out.write(b"\xff\xd8")
    turned = next(filter(None, (_exif_orientation(data, *s) for s in segments if s[0] == _APP1)), 1)
    first = segments[0] if segments else None
    if first and _kept(data, *first) and first[0] == _APP0:  # JFIF says that it comes first
        _copy(data, first[1], first[2], out)
        segments = segments[1:]
    if turned != 1:
        block = b"Exif\0\0" + _exif(turned)
        out.write(b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block)
    for marker, start, end in segments:
        if _kept(data, marker, start, end):
            _copy(data, start, end, out)
    out.write(b"\xff\xd9")


def _segments(data: Data) -> Iterator[tuple[int, int, int]]:
    """(marker, start, end) of each segment up to the first picture's end, a scan's data included."""
    at, size = 2, len(data)
    while at + 4 <= size:
        if data[at] != 0xFF:
            at = data.find(b"\xff", at)
            if at < 0:
                return
            continue
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == _EOI:
            return
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:
            at += 2
        else:
            end = min(at + 2 + int.from_bytes(data[at + 2 : at + 4], "big"), size)
            if marker == _SOS:
                found = _MARKER.search(data, end)
                end = found.start() if found else size
            yield marker, at, end
            at = end


def _kept(data: Data, marker: int, start: int, end: int) -> bool:
    if marker == _APP0:
        return data[start + 4 : start + 9] == b"JFIF\0" and end - start == _JFIF_BYTES
    if marker == _APP2:
        return data[start + 4 : start + 16] == b"ICC_PROFILE\0"
    if marker == _APP14:
        return data[start + 4 : start + 9] == b"Adobe" and end - start <= 16
    return not (_APP0 <= marker <= _APP15 or marker == _COM or 0xF0 <= marker <= 0xFD)


def _exif_orientation(data: Data, marker: int, start: int, end: int) -> int | None:
    if data[start + 4 : start + 10] != b"Exif\0\0":
        return None
    return _orientation(data[start + 10 : end])


# --- PNG, WebP, GIF --------------------------------------------------------------------------------------------------


def _png(data: Data, out: BinaryIO) -> None:
    out.write(data[:8])
    at, turned = 8, 1
    chunks: list[tuple[bytes, int, int]] = []
    while at + 12 <= len(data):
        length, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(data):
            break
        chunks.append((kind, at, end))
        if kind == b"eXIf":
            turned = _orientation(data[at + 8 : end - 4]) or 1
        if kind == b"IEND":
            break
        at = end
    for kind, start, end in chunks:
        if kind in _PNG_KEPT:
            _copy(data, start, end, out)
        if kind == b"IHDR" and turned != 1:
            block = b"eXIf" + _exif(turned)
            out.write(struct.pack(">I", len(block) - 4) + block + struct.pack(">I", zlib.crc32(block)))


def _webp(data: Data, out: BinaryIO) -> None:
    at, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    chunks: list[tuple[bytes, int, int]] = []
    turned = 1
    while at + 8 <= end:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        after = min(at + 8 + size + (size & 1), end)
        chunks.append((name, at, after))
        if name == b"EXIF":
            block = data[at + 8 : at + 8 + size]
            turned = _orientation(block.removeprefix(b"Exif\0\0")) or 1
        at = after
    out.write(b"RIFF\0\0\0\0WEBP")
    for name, start, after in chunks:
        if name == b"VP8X":
            flags = data[start + 8] & ~(_WEBP_XMP | _WEBP_EXIF) | (_WEBP_EXIF if turned != 1 else 0)
            out.write(data[start : start + 8] + bytes([flags]))
            _copy(data, start + 9, after, out)
        elif name in _WEBP_KEPT:
            _copy(data, start, after, out)
    if turned != 1 and any(name == b"VP8X" for name, *_ in chunks):
        block = _exif(turned)
        out.write(b"EXIF" + struct.pack("<I", len(block)) + block)
    size = out.tell() - 8
    out.seek(4)
    out.write(struct.pack("<I", size))


def _gif(data: Data, out: BinaryIO) -> None:
    at = 13 + _colours(data[10])
    _copy(data, 0, at, out)
    while at < len(data) and data[at] != 0x3B:
        start, kind = at, data[at]
        if kind == 0x2C:
            at = _after_blocks(data, at + 11 + _colours(data[at + 9]))
            _copy(data, start, at, out)
        elif kind == 0x21:
            at = _after_blocks(data, at + 2)
            rounds = data[start + 1] == 0xFF and data[start + 3 : start + 14] in _GIF_ROUNDS
            if rounds or data[start + 1] == 0xF9:
                _copy(data, start, at, out)
        else:
            break
    out.write(b"\x3b")


def _colours(flags: int) -> int:
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_blocks(data: Data, at: int) -> int:
    while (length := data[at]) != 0:
        at += length + 1
    return at + 1


# --- EXIF ------------------------------------------------------------------------------------------------------------


def _orientation(block: bytes) -> int | None:
    """1 to 8 from the first directory of a TIFF block; None where it says nothing sensible."""
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(block[:4])
    if order is None or len(block) < 10:
        return None
    (at,) = struct.unpack_from(order + "I", block, 4)
    if not 8 <= at <= len(block) - 2:
        return None
    (count,) = struct.unpack_from(order + "H", block, at)
    for entry in range(at + 2, min(at + 2 + 12 * count, len(block) - 11), 12):
        tag, kind, number, value = struct.unpack_from(order + "HHIH", block, entry)
        if (tag, kind, number) == (_ORIENTATION, 3, 1):
            return value if 1 <= value <= 8 else None
    return None


def _exif(orientation: int) -> bytes:
    """A TIFF block that says how to turn the picture, and nothing else."""
    return b"MM\0*\0\0\0\x08" + struct.pack(">HHHIHHI", 1, _ORIENTATION, 3, 1, orientation, 0, 0)
