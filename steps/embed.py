"""embed: what is known of an asset in words becomes one vector, so that it is found by what it means."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

import msgspec

from domain.asset import Asset, Attempt
from domain.embedding import combined, weighted_texts
from domain.events import AssetEmbedded, Event, StepSkipped
from steps import Ports


def embed(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Embed tags, caption and keywords; the same words as last time cost no call of the model."""
    if ports.texts is None:
        reason = "no model for text is installed: `photovault models install minilm-l6-v2`, then reprocess"
        return [StepSkipped(run=attempt.run(), reason=reason)]
    likely: Sequence[tuple[str, float]] = ()
    if ports.likely_labels is not None and asset.tagged is not None and asset.tagged.vector is not None:
        likely = ports.likely_labels(ports.blobs.get(asset.tagged.vector))
    texts = weighted_texts(asset.tagged, asset.metadata, likely)
    if not texts:
        return [StepSkipped(run=attempt.run(), reason="nothing is known yet in words of what it shows")]
    model = ports.texts.model
    digest = hashlib.sha256(msgspec.json.encode((model, texts))).hexdigest()
    before = asset.embedded
    if before is not None and before.words_sha256 == digest:
        return [msgspec.structs.replace(before, run=attempt.run())]
    vector = combined(texts, ports.texts.embed([text for text, _ in texts]))
    blob = ports.blobs.put(struct.pack(f"<{len(vector)}e", *vector))
    return [AssetEmbedded(run=attempt.run(), vector=blob, dimensions=len(vector), words_sha256=digest, model=model)]
