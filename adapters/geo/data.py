"""The file of places: a table of columns in one compressed msgpack document, read by `places`, written by `build`."""

from __future__ import annotations

import zlib
from pathlib import Path

import msgspec
from msgspec import Struct

__all__ = ["FILE", "Table", "read", "write"]

FILE = Path(__file__).with_name("places.bin")
_MAX_BYTES = 64 << 20


class Table(Struct, frozen=True, array_like=True):
    """All places, a column each. Numbers are little-endian; the n-th place is the n-th of every column."""

    source: str  # for a person: who made the data, when, under which licence
    made_from: str  # SHA-256 of the file that it was built from
    names: str  # one a line
    latitudes: bytes  # int32, 1e-5 degrees north
    longitudes: bytes  # int32, 1e-5 degrees east
    populations: bytes  # uint32
    place_regions: bytes  # uint16: which of `regions`
    regions: list[tuple[str | None, str]]  # (name, country code)
    countries: dict[str, str]  # code (ISO 3166-1) -> name


def read(path: Path = FILE) -> Table:
    """The table. Raises `OSError`, `zlib.error` or `msgspec.DecodeError` when the file is not there or damaged."""
    return msgspec.msgpack.decode(zlib.decompressobj().decompress(path.read_bytes(), _MAX_BYTES), type=Table)


def write(table: Table, path: Path = FILE) -> int:
    """Write the table; its size in bytes. (LZMA saves a sixth of it, and takes six times as long to read.)"""
    return path.write_bytes(zlib.compress(msgspec.msgpack.encode(table), 9))
