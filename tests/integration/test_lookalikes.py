"""Finding look-alikes, from the recorded fingerprint to the list: whatever the order, the races and the repeats."""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.local.checkpoints import SqliteCheckpoints
from adapters.local.views import SqliteViewStore
from adapters.media.sandbox import SandboxedMediaEngine
from domain.asset import asset_stream, fold, request_reprocess
from domain.commits import Commit
from domain.errors import PhotoVaultError, ViewUnavailable
from domain.events import LookalikesFound
from domain.eventstore import utc_now
from domain.likeness import MAX_LOOKALIKES, NEAR, distance
from domain.media import Limits
from domain.ports import Page, Row, ViewTable
from photovault import lookalikes as module
from photovault.duplicates import alike, groups
from photovault.lookalikes import IndexedLookalikes
from projections.fingerprints import Fingerprints
from projections.generations import Generations
from projections.verify import compare, digest
from tests.support.factories import OWNER, append, fake_photo, fingerprint, lookalikes, sha, uploaded
from tests.support.fakes import MemoryVault, active_rows, outcomes, work

SEA = 0xF0F0A5A53C3C9696


def hexed(phash: int) -> str:
    return f"{phash:016x}"


def flip(phash: int, *bits: int) -> int:
    for bit in bits:
        phash ^= 1 << bit
    return phash


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault() as vault:
        yield vault


def arrive(vault: MemoryVault, asset: str, phash: int | None, pixels: str | None = None, owner: str = OWNER) -> None:
    """An asset whose fingerprint is recorded, and in no view yet."""
    hashes = fingerprint(phash=None if phash is None else hexed(phash), pixels=pixels or sha(f"{owner} {asset}"))
    append(vault.store, asset_stream(owner, asset), [uploaded(f"{asset}.jpg")], [hashes])


def search(
    vault: MemoryVault, asset: str, phash: int | None, pixels: str | None = None, owner: str = OWNER
) -> dict[str, tuple[str, int]]:
    found = vault.lookalikes.near(
        asset_stream(owner, asset), pixels or sha(f"{owner} {asset}"), None if phash is None else hexed(phash)
    )
    return {match.asset: (match.kind, match.distance) for match in found.matches}


