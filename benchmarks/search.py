"""Search over 100,000 generated documents on this machine: time to index, p50 and p95 by words alone and with meaning.

    python -m benchmarks.search [--documents 100000]

The vocabulary is drawn by Zipf's law from real words (tags, places, cameras); vectors are random directions with a
cluster for each tag. Prints milliseconds; the goal is a p95 under 50 ms for both.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from adapters.local.search import SqliteSearchIndex
from domain.ports import ViewTable
from domain.query import parse
from domain.search import Document, Entry
from domain.taxonomy import GROUPS

TABLE = ViewTable("search", 1)
TODAY = date(2026, 11, 24)
PLACES = [
    (city, country, latitude, longitude)
    for city, country, latitude, longitude in (
        ("Lisbon", "Portugal", 38.72, -9.14),
        ("Kyoto", "Japan", 35.01, 135.77),
        ("Reykjavik", "Iceland", 64.15, -21.94),
        ("Rome", "Italy", 41.89, 12.48),
        ("Sydney", "Australia", -33.87, 151.21),
        ("Oslo", "Norway", 59.91, 10.75),
        ("Paris", "France", 48.86, 2.35),
        ("Vienna", "Austria", 48.21, 16.37),
    )
]
CAMERAS = ["Canon EOS R6", "Apple iPhone 13 Pro", "FUJIFILM X-T4", "Google Pixel 7", "SONY ILCE-7M3"]
QUERIES = [
    "dog", "dog beach", "mountain lake", "cat -dog", "food place:rome", "boat after:2020", "bird type:photo",
    "flower last summer", "train kyoto", "person near:38.72,-9.14,20", "montain", "bicicle", "tree rating:4",
    "christmas 2019", "camera:canon car", "IMG_4711", "house is:located", "sunset", "june boat", "sea",
    "dog on the beach",
]  # fmt: skip


def main() -> None:
    """Run it."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--documents", type=int, default=100_000)
    count = options.parse_args().documents
    with tempfile.TemporaryDirectory() as folder:
        index = SqliteSearchIndex(Path(folder) / "search.db", durable=False)
        index.create(TABLE)
        started = time.perf_counter()
        dice, batch = np.random.default_rng(1), list[Entry]()
        named = ("dog", "beach", "mountain", "lake", "boat", "bird", "flower", "tree", "sunset", "bicycle")
        words = [*sorted(GROUPS)[:150], *named]
        clusters = dice.standard_normal((len(words), 384)).astype(np.float32)
        picks = random.Random(1)
        weights = [1 / (rank + 3) for rank in range(len(words))]
        picks.shuffle(words)
        for n in range(count):
            batch.append(_entry(n, words, weights, clusters, picks, dice))
            if len(batch) == 2_000:
                index.put(TABLE, batch)
                batch.clear()
        index.put(TABLE, batch)
        print(f"{count:,} documents indexed in {time.perf_counter() - started:.1f} s")
        started = time.perf_counter()
        index.search(TABLE, "me", parse("dog", TODAY))
        print(f"first search of a process {(time.perf_counter() - started) * 1000:.0f} ms (reads the vectors)")
        vectors = [clusters[dice.integers(len(words))] for _ in QUERIES]
        for name, meaning in (("words", False), ("hybrid", True)):
            times: list[tuple[float, str]] = []
            cpu: list[float] = []
            for _ in range(5):
                for text, vector in zip(QUERIES, vectors, strict=True):
                    unit = (vector / np.linalg.norm(vector)).tolist() if meaning else None
                    started, used = time.perf_counter(), time.process_time()
                    index.search(TABLE, "me", parse(text, TODAY), vector=unit, limit=50)
                    times.append(((time.perf_counter() - started) * 1000, text))
                    cpu.append((time.process_time() - used) * 1000)
            _say(name, times)
            print(f"         p95 of processor time {sorted(cpu)[int(len(cpu) * 0.95)]:.1f} ms")
        times = []
        for beginning in ("d", "do", "dog", "mou", "lis", "can"):
            started = time.perf_counter()
            index.suggest(TABLE, "me", beginning)
            times.append(((time.perf_counter() - started) * 1000, beginning))
        _say("suggest", times)


def _say(name: str, times: Sequence[tuple[float, str]]) -> None:
    ordered = sorted(times)
    p50, p95 = ordered[len(ordered) // 2][0], ordered[int(len(ordered) * 0.95)][0]
    slow = ", ".join(dict.fromkeys(f"{text!r}" for _, text in ordered[-8:]))
    print(f"{name:8} p50 {p50:6.1f} ms   p95 {p95:6.1f} ms   slowest: {slow}")


def _entry(
    n: int,
    words: Sequence[str],
    weights: Sequence[float],
    clusters: np.ndarray,
    picks: random.Random,
    dice: np.random.Generator,
) -> Entry:
    chosen = list(dict.fromkeys(picks.choices(range(len(words)), weights, k=picks.randint(1, 6))))
    city, country, latitude, longitude = picks.choice(PLACES)
    located = picks.random() < 0.6
    vector = sum(clusters[c] for c in chosen) + dice.standard_normal(384).astype(np.float32) * 0.5
    taken = date(2005, 1, 1) + timedelta(days=picks.randrange(7900))
    document = Document(
        file_name=f"IMG_{n:05}.jpg",
        kind="video" if picks.random() < 0.08 else "image",
        taken=f"{taken}T12:00:00",
        dated=True,
        rating=picks.choice((None, None, None, 3, 4, 5)),
        camera=picks.choice(CAMERAS),
        city=city if located else "",
        country=country if located else "",
        latitude=latitude + picks.uniform(-1, 1) if located else None,
        longitude=longitude + picks.uniform(-1, 1) if located else None,
        tags=tuple(words[c] for c in chosen),
        flags=("located",) if located else (),
    )
    unit = (vector / np.linalg.norm(vector)).astype("<f2").tobytes()
    return Entry("me", f"a{n:07}", 1, document, unit)


if __name__ == "__main__":
    main()
