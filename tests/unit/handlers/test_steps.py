"""The steps' function: the worker's verdict becomes success, a later try, or a dead letter with its reason."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from domain.asset import asset_stream, fold
from domain.errors import DecoderCrashed
from domain.ports import Delivery
from handlers import relay, steps
from tests.support.aws_events import Context, failed_items, sqs_record, stream_event
from tests.support.factories import append, fake_photo, uploaded
from tests.unit.handlers.conftest import FakeCloud

STREAM = asset_stream("anna", "a")


def begun(vault: FakeCloud, content: bytes = b"") -> None:
    """An upload whose validation waits in the queue."""
    blob = vault.blobs.put(content or fake_photo("m"))
    commits = append(vault.store, STREAM, uploaded(blob=blob, sha256=None, path=None))
    relay.handler(stream_event(commits), Context())


def take(vault: FakeCloud) -> Delivery:
    """The next delivery, as the event source mapping takes it."""
    (delivery,) = vault.queue.receive(["validate"], 1, 60.0)
    return delivery


def run(delivery: Delivery) -> dict[str, Any]:
    """Hand a delivery to the function."""
    body = msgspec.json.encode(delivery.message).decode()
    record = sqs_record(body, receives=delivery.receives, receipt=delivery.receipt)
    answer: dict[str, Any] = steps.handler({"Records": [record]}, Context())
    return answer


def state(vault: FakeCloud) -> str:
    """How far validation has come."""
    return fold(STREAM, vault.store.load(STREAM).events).steps["validate"].status


def test_a_step_that_is_done_leaves_the_queue(vault: FakeCloud) -> None:
    begun(vault)
    assert failed_items(run(take(vault))) == []
    assert state(vault) == "done"


def test_a_repeat_finds_nothing_to_do(vault: FakeCloud) -> None:
    begun(vault)
    delivery = take(vault)
    run(delivery)
    before = len(vault.everything())
    assert failed_items(run(delivery)) == []
    assert len(vault.everything()) == before


def test_a_failed_attempt_is_hidden_until_its_time_and_reported(vault: FakeCloud, said: Any) -> None:
    begun(vault)
    vault.media.misbehave("m", "inspect", OSError("the disk is away"))
    answer = run(take(vault))
    assert len(failed_items(answer)) == 1
    assert state(vault) == "failed"
    depth = vault.queue.depth("validate")
    assert (depth.waiting, depth.delayed, depth.dead) == (0, 1, 0)
    (emf,) = [line for line in said() if "outcome_retry" in line]
    assert emf["step"] == "validate"
    vault.clock.tick(60)
    assert failed_items(run(take(vault))) == []
    assert state(vault) == "done"


def test_what_is_given_up_is_a_dead_letter_with_its_reason(vault: FakeCloud) -> None:
    begun(vault)
    vault.media.misbehave("m", "inspect", *[DecoderCrashed("it crashed")] * 5)
    for _ in range(2):
        answer = run(take(vault))
        vault.clock.tick(3600)
    assert failed_items(answer) == []
    (letter,) = vault.queue.dead("validate")
    assert letter.reason == "DecoderCrashed: it crashed"
    assert state(vault) == "given_up"


def test_a_dead_letter_is_counted_for_the_one_alarm_of_all_steps(vault: FakeCloud, said: Any) -> None:
    begun(vault)
    vault.media.misbehave("m", "inspect", *[DecoderCrashed("it crashed")] * 5)
    run(take(vault))
    assert not [line for line in said() if "dead_letters" in line]
    vault.clock.tick(3600)
    run(take(vault))
    (emf,) = [line for line in said() if "dead_letters" in line]
    (described,) = emf["_aws"]["CloudWatchMetrics"]
    assert described["Dimensions"] == [["service"]]
    assert (emf["dead_letters"], emf["step"]) == ([1.0], "validate")


def test_a_file_that_is_no_picture_is_quarantined_and_no_dead_letter(vault: FakeCloud) -> None:
    begun(vault, b"text")
    assert failed_items(run(take(vault))) == []
    assert list(vault.queue.dead("validate")) == []


def test_a_body_that_is_no_message_fails_alone(vault: FakeCloud) -> None:
    begun(vault)
    delivery = take(vault)
    good = sqs_record(msgspec.json.encode(delivery.message).decode(), number=1, receipt=delivery.receipt)
    bad = sqs_record("no message", number=2)
    assert failed_items(steps.handler({"Records": [bad, good]}, Context())) == [bad["messageId"]]
    assert state(vault) == "done"


def test_a_fault_of_the_infrastructure_leaves_the_message(vault: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    begun(vault)
    delivery = take(vault)

    def away(*_: Any) -> None:
        raise OSError("the table is away")

    monkeypatch.setattr(vault.store, "load", away)
    assert len(failed_items(run(delivery))) == 1
    assert vault.queue.depth("validate").dead == 0
