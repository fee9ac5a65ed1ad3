"""Open a video for encoding: its two tracks, one clock for both, a place to begin; runs inside the child."""

from __future__ import annotations

import errno
import itertools
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging

from adapters.media.header import check_size
from domain.errors import MediaRejected
from domain.media import Limits

__all__ = ["ENGINE", "Clock", "Opened", "frames_from", "open_source"]

av.logging.set_level(av.logging.PANIC)

ENGINE = f"FFmpeg {av.ffmpeg_version_info}, libx264 by PyAV {av.__version__}"

_OURS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS)  # not the file's fault
_COVER = 0x400  # AV_DISPOSITION_ATTACHED_PIC
_FURTHER_BACK_SECONDS = (0, 10, 60)  # when a seek landed too late: before what was asked for, then the beginning


class Clock:
    """From a track's timestamps to time since the origin, which all tracks share: the earliest beginning of any."""

    def __init__(self, time_base: Fraction, origin: Fraction) -> None:
        self.time_base, self.origin = time_base, origin

    def seconds(self, pts: int) -> Fraction:
        """Time since the origin."""
        return pts * self.time_base - self.origin

    def place(self, pts: int, rate: Fraction) -> int:
        """The nearest point of a grid with so many points a second."""
        return int((self.seconds(pts) * rate + Fraction(1, 2)) // 1)


class Opened:
    """A video file that is read."""

    def __init__(self, container: Any) -> None:
        self.container = container
        video = next((s for s in container.streams.video if not s.disposition & _COVER), None)
        if video is None or video.codec_context is None:
            raise MediaRejected("not_media", "the file has no video track that can be read")
        self.video: Any = video
        self.audio: Any = next((s for s in container.streams.audio if s.codec_context is not None), None)
        starts = [s.start_time * s.time_base for s in (self.video, self.audio) if s is not None and s.start_time]
        begins_at_zero = any(s is not None and s.start_time == 0 for s in (self.video, self.audio))
        if begins_at_zero:
            starts.append(Fraction(0))
        self.origin = Fraction(min(starts, default=Fraction(container.start_time or 0, 1_000_000)))

    def clock(self, stream: Any) -> Clock:
        """The clock of a track."""
        return Clock(stream.time_base, self.origin)

    def packets(self, stream: Any) -> Iterator[Any]:
        """A track's packets in the file's order, then the empty one that asks a decoder for what it holds."""
        try:
            yield from self.container.demux(stream)
        except av.error.EOFError:
            return


@contextmanager
def open_source(source: Path, format: str, limits: Limits) -> Iterator[Opened]:  # noqa: A002 - the field's own term
    """Open a video whose container is known.

    Raises:
        MediaRejected: no video track, over a limit, or damaged.
    """
    try:
        with av.open(str(source), format=format, metadata_errors="replace") as container:
            opened = Opened(container)
            check_size(opened.video.width or 0, opened.video.height or 0, limits)
            yield opened
    except av.error.MemoryError as error:
        raise MemoryError(str(error)) from error
    except av.error.FFmpegError as error:
        if error.errno in _OURS:
            raise OSError(error.errno, f"what is encoded could not be written: {error.strerror}") from error
        said = " ".join(str(error.strerror or error).split())
        raise MediaRejected("corrupt", f"the video is damaged and can't be encoded ({said[:200]})") from error


def frames_from(opened: Opened, stream: Any, seconds: Fraction, decoded: Callable[[], Iterator[Any]]) -> Iterator[Any]:
    """Decoded pictures from the one that is shown at a moment on (and some before it).

    A seek that lands behind the moment, as an index with gaps makes it, is repeated further back.
    """
    clock = opened.clock(stream)
    if seconds <= 0:
        return decoded()
    for further in _FURTHER_BACK_SECONDS:
        target = seconds - further
        if target <= 0:
            break
        with suppress(av.error.FFmpegError):
            opened.container.seek(int((target + clock.origin) / clock.time_base), stream=stream, backward=True)
            frames = decoded()
            first = next((frame for frame in frames if frame.pts is not None), None)
            if first is not None and clock.seconds(first.pts) <= seconds:
                return itertools.chain([first], frames)
    with suppress(av.error.FFmpegError):
        opened.container.seek(0, stream=stream, backward=True)
    return decoded()
