"""fingerprint: a hash of the stored pixels, and one of what the picture looks like, for finding duplicates."""

from __future__ import annotations

from collections.abc import Sequence

from domain.asset import Asset, Attempt
from domain.events import Event, FingerprintComputed, Rendition, RenditionsGenerated
from domain.likeness import ALGORITHM
from steps import Ports


def fingerprint(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Hash the original's pixels as they are stored, and the smallest picture that was made of it as it looks."""
    uploaded, notes = asset.uploaded, []
    assert uploaded is not None
    with ports.blobs.file(uploaded.blob) as path:
        pixels = ports.media.pixel_hash(path)
    if pixels.note:
        notes.append(pixels.note)
    phash = None
    small = _smallest(asset.renditions)
    if asset.kind == "video":
        notes.append("videos are compared by their pictures' bytes only: a poster is too little to go by")
    elif small is None:
        notes.append("no small picture was made, so there is nothing to compare by its looks")
    else:
        with ports.blobs.file(small.blob) as path:
            looks = ports.media.perceptual_hash(path)
        phash = looks.value
        if looks.note:
            notes.append(looks.note)
    return [
        FingerprintComputed(
            run=attempt.run(), pixels=pixels.value, phash=phash, algorithm=ALGORITHM, notes=tuple(notes)
        )
    ]


def _smallest(made: RenditionsGenerated | None) -> Rendition | None:
    """The JPEG with the fewest pixels: it is upright and in sRGB, and decodes in a millisecond."""
    jpegs = [r for r in made.renditions if r.format == "jpeg"] if made else []
    return min(jpegs, key=lambda r: r.width * r.height, default=None)
