"""Rekognition's collections behind the ports of faces: what is asked, what it costs, what the service says of a face,
and that nothing of an owner's is left there. What holds for every recogniser is in tests/contract."""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError
from msgspec import structs

from adapters.aws.face_collections import NOT_TAKEN, FaceCollections
from domain.asset import asset_stream, begin
from domain.budget import Budget
from domain.errors import MediaRejected, NotFound, PhotoVaultError, ServicePaused
from domain.events import FaceAssigned, FacesDetected, StepFailed, StepSkipped
from domain.faces import Look
from domain.people import FAR, NEAR, starred
from photovault import people as told
from photovault.clustering import cluster_faces
from photovault.face_collection import LEAST_SIMILARITY, CollectedFaces, apart
from photovault.face_memory import KeptFaces
from photovault.recognition import RecognitionOptions, faces_of, people_of
from photovault.reprocessing import Selection, reprocess
from photovault.runtime import catch_up
from steps import Recognition
from steps.identify import identify
from steps.worker import Worker
from tests.contract.suites.face_recognition import asset_of, tokens
from tests.support.factories import OWNER, Clock
from tests.support.fakes import LEASE_SECONDS, QUEUES, MemoryVault, settle, work
from tests.support.people import add_photo, clusters, fill, vault_with
from tests.support.rekognition import FakeRekognition

WHO: Mapping[str, Sequence[str]] = {"m1": ["anna"], "m2": ["ben", "anna"], "m3": ["anna"]}


class World:
    """A vault whose faces are in the fake service's collections."""

    def __init__(self, who: Mapping[str, Sequence[str]] = WHO, cap_microusd: int = 5_000_000) -> None:
        self.service = FakeRekognition(who)
        self.cap = cap_microusd
        self.vault = MemoryVault(people=self._people)

    def _people(self, store: Any, views: Any, checkpoints: Any, blobs: Any, clock: Any) -> CollectedFaces:
        self.budget = Budget(checkpoints, "rekognition", self.cap, clock)
        self.collections = FaceCollections(self.service.aws, self.budget)
        return CollectedFaces(store, views, checkpoints, blobs, clock, collections=self.collections)

    @property
    def people(self) -> CollectedFaces:
        assert isinstance(self.vault.people, CollectedFaces)
        return self.vault.people

    def events(self, mark: str) -> list[Any]:
        return [e.event for e in self.vault.store.load(asset_stream(OWNER, mark)).events]

    def close(self) -> None:
        self.vault.close()
        self.service.close()


@contextmanager
def world_of(who: Mapping[str, Sequence[str]] = WHO, **options: Any) -> Iterator[World]:
    made = World(who, **options)
    fill(made.vault, who)
    yield made
    made.close()


@pytest.fixture
def world() -> Iterator[World]:
    with world_of() as made:
        yield made


def look(key: str, mark: str = "m1") -> Look:
    return Look(OWNER, mark, key, f"medium of {mark}".encode(), 1024, 1024)


