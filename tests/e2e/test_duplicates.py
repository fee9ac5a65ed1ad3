"""`photovault duplicates` on real files: what a family sees of copies, and what it costs nobody else."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from domain.events import FingerprintComputed
from photovault.cli import main
from photovault.config import Settings
from photovault.vault import Vault
from tests.support.factories import jpeg

COPIES = ("sea.jpg", "sea <i>under other metadata.jpg", "sea saved again.jpg", "sea grey.png", "sea small.webp")


def copies(folder: Path) -> None:
    """One photo in five files, two other ones, and a white page twice."""
    data = jpeg(1, 800, 600)
    picture = Image.open(io.BytesIO(data))
    described = Image.Exif()
    described[0x010E] = "the sea"
    exif = b"Exif\0\0" + described.tobytes().removeprefix(b"Exif\0\0")
    app1 = b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif
    (folder / COPIES[0]).write_bytes(data)
    (folder / COPIES[1]).write_bytes(data[:2] + app1 + data[2:])
    picture.save(folder / COPIES[2], quality=50)
    picture.convert("L").save(folder / COPIES[3])
    picture.resize((200, 150)).save(folder / COPIES[4], quality=70)
    (folder / "hill.jpg").write_bytes(jpeg(2, 800, 600))
    (folder / "wood.jpg").write_bytes(jpeg(3, 800, 600))
    for quality in (80, 90):
        Image.new("RGB", (400, 300), "white").save(folder / f"page {quality}.jpg", quality=quality)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, home = tmp_path_factory.mktemp("photos"), tmp_path_factory.mktemp("vault") / "home"
    copies(folder)
    for owner in ("me", "ben"):
        assert _call("--home", home, "--owner", owner, "ingest", folder if owner == "me" else folder / "sea.jpg") == 0
        assert _call("--home", home, "--owner", owner, "work") == 0
    return home


def _call(*arguments: str | Path) -> int:
    try:
        return main([str(argument) for argument in arguments])
    except SystemExit as ended:
        return int(ended.code or 0)


@pytest.fixture
def said(home: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*arguments: str | Path, owner: str = "me") -> str:
        capsys.readouterr()
        code = _call("--home", home, "--owner", owner, *arguments)
        printed = capsys.readouterr()
        assert code == 0, printed.err
        return printed.out

    return run


def test_all_copies_of_a_photo_are_one_group_and_nothing_else_is(said: Any) -> None:
    [group] = json.loads(said("duplicates", "--json"))["items"]
    assert {item["file_name"] for item in group["assets"]} == set(COPIES)
    by_id = {item["asset"]: item for item in group["assets"]}
    pairs = {
        frozenset((by_id[pair["a"]]["file_name"], by_id[pair["b"]]["file_name"])): (pair["kind"], pair["distance"])
        for pair in group["pairs"]
    }
    assert pairs[frozenset(COPIES[:2])] == ("pixels", 0)
    assert [kind for kind, _ in pairs.values()].count("pixels") == 1
    assert all(distance <= 8 for _, distance in pairs.values())
    assert len(pairs) == 10


def test_the_largest_comes_first_with_what_a_person_chooses_by(said: Any) -> None:
    [group] = json.loads(said("duplicates", "--json"))["items"]
    first, last = group["assets"][0], group["assets"][-1]
    assert (first["width"], first["height"]) == (800, 600)
    assert (last["file_name"], last["width"]) == ("sea small.webp", 200)
    assert all(item["size_bytes"] > 0 and item["taken_at"] for item in group["assets"])
    listing = said("duplicates")
    assert "same pixels" in listing
    assert "looks the same" in listing or "near (" in listing


def test_the_page_shows_them_side_by_side_and_escapes_their_names(said: Any, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    assert "1 group" in said("duplicates", "--html", page)
    text = page.read_text()
    assert text.count("<figure>") == len(COPIES)
    assert "sea &lt;i&gt;under other metadata.jpg" in text
    assert "<i>" not in text


def test_what_another_owner_has_is_in_no_list(said: Any) -> None:
    assert json.loads(said("duplicates", "--json", owner="ben")) == {"items": [], "cursor": None}
    assert "no two pictures look alike" in said("duplicates", owner="ben")


def test_a_blank_page_says_in_its_life_why_it_is_not_compared(said: Any) -> None:
    name = next(i for i in json.loads(said("query", "gallery", "--json"))["items"] if i["file_name"] == "page 80.jpg")
    entries = json.loads(said("audit", name["asset"], "--json"))["entries"]
    details = {entry["type"]: entry["detail"] for entry in entries}
    assert "blank" in details["FingerprintComputed"]
    assert details["LookalikesFound"] == "no other asset looks like it"


def test_the_life_of_a_copy_names_its_look_alikes(said: Any) -> None:
    items = json.loads(said("query", "gallery", "--json"))["items"]
    lives = [json.loads(said("audit", i["asset"], "--json")) for i in items if i["file_name"] in COPIES]
    told = [e["detail"] for life in lives for e in life["entries"] if e["type"] == "LookalikesFound"]
    assert sum("same pixels" in detail for detail in told) >= 1
    assert sum("bits apart" in detail for detail in told) >= 3


def test_the_view_can_be_read_verified_and_rebuilt(said: Any) -> None:
    items = json.loads(said("query", "fingerprints", "--json"))["items"]
    assert len(items) == 9
    assert all(len(item["phash"] or "0" * 16) == 16 for item in items)
    before = json.loads(said("duplicates", "--json"))
    assert json.loads(said("verify", "--json"))["equal"]
    said("replay", "--projection", "fingerprints")
    assert json.loads(said("duplicates", "--json")) == before


def test_a_fingerprint_can_be_made_again(said: Any, home: Path) -> None:
    before = json.loads(said("duplicates", "--json"))["items"]
    said("reprocess", "--step", "fingerprint", "--all")
    said("work")
    after = json.loads(said("duplicates", "--json"))["items"]
    assert [g["pairs"] for g in after] == [g["pairs"] for g in before]
    with Vault(Settings.of(home=home, owner="me")) as vault:
        made = [
            recorded.event
            for commit in vault.commits.tail(None, 100_000).commits
            for recorded in vault.store.events_of(commit)
            if isinstance(recorded.event, FingerprintComputed) and commit.stream.startswith("me#")
        ]
    assert len(made) == 18
