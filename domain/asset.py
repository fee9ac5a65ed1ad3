"""One photo or video: its state, `evolve(state, recorded)`, and `decide(state, command)` -> the events to append.

A step is *due* from the event that it follows (or a request to reprocess) until it comes to an end: done, skipped or
given up. A failed attempt leaves it due. When nothing is due any more, the decision that ended the last step also
says `AssetProcessed`, in the same commit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Literal

from msgspec import Struct, structs

from domain.commits import Cause, Recorded, derive_id, split_stream, stream_name
from domain.errors import InvalidInput, MediaRejected
from domain.events import (
    AssetEmbedded,
    AssetErased,
    AssetProcessed,
    AssetRestored,
    AssetSeenAgain,
    AssetTagged,
    AssetTrashed,
    AssetUploaded,
    ChunkEncoded,
    ChunksEncoded,
    ContentModerated,
    DuplicateFound,
    Event,
    FaceAssigned,
    FaceRejected,
    FaceRejectionUndone,
    FacesDetected,
    FacesErased,
    FaceUnassigned,
    FavouriteSet,
    FileQuarantined,
    FileValidated,
    FingerprintComputed,
    MetadataExtracted,
    ModerationRuled,
    Outcome,
    PosterExtracted,
    RenditionsGenerated,
    ReprocessRequested,
    SidecarAttached,
    Stacked,
    StepFailed,
    StepGivenUp,
    StepRun,
    StepSkipped,
    TranscodePlanned,
    VideoAnalyzed,
    VideoTranscoded,
)
from domain.media import Kind
from domain.moderation import Verdict, standing
from domain.pipeline import STEPS, Step, part_of, runs_after, step_named, steps_after

StepStatus = Literal["due", "failed", "done", "skipped", "given_up", "unasked"]
"""`unasked`: the step is younger than the event that it follows, so that nobody has asked for it; `reprocess` does."""

AssetState = Literal["processing", "done", "quarantined", "given_up", "erased"]


class StepState(Struct, frozen=True):
    """How far one step has come."""

    status: StepStatus
    caused_by: str  # id of the event that made it due: names this run of the step, however often it is delivered
    attempts: int = 0  # since it became due
    version: int = 0  # of the step's code that brought the last outcome
    next_attempt_at: datetime | None = None

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.status not in ("due", "failed")


class Asset(Struct, frozen=True):
    """State of one asset, folded from its stream."""

    stream: str
    version: int = 0
    uploaded: AssetUploaded | None = None
    validated: FileValidated | None = None
    quarantined: FileQuarantined | None = None
    metadata: MetadataExtracted | None = None
    renditions: RenditionsGenerated | None = None
    video: VideoAnalyzed | None = None
    poster: PosterExtracted | None = None
    fingerprint: FingerprintComputed | None = None
    tagged: AssetTagged | None = None
    embedded: AssetEmbedded | None = None
    faces: FacesDetected | None = None
    people: dict[int, FaceAssigned] = {}  # of those faces, by number
    rejected: frozenset[tuple[int, str]] = frozenset()  # (face, person): never that one
    transcode_plan: TranscodePlanned | None = None
    chunks: dict[int, ChunkEncoded] = {}  # of that plan, by the part's number
    transcoded: VideoTranscoded | None = None
    moderation: ContentModerated | None = None
    ruled: Verdict | None = None  # by a person
    duplicate_of: str | None = None
    stacked: dict[str, Stacked] = {}  # by stack, where it last stood
    paths: tuple[str, ...] = ()
    sidecars: tuple[SidecarAttached, ...] = ()  # the newest of each path, the newest of all last
    steps: dict[str, StepState] = {}
    processed: AssetState | None = None  # what the last AssetProcessed said, while nothing is due
    favourite: bool = False
    trashed_at: datetime | None = None  # when it was put into the trash; None while it is not there
    erased_at: datetime | None = None  # since then nothing happens to it any more
    correlation_id: str = ""

    @property
    def owner(self) -> str:
        """Whose it is."""
        return split_stream(self.stream)[0]

    @property
    def id(self) -> str:
        """Id of the asset within its owner's vault."""
        return split_stream(self.stream)[2]

    @property
    def kind(self) -> Kind | None:
        """Image or video; None until validated."""
        return self.validated.kind if self.validated else None

    @property
    def shown(self) -> Verdict | None:
        """How its pictures may be shown; None while nobody has judged them."""
        return standing(self.moderation.verdict if self.moderation else None, self.ruled)

    @property
    def state(self) -> AssetState:
        """Where it is in its life."""
        if self.erased_at is not None:
            return "erased"
        return self.processed or "processing"

    def due(self) -> dict[str, StepState]:
        """Steps that have not come to an end."""
        return {name: step for name, step in self.steps.items() if not step.ended}


