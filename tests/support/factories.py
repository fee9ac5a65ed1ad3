"""Small factories: a clock, every event of an asset's life with defaults, recorded events, generated photos."""

from __future__ import annotations

import hashlib
import io
import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from domain.asset import asset_stream
from domain.commits import Cause, Commit, Recorded, derive_id, to_us
from domain.events import (
    AssetErased,
    AssetProcessed,
    AssetRestored,
    AssetSeenAgain,
    AssetTagged,
    AssetTrashed,
    AssetUploaded,
    ChunkEncoded,
    ContentModerated,
    DuplicateFound,
    Event,
    FavouriteSet,
    FileQuarantined,
    FileValidated,
    FingerprintComputed,
    LookalikesFound,
    MetadataExtracted,
    ModerationRuled,
    PlaceResolved,
    PosterExtracted,
    Preview,
    Rendition,
    RenditionsGenerated,
    ReprocessRequested,
    SidecarAttached,
    StepFailed,
    StepGivenUp,
    StepRun,
    StepSkipped,
    TranscodePlanned,
    VideoAnalyzed,
    VideoTranscoded,
)
from domain.eventstore import EventStore
from domain.likeness import ALGORITHM, Lookalike
from domain.media import Camera, Position, TakenAt
from domain.moderation import Policy, Verdict
from domain.pipeline import STEPS
from domain.recognition import Box, ModelUse, Tag
from domain.streaming import ChunkFile, Part, Rung, Segment, StreamRendition, VideoFile
from domain.video import AudioTrack, VideoQuality, VideoTrack

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
OWNER = "anna"
STREAM = asset_stream(OWNER, "a1")


class Clock:
    """Time that moves only when a test says so, or by a fixed step at each look."""

    def __init__(self, now: datetime = NOW, step_ms: int = 0) -> None:
        self.now = now
        self.step = timedelta(milliseconds=step_ms)

    def __call__(self) -> datetime:
        self.now += self.step
        return self.now

    def seconds(self) -> float:
        """The same as seconds since 1970."""
        return self().timestamp()

    def tick(self, seconds: float) -> None:
        """Let time pass."""
        self.now += timedelta(seconds=seconds)


def sha(text: str) -> str:
    """A SHA-256 in hex, for a blob that need not exist."""
    return hashlib.sha256(text.encode()).hexdigest()


# --- events ----------------------------------------------------------------------------------------------------------


def run(step: str, attempt: int = 1) -> StepRun:
    """One attempt of the present version of a step."""
    return StepRun(step=step, version=STEPS[step].version, attempt=attempt)


def uploaded(name: str = "a.jpg", **changes: Any) -> AssetUploaded:
    """A file from a folder."""
    fields: dict[str, Any] = {
        "file_name": name,
        "size_bytes": 1000,
        "blob": sha(name),
        "sha256": sha(name),
        "source": "folder",
        "path": f"/photos/{name}",
        "modified_at": NOW,
    }
    return AssetUploaded(**fields | changes)


def seen_again(path: str = "/copies/a.jpg") -> AssetSeenAgain:
    """The same bytes at another path."""
    return AssetSeenAgain(path=path, file_name=path.rpartition("/")[2], modified_at=NOW)


def validated(attempt: int = 1, **changes: Any) -> FileValidated:
    """A picture of 4000 x 3000."""
    fields: dict[str, Any] = {
        "media_type": "image/jpeg",
        "kind": "image",
        "sha256": sha("a.jpg"),
        "size_bytes": 1000,
        "width": 4000,
        "height": 3000,
    }
    return FileValidated(run=run("validate", attempt), **fields | changes)


def video(attempt: int = 1) -> FileValidated:
    """A video."""
    return validated(attempt, media_type="video/mp4", kind="video", width=1920, height=1080)


