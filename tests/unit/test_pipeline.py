"""The processing graph is whole: every step has its function, follows what exists, and nothing runs in a circle."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest

from domain.events import EVENTS, AssetProcessed, AssetUploaded, FileValidated, Outcome, ReprocessRequested
from domain.pipeline import PIPELINE, STEPS, Step, steps_after
from steps.catalogue import STEP_FUNCTIONS
from tests.support.factories import failed, metadata, processed, reprocess, uploaded, validated


def test_every_step_has_a_function_and_every_function_a_step() -> None:
    assert set(STEP_FUNCTIONS) == set(STEPS)


def test_no_two_steps_share_a_name() -> None:
    assert len(STEPS) == len(PIPELINE)


@pytest.mark.parametrize("step", PIPELINE, ids=lambda s: s.name)
def test_every_step_follows_an_event_that_exists(step: Step) -> None:
    assert step.follows in EVENTS


@pytest.mark.parametrize("step", PIPELINE, ids=lambda s: s.name)
def test_every_step_that_is_not_for_all_kinds_says_why(step: Step) -> None:
    assert step.kinds
    assert step.kinds == {"image", "video"} or step.not_for_others


@pytest.mark.parametrize("step", PIPELINE, ids=lambda s: s.name)
def test_every_step_is_tried_more_than_once_with_growing_waits(step: Step) -> None:
    waits = [step.delay_after(attempt) for attempt in range(1, step.max_attempts)]
    assert waits
    assert waits == sorted(waits)
    assert all(0 < wait <= 3600 for wait in waits)


def test_no_step_follows_its_own_outcome_however_indirectly() -> None:
    graph = {step.name: {before.name for before in PIPELINE if before.name == step.follows.BY} for step in PIPELINE}
    TopologicalSorter(graph).prepare()  # raises on a cycle


def test_every_step_is_reached_from_an_upload() -> None:
    reached: set[str] = set()
    for _ in PIPELINE:
        reached |= {s.name for s in PIPELINE if s.follows is AssetUploaded or s.follows.BY in reached}
    assert reached == set(STEPS)


def test_the_event_before_each_step_is_an_outcome_or_the_upload() -> None:
    for step in PIPELINE:
        assert step.follows is AssetUploaded or issubclass(step.follows, Outcome)


def test_an_upload_is_followed_by_validation_alone() -> None:
    assert [step.name for step in steps_after(uploaded())] == ["validate"]


def test_validation_is_followed_by_metadata_and_renditions() -> None:
    assert {step.name for step in steps_after(validated())} == {s.name for s in PIPELINE if s.follows is FileValidated}


@pytest.mark.parametrize("event", [metadata(), failed("validate"), processed()], ids=lambda e: type(e).__name__)
def test_what_ends_the_work_is_followed_by_nothing(event: AssetProcessed) -> None:
    assert steps_after(event) == ()


def test_a_request_is_followed_by_the_step_that_it_names() -> None:
    assert [step.name for step in steps_after(reprocess("renditions"))] == ["renditions"]


def test_a_request_for_a_step_that_is_no_more_is_followed_by_nothing() -> None:
    assert steps_after(ReprocessRequested(step="polish", reason="it was there in 2019")) == ()
