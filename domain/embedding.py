"""Which words stand for a picture, how much each weighs, and the one vector that they make together.

The substitute for a joint model of pictures and text (ConSE, Norouzi et al. 2013): the label vectors of what a
classifier sees, weighted by its confidence, and 0.3 times the text of the things that were located.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence

from domain.events import AssetTagged, MetadataExtracted

LABELS = 10
LOCATED = 0.3
WRITTEN = 1.0  # what a person wrote counts as much as a label that a model is sure of

Weighted = tuple[str, float]


def weighted_texts(
    tagged: AssetTagged | None, metadata: MetadataExtracted | None, likely: Sequence[Weighted] = ()
) -> list[Weighted]:
    """Texts and their weights, in an order that follows from what they say.

    Args:
        likely: labels and their probabilities, also those that are too unsure to be tags; instead of the tags of the
            classifier where they are known.
    """
    surest: dict[str, float] = {}
    located: set[str] = set()
    for tag in tagged.tags if tagged else ():
        if tag.box is not None:
            located.add(tag.name)
        else:
            surest[tag.name] = max(tag.confidence, surest.get(tag.name, 0.0))
    surest.update(likely)
    best = sorted(surest.items(), key=lambda pair: (-pair[1], pair[0]))[:LABELS]
    texts: list[Weighted] = [(name, round(weight, 4)) for name, weight in best]
    if located:
        texts.append((", ".join(sorted(located)), LOCATED if best else 1.0))
    if metadata is not None:
        if metadata.description:
            texts.append((metadata.description[:500], WRITTEN))
        if metadata.keywords:
            texts.append((", ".join(metadata.keywords)[:500], WRITTEN))
    return [(text, weight) for text, weight in texts if weight > 0 and text.strip()]


def combined(texts: Sequence[Weighted], vectors: Sequence[Sequence[float]]) -> list[float]:
    """The weighted sum of the texts' vectors, of length 1."""
    total = [0.0] * len(vectors[0])
    for (_, weight), vector in zip(texts, vectors, strict=True):
        total = [so_far + weight * value for so_far, value in zip(total, vector, strict=True)]
    length = math.sqrt(sum(value * value for value in total)) or 1.0
    return [value / length for value in total]


SKETCH = 256


def sketched(vector: bytes) -> bytes:
    """A picture's vector in fewer numbers that keep its angles to others, nearly: each is the sum of a few of the
    vector's, with signs that look drawn by lot (Charikar et al. 2002). Of length 1.

    Args:
        vector: float16, little-endian; so is what comes back.
    """
    values = struct.unpack(f"<{len(vector) // 2}e", vector)
    totals = [0.0] * SKETCH
    for i, value in enumerate(values):
        totals[i % SKETCH] += value if (i * 2_654_435_761 >> 16) & 1 else -value
    length = math.sqrt(sum(total * total for total in totals)) or 1.0
    return struct.pack(f"<{SKETCH}e", *(total / length for total in totals))
