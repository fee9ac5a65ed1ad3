"""Values of web streaming: what is to be made of a video, in which parts, and what came of each part."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = [
    "LEAD_FRAMES",
    "ChunkFile",
    "Encoded",
    "EncodedFile",
    "Joined",
    "Part",
    "Rung",
    "Segment",
    "StreamRendition",
    "VideoFile",
]

LEAD_FRAMES = 2
"""Pictures by which the media of streams begin late, sound and pictures alike. x264 hands out a picture up to two
places after its turn, and fMP4 knows no negative decoding time."""

_Bits = {"x-unit": "bit/s"}
_Milliseconds = {"x-unit": "ms"}
_Bytes = {"x-unit": "bytes"}


class Rung(Struct, frozen=True):
    """One rendition of the ladder."""

    name: Annotated[str, Meta(description="By its lines: `1080p`.", max_length=16)]
    width: Annotated[int, Meta(description="Upright, even.", ge=2)]
    height: Annotated[int, Meta(description="Upright, even.", ge=2)]
    max_bitrate: Annotated[
        int, Meta(description="Of the pictures, over any two seconds.", extra_json_schema=_Bits, ge=1)
    ]


class Part(Struct, frozen=True):
    """One piece of work: a stretch of the pictures in all renditions, or all of the sound."""

    media: Annotated[Literal["video", "audio"], Meta(description="Pictures or sound.")]
    start_ms: Annotated[int, Meta(description="Where it begins.", extra_json_schema=_Milliseconds, ge=0)]
    end_ms: Annotated[int, Meta(description="Where it ends; a video may end before.", extra_json_schema=_Milliseconds)]
    first_frame: Annotated[int, Meta(description="First picture on the plan's even grid.", ge=0)] = 0
    end_frame: Annotated[int, Meta(description="Picture after the last one.", ge=0)] = 0


class Segment(Struct, frozen=True):
    """A piece that a player fetches at once; segments lie one behind the other, after the file's head."""

    bytes: Annotated[int, Meta(description="Its length.", extra_json_schema=_Bytes, ge=1)]
    ticks: Annotated[int, Meta(description="How long it plays, in units of the file's timescale.", ge=0)]


class ChunkFile(Struct, frozen=True, omit_defaults=True):
    """One rendition of one part, in the blob store: fMP4, its head and its segments."""

    rendition: Annotated[str, Meta(description="Name of the rung, or `audio`.", max_length=16)]
    blob: Annotated[str, Meta(description="Key of the bytes in the blob store.", min_length=1, max_length=1024)]
    size_bytes: Annotated[int, Meta(description="Length of the file.", extra_json_schema=_Bytes, ge=1)]
    head_bytes: Annotated[
        int, Meta(description="Length of `ftyp` and `moov`, which a player reads first.", extra_json_schema=_Bytes)
    ]
    head_sha256: Annotated[str, Meta(description="SHA-256 of the head: equal heads join without a seam.")]
    timescale: Annotated[int, Meta(description="Ticks a second.", ge=1)]
    segments: Annotated[tuple[Segment, ...], Meta(description="One behind the other, after the head.")]
    codecs: Annotated[str, Meta(description="RFC 6381, e.g. `avc1.640028`.", max_length=64)]
    width: Annotated[int, Meta(description="0 for sound.", ge=0)] = 0
    height: Annotated[int, Meta(description="0 for sound.", ge=0)] = 0


class VideoFile(Struct, frozen=True):
    """A file that plays everywhere: H.264 and AAC in MP4, its index in front."""

    blob: Annotated[str, Meta(description="Key of the bytes in the blob store.", min_length=1, max_length=1024)]
    size_bytes: Annotated[int, Meta(description="Length of the file.", extra_json_schema=_Bytes, ge=1)]
    width: Annotated[int, Meta(description="Upright.", ge=1)]
    height: Annotated[int, Meta(description="Upright.", ge=1)]


class StreamRendition(Struct, frozen=True):
    """One rendition of a stream, as a player chooses among them."""

    name: Annotated[str, Meta(description="By its lines: `1080p`.", max_length=16)]
    playlist: Annotated[str, Meta(description="Blob of its playlist; in it, media are named `blob:` and their key.")]
    width: Annotated[int, Meta(description="Upright.", ge=1)]
    height: Annotated[int, Meta(description="Upright.", ge=1)]
    bandwidth: Annotated[int, Meta(description="Peak of any segment, with sound.", extra_json_schema=_Bits, ge=1)]
    average_bandwidth: Annotated[int, Meta(description="With sound.", extra_json_schema=_Bits, ge=1)]
    codecs: Annotated[str, Meta(description="RFC 6381, pictures and sound.", max_length=128)]
    size_bytes: Annotated[int, Meta(description="Of all its media, without sound.", extra_json_schema=_Bytes, ge=1)]


class EncodedFile(Struct, frozen=True):
    """One rendition of one part: fMP4, its head and its segments."""

    rendition: str  # "1080p" ..., "audio"
    path: str
    bytes: int
    head_bytes: int
    head_sha256: str
    timescale: int
    segments: tuple[Segment, ...]
    codecs: str  # RFC 6381
    width: int = 0
    height: int = 0


class Encoded(Struct, frozen=True):
    """What came of one part."""

    files: tuple[EncodedFile, ...]
    engine: str = ""
    notes: tuple[str, ...] = ()


class Joined(Struct, frozen=True):
    """The file that plays everywhere."""

    path: str
    bytes: int
    notes: tuple[str, ...] = ()
