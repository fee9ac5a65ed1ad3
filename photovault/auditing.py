"""Audit: the life of one asset as entries that a person or a program can read, and what is still due."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from domain.asset import Asset, fold
from domain.commits import Recorded
from domain.events import (
    AssetEmbedded,
    AssetErased,
    AssetProcessed,
    AssetRestored,
    AssetSeenAgain,
    AssetTagged,
    AssetTrashed,
    AssetUploaded,
    BackupDrilled,
    BackupMade,
    ChunkEncoded,
    ChunksEncoded,
    ContentClaimed,
    ContentModerated,
    DuplicateFound,
    Event,
    FaceAssigned,
    FaceRejected,
    FaceRejectionUndone,
    FacesDetected,
    FacesErased,
    FacesIdentified,
    FaceUnassigned,
    FavouriteSet,
    FileQuarantined,
    FilesScrubbed,
    FileValidated,
    FingerprintComputed,
    HistorySealed,
    LookalikesFound,
    MetadataExtracted,
    ModerationPolicySet,
    ModerationRuled,
    Outcome,
    PlaceResolved,
    PosterExtracted,
    QualityScored,
    RenditionsGenerated,
    ReprocessRequested,
    Scan,
    SidecarAttached,
    StackDissolved,
    Stacked,
    StackJoined,
    StackLeft,
    StepFailed,
    StepGivenUp,
    StepSkipped,
    TranscodePlanned,
    VaultCleaned,
    VideoAnalyzed,
    VideoTranscoded,
)
from domain.memory_events import MemoryCreated, MemoryDismissed, MemoryRestored, MemoryRetired, MemoryRevised
from domain.recognition import ModelUse
from photovault.auditing_behaviour import describe_behaviour
from photovault.auditing_sharing import describe_sharing


class AuditEntry(Struct, frozen=True):
    """One event, with who, when, why and how."""

    version: int  # of the asset's stream
    at: datetime  # recorded
    type: str
    step: str | None
    outcome: str | None  # done, skipped, failed, given_up
    attempt: int | None
    duration_ms: int | None
    actor: str
    cause: str | None  # id of the event that led to it
    detail: str  # a sentence
    event_id: str
    commit: int
    step_version: int | None
    cpu_ms: int | None
    correlation_id: str
    data: dict[str, Any]  # the event itself


class Due(Struct, frozen=True):
    """A step that has not come to an end."""

    step: str
    status: str  # due, failed
    attempts: int
    next_attempt_at: datetime | None
    cause: str


class Life(Struct, frozen=True):
    """One asset from its first event to its last."""

    asset: str
    state: str
    file_name: str
    path: str | None
    entries: list[AuditEntry]
    due: list[Due]


def life_of(stream: str, events: Iterable[Recorded]) -> Life:
    """Tell an asset's life from its stream."""
    recorded = list(events)
    asset: Asset = fold(stream, recorded)
    return Life(
        asset=asset.id,
        state=asset.state,
        file_name=asset.uploaded.file_name if asset.uploaded else "",
        path=asset.uploaded.path if asset.uploaded else None,
        entries=[_entry(each) for each in recorded],
        due=[
            Due(name, step.status, step.attempts, step.next_attempt_at, step.caused_by)
            for name, step in asset.due().items()
        ],
    )


def _entry(recorded: Recorded) -> AuditEntry:
    event, commit = recorded.event, recorded.commit
    run = event.run if isinstance(event, Outcome) else None
    data: dict[str, Any] = msgspec.to_builtins(event)
    data.pop("run", None)
    return AuditEntry(
        version=recorded.version,
        at=commit.recorded_at,
        type=type(event).__name__,
        step=run.step if run else getattr(event, "step", None),
        outcome=_outcome(event) if run else None,
        attempt=run.attempt if run else None,
        duration_ms=run.duration_ms if run else None,
        actor=commit.actor,
        cause=commit.causation_id,
        detail=describe(event),
        event_id=recorded.event_id,
        commit=commit.number,
        step_version=run.version if run else None,
        cpu_ms=run.cpu_ms if run else None,
        correlation_id=commit.correlation_id,
        data=data,
    )


def _outcome(event: Event) -> str:
    return {StepFailed: "failed", StepGivenUp: "given_up", StepSkipped: "skipped"}.get(type(event), "done")


