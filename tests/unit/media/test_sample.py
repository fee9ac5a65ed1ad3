"""The sample library: complete, written once, and each file ends as it should."""

from __future__ import annotations

from pathlib import Path

import pytest

from adapters.media.images import inspect
from adapters.media.metadata import read_metadata
from adapters.media.zones import zone_of
from domain.errors import MediaRejected
from domain.media import Limits
from domain.metadata import extract
from photovault.sample import write_sample_library

BAD = {"IMG_4004_cut_short.jpg": "truncated", "not_a_photo.jpg": "not_media"}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sample") / "library"
    assert write_sample_library(folder) == 26
    return folder


def test_it_is_written_once_and_what_is_there_is_left_alone(library: Path) -> None:
    (library / "not_a_photo.jpg").write_text("mine")
    assert write_sample_library(library) == 0
    assert (library / "not_a_photo.jpg").read_text() == "mine"
    (library / "fireworks.gif").unlink()
    assert write_sample_library(library) == 1


def test_every_picture_and_the_film_is_whole_and_the_two_bad_files_are_refused(library: Path) -> None:
    types = set()
    for path in library.iterdir():
        if path.name in BAD:
            with pytest.raises(MediaRejected) as refusal:
                inspect(path, Limits())
            assert refusal.value.code == BAD[path.name]
        else:
            found = inspect(path, Limits())
            assert not found.notes
            types.add(found.media_type)
    assert types == {f"image/{kind}" for kind in ("jpeg", "png", "webp", "heic", "gif", "tiff")} | {"video/quicktime"}


def test_dates_and_places_agree_with_the_gps_clock_and_the_map(library: Path) -> None:
    placed = 0
    for path in library.iterdir():
        if path.name in BAD:
            continue
        raw = read_metadata(path, Limits())
        found = extract(raw, file_name=path.name, modified_at=None, zone_of=zone_of)
        assert not found.notes
        if not found.position:
            continue
        placed += 1
        assert found.taken_at is not None
        local = found.taken_at
        if path.suffix == ".mov":
            assert (local.source, local.offset_minutes) == ("container:com.apple.quicktime.creationdate", 60)
            continue
        assert local.offset_source == "exif:OffsetTimeOriginal"
        gps = next(c for c in found.alternatives if c.source == "gps")
        assert found.taken_at_utc is not None
        assert found.taken_at_utc.replace(tzinfo=None).isoformat() == gps.local
        by_map = zone_of(found.position.latitude, found.position.longitude, found.taken_at_utc.replace(tzinfo=None))
        assert by_map is not None
        assert by_map[1] == local.offset_minutes
    assert placed == 22
