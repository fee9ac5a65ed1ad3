"""Processing: how far each step of an asset has come, and why not farther. Answers "what is not processed, and why"."""

from __future__ import annotations

from msgspec import Struct

from domain.commits import Recorded
from domain.events import (
    AssetProcessed,
    AssetUploaded,
    FileQuarantined,
    FileValidated,
    MetadataExtracted,
    Outcome,
    RenditionsGenerated,
    ReprocessRequested,
    StepFailed,
    StepGivenUp,
    StepSkipped,
)
from domain.pipeline import PIPELINE, steps_after
from projections.base import Projection, Totals

COUNTERS = ("done", "skipped", "failed", "given_up", "waiting")


class StepProgress(Struct, frozen=True, array_like=True, gc=False):
    """The last thing that is known of a step."""

    status: str  # one of COUNTERS
    at_us: int
    attempt: int = 0
    version: int = 0
    duration_ms: int = 0
    error: str | None = None
    reason: str | None = None
    next_attempt_at: str | None = None


class Processing(Struct, frozen=True, array_like=True):
    """All steps of one asset."""

    asset: str = ""
    file_name: str = ""
    path: str | None = None
    state: str = "processing"
    uploaded_us: int = 0
    changed_us: int = 0
    steps: dict[str, StepProgress] = {}


_AFTER = {step.follows: tuple(s.name for s in PIPELINE if s.follows is step.follows) for step in PIPELINE}


def _waiting(state: Processing, names: tuple[str, ...], recorded: Recorded) -> dict[str, StepProgress]:
    steps = state.steps.copy()
    for name in names:
        steps[name] = StepProgress("waiting", recorded.commit.recorded_us)
    return steps


def _uploaded(state: Processing, recorded: Recorded) -> Processing:
    event = recorded.event
    assert isinstance(event, AssetUploaded)
    at = recorded.commit.recorded_us
    return Processing(
        asset=recorded.commit.stream.rpartition("#")[2],
        file_name=event.file_name,
        path=event.path,
        state="processing",
        uploaded_us=at,
        changed_us=at,
        steps=_waiting(state, _AFTER.get(AssetUploaded, ()), recorded),
    )


def _reprocess(state: Processing, recorded: Recorded) -> Processing:
    steps = _waiting(state, tuple(step.name for step in steps_after(recorded.event)), recorded)
    return _changed(state, recorded, steps, "processing")


def _done(state: Processing, recorded: Recorded) -> Processing:
    return _ended(state, recorded, "done")


def _skipped(state: Processing, recorded: Recorded) -> Processing:
    event = recorded.event
    assert isinstance(event, StepSkipped)
    return _ended(state, recorded, "skipped", reason=event.reason)


def _failed(state: Processing, recorded: Recorded) -> Processing:
    event = recorded.event
    assert isinstance(event, StepFailed)
    return _ended(state, recorded, "failed", event.error, event.message, event.next_attempt_at.isoformat())


def _given_up(state: Processing, recorded: Recorded) -> Processing:
    event = recorded.event
    assert isinstance(event, StepGivenUp)
    return _ended(state, recorded, "given_up", event.error, event.message)


def _quarantined(state: Processing, recorded: Recorded) -> Processing:
    event = recorded.event
    assert isinstance(event, FileQuarantined)
    return _ended(state, recorded, "done", event.code, event.reason)


def _ended(
    state: Processing,
    recorded: Recorded,
    status: str,
    error: str | None = None,
    reason: str | None = None,
    again: str | None = None,
) -> Processing:
    """One attempt came to an end: replay spends half of this view's time here, so it builds each struct once."""
    event = recorded.event
    assert isinstance(event, Outcome)
    run = event.run
    steps = _waiting(state, _AFTER.get(type(event), ()), recorded)
    steps[run.step] = StepProgress(
        status, recorded.commit.recorded_us, run.attempt, run.version, run.duration_ms, error, reason, again
    )
    return _changed(state, recorded, steps, state.state)


def _processed(state: Processing, recorded: Recorded) -> Processing:
    event = recorded.event
    assert isinstance(event, AssetProcessed)
    return _changed(state, recorded, state.steps, event.state)


def _changed(state: Processing, recorded: Recorded, steps: dict[str, StepProgress], overall: str) -> Processing:
    at = recorded.commit.recorded_us
    return Processing(state.asset, state.file_name, state.path, overall, state.uploaded_us, at, steps)


class ProcessingView(Projection[Processing]):
    """Steps by asset; the index `attention` holds the assets that are not processed as they should be."""

    name = "processing"
    version = 1
    about = "how far each step of an asset has come, what failed and why, and when it is tried again"
    indexes = ("attention",)
    has_totals = True
    state = Processing
    on = {
        AssetUploaded: _uploaded,
        ReprocessRequested: _reprocess,
        AssetProcessed: _processed,
        FileValidated: _done,
        FileQuarantined: _quarantined,
        MetadataExtracted: _done,
        RenditionsGenerated: _done,
        StepSkipped: _skipped,
        StepFailed: _failed,
        StepGivenUp: _given_up,
    }

    def keys(self, state: Processing) -> tuple[str | None, ...]:
        """In `attention` while quarantined, given up, or with a failed attempt behind it; oldest first."""
        if state.state in ("quarantined", "given_up"):
            return (f"{state.state}#{state.changed_us:020}",)
        if any(step.status == "failed" for step in state.steps.values()):
            return (f"failed#{state.changed_us:020}",)
        return (None,)

    def totals(self, state: Processing) -> Totals:
        """Assets by state, and steps by status."""
        if not state.asset:
            return {}
        totals: dict[str, dict[str, int]] = {"assets": {"total": 1, state.state: 1}}
        for name, step in state.steps.items():
            totals[f"step:{name}"] = {step.status: 1}
        return totals
