"""Which pictures look alike: 64-bit perceptual hashes, and where to look for those near to one of them.

Two hashes at most `NEAR` bits apart can't be found by sorting. They are cut into five bands; eight differences can't
give two to each of the first four bands and one to the fifth, so that two near hashes always

    differ in at most one bit of one of the bands 0 to 3, or are equal in band 4

(the pigeonhole principle of multi-index hashing: Norouzi, Punjani, Fleet 2012). An index holds each hash under the
values of its bands; a look-up asks for `ranges`, which are about a hundredth of all hashes, and counts bits.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Literal, NamedTuple

from msgspec import Meta, Struct

__all__ = [
    "ALGORITHM",
    "BANDS",
    "MAX_LOOKALIKES",
    "NEAR",
    "Band",
    "Lookalike",
    "Lookup",
    "band_values",
    "distance",
    "nearest",
    "ranges",
]

ALGORITHM = "pixels-1 dct64-1"
"""What makes the hashes of a `FingerprintComputed`. Raise a number, the version of the step `fingerprint` and that of
the projection `fingerprints` when the same bytes would give another hash: those of two algorithms can't be compared."""

NEAR = 8
"""Pictures whose hashes differ in at most so many bits are near (`benchmarks/quality/lookalikes.py` measures it)."""

MAX_LOOKALIKES = 50


class Lookalike(Struct, frozen=True):
    """Another asset that shows the same picture, and how that is known."""

    asset: Annotated[str, Meta(description="Id of the other asset.", min_length=1, max_length=64)]
    kind: Annotated[
        Literal["pixels", "near"],
        Meta(description="`pixels`: the same stored pixels under other metadata; `near`: it looks the same."),
    ]
    distance: Annotated[
        int,
        Meta(
            description="Bits in which the perceptual hashes differ.",
            ge=0,
            le=NEAR,
            extra_json_schema={"x-unit": "bits"},
        ),
    ] = 0


class Lookup(Struct, frozen=True):
    """What a search came to."""

    matches: tuple[Lookalike, ...]
    more: bool = False  # there were more than are listed, or more candidates than are read
    candidates: int = 0  # hashes that were compared


class Band(NamedTuple):
    """Some neighbouring bits of a hash."""

    shift: int
    width: int
    flips: int  # in how many bits of this band a near hash may differ: 1, or 0 for the last

    def of(self, phash: int) -> int:
        """The band's value."""
        return (phash >> self.shift) & ((1 << self.width) - 1)


BANDS = (Band(51, 13, 1), Band(38, 13, 1), Band(25, 13, 1), Band(12, 13, 1), Band(0, 12, 0))

_TOGETHER = 3
"""So many low bits of a band are asked for as one range: 11 requests a band, not 14, for 18 of its values, not 14."""


def distance(a: int, b: int) -> int:
    """In how many bits two hashes differ."""
    return (a ^ b).bit_count()


def band_values(phash: int) -> list[int]:
    """Under which value of each band a hash is indexed."""
    return [band.of(phash) for band in BANDS]


def ranges(phash: int) -> Iterator[tuple[int, int, int]]:
    """Where hashes near to this one are indexed: (band, first value, value behind the last). 45 disjoint ranges."""
    for i, band in enumerate(BANDS):
        value = band.of(phash)
        if not band.flips:
            yield i, value, value + 1
            continue
        first = value & -(1 << _TOGETHER)
        yield i, first, first + (1 << _TOGETHER)
        for bit in range(_TOGETHER, band.width):
            yield i, value ^ (1 << bit), (value ^ (1 << bit)) + 1


def nearest(phash: int | None, same_pixels: Iterable[str], others: Mapping[str, int]) -> Lookup:
    """Judge candidates: same pixels first, then the nearest; at most `MAX_LOOKALIKES`.

    Args:
        phash: what is looked for; None for a picture without a perceptual hash.
        same_pixels: assets with the same pixels.
        others: perceptual hashes of assets that may be near.
    """
    same = sorted(set(same_pixels))
    found = [Lookalike(asset, "pixels") for asset in same]
    if phash is not None:
        apart = {asset: distance(phash, other) for asset, other in others.items()}
        near = [Lookalike(a, "near", bits) for a, bits in apart.items() if bits <= NEAR and a not in set(same)]
        found += sorted(near, key=lambda match: (match.distance, match.asset))
    return Lookup(tuple(found[:MAX_LOOKALIKES]), len(found) > MAX_LOOKALIKES, len(others))
