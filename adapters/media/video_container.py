"""The layout of a video's file, read from box headers alone: is the index first, is it in fragments, is it whole."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from msgspec import Struct

from domain.errors import MediaRejected

__all__ = ["Layout", "read_layout", "refuse_if_cut", "refused_if_cut"]

_ISO = ("video/mp4", "video/quicktime", "video/3gpp")
_MAX_BOXES = 50_000  # 12 hours in fragments of 2 s are 43,200
_SEGMENT = b"\x18\x53\x80\x67"  # Matroska's Segment (RFC 9559, 5.1)


class Layout(Struct, frozen=True):
    """What the box headers say."""

    iso: bool = False
    brand: str | None = None
    moov: int | None = None  # place of the index
    mdat: int | None = None  # place of the first media data
    fragmented: bool = False
    claimed: int | None = None  # where the last box ends by its own word
    size: int = 0

    @property
    def short(self) -> bool:
        """Whether the last box claims more than there is."""
        return self.claimed is not None and self.claimed > self.size

    @property
    def fast_start(self) -> bool | None:
        """Whether the index comes before the media; None when there is no such order."""
        if not self.iso or self.moov is None:
            return None
        return self.mdat is None or self.moov < self.mdat


def read_layout(source: Path, media_type: str) -> Layout:
    """Walk over the top-level boxes of an ISO media file (ISO/IEC 14496-12, 4.2), or read a Matroska segment's size.

    Cost: one read of 16 bytes a box, 50,000 boxes at most.
    """
    size = source.stat().st_size
    with source.open("rb") as file:
        return _iso(file, size) if media_type in _ISO else _matroska(file, size)


def _iso(file: BinaryIO, size: int) -> Layout:
    brand, moov, mdat, claimed, at = None, None, None, None, 0
    fragmented = False
    for _ in range(_MAX_BOXES):
        file.seek(at)
        head = file.read(16)
        if len(head) < 8:
            break
        length, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if length == 1 and len(head) == 16:
            length = int.from_bytes(head[8:16], "big")
        elif length == 0:
            length = size - at
        if length < 8:
            break
        match kind:
            case b"ftyp":
                text = head[8:12].decode("ascii", "replace").strip()
                brand = text if text.isprintable() else None
            case b"moov":
                moov = at if moov is None else moov
            case b"mdat":
                mdat = at if mdat is None else mdat
            case b"moof":
                fragmented = True
        at += length
        claimed = at
        if at > size:
            break
    return Layout(True, brand, moov, mdat, fragmented, claimed, size)


def _matroska(file: BinaryIO, size: int) -> Layout:
    """The EBML header's size, then the segment's (RFC 8794, 4: variable-size integers; all ones: unknown)."""
    head = file.read(64)
    length, used = _vint(head[4:])
    at = 4 + used + length
    if length < 0 or at > min(size, 4096):
        return Layout(size=size)
    file.seek(at)
    head = file.read(12)
    if head[:4] != _SEGMENT:
        return Layout(size=size)
    length, used = _vint(head[4:])
    return Layout(claimed=at + 4 + used + length if length >= 0 else None, size=size)


def _vint(data: bytes) -> tuple[int, int]:
    """Value and length of a variable-size integer; the value is -1 when it is unknown or missing."""
    if not data or not data[0]:
        return -1, 1
    length = 9 - data[0].bit_length()
    value = int.from_bytes(data[:length], "big") & ((1 << 7 * length) - 1)
    unknown = len(data) < length or value == (1 << 7 * length) - 1
    return (-1 if unknown else value), length


@contextmanager
def refused_if_cut(layout: Layout) -> Iterator[None]:
    """Refuse a file whose index is missing; and what can't be read inside the context, if the file is short, as such.

    Raises:
        MediaRejected: `truncated`.
    """
    if layout.iso and layout.moov is None and layout.mdat is not None:
        raise _cut("its index (moov), which is written last, is missing")
    try:
        yield
    except MediaRejected as error:
        if error.code == "corrupt" and layout.short:
            raise _cut(_missing(layout)) from error
        raise


def refuse_if_cut(layout: Layout, container: Any) -> None:
    """Refuse a file whose end is missing.

    An ISO media file is judged by its index: it is whole when every sample that the index names is there, whatever the
    boxes claim (a wrong length of `mdat` alone does no harm).

    Raises:
        MediaRejected: `truncated`.
    """
    if layout.iso and not layout.fragmented:
        _refuse_if_samples_are_missing(container, layout.size)
    elif layout.short:
        raise _cut(_missing(layout))


def _refuse_if_samples_are_missing(container: Any, size: int) -> None:
    for stream in (*container.streams.video, *container.streams.audio):
        entries = stream.index_entries
        count = len(entries)
        if not count or not any(_end(entries[i]) > size for i in range(max(0, count - 50), count)):
            continue
        first = _first_beyond(entries, count, size)
        beginning, end = entries[0].timestamp, entries[count - 1].timestamp
        there = entries[first].timestamp - beginning
        seconds, whole = float(there * stream.time_base), float((end - beginning) * stream.time_base)
        share = 100 * (1 - there / max(1, end - beginning))
        raise _cut(f"{share:.0f} % of it is missing, from {seconds:.0f} s on of {whole:.0f} s")


def _first_beyond(entries: Any, count: int, size: int) -> int:
    """Index of the first sample that ends behind the end of the file; samples lie in order of time."""
    low, high = 0, count - 1
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if _end(entries[middle]) > size else (middle + 1, high)
    return low


def _end(entry: Any) -> int:
    return int(entry.pos) + int(entry.size)


def _missing(layout: Layout) -> str:
    assert layout.claimed is not None
    return f"it should have {layout.claimed:,} bytes and has {layout.size:,}"


def _cut(what: str) -> MediaRejected:
    return MediaRejected("truncated", f"the video is cut short: {what}; copy it from the camera again")
