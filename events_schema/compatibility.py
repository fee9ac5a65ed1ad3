"""What may change within one schema version, and what may not: the rules that protect the history.

Old events must stay readable for new code, and new events for old code that still runs during a deployment. Pure
functions on JSON Schemas; `python -m events_schema.compatibility --against <git ref>` compares the committed files.
"""

from __future__ import annotations

import json
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from domain.errors import InvalidInput
from events_schema.contract import FOLDER, Contract, Schema, read_folder, read_git

__all__ = ["Problem", "breaches", "incompatibilities", "main"]

_OLD_EVENTS = "old events could not be read: raise VERSION and write an upcaster"
_OLD_READERS = "readers of before could not read new events: raise VERSION and write an upcaster"
_OLD_MEANING = "old events would come to mean something else: raise VERSION and write an upcaster"
_IMMUTABLE = "a published version never changes: restore the file from git"


class Problem(Struct, frozen=True):
    """One change that the history, or a reader of it, could not survive."""

    event: str
    field: str  # dotted path: `run.step`, `renditions[].width`, `labels.*`; "" for the type as a whole
    what: str
    advice: str

    def __str__(self) -> str:
        place = f"{self.event}.{self.field}" if self.field else self.event
        return f"{place}: {self.what}; {self.advice}"


def incompatibilities(old: Schema, new: Schema) -> list[Problem]:
    """Changes between two states of the same version of one event type that old events or old readers can't survive.

    A new field with a default, other words in a description and a looser bound are none. (A looser bound does let
    pass what an old reader parks; it is admitted because that reader finds it again after its own update.)
    """
    event = str(new.get("title") or old.get("title") or "?")
    problems = list(_Comparison(old, new, event).compare(old, new, ""))
    if old.get("x-stream") != new.get("x-stream"):
        what = f"moved from the {old.get('x-stream')} stream to the {new.get('x-stream')} stream"
        problems.append(Problem(event, "", what, "old events stay where they are: make it a new event type"))
    return problems


def breaches(published: Contract, planned: Contract) -> list[Problem]:
    """Everything in `planned` that breaks what was published, by event type and version.

    The newest published version may change compatibly as long as no newer one is planned; those before it not at all.
    """
    problems: list[Problem] = []
    for event in sorted({name for name, _ in published}):
        was = sorted(version for name, version in published if name == event)
        now = sorted(version for name, version in planned if name == event)
        if not now:
            advice = "its events are in the history for good: keep the class in EVENTS, even if nothing appends it now"
            problems.append(Problem(event, "", "the event type was removed", advice))
            continue
        if now[-1] < was[-1]:
            what = f"VERSION was lowered from {was[-1]} to {now[-1]}"
            problems.append(Problem(event, "", what, "events of the higher version could not be read: raise it again"))
        for version in was:
            old, new = published[event, version], planned.get((event, version))
            if new is None:
                if version < now[-1]:
                    problems.append(Problem(event, "", f"the file of version {version} was deleted", _IMMUTABLE))
            elif version < now[-1]:
                if new != old:
                    problems.append(Problem(event, "", f"the file of version {version} was changed", _IMMUTABLE))
            else:
                problems += incompatibilities(old, new)
    return problems


