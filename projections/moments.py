"""Moments: an owner's pictures as memories need them, in the order of their own local time, and by when they changed.

The index `time` holds what is dated, finished and fit to be looked at. The index `changed` holds every asset once it
has been processed, by the time of the last event that matters here: what the daily look for memories begins with. An
asset that left `time` (it went into the trash, it turned out to be sensitive) is still in `changed`, so that it is
taken out of the memories that it was in; `once` remembers the local times that it had before.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct, structs

from domain.commits import Commit, split_stream
from domain.events import (
    AssetProcessed,
    AssetRestored,
    AssetTagged,
    AssetTrashed,
    AssetUploaded,
    ContentModerated,
    Event,
    FaceAssigned,
    FacesDetected,
    FacesErased,
    FaceUnassigned,
    FavouriteSet,
    FileQuarantined,
    FileValidated,
    FingerprintComputed,
    MetadataExtracted,
    ModerationRuled,
    PlaceResolved,
    QualityScored,
    RenditionsGenerated,
    Stacked,
)
from domain.moderation import Verdict, standing
from domain.moment import Glance, Moment, SeenFace
from domain.scanning import Safety
from projections.base import Locate, Projection, plain
from projections.stacking import Placement, main_of, placed
from projections.tagged import summary

__all__ = ["MomentRow", "Moments", "changed_key"]

_TAGS = 12
_ONCE = 3


class MomentRow(Struct, frozen=True, array_like=True):
    """A moment, and what decides where it is found."""

    moment: Moment = Moment()
    trashed: str | None = None
    processed: bool = False
    changed_us: int = 0
    once: tuple[str, ...] = ()
    stacks: dict[str, Placement] = {}


Fold = Callable[[MomentRow, Any, Commit], MomentRow]


def _with(row: MomentRow, **changes: Any) -> MomentRow:
    return structs.replace(row, moment=structs.replace(row.moment, **changes))


def _uploaded(row: MomentRow, event: AssetUploaded, commit: Commit) -> MomentRow:
    return _with(row, asset=split_stream(commit.stream)[2])


def _validated(row: MomentRow, event: FileValidated, commit: Commit) -> MomentRow:
    return _with(row, kind=event.kind, safety=event.scan.status)


def _refused(row: MomentRow, event: FileQuarantined, commit: Commit) -> MomentRow:
    return _with(row, safety="refused", shown=False, faces=(), tags=(), vector=None)


def _described(row: MomentRow, event: MetadataExtracted, commit: Commit) -> MomentRow:
    taken, where, was = event.taken_at, event.position, row.moment.local
    local = taken.local[:19] if taken else None
    once = tuple(dict.fromkeys((was, *row.once)))[:_ONCE] if was is not None and was != local else row.once
    described = _with(
        row,
        local=local,
        source=taken.source if taken else "",
        latitude=where.latitude if where else None,
        longitude=where.longitude if where else None,
        city=None,
        region=None,
        country=None,
        rating=event.rating,
    )
    return structs.replace(described, once=once)


def _named(row: MomentRow, event: PlaceResolved, commit: Commit) -> MomentRow:
    return _with(row, city=event.city, region=event.region, country=event.country)


def _rendered(row: MomentRow, event: RenditionsGenerated, commit: Commit) -> MomentRow:
    return _with(row, shown=row.moment.safety != "refused")


def _measured(row: MomentRow, event: QualityScored, commit: Commit) -> MomentRow:
    seen = Glance(event.exposure, event.contrast, event.sharpness, event.dark, event.resolution)
    return _with(row, glance=seen)


def _fingerprint(row: MomentRow, event: FingerprintComputed, commit: Commit) -> MomentRow:
    return _with(row, phash=int(event.phash, 16) if event.phash else None, pixels=event.pixels and event.pixels[:32])


def _tagged(row: MomentRow, event: AssetTagged, commit: Commit) -> MomentRow:
    tags = tuple((tag.name, tag.confidence) for tag in summary(event.tags, _TAGS))
    return _with(row, tags=tags, vector=event.vector)


def _moderated(row: MomentRow, event: ContentModerated, commit: Commit) -> MomentRow:
    return _with(row, verdict=event.verdict)


def _ruled(row: MomentRow, event: ModerationRuled, commit: Commit) -> MomentRow:
    return _with(row, ruled=event.verdict)


def _favourite(row: MomentRow, event: FavouriteSet, commit: Commit) -> MomentRow:
    return _with(row, favourite=event.favourite)


def _trashed(row: MomentRow, event: AssetTrashed, commit: Commit) -> MomentRow:
    at = commit.recorded_at.isoformat()
    return structs.replace(_with(row, trashed=at), trashed=at)


def _restored(row: MomentRow, event: AssetRestored, commit: Commit) -> MomentRow:
    return structs.replace(_with(row, trashed=None), trashed=None)


def _detected(row: MomentRow, event: FacesDetected, commit: Commit) -> MomentRow:
    faces = (SeenFace(not f.doubts, round(f.box.width * f.box.height, 4)) for f in event.faces)
    return _with(row, faces=tuple(faces))


def _erased(row: MomentRow, event: FacesErased, commit: Commit) -> MomentRow:
    return _with(row, faces=())


def _assigned(row: MomentRow, event: FaceAssigned, commit: Commit) -> MomentRow:
    return _whose(row, event.face, event.person)


def _unassigned(row: MomentRow, event: FaceUnassigned, commit: Commit) -> MomentRow:
    return _whose(row, event.face, None)


def _whose(row: MomentRow, number: int, person: str | None) -> MomentRow:
    faces = row.moment.faces
    if number >= len(faces):
        return row
    return _with(row, faces=(*faces[:number], structs.replace(faces[number], person=person), *faces[number + 1 :]))


def _stacked(row: MomentRow, event: Stacked, commit: Commit) -> MomentRow:
    stacks = placed(row.stacks, event)
    return structs.replace(_with(row, behind=main_of(stacks)), stacks=stacks)


def _processed(row: MomentRow, event: AssetProcessed, commit: Commit) -> MomentRow:
    return structs.replace(row, processed=True)


_ON: dict[type[Event], Fold] = {
    AssetUploaded: _uploaded,
    FileValidated: _validated,
    FileQuarantined: _refused,
    MetadataExtracted: _described,
    PlaceResolved: _named,
    RenditionsGenerated: _rendered,
    QualityScored: _measured,
    FingerprintComputed: _fingerprint,
    AssetTagged: _tagged,
    ContentModerated: _moderated,
    ModerationRuled: _ruled,
    FacesDetected: _detected,
    FacesErased: _erased,
    FaceAssigned: _assigned,
    FaceUnassigned: _unassigned,
    FavouriteSet: _favourite,
    AssetTrashed: _trashed,
    AssetRestored: _restored,
    Stacked: _stacked,
    AssetProcessed: _processed,
}


def _noted(fold: Fold) -> Fold:
    """A fold that also notes when the row changed, once the asset has been processed for the first time."""

    def folded(row: MomentRow, event: Any, commit: Commit) -> MomentRow:
        after = fold(row, event, commit)
        return structs.replace(after, changed_us=commit.recorded_us) if after.processed else after

    return folded


def changed_key(us: int) -> str:
    """A moment of change as the index `changed` is sorted by it."""
    return f"{us:020}"


class Moments(Projection[MomentRow]):
    """Assets by the time they were taken, and by the time they changed."""

    name = "moments"
    version = 1
    about = "pictures as memories see them: when, where, who, what, how good; by local time and by change"
    indexes = ("time", "changed")
    state = MomentRow
    on = {event: _noted(fold) for event, fold in _ON.items()}

    def keys(self, state: MomentRow) -> tuple[str | None, ...]:
        """In `time` when it may be in a memory, as far as its own stream says; in `changed` once it is processed."""
        listed = state.processed and state.moment.listed
        return (state.moment.local if listed else None, changed_key(state.changed_us) if state.changed_us else None)

    def trash_keys(self, state: MomentRow) -> tuple[str | None, ...]:
        """What was put into the trash has changed, too."""
        return self.keys(state)

    def show(self, state: MomentRow, locate: Locate) -> dict[str, Any]:
        """The moment; nothing in it leads to the file's bytes."""
        shown: dict[str, Any] = plain(structs.replace(state.moment, vector=None))
        return {"asset": state.moment.asset, **shown}

    def safety(self, state: MomentRow) -> Safety:
        """See `Projection.safety`."""
        return state.moment.safety

    def verdict(self, state: MomentRow) -> Verdict | None:
        """See `Projection.verdict`."""
        return standing(state.moment.verdict, state.moment.ruled)
