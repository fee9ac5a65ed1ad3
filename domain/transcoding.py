"""What is made of a video for the web: nothing, a copy of its packets, or new pictures; in how many parts. Pure."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Literal

from msgspec import Struct

from domain.events import VideoAnalyzed
from domain.streaming import Part, Rung
from domain.video import AudioTrack, VideoTrack

__all__ = ["LADDER", "Plan", "StreamingLimits", "plan"]

LADDER: tuple[tuple[int, int], ...] = ((1080, 6_000_000), (720, 3_000_000), (480, 1_400_000), (240, 400_000))
"""Lines (the short edge) and the most bit/s at 30 pictures a second (half as much again above that). A ceiling: what is
easy to encode takes less, as the quality is what is held (`adapters/media/encoding.py`)."""

_MOST_RATE = Fraction(121, 2)  # 60 pictures a second, and what cameras call so
_RATES = tuple(
    sorted(
        [
            *(Fraction(n) for n in (10, 12, 15, 20, 24, 25, 30, 50, 60)),
            *(Fraction(n * 1000, 1001) for n in (24, 30, 60)),
        ]
    )
)
_WEB_PIXELS = ("yuv420p", "yuvj420p")
_WEB_PROFILES = ("baseline", "constrained baseline", "main", "high", "progressive high", "constrained high")
_DISTINCT = 0.85  # a rung must be at most so large, compared with the one above it


class StreamingLimits(Struct, frozen=True):
    """Where the lines are drawn."""

    most_level: int = 51  # H.264
    most_lines: int = 1080
    most_bitrate: int = 20_000_000  # of an original that "plays everywhere": a phone's network takes no more
    stream_over_ms: int = 60_000  # what plays longer, or needs more bit/s, is streamed in renditions
    stream_over_bitrate: int = 8_000_000
    clip_ms: int = 10_000  # what is shorter is fetched as a whole before a player would change the rendition
    segment_seconds: int = 6
    gop_seconds: int = 2
    part_megapixels: float = 6_000.0  # of work in one part, see `work_per_frame`; measured: 60 a second and core
    unknown_duration_ms: int = 4 * 3600_000  # where a container does not say: one part that ends with the video


class Plan(Struct, frozen=True):
    """The decision; with `skip`, nothing is to be done, and that is why."""

    skip: str = ""
    mp4: Literal["original", "copy", "encode"] = "original"
    audio: Literal["none", "copy", "encode"] = "none"
    stream: bool = False
    reasons: tuple[str, ...] = ()
    frame_rate: tuple[int, int] = (30, 1)
    gop_frames: int = 60
    segment_frames: int = 180
    tone_map: Literal["pq", "hlg"] | None = None
    renditions: tuple[Rung, ...] = ()
    parts: tuple[Part, ...] = ()


def plan(found: VideoAnalyzed, limits: StreamingLimits | None = None) -> Plan:
    """Decide by what the analysis found."""
    limits = limits or StreamingLimits()
    video, audio = found.video, found.audio
    pictures = _picture_obstacles(video, found.bitrate, limits)
    sound = _sound_obstacles(audio)
    container = _container_obstacles(found)
    heavy = _heavy(found, limits)
    mp4: Literal["original", "copy", "encode"] = "encode" if pictures else "copy" if sound or container else "original"
    stream = mp4 == "encode" or bool(heavy)
    if mp4 == "original" and not stream:
        return Plan(skip="the original plays everywhere as it is, and is light enough to play in one piece")
    rate = grid_rate(video.frame_rate)
    rungs = ladder(video.width, video.height, rate) if stream else ()
    encode_sound = bool(sound) or (stream and not _streams_as_it_is(audio))
    segment = round(rate * limits.segment_seconds)
    gop = max(1, round(rate * limits.gop_seconds))
    segment = max(gop, segment // gop * gop)
    parts: tuple[Part, ...] = ()
    if stream:
        parts = _stretches(found, rungs[0], rate, segment, limits)
    if audio is not None and (stream or encode_sound):
        parts = (Part("audio", 0, found.duration_ms or limits.unknown_duration_ms), *parts)
    return Plan(
        mp4=mp4,
        audio="none" if audio is None else "encode" if encode_sound else "copy",
        stream=stream,
        reasons=(*pictures, *sound, *container, *heavy)[:50],
        frame_rate=(rate.numerator, rate.denominator),
        gop_frames=gop,
        segment_frames=segment,
        tone_map=_tone_map(video) if stream else None,
        renditions=rungs,
        parts=parts,
    )


# --- does it play everywhere? ----------------------------------------------------------------------------------------


def _picture_obstacles(video: VideoTrack, bitrate: int | None, limits: StreamingLimits) -> tuple[str, ...]:
    """Why a browser or a television might not show the pictures as they are."""
    found = []
    if video.codec != "h264":
        found.append(f"the pictures are {video.codec}, not H.264")
    elif (video.profile or "high").lower() not in _WEB_PROFILES or video.pixel_format not in (None, *_WEB_PIXELS):
        found.append(f"H.264 {video.profile or ''} {video.pixel_format or ''} does not play everywhere")
    elif (video.level or 0) > limits.most_level:
        found.append(f"H.264 level {video.level / 10 if video.level else 0:g} is over 5.1")
    if _tone_map(video) is not None or video.hdr != "none":
        found.append("the pictures are HDR")
    if video.interlaced:
        found.append("the pictures are interlaced")
    if video.mirrored:
        found.append("the pictures are mirrored by the container, which not every player heeds")
    if min(video.width, video.height) > limits.most_lines:
        found.append(f"{video.width} x {video.height} is over {limits.most_lines} lines")
    if video.frame_rate is not None and video.frame_rate > _MOST_RATE:
        found.append(f"{video.frame_rate:g} pictures a second are over 60")
    if (video.bitrate or bitrate or 0) > limits.most_bitrate:
        found.append(f"{(video.bitrate or bitrate or 0) / 1e6:.0f} Mbit/s are over {limits.most_bitrate / 1e6:.0f}")
    return tuple(found)


def _sound_obstacles(audio: AudioTrack | None) -> tuple[str, ...]:
    if audio is None or (audio.codec == "aac" and (audio.channels or 2) <= 2):
        return ()
    if audio.codec == "aac":
        return (f"the sound has {audio.channels} channels",)
    return (f"the sound is {audio.codec}, not AAC",)


def _streams_as_it_is(audio: AudioTrack | None) -> bool:
    """Whether the packets may be used in a stream: plain AAC LC at a usual rate."""
    return (
        audio is not None
        and audio.codec == "aac"
        and (audio.profile or "LC") == "LC"
        and (audio.channels or 0) in (1, 2)
        and (audio.sample_rate or 0) in (44_100, 48_000)
    )


def _container_obstacles(found: VideoAnalyzed) -> tuple[str, ...]:
    if found.container != "mp4":
        return (f"the container is {found.container}, not MP4",)
    if found.fragmented:
        return ("the MP4 comes in fragments",)
    return () if found.fast_start else ("the MP4's index is at its end",)


def _heavy(found: VideoAnalyzed, limits: StreamingLimits) -> tuple[str, ...]:
    """Why it is streamed in renditions, even when it plays."""
    reasons = []
    if (found.duration_ms or 0) > limits.stream_over_ms:
        reasons.append(f"it plays longer than {limits.stream_over_ms // 1000} s")
    if (found.bitrate or 0) > limits.stream_over_bitrate and (found.duration_ms or 0) > limits.clip_ms:
        reasons.append(f"it needs more than {limits.stream_over_bitrate / 1e6:g} Mbit/s")
    return tuple(reasons)


def _tone_map(video: VideoTrack) -> Literal["pq", "hlg"] | None:
    """By the transfer curve that the track states (ITU-T H.273: 16 is PQ, 18 is HLG)."""
    return {"smpte2084": "pq", "arib-std-b67": "hlg"}.get(video.transfer or "")  # type: ignore[return-value]


# --- what is made of it ----------------------------------------------------------------------------------------------


def grid_rate(frame_rate: float | None) -> Fraction:
    """Pictures a second of the even grid: the usual rate that is nearest above what the video has on average, at most
    60; a multiple of it where it has more (240 -> 60)."""
    if not frame_rate or not math.isfinite(frame_rate):
        return Fraction(30)
    average = Fraction(frame_rate).limit_denominator(100_000)
    average /= math.ceil(average / _MOST_RATE)
    exact = min(_RATES, key=lambda rate: abs(rate - average))
    if abs(exact - average) <= average / 1000:
        return exact
    if average < _RATES[0]:
        return max(Fraction(1), average.limit_denominator(100))
    return next((rate for rate in _RATES if rate >= average * Fraction(97, 100)), _RATES[-1])


def ladder(width: int, height: int, rate: Fraction) -> tuple[Rung, ...]:
    """Renditions of an upright picture: never larger than it, its proportions kept, edges even."""
    short = min(width, height)
    tops = [min(short, LADDER[0][0])]
    tops += [lines for lines, _ in LADDER if lines <= tops[0] * _DISTINCT]
    factor = 1.5 if rate > 31 else 1.0
    rungs = []
    for lines in tops:
        scale = Fraction(lines, short)
        bitrate = next(most for over, most in reversed(LADDER) if lines <= over)
        made = _even(width * scale), _even(height * scale)
        rungs.append(Rung(f"{min(made)}p", *made, int(bitrate * factor)))
    return tuple(rungs)


def _even(edge: Fraction) -> int:
    return max(2, round(edge / 2) * 2)


def work_per_frame(video: VideoTrack, top: Rung) -> float:
    """Megapixels of work for one picture: the largest rendition (the smaller ones come to two thirds of it, and are in
    the measured speed), a quarter of what must be decoded, and the tone map as much again as the largest."""
    made = top.width * top.height * (2.5 if _tone_map(video) else 1.0)
    return (made + video.coded_width * video.coded_height / 4) / 1e6


def _stretches(
    found: VideoAnalyzed, top: Rung, rate: Fraction, segment: int, limits: StreamingLimits
) -> tuple[Part, ...]:
    """Cut the grid at segments' borders, so that each part is a fraction of what a worker may take."""
    if found.duration_ms is None:
        frames = round(rate * limits.unknown_duration_ms / 1000)
        return (Part("video", 0, limits.unknown_duration_ms, 0, frames),)
    frames = max(1, math.ceil(rate * found.duration_ms / 1000))
    most = max(segment, limits.part_megapixels / work_per_frame(found.video, top))
    count = max(1, math.ceil(frames / most))
    size = math.ceil(frames / count / segment) * segment
    starts = range(0, frames, size)
    slack = 2 * segment  # the last part takes what a container did not tell of
    return tuple(
        Part(
            "video",
            round(start / rate * 1000),
            round(min(start + size, frames) / rate * 1000),
            start,
            start + size if start + size < frames else frames + slack,
        )
        for start in starts
    )
