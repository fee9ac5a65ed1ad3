"""The wall around the decoders: `SandboxedMediaEngine` runs each call in a warm child process that may die alone.

Pipes and `subprocess` only, so that it works on AWS Lambda, where `multiprocessing` has no /dev/shm for its queues
(docs/adr/0003-decoders-in-child-processes.md).
"""

from __future__ import annotations

import contextlib
import logging
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self, TypeVar

import msgspec

from adapters.media.child import MAX_FILE, MAX_FILE_EVER, MAX_FRAME, Reply, Request, write_frame
from adapters.media.walls import NETWORK_AND_PROGRAMS, WRITING
from domain.errors import (
    DecoderCrashed,
    DecoderKilled,
    DecoderOutOfMemory,
    DecoderTimeout,
    MediaFailed,
    MediaRejected,
    NotFound,
)
from domain.events import TranscodePlanned, VideoAnalyzed
from domain.media import (
    EmbeddedVideo,
    Hashed,
    Inspection,
    Limits,
    MotionFile,
    RawMetadata,
    RawSidecar,
    Rendered,
    Stripped,
)
from domain.streaming import Encoded, Joined
from domain.video import VideoReport

__all__ = ["SandboxedMediaEngine"]

_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "LANG", "SYSTEMROOT")
_OUT_OF_MEMORY = (b"bad_alloc", b"MemoryError", b"ut of memory", b"failed to allocate", b"annot allocate memory")
_SLOWEST_BYTES_PER_SECOND = 10 << 20  # of a disk that a whole video is read from


_COMMAND = (sys.executable, "-P", "-m", "adapters.media.child")  # our own interpreter and module
_ENCODE_SECONDS = 780.0  # of one part of a video: under AWS Lambda's 15 minutes, with time to fetch and store
_START_SECONDS = 30.0  # to import Python and msgspec on a loaded machine
_log = logging.getLogger("photovault.media")
_WITHOUT = {
    NETWORK_AND_PROGRAMS: (
        logging.WARNING,
        "decoders run without a wall against network and other programs: the kernel refused the filter (seccomp)",
    ),
    WRITING: (
        logging.INFO,
        "decoders run without a wall against writing files elsewhere: the kernel has no Landlock",
    ),
}
"""What an operator is told, once a process, of a wall that is missing."""
_REPLY = msgspec.msgpack.Decoder(Reply)
T = TypeVar("T")


