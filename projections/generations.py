"""Generations: blue/green rebuilds of a projection, so that a reader never sees a half-built view.

    backfilling -> verifying -> ready -> active -> draining -> (dropped)

The live projector feeds every generation from the moment it exists; a replay fills in what was before. The move of the
alias is one conditional write. The generation that was active drains (still fed, so that a roll-back is one more such
write) until the next rebuild drops it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from msgspec import Struct, structs

from domain.commits import to_us
from domain.errors import InvalidInput, ViewUnavailable
from domain.eventstore import utc_now
from domain.ports import Checkpoints, ViewStore, ViewTable
from projections.base import Projection

Status = Literal["backfilling", "verifying", "ready", "active", "draining"]
_KIND = "projection"


class Generation(Struct, frozen=True):
    """One build of a projection's rows."""

    number: int
    version: int  # of the projection's code that writes it
    status: Status
    created_us: int


class Registered(Struct, frozen=True):
    """All generations of a projection, and which one readers see."""

    active: int | None = None
    last: int = 0
    generations: tuple[Generation, ...] = ()

    def find(self, number: int | None) -> Generation | None:
        """A generation by its number."""
        return next((g for g in self.generations if g.number == number), None)


_decode = msgspec.msgpack.Decoder(Registered).decode
_encode = msgspec.msgpack.Encoder().encode


