"""embed: what is known of an asset in words becomes one vector, so that it is found by what it means."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Sequence

import msgspec

from domain.asset import Asset, Attempt
from domain.embedding import combined, weighted_texts
from domain.events import AssetEmbedded, Event, StepSkipped
from domain.ports import PictureEmbedder
from domain.recognition import ModelUse
from steps import Ports
from steps.tags import looked_at


def embed(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Embed tags, caption and keywords; the same words as last time cost no call of the model."""
    if ports.texts is None:
        reason = "no model for text is installed: `photovault models install minilm-l6-v2`, then reprocess"
        return [StepSkipped(run=attempt.run(), reason=reason)]
    if isinstance(ports.texts, PictureEmbedder):
        return _seen(asset, attempt, ports, ports.texts)
    likely: Sequence[tuple[str, float]] = ()
    if ports.likely_labels is not None and asset.tagged is not None and asset.tagged.vector is not None:
        likely = ports.likely_labels(ports.blobs.get(asset.tagged.vector))
    texts = weighted_texts(asset.tagged, asset.metadata, likely)
    if not texts:
        return [StepSkipped(run=attempt.run(), reason="nothing is known yet in words of what it shows")]
    asked = ports.texts

    def made() -> Sequence[float]:
        return combined(texts, asked.embed([text for text, _ in texts]))

    return _embedded(asset, attempt, ports, asked.model, texts, made)


def _seen(asset: Asset, attempt: Attempt, ports: Ports, model: PictureEmbedder) -> Sequence[Event]:
    """By the picture itself."""
    picture = looked_at(asset.renditions)
    if picture is None:
        return [StepSkipped(run=attempt.run(), reason="no picture was made that a model could look at")]

    def made() -> Sequence[float]:
        with ports.blobs.file(picture.blob) as path:
            return model.see(path)

    return _embedded(asset, attempt, ports, model.model, [("picture", picture.blob)], made)


def _embedded(
    asset: Asset, attempt: Attempt, ports: Ports, model: ModelUse, source: object, made: Callable[[], Sequence[float]]
) -> Sequence[Event]:
    digest = hashlib.sha256(msgspec.json.encode((model, source))).hexdigest()
    before = asset.embedded
    if before is not None and before.words_sha256 == digest:
        return [msgspec.structs.replace(before, run=attempt.run())]
    vector = made()
    blob = ports.blobs.put(struct.pack(f"<{len(vector)}e", *vector))
    return [AssetEmbedded(run=attempt.run(), vector=blob, dimensions=len(vector), words_sha256=digest, model=model)]
