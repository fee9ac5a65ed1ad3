"""Histories to measure with: assets whose lives the domain itself decided, recorded in the order of real work.

Half of what makes a replay slow is where the commits lie. So assets arrive in waves of some thousands, and the commits
of one wave are interleaved as workers would interleave them: a stream's commits are never neighbours on the disk.
"""

from __future__ import annotations

import hashlib
import random
import sqlite3
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from msgspec import Struct, structs

from adapters.local.blobs import FileBlobStore
from adapters.local.commits import SqliteCommitStore
from domain.asset import Asset, asset_stream, begin, evolve, fail, finish, request_reprocess, upload
from domain.commits import NEW, Cause, Commit, Token, derive_id
from domain.errors import DecoderTimeout
from domain.events import (
    AssetUploaded,
    Event,
    FileQuarantined,
    FileValidated,
    MetadataExtracted,
    Rendition,
    RenditionsGenerated,
    StepRun,
)
from domain.eventstore import EventStore
from domain.media import RENDITION_SIZES, Camera, DateCandidate, Position, TakenAt
from events_schema.codec import EventCodec

OWNER = "me"
_WAVE = 2_000  # assets under way at once
_BATCH = 2_000  # commits a transaction
_BEGIN = datetime(2024, 1, 1, tzinfo=UTC)
_CAMERAS = (
    Camera(make="Canon", model="Canon EOS R6", lens="RF24-105mm F4 L IS USM", f_number=4.0, iso=400),
    Camera(make="Apple", model="iPhone 15", software="17.4.1", exposure_seconds=0.008, f_number=1.6, iso=64),
    Camera(make="Google", model="Pixel 8", f_number=1.7, iso=91, focal_length_mm=6.9, focal_length_35mm=25),
    Camera(make="FUJIFILM", model="X-T5", lens="XF35mmF1.4 R", exposure_seconds=0.004, flash_fired=False),
    None,
)
_ENGINE = "libvips 8.18.2"


class History(Struct, frozen=True):
    """What was written."""

    events: int
    streams: int
    commits: int


def build(path: Path, events: int, seed: int = 1) -> History:
    """Write a history of about 10 events a stream into a new SQLite file, through `EventStore.append`.

    Every hash is right and every event is one that the domain decided; only the flush to disk for each commit is left
    out. Whole waves are written, so there are up to 2 % more events than asked for.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    store = _BulkStore(path)
    clock = _Clock()
    event_store = EventStore(store, FileBlobStore(path.parent / "blobs"), EventCodec(), clock)
    chance = random.Random(seed)
    written = streams = 0
    while written < events:
        lives = [_Life(event_store, chance, clock).live() for _ in range(min(_WAVE, 100 + events // 500))]
        streams += len(lives)
        while lives:
            chance.shuffle(lives)
            counts = [next(life, 0) for life in lives]
            written += sum(counts)
            lives = [life for life, count in zip(lives, counts, strict=True) if count]
    store.close()
    return History(written, streams, store.count)


class _Clock:
    """Two hundred commits a second: a busy import."""

    def __init__(self) -> None:
        self.now = _BEGIN

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=5)
        return self.now


class _BulkStore(SqliteCommitStore):
    """Takes commits for granted and writes them by the thousand, without waiting for the disk."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._rows: list[tuple[Any, ...]] = []
        self._connection = sqlite3.connect(path, isolation_level=None)
        self._connection.execute("PRAGMA synchronous=OFF")
        self.count = 0

    def put(self, commit: Commit) -> Commit | None:
        self._rows.append(structs.astuple(commit))
        self.count += 1
        if len(self._rows) >= _BATCH:
            self.flush()
        return None

    def flush(self) -> None:
        columns = ", ".join(Commit.__struct_fields__)
        marks = ",".join("?" * len(Commit.__struct_fields__))
        self._connection.execute("BEGIN")
        self._connection.executemany(f"INSERT INTO commits ({columns}) VALUES ({marks})", self._rows)
        self._connection.execute("COMMIT")
        self._rows = []

    def close(self) -> None:
        self.flush()
        self._connection.close()
        super().close()


