"""Inspect videos and read their container's tags with PyAV; runs inside the sandbox's child.

A video is proved readable by decoding its beginning and its end, never all of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging

from adapters.media.header import check_size
from adapters.media.video_container import read_layout, refuse_if_cut, refused_if_cut
from adapters.media.video_frames import view_of
from domain.errors import MediaRejected
from domain.media import Inspection, Limits, RawMetadata

__all__ = ["CONTAINERS", "inspect", "opened", "read_metadata", "video_stream"]

av.logging.set_level(av.logging.PANIC)

_HEAD_FRAMES = 30  # about one group of pictures
_TAIL_FRAMES = 30
CONTAINERS = {
    "video/mp4": "mp4",
    "video/quicktime": "mov",
    "video/3gpp": "3gp",
    "video/webm": "webm",
    "video/x-matroska": "matroska",
}


def inspect(source: Path, media_type: str, limits: Limits) -> Inspection:
    """Decode the first frames and those after the last key frame.

    Raises:
        MediaRejected: cut short, no video track, over a limit, unknown codec or undecodable.
    """
    notes: list[str] = []
    layout = read_layout(source, media_type)
    with refused_if_cut(layout), opened(source, media_type) as container:
        stream = video_stream(container)
        check_size(stream.width or 0, stream.height or 0, limits)
        refuse_if_cut(layout, container)
        _check_length(container, stream, limits)
        first = _decode_head(container, stream)
        if container.duration and container.duration > 2_000_000:
            notes += _decode_tail(container, stream)
        width, height = _upright(first, stream)
        return Inspection(media_type, "video", width, height, max(1, stream.frames), tuple(notes))


def read_metadata(source: Path, media_type: str, limits: Limits) -> RawMetadata:
    """Tags of the container and of its first video track, its duration, codec and rotation."""
    notes: list[str] = []
    with opened(source, media_type) as container:
        stream = video_stream(container)
        check_size(stream.width or 0, stream.height or 0, limits)
        tags: dict[str, str | int | float | list[float]] = {}
        for name, value in itertools.islice({**stream.metadata, **container.metadata}.items(), 200):
            text = "".join(c for c in str(value) if c.isprintable()).strip()[:4000]
            if text:
                tags[f"Container:{name.lower()[:100]}"] = text
        if container.duration:
            tags["Container:duration_ms"] = container.duration // 1000
        tags["Container:codec"] = stream.codec_context.name
        if stream.average_rate:
            tags["Container:frames_per_second"] = float(stream.average_rate)
        width, height, rotation = stream.width, stream.height, 0
        try:
            first = next(container.decode(stream))
            rotation = int(first.rotation) % 360
            width, height = _upright(first, stream)
        except (av.error.FFmpegError, StopIteration):
            notes.append("the first picture of the video could not be decoded; its rotation is not known")
        tags["Container:rotation"] = rotation
        return RawMetadata(tags, width, height, 1, tuple(notes))


@contextmanager
def opened(source: Path, media_type: str) -> Iterator[Any]:
    """The file as a PyAV container, with the demuxer that its content calls for.

    Raises:
        MediaRejected: it can't be opened, or a fault of FFmpeg's leaves the context.
    """
    try:
        with av.open(str(source), format=CONTAINERS[media_type], metadata_errors="replace") as container:
            yield container
    except av.error.MemoryError as error:
        raise MemoryError(str(error)) from error
    except av.error.FFmpegError as error:
        said = " ".join(str(error.strerror or error).split())
        raise MediaRejected("corrupt", f"the video is damaged and can't be decoded ({said[:200]})") from error


def video_stream(container: Any) -> Any:
    """The first video track that is no cover picture, decoding in one thread.

    Raises:
        MediaRejected: there is none, or its codec is not known.
    """
    stream = next((s for s in container.streams.video if not s.disposition & 0x400), None)  # 0x400: a cover picture
    if stream is None:
        raise MediaRejected("not_media", "the file has no video track")
    if stream.codec_context is None:
        raise MediaRejected("unsupported", "the video is coded in a way that PhotoVault does not read")
    stream.codec_context.thread_count = 1
    return stream


def _check_length(container: Any, stream: Any, limits: Limits) -> None:
    """Refuse a video by its stated length. What it states may be wrong; what is decoded of it is limited by time."""
    seconds = max((container.duration or 0) / 1_000_000, float((stream.duration or 0) * (stream.time_base or 0)))
    if seconds > limits.max_duration_seconds:
        hours, taken = seconds / 3600, limits.max_duration_seconds / 3600
        raise MediaRejected("too_long", f"the video says that it lasts {hours:,.1f} hours; at most {taken:g} are taken")
    if stream.frames > limits.max_video_frames:
        raise MediaRejected(
            "too_many_frames",
            f"the video says that it has {stream.frames:,} frames; at most {limits.max_video_frames:,} are taken",
        )


def _decode_head(container: Any, stream: Any) -> Any:
    first = None
    for frame in itertools.islice(container.decode(stream), _HEAD_FRAMES):
        first = first or frame
    if first is None:
        raise MediaRejected("corrupt", "the video has no picture that can be decoded")
    return first


def _decode_tail(container: Any, stream: Any) -> list[str]:
    """Decode behind the last key frame. A fault there leaves a video that plays to that point: a note."""
    try:
        container.seek(container.duration + (container.start_time or 0), backward=True)
        if not any(True for _ in itertools.islice(container.decode(stream), _TAIL_FRAMES)):
            return ["the end of the video is missing"]
    except av.error.FFmpegError as error:
        return [f"the end of the video can't be decoded ({error.strerror})"]
    return []


def _upright(frame: Any, stream: Any) -> tuple[int, int]:
    view = view_of(frame, stream.sample_aspect_ratio)
    return view.width, view.height
