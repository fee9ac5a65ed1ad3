"""The worker around every step: attempts, waits, ends, races and deaths. The engine is a fake, all else is real."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from domain.asset import Asset, Attempt, asset_stream, fold
from domain.commits import split_stream, stream_name
from domain.errors import DecoderCrashed, DecoderTimeout, MediaRejected
from domain.events import AssetProcessed, DuplicateFound, Event, FileQuarantined, FileValidated, StepFailed, StepGivenUp
from domain.pipeline import STEPS
from domain.ports import Delivery, Message
from photovault.runtime import catch_up
from steps import Ports
from steps.catalogue import STEP_FUNCTIONS
from steps.worker import MAX_SILENT_DEATHS, Verdict, Worker
from tests.support.factories import STREAM, append, fake_photo, reprocess, uploaded
from tests.support.fakes import MemoryVault, settle, work

BEACH = fake_photo("beach", date="2024:07:01_10:00:00")


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault() as vault:
        yield vault


def upload(vault: MemoryVault, data: bytes = BEACH, ident: str = "a1", **changes: Any) -> str:
    """An asset whose bytes are in the blob store."""
    key = vault.blobs.put(data)
    stream = asset_stream("anna", ident)
    append(vault.store, stream, [uploaded(f"{ident}.jpg", blob=key, **{"sha256": key} | changes)])
    return stream


def deliver(vault: MemoryVault, step: str = "validate", stream: str = STREAM, receives: int = 1) -> Verdict:
    """A message for a step reaches the worker."""
    return vault.worker.handle(delivery(step, stream, receives))


def delivery(step: str = "validate", stream: str = STREAM, receives: int = 1) -> Delivery:
    return Delivery(step, Message("m1", stream, step, "c1-1", "c1"), "1:1", receives)


def events(vault: MemoryVault, stream: str = STREAM) -> list[Event]:
    return [recorded.event for recorded in vault.store.load(stream).events]


def kinds(vault: MemoryVault, stream: str = STREAM) -> list[str]:
    return [type(event).__name__ for event in events(vault, stream)]


def asset(vault: MemoryVault, stream: str = STREAM) -> Asset:
    return fold(stream, vault.store.load(stream).events)


class TestAnAttempt:
    def test_it_appends_what_was_found_and_is_done(self, vault: MemoryVault) -> None:
        upload(vault)
        assert deliver(vault) == Verdict("done", ended=True)
        assert kinds(vault) == ["AssetUploaded", "FileValidated"]

    def test_the_outcome_says_which_step_version_and_attempt_made_it(self, vault: MemoryVault) -> None:
        upload(vault)
        deliver(vault)
        found = events(vault)[-1]
        assert isinstance(found, FileValidated)
        assert (found.run.step, found.run.version, found.run.attempt) == ("validate", STEPS["validate"].version, 1)
        commit = vault.everything()[-1]
        assert (commit.actor, commit.causation_id) == ("step:validate", vault.store.load(STREAM).events[0].event_id)

    def test_the_whole_pipeline_ends_with_the_asset_processed(self, vault: MemoryVault) -> None:
        upload(vault)
        work(vault)
        assert sorted(kinds(vault)[:4]) == [
            "AssetUploaded",
            "FileValidated",
            "MetadataExtracted",
            "RenditionsGenerated",
        ]
        assert events(vault)[-1] == AssetProcessed(state="done")

    def test_a_second_delivery_finds_nothing_to_do_and_does_no_work(self, vault: MemoryVault) -> None:
        upload(vault)
        deliver(vault)
        calls = len(vault.media.calls)
        assert deliver(vault) == Verdict("done")
        assert len(vault.media.calls) == calls
        assert len(events(vault)) == 2

    def test_a_message_for_a_step_that_is_not_due_yet_does_nothing(self, vault: MemoryVault) -> None:
        upload(vault)
        assert deliver(vault, "renditions") == Verdict("done")
        assert kinds(vault) == ["AssetUploaded"]

    def test_a_message_for_an_asset_that_does_not_exist_does_nothing(self, vault: MemoryVault) -> None:
        assert deliver(vault) == Verdict("done")

    def test_a_refused_file_is_quarantined_and_its_message_is_done(self, vault: MemoryVault) -> None:
        upload(vault, b"not a picture at all")
        assert deliver(vault) == Verdict("done", ended=True)
        assert kinds(vault) == ["AssetUploaded", "FileQuarantined", "AssetProcessed"]
        found = events(vault)[1]
        assert isinstance(found, FileQuarantined)
        assert (found.code, found.size_bytes) == ("not_media", 20)

    def test_a_file_that_only_a_later_step_refuses_is_given_up_at_once(self, vault: MemoryVault) -> None:
        upload(vault)
        vault.media.misbehave("beach", "render", MediaRejected("corrupt", "the pixels can't be decoded"))
        work(vault)
        last = [e for e in events(vault) if isinstance(e, StepGivenUp)]
        assert [(e.error, e.retryable) for e in last] == [("corrupt", False)]
        assert asset(vault).state == "given_up"
        assert vault.queue.depth("renditions").dead == 0  # a file at fault is no matter for an operator


class TestFailure:
    def test_a_failed_attempt_asks_for_the_message_again_after_the_wait(self, vault: MemoryVault) -> None:
        upload(vault)
        vault.media.misbehave("beach", "inspect", OSError("the disk is away"))
        verdict = deliver(vault)
        assert verdict.action == "retry"
        assert verdict.after_seconds == pytest.approx(2.0, abs=0.1)
        assert kinds(vault) == ["AssetUploaded", "StepFailed"]

    def test_a_message_that_comes_too_early_waits_for_the_rest(self, vault: MemoryVault) -> None:
        upload(vault)
        vault.media.misbehave("beach", "inspect", OSError("the disk is away"))
        deliver(vault)
        vault.clock.tick(0.5)
        verdict = deliver(vault, receives=2)
        assert verdict.action == "retry"
        assert verdict.after_seconds == pytest.approx(1.5, abs=0.1)
        assert len(events(vault)) == 2

    def test_the_next_attempt_succeeds_and_says_that_it_was_the_second(self, vault: MemoryVault) -> None:
        upload(vault)
        vault.media.misbehave("beach", "inspect", DecoderTimeout("too slow"))
        deliver(vault)
        vault.clock.tick(3)
        assert deliver(vault, receives=2) == Verdict("done", ended=True)
        found = events(vault)[-1]
        assert isinstance(found, FileValidated)
        assert found.run.attempt == 2

    def test_after_the_last_attempt_the_message_is_buried_with_its_reason(self, vault: MemoryVault) -> None:
        upload(vault)
        attempts = STEPS["validate"].max_attempts
        vault.media.misbehave("beach", "inspect", *[OSError("the disk is away")] * attempts)
        work(vault)
        assert kinds(vault) == ["AssetUploaded", *["StepFailed"] * (attempts - 1), "StepGivenUp", "AssetProcessed"]
        [dead] = vault.queue.dead("validate")
        assert dead.reason == "OSError: the disk is away"
        assert asset(vault).state == "given_up"

    def test_a_decoder_that_crashes_twice_is_given_up(self, vault: MemoryVault) -> None:
        upload(vault)
        vault.media.misbehave("beach", "render", DecoderCrashed("signal 11"), DecoderCrashed("signal 11"))
        work(vault)
        assert [c for c, _ in vault.media.calls].count("render") == 2
        assert asset(vault).steps["renditions"].status == "given_up"
        assert asset(vault).steps["metadata"].status == "done"  # one step's end does not touch another's

    def test_bytes_that_are_gone_fail_the_step_and_not_the_worker(self, vault: MemoryVault) -> None:
        stream = upload(vault)
        vault.blobs.data.clear()
        assert deliver(vault, stream=stream).action == "retry"
        failed = events(vault)[-1]
        assert isinstance(failed, StepFailed)
        assert failed.error == "NotFound"

    def test_bytes_that_changed_since_the_upload_are_never_validated(self, vault: MemoryVault) -> None:
        key = vault.blobs.put(BEACH)
        append(vault.store, STREAM, [uploaded(blob=key, sha256=key)])
        vault.blobs.data[key] = fake_photo("another picture")
        deliver(vault)
        failed = events(vault)[-1]
        assert isinstance(failed, StepFailed)
        assert "changed since the upload" in failed.message

    def test_a_given_up_step_that_is_asked_for_again_runs_again(self, vault: MemoryVault) -> None:
        upload(vault)
        vault.media.misbehave("beach", "render", DecoderCrashed("signal 11"), DecoderCrashed("signal 11"))
        work(vault)
        append(vault.store, STREAM, [reprocess("renditions")])
        work(vault)
        assert asset(vault).state == "done"
        assert events(vault)[-1] == AssetProcessed(state="done")


class TestSilentDeaths:
    def test_a_message_that_kills_its_workers_is_given_up_in_the_end(self, vault: MemoryVault) -> None:
        upload(vault)
        verdict = deliver(vault, receives=MAX_SILENT_DEATHS + 1)
        assert verdict.action == "bury"
        end = events(vault)[1]
        assert isinstance(end, StepGivenUp)
        assert end.error == "WorkerDied"
        assert asset(vault).state == "given_up"
        assert vault.media.calls == []  # it is not touched once more

    def test_fewer_deaths_than_that_are_borne(self, vault: MemoryVault) -> None:
        upload(vault)
        assert deliver(vault, receives=MAX_SILENT_DEATHS) == Verdict("done", ended=True)

    def test_attempts_that_were_recorded_are_no_silent_deaths(self, vault: MemoryVault) -> None:
        upload(vault)
        vault.media.misbehave("beach", "inspect", OSError("away"))
        deliver(vault)
        vault.clock.tick(3)
        assert deliver(vault, receives=MAX_SILENT_DEATHS + 1) == Verdict("done", ended=True)


class Between:
    """A step that lets something happen while it works."""

    def __init__(self, vault: MemoryVault, step: str, happens: Callable[[], object], error: Exception | None = None):
        self.vault, self.step, self.happens, self.error = vault, step, happens, error
        self.done = False

    def worker(self) -> Worker:
        return Worker({**STEP_FUNCTIONS, self.step: self}, self.vault.ports, self.vault.clock)

    def __call__(self, state: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
        if not self.done:
            self.done = True
            self.happens()
        if self.error:
            raise self.error
        return STEP_FUNCTIONS[self.step](state, attempt, ports)


class TestRaces:
    @pytest.mark.usefixtures("renditions_come_last")
    def test_a_step_that_loses_to_another_decides_again_and_both_are_kept(self, vault: MemoryVault) -> None:
        upload(vault)
        deliver(vault)
        slow = Between(vault, "renditions", lambda: [deliver(vault, "metadata"), deliver(vault, "place")]).worker()
        assert slow.handle(delivery("renditions")) == Verdict("done", ended=True)
        assert kinds(vault)[2:] == ["MetadataExtracted", "StepSkipped", "RenditionsGenerated", "AssetProcessed"]

    def test_a_loser_whose_attempt_was_made_by_another_delivery_appends_nothing(self, vault: MemoryVault) -> None:
        upload(vault)
        slow = Between(vault, "validate", lambda: deliver(vault)).worker()
        assert slow.handle(delivery()).action == "done"
        assert kinds(vault) == ["AssetUploaded", "FileValidated"]

    def test_a_delivery_that_succeeds_after_another_one_s_attempt_failed_leaves_the_retry(
        self, vault: MemoryVault
    ) -> None:
        """Both made attempt 1; what is recorded is its failure, so the message must come again."""
        upload(vault)
        vault.media.misbehave("beach", "inspect", OSError("away"))
        slow = Between(vault, "validate", lambda: deliver(vault)).worker()
        verdict = slow.handle(delivery(receives=2))
        assert kinds(vault) == ["AssetUploaded", "StepFailed"]
        assert verdict.action == "retry"
        assert verdict.after_seconds == pytest.approx(2.0, abs=0.1)
        assert not verdict.ended

    def test_a_late_delivery_leaves_the_retry_even_when_the_stream_moved_on(self, vault: MemoryVault) -> None:
        upload(vault)
        deliver(vault)

        def meanwhile() -> None:
            vault.media.misbehave("beach", "render", OSError("away"))
            deliver(vault, "metadata")
            deliver(vault, "renditions")

        slow = Between(vault, "renditions", meanwhile).worker()
        verdict = slow.handle(delivery("renditions", receives=2))
        assert verdict.action == "retry"
        assert asset(vault).steps["renditions"].status == "failed"

    def test_a_delivery_that_fails_after_another_one_s_success_leaves_the_success(self, vault: MemoryVault) -> None:
        upload(vault)
        slow = Between(vault, "validate", lambda: deliver(vault), OSError("away")).worker()
        assert slow.handle(delivery(receives=2)) == Verdict("done")
        assert kinds(vault) == ["AssetUploaded", "FileValidated"]

    def test_a_message_that_outlived_its_lease_still_brings_the_asset_to_an_end(self, vault: MemoryVault) -> None:
        """A slow worker's message goes to a second one; the first fails, the second comes too late to be counted."""
        upload(vault)
        catch_up(vault)
        [first] = vault.queue.receive(["validate"], 1, 1.0)
        vault.clock.tick(2)
        [second] = vault.queue.receive(["validate"], 1, 1.0)
        vault.media.misbehave("beach", "inspect", OSError("away"))
        slow = Between(vault, "validate", lambda: settle(vault, first, vault.worker.handle(first))).worker()
        settle(vault, second, slow.handle(second))
        work(vault)
        assert asset(vault).state == "done"


