"""Every event, as a frozen typed struct; this file is the source of the schemas in `events_schema/`.

An event says what has happened, in the past tense, and is never changed. A class here is the *current* version of its
type; older recorded versions are lifted by `events_schema.upcasters` when they are read. To change one: add a field
with a default (nothing more to do), or raise `VERSION` and write an upcaster; `make schemas` writes the contract and
refuses what old events or old readers could not survive.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

from msgspec import Meta, Struct

from domain.behaviour_events import BEHAVIOUR_EVENTS
from domain.event_base import (
    ERASED,
    AssetId,
    BlobKey,
    Event,
    Notes,
    Outcome,
    Pixels,
    Reason,
    Sha256,
    SizeBytes,
    StepName,
    StepRun,
)
from domain.event_base import doc as _doc
from domain.likeness import MAX_LOOKALIKES, Lookalike
from domain.media import Camera, DateCandidate, Kind, MotionVideo, Position, TakenAt
from domain.memory_events import MEMORY_EVENTS
from domain.notification_events import NOTIFICATION_EVENTS
from domain.recognition_events import (
    AssetEmbedded,
    AssetTagged,
    ContentModerated,
    FaceAssigned,
    FaceRecognitionAgreed,
    FaceRecognitionWithdrawn,
    FaceRejected,
    FaceRejectionUndone,
    FacesDetected,
    FacesErased,
    FacesIdentified,
    FaceUnassigned,
    ModerationPolicySet,
    ModerationRuled,
    PersonDecisionUndone,
    PersonDiscovered,
    PersonForgotten,
    PersonHidden,
    PersonNamed,
    PersonsMerged,
    PersonSplit,
)
from domain.share_events import SHARE_EVENTS
from domain.streaming import ChunkFile, Part, Rung, StreamRendition, VideoFile
from domain.video import AudioTrack, VideoQuality, VideoTrack

__all__ = [
    "EVENTS",
    "AssetEmbedded",
    "AssetTagged",
    "ContentModerated",
    "Event",
    "FaceAssigned",
    "FaceRecognitionAgreed",
    "FaceRecognitionWithdrawn",
    "FaceRejected",
    "FaceRejectionUndone",
    "FaceUnassigned",
    "FacesDetected",
    "FacesErased",
    "FacesIdentified",
    "ModerationPolicySet",
    "ModerationRuled",
    "Outcome",
    "PersonDecisionUndone",
    "PersonDiscovered",
    "PersonForgotten",
    "PersonHidden",
    "PersonNamed",
    "PersonSplit",
    "PersonsMerged",
    "StepRun",
]


# --- the asset's life ------------------------------------------------------------------------------------------------


class AssetUploaded(Event, frozen=True, kw_only=True):
    """A photo or a video entered the vault; its bytes are in the blob store."""

    WHEN = "A file was imported, or an object appeared in the upload bucket."
    BY = "ingest"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"file_name": ERASED, "blob": ERASED, "path": None, "modified_at": None}

    file_name: Annotated[str, _doc("The name that the file came with, without folders.", min_length=1, max_length=1024)]
    size_bytes: SizeBytes
    blob: BlobKey
    source: Annotated[str, _doc("Where it came from: `folder`, `s3` or `api`.", min_length=1, max_length=32)]
    path: Annotated[str, _doc("Full path or object key that it was read from.", max_length=4096)] | None = None
    sha256: Annotated[Sha256 | None, _doc("SHA-256 of the bytes, when the importer has read them.")] = None
    modified_at: Annotated[datetime, _doc("The file's own modification time.", "UTC", tz=True)] | None = None


class AssetSeenAgain(Event, frozen=True, kw_only=True):
    """The same bytes turned up at another path; no second asset was made."""

    WHEN = "An import met bytes that its owner's vault already holds, at a path not seen before."
    BY = "ingest"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"path": ERASED, "file_name": ERASED, "modified_at": None}

    path: Annotated[str, _doc("Full path or object key of the other copy.", min_length=1, max_length=4096)]
    file_name: Annotated[str, _doc("The other copy's name, without folders.", min_length=1, max_length=1024)]
    modified_at: Annotated[datetime | None, _doc("The other copy's own modification time.", "UTC")] = None


class SidecarAttached(Event, frozen=True, kw_only=True):
    """A small file beside the picture says something of it: its bytes are kept, and its metadata is judged again."""

    WHEN = "An import found a sidecar beside a file of the vault that was not there before, or that had changed."
    BY = "ingest"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"file_name": ERASED, "path": None, "modified_at": None}

    kind: Annotated[Literal["xmp", "takeout"], _doc("`xmp`: Adobe's format; `takeout`: JSON of a Google Takeout.")]
    file_name: Annotated[str, _doc("Name of the sidecar, without folders.", min_length=1, max_length=1024)]
    blob: BlobKey
    sha256: Sha256
    size_bytes: SizeBytes
    path: Annotated[str, _doc("Full path that it was read from.", max_length=4096)] | None = None
    modified_at: Annotated[datetime | None, _doc("The sidecar's own modification time.", "UTC")] = None


class AssetProcessed(Event, frozen=True, kw_only=True):
    """Every step that applies to the asset has come to an end."""

    WHEN = "The last step that was due ended; again after each reprocessing."
    BY = "the step that ended last"

    state: Annotated[
        Literal["done", "quarantined", "given_up"],
        _doc("`done`; `quarantined`: the file was refused; `given_up`: a step failed for good."),
    ]


class ReprocessRequested(Event, frozen=True, kw_only=True):
    """Somebody asked for a step to run again. What it finds is appended; nothing recorded before is changed."""

    WHEN = "`reprocess` was called for the asset."
    BY = "a person"

    step: StepName
    reason: Reason


# --- the four ends of a step -----------------------------------------------------------------------------------------


class FavouriteSet(Event, frozen=True, kw_only=True):
    """The owner marked the asset as a favourite, or took the mark away."""

    WHEN = "`favourite` was called for the asset, and it stood otherwise before."
    BY = "a person"

    favourite: Annotated[bool, _doc("Whether it is one from now on.")]


class AssetTrashed(Event, frozen=True, kw_only=True):
    """The asset was put into its owner's trash: no view shows it, nothing is deleted, and it can be taken out again."""

    WHEN = "`trash add` was called for the asset, or for one that it stands behind."
    BY = "a person"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"reason": ERASED}

    reason: Reason


