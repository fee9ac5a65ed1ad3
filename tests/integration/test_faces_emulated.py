"""Faces on AWS's side: from uploads to people in a collection an owner, looked at again by schedule, and forgotten.

Tables, buckets and queues are the emulator's, which knows no Rekognition: that is `tests.support.rekognition`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from domain.asset import fold
from domain.events import FacesIdentified
from photovault.aws.cloud import Cloud
from photovault.face_collection import CollectedFaces
from tests.integration.deployment import Deployment, Invokes
from tests.support.factories import jpeg
from tests.support.fakes import outcomes
from tests.support.rekognition import FakeRekognition


@pytest.fixture
def service(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeRekognition]:
    monkeypatch.setenv("PHOTOVAULT_FACES", "rekognition")
    waiting: list[str] = []
    service = FakeRekognition({}, lambda picture: waiting[0])
    service.waiting = waiting  # type: ignore[attr-defined]
    service.answer(deployment.aws)
    yield service
    service.leave(deployment.aws)
    service.close()


def put(
    deployment: Deployment, invoke: Invokes, service: FakeRekognition, owner: str, mark: str, who: list[str]
) -> None:
    """Upload a picture with these faces, and let everything run."""
    service.who[mark] = who
    service.waiting[:] = [mark]  # type: ignore[attr-defined]
    deployment.put(f"{owner}/{mark}.jpg", jpeg(int.from_bytes(mark.encode()) % 1000, 800, 600))
    deployment.run(invoke)


def people(vault: Cloud) -> dict[str, list[str | None]]:
    """Persons of each picture's faces, by file."""
    found = {}
    for stream, events in outcomes(vault).items():
        asset = fold(stream, vault.store.load(stream).events)
        known = {n: each.person for n, each in asset.people.items()}
        if asset.faces is not None:
            found[events[0].file_name] = [known.get(n) for n in range(len(asset.faces.faces))]
    return found


def test_from_uploads_to_people_looked_at_again_and_forgotten(
    deployment: Deployment, vault: Cloud, invoke: Invokes, service: FakeRekognition
) -> None:
    vault.register()
    put(deployment, invoke, service, "anna", "early", ["anna"])
    assert service.asked == []  # nobody has agreed
    assert isinstance(vault.people, CollectedFaces)
    for owner in ("anna", "eve"):
        vault.people.agree(owner, f"person:{owner}")
    put(deployment, invoke, service, "anna", "a1", ["anna!"])
    put(deployment, invoke, service, "anna", "a2", ["ben", "anna"])
    put(deployment, invoke, service, "anna", "a3", ["anna"])
    put(deployment, invoke, service, "eve", "e1", ["anna"])
    found = people(vault)
    assert set(found) == {"a1.jpg", "a2.jpg", "a3.jpg", "e1.jpg"}
    [ben, anna] = found["a2.jpg"]
    assert found["a1.jpg"] == [None]
    assert found["a3.jpg"] == [anna] != [ben]
    assert found["e1.jpg"] not in ([anna], [ben])
    assert sorted(len(service.held(name)) for name in service.collections) == [1, 4]
    assert all(name.startswith("photovault-test-") for name in service.collections)
    identified = [e for events in outcomes(vault).values() for e in events if isinstance(e, FacesIdentified)]
    assert sorted(e.models[0].cost_microusd for e in identified) == [1000, 1000, 1000, 2000]

    done = invoke["cluster"]({})
    assert (done["owners"], done["looked"], done["assigned"], done["failed"]) == (2, 1, 1, 0)
    assert people(vault)["a1.jpg"] == [anna]
    assert invoke["cluster"]({})["looked"] == 0  # once a day

    vault.people.withdraw("anna", "person:anna")
    assert [len(service.held(name)) for name in service.collections] == [1]
    put(deployment, invoke, service, "anna", "a4", ["anna"])
    assert "a4.jpg" not in people(vault)
    assert [len(service.held(name)) for name in service.collections] == [1]
