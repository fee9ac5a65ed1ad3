"""Names of positions: the geometry, the table that is shipped, and how far away a name still holds."""

from __future__ import annotations

import hashlib
import math
import random
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from adapters.geo.data import FILE, Table, read, write
from adapters.geo.index import unit_vectors
from adapters.geo.places import OfflineGeocoder
from domain.places import NearestPlace, on_earth, say

GEOCODER = OfflineGeocoder()


@pytest.mark.parametrize(
    ("position", "city", "region", "country"),
    [
        ((43.4674, 11.8851), "Arezzo", "Tuscany", "Italy"),
        ((64.1466, -21.9426), "Reykjavík", "Capital Region", "Iceland"),  # raw degrees find a town 20 km off
        ((48.8584, 2.2945), "Paris", "Île-de-France", "France"),  # the Eiffel Tower: the nearest centre is a suburb's
        ((48.8352, 2.2411), "Boulogne-Billancourt", "Île-de-France", "France"),
        ((40.6892, -74.0445), "New York City", "New York", "United States"),
        ((40.7280, -74.0780), "Jersey City", "New Jersey", "United States"),
        ((35.6586, 139.7454), "Tokyo", "Tokyo", "Japan"),
        ((-33.8568, 151.2153), "Sydney", "New South Wales", "Australia"),
        ((-54.8019, -68.3030), "Ushuaia", "Tierra del Fuego", "Argentina"),
        ((37.5665, 126.9780), "Seoul", "Seoul", "South Korea"),
        ((41.9022, 12.4533), "Vatican City", None, "Vatican City"),
    ],
)
def test_well_known_places(position: tuple[float, float], city: str, region: str | None, country: str) -> None:
    found = GEOCODER.nearest(*position)
    assert (found.city, found.region, found.country) == (city, region, country)
    assert found.distance_km < 15


def test_across_180_degrees_the_nearest_may_have_the_other_sign() -> None:
    taveuni, west, east = (
        GEOCODER.nearest(-16.8, 179.99),
        GEOCODER.nearest(-16.8, -179.99),
        GEOCODER.nearest(-16.8, 180),
    )
    assert taveuni.country == west.country == east.country == "Fiji"
    assert west.distance_km == pytest.approx(taveuni.distance_km, abs=3)
    assert GEOCODER.nearest(-16.8, 180.0) == GEOCODER.nearest(-16.8, -180.0)


def test_the_answer_is_that_of_a_search_of_all_places_with_another_formula() -> None:
    """Against the haversine formula in plain Python, at positions that are spread over the whole globe."""
    table = read()
    north = [value / 1e5 for value in np.frombuffer(table.latitudes, "<i4")]
    east = [value / 1e5 for value in np.frombuffer(table.longitudes, "<i4")]
    dice = random.Random(7)
    for _ in range(12):
        here = (math.degrees(math.asin(dice.uniform(-1, 1))), dice.uniform(-180, 180))
        nearest = min(_haversine_km(*here, *there) for there in zip(north, east, strict=True))
        found = GEOCODER.nearest(*here)
        assert found.distance_km == pytest.approx(nearest, abs=24)  # the radius of the largest city
        if nearest > 50:
            assert found.distance_km == pytest.approx(nearest, abs=0.06)


def _haversine_km(north: float, east: float, other_north: float, other_east: float) -> float:
    a, b = math.radians(north), math.radians(other_north)
    half = math.sin((b - a) / 2) ** 2
    half += math.cos(a) * math.cos(b) * math.sin(math.radians(other_east - east) / 2) ** 2
    return 2 * 6371.0 * math.asin(min(1.0, math.sqrt(half)))


def test_the_table_says_its_source_date_and_licence() -> None:
    assert GEOCODER.source == "GeoNames cities1000 of 2025-05-15, CC BY 4.0, geonames.org"
    table = read()
    count = len(table.names.split("\n"))
    assert count == 155_210
    assert [len(column) for column in (table.latitudes, table.longitudes, table.populations)] == [4 * count] * 3
    assert len(table.place_regions) == 2 * count
    assert {code for _, code in table.regions} <= table.countries.keys()


