"""Boxes of ISO media files: where the fragments of an fMP4 lie and how long each plays, and what `CODECS` to name.

ISO/IEC 14496-12 (boxes, fragments), 14496-15 (avcC), RFC 6381 (codecs). For files of our own making.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct

from domain.streaming import Segment

__all__ = ["Fragment", "Layout", "avc_codecs", "boxes", "grouped", "layout"]

_CONTAINERS = {b"moof", b"traf", b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_TFHD_BASE, _TFHD_DESCRIPTION, _TFHD_DURATION = 0x1, 0x2, 0x8
_TRUN_DATA_OFFSET, _TRUN_FIRST_FLAGS, _TRUN_DURATION = 0x1, 0x4, 0x100
_TRUN_FIELDS = (0x100, 0x200, 0x400, 0x800)  # duration, size, flags, composition offset: four bytes each


class Fragment(Struct, frozen=True):
    """One `moof` with its `mdat`."""

    offset: int
    bytes: int
    start: int  # decode time, in ticks of the track's timescale
    ticks: int  # how long it plays
    samples: int


class Layout(Struct, frozen=True):
    """An fMP4 with one track: the head (`ftyp`, `moov`), then fragments."""

    head_bytes: int
    head_sha256: str
    fragments: tuple[Fragment, ...]


def boxes(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, offset and length of each box between two offsets; stops where the rest is no box."""
    at = start
    while at + 8 <= end:
        file.seek(at)
        size, kind = struct.unpack(">I4s", file.read(8))
        if size == 1:
            size = struct.unpack(">Q", file.read(8))[0]
        elif size == 0:
            size = end - at
        if size < 8 or at + size > end:
            return
        yield kind, at, size
        at += size


def layout(path: Path) -> Layout:
    """Find the fragments of an fMP4 with one track."""
    found: list[Fragment] = []
    head = 0
    with path.open("rb") as file:
        moof: tuple[int, int, int, int] | None = None
        for kind, at, size in boxes(file, 0, path.stat().st_size):
            if kind == b"moof":
                head = head or at
                moof = (at, *_timing(file, at, size))
            elif kind == b"mdat" and moof is not None:
                offset, start, ticks, samples = moof
                found.append(Fragment(offset, at + size - offset, start, ticks, samples))
                moof = None
        head = head or path.stat().st_size
        file.seek(0)
        return Layout(head, hashlib.sha256(file.read(head)).hexdigest(), tuple(found))


def grouped(fragments: Sequence[Fragment], limit: int) -> tuple[Segment, ...]:
    """Neighbouring fragments as segments of at most so many ticks (a longer fragment is a segment of its own)."""
    found: list[Segment] = []
    size = ticks = 0
    for fragment in fragments:
        if size and ticks + fragment.ticks > limit:
            found.append(Segment(size, ticks))
            size = ticks = 0
        size, ticks = size + fragment.bytes, ticks + fragment.ticks
    return (*found, Segment(size, ticks)) if size else tuple(found)


def _timing(file: BinaryIO, at: int, size: int) -> tuple[int, int, int]:
    """Start, length (in ticks) and number of samples of a `moof`."""
    start = ticks = samples = default = 0
    for kind, offset, length in list(_leaves(file, at + 8, at + size)):
        file.seek(offset + 8)
        body = file.read(length - 8)
        flags = int.from_bytes(body[1:4], "big")
        if kind == b"tfdt":
            start = int.from_bytes(body[4:12] if body[0] else body[4:8], "big")
        elif kind == b"tfhd" and flags & _TFHD_DURATION:
            skipped = 8 + (8 if flags & _TFHD_BASE else 0) + (4 if flags & _TFHD_DESCRIPTION else 0)
            default = int.from_bytes(body[skipped : skipped + 4], "big")
        elif kind == b"trun":
            count = int.from_bytes(body[4:8], "big")
            samples += count
            if not flags & _TRUN_DURATION:
                ticks += count * default
                continue
            first = 8 + (4 if flags & _TRUN_DATA_OFFSET else 0) + (4 if flags & _TRUN_FIRST_FLAGS else 0)
            stride = 4 * sum(bool(flags & field) for field in _TRUN_FIELDS)
            ticks += sum(struct.unpack_from(">I", body, first + i * stride)[0] for i in range(count))
    return start, ticks, samples


def _leaves(file: BinaryIO, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    for kind, at, size in list(boxes(file, start, end)):
        if kind in _CONTAINERS:
            yield from _leaves(file, at + 8, at + size)
        else:
            yield kind, at, size


def avc_codecs(extradata: bytes) -> str:
    """`avc1.640028` from an encoder's extradata: an avcC record, or NAL units that begin with a start code."""
    if extradata[:1] == b"\x01":
        return f"avc1.{extradata[1:4].hex()}"
    at = extradata.find(b"\0\0\1\x67")  # a sequence parameter set, nal_ref_idc 3
    return f"avc1.{extradata[at + 4 : at + 7].hex()}"
