"""Append and load on SQLite beside the library `eventsourcing`, both with WAL and synchronous=FULL.

Append: eight threads, one event an append (AssetUploaded, then FileValidated, for one new asset after the other); wall
time, as the disk is what one waits for; more is better.
Load: one thread reads the ten events of an asset and folds them: ours from the eight commits that the asset's decisions
make, with all that `domain.asset.fold` works out; theirs from a row an event, into a dictionary. Nothing is cached;
processor time, more is better.
Run: `python -m benchmarks event_store`. See `benchmarks.peers` for how the library is set up.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import msgspec

from adapters.local.blobs import FileBlobStore
from adapters.local.commits import SqliteCommitStore
from benchmarks.measuring import Row, in_turn, row, scratch
from benchmarks.peers import (
    FACTS,
    DefaultApplication,
    Photo,
    StructApplication,
    open_application,
)
from benchmarks.peers import fold as their_fold
from domain.asset import asset_stream, fold
from domain.commits import NEW, Cause, derive_id
from domain.events import (
    AssetProcessed,
    AssetSeenAgain,
    AssetUploaded,
    Event,
    FileValidated,
    MetadataExtracted,
    Rendition,
    RenditionsGenerated,
    ReprocessRequested,
    StepRun,
)
from domain.eventstore import EventStore
from domain.media import RENDITION_SIZES, Camera, Position, TakenAt
from events_schema.codec import EventCodec

THREADS = 8
GOAL = 3.0
_SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_AT = datetime(2025, 6, 1, 12, 30, tzinfo=UTC)


def run(quick: bool = False) -> list[Row]:
    """Rows for append and for load, against each way to use the library."""
    with scratch() as folder:
        store = EventStore(SqliteCommitStore(folder / "ours.db"), FileBlobStore(folder / "blobs"), EventCodec())
        structs = open_application(StructApplication, folder / "structs.db")
        default = open_application(DefaultApplication, folder / "default.db")
        try:
            return [*_appends(store, structs, default, quick), *_loads(store, structs, default, quick)]
        finally:
            store.commits.close()  # type: ignore[attr-defined]
            structs.close()
            default.close()


def _appends(store: EventStore, structs: Any, default: Any, quick: bool) -> list[Row]:
    each = 20 if quick else 60  # assets a thread and round
    uploaded, validated = _ten()[:2]
    plain_uploaded, plain_validated = msgspec.to_builtins(uploaded), msgspec.to_builtins(validated)
    serial = itertools.count()

    def ours() -> None:
        ident = f"a{next(serial)}"
        stream = asset_stream("me", ident)
        cause = Cause(commit_id=f"{ident}-1", actor="import", correlation_id=ident)
        token = store.append(stream, [uploaded], NEW, cause).token
        cause = Cause(commit_id=f"{ident}-2", actor="step:validate", correlation_id=ident, causation_id=f"{ident}-1-1")
        store.append(stream, [validated], token, cause)

    def with_structs() -> None:
        ident = uuid4()
        structs.save(FACTS[AssetUploaded](originator_id=ident, originator_version=1, data=uploaded))
        structs.save(FACTS[FileValidated](originator_id=ident, originator_version=2, data=validated))

    def with_default() -> None:
        photo = Photo(plain_uploaded)
        default.save(photo)
        photo.find("FileValidated", plain_validated)
        default.save(photo)

    def throughput(make: Callable[[], None]) -> float:
        def many() -> None:
            for _ in range(each):
                make()

        started = time.perf_counter()
        with ThreadPoolExecutor(THREADS) as pool:
            for done in [pool.submit(many) for _ in range(THREADS)]:
                done.result()
        return 2 * each * THREADS / (time.perf_counter() - started)

    mine, *theirs = in_turn(
        [lambda m=make: throughput(m) for make in (ours, with_structs, with_default)], 3 if quick else 7
    )
    return [
        row(f"append, {THREADS} writers, SQLite", mine, rate, name, GOAL, "appends/s")
        for rate, name in zip(theirs, _NAMES, strict=True)
    ]


_NAMES = ("eventsourcing 9.5, msgspec", "eventsourcing 9.5, default")


def _loads(store: EventStore, structs: Any, default: Any, quick: bool) -> list[Row]:
    count = 50 if quick else 200
    streams, struct_ids, default_ids = [], [], []
    for n in range(count):
        streams.append(_append_ten(store, f"load{n}"))
        ident = uuid4()
        structs.save(
            *(FACTS[type(e)](originator_id=ident, originator_version=i, data=e) for i, e in enumerate(_ten(), 1))
        )
        struct_ids.append(ident)
        first, *rest = _ten()
        photo = Photo(msgspec.to_builtins(first))
        for each in rest:
            photo.find(type(each).__name__, msgspec.to_builtins(each))
        default.save(photo)
        default_ids.append(photo.id)

    def ours(stream: str) -> int:
        return fold(stream, store.load(stream).events).version

    def with_structs(ident: Any) -> int:
        version: int = structs.repository.get(ident, projector_func=their_fold).version
        return version

    def with_default(ident: Any) -> int:
        version: int = default.repository.get(ident).version
        return version

    def rate(load: Callable[[Any], int], idents: Sequence[Any]) -> float:
        started = time.process_time()
        for ident in idents:
            if load(ident) != 10:
                raise RuntimeError(f"{ident} has not ten events")
        return len(idents) / (time.process_time() - started)

    sides = ((ours, streams), (with_structs, struct_ids), (with_default, default_ids))
    mine, *theirs = in_turn([lambda s=side: rate(*s) for side in sides], 5 if quick else 15)
    return [
        row("load, an asset of 10 events, SQLite", mine, speed, name, GOAL, "loads/s of processor time")
        for speed, name in zip(theirs, _NAMES, strict=True)
    ]


def _append_ten(store: EventStore, ident: str) -> str:
    stream, token = asset_stream("me", ident), NEW
    ten = _ten()
    for first, last in ((0, 1), (1, 2), (2, 3), (3, 5), (5, 6), (6, 7), (7, 9), (9, 10)):
        cause = Cause(commit_id=derive_id(ident, first), actor="step:renditions", correlation_id=ident)
        token = store.append(stream, ten[first:last], token, cause).token
    return stream


def _ten() -> list[Event]:
    """The life of a photo that was rendered twice."""

    def run_of(step: str) -> StepRun:
        return StepRun(step=step, version=1, attempt=1, duration_ms=120, cpu_ms=100)

    rendered = RenditionsGenerated(
        run=run_of("renditions"),
        renditions=tuple(
            Rendition(name=name, format=kind, blob=_SHA, width=edge, height=edge * 3 // 4, size_bytes=edge * 99)
            for name, edge in RENDITION_SIZES.items()
            for kind in ("jpeg", "webp")
        ),
        thumbhash="1QcSHQRnh493V4dIh4eXh1h4kJUI",
        engine="libvips 8.18.2",
    )
    described = MetadataExtracted(
        run=run_of("metadata"),
        width=4000,
        height=3000,
        taken_at=TakenAt("2025-05-31T18:03:22", "exif:DateTimeOriginal", 120, "Europe/Rome", "exif:OffsetTimeOriginal"),
        taken_at_utc=_AT,
        camera=Camera(make="Canon", model="Canon EOS R6", lens="RF24-105mm F4 L IS USM", f_number=4.0, iso=400),
        position=Position(41.890251, 12.492373, 21.0),
    )
    return [
        AssetUploaded(
            file_name="IMG_2041.jpg",
            size_bytes=5_482_113,
            blob=_SHA,
            source="folder",
            path="/home/anna/Pictures/2025/06/IMG_2041.jpg",
            sha256=_SHA,
            modified_at=_AT,
        ),
        FileValidated(
            run=run_of("validate"),
            media_type="image/jpeg",
            kind="image",
            sha256=_SHA,
            size_bytes=5_482_113,
            width=4000,
            height=3000,
        ),
        described,
        rendered,
        AssetProcessed(state="done"),
        AssetSeenAgain(path="/media/backup/IMG_2041.jpg", file_name="IMG_2041.jpg", modified_at=_AT),
        ReprocessRequested(step="renditions", reason="a newer version of the step is out"),
        rendered,
        AssetProcessed(state="done"),
        AssetSeenAgain(path="/media/disk2/IMG_2041.jpg", file_name="IMG_2041.jpg", modified_at=_AT),
    ]
