"""People who were founded apart and are one: merged by the periodic look, never against a picture or a person."""

from __future__ import annotations

from itertools import permutations

import pytest

from domain.asset import asset_stream, fold
from domain.errors import InvalidInput
from domain.events import FaceAssigned, PersonDecisionUndone, PersonNamed, PersonsMerged
from domain.people import Neighbour, same_as
from domain.person import person_stream
from photovault import people as told
from photovault.clustering import cluster_faces
from photovault.reprocessing import Selection, reprocess
from photovault.runtime import catch_up
from tests.support.factories import OWNER, append
from tests.support.fakes import MemoryVault, work
from tests.support.people import add_photo, clusters, vault_with

APART = {"m1": ["anna"], "m2": ["anna+0.6"], "m3": ["anna+0.3"], "m4": ["anna+0.3"], "m5": ["anna+0.3"]}
"""The first two are too far from each other to be one; those that come later are near to both."""


def people_of(vault: MemoryVault, *marks: str) -> list[str]:
    """Whose the first face of each picture is, merges followed."""
    found = []
    for mark in marks:
        state = fold(asset_stream(OWNER, mark), vault.store.load(asset_stream(OWNER, mark)).events)
        found.append(told.root(vault.people, OWNER, state.people[0].person) or "")
    return found


def look(vault: MemoryVault) -> int:
    catch_up(vault)  # type: ignore[arg-type]
    done = cluster_faces(vault, vault.settings.owner)
    catch_up(vault)  # type: ignore[arg-type]
    return done.merged


def person(vault: MemoryVault, mark: str) -> told.Person:
    state = fold(asset_stream(OWNER, mark), vault.store.load(asset_stream(OWNER, mark)).events)
    return told.find_person(vault, state.people[0].person, follow=False)  # type: ignore[arg-type]


def test_whose_every_face_would_now_be_given_to_another_is_that_other() -> None:
    def near(*found: tuple[str | None, float]) -> list[Neighbour]:
        return [Neighbour(f"a{i}", 0, distance, who) for i, (who, distance) in enumerate(found)]

    assert same_as("p", [near(("p", 0.1), ("q", 0.4)), near(("q", 0.3), (None, 0.2))]) == "q"
    assert same_as("p", [near(("q", 0.4)), near(("q", 0.6))]) is None, "one of its faces is far"
    assert same_as("p", [near(("q", 0.4)), near(("r", 0.4))]) is None, "they are near to two"
    assert same_as("p", [near(("p", 0.1))]) is None


def test_two_who_were_founded_apart_are_one_after_the_look() -> None:
    with vault_with(APART) as vault:
        assert len(clusters(vault)) == 2
        assert look(vault) == 1
        assert len(set(people_of(vault, *APART))) == 1
        assert look(vault) == 0
        said = [(c.actor, r.event) for c in vault.everything() for r in vault.store.events_of(c)]
        assert [(who, e.by) for who, e in said if isinstance(e, PersonsMerged)] == [("clustering", "cluster")]


def test_whatever_the_order_of_arrival_the_people_are_the_same_after_the_look() -> None:
    for order in list(permutations(APART))[::17]:
        with vault_with({mark: APART[mark] for mark in order}) as vault:
            look(vault)
            assert len(set(people_of(vault, *APART))) == 1, order


@pytest.mark.parametrize("swapped", [False, True])
def test_two_whom_one_picture_shows_are_never_merged(swapped: bool) -> None:
    pair = ["anna+0.6", "anna"] if swapped else ["anna", "anna+0.6"]
    with vault_with({"m1": pair} | {f"m{n}": ["anna+0.3"] for n in (2, 3, 4)}) as vault:
        assert look(vault) == 0


def test_one_of_whom_somebody_has_said_something_is_left_alone() -> None:
    for mark in ("m1", "m2"):
        for said in (lambda v, p: told.name(v, p, "Anna"), lambda v, p: told.hide(v, p, hidden=True)):
            with vault_with(APART) as vault:
                said(vault, person(vault, mark))
                assert look(vault) == 0
                told.undo(vault, person(vault, mark))  # type: ignore[arg-type]
                assert look(vault) == 0, "what was said and taken back was said"


