"""Joining stacks through the real worker and event store: whatever the order, however often, with races and deaths in
every place, the recorded positions are those that follow from the members alone; and owners never meet."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import structs

from domain.asset import Attempt, asset_stream, fold
from domain.commits import Commit, split_stream
from domain.events import Stacked, StackJoined, StackLeft, StepFailed
from domain.media import TakenAt
from domain.meetings import Shot, meetings
from domain.pipeline import STEPS
from domain.ports import CommitStore
from domain.stacks import Position, stack_stream
from photovault.unstacking import unstack
from steps.stacks import join_stacks
from tests.support.factories import append, recorded, reprocess, uploaded
from tests.support.fakes import MemoryVault
from tests.support.stacking import Killed, Library

JPEG, DNG, MOV = "image/jpeg", "image/x-adobe-dng", "video/quicktime"


class Disturbed:
    """A commit store in front of another. Before it takes a commit, it lets happen what a plan says: the process dies
    before or after the write, or another asset's step runs from its begin to its end."""

    def __init__(self, store: CommitStore) -> None:
        self._store = store
        self.plan: list[Any] = []  # of "go", "die before", "die after", or a function
        self.depth = 0

    def put(self, commit: Commit) -> Commit | None:
        """See `CommitStore.put`."""
        what = self.plan.pop() if self.plan and split_stream(commit.stream)[0] != "bob" else "go"
        if callable(what) and self.depth < 3:
            self.depth += 1
            try:
                what()
            finally:
                self.depth -= 1
        elif what == "die before":
            raise Killed
        holder = self._store.put(commit)
        if what == "die after":
            raise Killed
        return holder

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def shot(name: str, media_type: str, second: int = 0, **tags: Any) -> Shot:
    """A file of the same summer's noon."""
    return Shot(media_type, name, f"/p/{name}", TakenAt(f"2024-07-01T12:00:{second:02}", "exif", None), None, tags)


LIVE = {"Apple:ContentIdentifier": "1745E022-9712"}
BURST = {"Apple:BurstUUID": "0AC1D3A1-0D2B"}
FAMILY = {
    "jpeg": shot("IMG_1.JPG", JPEG, **LIVE, **BURST),
    "raw": shot("IMG_1.DNG", DNG, 1),
    "video": shot(
        "IMG_7.MOV",
        MOV,
        **{"Container:com.apple.quicktime.content.identifier": "1745E022-9712", "Container:duration_ms": 2000},
    ),
    "frame": shot("IMG_0.JPG", JPEG, **BURST),
    "other": shot("IMG_2.JPG", JPEG, 5, **BURST),
    "stranger": shot("IMG_9.JPG", JPEG),
}
BURSTS = {f"f{n}": shot(f"IMG_{n}.JPG", JPEG, n, **BURST) for n in range(4)}


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault() as vault:
        yield vault


def settled(shots: dict[str, Shot]) -> dict[str, dict[str, Position]]:
    """Where they stand when they come one by one and nothing happens to them."""
    with MemoryVault() as vault:
        library = Library(vault, dict(shots))
        for ident in shots:
            library.handle(ident)
        assert library.positions() == library.decided()
        return library.positions()


SETTLED = settled(FAMILY)
SETTLED_BURST = settled(BURSTS)


def mains(found: dict[str, dict[str, Position]]) -> dict[str, set[str | None]]:
    """Who stands behind whom."""
    behind = {ident: {p.main for p in stood.values() if p.main} for ident, stood in found.items()}
    return {ident: main for ident, main in behind.items() if main}


def test_a_shot_of_many_files_is_one() -> None:
    assert mains(SETTLED) == {"raw": {"jpeg"}, "video": {"jpeg"}, "jpeg": {"frame"}, "other": {"frame"}}


def happenings(shots: dict[str, Shot]) -> st.SearchStrategy[tuple[list[str], list[str], list[str]]]:
    """Who comes before all have come, the order in which all come, and what happens at each write."""
    who = st.sampled_from(sorted(shots))
    what = st.sampled_from(["go", "go", "die before", "die after"]) | who
    return st.tuples(st.lists(who, max_size=8), st.permutations(sorted(shots)), st.lists(what, max_size=40))


def live_through(shots: dict[str, Shot], happening: tuple[list[str], list[str], list[str]]) -> None:
    """All come, with what happens meanwhile; who died comes back, as an unanswered message does, and once more."""
    before, order, happens = happening
    with MemoryVault() as vault:
        library = Library(vault, dict(shots))
        disturbed = Disturbed(vault.store.commits)
        vault.store.commits = disturbed  # type: ignore[assignment]
        disturbed.plan = [(lambda w=what: library.handle(w)) if what in shots else what for what in happens]
        for ident in (*before, *order):
            library.handle(ident)
        disturbed.plan = []
        for ident in (*order, *order):
            library.handle(ident)
        assert library.done()
        told = [r.event for ident in shots for r in vault.store.load(library.stream(ident)).events]
        assert not [event for event in told if isinstance(event, StepFailed)]
        assert library.positions() == library.decided() == (SETTLED if shots is FAMILY else SETTLED_BURST)


