"""Where a position is, in words: what may be said of it, by how far it is from any place that is known. Pure."""

from __future__ import annotations

import math

from msgspec import Struct

__all__ = ["CITY_KM", "COUNTRY_KM", "REGION_KM", "NearestPlace", "Said", "on_earth", "say"]

CITY_KM = 50.0
"""Farther from every town, a photo is not "in" the nearest one; its region and country still hold."""
REGION_KM = 100.0
COUNTRY_KM = 300.0
"""Farther out it is the sea, or ice: nothing is said."""


class NearestPlace(Struct, frozen=True):
    """What a geocoder found."""

    city: str
    region: str | None  # the first-order division: a state, a province, a county; None where there is none
    country: str
    country_code: str  # ISO 3166-1 alpha-2
    distance_km: float  # from the position asked to the city's centre


class Said(Struct, frozen=True):
    """What may be said of a position."""

    city: str | None
    region: str | None
    country: str
    country_code: str
    distance_km: float
    note: str | None = None


def on_earth(latitude: float, longitude: float) -> bool:
    """Whether the two are degrees north and east at all, and not the 0, 0 of a receiver without a fix."""
    real = math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180
    return real and not (abs(latitude) < 1e-4 and abs(longitude) < 1e-4)


def say(nearest: NearestPlace) -> Said | str:
    """The place, as precisely as its distance allows; or why there is none, in a sentence."""
    name, distance = nearest.city, nearest.distance_km
    if distance > COUNTRY_KM:
        return f"the nearest place known is {name} ({nearest.country}), {distance:,.0f} km away: too far to name one"
    city = name if distance <= CITY_KM else None
    region = nearest.region if distance <= REGION_KM else None
    note = None
    if city is None:
        what = "country" if region is None else "region"
        note = f"the nearest place known is {name}, {distance:.0f} km away: only the {what} is named"
    return Said(city, region, nearest.country, nearest.country_code, distance, note)
