"""What a look for memories costs, whole and daily, by the size of the library: rows that are read, and seconds.

    python -m benchmarks.memories [--sizes 10000 100000] [--new 100]        # 1000000 takes a quarter of an hour

Libraries are those of `benchmarks.quality.memories`, over 20 years. Their rows are written into the view as the
projector would write them (no event is made of a picture); memories are made as ever, as events, and projected. After
the whole look, and one more that finds nothing new, the newest `--new` pictures arrive as one day's do, and a tenth as
many that were taken long ago.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Iterable, Sequence
from datetime import date
from pathlib import Path

import numpy as np

from adapters.ml.density import density_clusters
from benchmarks.quality.memories import STYLES, Library, generate
from domain.asset import asset_stream
from domain.commits import to_us
from domain.moment import Moment, local_text
from domain.ports import Row
from photovault.config import Settings
from photovault.remembering import Made, look_all, places_by
from photovault.runtime import catch_up
from photovault.vault import Vault
from projections.moments import MomentRow, Moments

_OWNER = "bench"
_YEARS = 20
_moments = Moments()


def main(arguments: Sequence[str] | None = None) -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.memories")
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--new", type=int, default=100)
    options = parser.parse_args(arguments)
    for size in options.sizes:
        measure(size, options.new)


def measure(size: int, new: int) -> None:
    """One library: what a whole look costs, a look at nothing, and a day's look."""
    library = sized(size)
    order = np.arange(len(library.track))
    dice = np.random.default_rng(1)
    late = set(dice.choice(len(order) - new, new // 10, replace=False).tolist())
    old = [i for i in order[:-new].tolist() if i not in late]
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(Path(folder), _OWNER, 1)
        with Vault(settings, create=True, durable_views=False) as vault:
            _, table = vault.generations.active(Moments.name)
            vault.views.put(table, list(rows_of(library, old, 0)))
            say(len(old), "whole", *_look(vault))
            say(len(old), "nothing new", *_look(vault))
            fresh = [*order[-new:].tolist(), *sorted(late)]
            vault.views.put(table, list(rows_of(library, fresh, to_us(vault.clock()))))
            say(len(order), f"a day ({len(fresh)} new)", *_look(vault))


def sized(size: int) -> Library:
    """A library of about so many pictures."""
    rate = (size / _YEARS - 519) / 1327  # as measured
    STYLES["sized"] = max(0.05, rate)
    return generate(1, "sized", _YEARS)


def rows_of(library: Library, numbers: Iterable[int], changed_us: int) -> Iterable[Row]:
    """Rows of the view `moments`, each changed a microsecond after the one before."""
    track = library.track
    for n, i in enumerate(numbers):
        known = bool(np.isfinite(track.lat[i]))
        moment = Moment(
            asset=track.ids[i],
            local=local_text(track.at[i]),
            source="exif:DateTimeOriginal",
            latitude=float(track.lat[i]) if known else None,
            longitude=float(track.lon[i]) if known else None,
            kind="image",
            safety="clean",
            shown=True,
        )
        row = MomentRow(moment=moment, processed=True, changed_us=changed_us + 1 + n)
        yield _moments.home_row(asset_stream(_OWNER, track.ids[i]), row, 1)


def _look(vault: Vault) -> tuple[Made, float]:
    began = time.perf_counter()
    made = look_all(vault, _OWNER, date(2031, 1, 15), places_by(density_clusters), vault.settings.serving)
    catch_up(vault)
    return made, time.perf_counter() - began


def say(size: int, what: str, made: Made, seconds: float) -> None:
    """One line."""
    print(
        f"{size:>9,} pictures, {what:<18} {made.changed:>9,} changed, {made.read:>9,} rows read, "
        f"{made.created:>5} made, {made.revised:>3} revised, {made.retired:>3} retired, {seconds:8.1f} s",
        flush=True,
    )


if __name__ == "__main__":
    main()
