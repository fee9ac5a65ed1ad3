"""metadata: when, where and with what a picture was taken, judged by `domain.metadata` from what the file and the
sidecars beside it say."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.asset import Asset, Attempt
from domain.errors import MediaFailed, MediaRejected
from domain.events import Event, MetadataExtracted, ReprocessRequested, SidecarAttached
from domain.media import RawSidecar
from domain.meetings import Shot, own_clock
from domain.metadata import MAX_NOTES, extract
from steps import Ports
from steps.motion import extract_motion
from steps.stacks import join_stacks

_MAX_SIDECARS = 8
"""Of one picture, the newest first; more than two are not seen in practice."""


def extract_metadata(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Read all tags, choose date and place, keep the tags as a blob beside the event."""
    uploaded = asset.uploaded
    assert uploaded is not None
    with ports.blobs.file(uploaded.blob) as path:
        raw = ports.media.read_metadata(path)
        motion, without_motion = extract_motion(path, raw.embedded, attempt, ports)
    newest = list(reversed(asset.sidecars))[:_MAX_SIDECARS]
    sidecars = [_read(sidecar, attempt, ports) for sidecar in newest]
    facts = extract(
        raw,
        file_name=uploaded.file_name,
        modified_at=uploaded.modified_at,
        zone_of=ports.zone_of,
        sidecars=sidecars,
    )
    tags: dict[str, object] = dict(raw.tags)
    for number, sidecar in enumerate(sidecars):
        suffix = f"#{number + 1}" if number else ""  # the newest sidecar's without a number
        tags |= {f"Sidecar{suffix}:{name}": value for name, value in sidecar.tags.items()}
    shot = Shot(
        media_type=asset.validated.media_type if asset.validated and not asset.quarantined else "",
        file_name=uploaded.file_name,
        path=uploaded.path,
        taken_at=own_clock(facts.taken_at, facts.alternatives),
        camera=facts.camera.name if facts.camera else None,
        tags=raw.tags,
    )
    stacks, stacked, alone = join_stacks(asset, attempt, ports.store, shot)
    return [
        MetadataExtracted(
            run=attempt.run(),
            width=raw.width,
            height=raw.height,
            orientation=raw.orientation,
            taken_at=facts.taken_at,
            taken_at_utc=facts.taken_at_utc,
            alternatives=facts.alternatives,
            camera=facts.camera,
            position=facts.position,
            description=facts.description,
            tags_blob=ports.blobs.put(msgspec.json.encode(tags)) if tags else None,
            notes=(*facts.notes, *without_motion, *alone)[:MAX_NOTES],
            rating=facts.rating,
            keywords=facts.keywords,
            motion=motion,
            stacks=stacks,
        ),
        *stacked,
        *_words_went_away(asset, facts.description, facts.keywords),
    ]


def _words_went_away(asset: Asset, description: str | None, keywords: Sequence[str]) -> Sequence[Event]:
    """`embed` follows metadata that have words; where the last ones are gone, it has to be asked."""
    before = asset.metadata
    had = before is not None and (before.description or before.keywords)
    if had and not description and not keywords and asset.embedded is not None:
        return [ReprocessRequested(step="embed", reason="the caption and the keywords are gone")]
    return []


def _read(sidecar: SidecarAttached, attempt: Attempt, ports: Ports) -> RawSidecar:
    """One sidecar; a bad one costs a note, never its picture's metadata."""
    with ports.blobs.file(sidecar.blob) as path:
        try:
            return ports.media.read_sidecar(path, sidecar.kind)
        except MediaRejected as error:
            return RawSidecar(sidecar.kind, {}, (f"the sidecar {sidecar.file_name} was left out: {error.reason}",))
        except MediaFailed as error:
            if attempt.number < 2:  # it may have been the machine
                raise
            return RawSidecar(sidecar.kind, {}, (f"the sidecar {sidecar.file_name} can't be read: {error}",))