def describe(event: Event) -> str:
    """What an event says, in a sentence."""
    match event:
        case AssetUploaded():
            return f"{event.file_name}, {size(event.size_bytes)}, from {event.path or event.source}"
        case AssetSeenAgain():
            return f"the same bytes are also at {event.path}"
        case SidecarAttached():
            return f"sidecar ({event.kind}, {size(event.size_bytes)}) from {event.path or event.file_name}"
        case FileValidated():
            scan = "" if event.scan.status == "not_scanned" else f", scan: {event.scan.status}{_by(event.scan)}"
            frames = f", {event.frames} frames" if event.frames > 1 else ""
            return _noted(f"{event.media_type}, {event.width} x {event.height}{frames}{scan}", event.notes)
        case FileQuarantined():
            return f"refused ({event.code}): {event.reason}{_by(event.scan)}"
        case DuplicateFound():
            return f"the same file is in the vault already, as asset {event.of}"
        case MetadataExtracted():
            return _noted(_metadata(event), event.notes)
        case PlaceResolved():
            where = ", ".join(dict.fromkeys(part for part in (event.city, event.region, event.country) if part))
            away = f", {event.distance_km:.1f} km from its centre" if event.city else ""
            return _noted(f"{where}{away}; {event.source}", event.notes)
        case RenditionsGenerated():
            small = sum(r.size_bytes for r in event.renditions)
            sizes = ", ".join(dict.fromkeys(f"{r.name} {r.width} x {r.height}" for r in event.renditions))
            formats = " and ".join(sorted({r.format for r in event.renditions}))
            saved = f", {size(event.saved_bytes)} less for the web" if event.saved_bytes else ""
            return _noted(f"{sizes} as {formats}, {size(small)} in all{saved}, by {event.engine}", event.notes)
        case TranscodePlanned():
            return _plan(event)
        case ChunkEncoded():
            made = sum(file.size_bytes for file in event.files)
            names = ", ".join(file.rendition for file in event.files)
            said = (
                f"part {event.part}: {names}, {size(made)} in all" if names else f"part {event.part}: nothing is left"
            )
            return _noted(said, event.notes)
        case ChunksEncoded():
            return f"all {event.parts_done} parts are there" if event.parts_done else "packets are only copied"
        case VideoTranscoded():
            return _noted(_transcoded(event), event.notes)
        case VideoAnalyzed():
            return _noted(_video(event), event.notes)
        case PosterExtracted():
            extras = [name for name, made in (("preview", event.preview), ("scrub strip", event.strip)) if made]
            toned = ", tone-mapped" if event.tone_mapped else ""
            return (
                f"{event.width} x {event.height} from {clock(event.at_ms)}, best of {event.candidates}{toned}"
                f"{''.join(f', {extra}' for extra in extras)}"
            )
        case FingerprintComputed():
            hashes = (f"looks {event.phash}" if event.phash else "", f"pixels {(event.pixels or '')[:16]}")
            return _noted(", ".join(text for text in hashes if text.split()[1:]) or "no hash", event.notes)
        case AssetTagged():
            return _noted(_tagged(event), event.notes)
        case AssetEmbedded():
            return f"a vector of {event.dimensions} numbers, by {event.model.name} {event.model.version}"
        case ContentModerated():
            saw = f" ({', '.join(event.labels)})" if event.labels else ""
            return f"{event.verdict}: score {event.score:.3f}{saw}, by {event.model.name} {event.model.version}"
        case ModerationRuled():
            return f"{event.verdict or 'as the model says'}, by a person: {event.reason}"
        case ModerationPolicySet():
            return f"blurred from {_score(event.policy.blur)}, held from {_score(event.policy.hold)}"
        case LookalikesFound():
            return _lookalikes(event)
        case FacesDetected():
            return _noted(_faces(event), event.notes)
        case FacesIdentified():
            by = f"; by {_asked(event.models)}" if event.models else ""
            return _noted(f"{event.known} known, {event.founded} new, {event.unknown} unknown{by}", event.notes)
        case FacesErased():
            return "face recognition was switched off: its faces are forgotten"
        case FaceAssigned():
            how = f", {event.distance:.2f} apart" if event.distance is not None else ""
            return f"face {event.face} is person {event.person} (by {event.by}{how})"
        case FaceUnassigned():
            return f"face {event.face} is person {event.person} no longer"
        case FaceRejected():
            return f"face {event.face} is not person {event.person}"
        case FaceRejectionUndone():
            return f"face {event.face} may be person {event.person} again"
        case Stacked() | StackJoined() | StackLeft() | StackDissolved():
            return describe_stack(event)
        case StepSkipped():
            return event.reason
        case StepFailed():
            return f"{event.error}: {event.message}; tried again at {event.next_attempt_at:%Y-%m-%d %H:%M:%S} UTC"
        case StepGivenUp():
            again = "" if event.retryable else " (a retry can't help)"
            return f"{event.error}: {event.message}{again}"
        case AssetProcessed():
            return f"nothing more is due: {event.state.replace('_', ' ')}"
        case ReprocessRequested():
            return f"{event.step} is to run again: {event.reason}"
        case FavouriteSet():
            return "a favourite" if event.favourite else "no favourite any more"
        case AssetTrashed() | AssetRestored():
            return event.reason
        case AssetErased():
            return _ERASED[event.why]
        case VaultCleaned() | FilesScrubbed() | BackupMade() | BackupDrilled():
            return describe_upkeep(event)
        case HistorySealed():
            return f"{event.streams:,} streams under Merkle root {event.root}"
        case ContentClaimed():
            return f"the content of asset {event.asset}"
        case QualityScored():
            return (
                f"sharpness {event.sharpness:.1f}, brightness {event.exposure:.0%}, contrast {event.contrast:.0%}, "
                f"{event.resolution:.1f} megapixels"
            )
        case MemoryCreated() | MemoryRevised() | MemoryRetired() | MemoryDismissed() | MemoryRestored():
            return describe_memory(event)
    return describe_sharing(event) or describe_behaviour(event)


