"""Live photos, motion photos and bursts from the folder to the page: one item to the person, all files kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import av
import pytest

from photovault.cli import main
from tests.support.shots import BURST_ID, CONTENT_ID, google, heic_motion, micro_video, movie, photo, samsung

NOON = datetime(2024, 7, 1, 12, 0, 0)  # noqa: DTZ001 - a camera's clock
LATER = "2024-07-01T12:00:01Z"


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two folders as they come from phones; names repeat between them."""
    folder = tmp_path_factory.mktemp("photos")
    iphone, android = folder / "iphone", folder / "android"
    for each in (iphone, android):
        each.mkdir()
    (iphone / "IMG_0001.JPG").write_bytes(photo(1, NOON, content_id=CONTENT_ID))
    movie(iphone / "IMG_0001.MOV", content_id=CONTENT_ID, created=LATER)
    (iphone / "IMG_0002.JPG").write_bytes(photo(2, NOON))  # a live photo whose identifiers a program has removed
    movie(iphone / "IMG_0002.MOV", created=LATER, seconds=1.5)
    (iphone / "IMG_0007.JPG").write_bytes(photo(7, NOON))  # only the video has kept its identifier
    movie(iphone / "IMG_0007.MOV", content_id="9A1B2C3D-0000-0000-0000-000000000000", created=LATER, seconds=1.6)
    (iphone / "IMG_0003.JPG").write_bytes(photo(3, NOON))  # a picture and a video that only share a name
    movie(iphone / "IMG_0003.MOV", created=LATER, seconds=7)
    for n in range(4, 7):
        (iphone / f"IMG_000{n}.JPG").write_bytes(photo(n, NOON + timedelta(seconds=n), burst_id=BURST_ID))

    (android / "IMG_0002.JPG").write_bytes(photo(12, NOON + timedelta(days=1)))  # no partner of the other
    movie(android / "IMG_0001.MOV", created="2020-01-01T00:00:00Z", seconds=1)
    clip = movie(folder / "clip.mp4", seconds=1).read_bytes()
    (folder / "clip.mp4").unlink()
    (android / "PXL_20240701_120000123.MP.jpg").write_bytes(google(13, clip))
    (android / "MVIMG_20240701_130000.jpg").write_bytes(micro_video(14, clip))
    (android / "20240701_140000.jpg").write_bytes(samsung(15, clip))
    (android / "20240701_150000.heic").write_bytes(heic_motion(16, clip))
    (android / "PXL_20240701_160000123.MP.jpg").write_bytes(google(17, clip[:-50]))  # cut short by a messenger
    for n in range(3):
        cover = "_COVER" if n == 1 else ""
        name = f"0000{n}IMG_0000{n}_BURST20240701170000123{cover}.jpg"
        (android / name).write_bytes(photo(20 + n, NOON + timedelta(hours=5)))
    return folder


