"""A stack: files that meet because they may be one shot, and who of them is shown (docs/adr/0010-stacks.md).

Its stream holds who joined and left; `positions` decides from the members alone, so that the order in which they came
does not matter. The decision is recorded on the assets' own streams as `Stacked`, numbered by the version of the stack
that it follows from: a later one wins, whenever it arrives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, structs

from domain.commits import Recorded, stream_name
from domain.events import Event, StackDissolved, Stacked, StackJoined, StackLeft, StackPart
from domain.media import TakenAt
from domain.meetings import MAX_NAMED_VIDEO_MS, is_raw, seconds_apart

MAX_MEMBERS = 200
"""More files than that do not stack: they stay as they are."""

MAX_LIVE_VIDEO_MS = 15_000
"""A live photo's video lasts about 3 s; one that is much longer is not hidden behind a picture, whatever it says."""

TWIN_SECONDS = 2.0
"""A camera writes RAW and JPEG of one shot with the same time, or within two seconds of each other."""

LIVE_SECONDS = 3.0
"""A live photo's video begins 1.5 s before its picture; containers round to whole seconds."""

MIN_SEQUENCE = 3
"""Names that only look like a burst's (20230405_101112_001.jpg) count from so many frames on."""


class Position(Struct, frozen=True):
    """Where one member stands: behind `main`, or before its `parts`, or neither."""

    main: str | None = None
    role: str | None = None  # what it is to its main: "live_video", "raw", "burst_frame"
    parts: tuple[StackPart, ...] = ()


FREE = Position()


class Stack(Struct, frozen=True):
    """State of one stack, folded from its stream."""

    version: int = 0
    members: dict[str, StackJoined] = {}
    touched: dict[str, int] = {}  # asset -> version at which it last joined or left
    dissolved: int = 0  # version at which a person took it apart


class Change(Struct, frozen=True):
    """A member's new position, and the version of the stack that brought it."""

    version: int
    position: Position

    def event(self, stack: str) -> Stacked:
        """As it is recorded on the member's stream."""
        at = self.position
        return Stacked(stack=stack, stack_version=self.version, main=at.main, role=at.role, parts=at.parts)


def stack_stream(owner: str, stack: str) -> str:
    """Name of a stack's stream."""
    return stream_name(owner, "stack", stack)


# --- evolve ----------------------------------------------------------------------------------------------------------


def evolve(stack: Stack, recorded: Recorded) -> Stack:
    """The state after one more event."""
    members, touched, dissolved = stack.members, stack.touched, stack.dissolved
    match recorded.event:
        case StackJoined() as joined:
            members = {**members, joined.asset: joined}
            touched = {**touched, joined.asset: recorded.version}
        case StackLeft() as left:
            members = {asset: member for asset, member in members.items() if asset != left.asset}
            touched = {**touched, left.asset: recorded.version}
        case StackDissolved():
            dissolved = recorded.version
    return structs.replace(stack, version=recorded.version, members=members, touched=touched, dissolved=dissolved)


def fold(events: Iterable[Recorded]) -> Stack:
    """The state after a stream's events."""
    stack = Stack()
    for recorded in events:
        stack = evolve(stack, recorded)
    return stack


# --- decide ----------------------------------------------------------------------------------------------------------


def join(stack: Stack, joined: StackJoined) -> Sequence[Event]:
    """A file comes to the place. Nothing when it is there already and has not changed, or when the place is full."""
    if stack.members.get(joined.asset) == joined:
        return ()
    if joined.asset not in stack.members and len(stack.members) >= MAX_MEMBERS:
        return ()
    return (joined,)


def leave(stack: Stack, asset: str) -> Sequence[Event]:
    """A file turned out not to belong here."""
    return (StackLeft(asset=asset),) if asset in stack.members else ()


def dissolve(stack: Stack, reason: str) -> Sequence[Event]:
    """A person says that these files do not belong together; that holds for those that come later, too."""
    return () if stack.dissolved or not stack.members else (StackDissolved(reason=reason),)


