"""The view of fingerprints: rows by which others find an asset, and that nobody who is late can bring back."""

from __future__ import annotations

from domain.asset import asset_stream
from domain.likeness import BANDS, Lookalike, band_values
from projections.fingerprints import Fingerprints, asset_in, band_range, by_range, pixels_range
from projections.verify import compare, digest
from tests.support.factories import (
    OWNER,
    append,
    fingerprint,
    lookalikes,
    quarantined,
    renditions,
    sha,
    uploaded,
    validated,
)
from tests.support.fakes import MemoryVault, live_rows
from tests.support.specs import Projected

PHASH = 0xF0F0A5A53C3C9696
MATCH = Lookalike("b2", "near", 3)


def index_keys(asset: str, phash: int = PHASH, pixels: str = sha("pixels")) -> list[str]:
    bands = [f"{band_range(band, value, value)[0]}#{asset}" for band, value in enumerate(band_values(phash))]
    return [*bands, f"{pixels_range(pixels)[0]}{asset}"]


class TestRows:
    def test_an_asset_without_a_fingerprint_has_its_home_row_alone(self) -> None:
        Projected(Fingerprints()).given("a1", [uploaded()], [validated()], [renditions()]).then_keys("a1")

    def test_a_fingerprint_is_indexed_by_its_pixels_and_by_each_band(self) -> None:
        view = Projected(Fingerprints()).given("a1", [uploaded()], [fingerprint()])
        view.then_keys("a1", *index_keys("a1")).then_row("a1", phash=PHASH, size_bytes=1000)
        assert len(index_keys("a1")) == len(BANDS) + 1

    def test_a_blank_picture_is_indexed_by_its_pixels_only(self) -> None:
        blank = fingerprint(phash=None)
        Projected(Fingerprints()).given("a1", [uploaded()], [blank]).then_keys(
            "a1", f"{pixels_range(sha('pixels'))[0]}a1"
        )

    def test_a_match_can_be_read_from_either_side(self) -> None:
        view = Projected(Fingerprints()).given("a1", [uploaded()], [fingerprint()], [lookalikes(MATCH)])
        by = f"{by_range('b2')[0]}a1"
        view.then_keys("a1", by, *index_keys("a1")).then_index("lookalikes", "a1")
        assert asset_in(by) == "a1"

    def test_an_asset_that_found_nothing_is_in_no_list_of_finds(self) -> None:
        Projected(Fingerprints()).given("a1", [uploaded()], [fingerprint()], [lookalikes()]).then_index("lookalikes")

    def test_a_new_fingerprint_takes_the_old_one_s_rows_away(self) -> None:
        again = fingerprint(phash="000000000000ffff", pixels=sha("other"))
        Projected(Fingerprints()).given("a1", [uploaded()], [fingerprint()], [again]).then_keys(
            "a1", *index_keys("a1", 0xFFFF, sha("other"))
        )

    def test_a_fingerprint_that_comes_back_is_found_again(self) -> None:
        other = fingerprint(phash="000000000000ffff")
        Projected(Fingerprints()).given("a1", [uploaded()], [fingerprint()], [other], [fingerprint()]).then_keys(
            "a1", *index_keys("a1")
        )

    def test_a_refused_file_is_found_by_nobody(self) -> None:
        past = [[uploaded()], [fingerprint()], [lookalikes(MATCH)], [quarantined()]]
        Projected(Fingerprints()).given("a1", *past).then_keys("a1").then_index("lookalikes")

    def test_hashes_of_another_algorithm_are_not_compared_with_ours(self) -> None:
        past = [[uploaded()], [fingerprint()], [fingerprint(algorithm="pixels-0 wavelet-7")]]
        Projected(Fingerprints()).given("a1", *past).then_keys("a1").then_row("a1", phash=None, pixels=None)

    def test_owners_are_kept_apart(self) -> None:
        view = Projected(Fingerprints()).given("a1", [uploaded()], [fingerprint()])
        view.given("b1", [uploaded()], [fingerprint()], owner="ben")
        view.then_keys("a1", *index_keys("a1")).then_keys("b1", *index_keys("b1"), owner="ben")


def test_a_projector_that_is_late_can_t_bring_back_a_row_that_is_gone() -> None:
    """Two projectors fold one stream: the slower has read its row before the faster goes on to the end."""
    with MemoryVault(projections=(Fingerprints(),)) as vault:
        stream = asset_stream(OWNER, "a1")
        append(vault.store, stream, [uploaded()])
        vault.projector.project(vault.everything())
        append(vault.store, stream, [fingerprint()])
        view, table = vault.generations.active("fingerprints")
        home = vault.views.get(table, [view.home(stream)])[0]
        assert home is not None
        late, _ = vault.projector._change(view, stream, vault.everything(), home)  # ... and falls asleep
        assert late is not None
        append(vault.store, stream, [fingerprint(phash="000000000000ffff")])
        vault.projector.project(vault.everything())  # both fingerprints in one batch
        vault.views.put(table, late.others)  # it wakes up
        vault.views.put(table, [late.home])
        assert sorted(row.key for row in live_rows(vault, table)) == sorted(["a1", *index_keys("a1", 0xFFFF)])
        [want] = digest([view], vault.store, vault.everything())
        assert compare(view, table, want, vault.store, vault.views, lambda: iter(vault.everything())).equal
