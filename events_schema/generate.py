"""Writes the contract: a JSON Schema for each event type's current version, and the catalogue page.

`python -m events_schema.generate` writes, and refuses what the history could not survive; with `--check` it writes
nothing and fails when the committed files are not what the code says.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from domain.errors import InvalidInput
from domain.events import EVENTS, Event
from events_schema.catalogue import page
from events_schema.codec import Envelope
from events_schema.compatibility import Problem, breaches
from events_schema.contract import FOLDER, Contract, Schema, path_of, read_folder, read_git
from events_schema.upcasters import UPCASTERS, Upcasters, check_upcasters

__all__ = ["COMMAND", "Plan", "main", "plan", "schema_of"]

COMMAND = "python -m events_schema.generate"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_UNIT_BY_SUFFIX = {
    "_ms": "ms",
    "_seconds": "s",
    "_minutes": "min",
    "_bytes": "bytes",
    "_px": "px",
    "_mm": "mm",
    "_m": "m",
}


class Plan(Struct, frozen=True):
    """What the folder should hold, and what stands against it."""

    files: dict[str, str]  # path inside the folder -> text; the files of older versions are not among them
    superfluous: tuple[str, ...]  # schema files in the folder that the code does not know
    problems: tuple[Problem, ...]


def schema_of(cls: type[Event]) -> Schema:
    """JSON Schema (2020-12) of an event type's `data` in its current version, with all that it refers to."""
    schema, parts = _struct_schema(cls, f"urn:photovault:event:{cls.__name__}:{cls.VERSION}")
    for name in cls.PERSONAL:  # stored sealed (events_schema/sealing.py)
        schema["properties"][name]["x-personal"] = True
    about = {"x-version": cls.VERSION, "x-stream": cls.STREAM, "x-appended-when": cls.WHEN, "x-appended-by": cls.BY}
    return _ordered(schema, about, parts)


def plan(
    folder: Path,
    published: Contract,
    events: Sequence[type[Event]] = EVENTS,
    upcasters: Upcasters = UPCASTERS,
) -> Plan:
    """What should be in the folder according to the code, judged against what was published.

    Raises:
        ValueError: an upcaster is missing or leads nowhere.
        InvalidInput: a schema file in the folder is not JSON.
    """
    check_upcasters(events, upcasters)
    present = read_folder(folder)
    current = {(cls.__name__, cls.VERSION): schema_of(cls) for cls in events}
    older = {(cls.__name__, version) for cls in events for version in range(1, cls.VERSION)}
    planned = {key: schema for key, schema in present.items() if key in older} | current
    problems = breaches(published, planned) + [
        Problem(event, "", f"the file of version {version} is missing", "restore events_schema/" + path_of(*key))
        for key in sorted(older - planned.keys() - published.keys())
        for event, version in [key]
    ]
    files = {path_of(*key): _text(schema) for key, schema in current.items()}
    files["envelope.json"] = _text(_envelope_schema())
    files["README.md"] = page([cls.__name__ for cls in events], planned, _envelope_schema(), upcasters, COMMAND)
    superfluous = tuple(path_of(*key) for key in sorted(present.keys() - planned.keys()))
    return Plan(files, superfluous, tuple(problems))


def main(
    arguments: Sequence[str] | None = None,
    folder: Path = FOLDER,
    events: Sequence[type[Event]] = EVENTS,
    upcasters: Upcasters = UPCASTERS,
) -> int:
    """Write the schema of every event type and the catalogue page, unless the history could not survive the change."""
    parser = ArgumentParser(prog=COMMAND, description=main.__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file differs from the code")
    parser.add_argument(
        "--against",
        help="git ref that holds what was published (default: HEAD, or without git the files as they are); "
        "name an earlier one to rewrite a version that was committed but never released",
    )
    options = parser.parse_args(arguments)
    try:
        planned = plan(folder, _published(folder, options.against), events, upcasters)
    except (InvalidInput, ValueError) as error:
        return _complain([str(error)], 2)
    complaints = [str(problem) for problem in planned.problems]
    if options.check:
        return _complain(complaints + list(_differences(folder, planned)), 1)
    if complaints:
        return _complain([*complaints, "nothing was written"], 1)
    _write(folder, planned)
    return 0


def _published(folder: Path, ref: str | None) -> Contract:
    if ref is not None:
        return read_git(folder, ref)
    try:
        return read_git(folder, "HEAD")
    except InvalidInput:
        return read_folder(folder)


def _differences(folder: Path, planned: Plan) -> Iterator[str]:
    for name, text in sorted(planned.files.items()):
        path = folder / name
        if not path.exists():
            yield f"{path} is missing: run `{COMMAND}` and commit what it writes"
        elif path.read_bytes() != text.encode():
            yield f"{path} is not what the code says: run `{COMMAND}` and commit what it writes"
    for name in planned.superfluous:
        yield f"{folder / name} belongs to no event version in the code: run `{COMMAND}`, which removes it"


def _write(folder: Path, planned: Plan) -> None:
    for name, text in planned.files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_bytes() != text.encode():
            path.write_bytes(text.encode())
    for name in planned.superfluous:
        (folder / name).unlink()
        if not any((folder / name).parent.iterdir()):
            (folder / name).parent.rmdir()


def _complain(complaints: Sequence[str], code: int) -> int:
    sys.stderr.writelines(f"{complaint}\n" for complaint in complaints)
    return code if complaints else 0


def _envelope_schema() -> Schema:
    schema, parts = _struct_schema(Envelope, "urn:photovault:envelope")
    schema["properties"]["data"]["type"] = "object"
    return _ordered(schema, {}, parts)


def _struct_schema(cls: type[Struct], ident: str) -> tuple[Schema, dict[str, Schema]]:
    """A struct's own schema with its id, and those of the structs inside it by name."""
    _, generated = msgspec.json.schema_components([cls], ref_template="#/$defs/{name}")
    parts: dict[str, Schema] = json.loads(json.dumps(generated))  # as a file says it: a default of () is []
    for part in parts.values():
        for name, field in part.get("properties", {}).items():
            part["properties"][name] = _annotated(name, field)
    own = {"$schema": _DIALECT, "$id": ident, **parts[cls.__name__]}
    # A type that holds itself is both the whole and a part.
    if f'"#/$defs/{cls.__name__}"' not in json.dumps(parts):
        del parts[cls.__name__]
    return own, {name: parts[name] for name in sorted(parts)}


def _annotated(name: str, field: Schema) -> Schema:
    """Description and unit of `X | None` belong to the field; a name that ends in a unit says it."""
    for member in field.get("anyOf", ()):
        for key in ("description", "x-unit"):
            if key in member:
                field.setdefault(key, member[key])
                del member[key]
    unit = next((unit for suffix, unit in _UNIT_BY_SUFFIX.items() if name.endswith(suffix)), None)
    if unit:
        field.setdefault("x-unit", unit)
    first: Schema = {key: field[key] for key in ("description", "x-unit") if key in field}
    return {**first, **{key: value for key, value in field.items() if key not in first}}


def _ordered(schema: Schema, about: dict[str, Any], parts: dict[str, Schema]) -> Schema:
    """Who and what first, then the fields in the order of the class, then what they refer to."""
    head: Schema = {key: schema[key] for key in ("$schema", "$id", "title", "description") if key in schema}
    body = {key: value for key, value in schema.items() if key not in head}
    return {**head, **about, **body, **({"$defs": parts} if parts else {})}


def _text(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
