"""What a container and its tracks state, as plain facts; and whether browsers play the file as it is."""

from __future__ import annotations

from typing import Any

from adapters.media.video_container import Layout
from adapters.media.video_frames import View
from domain.quality import Cadence
from domain.video import AudioTrack, VideoTrack

__all__ = ["audio_track", "codec_name", "video_track", "web_obstacles"]

_CODECS = {"libdav1d": "av1", "libaom-av1": "av1", "libvpx-vp9": "vp9", "libvpx": "vp8", "libopus": "opus"}
"""Names of decoders -> names of what they decode."""

# ITU-T H.273, tables 2 to 4, under FFmpeg's names.
_PRIMARIES = {1: "bt709", 4: "bt470m", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "film", 9: "bt2020",
              10: "smpte428", 11: "smpte431", 12: "smpte432", 22: "ebu3213"}  # fmt: skip
_TRANSFERS = {1: "bt709", 4: "gamma22", 5: "gamma28", 6: "smpte170m", 7: "smpte240m", 8: "linear", 11: "iec61966-2-4",
              13: "iec61966-2-1", 14: "bt2020-10", 15: "bt2020-12", 16: "smpte2084", 18: "arib-std-b67"}  # fmt: skip
_MATRICES = {0: "rgb", 1: "bt709", 4: "fcc", 5: "bt470bg", 6: "smpte170m", 7: "smpte240m", 8: "ycgco", 9: "bt2020nc",
             10: "bt2020c", 14: "ictcp"}  # fmt: skip

_WEB_H264_PROFILES = ("Baseline", "Constrained Baseline", "Main", "High")
_WEB_PIXELS = ("yuv420p", "yuvj420p")
_MAX_H264_LEVEL = 52


def codec_name(context: Any) -> str:
    """What the track is coded in, whichever library decodes it."""
    name = str(context.name)
    return _CODECS.get(name, name)


def video_track(stream: Any, frame: Any, view: View, rhythm: Cadence, other_bitrate: int) -> VideoTrack:
    """Facts of the video track; where the container and the decoded picture differ, the picture is believed.

    Args:
        other_bitrate: of all other tracks, to be taken from the container's where the track states none.
    """
    context = stream.codec_context
    dolby = _tag(context) in ("dvh1", "dvhe", "dva1", "dvav", "dav1") or any(
        data.type.name.startswith("DOVI") for data in frame.side_data
    )
    transfer = int(frame.color_trc)
    hdr = "dolby_vision" if dolby else {16: "hdr10", 18: "hlg"}.get(transfer, "none")
    total = stream.container.bit_rate or 0
    return VideoTrack(
        codec=codec_name(context),
        codec_tag=_tag(context),
        profile=context.profile,
        level=context.level if context.level is not None and context.level > 0 else None,
        pixel_format=frame.format.name,
        bit_depth=max((part.bits for part in frame.format.components), default=8),
        alpha=any(part.is_alpha for part in frame.format.components) or stream.metadata.get("alpha_mode") == "1",
        width=view.width,
        height=view.height,
        coded_width=view.coded_width,
        coded_height=view.coded_height,
        pixel_aspect=view.pixel_aspect,
        rotation=90 * view.quarter_turns,
        mirrored=view.mirrored,
        frame_rate=rhythm.frame_rate or _rate(stream),
        variable_frame_rate=rhythm.variable,
        frames=stream.frames or None,
        interlaced=bool(frame.interlaced_frame),
        bitrate=context.bit_rate or max(0, total - other_bitrate) or None,
        hdr=hdr,
        primaries=_PRIMARIES.get(int(frame.color_primaries)),
        transfer=_TRANSFERS.get(transfer),
        matrix=_MATRICES.get(int(frame.colorspace)),
        full_range=int(frame.color_range) == 2 or frame.format.name.startswith("yuvj"),
    )


def audio_track(stream: Any) -> AudioTrack:
    """Facts of an audio track; one whose codec is not known here is named so."""
    context = stream.codec_context
    language = "".join(c for c in (stream.language or "") if c.isalnum())[:16]
    if context is None:
        return AudioTrack(codec="unknown")
    return AudioTrack(
        codec=codec_name(context),
        codec_tag=_tag(context),
        profile=context.profile,
        channels=context.channels or None,
        sample_rate=context.sample_rate or None,
        bitrate=context.bit_rate or None,
        language=language if language and language != "und" else None,
    )


def web_obstacles(container: str, layout: Layout, video: VideoTrack, audio: AudioTrack | None) -> tuple[str, ...]:
    """Why a browser may not play the file as it is; empty when every current one does."""
    found = []
    if container not in ("mp4", "webm"):
        found.append(f"the container is {container}")
    codecs, sounds = (("vp8", "vp9"), ("opus", "vorbis")) if container == "webm" else (("h264",), ("aac", "mp3"))
    if video.codec not in codecs:
        found.append(f"the codec is {video.codec}")
    elif video.codec == "h264":
        if video.profile not in _WEB_H264_PROFILES:
            found.append(f"the profile is {video.profile}")
        if (video.level or 0) > _MAX_H264_LEVEL:
            found.append(f"the level is {(video.level or 0) / 10}")
        if video.codec_tag not in ("avc1", None):
            found.append(f"the codec's tag is {video.codec_tag}")
    if video.pixel_format not in _WEB_PIXELS:
        found.append(f"the pixel format is {video.pixel_format}")
    if video.hdr != "none":
        found.append(f"it is HDR ({video.hdr})")
    if video.interlaced:
        found.append("it is interlaced")
    if audio is not None and audio.codec not in sounds:
        found.append(f"the sound is {audio.codec}")
    if layout.fast_start is False:
        found.append("its index is at the end of the file")
    if layout.fragmented:
        found.append("it comes in fragments")
    return tuple(found)


def _tag(context: Any) -> str | None:
    tag = str(context.codec_tag or "")
    return tag if len(tag) == 4 and tag.isascii() and tag.isprintable() and tag.strip() else None


def _rate(stream: Any) -> float | None:
    for rate in (stream.average_rate, stream.guessed_rate):
        if rate and 0 < rate <= 480:
            return round(float(rate), 3)
    return None
