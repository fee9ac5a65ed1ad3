"""What may change within a version: every kind of bad change is found by the name of its field, the good ones pass."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from domain.events import Event
from events_schema import compatibility, generate
from events_schema.compatibility import breaches, incompatibilities
from events_schema.contract import Schema
from events_schema.generate import schema_of

Fields = dict[str, Any]


class Lens(Struct, frozen=True):
    """Part of a picture's story."""

    maker: str
    length: int = 50


class Flash(Struct, frozen=True, tag=True):
    """One of two kinds."""

    power: int


class Lamp(Struct, frozen=True, tag=True):
    """The other kind."""

    power: int


REQUIRED = msgspec.NODEFAULT
KEPT: Fields = {
    "name": (Annotated[str, Meta(min_length=1, max_length=10)], REQUIRED),
    "code": (Annotated[str, Meta(pattern="^[a-z]+$")], REQUIRED),
    "count": (Annotated[int, Meta(ge=0, le=10)], REQUIRED),
    "ratio": (Annotated[float, Meta(gt=0)], 1.0),
    "state": (Literal["new", "old"], REQUIRED),
    "length": (Annotated[int, Meta(extra_json_schema={"x-unit": "mm"})], 1),
    "note": (str | None, None),
    "either": (int | str, 0),
    "lens": (Lens, Lens("Zeiss")),
    "lenses": (Annotated[tuple[Lens, ...], Meta(max_length=5)], ()),
    "labels": (dict[str, int], {}),
    "point": (tuple[int, int], (0, 0)),
    "light": (Flash | Lamp, Flash(1)),
    "odd": (Any, None),
}
"""Fields of an event type, PhotoKept, that has one of everything: name -> (type, default)."""

GONE = None


def event_type(stream: str = "asset", version: int = 1, **changes: Any) -> type[Event]:
    """A copy of PhotoKept with fields changed, added, or (None) removed."""
    fields = {name: field for name, field in (KEPT | changes).items() if field is not GONE}
    cls: Any = msgspec.defstruct(
        "PhotoKept",
        [(name, kind) if default is REQUIRED else (name, kind, default) for name, (kind, default) in fields.items()],
        bases=(Event,),
        frozen=True,
        kw_only=True,
        namespace={"__doc__": "A photo was kept.", "STREAM": stream, "VERSION": version},
    )
    found: type[Event] = cls
    return found


def problems(**changes: Any) -> list[str]:
    return [str(problem) for problem in incompatibilities(schema_of(event_type()), schema_of(event_type(**changes)))]


def lens(**fields: Any) -> Any:
    """A nested struct in place of `Lens`: field -> type, or (type, default). A struct's own name is no part of data."""
    return msgspec.defstruct(
        "LensOfToday",
        [(key, *kind) if isinstance(kind, tuple) else (key, kind) for key, kind in fields.items()],
        frozen=True,
        kw_only=True,
    )


def many(kind: Any, most: int = 5) -> Any:
    """The type of a list."""
    return Annotated[tuple[kind, ...], Meta(max_length=most)]


LENS_SHORT, LENS_NEW = lens(maker=str), lens(maker=str, length=(int, 50), mount=str)
LENS_TEXT, LENS_RENAMED = lens(maker=str, length=(str, "50")), lens(brand=str, length=(int, 50))
LENS_MORE = lens(maker=str, length=(int, 50), mount=(str | None, None))