class SandboxedMediaEngine:
    """`domain.ports.MediaEngine` behind a process wall. Safe to share between threads.

    Each call takes an idle child or starts one (0.1 s), so there are never more children than calls at once.

    Args:
        limits: what one call may cost; wall time and memory are enforced from outside the decoder.
        formats: what `render` writes, of "jpeg" and "webp".
        optimise: what copies for the web `render` makes of originals in full size, of "jpeg", "webp" and "avif".
        keep_copyright: whether `render` writes an original's copyright and artist into JPEGs.
        calls_per_child: a child is replaced after so many calls, against slow leaks.
        resident_bytes: a child that holds more than this after a call is replaced.
        encoder_threads: processors that one encoding of a video may use; workers run side by side already.
        writable: folders below which decoders may write, besides the one for temporary files.
    """

    def __init__(
        self,
        limits: Limits | None = None,
        *,
        formats: Sequence[str] = ("jpeg", "webp"),
        optimise: Sequence[str] = (),
        keep_copyright: bool = False,
        calls_per_child: int = 500,
        resident_bytes: int = 768 << 20,
        encoder_threads: int = 1,
        writable: Sequence[Path] = (),
    ) -> None:
        self.limits = limits or Limits()
        self._options = {"formats": tuple(formats), "optimise": tuple(optimise), "keep_copyright": keep_copyright}
        self._calls_per_child = calls_per_child
        self._resident_bytes = resident_bytes
        self._encoder_threads = encoder_threads
        self._writable = tuple(str(path.absolute()) for path in (Path(tempfile.gettempdir()), *writable))
        self._missing: frozenset[str] = frozenset()
        self._lock = threading.Lock()
        self._idle: list[_Child] = []
        self._all: set[_Child] = set()
        self._closed = False
        self._used = threading.local()

    def inspect(self, source: Path) -> Inspection:
        """See `domain.ports.MediaEngine.inspect`."""
        return self._call("inspect", source, Inspection)

    def read_metadata(self, source: Path) -> RawMetadata:
        """See `domain.ports.MediaEngine.read_metadata`."""
        return self._call("read_metadata", source, RawMetadata)

    def read_sidecar(self, source: Path, kind: str) -> RawSidecar:
        """See `domain.ports.MediaEngine.read_sidecar`."""
        return self._call("read_sidecar", source, RawSidecar, {"kind": kind})

    def extract_video(self, source: Path, embedded: EmbeddedVideo, into: Path) -> MotionFile:
        """See `domain.ports.MediaEngine.extract_video`."""
        options = {"into": str(into), "offset": embedded.offset, "length": embedded.length}
        return self._call("extract_video", source, MotionFile, options)

    def render(self, source: Path, into: Path) -> Rendered:
        """See `domain.ports.MediaEngine.render`."""
        return self._call("render", source, Rendered, {"into": str(into), **self._options})

    def analyze_video(self, source: Path, into: Path) -> VideoReport:
        """See `domain.ports.MediaEngine.analyze_video`. It may take twice as long as other calls."""
        return self._call("analyze_video", source, VideoReport, {"into": str(into)}, 2 * self.limits.max_seconds)

    def pixel_hash(self, source: Path) -> Hashed:
        """See `domain.ports.MediaEngine.pixel_hash`. A large video may take longer than other calls."""
        seconds = self.limits.max_seconds
        with contextlib.suppress(OSError):
            seconds += source.stat().st_size / _SLOWEST_BYTES_PER_SECOND
        return self._call("pixel_hash", source, Hashed, seconds=seconds)

    def perceptual_hash(self, source: Path) -> Hashed:
        """See `domain.ports.MediaEngine.perceptual_hash`."""
        return self._call("perceptual_hash", source, Hashed)

    def strip(self, source: Path, into: Path) -> Stripped:
        """See `domain.ports.MediaEngine.strip`."""
        return self._call("strip", source, Stripped, {"into": str(into)})

    def encode(self, source: Path, into: Path, found: VideoAnalyzed, planned: TranscodePlanned, part: int) -> Encoded:
        """See `domain.ports.MediaEngine.encode`."""
        work = planned.parts[part]
        options: dict[str, Any] = {
            "into": str(into),
            "format": found.container,
            "rate": planned.frame_rate,
            "threads": self._encoder_threads,
        }
        if work.media == "audio":
            options["copy"] = planned.audio == "copy"
            return self._call("encode_audio", source, Encoded, options, _ENCODE_SECONDS, MAX_FILE_EVER)
        options |= {
            "first": work.first_frame,
            "end": work.end_frame,
            "gop": planned.gop_frames,
            "segment": planned.segment_frames,
            "rungs": [msgspec.to_builtins(rung) for rung in planned.renditions],
            "rotation": found.video.rotation,
            "mirrored": found.video.mirrored,
            "interlaced": found.video.interlaced,
            "hdr": planned.tone_map or "",
        }
        return self._call("encode_video", source, Encoded, options, _ENCODE_SECONDS, MAX_FILE_EVER)

    def join(
        self,
        source: Path,
        into: Path,
        found: VideoAnalyzed,
        planned: TranscodePlanned,
        pictures: Sequence[Path],
        sound: Path | None,
        *,
        copy_sound: bool,
    ) -> Joined:
        """See `domain.ports.MediaEngine.join`."""
        options = {
            "into": str(into),
            "format": found.container,
            "rate": planned.frame_rate,
            "pictures": [str(path) for path in pictures],
            "sound": str(sound or ""),
            "copy_sound": copy_sound,
        }
        return self._call("join_mp4", source, Joined, options, _ENCODE_SECONDS, MAX_FILE_EVER)

    def cpu_seconds(self) -> float:
        """Processor time that this thread's calls have used in children so far."""
        return float(getattr(self._used, "seconds", 0.0))

    def peak_bytes(self) -> int:
        """See `domain.ports.MediaEngine.peak_bytes`."""
        peak = int(getattr(self._used, "peak", 0))
        self._used.peak = 0
        return peak

    def zone_of(self, latitude: float, longitude: float, local: datetime) -> tuple[str, int] | None:
        """Time zone at a position, for `domain.metadata.extract`; see `adapters.media.zones.zone_of`."""
        from adapters.media.zones import zone_of  # numpy and a map, for photos with a position only

        return zone_of(latitude, longitude, local)

    def child_pids(self) -> list[int]:
        """Process ids of the children, idle or at work: for operators and tests."""
        with self._lock:
            return [child.pid for child in self._all]

    def missing_walls(self) -> frozenset[str]:
        """Walls around the children that the kernel did not put up; see `adapters.media.walls`. Empty before the first
        call."""
        return self._missing

    def close(self) -> None:
        """End all children, those at work too; later calls fail."""
        with self._lock:
            self._closed = True
            children, self._all, self._idle = list(self._all), set(), []
        for child in children:
            child.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _call(
        self,
        call: str,
        source: Path,
        result: type[T],
        options: dict[str, Any] | None = None,
        seconds: float = 0.0,
        max_file_bytes: int = MAX_FILE,
    ) -> T:
        """Run one of `child.CALLS` in a child.

        Args:
            call: name of the call.
            source: the file to read.
            result: what it answers with.
            options: further arguments, plain values only.
            seconds: wall time that it may take; 0: the limits' own.
            max_file_bytes: length of any one file that it may write; never more than 8 GiB.
        """
        child = self._take()
        healthy = False
        seconds = seconds or self.limits.max_seconds
        try:
            request = Request(call, str(source), options or {}, seconds=seconds, max_file_bytes=max_file_bytes)
            reply = child.call(request, seconds)
            healthy = child.calls < self._calls_per_child and reply.resident_bytes <= self._resident_bytes
        finally:
            self._give_back(child, healthy)
        self._used.seconds = self.cpu_seconds() + reply.cpu_seconds
        self._used.peak = max(getattr(self._used, "peak", 0), reply.peak_bytes)
        _raise_if_error(reply, source, self.limits)
        return msgspec.msgpack.decode(reply.result, type=result)

    def _take(self) -> _Child:
        with self._lock:
            if self._closed:
                raise MediaFailed("the media engine is closed")
            while self._idle:
                child = self._idle.pop()  # the last used: its memory is warm
                if child.alive:
                    return child
                self._all.discard(child)
                child.end()
        child = _Child(self.limits, self._writable)
        with self._lock:
            self._all.add(child)
            news, self._missing = child.missing - self._missing, self._missing | child.missing
        for wall in sorted(news):
            _log.log(*_WITHOUT[wall])
        return child

    def _give_back(self, child: _Child, healthy: bool) -> None:
        with self._lock:
            if healthy and not self._closed:
                self._idle.append(child)
                return
            self._all.discard(child)
        child.end()


