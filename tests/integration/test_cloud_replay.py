"""Replay on AWS: plan, work and finish over the table or an export of it, and what the command line sees of them."""

from __future__ import annotations

import gzip
import json
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
from photovault.aws import replay as cloud_replay
from photovault.aws.cloud import Cloud
from photovault.aws.rebuild import Order
from tests.integration.deployment import Deployment, filled, gallery
from tests.support.aws_events import Context
from tests.support.factories import append, whole_life
from tests.support.waiting import wait_for

# --- replay ----------------------------------------------------------------------------------------------------------


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
    assert (result["streams"], result["damaged"], len(result["differences"])) == (6, 0, 0)
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
    summary = {
        "version": "2020-06-30",
        "exportTime": vault.clock().isoformat().replace("+00:00", "Z"),
        "itemCount": len(items),
    }
    deployment.aws.s3.put_object(
        Bucket=bucket, Key=f"{folder}/manifest-summary.json", Body=json.dumps(summary).encode()
    )
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
    store = EventStore(source, vault.blobs, EventCodec(keys=vault.keys))
    assets = {}
    for segment in source.segments(1):
        streams: dict[str, list[Any]] = {}
        for commit in source.segment(segment):
            streams.setdefault(commit.stream, []).append(commit)
        for stream, commits in streams.items():
            assert [c.number for c in commits] == list(range(1, len(commits) + 1))
            asset = fold(stream, (r for c in commits for r in store.events_of(c)))
            assets[stream] = max(assets.get(stream, 0), asset.version)
    assert set(assets.values()) == {sum(map(len, whole_life()))}


@pytest.mark.usefixtures("invoke")
@pytest.mark.parametrize("files", [1, 3])
def test_a_replay_reads_an_export_instead_of_the_table(deployment: Deployment, vault: Cloud, files: int) -> None:
    filled(vault)
    source = export(deployment, vault, files)
    since = append(vault.store, asset_stream("anna", "since"), *whole_life())
    vault.projector.project(since)
    vault.archive.write(since)
    plan = functions.plan({"export": source}, Context())
    assert len(plan["segments"]) == files
    vault.projector.project(append(vault.store, asset_stream("anna", "during"), *whole_life()))
    for segment in plan["segments"]:
        assert functions.work(segment, Context())["done"]
    result = functions.finish(plan, Context())
    assert (result["equal"], result["switched"], len(result["differences"])) == (True, True, 0)
    assert {"since", "during"} < set(gallery(vault))


def test_an_export_that_has_not_ended_is_no_source(vault: Cloud) -> None:
    with pytest.raises(NotFound, match="has the export ended"):
        ExportedCommits(vault.aws, f"s3://{vault.settings.archive_bucket}/none", vault.commits).segments(1)
    with pytest.raises(InvalidInput):
        ExportedCommits(vault.aws, "none", vault.commits)


# --- the replay's state machine, as the command line sees it ---------------------------------------------------------


@pytest.fixture
def machine_arn(emulated: Aws, prefix: str) -> str:
    """A state machine that only waits: the test does the functions' work."""
    definition = {"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 600, "End": True}}}
    made = emulated.stepfunctions.create_state_machine(
        name=f"{prefix}replay", definition=json.dumps(definition), roleArn="arn:aws:iam::000000000000:role/replay"
    )
    return str(made["stateMachineArn"])


@pytest.mark.usefixtures("invoke")
def test_a_replay_is_started_watched_stopped_and_resumed(vault: Cloud, emulated: Aws, machine_arn: str) -> None:
    filled(vault)
    execution = cloud_replay.start(vault, machine_arn, Order(projections=("gallery",), parts=2))
    assert cloud_replay.progress(vault, execution).run is None

    given = json.loads(emulated.stepfunctions.describe_execution(executionArn=execution)["input"])
    plan = functions.plan(given, Context())
    functions.work(plan["segments"][0], Context())
    state = cloud_replay.progress(vault, execution)
    assert (state.status, state.run, state.ended) == ("RUNNING", plan["run"], False)
    assert state.progress is not None
    assert not state.progress.done

    assert cloud_replay.stop(vault, execution) == plan["run"]
    assert functions.work(plan["segments"][1], Context()) == {"done": True, "stopped": True}
    ended = functions.finish(plan, Context())
    assert (ended["done"], ended["stopped"], ended["switched"]) == (False, True, False)

    again = cloud_replay.resume(vault, machine_arn, plan["run"])
    given = json.loads(emulated.stepfunctions.describe_execution(executionArn=again)["input"])
    resumed = functions.plan(given, Context())
    assert resumed == plan
    for segment in resumed["segments"]:
        assert functions.work(segment, Context()) == {"done": True, "stopped": False}
    functions.finish(resumed, Context())
    state = cloud_replay.progress(vault, again)
    assert state.outcome is not None
    assert (state.outcome.switched, state.outcome.streams) == (True, 6)
    with pytest.raises(NotFound):
        cloud_replay.resume(vault, machine_arn, plan["run"])


def test_a_replay_that_has_not_begun_is_stopped_at_once(vault: Cloud, machine_arn: str) -> None:
    execution = cloud_replay.start(vault, machine_arn, Order())
    assert cloud_replay.stop(vault, execution) is None
    assert wait_for(lambda: cloud_replay.progress(vault, execution).ended)


def test_a_machine_that_is_not_there_is_named(vault: Cloud) -> None:
    missing = "arn:aws:states:us-east-1:000000000000:stateMachine:missing"
    with pytest.raises(NotFound, match="deploy the template"):
        cloud_replay.start(vault, missing, Order())
