"""Broken files: a sound file and a few edits drawn by hypothesis, which shrinks them to the fewest that still break."""

from __future__ import annotations

import os
from typing import Literal

from hypothesis import strategies as st
from msgspec import Struct

__all__ = ["EXAMPLES", "Edit", "edits", "with_edits"]

EXAMPLES = int(os.environ.get("PHOTOVAULT_FUZZ_EXAMPLES") or 0)
"""How many broken files for each pair of file and call; 0: as few as a test run can afford. `make fuzz` sets it."""

_NUMBERS = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, (1 << 64) - 1)
"""Where lengths and offsets go wrong."""


class Edit(Struct, frozen=True):
    """One edit, at a place that is taken modulo the file's length."""

    what: Literal["set", "cut", "repeat", "end"]
    at: int
    length: int = 0  # of what is cut or repeated
    data: bytes = b""


def edits() -> st.SearchStrategy[list[Edit]]:
    """One to six edits; half of them within the first 600 bytes, which hold the structure."""
    at = st.one_of(st.integers(0, 600), st.integers(0, 1 << 20))
    numbers = st.builds(
        lambda value, size, order: (value & ((1 << 8 * size) - 1)).to_bytes(size, order),
        st.sampled_from(_NUMBERS),
        st.sampled_from((1, 2, 4, 8)),
        st.sampled_from(("big", "little")),
    )
    one = st.one_of(
        st.builds(Edit, st.just("set"), at, data=st.one_of(numbers, st.binary(min_size=1, max_size=64))),
        st.builds(Edit, st.sampled_from(("cut", "repeat")), at, st.integers(1, 2000)),
        st.builds(Edit, st.just("end"), at),
    )
    return st.lists(one, min_size=1, max_size=6)


def with_edits(sound: bytes, wanted: list[Edit]) -> bytes:
    """The broken file."""
    data = bytearray(sound)
    for edit in wanted:
        if not data:
            break
        at = edit.at % len(data)
        match edit.what:
            case "set":
                data[at : at + len(edit.data)] = edit.data
            case "cut":
                del data[at : at + edit.length]
            case "repeat":
                data[at:at] = data[at : at + edit.length] * 3
            case "end":
                del data[at:]
    return bytes(data)
