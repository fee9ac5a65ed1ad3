"""renditions: the smaller pictures that are shown in place of an original, and its placeholder hash."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

from domain.asset import Asset, Attempt
from domain.events import Event, QualityScored, Rendition, RenditionsGenerated
from domain.media import Rendered
from steps import Ports


def make_renditions(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Decode once, write all sizes and formats, store them under their content. A video's are made of its poster."""
    source = asset.poster if asset.kind == "video" else asset.uploaded
    assert source is not None
    with tempfile.TemporaryDirectory(dir=ports.scratch) as folder:
        with ports.blobs.file(source.blob) as path:
            original_bytes = path.stat().st_size
            made = ports.media.render(path, Path(folder))
        keys = ports.blobs.put_files([Path(file.path) for file in made.files])
    found: list[Event] = [
        RenditionsGenerated(
            run=attempt.run(),
            renditions=tuple(
                Rendition(
                    name=file.name,
                    format=file.format,
                    blob=key,
                    width=file.width,
                    height=file.height,
                    size_bytes=file.bytes,
                )
                for file, key in zip(made.files, keys, strict=True)
            ),
            thumbhash=made.thumbhash,
            engine=made.engine,
            notes=made.notes,
            original_bytes=original_bytes,
            saved_bytes=_saved(made, original_bytes),
        )
    ]
    if made.look is not None:
        found.append(
            QualityScored(
                sharpness=made.look.sharpness,
                exposure=made.look.brightness,
                contrast=made.look.contrast,
                dark=made.look.dark,
                resolution=made.megapixels,
            )
        )
    return found


def _saved(made: Rendered, original_bytes: int) -> int:
    """What the smallest copy for the web spares whoever is sent it in place of the original."""
    copies = [file.bytes for file in made.files if file.name == "web"]
    return max(0, original_bytes - min(copies)) if copies else 0
