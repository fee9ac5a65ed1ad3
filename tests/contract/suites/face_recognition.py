"""What every way to recognise faces does (`domain.faces.FaceAnalyzer` with `domain.people.FaceMemory`): nothing before
the owner agrees, the same person's faces together, strangers and owners apart, everything gone when it is forgotten.

`FaceRecognitionContract` is the suite; `tests/contract/test_face_recognition.py` holds each adapter to it. Pictures are
told apart by their marks, and who is in them is said; a name that ends with `DOUBTFUL` is a face that is not good
enough to found a person and may still be somebody's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

import pytest

from domain.asset import Asset, asset_stream, fold
from domain.errors import InvalidInput
from domain.events import FaceAssigned, FacesDetected, FacesIdentified, StepSkipped
from domain.faces import Look, Looked
from domain.people import FAR, NEAR, Neighbour
from domain.recognition import ModelUse
from photovault import people as told
from photovault.clustering import Clustered, cluster_faces
from photovault.rebuilding import rebuild
from photovault.reprocessing import Selection, reprocess
from photovault.runtime import catch_up
from tests.support.factories import OWNER
from tests.support.fakes import MemoryVault, active_rows, work
from tests.support.people import clusters

TWO: Mapping[str, Sequence[str]] = {
    "m1": ["anna"],
    "m2": ["ben", "anna"],
    "m3": ["ben"],
    "m4": ["anna", "ben"],
    "m5": ["anna"],
}
TOGETHER = {
    frozenset({("m1", 0), ("m2", 1), ("m4", 0), ("m5", 0)}),
    frozenset({("m2", 0), ("m3", 0), ("m4", 1)}),
}


def asset_of(vault: MemoryVault, mark: str, owner: str = OWNER) -> Asset:
    """An asset as its history says."""
    stream = asset_stream(owner, mark)
    return fold(stream, vault.store.load(stream).events)


def tokens(vault: MemoryVault, mark: str, owner: str = OWNER) -> bytes:
    """What tells an asset's faces apart."""
    detected = asset_of(vault, mark, owner).faces
    assert detected is not None
    found = vault.people.unseal(owner, mark, detected.key or "", detected.sealed or "")
    assert found is not None
    return found


def near(vault: MemoryVault, mark: str, owner: str = OWNER) -> Sequence[Sequence[Neighbour]]:
    """Known faces that are near to an asset's."""
    return vault.people.near(owner, mark, tokens(vault, mark, owner)).faces


def again(vault: MemoryVault, step: str, *marks: str) -> None:
    """Ask for a step once more, and work."""
    catch_up(vault)  # type: ignore[arg-type]
    chosen = Selection(assets=marks) if marks else Selection(everything=True)
    reprocess(vault, step, chosen, "again")  # type: ignore[arg-type]
    work(vault)


