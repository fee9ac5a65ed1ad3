"""What the kernel denies a decoder's process: network, programs, other processes, files of others."""

from __future__ import annotations

import errno
import logging
import platform
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from adapters.media import sandbox
from adapters.media.sandbox import SandboxedMediaEngine
from adapters.media.walls import NETWORK_AND_PROGRAMS, WRITING, Instruction, seccomp_program
from domain.errors import DecoderCrashed
from domain.media import Limits
from tests.unit.media import probes
from tests.unit.media.pictures import noise, save

FILTERED = pytest.mark.skipif(
    platform.system() != "Linux" or platform.machine() not in ("x86_64", "aarch64"),
    reason="seccomp's call numbers are known for Linux on x86_64 and aarch64",
)


@pytest.fixture
def writable(tmp_path: Path) -> Path:
    folder = tmp_path / "writable"
    folder.mkdir()
    return folder


@pytest.fixture
def engine(probed: None, monkeypatch: pytest.MonkeyPatch, writable: Path) -> Iterator[SandboxedMediaEngine]:
    monkeypatch.setattr(sandbox.tempfile, "gettempdir", lambda: str(writable))
    with SandboxedMediaEngine() as engine:
        yield engine


@FILTERED
@pytest.mark.parametrize(
    "what",
    [
        "an internet socket", "a UNIX socket", "a netlink socket", "a pair of sockets", "a connection", "io_uring",
        "another program", "another program in its own place", "a program from a file descriptor", "a second process",
        "a signal to its parent", "a signal to everybody", "a descriptor of its parent's process",
        "its parent's limits", "tracing its parent", "its parent's memory", "a namespace of its own", "a BPF program",
        "another user's rights",
    ],
)  # fmt: skip
def test_a_decoder_may_not_have(engine: SandboxedMediaEngine, tmp_path: Path, what: str) -> None:
    assert probes.attempt(tmp_path, Limits(), "a UNIX socket") == "done"  # the probe itself works outside
    assert engine._call("attempt", tmp_path, str, {"what": what}) == "PermissionError"
    (pid,) = engine.child_pids()
    assert engine._call("run_thread", tmp_path, int) == 42  # it lives, and the next call is served
    assert engine.child_pids() == [pid]


