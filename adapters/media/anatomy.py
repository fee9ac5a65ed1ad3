"""Where a picture or a video ends by its own structure, where a video may hold words, and how deep a file is nested.

Nothing is decoded: markers, chunks, blocks and boxes are walked by their stated lengths. What lies behind the end, and
what the words say, is judged by `adapters.media.polyglot`.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from msgspec import Struct

from adapters.media.gif import after_blocks, table_bytes
from domain.errors import MediaRejected
from domain.media import Limits

__all__ = ["Anatomy", "Content", "dissect", "windows"]

_MAX_TAGS = 1_000_000
_MAX_PARTS = 200_000  # boxes, chunks or directories; a two-hour fragmented video has about 20,000
_WINDOW, _OVERLAP = 4 << 20, 8192


class Content:
    """A file's bytes by position: a video may be larger than the address space that a decoder may have."""

    def __init__(self, source: Path) -> None:
        self._fd = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        self.size = os.fstat(self._fd).st_size

    def read(self, at: int, length: int) -> bytes:
        """Up to `length` bytes from a position on; fewer at the end, none outside."""
        return os.pread(self._fd, length, at) if 0 <= at < self.size and length > 0 else b""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._fd)


class Anatomy(Struct, frozen=True):
    """What the structure of a file says."""

    end: int  # first byte behind it
    exact: bool = True  # else the end can't be told, and `end` is where its last few MB begin
    words: tuple[tuple[int, int], ...] | None = None  # (from, to) of parts that may hold text; None: anywhere


def dissect(content: Content, media_type: str, limits: Limits) -> Anatomy:
    """Walk a file's structure. A walk that meets nonsense stops there: decoders judge what is damaged.

    Raises:
        MediaRejected: `too_deep`: parts lie in each other deeper than `limits.max_nesting`, go in a circle, or are too
            many.
    """
    return _WALKS.get(media_type, _unknown)(content, limits)


def _unknown(content: Content, limits: Limits) -> Anatomy:
    return Anatomy(max(0, content.size - _WINDOW), exact=False)


def _too_deep(what: str) -> MediaRejected:
    return MediaRejected("too_deep", f"the file is refused: {what}")


# --- pictures --------------------------------------------------------------------------------------------------------

_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _jpeg(content: Content, limits: Limits) -> Anatomy:
    """Segments up to EOI (ITU-T T.81, B.1.1.4); entropy-coded data is searched for the next marker."""
    at = 2
    for _ in range(_MAX_PARTS):
        head = content.read(at, 4)
        if len(head) < 2 or head[0] != 0xFF:
            return Anatomy(content.size)
        marker = head[1]
        if marker == 0xD9:
            return Anatomy(at + 2)
        if marker == 0xFF:  # fill bytes
            block = content.read(at, 1 << 16)
            at += max(1, len(block) - len(block.lstrip(b"\xff")) - 1)
        elif marker in (0x01, 0xD8) or 0xD0 <= marker <= 0xD7:
            at += 2
        else:
            at += 2 + int.from_bytes(head[2:4], "big")
            if marker == 0xDA:
                at = _next_marker(content, at)
    raise _too_deep(f"it has more than {_MAX_PARTS:,} segments")


def _next_marker(content: Content, at: int) -> int:
    while block := content.read(at, _WINDOW):
        found = _MARKER.search(block)
        if found:
            return at + found.start()
        at += max(1, len(block) - 1)  # a marker may lie across the border
    return content.size


def _png(content: Content, limits: Limits) -> Anatomy:
    """Chunks up to IEND (PNG, 5.3)."""
    at = 8
    for _ in range(_MAX_PARTS):
        head = content.read(at, 8)
        if len(head) < 8:
            return Anatomy(content.size)
        length, kind = struct.unpack(">I4s", head)
        at += 12 + length
        if kind == b"IEND":
            return Anatomy(at)
    raise _too_deep(f"it has more than {_MAX_PARTS:,} chunks")


def _gif(content: Content, limits: Limits) -> Anatomy:
    """Blocks up to the trailer (GIF89a, 27)."""
    data = content.read(0, content.size)
    at = 13 + table_bytes(data[10]) if len(data) > 10 else len(data)
    while at < len(data) and data[at] in (0x21, 0x2C):
        skipped = 2 if data[at] == 0x21 else 11 + table_bytes(data[at + 9] if at + 9 < len(data) else 0)
        at = after_blocks(data, at + skipped)
    return Anatomy(at + 1 if at < len(data) and data[at] == 0x3B else content.size)


def _webp(content: Content, limits: Limits) -> Anatomy:
    """RIFF's own length."""
    length = int.from_bytes(content.read(4, 4), "little")
    return Anatomy(min(8 + length + length % 2, content.size))


