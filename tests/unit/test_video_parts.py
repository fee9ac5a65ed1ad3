"""A video's parts: encoded side by side, in any order, and joined exactly once."""

from __future__ import annotations

import itertools

import pytest

from domain.asset import begin, finish, fold, request_reprocess
from domain.errors import InvalidInput
from domain.events import ChunksEncoded, Event, ReprocessRequested, StepGivenUp, StepSkipped
from domain.pipeline import part_of, runs_after
from tests.support.factories import (
    STREAM,
    analyzed,
    chunk,
    failed,
    given_up,
    metadata,
    place,
    planned,
    poster,
    processed,
    recorded,
    renditions,
    reprocess,
    skipped,
    transcoded,
    uploaded,
    video,
)
from tests.support.specs import given

Past = list[Event | list[Event]]
pytestmark = pytest.mark.usefixtures("renditions_come_last")

BEFORE: Past = [uploaded(), video(), metadata(), place(), [analyzed(), poster()], renditions()]


def test_a_plan_makes_one_run_due_for_each_part() -> None:
    assert runs_after(planned(3)) == ("encode:0000", "encode:0001", "encode:0002")
    assert [part_of(name) for name in ("encode:0002", "encode", "encode:x")] == [2, None, None]
    assert set(given(*BEFORE, planned(3)).asset.due()) == {"encode:0000", "encode:0001", "encode:0002"}


def test_a_video_that_plays_everywhere_is_done_without_a_plan() -> None:
    given(*BEFORE).when_ends(skipped("transcode")).then(skipped("transcode"), processed())


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_the_last_part_whichever_it_is_says_that_all_are_there(order: tuple[int, ...]) -> None:
    first, second, last = (chunk(part) for part in order)
    given(*BEFORE, planned(3)).when_ends(first).then(first)
    given(*BEFORE, planned(3), first).when_ends(second).then(second)
    given(*BEFORE, planned(3), first, second).when_ends(last).then(last, ChunksEncoded(parts_done=3))
    asset = given(*BEFORE, planned(3), first, second, [last, ChunksEncoded(parts_done=3)]).asset
    assert set(asset.due()) == {"join"}


def test_two_parts_that_end_at_once_are_joined_once() -> None:
    """The one that loses the race for the stream decides again, on what the other has appended."""
    both = given(*BEFORE, planned(2)).asset
    attempts = [begin(both, name) for name in ("encode:0000", "encode:0001")]
    assert all(attempts)
    one = finish(both, attempts[0], (chunk(0),))  # type: ignore[arg-type]
    assert one == [chunk(0)]
    after = fold(STREAM, recorded(*BEFORE, planned(2), chunk(0)))
    assert finish(after, attempts[1], (chunk(1),)) == [chunk(1), ChunksEncoded(parts_done=2)]  # type: ignore[arg-type]


def test_a_plan_without_parts_can_be_joined_at_once() -> None:
    given(*BEFORE).when_ends(planned(0, mp4="copy", stream=False)).then(
        planned(0, mp4="copy", stream=False), ChunksEncoded(parts_done=0)
    )


def test_the_join_ends_the_asset() -> None:
    past: Past = [*BEFORE, planned(1), [chunk(0), ChunksEncoded(parts_done=1)]]
    given(*past).when_ends(transcoded()).then(transcoded(), processed())
    assert given(*past, [transcoded(), processed()]).asset.transcoded == transcoded()


def test_a_part_that_is_given_up_is_never_joined_over() -> None:
    given_up_part = given_up("encode")
    lost = type(given_up_part)(
        run=chunk(1).run, error=given_up_part.error, message=given_up_part.message, retryable=True
    )
    given(*BEFORE, planned(2), chunk(0)).when_ends(lost).then(lost, processed("given_up"))
    past: Past = [*BEFORE, planned(2), chunk(0), [lost, processed("given_up")], reprocess("encode:0001")]
    given(*past).when_ends(chunk(1)).then(chunk(1), ChunksEncoded(parts_done=2))