class TestAnyOrderRepeatsRacesAndDeathsComeToTheSame:
    @settings(max_examples=150)
    @given(happenings(FAMILY))
    def test_of_a_shot_of_many_files(self, happening: tuple[list[str], list[str], list[str]]) -> None:
        live_through(FAMILY, happening)

    @settings(max_examples=150)
    @given(happenings(BURSTS))
    @example(([], ["f3", "f2", "f1", "f0"], ["f0", "go", "go", "go", "go", "go"]))
    def test_of_a_burst(self, happening: tuple[list[str], list[str], list[str]]) -> None:
        live_through(BURSTS, happening)


def test_who_decided_first_and_writes_last_takes_nobody_back(vault: MemoryVault) -> None:
    """f3 is there. f1 decides that f3 stands behind it; before it says so, f0 comes and says otherwise."""
    library = Library(vault, dict(BURSTS))
    library.handle("f3")
    disturbed = Disturbed(vault.store.commits)
    vault.store.commits = disturbed  # type: ignore[assignment]
    disturbed.plan = [lambda: library.handle("f0"), "go", "go"]  # from the end: two writes to the stack, one to f3
    library.handle("f1")
    assert disturbed.plan == []
    versions = [
        r.event.stack_version for r in vault.store.load(library.stream("f3")).events if isinstance(r.event, Stacked)
    ]
    assert versions == [3]
    assert mains(library.positions()) == {"f1": {"f0"}, "f3": {"f0"}}


def test_a_file_that_meets_nobody_costs_one_append_and_is_told_nothing(vault: MemoryVault) -> None:
    library = Library(vault, {"stranger": FAMILY["stranger"]})
    before = len(vault.everything())
    library.handle("stranger")
    made = [commit.stream for commit in vault.everything()[before:]]
    assert [split_stream(stream)[1] for stream in made] == ["stack", "asset"]
    assert library.asset("stranger").stacked == {}


def test_a_drawing_costs_nothing(vault: MemoryVault) -> None:
    library = Library(vault, {"a": shot("a.png", "image/png")})
    before = len(vault.everything())
    library.handle("a")
    assert [split_stream(c.stream)[1] for c in vault.everything()[before:]] == ["asset"]


def test_owners_never_meet(vault: MemoryVault) -> None:
    anna = Library(vault, {"a": FAMILY["jpeg"]}, "anna")
    bob = Library(vault, {"b": FAMILY["raw"], "c": FAMILY["video"]}, "bob")
    anna.handle("a")
    bob.handle("b")
    bob.handle("c")
    assert anna.positions() == bob.positions() == {}
    for commit in vault.everything():
        owner, category, _ = split_stream(commit.stream)
        if category == "stack":
            members = {r.event.asset for r in vault.store.events_of(commit) if isinstance(r.event, StackJoined)}
            assert members <= ({"a"} if owner == "anna" else {"b", "c"})


def test_a_new_look_that_finds_something_else_moves_the_file(vault: MemoryVault) -> None:
    library = Library(vault, {"jpeg": FAMILY["jpeg"], "video": FAMILY["video"]})
    library.handle("jpeg")
    library.handle("video")
    assert mains(library.positions()) == {"video": {"jpeg"}}
    library.again("jpeg", shot("IMG_1.JPG", JPEG))
    assert library.positions() == library.decided() == {}
    library.again("jpeg", FAMILY["jpeg"])
    assert mains(library.positions()) == mains(library.decided()) == {"video": {"jpeg"}}


def test_nothing_stands_behind_what_is_refused_later(vault: MemoryVault) -> None:
    library = Library(vault, {"jpeg": FAMILY["jpeg"], "raw": FAMILY["raw"]})
    library.handle("jpeg")
    library.handle("raw")
    append(vault.store, library.stream("jpeg"), [reprocess("validate")])
    library.handle("jpeg", "validate")
    assert library.asset("jpeg").quarantined
    assert library.positions() == library.decided() == {}


def test_what_a_person_takes_apart_stays_apart(vault: MemoryVault) -> None:
    library = Library(vault, {"jpeg": FAMILY["jpeg"], "raw": FAMILY["raw"]})
    library.handle("jpeg")
    library.handle("raw")
    assert sorted(unstack(vault, library.stream("raw"), "two photos")) == ["jpeg", "raw"]  # type: ignore[arg-type]
    assert library.positions() == library.decided() == {}
    library.again("raw", shot("IMG_1.DNG", DNG, 0))
    assert library.positions() == {}


def test_a_stack_that_cannot_be_read_leaves_the_file_alone_with_a_note(vault: MemoryVault) -> None:
    library = Library(vault, {"raw": FAMILY["raw"]})
    stack = meetings(FAMILY["raw"])[0].stack
    broken = append(vault.store, stack_stream("bob", stack), [StackLeft(asset="x")])[0]
    vault.commits.put(structs.replace(broken, stream=stack_stream("anna", stack), body=b'{"claim_check": 1}'))
    asset = library.asset("raw")
    attempt = Attempt(STEPS["metadata"], 1, "c", "metadata")
    stacks, events, notes = join_stacks(asset, attempt, vault.store, FAMILY["raw"])
    assert (stacks, events) == ((stack,), [])
    assert len(notes) == 1
    assert "stays alone" in notes[0]


def test_of_one_stack_the_highest_version_holds_in_whatever_order(vault: MemoryVault) -> None:
    late, early = Stacked(stack="s", stack_version=7), Stacked(stack="s", stack_version=3, main="x", role="raw")
    for order in ((late, early), (early, late), (late, early, late)):
        asset = fold(asset_stream("anna", "a"), recorded(uploaded(), *order))
        assert asset.stacked == {"s": late}