class AssetRestored(Event, frozen=True, kw_only=True):
    """The asset was taken out of the trash."""

    WHEN = "`trash restore` was called, or an import met the asset's file again."
    BY = "a person"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"reason": ERASED}

    reason: Reason


class AssetErased(Event, frozen=True, kw_only=True):
    """The asset is gone for good: the key of its personal fields and its files are destroyed. That it was there, and
    what was done when, stays in the history."""

    WHEN = "The trash was emptied of it, or `erase` was called; its files and its key are destroyed right after."
    BY = "a person, or upkeep 30 days after it went into the trash"

    why: Annotated[
        Literal["asked", "trash_emptied", "trash_expired"],
        _doc("`asked`: its owner named it; the others: it was in the trash."),
    ]


class StepSkipped(Outcome, frozen=True, kw_only=True):
    """A step does not apply to this asset, or its owner's policy forbids it. An end."""

    WHEN = "The step before it showed that this one does not apply."
    BY = "any step"

    reason: Reason


class StepFailed(Outcome, frozen=True, kw_only=True):
    """An attempt failed and will be made again."""

    WHEN = "A step raised an error that a retry may cure."
    BY = "any step"

    error: Annotated[str, _doc("Class of the error.", min_length=1, max_length=200)]
    message: Reason
    next_attempt_at: Annotated[datetime, _doc("When the next attempt is due at the earliest.", "UTC", tz=True)]


class StepGivenUp(Outcome, frozen=True, kw_only=True):
    """A step failed for good: after its last attempt, or at once because a retry can't help. An end."""

    WHEN = "The last attempt failed, or the error was one that a retry can't cure (such as a corrupt file)."
    BY = "any step"

    error: Annotated[str, _doc("Class of the error, or the media engine's code for it.", min_length=1, max_length=200)]
    message: Reason
    retryable: Annotated[bool, _doc("False when more attempts could not have helped.")] = True


# --- what the steps found --------------------------------------------------------------------------------------------


class Scan(Struct, frozen=True, kw_only=True, gc=False):
    """What the malware scanner said."""

    status: Annotated[
        Literal["not_scanned", "clean", "infected", "failed"], _doc("How the scan ended, if there was one.")
    ]
    engine: Annotated[str | None, _doc("Name and version of the scanner.")] = None
    signatures: Annotated[str | None, _doc("Version or date of the signature database.")] = None
    threat: Annotated[str | None, _doc("What the scanner calls the find.")] = None
    reason: Annotated[str, _doc("Why it failed, in a sentence for a person.", max_length=2000)] | None = None


