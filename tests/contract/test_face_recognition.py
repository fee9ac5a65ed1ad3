"""Each way to recognise faces, held to `suites.face_recognition.FaceRecognitionContract`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from adapters.aws.face_collections import FaceCollections
from domain.budget import Budget
from domain.recognition import ModelUse
from photovault.face_collection import CollectedFaces
from photovault.face_memory import KeptFaces
from tests.contract.suites.face_recognition import FaceRecognitionContract
from tests.support.factories import OWNER
from tests.support.fakes import MemoryVault, work
from tests.support.people import ToldFaces, add_photo, fill
from tests.support.rekognition import FACE_MODEL, FakeRekognition


class TestGraph(FaceRecognitionContract):
    """Vectors in a graph on this machine; who is in a picture is told, not seen (tests/unit/ml has the models)."""

    @contextmanager
    def made(self, who: Mapping[str, Sequence[str]], *, agreed: bool = True) -> Iterator[MemoryVault]:
        with MemoryVault(faces=ToldFaces(who)) as vault:
            fill(vault, who, agreed=agreed)
            yield vault

    def known(self, vault: MemoryVault) -> int:
        assert isinstance(vault.people, KeptFaces)
        return sum(vault.people.known(owner) for owner in (OWNER, "eve"))

    def add(self, vault: MemoryVault, mark: str, who: Sequence[str], owner: str = OWNER) -> None:
        vault.ports.faces.who[mark] = list(who)  # type: ignore[union-attr]
        add_photo(vault, mark, owner)
        work(vault)

    def model(self) -> str:
        return "told 1"


class TestRekognition(FaceRecognitionContract):
    """Collections of a service that is faked behind botocore's own client."""

    DOUBTFUL = "!"

    @contextmanager
    def made(self, who: Mapping[str, Sequence[str]], *, agreed: bool = True) -> Iterator[MemoryVault]:
        self.service = FakeRekognition(who)

        def people(store, views, checkpoints, blobs, clock):  # type: ignore[no-untyped-def]
            collections = FaceCollections(self.service.aws, Budget(checkpoints, "rekognition", 5_000_000, clock))
            return CollectedFaces(store, views, checkpoints, blobs, clock, collections=collections)

        with MemoryVault(people=people) as vault:
            fill(vault, who, agreed=agreed)
            yield vault
        self.service.close()

    def known(self, vault: MemoryVault) -> int:
        return len(self.service.held())

    def add(self, vault: MemoryVault, mark: str, who: Sequence[str], owner: str = OWNER) -> None:
        self.service.who[mark] = list(who)
        add_photo(vault, mark, owner)
        work(vault)

    def model(self) -> str:
        return f"rekognition-faces {FACE_MODEL}"

    def searched(self, faces: int) -> tuple[ModelUse, ...]:
        return (ModelUse("rekognition-search-faces", FACE_MODEL, faces * 1000),)

    def test_nothing_at_all_is_asked_before_the_owner_agrees(self) -> None:
        with self.made({"m1": ["anna"]}, agreed=False):
            assert self.service.asked == []

    def test_after_forgetting_the_service_holds_no_collection(self, vault: MemoryVault) -> None:
        assert len(self.service.collections) == 1
        vault.people.withdraw(OWNER, "person:test")
        assert self.service.collections == {}
