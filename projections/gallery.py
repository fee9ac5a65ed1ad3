"""Gallery: an owner's timeline, one row an asset, newest first. What a family looks at."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from domain.commits import Commit
from domain.events import (
    AssetProcessed,
    AssetUploaded,
    FileQuarantined,
    FileValidated,
    MetadataExtracted,
    PlaceResolved,
    RenditionsGenerated,
    ReprocessRequested,
)
from projections.base import Locate, Projection


class Picture(Struct, frozen=True, array_like=True, gc=False):
    """One rendition, as a page needs it."""

    blob: str
    width: int
    height: int
    bytes: int


class Named(Struct, frozen=True, array_like=True, gc=False):
    """A position in words."""

    city: str | None
    region: str | None
    country: str
    country_code: str


class GalleryItem(Struct, frozen=True, array_like=True):
    """One asset on the timeline."""

    asset: str = ""
    file_name: str = ""
    state: str = "processing"
    kind: str | None = None
    uploaded_at: str = ""
    taken_at: str | None = None  # local wall clock of the place, with its offset when one is known
    taken_from: str | None = None  # who says so: "exif:DateTimeOriginal", "gps", "file_name", "file_modified" ...
    width: int | None = None  # upright
    height: int | None = None
    latitude: float | None = None
    longitude: float | None = None
    camera: str | None = None
    thumbhash: str | None = None
    renditions: dict[str, Picture] = {}
    place: Named | None = None


def _uploaded(item: GalleryItem, event: AssetUploaded, commit: Commit) -> GalleryItem:
    return structs.replace(
        item,
        asset=commit.stream.rpartition("#")[2],
        file_name=event.file_name,
        uploaded_at=commit.recorded_at.isoformat(),
    )


def _validated(item: GalleryItem, event: FileValidated, commit: Commit) -> GalleryItem:
    return structs.replace(item, kind=event.kind, width=event.width, height=event.height)


def _described(item: GalleryItem, event: MetadataExtracted, commit: Commit) -> GalleryItem:
    place, taken = event.position, event.taken_at
    return structs.replace(
        item,
        width=event.width,
        height=event.height,
        taken_at=taken.local + _offset(taken.offset_minutes) if taken else None,
        taken_from=taken.source if taken else None,
        latitude=place.latitude if place else None,
        longitude=place.longitude if place else None,
        camera=event.camera.name if event.camera else None,
        place=None,  # of a position before; the step `place` names this one
    )


def _named(item: GalleryItem, event: PlaceResolved, commit: Commit) -> GalleryItem:
    return structs.replace(item, place=Named(event.city, event.region, event.country, event.country_code))


def _rendered(item: GalleryItem, event: RenditionsGenerated, commit: Commit) -> GalleryItem:
    pictures = {
        r.name: Picture(r.blob, r.width, r.height, r.size_bytes) for r in event.renditions if r.format == "jpeg"
    }
    return structs.replace(item, renditions=pictures, thumbhash=event.thumbhash)


def _processed(item: GalleryItem, event: AssetProcessed, commit: Commit) -> GalleryItem:
    return structs.replace(item, state=event.state)


def _again(item: GalleryItem, event: ReprocessRequested, commit: Commit) -> GalleryItem:
    return structs.replace(item, state="processing")


def _quarantined(item: GalleryItem, event: FileQuarantined, commit: Commit) -> GalleryItem:
    """What is refused is never shown, even when an earlier look at it found it harmless."""
    return structs.replace(item, renditions={}, thumbhash=None)


def _offset(minutes: int | None) -> str:
    if minutes is None:
        return ""
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


class Gallery(Projection[GalleryItem]):
    """An owner's assets by the time they were taken, and by state."""

    name = "gallery"
    version = 2
    about = "an owner's timeline: one row an asset, with date, place, camera and pictures"
    indexes = ("timeline", "state")
    state = GalleryItem
    on = {
        AssetUploaded: _uploaded,
        FileValidated: _validated,
        FileQuarantined: _quarantined,
        MetadataExtracted: _described,
        PlaceResolved: _named,
        RenditionsGenerated: _rendered,
        AssetProcessed: _processed,
        ReprocessRequested: _again,
    }

    def keys(self, state: GalleryItem) -> tuple[str | None, ...]:
        """By date taken (by upload for an asset without one), and the same within a state."""
        when = state.taken_at or state.uploaded_at
        return when, f"{state.state}#{when}"

    def show(self, state: GalleryItem, locate: Locate) -> dict[str, Any]:
        """The item with a path for each picture."""
        return {
            "asset": state.asset,
            "file_name": state.file_name,
            "state": state.state,
            "kind": state.kind,
            "uploaded_at": state.uploaded_at,
            "taken_at": state.taken_at,
            "taken_from": state.taken_from,
            "width": state.width,
            "height": state.height,
            "latitude": state.latitude,
            "longitude": state.longitude,
            "camera": state.camera,
            "thumbhash": state.thumbhash,
            "renditions": {
                name: {"path": locate(p.blob), "width": p.width, "height": p.height, "bytes": p.bytes}
                for name, p in state.renditions.items()
            },
            "place": structs.asdict(state.place) if state.place else None,
        }