class FileValidated(Outcome, frozen=True, kw_only=True):
    """The bytes are what they should be: a known type, whole, and within the limits."""

    WHEN = "The file's pixels could be decoded from end to end."
    BY = "validate"

    media_type: Annotated[str, _doc("Type by content, never by name.", min_length=3, max_length=100)]
    kind: Kind
    sha256: Sha256
    size_bytes: SizeBytes
    width: Pixels
    height: Pixels
    frames: Annotated[int, _doc("Pictures in the file: 1 unless animated or multi-page.", ge=0)] = 1
    scan: Annotated[Scan, _doc("What the malware scanner said.")] = Scan(status="not_scanned")
    notes: Notes = ()


class FileQuarantined(Outcome, frozen=True, kw_only=True):
    """The file is refused: kept, never served, never processed further."""

    WHEN = "The content is no picture or video, is cut short, corrupt, infected or two things at once, or over a limit."
    BY = "validate"

    code: Annotated[str, _doc("Stable word for programs, e.g. `truncated`.", min_length=1, max_length=64)]
    reason: Reason
    sha256: Sha256 | None = None
    size_bytes: SizeBytes = 0
    media_type: Annotated[str | None, _doc("Type by content, as far as it could be told.")] = None
    scan: Annotated[Scan, _doc("What the malware scanner said.")] = Scan(status="not_scanned")


class DuplicateFound(Event, frozen=True, kw_only=True):
    """Another asset of the owner holds the same picture."""

    WHEN = "The content, known only after the upload, turned out to be in the vault already."
    BY = "validate"

    of: Annotated[str, _doc("Id of the asset that was there first.", min_length=1, max_length=64)]
    kind: Annotated[Literal["exact"], _doc("`exact`: the same bytes.")] = "exact"


class MetadataExtracted(Outcome, frozen=True, kw_only=True):
    """What the file says of itself: when, where, with which camera; with sources and what else was offered."""

    WHEN = "After validation."
    BY = "metadata"
    PERSONAL: ClassVar[Mapping[str, Any]] = {
        "taken_at": None,
        "taken_at_utc": None,
        "alternatives": (),
        "camera": None,
        "position": None,
        "description": None,
        "keywords": (),
        "rating": None,
        "stacks": (),
    }

    width: Pixels
    height: Pixels
    orientation: Annotated[int, _doc("EXIF orientation as stored in the file.", ge=1, le=8)] = 1
    taken_at: Annotated[TakenAt | None, _doc("When, by the clock of the place; with its source.")] = None
    taken_at_utc: Annotated[datetime, _doc("The same moment, when an offset is known.", "UTC", tz=True)] | None = None
    alternatives: Annotated[tuple[DateCandidate, ...], _doc("Dates that were offered and not chosen.")] = ()
    camera: Annotated[Camera | None, _doc("What took the picture, and how.")] = None
    position: Annotated[Position | None, _doc("Where the camera was.")] = None
    description: Annotated[str, _doc("Caption in the file, cut at 2,000 characters.", max_length=2000)] | None = None
    tags_blob: Annotated[str | None, _doc("Blob with every tag that was read, as JSON.")] = None
    notes: Notes = ()
    rating: Annotated[int, _doc("Stars from 0 to 5; -1: rejected.", "stars", ge=-1, le=5)] | None = None
    keywords: Annotated[tuple[str, ...], _doc("Keywords that a person gave it.", max_length=100)] = ()
    motion: Annotated[MotionVideo | None, _doc("The video inside a motion photo.")] = None
    stacks: Annotated[
        tuple[str, ...], _doc("Ids of the stacks where it meets files that may belong to it.", max_length=10)
    ] = ()