class TestSearch:
    def test_an_asset_does_not_find_itself(self, vault: MemoryVault) -> None:
        arrive(vault, "a", SEA)
        assert search(vault, "a", SEA) == {}

    def test_the_later_of_two_finds_the_earlier_though_no_projector_has_run(self, vault: MemoryVault) -> None:
        arrive(vault, "a", SEA)
        search(vault, "a", SEA)
        arrive(vault, "b", flip(SEA, 1, 20, 40))
        assert search(vault, "b", flip(SEA, 1, 20, 40)) == {"a": ("near", 3)}

    def test_the_same_pixels_are_found_whatever_the_picture_looks_like(self, vault: MemoryVault) -> None:
        for asset, phash in (("a", None), ("b", None), ("c", SEA)):
            arrive(vault, asset, phash, sha("pixels"))
            search(vault, asset, phash, sha("pixels"))
        assert search(vault, "b", None, sha("pixels")) == {"a": ("pixels", 0), "c": ("pixels", 0)}

    def test_owners_never_see_each_other_s(self, vault: MemoryVault) -> None:
        for owner in ("anna", "ben"):
            arrive(vault, "a", SEA, sha("pixels"), owner)
            assert search(vault, "a", SEA, sha("pixels"), owner) == {}

    def test_a_crowd_is_cut_and_says_so(self, vault: MemoryVault, monkeypatch: pytest.MonkeyPatch) -> None:
        for i in range(MAX_LOOKALIKES + 2):
            arrive(vault, f"a{i:02}", SEA)
        vault.projector.project(vault.everything())
        found = vault.lookalikes.near(asset_stream(OWNER, "a00"), None, hexed(SEA))
        assert (len(found.matches), found.more) == (MAX_LOOKALIKES, True)
        monkeypatch.setattr(module, "MAX_READ", 10)
        found = vault.lookalikes.near(asset_stream(OWNER, "a00"), None, hexed(SEA))
        assert 9 <= len(found.matches) <= 10
        assert found.more

    def test_several_pages_of_a_range_are_read(self, vault: MemoryVault, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "_PAGE", 2)
        for i in range(9):
            arrive(vault, f"a{i}", SEA)
        vault.projector.project(vault.everything())
        assert len(search(vault, "a0", SEA)) == 8

    def test_many_threads_find_the_same_as_one(self, vault: MemoryVault, tmp_path: Any) -> None:
        for i in range(12):
            arrive(vault, f"a{i:02}", flip(SEA, i))
        views, checkpoints = SqliteViewStore(tmp_path / "v.db"), SqliteCheckpoints(tmp_path / "w.db")
        Generations(views, checkpoints, (Fingerprints(),)).ensure(empty=True)
        threaded = IndexedLookalikes(vault.store, views, checkpoints, utc_now, threads=8)
        for i in range(12):
            mine = threaded.near(asset_stream(OWNER, f"a{i:02}"), None, hexed(flip(SEA, i)))
            assert len(mine.matches) == i
        threaded.close()
        views.close()
        checkpoints.close()

    def test_without_an_index_it_says_so(self, vault: MemoryVault) -> None:
        arrive(vault, "a", SEA)
        vault.views.drop(vault.table("fingerprints"))
        vault.generations.ensure(empty=False, tables=vault.views.generations)
        with pytest.raises(ViewUnavailable, match="photovault replay"):
            search(vault, "a", SEA)

    def test_a_history_that_can_t_be_folded_is_an_error_and_not_a_silent_miss(
        self, vault: MemoryVault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(*_: object) -> Any:
            raise ValueError("broken")

        arrive(vault, "a", SEA)
        monkeypatch.setattr(Fingerprints, "evolve", broken)
        with pytest.raises(PhotoVaultError, match="photovault parked"):
            search(vault, "a", SEA)


class TestRaces:
    """Two assets, recorded before either is searched for: at least one must find the other, however they interleave."""

    @pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
    def test_when_one_overtakes_the_other_between_its_rows_and_its_search(
        self, vault: MemoryVault, first: str, second: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`first` has written its rows and reads; before it reads anything, all of `second` happens."""
        arrive(vault, first, SEA)
        arrive(vault, second, flip(SEA, 5))
        found: dict[str, dict[str, Any]] = {}
        query, inside = vault.views.query, []

        def overtaken(table: ViewTable, partition: str, **options: Any) -> Page:
            if not inside:
                inside.append(True)
                found[second] = search(vault, second, flip(SEA, 5))
            return query(table, partition, **options)

        monkeypatch.setattr(vault.views, "query", overtaken)
        found[first] = search(vault, first, SEA)
        assert found == {first: {second: ("near", 1)}, second: {first: ("near", 1)}}

    @pytest.mark.parametrize(("first", "second"), [("a", "b"), ("b", "a")])
    def test_when_one_overtakes_the_other_before_its_rows_are_written(
        self, vault: MemoryVault, first: str, second: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """`first` is about to write its rows; all of `second` happens, and misses it; so `first` must not."""
        arrive(vault, first, SEA)
        arrive(vault, second, flip(SEA, 5))
        found: dict[str, dict[str, Any]] = {}
        put, inside = vault.views.put, []

        def overtaken(table: ViewTable, rows: Sequence[Row], **options: Any) -> int:
            if not inside:
                inside.append(True)
                found[second] = search(vault, second, flip(SEA, 5))
            return put(table, rows, **options)

        monkeypatch.setattr(vault.views, "put", overtaken)
        found[first] = search(vault, first, SEA)
        assert found == {first: {second: ("near", 1)}, second: {}}

    def test_a_rebuild_that_switches_between_two_searches_loses_no_pair(self, vault: MemoryVault) -> None:
        """The second search reads the new generation; the first wrote its rows there too."""
        generation = vault.generations.begin("fingerprints")
        arrive(vault, "a", SEA)
        search(vault, "a", SEA)
        vault.generations.mark("fingerprints", generation.number, "ready")
        vault.generations.switch("fingerprints", generation.number)
        arrive(vault, "b", SEA)
        assert search(vault, "b", SEA) == {"a": ("near", 0)}


@given(st.data())
@settings(max_examples=25)
def test_every_pair_within_eight_bits_is_found_by_its_later_half_and_nothing_else(data: st.DataObject) -> None:
    """Against all pairs by brute force, with hashes that lie close together."""
    dice = random.Random(data.draw(st.integers(0, 2**32)))
    hashes: list[int] = []
    for _ in range(data.draw(st.integers(2, 25))):
        near = hashes and dice.random() < 0.8
        hashes.append(
            flip(dice.choice(hashes), *dice.sample(range(64), dice.randint(0, 11))) if near else dice.getrandbits(64)
        )
    with MemoryVault() as vault:
        for i, phash in enumerate(hashes):
            arrive(vault, f"a{i:02}", phash)
            expected = {f"a{j:02}": d for j in range(i) if (d := distance(phash, hashes[j])) <= NEAR}
            assert {asset: bits for asset, (_, bits) in search(vault, f"a{i:02}", phash).items()} == expected


# --- the whole pipeline ----------------------------------------------------------------------------------------------

PHOTOS = {"sea": SEA, "sea again": flip(SEA, 3), "grey sea": flip(SEA, 3, 9), "hill": 0x0123456789ABCDEF, "wall": None}


def pipeline(order: Sequence[str], before_work: Callable[[MemoryVault], None] = lambda _: None) -> MemoryVault:
    vault = MemoryVault()
    vault.media.looks = {mark: None if phash is None else hexed(phash) for mark, phash in PHOTOS.items()}
    for mark in order:
        blob = vault.blobs.put(fake_photo(mark))
        name = mark.replace(" ", "_")
        append(vault.store, asset_stream(OWNER, name), [uploaded(f"{name}.jpg", blob=blob, sha256=blob)])
        before_work(vault)
    work(vault)
    return vault


def by_stream(vault: MemoryVault) -> Iterator[Commit]:
    return (commit for segment in vault.commits.segments(1) for commit in vault.commits.segment(segment))


def listed(vault: MemoryVault) -> list[tuple[list[str], list[tuple[str, str, str, int]]]]:
    found, cursor = groups(vault)  # type: ignore[arg-type]
    assert cursor is None
    return [
        (sorted(item["asset"] for item in group.items), [(e.a, e.b, e.kind, e.distance) for e in group.pairs])
        for group in found
    ]


SEAS = ["grey_sea", "sea", "sea_again"]
EDGES = [("grey_sea", "sea", "near", 2), ("grey_sea", "sea_again", "near", 1), ("sea", "sea_again", "near", 1)]


class TestPipeline:
    @pytest.mark.parametrize("seed", range(4))
    @pytest.mark.parametrize("one_by_one", [True, False])
    def test_in_any_order_the_same_groups_come_out(self, seed: int, one_by_one: bool) -> None:
        order = random.Random(seed).sample(sorted(PHOTOS), len(PHOTOS))
        with pipeline(order, work if one_by_one else lambda _: None) as vault:
            assert listed(vault) == [(SEAS, EDGES)]

    def test_delivered_again_nothing_is_found_twice(self) -> None:
        with pipeline(list(PHOTOS)) as vault:
            before, rows = outcomes(vault), active_rows(vault)
            vault.relay.relay(vault.everything())
            work(vault)
            vault.projector.project(vault.everything())
            assert outcomes(vault) == before
            assert active_rows(vault) == rows

    def test_the_rows_are_those_of_a_fresh_fold(self) -> None:
        with pipeline(list(PHOTOS)) as vault:
            view, table = vault.generations.active("fingerprints")
            [want] = digest([view], vault.store, by_stream(vault))
            verdict = compare(view, table, want, vault.store, vault.views, lambda: by_stream(vault))
            assert verdict.equal
            assert verdict.rows > len(PHOTOS)

    def test_a_reprocessed_fingerprint_is_searched_for_again_and_stale_edges_are_not_shown(self) -> None:
        with pipeline(list(PHOTOS)) as vault:
            vault.media.looks["sea_again"] = vault.media.looks["sea again"] = hexed(0x0123456789ABCDEE)
            stream = asset_stream(OWNER, "sea_again")
            state = fold(stream, vault.store.load(stream).events)
            append(vault.store, stream, list(request_reprocess(state, "fingerprint", "a test")))
            work(vault)
            assert sorted(listed(vault)) == [
                (["grey_sea", "sea"], [("grey_sea", "sea", "near", 2)]),
                (["hill", "sea_again"], [("hill", "sea_again", "near", 1)]),
            ]

    def test_pages_list_each_group_once(self) -> None:
        with MemoryVault() as vault:
            for name in "abcdefghijkl":
                phash = random.Random("abcdefghijkl".index(name) // 3).getrandbits(64)
                arrive(vault, name, phash)
                found = vault.lookalikes.near(asset_stream(OWNER, name), None, hexed(phash))
                append(vault.store, asset_stream(OWNER, name), [lookalikes(*found.matches)])
                vault.projector.project(vault.everything())
            pages, cursor = [], None
            while True:
                page, cursor = groups(vault, 1, cursor)  # type: ignore[arg-type]
                assert len(page) <= 1
                pages += page
                if cursor is None:
                    break
            assert [sorted(i["asset"] for i in g.items) for g in pages] == [
                list("jkl"),
                list("ghi"),
                list("def"),
                list("abc"),
            ]
            assert [len(group.pairs) for group in pages] == [3, 3, 3, 3]
            assert alike(pages[0], "j") == "looks the same"

    def test_what_each_search_found_is_in_the_history(self) -> None:
        with pipeline(["sea", "grey sea"], work) as vault:
            said = {
                stream: [e.matches for e in events if isinstance(e, LookalikesFound)]
                for stream, events in outcomes(vault).items()
            }
            assert said[asset_stream(OWNER, "sea")] == [()]
            [[match]] = said[asset_stream(OWNER, "grey_sea")]
            assert (match.asset, match.kind, match.distance) == ("sea", "near", 2)


# --- real media ------------------------------------------------------------------------------------------------------

SAME_PIXELS = {("heic/IMG_2927.HEIC", "heic/exif-at-eof.heic"), ("video/sample.mp4", "video/sample_mdat_too_long.mp4")}
NEAR_PAIRS = {
    ("camera/iphone_hdr_NO.jpg", "camera/iphone_hdr_YES.jpg"),
    ("heic/sample_MP.heic", "heic/sample_still_photo.heic"),
}


def test_of_real_media_only_pictures_of_one_thing_are_alike(sample_media: Path, tmp_path: Path) -> None:
    """Eight of the nine orientations of a picture are turned by their tag alone: upright, they look the same."""
    folders = ("camera", "gps", "faces", "heic", "webp", "orientation", "video")
    files = sorted(p for folder in folders for p in (sample_media / folder).glob("*") if p.suffix != ".txt")
    if not files:
        pytest.skip("the folder of sample media has none of: " + ", ".join(folders))
    pixels: dict[str, str] = {}
    looks: dict[str, int] = {}
    with SandboxedMediaEngine(Limits(max_seconds=60), formats=("jpeg",)) as engine:
        for path in files:
            name = f"{path.parent.name}/{path.name}"
            found = engine.pixel_hash(path).value
            assert found is not None
            pixels[name] = found
            if path.parent.name != "video":
                made = engine.render(path, tmp_path)
                hashed = engine.perceptual_hash(Path(min(made.files, key=lambda f: f.width).path))
                assert hashed.value is not None
                looks[name] = int(hashed.value, 16)
    pairs = set(itertools.combinations(sorted(pixels), 2))
    assert {pair for pair in pairs if pixels[pair[0]] == pixels[pair[1]]} <= SAME_PIXELS
    near = {pair for pair in itertools.combinations(sorted(looks), 2) if distance(*(looks[n] for n in pair)) <= NEAR}
    families = {pair for pair in near if len({re.sub(r"_\d\.jpg$", "", name) for name in pair}) == 1}
    assert all(name.startswith("orientation/") for pair in families for name in pair)
    assert near - families <= NEAR_PAIRS | SAME_PIXELS
    there = {name for pair in NEAR_PAIRS for name in pair} <= looks.keys()
    assert not there or near >= NEAR_PAIRS
