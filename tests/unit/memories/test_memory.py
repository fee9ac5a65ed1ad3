"""A memory stays itself: which occasion is which memory, and what is decided about it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import structs

from domain.errors import NotFound
from domain.memory import Found, Memory, dismiss, evolve, matched, remember, restore, retire
from domain.memory_events import MemoryCreated, MemoryDismissed, MemoryRestored, MemoryRetired, MemoryRevised

TRIP = Found(
    kind="trip",
    title="Weekend in Arezzo, October 2008",
    since="2008-10-17T09:00:00",
    until="2008-10-19T18:00:00",
    members=("a", "b", "c", "d"),
    pictures=("a", "c"),
    cover="c",
    place="Arezzo",
)


def after(*events: Any, ident: str = "m1") -> Memory:
    memory = Memory(ident)
    for event in events:
        memory = evolve(memory, event)
    return memory


def created(found: Found = TRIP, ident: str = "m1") -> Memory:
    return after(*remember(Memory(ident), found), ident=ident)


class TestDeciding:
    def test_what_is_found_first_is_created(self) -> None:
        (event,) = remember(Memory("m1"), TRIP)
        assert isinstance(event, MemoryCreated)
        assert after(event).found == TRIP

    def test_what_is_found_again_is_nothing_new(self) -> None:
        assert remember(created(), TRIP) == ()

    def test_a_late_picture_revises_it_and_says_what_changed(self) -> None:
        wider = structs.replace(TRIP, members=(*TRIP.members, "e"), until="2008-10-20T10:00:00")
        (event,) = remember(created(), wider)
        assert isinstance(event, MemoryRevised)
        assert (event.changes, event.added, event.removed) == (("members", "time"), ("e",), ())
        assert evolve(created(), event).found == wider

    def test_what_went_is_named(self) -> None:
        (event,) = remember(created(), structs.replace(TRIP, members=("a", "c", "d")))
        assert isinstance(event, MemoryRevised)
        assert (event.added, event.removed) == ((), ("b",))

    def test_a_party_that_turns_out_to_be_a_weekend_is_the_same_memory(self) -> None:
        (event,) = remember(created(structs.replace(TRIP, kind="event")), TRIP)
        assert isinstance(event, MemoryRevised)
        assert event.changes == ("kind",)

    def test_what_was_retired_comes_back(self) -> None:
        gone = evolve(created(), MemoryRetired(reason="its pictures are in another memory now", into="m2"))
        assert not gone.live
        (event,) = remember(gone, TRIP)
        assert isinstance(event, MemoryRevised)
        assert event.changes == ("retired",)
        assert evolve(gone, event).live

    def test_it_is_retired_once(self) -> None:
        (event,) = retire(created(), "too few of its pictures are left")
        assert retire(evolve(created(), event), "again") == ()

    def test_a_dismissal_outlives_revisions_and_retirement(self) -> None:
        memory = created()
        for event in (
            *dismiss(memory),
            *remember(memory, structs.replace(TRIP, title="Else")),
            MemoryRetired(reason="r"),
        ):
            memory = evolve(memory, event)
        assert memory.dismissed
        assert evolve(memory, *remember(memory, TRIP)).dismissed

    def test_dismissing_and_restoring_twice_is_once(self) -> None:
        assert dismiss(created()) == (MemoryDismissed(),)
        hidden = evolve(created(), MemoryDismissed())
        assert dismiss(hidden) == ()
        assert restore(hidden) == (MemoryRestored(),)
        assert restore(created()) == ()

    def test_there_must_be_one(self) -> None:
        with pytest.raises(NotFound, match="memories list"):
            dismiss(Memory("m1"))


class TestMatching:
    def test_an_occasion_is_the_memory_that_it_shares_most_with(self) -> None:
        one, two = self.memory("m1", "abcd"), self.memory("m2", "efghij")
        match = matched([list("abcdk"), list("efghijl")], [one, two])
        assert (dict(match.same), match.gone) == ({0: "m1", 1: "m2"}, {})

    def test_what_shares_too_little_is_another_memory(self) -> None:
        match = matched([list("axyzuvw")], [self.memory("m1", "abcd")])
        assert (dict(match.same), match.gone) == ({}, {"m1": None})

    def test_two_that_a_late_picture_joins_become_the_larger_one(self) -> None:
        match = matched([list("abcdefghijX")], [self.memory("m1", "abcd"), self.memory("m2", "efghij")])
        assert (dict(match.same), match.gone) == ({0: "m2"}, {"m1": "m2"})

    def test_of_one_that_falls_in_two_the_larger_part_is_it(self) -> None:
        match = matched([list("abc"), list("defgh")], [self.memory("m1", "abcdefgh")])
        assert dict(match.same) == {1: "m1"}

    def test_what_falls_off_a_dismissed_memory_is_not_shown_as_a_new_one(self) -> None:
        dismissed = evolve(self.memory("m1", "abcdefgh"), MemoryDismissed())
        match = matched([list("abc"), list("defgh")], [dismissed])
        assert match.fallen_off == {0}

    def test_a_retired_one_is_recognised(self) -> None:
        retired = evolve(self.memory("m1", "abcd"), MemoryRetired(reason="r"))
        match = matched([list("abcd")], [retired])
        assert (dict(match.same), match.gone) == ({0: "m1"}, {})

    def test_the_order_in_which_memories_are_given_does_not_matter(self) -> None:
        some = [self.memory(f"m{n}", letters) for n, letters in enumerate(("abcd", "cdef", "efgh"))]
        found = [list("abcde"), list("efgh")]
        assert matched(found, some) == matched(found, some[::-1])

    def memory(self, ident: str, members: str) -> Memory:
        return created(structs.replace(TRIP, members=tuple(members), pictures=(members[0],), cover=members[0]), ident)
