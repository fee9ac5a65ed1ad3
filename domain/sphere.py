"""Distances and means of many positions on the globe at once: right across 180 degrees and near the poles. Pure."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["EARTH_KM", "Floats", "cells", "km_between", "mean_position"]

Floats: TypeAlias = NDArray[np.float64]

EARTH_KM = 6371.0088
"""Mean radius of the Earth."""


def km_between(lat_a: Floats, lon_a: Floats, lat_b: Floats | float, lon_b: Floats | float) -> Floats:
    """Along the surface, by the haversine formula; degrees in, kilometres out; NaN where a position is none."""
    north_a, north_b = np.radians(lat_a), np.radians(lat_b)
    half = np.sin((north_b - north_a) / 2) ** 2
    half = half + np.cos(north_a) * np.cos(north_b) * np.sin(np.radians(np.subtract(lon_b, lon_a)) / 2) ** 2
    km: Floats = 2 * EARTH_KM * np.arcsin(np.sqrt(np.clip(half, 0.0, 1.0)))
    return km


def mean_position(lat: Floats, lon: Floats, weights: Floats | None = None) -> tuple[float, float]:
    """The middle of positions, as the direction of the mean of their unit vectors."""
    x, y, z = np.average(_vectors(lat, lon), axis=0, weights=weights)
    return float(np.degrees(np.arctan2(z, np.hypot(x, y)))), float(np.degrees(np.arctan2(y, x)))


def cells(lat: Floats, lon: Floats, km: float = 1.0) -> NDArray[np.int64]:
    """The cube, so many kilometres wide, that each position is in: one row of three numbers each. Cubes know neither
    180 degrees nor poles."""
    cubes: NDArray[np.int64] = np.floor(_vectors(lat, lon) * (EARTH_KM / km)).astype(np.int64)
    return cubes


def _vectors(lat: Floats, lon: Floats) -> Floats:
    north, east = np.radians(lat), np.radians(lon)
    return np.stack((np.cos(north) * np.cos(east), np.cos(north) * np.sin(east), np.sin(north)), axis=-1)
