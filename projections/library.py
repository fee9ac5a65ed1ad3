"""Library: an owner's totals (assets and bytes by kind, year, camera), moved by what each asset changes."""

from __future__ import annotations

from msgspec import Struct, structs

from domain.commits import Commit
from domain.events import (
    AssetProcessed,
    AssetTagged,
    AssetUploaded,
    FavouriteSet,
    FileValidated,
    MetadataExtracted,
    PlaceResolved,
    RenditionsGenerated,
    Stacked,
    VideoAnalyzed,
)
from projections.base import Projection, Totals
from projections.stacking import Placement, main_of, placed
from projections.tagged import names_of, summary


class Contribution(Struct, frozen=True, array_like=True):
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
    duration_ms: int = 0  # of a video
    web_bytes: int = 0
    saved_bytes: int = 0
    motion_bytes: int = 0
    stacks: dict[str, Placement] = {}
    tags: tuple[str, ...] = ()  # names that it is found by
    trashed: str | None = None
    favourite: bool = False


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
        motion_bytes=event.motion.size_bytes if event.motion else 0,
    )


def _named(state: Contribution, event: PlaceResolved, commit: Commit) -> Contribution:
    return structs.replace(state, country=event.country)


def _stacked(state: Contribution, event: Stacked, commit: Commit) -> Contribution:
    return structs.replace(state, stacks=placed(state.stacks, event))


def _rendered(state: Contribution, event: RenditionsGenerated, commit: Commit) -> Contribution:
    return structs.replace(
        state,
        rendition_bytes=sum(r.size_bytes for r in event.renditions),
        renditions=len(event.renditions),
        web_bytes=sum(r.size_bytes for r in event.renditions if r.name == "web"),
        saved_bytes=event.saved_bytes,
    )


def _analyzed(state: Contribution, event: VideoAnalyzed, commit: Commit) -> Contribution:
    return structs.replace(state, duration_ms=event.duration_ms or 0)


def _tagged(state: Contribution, event: AssetTagged, commit: Commit) -> Contribution:
    return structs.replace(state, tags=names_of(summary(event.tags)))


def _favourite(state: Contribution, event: FavouriteSet, commit: Commit) -> Contribution:
    return structs.replace(state, favourite=event.favourite)


def _processed(state: Contribution, event: AssetProcessed, commit: Commit) -> Contribution:
    return structs.replace(state, state=event.state)


class Library(Projection[Contribution]):
    """Totals of an owner's library. All files and bytes count; by kind, year, camera and country only what is processed
    well, and not again what stands behind another asset. What is in the trash counts there alone."""

    name = "library"
    version = 5
    about = "an owner's totals: assets and bytes, by kind, year, camera, country and tag"
    has_totals = True
    state = Contribution
    on = {
        AssetUploaded: _uploaded,
        FileValidated: _validated,
        MetadataExtracted: _described,
        PlaceResolved: _named,
        RenditionsGenerated: _rendered,
        VideoAnalyzed: _analyzed,
        AssetTagged: _tagged,
        FavouriteSet: _favourite,
        AssetProcessed: _processed,
        Stacked: _stacked,
    }

    def trash_totals(self, state: Contribution) -> Totals:
        """Counted apart: until the trash is emptied, it needs its room."""
        return {"trash": {"assets": 1, "original_bytes": state.original_bytes}}

    def totals(self, state: Contribution) -> Totals:
        """This asset's share."""
        if not state.asset:
            return {}
        own = {"assets": 1, "original_bytes": state.original_bytes}
        if state.renditions:
            own["rendition_bytes"], own["renditions"] = state.rendition_bytes, state.renditions
        if state.web_bytes:
            own["web_bytes"], own["saved_bytes"] = state.web_bytes, state.saved_bytes
        if state.located:
            own["with_place"] = 1
        if state.duration_ms:
            own["duration_ms"] = state.duration_ms
        if state.motion_bytes:
            own["motion_photos"], own["motion_bytes"] = 1, state.motion_bytes
        if state.favourite:
            own["favourites"] = 1
        behind = main_of(state.stacks) is not None
        if behind:
            own["stacked"] = 1
        totals: dict[str, dict[str, int]] = {"library": own}
        if state.state == "done":
            if state.media_type:
                totals[f"type:{state.media_type}"] = {"assets": 1, "original_bytes": state.original_bytes}
            if behind:
                return totals
            if state.kind:
                kind = {"assets": 1, "original_bytes": state.original_bytes}
                totals[f"kind:{state.kind}"] = kind | ({"duration_ms": state.duration_ms} if state.duration_ms else {})
            if state.year:
                totals[f"year:{state.year}"] = {"assets": 1}
            if state.camera:
                totals[f"camera:{state.camera[:200]}"] = {"assets": 1}
            if state.country:
                totals[f"country:{state.country[:200]}"] = {"assets": 1}
            for tag in state.tags:
                totals[f"tag:{tag}"] = {"assets": 1}
        return totals