def quarantined(attempt: int = 1) -> FileQuarantined:
    """A file that ends in the middle."""
    return FileQuarantined(
        run=run("validate", attempt),
        code="truncated",
        reason="the picture ends in the middle",
        sha256=sha("a.jpg"),
        size_bytes=1000,
    )


def metadata(attempt: int = 1, **changes: Any) -> MetadataExtracted:
    """A summer's day in Rome."""
    fields: dict[str, Any] = {
        "width": 4000,
        "height": 3000,
        "taken_at": TakenAt("2024-07-01T10:00:00", "exif:DateTimeOriginal", 120),
        "camera": Camera(make="Canon", model="Canon EOS 40D"),
        "position": Position(41.9, 12.5),
    }
    return MetadataExtracted(run=run("metadata", attempt), **fields | changes)


def place(attempt: int = 1, **changes: Any) -> PlaceResolved:
    """Rome."""
    fields: dict[str, Any] = {
        "latitude": 41.9,
        "longitude": 12.5,
        "city": "Rome",
        "region": "Lazio",
        "country": "Italy",
        "country_code": "IT",
        "distance_km": 1.0,
        "source": "a map of 2024, CC BY 4.0",
    }
    return PlaceResolved(run=run("place", attempt), **fields | changes)


def sidecar(name: str = "a.jpg.xmp", **changes: Any) -> SidecarAttached:
    """An XMP file beside the picture."""
    fields: dict[str, Any] = {
        "kind": "xmp",
        "file_name": name,
        "blob": sha(name),
        "sha256": sha(name),
        "size_bytes": 500,
        "path": f"/photos/{name}",
        "modified_at": NOW,
    }
    return SidecarAttached(**fields | changes)


def renditions(attempt: int = 1, mark: str = "") -> RenditionsGenerated:
    """A small JPEG and a small WebP."""
    return RenditionsGenerated(
        run=run("renditions", attempt),
        renditions=tuple(
            Rendition(name="small", format=kind, blob=sha(f"{kind}{mark}"), width=256, height=192, size_bytes=size)
            for kind, size in (("jpeg", 300), ("webp", 200))
        ),
        thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI",
        engine="fake 1",
    )


def analyzed(attempt: int = 1, **changes: Any) -> VideoAnalyzed:
    """A good minute of H.264 that plays in browsers."""
    fields: dict[str, Any] = {
        "container": "mp4",
        "brand": "isom",
        "duration_ms": 60_000,
        "bitrate": 8_000_000,
        "fast_start": True,
        "video": VideoTrack(
            codec="h264", width=1920, height=1080, coded_width=1920, coded_height=1080, frame_rate=30.0
        ),
        "audio": AudioTrack(codec="aac", channels=2, sample_rate=48_000),
        "audio_tracks": 1,
        "web_ready": True,
        "quality": VideoQuality(verdict="good", samples=24),
        "engine": "fake 1",
    }
    return VideoAnalyzed(run=run("video", attempt), **fields | changes)


def poster(mark: str = "", **changes: Any) -> PosterExtracted:
    """A poster from the middle, with a preview."""
    fields: dict[str, Any] = {
        "blob": sha(f"poster{mark}"),
        "format": "jpeg",
        "width": 1920,
        "height": 1080,
        "size_bytes": 5000,
        "at_ms": 30_000,
        "candidates": 24,
        "sharpness": 20.0,
        "brightness": 0.5,
        "contrast": 0.2,
        "preview": Preview(
            format="webp",
            blob=sha(f"preview{mark}"),
            width=320,
            height=180,
            size_bytes=900,
            frames=12,
            duration_ms=3000,
        ),
    }
    return PosterExtracted(**fields | changes)


def fingerprint(attempt: int = 1, **changes: Any) -> FingerprintComputed:
    """Hashes of a picture that looks like no other."""
    fields: dict[str, Any] = {"pixels": sha("pixels"), "phash": "f0f0a5a53c3c9696", "algorithm": ALGORITHM}
    return FingerprintComputed(run=run("fingerprint", attempt), **fields | changes)