def describe_memory(
    event: MemoryCreated | MemoryRevised | MemoryRetired | MemoryDismissed | MemoryRestored,
) -> str:
    """What an event says of a memory."""
    match event:
        case MemoryCreated():
            return f"{event.title}: {len(event.members)} pictures, {len(event.pictures)} of them shown"
        case MemoryRevised():
            moved = f": {len(event.added)} more, {len(event.removed)} fewer" if event.added or event.removed else ""
            return f"{event.title}: {', '.join(event.changes)} changed{moved}"
        case MemoryRetired():
            return f"{event.reason}{f'; see {event.into}' if event.into else ''}"
        case MemoryDismissed():
            return "the owner does not want to see it"
        case _:
            return "the owner wants to see it again"


_ERASED = {
    "asked": "erased for good: its files and the key of its personal fields are destroyed",
    "trash_emptied": "erased for good: the trash was emptied",
    "trash_expired": "erased for good: it was in the trash for too long",
}


def _plan(event: TranscodePlanned) -> str:
    what = {"original": "the original plays", "copy": "a copy in an MP4", "encode": "an MP4"}[event.mp4]
    names = ", ".join(rung.name for rung in event.renditions)
    stream = f" and a stream in {names}" if names else ""
    return f"{what}{stream}, in {len(event.parts)} parts; because {'; '.join(event.reasons)}"


def _transcoded(event: VideoTranscoded) -> str:
    mp4 = f"MP4 {event.mp4.width} x {event.mp4.height}, {size(event.mp4.size_bytes)}" if event.mp4 else ""
    names = ", ".join(f"{r.name} {r.average_bandwidth / 1e6:.1f} Mbit/s" for r in event.renditions)
    parts = ["the original plays" if event.original_plays else mp4, f"stream in {names}" if names else ""]
    return "; ".join(part for part in parts if part)


def _faces(event: FacesDetected) -> str:
    good = sum(not face.doubts for face in event.faces)
    return f"{len(event.faces)} faces, {good} of them good; by {_asked(event.models)}"


def _asked(models: Sequence[ModelUse]) -> str:
    """Models or services by name and version, and what they cost."""
    cost = sum(model.cost_microusd for model in models)
    return ", ".join(f"{model.name} {model.version}" for model in models) + (f", ${cost / 1e6:.4f}" if cost else "")


def _by(scan: Scan) -> str:
    """Who scanned, with which signatures; nothing where nobody did."""
    named = ", ".join(filter(None, (scan.engine, scan.signatures and f"signatures {scan.signatures}")))
    return f" (by {named})" if named else ""


_ROLES = {"live_video": "live video", "raw": "RAW", "burst_frame": "frame of its burst"}


def describe_stack(event: Stacked | StackJoined | StackLeft | StackDissolved) -> str:
    """What an event says of the files of one shot."""
    match event:
        case Stacked(main=str()):
            return f"shown as one with asset {event.main}, as its {_ROLES.get(event.role or '', event.role)}"
        case Stacked(parts=()):
            return "shown by itself again"
        case Stacked():
            behind = ", ".join(f"{_ROLES.get(part.role, part.role)} {part.asset}" for part in event.parts)
            return f"shown as one with {behind}"
        case StackJoined():
            return f"asset {event.asset} ({event.file_name}) shares {event.kind} {event.on}"
        case StackLeft():
            return f"asset {event.asset} does not belong here"
        case _:
            return f"taken apart: {event.reason}"


