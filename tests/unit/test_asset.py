"""The rules of an asset's life: given these events, when this command, then these events."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from domain.asset import attach, begin, evolve, finish, fold, request_reprocess, restore, set_favourite, trash, upload
from domain.errors import (
    DecoderCrashed,
    DecoderKilled,
    DecoderOutOfMemory,
    DecoderTimeout,
    InvalidInput,
    MediaRejected,
    WorkerDied,
)
from domain.events import AssetProcessed, AssetSeenAgain, StepFailed, StepGivenUp
from domain.pipeline import STEPS
from tests.support.factories import (
    NOW,
    STREAM,
    analyzed,
    duplicate,
    failed,
    favourite,
    given_up,
    metadata,
    place,
    poster,
    processed,
    quarantined,
    recorded,
    renditions,
    reprocess,
    restored,
    run,
    seen_again,
    sha,
    sidecar,
    skipped,
    trashed,
    uploaded,
    validated,
    video,
    whole_life,
)
from tests.support.specs import given


class TestKeeping:
    def test_a_mark_is_recorded_once(self) -> None:
        given(uploaded()).when(lambda a: set_favourite(a, favourite=True)).then(favourite())
        given(uploaded(), favourite()).when(lambda a: set_favourite(a, favourite=True)).then_nothing()
        given(uploaded(), favourite()).when(lambda a: set_favourite(a, favourite=False)).then(favourite(on=False))

    def test_the_trash_is_entered_once_and_left_once(self) -> None:
        given(uploaded()).when(trash, "blurred").then(trashed("blurred"))
        given(uploaded(), trashed()).when(trash, "blurred").then_nothing()
        given(uploaded(), trashed()).when(restore, "good").then(restored("good"))
        given(uploaded(), trashed(), restored()).when(restore, "good").then_nothing()

    def test_the_trash_is_known_with_the_moment(self) -> None:
        assert given(uploaded(), trashed()).asset.trashed_at == NOW + timedelta(seconds=2)
        assert given(uploaded(), trashed(), restored()).asset.trashed_at is None

    def test_what_is_due_stays_due_in_the_trash(self) -> None:
        given(uploaded(), trashed()).when_ends(validated()).then(validated())


class TestUpload:
    def test_the_first_arrival_makes_the_asset(self) -> None:
        given().when(upload, uploaded()).then(uploaded())

    def test_the_same_file_at_the_same_path_is_nothing_new(self) -> None:
        given(uploaded()).when(upload, uploaded()).then_nothing()

    def test_the_same_bytes_at_another_path_are_noted(self) -> None:
        other = uploaded("copy.jpg", path="/copies/copy.jpg")
        expected = AssetSeenAgain(path="/copies/copy.jpg", file_name="copy.jpg", modified_at=NOW)
        given(uploaded()).when(upload, other).then(expected)

    def test_a_copy_is_noted_once(self) -> None:
        other = uploaded(path="/copies/a.jpg")
        given(uploaded(), seen_again("/copies/a.jpg")).when(upload, other).then_nothing()

    def test_bytes_without_a_path_are_nothing_new(self) -> None:
        given(uploaded()).when(upload, uploaded(path=None)).then_nothing()

    def test_an_upload_without_a_path_may_be_seen_at_one_later(self) -> None:
        given(uploaded(path=None)).when(upload, uploaded()).then(seen_again("/photos/a.jpg"))

    def test_a_copy_of_what_is_processed_leaves_it_processed(self) -> None:
        asset = given(*whole_life(), seen_again()).asset
        assert asset.state == "done"
        assert asset.due() == {}


class TestBegin:
    def test_nothing_is_due_before_an_upload(self) -> None:
        assert begin(given().asset, "validate") is None

    def test_the_upload_makes_validation_due_and_nothing_else(self) -> None:
        asset = given(uploaded()).asset
        assert list(asset.due()) == ["validate"]
        attempt = begin(asset, "validate")
        assert attempt is not None
        assert (attempt.step.name, attempt.number, attempt.caused_by) == ("validate", 1, "c1-1")

    def test_validation_makes_metadata_and_renditions_due(self) -> None:
        assert set(given(uploaded(), validated()).asset.due()) == {"metadata", "renditions"}

    def test_validation_of_a_video_makes_metadata_and_its_analysis_due(self) -> None:
        assert set(given(uploaded(), video()).asset.due()) == {"metadata", "video"}

    @pytest.mark.usefixtures("renditions_come_last")
    def test_a_poster_makes_renditions_due_in_the_commit_of_its_analysis(self) -> None:
        asset = given(uploaded(), video(), metadata(), place(), [analyzed(), poster()]).asset
        assert set(asset.due()) == {"renditions", "transcode"}
        assert (asset.video, asset.poster) == (analyzed(), poster())
        given(uploaded(), video(), metadata(), place(), [analyzed(), poster()], skipped("transcode")).when_ends(
            renditions()
        ).then(renditions(), processed())

    def test_a_video_that_can_t_be_analysed_ends_without_renditions(self) -> None:
        given(uploaded(), video(), metadata(), place()).when_ends(given_up("video")).then(
            given_up("video"), processed("given_up")
        )

    def test_an_unknown_step_is_never_due(self) -> None:
        assert begin(given(uploaded()).asset, "polish") is None

    def test_a_step_that_ended_is_not_due(self) -> None:
        asset = given(*whole_life()).asset
        assert [begin(asset, name) for name in STEPS] == [None] * len(STEPS)

    def test_after_a_failure_the_next_attempt_has_the_next_number(self) -> None:
        attempt = begin(given(uploaded(), failed("validate", 1), failed("validate", 2)).asset, "validate")
        assert attempt is not None
        assert attempt.number == 3
        assert attempt.caused_by == "c1-1"

    def test_each_attempt_has_a_commit_id_of_its_own_that_a_repeat_shares(self) -> None:
        first = given(uploaded()).asset
        second = given(uploaded(), failed("validate")).asset
        ids = [a.cause(s).commit_id for s in (first, first, second) if (a := begin(s, "validate"))]
        assert ids[0] == ids[1] != ids[2]

    def test_the_commit_says_who_why_and_for_which_upload(self) -> None:
        asset = given(uploaded(), validated()).asset
        attempt = begin(asset, "metadata")
        assert attempt is not None
        cause = attempt.cause(asset)
        assert (cause.actor, cause.correlation_id, cause.causation_id) == ("step:metadata", "c1", "c2-1")


class TestFinish:
    def test_validation_of_an_image_leaves_the_rest_to_do(self) -> None:
        given(uploaded()).when_ends(validated()).then(validated())

    @pytest.mark.usefixtures("renditions_come_last")
    def test_the_end_of_the_last_step_says_that_the_asset_is_processed(self) -> None:
        given(uploaded(), validated(), metadata(), place()).when_ends(renditions()).then(renditions(), processed())

    @pytest.mark.usefixtures("renditions_come_last")
    def test_the_order_of_the_last_steps_does_not_matter(self) -> None:
        given(uploaded(), validated(), renditions()).when_ends(metadata()).then(metadata())
        given(uploaded(), validated(), renditions(), metadata()).when_ends(place()).then(place(), processed())

    def test_while_another_step_waits_for_a_retry_the_asset_is_not_processed(self) -> None:
        given(uploaded(), validated(), failed("metadata")).when_ends(renditions()).then(renditions())

    def test_what_does_not_concern_a_video_is_never_due(self) -> None:
        given(uploaded()).when_ends(video()).then(video())
        assert "renditions" not in given(uploaded(), video()).asset.due()

    def test_a_duplicate_skips_everything_and_says_of_what(self) -> None:
        why = "the same file is in the vault already, as asset a0"
        given(uploaded()).when_ends(validated(), duplicate("a0")).then(
            validated(), duplicate("a0"), skipped("metadata", why), skipped("renditions", why), processed()
        )

    def test_a_duplicate_stays_one_when_it_is_validated_again(self) -> None:
        past = (uploaded(), [validated(), duplicate("a0"), skipped("metadata"), skipped("renditions"), processed()])
        events = given(*past, reprocess("validate")).when_ends(validated()).events
        assert [type(e).__name__ for e in events] == ["FileValidated", "StepSkipped", "StepSkipped", "AssetProcessed"]

    def test_a_refused_file_ends_quarantined(self) -> None:
        given(uploaded()).when_ends(quarantined()).then(quarantined(), processed("quarantined"))

    @pytest.mark.usefixtures("renditions_come_last")
    def test_a_step_given_up_makes_the_asset_given_up(self) -> None:
        given(uploaded(), validated(), given_up("metadata")).when_ends(renditions()).then(
            renditions(), processed("given_up")
        )

    @pytest.mark.usefixtures("renditions_come_last")
    def test_two_steps_that_end_at_once_say_processed_exactly_once(self) -> None:
        """Both decide on the same state; the slower one conflicts, and decides again on what the faster one left."""
        before = [uploaded(), validated()]
        asset = given(*before).asset
        slower = begin(asset, "renditions")
        assert slower is not None
        assert given(*before).when_ends(metadata()).events == [metadata()]
        assert finish(asset, slower, [renditions()]) == [renditions()]
        again = fold(STREAM, recorded(*before, metadata(), place()))
        assert finish(again, slower, [renditions()]) == [renditions(), processed()]

    @pytest.mark.usefixtures("renditions_come_last")
    @pytest.mark.parametrize(
        "order",
        [
            o
            for o in itertools.permutations(["metadata", "place", "renditions"])
            if o.index("metadata") < o.index("place")
        ],
    )
    def test_processed_is_said_once_whatever_the_order(self, order: tuple[str, ...]) -> None:
        made = {"metadata": metadata(), "place": place(), "renditions": renditions()}
        past = [[uploaded()], [validated()]]
        for name in order:
            past.append(given(*past).when_ends(made[name]).events)
        said = [event for events in past for event in events if isinstance(event, AssetProcessed)]
        assert said == [AssetProcessed(state="done")]


class TestSidecars:
    def test_one_before_validation_waits_for_it(self) -> None:
        asset = given(uploaded(), sidecar()).asset
        assert list(asset.due()) == ["validate"]
        assert asset.sidecars == (sidecar(),)

    def test_one_after_validation_asks_for_metadata_and_then_for_the_place_again(self) -> None:
        assert list(given(*whole_life(), sidecar()).asset.due()) == ["metadata"]
        assert given(*whole_life(), sidecar()).asset.state == "processing"
        assert list(given(*whole_life(), sidecar(), metadata()).asset.due()) == ["place"]

    def test_one_while_metadata_is_read_makes_that_attempt_void(self) -> None:
        attempt = begin(given(uploaded(), validated()).asset, "metadata")
        assert attempt is not None
        assert finish(given(uploaded(), validated(), sidecar()).asset, attempt, [metadata()]) == ()

    def test_one_of_a_copy_or_of_a_refused_file_asks_for_nothing(self) -> None:
        copy = [uploaded(), [validated(), duplicate("a0"), skipped("metadata"), skipped("renditions"), processed()]]
        assert given(*copy, sidecar()).asset.due() == {}
        assert given(*copy, sidecar()).asset.state == "done"
        assert given(uploaded(), [quarantined(), processed("quarantined")], sidecar()).asset.state == "quarantined"

    def test_the_same_bytes_at_the_same_path_are_nothing_new(self) -> None:
        given(uploaded(), sidecar()).when(attach, sidecar()).then_nothing()

    def test_one_that_was_changed_takes_the_place_of_the_old_one(self) -> None:
        changed = sidecar(sha256=sha("changed"), blob=sha("changed"))
        given(uploaded(), sidecar()).when(attach, changed).then(changed)
        other = sidecar("a.xmp")
        assert given(uploaded(), sidecar(), other, changed).asset.sidecars == (other, changed)

    def test_one_that_was_changed_back_is_new_again(self) -> None:
        changed = sidecar(sha256=sha("changed"))
        given(uploaded(), sidecar(), changed).when(attach, sidecar()).then(sidecar())


class TestLateAndRepeatedDeliveries:
    def test_an_attempt_that_another_delivery_ended_decides_nothing(self) -> None:
        attempt = begin(given(uploaded()).asset, "validate")
        assert attempt is not None
        assert finish(given(uploaded(), validated()).asset, attempt, [validated()]) == ()

    def test_an_attempt_that_another_delivery_saw_fail_decides_nothing(self) -> None:
        attempt = begin(given(uploaded()).asset, "validate")
        assert attempt is not None
        assert finish(given(uploaded(), failed("validate")).asset, attempt, [validated()]) == ()

    def test_an_attempt_from_before_a_reprocessing_decides_nothing(self) -> None:
        attempt = begin(given(uploaded()).asset, "validate")
        assert attempt is not None
        later = given(uploaded(), failed("validate"), reprocess("validate")).asset
        assert finish(later, attempt, [validated()]) == ()

    def test_an_attempt_at_a_step_that_was_never_due_decides_nothing(self) -> None:
        attempt = begin(given(uploaded(), validated()).asset, "metadata")
        assert attempt is not None
        assert finish(given(uploaded()).asset, attempt, [metadata()]) == ()


class TestFail:
    @pytest.mark.parametrize(("attempt", "seconds"), [(1, 2), (2, 6), (3, 18), (4, 54)])
    def test_each_wait_is_three_times_the_one_before(self, attempt: int, seconds: int) -> None:
        past = [uploaded(), *(failed("validate", i) for i in range(1, attempt))]
        expected = StepFailed(
            run=run("validate", attempt),
            error="OSError",
            message="no space left",
            next_attempt_at=NOW + timedelta(seconds=seconds),
        )
        given(*past).when_fails("validate", OSError("no space left")).then(expected)

    def test_no_wait_is_longer_than_an_hour(self) -> None:
        assert STEPS["validate"].delay_after(50) == 3600.0

    def test_the_last_attempt_is_given_up_and_ends_the_asset(self) -> None:
        past = [uploaded(), *(failed("validate", i) for i in range(1, 5))]
        expected = StepGivenUp(run=run("validate", 5), error="OSError", message="no space left", retryable=True)
        given(*past).when_fails("validate", OSError("no space left")).then(expected, processed("given_up"))

    def test_a_failure_that_is_not_the_last_leaves_the_asset_processing(self) -> None:
        assert given(uploaded(), failed("validate")).asset.state == "processing"

    def test_what_the_file_is_at_fault_for_is_given_up_at_once(self) -> None:
        expected = StepGivenUp(run=run("renditions"), error="corrupt", message="it can't be decoded", retryable=False)
        given(uploaded(), validated(), metadata(), place()).when_fails(
            "renditions", MediaRejected("corrupt", "it can't be decoded")
        ).then(expected, processed("given_up"))

    @pytest.mark.parametrize("error", [DecoderCrashed, DecoderTimeout, DecoderOutOfMemory])
    def test_a_decoder_that_fails_gets_a_second_attempt_and_no_third(self, error: type[Exception]) -> None:
        [first] = given(uploaded()).when_fails("validate", error("it did not end")).events
        assert isinstance(first, StepFailed)
        second = given(uploaded(), failed("validate")).when_fails("validate", error("it did not end")).events
        assert isinstance(second[0], StepGivenUp)
        assert second[0].error == error.__name__
        assert second[0].retryable

    def test_a_decoder_that_was_killed_from_outside_gets_all_attempts(self) -> None:
        past = [uploaded(), *(failed("validate", i) for i in range(1, 4))]
        assert isinstance(given(*past).when_fails("validate", DecoderKilled("killed")).events[0], StepFailed)

    def test_a_worker_that_died_in_silence_is_not_tried_again(self) -> None:
        [end, last] = given(uploaded()).when_fails("validate", WorkerDied("it died")).events
        assert isinstance(end, StepGivenUp)
        assert last == processed("given_up")

    def test_an_error_without_words_is_named_by_its_class(self) -> None:
        [event] = given(uploaded()).when_fails("validate", KeyError()).events
        assert isinstance(event, StepFailed)
        assert event.message == "KeyError"

    def test_an_endless_message_is_cut(self) -> None:
        [event] = given(uploaded()).when_fails("validate", OSError("x" * 5000)).events
        assert isinstance(event, StepFailed)
        assert len(event.message) == 2000


class TestReprocess:
    def test_there_must_be_such_a_step(self) -> None:
        given(uploaded()).when(request_reprocess, "polish", "why").then_refused(InvalidInput, "there are: validate")

    def test_the_asset_must_have_come_so_far(self) -> None:
        given(uploaded()).when(request_reprocess, "renditions", "why").then_refused(InvalidInput, "has not come to")

    def test_an_asset_that_does_not_exist_is_refused(self) -> None:
        given().when(request_reprocess, "validate", "why").then_refused(InvalidInput, "has not come to")

    def test_a_step_that_is_due_anyway_needs_no_request(self) -> None:
        given(uploaded()).when(request_reprocess, "validate", "why").then_nothing()

    def test_a_request_that_is_not_served_yet_needs_no_second(self) -> None:
        given(*whole_life(), reprocess("metadata")).when(request_reprocess, "metadata", "why").then_nothing()

    @pytest.mark.parametrize(
        "past",
        [
            pytest.param([uploaded(), validated(), metadata()], id="done"),
            pytest.param([uploaded(), validated(), failed("metadata")], id="failed"),
            pytest.param([uploaded(), validated(), given_up("metadata")], id="given up"),
            pytest.param(
                [uploaded(), [validated(), duplicate(), skipped("metadata"), skipped("renditions"), processed()]],
                id="skipped",
            ),
        ],
    )
    def test_a_step_can_be_asked_for_from_every_state(self, past: list) -> None:
        given(*past).when(request_reprocess, "metadata", "why").then(reprocess("metadata", "why"))
        asset = given(*past, reprocess("metadata")).asset
        attempt = begin(asset, "metadata")
        assert attempt is not None
        assert attempt.number == 1  # attempts are counted anew
        assert attempt.caused_by == f"c{len(past) + 1}-1"
        assert asset.state == "processing"

    def test_a_processed_asset_is_processed_again_after_it(self) -> None:
        given(*whole_life(), reprocess("metadata")).when_ends(metadata()).then(metadata())
        given(*whole_life(), reprocess("metadata"), metadata()).when_ends(place()).then(place(), processed())

    def test_validation_again_makes_all_that_follows_due_again(self) -> None:
        past = [*whole_life(), reprocess("validate")]
        given(*past).when_ends(validated()).then(validated())
        assert set(given(*past, validated()).asset.due()) == {"metadata", "renditions"}

    @pytest.mark.usefixtures("renditions_come_last")
    def test_a_quarantined_file_that_turns_out_sound_is_no_longer_quarantined(self) -> None:
        past = [uploaded(), [quarantined(), processed("quarantined")], reprocess("validate"), validated(), metadata()]
        given(*past, place()).when_ends(renditions()).then(renditions(), processed())

    def test_a_sound_file_that_turns_out_harmful_is_quarantined(self) -> None:
        past = [*whole_life(), reprocess("validate")]
        given(*past).when_ends(quarantined()).then(quarantined(), processed("quarantined"))

    @pytest.mark.usefixtures("renditions_come_last")
    def test_a_step_given_up_that_then_succeeds_makes_the_asset_done(self) -> None:
        past = [uploaded(), validated(), metadata(), [given_up("renditions"), processed("given_up")]]
        given(*past, reprocess("renditions")).when_ends(renditions()).then(renditions(), processed())

    def test_what_does_not_apply_to_a_picture_is_not_asked_of_it(self) -> None:
        given(*whole_life()).when(request_reprocess, "video", "all").then_nothing()

    def test_a_step_that_is_younger_than_the_asset_is_not_due_but_can_be_asked_for(self) -> None:
        past = [uploaded(), validated(), [metadata(), processed()]]  # in the days before there were renditions
        asset = given(*past).asset
        assert (asset.state, asset.due()) == ("done", {})
        assert begin(asset, "renditions") is None
        given(*past).when(request_reprocess, "renditions", "why").then(reprocess("renditions", "why"))
        given(*past, reprocess("metadata"), metadata()).when_ends(place()).then(place(), processed())


class TestEvolve:
    def test_the_version_moves_with_every_event(self) -> None:
        asset = given(*whole_life()).asset
        assert asset.version == 6

    def test_the_first_commit_names_what_began_it_all(self) -> None:
        assert given(*whole_life()).asset.correlation_id == "c1"

    def test_owner_and_id_come_from_the_stream(self) -> None:
        asset = given(uploaded()).asset
        assert (asset.owner, asset.id) == ("anna", "a1")

    def test_an_outcome_nobody_asked_for_is_taken_without_an_error(self) -> None:
        """A history may hold what today's rules would not decide; the fold is total."""
        asset = given(metadata()).asset
        assert asset.steps["metadata"].status == "done"

    def test_a_request_for_a_step_of_another_time_changes_nothing_but_the_version(self) -> None:
        before = given(*whole_life()).asset
        after = evolve(before, recorded(*whole_life(), reprocess("validate"))[-1])
        unknown = recorded(*whole_life(), [reprocess("polished-in-2019")])[-1]
        assert after.state == "processing"
        assert evolve(before, unknown).state == "done"