def lookalikes(*matches: Lookalike, attempt: int = 1) -> LookalikesFound:
    """What a search came to: nothing, unless told."""
    return LookalikesFound(run=run("duplicates", attempt), matches=matches)


def tagged(*names: str, version: str = "1", attempt: int = 1, **changes: Any) -> AssetTagged:
    """Things that a detector saw, each a little less surely than the one before; a cat unless told otherwise."""
    tags = tuple(
        Tag(name, "object", round(0.9 - at / 100, 2), f"nanodet {version}", Box(0.1, 0.1, 0.5, 0.5))
        for at, name in enumerate(names or ("cat",))
    )
    fields: dict[str, Any] = {"tags": tags, "models": (ModelUse("nanodet", version),), "vector": sha("vector")}
    return AssetTagged(run=run("tags", attempt), **fields | changes)


def moderated(verdict: Verdict = "allow", score: float = 0.01, version: str = "1") -> ContentModerated:
    """What became of a picture under the default policy."""
    model = ModelUse("open-nsfw", version)
    return ContentModerated(run=run("moderation"), score=score, verdict=verdict, policy=Policy(), model=model)


def ruled(verdict: Verdict | None) -> ModerationRuled:
    """A person says what becomes of a picture."""
    return ModerationRuled(verdict=verdict, reason="our own beach")


def planned(parts: int = 2, **changes: Any) -> TranscodePlanned:
    """A minute in two renditions, in so many parts."""
    fields: dict[str, Any] = {
        "mp4": "encode",
        "audio": "none",
        "stream": True,
        "reasons": ("the pictures are hevc, not H.264",),
        "frame_rate": (30, 1),
        "gop_frames": 60,
        "segment_frames": 180,
        "renditions": (Rung("1080p", 1920, 1080, 6_000_000), Rung("480p", 854, 480, 1_400_000)),
        "parts": tuple(Part("video", n * 30_000, (n + 1) * 30_000, n * 900, (n + 1) * 900) for n in range(parts)),
    }
    return TranscodePlanned(run=run("transcode"), **fields | changes)


def chunk(part: int, attempt: int = 1, names: Sequence[str] = ("1080p", "480p"), mark: str = "") -> ChunkEncoded:
    """One part: five segments in each rendition."""
    files = tuple(
        ChunkFile(
            rendition=name,
            blob=sha(f"{name}{part}{mark}"),
            size_bytes=800 + 5 * 1000,
            head_bytes=800,
            head_sha256=sha(name),
            timescale=30_000,
            segments=(Segment(1000, 180_000),) * 5,
            codecs="mp4a.40.2" if name == "audio" else "avc1.640028",
        )
        for name in names
    )
    encode = StepRun(step=f"encode:{part:04}", version=STEPS["encode"].version, attempt=attempt)
    return ChunkEncoded(run=encode, part=part, files=files, engine="fake 1")


def transcoded(**changes: Any) -> VideoTranscoded:
    """An MP4 and a stream in one rendition."""
    fields: dict[str, Any] = {
        "mp4": VideoFile(sha("mp4"), 5000, 1920, 1080),
        "master": sha("master"),
        "renditions": (
            StreamRendition("1080p", sha("playlist"), 1920, 1080, 6_000_000, 4_000_000, "avc1.640028", 4000),
        ),
        "duration_ms": 60_000,
        "size_bytes": 9000,
    }
    return VideoTranscoded(run=run("join"), **fields | changes)


def failed(step: str, attempt: int = 1, at: datetime = NOW) -> StepFailed:
    """An attempt that failed at a moment, with the step's own wait until the next."""
    again = at + timedelta(seconds=STEPS[step].delay_after(attempt))
    return StepFailed(run=run(step, attempt), error="OSError", message="the disk is away", next_attempt_at=again)