def describe_upkeep(event: VaultCleaned | FilesScrubbed | BackupMade | BackupDrilled) -> str:
    """What an event says of the vault's upkeep."""
    match event:
        case VaultCleaned():
            said = (
                (event.erased, "erased from the trash"),
                (event.orphans, "orphaned files"),
                (event.uploads, "abandoned uploads"),
                (event.generations, "old generations of views"),
                (event.shares, "links whose time was over"),
            )
            return ", ".join(f"{n:,} {what}" for n, what in said if n) + f"; {size(event.freed_bytes)} freed"
        case FilesScrubbed():
            fault = f"; FAULTY: {', '.join(event.faulty)}" if event.faulty else "; all as recorded"
            return f"{event.files:,} files of {size(event.size_bytes)} read{fault}"
        case BackupMade():
            return f"{event.commits:,} commits and {event.files:,} files of {size(event.size_bytes)} copied"
        case BackupDrilled():
            fault = f"; FAILED: {'; '.join(event.faults)}" if event.faults else "; proved by hash"
            return f"{event.assets:,} assets of {size(event.size_bytes)} restored{fault}"


def _metadata(event: MetadataExtracted) -> str:
    parts = []
    if event.taken_at:
        zone = f" {event.taken_at.zone}" if event.taken_at.zone else ""
        parts.append(f"taken {event.taken_at.local.replace('T', ' ')}{zone} ({event.taken_at.source})")
    if event.camera and event.camera.name:
        parts.append(event.camera.name)
    if event.position:
        parts.append(f"at {event.position.latitude:.5f}, {event.position.longitude:.5f}")
    if event.rating is not None:
        parts.append(f"{event.rating} stars" if event.rating >= 0 else "rejected")
    if event.keywords:
        parts.append("keywords: " + ", ".join(event.keywords[:5]))
    if event.motion:
        parts.append(f"with a video of {size(event.motion.size_bytes)} inside ({event.motion.source})")
    return ", ".join(parts) or "the file says nothing of itself"


def _video(event: VideoAnalyzed) -> str:
    track, quality = event.video, event.quality
    parts = [event.container, track.codec, f"{track.width} x {track.height}"]
    if event.duration_ms is not None:
        parts.insert(0, clock(event.duration_ms))
    if track.frame_rate:
        parts.append(f"{track.frame_rate:.4g} pictures a second")
    if track.hdr != "none":
        parts.append(track.hdr)
    parts.append(f"sound {event.audio.codec}" if event.audio else "no sound")
    reasons = f" ({', '.join(quality.reasons)})" if quality.reasons else ""
    web = "plays in browsers" if event.web_ready else f"not for browsers as it is ({', '.join(event.web_obstacles)})"
    return f"{', '.join(parts)}; {quality.verdict}{reasons}; {web}"


def _lookalikes(event: LookalikesFound) -> str:
    found = [
        f"{match.asset[:8]} (same pixels)"
        if match.kind == "pixels"
        else f"{match.asset[:8]} ({match.distance} bits apart)"
        for match in event.matches
    ]
    return ", ".join((*found, "and more")) if event.more else ", ".join(found) or "no other asset looks like it"


def _score(least: float | None) -> str:
    return "no score" if least is None else f"score {least:g}"


def _tagged(event: AssetTagged) -> str:
    surest: dict[str, float] = {}
    for tag in event.tags:
        surest[tag.name] = max(tag.confidence, surest.get(tag.name, 0.0))
    said = ", ".join(f"{name} {confidence:.0%}" for name, confidence in list(surest.items())[:8])
    more = f" and {len(surest) - 8} more" if len(surest) > 8 else ""
    return f"{said or 'nothing that is sure enough'}{more}; by {_asked(event.models)}"


def _noted(text: str, notes: Iterable[str]) -> str:
    return "; ".join((text, *notes))


def clock(ms: int) -> str:
    """A duration as a player shows it: 1:02:03, or 2:03."""
    seconds = round(ms / 1000)
    hours, minutes = seconds // 3600, seconds // 60 % 60
    return f"{hours}:{minutes:02}:{seconds % 60:02}" if hours else f"{minutes}:{seconds % 60:02}"


def size(count: int) -> str:
    """Bytes as a person says them: 1,000 bytes are a kB."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return ""
