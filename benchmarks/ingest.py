"""From a folder to finished assets, end to end: what the house adds to the work of the steps themselves.

Photos of 12 megapixels are imported into a fresh vault and worked to their end by two workers, with every flush to disk
that durability asks for. The events say how much processor time each step's attempt took, the decoder's included.

- packing: assets a second of wall time, beside two processors that do nothing but the steps' work and never wait:
  2 / (processor seconds of an asset's steps). A machine that is busy with other things makes it look worse.
- overhead: processor time of all processes (import, queues, relay, projections, flushes, starting the decoders) beside
  that of the steps alone.
Run: `python -m benchmarks ingest`; the photos are made once, into build/bench.
"""

from __future__ import annotations

import resource
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from msgspec import Struct

from benchmarks.measuring import Row, in_turn, row, scratch
from domain.events import Outcome

WORKERS = 2
GOAL = 0.8
PHOTOS = 24
QUICK_PHOTOS = 8


class Ingested(Struct, frozen=True):
    """One run: seconds."""

    assets: int
    wall: float
    steps_cpu: float
    all_cpu: float


def run(quick: bool = False) -> list[Row]:
    """Rows for packing and for overhead."""
    photos = _photos(QUICK_PHOTOS if quick else PHOTOS)
    runs: list[Ingested] = []

    def once() -> float:
        with scratch() as home, ProcessPoolExecutor(1, get_context("spawn")) as pool:
            runs.append(pool.submit(_ingest, home / "vault", photos).result())
        return runs[-1].wall

    in_turn([once], 1 if quick else 3)
    best = min(runs, key=lambda r: r.wall)
    name = f"ingest of {best.assets} photos of 12 megapixels"
    return [
        row(
            name,
            best.assets / best.wall,
            WORKERS / (best.steps_cpu / best.assets),
            f"the steps alone, packed on {WORKERS} processors",
            GOAL,
            "assets/s",
        ),
        row(
            f"{name}, overhead",
            1000 * best.all_cpu / best.assets,
            1000 * best.steps_cpu / best.assets,
            "the steps alone",
            GOAL,
            "ms of processor time an asset",
            less=True,
        ),
    ]


def _photos(count: int) -> list[Path]:
    """Photos of 12 megapixels like a camera's, each with another content."""
    from benchmarks.renditions import Case, photo

    return [photo(Case("a JPEG of 12 megapixels", (4000, 3000)), seed) for seed in range(count)]


def _ingest(home: Path, photos: list[Path]) -> Ingested:
    """In a process of its own: one fresh vault, all photos, to the end."""
    from photovault.config import Settings
    from photovault.importer import import_files
    from photovault.runtime import Runtime
    from photovault.vault import Vault

    before, started = _cpu(), time.perf_counter()
    with Vault(Settings(home, "me", WORKERS), create=True) as vault:
        import_files(vault, photos)
        Runtime(vault).run()
        wall = time.perf_counter() - started
        spent = 0.0
        states: dict[str, int] = {}
        for commit in vault.commits.tail(None, 1_000_000).commits:
            for recorded in vault.store.events_of(commit):
                if isinstance(recorded.event, Outcome):
                    spent += recorded.event.run.cpu_ms / 1000
                state = getattr(recorded.event, "state", None)
                if state:
                    states[state] = states.get(state, 0) + 1
        if states != {"done": len(photos)}:
            raise RuntimeError(f"not every photo was processed: {states}")
    return Ingested(len(photos), wall, spent, _cpu() - before)


def _cpu() -> float:
    """Processor seconds of this process and of its children that have ended."""
    uses = (resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN))
    return sum(use.ru_utime + use.ru_stime for use in uses)