class FaceRecognitionContract:
    """Subclasses give `made` and `known`, and say how a doubtful face is called and what was asked."""

    DOUBTFUL = "?"

    def made(self, who: Mapping[str, Sequence[str]], *, agreed: bool = True) -> AbstractContextManager[MemoryVault]:
        """A vault that has worked through these pictures, one after the other."""
        raise NotImplementedError

    def known(self, vault: MemoryVault) -> int:
        """Faces that nearness is known of, of all owners."""
        raise NotImplementedError

    def add(self, vault: MemoryVault, mark: str, who: Sequence[str], owner: str = OWNER) -> None:
        """One more picture."""
        raise NotImplementedError

    def model(self) -> str:
        """What the event calls that which found the faces: name and version."""
        raise NotImplementedError

    @pytest.fixture
    def vault(self) -> Iterator[MemoryVault]:
        with self.made(TWO) as made:
            yield made

    # --- agreement ---

    def test_without_agreement_nothing_is_looked_for_and_nothing_is_kept(self) -> None:
        with self.made(TWO, agreed=False) as vault:
            for mark in TWO:
                assert asset_of(vault, mark).faces is None
            said = [e.event for e in vault.store.load(asset_stream(OWNER, "m1")).events]
            assert [e.reason for e in said if isinstance(e, StepSkipped) and "faces agree" in e.reason]
            assert self.known(vault) == 0
            with pytest.raises(InvalidInput, match="faces agree"):
                told.people(vault)  # type: ignore[arg-type]

    def test_pictures_that_were_there_before_are_looked_at_after_it(self) -> None:
        with self.made(TWO, agreed=False) as vault:
            vault.people.agree(OWNER, "person:test")
            again(vault, "faces")
            assert clusters(vault) == TOGETHER

    # --- what is found ---

    def test_faces_come_from_left_to_right_with_landmarks_quality_and_who_found_them(self, vault: MemoryVault) -> None:
        detected = asset_of(vault, "m2").faces
        assert detected is not None
        one, other = detected.faces
        assert one.box.left < other.box.left
        assert one.landmarks
        assert one.score > 0.9
        assert one.sharpness > 0
        assert one.frontality > 0.5
        assert one.doubts == ()
        assert [f"{each.name} {each.version}" for each in detected.models] == [self.model()]

    def test_what_tells_faces_apart_is_in_no_event_and_readable_in_no_blob(self, vault: MemoryVault) -> None:
        token = tokens(vault, "m1")
        assert len(token) == vault.people.size
        for data in [*vault.blobs.data.values(), *(commit.body for commit in vault.everything())]:
            assert token not in data

    def test_a_picture_without_faces_is_one_without_faces(self) -> None:
        with self.made({"m1": [], "m2": ["anna"]}) as vault:
            detected = asset_of(vault, "m1").faces
            assert detected is not None
            assert (detected.faces, detected.sealed) == ((), None)
            assert self.known(vault) == 1

    # --- who is who ---

    def test_each_person_is_one_cluster(self, vault: MemoryVault) -> None:
        assert clusters(vault) == TOGETHER

    @pytest.mark.parametrize("order", ["m5 m4 m3 m2 m1", "m4 m1 m2 m5 m3", "m2 m5 m3 m1 m4"])
    def test_any_order_of_arrival_gives_the_same_clusters(self, order: str) -> None:
        with self.made({mark: TWO[mark] for mark in order.split()}) as vault:
            assert clusters(vault) == TOGETHER

    def test_two_faces_in_a_picture_are_two_people(self) -> None:
        with self.made({"m1": ["anna", "anna"], "m2": ["anna"]}) as vault:
            people = asset_of(vault, "m1").people
            assert people[0].person != people[1].person
            assert asset_of(vault, "m2").people[0].person in {each.person for each in people.values()}

    def test_the_nearest_faces_are_the_same_persons_nearest_first_and_never_ones_own(self, vault: MemoryVault) -> None:
        [found] = near(vault, "m1")
        assert {(each.asset, each.face) for each in found} == {("m2", 1), ("m4", 0), ("m5", 0)}
        assert [each.distance for each in found] == sorted(each.distance for each in found)
        assert all(0 < each.distance <= NEAR < FAR for each in found)
        assert {each.person for each in found} == {asset_of(vault, "m1").people[0].person}

    def test_a_doubtful_face_founds_nobody_and_may_be_somebodys(self) -> None:
        with self.made({"m1": [f"ben{self.DOUBTFUL}"], "m2": ["anna"], "m3": [f"anna{self.DOUBTFUL}"]}) as vault:
            assert asset_of(vault, "m1").people == {}
            assert asset_of(vault, "m3").people[0].person == asset_of(vault, "m2").people[0].person

    def test_it_is_recorded_how_near_the_nearest_was(self, vault: MemoryVault) -> None:
        events = [e.event for e in vault.store.load(asset_stream(OWNER, "m5")).events]
        [assigned] = [e for e in events if isinstance(e, FaceAssigned)]
        assert assigned.by == "nearest"
        assert assigned.distance is not None
        assert assigned.distance == pytest.approx(near(vault, "m5")[0][0].distance, abs=1e-3)

    # --- the periodic look ---

    def test_a_face_is_given_to_somebody_who_came_later(self) -> None:
        with self.made({"m1": [f"anna{self.DOUBTFUL}"], "m2": ["anna"], "m3": ["anna"]}) as vault:
            assert asset_of(vault, "m1").people == {}
            assert cluster_faces(vault, OWNER) == Clustered(1, 0, 0)
            assert asset_of(vault, "m1").people[0].by == "cluster"
            catch_up(vault)  # type: ignore[arg-type]
            assert cluster_faces(vault, OWNER) == Clustered(0, 0, 0)

    def test_many_doubtful_faces_of_one_are_a_person_together(self) -> None:
        who = {f"m{i}": [f"{name}{self.DOUBTFUL}"] for i, name in enumerate(["anna"] * 6 + ["ben"] * 6)}
        with self.made(who) as vault:
            assert clusters(vault) == set()
            assert cluster_faces(vault, OWNER) == Clustered(12, 2, 0)
            assert {frozenset(asset for asset, _ in group) for group in clusters(vault)} == {
                frozenset(f"m{i}" for i in range(6)),
                frozenset(f"m{i}" for i in range(6, 12)),
            }

    def test_a_rejected_face_is_not_given_back_by_the_look(self, vault: MemoryVault) -> None:
        anna = told.reject(vault, "m5", 0)  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        cluster_faces(vault, OWNER)
        assert 0 not in asset_of(vault, "m5").people
        again(vault, "identify", "m5")
        assert asset_of(vault, "m5").people[0].person != anna

    # --- once and twice ---

    def test_looking_twice_adds_nothing(self, vault: MemoryVault) -> None:
        before, kept = clusters(vault), self.known(vault)
        again(vault, "faces")
        assert self.known(vault) == kept
        assert clusters(vault) == before

    def test_a_look_that_was_never_recorded_leaves_nothing_behind(self, vault: MemoryVault) -> None:
        kept = self.known(vault)
        key = vault.people.key(OWNER)
        assert key is not None
        assert vault.ports.faces is not None
        looked = vault.ports.faces.analyze(Look(OWNER, "m3", key, b"another rendition of m3", 1024, 1024))
        assert len(looked.faces) == 1
        vault.people.tidy(OWNER)
        assert self.known(vault) == kept
        again(vault, "identify")
        assert clusters(vault) == TOGETHER

    def test_identifying_twice_decides_the_same(self, vault: MemoryVault) -> None:
        again(vault, "identify")
        assert clusters(vault) == TOGETHER

    # --- owners ---

    def test_owners_never_meet(self, vault: MemoryVault) -> None:
        vault.people.agree("eve", "person:eve")
        self.add(vault, "e1", ["anna"], "eve")
        self.add(vault, "e2", ["anna"], "eve")
        mine = {each.person for mark in TWO for each in asset_of(vault, mark).people.values()}
        assert asset_of(vault, "e1", "eve").people[0].person not in mine
        assert [n.asset for n in near(vault, "e1", "eve")[0]] == ["e2"]
        assert {n.asset for n in near(vault, "m1")[0]} == {"m2", "m4", "m5"}

    def test_one_owners_agreement_is_not_anothers(self, vault: MemoryVault) -> None:
        kept = self.known(vault)
        self.add(vault, "e1", ["anna"], "eve")
        assert asset_of(vault, "e1", "eve").faces is None
        assert self.known(vault) == kept

    def test_what_is_sealed_opens_for_its_own_asset_and_owner_only(self, vault: MemoryVault) -> None:
        detected = asset_of(vault, "m1").faces
        assert detected is not None
        key, sealed = detected.key or "", detected.sealed or ""
        vault.people.agree("eve", "person:eve")
        assert vault.people.unseal(OWNER, "m2", key, sealed) is None
        assert vault.people.unseal("eve", "m1", vault.people.key("eve") or "", sealed) is None

    # --- forgetting ---

    def test_forgetting_forgets(self, vault: MemoryVault) -> None:
        token, detected = tokens(vault, "m1"), asset_of(vault, "m1").faces
        assert detected is not None
        assert told.forget(vault) == {"pictures": 5, "people": 2}  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        assert self.known(vault) == 0
        assert vault.people.unseal(OWNER, "m1", detected.key or "", detected.sealed or "") is None
        assert list(vault.people.near(OWNER, "m1", token).faces) == [()]
        assert not list(vault.people.shown(OWNER))
        for kind in ("face-key", "face-collection"):
            assert not list(vault.checkpoints.list(kind))
        assert told.forget(vault) is None  # type: ignore[arg-type]

    def test_forgetting_leaves_other_owners_alone(self, vault: MemoryVault) -> None:
        vault.people.agree("eve", "person:eve")
        self.add(vault, "e1", ["anna"], "eve")
        self.add(vault, "e2", ["anna"], "eve")
        told.forget(vault)  # type: ignore[arg-type]
        assert [n.asset for n in near(vault, "e1", "eve")[0]] == ["e2"]

    def test_after_forgetting_nothing_is_looked_for_until_one_agrees_again(self, vault: MemoryVault) -> None:
        told.forget(vault)  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        for step in ("faces", "identify"):
            again(vault, step)
        assert clusters(vault) == set()
        assert self.known(vault) == 0
        vault.people.agree(OWNER, "person:test")
        again(vault, "faces")
        assert clusters(vault) == TOGETHER

    def test_who_takes_the_agreement_back_while_a_picture_is_looked_at_is_heard(self, vault: MemoryVault) -> None:
        analyzer = vault.ports.faces
        assert analyzer is not None
        real = analyzer.analyze

        def interrupted(look: Look) -> Looked:
            found = real(look)
            vault.people.withdraw(OWNER, "person:test")
            return found

        analyzer.analyze = interrupted  # type: ignore[method-assign]
        self.add(vault, "m6", ["anna"])
        assert asset_of(vault, "m6").faces is None
        told.forget(vault)  # type: ignore[arg-type]
        assert self.known(vault) == 0

    def test_an_asset_that_is_erased_is_near_to_nothing_any_more(self, vault: MemoryVault) -> None:
        kept = self.known(vault)
        vault.people.erase(OWNER, "m4")
        assert self.known(vault) == kept - 2
        assert {n.asset for n in near(vault, "m1")[0]} == {"m2", "m5"}
        vault.people.erase(OWNER, "m4")
        assert self.known(vault) == kept - 2

    # --- and all of it ---

    def test_replay_asks_nobody_and_equals_what_is_live(self, vault: MemoryVault) -> None:
        told.name(vault, told.find_person(vault, asset_of(vault, "m1").people[0].person), "Anna")  # type: ignore[arg-type]
        catch_up(vault)  # type: ignore[arg-type]
        live = active_rows(vault)
        assert rebuild(vault, list(vault.generations.projections)).switched  # type: ignore[arg-type]
        assert active_rows(vault) == live

    def test_what_the_search_cost_is_in_the_event(self, vault: MemoryVault) -> None:
        events = [e.event for e in vault.store.load(asset_stream(OWNER, "m4")).events]
        [identified] = [e for e in events if isinstance(e, FacesIdentified)]
        assert identified.models == self.searched(2)
        [detected] = [e for e in events if isinstance(e, FacesDetected)]
        assert detected.models[0].cost_microusd == (1000 if identified.models else 0)

    def searched(self, faces: int) -> tuple[ModelUse, ...]:
        """Who was asked, as an event says it."""
        return ()