def _bmp(content: Content, limits: Limits) -> Anatomy:
    """The header's length of the file, where it leaves room for pixels; writers get it wrong."""
    length, _, pixels = struct.unpack("<III", content.read(2, 12).ljust(12, b"\0"))
    return Anatomy(length) if pixels < length <= content.size else _unknown(content, limits)


def _tiff(content: Content, limits: Limits) -> Anatomy:
    """Directories (TIFF 6.0, section 2; BigTIFF); where the last strip ends is not told by any of them."""
    big = content.read(2, 2) in (b"+\0", b"\0+")
    order = "<" if content.read(0, 2) == b"II" else ">"
    first = content.read(8 if big else 4, 8 if big else 4)
    if len(first) == (8 if big else 4):
        start = struct.unpack(order + ("Q" if big else "I"), first)[0]
        _walk_directories(content, order, big, start, limits)
    return _unknown(content, limits)


_DIRECTORIES = {
    330,
    34665,
    34853,
    40965,
}  # tags that point to further directories: SubIFDs, EXIF, GPS, interoperability


def _walk_directories(content: Content, order: str, big: bool, start: int, limits: Limits) -> None:
    """Every directory once, a chain as one level; pictures share strips and tags, never directories."""
    count_size, entry_size, offset = (8, 20, "Q") if big else (2, 12, "I")
    pending, seen, tags = [(start, 1)], set(), 0
    while pending:
        at, depth = pending.pop()
        if at == 0 or at >= content.size:
            continue
        if at in seen:
            raise _too_deep("its directories (IFDs) go in a circle")
        seen.add(at)
        if depth > limits.max_nesting:
            raise _too_deep(f"its directories (IFDs) lie more than {limits.max_nesting} deep in each other")
        if len(seen) > limits.max_frames * 4:
            raise _too_deep(f"it has more than {limits.max_frames * 4:,} directories (IFDs)")
        head = content.read(at, count_size)
        if len(head) < count_size:
            continue
        (count,) = struct.unpack(order + ("Q" if big else "H"), head)
        tags += min(count, 65_535)
        if tags > _MAX_TAGS:
            raise _too_deep(f"its directories (IFDs) have more than {_MAX_TAGS:,} tags together")
        entries = content.read(at + count_size, min(count, 65_535) * entry_size + struct.calcsize(offset))
        for place in range(0, len(entries) - entry_size + 1, entry_size):
            tag, _, values = struct.unpack_from(f"{order}HH{offset}", entries, place)
            if tag in _DIRECTORIES and place < count * entry_size:
                value = entries[place + entry_size - struct.calcsize(offset) : place + entry_size]
                pending += [(each, depth + 1) for each in _offsets(content, order, offset, values, value)]
        behind = entries[count * entry_size :]
        if len(behind) >= struct.calcsize(offset):
            pending.append((struct.unpack_from(order + offset, behind)[0], depth))