def given_up(step: str, attempt: int = 5, *, retryable: bool = True) -> StepGivenUp:
    """The last attempt."""
    return StepGivenUp(run=run(step, attempt), error="OSError", message="the disk is away", retryable=retryable)


def skipped(step: str, reason: str = "it does not apply") -> StepSkipped:
    """A step that has nothing to do here."""
    return StepSkipped(run=run(step), reason=reason)


def processed(state: str = "done") -> AssetProcessed:
    """Nothing is due any more."""
    return AssetProcessed(state=state)  # type: ignore[arg-type]


def reprocess(step: str, reason: str = "a newer version is out") -> ReprocessRequested:
    """Somebody asks again."""
    return ReprocessRequested(step=step, reason=reason)


def duplicate(of: str = "a0") -> DuplicateFound:
    """Another asset holds the same bytes."""
    return DuplicateFound(of=of)


def whole_life() -> list[list[Event]]:
    """The decisions in the life of an image to which nothing untoward happens."""
    return [[uploaded()], [validated()], [metadata()], [place()], [renditions(), processed()]]


# --- recorded --------------------------------------------------------------------------------------------------------


def favourite(on: bool = True) -> FavouriteSet:
    """The owner's mark."""
    return FavouriteSet(favourite=on)


def trashed(reason: str = "blurred") -> AssetTrashed:
    """Into the trash."""
    return AssetTrashed(reason=reason)


def restored(reason: str = "not so bad") -> AssetRestored:
    """Out of the trash."""
    return AssetRestored(reason=reason)


def erased(why: str = "asked") -> AssetErased:
    """Gone for good."""
    return AssetErased(why=why)  # type: ignore[arg-type]


def recorded(*decisions: Event | Sequence[Event], stream: str = STREAM) -> list[Recorded]:
    """Events as read back; each argument is one commit, a second after the one before. Ids are `c1-1`, `c1-2` ..."""
    found: list[Recorded] = []
    for number, decision in enumerate(decisions, 1):
        events = [decision] if isinstance(decision, Event) else list(decision)
        at = NOW + timedelta(seconds=number)
        commit = Commit(
            stream=stream,
            number=number,
            first_version=len(found) + 1,
            count=len(events),
            commit_id=f"c{number}",
            recorded_us=to_us(at),
            actor="test",
            correlation_id="c1",
            causation_id=None,
            body=b"[]",
        )
        found += [
            Recorded(event, commit.first_version + i, f"c{number}-{i + 1}", at, commit)
            for i, event in enumerate(events)
        ]
    return found


def append(store: EventStore, stream: str, *decisions: Event | Sequence[Event], actor: str = "test") -> list[Commit]:
    """Append each decision as one commit behind what the stream holds."""
    made: list[Commit] = []
    for decision in decisions:
        loaded = store.load(stream)
        events = [decision] if isinstance(decision, Event) else list(decision)
        cause = Cause(
            commit_id=derive_id(stream, "test", loaded.version),
            actor=actor,
            correlation_id=derive_id("upload", stream),
        )
        made.append(store.append(stream, events, loaded.token, cause).commit)
    return made


# --- photos ----------------------------------------------------------------------------------------------------------


def jpeg(seed: int, width: int = 64, height: int = 48) -> bytes:
    """A real JPEG of coarse noise; another seed gives another picture."""
    from PIL import Image

    noise = Image.frombytes("RGB", (8, 8), random.Random(seed).randbytes(192))
    out = io.BytesIO()
    noise.resize((width, height)).save(out, "JPEG", quality=80)
    return out.getvalue()


def fake_photo(mark: str, kind: str = "image", width: int = 640, height: int = 480, date: str = "") -> bytes:
    """A file that only `tests.support.fakes.FakeMediaEngine` takes for a picture or a video."""
    return f"FAKE {kind} {width} {height} {date or '-'}\n{mark}\n\0".encode()
