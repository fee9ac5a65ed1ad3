"""What single operations cost on SQLite: microseconds of wall and processor time, with nothing to compare them with.

Everything is durable as in production, so wall time holds the disk's flush; one thread, a vault of 1,000 assets of
about ten events. Run: `python -m benchmarks.operations`.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from itertools import count, islice

from rich.console import Console
from rich.table import Table

from benchmarks.histories import OWNER, build
from benchmarks.measuring import scratch
from domain.asset import asset_stream, fold
from domain.commits import NEW, Cause
from domain.events import AssetSeenAgain
from domain.ports import Move, Row
from photovault.config import Settings
from photovault.runtime import catch_up
from photovault.vault import Vault

_ROUNDS = 200
_ROWS = 100


def main() -> None:
    """Measure and print."""
    table = Table("operation", "wall µs", "cpu µs")
    with scratch() as home:
        build(home / "events.db", 10_000)
        with Vault(Settings(home, OWNER, 1), durable_views=True) as vault:
            catch_up(vault)
            for name, operation in _operations(vault).items():
                wall, cpu = _time(operation)
                table.add_row(name, f"{wall:,.0f}", f"{cpu:,.0f}")
    Console().print(table)


def _operations(vault: Vault) -> dict[str, Callable[[], object]]:
    serial = count()
    streams = [commit.stream for commit in vault.commits.tail(None, 1000).commits if commit.number == 1]
    gallery = vault.generations.projection("gallery").table(1)
    library = vault.generations.projection("library").table(1)
    segments = vault.commits.segments(8)
    event = AssetSeenAgain(path="/media/backup/IMG_1.jpg", file_name="IMG_1.jpg")

    def append() -> None:
        n = next(serial)
        cause = Cause(commit_id=f"c{n}", actor="import", correlation_id=f"c{n}")
        vault.store.append(asset_stream(OWNER, f"new{n}"), [event], NEW, cause)

    def load() -> None:
        stream = streams[next(serial) % len(streams)]
        fold(stream, vault.store.load(stream).events)

    def rows(size: int) -> list[Row]:
        n = next(serial)
        return [Row("bench", f"{n}-{i}", 1, bytes(600), (f"2025-{n}", f"done#{n}")) for i in range(size)]

    def move() -> None:
        n = next(serial)
        new = [Row("bench", f"{n}-{i}", 1, bytes(160)) for i in range(_ROWS)]
        vault.views.move(library, [Move(row, 0, {"library": {"assets": 1, "original_bytes": 9}}) for row in new])

    return {
        "append a commit of one event": append,
        "load and fold an asset of ten events": load,
        "tail: the next 500 commits": lambda: vault.commits.tail("1000", 500),
        "segment: 1,000 commits of a replay, not decoded": lambda: [*islice(vault.commits.segment(segments[1]), 1000)],
        "view put: 1 row of 600 bytes in 2 indexes": lambda: vault.views.put(gallery, rows(1)),
        f"view put: {_ROWS} such rows": lambda: vault.views.put(gallery, rows(_ROWS)),
        f"view move: {_ROWS} rows with their totals": move,
        "view get: 1 row": lambda: vault.views.get(gallery, [(OWNER, streams[0].rpartition("#")[2])]),
        "view query: a page of 100 by index, newest first": lambda: vault.views.query(
            gallery, OWNER, index="timeline", descending=True
        ),
        "totals of a library": lambda: vault.views.totals(library, OWNER),
    }


def _time(operation: Callable[[], object]) -> tuple[float, float]:
    """Medians of wall and processor time, microseconds."""
    walls, cpus = [], []
    for _ in range(_ROUNDS):
        wall, cpu = time.perf_counter(), time.process_time()
        operation()
        walls.append(time.perf_counter() - wall)
        cpus.append(time.process_time() - cpu)
    return statistics.median(walls) * 1e6, statistics.median(cpus) * 1e6


if __name__ == "__main__":
    main()
