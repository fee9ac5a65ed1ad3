"""Every entry point on real S3, SQS and DynamoDB calls, with the pollers in the place of AWS's event source mappings."""

from __future__ import annotations

import gzip
import json
import urllib.request
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from adapters.aws.connection import Aws
from adapters.aws.export_reader import ExportedCommits
from domain.asset import asset_stream, fold
from domain.errors import InvalidInput, NotFound
from domain.eventstore import EventStore
from events_schema.codec import EventCodec
from handlers import replay as functions
from photovault.cloud import Cloud
from photovault.intake import Stored, place_of
from photovault.sealing import verify_history
from tests.contract.conftest import emulated, emulator_endpoint, prefix  # noqa: F401 - fixtures
from tests.integration.deployment import Deployment, in_process
from tests.support.aws_events import Context, api_event
from tests.support.factories import append, jpeg, uploaded, whole_life
from tests.support.waiting import wait_for

Invokes = dict[str, Callable[[dict[str, Any]], Any]]


@pytest.fixture
def deployment(emulated: Aws, emulator_endpoint: str, prefix: str) -> Deployment:  # noqa: F811
    return Deployment(emulated, emulator_endpoint, prefix)


@pytest.fixture
def vault(deployment: Deployment) -> Cloud:
    return deployment.cloud


@pytest.fixture
def invoke(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Invokes]:
    with in_process(deployment, monkeypatch) as entries:
        yield entries


def ask(invoke: Invokes, method: str, path: str, owner: str = "anna", **more: Any) -> Any:
    """A request to the API, which must succeed."""
    answer = invoke["api"](api_event(method, path, subject=owner, **more))
    assert answer["statusCode"] < 300, answer["body"]
    return json.loads(answer["body"])


def gallery(vault: Cloud, owner: str = "anna") -> dict[str, int]:
    """Versions of the gallery's rows, by asset."""
    _, table = vault.generations.active("gallery")
    return {row.key: row.version for row in vault.views.query(table, owner, limit=1000).rows}


# --- from an upload to the rows --------------------------------------------------------------------------------------


def test_an_upload_becomes_rows_pictures_and_an_archive(deployment: Deployment, vault: Cloud, invoke: Invokes) -> None:
    deployment.put("anna/sommer ü.jpg", jpeg(1))
    deployment.put("anna/copy.jpg", jpeg(1))
    deployment.put("boris/text.jpg", b"this is no picture")
    deployment.put("nobodys.jpg", jpeg(2))
    assert wait_for(lambda: vault.aws.sqs.get_queue_attributes(QueueUrl=deployment.uploads, AttributeNames=["All"]))
    deployment.run(invoke)

    done = ask(invoke, "GET", "/gallery", query={"state": "done"})["items"]
    assert {item["file_name"] for item in done} == {"sommer ü.jpg", "copy.jpg"}
    (shown,) = [item for item in done if item["renditions"]]  # the copy is known as one, and makes no pictures
    with urllib.request.urlopen(shown["renditions"]["small"]["path"], timeout=10) as picture:
        assert picture.read(2) == b"\xff\xd8"
    asset = ask(invoke, "GET", f"/assets/{shown['asset']}")
    with urllib.request.urlopen(asset["original"], timeout=10) as original:
        assert original.read() == jpeg(1)
    life = ask(invoke, "GET", f"/assets/{shown['asset']}/audit")
    assert life["entries"][-1]["type"] == "AssetProcessed"
    assert life["due"] == []

    assert [item["state"] for item in ask(invoke, "GET", "/failed", "boris")["items"]] == ["quarantined"]
    refused = [c for c in vault.commits.segment(vault.commits.segments(1)[0]) if c.stream.startswith("-#intake#")]
    assert len(refused) == 1

    commits = list(vault.commits.segment(vault.commits.segments(1)[0]))
    archived = list(vault.commits.window(0, 2**62))
    assert sorted(c.hash for c in archived) == sorted(c.hash for c in commits)


def test_an_upload_link_takes_a_file_that_becomes_an_asset(
    deployment: Deployment, vault: Cloud, invoke: Invokes
) -> None:
    vault.register()
    link = ask(invoke, "POST", "/uploads", body='{"name": "a.jpg"}')
    request = urllib.request.Request(link["url"], data=jpeg(3), method="PUT")
    with urllib.request.urlopen(request, timeout=10) as answer:
        assert answer.status == 200
    deployment.run(invoke)
    assert [item["state"] for item in ask(invoke, "GET", "/gallery")["items"]] == ["done"]


