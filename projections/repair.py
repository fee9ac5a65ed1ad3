"""Repair: fold chosen streams afresh and mend the rows of an active generation in place.

For a stream, an owner or a window of time; a whole projection is rebuilt blue/green by `replay`. A row that a live
projector has moved on meanwhile is newer than the fold and stays.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import msgspec
from msgspec import Struct

from domain.commits import split_stream
from domain.eventstore import EventStore
from domain.ports import Move, Row, ViewStore, ViewTable
from projections.base import Projection
from projections.projector import Change, change_of
from projections.replay import Folded, fold_streams

_BATCH = 200


class Repaired(Struct):
    """What a repair did, or with `dry` would have done."""

    events: int = 0
    streams: int = 0
    rows: int = 0
    damaged: int = 0


def repair(
    targets: Sequence[tuple[Projection[Any], ViewTable]],
    streams: Iterable[str],
    store: EventStore,
    views: ViewStore,
    *,
    dry: bool = False,
) -> Repaired:
    """Fold the streams and rewrite the rows that are not what the fold says."""
    result = Repaired()
    projections = [projection for projection, _ in targets]
    names = iter(streams)
    while batch := list(islice(names, _BATCH)):
        commits = (commit for stream in batch for commit in store.commits.read(stream))
        folded = list(fold_streams(commits, store, projections))
        result.streams += len(folded)
        result.events += sum(f.events for f in folded)
        result.damaged += sum(f.damage is not None for f in folded)
        whole = [f for f in folded if not f.damage]
        for i, (projection, table) in enumerate(targets):
            result.rows += _mend(projection, table, whole, i, views, dry=dry)
    return result


def _mend(
    projection: Projection[Any], table: ViewTable, folded: Sequence[Folded], i: int, views: ViewStore, *, dry: bool
) -> int:
    mine = [f for f in folded if split_stream(f.stream)[1] == projection.category]
    homes = views.get(table, [projection.home(f.stream) for f in mine])
    changes = list(_changes(projection, mine, homes, i))
    others = [row for change in changes for row in change.others]
    if dry:
        return len(others) + len(changes)
    written = views.put(table, others, repair=True)
    if projection.has_totals:
        return written + sum(views.move(table, [Move(c.home, c.base, c.deltas) for c in changes]))
    return written + views.put(table, [change.home for change in changes], repair=True)


def _changes(
    projection: Projection[Any], folded: Sequence[Folded], homes: Sequence[Row | None], i: int
) -> Iterator[Change]:
    for each, home in zip(folded, homes, strict=True):
        if home is not None and home.version > each.version:
            continue
        state = each.states[i]
        before = None
        if home is not None:
            try:
                before = projection.decode(home.data)
            except msgspec.DecodeError:
                before = None  # the row is damaged: nothing in it can be trusted
        change = change_of(projection, each.stream, before, home.version if home else 0, state, each.version)
        if home != change.home:
            yield change