class _Life:
    """One asset, from its upload to its end, and what people ask of it later."""

    def __init__(self, store: EventStore, chance: random.Random, clock: _Clock) -> None:
        self._store, self._chance, self._clock = store, chance, clock
        self._sha256 = hashlib.sha256(chance.randbytes(16)).hexdigest()
        self._id = derive_id("asset", OWNER, self._sha256)
        self.asset = Asset(asset_stream(OWNER, self._id))
        self._token: Token = NEW
        self._size = chance.randint(800_000, 9_000_000)
        self._fate = chance.choices(("image", "video", "broken"), (94, 4, 2))[0]
        self._name = f"IMG_{chance.randint(1, 99_999):05}.{'mp4' if self._fate == 'video' else 'jpg'}"
        self._folder = f"/home/anna/Pictures/{chance.randint(2009, 2025)}/{chance.randint(1, 12):02}"

    def live(self) -> Iterator[int]:
        """Append one commit after the other; yields the number of events in each."""
        yield self._append(upload(self.asset, self._uploaded(self._folder)), "import")
        while self.asset.due():
            for step in list(self.asset.due()):
                yield self._attempt(step)
        if self._chance.random() < 0.4:
            yield self._append(upload(self.asset, self._uploaded("/media/backup")), "import")
        if self._fate != "image" or "renditions" not in self.asset.steps:  # not a picture, or validation was given up
            return
        for _ in range(self._chance.choices((0, 1, 2, 3), (8, 42, 38, 12))[0]):
            step = self._chance.choice(("metadata", "renditions"))
            yield self._append(request_reprocess(self.asset, step, "a newer version of the step is out"), "person:anna")
            while step in self.asset.due():
                yield self._attempt(step)

    def _attempt(self, step: str) -> int:
        attempt = begin(self.asset, step)
        assert attempt is not None
        spent = StepRun(
            step=step,
            version=attempt.step.version,
            attempt=attempt.number,
            duration_ms=self._chance.randint(5, 900),
            cpu_ms=self._chance.randint(5, 800),
        )
        cause = attempt.cause(self.asset)
        if self._chance.random() < 0.1 and attempt.number < attempt.step.max_attempts:
            error = DecoderTimeout("the decoder did not finish within 45 s")
            events = fail(self.asset, attempt, spent, error, self._clock())
        else:
            events = finish(self.asset, attempt, [self._found(step, spent)])
        return self._append(events, cause.actor, cause)

    def _append(self, events: Sequence[Event], actor: str, cause: Cause | None = None) -> int:
        correlation_id = self.asset.correlation_id or derive_id("upload", self.asset.stream)
        cause = cause or Cause(
            commit_id=derive_id(self.asset.stream, actor, self.asset.version),
            actor=actor,
            correlation_id=correlation_id,
        )
        appended = self._store.append(self.asset.stream, events, self._token, cause)
        self._token = appended.token
        for recorded in self._store.events_of(appended.commit):
            self.asset = evolve(self.asset, recorded)
        return len(events)

    def _uploaded(self, folder: str) -> AssetUploaded:
        return AssetUploaded(
            file_name=self._name,
            size_bytes=self._size,
            blob=self._sha256,
            source="folder",
            path=f"{folder}/{self._name}",
            sha256=self._sha256,
            modified_at=self._clock.now - timedelta(days=self._chance.randint(1, 3000)),
        )

    def _found(self, step: str, run: StepRun) -> Event:
        match step:
            case "validate" if self._fate == "broken":
                return FileQuarantined(
                    run=run,
                    code="truncated",
                    reason="the file ends in the middle of the picture",
                    sha256=self._sha256,
                    size_bytes=self._size,
                )
            case "validate":
                return FileValidated(
                    run=run,
                    media_type="video/mp4" if self._fate == "video" else "image/jpeg",
                    kind="video" if self._fate == "video" else "image",
                    sha256=self._sha256,
                    size_bytes=self._size,
                    width=4000,
                    height=3000,
                )
            case "metadata":
                return self._metadata(run)
            case _:
                return self._renditions(run)

    def _metadata(self, run: StepRun) -> MetadataExtracted:
        chance = self._chance
        taken = self._clock.now - timedelta(seconds=chance.randint(1, 400_000_000))
        local = taken.replace(tzinfo=None).isoformat()
        position = None
        if chance.random() < 0.6:
            position = Position(round(chance.uniform(36, 60), 6), round(chance.uniform(-9, 30), 6), 120.0)
        return MetadataExtracted(
            run=run,
            width=4000,
            height=3000,
            orientation=chance.choice((1, 1, 1, 6)),
            taken_at=TakenAt(local, "exif:DateTimeOriginal", 60, "Europe/Rome", "exif:OffsetTimeOriginal"),
            taken_at_utc=taken,
            alternatives=(DateCandidate("exif:DateTimeDigitized", local), DateCandidate("file_modified", local, 0)),
            camera=chance.choice(_CAMERAS),
            position=position,
            tags_blob=hashlib.sha256(chance.randbytes(8)).hexdigest(),
        )

    def _renditions(self, run: StepRun) -> RenditionsGenerated:
        return RenditionsGenerated(
            run=run,
            renditions=tuple(
                Rendition(
                    name=name,
                    format=kind,
                    blob=hashlib.sha256(self._chance.randbytes(8)).hexdigest(),
                    width=edge,
                    height=edge * 3 // 4,
                    size_bytes=edge * edge // (12 if kind == "jpeg" else 18),
                )
                for name, edge in RENDITION_SIZES.items()
                for kind in ("jpeg", "webp")
            ),
            thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI",
            engine=_ENGINE,
        )