class PlaceResolved(Outcome, frozen=True, kw_only=True):
    """The position in words."""

    WHEN = "After metadata with a position; each time that metadata is extracted again."
    BY = "place"
    PERSONAL: ClassVar[Mapping[str, Any]] = {
        "latitude": 0.0,
        "longitude": 0.0,
        "country": ERASED,
        "country_code": "--",
        "distance_km": 0.0,
        "city": None,
        "region": None,
    }

    latitude: Annotated[float, _doc("The position asked: north of the equator.", "degrees")]
    longitude: Annotated[float, _doc("The position asked: east of Greenwich.", "degrees")]
    country: Annotated[str, _doc("Name of the country.", min_length=1, max_length=200)]
    country_code: Annotated[str, _doc("ISO 3166-1 alpha-2.", min_length=2, max_length=2)]
    distance_km: Annotated[float, _doc("From the position to the centre of the nearest city.", "km", ge=0)]
    source: Annotated[str, _doc("Who made the data, its date and its licence.", min_length=1, max_length=200)]
    city: Annotated[str, _doc("Name of the city; null when none is near.", max_length=200)] | None = None
    region: Annotated[str, _doc("Name of the state, province or county.", max_length=200)] | None = None
    notes: Notes = ()


class Rendition(Struct, frozen=True, kw_only=True, gc=False):
    """One picture made of an original, upright, sRGB, without any metadata."""

    name: Annotated[
        str,
        _doc(
            "`small`, `medium`, `large`; `full` (a JPEG of all pixels, where a browser can't show the original); "
            "`preview` (the first seconds of an animation, small); `web` (a copy in full size, made on request).",
            min_length=1,
            max_length=32,
        ),
    ]
    format: Annotated[str, _doc("`jpeg`, `webp` or `avif`.", min_length=1, max_length=16)]
    blob: BlobKey
    width: Pixels
    height: Pixels
    size_bytes: SizeBytes


class RenditionsGenerated(Outcome, frozen=True, kw_only=True):
    """The pictures that are shown in place of the original."""

    WHEN = "After validation of an image, and after a poster was taken from a video."
    BY = "renditions"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"thumbhash": ERASED}

    renditions: Annotated[tuple[Rendition, ...], _doc("The pictures, each under its name.")]
    thumbhash: Annotated[str, _doc("Placeholder picture of at most 25 bytes, base64 (thumbhash).", max_length=64)]
    engine: Annotated[str, _doc("Library and version that decoded and resized.", max_length=100)]
    notes: Notes = ()
    original_bytes: Annotated[int, _doc("Length of the original; 0 in older events.", "bytes", ge=0)] = 0
    saved_bytes: Annotated[
        int, _doc("By how much the smallest `web` copy is smaller than the original; 0 without one.", "bytes", ge=0)
    ] = 0


class QualityScored(Event, frozen=True, kw_only=True):
    """How good a picture is to look at, as measured (`domain.quality`) on the picture that is shown."""

    WHEN = "In the commit of each RenditionsGenerated."
    BY = "renditions"

    sharpness: Annotated[
        float, _doc("Mean absolute Laplacian in the sharpest tenth; under 5 is blurred.", "grey levels", ge=0)
    ]
    exposure: Annotated[float, _doc("Mean brightness: 0 black, 1 white.", ge=0, le=1)]
    contrast: Annotated[float, _doc("Standard deviation of brightness.", ge=0, le=1)]
    dark: Annotated[float, _doc("Share of the picture that is nearly black.", ge=0, le=1)]
    resolution: Annotated[float, _doc("Of the original.", "megapixels", ge=0)]


class VideoAnalyzed(Outcome, frozen=True, kw_only=True):
    """What a video is made of, and how good it is. Its poster is in the same commit."""

    WHEN = "After validation of a video."
    BY = "video"

    container: Annotated[str, _doc("`mp4`, `mov`, `3gp`, `webm` or `matroska`.", min_length=1, max_length=32)]
    brand: Annotated[str, _doc("Major brand of an ISO media file, e.g. `isom`, `qt`.", max_length=8)] | None = None
    duration_ms: Annotated[int, _doc("How long it plays, when that is known.", "ms", ge=0)] | None = None
    bitrate: Annotated[int, _doc("Of all tracks together.", "bit/s", ge=0)] | None = None
    fast_start: Annotated[
        bool | None, _doc("Whether the index is before the media (`moov` before `mdat`); null: no ISO media file.")
    ] = None
    fragmented: Annotated[bool, _doc("Whether an ISO media file comes in fragments (`moof`).")] = False
    video: Annotated[VideoTrack, _doc("The video track.")]
    audio: Annotated[AudioTrack | None, _doc("The first audio track, if there is one.")] = None
    audio_tracks: Annotated[int, _doc("Number of audio tracks.", ge=0)] = 0
    web_ready: Annotated[bool, _doc("Whether browsers play the original as it is.")] = False
    web_obstacles: Annotated[tuple[str, ...], _doc("Why it is not web-ready, each a phrase.", max_length=50)] = ()
    quality: Annotated[VideoQuality, _doc("How good it is to look at.")]
    engine: Annotated[str, _doc("Library and version that read and decoded.", max_length=100)]
    notes: Notes = ()