def asset_stream(owner: str, asset_id: str) -> str:
    """Name of an asset's stream."""
    return stream_name(owner, "asset", asset_id)


def fold(stream: str, events: Iterable[Recorded]) -> Asset:
    """The state after a stream's events."""
    asset = Asset(stream)
    for recorded in events:
        asset = evolve(asset, recorded)
    return asset


# --- evolve ----------------------------------------------------------------------------------------------------------


def evolve(asset: Asset, recorded: Recorded) -> Asset:
    """The state after one more event. Total: an event that it does not know changes only the version."""
    after = _apply(asset, recorded.event, recorded.event_id)
    if isinstance(recorded.event, AssetTrashed):
        after = structs.replace(after, trashed_at=recorded.occurred_at)
    elif isinstance(recorded.event, AssetErased):
        after = structs.replace(after, erased_at=recorded.occurred_at)
    correlation_id = asset.correlation_id or recorded.commit.correlation_id
    return structs.replace(after, version=recorded.version, correlation_id=correlation_id)


def _apply(asset: Asset, event: Event, event_id: str) -> Asset:
    """What an event changes, whether it is recorded or only being decided."""
    if isinstance(event, AssetErased):
        return Asset(asset.stream)
    if asset.erased_at is not None:
        return asset
    changes: dict[str, object] = {}
    steps = dict(asset.steps)
    if isinstance(event, Outcome):
        steps[event.run.step] = _after_outcome(steps.get(event.run.step), event, event_id)
    for run in runs_after(event):
        if isinstance(event, SidecarAttached) and not _was_asked(steps.get(run)):
            continue
        steps[run] = StepState("due", event_id)
        changes["processed"] = None
    match event:
        case AssetUploaded():
            changes["uploaded"] = event
            changes["paths"] = (event.path,) if event.path else ()
        case AssetSeenAgain():
            changes["paths"] = (*asset.paths, event.path)
        case SidecarAttached():
            changes["sidecars"] = (*(s for s in asset.sidecars if s.path != event.path), event)
        case FileValidated():
            changes["validated"], changes["quarantined"] = event, None
        case FileQuarantined():
            changes["quarantined"] = event
        case MetadataExtracted():
            changes["metadata"] = event
        case RenditionsGenerated():
            changes["renditions"] = event
        case VideoAnalyzed():
            changes["video"] = event
        case PosterExtracted():
            changes["poster"] = event
        case FingerprintComputed():
            changes["fingerprint"] = event
        case AssetTagged():
            changes["tagged"] = event
        case AssetEmbedded():
            changes["embedded"] = event
        case FacesDetected():
            changes["faces"], changes["people"], changes["rejected"] = event, {}, frozenset()
        case FacesErased():
            changes["faces"], changes["people"], changes["rejected"] = None, {}, frozenset()
        case FaceAssigned():
            changes["people"] = asset.people | {event.face: event}
        case FaceUnassigned():
            changes["people"] = {n: each for n, each in asset.people.items() if n != event.face}
        case FaceRejected():
            changes["rejected"] = asset.rejected | {(event.face, event.person)}
        case FaceRejectionUndone():
            changes["rejected"] = asset.rejected - {(event.face, event.person)}
        case TranscodePlanned():
            changes["transcode_plan"], changes["chunks"] = event, {}
            for name, state in steps.items():
                part = part_of(name)
                if part is not None and part >= len(event.parts) and not state.ended:  # of a longer plan before
                    steps[name] = structs.replace(state, status="unasked")
        case ChunkEncoded():
            changes["chunks"] = asset.chunks | {event.part: event}
        case VideoTranscoded():
            changes["transcoded"] = event
        case ContentModerated():
            changes["moderation"] = event
        case ModerationRuled():
            changes["ruled"] = event.verdict
        case DuplicateFound():
            changes["duplicate_of"] = event.of
        case FavouriteSet():
            changes["favourite"] = event.favourite
        case AssetRestored():
            changes["trashed_at"] = None
        case Stacked():
            changes["stacked"] = {**asset.stacked, **{each.stack: each for each in place(asset, event)}}
        case AssetProcessed():
            changes["processed"] = event.state
            for name, state in steps.items():
                if not state.ended:  # the pipeline of that day had no such step
                    steps[name] = structs.replace(state, status="unasked")
    return structs.replace(asset, steps=steps, **changes)


