"""Law 3: a worker killed at any instant loses nothing; after a restart every asset reaches an end.

The worker is a process of its own with real decoders. It is killed with all its children, or one decoder is killed
alone, whenever a random number of commits has been recorded; then it is started again, until nothing is due.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.asset import fold
from domain.commits import split_stream
from domain.events import (
    AssetProcessed,
    FileValidated,
    FingerprintComputed,
    LookalikesFound,
    MetadataExtracted,
    RenditionsGenerated,
    StepFailed,
    StepGivenUp,
    StepSkipped,
)
from domain.eventstore import verify_chain
from domain.pipeline import STEPS
from photovault.config import Settings
from photovault.importer import find_files, import_files
from photovault.rebuilding import rebuild
from photovault.runtime import catch_up
from photovault.vault import Vault
from projections import PROJECTIONS
from tests.support.factories import jpeg
from tests.support.fakes import active_rows
from tests.support.waiting import wait_for

PHOTOS = 300
OWNER = "anna"
ROOT = Path(__file__).resolve().parents[2]
WORKERS_KILLED = 10
CHANCES_A_DECODER_DIES = 2  # in the life of each worker
PROGRESS_SECONDS = 60.0  # no progress for so long is a failure, not a slow machine
DONE = (FileValidated, MetadataExtracted, RenditionsGenerated, FingerprintComputed, LookalikesFound, StepSkipped)

REACHED = {name for name, step in STEPS.items() if "image" in step.kinds} - {"embed", "identify"}
"""Nothing is recognised here, so that what follows a tag or a face is never asked for."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("PHOTOVAULT_TAGGER", "PHOTOVAULT_MODERATOR"):
        monkeypatch.setenv(name, "off")
    photos = tmp_path / "photos"
    photos.mkdir()
    dice = random.Random(7)
    for i in range(PHOTOS):
        (photos / f"{i:03}.jpg").write_bytes(jpeg(i, dice.randrange(64, 200), dice.randrange(64, 200)))
    place = tmp_path / "vault"
    with Vault(Settings(place, OWNER, 2), create=True) as vault:
        assert import_files(vault, find_files([photos])).added == PHOTOS
    return place


@contextlib.contextmanager
def worker(home: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker in a process group of its own, which ends with it."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.e2e.work_driver", str(home), OWNER],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        kill_all(process)
        process.communicate()


def kill_all(process: subprocess.Popen[bytes]) -> None:
    """The worker and its decoders, at once and without warning."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def members(group: int) -> list[int]:
    """Processes of a group that still live."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[2]) == group and fields[0] != "Z":
                    found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="finds processes by /proc, as Linux has it")
@pytest.mark.timeout(240)
def test_a_worker_killed_at_any_instant_loses_nothing(home: Path) -> None:
    dice = random.Random(20260501)
    groups = []
    with Vault(Settings(home, OWNER, 2)) as vault:
        for _ in range(WORKERS_KILLED):
            with worker(home) as process:
                groups.append(process.pid)
                for _ in range(CHANCES_A_DECODER_DIES):
                    await_commits(vault, process, dice.randint(1, 20))
                    decoders = [pid for pid in members(process.pid) if pid != process.pid]
                    if decoders and dice.random() < 0.5:
                        with contextlib.suppress(ProcessLookupError):
                            os.kill(dice.choice(decoders), signal.SIGKILL)
                await_commits(vault, process, dice.randint(1, 20))
                assert process.poll() is None, "it ended before it was killed: there is too little to do"
        with worker(home) as process:
            groups.append(process.pid)
            _, said = process.communicate(timeout=180)
            assert process.returncode == 0, said.decode()
        assert wait_for(lambda: not any(members(group) for group in groups)), "processes were left behind"
        every_asset_is_done_once(vault)
        nothing_is_left_to_do(vault)
        replay_gives_the_live_rows(vault)


def await_commits(vault: Vault, process: subprocess.Popen[bytes], more: int) -> None:
    """Wait until so many commits were recorded, or the worker has ended."""
    wanted = vault.commits.last_position() + more
    reached = wait_for(lambda: vault.commits.last_position() >= wanted or process.poll() is not None, PROGRESS_SECONDS)
    assert reached, "the worker makes no progress"


def every_asset_is_done_once(vault: Vault) -> None:
    commits = list(vault.commits.tail(None, 1_000_000).commits)
    streams: dict[str, list] = {}
    for commit in commits:
        if split_stream(commit.stream)[1] != "asset":
            continue
        streams.setdefault(commit.stream, []).extend(vault.store.events_of(commit))
    assert len(streams) == PHOTOS
    ids = Counter((commit.stream, commit.commit_id) for commit in commits)
    assert max(ids.values()) == 1
    for stream, events in streams.items():
        assert fold(stream, events).state == "done"
        ends = Counter(e.event.run.step for e in events if isinstance(e.event, DONE))
        assert ends == dict.fromkeys(REACHED, 1)
        assert [e.event for e in events if isinstance(e.event, AssetProcessed)] == [AssetProcessed(state="done")]
        assert not [e for e in events if isinstance(e.event, StepGivenUp)]
        # A failure is recorded where a decoder was killed, and nowhere else.
        assert {e.event.error for e in events if isinstance(e.event, StepFailed)} <= {"DecoderKilled"}
    segments = vault.commits.segments(4)
    checked = [found for segment in segments for found in verify_chain(vault.commits.segment(segment))]
    assert len(checked) == len(commits)
    assert [fault for _, fault in checked if fault] == []


def nothing_is_left_to_do(vault: Vault) -> None:
    for step in STEPS:
        depth = vault.queue.depth(step)
        assert (depth.waiting, depth.delayed, depth.in_flight, depth.dead) == (0, 0, 0, 0)
    assert vault.projector.parked() == []


def replay_gives_the_live_rows(vault: Vault) -> None:
    catch_up(vault)
    live = active_rows(vault)
    result = rebuild(vault, [projection.name for projection in PROJECTIONS])
    assert result.equal
    assert result.switched
    assert active_rows(vault) == live
