"""The process behind the wall: takes one request at a time from standard input and answers on standard output.

Started by `adapters.media.sandbox` as `python -m adapters.media.child`. It walls itself in before any decoder is loaded
(`adapters.media.walls`), lets nothing but frames out, and ends when its parent does.
"""

from __future__ import annotations

import contextlib
import faulthandler
import os
import queue
import resource
import struct
import sys
import threading
from importlib import import_module
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from adapters.media.walls import confine
from domain.errors import MediaRejected
from domain.media import Limits

__all__ = ["CALLS", "Reply", "Request", "main", "read_frame", "write_frame"]

MAX_FRAME = 16 << 20
MAX_FILE = 512 << 20  # of one file that a call writes: no rendition comes near; a runaway writer ends here
MAX_FILE_EVER = 8 << 30  # whatever a call asks for; a transcoded video may have several GB
_LENGTH = struct.Struct(">I")


CALLS: dict[str, str] = {
    "inspect": "adapters.media.images:inspect",
    "read_metadata": "adapters.media.metadata:read_metadata",
    "read_sidecar": "adapters.media.sidecar:read_sidecar",
    "extract_video": "adapters.media.motion:extract_video",
    "render": "adapters.media.images:render",
    "encode_video": "adapters.media.encoding:encode_video",
    "encode_audio": "adapters.media.joining:encode_audio",
    "join_mp4": "adapters.media.joining:join_mp4",
    "analyze_video": "adapters.media.video_analysis:analyze",
    "pixel_hash": "adapters.media.pixels:pixel_hash",
    "strip": "adapters.media.stripping:strip",
    "perceptual_hash": "adapters.media.fingerprint:perceptual_hash",
}
"""Call -> the function that serves it: (source, limits, **options) -> a struct. A module is imported with the first
call that needs it: metadata does not wait for libvips."""


class Request(msgspec.Struct, frozen=True):
    """One call. The first of a process carries its limits, and where it may write."""

    call: str  # "limits", or one of CALLS
    source: str = ""
    options: dict[str, Any] = {}  # keyword arguments; plain values only
    limits: Limits | None = None
    writable: tuple[str, ...] = ()  # folders
    seconds: float = 0.0  # wall time that this call may take
    max_file_bytes: int = MAX_FILE  # length of any one file that this call may write; at most MAX_FILE_EVER


class Reply(msgspec.Struct, frozen=True, omit_defaults=True):
    """What came of it: a result, or an error."""

    result: msgspec.Raw = msgspec.Raw(b"")  # msgpack of what the function returned
    error: str = ""  # "", "rejected", "memory", "missing", "failed"
    code: str = ""
    reason: str = ""
    cpu_seconds: float = 0.0  # of this call
    resident_bytes: int = 0  # of the process, after it
    peak_bytes: int = 0  # of the process, in it; where the kernel does not begin anew with a call: so far
    missing: tuple[str, ...] = ()  # to the first call: walls that the kernel did not put up


_REQUEST = msgspec.msgpack.Decoder(Request)


def write_frame(stream: BinaryIO, message: Request | Reply) -> None:
    """Write one message: four bytes of length, then msgpack."""
    body = msgspec.msgpack.encode(message)
    stream.write(_LENGTH.pack(len(body)) + body)
    stream.flush()


def read_frame(stream: BinaryIO) -> bytes | None:
    """Read one message's body; None at the end of the stream."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    body = stream.read(length) if length <= MAX_FRAME else b""
    return body if len(body) == length else None


def main() -> None:
    """Serve until the parent closes the pipe."""
    frames = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a C library that prints must not break the frames
    faulthandler.enable()
    first = read_frame(sys.stdin.buffer)
    if first is None:
        return
    request = _REQUEST.decode(first)
    limits = request.limits or Limits()
    with contextlib.suppress(OSError):
        _PEAKS.append(os.open("/proc/self/clear_refs", os.O_WRONLY))  # before the wall against writing
    missing = confine(limits.max_memory_bytes, MAX_FILE_EVER, request.writable)
    write_frame(frames, Reply(resident_bytes=_resident_bytes(), missing=missing))
    requests: queue.SimpleQueue[Request] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(requests,), daemon=True).start()  # behind the walls too
    while True:
        reply = _serve(requests.get(), limits)
        try:
            write_frame(frames, reply)
        except BrokenPipeError:
            os._exit(0)


def _listen(requests: queue.SimpleQueue[Request]) -> None:
    """Read requests in a thread of its own, so that the parent's end is seen even while a decoder works."""
    while (body := read_frame(sys.stdin.buffer)) is not None:
        requests.put(_REQUEST.decode(body))
    os._exit(0)


def _serve(request: Request, limits: Limits) -> Reply:
    before = _cpu_seconds()
    with contextlib.suppress(OSError):
        for begin_anew in _PEAKS:
            os.write(begin_anew, b"5")  # the peak of resident memory is what is resident now (man 5 proc)
    _limit_cpu(before + 2 * request.seconds + 5)
    _lower(resource.RLIMIT_FSIZE, request.max_file_bytes)
    fields: dict[str, Any]
    try:
        fields = {"result": msgspec.Raw(msgspec.msgpack.encode(_call(request, limits)))}
    except MediaRejected as error:
        fields = {"error": "rejected", "code": error.code, "reason": error.reason}
    except MemoryError:
        fields = {"error": "memory"}
    except FileNotFoundError:
        fields = {"error": "missing"}
    except Exception as error:  # the wall: whatever happens is told, and the next call works
        fields = {"error": "failed", "reason": f"{type(error).__name__}: {error}"[:1000]}
    cpu_seconds = _cpu_seconds() - before
    return Reply(**fields, cpu_seconds=cpu_seconds, resident_bytes=_resident_bytes(), peak_bytes=_peak_bytes())


def _call(request: Request, limits: Limits) -> Any:
    module, _, function = CALLS[request.call].partition(":")
    return getattr(import_module(module), function)(Path(request.source), limits, **request.options)


def _limit_cpu(seconds: float) -> None:
    """Move the window: should the parent be stopped, the kernel ends a call that never comes to an end."""
    _lower(resource.RLIMIT_CPU, int(seconds))


def _lower(kind: int, value: int) -> None:
    """Set the limit that holds for this call; the hard one stays."""
    hard = resource.getrlimit(kind)[1]
    resource.setrlimit(kind, (value if hard == resource.RLIM_INFINITY else min(value, hard), hard))


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


_PEAKS: list[int] = []  # the file that begins the peak anew, while it is open


def _peak_bytes() -> int:
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
    except OSError:
        return 0
    line = next((line for line in status.splitlines() if line.startswith("VmHWM:")), "VmHWM: 0 kB")
    return int(line.split()[1]) * 1024


def _resident_bytes() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return 0
    return pages * resource.getpagesize()


if __name__ == "__main__":
    main()