class TestRequests:
    def test_a_picture_goes_as_bytes_with_the_assets_id_and_the_services_quality_filter(self, world: World) -> None:
        [indexed] = [said for name, said in world.service.requests if said.get("ExternalImageId") == "m2"]
        assert indexed["QualityFilter"] == "AUTO"
        assert indexed["DetectionAttributes"] == ["ALL"]
        assert set(indexed["Image"]) == {"Bytes"}

    def test_a_picture_is_one_request_and_a_face_another(self, world: World) -> None:
        assert world.service.asked.count("CreateCollection") == 1
        assert world.service.asked.count("IndexFaces") == 3 + 1  # the first told that there was no collection yet
        assert world.service.asked.count("SearchFaces") == 4
        assert world.budget.spent() == 3 * 1000 + 4 * 1000
        assert world.collections.costs.requests == len(world.service.asked)

    def test_a_collection_is_named_by_a_hash_that_says_nothing_of_the_owner(self, world: World) -> None:
        world.vault.people.agree("eve", "person:eve")
        add_photo(world.vault, "m1", "eve")
        work(world.vault)
        mine, hers = world.service.collections
        for name in (mine, hers):
            assert re.fullmatch(r"photovault-local-[0-9a-f]{32}", name)
        assert mine != hers

    def test_who_agrees_again_has_another_collection(self, world: World) -> None:
        [before] = world.service.collections
        world.people.withdraw(OWNER, "person:test")
        world.people.agree(OWNER, "person:test")
        reprocess(world.vault, "faces", Selection(everything=True), "again")  # type: ignore[arg-type]
        work(world.vault)
        [after] = world.service.collections
        assert before != after

    def test_faces_are_deleted_thousands_at_once(self, world: World) -> None:
        [collection] = world.service.collections
        before = len(world.service.requests)
        world.collections.remove(collection, [uuid.uuid4().bytes for _ in range(5000)] + [NOT_TAKEN])
        assert [len(said["FaceIds"]) for _, said in world.service.requests[before:]] == [4096, 904]

    def test_a_long_collection_is_listed_page_by_page(self, world: World) -> None:
        [collection] = world.service.collections
        world.service.page = 1
        assert sorted(asset for _, asset in world.collections.faces(collection)) == ["m1", "m2", "m2", "m3"]
        assert world.service.asked.count("ListFaces") == 4

    def test_what_is_throttled_is_asked_again_by_the_client_itself(
        self, world: World, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        waits: list[float] = []
        monkeypatch.setattr("botocore.endpoint.time.sleep", waits.append)
        world.service.refuse["SearchFaces"] = [("ThrottlingException", 400), ("InternalServerError", 500)]
        [collection] = world.service.collections
        [(face, _)] = [each for each in world.collections.faces(collection) if each[1] == "m1"]
        spent, requests = world.budget.spent(), world.collections.costs.requests
        found, models = world.collections.search(collection, [face], 10, LEAST_SIMILARITY)
        assert len(found[0]) == 2
        assert len(waits) == 2
        assert world.budget.spent() - spent == models[0].cost_microusd == 1000
        assert world.collections.costs.requests - requests == 3

    def test_a_picture_that_the_service_refuses_is_at_fault_and_costs_nothing(self, world: World) -> None:
        spent = world.budget.spent()
        world.service.refuse["IndexFaces"] = [("InvalidImageFormatException", 400)]
        with pytest.raises(MediaRejected, match="InvalidImageFormatException"):
            world.people.analyze(look(world.people.key(OWNER) or ""))
        assert world.budget.spent() == spent

    def test_a_picture_over_five_megabytes_is_not_sent(self, world: World) -> None:
        asked = len(world.service.asked)
        large = Look(OWNER, "m1", world.people.key(OWNER) or "", bytes(5 * 1024 * 1024 + 1), 1024, 1024)
        with pytest.raises(MediaRejected, match="5 MB"):
            world.people.analyze(large)
        assert len(world.service.asked) == asked

    def test_at_the_cap_steps_are_skipped_with_the_reason(self) -> None:
        with world_of(cap_microusd=3_000) as world:  # m1: 1 picture, 1 face; m2: 1 picture
            [searched] = [e for e in world.events("m2") if isinstance(e, StepSkipped) and e.run.step == "identify"]
            assert "the cap of 0.00 USD a month for rekognition is reached" in searched.reason
            [looked] = [e for e in world.events("m3") if isinstance(e, StepSkipped) and e.run.step == "faces"]
            assert "is reached" in looked.reason
            assert world.budget.spent() == 3_000
            with pytest.raises(ServicePaused):
                cluster_faces(world.vault, OWNER)


class TestFaces:
    def found(self, who: list[str]) -> FacesDetected:
        with world_of({"m1": who}) as world:
            [detected] = [e for e in world.events("m1") if isinstance(e, FacesDetected)]
            return detected

    def test_what_the_service_says_of_a_face_is_recorded(self) -> None:
        [face] = self.found(["anna"]).faces
        assert (face.box.left, face.box.width) == (0.1, 0.1)
        assert [(round(p.x, 3), round(p.y, 3)) for p in face.landmarks][:3] == [
            (0.13, 0.23),
            (0.17, 0.23),
            (0.15, 0.25),
        ]
        assert (face.score, face.pixels, face.sharpness, face.frontality) == (0.9998, 102, 92.2, 1.0)

    def test_a_face_below_the_quality_bar_is_found_and_never_near_to_anybody(self) -> None:
        with world_of({"m1": ["anna", "anna?"], "m2": ["anna"]}) as world:
            [detected] = [e for e in world.events("m1") if isinstance(e, FacesDetected)]
            assert [face.doubts for face in detected.faces] == [(), ("blurred",)]
            assert len(world.service.held()) == 2
            vectors = world.people.unseal(OWNER, "m1", detected.key or "", detected.sealed or "")
            assert vectors is not None
            assert vectors[16:] == NOT_TAKEN
            near = world.people.near(OWNER, "m1", vectors)
            assert [len(each) for each in near.faces] == [1, 0]
            assert near.models[0].cost_microusd == 1000  # nothing is asked for the other
            assert cluster_faces(world.vault, OWNER).left == 0

    def test_closed_eyes_are_a_doubt(self) -> None:
        [face] = self.found(["anna!"]).faces
        assert face.doubts == ("closed",)

    @pytest.mark.parametrize(
        ("changes", "doubts"),
        [
            ({"Pose": {"Roll": 0.0, "Yaw": 50.0, "Pitch": 0.0}}, ("turned",)),
            ({"Pose": {"Roll": 0.0, "Yaw": 0.0, "Pitch": -35.0}}, ("turned",)),
            ({"Pose": {"Roll": 90.0, "Yaw": 0.0, "Pitch": 40.0}}, ()),
            ({"BoundingBox": {"Left": 0.1, "Top": 0.2, "Width": 0.04, "Height": 0.1}}, ("small",)),
            ({"EyesOpen": {"Value": False, "Confidence": 60.0}}, ()),
            ({"Landmarks": []}, ("turned",)),
        ],
    )
    def test_doubts_follow_geometry_and_awss_advice(
        self, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any], doubts: tuple[str, ...]
    ) -> None:
        from tests.support import rekognition

        plain = rekognition._detail
        monkeypatch.setattr(rekognition, "_detail", lambda left, closed: plain(left, closed=closed) | changes)
        [face] = self.found(["anna"]).faces
        assert face.doubts == doubts

    def test_similarity_is_a_distance_on_the_scale_of_people(self) -> None:
        assert apart(100.0) == 0.0
        assert apart(90.0) == NEAR
        assert apart(LEAST_SIMILARITY) == pytest.approx(FAR)