class Preview(Struct, frozen=True, kw_only=True, gc=False):
    """A short moving picture of a video: upright, sRGB, without sound."""

    format: Annotated[str, _doc("`webp`.", min_length=1, max_length=16)]
    blob: BlobKey
    width: Pixels
    height: Pixels
    size_bytes: SizeBytes
    frames: Annotated[int, _doc("Number of pictures.", ge=1)]
    duration_ms: Annotated[int, _doc("How long one round plays.", "ms", ge=1)]


class Strip(Struct, frozen=True, kw_only=True, gc=False):
    """Small pictures of a video at even distances, row by row in one file: what is shown while one scrubs."""

    format: Annotated[str, _doc("`jpeg`.", min_length=1, max_length=16)]
    blob: BlobKey
    width: Pixels
    height: Pixels
    size_bytes: SizeBytes
    columns: Annotated[int, _doc("Tiles in a row.", ge=1)]
    rows: Annotated[int, _doc("Rows of tiles.", ge=1)]
    tiles: Annotated[int, _doc("Number of tiles; the last row may not be full.", ge=1)]
    tile_width: Pixels
    tile_height: Pixels
    interval_ms: Annotated[int, _doc("Time from one tile to the next; tile n stands for n times this.", "ms", ge=0)]


class PosterExtracted(Event, frozen=True, kw_only=True):
    """The picture that stands for a video, upright and in sRGB; with a preview and a scrub strip."""

    WHEN = "In the same commit as VideoAnalyzed."
    BY = "video"

    blob: BlobKey
    format: Annotated[str, _doc("`jpeg`, or `png` when the video has transparency.", min_length=1, max_length=16)]
    width: Pixels
    height: Pixels
    size_bytes: SizeBytes
    at_ms: Annotated[int, _doc("Where in the video it is.", "ms", ge=0)]
    candidates: Annotated[int, _doc("Pictures that it was chosen from.", ge=1)]
    sharpness: Annotated[float, _doc("See `domain/quality.py`.", ge=0)]
    brightness: Annotated[float, _doc("Mean luma, 0 to 1.", ge=0, le=1)]
    contrast: Annotated[float, _doc("Standard deviation of luma, 0 to 1.", ge=0, le=1)]
    tone_mapped: Annotated[bool, _doc("Whether it was brought from HDR to SDR.")] = False
    preview: Annotated[Preview | None, _doc("A short moving picture; null when the video is too short for one.")] = None
    strip: Annotated[Strip | None, _doc("The scrub strip; null when the video is too short for one.")] = None


class FingerprintComputed(Outcome, frozen=True, kw_only=True):
    """What other assets are compared by: a hash of the stored pixels, and one of what the picture looks like."""

    WHEN = "After the renditions of an image, or of a video's poster."
    BY = "fingerprint"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"pixels": None, "phash": None}

    pixels: Annotated[Sha256 | None, _doc("Equal for files with the same pixels under other metadata.")] = None
    phash: Annotated[
        Annotated[str, Meta(pattern="^[0-9a-f]{16}$")] | None,
        _doc("Perceptual hash, 64 bits in hex: pictures that look alike differ in few bits."),
    ] = None
    algorithm: Annotated[str, _doc("Names and versions of both; hashes of others can't be compared.", max_length=100)]
    notes: Annotated[tuple[str, ...], _doc("Why a hash is missing, each a sentence for a person.", max_length=10)] = ()


class LookalikesFound(Outcome, frozen=True, kw_only=True):
    """Other assets of the owner that show the same picture. Of each pair at least the later one names the other."""

    WHEN = "After each fingerprint; also when there are none."
    BY = "duplicates"

    matches: Annotated[
        tuple[Lookalike, ...],
        _doc("Same pixels first, then by distance; the nearest of them, at most 50.", max_length=MAX_LOOKALIKES),
    ] = ()
    more: Annotated[bool, _doc("Whether there were more than are listed, or than were looked at.")] = False


