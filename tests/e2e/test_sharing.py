"""Sharing and messages as an owner and a visitor call them, on real decoders."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from photovault.sample import write_sample_library

PASSWORD = "correct horse"


class Owner:
    """The command line on one vault."""

    def __init__(self, home: Path) -> None:
        self.home = home

    def __call__(self, *arguments: str, said: str = "", code: int = 0) -> Any:
        command = [sys.executable, "-m", "photovault", "--home", str(self.home), *arguments, "--json"]
        ended = subprocess.run(command, input=said, capture_output=True, text=True, check=False)
        assert ended.returncode == code, ended.stderr
        return json.loads(ended.stdout) if code == 0 else ended.stderr


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Owner:
    """Three painted photos, processed."""
    photos = tmp_path_factory.mktemp("photos")
    write_sample_library(photos)
    made = Owner(tmp_path_factory.mktemp("vault") / "v")
    made("ingest", *(str(photos / name) for name in ("IMG_2102.jpg", "IMG_2103.heic", "DSCF3002.jpg")))
    made("work")
    return made


def ids(owner: Owner) -> list[str]:
    return [item["asset"] for item in owner("query", "gallery")["items"]]


def test_a_link_opens_a_page_whose_files_say_nothing(owner: Owner, tmp_path: Path) -> None:
    made = owner("share", "create", *ids(owner), "--download", "--password", "--title", "Lisbon", said=PASSWORD)
    assert made["password"] is True
    assert PASSWORD not in json.dumps(made)
    page = tmp_path / "page"
    assert "--password" in owner("share", "open", made["token"], "--folder", str(page), code=1)
    seen = owner("share", "open", made["token"], "--folder", str(page), "--files", "--password", said=PASSWORD)
    assert seen["items"] == 3
    text = (page / "index.html").read_text(encoding="utf-8")
    names = re.findall(r'(?:src|href)="([^"]+)"', text)
    assert all((page / name).is_file() for name in names)
    assert "IMG_" not in text
    for file in page.glob("*.jpg"):
        with Image.open(file) as picture:
            picture.load()
            assert set(dict(picture.getexif())) <= {0x0112}, file.name
        assert not re.search(rb"Apple|iPhone|FUJIFILM|IMG_|DSCF", file.read_bytes())
    told = owner("share", "show", made["share"][:8])
    kinds = [event["type"] for event in told["events"]]
    assert kinds[:1] == ["ShareCreated"]
    assert kinds.count("ShareOpened") == 1
    assert kinds.count("ShareItemDownloaded") == 3
    assert "argon2" not in json.dumps(told)


def test_a_link_is_revoked_and_says_so(owner: Owner, tmp_path: Path) -> None:
    made = owner("share", "create", ids(owner)[0], "--lasts", "2d")
    assert owner("share", "revoke", made["share"])["changed"] is True
    assert "not valid any more" in owner("share", "open", made["token"], "--folder", str(tmp_path / "x"), code=1)
    (item,) = [item for item in owner("share", "list")["items"] if item["share"] == made["share"]]
    assert item["state"] == "revoked"
    assert owner("share", "show", made["share"])["token"] is None


@pytest.mark.parametrize(
    "arguments",
    [
        ("share", "create"),
        ("share", "create", "x", "--person", "y"),
        ("share", "create", "--person", "nobody", "--lasts", "soon"),
        ("notify", "add", "not an address"),
        ("notify", "preferences", "nobody", "--set", "share=often"),
        ("notify", "quota", "much"),
        ("notify", "add", "a@example.org", "--zone", "Nowhere/Here"),
    ],
)
def test_a_wrong_call_says_what_to_do(owner: Owner, arguments: tuple[str, ...]) -> None:
    assert "error:" in owner(*arguments, code=2)


def test_a_friend_agrees_is_told_once_and_leaves(owner: Owner) -> None:
    outbox = owner.home / "outbox"
    friend = owner("notify", "add", "boris@example.org", "--name", "Boris", "--zone", "Europe/Lisbon")
    assert owner("notify", "send-due")["sent"] == 1
    (question,) = outbox.glob("*.eml")
    code = re.search(r"notify confirm (\S+)", question.read_text().replace("=\n", ""))
    assert code
    owner("notify", "confirm", code[1])
    made = owner("share", "create", ids(owner)[0], "--to", "boris@example.org")
    sent = [owner("notify", "send-due")["sent"] for _ in range(2)]
    assert sent == [1, 0]
    (mail,) = [path for path in outbox.glob("*.eml") if path != question]
    body = mail.read_text().replace("=\n", "")
    assert made["token"] in body
    assert "image/jpeg" in body
    leave = re.search(r"notify unsubscribe (\S+)", body)
    assert leave
    assert owner("notify", "unsubscribe", leave[1])["contact"] == friend["contact"]
    owner("share", "create", ids(owner)[0], "--to", "Boris")
    assert owner("notify", "send-due")["withheld"] == 1
    listed = [(item["kind"], item["status"]) for item in owner("notify", "list")["items"]]
    assert listed == [("share", "withheld"), ("share", "sent"), ("confirm", "sent")]
    assert owner("verify")["equal"] is True


def test_a_full_library_is_told(owner: Owner) -> None:
    assert owner("notify", "quota", "1kB")["changed"] is True
    assert owner("notify", "quota")["quota_bytes"] == 1000
    assert owner("notify", "quota")["used_bytes"] > 1000
    assert owner("notify", "quota", "none")["quota_bytes"] is None
