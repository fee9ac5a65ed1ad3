"""Search on AWS: functions, tables and an OpenSearch on emulators, requests signed; a rebuild that nobody notices."""

from __future__ import annotations

import functools
import json
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from msgspec import structs

from adapters.aws import opensearch_client
from adapters.aws.opensearch_documents import DIMENSIONS
from domain.asset import asset_stream
from domain.events import AssetEmbedded, Event, FaceAssigned, FacesDetected, PersonDiscovered, PersonNamed
from domain.person import person_stream
from domain.recognition import ModelUse
from handlers import api
from handlers import replay as functions
from photovault.aws.cloud import Cloud
from tests.contract.conftest import opensearch  # noqa: F401 - a fixture
from tests.integration.deployment import Deployment
from tests.support.aws_events import Context, api_event
from tests.support.factories import append, place, quarantined, run, sha, tagged, uploaded, validated
from tests.support.opensearch_server import Emulated, Emulator
from tests.support.people import face

NAMES = {"p0": "bicycle", "p1": "cat", "p2": "bicycle"}


def ask(path: str, subject: str = "anna", **query: str) -> tuple[int, Any]:
    """Status and parsed body."""
    answer = api.handler(api_event("GET", path, subject=subject, query=query), Context())
    return answer["statusCode"], json.loads(answer["body"])


def found(words: str, subject: str = "anna") -> set[str]:
    """Assets that a question finds."""
    code, body = ask("/search", subject, q=words)
    assert code == 200, body
    return {item["asset"] for item in body["items"]}


def picture(vault: Cloud, asset: str, *more: Event, owner: str = "anna") -> None:
    """An upload that was looked at, projected as it happens."""
    decisions = [uploaded(f"{asset}.jpg"), validated(), *more]
    vault.projector.project(append(vault.store, asset_stream(owner, asset), *decisions))


def indexes() -> set[str]:
    """Indexes of the search that were written to or asked since the last look."""
    parts = {request.path.split("/")[1] for request in Emulated.sent if request.path.endswith(("_bulk", "_msearch"))}
    Emulated.sent.clear()
    return parts


def switched_on(vault: Cloud, url: str) -> Cloud:
    """The same deployment with an OpenSearch."""
    return Cloud(structs.replace(vault.settings, opensearch=url), vault.aws, vault.clock)


