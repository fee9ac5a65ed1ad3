"""A vault with a real clamd: what the family sees of clean, infected and unscanned photos."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from photovault.cli.app import app
from photovault.config import Settings
from photovault.importer import import_files
from photovault.runtime import Runtime
from photovault.vault import Vault
from tests.support.clamav import CLAMD, EICAR, MISSING, THREAT, running_clamd
from tests.support.factories import jpeg

pytestmark = pytest.mark.skipif(CLAMD is None, reason=MISSING)


@pytest.fixture(scope="module")
def clamd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with running_clamd(tmp_path_factory.mktemp("clamd"), "StreamMaxLength 1M") as address:
        yield address


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """A clean photo, one with the test virus in its comment, and one too long for the scanner."""
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "clean.jpg").write_bytes(jpeg(1))
    infected = jpeg(2)
    comment = b"\xff\xfe" + (len(EICAR) + 2).to_bytes(2, "big") + EICAR.encode()
    (folder / "infected.jpg").write_bytes(infected[:2] + comment + infected[2:])
    (folder / "long.jpg").write_bytes(jpeg(3, 2400, 2400) + bytes(1 << 20))
    return folder


def processed(home: Path, photos: Path, **environment: str) -> None:
    with Vault(Settings.of({"PHOTOVAULT_WORKERS": "2", **environment}, home=home), create=True) as vault:
        import_files(vault, sorted(photos.iterdir()))
        Runtime(vault).run()


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command line with `--json`, under an environment."""

    def call(*words: str, **environment: str) -> Any:
        for name in ("PHOTOVAULT_CLAMD", "PHOTOVAULT_SERVE_UNSCANNED"):
            monkeypatch.delenv(name, raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        found = CliRunner().invoke(app, ["--home", str(tmp_path / "home"), *words, "--json"])
        assert found.exit_code == 0, found.output
        return json.loads(found.stdout)

    return call


def test_only_the_clean_photo_is_seen(clamd: str, photos: Path, tmp_path: Path, ask: Callable[..., Any]) -> None:
    processed(tmp_path / "home", photos, PHOTOVAULT_CLAMD=clamd)
    items = {item["file_name"]: item for item in ask("query", "gallery", PHOTOVAULT_CLAMD=clamd)["items"]}
    assert {name: item["safety"] for name, item in items.items()} == {
        "clean.jpg": "clean",
        "infected.jpg": "refused",
        "long.jpg": "refused",
    }
    assert [name for name, item in items.items() if item["renditions"]] == ["clean.jpg"]
    failed = {i["file_name"]: i["steps"][0]["error"] for i in ask("audit", "--failed")["items"]}
    assert failed == {"infected.jpg": "infected", "long.jpg": "scan_failed"}
    life = ask("audit", items["infected.jpg"]["asset"])
    scan = life["entries"][1]["data"]["scan"]
    assert (scan["status"], scan["threat"]) == ("infected", THREAT)
    renditions = ask("query", "renditions", PHOTOVAULT_CLAMD=clamd)["items"]
    assert [bool(item["original"]) for item in renditions].count(True) == 1


def test_what_was_never_scanned_is_withheld_once_a_scanner_is_there_and_seen_again_when_it_is_clean(
    clamd: str, photos: Path, tmp_path: Path, ask: Callable[..., Any]
) -> None:
    processed(tmp_path / "home", photos)  # without a scanner: a household on one machine
    page = tmp_path / "page.html"
    assert all(item["renditions"] for item in ask("query", "gallery")["items"])
    items = ask("query", "gallery", "--html", str(page), PHOTOVAULT_CLAMD=clamd)["items"]
    assert [(item["withheld"], item["renditions"], item["thumbhash"]) for item in items] == [(True, {}, None)] * 3
    assert "<figure>" not in page.read_text()
    ask("reprocess", "--step", "validate", "--all", PHOTOVAULT_CLAMD=clamd)
    processed(tmp_path / "home", photos, PHOTOVAULT_CLAMD=clamd)
    ask("query", "gallery", "--html", str(page), PHOTOVAULT_CLAMD=clamd)
    assert page.read_text().count("<figure>") == 1


def test_a_policy_may_show_what_could_not_be_scanned(
    clamd: str, photos: Path, tmp_path: Path, ask: Callable[..., Any]
) -> None:
    policy = {"PHOTOVAULT_CLAMD": clamd, "PHOTOVAULT_SERVE_UNSCANNED": "yes"}
    processed(tmp_path / "home", photos, **policy)
    items = {item["file_name"]: item for item in ask("query", "gallery", **policy)["items"]}
    assert items["long.jpg"]["safety"] == "failed"
    assert {name for name, item in items.items() if item["renditions"]} == {"clean.jpg", "long.jpg"}
    strict = ask("query", "gallery", PHOTOVAULT_CLAMD=clamd)["items"]
    assert [item["file_name"] for item in strict if item["renditions"]] == ["clean.jpg"]
    assert msgspec.json.encode(strict).count(b"blobs") == 3  # the clean one's three sizes, and no other path
