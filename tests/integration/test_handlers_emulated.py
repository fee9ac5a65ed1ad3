"""Every entry point on real calls to S3, SQS and DynamoDB, with pollers in the place of event source mappings."""

from __future__ import annotations

import json
import urllib.request
from datetime import timedelta
from typing import Any

import pytest

from domain.asset import asset_stream
from domain.ports import Message
from photovault.aws.cloud import Cloud
from photovault.aws.intake import Stored, place_of
from photovault.sealing import verify_history
from tests.integration.deployment import Deployment, Invokes, gallery
from tests.support.aws_events import api_event
from tests.support.factories import append, jpeg, uploaded, whole_life
from tests.support.waiting import wait_for


def ask(invoke: Invokes, method: str, path: str, owner: str = "anna", **more: Any) -> Any:
    """A request to the API, which must succeed."""
    answer = invoke["api"](api_event(method, path, subject=owner, **more))
    assert answer["statusCode"] < 300, answer["body"]
    return json.loads(answer["body"])


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
    refused = [c for c in vault.commits.segment(vault.commits.segments(1)[0]) if c.stream.startswith("~#intake#")]
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
    monkeypatch.setattr("photovault.aws.sweeping._PAGE", 2)
    for n in range(5):
        deployment.put(f"anna/{n}.jpg", jpeg(n))
    deployment.put("anna/0.jpg", jpeg(9))  # a second version of one
    assert invoke["reconcile"]({})["objects"] == 0  # too young: their notices are on the way
    Later(vault, timedelta(minutes=20))
    swept = invoke["reconcile"]({})
    assert (swept["objects"], swept["recovered"], swept["whole"]) == (6, 6, True)
    Later(vault, timedelta(minutes=20))
    again = invoke["reconcile"]({})
    assert (again["recovered"], again["lagging"]) == (0, 6)
    assert len(gallery(vault)) == 6
    third = invoke["reconcile"]({})
    assert (third["recovered"], third["lagging"]) == (0, 0)


def test_a_sweep_counts_what_waits_in_the_queues_and_what_was_given_up(vault: Cloud, invoke: Invokes) -> None:
    messages = [Message(f"m{n}", f"anna#asset#{n}", "metadata", "c", "c") for n in range(3)]
    vault.queue.send("metadata", messages)
    (taken,) = vault.queue.receive(["metadata"], 1, 60.0)
    assert [invoke["reconcile"]({})[name] for name in ("waiting", "dead_letters")] == [2, 0]
    vault.queue.bury(taken, "it crashed")
    assert [invoke["reconcile"]({})[name] for name in ("waiting", "dead_letters")] == [2, 1]


def test_a_run_looks_at_so_many_objects_and_no_more_and_the_next_one_goes_on(
    deployment: Deployment, vault: Cloud, invoke: Invokes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("photovault.aws.sweeping._PAGE", 2)
    monkeypatch.setattr("photovault.aws.sweeping.MOST_OBJECTS", 4)
    for n in range(5):
        deployment.put(f"anna/{n}.jpg", jpeg(n))
    Later(vault, timedelta(minutes=20))
    runs = [invoke["reconcile"]({}) for _ in range(2)]
    assert [(run["objects"], run["recovered"], run["whole"]) for run in runs] == [(4, 4, False), (1, 1, True)]


def test_a_sweep_goes_on_where_its_time_was_up(deployment: Deployment, vault: Cloud, invoke: Invokes) -> None:
    from photovault.aws.sweeping import Swept, sweep_objects

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