# --- within one version ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "field", "what"),
    [
        ({"note": GONE}, "note", "the field was removed"),
        ({"name": GONE, "title": KEPT["name"]}, "name", "the field was renamed to title"),
        ({"owner": (str, REQUIRED)}, "owner", "a new field is required"),
        ({"ratio": (KEPT["ratio"][0], REQUIRED)}, "ratio", "the field became required"),
        ({"count": (KEPT["count"][0], 3)}, "count", "the field became optional"),
        ({"length": (KEPT["length"][0], 2)}, "length", "the default changed from 1 to 2"),
        ({"length": (Annotated[int, Meta(extra_json_schema={"x-unit": "m"})], 1)}, "length", "the unit changed"),
        ({"count": (str, REQUIRED)}, "count", "type changed from an integer to a string"),
        ({"ratio": (int, 1)}, "ratio", "type changed from a number to an integer"),
        ({"count": (float, REQUIRED)}, "count", "type changed from an integer to a number"),
        ({"name": (Literal["a"], REQUIRED)}, "name", "type changed from a string to one of a set of values"),
        ({"odd": (str | None, None)}, "odd", "type changed from anything to"),
        ({"note": (str, "")}, "note", "can't be null any more"),
        ({"either": (int, 0)}, "either", "can't be a string any more"),
        ({"either": (int | str | None, 0)}, "either", "can now be null too"),
        ({"state": (Literal["new"], REQUIRED)}, "state", 'lost the value "old"'),
        ({"state": (Literal["new", "old", "lent"], REQUIRED)}, "state", 'gained the value "lent"'),
        ({"name": (Annotated[str, Meta(min_length=2, max_length=10)], REQUIRED)}, "name", "minLength was raised"),
        ({"name": (Annotated[str, Meta(min_length=1, max_length=9)], REQUIRED)}, "name", "maxLength was lowered"),
        ({"code": (Annotated[str, Meta(pattern="^[a-f]+$")], REQUIRED)}, "code", "pattern changed from ^[a-z]+$"),
        ({"note": (Annotated[str, Meta(pattern="^a")] | None, None)}, "note", "pattern changed from none to ^a"),
        ({"count": (Annotated[int, Meta(ge=1, le=10)], REQUIRED)}, "count", "minimum was raised from 0 to 1"),
        ({"count": (Annotated[int, Meta(ge=0, le=9)], REQUIRED)}, "count", "maximum was lowered from 10 to 9"),
        ({"ratio": (Annotated[float, Meta(gt=1)], 1.0)}, "ratio", "exclusiveMinimum was raised"),
        ({"ratio": (Annotated[float, Meta(gt=0, lt=9)], 1.0)}, "ratio", "exclusiveMaximum was lowered from none to 9"),
        ({"length": (Annotated[int, Meta(multiple_of=2)], 1)}, "length", "multipleOf changed from none to 2"),
        ({"lenses": (many(Lens, 4), ())}, "lenses", "maxItems was lowered"),
        ({"lenses": (many(str), ())}, "lenses[]", "type changed from an object"),
        ({"point": (tuple[int, int, int], (0, 0, 0))}, "point", "has 3 fixed places where it had 2"),
        ({"point": (tuple[int, str], (0, ""))}, "point[1]", "type changed from an integer to a string"),
        ({"labels": (dict[str, str], {})}, "labels.*", "type changed from an integer to a string"),
        ({"labels": (dict[str, Any], {})}, "labels.*", "type changed from an integer to anything"),
        ({"lens": (LENS_SHORT, LENS_SHORT(maker="Z"))}, "lens.length", "the field was removed"),
        ({"lens": (LENS_NEW, LENS_NEW(maker="Z", mount="m"))}, "lens.mount", "a new field is required"),
        ({"lens": (LENS_TEXT, LENS_TEXT(maker="Z"))}, "lens.length", "type changed from an integer to a string"),
        ({"lens": (LENS_RENAMED, LENS_RENAMED(brand="Z"))}, "lens.maker", "the field was renamed to brand"),
        ({"lenses": (many(LENS_NEW), ())}, "lenses[].mount", "is required"),
        ({"light": (Flash, Flash(1))}, "light", "type changed"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_change_that_the_history_could_not_survive_is_named(changes: Fields, field: str, what: str) -> None:
    found = problems(**changes)
    assert any(each.startswith(f"PhotoKept.{field}: ") and what in each for each in found), found


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"extra": (str | None, None)},
        {"extra": (Lens | None, None)},
        {"note": (Annotated[str | None, Meta(description="Other words.")], None)},
        {"name": (Annotated[str, Meta(max_length=20)], REQUIRED)},
        {"code": (str, REQUIRED)},
        {"count": (Annotated[int, Meta(ge=-1, le=11)], REQUIRED)},
        {"count": (int, REQUIRED)},
        {"lenses": (tuple[Lens, ...], ())},
        {"lens": (LENS_MORE, LENS_MORE(maker="Zeiss")), "lenses": (many(LENS_MORE), ())},
        {name: KEPT[name] for name in reversed(KEPT)},
    ],
    ids=[
        "nothing", "new optional field", "new optional struct", "words", "longer text", "no pattern", "wider range",
        "no range", "longer list", "new optional field in a struct", "another order of fields",
    ],
)  # fmt: skip
def test_a_change_that_harms_nobody_passes(changes: Fields) -> None:
    assert problems(**changes) == []


def test_a_member_of_a_union_of_structs_is_named() -> None:
    found = problems(light=(Flash, Flash(1)))
    assert any("an object Lamp" in each for each in found), found


def test_a_change_inside_a_member_of_a_union_of_structs_is_named() -> None:
    flash = msgspec.defstruct("Flash", [("power", str)], frozen=True, tag=True)
    found = problems(light=(flash | Lamp, flash("1")))
    assert any(each.startswith("PhotoKept.light.power: type changed from an integer to a string") for each in found)


