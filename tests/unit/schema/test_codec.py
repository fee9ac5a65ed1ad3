"""The codec: what goes in comes out, what is not valid goes nowhere, and no bytes whatever crash a reader."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.commits import Commit
from domain.errors import InvalidEvent, UnreadableEvent
from domain.events import (
    EVENTS,
    AssetProcessed,
    AssetSeenAgain,
    AssetUploaded,
    Event,
    MetadataExtracted,
    StepFailed,
    StepRun,
    StepSkipped,
)
from domain.media import Position
from events_schema.codec import EventCodec
from tests.strategies import commits, event_of, events, histories, moments

CODEC = EventCodec()
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
RUN = StepRun(step="metadata", version=1, attempt=1)
SEEN = AssetSeenAgain(path="/photos/b.jpg", file_name="b.jpg")


def commit_of(body: bytes, count: int = 1, first_version: int = 1) -> Commit:
    return Commit("anna#asset#1", 7, first_version, count, "c", 0, "import", "r", None, body)


def stored(**changes: Any) -> bytes:
    """The body of a commit with one event, changed as told."""
    envelope = json.loads(CODEC.encode([SEEN], "c", NOON))[0] | changes
    return json.dumps([envelope]).encode()


def unreadable(body: bytes, count: int = 1) -> str:
    with pytest.raises(UnreadableEvent) as caught:
        CODEC.decode(commit_of(body, count), body)
    return str(caught.value)


# --- round trip ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cls", EVENTS)
@settings(max_examples=30)
@given(data=st.data(), when=moments())
def test_every_event_reads_back_as_it_was_written(cls: type[Event], data: st.DataObject, when: datetime) -> None:
    batch = data.draw(st.lists(event_of(cls), min_size=1, max_size=3))
    body = CODEC.encode(batch, "c", when)
    recorded = CODEC.decode(commit_of(body, len(batch), first_version=4), body)
    assert [each.event for each in recorded] == batch
    assert [each.version for each in recorded] == [4 + i for i in range(len(batch))]
    assert [each.event_id for each in recorded] == [f"c-{i + 1}" for i in range(len(batch))]
    assert {each.occurred_at for each in recorded} == {when}


@settings(max_examples=20)
@given(histories(max_commits=3))
def test_a_history_has_every_version_once(history: list[Commit]) -> None:
    versions = [each.version for commit in history for each in CODEC.decode(commit, commit.body)]
    assert versions == list(range(1, history[-1].last_version + 1))


@given(st.lists(events(), min_size=1, max_size=2))
def test_encoding_is_deterministic(batch: list[Event]) -> None:
    assert CODEC.encode(batch, "c", NOON) == CODEC.encode(batch, "c", NOON)


def test_the_envelope_is_what_the_store_keeps() -> None:
    assert json.loads(CODEC.encode([SEEN], "c9", NOON)) == [
        {
            "type": "AssetSeenAgain",
            "event_id": "c9-1",
            "schema_version": 1,
            "occurred_at": "2026-01-02T12:00:00Z",
            "data": {"path": "/photos/b.jpg", "file_name": "b.jpg"},
        }
    ]


def test_a_moment_from_elsewhere_is_written_in_utc() -> None:
    rome = NOON.astimezone(timezone(timedelta(hours=1)))
    assert CODEC.encode([SEEN], "c", rome) == CODEC.encode([SEEN], "c", NOON)


def test_a_field_from_the_future_is_ignored() -> None:
    body = stored(data={"path": "/b.jpg", "file_name": "b.jpg", "mood": {"light": 3}}, trace="x")
    assert CODEC.decode(commit_of(body), body)[0].event == AssetSeenAgain(path="/b.jpg", file_name="b.jpg")


# --- what is refused before it is written ----------------------------------------------------------------------------


def wrong(value: object) -> Any:
    return value


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (AssetSeenAgain(path="", file_name="b"), "AssetSeenAgain, field path: "),
        (AssetSeenAgain(path="/\udcff", file_name="b"), "AssetSeenAgain, field path: "),
        (AssetSeenAgain(path=wrong(object()), file_name="b"), "AssetSeenAgain, field path: "),
        (AssetSeenAgain(path=wrong(None), file_name="b"), "AssetSeenAgain, field path: "),
        (AssetUploaded(file_name="a", size_bytes=-1, blob="b", source="s3"), "AssetUploaded, field size_bytes: "),
        (AssetProcessed(state=wrong("lost")), "AssetProcessed, field state: "),
        (StepSkipped(run=StepRun(step="x", version=1, attempt=0), reason="r"), "StepSkipped, field run.attempt: "),
        (
            StepFailed(run=RUN, error="E", message="m", next_attempt_at=datetime(2026, 1, 1)),  # noqa: DTZ001
            "StepFailed, field next_attempt_at: ",
        ),
        (
            MetadataExtracted(run=RUN, width=1, height=1, position=Position(1.0, 2.0, float("nan"))),
            "MetadataExtracted, field position: it would read back as ",
        ),
        (
            MetadataExtracted(run=RUN, width=1, height=1, notes=wrong(["a list"])),
            "MetadataExtracted, field notes: it would read back as ('a list',), not as ['a list']",
        ),
        (RUN, "StepRun is not one of the event types"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_event_that_would_not_read_back_is_refused_by_type_and_field(event: Any, words: str) -> None:
    with pytest.raises(InvalidEvent) as caught:
        CODEC.encode([SEEN, event], "c", NOON)
    assert words in str(caught.value)


def test_a_commit_without_events_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="at least one event"):
        CODEC.encode([], "c", NOON)


def test_a_moment_without_a_zone_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="time zone"):
        CODEC.encode([SEEN], "c", NOON.replace(tzinfo=None))


def test_a_commit_id_that_is_no_text_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="commit id"):
        CODEC.encode([SEEN], "\udcff", NOON)


def test_two_types_of_one_name_are_refused() -> None:
    twin: Any = msgspec.defstruct("AssetSeenAgain", [], bases=(Event,), frozen=True)
    with pytest.raises(ValueError, match="share a name"):
        EventCodec([AssetSeenAgain, twin])


# --- what can't be read is reported ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (stored(type="AssetEaten"), "event c-1 of type AssetEaten, version 1: this type is not known"),
        (stored(schema_version=2), "type AssetSeenAgain, version 2: the newest version known here is 1"),
        (stored(schema_version=0), "field [0].schema_version"),
        (stored(data={"path": "/b.jpg"}), "type AssetSeenAgain, version 1: field file_name"),
        (stored(data={"path": "/b.jpg", "file_name": 3}), "type AssetSeenAgain, version 1: field file_name"),
        (stored().replace(b"b.jpg", b"\xff"), "type AssetSeenAgain, version 1: field data: 'utf-8'"),
        (stored(data=None), "type AssetSeenAgain, version 1: field data"),
        (stored(occurred_at="2026-01-01T00:00:00"), "field [0].occurred_at"),
        (stored(event_id=None), "field [0].event_id"),
        (b"[{}]", "field [0].type"),
        (b"[]", "says that it holds 1 events, but has 0"),
        (b"", "truncated"),
        (b"\xff", "malformed"),
        (b"[" * 100_000, "field [0]"),
        (b'[{"x":' + b"[" * 100_000, "recursion"),
    ],
)
def test_what_cannot_be_read_is_named(body: bytes, words: str) -> None:
    message = unreadable(body)
    assert message.startswith("stream anna#asset#1, commit 7: ")
    assert words in message


def test_one_unreadable_event_makes_its_whole_commit_unreadable() -> None:
    good, bad = json.loads(stored())[0], json.loads(stored(type="AssetEaten"))[0]
    assert "AssetEaten" in unreadable(json.dumps([good, bad]).encode(), count=2)


def test_a_commit_that_lost_an_event_is_reported_on_the_slow_path_too() -> None:
    old = json.loads(stored(schema_version=9))
    assert "says that it holds 2 events, but has 1" in unreadable(json.dumps(old).encode(), count=2)


@given(
    st.binary() | st.recursive(st.none() | st.integers() | st.text(), st.lists).map(lambda v: json.dumps(v).encode())
)
def test_no_bytes_crash_a_reader(body: bytes) -> None:
    unreadable(body)


@settings(max_examples=60)
@given(commit=commits(), data=st.data())
def test_damaged_commits_are_read_or_reported(commit: Commit, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(commit.body) - 1))
    damage = data.draw(st.binary(max_size=3))
    body = commit.body[:at] + damage + commit.body[at + len(damage) :]
    try:
        recorded = CODEC.decode(commit, body)
    except UnreadableEvent:
        return
    assert len(recorded) == commit.count


@given(
    name=st.sampled_from([cls.__name__ for cls in EVENTS]) | st.text(),
    version=st.integers(-1, 3),
    data=st.dictionaries(st.text() | st.sampled_from(["run", "path", "reason"]), st.none() | st.integers() | st.text()),
)
def test_any_well_formed_envelope_is_read_or_reported(name: str, version: int, data: dict[str, Any]) -> None:
    body = stored(type=name, schema_version=version, data=data)
    try:
        CODEC.decode(commit_of(body), body)
    except UnreadableEvent:
        return
    assert name in {cls.__name__ for cls in EVENTS}
    assert version == 1
