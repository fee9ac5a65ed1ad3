"""Generations: blue/green rebuilds of a projection, so that a reader never sees a half-built view.

    backfilling -> verifying -> ready -> active -> draining -> (dropped)

The live projector feeds every generation from the moment it exists; a replay fills in what was before. The move of the
alias is one conditional write. The generation that was active drains (still fed, so that a roll-back is one more such
write) until the next rebuild drops it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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

    def ensure(self, *, empty: bool) -> None:
        """Give every projection without a generation its first: active at once when the history is empty, else
        backfilling until a replay has filled it."""
        for projection in self.projections.values():
            if self.registered(projection.name).last == 0:
                self._views.create(projection.table(1))
                first = Generation(1, projection.version, "active" if empty else "backfilling", to_us(self._clock()))
                value = _encode(Registered(1 if empty else None, 1, (first,)))
                self._checkpoints.save(_KIND, projection.name, value, expected=0)

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
            if generation is None or generation.status not in ("ready", "draining", "active"):
                status = generation.status if generation else "missing"
                raise InvalidInput(f"generation {number} of {name} is {status}, not ready: replay it first")
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
            raise ViewUnavailable(f"view {name} has not been built yet: run `photovault replay --projection {name}`")
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