def test_the_seal_remembers_all_heads(deployment: Deployment, vault: Cloud, invoke: Invokes) -> None:
    commits = append(vault.store, asset_stream("anna", "a"), *whole_life())
    vault.archive.write(commits)
    assert invoke["seal"]({"source": "aws.events"})["streams"] == 1
    assert invoke["seal"]({"source": "aws.events"})["root"] is None
    history = (commit for part in vault.commits.segments(1) for commit in vault.commits.segment(part))
    audit = verify_history(vault.store, vault.blobs, history)
    assert audit.intact
    assert audit.seals == 1


def test_a_later_projection_waits_for_its_replay(vault: Cloud) -> None:
    vault.checkpoints.save("vault", "born", b'["gallery"]', expected=0)
    vault.register()
    assert vault.generations.registered("gallery").active == 1
    assert vault.generations.registered("library").active is None


# --- the sweep -------------------------------------------------------------------------------------------------------


class Later:
    """A clock that is ahead by so much."""

    def __init__(self, vault: Cloud, ahead: timedelta) -> None:
        real = vault.clock
        vault.clock = lambda: real() + ahead


def test_objects_that_nobody_told_of_are_found_page_by_page(
    deployment: Deployment, vault: Cloud, invoke: Invokes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.sweeping._PAGE", 2)
    for n in range(5):
        deployment.put(f"anna/{n}.jpg", jpeg(n))
    deployment.put("anna/0.jpg", jpeg(9))  # a second version of one
    assert invoke["reconcile"]({})["objects"] == 0  # too young: their notices are on the way
    Later(vault, timedelta(minutes=20))
    swept = invoke["reconcile"]({})
    assert (swept["objects"], swept["recovered"], swept["whole"]) == (6, 6, True)
    again = invoke["reconcile"]({})
    assert (again["recovered"], again["lagging"]) == (0, 6)
    assert len(gallery(vault)) == 6
    third = invoke["reconcile"]({})
    assert (third["recovered"], third["lagging"]) == (0, 0)


def test_a_sweep_goes_on_where_its_time_was_up(deployment: Deployment, vault: Cloud, invoke: Invokes) -> None:
    from photovault.sweeping import Swept, sweep_objects

    for n in range(3):
        deployment.put(f"anna/{n}.jpg", jpeg(n))
    Later(vault, timedelta(minutes=20))
    found = []
    for _ in range(3):
        swept, ticks = Swept(), iter([True])
        start = vault.clock()
        real = vault.clock
        vault.clock = lambda: start if next(ticks, False) else start + timedelta(hours=1)  # noqa: B023
        sweep_objects(vault, swept, start + timedelta(minutes=1), page=1)
        vault.clock = real
        found.append(swept.objects)
    assert found == [1, 1, 1]


def test_a_lost_last_record_is_found_by_its_head(vault: Cloud, invoke: Invokes) -> None:
    vault.register()
    commits = append(vault.store, asset_stream("anna", "a"), *whole_life())
    vault.archive.write(commits)  # the relay has seen them, the projector has not
    Later(vault, timedelta(minutes=20))
    swept = invoke["reconcile"]({})
    assert (swept["heads"], swept["lagging"]) == (1, 1)
    assert gallery(vault) == {"a": commits[-1].last_version}


def test_a_step_that_nobody_was_told_of_is_sent_again(deployment: Deployment, vault: Cloud, invoke: Invokes) -> None:
    version = deployment.put("anna/a.jpg", jpeg(1))
    bucket = vault.settings.originals_bucket
    stored = Stored(bucket=bucket, key="anna/a.jpg", version=version, etag="", size_bytes=1, at=vault.clock())
    stream, _ = place_of(stored, None)
    append(vault.store, stream, uploaded(path=None))
    Later(vault, timedelta(hours=2))
    assert invoke["reconcile"]({})["resent"] == 1
    (delivery,) = vault.queue.receive(["validate"], 10, 60.0)
    assert delivery.message.stream == stream


# --- replay ----------------------------------------------------------------------------------------------------------


def filled(vault: Cloud, count: int = 6) -> None:
    """A projected history."""
    vault.register()
    for n in range(count):
        vault.projector.project(append(vault.store, asset_stream("anna", f"p{n}"), *whole_life()))


def machine(order: dict[str, Any], context: Context | None = None) -> dict[str, Any]:
    """What the state machine does: plan, each segment until it is done, finish."""
    context = context or Context()
    plan = functions.plan(order, context)
    for segment in plan["segments"]:
        for _ in range(10):
            if functions.work({**segment, "progress": {}}, context)["done"]:
                break
        else:
            raise AssertionError("a segment does not end")
    result: dict[str, Any] = functions.finish(plan, context)
    json.dumps(result)
    return result


@pytest.mark.usefixtures("invoke")
def test_a_replay_builds_verifies_and_switches(vault: Cloud) -> None:
    filled(vault)
    result = machine({"projections": ["gallery", "library"], "parts": 3, "execution": "one"})
    assert (result["done"], result["equal"], result["switched"]) == (True, True, True)
    assert (result["streams"], result["damaged"], result["differences"]) == (6, 0, [])
    assert vault.generations.registered("gallery").active == 2
    assert set(gallery(vault)) == {f"p{n}" for n in range(6)}
    _, library = vault.generations.active("library")
    assert vault.views.totals(library, "anna")["library"]["assets"] == 6
    assert vault.replay.runs() == []


@pytest.mark.usefixtures("invoke")
def test_a_worker_that_is_out_of_time_is_called_again(vault: Cloud) -> None:
    filled(vault)
    plan = functions.plan({"projections": ["gallery"], "parts": 1}, Context())
    (segment,) = plan["segments"]
    assert functions.work(segment, Context(remaining_ms=1)) == {"done": False, "stopped": False}
    assert functions.work(segment, Context()) == {"done": True, "stopped": False}
    assert functions.work(segment, Context()) == {"done": True, "stopped": False}
    assert functions.finish(plan, Context())["switched"]


@pytest.mark.usefixtures("invoke")
def test_planning_and_finishing_twice_is_planning_and_finishing_once(vault: Cloud) -> None:
    filled(vault, 1)
    order = {"projections": ["gallery"], "parts": 1, "execution": "same"}
    plan = functions.plan(order, Context())
    assert functions.plan(order, Context()) == plan
    functions.work(plan["segments"][0], Context())
    first = functions.finish(plan, Context())
    assert functions.finish(plan, Context()) == first
    assert vault.generations.registered("gallery").active == 2


@pytest.mark.usefixtures("invoke")
def test_two_replays_of_one_view_do_not_meet(vault: Cloud) -> None:
    filled(vault, 1)
    plan = functions.plan({"projections": ["gallery"], "parts": 1}, Context())
    with pytest.raises(InvalidInput, match=plan["run"]):
        functions.plan({"projections": ["gallery"], "parts": 1}, Context())
    functions.plan({"projections": ["library"], "parts": 1}, Context())


@pytest.mark.usefixtures("invoke")
def test_what_is_uploaded_during_a_replay_is_in_the_new_view(vault: Cloud) -> None:
    filled(vault)
    plan = functions.plan({"parts": 2}, Context())
    for segment in plan["segments"]:
        functions.work(segment, Context())
    vault.projector.project(append(vault.store, asset_stream("anna", "new"), *whole_life()))
    result = functions.finish(plan, Context())
    assert (result["equal"], result["switched"]) == (True, True)
    assert "new" in gallery(vault)


@pytest.mark.usefixtures("invoke")
def test_a_view_that_is_not_what_the_history_says_is_not_switched_to(vault: Cloud) -> None:
    filled(vault)
    plan = functions.plan({"projections": ["gallery"], "parts": 2}, Context())
    for segment in plan["segments"]:
        functions.work(segment, Context())
    table = vault.generations.projection("gallery").table(2)
    (row,) = vault.views.get(table, [("anna", "p1")])
    assert row is not None
    vault.views.put(table, [msgspec.structs.replace(row, version=row.version + 1)])
    result = functions.finish(plan, Context())
    assert (result["equal"], result["switched"]) == (False, False)
    assert [tuple(d[:3]) for d in result["differences"]] == [("gallery", "anna", "p1")]
    assert vault.generations.registered("gallery").active == 1


@pytest.mark.usefixtures("invoke")
def test_a_dry_run_writes_no_row(vault: Cloud) -> None:
    filled(vault)
    result = machine({"projections": ["gallery"], "parts": 2, "dry": True})
    assert (result["done"], result["switched"], result["rows"], result["streams"]) == (True, False, 0, 6)
    assert vault.generations.registered("gallery").last == 1


def export(deployment: Deployment, vault: Cloud, files: int = 3) -> str:
    """An export of the event table as DynamoDB writes it, its items dealt out over some files."""
    bucket, folder = vault.settings.archive_bucket, "exports/AWSDynamoDB/01693685827463-2d8752fd"
    items = deployment.aws.dynamodb.scan(TableName=vault.settings.events_table)["Items"]
    manifest = []
    for n in range(files + 1):  # the last one is empty
        mine = items[n::files] if n < files else []
        lines = [json.dumps({"Item": item}, default=_base64).encode() for item in mine]
        key = f"{folder}/data/file{n}.json.gz"
        deployment.aws.s3.put_object(Bucket=bucket, Key=key, Body=gzip.compress(b"\n".join(lines)))
        manifest.append({"itemCount": len(mine), "md5Checksum": "x", "etag": "x", "dataFileS3Key": key})
    body = "\n".join(json.dumps(line) for line in manifest)
    deployment.aws.s3.put_object(Bucket=bucket, Key=f"{folder}/manifest-files.json", Body=body.encode())
    return f"s3://{bucket}/{folder}"


def _base64(value: bytes) -> str:
    import base64

    return base64.b64encode(value).decode()


def test_an_export_gives_every_stream_whole_and_in_order(deployment: Deployment, vault: Cloud) -> None:
    filled(vault, 5)
    commits = ExportedCommits(vault.aws, export(deployment, vault, files=1), vault.commits)
    (segment,) = commits.segments(64)
    found = list(commits.segment(segment))
    assert found == sorted(vault.commits.segment("0/1"), key=lambda c: (c.stream, c.number))
    for i in (0, 3, len(found) - 1):
        assert list(commits.segment(segment, (found[i].stream, found[i].number))) == found[i + 1 :]


def test_streams_that_files_tear_apart_are_read_from_the_table(deployment: Deployment, vault: Cloud) -> None:
    filled(vault, 3)
    source = ExportedCommits(vault.aws, export(deployment, vault), vault.commits)
    store = EventStore(source, vault.blobs, EventCodec())
    assets = {}
    for segment in source.segments(1):
        streams: dict[str, list[Any]] = {}
        for commit in source.segment(segment):
            streams.setdefault(commit.stream, []).append(commit)
        for stream, commits in streams.items():
            assert [c.number for c in commits] == list(range(1, len(commits) + 1))
            asset = fold(stream, (r for c in commits for r in store.events_of(c)))
            assets[stream] = max(assets.get(stream, 0), asset.version)
    assert set(assets.values()) == {5}


@pytest.mark.usefixtures("invoke")
@pytest.mark.parametrize("files", [1, 3])
def test_a_replay_reads_an_export_instead_of_the_table(deployment: Deployment, vault: Cloud, files: int) -> None:
    filled(vault)
    source = export(deployment, vault, files)
    vault.projector.project(append(vault.store, asset_stream("anna", "since"), *whole_life()))
    plan = functions.plan({"export": source}, Context())
    assert len(plan["segments"]) == files
    vault.projector.project(append(vault.store, asset_stream("anna", "during"), *whole_life()))
    for segment in plan["segments"]:
        assert functions.work(segment, Context())["done"]
    result = functions.finish(plan, Context())
    # What was uploaded between the export and the plan is in neither: verification finds it, and nothing is switched.
    assert (result["equal"], result["switched"]) == (False, False)
    assert {d[2] for d in result["differences"] if d[0] == "gallery"} == {"since"}


def test_an_export_that_has_not_ended_is_no_source(vault: Cloud) -> None:
    with pytest.raises(NotFound, match="has the export ended"):
        ExportedCommits(vault.aws, f"s3://{vault.settings.archive_bucket}/none", vault.commits).segments(1)
    with pytest.raises(InvalidInput):
        ExportedCommits(vault.aws, "none", vault.commits)
