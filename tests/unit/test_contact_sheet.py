"""A contact sheet shows every asset it is given, and shows what has no picture as missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from domain.errors import InvalidInput
from photovault.contact_sheet import write_sheet
from photovault.page import place_text


def item(path: Path | None = None, **other: Any) -> dict[str, Any]:
    small = {} if path is None else {"small": {"path": str(path), "width": 256, "height": 128, "bytes": 1}}
    about = {"taken_at": "2008-10-22T16:28:39+02:00", "taken_from": "exif:DateTimeOriginal", "state": "done"}
    place = {"latitude": 43.4674, "longitude": 11.8851, "camera": "NIKON", "width": 640, "height": 320}
    return {"file_name": "a.jpg", "renditions": small, **about, **place, **other}


@pytest.fixture
def red(tmp_path: Path) -> Path:
    Image.new("RGB", (256, 128), (200, 30, 30)).save(tmp_path / "red.jpg")
    return tmp_path / "red.jpg"


def test_seven_pictures_stand_in_two_rows_of_six(tmp_path: Path, red: Path) -> None:
    ticks: list[int] = []
    assert write_sheet([item(red)] * 7, tmp_path / "sheet.png", lambda: ticks.append(1)) == 7
    assert len(ticks) == 7
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (12 + 6 * 268, 12 + 2 * 328)
        found: list[Any] = [sheet.getpixel((140 + x * 268, 140 + y * 328)) for y in (0, 1) for x in range(6)]
    reds = [sum(abs(a - b) for a, b in zip(colour, (200, 30, 30), strict=True)) < 12 for colour in found]
    assert reds == [True] * 7 + [False] * 5


def test_what_has_no_picture_is_seen_to_be_missing(tmp_path: Path) -> None:
    bare = item(state="given_up", taken_at=None, taken_from=None, latitude=None, width=None, camera=None)
    assert write_sheet([bare], tmp_path / "sheet.jpg") == 1
    with Image.open(tmp_path / "sheet.jpg") as sheet:
        darkest, _ = sheet.crop((12, 12, 268, 268)).convert("L").getextrema()
    assert darkest < 180  # type: ignore[operator] - the state is written there


def test_a_name_of_any_length_and_alphabet_is_drawn(tmp_path: Path, red: Path) -> None:
    assert write_sheet([item(red, file_name="\x1b[31m" + "Ферма 🐄 " * 40)], tmp_path / "sheet.jpg") == 1


@pytest.mark.parametrize(
    ("count", "name", "says"), [(0, "a.jpg", "nothing"), (1001, "a.jpg", "1,000"), (1, "a.gif", "a.jpg")]
)
def test_what_can_not_be_drawn_is_refused_with_advice(tmp_path: Path, count: int, name: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        write_sheet([item()] * count, tmp_path / name)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        (None, "43.4674, 11.8851"),
        ({"city": "Arezzo", "region": "Tuscany", "country": "Italy", "country_code": "IT"}, "Arezzo, Italy"),
        ({"city": None, "region": "Northern", "country": "Fiji", "country_code": "FJ"}, "Northern, Fiji"),
        ({"city": "Singapore", "region": None, "country": "Singapore", "country_code": "SG"}, "Singapore"),
    ],
)
def test_a_place_is_shown_by_its_name_where_it_has_one(place: dict[str, Any] | None, text: str) -> None:
    assert place_text(item(place=place)) == text
