"""Renditions: every picture made of an asset, in every format, with its size. What a server needs to deliver one."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from domain.commits import Commit
from domain.events import AssetUploaded, FileQuarantined, FileValidated, RenditionsGenerated
from domain.scanning import Safety
from projections.base import Locate, Projection


class Picture(Struct, frozen=True, array_like=True, gc=False):
    """One picture, in one format."""

    name: str
    format: str
    blob: str
    width: int
    height: int
    bytes: int


class RenditionSet(Struct, frozen=True, array_like=True):
    """All pictures of one asset."""

    asset: str = ""
    renditions: tuple[Picture, ...] = ()
    thumbhash: str | None = None
    engine: str | None = None
    original: str = ""  # blob
    safety: Safety = "unknown"


def _uploaded(state: RenditionSet, event: AssetUploaded, commit: Commit) -> RenditionSet:
    return RenditionSet(asset=commit.stream.rpartition("#")[2], original=event.blob)


def _rendered(state: RenditionSet, event: RenditionsGenerated, commit: Commit) -> RenditionSet:
    pictures = tuple([Picture(r.name, r.format, r.blob, r.width, r.height, r.size_bytes) for r in event.renditions])
    return RenditionSet(state.asset, pictures, event.thumbhash, event.engine, state.original, state.safety)


def _validated(state: RenditionSet, event: FileValidated, commit: Commit) -> RenditionSet:
    return structs.replace(state, safety=event.scan.status)


def _quarantined(state: RenditionSet, event: FileQuarantined, commit: Commit) -> RenditionSet:
    return structs.replace(state, renditions=(), thumbhash=None, safety="refused")


class Renditions(Projection[RenditionSet]):
    """Pictures by asset."""

    name = "renditions"
    version = 2
    about = "every picture made of an asset: name, format, size, where it is"
    state = RenditionSet
    on = {
        AssetUploaded: _uploaded,
        FileValidated: _validated,
        FileQuarantined: _quarantined,
        RenditionsGenerated: _rendered,
    }

    def safety(self, state: RenditionSet) -> Safety:
        """See `Projection.safety`."""
        return state.safety

    def withhold(self, state: RenditionSet) -> RenditionSet:
        """Without pictures, and without the way to the original."""
        return structs.replace(state, renditions=(), thumbhash=None, original="")

    def show(self, state: RenditionSet, locate: Locate) -> dict[str, Any]:
        """The set with a path for each picture."""
        return {
            "asset": state.asset,
            "original": locate(state.original) if state.original else None,
            "thumbhash": state.thumbhash,
            "engine": state.engine,
            "safety": state.safety,
            "renditions": [
                {
                    "name": r.name,
                    "format": r.format,
                    "path": locate(r.blob),
                    "width": r.width,
                    "height": r.height,
                    "bytes": r.bytes,
                }
                for r in state.renditions
            ],
        }