class TestWhatGoesWrong:
    def test_a_face_that_the_service_does_not_know_yet_is_asked_for_again_later(self, world: World) -> None:
        world.service.refuse["SearchFaces"] = [("InvalidParameterException", 400)]
        world.service.who["m4"] = ["anna"]
        add_photo(world.vault, "m4")
        work(world.vault)
        [failed] = [e for e in world.events("m4") if isinstance(e, StepFailed)]
        assert failed.run.step == "identify"
        assert clusters(world.vault) == {
            frozenset({("m1", 0), ("m2", 1), ("m3", 0), ("m4", 0)}),
            frozenset({("m2", 0)}),
        }

    def test_a_collection_that_somebody_deleted_is_made_again_with_the_next_picture(self, world: World) -> None:
        world.service.collections.clear()
        with pytest.raises(NotFound, match="reprocess --step faces"):
            told.like(world.vault, "m1", 0)  # type: ignore[arg-type]
        reprocess(world.vault, "faces", Selection(everything=True), "again")  # type: ignore[arg-type]
        work(world.vault)
        assert len(world.service.held()) == 4

    def test_other_errors_are_for_a_later_attempt(self, world: World) -> None:
        world.service.refuse["IndexFaces"] = [("AccessDeniedException", 400)]
        with pytest.raises(ClientError, match="AccessDenied"):
            world.people.analyze(look(world.people.key(OWNER) or ""))

    def test_a_face_taken_in_by_another_worker_is_known_before_the_view_shows_it(self, world: World) -> None:
        world.service.who["m4"] = ["anna"]
        before = world.people._rows  # what the view said before
        shown = {asset: row for asset, row in before(OWNER, {"m1", "m2", "m3"}).items() if asset != "m3"}
        world.people._rows = lambda owner, assets: {a: shown[a] for a in assets if a in shown}  # type: ignore[method-assign]
        [detected] = [e for e in world.events("m1") if isinstance(e, FacesDetected)]
        vectors = world.people.unseal(OWNER, "m1", detected.key or "", detected.sealed or "")
        found = world.people.near(OWNER, "m1", vectors or b"").faces[0]
        assert {each.asset: each.person is not None for each in found} == {"m2": True, "m3": True}


