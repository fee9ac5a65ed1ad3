"""Performance: an owner's runs by step, version of the step, and month: how many came to which end, how long they took,
how long they waited, what memory they had. All of it adds up, so that a question costs the same whatever the number of
assets.

What a run took is a fact of the machine and names nothing of the picture: it stays when the asset is erased, as what it
cost was spent.
"""

from __future__ import annotations

from msgspec import Struct, structs

from domain.commits import Commit
from domain.event_base import Outcome
from domain.events import EVENTS, AssetErased, Event, ReprocessRequested, StepFailed, StepGivenUp, StepSkipped
from domain.histogram import bucket_of
from domain.pipeline import STEPS, runs_after
from projections.base import ERASED, Projection, Totals

__all__ = ["ENDS", "Performance", "Runs"]

ENDS = ("done", "skipped", "failed", "given_up")
"""How an attempt may end."""


class Cell(Struct, frozen=True, array_like=True, gc=False):
    """Runs of one version of one step in one month."""

    ends: tuple[int, int, int, int] = (0, 0, 0, 0)  # as in ENDS
    retries: int = 0  # attempts after the first
    ms: int = 0
    cpu_ms: int = 0
    took: dict[int, int] = {}  # bucket -> attempts that were not skipped, by milliseconds
    lags: dict[int, int] = {}  # bucket -> runs that came to an end, by milliseconds since they were due
    peaks: dict[int, int] = {}  # bucket -> attempts, by MB of memory; those that know it


class Runs(Struct, frozen=True, array_like=True, gc=False):
    """What one asset adds."""

    began_us: int = 0
    due: dict[str, int] = {}  # step -> when it was last due, in ms since the asset's first event
    cells: dict[str, Cell] = {}  # "renditions:2:2026-11"
    trashed: str | None = None


def _one_more(counts: dict[int, int], value: int) -> dict[int, int]:
    bucket = bucket_of(value)
    return counts | {bucket: counts.get(bucket, 0) + 1}


def _moved(state: Runs, event: Event, commit: Commit) -> Runs:
    began = state.began_us or commit.recorded_us
    now = (commit.recorded_us - began) // 1000
    if isinstance(event, Outcome):
        state = _ended(state, event, commit, now)
    names = dict.fromkeys(name.partition(":")[0] for name in runs_after(event))
    due = state.due | dict.fromkeys(names, now) if names else state.due
    return Runs(began, due, state.cells, state.trashed)


def _erased(state: Runs, event: AssetErased, commit: Commit) -> Runs:
    """Sums stay, and no time of anything that was done."""
    return Runs(cells=state.cells, trashed=ERASED)


def _ended(state: Runs, event: Outcome, commit: Commit, now: int) -> Runs:
    run = event.run
    step = run.step.partition(":")[0]
    name = f"{step}:{run.version}:{commit.recorded_at:%Y-%m}"
    cell = state.cells.get(name, Cell())
    end = {StepSkipped: 1, StepFailed: 2, StepGivenUp: 3}.get(type(event), 0)
    done, skipped, failed, given_up = (count + (n == end) for n, count in enumerate(cell.ends))
    due = state.due.get(step)
    cell = Cell(
        (done, skipped, failed, given_up),
        cell.retries + (run.attempt > 1),
        cell.ms + run.duration_ms,
        cell.cpu_ms + run.cpu_ms,
        cell.took if end == 1 else _one_more(cell.took, run.duration_ms),
        cell.lags if end == 2 or due is None else _one_more(cell.lags, now - due),
        _one_more(cell.peaks, run.peak_mb) if run.peak_mb else cell.peaks,
    )
    return structs.replace(state, cells=state.cells | {name: cell})


_MAKE_DUE = {event for step in STEPS.values() for event in step.follows}


class Performance(Projection[Runs]):
    """Runs in totals `<step>:<version>:<month>`: `done`, `skipped`, `failed`, `given_up`, `retries`, `ms`, `cpu_ms`;
    histograms (domain/histogram.py): `d` and a bucket's number for durations, `l` for lags, `m` for memory in MB."""

    name = "performance"
    version = 1
    about = "an owner's runs by step, version and month: ends, times, waits, memory"
    has_totals = True
    follows_trash = False  # work on it goes on
    state = Runs
    on = dict.fromkeys(
        (cls for cls in EVENTS if issubclass(cls, Outcome) or cls in _MAKE_DUE or cls is ReprocessRequested), _moved
    ) | {AssetErased: _erased}

    def counted(self, state: Runs) -> Totals:
        """In the trash, erased or not: it was spent. An erased asset's tombstone holds the sums."""
        return self.totals(state)

    def totals(self, state: Runs) -> Totals:
        """This asset's share."""
        return {name: _counters(cell) for name, cell in state.cells.items()}


def _counters(cell: Cell) -> dict[str, int]:
    counters = dict(zip(ENDS, cell.ends, strict=True)) | {"retries": cell.retries, "ms": cell.ms, "cpu_ms": cell.cpu_ms}
    for letter, counts in (("d", cell.took), ("l", cell.lags), ("m", cell.peaks)):
        counters |= {f"{letter}{bucket}": count for bucket, count in counts.items()}
    return {name: count for name, count in counters.items() if count}
