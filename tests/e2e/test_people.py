"""Faces on the command line: off until agreed, looked for, forgotten; as a person calls it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from adapters.ml.faces import MODELS
from adapters.ml.store import ModelStore
from photovault.config import models_folder

FACES = Path(os.environ.get("PHOTOVAULT_MEDIA", "/nowhere")) / "faces"


def photovault(home: Path, *arguments: str, code: int = 0) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "photovault", "--home", str(home), *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stderr
    return done.stdout if code == 0 else done.stderr


def told(home: Path, *arguments: str) -> Any:
    return json.loads(photovault(home, *arguments, "--json"))


def test_faces_are_off_until_the_owner_agrees_and_can_be_forgotten_at_any_time(tmp_path: Path) -> None:
    photos, home = tmp_path / "photos", tmp_path / "vault"
    photos.mkdir()
    Image.effect_noise((320, 240), 60).convert("RGB").save(photos / "noise.jpg")
    photovault(home, "ingest", str(photos))
    photovault(home, "work")
    assert told(home, "faces", "status")["faces"] == "off"
    assert "faces agree" in photovault(home, "people", "list", code=2)
    assert told(home, "faces", "agree")["asked"] == 1
    photovault(home, "work")
    assert told(home, "people", "list") == {"items": []}
    assert told(home, "people", "cluster") == {"assigned": 0, "people": 0, "left": 0, "merged": 0}
    assert "no person" in photovault(home, "people", "name", "nobody", "Anna", code=1)
    assert "--yes" in photovault(home, "faces", "forget", code=2)
    assert told(home, "faces", "forget", "--yes")["faces"] == "off"
    assert "faces agree" in photovault(home, "people", "list", code=2)
    assert told(home, "verify")["equal"]


@pytest.mark.skipif(not FACES.is_dir(), reason="PHOTOVAULT_MEDIA names no folder with faces")
@pytest.mark.skipif(not ModelStore(models_folder()).has(*MODELS), reason="no models for faces: PHOTOVAULT_MODELS")
def test_two_people_on_real_photos(tmp_path: Path) -> None:
    home = tmp_path / "vault"
    photovault(home, "ingest", str(FACES))
    photovault(home, "faces", "agree")
    photovault(home, "work")
    one, other = told(home, "people", "list")["items"]
    assert (one["pictures"], other["pictures"]) == (4, 3)
    photovault(home, "people", "name", one["person"], "Anna")
    photovault(home, "people", "name", other["person"], "<script>")
    [both] = told(home, "people", "together", "anna", "<script>")["items"]
    assert both["file_name"] == "person_a_and_b.jpg"
    assert "show both" in photovault(home, "people", "merge", "Anna", "<script>", code=2)
    page = tmp_path / "people.html"
    photovault(home, "people", "list", "--html", str(page))
    text = page.read_text(encoding="utf-8")
    assert text.count("data:image/jpeg") == 7
    assert "<script>" not in text
    assert told(home, "verify")["equal"]
    assert told(home, "faces", "forget", "--yes") == {"faces": "off", "pictures": 6, "people": 2}
    assert told(home, "verify")["equal"]
