"""What keeping the index of faces costs, and what a process that has just started pays for it.

python -m benchmarks.quality.face_index [--pictures 10000]       # each with one generated face, in memory
"""

from __future__ import annotations

import argparse
import resource
import statistics
import time

import numpy as np

from adapters.local.checkpoints import SqliteCheckpoints
from domain.people import NEIGHBOURS
from photovault.face_index import FaceIndex, Remembered
from tests.support.fakes import MemoryBlobs


class _CountedBlobs(MemoryBlobs):
    written = read = 0

    def put(self, data: bytes) -> str:
        self.written += len(data)
        return super().put(data)

    def get(self, key: str) -> bytes:
        found = super().get(key)
        self.read += len(found)
        return found


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.face_index")
    parser.add_argument("--pictures", type=int, default=10_000)
    pictures = parser.parse_args().pictures
    checkpoints, blobs = SqliteCheckpoints(":memory:"), _CountedBlobs()
    places = np.random.default_rng(1).normal(size=(max(1, pictures // 100), 128))
    places /= np.linalg.norm(places, axis=1, keepdims=True)

    def vectors(number: int) -> np.ndarray:
        noise = np.random.default_rng(number).normal(size=128)
        return (places[number % len(places)] + 0.2 * noise / np.linalg.norm(noise)).astype("<f4")[None]

    def index() -> FaceIndex:
        opened = lambda picture: vectors(int(picture.asset))  # noqa: E731
        return FaceIndex("anna#key", bytes(32), checkpoints, blobs, opened, list)  # type: ignore[arg-type]

    kept, spent = index(), []
    for number in range(pictures):
        face = vectors(number)
        started = time.process_time()
        kept.refresh()
        kept.near(str(number), face[0], NEIGHBOURS)
        kept.remember(Remembered(f"{number}", f"{number:064}", {0: f"{number % len(places):026}"}), face)
        spent.append((time.process_time() - started) * 1000)
    written_kb = blobs.written / pictures / 1000
    print(f"{pictures:,} pictures one by one, {written_kb:.1f} KB written for each; ms of a processor:")
    print(f"mean {statistics.mean(spent):.2f}, median {statistics.median(spent):.2f}, longest {max(spent):,.0f}")
    blobs.read = 0
    started = time.process_time()
    fresh = index()
    fresh.refresh()
    spent_ms = (time.process_time() - started) * 1000
    memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"a process that starts: {spent_ms:.0f} ms, {blobs.read / 1e6:.1f} MB read; {len(fresh):,} faces")
    print(f"at most {memory_mb} MB, with both indexes and all blobs in memory")


if __name__ == "__main__":
    main()
