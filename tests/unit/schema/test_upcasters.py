"""Old events: a history recorded over three versions reads as if it had been written today."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.commits import Commit
from domain.errors import UnreadableEvent
from domain.events import EVENTS
from events_schema.codec import EventCodec
from events_schema.upcasters import UPCASTERS, Upcaster, check_upcasters
from tests.unit.schema.notes import NOTE_UPCASTERS, RECORDED, Author, NoteTaken

CODEC = EventCodec([NoteTaken], NOTE_UPCASTERS)


def commit_of(body: bytes, count: int) -> Commit:
    return Commit("anna#note#1", 2, 5, count, "n1", 0, "person:anna", "r", None, body)


def recorded(*, version: int, data: dict[str, Any]) -> bytes:
    envelope = json.loads(RECORDED.read_bytes())[0] | {"schema_version": version, "data": data}
    return json.dumps([envelope]).encode()


def test_a_history_of_three_versions_reads_as_the_current_one() -> None:
    body = RECORDED.read_bytes()
    read = CODEC.decode(commit_of(body, 3), body)
    assert [each.event for each in read] == [
        NoteTaken(title="Milk", duration_ms=120_000),
        NoteTaken(title="Eggs", duration_ms=180_000),
        NoteTaken(title="Tea", duration_ms=500, author=Author("Anna")),
    ]
    assert [(each.version, each.event_id) for each in read] == [(5, "n1-1"), (6, "n1-2"), (7, "n1-3")]
    assert [each.occurred_at.year for each in read] == [2023, 2024, 2025]


def test_what_was_upcast_can_be_written_as_the_current_version() -> None:
    body = RECORDED.read_bytes()
    first = CODEC.decode(commit_of(body, 3), body)[0]
    assert json.loads(CODEC.encode([first.event], "n2", first.occurred_at))[0]["schema_version"] == 3


def test_an_old_event_that_its_upcaster_cannot_lift_is_reported() -> None:
    body = recorded(version=1, data={"minutes": 2})
    with pytest.raises(UnreadableEvent) as caught:
        CODEC.decode(commit_of(body, 1), body)
    words = "stream anna#note#1, commit 2: event n1-1 of type NoteTaken, version 1: the upcaster from version 1 failed"
    assert words in str(caught.value)
    assert "text" in str(caught.value)


def test_an_upcast_event_that_does_not_satisfy_the_current_version_is_reported_by_field() -> None:
    body = recorded(version=2, data={"title": "", "minutes": 2})
    with pytest.raises(UnreadableEvent, match=r"version 2 \(upcast to version 3\): field title: "):
        CODEC.decode(commit_of(body, 1), body)


def test_an_old_event_whose_data_is_no_object_is_reported() -> None:
    body = recorded(version=1, data={}).replace(b"{}", b"[]")
    with pytest.raises(UnreadableEvent, match="type NoteTaken, version 1: field data"):
        CODEC.decode(commit_of(body, 1), body)


def test_the_upcasters_of_the_house_are_complete() -> None:
    check_upcasters(EVENTS, UPCASTERS)


@pytest.mark.parametrize(
    ("upcasters", "words"),
    [
        ({("NoteTaken", 1): NOTE_UPCASTERS["NoteTaken", 1]}, "NoteTaken has no upcaster from version 2"),
        (NOTE_UPCASTERS | {("NoteTaken", 3): dict}, r"\('NoteTaken', 3\) leads to no version"),
        (NOTE_UPCASTERS | {("NoteEaten", 1): dict}, r"\('NoteEaten', 1\) leads to no version"),
    ],
)
def test_a_codec_does_not_start_with_a_gap_in_its_upcasters(
    upcasters: dict[tuple[str, int], Upcaster], words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        EventCodec([NoteTaken], upcasters)
