"""Replay: segments that survive their workers, races with the live projector, past moments, a rate, a stop."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from domain.errors import NotFound
from domain.ports import Row
from projections import replay as replaying
from projections.replay import LEASE_SECONDS, Replay, Run, Target
from tests.support.fakes import MemoryVault, rows_of
from tests.unit.projections.toys import CountedMarks, Marks, marked

NAMES = ("marks", "counted")
STREAMS = 12


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[MemoryVault]:
    monkeypatch.setattr(replaying, "_FLUSH_STREAMS", 3)
    with MemoryVault(projections=(Marks(), CountedMarks())) as vault:
        yield vault


def fill(vault: MemoryVault, streams: int = STREAMS) -> None:
    """Streams of two commits each, told round by round and seen by the live projector."""
    for mark in ("red", "blue"):
        for i in range(streams):
            marked(vault, f"a{i:02}", mark)
    vault.projector.project(vault.everything())


def begin(vault: MemoryVault, parts: int = 1, **options: Any) -> Run:
    """A run that fills a new generation of both projections."""
    targets = [Target(name, vault.generations.begin(name).number) for name in NAMES]
    return vault.replay.start(targets, parts, **options)


def built(vault: MemoryVault, run: Run) -> dict[str, Any]:
    return {
        t.projection: rows_of(
            vault, vault.generations.projection(t.projection), vault.table(t.projection, t.generation)
        )
        for t in run.targets
    }


def live(vault: MemoryVault) -> dict[str, Any]:
    return {name: rows_of(vault, *vault.generations.active(name)) for name in NAMES}


class Mortal:
    """Checkpoints of a worker that is killed after so many saves."""

    def __init__(self, vault: MemoryVault, saves: int) -> None:
        self._checkpoints = vault.checkpoints
        self.saves = saves

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkpoints, name)

    def save(self, *arguments: Any, **named: Any) -> Any:
        if self.saves == 0:
            raise SystemExit("killed")
        self.saves -= 1
        return self._checkpoints.save(*arguments, **named)


def mortal(vault: MemoryVault, saves: int) -> Replay:
    return Replay(
        vault.store, vault.views, Mortal(vault, saves), vault.generations.projections, clock=vault.clock.seconds
    )


@pytest.mark.parametrize("parts", [1, 2, 5, 40])
def test_a_replay_gives_the_live_rows_in_however_many_parts(vault: MemoryVault, parts: int) -> None:
    fill(vault)
    run = begin(vault, parts)
    assert vault.replay.work(run, "w")
    assert built(vault, run) == live(vault)
    progress = vault.replay.progress(run)
    assert (progress.events, progress.streams, progress.parked) == (STREAMS * 2, STREAMS, 0)


def test_each_row_is_written_once(vault: MemoryVault) -> None:
    fill(vault)
    run = begin(vault)
    vault.replay.work(run, "w")
    assert vault.replay.progress(run).rows == STREAMS * 3  # two home rows and one mark, for two events


@pytest.mark.parametrize("saves", range(1, 6))
def test_a_worker_that_dies_loses_at_most_a_slice(vault: MemoryVault, saves: int) -> None:
    fill(vault)
    run = begin(vault)
    with pytest.raises(SystemExit):
        mortal(vault, saves).work(run, "first")
    vault.clock.tick(LEASE_SECONDS + 1)
    assert vault.replay.work(run, "second")
    assert built(vault, run) == live(vault)
    assert vault.replay.progress(run).streams == STREAMS


def test_a_segment_in_the_hands_of_a_living_worker_is_left_to_it(vault: MemoryVault) -> None:
    fill(vault)
    run = begin(vault)
    with pytest.raises(SystemExit):
        mortal(vault, 2).work(run, "first")
    assert not vault.replay.work(run, "second")  # the lease has not ended: nobody knows that the first is dead
    vault.clock.tick(LEASE_SECONDS + 1)
    assert vault.replay.work(run, "second")


def test_a_worker_may_take_up_its_own_segment_at_once(vault: MemoryVault) -> None:
    fill(vault)
    run = begin(vault)
    with pytest.raises(SystemExit):
        mortal(vault, 2).work(run, "same")
    assert vault.replay.work(run, "same")


def test_a_worker_whose_lease_was_taken_over_leaves_the_segment(vault: MemoryVault) -> None:
    """It was suspended for longer than its lease; what it writes meanwhile does no harm."""
    fill(vault)
    run = begin(vault)
    slow = mortal(vault, 100)
    overtaken: list[bool] = []
    inner = slow._checkpoints.save  # type: ignore[attr-defined]

    def save(kind: str, name: str, value: bytes, expected: int | None) -> Any:
        if not overtaken and b"slow" in value and expected and expected > 1:
            overtaken.append(True)
            vault.clock.tick(LEASE_SECONDS + 1)
            assert vault.replay.work(run, "quick")
        return inner(kind, name, value, expected)

    slow._checkpoints.save = save  # type: ignore[attr-defined]
    assert slow.work(run, "slow")
    assert overtaken
    assert built(vault, run) == live(vault)
    assert vault.replay.progress(run).streams == STREAMS


def test_a_run_stops_at_its_next_slice_and_goes_on_where_it_was(vault: MemoryVault) -> None:
    fill(vault)
    run = begin(vault)
    vault.replay.stop(run.id)
    assert not vault.replay.work(run, "w")
    assert vault.replay.progress(run).streams == 3
    resumed = vault.replay.resume(run.id)
    assert vault.replay.work(resumed, "another")  # the lease was given back
    assert vault.replay.progress(run).streams == STREAMS
    assert built(vault, run) == live(vault)


def test_a_worker_leaves_when_its_own_time_is_over(vault: MemoryVault) -> None:
    fill(vault)
    run = begin(vault)
    slices = 0
    while not vault.replay.work(run, f"function-{slices}", until=vault.clock.seconds()):
        slices += 1
    assert slices >= STREAMS // 3 - 1
    assert built(vault, run) == live(vault)


def test_a_stream_that_grew_while_no_worker_lived_is_whole_in_the_end(vault: MemoryVault) -> None:
    """The position lies behind its last commit of then; what came later is the live projector's."""
    fill(vault)
    run = begin(vault)
    vault.replay.stop(run.id)
    vault.replay.work(run, "w")
    marked(vault, "a02", "green")  # the last stream of the first slice
    resumed = vault.replay.resume(run.id)
    assert vault.replay.work(resumed, "w")
    vault.projector.project(vault.everything())
    assert built(vault, run) == live(vault)