def _raise_if_error(reply: Reply, source: Path, limits: Limits) -> None:
    match reply.error:
        case "":
            return
        case "rejected":
            raise MediaRejected(reply.code, reply.reason)
        case "memory":
            raise _out_of_memory(limits)
        case "missing":
            raise NotFound(f"there is no file {source}")
        case _:
            raise MediaFailed(f"the decoder failed in a way that is not foreseen: {reply.reason}")


def _out_of_memory(limits: Limits) -> DecoderOutOfMemory:
    return DecoderOutOfMemory(f"the decoder asked for more than the {limits.max_memory_bytes >> 20:,} MB it may have")


class _Child:
    """One child process and its pipes; used by one thread at a time."""

    def __init__(self, limits: Limits, writable: tuple[str, ...] = ()) -> None:
        self._limits = limits
        self._errors: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the child
        self.calls = 0
        self._process = subprocess.Popen(  # noqa: S603 - our own command, nothing of the file in it
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=_environment(),
            close_fds=True,
            bufsize=0,
        )
        try:
            begun = self.call(Request("limits", limits=limits, writable=writable), _START_SECONDS)
        except BaseException:
            self.end()
            raise
        self.calls = 0
        self.missing = frozenset(begun.missing)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return self._process.poll() is None

    def call(self, request: Request, seconds: float) -> Reply:
        """Send a request and wait for its reply, at most so long."""
        self.calls += 1
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        deadline = time.monotonic() + seconds
        try:
            write_frame(process.stdin, request)  # type: ignore[arg-type]
            head = _read(process.stdout.fileno(), 4, deadline)
            length = int.from_bytes(head, "big")
            if length > MAX_FRAME:
                raise DecoderCrashed(f"the decoder answered with {length:,} bytes: it no longer follows its protocol")
            return _REPLY.decode(_read(process.stdout.fileno(), length, deadline))
        except TimeoutError:
            raise DecoderTimeout(f"the decoder took longer than the {seconds:g} s it may and was stopped") from None
        except msgspec.MsgspecError as error:
            raise DecoderCrashed(f"the decoder no longer follows its protocol: {error}") from error
        except (EOFError, OSError):
            raise self._cause_of_death() from None

    def end(self) -> None:
        """Kill the process if it still runs, and free its pipes."""
        with contextlib.suppress(OSError):
            self._process.kill()
        self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            with contextlib.suppress(OSError):
                if stream is not None:
                    stream.close()

    def _cause_of_death(self) -> MediaFailed:
        """Judge an ended process by its signal and its last words."""
        status = self._process.wait()
        if status == -signal.SIGKILL:
            return DecoderKilled("the decoder's process was killed from outside, or by the kernel short of memory")
        if status == -signal.SIGXCPU:
            return DecoderTimeout("the decoder used more processor time than it may and was stopped")
        last = self._last_words()
        if any(sign in last for sign in _OUT_OF_MEMORY):
            return _out_of_memory(self._limits)
        how = f"by signal {signal.Signals(-status).name}" if status < 0 else f"with exit status {status}"
        said = " ".join(last.decode("utf-8", "replace").split())[-300:]
        return DecoderCrashed(f"the decoder's process ended {how}{': ' + said if said else ''}")

    def _last_words(self) -> bytes:
        size = self._errors.seek(0, os.SEEK_END)
        self._errors.seek(max(0, size - 4096))
        return self._errors.read()


def _read(fd: int, size: int, deadline: float) -> bytes:
    """Exactly `size` bytes from a pipe; `TimeoutError` at the deadline, `EOFError` at the stream's end."""
    parts = bytearray()
    with selectors.DefaultSelector() as selector:
        selector.register(fd, selectors.EVENT_READ)
        while len(parts) < size:
            left = deadline - time.monotonic()
            if left <= 0 or not selector.select(left):
                raise TimeoutError
            chunk = os.read(fd, min(size - len(parts), 1 << 20))
            if not chunk:
                raise EOFError
            parts += chunk
    return bytes(parts)


def _environment() -> dict[str, str]:
    """Nothing of ours but where to find code: no credentials, no settings."""
    kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
    here = str(Path(__file__).resolve().parents[2])
    paths = dict.fromkeys([here, *(str(Path(entry or ".").resolve()) for entry in sys.path)])
    return kept | {
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONDONTWRITEBYTECODE": "1",
        "VIPS_CONCURRENCY": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "OMP_NUM_THREADS": "1",
        "MALLOC_ARENA_MAX": "2",
    }
