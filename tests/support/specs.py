"""Specifications: given these events, when this command, then these events; and for projections, given these streams,
however they are delivered, then these rows and totals.

    given(uploaded()).when(request_reprocess, "validate", "new version").then_nothing()
    Projected(Gallery()).given("a1", [uploaded()], [validated()]).then_row("a1", kind="image")
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import pytest

from domain.asset import Asset, asset_stream, begin, fail, finish, fold
from domain.commits import Commit
from domain.events import Event
from domain.ports import Row
from projections.base import Projection, plain
from projections.files import Place, path_key
from tests.support.factories import NOW, OWNER, STREAM, append, recorded
from tests.support.fakes import MemoryVault, live_rows

# --- deciders --------------------------------------------------------------------------------------------------------


class Decided:
    """What a command came to."""

    def __init__(self, events: Sequence[Event] | None, error: Exception | None = None) -> None:
        self._events = events
        self._error = error

    @property
    def events(self) -> list[Event]:
        """The events, for a test that looks closer."""
        if self._error is not None:
            raise self._error
        return list(self._events or ())

    def then(self, *expected: Event) -> None:
        """Exactly these events, in this order."""
        assert self.events == list(expected)

    def then_nothing(self) -> None:
        """Nothing was decided."""
        assert self.events == []

    def then_refused(self, kind: type[Exception], match: str) -> None:
        """An error for a person."""
        assert self._error is not None, f"decided {self._events}"
        with pytest.raises(kind, match=match):
            raise self._error


class GivenAsset:
    """An asset with a past."""

    def __init__(self, *decisions: Event | Sequence[Event]) -> None:
        self.asset: Asset = fold(STREAM, recorded(*decisions))

    def when(self, command: Callable[..., Sequence[Event]], *arguments: Any) -> Decided:
        """A command is called."""
        try:
            return Decided(command(self.asset, *arguments))
        except Exception as error:  # judged by then_refused, raised by the others
            return Decided(None, error)

    def when_ends(self, *found: Event) -> Decided:
        """The attempt that is due ends with an outcome and what goes with it."""
        attempt = begin(self.asset, found[0].run.step)  # type: ignore[attr-defined]
        return Decided(finish(self.asset, attempt, found) if attempt else ())

    def when_fails(self, step: str, error: Exception) -> Decided:
        """The attempt that is due raises."""
        attempt = begin(self.asset, step)
        return Decided(fail(self.asset, attempt, attempt.run(), error, NOW) if attempt else ())


given = GivenAsset


# --- projections -----------------------------------------------------------------------------------------------------

Delivery = Callable[[list[Commit]], Iterator[list[Commit]]]


def _shuffled(commits: list[Commit]) -> Iterator[list[Commit]]:
    """Batches of any size, in any order, many commits more than once; the last one of each stream comes at last."""
    dice = random.Random(len(commits))
    deck = commits * 2
    dice.shuffle(deck)
    while deck:
        size = dice.randint(1, 3)
        yield deck[:size]
        deck = deck[size:]


def _by_stream(commits: list[Commit]) -> Iterator[list[Commit]]:
    for _, batch in itertools.groupby(sorted(commits, key=lambda c: (c.stream, c.number)), lambda c: c.stream):
        yield list(batch)


DELIVERIES: Mapping[str, Delivery] = {
    "once, in one batch": lambda commits: iter([commits]),
    "once, one by one": lambda commits: iter([[commit] for commit in commits]),
    "twice, one by one": lambda commits: iter([[commit] for commit in commits for _ in range(2)]),
    "three times, all over again": lambda commits: iter([commits] * 3),
    "twice within a batch": lambda commits: iter([commits + commits]),
    "backwards": lambda commits: iter([[commit] for commit in reversed(commits)]),
    "stream by stream": _by_stream,
    "shuffled, in odd batches, twice": _shuffled,
    "only the last of each stream": lambda commits: iter([list({c.stream: c for c in commits}.values())]),
}


class Projected:
    """A projection fed with streams. Each `then` holds for every way of delivery in `DELIVERIES`."""

    def __init__(self, projection: Projection[Any]) -> None:
        self._projection = projection
        self._streams: list[tuple[str, Sequence[Sequence[Event]]]] = []

    def given(self, ident: str, *decisions: Sequence[Event], owner: str = OWNER) -> Projected:
        """A stream, each argument one commit."""
        self._streams.append((asset_stream(owner, ident), decisions))
        return self

    def then_row(self, ident: str, owner: str = OWNER, **expected: Any) -> Projected:
        """The home row says so; fields that are not named may be anything."""
        for name, vault in self._delivered():
            row = self._row(vault, owner, ident)
            assert row is not None, f"no row for {ident}, delivered {name}"
            state = self._projection.decode(row.data)
            got = {field: plain(getattr(state, field)) for field in expected}
            assert got == expected, f"delivered {name}"
        return self

    def then_version(self, ident: str, version: int) -> Projected:
        """The home row is a checkpoint: it says how far it has come."""
        for name, vault in self._delivered():
            row = self._row(vault, OWNER, ident)
            assert row is not None
            assert row.version == version, f"delivered {name}"
        return self

    def then_keys(self, *keys: str, owner: str = OWNER) -> Projected:
        """Exactly these rows are there."""
        for name, vault in self._delivered():
            found = sorted(row.key for row in live_rows(vault, self._table(vault)) if row.partition == owner)
            assert found == sorted(keys), f"delivered {name}"
        return self

    def then_index(self, index: str, *idents: str, owner: str = OWNER) -> Projected:
        """A query by an index gives these rows in this order."""
        for name, vault in self._delivered():
            page = vault.views.query(self._table(vault), owner, index=index)
            assert [row.key for row in page.rows] == list(idents), f"delivered {name}"
        return self

    def then_totals(self, expected: Mapping[str, Mapping[str, int]], owner: str = OWNER) -> Projected:
        """Exactly these totals, zeros left out."""
        for name, vault in self._delivered():
            assert vault.views.totals(self._table(vault), owner) == expected, f"delivered {name}"
        return self

    def then_path(self, path: str, asset: str, owner: str = OWNER) -> Projected:
        """The row of a path names this asset."""
        for name, vault in self._delivered():
            row = vault.views.get(self._table(vault), [(owner, path_key(path))])[0]
            assert row is not None, f"delivered {name}"
            assert msgspec.msgpack.decode(row.data, type=Place).asset == asset, f"delivered {name}"
        return self

    def rows(self) -> list[Row]:
        """All rows, after one plain delivery."""
        vault = self._fed("once, in one batch")
        with vault:
            return live_rows(vault, self._table(vault))

    def _delivered(self) -> Iterator[tuple[str, MemoryVault]]:
        for name in DELIVERIES:
            with self._fed(name) as vault:
                yield name, vault

    def _fed(self, name: str) -> MemoryVault:
        vault = MemoryVault(projections=(self._projection,))
        longest = max(len(decisions) for _, decisions in self._streams)
        for i in range(longest):  # streams grow side by side, as they do in life
            for stream, decisions in self._streams:
                if i < len(decisions):
                    append(vault.store, stream, decisions[i])
        for batch in DELIVERIES[name](vault.everything()):
            vault.projector.project(batch)
        assert vault.projector.parked() == []
        return vault

    def _table(self, vault: MemoryVault) -> Any:
        return vault.table(self._projection.name)

    def _row(self, vault: MemoryVault, owner: str, ident: str) -> Row | None:
        key = self._projection.home(asset_stream(owner, ident))
        return vault.views.get(self._table(vault), [key])[0]
