"""Sidecars from the folder to the event: found beside their pictures, attached once, judged in the next metadata."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.asset import Asset, asset_stream, fold
from domain.errors import DecoderCrashed
from domain.events import MetadataExtracted, PlaceResolved, SidecarAttached
from photovault.auditing import life_of
from photovault.importer import Report, find_files, import_files
from photovault.runtime import catch_up
from photovault.sidecars import MAX_BYTES
from tests.support.factories import fake_photo
from tests.support.fakes import MemoryVault, work
from tests.unit.media.test_read_sidecar import ADOBE, BOMB, DARKTABLE, GOOGLE


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault() as vault:
        yield vault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    place.mkdir()
    return place


def put(folder: Path, name: str, data: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def ingest(vault: MemoryVault, *paths: Path) -> Report:
    report = import_files(vault, find_files(list(paths)))  # type: ignore[arg-type]
    catch_up(vault)  # type: ignore[arg-type]
    assert report.found == report.added + report.known + report.refused + report.sidecars
    return report


def counts(report: Report) -> tuple[int, int, int, int]:
    return report.added, report.known, report.refused, report.sidecars


def asset_of(vault: MemoryVault, ident: str) -> Asset:
    return fold(asset_stream("anna", ident), vault.store.load(asset_stream("anna", ident)).events)


def metadata_of(vault: MemoryVault, ident: str) -> MetadataExtracted:
    found = asset_of(vault, ident).metadata
    assert found is not None
    return found


def all_events(vault: MemoryVault, kind: type) -> list:  # type: ignore[type-arg]
    return [e.event for c in vault.everything() for e in vault.store.events_of(c) if isinstance(e.event, kind)]


class TestImport:
    def test_a_sidecar_is_attached_to_its_picture_and_not_refused(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        path = put(folder, "a.jpg.xmp", ADOBE)
        os.utime(path, ns=(0, 1_700_000_000_123_456_789))
        report = ingest(vault, folder)
        assert counts(report) == (1, 0, 0, 1)
        [found] = asset_of(vault, report.assets[0]).sidecars
        assert (found.kind, found.file_name, found.path) == ("xmp", "a.jpg.xmp", str(path))
        assert vault.blobs.get(found.blob) == ADOBE.encode()
        assert found.blob == found.sha256
        assert found.modified_at is not None
        assert found.modified_at.isoformat() == "2023-11-14T22:13:20.123456+00:00"

    def test_a_second_import_appends_nothing_and_reads_nothing(
        self, vault: MemoryVault, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        put(folder, "a.jpg.xmp", ADOBE)
        ingest(vault, folder)
        before = len(vault.everything())
        monkeypatch.setattr(Path, "open", lambda *_: pytest.fail("a file was read"))
        monkeypatch.setattr(vault.store, "load", lambda *_: pytest.fail("a stream was read"))
        assert counts(ingest(vault, folder)) == (0, 1, 0, 1)
        assert len(vault.everything()) == before

    def test_one_that_comes_later_is_attached_then(self, vault: MemoryVault, folder: Path) -> None:
        picture = put(folder, "a.jpg", fake_photo("a"))
        [ident] = ingest(vault, folder).assets
        put(folder, "a.jpg.json", GOOGLE)
        assert counts(ingest(vault, picture)) == (0, 1, 0, 0)  # found beside the picture, though not named
        assert [s.kind for s in asset_of(vault, ident).sidecars] == ["takeout"]

    def test_one_that_is_named_by_itself_is_attached_to_a_picture_that_is_there(
        self, vault: MemoryVault, folder: Path
    ) -> None:
        picture = put(folder, "a.jpg", fake_photo("a"))
        sidecar = put(folder, "a.jpg.xmp", ADOBE)
        assert counts(ingest(vault, sidecar)) == (0, 0, 0, 1)
        assert all_events(vault, SidecarAttached) == []
        ingest(vault, picture)
        put(folder, "a.jpg.xmp", DARKTABLE)
        assert counts(ingest(vault, sidecar)) == (0, 0, 0, 1)
        assert len(all_events(vault, SidecarAttached)) == 2

    def test_one_that_was_changed_is_attached_again_and_one_that_was_touched_is_not(
        self, vault: MemoryVault, folder: Path
    ) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        path = put(folder, "a.jpg.xmp", ADOBE)
        [ident] = ingest(vault, folder).assets
        os.utime(path, (1, 1))
        ingest(vault, folder)
        assert len(all_events(vault, SidecarAttached)) == 1
        put(folder, "a.jpg.xmp", DARKTABLE)
        ingest(vault, folder)
        put(folder, "a.jpg.xmp", ADOBE)
        ingest(vault, folder)
        assert len(all_events(vault, SidecarAttached)) == 3
        assert len(asset_of(vault, ident).sidecars) == 1

    def test_one_that_two_pictures_share_is_attached_to_both(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "IMG_1.jpg", fake_photo("a"))
        put(folder, "IMG_1-edited.jpg", fake_photo("b"))
        put(folder, "IMG_1.jpg.json", GOOGLE)
        report = ingest(vault, folder)
        assert counts(report) == (2, 0, 0, 1)
        assert [len(asset_of(vault, ident).sidecars) for ident in report.assets] == [1, 1]
        before = len(vault.everything())
        ingest(vault, folder)
        assert len(vault.everything()) == before

    def test_an_import_that_was_killed_before_the_sidecar_is_made_good_by_the_next(
        self, vault: MemoryVault, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        put(folder, "a.jpg.xmp", ADOBE)
        with monkeypatch.context() as patch:
            patch.setattr("photovault.importer.attach_to", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
            with pytest.raises(KeyboardInterrupt):
                import_files(vault, find_files([folder]))  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        assert counts(ingest(vault, folder)) == (0, 1, 0, 1)
        assert len(all_events(vault, SidecarAttached)) == 1

    @pytest.mark.parametrize(
        ("name", "data"),
        [
            ("a.jpg.json", '{"name": "not from Google"}'),
            ("a.jpg.xmp", "<xml/>"),
            ("b.xmp", ADOBE),
            ("a.txt.json", GOOGLE),
            ("a.jpg.xmp", ADOBE + " " * MAX_BYTES),
        ],
    )
    def test_what_is_no_sidecar_is_refused_as_before(
        self, vault: MemoryVault, folder: Path, name: str, data: str
    ) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        put(folder, name, data)
        assert counts(ingest(vault, folder)) == (1, 0, 1, 0)
        assert all_events(vault, SidecarAttached) == []

    def test_a_pipe_beside_a_picture_is_not_waited_for(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        os.mkfifo(folder / "a.jpg.xmp")
        assert counts(ingest(vault, folder)) == (1, 0, 1, 0)

    def test_a_picture_called_json_is_a_picture(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        put(folder, "a.jpg.json", b"\xff\xd8\xff\xe0" + bytes(range(256)))
        assert counts(ingest(vault, folder)) == (2, 0, 0, 0)


class TestWhatFollows:
    def test_a_takeout_gives_date_place_and_its_name(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "IMG-20230405-WA0001.jpg", fake_photo("a"))
        put(folder, "IMG-20230405-WA0001.jpg.supplemental-metadata.json", GOOGLE)
        [ident] = ingest(vault, folder).assets
        work(vault)
        found = metadata_of(vault, ident)
        assert found.taken_at is not None
        assert found.taken_at.source == "takeout:photoTakenTime"
        assert found.description == "By the sea"
        [place] = all_events(vault, PlaceResolved)
        assert (place.city, place.region, place.country, place.country_code) == ("Arezzo", "Tuscany", "Italy", "IT")
        assert "CC BY 4.0" in place.source
        assert asset_of(vault, ident).state == "done"
        tags = json.loads(vault.blobs.get(found.tags_blob or ""))
        assert tags["Sidecar:Takeout:people"] == "Anna\nBen"

    def test_metadata_runs_once_when_the_sidecar_comes_with_the_picture(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        put(folder, "a.xmp", ADOBE)
        ingest(vault, folder)
        work(vault)
        [found] = all_events(vault, MetadataExtracted)
        assert (found.rating, found.keywords, found.description) == (4, ("family", "sea & sun"), "By the sea")

    def test_one_that_comes_later_runs_metadata_and_place_again_and_renditions_not(
        self, vault: MemoryVault, folder: Path
    ) -> None:
        put(folder, "a.jpg", fake_photo("a", date="2023:04:05_10:11:12"))
        [ident] = ingest(vault, folder).assets
        work(vault)
        renders = [call for call, _ in vault.media.calls].count("render")
        put(folder, "a.jpg.xmp", ADOBE)
        ingest(vault, folder)
        assert asset_of(vault, ident).state == "processing"
        work(vault)
        before, after = all_events(vault, MetadataExtracted)
        assert before.taken_at.source == "exif:DateTimeOriginal"
        assert (after.taken_at.source, after.taken_at.local) == ("sidecar:DateTimeOriginal", "2019-05-06T07:08:09.12")
        assert [c.source for c in after.alternatives][:2] == ["sidecar:DateCreated", "exif:DateTimeOriginal"]
        assert len(all_events(vault, PlaceResolved)) == 1
        assert [call for call, _ in vault.media.calls].count("render") == renders
        assert asset_of(vault, ident).state == "done"

    def test_a_hostile_sidecar_costs_a_note_and_never_its_picture(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "a.jpg", fake_photo("a", date="2023:04:05_10:11:12"))
        put(folder, "a.jpg.xmp", BOMB)
        [ident] = ingest(vault, folder).assets
        work(vault)
        found = metadata_of(vault, ident)
        assert found.taken_at is not None
        assert found.taken_at.local == "2023-04-05T10:11:12"
        assert any("the sidecar a.jpg.xmp was left out: it declares a document type" in n for n in found.notes)
        assert asset_of(vault, ident).state == "done"

    def test_a_sidecar_that_crashes_its_reader_is_tried_twice_and_then_left_out(
        self, vault: MemoryVault, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def crash(source: Path, kind: str) -> None:
            raise DecoderCrashed("the decoder's process ended by signal SIGSEGV")

        monkeypatch.setattr(vault.media, "read_sidecar", crash)
        put(folder, "a.jpg", fake_photo("a"))
        put(folder, "a.jpg.xmp", ADOBE)
        [ident] = ingest(vault, folder).assets
        work(vault)
        assert "SIGSEGV" in " ".join(metadata_of(vault, ident).notes)
        assert metadata_of(vault, ident).run.attempt == 2
        assert asset_of(vault, ident).state == "done"

    def test_the_audit_tells_of_it(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        put(folder, "a.jpg.xmp", ADOBE)
        [ident] = ingest(vault, folder).assets
        work(vault)
        stream = asset_stream("anna", ident)
        details = {e.type: e.detail for e in life_of(stream, vault.store.load(stream).events).entries}
        assert details["SidecarAttached"].startswith("sidecar (xmp, ")
        assert "4 stars, keywords: family, sea & sun" in details["MetadataExtracted"]
        assert details["PlaceResolved"].startswith("Arezzo, Tuscany, Italy, 0.6 km from its centre; GeoNames")


class TestPlaceStep:
    def put_at(self, folder: Path, latitude: float, longitude: float) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        geo = {"latitude": latitude, "longitude": longitude, "altitude": 0.0}
        put(folder, "a.jpg.json", json.dumps({"photoTakenTime": {"timestamp": "1"}, "geoData": geo}))

    def reason(self, vault: MemoryVault, folder: Path) -> str:
        [ident] = ingest(vault, folder).assets
        work(vault)
        stream = asset_stream("anna", ident)
        [entry] = [e for e in life_of(stream, vault.store.load(stream).events).entries if e.step == "place"]
        assert asset_of(vault, ident).state == "done"
        return f"{entry.outcome}: {entry.detail}"

    def test_without_a_position_it_is_skipped(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "a.jpg", fake_photo("a"))
        assert self.reason(vault, folder) == "skipped: nothing says where it was taken"

    def test_on_the_high_seas_it_is_skipped_with_the_distance(self, vault: MemoryVault, folder: Path) -> None:
        self.put_at(folder, 30.0, -40.0)
        assert "1,317 km away" in self.reason(vault, folder)

    def test_between_towns_only_the_region_is_named(self, vault: MemoryVault, folder: Path) -> None:
        self.put_at(folder, -16.8, -179.99)
        assert self.reason(vault, folder).startswith("done: Northern, Fiji; ")

    def test_null_island_is_refused(self, vault: MemoryVault, folder: Path) -> None:
        self.put_at(folder, 0.0, 0.0)
        assert self.reason(vault, folder) == "skipped: nothing says where it was taken"
