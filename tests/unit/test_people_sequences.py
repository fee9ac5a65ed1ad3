"""Whatever people say and whatever is looked at, in any order: nothing automatic contradicts a person, two faces of a
picture are one person only when somebody said so, a replay gives the live rows, and owners are never mixed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from domain.asset import Asset, asset_stream, fold
from domain.errors import InvalidInput, NotFound
from domain.events import FaceAssigned, PersonDiscovered
from domain.person import Person, person_stream
from photovault import people as told
from photovault.clustering import cluster_faces
from photovault.rebuilding import rebuild
from photovault.reprocessing import Selection, reprocess
from photovault.runtime import catch_up
from steps.identify import root
from tests.support.factories import OWNER
from tests.support.fakes import MemoryVault, active_rows, work
from tests.support.people import ToldFaces, add_photo

EVE = "eve"
LOOKS = ("anna", "anna+0.3", "anna+0.6", "anna+0.3?", "ben", "ben+0.4", "ben?")
"""Faces that are near to each other, or nearly; the doubtful ones found nobody."""

numbers = st.integers(0, 7)


class Sequences(RuleBasedStateMachine):
    """A library that two owners share nothing of but the machine."""

    def __init__(self) -> None:
        super().__init__()
        self.faces = ToldFaces({})
        self.vault = MemoryVault(faces=self.faces)
        self.marks: list[str] = []
        self.allowed: set[tuple[str, str, str]] = set()
        """What is against a rule because somebody wanted it so."""
        for owner in (OWNER, EVE):
            self.vault.people.agree(owner, f"person:{owner}")
        catch_up(self.vault)  # type: ignore[arg-type]

    # --- what arrives ---

    @rule(who=st.lists(st.sampled_from(LOOKS), min_size=1, max_size=2))
    def a_photo_arrives(self, who: list[str]) -> None:
        mark = f"m{len(self.marks)}"
        self.marks.append(mark)
        self.faces.who[mark] = who
        with self.automatic():
            add_photo(self.vault, mark)
            work(self.vault)

    @rule(who=st.sampled_from(LOOKS))
    def a_photo_of_the_other_owner_arrives(self, who: str) -> None:
        mark = f"e{len(self.vault.everything())}"
        self.faces.who[mark] = [who]
        with self.automatic():
            add_photo(self.vault, mark, EVE)
            work(self.vault)

    # --- what is looked at again ---

    @rule()
    def the_periodic_look(self) -> None:
        with self.automatic():
            cluster_faces(self.vault, self.vault.settings.owner)

    @rule(mark=numbers, step=st.sampled_from(("identify", "faces")))
    def a_step_is_repeated(self, mark: int, step: str) -> None:
        if self.marks:
            with self.automatic():
                chosen = Selection(assets=(self.marks[mark % len(self.marks)],))
                reprocess(self.vault, step, chosen, "again")  # type: ignore[arg-type]
                work(self.vault)

    @rule()
    def everything_is_identified_anew(self) -> None:
        with self.automatic():
            reprocess(self.vault, "identify", Selection(everything=True), "again")  # type: ignore[arg-type]
            work(self.vault)

    # --- what people say ---

    @rule(mark=numbers, face=st.integers(0, 1))
    def not_this_person(self, mark: int, face: int) -> None:
        with self.said():
            told.reject(self.vault, self.mark(mark), face)  # type: ignore[arg-type]

    @rule(mark=numbers)
    def rejections_are_taken_back(self, mark: int) -> None:
        with self.said(wanted=True):
            told.undo_rejection(self.vault, self.mark(mark))  # type: ignore[arg-type]

    @rule(one=numbers, other=numbers, force=st.booleans())
    def two_are_one(self, one: int, other: int, force: bool) -> None:
        with self.said(wanted=force):
            told.merge(self.vault, self.person(one), self.person(other), force=force)  # type: ignore[arg-type]

    @rule(person=numbers, count=st.integers(1, 2))
    def some_faces_are_of_another(self, person: int, count: int) -> None:
        with self.said():
            split = self.person(person)
            mine = [
                (mark, n)
                for mark in self.marks
                for n, each in self.asset(mark).people.items()
                if self.top(each.person) == split.id
            ]
            told.split(self.vault, split, mine[:count])  # type: ignore[arg-type]

    @rule(person=numbers)
    def the_newest_is_taken_back(self, person: int) -> None:
        with self.said(wanted=True):
            told.undo(self.vault, self.person(person, follow=False))  # type: ignore[arg-type]

    @rule(person=numbers, name=st.sampled_from(("Anna", "Ben")))
    def a_name(self, person: int, name: str) -> None:
        with self.said():
            told.name(self.vault, self.person(person), name)  # type: ignore[arg-type]

    @rule(person=numbers, hidden=st.booleans())
    def hidden_or_shown(self, person: int, hidden: bool) -> None:
        with self.said():
            told.hide(self.vault, self.person(person), hidden=hidden)  # type: ignore[arg-type]

    # --- what must hold ---

    @contextmanager
    def automatic(self) -> Iterator[None]:
        """Nothing of it goes against a rule, moves a face that somebody gave, or touches whom somebody spoke of."""
        given, spoken = self.given(), self.spoken_of()
        yield
        catch_up(self.vault)  # type: ignore[arg-type]
        assert self.against() <= self.allowed
        assert {each: person for each, person in self.given().items() if each in given} == given
        assert {each: (self.known(each).now, self.top(each)) for each in spoken} == spoken

    @contextmanager
    def said(self, *, wanted: bool = False) -> Iterator[None]:
        """What people say goes against a rule only when they force it, or take something back."""
        with suppress(InvalidInput, NotFound):
            yield
        catch_up(self.vault)  # type: ignore[arg-type]
        if wanted:
            self.allowed |= self.against()
        assert self.against() <= self.allowed

    def against(self) -> set[tuple[str, str, str]]:
        """Pairs of persons that a picture shows, or that a face is and is not, and that are one all the same."""
        found: set[tuple[str, str, str]] = set()
        for mark in self.marks:
            state = self.asset(mark)
            held = sorted(state.people.items())
            pairs = [(a.person, b.person) for n, a in held for m, b in held if n < m]
            pairs += [(state.people[n].person, person) for n, person in state.rejected if n in state.people]
            found |= {(mark, *sorted(pair)) for pair in pairs if self.top(pair[0]) == self.top(pair[1])}  # type: ignore[misc]
        return found

    def given(self) -> dict[tuple[str, int], str]:
        """Faces that somebody gave."""
        return {
            (mark, n): each.person
            for mark in self.marks
            for n, each in self.asset(mark).people.items()
            if each.by == "person"
        }

    def spoken_of(self) -> dict[str, tuple[object, str | None]]:
        everybody = [c.stream.rpartition("#")[2] for c in self.vault.everything() if "#person#" in c.stream]
        people = [self.known(each) for each in sorted(set(everybody))]
        return {each.id: (each.now, self.top(each.id)) for each in people if each.told}

    @invariant()
    def owners_are_apart(self) -> None:
        """Each face is a person's whose stream the same owner has, founded by a picture of the same owner."""
        for commit in self.vault.everything():
            owner, kind, _ = commit.stream.split("#")
            for recorded in self.vault.store.events_of(commit):
                match recorded.event:
                    case FaceAssigned(person=person):
                        assert self.vault.people.person(owner, person).known
                    case PersonDiscovered(asset=asset):
                        assert (kind, asset[0]) == ("person", "e" if owner == EVE else "m")

    def teardown(self) -> None:
        """A replay of all of it gives the rows that are there."""
        with self.vault:
            catch_up(self.vault)  # type: ignore[arg-type]
            live = active_rows(self.vault)
            assert rebuild(self.vault, ["faces", "people"]).switched  # type: ignore[arg-type]
            assert active_rows(self.vault) == live

    # --- how ---

    def mark(self, number: int) -> str:
        if not self.marks:
            raise NotFound("no photo yet")
        return self.marks[number % len(self.marks)]

    def person(self, number: int, *, follow: bool = True) -> Person:
        held = [each.person for mark in self.marks for _, each in sorted(self.asset(mark).people.items())]
        every = list(dict.fromkeys(self.top(each) or each if follow else each for each in held))
        if not every:
            raise NotFound("nobody yet")
        return told.find_person(self.vault, every[number % len(every)], follow=follow)  # type: ignore[arg-type]

    def known(self, person: str) -> Person:
        owner = OWNER if self.vault.store.load(person_stream(OWNER, person)).events else EVE
        return self.vault.people.person(owner, person)

    def asset(self, mark: str) -> Asset:
        stream = asset_stream(OWNER, mark)
        return fold(stream, self.vault.store.load(stream).events)

    def top(self, person: str) -> str | None:
        return root(self.vault.people, OWNER, person)


Sequences.TestCase.settings = settings(
    max_examples=20, stateful_step_count=14, deadline=None, suppress_health_check=list(HealthCheck)
)
TestSequences = Sequences.TestCase
