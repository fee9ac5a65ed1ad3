"""Favourites and the trash, as a person uses them on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.test_cli import Cli
from tests.support.factories import jpeg


@pytest.fixture
def cli(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(3):
        (folder / f"photo_{i}.jpg").write_bytes(jpeg(i, 400, 300))
    cli = Cli(tmp_path / "home", capsys)
    cli("ingest", folder, "--work")
    return cli


def names(cli: Cli, *query: str) -> list[str]:
    return sorted(item["file_name"] for item in cli.json(*query)["items"])


def test_a_favourite_is_found(cli: Cli, tmp_path: Path) -> None:
    assert names(cli, "search", "is:favourite") == []
    photo = tmp_path / "photos" / "photo_1.jpg"
    assert len(cli.json("favourite", photo)["assets"]) == 1
    assert cli.json("favourite", photo)["assets"] == []
    assert names(cli, "search", "is:favourite") == ["photo_1.jpg"]
    cli.json("favourite", photo, "--off")
    assert names(cli, "search", "is:favourite") == []


def test_what_is_in_the_trash_is_nowhere_else_and_comes_back_whole(cli: Cli, tmp_path: Path) -> None:
    photo = tmp_path / "photos" / "photo_1.jpg"
    before = cli.json("query", "gallery")
    [asset] = cli.json("trash", "add", photo)["assets"]
    for listing in (["query", "gallery"], ["query", "gallery", "--all"], ["query", "renditions"], ["search", "photo"]):
        assert asset not in [item["asset"] for item in cli.json(*listing)["items"]]
    [item] = cli.json("trash", "list")["items"]
    assert (item["asset"], item["withheld"]) == (asset, False)
    totals = {item["name"]: item for item in cli.json("query", "library")["items"]}
    assert (totals["library"]["assets"], totals["trash"]["assets"]) == (2, 1)
    assert cli.json("ingest", tmp_path / "photos")["in_trash"] == [asset]
    assert "1 known file is in the trash" in cli("ingest", tmp_path / "photos")[1]
    assert cli.json("replay")["projections"]["gallery"] == {"rows": 3, "different": 0}
    assert cli.json("trash", "restore", photo)["assets"] == [asset]
    assert cli.json("query", "gallery") == before
    assert cli.json("verify")["equal"]
    said = [entry["type"] for entry in cli.json("audit", photo)["entries"]]
    assert said[-2:] == ["AssetTrashed", "AssetRestored"]