def test_another_stream_is_another_event() -> None:
    assert problems(stream="library") == [
        "PhotoKept: moved from the asset stream to the library stream; "
        "old events stay where they are: make it a new event type"
    ]


def test_fields_that_are_refused_now_are_named() -> None:
    old: Schema = {"title": "X", "type": "object", "properties": {}}
    found = incompatibilities(old, old | {"additionalProperties": False})
    assert [(each.field, each.what) for each in found] == [("*", "fields of other names are refused now")]


def test_a_type_that_holds_itself_is_compared_to_the_end() -> None:
    def tree(leaf: str) -> Schema:
        node = {"type": "object", "properties": {"leaf": {"type": leaf}, "next": {"$ref": "#/$defs/Node"}}}
        return {"title": "X", "properties": {"top": {"$ref": "#/$defs/Node"}}, "$defs": {"Node": node}}

    assert incompatibilities(tree("string"), tree("string")) == []
    assert [each.field for each in incompatibilities(tree("string"), tree("integer"))] == ["top.leaf"]


# --- between versions ------------------------------------------------------------------------------------------------

ONE, TWO = schema_of(event_type()), schema_of(event_type(version=2, note=GONE))


def test_a_new_version_may_change_anything() -> None:
    assert breaches({("PhotoKept", 1): ONE}, {("PhotoKept", 1): ONE, ("PhotoKept", 2): TWO}) == []


@pytest.mark.parametrize(
    ("published", "planned", "words"),
    [
        ({1: ONE}, {}, "the event type was removed"),
        ({1: ONE, 2: TWO}, {1: ONE}, "VERSION was lowered from 2 to 1"),
        ({1: ONE, 2: TWO}, {2: TWO}, "the file of version 1 was deleted"),
        ({1: ONE, 2: TWO}, {1: TWO, 2: TWO}, "the file of version 1 was changed"),
        ({1: ONE}, {1: TWO, 2: TWO}, "the file of version 1 was changed"),
        ({1: ONE, 2: TWO}, {1: ONE, 2: ONE | {"required": ["note"]}}, "PhotoKept.note: a new field is required"),
    ],
)
def test_what_was_published_stays(published: dict[int, Schema], planned: dict[int, Schema], words: str) -> None:
    found = breaches(
        {("PhotoKept", v): s for v, s in published.items()}, {("PhotoKept", v): s for v, s in planned.items()}
    )
    assert any(words in str(each) for each in found), found


# --- with git --------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A contract folder inside a git repository, with PhotoKept published in version 1."""
    folder = tmp_path / "schemas"
    folder.mkdir()
    git(folder, "init", "--quiet")
    assert generate.main([], folder, [event_type()], {}) == 0
    commit(folder)
    return folder


