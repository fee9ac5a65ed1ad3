"""Replay on AWS, as its functions see it: plan new generations, fill them segment by segment, verify, switch.

The run, its segments and their progress are the documents of `projections.replay`; the state machine adds only the
workers. Everything passed between them is small JSON: digests go through the blob store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from typing import Any, cast

import msgspec
from msgspec import Struct

from adapters.aws.export_reader import ExportedCommits
from domain.commits import Commit, to_us
from domain.errors import InvalidInput, NotFound
from domain.eventstore import EventStore
from domain.ports import Checkpoints, Entry
from events_schema.codec import EventCodec
from photovault.aws.cloud import Cloud
from projections.replay import Replay, Run, Target
from projections.verify import Difference, Digest, Verdict, compare, digest

MAX_PARTS = 1000
_ROUNDS = 3  # a difference that live traffic made is gone at the next look; one that stays is one
_SHOWN = 20
_BATCH = 200
_MARGIN = timedelta(minutes=10)  # a commit may be stored a little after the time that it carries
_US = timedelta(microseconds=1)

_ORDER, _EXECUTION, _RESULT, _DIGEST = "replay-order", "replay-execution", "replay-result", "replay-digest"


class Order(Struct, frozen=True, kw_only=True):
    """What a replay is asked for."""

    execution: str = ""  # name of the state machine's execution: asking twice plans once
    run: str | None = None  # go on with this run, and ignore the rest
    projections: tuple[str, ...] = ()  # none: all
    parts: int = 64
    dry: bool = False
    switch: bool = True
    events_per_second: float | None = None  # for each worker
    export: str | None = None  # read this export instead of the table: s3://bucket/.../AWSDynamoDB/<export id>


class Outcome(Struct, frozen=True, kw_only=True):
    """What a replay came to."""

    run: str
    done: bool
    stopped: bool = False
    equal: bool = False
    switched: bool = False
    events: int = 0
    streams: int = 0
    rows: int = 0
    damaged: int = 0
    differences: tuple[tuple[str, str, str, str], ...] = ()  # (projection, partition, key, what), the first few


_order = msgspec.json.Decoder(Order).decode
_outcome = msgspec.json.Decoder(Outcome).decode
_to_json = msgspec.json.Encoder().encode
_to_msgpack = msgspec.msgpack.Encoder().encode
_from_msgpack = msgspec.msgpack.Decoder(list[Digest]).decode


def plan(vault: Cloud, order: Order) -> dict[str, Any]:
    """Begin a run (or find the one to go on with), and name its segments.

    Returns:
        {"run": id, "segments": [{"run": id, "segment": number}, ...]}: each segment is a worker's whole input.
    Raises:
        InvalidInput: no such projection, too many parts, or another run fills one of them.
    """
    if order.run is not None:
        run = vault.replay.resume(order.run)
    elif planned := planned_run(vault.checkpoints, order.execution):
        run = vault.replay.find(planned)
    else:
        run = _begin(vault, order)
        vault.checkpoints.save(_ORDER, run.id, _to_json(order), expected=None)
    if order.execution:
        vault.checkpoints.save(_EXECUTION, order.execution, run.id.encode(), expected=None)
    return {"run": run.id, "segments": [{"run": run.id, "segment": i} for i in range(len(run.segments))]}


def work(vault: Cloud, run_id: str, segment: int, until: float) -> dict[str, Any]:
    """Fill one segment until it is done, the run is stopped, or the time `until` (seconds since 1970) has come.

    Returns:
        {"done": whether the worker is not needed again, "stopped": whether that is because somebody stopped the run}.
    """
    run = vault.replay.find(run_id)
    if not run.stopped:
        store = _source(vault, run)
        mine = cast(Checkpoints, _OneSegment(vault.checkpoints, segment))
        replay = Replay(store, vault.views, mine, vault.generations.projections)
        # One name however often it is tried: a retry need not wait for the lease of the worker that died.
        if replay.work(run, f"segment-{segment}", until):
            if not run.dry:
                _note_digests(vault, run, segment, store)
            return {"done": True, "stopped": False}
        run = vault.replay.find(run_id)
    return {"done": run.stopped, "stopped": run.stopped}


def finish(vault: Cloud, run_id: str, has_time: Callable[[], bool] = lambda: True) -> Outcome:
    """Verify the new generations and let readers see them, if they are what the history says.

    Args:
        has_time: asked before the history is folded once more, because something differed.
    Cost:
        A scan of the new rows. Only where they differ from the workers' digests, a scan of the history.
    """
    known = vault.checkpoints.load(_RESULT, run_id)
    if known is not None:
        return _outcome(known.value)
    run = vault.replay.find(run_id)
    progress = vault.replay.progress(run)
    if not progress.done:
        return Outcome(run=run_id, done=False, stopped=run.stopped)
    if not run.dry:
        _catch_up(vault, run)
    verdicts = [] if run.dry else _verify(vault, run, has_time)
    equal = all(verdict.equal for verdict in verdicts)
    switch = equal and not run.dry and _order_of(vault, run).switch
    for target, verdict in zip(run.targets, verdicts, strict=False):
        if verdict.equal:
            vault.generations.mark(target.projection, target.generation, "ready")
    for target in run.targets if switch else ():
        vault.generations.switch(target.projection, target.generation)
    outcome = Outcome(
        run=run_id,
        done=True,
        equal=equal,
        switched=switch,
        events=progress.events,
        streams=progress.streams,
        rows=progress.rows,
        damaged=len(vault.replay.damage(run)),
        differences=tuple((v.projection, d.partition, d.key, d.what) for v in verdicts for d in v.different)[:_SHOWN],
    )
    vault.checkpoints.save(_RESULT, run_id, _to_json(outcome), expected=None)
    _forget(vault, run)
    return outcome


def planned_run(checkpoints: Checkpoints, execution: str) -> str | None:
    """The run that an execution works on; None before it is planned."""
    entry = checkpoints.load(_EXECUTION, execution) if execution else None
    return entry.value.decode() if entry else None


def outcome_of(checkpoints: Checkpoints, run_id: str) -> Outcome | None:
    """What a finished run came to."""
    entry = checkpoints.load(_RESULT, run_id)
    return _outcome(entry.value) if entry else None


# --- plan ---


def _begin(vault: Cloud, order: Order) -> Run:
    names = order.projections or tuple(vault.generations.projections)
    for name in names:
        vault.generations.projection(name)
    if not 1 <= order.parts <= MAX_PARTS:
        raise InvalidInput(f"a replay has 1 to {MAX_PARTS} parts, not {order.parts}")
    for other in vault.replay.runs():
        if not (other.stopped or other.dry) and {t.projection for t in other.targets} & set(names):
            raise InvalidInput(f"replay {other.id} is filling the same views: wait for it, or stop it first")
    store = _store_of(vault, order.export)
    targets = [Target(name, 0) for name in names]
    if not order.dry:
        for name in names:
            vault.generations.drop_inactive(name)
        targets = [Target(name, vault.generations.begin(name).number) for name in names]
    replay = Replay(store, vault.views, vault.checkpoints, vault.generations.projections)
    return replay.start(targets, order.parts, dry=order.dry, events_per_second=order.events_per_second)


def _order_of(vault: Cloud, run: Run) -> Order:
    entry = vault.checkpoints.load(_ORDER, run.id)
    if entry is None:
        raise NotFound(f"replay {run.id} was not planned here")
    return _order(entry.value)


def _source(vault: Cloud, run: Run) -> EventStore:
    return _store_of(vault, _order_of(vault, run).export)


def _store_of(vault: Cloud, export: str | None) -> EventStore:
    """The history in the table, or in an export of it."""
    if export is None:
        return vault.store
    commits = ExportedCommits(vault.aws, export, vault.commits)
    return EventStore(commits, vault.blobs, EventCodec(keys=vault.keys), vault.clock)


def _catch_up(vault: Cloud, run: Run) -> None:
    """Project what was recorded after an export and before its replay began: neither the workers nor the live projector
    have given it to the new generations.

    Cost:
        The archive's objects of that time; 1 read of each stream in them, and of its rows.
    """
    source = _source(vault, run).commits
    if not isinstance(source, ExportedCommits):
        return
    window = vault.commits.window(to_us(source.exported_at() - _MARGIN), run.started_us + _MARGIN // _US)
    streams = sorted({commit.stream for commit in window})
    for start in range(0, len(streams), _BATCH):
        batch = streams[start : start + _BATCH]
        vault.projector.project(commit for stream in batch for commit in vault.commits.read(stream))


# --- verify ---


def _note_digests(vault: Cloud, run: Run, segment: int, store: EventStore) -> None:
    """What this segment asks of each projection, for `finish` to add up. Cost: the segment is read once more."""
    kind, name = f"{_DIGEST}/{run.id}", str(segment)
    if vault.checkpoints.load(kind, name) is None:
        digests = _digests(vault, run, store, [run.segments[segment]])
        vault.checkpoints.save(kind, name, vault.blobs.put(_to_msgpack(digests)).encode(), expected=None)


def _digests(vault: Cloud, run: Run, store: EventStore, segments: Iterable[str]) -> list[Digest]:
    projections = [vault.generations.projection(target.projection) for target in run.targets]
    return digest(projections, store, (commit for name in segments for commit in store.commits.segment(name)))


def _noted_digests(vault: Cloud, run: Run) -> list[Digest]:
    whole = [Digest() for _ in run.targets]
    for entry in vault.checkpoints.list(f"{_DIGEST}/{run.id}"):
        for all_of_it, part in zip(whole, _from_msgpack(vault.blobs.get(entry.value.decode())), strict=True):
            all_of_it.add(part)
    return whole


def _verify(vault: Cloud, run: Run, has_time: Callable[[], bool]) -> list[Verdict]:
    """Compare the new rows with the digests; what differs, with the table as it is then, up to three times.

    A difference counts only if it is there each time, so that what is uploaded meanwhile makes none.
    """
    for target in run.targets:
        vault.generations.mark(target.projection, target.generation, "verifying")
    want = _noted_digests(vault, run)
    verdicts = _compare(vault, run, want)
    for _ in range(_ROUNDS - 1):
        if all(verdict.equal for verdict in verdicts) or not has_time():
            break
        want = _digests(vault, run, vault.store, vault.commits.segments(1))
        verdicts = [_common(a, b) for a, b in zip(verdicts, _compare(vault, run, want), strict=True)]
    return verdicts


def _compare(vault: Cloud, run: Run, want: list[Digest]) -> list[Verdict]:
    def history() -> Iterator[Commit]:
        return (commit for name in vault.commits.segments(1) for commit in vault.commits.segment(name))

    verdicts = []
    for target, one in zip(run.targets, want, strict=True):
        projection = vault.generations.projection(target.projection)
        table = projection.table(target.generation)
        verdicts.append(compare(projection, table, one, vault.store, vault.views, history))
    return verdicts


def _common(first: Verdict, second: Verdict) -> Verdict:
    """The second verdict, with only those differences that the first has too."""
    known = {(d.partition, d.key) for d in first.different}
    both: list[Difference] = [d for d in second.different if (d.partition, d.key) in known]
    return msgspec.structs.replace(second, different=both)


def _forget(vault: Cloud, run: Run) -> None:
    for entry in list(vault.checkpoints.list(f"{_DIGEST}/{run.id}")):
        vault.checkpoints.delete(entry.kind, entry.name)
    vault.checkpoints.delete(_ORDER, run.id)
    vault.replay.forget(run)


class _OneSegment:
    """The checkpoints as the worker of one segment sees them: the others' progress is not there."""

    def __init__(self, checkpoints: Checkpoints, segment: int) -> None:
        self._checkpoints = checkpoints
        self._name = str(segment)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._checkpoints, name)

    def load(self, kind: str, name: str) -> Entry | None:
        """A segment's progress if it is the worker's own; any other document as it is."""
        if kind.startswith("replay/") and name != self._name:
            return None
        return self._checkpoints.load(kind, name)

    def list(self, kind: str) -> Iterator[Entry]:
        """The worker's own segment of a run."""
        return (e for e in self._checkpoints.list(kind) if not kind.startswith("replay/") or e.name == self._name)
