"""The hash of a picture's or a video's stored pixels, whatever the metadata beside them; runs in the sandbox's child.

    JPEG, WebP        the coded data without metadata: stable for ever, as no decoder takes part
    videos            the packets of all video and audio tracks, whatever container holds them
    all other         the decoded pixels; so a PNG, a TIFF and a BMP of the same pixels are equal

EXIF's orientation and colour profiles count as metadata: they say how to show pixels and do not change them. (In HEIC
the container turns the picture, and that is part of decoding.) Memory does not grow with the file, but for HEIC and
AVIF, whose decoder makes the whole picture.
"""

from __future__ import annotations

import hashlib
import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from adapters.media.header import check_size, open_picture
from adapters.media.raw import RAW_TYPES
from adapters.media.sniff import sniff
from domain.errors import MediaRejected
from domain.media import Hashed, Limits

__all__ = ["pixel_hash"]

_CHUNK = 4 << 20
_STRIP_PIXELS = 4 << 20


def pixel_hash(source: Path, limits: Limits) -> Hashed:
    """Hash the pixels of a file that was found whole before.

    Raises:
        MediaRejected: it is not a picture or a video, or can't be read after all.
    """
    found = sniff(source, limits)
    hasher = hashlib.sha256()
    if found.media_type in RAW_TYPES:
        return Hashed(None, "the pixels of a camera raw file are not compared, only what it looks like")
    if found.kind == "video":
        return _hash_video(source, found.media_type)
    if found.media_type in ("image/jpeg", "image/webp"):
        hasher.update(found.media_type.encode() + b"\0")
        parts = _jpeg_parts if found.media_type == "image/jpeg" else _webp_parts
        with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for start, end in parts(data):
                for at in range(start, end, _CHUNK):
                    hasher.update(data[at : min(at + _CHUNK, end)])
    else:
        for piece in _decoded(source, found.media_type, limits):
            hasher.update(piece)
    return Hashed(hasher.hexdigest())


# --- coded data ------------------------------------------------------------------------------------------------------

_SOS, _EOI, _COM, _APP0, _APP15, _ADOBE = 0xDA, 0xD9, 0xFE, 0xE0, 0xEF, 0xEE


def _jpeg_parts(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Where the picture itself is: every segment but APPn and COM, up to the first EOI (ITU-T T.81, B.1).

    Adobe's APP14 stays: without it the same data are decoded to other colours. What follows EOI (a second picture, a
    video) is not this picture.
    """
    at, size = 2, len(data)
    while at + 4 <= size:
        if data[at] != 0xFF:  # bytes between segments, which decoders pass over
            at = data.find(b"\xff", at)
            if at < 0:
                return
            continue
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
        elif marker == _EOI:
            return
        elif marker in (0x00, 0x01) or 0xD0 <= marker <= 0xD8:  # no segment
            at += 2
        else:
            end = min(at + 2 + int.from_bytes(data[at + 2 : at + 4], "big"), size)
            if marker == _SOS:
                end = _after_scan(data, end)
            adobe = marker == _ADOBE and data[at + 4 : at + 9] == b"Adobe"
            if adobe or not (_APP0 <= marker <= _APP15 or marker == _COM):
                yield at, end
            at = end


_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def _after_scan(data: mmap.mmap, at: int) -> int:
    """Position of the marker that ends entropy-coded data; stuffed zeros and restart markers belong to it."""
    found = _MARKER.search(data, at)
    return found.start() if found else len(data)


_ANIMATED = 0x02
_WEBP_METADATA = (b"EXIF", b"XMP ", b"ICCP", b"VP8X")


def _webp_parts(data: mmap.mmap) -> Iterator[tuple[int, int]]:
    """Every chunk of the RIFF container but metadata, and but VP8X, whose flags say which of that there is (RFC 9649);
    it says the canvas too, which counts for an animation alone."""
    at, end = 12, min(len(data), 8 + int.from_bytes(data[4:8], "little"))
    while at + 8 <= end:
        name, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        if name == b"VP8X" and at + 8 < end and data[at + 8] & _ANIMATED:
            yield at + 12, min(at + 18, end)
        if name not in _WEBP_METADATA:
            yield at, min(at + 8 + size, end)
        at += 8 + size + (size & 1)


# --- decoded pixels --------------------------------------------------------------------------------------------------


def _decoded(source: Path, media_type: str, limits: Limits) -> Iterator[bytes]:
    if media_type in ("image/png", "image/gif", "image/tiff"):
        yield from _with_libvips(source, media_type, limits)
    else:
        yield from _with_pillow(source, media_type, limits)


def _head(width: int, height: int, bands: int, kind: str) -> bytes:
    return b"pixels\0" + struct.pack(">III8s", width, height, bands, kind.encode())


def _with_libvips(source: Path, media_type: str, limits: Limits) -> Iterator[bytes]:
    """All frames or pages, a strip at a time."""
    import pyvips

    from adapters.media import decoding

    try:
        first = decoding.load(source, media_type)
        pages = first.get("n-pages") if first.get_typeof("n-pages") else 1
        if pages == 1 or media_type == "image/png":
            pictures = iter([first])
        elif media_type == "image/gif":  # one pass: a frame needs those before it
            pictures = iter([decoding.load(source, media_type, n=-1)])
        else:  # pages of a TIFF may differ in size
            pictures = (decoding.load(source, media_type, page=page) for page in range(min(pages, limits.max_frames)))
        for picture in pictures:
            if media_type == "image/tiff":
                check_size(picture.width, picture.height, limits)
            yield _head(picture.width, picture.height, picture.bands, picture.format)
            region = pyvips.Region.new(picture)
            rows = max(1, _STRIP_PIXELS // picture.width)
            for top in range(0, picture.height, rows):
                yield bytes(region.fetch(0, top, picture.width, min(rows, picture.height - top)))
    except pyvips.Error as error:
        decoding.refuse(error)


def _with_pillow(source: Path, media_type: str, limits: Limits) -> Iterator[bytes]:
    """The picture that is shown, of a file that holds several."""
    with open_picture(source, media_type, limits) as (image, _):
        picture: Any = image.convert("RGB") if image.mode in ("P", "1") else image
        kind = "uchar" if picture.mode in ("L", "LA", "RGB", "RGBA") else picture.mode
        yield _head(picture.width, picture.height, len(picture.getbands()), kind)
        rows = max(1, _STRIP_PIXELS // picture.width)
        for top in range(0, picture.height, rows):
            yield picture.crop((0, top, picture.width, min(top + rows, picture.height))).tobytes()


# --- videos ----------------------------------------------------------------------------------------------------------


def _hash_video(source: Path, media_type: str) -> Hashed:
    """Hash each track's packets as they come and the tracks together, for containers interleave them differently."""
    import av.error

    from adapters.media import video

    note = ""
    with video.opened(source, media_type) as container:
        tracks = [s for s in container.streams if s.type in ("video", "audio") and not s.disposition & 0x400]
        hashers = {track.index: (track.type, hashlib.sha256()) for track in tracks}  # a track dies with its container
        try:
            for packet in container.demux(tracks):
                if packet.size:  # the last one of each track is empty, and has no memory to look at
                    hashers[packet.stream.index][1].update(memoryview(packet))
        except av.error.FFmpegError:
            note = "the video can't be read to its end; its hash covers what could be read"
    if not hashers:
        raise MediaRejected("not_media", "the file has no video track")
    whole = hashlib.sha256(b"video\0")
    for kind, hasher in sorted(hashers.values(), key=lambda track: track[0] != "video"):
        whole.update(kind.encode() + hasher.digest())
    return Hashed(whole.hexdigest(), note)
