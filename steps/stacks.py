"""Joining and leaving stacks: a part of the metadata step, as it costs nothing more for a file that meets nobody.

The first commit of a stack's stream is the lock: who comes first appends once and is done; who finds somebody there
decides for all, and tells each member whose position changed (docs/adr/0010-stacks.md).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from domain.asset import Asset, Attempt, asset_stream, fold, place
from domain.commits import NEW, Cause, Recorded, derive_id
from domain.errors import ConflictError, HistoryDamaged, UnreadableEvent
from domain.events import Event, Stacked, StackJoined
from domain.eventstore import EventStore
from domain.meetings import Meeting, Shot, meetings
from domain.stacks import Change, Stack, changes, join, leave, stack_stream
from domain.stacks import fold as fold_stack

__all__ = ["change_stack", "join_stacks", "leave_stacks"]

Decide = Callable[[Stack], Sequence[Event]]


def join_stacks(
    asset: Asset, attempt: Attempt, store: EventStore, shot: Shot
) -> tuple[tuple[str, ...], list[Event], list[str]]:
    """Bring a file to where it meets its like, and away from where it met before and no longer does.

    Returns:
        Ids of the stacks, the events for the asset's own stream, and notes.
    Cost:
        One append for each meeting; where somebody is there, one load and one append more, and a load and an append for
        each member whose position changes (two of two in a pair; in a burst the new frame and its main).
    """
    met = meetings(shot)
    events: list[Event] = []
    notes: list[str] = []
    for meeting in met:
        joined = _joined(asset.id, meeting, shot)
        try:
            events += _change(asset, attempt, store, meeting.stack, lambda s, j=joined: join(s, j), joined)  # type: ignore[misc]
        except (HistoryDamaged, UnreadableEvent) as error:
            notes.append(f"the files that this one may belong to can't be read ({error}); it stays alone")
    now = tuple(meeting.stack for meeting in met)
    return now, events + leave_stacks(asset, attempt, store, but=now), notes


def leave_stacks(asset: Asset, attempt: Attempt, store: EventStore, but: Sequence[str] = ()) -> list[Event]:
    """Take a file away from every stack that it met at, but for some."""
    before = asset.metadata.stacks if asset.metadata else ()
    events: list[Event] = []
    for stack in before:
        if stack not in but:
            events += _change(asset, attempt, store, stack, lambda s: leave(s, asset.id))
    return events


def change_stack(
    store: EventStore,
    owner: str,
    stack: str,
    decide: Decide,
    cause: Cause,
    *,
    since: Callable[[Stack], int] | None = None,
    first: Sequence[Event] = (),
) -> dict[str, Change]:
    """Append what is decided to a stack's stream; which positions changed by that, or since.

    Args:
        since: the version from which on changes count when nothing had to be appended; 0 for none at all.
        first: what to append when the stream does not exist, without looking.
    """
    stream = stack_stream(owner, stack)
    if first:
        try:
            store.append(stream, first, NEW, cause)
            return {}
        except ConflictError:
            pass  # somebody is there; whoever comes behind the first tells the first, too
    while True:
        loaded = store.load(stream)
        events: list[Recorded] = list(loaded.events)
        decided = decide(fold_stack(events))
        if decided:
            try:
                events += store.events_of(store.append(stream, decided, loaded.token, cause).commit)
            except ConflictError:
                continue
            start = events[-1].version
        else:
            start = since(fold_stack(events)) if since else 0
        return changes(events, start) if start else {}


def tell(store: EventStore, owner: str, member: str, stacked: Stacked, cause: Cause) -> None:
    """Record a member's position on its own stream, unless a later one is there."""
    stream = asset_stream(owner, member)
    while True:
        loaded = store.load(stream)
        other = fold(stream, loaded.events)
        events = place(other, stacked)
        if not events or other.uploaded is None:
            return
        try:
            store.append(stream, events, loaded.token, cause)
            return
        except ConflictError:
            continue


def _change(
    asset: Asset, attempt: Attempt, store: EventStore, stack: str, decide: Decide, joined: StackJoined | None = None
) -> list[Event]:
    """Change a stack, tell the other members; the events for the asset's own stream."""
    stream = stack_stream(asset.owner, stack)

    def cause(*what: str | int) -> Cause:
        return Cause(
            commit_id=derive_id(stream, *what),
            actor=f"step:{attempt.step.name}",
            correlation_id=asset.correlation_id,
            causation_id=attempt.caused_by,
        )

    changed = change_stack(
        store,
        asset.owner,
        stack,
        decide,
        cause(asset.id, attempt.caused_by, attempt.number),
        since=lambda s: s.touched.get(asset.id, 0),
        first=(joined,) if joined else (),
    )
    own: list[Event] = []
    for member, change in changed.items():
        stacked = change.event(stack)
        if member == asset.id:
            own += place(asset, stacked)
        else:
            tell(store, asset.owner, member, stacked, cause(member, change.version))
    return own


def _joined(asset: str, meeting: Meeting, shot: Shot) -> StackJoined:
    moment = shot.moment
    return StackJoined(
        asset=asset,
        kind=meeting.kind,
        on=meeting.on[-500:],
        media_type=shot.media_type,
        file_name=shot.file_name,
        taken=moment.local if moment else None,
        offset_minutes=moment.offset_minutes if moment else None,
        duration_ms=shot.duration_ms if shot.media_type.startswith("video/") else None,
        cover=meeting.kind == "burst" and shot.burst_cover,
    )
