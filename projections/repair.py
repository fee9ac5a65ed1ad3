"""Repair: fold chosen streams afresh and mend the rows of an active generation in place.

For a stream, an owner or a window of time; a whole projection is rebuilt blue/green by `replay`. A row that a live
projector has moved on meanwhile is newer than the fold and stays. Totals are counted over all rows of an owner,
because what a damaged row had contributed can't be known.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from domain.commits import split_stream
from domain.eventstore import EventStore
from domain.ports import Move, Row, ViewStore, ViewTable
from projections.base import Projection, Totals, difference
from projections.replay import Folded, fold_streams

_BATCH = 200
_PAGE = 1000
_MAX_RACES = 20


class Repaired(Struct):
    """What a repair did, or with `dry` would have done."""

    events: int = 0
    streams: int = 0
    rows: int = 0  # an owner's totals count as one
    damaged: int = 0


def repair(
    targets: Sequence[tuple[Projection[Any], ViewTable]],
    streams: Iterable[str],
    store: EventStore,
    views: ViewStore,
    *,
    dry: bool = False,
) -> Repaired:
    """Fold the streams and rewrite the rows that are not what the fold says, then the totals of their owners.

    Cost:
        The streams' events and rows; for a projection with totals all rows of each owner.
    """
    result = Repaired()
    projections = [projection for projection, _ in targets]
    names = iter(streams)
    partitions: set[tuple[int, str]] = set()
    while batch := list(islice(names, _BATCH)):
        commits = (commit for stream in batch for commit in store.commits.read(stream))
        folded = list(fold_streams(commits, store, projections))
        result.streams += len(folded)
        result.events += sum(f.events for f in folded)
        result.damaged += sum(f.damage is not None for f in folded)
        for i, (projection, table) in enumerate(targets):
            mine = [f for f in folded if f.version and split_stream(f.stream)[1] == projection.category]
            wrong = _wrong(projection, table, mine, i, views)
            result.rows += len(wrong) if dry else views.put(table, wrong, repair=True)
            if projection.has_totals:
                partitions |= {(i, projection.home(f.stream)[0]) for f in mine}
    for i, partition in sorted(partitions):
        result.rows += _recount(*targets[i], partition, views, dry=dry)
    return result


def _wrong(
    projection: Projection[Any], table: ViewTable, folded: Sequence[Folded], i: int, views: ViewStore
) -> list[Row]:
    """Rows as they should be, for those that are not; a stream's home row comes last."""
    wanted: list[Row] = []
    homes = views.get(table, [projection.home(f.stream) for f in folded])
    for each, home in zip(folded, homes, strict=True):
        if home is not None and home.version > each.version:
            continue
        state = each.states[i]
        wanted += projection.other_rows(each.stream, None, state, each.version)
        changed = projection.other_rows(each.stream, _readable(projection, home), state, each.version)
        wanted += [row for row in changed if row.deleted]
        wanted.append(projection.home_row(each.stream, state, each.version))
    stored = views.get(table, [(row.partition, row.key) for row in wanted])
    home_keys = {projection.home(f.stream) for f in folded}
    return [
        row
        for row, there in zip(wanted, stored, strict=True)
        if there is None or not _same(row, there, home=(row.partition, row.key) in home_keys)
    ]


def _readable(projection: Projection[Any], home: Row | None) -> Any | None:
    if home is None:
        return None
    try:
        return projection.decode(home.data)
    except msgspec.DecodeError:
        return None  # nothing in a damaged row can be trusted


def _same(row: Row, stored: Row, *, home: bool) -> bool:
    """Whether a stored row needs no repair; the version of one beside the home row only says when it last changed."""
    if not home and stored.version > row.version:
        return True
    if home and stored.version != row.version:
        return False
    return (row.data, row.index, row.deleted) == (stored.data, stored.index, stored.deleted)


def _recount(projection: Projection[Any], table: ViewTable, partition: str, views: ViewStore, *, dry: bool) -> int:
    """Correct a partition's totals by what its rows say; 1 when they were wrong.

    The correction goes with an unchanged row, in one transaction. When totals move while the rows are read, the two do
    not belong together, and it is done again.
    """
    for _ in range(_MAX_RACES):
        have = views.totals(table, partition)
        want, anchor = _counted(projection, table, partition, views)
        correction = difference(have, want)
        if not correction or anchor is None:
            return 0
        if dry:
            return 1
        if views.totals(table, partition) != have:
            continue
        [made] = views.move(table, [Move(anchor, anchor.version, correction)])
        if made:
            return 1
    return 0


def _counted(
    projection: Projection[Any], table: ViewTable, partition: str, views: ViewStore
) -> tuple[Totals, Row | None]:
    totals: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    anchor: Row | None = None
    cursor: str | None = None
    while True:
        page = views.query(table, partition, limit=_PAGE, cursor=cursor)
        for row in page.rows:
            anchor = row
            state = _readable(projection, row)
            if state is not None:
                for total, counters in projection.counted(state).items():
                    for counter, value in counters.items():
                        totals[total][counter] += value
        cursor = page.cursor
        if cursor is None:
            return totals, anchor
