"""What stacks cost: commits and time for bursts that come in the best and in the worst order, and the look for an
embedded video beside reading all of a picture's metadata. `python -m benchmarks.stacks [FOLDER OF PICTURES]`"""

from __future__ import annotations

import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from adapters.media.header import read_header
from adapters.media.metadata import read_metadata
from adapters.media.motion import find_video
from adapters.media.shots import shot_tags
from adapters.media.sniff import sniff
from domain.commits import split_stream
from domain.errors import MediaRejected
from domain.media import Limits, TakenAt
from domain.meetings import Shot
from tests.support.fakes import MemoryVault
from tests.support.stacking import Library

_BURST = {"Apple:BurstUUID": "0AC1D3A1-0D2B"}


def _frame(n: int, *, burst: bool) -> Shot:
    taken = TakenAt(f"2024-07-01T12:{n // 60:02}:{n % 60:02}", "exif", None)
    return Shot("image/jpeg", f"IMG_{n:03}.JPG", f"/p/IMG_{n:03}.JPG", taken, None, _BURST if burst else {})


def _join(frames: int, *, backwards: bool = False) -> None:
    shots = {f"f{n:03}": _frame(n, burst=frames > 1) for n in range(frames)}
    with MemoryVault() as vault:
        library = Library(vault, shots)
        before = len(vault.everything())
        started = time.perf_counter()
        for ident in sorted(shots, reverse=backwards):
            library.handle(ident)
        seconds = time.perf_counter() - started
        made = vault.everything()[before:]
    commits = Counter(split_stream(commit.stream)[1] for commit in made)
    size = sum(len(commit.body) + len(commit.header()) for commit in made)
    order = "last first" if backwards else "first first"
    print(f"{frames:4} frames, {order:11}: {dict(commits)}, {size // frames:,} bytes a frame, {seconds:.2f} s")


def _median_us(call: Callable[[], object], times: int) -> float:
    taken = []
    for _ in range(times):
        started = time.perf_counter()
        call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken) * 1e6


def _look(path: Path) -> None:
    limits = Limits()
    kind = sniff(path, limits).media_type
    header = read_header(path, kind, limits)

    def look() -> None:
        shot_tags(header.exif_sub.get(0x927C), header.xmp)
        find_video(path, kind, header.xmp)

    whole = _median_us(lambda: read_metadata(path, limits), 30)
    print(f"{path.name}, {path.stat().st_size:,} bytes: {_median_us(look, 200):.0f} us of {whole:,.0f} us")


def main() -> None:
    """Print everything."""
    _join(1)
    for frames in (2, 10, 50, 200):
        _join(frames)
        _join(frames, backwards=True)
    for folder in sys.argv[1:]:
        for path in sorted(Path(folder).iterdir()):
            try:
                _look(path)
            except MediaRejected:
                continue


if __name__ == "__main__":
    main()
