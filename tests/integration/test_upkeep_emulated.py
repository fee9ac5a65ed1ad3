"""Upkeep on the emulator, through the functions' own entry points: erasure, cleanup, scrub, drill and doctor."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from msgspec import structs

from domain.asset import fold
from domain.blobs import blobs_of
from domain.events import ERASED, AssetUploaded, BackupDrilled, FilesScrubbed, VaultCleaned
from domain.upkeep import WITH_TRASH
from handlers.upkeep import FINDINGS, Unhealthy
from photovault import sealing
from photovault.aws.drilling import drill
from photovault.erasing import DOUBTED
from photovault.upkeep.cleaning import clean
from photovault.upkeep.doctor import examine
from photovault.upkeep.log import last
from photovault.upkeep.scrub import scrub
from tests.integration.deployment import Deployment, Invokes
from tests.support.aws_events import api_event
from tests.support.factories import append, jpeg, trashed

NAMES = ("secret-one.jpg", "secret-two.jpg", "secret-three.jpg")


@pytest.fixture
def deployed(deployment: Deployment, invoke: Invokes) -> tuple[Deployment, Invokes]:
    """Three pictures of Anna's, uploaded and processed."""
    deployment.cloud.register()
    for number, name in enumerate(NAMES):
        deployment.put(f"anna/{name}", jpeg(number))
    deployment.run(invoke)
    return deployment, invoke


def streams(deployment: Deployment) -> list[str]:
    vault = deployment.cloud
    found = {commit.stream for part in vault.commits.segments(1) for commit in vault.commits.segment(part)}
    return sorted(each for each in found if "#asset#" in each)


def file_name(deployment: Deployment, stream: str) -> str:
    event = deployment.cloud.store.load(stream).events[0].event
    assert isinstance(event, AssetUploaded)
    return event.file_name


def objects(deployment: Deployment, bucket: str) -> set[str]:
    """Names of all objects, their versions and markers included."""
    found = deployment.aws.s3.list_object_versions(Bucket=deployment.environment[bucket])
    return {each["Key"] for kind in ("Versions", "DeleteMarkers") for each in found.get(kind, ())}


def test_an_erased_asset_is_gone_from_buckets_table_and_views_and_the_rest_goes_on(
    deployed: tuple[Deployment, Invokes],
) -> None:
    deployment, invoke = deployed
    vault = deployment.cloud
    one = streams(deployment)[0]
    name = file_name(deployment, one)
    table = deployment.aws.dynamodb.scan(TableName=deployment.environment["EVENTS_TABLE"])["Items"]
    assert "secret" not in str(table), "a name is stored in the clear"
    derived = {key for each in vault.store.read(one) for key in blobs_of(each.event) if not key.startswith("s3:")}
    assert derived

    told = invoke["upkeep"]({"erase": [one]})
    deployment.run(invoke)

    assert told["assets"] == [one.rpartition("#")[2]]
    assert f"anna/{name}" not in objects(deployment, "ORIGINALS_BUCKET")
    assert len(objects(deployment, "ORIGINALS_BUCKET")) == 2
    assert file_name(deployment, one) == ERASED
    assert fold(one, vault.store.load(one).events).state == "erased"
    gallery, view = vault.generations.active("gallery")
    shown = [gallery.decode(row.data).file_name for row in vault.views.query(view, "anna").rows]
    assert sorted(shown) == sorted(set(NAMES) - {name})
    history = [commit for part in vault.commits.segments(1) for commit in vault.commits.segment(part)]
    assert sealing.verify_history(vault.store, vault.blobs, history).intact
    # What was derived from it may be another asset's too: the cleanup knows, and deletes.
    assert {entry.name for entry in vault.checkpoints.list(DOUBTED)} == derived
    clean(vault, [])
    left = {key.removeprefix("blobs/") for key in objects(deployment, "DERIVED_BUCKET")}
    others = {
        key for stream in streams(deployment)[1:] for each in vault.store.read(stream) for key in blobs_of(each.event)
    }
    assert not (derived - others) & left
    assert {key for key in others if not key.startswith("s3:")} <= left