def _was_asked(step: StepState | None) -> bool:
    """Whether a sidecar asks for a step again. Before validation nothing asked for it yet, and it will find the sidecar
    when it runs; a copy's was skipped, and stays so."""
    return step is not None and step.status not in ("skipped", "unasked")


_STATUS: dict[type[Event], StepStatus] = {
    StepFailed: "failed",
    StepGivenUp: "given_up",
    StepSkipped: "skipped",
}
"""What an outcome makes of its step; any other outcome means that it is done."""


def _after_outcome(before: StepState | None, event: Outcome, event_id: str) -> StepState:
    return StepState(
        status=_STATUS.get(type(event), "done"),
        caused_by=before.caused_by if before else event_id,
        attempts=event.run.attempt,
        version=event.run.version,
        next_attempt_at=event.next_attempt_at if isinstance(event, StepFailed) else None,
    )


# --- decide ----------------------------------------------------------------------------------------------------------


class Attempt(Struct, frozen=True):
    """Leave to make one attempt at a step, as given by `begin`."""

    step: Step
    number: int
    caused_by: str
    name: str  # of the run: the step's, with the part's number behind it where parts run side by side

    @property
    def part(self) -> int | None:
        """Number of the part that this run is for; None where a step has no parts."""
        return part_of(self.name)

    def cause(self, asset: Asset) -> Cause:
        """Who and why, for the commit that ends this attempt; the same however often it is delivered."""
        return Cause(
            commit_id=derive_id(asset.stream, self.name, self.step.version, self.caused_by, self.number),
            actor=f"step:{self.step.name}",
            correlation_id=asset.correlation_id,
            causation_id=self.caused_by,
        )

    def run(self, duration_ms: int = 0, cpu_ms: int = 0, peak_mb: int = 0) -> StepRun:
        """The attempt as its outcome names it."""
        return StepRun(
            step=self.name,
            version=self.step.version,
            attempt=self.number,
            duration_ms=duration_ms,
            cpu_ms=cpu_ms,
            peak_mb=peak_mb,
        )


def upload(asset: Asset, uploaded: AssetUploaded) -> Sequence[Event]:
    """A file arrives. Known bytes at a new path are noted once; known bytes at a known path are nothing new."""
    if asset.erased_at is not None:
        return ()
    if asset.uploaded is None:
        return (uploaded,)
    if uploaded.path is None or uploaded.path in asset.paths:
        return ()
    return (AssetSeenAgain(path=uploaded.path, file_name=uploaded.file_name, modified_at=uploaded.modified_at),)


def attach(asset: Asset, sidecar: SidecarAttached) -> Sequence[Event]:
    """A sidecar is found beside a file of the asset. The same bytes at the same path are nothing new."""
    if asset.erased_at is not None:
        return ()
    known = any((each.path, each.sha256) == (sidecar.path, sidecar.sha256) for each in asset.sidecars)
    return () if known else (sidecar,)


def place(asset: Asset, stacked: Stacked) -> Sequence[Stacked]:
    """A stack says where the asset stands. Nothing when a later version of the same stack has spoken already."""
    if asset.erased_at is not None:
        return ()
    known = asset.stacked.get(stacked.stack)
    return (stacked,) if known is None or known.stack_version < stacked.stack_version else ()


def set_favourite(asset: Asset, *, favourite: bool) -> Sequence[Event]:
    """The owner marks it, or takes the mark away."""
    if asset.erased_at is not None or asset.favourite == favourite:
        return ()
    return (FavouriteSet(favourite=favourite),)


def trash(asset: Asset, reason: str) -> Sequence[Event]:
    """Into the trash; nothing when it is there."""
    return () if asset.trashed_at is not None or asset.erased_at is not None else (AssetTrashed(reason=reason),)


def restore(asset: Asset, reason: str) -> Sequence[Event]:
    """Out of the trash; nothing when it is not there."""
    return () if asset.trashed_at is None else (AssetRestored(reason=reason),)


def erase(asset: Asset, why: Literal["asked", "trash_emptied", "trash_expired"]) -> Sequence[Event]:
    """Gone for good; nothing when it is so already, or when it was to go with the trash and is there no longer."""
    if asset.version == 0 or asset.erased_at is not None or (why != "asked" and asset.trashed_at is None):
        return ()
    return (AssetErased(why=why),)


def begin(asset: Asset, step_name: str) -> Attempt | None:
    """Whether a step may be attempted now: None when it is not due (already ended, or never asked for)."""
    state, step = asset.steps.get(step_name), step_named(step_name)
    if state is None or state.ended or step is None:
        return None
    return Attempt(step, state.attempts + 1, state.caused_by, step_name)


