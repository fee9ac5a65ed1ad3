"""Facts about a video as plain values: what the media engine reports of one, and what the events record."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

__all__ = [
    "AudioTrack",
    "PosterPicture",
    "PreviewFile",
    "ScrubStrip",
    "Stretch",
    "Verdict",
    "VideoQuality",
    "VideoReport",
    "VideoTrack",
]

Verdict = Annotated[
    Literal["good", "fair", "poor"],
    Meta(description="`good`: nothing to complain of; `fair`: watchable with faults; `poor`: hardly watchable."),
]
_Milliseconds = {"x-unit": "ms"}
_Bits = {"x-unit": "bit/s"}


class VideoTrack(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The video track that is shown."""

    codec: Annotated[str, Meta(description="FFmpeg's name of the codec: `h264`, `hevc`, `av1`, `vp9` ...")]
    codec_tag: Annotated[str, Meta(description="The container's four letters: `avc1`, `hvc1`, `hev1` ...")] | None = (
        None
    )
    profile: Annotated[str, Meta(description="Profile of the codec, e.g. `High`, `Main 10`.")] | None = None
    level: (
        Annotated[int, Meta(description="Level as the codec numbers it: 41 is H.264 level 4.1, 153 is HEVC level 5.1.")]
        | None
    ) = None
    pixel_format: Annotated[str, Meta(description="FFmpeg's name: `yuv420p`, `yuv420p10le` ...")] | None = None
    bit_depth: Annotated[int, Meta(description="Bits a channel.", ge=1, le=32)] = 8
    alpha: Annotated[bool, Meta(description="Whether there is transparency.")] = False
    width: Annotated[int, Meta(description="As a person sees it: upright, with square pixels.", ge=1)]
    height: Annotated[int, Meta(description="As a person sees it: upright, with square pixels.", ge=1)]
    coded_width: Annotated[int, Meta(description="As decoded, before turning and stretching.", ge=1)]
    coded_height: Annotated[int, Meta(description="As decoded, before turning and stretching.", ge=1)]
    pixel_aspect: Annotated[
        tuple[int, int], Meta(description="Width to height of one decoded pixel; not 1 to 1: anamorphic.")
    ] = (1, 1)
    rotation: Annotated[
        int,
        Meta(
            description="Degrees clockwise (0, 90, 180, 270) by which a player turns the decoded picture.", ge=0, le=359
        ),
    ] = 0
    mirrored: Annotated[
        bool, Meta(description="Whether a player mirrors the decoded picture left to right before turning it.")
    ] = False
    frame_rate: Annotated[float, Meta(description="Average number of pictures a second.", ge=0)] | None = None
    variable_frame_rate: Annotated[bool, Meta(description="Whether pictures are shown for different times.")] = False
    frames: Annotated[int, Meta(description="Pictures in the track, when the container says.", ge=0)] | None = None
    interlaced: Annotated[bool, Meta(description="Whether a picture is two half pictures of different moments.")] = (
        False
    )
    bitrate: Annotated[int, Meta(description="Of this track.", extra_json_schema=_Bits, ge=0)] | None = None
    hdr: Annotated[
        str, Meta(description="`none`, `hdr10` (PQ), `hlg` or `dolby_vision`; what the track states.", max_length=32)
    ] = "none"
    primaries: Annotated[str, Meta(description="Colours of red, green, blue: `bt709`, `bt2020` ...")] | None = None
    transfer: Annotated[str, Meta(description="Transfer curve: `bt709`, `smpte2084`, `arib-std-b67` ...")] | None = None
    matrix: Annotated[str, Meta(description="How YUV was made from RGB: `bt709`, `bt2020nc` ...")] | None = None
    full_range: Annotated[bool, Meta(description="Whether black is 0 and white is the largest number.")] = False


