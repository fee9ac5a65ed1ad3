"""Renditions: every picture made of an asset, in every format, with its size. What a server needs to deliver one."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, structs

from domain.commits import Commit
from domain.events import (
    AssetUploaded,
    ContentModerated,
    FileQuarantined,
    FileValidated,
    ModerationRuled,
    PosterExtracted,
    RenditionsGenerated,
    VideoTranscoded,
)
from domain.moderation import Verdict, standing
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
    of_video: tuple[Picture, ...] = ()  # a video's poster, preview and scrub strip
    web: tuple[Picture, ...] = ()  # a video's MP4 that plays everywhere, and the playlists of its stream's renditions
    stream: str | None = None  # HLS master playlist's blob
    safety: Safety = "unknown"
    verdict: Verdict | None = None
    ruled: Verdict | None = None  # by a person
    trashed: str | None = None


def _uploaded(state: RenditionSet, event: AssetUploaded, commit: Commit) -> RenditionSet:
    return RenditionSet(asset=commit.stream.rpartition("#")[2], original=event.blob)


def _rendered(state: RenditionSet, event: RenditionsGenerated, commit: Commit) -> RenditionSet:
    pictures = tuple([Picture(r.name, r.format, r.blob, r.width, r.height, r.size_bytes) for r in event.renditions])
    return structs.replace(state, renditions=pictures, thumbhash=event.thumbhash, engine=event.engine)


def _validated(state: RenditionSet, event: FileValidated, commit: Commit) -> RenditionSet:
    return structs.replace(state, safety=event.scan.status)


def _poster(state: RenditionSet, event: PosterExtracted, commit: Commit) -> RenditionSet:
    pictures = [Picture("poster", event.format, event.blob, event.width, event.height, event.size_bytes)]
    for name, made in (("preview", event.preview), ("strip", event.strip)):
        if made is not None:
            pictures.append(Picture(name, made.format, made.blob, made.width, made.height, made.size_bytes))
    return structs.replace(state, of_video=tuple(pictures))


def _transcoded(state: RenditionSet, event: VideoTranscoded, commit: Commit) -> RenditionSet:
    made = [Picture(r.name, "hls", r.playlist, r.width, r.height, r.size_bytes) for r in event.renditions]
    if event.mp4 is not None:
        made.insert(0, Picture("web", "mp4", event.mp4.blob, event.mp4.width, event.mp4.height, event.mp4.size_bytes))
    return structs.replace(state, web=tuple(made), stream=event.master)


def _moderated(state: RenditionSet, event: ContentModerated, commit: Commit) -> RenditionSet:
    return structs.replace(state, verdict=event.verdict)


def _ruled(state: RenditionSet, event: ModerationRuled, commit: Commit) -> RenditionSet:
    return structs.replace(state, ruled=event.verdict)


def _quarantined(state: RenditionSet, event: FileQuarantined, commit: Commit) -> RenditionSet:
    return structs.replace(state, renditions=(), thumbhash=None, of_video=(), web=(), stream=None, safety="refused")


class Renditions(Projection[RenditionSet]):
    """Pictures by asset."""

    name = "renditions"
    version = 6
    about = "every picture and video made of an asset: name, format, size, where it is"
    state = RenditionSet
    on = {
        AssetUploaded: _uploaded,
        FileValidated: _validated,
        RenditionsGenerated: _rendered,
        PosterExtracted: _poster,
        VideoTranscoded: _transcoded,
        FileQuarantined: _quarantined,
        ContentModerated: _moderated,
        ModerationRuled: _ruled,
    }

    def safety(self, state: RenditionSet) -> Safety:
        """See `Projection.safety`."""
        return state.safety

    def verdict(self, state: RenditionSet) -> Verdict | None:
        """See `Projection.verdict`."""
        return standing(state.verdict, state.ruled)

    def withhold(self, state: RenditionSet) -> RenditionSet:
        """Without anything made of it, and without the way to the original."""
        return structs.replace(state, renditions=(), thumbhash=None, original="", of_video=(), web=(), stream=None)

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
                for r in (*state.renditions, *state.of_video, *state.web)
            ],
            "stream": locate(state.stream) if state.stream else None,
        }
