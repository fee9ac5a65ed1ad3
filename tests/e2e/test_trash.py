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


def test_erasing_backing_up_and_restoring_as_a_person_does_it(cli: Cli, tmp_path: Path) -> None:
    gone, kept = tmp_path / "photos" / "photo_0.jpg", tmp_path / "photos" / "photo_1.jpg"
    backup = tmp_path / "backup"
    assert cli.json("backup", "save", backup)["missing"] == []
    assert cli.json("erase", gone, "--dry-run")["dry_run"]
    assert len(cli.json("query", "gallery")["items"]) == 3
    code, _, said = cli("erase", gone, "--json")
    assert (code, "--yes" in said) == (2, True)
    [asset] = cli.json("erase", gone, "--yes")["assets"]
    assert names(cli, "query", "gallery") == ["photo_1.jpg", "photo_2.jpg"]
    code, printed, _ = cli("audit", asset)
    assert code == 0
    assert "erased" in printed
    assert "photo_0" not in printed
    assert cli.json("verify")["equal"]
    assert cli.json("replay")["switched"]
    assert cli.json("audit", "--verify")["intact"]
    refused = cli.json("ingest", tmp_path / "photos")
    assert (refused["added"], refused["refused"], refused["known"]) == (0, 1, 2)
    cli.json("trash", "add", kept)
    assert cli.json("trash", "empty", "--dry-run")["assets"] != []
    assert len(cli.json("trash", "empty", "--yes")["assets"]) == 1
    assert cli.json("backup", "save", backup)["forgotten"] >= 2
    assert cli.json("backup", "drill", backup, "--all")["faults"] == []
    restored = tmp_path / "restored"
    cli.json("restore", backup, home=restored)
    assert [i["file_name"] for i in cli.json("query", "gallery", home=restored)["items"]] == ["photo_2.jpg"]
    assert cli.json("verify", home=restored)["equal"]
    assert cli.json("scrub", "--all", home=restored)["faults"] == []
    assert cli.json("cleanup", "--all")["dry_run"] is False
    assert cli.json("doctor")["level"] in ("ok", "warning")
    assert {item["type"] for item in cli.json("upkeep")["items"]} >= {"BackupMade", "BackupDrilled"}