def test_the_day_s_run_empties_what_was_in_the_trash_for_a_month(
    deployed: tuple[Deployment, Invokes], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, invoke = deployed
    vault = deployment.cloud
    one = streams(deployment)[0]
    append(vault.store, one, trashed())
    vault.checkpoints.save(WITH_TRASH, "anna", b"1", expected=None)
    deployment.run(invoke)
    plan, _ = clean(vault, vault.owners(), dry=True)
    assert plan.trash == []
    now = vault.clock
    monkeypatch.setattr(vault, "clock", lambda: now() + timedelta(days=31))
    planned = invoke["upkeep"]({"dry_run": True})
    assert planned["trash"] == [one]
    assert file_name(deployment, one) != ERASED
    _, done = clean(vault, vault.owners())
    assert done.erased == 1
    assert file_name(deployment, one) == ERASED
    recorded = last(vault, VaultCleaned)
    assert recorded is not None
    assert recorded.event == done


def test_a_scrub_finds_the_original_that_was_changed(deployed: tuple[Deployment, Invokes]) -> None:
    deployment, _ = deployed
    vault = deployment.cloud
    assert scrub(vault).faults == []
    read = last(vault, FilesScrubbed)
    assert read is not None
    assert isinstance(read.event, FilesScrubbed)
    assert read.event.through
    one = streams(deployment)[0]
    asset = fold(one, vault.store.load(one).events)
    assert asset.renditions is not None
    blob = asset.renditions.renditions[0].blob
    deployment.aws.s3.put_object(Bucket=deployment.environment["DERIVED_BUCKET"], Key=f"blobs/{blob}", Body=b"other")
    [fault] = scrub(vault).faults
    assert (fault.stream, fault.blob) == (one, blob)
    assert "was changed" in fault.what
    finding = next(each for each in examine(vault) if each.check == "scrub")
    assert (finding.level, asset.id in finding.what) == ("failure", True)


def test_a_drill_restores_from_the_archive_and_proves_it(
    deployed: tuple[Deployment, Invokes], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, _ = deployed
    vault = deployment.cloud
    now = vault.clock
    monkeypatch.setattr(vault, "clock", lambda: now() + timedelta(hours=3))
    done = drill(vault, sample=3)
    assert (done.assets, done.faults) == (3, [])
    assert done.files >= 3
    recorded = last(vault, BackupDrilled)
    assert recorded is not None
    for key in objects(deployment, "ARCHIVE_BUCKET"):
        deployment.aws.s3.delete_object(Bucket=deployment.environment["ARCHIVE_BUCKET"], Key=key)
    assert "is not in the archive" in drill(vault, sample=3).faults[0]


def test_health_tells_the_levels_of_what_the_doctor_found(
    deployed: tuple[Deployment, Invokes], monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment, invoke = deployed
    told = invoke["upkeep"]({})
    assert told["level"] == "warning"
    assert {each["check"] for each in told["findings"]} >= {"backup", "seal"}
    assert deployment.cloud.checkpoints.load(*FINDINGS) is not None
    answer = invoke["api"](api_event("GET", "/health", subject="anna"))
    body = json.loads(answer["body"])
    assert (answer["statusCode"], body["status"], body["checks"]["parked"]) == (200, "warning", "ok")
    deployment.cloud.parking.park("gallery", "anna#asset#x", 1, ValueError("the model of this camera has no name"))
    with pytest.raises(Unhealthy, match="parked: 1 streams"):
        invoke["upkeep"]({})
    answer = invoke["api"](api_event("GET", "/health", subject="anna"))
    assert (answer["statusCode"], json.loads(answer["body"])["checks"]["parked"]) == (503, "failure")
    assert "anna" not in answer["body"]


def test_the_copy_in_another_region_is_erased_too_and_has_the_keys(
    deployed: tuple[Deployment, Invokes], prefix: str
) -> None:
    """The emulator copies nothing: the test plays S3, which keeps keys and versions."""
    deployment, invoke = deployed
    vault, s3 = deployment.cloud, deployment.aws.s3
    for what in ("originals", "derived", "archive", "keys"):
        s3.create_bucket(Bucket=f"{prefix}replica-{what}")
    vault.settings = structs.replace(vault.settings, replica_prefix=f"{prefix}replica", replica_region="eu-west-1")
    for made in ("replica", "blobs", "store"):
        vault.__dict__.pop(made, None)
    one, other, _ = streams(deployment)
    name = file_name(deployment, one)
    for kind in ("originals", "derived", "archive"):
        source = deployment.environment[f"{kind.upper()}_BUCKET"]
        for each in s3.list_objects_v2(Bucket=source).get("Contents", ()):
            data = s3.get_object(Bucket=source, Key=each["Key"])["Body"].read()
            s3.put_object(Bucket=f"{prefix}replica-{kind}", Key=each["Key"], Body=data)
    assert vault.replica is not None
    asset = fold(other, vault.store.load(other).events)
    assert asset.renditions is not None
    assert vault.replica.get(asset.renditions.renditions[0].blob)
    deleted: list[str] = []
    vault.replica.originals.delete = lambda blob: deleted.append(blob) or 0  # type: ignore[method-assign,func-returns-value]
    invoke["upkeep"]({"erase": [one]})
    assert [name in each for each in deleted] == [True]
    invoke["upkeep"]({})
    keys = json.loads(s3.get_object(Bucket=f"{prefix}replica-keys", Key="keys.json")["Body"].read())["keys"]
    assert keys[one] is None
    assert keys[other]
    backup = next(each for each in examine(vault) if each.check == "backup")
    assert (backup.level, "eu-west-1" in backup.what) == ("ok", True)
