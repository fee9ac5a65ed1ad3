"""The index of faces: what one process remembers every other finds, nothing is read twice, a race has one winner."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from msgspec import structs

from adapters.local.checkpoints import SqliteCheckpoints
from adapters.ml.nearest import FaceGraph, vectors_of
from domain.asset import asset_stream, fold
from domain.ports import Delivery, Message
from photovault import face_index
from photovault import people as told
from photovault.face_index import KIND, FaceIndex, Remembered
from photovault.face_memory import KeptFaces
from photovault.runtime import catch_up
from steps import Recognition
from steps.catalogue import STEP_FUNCTIONS
from steps.worker import Worker
from tests.support.factories import OWNER
from tests.support.fakes import MemoryBlobs, MemoryVault, settle
from tests.support.people import ToldFaces, add_photo, clusters, vault_with, vector

SECRET = bytes(range(32))


class Pictures:
    """An index's surroundings, and vectors of pictures `<person> <number>`."""

    def __init__(self) -> None:
        self.checkpoints = SqliteCheckpoints(":memory:")
        self.blobs = MemoryBlobs()
        self.opened: Counter[str] = Counter()
        self.before: list[Remembered] = []

    def index(self) -> FaceIndex:
        return FaceIndex(
            "anna#key",
            SECRET,
            self.checkpoints,
            self.blobs,
            self.open,
            lambda: list(self.before),  # type: ignore[arg-type]
        )

    def open(self, picture: Remembered) -> Any:
        self.opened[picture.asset] += 1
        return self.vectors(picture.asset, picture.sealed)

    @staticmethod
    def vectors(asset: str, sealed: str = "s1") -> Any:
        return vectors_of(vector(asset.partition(" ")[0], f"{asset} {sealed}").tobytes())

    def remember(self, index: FaceIndex, asset: str, sealed: str = "s1") -> bool:
        index.refresh()
        return index.remember(Remembered(asset, sealed, {0: asset.partition(" ")[0]}), self.vectors(asset, sealed))


@pytest.fixture
def pictures() -> Iterator[Pictures]:
    made = Pictures()
    yield made
    made.checkpoints.close()


def nearest(index: FaceIndex, who: str, count: int = 3) -> list[str]:
    index.refresh()
    return [asset for asset, _, _ in index.near("a new one", vector(who, "new").astype(np.float32), count)]


class TestGraph:
    def test_what_is_stored_is_found_again_with_the_same_distances(self) -> None:
        graph = FaceGraph()
        for n in range(50):
            graph.put(f"p{n % 7} {n}", Pictures.vectors(f"p{n % 7} {n}"))
        graph.put("p3 3", Pictures.vectors("p3 3", "again"))
        back = FaceGraph.of(graph.to_bytes())
        asked = vector("p3", "new").astype(np.float32)
        assert back.near(asked, 9) == graph.near(asked, 9)
        assert (len(back), set(back)) == (len(graph), set(graph))
        assert np.array_equal(back.vectors("p3 3"), Pictures.vectors("p3 3", "again"))

    def test_absorbing_replaces_what_both_have(self) -> None:
        one, other = FaceGraph(), FaceGraph()
        one.fill(["a 1", "a 2"], [Pictures.vectors("a 1"), Pictures.vectors("a 2")])
        other.fill(["a 2", "b 1"], [Pictures.vectors("a 2", "again"), Pictures.vectors("b 1")])
        one.absorb(other)
        assert len(one) == 3
        assert np.array_equal(one.vectors("a 2"), Pictures.vectors("a 2", "again"))


