"""A projection for tests: rows that come and go, totals, and events that it can't take."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from domain.asset import asset_stream
from domain.commits import Commit
from domain.events import AssetSeenAgain
from projections.base import OtherRow, Projection, Totals
from tests.support.factories import OWNER, append, seen_again
from tests.support.fakes import MemoryVault


class Marked(Struct, frozen=True):
    """The marks of a thing, as the last event named them, and how many events there were."""

    marks: tuple[str, ...] = ()
    events: int = 0
    asset: str = ""


class Poisonous(Exception):
    """The fold met an event that it can't take."""


class Marks(Projection[Marked]):
    """A row for each mark; the words of the last path that an asset was seen at. `poison` raises while it is fatal."""

    name = "marks"
    version = 1
    about = "marks, for tests"
    loses_others = True
    state = Marked

    def __init__(self) -> None:
        super().__init__()
        self.fatal = True
        self.on = {AssetSeenAgain: self._seen}

    def _seen(self, state: Marked, event: AssetSeenAgain, commit: Commit) -> Marked:
        if event.path == "poison" and self.fatal:
            raise Poisonous("this one is not for me")
        return Marked(tuple(event.path.split()), state.events + 1, commit.stream.rpartition("#")[2])

    def others(self, state: Marked) -> Mapping[str, OtherRow]:
        return {f"{state.asset}:{mark}": OtherRow(mark) for mark in state.marks}


class CountedMarks(Marks):
    """The same, counted instead of listed."""

    name = "counted"
    has_totals = True
    loses_others = False
    others = Projection.others

    def totals(self, state: Marked) -> Totals:
        return {"marks": dict.fromkeys(state.marks, 1), "events": {"total": state.events}} if state.events else {}


def marked(vault: MemoryVault, ident: str, *marks: str, owner: str = OWNER) -> list[Commit]:
    """Append one commit for each word or words."""
    return append(vault.store, asset_stream(owner, ident), *([seen_again(mark)] for mark in marks))