class TestForgetting:
    def test_faces_that_no_recorded_look_names_are_tidied_away(self, world: World) -> None:
        kept = set(world.service.held())
        world.people.analyze(Look(OWNER, "m3", world.people.key(OWNER) or "", b"another rendition of m3", 1024, 1024))
        assert len(world.service.held()) == len(kept) + 1
        assert world.people.tidy(OWNER) == 1
        assert set(world.service.held()) == kept
        assert world.people.tidy(OWNER) == 0

    def test_faces_of_a_picture_that_is_still_looked_at_stay(self, world: World) -> None:
        world.service.who["m4"] = ["anna"]
        add_photo(world.vault, "m4")
        reprocess(world.vault, "faces", Selection(assets=("m3",)), "again")  # type: ignore[arg-type]
        world.people.analyze(Look(OWNER, "m3", world.people.key(OWNER) or "", b"another rendition of m3", 1024, 1024))
        assert world.people.tidy(OWNER) == 0

    def test_a_forgetting_that_is_stopped_after_the_collection_is_gone_is_done_again(self, world: World) -> None:
        destroy = world.people.destroy

        def stopped(owner: str, key: str) -> None:
            raise KeyboardInterrupt

        world.people.destroy = stopped  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            told.forget(world.vault)  # type: ignore[arg-type]
        assert world.service.collections == {}
        world.people.destroy = destroy  # type: ignore[method-assign]
        assert told.forget(world.vault) == {"pictures": 3, "people": 2}  # type: ignore[arg-type]
        assert world.people.key(OWNER) is None

    def test_a_forgetting_that_can_not_reach_the_service_forgets_nothing_and_is_done_again(self, world: World) -> None:
        world.service.refuse["DeleteCollection"] = [("AccessDeniedException", 400)]
        with pytest.raises(ClientError, match="AccessDenied"):
            told.forget(world.vault)  # type: ignore[arg-type]
        assert world.people.key(OWNER) is not None
        told.forget(world.vault)  # type: ignore[arg-type]
        assert world.service.collections == {}

    def test_without_the_service_a_collection_is_not_forgotten_in_silence(self, world: World) -> None:
        vault = world.vault
        vault.people = KeptFaces(vault.store, vault.views, vault.checkpoints, vault.blobs, vault.clock)  # type: ignore[arg-type]
        with pytest.raises(PhotoVaultError, match="PHOTOVAULT_FACES=rekognition"):
            told.forget(vault)  # type: ignore[arg-type]
        assert vault.people.key(OWNER) is not None

    def test_what_a_worker_began_while_the_key_went_is_deleted_by_it(self, world: World) -> None:
        key = world.people.key(OWNER) or ""
        world.people.analyze(look(key))
        real = world.people._remove_outside
        world.people._remove_outside = lambda owner: None  # type: ignore[method-assign]
        world.people.withdraw(OWNER, "person:test")
        world.people._remove_outside = real  # type: ignore[method-assign]
        assert len(world.service.collections) == 1
        assert world.people.seal(OWNER, "m1", key, bytes(16)) is None
        assert world.service.collections == {}


class TestSwitching:
    def test_faces_of_the_models_are_compared_with_nothing_in_a_collection(self, world: World) -> None:
        with vault_with(WHO) as vault:
            key = vault.people.key(OWNER) or ""
            collections = FaceCollections(world.service.aws, world.budget)
            collected = CollectedFaces(
                vault.store,
                vault.views,
                vault.checkpoints,
                vault.blobs,
                vault.clock,
                collections=collections,  # type: ignore[arg-type]
            )
            assert cluster_faces(_With(vault, collected), OWNER).left == 0  # type: ignore[arg-type]
            assert collected.key(OWNER) == key

    def test_identify_says_that_faces_are_another_recognisers(self, world: World) -> None:
        vault = world.vault
        kept = KeptFaces(vault.store, vault.views, vault.checkpoints, vault.blobs, vault.clock)  # type: ignore[arg-type]
        vault.ports = structs.replace(vault.ports, recognises=Recognition(people=kept))
        vault.worker = Worker(vault.worker._steps, vault.ports, vault.clock)
        reprocess(vault, "identify", Selection(assets=("m1",)), "again")  # type: ignore[arg-type]
        work(vault)
        skipped = [e for e in world.events("m1") if isinstance(e, StepSkipped) and e.run.step == "identify"]
        assert "another recogniser" in skipped[-1].reason

    def test_the_choice_is_in_the_environment(self, world: World) -> None:
        vault, service = world.vault, world.service
        parts = (vault.store, vault.views, vault.checkpoints, vault.blobs, Clock())
        chosen = {"PHOTOVAULT_FACES": "rekognition"}
        people = people_of(*parts, environment=chosen, aws=service.aws, stage="dev")  # type: ignore[arg-type]
        assert isinstance(people, CollectedFaces)
        assert faces_of(people, chosen) is people
        assert RecognitionOptions.of({}).faces == "models"
        kept = people_of(*parts, environment={"PHOTOVAULT_FACES": "off"})  # type: ignore[arg-type]
        assert isinstance(kept, KeptFaces)
        assert faces_of(kept, {"PHOTOVAULT_FACES": "off"}) is None
        with pytest.raises(PhotoVaultError, match="PHOTOVAULT_FACES"):
            RecognitionOptions.of({"PHOTOVAULT_FACES": "google"})


