"""The steps faces and identify with what stands behind them: agreement, sealing, people, forgetting."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import date

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.asset import asset_stream, fold
from domain.errors import InvalidInput, NotFound
from domain.events import FacesDetected, StepSkipped
from domain.faces import Look
from domain.query import parse
from photovault import people as told
from photovault.clustering import cluster_faces
from photovault.rebuilding import rebuild
from photovault.reprocessing import Selection, reprocess
from photovault.runtime import catch_up
from tests.support.factories import OWNER
from tests.support.fakes import MemoryVault, active_rows, work
from tests.support.people import add_photo, clusters, vault_with

TWO = {"m1": ["anna"], "m2": ["ben", "anna"], "m3": ["ben"], "m4": ["anna", "ben"], "m5": ["anna"]}


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with vault_with(TWO) as made:
        yield made


def asset(vault: MemoryVault, mark: str, owner: str = OWNER):  # type: ignore[no-untyped-def]
    stream = asset_stream(owner, mark)
    return fold(stream, vault.store.load(stream).events)


def whose(vault: MemoryVault, mark: str, face: int = 0) -> told.Person:
    return told.find_person(vault, asset(vault, mark).people[face].person)  # type: ignore[arg-type]


def listed(vault: MemoryVault) -> list[tuple[str | None, int]]:
    catch_up(vault)  # type: ignore[arg-type]
    return [(each.name, each.faces) for each in told.people(vault)]  # type: ignore[arg-type]


def replays_equal(vault: MemoryVault) -> None:
    catch_up(vault)  # type: ignore[arg-type]
    live = active_rows(vault)
    result = rebuild(vault, list(vault.generations.projections))  # type: ignore[arg-type]
    assert result.switched
    assert active_rows(vault) == live


class TestAgreement:
    def test_without_it_nothing_is_looked_for_and_the_reason_says_how(self) -> None:
        with vault_with(TWO, agreed=False) as vault:
            skipped = [e.event for e in vault.store.load(asset_stream(OWNER, "m1")).events]
            [reason] = [e.reason for e in skipped if isinstance(e, StepSkipped) and e.run.step == "faces"]
            assert "faces agree" in reason
            assert vault.ports.faces.calls == 0  # type: ignore[union-attr]
            with pytest.raises(InvalidInput, match="faces agree"):
                told.people(vault)  # type: ignore[arg-type]

    def test_without_a_model_it_is_skipped(self) -> None:
        vault = MemoryVault()
        with vault:
            vault.people.agree(OWNER, "person:test")
            add_photo(vault, "m1")
            work(vault)
            events = [e.event for e in vault.store.load(asset_stream(OWNER, "m1")).events]
            assert any(isinstance(e, StepSkipped) and "models install" in e.reason for e in events)

    def test_pictures_that_were_there_before_are_looked_at_after_it(self) -> None:
        with vault_with(TWO, agreed=False) as vault:
            vault.people.agree(OWNER, "person:test")
            reprocess(vault, "faces", Selection(everything=True), "agreed")  # type: ignore[arg-type]
            work(vault)
            assert len(clusters(vault)) == 2

    def test_twice_is_one_key(self) -> None:
        with MemoryVault() as vault:
            assert vault.people.agree(OWNER, "x") == vault.people.agree(OWNER, "x")


class TestSealing:
    def test_no_vector_is_in_an_event_or_readable_in_a_blob(self, vault: MemoryVault) -> None:
        detected = asset(vault, "m1").faces
        [found] = vault.ports.faces.analyze(Look(OWNER, "m1", "-", b"medium of m1", 640, 480)).faces  # type: ignore[union-attr]
        for data in [*vault.blobs.data.values(), *(c.body for c in vault.everything())]:
            assert found.vector not in data
        opened = vault.people.unseal(OWNER, "m1", detected.key, detected.sealed)
        assert opened == found.vector

    def test_a_blob_opens_for_its_own_asset_and_owner_only(self, vault: MemoryVault) -> None:
        detected = asset(vault, "m1").faces
        assert vault.people.unseal(OWNER, "m2", detected.key, detected.sealed) is None
        assert vault.people.unseal("eve", "m1", detected.key, detected.sealed) is None

    def test_forgetting_destroys_the_key_and_clears_every_row(self, vault: MemoryVault) -> None:
        told.name(vault, whose(vault, "m1"), "Anna")  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        detected = asset(vault, "m1").faces
        done = told.forget(vault)  # type: ignore[arg-type]
        assert done == {"pictures": 5, "people": 2}
        catch_up(vault)  # type: ignore[arg-type]
        assert vault.people.unseal(OWNER, "m1", detected.key, detected.sealed) is None
        assert not list(vault.checkpoints.list("face-key"))
        assert not any(b"Anna" in str(row).encode() for row in active_rows(vault)["people"].values())
        assert not list(vault.people.shown(OWNER))
        assert told.forget(vault) is None  # type: ignore[arg-type]

    def test_after_forgetting_steps_are_skipped_and_nothing_crashes(self, vault: MemoryVault) -> None:
        told.forget(vault)  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        for step in ("faces", "identify"):
            reprocess(vault, step, Selection(everything=True), "again")  # type: ignore[arg-type]
        work(vault)
        assert clusters(vault) == set()
        replays_equal(vault)

    def test_one_who_agrees_again_begins_anew(self, vault: MemoryVault) -> None:
        told.forget(vault)  # type: ignore[arg-type]
        vault.people.agree(OWNER, "person:test")
        catch_up(vault)  # type: ignore[arg-type]
        reprocess(vault, "faces", Selection(everything=True), "again")  # type: ignore[arg-type]
        work(vault)
        assert listed(vault) == [(None, 4), (None, 3)]

    def test_a_lost_key_leaves_faces_without_people(self, vault: MemoryVault) -> None:
        vault.people.destroy(OWNER, vault.people.key(OWNER) or "")
        add_photo(vault, "m6")
        vault.ports.faces.who["m6"] = ["anna"]  # type: ignore[union-attr]
        work(vault)
        events = [e.event for e in vault.store.load(asset_stream(OWNER, "m6")).events]
        assert not any(isinstance(e, FacesDetected) for e in events)


class TestPeople:
    def test_each_person_is_one_cluster(self, vault: MemoryVault) -> None:
        assert clusters(vault) == {
            frozenset({("m1", 0), ("m2", 1), ("m4", 0), ("m5", 0)}),
            frozenset({("m2", 0), ("m3", 0), ("m4", 1)}),
        }

    @settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(st.permutations(list(TWO)))
    def test_any_order_of_arrival_gives_the_same_clusters(self, order: list[str]) -> None:
        with vault_with({mark: TWO[mark] for mark in order}) as made:
            assert {frozenset(c) for c in clusters(made)} == {
                frozenset({("m1", 0), ("m2", 1), ("m4", 0), ("m5", 0)}),
                frozenset({("m2", 0), ("m3", 0), ("m4", 1)}),
            }

    def test_the_same_work_after_a_restart_knows_everybody(self, vault: MemoryVault) -> None:
        vault.people._known.clear()
        vault.ports.faces.who["m6"] = ["ben"]  # type: ignore[union-attr]
        add_photo(vault, "m6")
        work(vault)
        assert asset(vault, "m6").people[0].person == asset(vault, "m3").people[0].person

    def test_a_doubtful_face_founds_nobody_but_is_recognised(self) -> None:
        with vault_with({"m1": ["anna?"], "m2": ["anna"], "m3": ["anna?"]}) as made:
            assert clusters(made) == {frozenset({("m2", 0), ("m3", 0)})}
            done = cluster_faces(made, OWNER)
            assert (done.assigned, done.people, done.left) == (1, 0, 0)
            assert len(clusters(made)) == 1

    def test_many_doubtful_faces_are_a_person_together(self) -> None:
        who = {f"m{i}": [name] for i, name in enumerate(["anna?"] * 6 + ["ben?"] * 6)}
        with vault_with(who) as made:
            assert clusters(made) == set()
            done = cluster_faces(made, OWNER)
            assert (done.assigned, done.people, done.left) == (12, 2, 0)
            assert {frozenset(a for a, _ in group) for group in clusters(made)} == {
                frozenset(f"m{i}" for i in range(6)),
                frozenset(f"m{i}" for i in range(6, 12)),
            }

    def test_owners_never_meet(self, vault: MemoryVault) -> None:
        vault.people.agree("eve", "person:eve")
        vault.ports.faces.who["e1"] = ["anna"]  # type: ignore[union-attr]
        add_photo(vault, "e1", "eve")
        work(vault)
        mine = {each.person for mark in TWO for each in asset(vault, mark).people.values()}
        assert asset(vault, "e1", "eve").people[0].person not in mine
        assert [n.asset for n in vault.people.near("eve", "other", _vector(vault, "m1")).faces[0]] == ["e1"]


def _vector(vault: MemoryVault, mark: str) -> bytes:
    detected = asset(vault, mark).faces
    data = vault.people.unseal(OWNER, mark, detected.key, detected.sealed)
    assert data is not None
    return data


class TestDecisions:
    def test_not_this_person_binds_for_ever(self, vault: MemoryVault) -> None:
        anna = told.reject(vault, "m5", 0)  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        for step in ("identify", "faces"):
            reprocess(vault, step, Selection(assets=("m5",)), "again")  # type: ignore[arg-type]
            work(vault)
            catch_up(vault)  # type: ignore[arg-type]
            cluster_faces(vault, OWNER)
            assert told.root(vault.people, OWNER, asset(vault, "m5").people[0].person) != anna

    def test_a_rejection_is_undone(self, vault: MemoryVault) -> None:
        anna = told.reject(vault, "m5", 0)  # type: ignore[arg-type]
        assert told.undo_rejection(vault, "m5") == [(0, anna)]  # type: ignore[arg-type]
        assert asset(vault, "m5").people[0].person == anna

    def test_people_of_one_picture_are_merged_only_by_force(self, vault: MemoryVault) -> None:
        anna, ben = whose(vault, "m1"), whose(vault, "m3")
        with pytest.raises(InvalidInput, match="show both"):
            told.merge(vault, anna, ben)  # type: ignore[arg-type]
        told.merge(vault, anna, ben, force=True)  # type: ignore[arg-type]
        assert listed(vault) == [(None, 7)]
        told.undo(vault, told.find_person(vault, anna.id, follow=False))  # type: ignore[arg-type]
        assert listed(vault) == [(None, 4), (None, 3)]

    def test_a_merge_never_breaks_what_was_rejected(self) -> None:
        with vault_with({"m1": ["anna"], "m2": ["ben"], "m3": ["anna"]}) as vault:
            anna = told.reject(vault, "m3", 0)  # type: ignore[arg-type]
            catch_up(vault)  # type: ignore[arg-type]
            reprocess(vault, "identify", Selection(assets=("m3",)), "again")  # type: ignore[arg-type]
            work(vault)
            catch_up(vault)  # type: ignore[arg-type]
            other = whose(vault, "m3")
            assert other.id != anna
            for force in (False, True):
                with pytest.raises(InvalidInput, match="somebody said"):
                    told.merge(vault, other, whose(vault, "m1"), force=force)  # type: ignore[arg-type]

    def test_faces_to_come_follow_a_merge(self) -> None:
        with vault_with({"m1": ["anna"], "m2": ["anna as a child"]}) as vault:
            child, anna = whose(vault, "m2"), whose(vault, "m1")
            told.merge(vault, child, anna)  # type: ignore[arg-type]
            vault.ports.faces.who["m3"] = ["anna as a child"]  # type: ignore[union-attr]
            add_photo(vault, "m3")
            work(vault)
            assert asset(vault, "m3").people[0].person == anna.id

    def test_a_split_holds_and_is_undone(self, vault: MemoryVault) -> None:
        anna = whose(vault, "m1")
        new = told.split(vault, anna, [("m5", 0), ("m1", 0)])  # type: ignore[arg-type]
        assert listed(vault) == [(None, 3), (None, 2), (None, 2)]
        with pytest.raises(InvalidInput, match="split off"):
            told.merge(vault, told.find_person(vault, new), told.find_person(vault, anna.id))  # type: ignore[arg-type]
        reprocess(vault, "identify", Selection(everything=True), "again")  # type: ignore[arg-type]
        work(vault)
        assert asset(vault, "m5").people[0].person == new
        told.undo(vault, told.find_person(vault, anna.id))  # type: ignore[arg-type]
        assert sum(faces for _, faces in listed(vault)) == 7
        assert len(listed(vault)) == 2

    def test_questions(self, vault: MemoryVault) -> None:
        anna, ben = whose(vault, "m1"), whose(vault, "m3")
        told.name(vault, anna, "Anna")  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        assert told.find_person(vault, "anna").id == anna.id  # type: ignore[arg-type]
        assert [s.asset for s in told.together(vault, [anna, ben])] == ["m2", "m4"]  # type: ignore[arg-type]
        assert [f["name"] for f in told.who(vault, "m2")["faces"]] == [None, "Anna"]  # type: ignore[arg-type]
        assert {f["asset"] for f in told.like(vault, "m1", 0)} == {"m2", "m4", "m5"}  # type: ignore[arg-type]
        with pytest.raises(NotFound):
            told.find_person(vault, "nobody")  # type: ignore[arg-type]
        told.hide(vault, ben, hidden=True)  # type: ignore[arg-type]
        assert listed(vault) == [("Anna", 4)]

    def test_a_name_with_punctuation_is_found_as_a_search_writes_it(self, vault: MemoryVault) -> None:
        anna = whose(vault, "m1")
        told.name(vault, anna, "Anna-Maria O'Neill")  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        asked = parse('person:"anna-maria o\'neill"', date(2026, 1, 1)).filters[0].value
        assert told.find_person(vault, asked).id == anna.id  # type: ignore[arg-type]

    def test_replay_equals_live_after_all_of_it(self, vault: MemoryVault) -> None:
        anna, ben = whose(vault, "m1"), whose(vault, "m3")
        told.name(vault, anna, "Anna")  # type: ignore[arg-type]
        told.reject(vault, "m5", 0)  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        told.split(vault, ben, [("m3", 0)])  # type: ignore[arg-type]
        told.merge(vault, anna, ben, force=True)  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        replays_equal(vault)


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10_000))
def test_whatever_is_said_in_whatever_order_a_rejection_is_never_broken(seed: int) -> None:
    dice = random.Random(seed)
    names = ["anna", "ben", "cleo"]
    who = {f"m{i}": dice.sample(names, dice.randint(1, 2)) for i in range(6)}
    with vault_with(who) as vault:
        for _ in range(10):
            catch_up(vault)  # type: ignore[arg-type]
            everybody = told.people(vault, hidden=True)  # type: ignore[arg-type]
            mark = dice.choice(list(who))
            face = dice.randrange(len(who[mark]))
            try:
                match dice.randrange(5):
                    case 0:
                        told.reject(vault, mark, face)  # type: ignore[arg-type]
                    case 1 if len(everybody) > 1:
                        one, other = dice.sample(everybody, 2)
                        find = [told.find_person(vault, each.person) for each in (one, other)]  # type: ignore[arg-type]
                        told.merge(vault, *find)  # type: ignore[arg-type]
                    case 2:
                        reprocess(vault, "identify", Selection(assets=(mark,)), "again")  # type: ignore[arg-type]
                        work(vault)
                    case 3:
                        told.split(vault, whose(vault, mark, face), [(mark, face)])  # type: ignore[arg-type]
                    case 4:
                        cluster_faces(vault, OWNER)
            except (InvalidInput, KeyError):
                continue
            for each in who:
                state = asset(vault, each)
                tops = {n: told.root(vault.people, OWNER, a.person) for n, a in state.people.items()}
                assert len(set(tops.values())) == len(tops), "two faces of one picture are one person"
                for number, person in state.rejected:
                    assert tops.get(number) != told.root(vault.people, OWNER, person)
