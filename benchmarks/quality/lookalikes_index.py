"""What a look-up costs with 1,000 pictures and with a million: requests, rows read, read units, milliseconds here.

    python -m benchmarks.quality.lookalikes_index [COUNT ...]

Hashes are random with half of their bits set, as all perceptual hashes have; a look-up asks the index of a real view
store (SQLite, in a file) for its ranges, as `photovault.lookalikes` does. Real hashes lie closer together:
`benchmarks.quality.lookalikes` prints by how much.
"""

from __future__ import annotations

import hashlib
import math
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from adapters.local.views import SqliteViewStore
from domain.asset import asset_stream
from domain.likeness import BANDS, NEAR, nearest, ranges
from domain.ports import Row
from photovault.cost.metering import row_bytes
from projections.fingerprints import Fingerprint, Fingerprints, asset_in, band_range

_OWNER = "anna"
_ROUNDS = 200
_BATCH = 20_000
_VIEW = Fingerprints()
_TABLE = _VIEW.table(1)


def main() -> None:
    """Print one line a size of the library."""
    counts = [int(argument) for argument in sys.argv[1:]] or [1_000, 10_000, 100_000, 1_000_000]
    print(f"{'pictures':>9} {'requests':>8} {'rows':>7} {'RCU':>6} {'ms':>7} {'99 %':>7}   (medians of {_ROUNDS})")
    for count in counts:
        with tempfile.TemporaryDirectory() as folder:
            views = SqliteViewStore(Path(folder) / "views.db", durable=False)
            views.create(_TABLE)
            dice = random.Random(count)
            hashes = [_hash(dice) for _ in range(count)]
            rows: list[Row] = []
            for row in _rows(hashes):
                rows.append(row)
                if len(rows) == _BATCH:
                    views.put(_TABLE, rows)
                    rows = []
            views.put(_TABLE, rows)
            _measure(views, hashes, dice)
            views.close()


def _hash(dice: random.Random) -> int:
    return sum(1 << bit for bit in dice.sample(range(64), 32))


def _rows(hashes: list[int]) -> Iterator[Row]:
    """The bands' rows in the order of their keys, which a table takes in fast."""
    names = [hashlib.sha256(str(i).encode()).hexdigest()[:26] for i in range(len(hashes))]
    for band, cut in enumerate(BANDS):
        for phash, name in sorted(zip(hashes, names, strict=True), key=lambda each: (cut.of(each[0]), each[1])):
            prefix = f"{band_range(band, cut.of(phash), 0)[0]}#"
            state = Fingerprint(name, phash=phash)
            yield next(
                row
                for row in _VIEW.other_rows(asset_stream(_OWNER, name), None, state, 7)
                if row.key.startswith(prefix)
            )


def _measure(views: SqliteViewStore, hashes: list[int], dice: random.Random) -> None:
    requests, read, units, times = [], [], [], []
    for i in range(_ROUNDS):
        wanted = dice.choice(hashes)
        for bit in dice.sample(range(64), i % (NEAR + 1)):
            wanted ^= 1 << bit
        started = time.perf_counter()
        pages = [
            views.query(_TABLE, _OWNER, low=a, high=b, limit=5_000).rows
            for a, b in (band_range(*r) for r in ranges(wanted))
        ]
        candidates = {asset_in(row.key): int.from_bytes(row.data[1:], "big") for page in pages for row in page}
        found = nearest(wanted, (), candidates)
        times.append((time.perf_counter() - started) * 1000)
        assert found.matches
        requests.append(len(pages))
        read.append(sum(map(len, pages)))
        units.append(sum(max(1, math.ceil(sum(row_bytes(_TABLE, row) for row in page) / 4096)) for page in pages))
    late = sorted(times)[int(_ROUNDS * 0.99)]
    median = statistics.median
    said = f"{len(hashes):9,} {median(requests):8.0f} {median(read):7.0f} {median(units):6.0f}"
    print(f"{said} {median(times):7.2f} {late:7.2f}")


if __name__ == "__main__":
    main()
