"""Search documents: what an asset can be found by. The rows are the truth; an index holds a copy of them that can be
searched, written just before the row by `projections.indexing` (docs/adr/0015-search-index-behind-the-rows.md).
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from domain.commits import Commit
from domain.events import (
    AssetEmbedded,
    AssetTagged,
    AssetUploaded,
    FavouriteSet,
    FileQuarantined,
    FileValidated,
    MetadataExtracted,
    PlaceResolved,
    Stacked,
)
from domain.search import Document
from domain.taxonomy import ancestors
from projections.base import Locate, Projection
from projections.stacking import Placement, main_of, parts_of, placed

FAVOURITE_STARS = 4


class SearchRow(Struct, frozen=True, array_like=True):
    """A document, and what decides whether it is in the index."""

    document: Document = Document()
    refused: bool = False
    motion: bool = False
    stacks: dict[str, Placement] = {}
    asset: str = ""
    favourite: bool = False  # said by the owner
    trashed: str | None = None


def _with(row: SearchRow, **changes: Any) -> SearchRow:
    return structs.replace(row, document=structs.replace(row.document, **changes))


def _uploaded(row: SearchRow, event: AssetUploaded, commit: Commit) -> SearchRow:
    begun = _with(row, file_name=event.file_name, taken=commit.recorded_at.isoformat())
    return structs.replace(begun, asset=commit.stream.rpartition("#")[2])


def _validated(row: SearchRow, event: FileValidated, commit: Commit) -> SearchRow:
    return structs.replace(_with(row, kind=event.kind), refused=False)


def _refused(row: SearchRow, event: FileQuarantined, commit: Commit) -> SearchRow:
    return structs.replace(row, refused=True)


def _favourite(row: SearchRow, event: FavouriteSet, commit: Commit) -> SearchRow:
    return structs.replace(row, favourite=event.favourite)


def _described(row: SearchRow, event: MetadataExtracted, commit: Commit) -> SearchRow:
    position, taken = event.position, event.taken_at
    changed = _with(
        row,
        taken=taken.local if taken else row.document.taken,
        dated=taken is not None,
        description=event.description or "",
        keywords=event.keywords,
        rating=event.rating,
        camera=(event.camera.name or "") if event.camera else "",
        latitude=position.latitude if position else None,
        longitude=position.longitude if position else None,
        city="",  # of a position before; the step `place` names this one
        region="",
        country="",
    )
    return structs.replace(changed, motion=event.motion is not None)


def _named(row: SearchRow, event: PlaceResolved, commit: Commit) -> SearchRow:
    return _with(row, city=event.city or "", region=event.region or "", country=event.country)


def _tagged(row: SearchRow, event: AssetTagged, commit: Commit) -> SearchRow:
    names = tuple(dict.fromkeys(tag.name for tag in event.tags))
    parents = tuple(dict.fromkeys(above for name in names for above in ancestors(name) if above not in names))
    return _with(row, tags=names, parents=parents, picture=event.vector)


def _embedded(row: SearchRow, event: AssetEmbedded, commit: Commit) -> SearchRow:
    return _with(row, vector=event.vector)


def _stacked(row: SearchRow, event: Stacked, commit: Commit) -> SearchRow:
    return structs.replace(row, stacks=placed(row.stacks, event))


class Search(Projection[SearchRow]):
    """A search document for each asset."""

    name = "search"
    version = 2
    about = "what each asset can be found by; an index beside it answers searches"
    state = SearchRow
    on = {
        AssetUploaded: _uploaded,
        FileValidated: _validated,
        FileQuarantined: _refused,
        MetadataExtracted: _described,
        PlaceResolved: _named,
        AssetTagged: _tagged,
        AssetEmbedded: _embedded,
        Stacked: _stacked,
        FavouriteSet: _favourite,
    }

    def document(self, row: SearchRow) -> Document | None:
        """The document as an index holds it; None for what is refused, not validated yet, shown with another, or in the
        trash."""
        if row.refused or self.in_trash(row) or row.document.kind is None or main_of(row.stacks):
            return None
        roles = [part["role"] for part in parts_of(row.stacks)]
        held = row.document
        flags = {
            "favourite": row.favourite or (held.rating is not None and held.rating >= FAVOURITE_STARS),
            "live": row.motion or "live_video" in roles,
            "video": held.kind == "video",
            "raw": "raw" in roles,
            "burst": "burst_frame" in roles,
            "located": held.latitude is not None,
            "rated": bool(held.rating),
        }
        return structs.replace(held, flags=tuple(flag for flag, holds in flags.items() if holds))

    def show(self, state: SearchRow, locate: Locate) -> dict[str, Any]:
        """The document by field; nothing in it leads to the file's bytes."""
        shown = structs.asdict(structs.replace(state.document, vector=None, picture=None))
        return {"asset": state.asset, **shown}