class TranscodePlanned(Outcome, frozen=True, kw_only=True):
    """How a video is to be made ready for the web, and in which parts; each part is one run of the step `encode`."""

    WHEN = "After a video was analysed, when it does not play everywhere as it is or is too heavy to play in one piece."
    BY = "transcode"

    mp4: Annotated[
        Literal["original", "copy", "encode"],
        _doc("What plays everywhere: the original; its packets in a new container; new pictures."),
    ]
    audio: Annotated[Literal["none", "copy", "encode"], _doc("What becomes of the sound.")]
    stream: Annotated[bool, _doc("Whether renditions for HLS are made.")]
    reasons: Annotated[tuple[str, ...], _doc("Why, each a phrase for a person.", max_length=50)]
    frame_rate: Annotated[tuple[int, int], _doc("Pictures a second on the even grid, as a fraction.")]
    gop_frames: Annotated[int, _doc("Pictures from one key picture to the next.", ge=1)]
    segment_frames: Annotated[int, _doc("Pictures in a segment.", ge=1)]
    tone_map: Annotated[Literal["pq", "hlg"], _doc("Transfer curve of HDR pictures that become SDR.")] | None = None
    renditions: Annotated[tuple[Rung, ...], _doc("The ladder, the largest first.")] = ()
    parts: Annotated[tuple[Part, ...], _doc("Work to do side by side; none when packets are only copied.")] = ()


class ChunkEncoded(Outcome, frozen=True, kw_only=True):
    """One part of a video in all its renditions. The files are the media that HLS playlists name: nothing is
    encoded twice, nothing is kept that is not played."""

    WHEN = "A part was encoded."
    BY = "encode"

    part: Annotated[int, _doc("Number of the part in the plan, from 0.", ge=0)]
    files: Annotated[tuple[ChunkFile, ...], _doc("One for each rendition; none when the video ended before the part.")]
    engine: Annotated[str, _doc("Libraries and versions that decoded and encoded.", max_length=100)]
    notes: Notes = ()


class ChunksEncoded(Event, frozen=True, kw_only=True):
    """All parts of the plan are there: they can be joined."""

    WHEN = "In the commit that ends the last part of the plan; with the plan itself when it has no parts."
    BY = "encode"

    parts_done: Annotated[int, _doc("Number of parts.", ge=0)]


class VideoTranscoded(Outcome, frozen=True, kw_only=True):
    """A video is ready for the web."""

    WHEN = "After the last part was encoded."
    BY = "join"

    original_plays: Annotated[bool, _doc("Whether the original plays everywhere, so that no MP4 was made.")] = False
    mp4: Annotated[VideoFile | None, _doc("The file that plays everywhere.")] = None
    master: Annotated[
        str | None, _doc("Blob of the HLS master playlist; in it, playlists are named `blob:` and their key.")
    ] = None
    renditions: Annotated[tuple[StreamRendition, ...], _doc("The stream's renditions, the largest first.")] = ()
    audio_playlist: Annotated[str | None, _doc("Blob of the playlist of the sound.")] = None
    duration_ms: Annotated[int, _doc("How long it plays.", "ms", ge=0)] = 0
    size_bytes: Annotated[int, _doc("Of everything that was made.", "bytes", ge=0)] = 0
    notes: Notes = ()


# --- stacks: the files of one shot -----------------------------------------------------------------------------------


class StackPart(Struct, frozen=True, kw_only=True, gc=False):
    """A file that stands behind the one that is shown."""

    asset: AssetId
    role: Annotated[str, _doc("`live_video`, `raw` or `burst_frame`.", min_length=1, max_length=32)]


class Stacked(Event, frozen=True, kw_only=True):
    """Where the asset now stands among the files of one shot. Behind `main` it is not listed; the file stays."""

    WHEN = "A file that belongs to the same shot came or went. Of one stack, the highest `stack_version` holds."
    BY = "metadata, of whichever file came"

    stack: Annotated[str, _doc("Id of the stack.", min_length=1, max_length=64)]
    stack_version: Annotated[int, _doc("Version of the stack's stream that this follows from.", ge=1)]
    main: Annotated[AssetId | None, _doc("The asset that it stands behind; none when it is shown itself.")] = None
    role: Annotated[str | None, _doc("What it is to its main: `live_video`, `raw` or `burst_frame`.")] = None
    parts: Annotated[tuple[StackPart, ...], _doc("Those that stand behind it.", max_length=1000)] = ()