class AudioTrack(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The audio track that is heard first."""

    codec: Annotated[str, Meta(description="FFmpeg's name of the codec: `aac`, `opus`, `pcm_s16le` ...")]
    codec_tag: Annotated[str, Meta(description="The container's four letters: `mp4a` ...")] | None = None
    profile: Annotated[str, Meta(description="Profile of the codec, e.g. `LC`.")] | None = None
    channels: Annotated[int, Meta(description="Number of channels.", ge=0)] | None = None
    sample_rate: (
        Annotated[int, Meta(description="Samples a second and channel.", extra_json_schema={"x-unit": "Hz"}, ge=0)]
        | None
    ) = None
    bitrate: Annotated[int, Meta(description="Of this track.", extra_json_schema=_Bits, ge=0)] | None = None
    language: Annotated[str, Meta(description="ISO 639-2, as the container states it.", max_length=16)] | None = None


class Stretch(Struct, frozen=True):
    """A part of a video's time line."""

    from_ms: Annotated[int, Meta(description="Its beginning.", extra_json_schema=_Milliseconds, ge=0)]
    until_ms: Annotated[int, Meta(description="Its end.", extra_json_schema=_Milliseconds, ge=0)]


class VideoQuality(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How good a video is to look at, judged by `domain.quality` from what was sampled of it."""

    verdict: Verdict
    reasons: Annotated[tuple[str, ...], Meta(description="Why it is not good, each a phrase for a person.")] = ()
    bits_per_pixel: (
        Annotated[float, Meta(description="Bits that the track spends on a pixel of a picture.", ge=0)] | None
    ) = None
    sharpness: Annotated[float, Meta(description="Median over the samples; see `domain/quality.py`.", ge=0)] | None = (
        None
    )
    shake: (
        Annotated[
            float, Meta(description="Unsteadiness of the camera in per cent of the picture's width a frame.", ge=0)
        ]
        | None
    ) = None
    black: Annotated[tuple[Stretch, ...], Meta(description="Where sampled pictures are black.")] = ()
    frozen: Annotated[tuple[Stretch, ...], Meta(description="Where sampled pictures do not change.")] = ()
    dropped_frames: Annotated[int, Meta(description="Pictures missing in gaps between timestamps.", ge=0)] = 0
    gaps: Annotated[tuple[Stretch, ...], Meta(description="The longest gaps between timestamps.")] = ()
    samples: Annotated[int, Meta(description="Pictures that were decoded to judge it.", ge=0)] = 0
    examined_ms: Annotated[
        int, Meta(description="How much of the video was read for timestamps.", extra_json_schema=_Milliseconds, ge=0)
    ] = 0


class PosterPicture(Struct, frozen=True, kw_only=True):
    """The picture that stands for the video."""

    path: str
    format: str  # "jpeg", or "png" for a video with transparency
    width: int  # upright, square pixels
    height: int
    bytes: int
    at_ms: int
    sharpness: float
    brightness: float
    contrast: float
    candidates: int
    tone_mapped: bool = False


class PreviewFile(Struct, frozen=True, kw_only=True):
    """A short moving picture without sound, from all over the video."""

    path: str
    format: str  # "webp"
    width: int
    height: int
    bytes: int
    frames: int
    duration_ms: int


class ScrubStrip(Struct, frozen=True, kw_only=True):
    """Small pictures at even distances, side by side in one file."""

    path: str
    format: str  # "jpeg"
    width: int  # of the whole file
    height: int
    bytes: int
    columns: int
    rows: int
    tiles: int  # at most columns * rows; row by row
    tile_width: int
    tile_height: int
    interval_ms: int


class VideoReport(Struct, frozen=True, kw_only=True):
    """Everything that one look at a video gave."""

    container: str
    brand: str | None
    duration_ms: int | None
    bitrate: int | None
    fast_start: bool | None
    fragmented: bool
    video: VideoTrack
    audio: AudioTrack | None
    audio_tracks: int
    web_obstacles: tuple[str, ...]
    quality: VideoQuality
    poster: PosterPicture
    preview: PreviewFile | None
    strip: ScrubStrip | None
    engine: str
    notes: tuple[str, ...] = ()
