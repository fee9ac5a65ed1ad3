"""The published contract: the committed files are what the code says, and say what the codec does."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from domain.commits import Commit
from domain.errors import UnreadableEvent
from domain.events import EVENTS, Event
from events_schema import generate
from events_schema.catalogue import page
from events_schema.codec import EventCodec
from events_schema.contract import FOLDER, Schema, path_of, read_folder
from events_schema.generate import schema_of
from tests.strategies import event_of
from tests.unit.schema.notes import NOTE_UPCASTERS, NoteTaken

CODEC = EventCodec()
CONTRACT = read_folder(FOLDER)
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
CURRENT = [pytest.param(cls, CONTRACT.get((cls.__name__, cls.VERSION), {}), id=cls.__name__) for cls in EVENTS]


def envelope_of(event: Event) -> dict[str, Any]:
    envelope: dict[str, Any] = json.loads(CODEC.encode([event], "c", NOON))[0]
    return envelope


def readable(envelope: dict[str, Any]) -> bool:
    body = json.dumps([envelope]).encode()
    try:
        CODEC.decode(Commit("a#asset#1", 1, 1, 1, "c", 0, "import", "r", None, body), body)
    except UnreadableEvent:
        return False
    return True


def structs_in(schema: Schema) -> list[tuple[str, Schema]]:
    return [(schema["title"], schema), *schema.get("$defs", {}).items()]


# --- the committed files ---------------------------------------------------------------------------------------------


def test_the_committed_files_are_what_the_code_says(capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


@pytest.mark.parametrize(("cls", "schema"), CURRENT)
def test_a_schema_is_a_valid_schema_of_its_dialect(cls: type[Event], schema: Schema) -> None:
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == Draft202012Validator.META_SCHEMA["$id"]
    assert schema["$id"] == f"urn:photovault:event:{cls.__name__}:{cls.VERSION}"


@pytest.mark.parametrize(("cls", "schema"), CURRENT)
def test_a_schema_says_what_the_event_means_and_where_it_goes(cls: type[Event], schema: Schema) -> None:
    assert schema["description"]
    assert schema["x-stream"] == cls.STREAM
    assert schema["x-appended-when"]
    assert schema["x-appended-by"]


@pytest.mark.parametrize(("cls", "schema"), CURRENT)
def test_every_field_says_what_it_means(cls: type[Event], schema: Schema) -> None:
    dumb = [
        f"{title}.{name}"
        for title, struct in structs_in(schema)
        for name, field in struct["properties"].items()
        if not field.get("description")
    ]
    assert dumb == []


@pytest.mark.parametrize(("cls", "schema"), CURRENT)
@settings(max_examples=30)
@given(data=st.data())
def test_what_the_codec_writes_satisfies_the_schema(cls: type[Event], schema: Schema, data: st.DataObject) -> None:
    envelope = envelope_of(data.draw(event_of(cls)))
    Draft202012Validator(schema).validate(envelope["data"])
    Draft202012Validator(json.loads((FOLDER / "envelope.json").read_bytes())).validate(envelope)


@pytest.mark.parametrize(("cls", "schema"), CURRENT)
@settings(max_examples=5)
@given(data=st.data())
def test_schema_and_codec_refuse_the_same_broken_data(cls: type[Event], schema: Schema, data: st.DataObject) -> None:
    envelope = envelope_of(data.draw(event_of(cls)))
    validator = Draft202012Validator(schema)
    for name in schema["required"]:
        broken = {key: value for key, value in envelope["data"].items() if key != name}
        assert not validator.is_valid(broken), f"the schema does without {name}"
        assert not readable(envelope | {"data": broken}), f"the codec does without {name}"
    for name in schema["properties"]:
        broken = envelope["data"] | {name: {"not": "this"}}
        assert validator.is_valid(broken) == readable(envelope | {"data": broken}), name


# --- the generator ---------------------------------------------------------------------------------------------------


def test_generating_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    for folder in folders:
        folder.mkdir()
        assert generate.main([], folder) == 0
        assert generate.main([], folder) == 0
    first, second = ({p.relative_to(f): p.read_bytes() for p in f.rglob("*.*")} for f in folders)
    assert first == second
    assert all(text.endswith((b"}\n", b"|\n")) for text in first.values())


def test_a_name_that_ends_in_a_unit_gives_the_field_its_unit() -> None:
    assert schema_of(NoteTaken)["properties"]["duration_ms"]["x-unit"] == "ms"


def test_a_reference_leads_to_a_definition_in_the_same_file() -> None:
    schema = schema_of(NoteTaken)
    assert {"$ref": "#/$defs/Author"} in schema["properties"]["author"]["anyOf"]
    assert schema["$defs"]["Author"]["required"] == ["name"]


# --- the catalogue page ----------------------------------------------------------------------------------------------


def test_the_page_tells_every_event_in_the_order_of_life() -> None:
    text = (FOLDER / "README.md").read_text()
    places = [text.index(f"\n### {cls.__name__}\n") for cls in EVENTS]
    assert places == sorted(places)
    assert all(f"]({path_of(cls.__name__, cls.VERSION)}) (current)" in text for cls in EVENTS)


def test_the_page_explains_types_units_and_defaults_in_words() -> None:
    text = (FOLDER / "README.md").read_text()
    assert "| `size_bytes` | whole number, at least 0 | bytes | yes | Length in bytes. |" in text
    assert "| `orientation` | whole number, 1 to 8 |  | no: `1` | EXIF orientation as stored in the file. |" in text
    when = "The file's own modification time. Personal: stored sealed."
    assert f"| `modified_at` | moment or nothing | UTC | no | {when} |" in text


def test_the_page_tells_what_each_version_changed() -> None:
    second: Schema = {"title": "NoteTaken", "properties": {"title": {"type": "string"}, "minutes": {"type": "integer"}}}
    first: Schema = {"title": "NoteTaken", "properties": {"text": {"type": "string"}, "minutes": {"type": "integer"}}}
    contract = {("NoteTaken", 1): first, ("NoteTaken", 2): second, ("NoteTaken", 3): schema_of(NoteTaken)}
    text = page(["NoteTaken"], contract, {"properties": {}}, NOTE_UPCASTERS)
    assert "[1](NoteTaken/1.json), [2](NoteTaken/2.json), [3](NoteTaken/3.json) (current)" in text
    assert "  - 2: The text is called title. Added: `title`. Removed: `text`.\n" in text
    assert "  - 3: Durations are in milliseconds. Added: `duration_ms`, `author`. Removed: `minutes`." in text
