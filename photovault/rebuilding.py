"""Replay and verification on one machine: the same runs and segments as anywhere, worked on by a pool of processes."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

from msgspec import Struct

from adapters.local.checkpoints import SqliteCheckpoints
from adapters.local.views import SqliteViewStore
from domain.commits import Commit
from domain.errors import PhotoVaultError
from domain.ports import ViewStore, ViewTable
from photovault.config import Settings
from photovault.runtime import catch_up
from photovault.vault import Vault
from projections.base import Projection
from projections.replay import Progress, Replay, Run, Target
from projections.verify import Digest, Verdict, compare, digest

_PROCESSES_FROM_COMMITS = 20_000  # below, starting processes costs more than it gains
_SEGMENTS_PER_WORKER = 4

OnProgress = Callable[[Progress, int], None]  # what is done so far, and the number of commits in all


class Result(Struct, frozen=True):
    """What a rebuild came to."""

    events: int
    streams: int
    rows: int
    seconds: float
    damaged: Sequence[tuple[str, str]]  # (stream, error): left out of the new generations, as they are of the old
    verdicts: Sequence[Verdict]
    switched: bool

    @property
    def equal(self) -> bool:
        """Whether the new rows are what the history says."""
        return all(verdict.equal for verdict in self.verdicts)


def rebuild(
    vault: Vault,
    names: Sequence[str],
    *,
    dry: bool = False,
    switch: bool = True,
    until_us: int | None = None,
    events_per_second: float | None = None,
    on_progress: OnProgress = lambda progress, total: None,
) -> Result:
    """Build a new generation of each named projection beside the active one, verify it, then switch to it.

    The generation that was active stays for a roll-back until the next rebuild; older ones are dropped first.
    With `dry` nothing is written but the run's own notes; with `until_us` the rows show that moment, and are dropped.
    """
    started = time.perf_counter()
    keep = not dry and until_us is None
    targets = [Target(name, 0) for name in names]
    if not dry:
        for name in names:
            vault.generations.drop_inactive(name)
        _forget_overtaken(vault)
        targets = [Target(name, vault.generations.begin(name).number) for name in names]
    run = vault.replay.start(
        targets,
        vault.settings.workers * _SEGMENTS_PER_WORKER,
        until_us=until_us,
        dry=dry,
        events_per_second=events_per_second,
    )
    return _finish(vault, run, started, on_progress, keep=keep, switch=switch and keep)


def _forget_overtaken(vault: Vault) -> None:
    """Unfinished runs whose generations were dropped can't be gone on with."""
    for run in vault.replay.runs():
        if not run.dry and any(
            vault.generations.registered(target.projection).find(target.generation) is None for target in run.targets
        ):
            vault.replay.forget(run)


def resume(vault: Vault, run_id: str, *, switch: bool = True, on_progress: OnProgress) -> Result:
    """Go on with a run that was stopped or killed."""
    run = vault.replay.resume(run_id)
    keep = not run.dry and run.until_us is None
    return _finish(vault, run, time.perf_counter(), on_progress, keep=keep, switch=switch and keep)


def _finish(vault: Vault, run: Run, started: float, on_progress: OnProgress, *, keep: bool, switch: bool) -> Result:
    total = vault.commits.last_position()
    with _pool(vault, total) as pool:
        _work(vault, run, pool, lambda progress: on_progress(progress, total))
        vault.views.flush()
        progress = vault.replay.progress(run)
        if not progress.done:
            raise PhotoVaultError(f"replay {run.id} was stopped: `photovault replay --resume {run.id}` goes on with it")
        seconds = time.perf_counter() - started
        damaged = [(d.stream, d.error) for d in vault.replay.damage(run)]
        verdicts: list[Verdict] = []
        if keep:
            catch_up(vault)
            tables = []
            for target in run.targets:
                vault.generations.mark(target.projection, target.generation, "verifying")
                projection = vault.generations.projection(target.projection)
                tables.append((projection, projection.table(target.generation)))
            verdicts = _verify(vault, tables, pool)
            for target, verdict in zip(run.targets, verdicts, strict=True):
                if verdict.equal:
                    vault.generations.mark(target.projection, target.generation, "ready")
    switched = switch and all(verdict.equal for verdict in verdicts)
    if switched:
        for target in run.targets:
            vault.generations.switch(target.projection, target.generation)
    if not keep and not run.dry:
        for target in run.targets:
            vault.generations.drop(target.projection, target.generation)
    vault.replay.forget(run)
    return Result(progress.events, progress.streams, progress.rows, seconds, damaged, verdicts, switched)


