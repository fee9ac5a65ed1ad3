"""RAW + JPEG from the folder to the gallery: one item to the person, both files kept."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from photovault.cli import main
from tests.support.shots import photo
from tests.unit.media.pictures import quarters

rawfiles: Any = pytest.importorskip("tests.support.rawfiles", reason="camera raw files are not read yet")

SHOT = datetime(2021, 6, 5, 4, 3, 2)  # noqa: DTZ001 - the clock of `rawfiles`


def call(home: Path, capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> Any:
    """The document that a command prints."""
    capsys.readouterr()
    try:
        code: Any = main(["--home", str(home), *map(str, arguments), "--json"])
    except SystemExit as ended:
        code = ended.code
    printed = capsys.readouterr()
    assert not code, printed.err
    return json.loads(printed.out)


def test_a_raw_stands_behind_the_picture_of_its_own_folder_name_and_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one, other, home = tmp_path / "100CANON", tmp_path / "101CANON", tmp_path / "home"
    one.mkdir()
    other.mkdir()
    picture = quarters(96, 64)
    (one / "IMG_1.dng").write_bytes(rawfiles.dng(picture, preview=quarters(320, 200)))
    (one / "IMG_1.JPG").write_bytes(photo(1, SHOT))
    (one / "IMG_2.NEF").write_bytes(rawfiles.nef(picture, preview=quarters(320, 200)))
    (one / "IMG_2.JPG").write_bytes(photo(2, SHOT.replace(year=2019)))  # the counter has gone round
    (other / "IMG_1.CR2").write_bytes(rawfiles.cr2(picture, preview=quarters(320, 200)))
    call(home, capsys, "ingest", one, other, "--work")
    every = call(home, capsys, "query", "gallery", "--all")["items"]
    assert {item["state"] for item in every} == {"done"}
    names = {item["asset"]: item["file_name"] for item in every}
    behind = {item["file_name"]: names[item["stacked_under"]] for item in every if item["stacked_under"]}
    assert behind == {"IMG_1.dng": "IMG_1.JPG"}
    shown = [item["file_name"] for item in call(home, capsys, "query", "gallery")["items"]]
    assert sorted(shown) == ["IMG_1.CR2", "IMG_1.JPG", "IMG_2.JPG", "IMG_2.NEF"]
    files = call(home, capsys, "query", "files")["items"]
    assert len(files) == 5
    assert call(home, capsys, "verify")["equal"]
