"""Replay: fold each stream in memory and write each row once, by segments that hold their position and a lease.

A run is a document in `Checkpoints`, and so is each of its segments. Any number of workers (processes of one machine,
Lambda functions) claim segments, go on where the last one stopped, and may be killed: what a worker wrote twice is
guarded by the version inside the row. The live projector goes on meanwhile; the same guard settles their races.
"""

from __future__ import annotations

import gc
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import dropwhile
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct, structs

from domain.commits import Commit, derive_id, split_stream
from domain.errors import HistoryDamaged, NotFound, UnreadableEvent
from domain.eventstore import EventStore
from domain.ports import Checkpoints, Entry, Move, Row, ViewStore, ViewTable
from projections.base import Projection, difference
from projections.projector import change_of

_RUN = "replay"
LEASE_SECONDS = 60.0
_FLUSH_STREAMS = 4_000  # a slice: at most so many streams are held in memory, and lost when a worker dies


class Target(Struct, frozen=True):
    """A generation that a run fills."""

    projection: str
    generation: int


class Run(Struct, frozen=True):
    """One replay, as all its workers see it."""

    id: str
    targets: tuple[Target, ...]
    segments: tuple[str, ...]
    started_us: int
    until_us: int | None = None  # only what was recorded before; None: everything
    dry: bool = False
    events_per_second: float | None = None  # for each worker
    stopped: bool = False


class Progress(Struct, frozen=True):
    """How far a segment has come."""

    position: tuple[str, int] | None = None  # the last commit that is done
    events: int = 0
    streams: int = 0
    rows: int = 0
    parked: int = 0
    worker: str = ""
    leased_until: float = 0.0
    done: bool = False


class Damaged(Struct, frozen=True):
    """A stream that could not be folded."""

    stream: str
    error: str


class Folded(Struct, frozen=True):
    """One stream after all its events, or after those before the damage: its state in each projection."""

    stream: str
    version: int
    events: int
    position: tuple[str, int]
    states: Sequence[Any]
    damage: str | None = None


_Handler: TypeAlias = Callable[[Any, Any, Commit], Any]  # of `Projection.handlers`

_runs = msgspec.msgpack.Decoder(Run).decode
_progress = msgspec.msgpack.Decoder(Progress).decode
_encode = msgspec.msgpack.Encoder().encode


def fold_streams(
    commits: Iterable[Commit],
    store: EventStore,
    projections: Sequence[Projection[Any]],
    until_us: int | None = None,
) -> Iterator[Folded]:
    """Fold commits that come stream by stream into one state a stream and projection; memory holds one stream.

    This is the loop that a replay's speed depends on: one dictionary look-up an event finds all handlers.
    """
    dispatches: dict[str, dict[type, list[tuple[int, _Handler]]]] = {}
    for i, projection in enumerate(projections):
        handlers = dispatches.setdefault(projection.category, {})
        for kind, handler in projection.handlers.items():
            handlers.setdefault(kind, []).append((i, handler))
    events_of = store.events_of
    stream, number = "", 0
    dispatch: dict[type, list[tuple[int, _Handler]]] | None = None
    states: list[Any] = []
    version = count = 0
    damage: str | None = None
    for commit in store.prepared(commits):
        if commit.stream != stream:
            if dispatch is not None and (count or damage):
                yield Folded(stream, version, count, (stream, number), states, damage)
            stream = commit.stream
            dispatch = dispatches.get(split_stream(stream)[1])
            states = [p.start(stream) for p in projections] if dispatch is not None else []
            version = count = 0
            damage = None
        number = commit.number
        if dispatch is None or damage or (until_us is not None and commit.recorded_us >= until_us):
            continue
        try:
            recorded = events_of(commit)
        except (UnreadableEvent, HistoryDamaged) as error:
            damage = f"{type(error).__name__}: {error}"
            continue
        before = states.copy()
        try:
            for each in recorded:
                event = each.event
                for i, handler in dispatch.get(event.__class__, ()):
                    states[i] = handler(states[i], event, commit)
        except Exception as error:  # pure code met an event that it can't take: only its stream suffers
            damage = f"{type(error).__name__}: {error}"
            states = before
            continue
        version = commit.last_version
        count += len(recorded)
    if dispatch is not None and (count or damage):
        yield Folded(stream, version, count, (stream, number), states, damage)


