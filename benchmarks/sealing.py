"""What sealing personal fields costs: the same history without keys and with, beside each other in one run."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from statistics import median

from adapters.local.blobs import FileBlobStore
from adapters.local.commits import SqliteCommitStore
from adapters.local.keys import SqliteKeys
from domain.asset import asset_stream
from domain.commits import NEW, Cause, derive_id
from domain.eventstore import EventStore
from events_schema.codec import EventCodec
from projections import PROJECTIONS
from projections.replay import fold_streams
from tests.support.factories import fingerprint, lookalikes, metadata, place, processed, renditions, uploaded, validated

ASSETS = 300
ROUNDS = 9


def life(name: str) -> list[list[object]]:
    """An image's decisions, as in a vault without models."""
    return [
        [uploaded(name)],
        [validated()],
        [metadata()],
        [place()],
        [renditions()],
        [fingerprint()],
        [lookalikes(), processed()],
    ]


def fill(store: EventStore) -> float:
    """Append the history; seconds."""
    started = time.perf_counter()
    for n in range(ASSETS):
        stream = asset_stream("me", derive_id("bench", n))
        token = NEW
        for i, events in enumerate(life(f"IMG_{n:05}.jpg")):
            cause = Cause(commit_id=derive_id(stream, i), actor="bench", correlation_id=stream)
            token = store.append(stream, events, token, cause).token  # type: ignore[arg-type]
    return time.perf_counter() - started


def fold(store: EventStore) -> float:
    """Fold the whole history into all projections; seconds."""
    started = time.perf_counter()
    [segment] = store.commits.segments(1)
    streams = sum(1 for _ in fold_streams(store.commits.segment(segment), store, PROJECTIONS))
    assert streams == ASSETS
    return time.perf_counter() - started


def main() -> None:
    """Print appends, folds and bytes, sealed against plain."""
    with tempfile.TemporaryDirectory() as folder:
        stores, seconds, size = {}, {}, {}
        for name in ("plain", "sealed"):
            place_ = Path(folder) / name
            place_.mkdir()
            keys = SqliteKeys(place_ / "keys.db") if name == "sealed" else None
            commits = SqliteCommitStore(place_ / "events.db")
            stores[name] = EventStore(commits, FileBlobStore(place_ / "blobs"), EventCodec(keys=keys))
            seconds[name] = fill(stores[name])
            [segment] = commits.segments(1)
            size[name] = sum(len(commit.body) for commit in commits.segment(segment))
        folds = {name: [] for name in stores}
        for _ in range(ROUNDS):  # side by side, so that a busy machine slows both
            for name, store in stores.items():
                folds[name].append(fold(store))
        events = ASSETS * sum(len(events) for events in life("a"))
        ratio = median(folds["sealed"]) / median(folds["plain"])
        print(f"append: sealed takes {seconds['sealed'] / seconds['plain']:.2f} of plain's time, ", end="")
        print(f"{seconds['sealed'] / ASSETS / 7 * 1000:.2f} ms a commit")
        print(
            f"fold:   sealed takes {ratio:.2f} of plain's time, {events / median(folds['sealed']):,.0f} events a second"
        )
        print(f"bodies: sealed takes {size['sealed'] / size['plain']:.2f} of plain's bytes, ", end="")
        print(f"{(size['sealed'] - size['plain']) / ASSETS:,.0f} more an asset")


if __name__ == "__main__":
    main()