@pytest.mark.parametrize("limit", [0.5, 2.0, 100.0])
def test_a_rate_limit_is_kept_however_fast_the_machine_is(
    vault: MemoryVault, monkeypatch: pytest.MonkeyPatch, limit: float
) -> None:
    fill(vault)
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        vault.clock.tick(seconds)

    monkeypatch.setattr(replaying, "_FLUSH_STREAMS", 1000)
    monkeypatch.setattr(replaying, "time", SimpleNamespace(sleep=sleep, time=vault.clock.seconds))
    run = begin(vault, events_per_second=limit)
    started = vault.clock.seconds()
    assert vault.replay.work(run, "w")
    assert vault.clock.seconds() - started >= STREAMS * 2 / limit - 0.001
    assert max(slept) < LEASE_SECONDS  # it never sleeps through its own lease


def test_a_past_moment_shows_every_commit_before_it_and_none_after(vault: MemoryVault) -> None:
    for mark in ("red", "blue"):
        marked(vault, "a1", mark)
    marked(vault, "later", "red")
    commits = vault.everything()
    run = begin(vault, until_us=commits[1].recorded_us)
    vault.replay.work(run, "w")
    assert built(vault, run)["counted"] == {
        ("anna", "a1"): (1, msgspec.msgpack.encode(CountedMarks().state(("red",), 1, "a1")), ()),
        ("anna", "total marks/red"): 1,
        ("anna", "total events/total"): 1,
    }


def test_a_dry_run_counts_and_writes_nothing(vault: MemoryVault) -> None:
    fill(vault)
    run = begin(vault, dry=True)
    assert vault.replay.work(run, "w")
    assert vault.replay.progress(run).events == STREAMS * 2
    assert built(vault, run) == {"marks": {}, "counted": {}}


