"""The rules of likeness: the ranges of a look-up hold every near hash, and what is not near is left out."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.likeness import BANDS, MAX_LOOKALIKES, NEAR, Lookalike, band_values, distance, nearest, ranges

HASHES = st.integers(0, 2**64 - 1)


def flipped(phash: int, bits: set[int]) -> int:
    for bit in bits:
        phash ^= 1 << bit
    return phash


def is_candidate(phash: int, other: int) -> bool:
    values = band_values(other)
    return any(first <= values[band] < end for band, first, end in ranges(phash))


class TestRanges:
    def test_the_bands_cut_the_hash_into_all_its_bits(self) -> None:
        covered = [bit for band in BANDS for bit in range(band.shift, band.shift + band.width)]
        assert sorted(covered) == list(range(64))

    def test_no_spread_of_eight_differences_can_avoid_all_ranges(self) -> None:
        """To be missed, a hash must differ in more bits of each band than the band allows."""
        assert sum(band.flips + 1 for band in BANDS) > NEAR

    @given(HASHES, st.sets(st.integers(0, 63), max_size=NEAR))
    def test_a_near_hash_is_always_in_one_of_the_ranges(self, phash: int, bits: set[int]) -> None:
        assert is_candidate(phash, flipped(phash, bits))

    @pytest.mark.parametrize(
        "spread", [(2, 2, 2, 2, 0), (2, 2, 2, 1, 1), (1, 2, 2, 2, 1), (8, 0, 0, 0, 0), (3, 2, 2, 1, 0)]
    )
    def test_the_hardest_spreads_of_eight_differences_are_found(self, spread: tuple[int, ...]) -> None:
        dice = random.Random(8)
        for _ in range(300):
            phash = dice.getrandbits(64)
            bits = {
                band.shift + i
                for band, count in zip(BANDS, spread, strict=True)
                for i in dice.sample(range(band.width), count)
            }
            assert len(bits) == sum(spread)
            assert is_candidate(phash, flipped(phash, bits))

    def test_a_hash_with_nine_differences_can_be_missed(self) -> None:
        """So the scheme has nothing to spare: it asks for no more than it must."""
        spread = zip(BANDS, (2, 2, 2, 2, 1), strict=True)
        bits = {band.shift + band.width - 1 - i for band, count in spread for i in range(count)}
        assert not is_candidate(0, flipped(0, bits))

    @given(HASHES)
    def test_45_ranges_that_do_not_overlap_are_asked_for(self, phash: int) -> None:
        asked = list(ranges(phash))
        values = [(band, value) for band, first, end in asked for value in range(first, end)]
        assert len(asked) == 45
        assert len(values) == len(set(values)) == 4 * 18 + 1

    @given(HASHES)
    def test_a_band_s_values_fit_four_hex_digits(self, phash: int) -> None:
        assert all(end <= 0x2000 for _, _, end in ranges(phash))


class TestNearest:
    @given(HASHES, st.dictionaries(st.text("abc", min_size=1, max_size=3), HASHES, max_size=8), st.data())
    def test_exactly_the_hashes_within_eight_bits_are_near(
        self, phash: int, others: dict[str, int], data: st.DataObject
    ) -> None:
        if others:
            close = data.draw(st.sets(st.integers(0, 63), max_size=10))
            others[data.draw(st.sampled_from(sorted(others)))] = flipped(phash, close)
        found = nearest(phash, (), others).matches
        assert {m.asset: m.distance for m in found} == {
            asset: apart for asset, other in others.items() if (apart := distance(phash, other)) <= NEAR
        }

    def test_same_pixels_come_first_then_the_nearest_then_by_name(self) -> None:
        found = nearest(0, ["z"], {"c": 0b11, "b": 0b11, "a": 0b111, "z": 0})
        assert found.matches == (
            Lookalike("z", "pixels"),
            Lookalike("b", "near", 2),
            Lookalike("c", "near", 2),
            Lookalike("a", "near", 3),
        )
        assert not found.more

    def test_a_crowd_is_cut_and_says_so(self) -> None:
        found = nearest(0, (), {f"a{i:03}": 0 for i in range(MAX_LOOKALIKES + 1)})
        assert len(found.matches) == MAX_LOOKALIKES
        assert found.more

    def test_without_a_hash_only_same_pixels_count(self) -> None:
        assert nearest(None, ["b"], {"c": 0}).matches == (Lookalike("b", "pixels"),)