class TestIndex:
    def test_another_process_finds_what_one_remembers_and_whose_it_is(self, pictures: Pictures) -> None:
        one, other = pictures.index(), pictures.index()
        assert pictures.remember(one, "anna 1")
        assert nearest(other, "anna") == ["anna 1"]
        assert other.people("anna 1") == {0: "anna"}

    def test_of_two_who_decide_at_once_the_second_must_look_again(self, pictures: Pictures) -> None:
        one, other = pictures.index(), pictures.index()
        one.refresh()
        other.refresh()
        assert one.remember(Remembered("anna 1", "s1"), pictures.vectors("anna 1"))
        assert not other.remember(Remembered("anna 2", "s1"), pictures.vectors("anna 2"))
        assert nearest(other, "anna") == ["anna 1"]
        assert pictures.remember(other, "anna 2")
        assert set(nearest(one, "anna")) == {"anna 1", "anna 2"}

    def test_many_pictures_are_few_segments_and_all_are_found(self, pictures: Pictures) -> None:
        index = pictures.index()
        names = [f"p{n % 11} {n}" for n in range(700)]
        for name in names:
            assert pictures.remember(index, name)
        document = face_index._decode(pictures.checkpoints.load(KIND, "anna#key").value)  # type: ignore[union-attr]
        assert len(document.segments) <= 4
        assert len(document.newest) < face_index.NEWEST
        assert not pictures.opened, "who decides knows the vectors"
        fresh = pictures.index()
        fresh.refresh()
        assert len(fresh) == 700
        assert sum(pictures.opened.values()) == len(document.newest), "a cold start opens only the newest one by one"
        assert nearest(fresh, "p5", 20) == nearest(index, "p5", 20)
        assert all(name.startswith("p5 ") for name in nearest(fresh, "p5", 60))

    def test_a_process_that_follows_reads_only_what_is_new(self, pictures: Pictures) -> None:
        one, other = pictures.index(), pictures.index()
        for n in range(200):
            assert pictures.remember(one, f"p{n % 11} {n}")
            other.refresh()
        assert max(pictures.opened.values()) == 1
        assert len(other) == 200
        read = pictures.opened.total()
        other.refresh()
        assert pictures.opened.total() == read

    def test_a_picture_that_was_looked_at_again_counts_once_by_its_newest_faces(self, pictures: Pictures) -> None:
        index = pictures.index()
        for n in range(40):  # the first become a segment
            pictures.remember(index, f"anna {n}")
        pictures.remember(index, "anna 3", "again")
        found = {asset: distance for asset, _, distance in index.near("x", pictures.vectors("anna 3", "again")[0], 60)}
        assert len(found) == 40
        assert found["anna 3"] == pytest.approx(0.0, abs=1e-6)

    def test_a_vault_from_before_begins_with_what_it_knows(self, pictures: Pictures) -> None:
        pictures.before = [Remembered(f"anna {n}", "s1", {0: "anna"}) for n in range(5)]
        assert len(nearest(pictures.index(), "anna", 9)) == 5
        pictures.opened.clear()
        fresh = pictures.index()
        assert len(nearest(fresh, "anna", 9)) == 5
        assert fresh.people("anna 4") == {0: "anna"}
        assert not pictures.opened

    def test_a_lost_segment_is_made_again_from_what_is_known(self, pictures: Pictures) -> None:
        index = pictures.index()
        for n in range(face_index.NEWEST):
            pictures.remember(index, f"anna {n}")
        pictures.before = [Remembered(f"anna {n}", "s1") for n in range(face_index.NEWEST)]
        pictures.blobs.data.clear()
        assert len(nearest(pictures.index(), "anna", 99)) == face_index.NEWEST

    def test_nothing_of_it_is_readable_in_a_blob(self, pictures: Pictures) -> None:
        index = pictures.index()
        for n in range(face_index.NEWEST):
            pictures.remember(index, f"anna {n}")
        [blob] = pictures.blobs.data.values()
        assert b"anna" not in blob
        assert pictures.vectors("anna 1").tobytes() not in blob

    def test_many_threads_with_an_index_each_lose_nothing(self, pictures: Pictures) -> None:
        def remember(part: int) -> None:
            index = pictures.index()
            for n in range(40):
                while not pictures.remember(index, f"p{part} {n}"):
                    pass

        threads = [threading.Thread(target=remember, args=(part,)) for part in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        fresh = pictures.index()
        fresh.refresh()
        assert len(fresh) == 160


def second(vault: MemoryVault) -> KeptFaces:
    """Another process's memory over the same stores."""
    return KeptFaces(vault.store, vault.views, vault.checkpoints, vault.blobs, vault.clock)  # type: ignore[arg-type]


class Interrupted(KeptFaces):
    """Lets another process decide between a search and what is made of it, once."""

    def __init__(self, vault: MemoryVault, meanwhile: Callable[[], None]) -> None:
        super().__init__(vault.store, vault.views, vault.checkpoints, vault.blobs, vault.clock)  # type: ignore[arg-type]
        self.meanwhile: Callable[[], None] | None = meanwhile
        self.searches = 0

    def near(self, owner: str, asset: str, vectors: bytes) -> Any:
        found = super().near(owner, asset, vectors)
        self.searches += 1
        if self.meanwhile is not None:
            meanwhile, self.meanwhile = self.meanwhile, None
            meanwhile()
        return found


class TestTwoProcesses:
    def test_one_stranger_in_two_pictures_at_once_is_one_person(self) -> None:
        with MemoryVault(faces=ToldFaces({"m1": ["anna"], "m2": ["anna"]})) as vault:
            vault.people.agree(OWNER, "person:test")
            for mark in ("m1", "m2"):
                add_photo(vault, mark)
            work_up_to_identify(vault)
            memory = Interrupted(vault, lambda: identify(vault, second(vault), "m2"))
            identify(vault, memory, "m1")
            assert memory.searches == 2
            assert len(clusters(vault)) == 1
            catch_up(vault)  # type: ignore[arg-type]
            assert [each.faces for each in told.people(vault)] == [2]  # type: ignore[arg-type]

    def test_processes_in_turn_find_the_same_people_as_one(self) -> None:
        who = {f"m{n}": ["anna", "ben"][: 1 + n % 2] for n in range(80)}
        with MemoryVault(faces=ToldFaces(who)) as vault:
            vault.people.agree(OWNER, "person:test")
            memories = [vault.people, second(vault), second(vault)]
            for n, mark in enumerate(who):
                add_photo(vault, mark)
                work_up_to_identify(vault)
                identify(vault, memories[n % 3], mark)
            assert sorted(map(len, clusters(vault))) == [40, 80]

    def test_a_process_that_starts_later_knows_them_although_the_view_is_behind(self) -> None:
        with vault_with({"m1": ["anna"]}) as vault:
            _, table = vault.generations.active("faces")
            vault.views.drop(table)
            vault.views.create(table)
            vector_of = vector("anna", "another").tobytes()
            [[found]] = second(vault).near(OWNER, "m9", vector_of).faces
            assert (found.asset, found.person) == ("m1", assigned(vault, "m1"))

    def test_who_was_said_to_be_another_is_nobody_there(self) -> None:
        with vault_with({"m1": ["anna"]}) as vault:
            catch_up(vault)  # type: ignore[arg-type]
            told.reject(vault, "m1", 0)  # type: ignore[arg-type]
            catch_up(vault)  # type: ignore[arg-type]
            [[found]] = second(vault).near(OWNER, "m9", vector("anna", "another").tobytes()).faces
            assert found.person is None

    def test_after_forgetting_the_index_is_gone_as_well(self) -> None:
        with vault_with({"m1": ["anna"]}) as vault:
            catch_up(vault)  # type: ignore[arg-type]
            told.forget(vault)  # type: ignore[arg-type]
            assert not list(vault.checkpoints.list(KIND))
            assert second(vault).near(OWNER, "m9", vector("anna", "x").tobytes()).faces == [()]


def assigned(vault: MemoryVault, mark: str) -> str:
    stream = asset_stream(OWNER, mark)
    return fold(stream, vault.store.load(stream).events).people[0].person


def work_up_to_identify(vault: MemoryVault) -> None:
    """All that is due but `identify`."""
    others = [queue for queue in STEP_FUNCTIONS if queue != "identify"]
    while True:
        catch_up(vault)  # type: ignore[arg-type]
        deliveries = vault.queue.receive(others, 10, 60.0)
        if not deliveries:
            return
        for delivery in deliveries:
            settle(vault, delivery, vault.worker.handle(delivery))


def identify(vault: MemoryVault, memory: KeptFaces, mark: str) -> None:
    """The step, by a process with its own memory; the message that another one gets besides is a second delivery."""
    ports = structs.replace(vault.ports, recognises=Recognition(people=memory))
    message = Message(f"identify {mark}", asset_stream(OWNER, mark), "identify", "", "")
    assert Worker(STEP_FUNCTIONS, ports, vault.clock).handle(Delivery("identify", message, "", 1)).ended
