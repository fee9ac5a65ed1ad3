"""Videos on the command line: from a folder to the gallery's page, what audit tells of them, and what is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from PIL import Image

from tests.e2e.test_cli import Cli
from tests.unit.media.films import black, encode, moving, turned


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    return Cli(tmp_path / "home", capsys)


def test_a_folder_of_videos_becomes_a_gallery_with_pictures_lengths_and_previews(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "videos"
    folder.mkdir()
    encode(folder / "beach <b>.mp4", lambda n: black(n) if n < 20 else moving(n), frames=60, sound=True)
    turned(folder / "upright.mov", 90)
    cut = encode(folder / "cut.mp4", moving, frames=40, movflags="faststart")
    cut.write_bytes(cut.read_bytes()[:-20_000])
    assert cli.json("ingest", folder)["added"] == 3
    done = cli.json("work")
    assert (done["assets"]["done"], done["assets"]["quarantined"]) == (2, 1)
    assert done["steps"]["video"]["done"] == done["steps"]["renditions"]["done"] == 2

    items = {item["file_name"]: item for item in cli.json("query", "gallery")["items"]}
    beach, upright = items["beach <b>.mp4"], items["upright.mov"]
    assert (beach["kind"], beach["duration_ms"], beach["width"], beach["height"]) == ("video", 3000, 320, 200)
    assert (upright["width"], upright["height"]) == (320, 200)
    with Image.open(beach["renditions"]["small"]["path"]) as small:
        assert small.size == (256, 160)
        assert sum(small.convert("L").resize((1, 1)).tobytes()) > 60  # not from the dark beginning
    with Image.open(beach["preview"]["path"]) as preview:
        assert (preview.format, preview.size) == ("WEBP", (320, 200))
        assert preview.n_frames > 4
    assert "0:03" in cli("query", "gallery")[1]
    assert items["cut.mp4"]["renditions"] == {}

    listed = cli.json("query", "renditions", "--asset", beach["asset"])["items"][0]["renditions"]
    assert {r["name"] for r in listed} >= {"small", "medium", "large", "poster", "preview", "strip"}
    assert all(Path(r["path"]).stat().st_size == r["bytes"] for r in listed)

    totals = {item["name"]: item for item in cli.json("query", "library")["items"]}
    assert totals["library"]["duration_ms"] == totals["kind:video"]["duration_ms"] == 4000
    assert "duration 0:04" in cli("query", "library")[1]

    assert cli("query", "gallery", "--html", tmp_path / "page.html")[0] == 0
    page = (tmp_path / "page.html").read_text()
    assert "<b>" not in page
    assert "▶ 0:03" in page
    assert len(re.findall('<img class="moving"', page)) == 2

    life = cli.json("audit", beach["asset"])
    details = {entry["type"]: entry["detail"] for entry in life["entries"]}
    assert re.match(r"0:03, mp4, h264, 320 x 200, 20 pictures a second, sound aac; ", details["VideoAnalyzed"])
    assert re.match(r"320 x 200 from 0:0\d, best of \d+, preview, scrub strip", details["PosterExtracted"])
    analysed = next(entry for entry in life["entries"] if entry["type"] == "VideoAnalyzed")
    assert analysed["data"]["quality"]["black"] == [{"from_ms": 0, "until_ms": 1000}]

    [refused] = cli.json("audit", "--failed")["items"]
    assert refused["file_name"] == "cut.mp4"
    assert re.search(r"the video is cut short: \d+ % of it is missing", refused["steps"][0]["reason"])

    assert cli("verify")[0] == 0
    assert cli.json("replay")["projections"]["gallery"]["different"] == 0


def test_a_video_is_analysed_again_on_request_and_then_rendered_again(cli: Cli, tmp_path: Path) -> None:
    cli("ingest", encode(tmp_path / "a.mp4", moving, frames=40))
    cli("work")
    asset = cli.json("query", "gallery")["items"][0]["asset"]
    assert cli.json("reprocess", "--step", "video", asset)["assets"] == [asset]
    cli("work")
    types = [entry["type"] for entry in cli.json("audit", asset)["entries"]]
    assert types.count("PosterExtracted") == types.count("RenditionsGenerated") == 2
    assert types[-1] == "AssetProcessed"


def test_what_the_policy_keeps_from_sight_is_not_exported(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = encode(tmp_path / "film.mov", moving, frames=20)
    cli.json("ingest", source)
    cli.json("work")
    asset = cli.json("query", "gallery")["items"][0]["asset"]
    assert cli.json("video", "export", asset, tmp_path / "seen")["files"] == 1
    monkeypatch.setenv("PHOTOVAULT_SERVE_UNSCANNED", "no")
    code, _, said = cli("video", "export", asset, tmp_path / "kept")
    assert code == 1
    assert "no scanner has called it clean" in said
    assert not (tmp_path / "kept").exists()