class TestContentClaims:
    """Uploads whose SHA-256 nobody knew: the first asset with some bytes claims them, the others are duplicates."""

    def test_the_first_asset_claims_the_content(self, vault: MemoryVault) -> None:
        upload(vault, sha256=None)
        deliver(vault)
        assert kinds(vault) == ["AssetUploaded", "FileValidated"]
        key = vault.blobs.put(BEACH)
        assert kinds(vault, stream_name("anna", "content", key)) == ["ContentClaimed"]

    def test_the_second_asset_is_a_duplicate_of_the_first_and_skips_the_rest(self, vault: MemoryVault) -> None:
        upload(vault, sha256=None)
        work(vault)
        other = upload(vault, ident="a2", sha256=None)
        work(vault)
        assert DuplicateFound(of="a1") in events(vault, other)
        assert kinds(vault, other)[-3:] == ["StepSkipped", "StepSkipped", "AssetProcessed"]
        assert asset(vault, other).state == "done"

    def test_the_same_asset_may_claim_again(self, vault: MemoryVault) -> None:
        upload(vault, sha256=None)
        work(vault)
        append(vault.store, STREAM, [reprocess("validate")])
        work(vault)
        assert not any(isinstance(e, DuplicateFound) for e in events(vault))
        assert asset(vault).state == "done"

    def test_two_owners_do_not_learn_of_each_other_s_bytes(self, vault: MemoryVault) -> None:
        upload(vault, sha256=None)
        key = vault.blobs.put(BEACH)
        bens = asset_stream("ben", "b1")
        append(vault.store, bens, [uploaded(blob=key, sha256=None)])
        work(vault)
        assert not any(isinstance(e, DuplicateFound) for e in events(vault, bens))

    def test_an_import_that_knows_the_bytes_claims_nothing(self, vault: MemoryVault) -> None:
        upload(vault)
        work(vault)
        assert not [c.stream for c in vault.everything() if split_stream(c.stream)[1] == "content"]


class TestMemory:
    def peak_mb(self, vault: MemoryVault, *, alone: bool, decoder: int) -> int:
        vault.media.peak_bytes = lambda: decoder  # type: ignore[method-assign]
        vault.worker = Worker(STEP_FUNCTIONS, vault.ports, vault.clock, alone=alone)
        upload(vault)
        deliver(vault)
        (found,) = (event for event in events(vault) if isinstance(event, FileValidated))
        return found.run.peak_mb

    def test_a_process_that_does_other_things_tells_of_its_decoder_only(self, vault: MemoryVault) -> None:
        assert self.peak_mb(vault, alone=False, decoder=0) == 0

    def test_the_decoders_memory_comes_on_top(self, vault: MemoryVault) -> None:
        assert self.peak_mb(vault, alone=False, decoder=300_000_000) > 300

    def test_a_process_alone_tells_of_itself(self, vault: MemoryVault) -> None:
        assert self.peak_mb(vault, alone=True, decoder=0) > 0
