"""Replay: a history of 100,000 assets, about ten events each, into all projections.

Speed is counted in events a second of processor time of one worker process, all included: reading SQLite, decoding,
folding into every projection, writing and checkpointing all rows, making their indexes. Memory is the peak resident
size of such a worker, at a fifth of the history and at all of it: both are long enough to fill its caches. Each
measurement has a fresh process and a fresh vault.

The peer is the library `eventsourcing` on SQLite with the same events (see `benchmarks.peers`), measured twice:
- only reading: its notification log and mapper to event objects, in pages of 1,000 (its default is 10), no fold, no
  rows; ours the segments of the same history decoded to event objects, no fold, no rows;
- rebuilding views: as its documentation writes a materialised view: for each event the row is read, folded and written,
  and the tracking position recorded, in one transaction; ours replays into all projections. Both write with WAL and
  synchronous=NORMAL; the peer once with msgspec events, once as it comes (`JSONTranscoder`). It is spared most of our
  work: one view, a fold of four fields, no secondary index.
The peer's rates do not depend on the length of the history, so it reads a part of it.
Run: `python -m benchmarks replay`; histories are built once, into build/bench.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

import msgspec
from msgspec import Struct

from adapters.local.blobs import FileBlobStore
from adapters.local.commits import SqliteCommitStore
from benchmarks.histories import OWNER, build
from benchmarks.measuring import BUILD, Row, row, scratch
from domain.eventstore import EventStore
from events_schema.codec import EventCodec
from photovault.config import Settings
from photovault.vault import Vault
from projections import PROJECTIONS
from projections.replay import Target

EVENTS = 1_000_000
QUICK_EVENTS = 50_000
GOAL_RATE = 100_000.0
GOAL_PEER = 5.0
GOAL_MEMORY = 0.9  # at least: the memory for a fifth of the history over that for all of it
_PARTS = 2  # so that the slices are full in the small history, too
_PEER_EVENTS = 50_000
_PAGE = 1000


class Measured(Struct, frozen=True):
    """What one process did."""

    events: int
    cpu_seconds: float
    wall_seconds: float
    peak_bytes: int

    @property
    def rate(self) -> float:
        """Events a second of processor time."""
        return self.events / self.cpu_seconds


def run(quick: bool = False) -> list[Row]:
    """Rows for speed, memory, and the peer."""
    events = QUICK_EVENTS if quick else EVENTS
    rounds = 3
    history = _history(events)
    peer_events = min(events, _PEER_EVENTS)
    replays, reads = [], []
    peers: dict[str, list[Measured]] = {}
    theirs = {
        "msgspec": (_their_read, "structs"),
        "default": (_their_read, "default"),
        "view": (_their_view, "structs"),
        "default view": (_their_view, "default"),
    }
    with scratch() as folder:
        databases = _their_history(history, peer_events, folder)
        for i in range(rounds):
            replays.append(_apart(_replay, history, folder / f"vault{i}"))
            reads.append(_apart(_read, history))
            for name, (work, database) in theirs.items():
                peers.setdefault(name, []).append(_apart(work, databases, database))
        small = _apart(_replay, _history(events // 5), folder / "small")
    replay, read = _best(replays), _best(reads)
    their = {name: _best(found) for name, found in peers.items()}
    name, unit = f"replay {replay.events:,} events", "events/s of processor time"
    whole = f"{name} into all {len(PROJECTIONS)} projections"
    rows = [row(f"{whole}, one process", replay.rate, GOAL_RATE, "the goal", 1.0, unit)]
    if "msgspec" in their:
        for which, found in (("default", "default view"), ("msgspec", "view")):
            view = f"eventsourcing 9.5, {which}, one view by its documentation"
            rows.append(row(whole, replay.rate, their[found].rate, view, GOAL_PEER, unit))
        for which in ("msgspec", "default"):
            peer = f"eventsourcing 9.5, {which}, its notification log"
            rows.append(row("read and decode a history", read.rate, their[which].rate, peer, GOAL_PEER, unit))
    rows.append(
        row(
            f"{name}, peak memory",
            max(r.peak_bytes for r in replays) / 1e6,
            small.peak_bytes / 1e6,
            f"a history of {small.events:,} events",
            GOAL_MEMORY,
            "MB",
            less=True,
        )
    )
    return rows


def _best(found: list[Measured]) -> Measured:
    """The median by rate."""
    return sorted(found, key=lambda m: m.rate)[len(found) // 2]


def _apart(work: Callable[..., Measured], *arguments: Any) -> Measured:
    """Run in a new process, so that its memory and processor time are its own."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def _history(events: int) -> Path:
    path = BUILD / f"history-{events}" / "events.db"
    if not path.exists():
        unfinished = path.with_name("unfinished.db")
        unfinished.unlink(missing_ok=True)
        build(unfinished, events)
        unfinished.rename(path)
    return path


