"""Import of folders: what is found, added, known or refused, and why. Real files, real adapters, no decoding."""

from __future__ import annotations

import ctypes
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from adapters.local.blobs import FileBlobStore
from domain.asset import asset_stream, fold
from domain.errors import InvalidInput
from photovault.importer import Report, find_files, import_files
from photovault.keeping import trash
from photovault.runtime import catch_up
from tests.support.factories import fake_photo
from tests.support.fakes import MemoryVault

_NOBODY = 65_534
JPEG = b"\xff\xd8\xff\xe0" + bytes(range(256))


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault() as vault:
        yield vault


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    place = tmp_path / "photos"
    place.mkdir()
    return place


def put(folder: Path, name: str, data: bytes = JPEG) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def ingest(vault: MemoryVault, *paths: Path) -> Report:
    """Import and bring the views up to date, as the command does."""
    report = import_files(vault, find_files(list(paths)))  # type: ignore[arg-type]
    catch_up(vault)  # type: ignore[arg-type]
    assert report.found == report.added + report.known + report.refused
    return report


def counts(report: Report) -> tuple[int, int, int]:
    return report.added, report.known, report.refused


def reasons(report: Report) -> dict[str, str]:
    return {Path(r.path).name: r.reason for r in report.refusals}


@contextmanager
def as_nobody() -> Iterator[None]:
    """Open files as a user who may not read everything, in this thread and those that it starts, also as root."""
    if os.geteuid() != 0:
        yield
        return
    libc = ctypes.CDLL(None)
    libc.setfsuid(_NOBODY)
    try:
        yield
    finally:
        libc.setfsuid(0)


class TestWhatIsNew:
    def test_every_file_makes_an_asset(self, vault: MemoryVault, folder: Path) -> None:
        for i in range(7):
            put(folder, f"deep/er/{i}.jpg", JPEG + bytes([i]))
        report = ingest(vault, folder)
        assert counts(report) == (7, 0, 0)
        assert len(set(report.assets)) == 7

    def test_the_event_says_what_came_and_from_where(self, vault: MemoryVault, folder: Path) -> None:
        path = put(folder, "a.jpg")
        os.utime(path, ns=(0, 1_700_000_000_123_456_789))
        [ident] = ingest(vault, folder).assets
        asset = fold(asset_stream("anna", ident), vault.store.load(asset_stream("anna", ident)).events)
        assert asset.uploaded is not None
        assert (asset.uploaded.file_name, asset.uploaded.size_bytes) == ("a.jpg", len(JPEG))
        assert (asset.uploaded.source, asset.uploaded.path) == ("folder", str(path))
        assert asset.uploaded.sha256 == asset.uploaded.blob
        assert asset.uploaded.modified_at is not None
        assert asset.uploaded.modified_at.isoformat() == "2023-11-14T22:13:20.123456+00:00"
        assert vault.blobs.get(asset.uploaded.blob) == JPEG

    def test_the_file_itself_is_left_as_it_was(self, vault: MemoryVault, folder: Path) -> None:
        path = put(folder, "a.jpg")
        before = path.stat()
        ingest(vault, folder)
        assert path.read_bytes() == JPEG
        assert (path.stat().st_mtime_ns, path.stat().st_mode) == (before.st_mtime_ns, before.st_mode)

    def test_more_files_than_a_batch_holds(self, vault: MemoryVault, folder: Path) -> None:
        for i in range(250):
            put(folder, f"{i:03}.jpg", JPEG + i.to_bytes(2, "big"))
        assert counts(ingest(vault, folder)) == (250, 0, 0)

    def test_one_file_can_be_named_by_itself(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "b.jpg", JPEG + b"b")
        assert counts(ingest(vault, put(folder, "a.jpg"))) == (1, 0, 0)

    def test_a_folder_that_does_not_exist_is_the_caller_s_mistake(self, vault: MemoryVault, folder: Path) -> None:
        with pytest.raises(InvalidInput, match="there is no file or folder"):
            ingest(vault, folder / "nowhere")

    def test_an_empty_folder_is_no_mistake(self, vault: MemoryVault, folder: Path) -> None:
        assert ingest(vault, folder) == Report()