class _With:
    """A vault's history with another memory of faces."""

    def __init__(self, vault: MemoryVault, people: CollectedFaces) -> None:
        self.store = vault.store
        self.people = people


class TestStars:
    def test_a_group_is_a_face_with_those_near_to_it_one_a_picture(self) -> None:
        near = [{1: 0.2, 2: 0.3, 3: 0.4}, {0: 0.2}, {0: 0.3}, {0: 0.4, 4: 0.1}, {3: 0.1}]
        assert starred(near, ["a", "b", "c", "d", "e"], 3) == [[0, 1, 2, 3]]
        assert starred(near, ["a", "b", "b", "d", "e"], 3) == [[0, 1, 3]]

    def test_what_is_too_few_or_too_far_is_no_group(self) -> None:
        assert starred([{1: 0.2}, {0: 0.2}], ["a", "b"], 3) == []
        assert starred([{1: 0.2, 2: 0.6}, {0: 0.2}, {0: 0.6}], ["a", "b", "c"], 3) == []
        assert starred([], [], 3) == []

    def test_two_persons_are_two_groups(self) -> None:
        near = [{1: 0.3, 2: 0.3}, {0: 0.3, 2: 0.3}, {0: 0.3, 1: 0.3}]
        other = [{k + 3: d for k, d in each.items()} for each in near]
        assert starred([*near, *other], list("abcdef"), 3) == [[0, 1, 2], [3, 4, 5]]


class TestTurns:
    """Two processes are two memories over the same stores."""

    def other(self, world: World, pause: Any) -> CollectedFaces:
        vault = world.vault
        parts: Any = (vault.store, vault.views, vault.checkpoints, vault.blobs, vault.clock)
        return CollectedFaces(*parts, collections=world.collections, pause=pause)

    def test_another_process_waits_until_the_turn_is_given_back(self, world: World) -> None:
        turn = world.people.deciding(OWNER)
        turn.__enter__()
        waited: list[float] = []

        def pause(seconds: float) -> None:
            waited.append(seconds)
            if len(waited) == 3:
                turn.__exit__(None, None, None)

        with self.other(world, pause).deciding(OWNER):
            assert len(waited) == 3

    def test_who_waits_too_long_is_told_to_come_again(self, world: World) -> None:
        world.vault.clock.step = timedelta(0)
        with (
            world.people.deciding(OWNER),
            pytest.raises(PhotoVaultError, match="later attempt"),
            self.other(world, lambda _: None).deciding(OWNER),
        ):
            pass

    def test_the_turn_of_a_process_that_died_runs_out_and_its_late_decision_does_not_count(self, world: World) -> None:
        token = tokens(world.vault, "m1")
        with world.people.deciding(OWNER):
            world.vault.clock.tick(61)
            with self.other(world, lambda _: None).deciding(OWNER):
                pass
            assert not world.people.remember(OWNER, "m1", "sealed", token, {0: "late"})
            assert world.people.remember(OWNER, "m1", "sealed", token, {0: "again"})

    def test_owners_do_not_wait_for_each_other(self, world: World) -> None:
        world.vault.people.agree("eve", "person:eve")
        waited: list[float] = []
        with world.people.deciding(OWNER), self.other(world, waited.append).deciding("eve"):
            assert waited == []

    def test_what_one_has_decided_the_next_knows_before_it_is_recorded(self, world: World) -> None:
        world.service.who |= {"n1": ["dora"], "n2": ["dora"]}
        other = self.other(world, lambda _: None)
        for mark in ("n1", "n2"):
            add_photo(world.vault, mark)
        while True:
            catch_up(world.vault)  # type: ignore[arg-type]
            deliveries = world.vault.queue.receive([q for q in QUEUES if q != "identify"], 10, LEASE_SECONDS)
            if not deliveries:
                break
            for delivery in deliveries:
                settle(world.vault, delivery, world.vault.worker.handle(delivery))
        founded = []
        for memory, mark in ((world.people, "n1"), (other, "n2")):
            asset = asset_of(world.vault, mark)
            attempt = begin(asset, "identify")
            assert attempt is not None
            events = identify(asset, attempt, structs.replace(world.vault.ports, recognises=Recognition(people=memory)))
            founded += [(e.person, e.by) for e in events if isinstance(e, FaceAssigned)]
        [(one, by), (two, by_two)] = founded
        assert (by, by_two) == ("founded", "nearest")
        assert one == two