class Replay:
    """Starts runs and works on their segments."""

    def __init__(
        self,
        store: EventStore,
        views: ViewStore,
        checkpoints: Checkpoints,
        projections: Mapping[str, Projection[Any]],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._views = views
        self._checkpoints = checkpoints
        self._projections = projections
        self._clock = clock

    def start(
        self,
        targets: Sequence[Target],
        parts: int,
        *,
        until_us: int | None = None,
        dry: bool = False,
        events_per_second: float | None = None,
    ) -> Run:
        """Write down a new run and its segments; `work` does them."""
        now_us = int(self._clock() * 1e6)
        run = Run(
            id=derive_id("replay", now_us, *(f"{t.projection}.{t.generation}" for t in targets)),
            targets=tuple(targets),
            segments=tuple(self._store.commits.segments(parts)),
            started_us=now_us,
            until_us=until_us,
            dry=dry,
            events_per_second=events_per_second,
        )
        for i in range(len(run.segments)):
            self._checkpoints.save(self._kind(run), str(i), _encode(Progress()), expected=0)
        self._checkpoints.save(_RUN, run.id, _encode(run), expected=0)
        return run

    def find(self, run_id: str) -> Run:
        """A run by its id."""
        entry = self._checkpoints.load(_RUN, run_id)
        if entry is None:
            raise _no_run(run_id)
        return _runs(entry.value)

    def runs(self) -> list[Run]:
        """All runs that are not finished and forgotten."""
        return [_runs(entry.value) for entry in self._checkpoints.list(_RUN)]

    def stop(self, run_id: str) -> None:
        """Ask the workers to stop after their current slice; `work` goes on later from there."""
        self._change_run(run_id, stopped=True)

    def resume(self, run_id: str) -> Run:
        """Let workers go on with a run that was stopped."""
        return self._change_run(run_id, stopped=False)

    def forget(self, run: Run) -> None:
        """Remove a finished run's documents."""
        for kind in (self._kind(run), self._damage_kind(run)):
            for entry in list(self._checkpoints.list(kind)):
                self._checkpoints.delete(entry.kind, entry.name)
        self._checkpoints.delete(_RUN, run.id)

    def progress(self, run: Run) -> Progress:
        """All segments together; done when each is."""
        parts = [_progress(entry.value) for entry in self._checkpoints.list(self._kind(run))]
        return Progress(
            events=sum(p.events for p in parts),
            streams=sum(p.streams for p in parts),
            rows=sum(p.rows for p in parts),
            parked=sum(p.parked for p in parts),
            done=all(p.done for p in parts),
        )

    def work(self, run: Run, worker: str, until: float | None = None) -> bool:
        """Claim segments and fill them until none is free, the run is stopped, or the time `until` has come.

        Args:
            worker: a name that no other worker has.
            until: seconds since 1970; a Lambda function gives the end of its own time.
        Returns:
            Whether all segments are done.
        """
        for i in range(len(run.segments)):
            entry = self._claim(run, i, worker)
            if entry is not None and not self._fill(run, i, entry, worker, until):
                return False
        return self.progress(run).done

    # --- one segment ---

    def _claim(self, run: Run, i: int, worker: str) -> Entry | None:
        entry = self._checkpoints.load(self._kind(run), str(i))
        if entry is None:
            return None
        progress = _progress(entry.value)
        now = self._clock()
        if progress.done or (progress.worker != worker and progress.leased_until > now):
            return None
        claimed = structs.replace(progress, worker=worker, leased_until=now + LEASE_SECONDS)
        return self._checkpoints.save(entry.kind, entry.name, _encode(claimed), expected=entry.revision)

    def _fill(self, run: Run, i: int, entry: Entry, worker: str, until: float | None) -> bool:
        """Fill one segment, slice by slice. False when it had to stop before the end."""
        progress = _progress(entry.value)
        targets = [self._projections[t.projection] for t in run.targets]
        tables = [p.table(t.generation) for p, t in zip(targets, run.targets, strict=True)]
        commits = self._store.commits.segment(run.segments[i], progress.position)
        if progress.position is not None:  # what its last stream has gained since is the live projector's
            last = progress.position[0]
            commits = dropwhile(lambda commit: commit.stream == last, commits)
        streams_a_slice = _FLUSH_STREAMS
        if run.events_per_second:  # small enough that no sleep outlasts the lease
            streams_a_slice = max(1, min(streams_a_slice, int(run.events_per_second)))
        started, events_before = self._clock(), progress.events
        with _without_gc():
            for part in _slices(fold_streams(commits, self._store, targets, run.until_us), streams_a_slice):
                rows = 0 if run.dry else self._write(targets, tables, part)
                damaged = [folded for folded in part if folded.damage]
                for folded in damaged:
                    self._note_damage(run, folded)
                progress = structs.replace(
                    progress,
                    position=part[-1].position,
                    events=progress.events + sum(folded.events for folded in part),
                    streams=progress.streams + len(part),
                    rows=progress.rows + rows,
                    parked=progress.parked + len(damaged),
                    leased_until=self._clock() + LEASE_SECONDS,
                )
                saved = self._checkpoints.save(entry.kind, entry.name, _encode(progress), expected=entry.revision)
                if saved is None:
                    return True  # the lease ran out and another worker has the segment: it goes on from our position
                entry = saved
                if self.find(run.id).stopped or (until is not None and self._clock() >= until):
                    self._release(entry, progress)
                    return False
                if run.events_per_second:
                    earliest = started + (progress.events - events_before) / run.events_per_second
                    time.sleep(max(0.0, earliest - self._clock()))  # the rate limit itself
        done = structs.replace(progress, done=True, leased_until=0.0)
        self._checkpoints.save(entry.kind, entry.name, _encode(done), expected=entry.revision)
        return True

    def _release(self, entry: Entry, progress: Progress) -> None:
        free = structs.replace(progress, leased_until=0.0)
        self._checkpoints.save(entry.kind, entry.name, _encode(free), expected=entry.revision)

    def _write(
        self, projections: Sequence[Projection[Any]], tables: Sequence[ViewTable], part: Sequence[Folded]
    ) -> int:
        """Write each stream's rows once, in one batch a projection."""
        written = 0
        whole: dict[str, list[Folded]] = defaultdict(list)
        for folded in part:
            if folded.version:
                whole[split_stream(folded.stream)[1]].append(folded)
        for i, (projection, table) in enumerate(zip(projections, tables, strict=True)):
            mine = whole[projection.category]
            if projection.has_totals:
                written += self._contribute(projection, table, mine, i)
                continue
            rows: list[Row] = []
            homes: list[Row] = []
            for folded, before in zip(mine, self._shown(projection, table, mine, i), strict=True):
                state = folded.states[i]
                rows += projection.other_rows(folded.stream, None, state, folded.version)
                if before is not None:
                    changed = projection.other_rows(folded.stream, before, state, folded.version)
                    rows += [row for row in changed if row.deleted]
                homes.append(projection.home_row(folded.stream, state, folded.version))
            rows.sort(key=_place)  # neighbours in the table, one after the other: the streams come in that order
            written += self._views.put(table, rows + homes)
        return written

    def _shown(
        self, projection: Projection[Any], table: ViewTable, part: Sequence[Folded], i: int
    ) -> Sequence[Any | None]:
        """Where other rows may go away: the states that the live projector has written before us, so that what it wrote
        too early is taken out again."""
        may_go = projection.loses_others or any(projection.erased(folded.states[i]) for folded in part)
        if not may_go or not part:
            return [None] * len(part)
        homes = self._views.get(table, [projection.home(folded.stream) for folded in part])
        return [projection.decode(home.data) if home else None for home in homes]

    def _contribute(self, projection: Projection[Any], table: ViewTable, part: Sequence[Folded], i: int) -> int:
        """Rows with totals: first as if none were there; those that are (a resumed slice, or the live projector was
        here first) by what they lack."""
        moves = [
            Move(
                projection.home_row(folded.stream, folded.states[i], folded.version),
                0,
                difference({}, projection.counted(folded.states[i])),
            )
            for folded in part
        ]
        made = self._views.move(table, moves) if moves else ()
        written = sum(made)
        behind = [folded for folded, moved in zip(part, made, strict=True) if not moved]
        while behind:
            homes = self._views.get(table, [projection.home(f.stream) for f in behind])
            todo: list[tuple[Folded, Move]] = []
            for folded, home in zip(behind, homes, strict=True):
                if home is not None and home.version >= folded.version:
                    continue
                before = projection.decode(home.data) if home else None
                base = home.version if home else 0
                change = change_of(projection, folded.stream, before, base, folded.states[i], folded.version)
                todo.append((folded, Move(change.home, change.base, change.deltas)))
            made = self._views.move(table, [move for _, move in todo]) if todo else ()
            written += sum(made)
            behind = [folded for (folded, _), moved in zip(todo, made, strict=True) if not moved]
        return written

    def _note_damage(self, run: Run, folded: Folded) -> None:
        note = Damaged(folded.stream, folded.damage or "")
        self._checkpoints.save(self._damage_kind(run), folded.stream, _encode(note), expected=None)

    def damage(self, run: Run) -> list[Damaged]:
        """Streams that the run could not fold, and why."""
        decode = msgspec.msgpack.Decoder(Damaged).decode
        return [decode(entry.value) for entry in self._checkpoints.list(self._damage_kind(run))]

    def _change_run(self, run_id: str, *, stopped: bool) -> Run:
        while True:
            entry = self._checkpoints.load(_RUN, run_id)
            if entry is None:
                raise _no_run(run_id)
            run = structs.replace(_runs(entry.value), stopped=stopped)
            if self._checkpoints.save(_RUN, run_id, _encode(run), expected=entry.revision):
                return run

    @staticmethod
    def _kind(run: Run) -> str:
        return f"{_RUN}/{run.id}"

    @staticmethod
    def _damage_kind(run: Run) -> str:
        return f"{_RUN}-damage/{run.id}"


def _no_run(run_id: str) -> NotFound:
    return NotFound(f"there is no unfinished replay {run_id}: `photovault replay --list` shows those there are")


def _place(row: Row) -> tuple[str, str]:
    return row.partition, row.key


def _slices(folded: Iterator[Folded], size: int) -> Iterator[list[Folded]]:
    part: list[Folded] = []
    for each in folded:
        part.append(each)
        if len(part) >= size:
            yield part
            part = []
    if part:
        yield part


@contextmanager
def _without_gc() -> Iterator[None]:
    """States and events hold no cycles; looking for some would cost a fifth of the time."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