def changes(events: Sequence[Recorded], since: int) -> dict[str, Change]:
    """Members whose position changed at version `since` of the stack or later, with their position now."""
    stack = fold(recorded for recorded in events if recorded.version < since)
    before = positions(stack)
    found: dict[str, Change] = {}
    for recorded in events:
        if recorded.version < since:
            continue
        stack = evolve(stack, recorded)
        after = positions(stack)
        for asset in {*before, *after}:
            position = after.get(asset, FREE)
            if position != before.get(asset, FREE):
                found[asset] = Change(recorded.version, position)
        before = after
    return found


# --- who is shown ----------------------------------------------------------------------------------------------------


def positions(stack: Stack) -> dict[str, Position]:
    """Position of each member that belongs to another; those that are not named stand alone.

    Precedence keeps the timeline whole: a file is only ever put behind one of an earlier sort (picture, then RAW, then
    video) or, within a burst, of the same sort; so no two can hide each other, in however many stacks they meet.
    """
    if stack.dissolved or len(stack.members) < 2:
        return {}
    members = sorted(stack.members.values(), key=lambda m: (m.file_name, m.asset))
    behind = _frames(members) if members[0].kind in ("burst", "sequence") else _twins(members)
    parts: dict[str, list[StackPart]] = {}
    for asset, (main, role) in behind.items():
        parts.setdefault(main, []).append(StackPart(asset=asset, role=role))
    found = {asset: Position(main, role) for asset, (main, role) in behind.items()}
    found |= {main: Position(parts=tuple(those)) for main, those in parts.items()}
    return found


def _frames(members: Sequence[StackJoined]) -> Mapping[str, tuple[str, str]]:
    """A burst: behind its cover, or behind its first frame where nobody named one."""
    if len(members) < (MIN_SEQUENCE if members[0].kind == "sequence" else 2):
        return {}
    main = min(members, key=lambda m: (is_raw(m.media_type), not m.cover, m.taken or "~", m.file_name, m.asset))
    return {m.asset: (main.asset, "burst_frame") for m in members if m is not main}


def _twins(members: Sequence[StackJoined]) -> Mapping[str, tuple[str, str]]:
    """RAWs and live videos behind the picture that they belong to."""
    videos = [m for m in members if m.media_type.startswith("video/")]
    raws = [m for m in members if is_raw(m.media_type)]
    pictures = [m for m in members if m not in videos and m not in raws]
    behind: dict[str, tuple[str, str]] = {}
    for raw in raws:
        main = _closest(raw, pictures, TWIN_SECONDS, doubt=True)
        if main:
            behind[raw.asset] = (main.asset, "raw")
    for video in videos:
        longest = MAX_LIVE_VIDEO_MS if video.kind == "live" else MAX_NAMED_VIDEO_MS
        if video.duration_ms is not None and video.duration_ms > longest:
            continue
        shown = pictures or [raw for raw in raws if raw.asset not in behind]
        main = _closest(video, shown, LIVE_SECONDS, doubt=False)
        if main:
            behind[video.asset] = (main.asset, "live_video")
    return behind


def _closest(one: StackJoined, others: Sequence[StackJoined], within: float, *, doubt: bool) -> StackJoined | None:
    """The member taken at nearly the same moment. A shared identifier needs no clock; a shared name does, unless in
    `doubt` (a clock is missing) the name is to count."""
    near: list[tuple[float, StackJoined]] = []
    for other in others:
        apart = seconds_apart(_moment(one), _moment(other))
        if one.kind == "live":  # an edited copy keeps the identifier; the original keeps the name
            near.append((float(_stem(one) != _stem(other)), other))
        elif doubt if apart is None else apart <= within:
            near.append((within if apart is None else apart, other))
    return min(near, key=lambda found: (found[0], found[1].file_name, found[1].asset))[1] if near else None


def _stem(member: StackJoined) -> str:
    return member.file_name.rpartition(".")[0].casefold()


def _moment(member: StackJoined) -> TakenAt | None:
    return TakenAt(member.taken, "", member.offset_minutes) if member.taken else None
