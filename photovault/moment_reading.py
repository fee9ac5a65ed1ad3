"""An owner's pictures as memories see them, read from the view `moments`: those that may be in a memory, by local time,
and those that have changed. What is read is counted."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Protocol

from domain.eventstore import EventStore
from domain.moment import Moment, local_seconds, local_text, may_be_remembered
from domain.person import MAX_HOPS, Person
from domain.ports import Checkpoints, ViewStore
from domain.scanning import Serving
from projections.generations import Generations
from projections.moments import MomentRow, Moments, changed_key
from projections.people import Faces, PeopleView, asset_in, person_range

__all__ = ["Led", "MomentReader", "Remembering", "Viewed"]

_PAGE = 1000

Led = tuple[str, bool, str | None]
"""Of a person: where merges lead to, whether it is hidden, and its name."""


class Viewed(Protocol):
    """What of a vault, on one machine or on AWS, is read."""

    @property
    def views(self) -> ViewStore:
        """Rows of all projections."""
        ...

    @property
    def generations(self) -> Generations:
        """Which rows readers see."""
        ...


class Remembering(Viewed, Protocol):
    """What a look for memories needs besides."""

    @property
    def store(self) -> EventStore:
        """The history."""
        ...

    @property
    def checkpoints(self) -> Checkpoints:
        """Documents of the vault's own."""
        ...

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time."""
        ...


class MomentReader:
    """Reads one owner's pictures.

    Raises (all calls):
        ViewUnavailable: a view is not built.
    """

    def __init__(self, vault: Viewed, owner: str, serving: Serving) -> None:
        self._views, self._generations = vault.views, vault.generations
        self._owner, self._serving = owner, serving
        self._moments, self._table = vault.generations.active(Moments.name)
        self.people = self._everybody()
        self.hidden = frozenset(each for each, (_, hidden, _) in self.people.items() if hidden)
        self._first_and_last: tuple[float, float] | None = None
        self.read = 0  # rows of pictures

    def may(self, moment: Moment) -> bool:
        """Whether a picture may be in a memory."""
        return may_be_remembered(moment, self.hidden, self._serving)

    def person_of(self, ident: str) -> str | None:
        """Where merges of a person lead to; None for nobody who is known."""
        return self.people[ident][0] if ident in self.people else None

    def changed(self, since_us: int, most: int) -> tuple[list[MomentRow], int, bool]:
        """Pictures that changed at or after a time, at least `most` when there are so many; the newest change among
        them; and whether there are more."""
        found: dict[str, MomentRow] = {}
        seen_us, cursor = since_us, None
        while True:
            page = self._views.query(
                self._table, self._owner, index="changed", low=changed_key(since_us), limit=_PAGE, cursor=cursor
            )
            for row in page.rows:
                found[row.key] = self._moments.decode(row.data)
                seen_us = max(seen_us, found[row.key].changed_us)
            self.read += len(page.rows)
            cursor = page.cursor
            if cursor is None or len(found) >= most:
                return list(found.values()), seen_us, cursor is not None

    def get(self, assets: Sequence[str]) -> list[MomentRow]:
        """Pictures by their ids; those that are not there are left out."""
        rows = self._views.get(self._table, [(self._owner, asset) for asset in assets]) if assets else ()
        self.read += len(assets)
        return [self._moments.decode(row.data) for row in rows if row is not None and not row.deleted]

    def between(self, since: float, until: float) -> list[Moment]:
        """Pictures that may be in a memory, of a stretch of local time (seconds since 1970), in its order."""
        low, high = local_text(since), local_text(until)
        found: list[Moment] = []
        cursor = None
        while True:
            page = self._views.query(
                self._table, self._owner, index="time", low=low, high=high, limit=_PAGE, cursor=cursor
            )
            found += [self._moments.decode(row.data).moment for row in page.rows]
            self.read += len(page.rows)
            cursor = page.cursor
            if cursor is None:
                return [each for each in found if self.may(each)]

    def edges(self) -> tuple[float, float]:
        """Local times of the first and the last picture; twice 0 when there is none."""
        if self._first_and_last is None:
            both = [
                self._views.query(self._table, self._owner, index="time", limit=1, descending=descending).rows
                for descending in (False, True)
            ]
            at = [local_seconds(self._moments.decode(rows[0].data).moment.local) if rows else 0.0 for rows in both]
            self._first_and_last = (at[0], at[1])
        return self._first_and_last

    def assets_of(self, person: str) -> Iterator[str]:
        """Pictures that show a person, merges not followed."""
        _, table = self._generations.active(Faces.name)
        low, high = person_range(person)
        cursor = None
        while True:
            page = self._views.query(table, self._owner, low=low, high=high, limit=_PAGE, cursor=cursor)
            yield from (asset_in(row.key) for row in page.rows)
            cursor = page.cursor
            if cursor is None:
                return

    def _everybody(self) -> dict[str, Led]:
        view, table = self._generations.active(PeopleView.name)
        every: dict[str, Person] = {}
        cursor = None
        while True:
            page = self._views.query(table, self._owner, limit=_PAGE, cursor=cursor)
            every |= {row.key: view.decode(row.data) for row in page.rows}
            cursor = page.cursor
            if cursor is None:
                break
        known = {each: person for each, person in every.items() if person.known}
        return {each: _led(known, each) for each in known}


def _led(people: dict[str, Person], ident: str) -> Led:
    """Whoever on the way of merges is hidden hides: a hidden person's pictures stay hidden when it is merged."""
    hidden, top = False, ident
    for _ in range(MAX_HOPS):
        hidden = hidden or people[top].now.hidden
        following = people[top].now.into
        if following is None or following not in people:
            break
        top = following
    return top, hidden, people[top].now.name