class Generations:
    """The register of generations, kept in `Checkpoints`; each change is a compare-and-set."""

    def __init__(
        self,
        views: ViewStore,
        checkpoints: Checkpoints,
        projections: Sequence[Projection[Any]],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._views = views
        self._checkpoints = checkpoints
        self.projections: Mapping[str, Projection[Any]] = {p.name: p for p in projections}
        self._clock = clock

    def projection(self, name: str) -> Projection[Any]:
        """A projection by its name; `InvalidInput` lists those that there are."""
        if name not in self.projections:
            raise InvalidInput(f"there is no view {name!r}; there are: {', '.join(self.projections)}")
        return self.projections[name]

    def registered(self, name: str) -> Registered:
        """What is known of a projection's generations."""
        entry = self._checkpoints.load(_KIND, name)
        return _decode(entry.value) if entry else Registered()

    def ensure(self, *, empty: bool, tables: Callable[[], Mapping[str, Collection[int]]] | None = None) -> None:
        """Give every projection without a generation its first: active at once when the history is empty, else
        backfilling until a replay has filled it.

        Args:
            tables: looks up the generations of each projection that the view store holds, where it may have been lost
                or kept without the register. A generation without its table is forgotten. What an earlier register
                left is never taken for a new generation's rows: it gets a number of its own, is neither fed nor read,
                and is dropped by the next rebuild.
        """
        registered = {name: self.registered(name) for name in self.projections}
        held = tables() if tables else None  # after the register: what that names was made before
        for name, projection in self.projections.items():
            if registered[name].last == 0:
                self._found(projection, sorted(held.get(name, ())) if held else [], empty=empty)
            elif held is not None:
                lost = {g.number for g in registered[name].generations}.difference(held.get(name, ()))
                if lost:
                    self._forget(name, lost)

    def _found(self, projection: Projection[Any], leftovers: Sequence[int], *, empty: bool) -> None:
        now = to_us(self._clock())
        number = max(leftovers, default=0) + 1
        self._views.create(projection.table(number))
        generations = (
            *(Generation(left, 0, "backfilling", now) for left in leftovers),
            Generation(number, projection.version, "active" if empty else "backfilling", now),
        )
        value = _encode(Registered(number if empty else None, number, generations))
        self._checkpoints.save(_KIND, projection.name, value, expected=0)

    def _forget(self, name: str, lost: Collection[int]) -> None:
        def change(registered: Registered) -> Registered:
            kept = tuple(g for g in registered.generations if g.number not in lost)
            active = None if registered.active in lost else registered.active
            return structs.replace(registered, active=active, generations=kept)

        self._change(name, change)

    def begin(self, name: str) -> Generation:
        """A new, empty generation, fed by the live projector from now on."""
        projection = self.projection(name)

        def add(registered: Registered) -> Registered:
            new = Generation(registered.last + 1, projection.version, "backfilling", to_us(self._clock()))
            self._views.create(projection.table(new.number))
            return structs.replace(registered, last=new.number, generations=(*registered.generations, new))

        return self._change(name, add).generations[-1]

    def mark(self, name: str, number: int, status: Status) -> None:
        """Move a generation on in its life (see `switch` for becoming active)."""

        def change(registered: Registered) -> Registered:
            return _with_status(registered, number, status)

        self._change(name, change)

    def switch(self, name: str, number: int) -> int | None:
        """Let readers see a generation that is ready (or draining: a roll-back). Returns the one they saw before.

        Raises:
            InvalidInput: there is no such generation, or it is not ready.
        """
        before: list[int | None] = []

        def change(registered: Registered) -> Registered:
            generation = registered.find(number)
            if generation is None:
                there = ", ".join(str(g.number) for g in registered.generations) or "none"
                raise InvalidInput(f"{name} has no generation {number}; it has: {there}")
            if generation.status not in ("ready", "draining", "active"):
                raise InvalidInput(f"generation {number} of {name} is {generation.status}, not ready: replay it first")
            before[:] = [registered.active]
            if registered.active is not None and registered.active != number:
                registered = _with_status(registered, registered.active, "draining")
            return structs.replace(_with_status(registered, number, "active"), active=number)

        self._change(name, change)
        return before[0]

    def drop(self, name: str, number: int) -> None:
        """Forget a generation and remove its rows; never the active one."""

        def change(registered: Registered) -> Registered:
            if registered.active == number:
                raise InvalidInput(f"generation {number} of {name} is active: switch to another first")
            kept = tuple(g for g in registered.generations if g.number != number)
            return structs.replace(registered, generations=kept)

        self._change(name, change)
        self._views.drop(self.projection(name).table(number))

    def drop_inactive(self, name: str, *, keep: Sequence[int] = ()) -> None:
        """Drop all generations but the active one and those to keep: what earlier rebuilds left behind."""
        registered = self.registered(name)
        for generation in registered.generations:
            if generation.number != registered.active and generation.number not in keep:
                self.drop(name, generation.number)

    def active(self, name: str) -> tuple[Projection[Any], ViewTable]:
        """The projection and the table that readers see.

        Raises:
            ViewUnavailable: it was never filled, or by code of another version.
        """
        projection = self.projection(name)
        registered = self.registered(name)
        generation = registered.find(registered.active)
        if generation is None:
            raise ViewUnavailable(f"view {name} has not been built yet, or was lost: run `photovault replay`")
        if generation.version != projection.version:
            raise ViewUnavailable(
                f"view {name} was built by version {generation.version} of its code, this is version "
                f"{projection.version}: run `photovault replay --projection {name}`"
            )
        return projection, projection.table(generation.number)

    def fed(self) -> list[tuple[Projection[Any], ViewTable]]:
        """All generations that the live projector must feed: those of this code's version. One listing."""
        registered = {entry.name: _decode(entry.value) for entry in self._checkpoints.list(_KIND)}
        return [
            (projection, projection.table(generation.number))
            for projection in self.projections.values()
            if projection.name in registered
            for generation in registered[projection.name].generations
            if generation.version == projection.version
        ]

    def _change(self, name: str, change: Callable[[Registered], Registered]) -> Registered:
        while True:
            entry = self._checkpoints.load(_KIND, name)
            changed = change(_decode(entry.value) if entry else Registered())
            if self._checkpoints.save(_KIND, name, _encode(changed), expected=entry.revision if entry else 0):
                return changed


def _with_status(registered: Registered, number: int, status: Status) -> Registered:
    generations = tuple(structs.replace(g, status=status) if g.number == number else g for g in registered.generations)
    return structs.replace(registered, generations=generations)
