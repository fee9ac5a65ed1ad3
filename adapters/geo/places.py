"""The populated place that a position belongs to, by a table in memory. It meets two numbers, never a strange file."""

from __future__ import annotations

import threading
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from adapters.geo.data import FILE, read
from domain.places import NearestPlace

if TYPE_CHECKING:
    from adapters.geo.index import Index

__all__ = ["OfflineGeocoder"]


class OfflineGeocoder:
    """`domain.ports.Geocoder` on a file of this package. Safe to share between threads.

    Cost:
        The first call reads the file (0.1 s, 32 MB); each call takes 0.15 ms (`python -m benchmarks.places`).
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
    def _index(self) -> Index:
        with self._lock:
            return self._loaded

    @cached_property
    def _loaded(self) -> Index:
        from adapters.geo.index import Index  # numpy: only who names places needs it

        return Index(read(self._file))
