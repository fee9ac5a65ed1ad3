"""Hypothesis strategies for events and commits, built from the event classes themselves with all their limits.

`event_of(cls)` makes one type, `events()` any; `commits()` is one valid commit, `histories()` a stream's whole chain.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from msgspec import inspect

from domain.commits import GENESIS, Commit, stream_name
from domain.events import EVENTS, Event
from events_schema.codec import EventCodec

# A busy machine is no failure: what a test checks is what happens, not how fast.
settings.register_profile("photovault", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("photovault")

_CODEC = EventCodec()
_MAX_ITEMS = 3  # more of the same finds nothing new
_MOMENTS = st.datetimes(datetime(1970, 1, 2), datetime(2200, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
_IDS = st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=1, max_size=26)


def event_of(cls: type[Event]) -> st.SearchStrategy[Event]:
    """Any valid event of one type."""
    return _struct(inspect.type_info(cls))


def events(types: Sequence[type[Event]] = EVENTS) -> st.SearchStrategy[Event]:
    """Any valid event of any type."""
    return st.one_of([event_of(cls) for cls in types])


def moments() -> st.SearchStrategy[datetime]:
    """Moments in UTC, to the microsecond."""
    return _MOMENTS


def streams() -> st.SearchStrategy[str]:
    """Names of streams."""
    return st.builds(stream_name, _IDS, st.sampled_from(sorted({cls.STREAM for cls in EVENTS})), _IDS)


@st.composite
def commits(draw: st.DrawFn, decided: st.SearchStrategy[Event] | None = None) -> Commit:
    """One valid commit, at any place in its stream; `decided` gives its events."""
    return draw(_commit(draw(streams()), draw(st.integers(1, 1000)), draw(st.integers(1, 1000)), GENESIS, decided))


@st.composite
def histories(draw: st.DrawFn, max_commits: int = 5, decided: st.SearchStrategy[Event] | None = None) -> list[Commit]:
    """All commits of one stream: numbers and versions without gaps, each hash over the one before."""
    stream, version, previous = draw(streams()), 1, GENESIS
    history: list[Commit] = []
    for number in range(1, draw(st.integers(1, max_commits)) + 1):
        commit = draw(_commit(stream, number, version, previous, decided))
        history.append(commit)
        version, previous = commit.last_version + 1, commit.hash
    return history


@st.composite
def _commit(
    draw: st.DrawFn,
    stream: str,
    number: int,
    version: int,
    previous: bytes,
    decided: st.SearchStrategy[Event] | None,
) -> Commit:
    batch = draw(st.lists(decided if decided is not None else events(), min_size=1, max_size=_MAX_ITEMS))
    ident = f"{number}{draw(_IDS)}"
    commit = Commit(
        stream=stream,
        number=number,
        first_version=version,
        count=len(batch),
        commit_id=ident,
        recorded_us=draw(st.integers(0, 2**52)),
        actor=draw(st.sampled_from(["import", "step:metadata", "person:anna"])),
        correlation_id=draw(_IDS),
        causation_id=draw(st.none() | _IDS),
        body=_CODEC.encode(batch, ident, draw(_MOMENTS)),
        prev_hash=previous,
    )
    return msgspec.structs.replace(commit, hash=commit.computed_hash())


def _struct(info: Any) -> st.SearchStrategy[Any]:
    """A struct from its fields; what has a default takes it, or anything else that it may be."""
    fields = {field.name: _field(field) for field in info.fields}
    return st.builds(info.cls, **fields)


def _field(field: inspect.Field) -> st.SearchStrategy[Any]:
    values = _values(field.type)
    if field.required:
        return values
    factory = field.default_factory
    default = st.just(field.default) if factory is msgspec.NODEFAULT else st.builds(factory)
    return default | values


def _values(info: Any) -> st.SearchStrategy[Any]:
    match info:
        case inspect.Metadata():
            return _values(info.type)
        case inspect.UnionType():
            return st.one_of([_values(each) for each in info.types])
        case inspect.StructType():
            return _struct(info)
        case inspect.LiteralType():
            return st.sampled_from(info.values)
        case inspect.EnumType():
            return st.sampled_from(list(info.cls))
        case inspect.NoneType():
            return st.none()
        case inspect.BoolType():
            return st.booleans()
        case inspect.IntType() | inspect.FloatType():
            return _numbers(info)
        case inspect.StrType():
            return _texts(info)
        case inspect.DateTimeType():
            return _MOMENTS
        case inspect.VarTupleType() | inspect.ListType() | inspect.FrozenSetType() | inspect.SetType():
            return _lists(info)
        case inspect.TupleType():
            return st.tuples(*[_values(each) for each in info.item_types])
        case inspect.DictType():
            low, high = _length(info)
            return st.dictionaries(_values(info.key_type), _values(info.value_type), min_size=low, max_size=high)
        case inspect.AnyType():
            return st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text()
    raise NotImplementedError(f"no strategy for {type(info).__name__}: add one to tests/strategies.py")


def _numbers(info: Any) -> st.SearchStrategy[Any]:
    if isinstance(info, inspect.FloatType):
        low, high = (info.gt if info.ge is None else info.ge), (info.lt if info.le is None else info.le)
        return st.floats(
            low, high, exclude_min=info.gt is not None, exclude_max=info.lt is not None, allow_nan=False
        ).filter(lambda value: abs(value) != float("inf"))
    low = -(2**63) if info.ge is None and info.gt is None else info.ge if info.ge is not None else info.gt + 1
    high = 2**63 - 1 if info.le is None and info.lt is None else info.le if info.le is not None else info.lt - 1
    return st.integers(low, high)


def _texts(info: inspect.StrType) -> st.SearchStrategy[str]:
    if info.pattern is not None:
        return st.from_regex(info.pattern, fullmatch=True)
    return st.text(min_size=info.min_length or 0, max_size=info.max_length)


def _lists(info: Any) -> st.SearchStrategy[Any]:
    low, high = _length(info)
    items = st.lists(_values(info.item_type), min_size=low, max_size=high)
    match info:
        case inspect.VarTupleType():
            return items.map(tuple)
        case inspect.FrozenSetType():
            return items.map(frozenset)
        case inspect.SetType():
            return items.map(set)
    return items


def _length(info: Any) -> tuple[int, int]:
    low = info.min_length or 0
    high = _MAX_ITEMS if info.max_length is None else min(info.max_length, _MAX_ITEMS)
    return low, max(low, high)