def git(folder: Path, *arguments: str) -> None:
    nobody = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    env = os.environ | nobody | {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    subprocess.run(["git", *arguments], cwd=folder, env=env, check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all", ".")
    git(folder, "commit", "--quiet", "--message", "schemas")


def lift(data: dict[str, Any]) -> dict[str, Any]:
    """Notes are gone."""
    return {key: value for key, value in data.items() if key != "note"}


Errors = Callable[[], str]


@pytest.fixture
def errors(capsys: pytest.CaptureFixture[str]) -> Errors:
    return lambda: capsys.readouterr().err


def test_a_bad_change_of_a_published_version_is_not_written(folder: Path, errors: Errors) -> None:
    before = (folder / "PhotoKept/1.json").read_bytes()
    assert generate.main([], folder, [event_type(note=GONE)], {}) == 1
    assert "PhotoKept.note: the field was removed" in errors()
    assert (folder / "PhotoKept/1.json").read_bytes() == before


def test_a_good_change_of_a_published_version_is_written(folder: Path) -> None:
    assert generate.main([], folder, [event_type(extra=(str | None, None))], {}) == 0
    assert b'"extra"' in (folder / "PhotoKept/1.json").read_bytes()
    assert compatibility.main([], folder) == 0


def test_a_new_version_adds_a_file_and_needs_an_upcaster(folder: Path, errors: Errors) -> None:
    before = (folder / "PhotoKept/1.json").read_bytes()
    second = event_type(version=2, note=GONE)
    assert generate.main([], folder, [second], {}) == 2
    assert "PhotoKept has no upcaster from version 1" in errors()
    assert generate.main([], folder, [second], {("PhotoKept", 1): lift}) == 0
    assert (folder / "PhotoKept/1.json").read_bytes() == before
    assert (folder / "PhotoKept/2.json").exists()
    assert "  - 2: Notes are gone. Removed: `note`." in (folder / "README.md").read_text()
    assert generate.main(["--check"], folder, [second], {("PhotoKept", 1): lift}) == 0


def test_a_draft_that_was_never_committed_may_change_at_will(folder: Path) -> None:
    upcasters = {("PhotoKept", 1): lift}
    assert generate.main([], folder, [event_type(version=2, note=GONE)], upcasters) == 0
    assert generate.main([], folder, [event_type(version=2, note=GONE, name=GONE)], upcasters) == 0
    assert generate.main([], folder, [event_type()], {}) == 0
    assert not (folder / "PhotoKept/2.json").exists()


def test_a_version_that_was_committed_but_not_released_may_change_against_the_release(folder: Path) -> None:
    git(folder, "tag", "release")
    second, upcasters = event_type(version=2, note=GONE), {("PhotoKept", 1): lift}
    assert generate.main([], folder, [second], upcasters) == 0
    commit(folder)
    third = event_type(version=2, note=GONE, name=GONE)
    assert generate.main([], folder, [third], upcasters) == 1
    assert generate.main(["--against", "release"], folder, [third], upcasters) == 0


@pytest.mark.parametrize(
    ("file", "text"), [("PhotoKept/1.json", "{}\n"), ("README.md", "My page.\n"), ("envelope.json", "{}\n")]
)
def test_the_check_names_a_file_that_differs_and_the_command(
    folder: Path, errors: Errors, file: str, text: str
) -> None:
    assert generate.main(["--check"], folder, [event_type()], {}) == 0
    (folder / file).write_text(text)
    assert generate.main(["--check"], folder, [event_type()], {}) == 1
    assert f"{folder / file} is not what the code says: run `{generate.COMMAND}`" in (said := errors())
    assert len(said.splitlines()) == 1


def test_the_check_names_a_file_that_is_missing_or_too_many(folder: Path, errors: Errors) -> None:
    (folder / "envelope.json").unlink()
    (folder / "PhotoKept/2.json").write_text("{}")
    assert generate.main(["--check"], folder, [event_type()], {}) == 1
    said = errors()
    assert f"{folder / 'envelope.json'} is missing" in said
    assert f"{folder / 'PhotoKept/2.json'} belongs to no event version" in said


def test_a_file_of_an_older_version_may_not_be_changed_or_deleted(folder: Path, errors: Errors) -> None:
    second, upcasters = event_type(version=2, note=GONE), {("PhotoKept", 1): lift}
    assert generate.main([], folder, [second], upcasters) == 0
    commit(folder)
    (folder / "PhotoKept/1.json").write_text("{}")
    assert generate.main(["--check"], folder, [second], upcasters) == 1
    assert "PhotoKept: the file of version 1 was changed" in errors()
    (folder / "PhotoKept/1.json").unlink()
    assert compatibility.main([], folder) == 1
    assert "PhotoKept: the file of version 1 was deleted" in errors()
    commit(folder)
    assert generate.main(["--check"], folder, [second], upcasters) == 1
    assert "PhotoKept: the file of version 1 is missing" in errors()


def test_a_bad_change_is_found_against_any_git_ref(folder: Path, errors: Errors) -> None:
    git(folder, "tag", "base")
    assert generate.main(["--against", "HEAD"], folder, [event_type(extra=(str | None, None))], {}) == 0
    commit(folder)
    path = folder / "PhotoKept/1.json"
    path.write_text(path.read_text().replace('"maximum": 10', '"maximum": 9'))
    commit(folder)
    assert compatibility.main([], folder) == 0
    assert compatibility.main(["--against", "base"], folder) == 1
    assert "PhotoKept.count: maximum was lowered from 10 to 9" in errors()


def test_a_ref_that_git_does_not_know_is_a_wrong_call(folder: Path, errors: Errors) -> None:
    assert compatibility.main(["--against", "nowhere"], folder) == 2
    assert "git knows no commit 'nowhere'" in errors()
    assert generate.main(["--against=-x"], folder, [event_type()], {}) == 2


def test_a_schema_file_that_is_no_json_is_a_wrong_call(folder: Path, errors: Errors) -> None:
    (folder / "PhotoKept/1.json").write_text("{")
    assert generate.main([], folder, [event_type()], {}) == 2
    assert "PhotoKept/1.json is not JSON" in errors()


def test_outside_of_git_the_files_themselves_are_what_was_published(tmp_path: Path, errors: Errors) -> None:
    assert generate.main([], tmp_path, [event_type()], {}) == 0
    assert generate.main([], tmp_path, [event_type(note=GONE)], {}) == 1
    assert "PhotoKept.note: the field was removed" in errors()
