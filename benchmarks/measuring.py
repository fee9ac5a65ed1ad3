"""What the benchmarks share: rows, turns, a scratch folder."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BUILD = Path(__file__).resolve().parent.parent / "build" / "bench"
"""Where histories and photos are kept between runs; remove it to have them made anew."""

Row = dict[str, Any]


def row(name: str, ours: float, peer: float, peer_name: str, goal: float, unit: str, *, less: bool = False) -> Row:
    """One line of the table; the ratio is above 1 where ours is better. `less`: less of the unit is better."""
    ratio = peer / ours if less else ours / peer
    return {
        "name": name,
        "ours": round(ours, 3 if ours < 10 else 1),
        "peer": round(peer, 3 if peer < 10 else 1),
        "peer_name": peer_name,
        "ratio": round(ratio, 2),
        "goal": goal,
        "unit": unit,
    }


def in_turn(sides: Sequence[Callable[[], float]], rounds: int) -> list[float]:
    """Run A B C A B C ... and give the median of what each returned: the machine's moods meet all of them."""
    found: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for side, results in zip(sides, found, strict=True):
            results.append(side())
    return [statistics.median(results) for results in found]


@contextmanager
def scratch() -> Iterator[Path]:
    """A folder on the disk of the project, removed afterwards."""
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD, prefix="run-") as folder:
        yield Path(folder)
