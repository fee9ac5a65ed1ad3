"""The scanner's two functions on S3 (the emulator's) with the real clamd and freshclam, and the step that asks them."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from adapters.aws.originals import blob_key
from adapters.aws.scanner import FunctionScanner
from adapters.aws.signatures import Manifest, Signatures
from adapters.scan.daemon import Daemon
from domain.errors import PhotoVaultError, ScanFailed
from domain.events import FileQuarantined, FileValidated
from handlers import scan, signatures
from infrastructure.packages import code_files, zipped
from photovault.aws.cloud import Cloud, CloudSettings
from tests.integration.deployment import Deployment, in_process
from tests.support.aws_events import REGION, Context
from tests.support.clamav import CLAMD, EICAR, FRESHCLAM, MISSING, THREAT, write_signatures
from tests.support.factories import jpeg

pytestmark = pytest.mark.skipif(CLAMD is None or FRESHCLAM is None, reason=MISSING)


@pytest.fixture
def databases(tmp_path: Path) -> Path:
    """What a mirror would hold."""
    return write_signatures(tmp_path / "mirror") / "eicar.ndb"


@pytest.fixture
def environment(deployment: Deployment, databases: Path) -> dict[str, str]:
    """What the template would give the two functions."""
    return {
        "ORIGINALS_BUCKET": deployment.environment["ORIGINALS_BUCKET"],
        "SIGNATURES_BUCKET": deployment.environment["DERIVED_BUCKET"],
        "SIGNATURES_PREFIX": "clamav/",
        "FRESHCLAM_MIRROR": "none",
        "FRESHCLAM_URLS": f"file://{databases}",
        "AWS_ENDPOINT_URL": deployment.environment["AWS_ENDPOINT_URL"],
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": REGION,
    }


@pytest.fixture
def container(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[scan.Container]:
    """The scanner's container, begun cold."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    made = scan.Container(tmp_path / "container")
    monkeypatch.setattr(scan, "_container", lambda: made)
    yield made
    made.close()


@pytest.fixture
def ask(container: scan.Container, deployment: Deployment) -> Callable[..., dict[str, Any]]:
    """Upload these bytes and have them scanned, in this process."""

    def call(data: bytes, **changes: Any) -> dict[str, Any]:
        version = deployment.put("anna/a.jpg", data)
        question = {"bucket": deployment.environment["ORIGINALS_BUCKET"], "key": "anna/a.jpg", "version": version}
        answer: dict[str, Any] = scan.handler(question | changes, Context())
        return answer

    return call


def fetch_signatures() -> list[str]:
    changed: list[str] = signatures.handler({}, Context())["changed"]
    return changed


def test_signatures_come_to_s3_once_and_scans_use_them(ask: Callable[..., dict[str, Any]]) -> None:
    early = ask(jpeg(1))
    assert (early["scan"]["status"], early["retryable"]) == ("failed", True)
    assert "no signatures yet" in early["scan"]["reason"]
    assert "eicar.ndb" in fetch_signatures()
    assert "eicar.ndb" not in fetch_signatures()
    assert ask(jpeg(1))["scan"]["status"] == "clean"
    infected = ask(jpeg(2) + EICAR.encode())["scan"]
    assert (infected["status"], infected["threat"]) == ("infected", THREAT)
    assert infected["engine"].startswith("ClamAV ")


def test_newer_signatures_are_loaded_by_a_container_that_lives(
    ask: Callable[..., dict[str, Any]], container: scan.Container, databases: Path
) -> None:
    fetch_signatures()
    assert ask(b"GIF89a harmless so far")["scan"]["status"] == "clean"
    databases.write_text(databases.read_text() + f"New-Threat:0:*:{b'harmless so far'.hex()}\n")
    os.utime(databases, (time.time() + 60, time.time() + 60))  # freshclam goes by whole seconds
    assert "eicar.ndb" in fetch_signatures()
    assert ask(b"GIF89a harmless so far")["scan"]["status"] == "clean"  # it looks every ten minutes
    container._looked = time.monotonic() - scan._LOOK_EVERY_SECONDS
    assert ask(b"GIF89a harmless so far")["scan"]["threat"] == "New-Threat.UNOFFICIAL"


def test_a_daemon_that_died_is_started_again(ask: Callable[..., dict[str, Any]], container: scan.Container) -> None:
    fetch_signatures()
    assert ask(jpeg(1))["scan"]["status"] == "clean"
    container._daemon.stop()
    assert ask(jpeg(1))["scan"]["status"] == "clean"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"key": "anna/missing.jpg", "version": None}, "can't be read"),
        ({"bucket": "another"}, "originals only"),
        ({"key": None}, "not asked for one object"),
    ],
)
def test_what_cannot_be_scanned_is_not_tried_again(
    ask: Callable[..., dict[str, Any]], changes: dict[str, Any], reason: str
) -> None:
    fetch_signatures()
    answer = ask(jpeg(1), **changes)
    assert (answer["scan"]["status"], answer["retryable"]) == ("failed", False)
    assert reason in answer["scan"]["reason"]


