"""Real files through a link: what leaves says nothing of where, when and with what it was taken."""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import av
import pytest
from PIL import Image

from photovault.config import Settings
from photovault.importer import import_files
from photovault.runtime import Runtime, catch_up
from photovault.share_export import write_folder
from photovault.sharing import create, visit
from photovault.vault import Vault

MEDIA = Path(os.environ.get("PHOTOVAULT_MEDIA") or "/nonexistent")
SAMPLES = (
    "video/sample.mp4",  # plays itself: its packets in a new container
    "video/with-gps.mp4",
    "video/with-gps.mov",
    "gps/DSCN0042.jpg",
    "heic/IMG_2927.HEIC",
)
TELLING = re.compile(rb"\+51\.41|\+32\.09|\+40\.68|iPhone|NIKON|COOLPIX|com\.apple|com\.android|ISO6709", re.IGNORECASE)


def test_nothing_that_leaves_says_where_it_comes_from(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in SAMPLES:
        if not (MEDIA / name).exists():
            pytest.skip(f"{name} is not there")
        shutil.copy(MEDIA / name, photos)
    with Vault(Settings(tmp_path / "vault", "me", 2), create=True) as vault:
        taken = import_files(vault, sorted(photos.iterdir()))
        Runtime(vault).run()
        assets = [asset for asset in taken.assets if asset]
        made = create(vault, "me", "selection", vault.settings.serving, assets=assets, download=True)
        catch_up(vault)
        seen = visit(vault, made.token, vault.settings.serving)
        write_folder(vault, seen, tmp_path / "page", files=True)
    files = [path for path in (tmp_path / "page").iterdir() if path.suffix != ".html"]
    full = [path for path in files if re.fullmatch(r"(photo|video)-\d{3}\.\w+", path.name)]
    assert len(full) == len(SAMPLES)
    assert any(TELLING.search(path.read_bytes()) for path in photos.iterdir())
    for path in files:
        assert not TELLING.search(path.read_bytes()), path.name
    for path in full:
        if path.suffix == ".mp4":
            with av.open(str(path)) as video:
                said = {**video.metadata, **{k: v for stream in video.streams for k, v in stream.metadata.items()}}
                assert {stream.type for stream in video.streams} <= {"video", "audio"}
            assert not {name for name in said if "location" in name or name in ("creation_time", "creationdate")}, said
        else:
            with Image.open(path) as picture:
                assert set(dict(picture.getexif())) <= {0x0112}