class _Comparison:
    """Walks two schemas side by side, each with its own `$defs`."""

    def __init__(self, old: Schema, new: Schema, event: str) -> None:
        self.old_defs: Mapping[str, Schema] = old.get("$defs", {})
        self.new_defs: Mapping[str, Schema] = new.get("$defs", {})
        self.event = event
        self.open: set[tuple[int, int]] = set()  # pairs under comparison: a type may hold itself

    def compare(self, old: Schema, new: Schema, field: str) -> Iterator[Problem]:
        was, now = _alternatives(old, self.old_defs), _alternatives(new, self.new_defs)
        gone, come = [kind for kind in was if kind not in now], [kind for kind in now if kind not in was]
        if gone and come:
            yield self._problem(field, f"type changed from {' or '.join(was)} to {' or '.join(now)}", _OLD_EVENTS)
        elif gone:
            yield self._problem(field, f"can't be {' or '.join(gone)} any more", _OLD_EVENTS)
        elif come:
            yield self._problem(field, f"can now be {' or '.join(come)} too", _OLD_READERS)
        for kind in was:
            if kind in now:
                yield from self._compare_kind(was[kind], now[kind], field)

    def _compare_kind(self, old: Schema, new: Schema, field: str) -> Iterator[Problem]:
        if (pair := (id(old), id(new))) in self.open:
            return
        self.open.add(pair)
        yield from self._compare_values(old, new, field)
        yield from self._compare_bounds(old, new, field)
        yield from self._compare_items(old, new, field)
        if "properties" in old or "properties" in new:
            yield from self._compare_fields(old, new, field)
        yield from self._compare_additional(old, new, field)
        self.open.discard(pair)

    def _compare_values(self, old: Schema, new: Schema, field: str) -> Iterator[Problem]:
        was, now = _values(old), _values(new)
        if gone := [value for value in was if value not in now]:
            yield self._problem(field, f"lost the value {_words(gone)}", _OLD_EVENTS)
        if come := [value for value in now if value not in was]:
            yield self._problem(field, f"gained the value {_words(come)}", _OLD_READERS)

    def _compare_bounds(self, old: Schema, new: Schema, field: str) -> Iterator[Problem]:
        for name in ("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"):
            if name in new and _lower(new, name) > _lower(old, name):
                yield self._problem(
                    field, f"{name} was raised from {old.get(name, 'none')} to {new[name]}", _OLD_EVENTS
                )
        for name in ("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"):
            if name in new and _upper(new, name) < _upper(old, name):
                what = f"{name} was lowered from {old.get(name, 'none')} to {new[name]}"
                yield self._problem(field, what, _OLD_EVENTS)
        for name in ("pattern", "multipleOf"):
            if name in new and new[name] != old.get(name):
                yield self._problem(field, f"{name} changed from {old.get(name, 'none')} to {new[name]}", _OLD_EVENTS)

    def _compare_items(self, old: Schema, new: Schema, field: str) -> Iterator[Problem]:
        was, now = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(was) != len(now):
            yield self._problem(field, f"has {len(now)} fixed places where it had {len(was)}", _OLD_EVENTS)
        for place, (before, after) in enumerate(zip(was, now, strict=False)):
            yield from self.compare(before, after, f"{field}[{place}]")
        before, after = old.get("items"), new.get("items")
        if isinstance(before, dict) or isinstance(after, dict):
            # `items: false` closes a list of fixed places, whose number was compared above.
            yield from self.compare(before or {}, after or {}, f"{field}[]")

    def _compare_fields(self, old: Schema, new: Schema, field: str) -> Iterator[Problem]:
        was, now = old.get("properties", {}), new.get("properties", {})
        must, musts = set(old.get("required", ())), set(new.get("required", ()))
        prefix = f"{field}." if field else ""
        for name in was:
            path = prefix + name
            if name not in now:
                twin = next((other for other in now if other not in was and _same(was[name], now[other])), None)
                what = f"the field was renamed to {twin}" if twin else "the field was removed"
                yield self._problem(path, what, "what old events say in it would be lost: keep it, or raise VERSION")
                continue
            if name in musts - must:
                yield self._problem(path, "the field became required", _OLD_EVENTS)
            elif name in must - musts:
                yield self._problem(path, "the field became optional", _OLD_READERS)
            elif not _kept(was[name].get("default"), now[name].get("default")):
                before, after = json.dumps(was[name].get("default")), json.dumps(now[name].get("default"))
                yield self._problem(path, f"the default changed from {before} to {after}", _OLD_MEANING)
            before, after = was[name].get("x-unit"), now[name].get("x-unit")
            if before and after and before != after:
                yield self._problem(path, f"the unit changed from {before} to {after}", _OLD_MEANING)
            yield from self.compare(was[name], now[name], path)
        for name in now:
            if name not in was and name in musts:
                yield self._problem(prefix + name, "a new field is required", "old events lack it: give it a default")

    def _compare_additional(self, old: Schema, new: Schema, field: str) -> Iterator[Problem]:
        was, now = old.get("additionalProperties", True), new.get("additionalProperties", True)
        path = f"{field}.*" if field else "*"
        if now is False and was is not False:
            yield self._problem(path, "fields of other names are refused now", _OLD_EVENTS)
        elif isinstance(was, dict) or isinstance(now, dict):
            yield from self.compare(was if isinstance(was, dict) else {}, now if isinstance(now, dict) else {}, path)

    def _problem(self, field: str, what: str, advice: str) -> Problem:
        return Problem(self.event, field, what, advice)


def _alternatives(schema: Schema, defs: Mapping[str, Schema]) -> dict[str, Schema]:
    """What a value may be: a word for each kind -> its schema, references resolved, unions flattened."""
    if "$ref" in schema:
        return _alternatives(defs[schema["$ref"].rsplit("/", 1)[-1]], defs)
    if "anyOf" in schema:
        members = [_alternatives(member, defs) for member in schema["anyOf"]]
        objects = sum(kind == "an object" for member in members for kind in member)
        found: dict[str, Schema] = {}
        for member in members:
            for kind, each in member.items():
                named = objects > 1 and kind == "an object"
                found[f"an object {each.get('title', '')}" if named else kind] = each
        return found
    return {_kind(schema): schema}


def _kind(schema: Schema) -> str:
    if _values(schema):
        return "one of a set of values"
    kind = str(schema.get("type", "anything"))
    if kind == "string":
        kind = str(schema.get("format") or schema.get("contentEncoding") or kind)
    article = "" if kind in ("null", "anything") else "an " if kind[0] in "aeiou" else "a "
    return article + kind


def _values(schema: Schema) -> Sequence[Any]:
    values: Sequence[Any] = schema.get("enum", [schema["const"]] if "const" in schema else [])
    return values


def _lower(schema: Schema, name: str) -> float:
    return float(schema.get(name, "-inf" if name in ("minimum", "exclusiveMinimum") else 0))


def _upper(schema: Schema, name: str) -> float:
    return float(schema.get(name, "inf"))


def _kept(old: Any, new: Any) -> bool:
    """Whether a default means what it meant; that of a nested struct shows the struct's new fields too."""
    if isinstance(old, dict) and isinstance(new, dict):
        return all(name not in new or _kept(value, new[name]) for name, value in old.items())
    return bool(old == new)


def _same(old: Schema, new: Schema) -> bool:
    """Equal but for the words."""
    words = ("description", "title")
    return {k: v for k, v in old.items() if k not in words} == {k: v for k, v in new.items() if k not in words}


def _words(values: Sequence[Any]) -> str:
    return ", ".join(json.dumps(value) for value in values)


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Compare the schema files with those of a git ref; 0: compatible, 1: not, 2: the call is wrong."""
    parser = ArgumentParser(prog="python -m events_schema.compatibility", description=main.__doc__)
    parser.add_argument("--against", default="HEAD", help="git ref that holds what was published (default: HEAD)")
    options = parser.parse_args(arguments)
    try:
        problems = breaches(read_git(folder, options.against), read_folder(folder))
    except InvalidInput as error:
        sys.stderr.write(f"{error}\n")
        return 2
    for problem in problems:
        sys.stderr.write(f"{problem}\n")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
