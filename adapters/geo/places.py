"""The populated place that a position belongs to, from a table in memory. Meets two numbers, never a file of a user's.

Positions are unit vectors: their scalar product orders by distance everywhere, at the poles and across 180 degrees,
where distances in raw degrees err. One product with all 155,000 places is faster than any tree needs to be.
"""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.geo.data import FILE, Table, read
from domain.places import NearestPlace

__all__ = ["OfflineGeocoder"]

_EARTH_KM = 6371.0
_PEOPLE_PER_KM2 = 15_000.0
"""How dense a large city is: it turns a population into the radius within which a quarter belongs to its city."""
_COARSE_ERROR = 1e-6  # of a scalar product in single precision

if TYPE_CHECKING:  # 0.1 s and 20 MB to import, which only those who ask for a place need
    import numpy as np
    from numpy.typing import NDArray

    _Vectors = NDArray[np.float64]


class OfflineGeocoder:
    """`domain.ports.Geocoder` on a file of this package. Safe to share between threads.

    Cost:
        The first call reads the file (60 ms, 25 MB); each call takes 0.3 ms (`python -m benchmarks.places`).
    """

    def __init__(self, file: Path = FILE) -> None:
        self._file = file
        self._lock = threading.Lock()

    @property
    def source(self) -> str:
        """Who made the data, when, and under which licence."""
        return self._index.table.source

    def nearest(self, latitude: float, longitude: float) -> NearestPlace:
        """The place nearest to a position; inside a large city the city, not its nearest quarter."""
        index = self._index
        found, distance_km = index.find(latitude, longitude)
        region, code = index.table.regions[index.regions[found]]
        return NearestPlace(
            city=index.names[found],
            region=region,
            country=index.table.countries.get(code, code),
            country_code=code,
            distance_km=round(distance_km, 1),
        )

    @property
    def _index(self) -> _Index:
        with self._lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> _Index:
        return _Index(read(self._file))


class _Index:
    """The table as arrays."""

    def __init__(self, table: Table) -> None:
        import numpy as np

        self.table = table
        self.names = table.names.split("\n")
        self.regions = np.frombuffer(table.place_regions, "<u2")
        self.radii_km = np.sqrt(np.frombuffer(table.populations, "<u4") / (np.pi * _PEOPLE_PER_KM2))
        self.vectors = unit_vectors(
            np.frombuffer(table.latitudes, "<i4") / 1e5, np.frombuffer(table.longitudes, "<i4") / 1e5
        )
        self._coarse = self.vectors.astype(np.float32)
        self._widest = float(np.cos(self.radii_km.max() / _EARTH_KM))

    def find(self, latitude: float, longitude: float) -> tuple[int, float]:
        """Number of the place, and its distance in kilometres.

        Of the places in the nearest one's region it is the one whose radius reaches farthest over the position, if any
        does: GeoNames lists quarters beside their cities, and the nearest place to the Eiffel Tower is a suburb.
        """
        import numpy as np

        here = unit_vectors(np.array([latitude]), np.array([longitude]))[0]
        coarse = self._coarse @ here.astype(np.float32)  # right to 3 km, and ten times as fast as in double precision
        near = np.flatnonzero(coarse >= min(float(coarse.max()), self._widest) - _COARSE_ERROR)
        kilometres = np.arccos(np.clip(self.vectors[near] @ here, -1.0, 1.0)) * _EARTH_KM
        nearest = int(kilometres.argmin())
        powers = kilometres**2 - self.radii_km[near] ** 2
        powers[self.regions[near] != self.regions[near[nearest]]] = np.inf
        best = int(powers.argmin())
        chosen = best if powers[best] < 0 else nearest
        return int(near[chosen]), float(kilometres[chosen])


def unit_vectors(latitudes: _Vectors, longitudes: _Vectors) -> _Vectors:
    """Positions in degrees as points on the unit sphere, one a row."""
    import numpy as np

    north, east = np.radians(latitudes), np.radians(longitudes)
    return np.stack([np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)], axis=-1)
