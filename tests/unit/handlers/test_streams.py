"""Projector and relay: rows, archive and queues from the table's stream; one bad stream waits alone."""

from __future__ import annotations

from typing import Any

import pytest

from domain.asset import asset_stream
from domain.ports import Message
from handlers import projector, relay
from tests.support.aws_events import Context, stream_event, stream_record
from tests.support.factories import append, processed, uploaded, validated, whole_life
from tests.support.fakes import active_rows
from tests.support.poller import StreamMapping, StreamPoller
from tests.unit.handlers.conftest import FakeCloud

A, B = asset_stream("anna", "a"), asset_stream("anna", "b")


def gallery(vault: FakeCloud) -> dict[str, int]:
    """Versions of the gallery's rows, by asset."""
    return {row.key: row.version for row in vault.views.scan(vault.table("gallery"))}


def queued(vault: FakeCloud, step: str) -> list[Message]:
    """What waits for a step."""
    return [delivery.message for delivery in vault.queue.receive([step], 100, 60.0)]


def test_new_commits_become_rows(vault: FakeCloud) -> None:
    commits = append(vault.store, A, *whole_life()) + append(vault.store, B, uploaded())
    assert projector.handler(stream_event(commits), Context()) == {"batchItemFailures": []}
    assert gallery(vault) == {"a": 6, "b": 1}


def test_repeats_disorder_and_gaps_change_nothing(vault: FakeCloud) -> None:
    commits = append(vault.store, A, *whole_life())
    projector.handler(stream_event(commits), Context())
    before = active_rows(vault)
    for batch in ([commits[2]], commits[::-1], commits[:1] * 3):
        projector.handler(stream_event(batch), Context())
    assert active_rows(vault) == before


def test_a_stream_that_cannot_be_folded_is_parked_and_the_others_move_on(vault: FakeCloud) -> None:
    bad = append(vault.store, A, uploaded())[0]
    good = append(vault.store, B, uploaded())
    event = stream_event([bad, *good])
    event["Records"][0]["dynamodb"]["NewImage"]["body"]["S"] = '[{"type": "Unheard"}]'
    assert projector.handler(event, Context()) == {"batchItemFailures": []}
    assert gallery(vault) == {"b": 1}
    assert {parked.stream for parked in vault.parking.list()} == {A}


@pytest.mark.parametrize("function", [projector, relay])
def test_a_record_that_is_no_commit_is_parked_with_its_reason(vault: FakeCloud, function: Any) -> None:
    event = stream_event(append(vault.store, A, uploaded()))
    del event["Records"][0]["dynamodb"]["NewImage"]["hash"]
    function.handler(event, Context())
    (parked,) = vault.parking.list()
    assert (parked.stream, parked.commit, parked.error) == (A, 1, "KeyError: 'hash'")


def test_a_change_from_outside_is_counted_and_passed_over(vault: FakeCloud, said: Any) -> None:
    (commit,) = append(vault.store, A, uploaded())
    removed = stream_record(commit, 2, "REMOVE")
    del removed["dynamodb"]["NewImage"]
    projector.handler({"Records": [stream_record(commit, 1, "MODIFY"), removed]}, Context())
    assert gallery(vault) == {}
    assert [line["history_touched"] for line in said() if "history_touched" in line] == [[1.0, 1.0]]