def _offsets(content: Content, order: str, offset: str, values: int, value: bytes) -> tuple[int, ...]:
    size = struct.calcsize(offset)
    if values > 1:
        (place,) = struct.unpack(order + offset, value)
        value = content.read(place, min(values, 1000) * size)
    return struct.unpack(f"{order}{len(value) // size}{offset}", value[: len(value) // size * size])


# --- ISO base media files: MP4, MOV, 3GP, HEIC, AVIF -----------------------------------------------------------------

_CONTAINERS = {
    *(b"moov", b"trak", b"mdia", b"minf", b"stbl", b"dinf", b"edts", b"udta", b"moof", b"traf", b"mvex", b"mfra"),
    *(b"meta", b"iprp", b"ipco", b"ilst", b"sinf", b"schi", b"gmhd", b"tref", b"grpl", b"strk", b"meco"),
}
_MAX_WORDS = 1 << 20


def _boxes(content: Content, limits: Limits) -> Anatomy:
    """Boxes (ISO/IEC 14496-12, 4.2): the chain at the top tells the end, boxes without media may hold words."""
    words: list[tuple[int, int]] = []
    end = content.size
    pending, count = [(0, content.size, 1)], 0
    while pending:
        at, stop, depth = pending.pop()
        if depth > limits.max_nesting:
            raise _too_deep(f"its boxes lie more than {limits.max_nesting} deep in each other")
        while at + 8 <= stop:
            count += 1
            if count > _MAX_PARTS:
                raise _too_deep(f"it has more than {_MAX_PARTS:,} boxes")
            kind, begin, next_ = _box(content, at, stop)
            if next_ <= at or (depth == 1 and next_ > content.size and kind != b"mdat"):
                break  # no box: whatever begins here is not part of the chain; cameras get the length of mdat wrong
            if kind in _CONTAINERS:
                inner = begin + 4 if kind == b"meta" and content.read(begin + 4, 4) != b"hdlr" else begin
                pending.append((inner, min(next_, stop), depth + 1))
            if depth == 1 and kind not in (b"mdat", b"moof", b"sidx"):
                words.append((begin, min(next_, begin + _MAX_WORDS)))
            at = next_
        if depth == 1:
            end = min(at, content.size)
    return Anatomy(end, words=tuple(words))


def _box(content: Content, at: int, stop: int) -> tuple[bytes, int, int]:
    """Type, first byte of the content, first byte behind; the last is 0 where there is no box."""
    head = content.read(at, 16)
    size, kind = int.from_bytes(head[:4], "big"), head[4:8]
    if not (len(kind) == 4 and (kind.isascii() or kind[0] == 0xA9) and (kind[1:].decode("latin-1").isprintable())):
        return kind, at, 0
    if size == 1:
        return kind, at + 16, at + size64 if (size64 := int.from_bytes(head[8:16], "big")) >= 16 else 0
    if size == 0:
        return kind, at + 8, stop
    return kind, at + 8, at + size if size >= 8 else 0


# --- EBML: Matroska, WebM ---------------------------------------------------------------------------------------------

_SEGMENT, _CLUSTER = 0x18538067, 0x1F43B675
_AT_TOP = {0x1A45DFA3, _SEGMENT, 0xEC, 0xBF}  # header, segment, void, checksum
_MASTERS = {_SEGMENT, 0x1254C367, 0x7373, 0x67C8, 0x1043A770, 0x45B9, 0xB6, 0x80, 0x1654AE6B, 0xAE, 0x1941A469, 0x61A7}
"""Elements that hold others, of those that can nest or hold words: tags, chapters, tracks, attachments (RFC 9559)."""


def _ebml(content: Content, limits: Limits) -> Anatomy:
    """Elements (RFC 8794, 4); clusters, where the pictures are, are passed over."""
    words: list[tuple[int, int]] = []
    end, count = content.size, 0
    pending = [(0, content.size, 1)]
    while pending:
        at, stop, depth = pending.pop()
        if depth > limits.max_nesting:
            raise _too_deep(f"its elements lie more than {limits.max_nesting} deep in each other")
        while at < stop:
            count += 1
            if count > _MAX_PARTS:
                raise _too_deep(f"it has more than {_MAX_PARTS:,} elements")
            found = _element(content, at, stop)
            if found is None or (depth == 1 and found[0] not in _AT_TOP):
                break
            ident, begin, next_ = found
            if ident in _MASTERS:
                pending.append((begin, min(next_, stop), depth + 1))
            elif ident != _CLUSTER:
                words.append((begin, min(next_, begin + _MAX_WORDS)))
            at = next_
        if depth == 1:
            end = min(at, content.size)
    return Anatomy(end, words=tuple(words))


def _element(content: Content, at: int, stop: int) -> tuple[int, int, int] | None:
    """Id, first byte of the content, first byte behind; None where there is no element. An unknown size goes on to the
    end of what it lies in."""
    head = content.read(at, 12)
    if not head or not head[0]:
        return None
    ident_length = 9 - head[0].bit_length()
    if ident_length > 4 or len(head) <= ident_length or not head[ident_length]:
        return None
    size_length = 9 - head[ident_length].bit_length()
    raw = head[ident_length : ident_length + size_length]
    if len(raw) < size_length:
        return None
    size = int.from_bytes(raw, "big") & ((1 << 7 * size_length) - 1)
    begin = at + ident_length + size_length
    unknown = size == (1 << 7 * size_length) - 1
    return int.from_bytes(head[:ident_length], "big"), begin, stop if unknown else begin + size


_WALKS: dict[str, Callable[[Content, Limits], Anatomy]] = {
    "image/jpeg": _jpeg,
    "image/png": _png,
    "image/gif": _gif,
    "image/webp": _webp,
    "image/tiff": _tiff,
    "image/bmp": _bmp,
    "image/heic": _boxes,
    "image/heif": _boxes,
    "image/avif": _boxes,
    "video/mp4": _boxes,
    "video/quicktime": _boxes,
    "video/3gpp": _boxes,
    "video/webm": _ebml,
    "video/x-matroska": _ebml,
}


def windows(start: int, end: int) -> Iterator[tuple[int, int]]:
    """A stretch in pieces that overlap a little, so that nothing is missed at their borders."""
    while start < end:
        yield start, min(end, start + _WINDOW)
        start += _WINDOW - _OVERLAP
