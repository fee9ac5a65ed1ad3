"""Gallery: an owner's timeline, one row an asset, newest first. What a family looks at."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from domain.commits import Commit
from domain.events import (
    AssetProcessed,
    AssetTagged,
    AssetUploaded,
    ContentModerated,
    FavouriteSet,
    FileQuarantined,
    FileValidated,
    MetadataExtracted,
    ModerationRuled,
    PlaceResolved,
    PosterExtracted,
    RenditionsGenerated,
    ReprocessRequested,
    Stacked,
    StepSkipped,
    VideoAnalyzed,
    VideoTranscoded,
)
from domain.moderation import Verdict, standing
from domain.scanning import Safety
from projections.base import Locate, Projection
from projections.stacking import Placement, main_of, parts_of, placed
from projections.tagged import SeenTag, summary

TRASH = "trash"
"""Of the index `state`: where the assets in the trash stand, the last one put there last."""

_TAGS = 10
"""Of one picture, on its row; the view `tagged` has more."""


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


class Motion(Struct, frozen=True, array_like=True, gc=False):
    """The video inside a motion photo."""

    blob: str
    bytes: int
    width: int
    height: int
    duration_ms: int | None = None


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
    duration_ms: int | None = None  # of a video
    preview: Picture | None = None  # a video's short moving picture (WebP)
    plays: str | None = None  # what of a video plays everywhere: "original" or "mp4"; None: not known yet
    mp4: Picture | None = None
    stream: str | None = None  # HLS master playlist's blob
    safety: Safety = "unknown"
    motion: Motion | None = None
    stacks: dict[str, Placement] = {}  # where it stands, by stack
    tags: tuple[SeenTag, ...] = ()  # the surest
    verdict: Verdict | None = None  # of the model, under the owner's policy
    ruled: Verdict | None = None  # by a person
    favourite: bool = False
    trashed: str | None = None


def _uploaded(item: GalleryItem, event: AssetUploaded, commit: Commit) -> GalleryItem:
    return structs.replace(
        item,
        asset=commit.stream.rpartition("#")[2],
        file_name=event.file_name,
        uploaded_at=commit.recorded_at.isoformat(),
    )


def _validated(item: GalleryItem, event: FileValidated, commit: Commit) -> GalleryItem:
    return structs.replace(item, kind=event.kind, width=event.width, height=event.height, safety=event.scan.status)


def _described(item: GalleryItem, event: MetadataExtracted, commit: Commit) -> GalleryItem:
    place, taken, motion = event.position, event.taken_at, event.motion
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
        motion=Motion(motion.blob, motion.size_bytes, motion.width, motion.height, motion.duration_ms)
        if motion
        else None,
    )


def _named(item: GalleryItem, event: PlaceResolved, commit: Commit) -> GalleryItem:
    return structs.replace(item, place=Named(event.city, event.region, event.country, event.country_code))


def _stacked(item: GalleryItem, event: Stacked, commit: Commit) -> GalleryItem:
    return structs.replace(item, stacks=placed(item.stacks, event))


def _rendered(item: GalleryItem, event: RenditionsGenerated, commit: Commit) -> GalleryItem:
    pictures = {
        r.name: Picture(r.blob, r.width, r.height, r.size_bytes) for r in event.renditions if r.format == "jpeg"
    }
    return structs.replace(item, renditions=pictures, thumbhash=event.thumbhash)


def _analyzed(item: GalleryItem, event: VideoAnalyzed, commit: Commit) -> GalleryItem:
    return structs.replace(item, duration_ms=event.duration_ms)


def _poster(item: GalleryItem, event: PosterExtracted, commit: Commit) -> GalleryItem:
    p = event.preview
    return structs.replace(item, preview=Picture(p.blob, p.width, p.height, p.size_bytes) if p else None)


def _transcoded(item: GalleryItem, event: VideoTranscoded, commit: Commit) -> GalleryItem:
    made = event.mp4
    return structs.replace(
        item,
        plays="original" if event.original_plays else "mp4",
        mp4=Picture(made.blob, made.width, made.height, made.size_bytes) if made else None,
        stream=event.master,
    )


def _skipped(item: GalleryItem, event: StepSkipped, commit: Commit) -> GalleryItem:
    """`transcode` is skipped where the original plays everywhere."""
    return structs.replace(item, plays="original") if event.run.step == "transcode" else item


def _tagged(item: GalleryItem, event: AssetTagged, commit: Commit) -> GalleryItem:
    return structs.replace(item, tags=summary(event.tags, _TAGS))


def _moderated(item: GalleryItem, event: ContentModerated, commit: Commit) -> GalleryItem:
    return structs.replace(item, verdict=event.verdict)


def _ruled(item: GalleryItem, event: ModerationRuled, commit: Commit) -> GalleryItem:
    return structs.replace(item, ruled=event.verdict)


def _favourite(item: GalleryItem, event: FavouriteSet, commit: Commit) -> GalleryItem:
    return structs.replace(item, favourite=event.favourite)


def _processed(item: GalleryItem, event: AssetProcessed, commit: Commit) -> GalleryItem:
    return structs.replace(item, state=event.state)


def _again(item: GalleryItem, event: ReprocessRequested, commit: Commit) -> GalleryItem:
    return structs.replace(item, state="processing")


def _quarantined(item: GalleryItem, event: FileQuarantined, commit: Commit) -> GalleryItem:
    """What is refused is never shown, even when an earlier look at it found it harmless."""
    return structs.replace(
        item,
        renditions={},
        thumbhash=None,
        preview=None,
        plays=None,
        mp4=None,
        stream=None,
        safety="refused",
        motion=None,
        tags=(),
    )


def _offset(minutes: int | None) -> str:
    if minutes is None:
        return ""
    sign = "-" if minutes < 0 else "+"
    return f"{sign}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


class Gallery(Projection[GalleryItem]):
    """An owner's assets by the time they were taken, and by state."""

    name = "gallery"
    version = 7
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
        VideoAnalyzed: _analyzed,
        PosterExtracted: _poster,
        VideoTranscoded: _transcoded,
        StepSkipped: _skipped,
        AssetTagged: _tagged,
        ContentModerated: _moderated,
        ModerationRuled: _ruled,
        FavouriteSet: _favourite,
        AssetProcessed: _processed,
        ReprocessRequested: _again,
        Stacked: _stacked,
    }

    def keys(self, state: GalleryItem) -> tuple[str | None, ...]:
        """By date taken (by upload for an asset without one), and the same within a state. What stands behind another
        asset is not on the timeline; among the assets of its state it is."""
        when = state.taken_at or state.uploaded_at
        return (None if main_of(state.stacks) else when), f"{state.state}#{when}"

    def trash_keys(self, state: GalleryItem) -> tuple[str | None, ...]:
        """Off the timeline; among the states as `trash`, in the order in which they came there."""
        return None, f"{TRASH}#{state.trashed}"

    def safety(self, state: GalleryItem) -> Safety:
        """See `Projection.safety`."""
        return state.safety

    def verdict(self, state: GalleryItem) -> Verdict | None:
        """See `Projection.verdict`."""
        return standing(state.verdict, state.ruled)

    def withhold(self, state: GalleryItem) -> GalleryItem:
        """Without pictures, and without the placeholder, which is a small picture too."""
        return structs.replace(
            state, renditions={}, thumbhash=None, preview=None, plays=None, mp4=None, stream=None, motion=None
        )

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
            "renditions": {name: _shown(picture, locate) for name, picture in state.renditions.items()},
            "place": structs.asdict(state.place) if state.place else None,
            "duration_ms": state.duration_ms,
            "preview": _shown(state.preview, locate) if state.preview else None,
            "plays": state.plays,
            "mp4": _shown(state.mp4, locate) if state.mp4 else None,
            "stream": locate(state.stream) if state.stream else None,
            "safety": state.safety,
            "motion": None
            if state.motion is None
            else {
                "path": locate(state.motion.blob),
                "width": state.motion.width,
                "height": state.motion.height,
                "bytes": state.motion.bytes,
                "duration_ms": state.motion.duration_ms,
            },
            "stacked_under": main_of(state.stacks),
            "parts": parts_of(state.stacks),
            "tags": [structs.asdict(tag) for tag in state.tags],
            "favourite": state.favourite,
        }


def _shown(picture: Picture, locate: Locate) -> dict[str, Any]:
    return {"path": locate(picture.blob), "width": picture.width, "height": picture.height, "bytes": picture.bytes}