def test_a_table_that_is_written_is_read_again_and_twice_the_same(tmp_path: Path) -> None:
    table = read()
    write(table, tmp_path / "a")
    assert hashlib.sha256((tmp_path / "a").read_bytes()).digest() == hashlib.sha256(FILE.read_bytes()).digest()
    assert read(tmp_path / "a") == table


def test_in_a_small_table_a_city_reaches_as_far_as_its_people_need_and_not_into_another_region(tmp_path: Path) -> None:
    places = [
        ("City", 0.0, 2_000_000, 0),
        ("Quarter", 5.0, 20_000, 0),
        ("Foreign", 5.5, 20_000, 1),
        ("Far", 30.0, 9, 0),
    ]
    degrees = [round(1e5 * (10 + km / 111.19)) for _, km, _, _ in places]
    table = Table(
        source="a test",
        made_from="",
        names="\n".join(name for name, *_ in places),
        latitudes=np.array(degrees, "<i4").tobytes(),
        longitudes=np.zeros(4, "<i4").tobytes(),
        populations=np.array([people for _, _, people, _ in places], "<u4").tobytes(),
        place_regions=np.array([region for *_, region in places], "<u2").tobytes(),
        regions=[("Here", "AA"), ("There", "BB")],
        countries={"AA": "A", "BB": "B"},
    )
    write(table, tmp_path / "table")
    small = OfflineGeocoder(tmp_path / "table")
    found = [small.nearest(10 + km / 111.19, 0.0).city for km in (0, 4.9, 5.6, 15, 29)]
    assert found == ["City", "City", "Foreign", "Foreign", "Far"]


def test_unit_vectors_have_the_length_of_one() -> None:
    north, east = np.array([0.0, 90.0, -45.0]), np.array([180.0, 0.0, -179.9])
    assert np.allclose(np.linalg.norm(unit_vectors(north, east), axis=1), 1.0)


@pytest.mark.parametrize(
    ("kilometres", "city", "region", "note"),
    [
        (0.0, "Alert", "Nunavut", None),
        (50.0, "Alert", "Nunavut", None),
        (51.0, None, "Nunavut", "51 km away: only the region is named"),
        (101.0, None, None, "101 km away: only the country is named"),
        (300.0, None, None, "300 km away: only the country is named"),
    ],
)
def test_the_farther_the_less_is_said(kilometres: float, city: str, region: str, note: str | None) -> None:
    said = say(NearestPlace("Alert", "Nunavut", "Canada", "CA", kilometres))
    assert not isinstance(said, str)
    assert (said.city, said.region, said.country) == (city, region, "Canada")
    assert (said.note or "").endswith(note or "")
    assert (said.note is None) == (note is None)


def test_on_the_high_seas_nothing_is_said_and_why() -> None:
    assert say(NearestPlace("Flores", "Azores", "Portugal", "PT", 1316.8)) == (
        "the nearest place known is Flores (Portugal), 1,317 km away: too far to name one"
    )


@pytest.mark.parametrize(
    ("latitude", "longitude", "real"),
    [(0, 0, False), (0.00005, -0.00005, False), (0.001, 0, True), (90, 180, True), (90.1, 0, False), (0, -180.1, False),
     (float("nan"), 1, False), (1, float("inf"), False)],
)  # fmt: skip
def test_null_island_and_what_is_not_on_earth(latitude: float, longitude: float, real: bool) -> None:
    assert on_earth(latitude, longitude) is real


def test_who_only_might_name_places_loads_no_numpy() -> None:
    """Each step's function makes a geocoder; one of them uses it."""
    program = (
        "import sys; from adapters.geo.places import OfflineGeocoder; OfflineGeocoder(); print('numpy' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