def _measure(work: Callable[[], int]) -> Measured:
    cpu, wall = time.process_time(), time.perf_counter()
    events = work()
    cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    return Measured(events, cpu, wall, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


# --- ours ------------------------------------------------------------------------------------------------------------


def _replay(history: Path, home: Path) -> Measured:
    """All projections of a new vault over an old history, by one worker."""
    home.mkdir()
    (home / "events.db").symlink_to(history)
    with Vault(Settings(home, OWNER, 1), durable_views=False) as vault:
        targets = [Target(p.name, vault.generations.begin(p.name).number) for p in PROJECTIONS]
        replay = vault.replay.start(targets, _PARTS)

        def work() -> int:
            vault.replay.work(replay, "bench")
            for projection, target in zip(PROJECTIONS, targets, strict=True):  # an index is made when first asked for
                for index in projection.indexes:
                    vault.views.query(projection.table(target.generation), OWNER, index=index, limit=1)
            vault.views.flush()
            return vault.replay.progress(replay).events

        return _measure(work)


def _read(history: Path) -> Measured:
    store = _store(history)

    def work() -> int:
        parts = store.commits.segments(_PARTS)
        return sum(len(store.events_of(commit)) for part in parts for commit in store.commits.segment(part))

    return _measure(work)


def _store(history: Path) -> EventStore:
    return EventStore(SqliteCommitStore(history), FileBlobStore(history.parent / "blobs"), EventCodec())


# --- theirs ----------------------------------------------------------------------------------------------------------


def _their_history(history: Path, events: int, folder: Path) -> dict[str, str]:
    """The first events of the history, in the order of recording, in the library's own tables; {} without it."""
    try:
        from benchmarks.peers import FACTS, DefaultApplication, Photo, StructApplication, open_application
    except ImportError as error:
        print(f"the library eventsourcing is left out: {error}")
        return {}
    store = _store(history)
    structs = open_application(StructApplication, folder / "structs.db")
    default = open_application(DefaultApplication, folder / "default.db")
    kinds = {1: Photo.Created}  # type: ignore[attr-defined]
    checkpoint, written = None, 0
    while written < events:
        tail = store.commits.tail(checkpoint, _PAGE)
        checkpoint = tail.checkpoint
        recorded = [each for commit in tail.commits for each in store.events_of(commit)]
        facts, defaults = [], []
        for each in recorded:
            ident = uuid5(NAMESPACE_URL, each.commit.stream)
            moment = each.occurred_at
            place = {"originator_id": ident, "originator_version": each.version, "timestamp": moment}
            facts.append(FACTS[type(each.event)](**place, data=each.event))
            plain = msgspec.to_builtins(each.event)
            if each.version == 1:
                created = kinds[1](**place, originator_topic="benchmarks.peers:Photo", data=plain)
                defaults.append(created)
            else:
                found = Photo.Found(**place, kind=type(each.event).__name__, data=plain)  # type: ignore[attr-defined]
                defaults.append(found)
        structs.events.put(facts)
        default.events.put(defaults)
        written += len(recorded)
    structs.close()
    default.close()
    return {"structs": str(folder / "structs.db"), "default": str(folder / "default.db")}


def _their_read(databases: dict[str, str], which: str) -> Measured:
    from benchmarks.peers import DefaultApplication, StructApplication, open_application

    kind = StructApplication if which == "structs" else DefaultApplication
    application = open_application(kind, Path(databases[which]))

    def work() -> int:
        start, count = 1, 0
        while page := application.notification_log.select(start, _PAGE):
            for notification in page:
                application.mapper.to_domain_event(notification)
                count += 1
            start = page[-1].id + 1
        return count

    return _measure(work)


def _their_view(databases: dict[str, str], which: str) -> Measured:
    """A gallery of four fields: a row read and written, and a tracking position recorded, for each event."""
    from eventsourcing.persistence import Tracking
    from eventsourcing.sqlite import SQLiteDatastore, SQLiteTrackingRecorder

    from benchmarks.peers import DefaultApplication, StructApplication, open_application

    kind = StructApplication if which == "structs" else DefaultApplication
    value_of = getattr if which == "structs" else dict.get  # of an event's data
    application = open_application(kind, Path(databases[which]))
    path = Path(databases[which]).with_name("view.db")
    for old in path.parent.glob("view.db*"):
        old.unlink()
    datastore = SQLiteDatastore(str(path))
    recorder = SQLiteTrackingRecorder(datastore)
    recorder.create_table()
    with datastore.transaction(commit=True) as cursor:
        cursor.execute("CREATE TABLE gallery (id TEXT PRIMARY KEY, version INTEGER, data BLOB)")
    with datastore.get_connection(commit=True) as connection:
        connection.cursor().execute("PRAGMA synchronous=NORMAL")
    pack, unpack = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder().decode

    def process(event: Any, tracking: Tracking) -> None:
        key = event.originator_id.hex
        with datastore.transaction(commit=True) as cursor:
            cursor.execute("SELECT data FROM gallery WHERE id=?", (key,))
            found = cursor.fetchone()
            state = unpack(found["data"]) if found else {}
            for field in ("file_name", "width", "height", "thumbhash"):
                value = value_of(event.data, field, None)
                if value is not None:
                    state[field] = value
            cursor.execute(
                "INSERT OR REPLACE INTO gallery VALUES (?,?,?)", (key, event.originator_version, pack(state))
            )
            recorder._insert_tracking(cursor, tracking)

    def work() -> int:
        start, count = 1, 0
        while page := application.notification_log.select(start, _PAGE):
            for notification in page:
                process(application.mapper.to_domain_event(notification), Tracking("photos", notification.id))
                count += 1
            start = page[-1].id + 1
        return count

    return _measure(work)
