"""Audit: the life of one asset as entries that a person or a program can read, and what is still due."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec
from msgspec import Struct

from domain.asset import Asset, fold
from domain.commits import Recorded
from domain.events import (
    AssetProcessed,
    AssetSeenAgain,
    AssetUploaded,
    ContentClaimed,
    DuplicateFound,
    Event,
    FileQuarantined,
    FileValidated,
    FingerprintComputed,
    HistorySealed,
    LookalikesFound,
    MetadataExtracted,
    Outcome,
    PlaceResolved,
    RenditionsGenerated,
    ReprocessRequested,
    SidecarAttached,
    StepFailed,
    StepGivenUp,
    StepSkipped,
)


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
            scan = "" if event.scan.status == "not_scanned" else f", scan: {event.scan.status}"
            frames = f", {event.frames} frames" if event.frames > 1 else ""
            return _noted(f"{event.media_type}, {event.width} x {event.height}{frames}{scan}", event.notes)
        case FileQuarantined():
            return f"refused ({event.code}): {event.reason}"
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
            return _noted(f"{sizes} as {formats}, {size(small)} in all, by {event.engine}", event.notes)
        case FingerprintComputed():
            hashes = (f"looks {event.phash}" if event.phash else "", f"pixels {(event.pixels or '')[:16]}")
            return _noted(", ".join(text for text in hashes if text.split()[1:]) or "no hash", event.notes)
        case LookalikesFound():
            return _lookalikes(event)
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
        case HistorySealed():
            return f"{event.streams:,} streams under Merkle root {event.root}"
        case ContentClaimed():
            return f"the content of asset {event.asset}"
    return ""


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
    return ", ".join(parts) or "the file says nothing of itself"


def _lookalikes(event: LookalikesFound) -> str:
    found = [
        f"{match.asset[:8]} (same pixels)"
        if match.kind == "pixels"
        else f"{match.asset[:8]} ({match.distance} bits apart)"
        for match in event.matches
    ]
    return ", ".join((*found, "and more")) if event.more else ", ".join(found) or "no other asset looks like it"


def _noted(text: str, notes: Iterable[str]) -> str:
    return "; ".join((text, *notes))


def size(count: int) -> str:
    """Bytes as a person says them: 1,000 bytes are a kB."""
    value = float(count)
    for unit in ("bytes", "kB", "MB", "GB"):
        if value < 1000 or unit == "GB":
            return f"{value:.0f} bytes" if unit == "bytes" else f"{value:.1f} {unit}"
        value /= 1000
    return ""
