"""The wall: a decoder that dies, hangs or eats memory costs one call and nothing else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from adapters.media.sandbox import SandboxedMediaEngine
from domain.errors import (
    DecoderCrashed,
    DecoderKilled,
    DecoderOutOfMemory,
    DecoderTimeout,
    MediaFailed,
    MediaRejected,
    NotFound,
)
from domain.media import Limits
from tests.unit.media.films import encode, moving
from tests.unit.media.pictures import quarters, save


@pytest.fixture
def engine() -> Iterator[SandboxedMediaEngine]:
    with SandboxedMediaEngine() as engine:
        yield engine


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return save(tmp_path, "a.jpg", quarters())


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited for a minute"
        time.sleep(0.002)  # a poll's pause


def gone(pid: int) -> bool:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True
    return stat.rsplit(")", 1)[1].split()[0] == "Z"


def test_all_calls_work_through_one_warm_child(engine: SandboxedMediaEngine, picture: Path, tmp_path: Path) -> None:
    assert engine.inspect(picture).width == 320
    pids = engine.child_pids()
    assert engine.read_metadata(picture).height == 200
    assert {Path(f.path).parent for f in engine.render(picture, tmp_path).files} == {tmp_path}
    assert engine.child_pids() == pids
    assert len(pids) == 1


def test_a_video_is_analysed_behind_the_wall_and_its_report_comes_back_whole(
    engine: SandboxedMediaEngine, tmp_path: Path
) -> None:
    report = engine.analyze_video(encode(tmp_path / "a.mp4", moving, frames=40, sound=True), tmp_path)
    assert (report.video.codec, report.duration_ms, report.quality.samples) == ("h264", 2000, 8)
    assert report.audio is not None
    assert report.preview is not None
    assert report.strip is not None
    for made in (report.poster, report.preview, report.strip):
        assert Path(made.path).parent == tmp_path
        assert Path(made.path).stat().st_size == made.bytes


def test_a_refusal_crosses_the_wall_whole_and_leaves_the_child_at_work(
    engine: SandboxedMediaEngine, picture: Path, tmp_path: Path
) -> None:
    engine.inspect(picture)
    pids = engine.child_pids()
    text = tmp_path / "fake.jpg"
    text.write_text("just words")
    with pytest.raises(MediaRejected, match="a text file") as refusal:
        engine.inspect(text)
    assert refusal.value.code == "not_media"
    with pytest.raises(NotFound):
        engine.inspect(tmp_path / "missing.jpg")
    assert engine.inspect(picture).kind == "image"
    assert engine.child_pids() == pids


@pytest.mark.parametrize(
    ("blow", "error"),
    [
        (signal.SIGKILL, DecoderKilled),
        (signal.SIGSEGV, DecoderCrashed),
        (signal.SIGABRT, DecoderCrashed),
        (signal.SIGBUS, DecoderCrashed),
        (signal.SIGXCPU, DecoderTimeout),
    ],
)
def test_a_child_that_dies_at_work_fails_its_call_and_the_next_call_has_a_new_one(
    engine: SandboxedMediaEngine, picture: Path, blow: signal.Signals, error: type[MediaFailed]
) -> None:
    engine.inspect(picture)
    (child,), (pid,) = engine._idle, engine.child_pids()
    os.kill(pid, signal.SIGSTOP)  # as if it were busy
    caught: list[BaseException] = []

    def call() -> None:
        try:
            engine.inspect(picture)
        except MediaFailed as failure:
            caught.append(failure)

    worker = threading.Thread(target=call)
    worker.start()
    until(lambda: child.calls == 2)  # found alive, and given the call
    os.kill(pid, blow)
    os.kill(pid, signal.SIGCONT)
    worker.join()
    if caught:  # the call may have been answered in the instant before
        assert type(caught[0]) is error
    assert blow is not signal.SIGKILL or caught
    assert engine.inspect(picture).width == 320
    assert pid not in engine.child_pids()


def test_a_child_that_died_while_idle_is_replaced_without_an_error(engine: SandboxedMediaEngine, picture: Path) -> None:
    engine.inspect(picture)
    (child,) = engine._idle
    os.kill(child.pid, signal.SIGKILL)
    until(lambda: not child.alive)
    assert engine.inspect(picture).width == 320


def test_a_child_that_hangs_is_stopped_and_replaced(picture: Path) -> None:
    with SandboxedMediaEngine(Limits(max_seconds=20)) as engine:
        engine.inspect(picture)
        (pid,) = engine.child_pids()
        os.kill(pid, signal.SIGSTOP)
        engine.limits = Limits(max_seconds=0.2)
        with pytest.raises(DecoderTimeout, match=r"0\.2 s"):
            engine.inspect(picture)
        engine.limits = Limits(max_seconds=20)
        assert gone(pid)
        assert engine.inspect(picture).width == 320


def test_a_picture_that_needs_too_much_memory_is_out_of_memory_and_the_next_works(picture: Path) -> None:
    path = picture.parent / "large.gif"
    Image.new("L", (12_000, 12_000), 9).save(path)
    with SandboxedMediaEngine(Limits(max_memory_bytes=500 << 20, max_whole_bytes=4 << 30)) as engine:
        with pytest.raises(DecoderOutOfMemory, match="500 MB"):
            engine.inspect(path)
        assert engine.inspect(picture).width == 320


def test_a_call_writes_no_file_longer_than_it_may_and_the_next_call_has_its_own_limit(
    probed: None, engine: SandboxedMediaEngine, tmp_path: Path
) -> None:
    target = tmp_path / "written"
    assert engine._call("write", target, int, {"size": 512 << 20}) == 512 << 20
    (pid,) = engine.child_pids()
    with pytest.raises(MediaFailed, match="File too large"):
        engine._call("write", target, int, {"size": (512 << 20) + 1})
    assert engine._call("write", target, int, {"size": 3 << 30}, max_file_bytes=4 << 30) == 3 << 30
    with pytest.raises(MediaFailed, match="File too large"):
        engine._call("write", target, int, {"size": (8 << 30) + 1}, max_file_bytes=1 << 40)
    with pytest.raises(MediaFailed, match="File too large"):
        engine._call("write", target, int, {"size": (512 << 20) + 1})
    assert engine.child_pids() == [pid]


def test_children_are_replaced_after_so_many_calls_or_bytes(picture: Path) -> None:
    with SandboxedMediaEngine(calls_per_child=2) as engine:
        engine.inspect(picture)
        first = engine.child_pids()
        engine.inspect(picture)
        assert engine.child_pids() == []
        engine.inspect(picture)
        assert engine.child_pids() != first
    with SandboxedMediaEngine(resident_bytes=1) as engine:
        engine.inspect(picture)
        assert engine.child_pids() == []


def test_the_most_memory_of_a_threads_calls_is_told_once(
    engine: SandboxedMediaEngine, picture: Path, tmp_path: Path
) -> None:
    assert engine.peak_bytes() == 0
    engine.render(picture, tmp_path)
    assert 10 << 20 < engine.peak_bytes() < engine.limits.max_memory_bytes
    assert engine.peak_bytes() == 0


def test_threads_do_not_wait_for_each_other_and_count_their_own_time(
    engine: SandboxedMediaEngine, picture: Path, tmp_path: Path
) -> None:
    together = threading.Barrier(3)
    seconds: list[float] = []

    def work(number: int) -> None:
        into = tmp_path / str(number)
        into.mkdir()
        together.wait()
        assert engine.cpu_seconds() == 0
        made = engine.render(picture, into)
        assert len(made.files) == 6
        seconds.append(engine.cpu_seconds())

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(seconds) == 3
    assert min(seconds) > 0
    assert engine.cpu_seconds() == 0
    assert 1 <= len(engine.child_pids()) <= 3


def test_close_ends_all_children_and_later_calls_fail(picture: Path) -> None:
    engine = SandboxedMediaEngine()
    engine.inspect(picture)
    pids = engine.child_pids()
    engine.close()
    engine.close()
    assert all(gone(pid) for pid in pids)
    with pytest.raises(MediaFailed, match="closed"):
        engine.inspect(picture)


def test_a_child_has_no_secrets_and_no_files_of_its_parent(
    picture: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "hush")
    secret = tmp_path / "ledger"
    secret.touch()
    with secret.open() as file, SandboxedMediaEngine() as engine:
        os.set_inheritable(file.fileno(), True)
        engine.inspect(picture)
        (pid,) = engine.child_pids()
        assert b"hush" not in Path(f"/proc/{pid}/environ").read_bytes()
        held = {str(entry.readlink()) for entry in Path(f"/proc/{pid}/fd").iterdir()}
        assert str(secret) not in held
        limits = Path(f"/proc/{pid}/limits").read_text()
        assert f"Max address space         {3 << 30}" in limits
        assert "NoNewPrivs:\t1" in Path(f"/proc/{pid}/status").read_text()


def test_children_end_when_their_parent_is_killed(picture: Path) -> None:
    code = (
        "import sys, pathlib, time\n"
        "from adapters.media.sandbox import SandboxedMediaEngine\n"
        "engine = SandboxedMediaEngine()\n"
        "engine.inspect(pathlib.Path(sys.argv[1]))\n"
        "print(engine.child_pids()[0], flush=True)\n"
        "time.sleep(600)\n"
    )
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(
        [sys.executable, "-c", code, str(picture)], stdout=subprocess.PIPE, text=True, env=environment
    ) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    until(lambda: gone(pid))