@pytest.fixture
def domain(
    opensearch: Emulator,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[str]:
    """An empty OpenSearch's address; requests are kept, and vectors compared in the test's process."""
    kept = functools.partial(opensearch_client.connect, connection=Emulated)
    with opensearch.client() as client:
        monkeypatch.setattr(opensearch_client, "connect", kept)
        yield client.transport.hosts[0]["host"] + ":" + str(client.transport.hosts[0]["port"])


@pytest.fixture
def searching(deployment: Deployment, domain: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cloud]:
    """A vault with a search, as the functions see it."""
    vault = switched_on(deployment.cloud, f"http://{domain}")
    vault.__dict__["texts"] = None  # words alone, whatever is installed
    for module in (api, functions):
        monkeypatch.setattr(module, "cloud", lambda: vault)
    yield vault
    vault.close()


def begin_replay(parts: int = 2) -> dict[str, Any]:
    """New generations, fed from now on."""
    return functions.plan({"projections": ["search"], "parts": parts}, Context())


def finish_replay(plan: Mapping[str, Any]) -> dict[str, Any]:
    """All segments, and the switch."""
    for segment in plan["segments"]:
        assert functions.work(segment, Context())["done"]
    result: dict[str, Any] = functions.finish(plan, Context())
    return result


def test_what_the_projector_saw_is_found_over_the_api_by_its_owner_alone(searching: Cloud) -> None:
    for asset, name in NAMES.items():
        picture(searching, asset, tagged(name), place())
    picture(searching, "x1", tagged("secret"), owner="boris")
    assert found("bicycle") == {"p0", "p2"}
    assert found("bicylce -cat") == {"p0", "p2"}
    assert found("secret") == found("bicycle", "boris") == set()
    code, body = ask("/search", q="bicycle", limit="1", explain="yes")
    assert (code, body["total"], body["facets"]["type"], body["semantic"]) == (200, 2, {"image": 2}, False)
    assert body["items"][0]["why"]["matched"] == ["tag: bicycle"]
    rest = ask("/search", q="bicycle", limit="1", cursor=body["cursor"])[1]
    assert {body["items"][0]["asset"], rest["items"][0]["asset"]} == {"p0", "p2"}
    assert ask("/search", "boris", q="bicycle", limit="1", cursor=body["cursor"])[0] == 400
    assert ask("/suggest", q="se")[1] == {"items": []}
    assert ask("/suggest", "boris", q="se")[1] == {"items": ["secret"]}


class Meanings:
    """A model that knows what two questions mean."""

    model = ModelUse("known-by-heart", "1")

    def __init__(self) -> None:
        self.asked: list[str] = []

    def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """The same direction for a bicycle and two wheels, another for everything else."""
        self.asked += texts
        return [direction(0 if text in ("bicycle", "two wheels") else 1) for text in texts]


def direction(place: int) -> list[float]:
    """A vector that points along one of the index's dimensions."""
    return [float(n == place) for n in range(DIMENSIONS)]


def embedded(vault: Cloud, place: int) -> AssetEmbedded:
    """What the step `embed` found."""
    blob = vault.blobs.put(struct.pack(f"<{DIMENSIONS}e", *direction(place)))
    words = sha(str(place))
    return AssetEmbedded(run=run("embed"), vector=blob, dimensions=DIMENSIONS, words_sha256=words, model=Meanings.model)


def test_what_a_question_means_is_compared_with_what_pictures_show(searching: Cloud) -> None:
    searching.__dict__["texts"] = Meanings()
    for place_, (asset, name) in enumerate({"p0": "bicycle", "p1": "cat"}.items()):
        picture(searching, asset, tagged(name), embedded(searching, place_))
    picture(searching, "x1", tagged("bicycle"), embedded(searching, 0), owner="boris")
    code, body = ask("/search", q="two wheels", explain="yes")
    assert (code, body["semantic"], body["total"]) == (200, True, 1)
    assert (body["items"][0]["asset"], body["items"][0]["why"]["similarity"]) == ("p0", 1.0)
    assert ask("/search", q="two wheels", words_only="yes")[1]["items"] == []
    picture(searching, "p2", tagged("wheel"), embedded(searching, 0))
    assert found("like:p0") == {"p2"}
    assert ask("/search", q="like:x1")[0] == 404


@pytest.mark.parametrize(
    ("query", "detail"),
    [
        ({"q": "person:ben"}, "face recognition is off"),
        ({"q": "dog", "today": "yesterday"}, "2019-06-21"),
        ({"q": "is:blue"}, "is:blue"),
    ],
)
@pytest.mark.usefixtures("searching")
def test_a_question_that_can_not_be_meant_is_refused_and_says_why(query: dict[str, str], detail: str) -> None:
    code, problem = ask("/search", **query)
    assert code == 400
    assert detail in problem["detail"]


def test_somebody_is_looked_for_in_their_owners_pictures_alone(searching: Cloud) -> None:
    for owner, asset in (("anna", "p0"), ("boris", "x1")):
        searching.people.agree(owner, "test")
        ben = PersonDiscovered(asset=asset, face=0), PersonNamed(name="Ben")
        searching.projector.project(append(searching.store, person_stream(owner, f"ben-of-{owner}"), list(ben)))
        seen = (
            FacesDetected(run=run("faces"), faces=(face(),)),
            FaceAssigned(face=0, person=f"ben-of-{owner}", by="founded"),
        )
        picture(searching, asset, tagged("bicycle"), *seen, owner=owner)
    picture(searching, "p1", tagged("bicycle"))
    assert found("person:ben bicycle") == {"p0"}
    assert found("person:ben", "boris") == {"x1"}
    assert ask("/search", q="person:ben-of-boris")[0] == 404


def test_what_is_refused_later_is_not_found_any_more(searching: Cloud) -> None:
    picture(searching, "p0", tagged("bicycle"))
    assert found("bicycle") == {"p0"}
    searching.projector.project(append(searching.store, asset_stream("anna", "p0"), quarantined(2)))
    assert found("bicycle") == set()


def test_a_rebuild_fills_the_next_index_while_the_first_one_answers(searching: Cloud) -> None:
    for asset, name in NAMES.items():
        picture(searching, asset, tagged(name))
    old, new = "photovault-test-search_g1", "photovault-test-search_g2"
    assert indexes() == {old}
    plan = begin_replay()
    assert found("bicycle") == {"p0", "p2"}
    assert indexes() == {old}, "readers stay where they are"
    picture(searching, "p3", tagged("bicycle"))
    assert indexes() == {old, new}, "what happens meanwhile is written to both"
    assert found("bicycle") == {"p0", "p2", "p3"}
    result = finish_replay(plan)
    assert (result["equal"], result["switched"]) == (True, True)
    indexes()
    assert found("bicycle") == {"p0", "p2", "p3"}
    assert indexes() == {new}
    searching.generations.switch("search", 1)
    assert found("bicycle") == {"p0", "p2", "p3"}, "the way back is open until the next rebuild"
    searching.generations.switch("search", 2)
    assert searching.index is not None
    begin_replay()
    assert not searching.index.has(searching.generations.projection("search").table(1))  # type: ignore[attr-defined]


def test_a_deployment_that_gets_its_opensearch_later_answers_after_the_next_rebuild(
    deployment: Deployment, domain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = deployment.cloud
    monkeypatch.setattr(api, "cloud", lambda: before)
    picture(before, "p0", tagged("bicycle"))
    code, problem = ask("/search", q="bicycle")
    assert (code, "switched off" in problem["detail"]) == (404, True)
    after = switched_on(before, f"http://{domain}")
    after.__dict__["texts"] = None
    for module in (api, functions):
        monkeypatch.setattr(module, "cloud", lambda: after)
    picture(after, "p1", tagged("bicycle"))  # the projector goes on, though the rows' generation has no index
    assert ask("/search", q="bicycle")[0] == 503
    assert finish_replay(begin_replay())["switched"]
    assert found("bicycle") == {"p0", "p1"}
    after.close()