def test_a_manifest_that_does_not_fit_its_files_is_not_believed(
    deployment: Deployment, environment: dict[str, str], databases: Path, tmp_path: Path
) -> None:
    stored = Signatures(deployment.aws, environment["SIGNATURES_BUCKET"], "clamav/")
    assert stored.store(databases.parent) == ["eicar.ndb"]
    deployment.aws.s3.put_object(Bucket=environment["SIGNATURES_BUCKET"], Key="clamav/eicar.ndb", Body=b"half")
    with pytest.raises(PhotoVaultError, match="being replaced"):
        stored.fetch(stored.manifest(), tmp_path / "copy")
    assert list((tmp_path / "copy").iterdir()) == []


@pytest.mark.parametrize("name", ["../evil", ".hidden", "a/b"])
def test_a_manifest_names_files_of_its_own_folder_only(
    deployment: Deployment, environment: dict[str, str], tmp_path: Path, name: str
) -> None:
    stored = Signatures(deployment.aws, environment["SIGNATURES_BUCKET"], "clamav/")
    manifest = msgspec.convert({"files": [{"name": name, "sha256": "0" * 64, "bytes": 1}]}, Manifest)
    with pytest.raises(PhotoVaultError, match="can't be the name"):
        stored.fetch(manifest, tmp_path / "copy")


def test_a_mirror_that_does_not_answer_leaves_the_old_signatures(
    ask: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fetch_signatures()
    monkeypatch.setenv("FRESHCLAM_URLS", f"file://{tmp_path}/missing.ndb")
    with pytest.raises(PhotoVaultError, match="freshclam failed"):
        fetch_signatures()
    assert ask(jpeg(2) + EICAR.encode())["scan"]["status"] == "infected"


def test_broken_signatures_are_a_scan_that_failed(tmp_path: Path) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "bad.ndb").write_text("not a signature\n")
    daemon = Daemon(tmp_path / "clamd")
    with pytest.raises(ScanFailed, match="ended by itself"):
        daemon.start(folder, 60)
    assert not daemon.runs()


# --- the step on AWS asks the function -------------------------------------------------------------------------------


@pytest.fixture
def function(deployment: Deployment, environment: dict[str, str], prefix: str) -> Iterator[str]:
    """The scanner deployed on the emulator, as a function of its own."""
    client = deployment.aws._client("lambda")
    client.create_function(
        FunctionName=f"{prefix}scan",
        Runtime="python3.13",
        Handler="handlers.scan.handler",
        Role="arn:aws:iam::000000000000:role/scan",
        Code={"ZipFile": zipped(code_files())},
        Environment={"Variables": environment},
        Timeout=120,
        MemorySize=1024,
    )
    yield f"{prefix}scan"
    client.delete_function(FunctionName=f"{prefix}scan")


def test_uploads_are_scanned_by_the_function_before_they_are_decoded(
    deployment: Deployment,
    environment: dict[str, str],
    function: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    fetch_signatures()
    settings = CloudSettings.of(deployment.environment | {"SCAN_FUNCTION": function})
    cloud = Cloud(settings, deployment.aws)
    deployment.cloud.close()
    deployment.cloud = cloud
    deployment.put("anna/clean.jpg", jpeg(1))
    deployment.put("anna/infected.jpg", jpeg(2) + EICAR.encode())
    with in_process(deployment, monkeypatch) as entries:
        deployment.run(entries)
    found = {}
    for segment in cloud.commits.segments(1):
        for commit in cloud.commits.segment(segment):
            for recorded in cloud.store.events_of(commit):
                if isinstance(recorded.event, FileValidated | FileQuarantined):
                    found[recorded.event.scan.status] = recorded.event
    assert found.keys() == {"clean", "infected"}
    assert isinstance(found["clean"], FileValidated)
    assert isinstance(found["infected"], FileQuarantined)
    assert found["infected"].scan.threat == THREAT
    assert cloud.settings.serving.unscanned is False


def test_a_function_that_is_not_there_can_be_tried_again(deployment: Deployment, tmp_path: Path) -> None:
    scanner = FunctionScanner(deployment.aws, "nobody", deployment.environment["ORIGINALS_BUCKET"])
    with pytest.raises(ScanFailed, match="can't be invoked") as failure:
        scanner.scan(blob_key("anna/a.jpg", "v1"), tmp_path)
    assert failure.value.retryable