class StackJoined(Event, frozen=True, kw_only=True):
    """A file that may belong with others, with what the decision needs to know of it."""

    STREAM = "stack"
    WHEN = "Metadata or a file's name show what it has in common with others; again when that changes."
    BY = "metadata"
    PERSONAL: ClassVar[Mapping[str, Any]] = {"on": ERASED, "file_name": ERASED, "taken": None, "offset_minutes": None}
    SEALED_FOR: ClassVar[str | None] = "asset"

    asset: AssetId
    kind: Annotated[str, _doc("`live`, `burst`, `sequence` or `name`.", min_length=1, max_length=32)]
    on: Annotated[str, _doc("What its members share: an identifier, or folder and name; cut.", max_length=500)]
    media_type: Annotated[str, _doc("Type by content.", min_length=3, max_length=100)]
    file_name: Annotated[str, _doc("Name that the file came with.", min_length=1, max_length=1024)]
    taken: Annotated[str | None, _doc("The wall clock of the place, without a zone.")] = None
    offset_minutes: Annotated[int | None, _doc("Minutes east of UTC, when known.", "min")] = None
    duration_ms: Annotated[int, _doc("Length of a video.", "ms", ge=0)] | None = None
    cover: Annotated[bool, _doc("Whether the camera names it the best of its burst.")] = False


class StackLeft(Event, frozen=True, kw_only=True):
    """A file turned out not to belong here."""

    STREAM = "stack"
    WHEN = "A new look at its metadata shows something else, or the file was refused."
    BY = "metadata or validate"

    asset: AssetId


class StackDissolved(Event, frozen=True, kw_only=True):
    """A person says that these files are photos of their own. It holds for good, also for those that come later."""

    STREAM = "stack"
    WHEN = "`unstack` was called for one of them."
    BY = "a person"

    reason: Reason


# --- content: one stream for each distinct SHA-256 of an owner whose importer did not know it at upload --------------


class ContentClaimed(Event, frozen=True, kw_only=True):
    """The first asset with these bytes. The stream's first commit is the lock: whoever comes second is a duplicate."""

    STREAM = "content"
    WHEN = "Validation computed the SHA-256 of an upload whose content was not known before."
    BY = "validate"

    asset: Annotated[str, _doc("Id of the asset that holds the content.", min_length=1, max_length=64)]


# --- intake: one stream for each object that was uploaded to the cloud and could not become an asset -----------------


class UploadRefused(Event, frozen=True, kw_only=True):
    """An object was uploaded and did not become an asset. It stays where it is, and this says why."""

    STREAM = "intake"
    WHEN = "An object appeared in the upload bucket that has no owner, or that no asset can be made of."
    BY = "intake"

    bucket: Annotated[str, _doc("Bucket that holds the object.", min_length=1, max_length=255)]
    key: Annotated[str, _doc("Key of the object.", max_length=4096)]
    version_id: Annotated[str, _doc("Version of the object; `null` in a bucket without versions.", max_length=1024)]
    size_bytes: SizeBytes
    code: Annotated[
        Literal["no_owner", "key_too_long", "folder"],
        _doc("`no_owner`: nobody's folder, and nobody adopts; `folder`: a console's marker, not a file."),
    ]
    reason: Reason


# --- the vault's own stream ------------------------------------------------------------------------------------------


class VaultCleaned(Event, frozen=True, kw_only=True):
    """What nobody needs any more was deleted. Originals are among it only as their owners' trash says: each of those
    has an `AssetErased` of its own."""

    STREAM = "upkeep"
    WHEN = "`cleanup` ran, by hand or by the clock, and found something to delete."
    BY = "upkeep"

    erased: Annotated[int, _doc("Assets whose time in the trash was over.", "assets", ge=0)] = 0
    orphans: Annotated[int, _doc("Derived files that no asset names any more.", "files", ge=0)] = 0
    uploads: Annotated[int, _doc("Uploads that were begun and never ended.", "uploads", ge=0)] = 0
    generations: Annotated[int, _doc("Generations of views that nobody reads any more.", "generations", ge=0)] = 0
    shares: Annotated[int, _doc("Links to pictures whose time was over.", "links", ge=0)] = 0
    freed_bytes: Annotated[int, _doc("Of all files that were deleted.", "bytes", ge=0)] = 0