class TestWhatIsKnown:
    def test_a_second_import_adds_nothing_and_appends_nothing(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "a.jpg")
        ingest(vault, folder)
        before = vault.commits.last_position()
        assert counts(ingest(vault, folder)) == (0, 1, 0)
        assert vault.commits.last_position() == before

    def test_a_known_file_is_not_read_again(
        self, vault: MemoryVault, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(folder, "a.jpg")
        ingest(vault, folder)
        monkeypatch.setattr(vault.blobs, "import_file", lambda path: pytest.fail(f"{path} was read"))
        assert counts(ingest(vault, folder)) == (0, 1, 0)

    def test_a_copy_at_another_path_is_noted_at_the_asset(self, vault: MemoryVault, folder: Path) -> None:
        first, second = put(folder, "a.jpg"), put(folder, "copies/b.jpg")
        report = ingest(vault, folder)
        assert counts(report) == (1, 1, 0)
        stream = asset_stream("anna", report.assets[0])
        assert set(fold(stream, vault.store.load(stream).events).paths) == {str(first), str(second)}

    def test_a_copy_is_not_read_a_third_time(
        self, vault: MemoryVault, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(folder, "a.jpg")
        put(folder, "copies/b.jpg")
        ingest(vault, folder)
        monkeypatch.setattr(vault.blobs, "import_file", lambda path: pytest.fail(f"{path} was read"))
        assert counts(ingest(vault, folder)) == (0, 2, 0)

    def test_a_changed_file_is_another_asset_and_then_known(
        self, vault: MemoryVault, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        path = put(folder, "a.jpg")
        [old] = ingest(vault, folder).assets
        path.write_bytes(JPEG + b"edited")
        [new] = ingest(vault, folder).assets
        assert old != new
        monkeypatch.setattr(vault.blobs, "import_file", lambda path: pytest.fail(f"{path} was read"))
        assert counts(ingest(vault, folder)) == (0, 1, 0)

    def test_two_owners_with_the_same_file_have_an_asset_each(self, vault: MemoryVault, folder: Path) -> None:
        path = put(folder, "a.jpg")
        [annas] = ingest(vault, path).assets
        with MemoryVault(owner="ben") as other:
            [bens] = ingest(other, path).assets
        assert annas != bens

    def test_a_file_of_the_trash_is_told_of_and_stays_there(self, vault: MemoryVault, folder: Path) -> None:
        path = put(folder, "a.jpg")
        put(folder, "b.jpg", JPEG + b"b")
        report = ingest(vault, folder)
        stream = asset_stream("anna", report.assets[0])
        trash(vault, stream, "blurred")  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        again = ingest(vault, folder)
        assert again.in_trash == [report.assets[0]]
        os.utime(path, (1, 1))  # read again, as its time is another
        assert ingest(vault, path).in_trash == [report.assets[0]]
        assert fold(stream, vault.store.load(stream).events).trashed_at is not None

    def test_an_import_without_views_reads_again_and_adds_nothing(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "a.jpg")
        import_files(vault, find_files([folder]))  # type: ignore[arg-type]
        assert counts(import_files(vault, find_files([folder]))) == (0, 1, 0)  # type: ignore[arg-type]


class TestWhatIsRefused:
    def test_a_text_file_is_refused_and_a_picture_with_its_name_is_not(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "notes.txt", b"a day at the beach")
        put(folder, "IMG_1.xmp", "<x>été</x>".encode())
        put(folder, "renamed.txt", JPEG)
        report = ingest(vault, folder)
        assert counts(report) == (1, 0, 2)
        assert reasons(report) == {
            "notes.txt": "it is not a picture or video: .txt file",
            "IMG_1.xmp": "it is not a picture or video: .xmp file",
        }

    def test_a_sidecar_whose_first_part_ends_within_a_letter_is_still_text(
        self, vault: MemoryVault, folder: Path
    ) -> None:
        put(folder, "long.json", b"x" * 511 + "é".encode() * 100)
        assert counts(ingest(vault, folder)) == (0, 0, 1)

    @pytest.mark.parametrize("name", ["IMG_0001", "photo.unknown", "a.b.c", "no media at all.bin"])
    def test_what_is_in_doubt_is_taken_for_validation_to_judge(
        self, vault: MemoryVault, folder: Path, name: str
    ) -> None:
        put(folder, name)
        assert counts(ingest(vault, folder)) == (1, 0, 0)

    def test_an_empty_file_is_taken_for_validation_to_judge(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "empty.jpg", b"")
        assert counts(ingest(vault, folder)) == (1, 0, 0)

    def test_hidden_files_are_refused_and_hidden_folders_are_not_looked_into(
        self, vault: MemoryVault, folder: Path
    ) -> None:
        put(folder, ".DS_Store")
        put(folder, ".thumbnails/a.jpg")
        report = ingest(vault, folder)
        assert counts(report) == (0, 0, 1)
        assert reasons(report) == {".DS_Store": "it is a hidden file"}

    def test_a_pipe_is_refused_without_waiting_for_it(self, vault: MemoryVault, folder: Path) -> None:
        os.mkfifo(folder / "pipe.jpg")
        assert reasons(ingest(vault, folder)) == {"pipe.jpg": "it is not a regular file"}

    def test_a_file_that_is_too_large_is_refused_unread(self, vault: MemoryVault, folder: Path) -> None:
        with put(folder, "huge.mov").open("r+b") as file:
            file.truncate((4 << 30) + 1)  # a hole: takes no room on the disk
        assert "at most 4,294,967,296 are taken" in reasons(ingest(vault, folder))["huge.mov"]

    def test_a_file_that_may_not_be_read_is_refused_with_the_reason(self, vault: MemoryVault) -> None:
        with tempfile.TemporaryDirectory() as place:  # pytest's own folders are closed to others
            folder = Path(place)
            folder.chmod(0o755)
            put(folder, "secret.jpg").chmod(0)
            put(folder, "b.jpg").chmod(0o644)
            with as_nobody():
                report = ingest(vault, folder)
        assert counts(report) == (1, 0, 1)
        assert reasons(report) == {"secret.jpg": "it can't be read: Permission denied"}

    def test_a_file_that_goes_wrong_while_it_is_read_costs_no_other(
        self, vault: MemoryVault, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("a.jpg", "bad.jpg", "c.jpg"):
            put(folder, name, JPEG + name.encode())
        inner = vault.blobs.import_file

        def import_file(path: Path) -> tuple[str, int]:
            if path.name == "bad.jpg":
                raise OSError(5, "Input/output error")
            return inner(path)

        monkeypatch.setattr(vault.blobs, "import_file", import_file)
        report = ingest(vault, folder)
        assert counts(report) == (2, 0, 1)
        assert reasons(report) == {"bad.jpg": "it can't be read: Input/output error"}


class TestLinks:
    def test_links_in_a_circle_are_refused_and_end_the_walk_of_nothing(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, "a.jpg")
        (folder / "self.jpg").symlink_to(folder / "self.jpg")
        (folder / "gone.jpg").symlink_to(folder / "nowhere.jpg")
        (folder / "deeper").mkdir()
        (folder / "deeper" / "up").symlink_to(folder)
        report = ingest(vault, folder)
        assert counts(report) == (1, 0, 2)
        assert set(reasons(report)) == {"self.jpg", "gone.jpg"}

    def test_a_link_to_a_file_is_that_file(self, vault: MemoryVault, folder: Path, tmp_path: Path) -> None:
        (folder / "link.jpg").symlink_to(put(tmp_path, "elsewhere.jpg"))
        assert counts(ingest(vault, folder)) == (1, 0, 0)


class TestNames:
    @pytest.mark.parametrize(
        "name",
        [
            "日本の写真.jpg",
            "e\u0301te\u0301.jpg",
            "two\nlines.jpg",
            "😀.jpg",
            "a" * 240 + ".jpg",
            "%00&<>'\".jpg",
            " .jpg",
        ],
    )
    def test_every_name_that_a_disk_can_hold_is_taken_and_known_again(
        self, vault: MemoryVault, folder: Path, name: str
    ) -> None:
        put(folder, name)
        assert counts(ingest(vault, folder)) == (1, 0, 0)
        assert counts(ingest(vault, folder)) == (0, 1, 0)

    def test_a_name_that_is_no_text_is_taken_and_known_again(self, vault: MemoryVault, folder: Path) -> None:
        put(folder, os.fsdecode(b"caf\xe9.jpg"))
        assert counts(ingest(vault, folder)) == (1, 0, 0)
        assert counts(ingest(vault, folder)) == (0, 1, 0)
        [event] = [e for c in vault.everything() for e in vault.store.events_of(c)]
        assert event.event.file_name == "caf?.jpg"  # type: ignore[attr-defined]

    def test_a_known_file_whose_name_is_no_text_is_not_read_again(
        self, vault: MemoryVault, folder: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(folder, os.fsdecode(b"caf\xe9.jpg"))
        ingest(vault, folder)
        monkeypatch.setattr(vault.blobs, "import_file", lambda path: pytest.fail("it was read"))
        assert counts(ingest(vault, folder)) == (0, 1, 0)


class TestOnTheRealBlobStore:
    def test_a_file_that_can_t_be_read_leaves_nothing_half_written(
        self, vault: MemoryVault, folder: Path, tmp_path: Path
    ) -> None:
        vault.blobs = FileBlobStore(tmp_path / "blobs")  # type: ignore[assignment]
        put(folder, "a.jpg", fake_photo("a"))
        (folder / "folder.jpg").mkdir()
        report = ingest(vault, folder)
        assert counts(report) == (1, 0, 0)
        assert list(vault.blobs.temporary.iterdir()) == []  # type: ignore[attr-defined]

    def test_the_same_bytes_are_stored_once(self, vault: MemoryVault, folder: Path, tmp_path: Path) -> None:
        vault.blobs = FileBlobStore(tmp_path / "blobs")  # type: ignore[assignment]
        for name in ("a.jpg", "b.jpg", "c.jpg"):
            put(folder, name)
        assert counts(ingest(vault, folder)) == (1, 2, 0)
        assert sum(path.is_file() for path in (tmp_path / "blobs").rglob("*")) == 1
