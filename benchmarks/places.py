"""What naming places costs: `python -m benchmarks.places` prints the load time, the memory and the time a look-up."""

from __future__ import annotations

import random
import resource
import sys
import timeit

import numpy as np  # not counted: whoever names places has it loaded

from adapters.geo.data import FILE
from adapters.geo.places import OfflineGeocoder

_LOOK_UPS = 200
_ROUNDS = 20


def main() -> None:
    """Measure in this process; the best of so many rounds, as other work on the machine only ever adds."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    geocoder = OfflineGeocoder()
    load = timeit.timeit(lambda: geocoder.source, number=1)
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    dice = random.Random(1)
    places = [(float(np.degrees(np.arcsin(dice.uniform(-1, 1)))), dice.uniform(-180, 180)) for _ in range(_LOOK_UPS)]
    rounds = timeit.repeat(lambda: [geocoder.nearest(*place) for place in places], number=1, repeat=_ROUNDS)
    sys.stdout.write(
        f"{FILE.name} {FILE.stat().st_size / 1e6:.1f} MB; load {load * 1000:.0f} ms, {grown / 1024:.0f} MB; "
        f"{min(rounds) / _LOOK_UPS * 1000:.3f} ms a look-up\n"
    )


if __name__ == "__main__":
    main()
