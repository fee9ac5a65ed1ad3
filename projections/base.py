"""A projection: a pure fold of one kind of stream into rows. The engines beside it do the reading and the writing.

Each stream has one *home* row, whose key follows from the stream's name alone. It carries the whole state and, as its
version, the checkpoint; so a projector needs nothing but that row to go on. A projection may add other rows (one for
each path of a file, say) and contribute to totals (docs/adr/0005-version-in-the-row.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

import msgspec
from msgspec import NODEFAULT, Struct, structs

from domain.commits import Commit, Recorded, split_stream
from domain.events import AssetErased, AssetRestored, AssetTrashed, Event
from domain.moderation import Verdict
from domain.ports import Row, ViewTable
from domain.scanning import Safety

S = TypeVar("S", bound=Struct)
Totals: TypeAlias = Mapping[str, Mapping[str, int]]
Locate: TypeAlias = Callable[[str], str]  # a blob's key -> where a person or a program can open it

_encode = msgspec.msgpack.Encoder().encode


class OtherRow(Struct, frozen=True):
    """A row beside the home row."""

    data: Any  # anything msgpack can hold
    index: tuple[str | None, ...] = ()
    version: int | None = None  # for a key that several streams may write: what orders them; else the stream's version
    gone: bool = False  # a tombstone from the start: the row was right once, and nobody who is late may bring it back


def _trashed(state: Any, event: AssetTrashed, commit: Commit) -> Any:
    return structs.replace(state, trashed=commit.recorded_at.isoformat())


def _restored(state: Any, event: AssetRestored, commit: Commit) -> Any:
    return structs.replace(state, trashed=None)


def _erased(state: Any, event: AssetErased, commit: Commit) -> Any:
    return type(state)(trashed=ERASED)


ERASED = "erased"
"""Of a state's field `trashed`: nothing else is known of the asset any more."""

_OF_TRASH: Mapping[type[Event], Callable[[Any, Any, Commit], Any]] = {
    AssetTrashed: _trashed,
    AssetRestored: _restored,
    AssetErased: _erased,
}


