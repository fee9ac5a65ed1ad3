"""Which sidecar speaks of which picture, by names alone: as darktable, Adobe and Google Takeout write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.sidecars import sidecars_of

LONG = "original_8e6e3bb1-0b2e-4c0e-9a3b-5f1e6f6e1a2b_P"  # 47 characters, the most that Takeout leaves


def owners(*names: str) -> dict[str, list[str]]:
    """Picture -> its sidecars."""
    return {name: [each.name for each in found] for name, found in sidecars_of(names).items()}


class TestXmp:
    def test_the_whole_name_goes_before_the_stem(self) -> None:
        assert owners("IMG_1.jpg", "IMG_1.jpg.xmp", "IMG_1.xmp") == {"IMG_1.jpg": ["IMG_1.jpg.xmp", "IMG_1.xmp"]}
        assert owners("IMG_1.jpg", "IMG_1.png", "IMG_1.jpg.xmp") == {"IMG_1.jpg": ["IMG_1.jpg.xmp"]}

    def test_the_stem_alone_is_the_raw_file_s_where_there_is_one(self) -> None:
        assert owners("IMG_1.JPG", "IMG_1.CR2", "IMG_1.xmp") == {"IMG_1.CR2": ["IMG_1.xmp"]}
        assert owners("IMG_1.JPG", "IMG_1.xmp") == {"IMG_1.JPG": ["IMG_1.xmp"]}

    def test_upper_and_lower_case_and_composed_letters_are_the_same(self) -> None:
        assert owners("été.jpg", "E\u0301te\u0301.XMP") == {"été.jpg": ["E\u0301te\u0301.XMP"]}

    def test_a_sidecar_of_nothing_has_no_owner(self) -> None:
        assert owners("IMG_2.jpg", "IMG_1.xmp", "IMG_1_01.jpg.xmp", ".xmp", "xmp") == {}


class TestTakeout:
    @pytest.mark.parametrize(
        "name",
        [
            "IMG_1.jpg.json",
            "IMG_1.jpg.supplemental-metadata.json",
            "IMG_1.jpg.supplemental-meta.json",
            "IMG_1.jpg.s.json",
            "IMG_1.jpg..json",
            "IMG_1.JPG.JSON",
            "IMG_1.jpg.métadonnées-supplémentaires.json",
            "IMG_1.json",
        ],
    )
    def test_every_end_that_takeout_writes(self, name: str) -> None:
        assert owners("IMG_1.jpg", "IMG_10.jpg", name) == {"IMG_1.jpg": [name]}

    @pytest.mark.parametrize(
        ("picture", "json"),
        [
            (f"{LONG}.jpg", f"{LONG[:46]}.json"),
            ("Screenshot_20230405-101112_Some App.png", "Screenshot_20230405-101112_Some App.png.supple.json"),
            ("a_name_of_exactly_forty_three_characters__.jpg", "a_name_of_exactly_forty_three_characters__.jpg.json"),
        ],
    )
    def test_a_long_name_is_cut_at_46_characters(self, picture: str, json: str) -> None:
        assert len(json) <= 51
        assert owners(picture, json) == {picture: [json]}

    @pytest.mark.parametrize(
        "json", ["IMG_1.jpg(1).json", "IMG_1.jpg.supplemental-metadata(1).json", "IMG_1.jpg.suppl(1).json"]
    )
    def test_the_number_of_a_repeated_name_moves(self, json: str) -> None:
        found = owners("IMG_1.jpg", "IMG_1(1).jpg", "IMG_1(2).jpg", "IMG_1.jpg.json", json)
        assert found == {"IMG_1.jpg": ["IMG_1.jpg.json"], "IMG_1(1).jpg": [json]}

    def test_a_number_that_was_in_the_title_stays(self) -> None:
        assert owners("photo (1).jpg", "photo (1).jpg.json") == {"photo (1).jpg": ["photo (1).jpg.json"]}

    @pytest.mark.parametrize("suffix", ["-edited", "-bearbeitet", "-modifié", "-編集済み"])
    def test_what_was_edited_has_the_original_s(self, suffix: str) -> None:
        assert owners("IMG_1.jpg", f"IMG_1{suffix}.jpg", "IMG_1.jpg.json") == {
            "IMG_1.jpg": ["IMG_1.jpg.json"],
            f"IMG_1{suffix}.jpg": ["IMG_1.jpg.json"],
        }

    def test_the_number_of_an_edited_one_is_its_original_s(self) -> None:
        found = owners("IMG_1(1).jpg", "IMG_1-edited(1).jpg", "IMG_1.jpg(1).json")
        assert found["IMG_1-edited(1).jpg"] == ["IMG_1.jpg(1).json"]

    def test_an_edited_name_that_was_cut(self) -> None:
        original, edited = f"{LONG[:43]}.jpg", f"{LONG[:43]}-edi.jpg"
        assert set(owners(original, edited, f"{LONG[:43]}.jp.json")) == {original, edited}

    def test_the_video_of_a_live_photo_has_the_picture_s(self) -> None:
        found = owners("IMG_1.HEIC", "IMG_1.MP4", "IMG_1.HEIC.json")
        assert found == {"IMG_1.HEIC": ["IMG_1.HEIC.json"], "IMG_1.MP4": ["IMG_1.HEIC.json"]}

    def test_json_of_other_programs_has_no_owner(self) -> None:
        assert owners("IMG_1.jpg", "metadata.json", "package.json", "print-subscriptions.json") == {}


@given(st.lists(st.text(max_size=60), max_size=12))
def test_any_names_are_survived_and_only_sidecars_are_given(names: list[str]) -> None:
    for owner, found in sidecars_of([*names, "a.jpg", "a.jpg.json"]).items():
        assert owner in [*names, "a.jpg"]
        assert all(each.name.lower().endswith((".xmp", ".json")) for each in found)


def test_ten_thousand_names_are_matched_by_look_ups() -> None:
    names = [name for i in range(10_000) for name in (f"IMG_{i}.jpg", f"IMG_{i}.jpg.supplemental-metadata.json")]
    assert len(sidecars_of(names)) == 10_000
