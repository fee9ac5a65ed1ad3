"""tags: what a picture shows (things, scenes, activities), by the models that are installed or the service named."""

from __future__ import annotations

from collections.abc import Sequence

from domain.asset import Asset, Attempt
from domain.errors import ServicePaused
from domain.events import AssetTagged, Event, Rendition, RenditionsGenerated, ReprocessRequested, StepSkipped
from domain.ports import PictureEmbedder
from steps import Ports

NO_MODEL = (
    "no model for tags is installed: `photovault models install`, then `photovault reprocess --step tags --skipped`"
)


def tag(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Look at the picture of middling size, or at a video's poster; keep the vector as a blob. `embed` follows what was
    tagged; one that looks at pictures itself is asked where nothing was."""
    found = _tagged(asset, attempt, ports)
    if isinstance(found[0], StepSkipped) and isinstance(ports.texts, PictureEmbedder):
        return [*found, ReprocessRequested(step="embed", reason="the picture is embedded without tags")]
    return found


def _tagged(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    if ports.tagger is None or not ports.tagger.models:
        return [StepSkipped(run=attempt.run(), reason=NO_MODEL)]
    picture = looked_at(asset.renditions)
    if picture is None:
        return [StepSkipped(run=attempt.run(), reason="no picture was made that models could look at")]
    try:
        with ports.blobs.file(picture.blob) as path:
            [seen] = ports.tagger.tag([path])
    except ServicePaused as paused:
        return [StepSkipped(run=attempt.run(), reason=str(paused))]
    vector = ports.blobs.put(seen.vector) if seen.vector else None
    return [AssetTagged(run=attempt.run(), tags=seen.tags, models=seen.models, vector=vector, notes=seen.notes)]


def looked_at(made: RenditionsGenerated | None) -> Rendition | None:
    """The rendition that models see: the medium JPEG, else the largest there is."""
    jpegs = [r for r in made.renditions if r.format == "jpeg"] if made else []
    medium = [r for r in jpegs if r.name == "medium"]
    return next(iter(medium), None) or max(jpegs, key=lambda r: r.width * r.height, default=None)
