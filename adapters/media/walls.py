"""What the kernel denies a decoder's process, whatever a file makes it run: limits, system calls, places to write.

    limits      memory, length of a file, open files, core dumps (setrlimit)
    seccomp     no network, no other program or process, no signals to others, no tracing, mounting, io_uring ...
    Landlock    no file is made, changed or removed but below the folders that are named

Each holds for the process and cannot be taken back by it. A kernel without Landlock (before 5.13), or that refuses a
filter, leaves the other walls standing; `confine` says which are missing
(docs/adr/0012-what-a-decoder-may-ask-of-the-kernel.md).
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import os
import platform
import resource
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path

__all__ = ["NETWORK_AND_PROGRAMS", "WRITING", "confine", "seccomp_program"]

NETWORK_AND_PROGRAMS = "network_and_programs"
WRITING = "writing"

_OPEN_FILES = 64
_PR_SET_NO_NEW_PRIVS, _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 38, 22, 2


def confine(memory_bytes: int, file_bytes: int, writable: Iterable[str]) -> tuple[str, ...]:
    """Put up every wall that the kernel has. To be called before there are other threads.

    Args:
        memory_bytes: address space of the process.
        file_bytes: length of any one file that it may ever write.
        writable: folders below which files may be made and changed.
    Returns:
        The walls that could not be put up, of `NETWORK_AND_PROGRAMS` and `WRITING`.
    """
    for kind, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_NOFILE, _OPEN_FILES),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(kind)[1]
        value = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (value, value))
    missing = []
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    except (OSError, AttributeError):  # not Linux: the limits above still hold
        return (NETWORK_AND_PROGRAMS, WRITING)
    if not _restrict_writing(libc, writable):
        missing.append(WRITING)
    if not _filter_calls(libc):
        missing.append(NETWORK_AND_PROGRAMS)
    return tuple(missing)


# --- seccomp: a classic BPF program over (call number, architecture, arguments), linux/seccomp.h ----------------------

_ARCHITECTURES = {"x86_64": (0xC000003E, 0), "aarch64": (0xC00000B7, 1)}  # AUDIT_ARCH_*, column in the tables below

_DENIED: dict[str, tuple[int | None, int | None]] = {
    # network
    "socket": (41, 198), "socketpair": (53, 199), "connect": (42, 203), "bind": (49, 200), "listen": (50, 201),
    "accept": (43, 202), "accept4": (288, 242), "sendto": (44, 206), "sendmsg": (46, 211), "sendmmsg": (307, 269),
    "io_uring_setup": (425, 425), "io_uring_enter": (426, 426), "io_uring_register": (427, 427),
    # programs and processes
    "execve": (59, 221), "execveat": (322, 281), "fork": (57, None), "vfork": (58, None),
    # other processes
    "ptrace": (101, 117), "process_vm_readv": (310, 270), "process_vm_writev": (311, 271), "kcmp": (312, 272),
    "process_madvise": (440, 440), "tkill": (200, 130), "rt_sigqueueinfo": (129, 138), "pidfd_open": (434, 434),
    "rt_tgsigqueueinfo": (297, 240), "pidfd_getfd": (438, 438), "pidfd_send_signal": (424, 424),
    # the system
    "mount": (165, 40), "umount2": (166, 39), "pivot_root": (155, 41), "chroot": (161, 51), "open_tree": (428, 428),
    "move_mount": (429, 429), "fsopen": (430, 430), "mount_setattr": (442, 442), "open_by_handle_at": (304, 265),
    "setns": (308, 268), "unshare": (272, 97), "bpf": (321, 280), "perf_event_open": (298, 241),
    "userfaultfd": (323, 282), "keyctl": (250, 219), "add_key": (248, 217), "request_key": (249, 218),
    "init_module": (175, 105), "finit_module": (313, 273), "delete_module": (176, 106), "kexec_load": (246, 104),
    "kexec_file_load": (320, 294), "reboot": (169, 142), "swapon": (167, 224), "swapoff": (168, 225),
    "acct": (163, 89), "quotactl": (179, 60), "syslog": (103, 116), "sethostname": (170, 161),
    "settimeofday": (164, 170), "clock_settime": (227, 112), "adjtimex": (159, 171), "personality": (135, 92),
    "setuid": (105, 146), "setgid": (106, 144), "iopl": (172, None), "ioperm": (173, None),
}  # fmt: skip
"""Calls that no decoder needs: name -> number on x86_64 and on aarch64 (asm/unistd_64.h, asm-generic/unistd.h)."""

_CLONE, _CLONE3, _KILL, _TGKILL, _PRLIMIT = (56, 220), (435, 435), (62, 129), (234, 131), (302, 261)
_CLONE_THREAD = 0x00010000
_X32 = 0x40000000  # bit of the call numbers of x86_64's second interface, whose table is another

_LOAD, _IF_EQUAL, _IF_AT_LEAST, _IF_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data; little endian on both
_ALLOW, _KILL_PROCESS, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000

Instruction = tuple[int, int, int, int]  # code, jump if true, jump if false, operand


def seccomp_program(machine: str, pid: int) -> list[Instruction] | None:
    """The filter for a process on a machine (`platform.machine()`); None where the numbers are not known.

    Denied calls answer EPERM, so that a library that only tries goes on. `clone3`, whose flags lie in memory, answers
    ENOSYS: the C library then starts its threads with `clone`, which may make threads and nothing else. Signals, and
    limits, are for the process itself only.
    """
    if machine not in _ARCHITECTURES:
        return None
    architecture, column = _ARCHITECTURES[machine]
    deny: Instruction = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    allow: Instruction = (_RETURN, 0, 0, _ALLOW)
    program: list[Instruction] = [
        (_LOAD, 0, 0, _ARCHITECTURE),
        (_IF_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL_PROCESS),
        (_LOAD, 0, 0, _NUMBER),
    ]
    if machine == "x86_64":
        program += [(_IF_AT_LEAST, 0, 1, _X32), deny]
    for numbers in _DENIED.values():
        number = numbers[column]
        if number is not None:
            program += [(_IF_EQUAL, 0, 1, number), deny]
    program += [(_IF_EQUAL, 0, 1, _CLONE3[column]), (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)]
    program += [(_IF_EQUAL, 0, 4, _CLONE[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_IF_SET, 0, 1, _CLONE_THREAD)]
    program += [allow, deny]
    for numbers in (_KILL, _TGKILL):
        program += [(_IF_EQUAL, 0, 4, numbers[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_IF_EQUAL, 0, 1, pid)]
        program += [allow, deny]
    program += [(_IF_EQUAL, 0, 5, _PRLIMIT[column]), (_LOAD, 0, 0, _FIRST_ARGUMENT), (_IF_EQUAL, 1, 0, 0)]
    program += [(_IF_EQUAL, 0, 1, pid), allow, deny]
    return [*program, allow]


class _Program(ctypes.Structure):
    """struct sock_fprog."""

    _fields_ = [("length", ctypes.c_ushort), ("instructions", ctypes.c_void_p)]


def _filter_calls(libc: ctypes.CDLL) -> bool:
    program = seccomp_program(platform.machine(), os.getpid())
    if program is None:
        return False
    packed = b"".join(struct.pack("<HBBI", *instruction) for instruction in program)
    held = ctypes.create_string_buffer(packed, len(packed))
    filter_ = _Program(len(program), ctypes.cast(held, ctypes.c_void_p).value)
    done: int = libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(filter_), 0, 0)
    return done == 0


# --- Landlock, linux/landlock.h ---------------------------------------------------------------------------------------

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446  # the same on both machines
_RULESET_VERSION, _PATH_BENEATH = 1, 1
_WRITE_FILE, _TRUNCATE = 1 << 1, 1 << 14
_CHANGES = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))  # remove and make entries of every sort; version 1
_SINCE = ((2, 1 << 13), (3, _TRUNCATE))  # version -> rename between folders, truncate
_ALWAYS: Sequence[str] = ("/dev/null",)


def _restrict_writing(libc: ctypes.CDLL, writable: Iterable[str]) -> bool:
    """Deny every change of the file system but below these folders; files that are open stay as they are."""
    version = libc.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _RULESET_VERSION)
    if version < 1:
        return False
    handled = _CHANGES | sum(access for since, access in _SINCE if version >= since)
    attributes = struct.pack("<Q", handled)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, ctypes.c_size_t(len(attributes)), 0)
    if ruleset < 0:
        return False
    try:
        for path in (*writable, *_ALWAYS):
            with contextlib.suppress(OSError):  # no such folder: nothing can be written there anyway
                _allow_below(libc, ruleset, Path(path), handled)
        done: int = libc.syscall(_RESTRICT_SELF, ruleset, 0)
        return done == 0
    finally:
        os.close(ruleset)


def _allow_below(libc: ctypes.CDLL, ruleset: int, path: Path, access: int) -> None:
    place = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not path.is_dir():
            access &= _WRITE_FILE | _TRUNCATE
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("<Qi", access, place), 0)
    finally:
        os.close(place)
