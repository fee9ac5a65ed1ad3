"""The processing graph is whole: every step has its function, follows what exists, and nothing runs in a circle."""

from __future__ import annotations

from graphlib import TopologicalSorter

import pytest

from domain.events import EVENTS, AssetProcessed, AssetSeenAgain, AssetUploaded, FileValidated, ReprocessRequested
from domain.pipeline import PIPELINE, STEPS, VIDEOS, Step, runs_after, step_named, steps_after
from steps.catalogue import STEP_FUNCTIONS
from tests.support.factories import failed, metadata, place, processed, reprocess, uploaded, validated, video


def test_every_step_has_a_function_and_every_function_a_step() -> None:
    assert set(STEP_FUNCTIONS) == set(STEPS)


def test_no_two_steps_share_a_name() -> None:
    assert len(STEPS) == len(PIPELINE)


@pytest.mark.parametrize("step", PIPELINE, ids=lambda s: s.name)
def test_every_step_follows_events_that_exist_for_some_kind(step: Step) -> None:
    assert step.follows
    assert set(step.follows) <= set(EVENTS)
    assert all(step.follows.values())


@pytest.mark.parametrize("step", PIPELINE, ids=lambda s: s.name)
def test_every_step_is_tried_more_than_once_with_growing_waits(step: Step) -> None:
    waits = [step.delay_after(attempt) for attempt in range(1, step.max_attempts)]
    assert waits
    assert waits == sorted(waits)
    assert all(0 < wait <= 3600 for wait in waits)


def test_no_step_follows_its_own_outcome_however_indirectly() -> None:
    graph = {step.name: {event.BY for event in step.follows} & set(STEPS) for step in PIPELINE}
    TopologicalSorter(graph).prepare()  # raises on a cycle


def test_every_step_is_reached_from_an_upload() -> None:
    reached: set[str] = set()
    for _ in PIPELINE:
        reached |= {s.name for s in PIPELINE if any(e is AssetUploaded or e.BY in reached for e in s.follows)}
    assert reached == set(STEPS)


def test_an_upload_is_followed_by_validation_alone() -> None:
    assert [step.name for step in steps_after(uploaded())] == ["validate"]


@pytest.mark.parametrize("event", [validated(), video()], ids=["image", "video"])
def test_validation_is_followed_by_what_concerns_the_kind_that_it_found(event: FileValidated) -> None:
    expected = {s.name for s in PIPELINE if event.kind in s.follows.get(FileValidated, ())}
    assert {step.name for step in steps_after(event)} == expected
    assert "metadata" in expected


def test_only_metadata_with_words_are_followed_by_their_embedding() -> None:
    assert runs_after(metadata()) == ("place",)
    assert runs_after(metadata(description="Grandma at the lake")) == ("place", "embed")
    assert runs_after(metadata(keywords=("lake",))) == ("place", "embed")


def test_a_parallel_step_has_one_run_for_each_part(monkeypatch: pytest.MonkeyPatch) -> None:
    class Planned(AssetSeenAgain, frozen=True):
        parts: tuple[int, ...] = (7, 8)

    encode = Step(name="encode", version=1, follows={Planned: VIDEOS}, parallel=True)
    monkeypatch.setattr("domain.pipeline._after", lambda event, kind: (encode,) if event is Planned else ())
    monkeypatch.setitem(STEPS, "encode", encode)
    planned = Planned(path="/a", file_name="a")
    assert runs_after(planned) == ("encode:0000", "encode:0001")
    assert runs_after(reprocess("encode:0001")) == ("encode:0001",)
    assert step_named("encode:0001") is encode


@pytest.mark.parametrize("event", [place(), failed("validate"), processed()], ids=lambda e: type(e).__name__)
def test_what_ends_the_work_is_followed_by_nothing(event: AssetProcessed) -> None:
    assert steps_after(event) == ()


def test_a_request_is_followed_by_the_step_that_it_names() -> None:
    assert [step.name for step in steps_after(reprocess("renditions"))] == ["renditions"]


def test_a_request_for_a_step_that_is_no_more_is_followed_by_nothing() -> None:
    assert steps_after(ReprocessRequested(step="polish", reason="it was there in 2019")) == ()
