"""Calls that a decoder never makes, to be made inside the child: they show which walls stand."""

from __future__ import annotations

from pathlib import Path

from domain.media import Limits


def write(source: Path, limits: Limits, size: int) -> int:
    """Write a file of this many bytes (a hole and its last byte); its length afterwards."""
    with source.open("wb") as file:
        file.seek(size - 1)
        file.write(b"x")
    return source.stat().st_size