def test_what_somebody_says_while_the_look_goes_on_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    with vault_with(APART) as vault:
        near, names = vault.people.near, ["Ann", "Bea"]

        def told_meanwhile(*asked: object) -> object:
            for mark in ("m1", "m2")[: len(names)]:
                stream = person_stream(OWNER, person(vault, mark).id)
                append(vault.store, stream, PersonNamed(name=names.pop()))
            return near(*asked)  # type: ignore[arg-type]

        catch_up(vault)  # type: ignore[arg-type]
        monkeypatch.setattr(vault.people, "near", told_meanwhile)
        assert look(vault) == 0
        assert names == []
        assert len(clusters(vault)) == 2


def test_not_this_person_binds_the_look() -> None:
    with vault_with({"m1": ["anna"], "m3": ["anna+0.2"], "m4": ["anna+0.2"], "m2": ["anna+0.3"]}) as vault:
        assert len(set(people_of(vault, "m1", "m2"))) == 1
        told.reject(vault, "m2", 0)  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        reprocess(vault, "identify", Selection(assets=("m2",)), "again")  # type: ignore[arg-type]
        work(vault)
        assert len(set(people_of(vault, "m1", "m2"))) == 2, "it has founded somebody"
        assert look(vault) == 0
        assert len(set(people_of(vault, "m1", "m2"))) == 2


def test_a_merge_that_is_taken_back_is_not_made_again() -> None:
    with vault_with(APART) as vault:
        assert look(vault) == 1
        merged = next(each for each in (person(vault, "m1"), person(vault, "m2")) if each.now.into)
        told.undo(vault, merged)  # type: ignore[arg-type]
        assert look(vault) == 0
        assert len(told.people(vault)) == 2  # type: ignore[arg-type]


def test_a_merge_that_another_process_made_wrong_is_taken_back() -> None:
    """A picture of both was decided on while they were merged."""
    with vault_with(APART) as vault:
        one, other = person(vault, "m1"), person(vault, "m2")
        assert look(vault) == 1
        vault.ports.faces.who["m6"] = ["ben", "cleo"]  # type: ignore[union-attr]
        add_photo(vault, "m6")
        work(vault)
        late = [FaceAssigned(face=n, person=each.id, by="nearest") for n, each in enumerate((one, other))]
        append(vault.store, asset_stream(OWNER, "m6"), *late)
        assert look(vault) == 0
        assert len(set(people_of(vault, "m1", "m2"))) == 2
        events = [e.event for each in (one, other) for e in vault.store.load(person_stream(OWNER, each.id)).events]
        assert sum(isinstance(each, PersonDecisionUndone) for each in events) == 1
        assert look(vault) == 0


def test_what_somebody_has_merged_is_never_taken_back() -> None:
    with vault_with({"m1": ["anna", "ben"]}) as vault:
        first, second = told.people(vault)  # type: ignore[arg-type]
        pair = [told.find_person(vault, each.person) for each in (first, second)]  # type: ignore[arg-type]
        with pytest.raises(InvalidInput):
            told.merge(vault, *pair)  # type: ignore[arg-type]
        told.merge(vault, *pair, force=True)  # type: ignore[arg-type]
        assert look(vault) == 0
        assert len(told.people(vault)) == 1  # type: ignore[arg-type]


def test_owners_are_never_mixed() -> None:
    with vault_with(APART) as vault:
        vault.people.agree("eve", "person:eve")
        for mark in ("m1", "m2"):
            add_photo(vault, mark, "eve")
        work(vault)
        before = {c.stream: c.number for c in vault.everything() if c.stream.startswith("eve#")}
        assert look(vault) == 1
        assert {c.stream: c.number for c in vault.everything() if c.stream.startswith("eve#")} == before
        assert clusters(vault, "eve") == {frozenset({("m1", 0)}), frozenset({("m2", 0)})}