def test_a_fault_of_the_infrastructure_fails_the_batch(vault: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OSError("the table is away")

    monkeypatch.setattr(vault.views, "get", away)
    with pytest.raises(OSError, match="away"):
        projector.handler(stream_event(append(vault.store, A, uploaded())), Context())


def test_the_relay_archives_each_commit_and_sends_what_follows(vault: FakeCloud) -> None:
    commits = append(vault.store, A, uploaded(), validated())
    relay.handler(stream_event(commits), Context())
    assert vault.archive.commits == commits
    assert [message.stream for message in queued(vault, "validate")] == [A]
    assert [message.causation_id for message in queued(vault, "renditions")] == [f"{commits[1].commit_id}-1"]


def test_what_is_not_archived_is_not_begun(vault: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any) -> None:
        raise OSError("the bucket is away")

    monkeypatch.setattr(vault.archive, "write", away)
    with pytest.raises(OSError, match="away"):
        relay.handler(stream_event(append(vault.store, A, uploaded())), Context())
    assert queued(vault, "validate") == []


def test_a_batch_tells_how_far_behind_it_is(vault: FakeCloud, said: Any) -> None:
    projector.handler(stream_event(append(vault.store, A, uploaded())), Context())
    (emf,) = [line for line in said() if "lag_ms" in line]
    assert emf["lag_ms"][0] > 0
    assert (emf["commits"], emf["parked"]) == ([1.0], [0.0])


def records(vault: FakeCloud, count: int) -> list[dict[str, Any]]:
    """So many uploads, as one shard gives them."""
    made = [append(vault.store, asset_stream("anna", f"p{n}"), uploaded())[0] for n in range(count)]
    return [stream_record(commit, n) for n, commit in enumerate(made)]


class TestUnderAMapping:
    """The projector behind a poller that follows AWS's rules."""

    def test_a_batch_that_failed_comes_again_and_nothing_is_lost(
        self, vault: FakeCloud, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, faults = vault.views.get, [OSError("throttled"), OSError("throttled")]

        def get(*arguments: Any) -> Any:
            if faults:
                raise faults.pop()
            return real(*arguments)

        monkeypatch.setattr(vault.views, "get", get)
        poller = StreamPoller(lambda event: projector.handler(event, Context()), StreamMapping(bisect=False))
        poller.feed(records(vault, 5))
        assert len(poller.batches) == 3
        assert len(gallery(vault)) == 5
        assert poller.failures == []

    def test_bisection_finds_the_one_record_that_brings_the_function_down(self, vault: FakeCloud) -> None:
        batch = records(vault, 8)
        poison = batch[5]["dynamodb"]["SequenceNumber"]

        def invoke(event: dict[str, Any]) -> Any:
            if any(record["dynamodb"]["SequenceNumber"] == poison for record in event["Records"]):
                raise MemoryError
            return projector.handler(event, Context())

        poller = StreamPoller(invoke, StreamMapping(max_retries=2))
        poller.feed(batch)
        assert set(gallery(vault)) == {f"p{n}" for n in range(8) if n != 5}
        (failure,) = poller.failures
        assert (failure.condition, failure.start_sequence, failure.batch_size) == ("RetryAttemptsExhausted", poison, 1)
        assert poller.batches.count([poison]) == 3  # the first try, and two more

    def test_without_bisection_the_whole_batch_goes_to_the_destination_and_the_next_one_follows(
        self, vault: FakeCloud
    ) -> None:
        batch = records(vault, 6)
        poison = batch[1]["dynamodb"]["SequenceNumber"]

        def invoke(event: dict[str, Any]) -> Any:
            if any(record["dynamodb"]["SequenceNumber"] == poison for record in event["Records"]):
                raise MemoryError
            return projector.handler(event, Context())

        poller = StreamPoller(invoke, StreamMapping(batch_size=3, max_retries=1, bisect=False))
        poller.feed(batch)
        assert set(gallery(vault)) == {"p3", "p4", "p5"}
        assert [failure.batch_size for failure in poller.failures] == [3]

    def test_what_the_destination_holds_is_found_when_its_stream_goes_on(self, vault: FakeCloud) -> None:
        first = append(vault.store, A, uploaded())
        StreamPoller(lambda event: 1 / 0, StreamMapping(max_retries=0)).feed([stream_record(first[0])])
        second = append(vault.store, A, [validated(), processed()])
        StreamPoller(lambda event: projector.handler(event, Context())).feed([stream_record(second[0])])
        assert gallery(vault) == {"a": 3}

    def test_a_partial_response_is_taken_up_at_its_lowest_failure(self) -> None:
        seen: list[list[str]] = []

        def invoke(event: dict[str, Any]) -> Any:
            names = [record["dynamodb"]["SequenceNumber"] for record in event["Records"]]
            seen.append(names)
            return {
                "batchItemFailures": [{"itemIdentifier": n} for n in names if n in ("2", "3")] if len(seen) < 2 else []
            }

        StreamPoller(invoke).feed([{"dynamodb": {"SequenceNumber": str(n)}} for n in range(5)])
        assert seen == [["0", "1", "2", "3", "4"], ["2", "3", "4"]]

    def test_a_response_that_names_nothing_known_fails_the_whole_batch(self) -> None:
        poller = StreamPoller(
            lambda event: {"batchItemFailures": [{"itemIdentifier": ""}]}, StreamMapping(max_retries=1, bisect=False)
        )
        poller.feed([{"dynamodb": {"SequenceNumber": "1"}}])
        assert len(poller.batches) == 2
        assert len(poller.failures) == 1