class Projection(Generic[S]):
    """Base of all projections; a subclass sets the constants, `on`, and what it needs of the methods.

    A state with a field `trashed: str | None = None` follows the trash by itself: while the asset is there, its home
    row is in no index, no row stands beside it, it counts in no total, and `served` withholds its pictures; with
    `follows_trash` false it is shown as ever. Of an erased asset nothing is left but a tombstone with its version.

    A state that is `array_like` makes rows without field names, which are smaller and quicker to write; a new field
    comes last there, and has a default.

    All methods are pure. `on` maps an event's type to a function (state, event, commit) -> state; an event that is not
    in it leaves the state as it is (its version still moves on).
    """

    name: ClassVar[str]
    version: ClassVar[int]  # raise it when old rows are not what this code would write: a rebuild is then due
    about: ClassVar[str]
    category: ClassVar[str] = "asset"  # the streams that it folds
    indexes: ClassVar[tuple[str, ...]] = ()
    has_totals: ClassVar[bool] = False
    loses_others: ClassVar[bool] = False  # whether `others` may name fewer rows than before
    follows_trash: ClassVar[bool] = True
    state: type[S]
    on: Mapping[type[Event], Callable[[S, Any, Commit], S]]

    def __init__(self) -> None:
        self._decode = msgspec.msgpack.Decoder(self.state).decode

    @cached_property
    def handlers(self) -> Mapping[type[Event], Callable[[S, Any, Commit], S]]:
        """`on`, and what the trash adds to it."""
        return {**_OF_TRASH, **self.on} if "trashed" in self.state.__struct_fields__ else self.on

    def start(self, stream: str) -> S:
        """The state before the first event."""
        return self.state()

    def evolve(self, state: S, recorded: Recorded) -> S:
        """The state after one more event."""
        handler = self.handlers.get(type(recorded.event))
        return handler(state, recorded.event, recorded.commit) if handler else state

    def home(self, stream: str) -> tuple[str, str]:
        """Partition and key of the stream's home row."""
        owner, _, ident = split_stream(stream)
        return owner, ident

    def keys(self, state: S) -> tuple[str | None, ...]:
        """The home row's sort key in each index; None: not in it."""
        return ()

    def others(self, state: S) -> Mapping[str, OtherRow]:
        """Rows beside the home row, by key, in the same partition. One that is no longer here is deleted. Not for a
        projection with totals, which are counted over its rows."""
        return {}

    @classmethod
    def has_others(cls) -> bool:
        """Whether there may be rows beside the home row."""
        return cls.others is not Projection.others

    def totals(self, state: S) -> Totals:
        """What the stream contributes to its partition's totals: total -> counter -> value."""
        return {}

    def in_trash(self, state: S) -> bool:
        """Whether the asset is in its owner's trash, and this view follows that."""
        return self.follows_trash and getattr(state, "trashed", None) is not None

    def erased(self, state: S) -> bool:
        """Whether the asset was erased."""
        return getattr(state, "trashed", None) == ERASED

    def trash_keys(self, state: S) -> tuple[str | None, ...]:
        """As `keys`, of an asset in the trash: in no index, unless a projection lists the trash."""
        return (None,) * len(self.indexes)

    def trash_others(self, state: S) -> Mapping[str, OtherRow]:
        """As `others`, of an asset in the trash."""
        return {}

    def trash_totals(self, state: S) -> Totals:
        """As `totals`, of an asset in the trash."""
        return {}

    def counted(self, state: S) -> Totals:
        """What the stream contributes to totals, in the trash or not."""
        if self.erased(state):
            return {}
        return self.trash_totals(state) if self.in_trash(state) else self.totals(state)

    def show(self, state: S, locate: Locate) -> dict[str, Any]:
        """The home row as the query's caller sees it."""
        shown: dict[str, Any] = plain(state)
        return shown

    def safety(self, state: S) -> Safety | None:
        """How safe the file behind a row is known to be; None where rows show nothing of files."""
        return None

    def verdict(self, state: S) -> Verdict | None:
        """How the file's pictures may be shown, by moderation; None while nobody has judged them."""
        return None

    def withhold(self, state: S) -> S:
        """The state without anything that leads to the file's bytes or to a picture of them."""
        return state

    def table(self, generation: int) -> ViewTable:
        """The table of one generation."""
        return ViewTable(self.name, generation, self.indexes)

    def decode(self, data: bytes) -> S:
        """The state inside a home row."""
        return self._decode(data)

    def home_row(self, stream: str, state: S, version: int) -> Row:
        """The home row that shows a stream at a version."""
        partition, key = self.home(stream)
        if self.erased(state):
            return Row(partition, key, version, _encode(state), (None,) * len(self.indexes), deleted=True)
        keys = self.trash_keys(state) if self.in_trash(state) else self.keys(state)
        return Row(partition, key, version, _encode(state), keys)

    def _beside(self, state: S) -> Mapping[str, OtherRow]:
        if self.erased(state):
            return {}
        return self.trash_others(state) if self.in_trash(state) else self.others(state)

    def other_rows(self, stream: str, before: S | None, after: S, version: int) -> Sequence[Row]:
        """Other rows that changed between two states of a stream, and tombstones for those that went away."""
        new = self._beside(after)
        old = self._beside(before) if before is not None else {}
        if not new and not old:
            return ()
        partition, _ = self.home(stream)
        nowhere = (None,) * len(self.indexes)
        rows = [
            Row(
                partition,
                key,
                other.version or version,
                b"" if other.gone else _encode(other.data),
                other.index or nowhere,
                other.gone,
            )
            for key, other in new.items()
            if old.get(key) != other
        ]
        rows += [
            Row(partition, key, version if other.version is None else other.version + 1, b"", nowhere, deleted=True)
            for key, other in old.items()
            if key not in new
        ]
        return rows


def plain(value: Any) -> Any:
    """Structs as dicts by field name, however rows store them; fields that have their default are left out."""
    if isinstance(value, Struct):
        named = {field.encode_name: (getattr(value, field.name), field) for field in structs.fields(value)}
        return {name: plain(held) for name, (held, field) in named.items() if held not in _defaults(field)}
    if isinstance(value, dict):
        return {key: plain(held) for key, held in value.items()}
    if isinstance(value, tuple):
        return tuple(plain(held) for held in value)
    return value


def _defaults(field: structs.FieldInfo) -> tuple[Any, ...]:
    if field.default is not NODEFAULT:
        return (field.default,)
    return (field.default_factory(),) if field.default_factory is not NODEFAULT else ()


def difference(before: Totals, after: Totals) -> Totals:
    """What must be added to totals when a contribution changes; counters that stay are left out."""
    if not before:  # a new contribution: the only case in a replay
        if all(all(counters.values()) for counters in after.values()):
            return after
        without_zeros = {total: {name: n for name, n in counters.items() if n} for total, counters in after.items()}
        return {total: counters for total, counters in without_zeros.items() if counters}
    if before == after:
        return {}
    changed: dict[str, dict[str, int]] = {}
    for total in {*before, *after}:
        old, new = before.get(total, {}), after.get(total, {})
        deltas = {counter: new.get(counter, 0) - old.get(counter, 0) for counter in {*old, *new}}
        deltas = {counter: delta for counter, delta in sorted(deltas.items()) if delta}
        if deltas:
            changed[total] = deltas
    return changed