class FilesScrubbed(Event, frozen=True, kw_only=True):
    """A part of the stored files was read, and compared with the SHA-256 that the history has of them."""

    STREAM = "upkeep"
    WHEN = "`scrub` ran, by hand or by the clock."
    BY = "upkeep"

    files: Annotated[int, _doc("Files that were read.", "files", ge=0)]
    size_bytes: SizeBytes
    faulty: Annotated[
        tuple[str, ...], _doc("Assets with a file that is missing or was changed; the first 100.", max_length=100)
    ] = ()
    through: Annotated[bool, _doc("Whether every asset has had its turn since the round began.")] = False


class BackupMade(Event, frozen=True, kw_only=True):
    """The history, the originals and the keys have a copy elsewhere."""

    STREAM = "upkeep"
    WHEN = "`backup` ended."
    BY = "upkeep"

    commits: Annotated[int, _doc("Commits that were copied this time.", "commits", ge=0)]
    files: Annotated[int, _doc("Files that were copied this time.", "files", ge=0)]
    size_bytes: SizeBytes
    forgotten: Annotated[int, _doc("Files of erased assets that were deleted from the copy.", "files", ge=0)] = 0


class BackupDrilled(Event, frozen=True, kw_only=True):
    """A sample was restored from the backup, and proved by its hashes."""

    STREAM = "upkeep"
    WHEN = "`backup drill` ran, by hand or by the clock."
    BY = "upkeep"

    assets: Annotated[int, _doc("Assets of the sample.", "assets", ge=0)]
    size_bytes: SizeBytes
    faults: Annotated[tuple[str, ...], _doc("What could not be restored, each a sentence.", max_length=100)] = ()


class HistorySealed(Event, frozen=True, kw_only=True):
    """Heads of streams that changed since the last seal, under one Merkle root: it shows a tail that was cut off."""

    STREAM = "seal"
    WHEN = "Once a day while the vault is worked on, and on request."
    BY = "the vault itself"

    since: Annotated[datetime, Meta(tz=True), _doc("Heads of streams with commits recorded from here on.", "UTC")]
    until: Annotated[datetime, Meta(tz=True), _doc("Heads as they were at this moment.", "UTC")]
    streams: Annotated[int, _doc("Number of streams whose heads are sealed.", "streams", ge=0)]
    root: Annotated[Sha256, _doc("Merkle root over the heads (RFC 6962).")]
    previous_root: Annotated[Sha256 | None, _doc("Root of the seal before this one.")] = None
    heads_blob: Annotated[BlobKey, _doc("Blob with the heads: JSON, [[stream, commit number, hash], ...].")]


EVENTS: tuple[type[Event], ...] = (
    AssetUploaded,
    AssetSeenAgain,
    SidecarAttached,
    FileValidated,
    FileQuarantined,
    DuplicateFound,
    ContentClaimed,
    MetadataExtracted,
    PlaceResolved,
    RenditionsGenerated,
    VideoAnalyzed,
    PosterExtracted,
    FingerprintComputed,
    LookalikesFound,
    TranscodePlanned,
    ChunkEncoded,
    ChunksEncoded,
    VideoTranscoded,
    AssetTagged,
    AssetEmbedded,
    ContentModerated,
    ModerationRuled,
    FacesDetected,
    FacesIdentified,
    FaceAssigned,
    FaceUnassigned,
    FaceRejected,
    FaceRejectionUndone,
    FacesErased,
    PersonDiscovered,
    PersonNamed,
    PersonHidden,
    PersonsMerged,
    PersonSplit,
    PersonDecisionUndone,
    PersonForgotten,
    FaceRecognitionAgreed,
    FaceRecognitionWithdrawn,
    Stacked,
    StackJoined,
    StackLeft,
    StackDissolved,
    StepSkipped,
    StepFailed,
    StepGivenUp,
    AssetProcessed,
    ReprocessRequested,
    FavouriteSet,
    AssetTrashed,
    AssetRestored,
    AssetErased,
    UploadRefused,
    VaultCleaned,
    FilesScrubbed,
    BackupMade,
    BackupDrilled,
    ModerationPolicySet,
    HistorySealed,
    *SHARE_EVENTS,
    *NOTIFICATION_EVENTS,
    *MEMORY_EVENTS,
    *BEHAVIOUR_EVENTS,
    QualityScored,
)
"""All event types, in the order of an asset's life; a new one is added here."""