def verify_active(vault: Vault, names: Sequence[str]) -> list[Verdict]:
    """Compare the active generation of each named projection with a fresh fold of the history."""
    catch_up(vault)
    tables = [vault.generations.active(name) for name in names]
    with _pool(vault, vault.commits.last_position()) as pool:
        return _verify(vault, tables, pool)


def at_moment(vault: Vault, name: str, until_us: int) -> tuple[Projection[Any], ViewTable, ViewStore]:
    """A projection as it was at a past moment, in memory: every commit recorded before it, and none after."""
    projection = vault.generations.projection(name)
    views, checkpoints = SqliteViewStore(":memory:"), SqliteCheckpoints(":memory:")
    views.create(projection.table(1))
    replay = Replay(vault.store, views, checkpoints, vault.generations.projections)
    run = replay.start([Target(name, 1)], 1, until_us=until_us)
    replay.work(run, "as-of")
    return projection, projection.table(1), views


# --- the pool ---


@contextmanager
def _pool(vault: Vault, commits: int) -> Iterator[Executor | None]:
    """Processes for a long history, none for a short one. They are spawned, so that no open database is inherited."""
    if commits < _PROCESSES_FROM_COMMITS or vault.settings.workers == 1:
        yield None
        return
    with ProcessPoolExecutor(
        vault.settings.workers, get_context("spawn"), initializer=_open, initargs=(vault.settings,)
    ) as pool:
        yield pool


def _work(vault: Vault, run: Run, pool: Executor | None, on_progress: Callable[[Progress], None]) -> None:
    if pool is None:
        vault.replay.work(run, f"process-{os.getpid()}")
        on_progress(vault.replay.progress(run))
        return
    workers = [pool.submit(_work_here, run) for _ in range(vault.settings.workers)]
    _watch(workers, lambda: on_progress(vault.replay.progress(run)))


def _watch(futures: Sequence[Future[Any]], look: Callable[[], None]) -> None:
    for future in futures:
        while not future.done():
            try:
                future.result(timeout=0.2)
            except TimeoutError:
                look()
        future.result()
    look()


def _verify(vault: Vault, tables: Sequence[tuple[Projection[Any], ViewTable]], pool: Executor | None) -> list[Verdict]:
    """Digest the history once for all projections, then compare each with its rows."""
    names = [projection.name for projection, _ in tables]
    segments = vault.commits.segments(vault.settings.workers * _SEGMENTS_PER_WORKER)
    whole = [Digest() for _ in tables]
    parts: Iterable[list[Digest]]
    if pool is None:
        projections = [projection for projection, _ in tables]
        parts = (digest(projections, vault.store, vault.commits.segment(segment)) for segment in segments)
    else:
        parts = pool.map(_digest_here, [names] * len(segments), segments)
    for part in parts:
        for all_of_it, some in zip(whole, part, strict=True):
            all_of_it.add(some)

    def history() -> Iterable[Commit]:
        return (commit for segment in segments for commit in vault.commits.segment(segment))

    return [
        compare(projection, table, want, vault.store, vault.views, history)
        for (projection, table), want in zip(tables, whole, strict=True)
    ]


_here: Vault | None = None


def _open(settings: Settings) -> None:
    global _here  # noqa: PLW0603 - a pool's process has one vault, opened once
    _here = Vault(settings, durable_views=False)


def _work_here(run: Run) -> None:
    assert _here is not None
    _here.replay.work(run, f"process-{os.getpid()}")


def _digest_here(names: Sequence[str], segment: str) -> list[Digest]:
    assert _here is not None
    projections = [_here.generations.projection(name) for name in names]
    return digest(projections, _here.store, _here.commits.segment(segment))
