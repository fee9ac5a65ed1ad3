"""Storage: an owner's bytes by kind, by what was made of the originals, and by the month of upload, which is their age.

Bytes count for each asset that names them; files of the same bytes lie in the vault once, and count here each time.
"""

from __future__ import annotations

from msgspec import Struct, structs

from domain.commits import Commit
from domain.events import (
    AssetProcessed,
    AssetUploaded,
    FileValidated,
    MetadataExtracted,
    PosterExtracted,
    RenditionsGenerated,
    SidecarAttached,
    VideoTranscoded,
)
from projections.base import Projection, Totals

__all__ = ["Storage", "Stored"]


class Stored(Struct, frozen=True, array_like=True, gc=False):
    """What one asset takes."""

    month: str = ""  # of upload; empty: nothing was uploaded
    original: int = 0
    kind: str = "unknown"  # until validation says `image` or `video`; also of what is quarantined
    pictures: dict[str, int] = {}  # "small/webp": bytes
    poster: dict[str, int] = {}  # poster, preview and scrub strip of a video
    streams: int = 0  # MP4, and all parts of the stream
    motion: int = 0  # the video inside a motion photo
    sidecars: int = 0
    trashed: str | None = None


def _uploaded(state: Stored, event: AssetUploaded, commit: Commit) -> Stored:
    return Stored(f"{commit.recorded_at:%Y-%m}", event.size_bytes)


def _validated(state: Stored, event: FileValidated, commit: Commit) -> Stored:
    return structs.replace(state, kind=event.kind)


def _rendered(state: Stored, event: RenditionsGenerated, commit: Commit) -> Stored:
    made: dict[str, int] = {}
    for rendition in event.renditions:
        name = f"{rendition.name}/{rendition.format}"
        made[name] = made.get(name, 0) + rendition.size_bytes
    return structs.replace(state, pictures=made)


def _poster(state: Stored, event: PosterExtracted, commit: Commit) -> Stored:
    made = {f"poster/{event.format}": event.size_bytes}
    if event.preview:
        made[f"motion preview/{event.preview.format}"] = event.preview.size_bytes
    if event.strip:
        made[f"scrub strip/{event.strip.format}"] = event.strip.size_bytes
    return structs.replace(state, poster=made)


def _transcoded(state: Stored, event: VideoTranscoded, commit: Commit) -> Stored:
    return structs.replace(state, streams=event.size_bytes)


def _described(state: Stored, event: MetadataExtracted, commit: Commit) -> Stored:
    return structs.replace(state, motion=event.motion.size_bytes if event.motion else 0)


def _sidecar(state: Stored, event: SidecarAttached, commit: Commit) -> Stored:
    return structs.replace(state, sidecars=state.sidecars + event.size_bytes)


def _processed(state: Stored, event: AssetProcessed, commit: Commit) -> Stored:
    return structs.replace(state, kind="quarantined") if event.state == "quarantined" else state


class Storage(Projection[Stored]):
    """Bytes in totals `made` (what was made, by name and format), `kind:<kind>`, `month:<month of upload>`, `trash`."""

    name = "storage"
    version = 1
    about = "an owner's bytes: originals by kind and month of upload, what was made of them, the trash"
    has_totals = True
    state = Stored
    on = {
        AssetUploaded: _uploaded,
        FileValidated: _validated,
        RenditionsGenerated: _rendered,
        PosterExtracted: _poster,
        VideoTranscoded: _transcoded,
        MetadataExtracted: _described,
        SidecarAttached: _sidecar,
        AssetProcessed: _processed,
    }

    def totals(self, state: Stored) -> Totals:
        """This asset's share."""
        if not state.month:
            return {}
        totals = {
            f"kind:{state.kind}": {"assets": 1, "original_bytes": state.original},
            f"month:{state.month}": {"assets": 1, "original_bytes": state.original},
        }
        if made := _made(state):
            totals["made"] = made
        return totals

    def trash_totals(self, state: Stored) -> Totals:
        """Counted apart, all that would become free."""
        return {"trash": {"assets": 1, "original_bytes": state.original, "made_bytes": sum(_made(state).values())}}


def _made(state: Stored) -> dict[str, int]:
    made = state.pictures | state.poster
    for name, count in (("streams", state.streams), ("motion", state.motion), ("sidecars", state.sidecars)):
        if count:
            made[name] = count
    return made
