"""Files that a share hands out: renditions as they are, as these hold nothing but pixels; and files in full size
without what they say of themselves, under names that say nothing.

    JPEG, PNG, WebP, GIF    the original, its pixels untouched, without metadata and without what lies behind the
    picture what browsers can't show (HEIC, RAW, TIFF ...)   the full-size JPEG that was made of it AVIF
    the large rendition: nothing here rewrites that container videos                  the MP4 that was made of it;
    where the original plays itself, its packets in a new container
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from domain.asset import Asset, asset_stream, fold
from domain.errors import MediaFailed, MediaRejected, NotFound
from domain.events import StepRun, TranscodePlanned, VideoAnalyzed
from domain.eventstore import EventStore
from domain.ports import BlobStore, MediaEngine
from domain.transcoding import grid_rate

__all__ = ["Files", "Handed", "full_size", "rendition"]


class Files(Protocol):
    """What of a vault is needed to make a file."""

    @property
    def store(self) -> EventStore:
        """The history."""
        ...

    @property
    def blobs(self) -> BlobStore:
        """Bytes."""
        ...

    @property
    def media(self) -> MediaEngine:
        """Decoders; asked only for what is not there yet."""
        ...

    @property
    def scratch(self) -> Path:
        """A folder for temporary files."""
        ...


class Handed(Struct, frozen=True):
    """A file to hand out."""

    blob: str  # in the store of what was derived: never an original, whose key may hold its name
    suffix: str
    media_type: str
    bytes: int


def full_size(vault: Files, owner: str, asset: str) -> Handed:
    """The file in full size that holds no metadata. What has to be made is stored like a rendition.

    Cost: the asset's stream; where something has to be made, the original is read and the copy written.
    Raises:
        NotFound: there is none, or it can't be made here.
    """
    state = fold(asset_stream(owner, asset), vault.store.load(asset_stream(owner, asset)).events)
    if state.uploaded is None or state.validated is None or state.quarantined is not None:
        raise NotFound("there is no such file")
    if state.validated.kind == "video":
        return _video(vault, state)
    made = state.renditions.renditions if state.renditions else ()
    full = next((each for each in made if each.name == "full" and each.format == "jpeg"), None)
    if full is not None:
        return Handed(full.blob, "jpg", "image/jpeg", full.size_bytes)
    try:
        return _stripped(vault, state.uploaded.blob)
    except MediaRejected:
        large = [each for each in made if each.format == "jpeg" and each.name in ("small", "medium", "large")]
        if not large:
            raise NotFound("there is no picture of it to hand out") from None
        best = max(large, key=lambda each: each.width * each.height)
        return Handed(best.blob, "jpg", "image/jpeg", best.size_bytes)


def rendition(state: object, name: str) -> Handed:
    """A rendition by its name, of a gallery row: `small`, `medium`, `large`, `preview`.

    Raises:
        NotFound: there is none.
    """
    pictures = getattr(state, "renditions", {})
    if name in ("small", "medium", "large") and name in pictures:
        return Handed(pictures[name].blob, "jpg", "image/jpeg", pictures[name].bytes)
    moving = getattr(state, "preview", None)
    if name == "preview" and moving is not None:
        return Handed(moving.blob, "webp", "image/webp", moving.bytes)
    mp4 = getattr(state, "mp4", None)
    if name == "play" and mp4 is not None:
        return Handed(mp4.blob, "mp4", "video/mp4", mp4.bytes)
    raise NotFound("there is no such file")


def _stripped(vault: Files, original: str) -> Handed:
    with tempfile.TemporaryDirectory(dir=vault.scratch) as folder, vault.blobs.file(original) as source:
        made = vault.media.strip(source, Path(folder))
        key = vault.blobs.put_files([Path(made.path)])[0]
    return Handed(key, Path(made.path).suffix[1:], made.media_type, made.bytes)


def _video(vault: Files, state: Asset) -> Handed:
    found = state.transcoded
    if found is not None and found.mp4 is not None:
        return Handed(found.mp4.blob, "mp4", "video/mp4", found.mp4.size_bytes)
    if state.video is None or not (state.video.web_ready or (found is not None and found.original_plays)):
        raise NotFound("the video is not ready yet: try again later")
    assert state.uploaded is not None
    planned = _copied(state.video)
    try:
        with tempfile.TemporaryDirectory(dir=vault.scratch) as folder, vault.blobs.file(state.uploaded.blob) as source:
            joined = vault.media.join(
                source, Path(folder), state.video, planned, [], None, copy_sound=planned.audio == "copy"
            )
            key = vault.blobs.put_files([Path(joined.path)])[0]
    except MediaFailed as error:  # on AWS the API has no decoders
        raise NotFound("this video can't be handed out without its metadata from here") from error
    return Handed(key, "mp4", "video/mp4", joined.bytes)


def _copied(found: VideoAnalyzed) -> TranscodePlanned:
    """A plan that encodes nothing: the original's own packets in a new container, which says nothing of its own."""
    rate = grid_rate(found.video.frame_rate)
    return TranscodePlanned(
        run=StepRun(step="transcode", version=1, attempt=1),
        mp4="copy",
        audio="copy" if found.audio is not None else "none",
        stream=False,
        reasons=("it leaves without its metadata",),
        frame_rate=(rate.numerator, rate.denominator),
        gop_frames=1,
        segment_frames=1,
    )
