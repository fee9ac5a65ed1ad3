"""Processing: how far each step of an asset has come, and why not farther. Answers "what is not processed, and why"."""

from __future__ import annotations

from msgspec import Struct

from domain.commits import Commit
from domain.events import (
    AssetEmbedded,
    AssetProcessed,
    AssetTagged,
    AssetUploaded,
    ChunkEncoded,
    ChunksEncoded,
    ContentModerated,
    Event,
    FacesDetected,
    FacesIdentified,
    FileQuarantined,
    FileValidated,
    FingerprintComputed,
    LookalikesFound,
    MetadataExtracted,
    Outcome,
    PlaceResolved,
    PosterExtracted,
    RenditionsGenerated,
    ReprocessRequested,
    SidecarAttached,
    StepFailed,
    StepGivenUp,
    StepSkipped,
    TranscodePlanned,
    VideoAnalyzed,
    VideoTranscoded,
)
from domain.pipeline import part_of, runs_after
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
    models: tuple[str, ...] = ()  # that were asked: "nanodet 1"


class Processing(Struct, frozen=True, array_like=True):
    """All steps of one asset."""

    asset: str = ""
    file_name: str = ""
    path: str | None = None
    state: str = "processing"
    uploaded_us: int = 0
    changed_us: int = 0
    steps: dict[str, StepProgress] = {}
    trashed: str | None = None


def _waiting(state: Processing, event: Event, commit: Commit) -> dict[str, StepProgress]:
    steps = state.steps.copy()
    for name in runs_after(event):
        steps[name] = StepProgress("waiting", commit.recorded_us)
    return steps


def _uploaded(state: Processing, event: AssetUploaded, commit: Commit) -> Processing:
    at = commit.recorded_us
    return Processing(
        asset=commit.stream.rpartition("#")[2],
        file_name=event.file_name,
        path=event.path,
        state="processing",
        uploaded_us=at,
        changed_us=at,
        steps=_waiting(state, event, commit),
    )


def _reprocess(state: Processing, event: ReprocessRequested, commit: Commit) -> Processing:
    return _changed(state, commit, _waiting(state, event, commit), "processing")


def _attached(state: Processing, event: SidecarAttached, commit: Commit) -> Processing:
    """Asks for metadata again, by the same rule as `domain.asset`: not before validation, and not for a copy."""
    asked = [name for name in runs_after(event) if name in state.steps and state.steps[name].status != "skipped"]
    if not asked:
        return state
    waiting = dict.fromkeys(asked, StepProgress("waiting", commit.recorded_us))
    return _changed(state, commit, state.steps | waiting, "processing")


def _poster(state: Processing, event: PosterExtracted, commit: Commit) -> Processing:
    return _changed(state, commit, _waiting(state, event, commit), state.state)


def _done(state: Processing, event: Outcome, commit: Commit) -> Processing:
    return _ended(state, event, commit, "done")


def _recognised(state: Processing, event: AssetTagged | ContentModerated, commit: Commit) -> Processing:
    models = event.models if isinstance(event, AssetTagged) else (event.model,)
    named = tuple(f"{model.name} {model.version}" for model in models)
    return _ended(state, event, commit, "done", models=named)


def _skipped(state: Processing, event: StepSkipped, commit: Commit) -> Processing:
    return _ended(state, event, commit, "skipped", reason=event.reason)


def _failed(state: Processing, event: StepFailed, commit: Commit) -> Processing:
    return _ended(state, event, commit, "failed", event.error, event.message, event.next_attempt_at.isoformat())


def _given_up(state: Processing, event: StepGivenUp, commit: Commit) -> Processing:
    return _ended(state, event, commit, "given_up", event.error, event.message)


def _quarantined(state: Processing, event: FileQuarantined, commit: Commit) -> Processing:
    return _ended(state, event, commit, "done", event.code, event.reason)


def _ended(
    state: Processing,
    event: Outcome,
    commit: Commit,
    status: str,
    error: str | None = None,
    reason: str | None = None,
    again: str | None = None,
    models: tuple[str, ...] = (),
) -> Processing:
    """One attempt came to an end: replay spends half of this view's time here, so it builds each struct once."""
    run = event.run
    steps = _waiting(state, event, commit)
    steps[run.step] = StepProgress(
        status, commit.recorded_us, run.attempt, run.version, run.duration_ms, error, reason, again, models
    )
    return _changed(state, commit, steps, state.state)


def _planned(state: Processing, event: TranscodePlanned, commit: Commit) -> Processing:
    """Parts of a longer plan before are no part of the work any more."""
    ended = _done(state, event, commit)
    steps = {name: step for name, step in ended.steps.items() if (part_of(name) or 0) < max(1, len(event.parts))}
    return _changed(ended, commit, steps, ended.state)


def _joinable(state: Processing, event: ChunksEncoded, commit: Commit) -> Processing:
    return _changed(state, commit, _waiting(state, event, commit), state.state)


def _processed(state: Processing, event: AssetProcessed, commit: Commit) -> Processing:
    steps = state.steps
    if any(step.status == "waiting" for step in steps.values()):  # younger than the event it follows: nobody asked
        steps = {name: step for name, step in steps.items() if step.status != "waiting"}
    return _changed(state, commit, steps, event.state)


def _changed(state: Processing, commit: Commit, steps: dict[str, StepProgress], overall: str) -> Processing:
    at = commit.recorded_us
    return Processing(state.asset, state.file_name, state.path, overall, state.uploaded_us, at, steps)


class ProcessingView(Projection[Processing]):
    """Steps by asset; the index `attention` holds the assets that are not processed as they should be."""

    name = "processing"
    version = 6
    about = "how far each step of an asset has come, what failed and why, and when it is tried again"
    indexes = ("attention",)
    has_totals = True
    follows_trash = False  # work on it goes on
    state = Processing
    on = {
        AssetUploaded: _uploaded,
        ReprocessRequested: _reprocess,
        SidecarAttached: _attached,
        AssetProcessed: _processed,
        FileValidated: _done,
        FileQuarantined: _quarantined,
        MetadataExtracted: _done,
        PlaceResolved: _done,
        RenditionsGenerated: _done,
        VideoAnalyzed: _done,
        PosterExtracted: _poster,
        FingerprintComputed: _done,
        LookalikesFound: _done,
        AssetTagged: _recognised,
        AssetEmbedded: _done,
        ContentModerated: _recognised,
        FacesDetected: _done,
        FacesIdentified: _done,
        TranscodePlanned: _planned,
        ChunkEncoded: _done,
        ChunksEncoded: _joinable,
        VideoTranscoded: _done,
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
            counters = totals.setdefault(f"step:{name.partition(':')[0]}", {})
            counters[step.status] = counters.get(step.status, 0) + 1
        return totals