def test_a_new_plan_begins_anew_and_waits_for_its_own_parts_only() -> None:
    done: Past = [*BEFORE, planned(2), chunk(0), [chunk(1), ChunksEncoded(parts_done=2)], [transcoded(), processed()]]
    again: Past = [*done, reprocess("transcode"), planned(2)]
    asset = given(*again).asset
    assert set(asset.due()) == {"encode:0000", "encode:0001"}
    assert asset.chunks == {}
    given(*again).when_ends(chunk(0, mark="new")).then(chunk(0, mark="new"))
    given(*again, chunk(0, mark="new")).when_ends(chunk(1, mark="new")).then(
        chunk(1, mark="new"), ChunksEncoded(parts_done=2)
    )


def test_a_shorter_plan_drops_the_parts_that_it_does_not_have() -> None:
    asset = given(*BEFORE, planned(4), chunk(0), reprocess("transcode"), planned(2)).asset
    assert set(asset.due()) == {"encode:0000", "encode:0001"}
    assert begin(asset, "encode:0003") is None


def test_what_an_old_plan_s_worker_brings_late_is_not_taken() -> None:
    old = given(*BEFORE, planned(2)).asset
    late = begin(old, "encode:0001")
    assert late is not None
    now = given(*BEFORE, planned(2), reprocess("transcode"), planned(2, gop_frames=30)).asset
    assert finish(now, late, (chunk(1),)) == ()


def test_each_part_has_a_commit_of_its_own_that_a_repeat_shares() -> None:
    asset = given(*BEFORE, planned(2)).asset
    runs = ("encode:0000", "encode:0001", "encode:0000")
    ids = [attempt.cause(asset).commit_id for name in runs if (attempt := begin(asset, name))]
    assert ids[0] == ids[2] != ids[1]


def test_a_part_that_failed_is_due_again_and_leaves_the_others_alone() -> None:
    again = failed("encode")
    again = type(again)(
        run=chunk(0).run, error=again.error, message=again.message, next_attempt_at=again.next_attempt_at
    )
    asset = given(*BEFORE, planned(2), again).asset
    assert asset.steps["encode:0000"].attempts == 1
    assert asset.steps["encode:0001"].attempts == 0
    given(*BEFORE, planned(2), chunk(1), again).when_ends(chunk(0, attempt=2)).then(
        chunk(0, attempt=2), ChunksEncoded(parts_done=2)
    )


def test_a_skip_is_an_end_like_any_other() -> None:
    gone = StepSkipped(run=chunk(0).run, reason="the plan that had this part was replaced by another")
    assert given(*BEFORE, planned(1)).when_ends(gone).events == [gone, processed()]


class TestReprocess:
    LOST = StepGivenUp(run=chunk(1).run, error="DecoderTimeout", message="it took too long")
    PAST: Past = [*BEFORE, planned(3), chunk(0), chunk(2), [LOST, processed("given_up")]]

    def test_the_step_alone_means_the_parts_that_were_lost(self) -> None:
        given(*self.PAST).when(request_reprocess, "encode", "more memory").then(
            ReprocessRequested(step="encode:0001", reason="more memory")
        )

    def test_one_part_may_be_named(self) -> None:
        given(*self.PAST).when(request_reprocess, "encode:0002", "look").then(
            ReprocessRequested(step="encode:0002", reason="look")
        )

    def test_where_none_was_lost_all_are_meant(self) -> None:
        past: Past = [*BEFORE, planned(2), chunk(0), [chunk(1), ChunksEncoded(parts_done=2)]]
        asked = given(*past).when(request_reprocess, "encode", "all").events
        assert [event.step for event in asked] == ["encode:0000", "encode:0001"]  # type: ignore[attr-defined]

    def test_a_video_without_a_plan_has_no_parts(self) -> None:
        given(*BEFORE).when(request_reprocess, "encode", "all").then_refused(InvalidInput, "has not come to encode yet")
