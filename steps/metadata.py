"""metadata: when, where and with what a picture was taken, judged by `domain.metadata` from what the file says."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from domain.asset import Asset, Attempt
from domain.events import Event, MetadataExtracted
from domain.meetings import Shot, own_clock
from domain.metadata import MAX_NOTES, extract
from steps import Ports
from steps.motion import extract_motion
from steps.stacks import join_stacks


def extract_metadata(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Read all tags, choose date and place, keep the tags as a blob beside the event."""
    uploaded = asset.uploaded
    assert uploaded is not None
    with ports.blobs.file(uploaded.blob) as path:
        raw = ports.media.read_metadata(path)
        motion, without_motion = extract_motion(path, raw.embedded, attempt, ports)
    facts = extract(raw, file_name=uploaded.file_name, modified_at=uploaded.modified_at, zone_of=ports.zone_of)
    shot = Shot(
        media_type=asset.validated.media_type if asset.validated else "",
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
            tags_blob=ports.blobs.put(msgspec.json.encode(raw.tags)) if raw.tags else None,
            notes=(*facts.notes, *without_motion, *alone)[:MAX_NOTES],
            motion=motion,
            stacks=stacks,
        ),
        *stacked,
    ]
