"""People as one static page: everybody's faces, cut from our own renditions and held in the page itself."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

from photovault.people import Listed, pictures
from projections.people import Faces
from projections.serving import may_be_seen

if TYPE_CHECKING:
    from photovault.owned import OwnedVault

__all__ = ["MAX_FACES", "crop", "write_people"]

MAX_FACES = 24
"""Faces of one person that are shown."""

_faces = Faces()
_SIDE = 112
_MARGIN = 0.25
_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
<title>People</title>
<style>
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif }
section { margin: 16px } h2 { font-size: 16px; margin: 0 0 6px }
div { display: flex; flex-wrap: wrap; gap: 6px }
img { width: 112px; height: 112px; border-radius: 8px; background: #8882 }
small { opacity: .7; font-weight: normal }
</style>
"""


def write_people(vault: OwnedVault, found: Sequence[Listed], to: Path) -> None:
    """Write a page with everybody's faces; pictures that may not be seen (safety, moderation) are left out."""
    parts = []
    for each in found:
        images: list[str] = []
        for state in pictures(vault, (each.person, *each.merged)):
            if state.picture is None or not may_be_seen(_faces, state, vault.settings.serving):
                continue
            data = vault.blobs.get(state.picture)
            for face in state.faces:
                if face.person in (each.person, *each.merged) and len(images) < MAX_FACES:
                    cut = base64.b64encode(crop(data, (face.left, face.top, face.width, face.height))).decode()
                    images.append(f'<img alt="{escape(state.file_name)}" src="data:image/jpeg;base64,{cut}">')
        about = f"{each.faces} faces in {each.pictures} pictures"
        title = escape(each.name or each.person[:8])
        parts.append(f"<section><h2>{title} <small>{about}</small></h2><div>{''.join(images)}</div></section>\n")
    to.write_text(f"{_HEAD}{''.join(parts)}</html>\n", encoding="utf-8")


def crop(picture: bytes, box: tuple[float, float, float, float]) -> bytes:
    """A face cut from a JPEG of ours, square, as a small JPEG."""
    from PIL import Image

    with Image.open(io.BytesIO(picture), formats=["JPEG"]) as opened:
        image = opened.convert("RGB")
    left, top, width, height = box
    x, y = (left + width / 2) * image.width, (top + height / 2) * image.height
    half = max(width * image.width, height * image.height) * (0.5 + _MARGIN)
    face = image.crop((round(x - half), round(y - half), round(x + half), round(y + half)))
    made = io.BytesIO()
    face.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS).save(made, "JPEG", quality=85)
    return made.getvalue()
