"""Calls that a decoder never makes, to be made inside the child: they show which walls stand."""

from __future__ import annotations

import ctypes as _ctypes
import os as _os
import resource as _resource
import socket as _socket
import subprocess as _subprocess
import sys as _sys
import threading as _threading
from collections.abc import Callable as _Callable
from pathlib import Path as _Path
from typing import Any as _Any

from domain.media import Limits as _Limits


def write(source: _Path, limits: _Limits, size: int) -> int:
    """Write a file of this many bytes (a hole and its last byte); its length afterwards."""
    with source.open("wb") as file:
        file.seek(size - 1)
        file.write(b"x")
    return source.stat().st_size


def attempt(source: _Path, limits: _Limits, what: str) -> str:
    """What the kernel answers to one of `ATTEMPTS`: "done", or the name of the error."""
    try:
        _ATTEMPTS[what](source)
    except OSError as error:
        return type(error).__name__
    return "done"


def run_thread(source: _Path, limits: _Limits) -> int:
    """Start a thread, and return what it computed."""
    found: list[int] = []
    thread = _threading.Thread(target=lambda: found.append(6 * 7))
    thread.start()
    thread.join()
    return found[0]


def abort(source: _Path, limits: _Limits) -> None:
    """Die as a C library does that finds its memory in disorder."""
    _os.abort()


def _raw(number: int, *arguments: _Any) -> None:
    libc = _ctypes.CDLL(None, use_errno=True)
    if libc.syscall(number, *arguments) < 0:
        raise OSError(_ctypes.get_errno(), "the call was refused")


def _fork() -> None:
    if _os.fork() == 0:
        _os._exit(0)


def _resolve() -> None:
    _socket.create_connection(("127.0.0.1", 9), timeout=5)


_X86 = _sys.platform == "linux" and _os.uname().machine == "x86_64"
_ATTEMPTS: dict[str, _Callable[[_Path], object]] = {
    "an internet socket": lambda _: _socket.socket(_socket.AF_INET).close(),
    "a UNIX socket": lambda _: _socket.socket(_socket.AF_UNIX).close(),
    "a netlink socket": lambda _: _socket.socket(_socket.AF_NETLINK, _socket.SOCK_RAW),
    "a pair of sockets": lambda _: _socket.socketpair(),
    "a connection": lambda _: _resolve(),
    "io_uring": lambda _: _raw(425, 8, _ctypes.create_string_buffer(120)),
    "another program": lambda _: _subprocess.run(["/bin/true"], check=True),
    "another program in its own place": lambda _: _os.execv("/bin/true", ["/bin/true"]),
    "a program from a file descriptor": lambda _: _os.execve(_os.open("/bin/true", _os.O_RDONLY), ["true"], {}),
    "a second process": lambda _: _fork(),
    "a signal to its parent": lambda _: _os.kill(_os.getppid(), 0),
    "a signal to everybody": lambda _: _os.kill(-1, 0),
    "a descriptor of its parent's process": lambda _: _os.pidfd_open(_os.getppid()),
    "its parent's limits": lambda _: _resource.prlimit(_os.getppid(), _resource.RLIMIT_CORE),
    "tracing its parent": lambda _: _raw(101 if _X86 else 117, 16, _os.getppid(), 0, 0),
    "its parent's memory": lambda _: _Path(f"/proc/{_os.getppid()}/mem").write_bytes(b""),
    "a namespace of its own": lambda _: _raw(272 if _X86 else 97, 0x10000000),
    "a BPF program": lambda _: _raw(321 if _X86 else 280, 0, 0, 0),
    "another user's rights": lambda _: _os.setuid(0),
    "more memory": lambda _: _raise_limit(_resource.RLIMIT_AS),
    "a signal to itself": lambda _: _os.kill(_os.getpid(), 0),
    "writing a file": lambda path: path.write_bytes(b"x"),
    "making a folder": lambda path: path.mkdir(),
    "removing a file": lambda path: path.unlink(),
    "cutting a file": lambda path: _os.truncate(path, 0),
    "renaming a file": lambda path: path.rename(path.with_name("renamed")),
    "linking a file": lambda path: _os.link(path, path.with_name("linked")),
    "reading a file": lambda path: path.read_bytes(),
}


def _raise_limit(kind: int) -> None:
    _, hard = _resource.getrlimit(kind)
    _resource.setrlimit(kind, (hard + 1, hard + 1))