def test_runs_are_listed_until_they_are_forgotten_and_leave_nothing_behind(vault: MemoryVault) -> None:
    marked(vault, "bad", "poison")
    before = list(vault.checkpoints._db.reader.execute("SELECT kind FROM entries WHERE kind LIKE 'replay%'"))
    run = begin(vault)
    assert vault.replay.runs() == [vault.replay.find(run.id)]
    vault.replay.work(run, "w")
    vault.replay.forget(run)
    assert vault.replay.runs() == []
    assert list(vault.checkpoints._db.reader.execute("SELECT kind FROM entries WHERE kind LIKE 'replay%'")) == before
    with pytest.raises(NotFound):
        vault.replay.find(run.id)
    with pytest.raises(NotFound):
        vault.replay.stop(run.id)


class TestDamage:
    def test_a_poisoned_stream_is_named_and_the_others_are_whole(self, vault: MemoryVault) -> None:
        fill(vault)
        marked(vault, "bad", "red", "poison")
        vault.projector.project(vault.everything())
        run = begin(vault)
        assert vault.replay.work(run, "w")
        [damaged] = vault.replay.damage(run)
        assert (damaged.stream, damaged.error) == ("anna#asset#bad", "Poisonous: this one is not for me")
        assert vault.replay.progress(run).parked == 1

    def test_a_poisoned_stream_shows_the_same_as_the_live_projector_shows(self, vault: MemoryVault) -> None:
        """Up to the commit before the poisoned one; a rebuild must not make a photo disappear."""
        fill(vault)
        marked(vault, "bad", "red", "poison", "blue")
        vault.projector.project(vault.everything())
        run = begin(vault)
        vault.replay.work(run, "w")
        assert built(vault, run) == live(vault)
        assert built(vault, run)["marks"]["anna", "bad"][0] == 1

    def test_a_commit_that_is_half_folded_leaves_no_trace(self, vault: MemoryVault) -> None:
        from tests.support.factories import append, seen_again

        append(vault.store, "anna#asset#bad", [seen_again("red")], [seen_again("blue"), seen_again("poison")])
        vault.projector.project(vault.everything())
        run = begin(vault)
        vault.replay.work(run, "w")
        assert built(vault, run) == live(vault)
        assert built(vault, run)["counted"]["anna", "total events/total"] == 1


class TestRacesWithTheLiveProjector:
    @pytest.mark.parametrize("upto", [0, 7, 12, 18, 24])
    def test_what_is_projected_before_the_replay_is_counted_once(self, vault: MemoryVault, upto: int) -> None:
        for mark in ("red", "blue"):
            for i in range(STREAMS):
                marked(vault, f"a{i:02}", mark)
        commits = vault.everything()
        run = begin(vault)
        vault.projector.project(commits[:upto])
        vault.replay.work(run, "w")
        vault.projector.project(commits)
        assert built(vault, run) == live(vault)

    def test_events_that_arrive_between_two_slices_are_counted_once(self, vault: MemoryVault) -> None:
        fill(vault)
        run = begin(vault)
        slices = 0
        while not vault.replay.work(run, f"w{slices}", until=vault.clock.seconds()):
            marked(vault, f"a{slices * 5 % STREAMS:02}", "green")
            marked(vault, f"new{slices}", "red")
            vault.projector.project(vault.everything()[-2:])
            slices += 1
        assert slices > 2
        assert built(vault, run) == live(vault)

    def test_a_row_that_went_away_before_the_replay_came_is_gone_in_the_end(self, vault: MemoryVault) -> None:
        """The live projector wrote it into the new generation; the replay, later in the history, must take it out."""
        run = begin(vault)
        vault.projector.project(marked(vault, "a1", "red"))
        commits = marked(vault, "a1", "blue")
        vault.replay.work(run, "w")
        vault.projector.project(commits)
        assert built(vault, run) == live(vault)

    def test_the_replay_does_not_take_a_row_back(self, vault: MemoryVault) -> None:
        marked(vault, "a1", "red")
        run = begin(vault)
        newer = Row("anna", "a1", 9, msgspec.msgpack.encode(Marks().state()))
        vault.views.put(vault.table("marks", run.targets[0].generation), [newer])
        vault.replay.work(run, "w")
        assert vault.views.get(vault.table("marks", run.targets[0].generation), [("anna", "a1")]) == [newer]