def finish(asset: Asset, attempt: Attempt, found: Sequence[Event]) -> Sequence[Event]:
    """An attempt came to an end. Adds what follows from it: steps that a copy does not need are skipped, after the last
    part of a plan its parts can be joined, and when nothing is due any more the asset is processed. No events when
    another delivery ended the same attempt before."""
    current = begin(asset, attempt.name)
    if current is None or current != attempt:
        return ()
    events = list(found)
    for event in found:
        if isinstance(event, FileValidated):
            events += _not_wanted(event, asset, found)
    after = asset
    for event in events:
        after = _apply(after, event, "")
    if any(isinstance(event, TranscodePlanned | ChunkEncoded) for event in found) and _all_parts_done(after):
        joinable = ChunksEncoded(parts_done=len(after.chunks))
        events.append(joinable)
        after = _apply(after, joinable, "")
    if not after.due():
        events.append(AssetProcessed(state=_final_state(after)))
    return events


def fail(asset: Asset, attempt: Attempt, run: StepRun, error: Exception, now: datetime) -> Sequence[Event]:
    """An attempt failed: one more later, or given up after the last. `error.max_attempts` lowers the step's own."""
    name = error.code if isinstance(error, MediaRejected) else type(error).__name__
    message = (str(error) or name)[:2000]
    allowed = min(attempt.step.max_attempts, getattr(error, "max_attempts", attempt.step.max_attempts))
    if attempt.number < allowed:
        due = now + timedelta(seconds=attempt.step.delay_after(attempt.number))
        failed = StepFailed(run=run, error=name, message=message, next_attempt_at=due)
        return finish(asset, attempt, (failed,))
    return finish(asset, attempt, (StepGivenUp(run=run, error=name, message=message, retryable=allowed > 1),))


def request_reprocess(asset: Asset, step_name: str, reason: str) -> Sequence[Event]:
    """Ask for a step again. Nothing when it is due anyway, or when it does not apply to this kind of asset: a request
    for all assets must not make a failure of every video.

    Raises:
        InvalidInput: there is no such step, or the asset never came as far as to need it.
    """
    step = step_named(step_name)
    if step is None:
        raise InvalidInput(f"there is no step {step_name!r}; there are: {', '.join(STEPS)}")
    if asset.erased_at is not None or (asset.kind is not None and asset.kind not in step.kinds):
        return ()
    if step.parallel and step_name == step.name:
        return tuple(ReprocessRequested(step=run, reason=reason) for run in _parts_to_repeat(asset, step))
    state = asset.steps.get(step_name)
    if state is None:
        raise InvalidInput(f"asset {asset.id} has not come to {step_name} yet: reprocess an earlier step")
    if state.status == "due":
        return ()
    return (ReprocessRequested(step=step_name, reason=reason),)


def _parts_to_repeat(asset: Asset, step: Step) -> list[str]:
    """Parts of the present plan that did not come to a good end; all, when they did."""
    parts = len(asset.transcode_plan.parts) if asset.transcode_plan else 0
    runs = {name: state for name, state in asset.steps.items() if name.partition(":")[0] == step.name}
    present = [name for name in runs if (part_of(name) or 0) < parts]
    if not present:
        raise InvalidInput(f"asset {asset.id} has not come to {step.name} yet: reprocess an earlier step")
    lost = [name for name in present if runs[name].status in ("failed", "given_up", "unasked")]
    return lost or [name for name in present if runs[name].status != "due"]


def _all_parts_done(asset: Asset) -> bool:
    """Whether every part of the present plan was encoded. The asset's stream puts the last two in an order, so exactly
    one of them sees it."""
    planned = asset.transcode_plan
    return planned is not None and set(asset.chunks) == set(range(len(planned.parts)))


def _not_wanted(validated: FileValidated, asset: Asset, found: Sequence[Event]) -> list[Event]:
    """A second copy of the same bytes is not worked on any further."""
    duplicate = next((e.of for e in found if isinstance(e, DuplicateFound)), asset.duplicate_of)
    if duplicate is None:
        return []
    reason = f"the same file is in the vault already, as asset {duplicate}"
    return [
        StepSkipped(run=StepRun(step=step.name, version=step.version, attempt=1), reason=reason)
        for step in steps_after(validated)
    ]


def _final_state(asset: Asset) -> Literal["done", "quarantined", "given_up"]:
    if asset.quarantined is not None:
        return "quarantined"
    if any(step.status == "given_up" for step in asset.steps.values()):
        return "given_up"
    return "done"
