"""The live projector: a batch of commits in, rows out. Repeats, disorder and gaps in what it is handed are harmless.

What it is handed is a hint; the event store is the truth. A commit that follows the version in the row is applied from
the batch, an older one is ignored, and a gap makes it read the stream. A stream that can't be folded is parked at the
commit before: it alone waits, and is read again from the store when it is redriven.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from domain.commits import Commit, split_stream
from domain.errors import HistoryDamaged, NotFound, PhotoVaultError, UnreadableEvent
from domain.eventstore import EventStore
from domain.parking import Parked, Parking
from domain.ports import Move, Row, ViewStore, ViewTable
from projections.base import Projection, difference
from projections.generations import Generations

_MAX_RACES = 20


class Projected(Struct, frozen=True):
    """What one batch did."""

    commits: int
    rows: int
    parked: int


class Projector:
    """Keeps all generations of all projections up to date; one instance serves one thread."""

    def __init__(
        self,
        store: EventStore,
        views: ViewStore,
        generations: Generations,
        parking: Parking,
    ) -> None:
        self._store = store
        self._views = views
        self._generations = generations
        self._parking = parking

    def project(self, commits: Iterable[Commit]) -> Projected:
        """Bring the rows of the commits' streams up to date.

        Cost:
            For each generation: one read and one guarded write a stream of the batch, however many commits it has.
        """
        streams: dict[str, dict[int, Commit]] = {}
        for commit in self._store.prepared(commits):
            streams.setdefault(commit.stream, {})[commit.number] = commit
        # Loaded after the batch was read: what this list does not name was begun after these commits were recorded,
        # and its replay sees them.
        fed = self._generations.fed()
        parked_before = {(p.consumer, p.stream) for p in self.parked()}
        rows = parked = 0
        failed: set[tuple[str, str]] = set()
        batches = {stream: [by_number[n] for n in sorted(by_number)] for stream, by_number in streams.items()}
        for projection, table in fed:
            mine = {s: batch for s, batch in batches.items() if split_stream(s)[1] == projection.category}
            try:
                written, stuck = self._feed(projection, table, mine)
            except NotFound:
                if table in (still_fed for _, still_fed in self._generations.fed()):
                    raise
                continue  # the generation was dropped meanwhile
            rows += written
            parked += len(stuck)
            failed |= {(projection.name, stream) for stream in stuck}
        fed_names = {projection.name for projection, _ in fed}
        for name, stream in parked_before - failed:
            if name in fed_names and stream in batches:
                self._parking.release(name, stream)
        return Projected(sum(map(len, batches.values())), rows, parked)

    def parked(self) -> list[Parked]:
        """Streams that wait for a redrive."""
        return [p for p in self._parking.list() if p.consumer in self._generations.projections]

    def redrive(self, projection: str | None = None) -> Projected:
        """Fold parked streams again, from the store; those that still fail are parked again."""
        streams = {p.stream for p in self.parked() if projection in (None, p.consumer)}
        return self.project(commit for stream in sorted(streams) for commit in self._store.commits.read(stream))

    def _feed(
        self, projection: Projection[Any], table: ViewTable, streams: Mapping[str, Sequence[Commit]]
    ) -> tuple[int, set[str]]:
        """Bring one generation up to date; how many rows were written, and which streams were parked."""
        written = 0
        parked: set[str] = set()
        todo = dict(streams)
        for _ in range(_MAX_RACES):
            if not todo:
                break
            homes = self._views.get(table, [projection.home(stream) for stream in todo])
            rows: list[Row] = []
            others: list[Row] = []
            moves: dict[str, Move] = {}
            for (stream, batch), home in zip(todo.items(), homes, strict=True):
                change, fault = self._change(projection, stream, batch, home)
                if fault is not None:
                    self._parking.park(projection.name, stream, fault.commit, fault.error)
                    parked.add(stream)
                if change is None:
                    continue
                others += change.others
                if projection.has_totals:
                    moves[stream] = Move(change.home, change.base, change.deltas)
                else:
                    rows.append(change.home)
            written += self._views.put(table, others)  # the home row comes last: it says that all the rest is done
            written += self._views.put(table, rows)
            made = self._views.move(table, list(moves.values())) if moves else ()
            written += sum(made)
            todo = {s: streams[s] for s, moved in zip(moves, made, strict=True) if not moved}
        if todo:
            raise PhotoVaultError(f"{len(todo)} streams of {projection.name} kept moving on: deliver the batch again")
        return written, parked

    def _change(
        self, projection: Projection[Any], stream: str, batch: Sequence[Commit], home: Row | None
    ) -> tuple[Change | None, Fault | None]:
        """What a batch changes, up to the first commit that can't be read or folded; None: nothing new."""
        version = home.version if home else 0
        try:
            before = projection.decode(home.data) if home else None
        except msgspec.DecodeError as error:  # a damaged row
            return None, Fault(batch[-1].number, error)
        state = before if before is not None else projection.start(stream)
        base, fault = version, None
        for commit in self._unseen(stream, batch, version):
            try:
                events = self._store.events_of(commit)
            except (UnreadableEvent, HistoryDamaged) as error:
                fault = Fault(commit.number, error)
                break
            after = state
            try:
                for recorded in events:
                    if recorded.version > version:
                        after = projection.evolve(after, recorded)
            except Exception as error:  # pure code met an event that it can't take: only its stream may wait
                fault = Fault(commit.number, error)
                break
            state, version = after, commit.last_version
        change = change_of(projection, stream, before, base, state, version) if version > base else None
        return change, fault

    def _unseen(self, stream: str, batch: Sequence[Commit], version: int) -> Iterable[Commit]:
        """Commits behind a row's version, from the batch if it continues the row, else from the store."""
        new: Iterable[Commit] = [commit for commit in batch if commit.last_version > version]
        if new and not _follows(version, batch):
            new = self._store.commits.read(stream)
        return (commit for commit in new if commit.last_version > version)


class Fault(Struct, frozen=True):
    """Why a stream is parked."""

    commit: int
    error: Exception


class Change(Struct, frozen=True):
    """What takes a stream's rows from one version to another."""

    home: Row
    base: int
    others: Sequence[Row]
    deltas: Mapping[str, Mapping[str, int]]


def change_of(projection: Projection[Any], stream: str, before: Any, base: int, after: Any, version: int) -> Change:
    """Rows and totals that take a stream's rows from one state (None: no row yet) at `base` to another."""
    deltas: Mapping[str, Mapping[str, int]] = {}
    if projection.has_totals:
        deltas = difference(projection.counted(before) if before is not None else {}, projection.counted(after))
    return Change(
        home=projection.home_row(stream, after, version),
        base=base,
        others=projection.other_rows(stream, before, after, version),
        deltas=deltas,
    )


def _follows(version: int, commits: Sequence[Commit]) -> bool:
    """Whether commits continue a row at a version without a gap; older ones among them do not matter."""
    for commit in commits:
        if commit.first_version > version + 1:
            return False
        version = max(version, commit.last_version)
    return True