@pytest.fixture(scope="module")
def worked(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault that has taken them in and processed them."""
    home = tmp_path_factory.mktemp("vault") / "home"
    for arguments in (["ingest", str(photos)], ["work"]):
        subprocess.run([sys.executable, "-m", "photovault", "--home", str(home), *arguments], check=True)
    return home


@pytest.fixture
def home(worked: Path, tmp_path: Path) -> Path:
    """A copy of the processed vault, so that no test sees what another did."""
    shutil.copytree(worked, tmp_path / "home")
    return tmp_path / "home"


def call(home: Path, capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """What a command prints."""
    capsys.readouterr()
    try:
        code: Any = main(["--home", str(home), *map(str, arguments)])
    except SystemExit as ended:
        code = ended.code
    printed = capsys.readouterr()
    assert not code, printed.err
    return printed.out


def items(home: Path, capsys: pytest.CaptureFixture[str], *arguments: str) -> list[dict[str, Any]]:
    """Gallery items."""
    found: list[dict[str, Any]] = json.loads(call(home, capsys, "query", "gallery", *arguments, "--json"))["items"]
    return found


def places(home: Path, capsys: pytest.CaptureFixture[str], photos: Path) -> dict[str, str]:
    """Asset -> path below the folder."""
    rows = json.loads(call(home, capsys, "query", "files", "--json"))["items"]
    return {row["asset"]: str(Path(row["places"][0]["path"]).relative_to(photos)) for row in rows}


def test_the_timeline_shows_one_item_a_shot(photos: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = places(home, capsys, photos)
    shown = {where[item["asset"]]: item for item in items(home, capsys)}
    assert sorted(shown) == [
        "android/00001IMG_00001_BURST20240701170000123_COVER.jpg",
        "android/20240701_140000.jpg",
        "android/20240701_150000.heic",
        "android/IMG_0001.MOV",
        "android/IMG_0002.JPG",
        "android/MVIMG_20240701_130000.jpg",
        "android/PXL_20240701_120000123.MP.jpg",
        "android/PXL_20240701_160000123.MP.jpg",
        "iphone/IMG_0001.JPG",
        "iphone/IMG_0002.JPG",
        "iphone/IMG_0003.JPG",
        "iphone/IMG_0003.MOV",
        "iphone/IMG_0004.JPG",
        "iphone/IMG_0007.JPG",
    ]
    parts = {
        name: sorted((where[part["asset"]], part["role"]) for part in item["parts"])
        for name, item in shown.items()
        if item["parts"]
    }
    assert parts == {
        "iphone/IMG_0001.JPG": [("iphone/IMG_0001.MOV", "live_video")],
        "iphone/IMG_0002.JPG": [("iphone/IMG_0002.MOV", "live_video")],
        "iphone/IMG_0007.JPG": [("iphone/IMG_0007.MOV", "live_video")],
        "iphone/IMG_0004.JPG": [("iphone/IMG_0005.JPG", "burst_frame"), ("iphone/IMG_0006.JPG", "burst_frame")],
        "android/00001IMG_00001_BURST20240701170000123_COVER.jpg": [
            ("android/00000IMG_00000_BURST20240701170000123.jpg", "burst_frame"),
            ("android/00002IMG_00002_BURST20240701170000123.jpg", "burst_frame"),
        ],
    }
    assert {item["state"] for item in shown.values()} == {"done"}
    assert {item["stacked_under"] for item in shown.values()} == {None}


def test_all_files_are_kept_and_listed(photos: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = places(home, capsys, photos)
    every = items(home, capsys, "--all")
    assert len(every) == len(where) == len([path for path in photos.rglob("*") if path.is_file()]) == 21
    behind = {where[item["asset"]]: where[item["stacked_under"]] for item in every if item["stacked_under"]}
    assert behind["iphone/IMG_0001.MOV"] == "iphone/IMG_0001.JPG"
    assert len(behind) == 7
    assert len(items(home, capsys, "--state", "done")) == 21
    originals = json.loads(call(home, capsys, "query", "renditions", "--json"))["items"]
    assert {Path(row["original"]).read_bytes() for row in originals} == {
        path.read_bytes() for path in photos.rglob("*") if path.is_file()
    }


def test_the_library_counts_every_file_and_every_shot_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    totals = {row["name"]: row for row in json.loads(call(home, capsys, "query", "library", "--json"))["items"]}
    assert totals["library"]["assets"] == 21
    assert totals["library"]["stacked"] == 7
    assert totals["library"]["motion_photos"] == 4
    assert totals["kind:video"]["assets"] == 2
    assert totals["kind:image"]["assets"] == 12
    assert totals["type:video/quicktime"]["assets"] == 5


def test_the_video_of_a_motion_photo_plays(photos: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    where = places(home, capsys, photos)
    moving = {where[item["asset"]]: item["motion"] for item in items(home, capsys) if item["motion"]}
    assert sorted(moving) == [
        "android/20240701_140000.jpg",
        "android/20240701_150000.heic",
        "android/MVIMG_20240701_130000.jpg",
        "android/PXL_20240701_120000123.MP.jpg",
    ]
    for motion in moving.values():
        assert (motion["width"], motion["height"], motion["duration_ms"]) == (64, 48, 1000)
        assert Path(motion["path"]).stat().st_size == motion["bytes"]
        with av.open(motion["path"]) as container:
            assert sum(1 for _ in container.decode(video=0)) == 10


def test_the_audit_tells_of_it(photos: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = json.loads(call(home, capsys, "audit", photos / "iphone/IMG_0001.MOV", "--json"))["entries"]
    stacked = [entry for entry in told if entry["type"] == "Stacked"]
    assert len(stacked) == 2  # by its identifier, and by its name
    assert all("as its live video" in entry["detail"] for entry in stacked)
    cut = json.loads(call(home, capsys, "audit", photos / "android/PXL_20240701_160000123.MP.jpg", "--json"))
    assert any("its video is missing or cut short" in entry["detail"] for entry in cut["entries"])
    assert cut["state"] == "done"


def test_the_page_marks_what_is_more_than_a_picture(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    call(home, capsys, "query", "gallery", "--html", tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<b>live</b>") == 7
    assert page.count("<b>burst of 3</b>") == 2
    assert page.count("<figure>") == 14
    printed = call(home, capsys, "query", "gallery")
    assert "IMG_0004.JPG (burst of 3)" in printed


def test_replay_and_verify_find_the_same(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert json.loads(call(home, capsys, "verify", "--json"))["equal"] is True
    before = items(home, capsys, "--all")
    replayed = json.loads(call(home, capsys, "replay", "--json"))
    assert {each["different"] for each in replayed["projections"].values()} == {0}
    assert items(home, capsys, "--all") == before


def test_a_person_takes_a_live_photo_apart(photos: Path, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = len(items(home, capsys))
    changed = json.loads(call(home, capsys, "unstack", photos / "iphone/IMG_0001.JPG", "--json"))["assets"]
    assert len(changed) == 2
    assert len(items(home, capsys)) == before + 1
    call(home, capsys, "reprocess", "--step", "metadata", "--all")
    call(home, capsys, "work")
    assert len(items(home, capsys)) == before + 1
    assert json.loads(call(home, capsys, "verify", "--json"))["equal"] is True


def test_a_second_work_and_a_second_look_change_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = items(home, capsys, "--all")
    call(home, capsys, "reprocess", "--step", "metadata", "--all")
    call(home, capsys, "work")
    assert items(home, capsys, "--all") == before
