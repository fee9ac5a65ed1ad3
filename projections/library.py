"""Library: an owner's totals (assets and bytes by kind, year, camera), moved by what each asset changes."""

from __future__ import annotations

from msgspec import Struct, structs

from domain.commits import Commit
from domain.events import (
    AssetProcessed,
    AssetUploaded,
    FileValidated,
    MetadataExtracted,
    PlaceResolved,
    RenditionsGenerated,
)
from projections.base import Projection, Totals


class Contribution(Struct, frozen=True, array_like=True, gc=False):
    """What one asset adds to its owner's library."""

    asset: str = ""
    original_bytes: int = 0
    rendition_bytes: int = 0
    renditions: int = 0
    kind: str | None = None
    media_type: str | None = None
    year: str | None = None
    camera: str | None = None
    located: bool = False
    state: str = "processing"
    country: str | None = None


def _uploaded(state: Contribution, event: AssetUploaded, commit: Commit) -> Contribution:
    return Contribution(asset=commit.stream.rpartition("#")[2], original_bytes=event.size_bytes)


def _validated(state: Contribution, event: FileValidated, commit: Commit) -> Contribution:
    return structs.replace(state, kind=event.kind, media_type=event.media_type)


def _described(state: Contribution, event: MetadataExtracted, commit: Commit) -> Contribution:
    return structs.replace(
        state,
        year=event.taken_at.local[:4] if event.taken_at else None,
        camera=event.camera.name if event.camera else None,
        located=event.position is not None,
        country=None,
    )


def _named(state: Contribution, event: PlaceResolved, commit: Commit) -> Contribution:
    return structs.replace(state, country=event.country)


def _rendered(state: Contribution, event: RenditionsGenerated, commit: Commit) -> Contribution:
    return structs.replace(
        state,
        rendition_bytes=sum(r.size_bytes for r in event.renditions),
        renditions=len(event.renditions),
    )


def _processed(state: Contribution, event: AssetProcessed, commit: Commit) -> Contribution:
    return structs.replace(state, state=event.state)


class Library(Projection[Contribution]):
    """Totals of an owner's library. All bytes count; by kind, year, camera and country only what is processed well."""

    name = "library"
    version = 2
    about = "an owner's totals: assets and bytes, by kind, year, camera and country"
    has_totals = True
    state = Contribution
    on = {
        AssetUploaded: _uploaded,
        FileValidated: _validated,
        MetadataExtracted: _described,
        PlaceResolved: _named,
        RenditionsGenerated: _rendered,
        AssetProcessed: _processed,
    }

    def totals(self, state: Contribution) -> Totals:
        """This asset's share."""
        if not state.asset:
            return {}
        own = {"assets": 1, "original_bytes": state.original_bytes}
        if state.renditions:
            own["rendition_bytes"], own["renditions"] = state.rendition_bytes, state.renditions
        if state.located:
            own["with_place"] = 1
        totals: dict[str, dict[str, int]] = {"library": own}
        if state.state == "done":
            if state.kind:
                totals[f"kind:{state.kind}"] = {"assets": 1, "original_bytes": state.original_bytes}
            if state.media_type:
                totals[f"type:{state.media_type}"] = {"assets": 1, "original_bytes": state.original_bytes}
            if state.year:
                totals[f"year:{state.year}"] = {"assets": 1}
            if state.camera:
                totals[f"camera:{state.camera[:200]}"] = {"assets": 1}
            if state.country:
                totals[f"country:{state.country[:200]}"] = {"assets": 1}
        return totals
