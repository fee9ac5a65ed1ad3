"""Dates and places of real cameras' files, with sidecars beside them, through the whole pipeline; needs a folder of
samples named by PHOTOVAULT_MEDIA."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from adapters.geo.places import OfflineGeocoder
from adapters.media.sandbox import SandboxedMediaEngine
from adapters.media.zones import zone_of
from domain.metadata import Extracted, extract
from domain.places import Said, say
from photovault.config import Settings
from photovault.importer import find_files, import_files
from photovault.runtime import Runtime, catch_up
from photovault.vault import Vault

MEDIA = Path(os.environ.get("PHOTOVAULT_MEDIA") or "/nonexistent")
pytestmark = pytest.mark.skipif(
    not MEDIA.is_dir(), reason="PHOTOVAULT_MEDIA does not name a folder of sample pictures and videos"
)
GEOCODER = OfflineGeocoder()


def sample(name: str) -> Path:
    if not (MEDIA / name).exists():
        pytest.skip(f"{name} is not among the samples")
    return MEDIA / name


@pytest.fixture(scope="module")
def engine() -> Iterator[SandboxedMediaEngine]:
    with SandboxedMediaEngine() as engine:
        yield engine


def facts(engine: SandboxedMediaEngine, path: Path, name: str | None = None) -> Extracted:
    return extract(engine.read_metadata(path), file_name=name or path.name, modified_at=None, zone_of=zone_of)


@pytest.mark.parametrize("path", sorted((MEDIA / "gps").glob("*.jpg")), ids=lambda path: path.name)
def test_the_walk_through_arezzo_is_in_arezzo_though_its_gps_date_is_a_day_off(
    engine: SandboxedMediaEngine, path: Path
) -> None:
    found = facts(engine, path)
    assert found.position is not None
    assert found.taken_at is not None
    said = say(GEOCODER.nearest(found.position.latitude, found.position.longitude))
    assert isinstance(said, Said)
    assert (said.city, said.region, said.country, said.country_code) == ("Arezzo", "Tuscany", "Italy", "IT")
    assert said.distance_km < 1
    assert (found.taken_at.offset_minutes, found.taken_at.offset_source) == (120, "gps_time")
    assert any("a day off" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "city", "country"),
    [
        ("camera/iphone_hdr_YES.jpg", "Madrid", "Spain"),
        ("camera/HMD_Nokia_8.3_5G.jpg", "Helsinki", "Finland"),
        ("camera/Kodak_CX7530.jpg", "Nakuru", "Kenya"),
        ("heic/IMG_1034.heic", "Guangzhou", "China"),
        ("heic/HMD_Nokia_8.3_5G_hdr.heif", "Colmenar Viejo", "Spain"),
        ("video/with-gps.mov", "Giv'at Shmuel", "Israel"),
        ("video/with-gps.mp4", "London", "United Kingdom"),
        ("video/sample.mp4", "Berkeley Heights", "United States"),
    ],
)
def test_places_of_other_cameras(engine: SandboxedMediaEngine, name: str, city: str, country: str) -> None:
    position = facts(engine, sample(name)).position
    assert position is not None
    found = GEOCODER.nearest(position.latitude, position.longitude)
    assert (found.city, found.country) == (city, country)


def test_a_video_s_null_island_is_refused(engine: SandboxedMediaEngine) -> None:
    found = facts(engine, sample("video/ftyp3gp5.mp4"))
    assert found.position is None
    assert any("without a fix" in note for note in found.notes)


@pytest.mark.parametrize(
    ("name", "local", "offset", "source"),
    [
        ("video/with-gps.mov", "2019-07-24T11:25:40", 180, "container:com.apple.quicktime.creationdate"),
        ("video/with-gps.mp4", "2017-02-22T08:20:28", 0, "position"),
        ("video/h265_with_metadata_track.mp4", "2023-04-28T18:52:17", 60, "position"),
        ("video/sample.mp4", "2016-05-31T13:01:35", -240, "position"),
        ("video/sample.mkv", "2016-05-31T17:01:35", 0, "container:creation_time"),  # Matroska's DateUTC
    ],
)
def test_when_videos_were_taken(engine: SandboxedMediaEngine, name: str, local: str, offset: int, source: str) -> None:
    taken = facts(engine, sample(name)).taken_at
    assert taken is not None
    assert (taken.local, taken.offset_minutes, taken.offset_source) == (local, offset, source)


def test_the_same_video_under_names_that_tell_whose_clock_it_shows(engine: SandboxedMediaEngine) -> None:
    path = sample("video/portrait_4k60.mp4")  # creation_time 2023-03-16T15:26:24Z, no position
    abroad = facts(engine, path, "VID_20230316_162620.mp4").taken_at
    assert abroad is not None
    assert (abroad.local, abroad.offset_minutes, abroad.offset_source) == ("2023-03-16T16:26:24", 60, "file_name")
    own = facts(engine, path, "VID_20230316_152620.mp4").taken_at
    assert own is not None
    assert (own.local, own.offset_minutes) == ("2023-03-16T15:26:24", None)
    pixel = facts(engine, path, "PXL_20230316_152620123.mp4").taken_at
    assert pixel is not None
    assert pixel.offset_minutes == 0


def test_a_takeout_and_an_edited_photo_through_the_whole_pipeline(tmp_path: Path) -> None:
    photos = tmp_path / "Takeout"
    photos.mkdir()
    shutil.copy(sample("camera/Canon_40D.jpg"), photos / "IMG_1.jpg")  # no position
    shutil.copy(sample("gps/DSCN0010.jpg"), photos / "DSCN0010.JPG")
    shutil.copy(sample("faces/person_b_2.jpg"), photos / "IMG-20230405-WA0001.jpg")  # nothing of its own
    tokyo = {"latitude": 35.6586, "longitude": 139.7454, "altitude": 0.0}
    for name, geo in (("IMG_1.jpg.supplemental-metadata", tokyo), ("IMG-20230405-WA0001.jpg.suppl", {})):
        said: dict[str, Any] = {
            "photoTakenTime": {"timestamp": "1680689472"},
            "geoData": geo,
            "people": [{"name": "B"}],
        }
        (photos / f"{name}.json").write_text(json.dumps(said))
    (photos / "DSCN0010.xmp").write_text(
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/"'
        ' xmp:Rating="5" photoshop:DateCreated="2008-10-22T18:00:00"/></rdf:RDF></x:xmpmeta>'
    )
    with Vault(Settings(tmp_path / "vault", "anna", 2), create=True) as vault:
        report = import_files(vault, find_files([photos]))
        assert (report.added, report.refused, report.sidecars) == (3, 0, 3)
        Runtime(vault).run()
        catch_up(vault)
        projection, table = vault.generations.active("gallery")
        rows = vault.views.query(table, "anna").rows
        shown = {
            item["file_name"]: item for row in rows for item in [projection.show(projection.decode(row.data), str)]
        }
    assert {item["state"] for item in shown.values()} == {"done"}
    canon, walk, chat = (shown[name] for name in ("IMG_1.jpg", "DSCN0010.JPG", "IMG-20230405-WA0001.jpg"))
    assert (canon["taken_at"], canon["taken_from"]) == ("2008-05-30T15:56:01+09:00", "exif:DateTimeOriginal")
    assert canon["place"] == {"city": "Tokyo", "region": "Tokyo", "country": "Japan", "country_code": "JP"}
    assert (walk["taken_at"], walk["taken_from"]) == ("2008-10-22T18:00:00+02:00", "sidecar:DateCreated")
    assert walk["place"]["city"] == "Arezzo"
    assert (chat["taken_at"], chat["taken_from"]) == ("2023-04-05T10:11:12+00:00", "takeout:photoTakenTime")
    assert (chat["place"], chat["latitude"]) == (None, None)