@FILTERED
def test_the_filter_holds_for_every_thread_of_the_child(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    engine._call("run_thread", tmp_path, int)
    (pid,) = engine.child_pids()
    threads = list(Path(f"/proc/{pid}/task").iterdir())
    assert len(threads) >= 2
    for thread in threads:
        assert "Seccomp:\t2" in (thread / "status").read_text()
    assert NETWORK_AND_PROGRAMS not in engine.missing_walls()


@FILTERED
def test_a_decoder_may_signal_itself_and_die_by_its_own_hand(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    assert engine._call("attempt", tmp_path, str, {"what": "a signal to itself"}) == "done"
    with pytest.raises(DecoderCrashed, match="SIGABRT"):
        engine._call("abort", tmp_path, type(None))


@pytest.mark.parametrize("what", ["writing a file", "making a folder", "removing a file", "cutting a file"])
def test_a_decoder_changes_files_in_its_own_folders_only(
    engine: SandboxedMediaEngine, tmp_path: Path, writable: Path, what: str
) -> None:
    def target(folder: Path) -> Path:
        place = folder / "target"
        if what in ("removing a file", "cutting a file"):
            place.write_bytes(b"kept")
        return place

    assert engine._call("attempt", target(writable), str, {"what": what}) == "done"
    if WRITING in engine.missing_walls():
        pytest.skip("this kernel has no Landlock")
    outside = target(tmp_path)
    assert engine._call("attempt", outside, str, {"what": what}) == "PermissionError"
    assert outside.exists() is (what in ("removing a file", "cutting a file"))
    assert not outside.exists() or outside.read_bytes() == b"kept"


@pytest.mark.parametrize("what", ["renaming a file", "linking a file"])
def test_what_is_outside_can_be_read_and_not_renamed_or_linked(
    engine: SandboxedMediaEngine, tmp_path: Path, what: str
) -> None:
    original = tmp_path / "original"
    original.write_bytes(b"kept")
    assert engine._call("attempt", original, str, {"what": "reading a file"}) == "done"
    if WRITING in engine.missing_walls():
        pytest.skip("this kernel has no Landlock")
    assert engine._call("attempt", original, str, {"what": what}) == "PermissionError"
    assert {path.name for path in tmp_path.iterdir()} == {"original", "writable"}


@pytest.mark.parametrize("name", ["a.jpg", "a.png", "a.webp", "a.gif", "a.tiff", "a.bmp", "a.heic", "a.avif"])
def test_every_decoder_works_behind_the_walls(tmp_path: Path, name: str) -> None:
    path = save(tmp_path, name, noise(400, 300))
    into = tmp_path / "made"
    into.mkdir()
    with SandboxedMediaEngine() as engine:
        assert engine.inspect(path).width == 400
        assert engine.read_metadata(path).width == 400
        assert {file.name for file in engine.render(path, into).files} >= {"small", "medium", "large"}


def test_a_wall_that_the_kernel_refuses_is_told_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    code = (
        "import platform\n"
        "platform.machine = lambda: 'riscv64'\n"  # a machine whose numbers are not known
        "from adapters.media import child\n"
        "child.main()\n"
    )
    monkeypatch.setattr(sandbox, "_COMMAND", (sys.executable, "-P", "-c", code))
    path = save(tmp_path, "a.jpg", noise(400, 300))
    with caplog.at_level(logging.WARNING), SandboxedMediaEngine(calls_per_child=1) as engine:
        assert engine.inspect(path).width == 400
        assert engine.inspect(path).width == 400
        assert NETWORK_AND_PROGRAMS in engine.missing_walls()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 1
    assert "without a wall against network" in told[0]


# --- the filter as a program: judged on both machines, wherever the tests run ---


def judge(program: list[Instruction], architecture: int, number: int, first: int = 0) -> int:
    """Run classic BPF as the kernel does (linux/filter.h): the filter's verdict on one call."""
    data = {0: number, 4: architecture, 16: first}
    accumulator, at = 0, 0
    while True:
        code, if_true, if_false, operand = program[at]
        at += 1
        match code:
            case 0x20:
                accumulator = data[operand]
            case 0x15:
                at += if_true if accumulator == operand else if_false
            case 0x35:
                at += if_true if accumulator >= operand else if_false
            case 0x45:
                at += if_true if accumulator & operand else if_false
            case 0x06:
                return operand
            case _:
                raise AssertionError(f"unknown instruction {code:#x}")


ALLOW, KILL, ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
MACHINES = {
    "x86_64": (0xC000003E, {"socket": 41, "execve": 59, "clone": 56, "kill": 62, "prlimit64": 302, "read": 0}),
    "aarch64": (0xC00000B7, {"socket": 198, "execve": 221, "clone": 220, "kill": 129, "prlimit64": 261, "read": 63}),
}


@pytest.mark.parametrize("machine", MACHINES)
def test_the_filters_verdicts(machine: str) -> None:
    architecture, numbers = MACHINES[machine]
    program = seccomp_program(machine, 4711)
    assert program is not None

    def verdict(call: str, first: int = 0) -> int:
        return judge(program, architecture, numbers[call], first)

    deny = ERRNO | errno.EPERM
    assert verdict("read") == ALLOW
    assert verdict("socket", 2) == deny
    assert verdict("execve") == deny
    assert verdict("clone", 0x003D0F00) == ALLOW  # what the C library makes a thread with
    assert verdict("clone", signal.SIGCHLD) == deny  # a fork
    assert judge(program, architecture, 435) == ERRNO | errno.ENOSYS  # clone3
    assert verdict("kill", 4711) == ALLOW
    assert verdict("kill", 1) == deny
    assert verdict("prlimit64", 0) == verdict("prlimit64", 4711) == ALLOW
    assert verdict("prlimit64", 1) == deny
    assert judge(program, 0x40000003, 1) == KILL  # the calls of 32-bit x86: another table
    assert all(if_true < 256 and if_false < 256 for _, if_true, if_false, _ in program)
    assert all(0 < at + 1 + max(jump[1:3]) <= len(program) for at, jump in enumerate(program) if jump[0] != 0x06)


def test_the_second_interface_of_x86_is_denied_whole() -> None:
    program = seccomp_program("x86_64", 1)
    assert program is not None
    assert judge(program, 0xC000003E, 0x40000000 + 41) == ERRNO | errno.EPERM


def test_an_unknown_machine_has_no_filter() -> None:
    assert seccomp_program("riscv64", 1) is None


def test_threads_still_start_beside_each_other(engine: SandboxedMediaEngine, tmp_path: Path) -> None:
    answers: list[int] = []
    threads = [
        threading.Thread(target=lambda: answers.append(engine._call("run_thread", tmp_path, int))) for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [42, 42, 42]
