"""What the OpenSearch index does besides its contract: whose documents it asks for, and when a domain is busy."""

from __future__ import annotations

import http.server
import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import botocore.session
import pytest
from opensearchpy import OpenSearch
from opensearchpy.exceptions import TransportError

from adapters.aws.connection import Aws
from adapters.aws.opensearch import NoIndex, OpenSearchIndex
from adapters.aws.opensearch_client import BUSY, READING, WRITING, IndexBusy, connect
from adapters.aws.opensearch_documents import index_of
from adapters.local.search import SqliteSearchIndex
from domain.errors import InvalidInput, NotFound
from domain.query import parse
from domain.search import Found
from tests.contract.suites.search_index import BLUE, TODAY, assets, document, entry
from tests.support.opensearch_server import Emulated, Emulator

PREFIX = "photovault-test-"


@pytest.fixture
def client(opensearch: Emulator) -> Iterator[OpenSearch]:
    with opensearch.client() as client:
        yield client


@pytest.fixture
def waits() -> list[float]:
    """How long was waited."""
    return []


@pytest.fixture
def index(client: OpenSearch, waits: list[float]) -> OpenSearchIndex:
    index = OpenSearchIndex(client, PREFIX, dimensions=2, looks=2, wait=waits.append)
    index.create(BLUE)
    Emulated.sent.clear()
    return index


def found(index: OpenSearchIndex | SqliteSearchIndex, text: str, **more: Any) -> Found:
    return index.search(BLUE, "anna", parse(text, TODAY), **more)


# --- owners ----------------------------------------------------------------------------------------------------------


def test_every_request_asks_for_one_owners_documents_alone(index: OpenSearchIndex) -> None:
    held = document(tags=("bicycle",), latitude=1.0, longitude=1.0)
    index.put(BLUE, [entry("aaa", held, at=(1, 0)), entry("bbb", held, at=(0.9, 0.1))])
    for text in ("bicycle -cat near:1,1,5", "bicylce", "like:aaa", "2019", '"bicycle" is:live'):
        found(index, text, vector=(1.0, 0.0), only={"aaa", "bbb"}, explain=True)
    index.suggest(BLUE, "anna", "bi")
    mine = [{"term": {"owner": {"value": "anna"}}}, {"term": {"live": {"value": True}}}]
    searches = 0
    for request in Emulated.sent:
        if request.path.endswith("/_bulk"):
            assert {line["index"]["routing"] for line in request.lines[::2]} == {"anna"}
            assert (request.params["refresh"], request.params["require_alias"]) == (b"wait_for", b"true")
            continue
        assert request.path == f"/{PREFIX}search_g1/_msearch"
        for header, body in zip(request.lines[::2], request.lines[1::2], strict=True):
            searches += 1
            assert header == {"routing": "anna"}
            assert set(body["query"]) == {"bool"}
            assert body["query"]["bool"]["filter"][:2] == mine
            for clause in body["query"]["bool"].get("must", ()):
                assert clause["knn"]["vector"]["filter"]["bool"]["filter"][:2] == mine
    assert searches > 10


def test_filters_are_inside_the_search_of_the_graph(index: OpenSearchIndex) -> None:
    index.put(BLUE, [entry("a", document(tags=("dog",)), at=(1, 0))])
    found(index, "dog -cat before:2020", vector=(1.0, 0.0), only={"a"})
    [knn] = [
        clause["knn"]["vector"]
        for request in Emulated.sent
        for body in request.lines[1::2]
        for clause in body.get("query", {}).get("bool", {}).get("must", ())
    ]
    inside = knn["filter"]["bool"]
    assert {"range": {"day": {"lt": "2020-01-01"}}} in inside["filter"]
    assert {"terms": {"asset": ["a"]}} in inside["filter"]
    assert len(inside["must_not"]) == 1
    assert (knn["k"], knn["vector"]) == (100, [1.0, 0.0])


def test_another_owners_documents_change_no_score(index: OpenSearchIndex) -> None:
    index.put(BLUE, [entry("a", document(tags=("dog",))), entry("b", document(tags=("cat", "dog", "sea")))])
    before = found(index, "dog sea")
    others = [entry(f"x{n}", document(tags=("dog", "door")), owner="boris") for n in range(50)]
    index.put(BLUE, others)
    assert found(index, "dog sea") == before


# --- writing ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", BUSY)
def test_a_busy_domain_is_asked_again_after_longer_and_longer_pauses(
    index: OpenSearchIndex, waits: list[float], status: int
) -> None:
    Emulated.failing = [status] * 4
    assert index.put(BLUE, [entry("a", document(tags=("dog",)))]) == 1
    assert len(waits) == 4
    assert all(0 <= wait <= 0.5 * 2**n for n, wait in enumerate(waits))
    Emulated.failing = [status]
    assert assets(found(index, "dog")) == ["a"]


def test_a_domain_that_stays_busy_is_left_alone(index: OpenSearchIndex, waits: list[float]) -> None:
    Emulated.failing = [429] * 100
    with pytest.raises(IndexBusy, match="1 documents: put them again later"):
        index.put(BLUE, [entry("a", document())])
    assert len(waits) == WRITING.attempts - 1
    with pytest.raises(IndexBusy, match="try again later"):
        found(index, "dog")
    assert 100 - len(Emulated.failing) == WRITING.attempts + READING.attempts


def test_only_what_was_turned_away_is_sent_again(index: OpenSearchIndex) -> None:
    Emulated.full_for = [{"anna/b", "anna/c"}, {"anna/c"}]
    entries = [entry(asset, document(tags=(f"dog{asset}",))) for asset in "abcd"]
    assert index.put(BLUE, entries) == 4
    sent = [[line["index"]["_id"] for line in request.lines[::2]] for request in Emulated.sent]
    assert sent == [["anna/a", "anna/b", "anna/c", "anna/d"], ["anna/b", "anna/c"], ["anna/c"]]
    assert assets(found(index, "dogc")) == ["c"]


def test_a_large_batch_is_several_requests(index: OpenSearchIndex) -> None:
    entries = [entry(f"a{n:04}", document(taken=f"2019-06-21T10:{n // 60:02}:{n % 60:02}")) for n in range(1_100)]
    assert index.put(BLUE, entries) == 1_100
    assert [len(request.lines) // 2 for request in Emulated.sent] == [500, 500, 100]
    seen: list[str] = []
    cursor = None
    while len(seen) < 1_100:
        page = found(index, "2019", limit=400, cursor=cursor)
        seen += assets(page)
        cursor = page.cursor
    assert cursor is None
    assert seen == [f"a{n:04}" for n in reversed(range(1_100))]


def test_what_an_index_refuses_of_a_document_is_left_out_of_it(client: OpenSearch, index: OpenSearchIndex) -> None:
    """The vectors are of another model than the index was made for."""
    later = OpenSearchIndex(client, PREFIX, dimensions=3, looks=2, wait=lambda _: None)
    assert later.put(BLUE, [entry("a", document(tags=("dog",)), at=(1, 0, 0)), entry("b", document())]) == 2
    assert assets(found(index, "dog", vector=(1.0, 0.0))) == ["a"]


@pytest.mark.parametrize("at", [(0, 0), (1, 0, 0), (float("inf"), 0), (float("nan"), 1)])
def test_a_vector_that_can_not_be_compared_is_left_out(index: OpenSearchIndex, at: tuple[float, ...]) -> None:
    assert index.put(BLUE, [entry("a", document(tags=("dog",)), at=at)]) == 1
    assert all("vector" not in request.lines[1] for request in Emulated.sent)
    assert assets(found(index, "dog", vector=(1.0, 0.0))) == ["a"]


def test_nothing_makes_an_index_by_writing_to_it(client: OpenSearch, index: OpenSearchIndex) -> None:
    index.drop(BLUE)
    with pytest.raises(NoIndex, match="replay --on aws --projection search"):
        index.put(BLUE, [entry("a", document())])
    with pytest.raises(NotFound):
        found(index, "dog")
    assert not client.indices.exists(index=f"{PREFIX}search_g1*", allow_no_indices=False)


def test_two_functions_may_make_the_same_index(client: OpenSearch, index: OpenSearchIndex) -> None:
    index.put(BLUE, [entry("a", document(tags=("dog",)))])
    late = OpenSearchIndex(client, PREFIX, dimensions=2, looks=2)
    late.has = lambda table: False  # type: ignore[method-assign]  # it looked before the other had made it
    late.create(BLUE)
    assert assets(found(index, "dog")) == ["a"]


def test_an_operator_may_put_another_index_behind_the_alias(client: OpenSearch, index: OpenSearchIndex) -> None:
    index.put(BLUE, [entry("a", document(tags=("dog",)))])
    alias, restored = f"{PREFIX}search_g1", f"{PREFIX}search_g1-restored"
    client.indices.create(index=restored)
    actions = [
        {"remove": {"index": index_of(PREFIX, BLUE), "alias": alias}},
        {"add": {"index": restored, "alias": alias}},
    ]
    client.indices.update_aliases(body={"actions": actions})
    assert assets(found(index, "dog")) == []
    index.put(BLUE, [entry("b", document(tags=("dog",)))])
    assert assets(found(index, "dog")) == ["b"]
    index.drop(BLUE)
    assert not client.indices.exists(index=restored)


# --- the same as on one machine --------------------------------------------------------------------------------------


def test_searches_find_and_count_the_same_as_on_one_machine(index: OpenSearchIndex, tmp_path: Path) -> None:
    local = SqliteSearchIndex(tmp_path / "search.db")
    local.create(BLUE)
    names = ("dog", "cat", "beach", "bicycle", "red umbrella", "mountain", "sunset")
    entries = [
        entry(
            f"a{n:02}",
            document(
                file_name=f"IMG_{n:04}_{names[n % 5].title()}.jpg",
                tags=tuple(names[(n + step) % 7] for step in range(n % 3 + 1)),
                parents=("animal",) if n % 7 in (0, 1) else (),
                description="Summer at the lake" if n % 4 == 0 else "",
                country=("Italy", "Norway", "")[n % 3],
                camera="Canon EOS R6" if n % 2 else "",
                taken=f"20{10 + n % 9}-{n % 12 + 1:02}-11T10:00:00",
                rating=n % 6,
            ),
            at=(math.cos(n / 20), math.sin(n / 20)),
        )
        for n in range(40)
    ]
    for each in (index, local):
        each.put(BLUE, entries)
    for text in (
        "dog beach", "cat", "bikes", "umbrela", "canon", "moun", "animal -cat", "lake italy rating:3", "img",
        "dog cat sunset", "place:italy month:may", "2014", "like:a07", "sunset after:2015", "the", "summer beach dog",
    ):  # fmt: skip
        for vector in (None, (1.0, 0.0)) if parse(text, TODAY).words else (None,):
            here, there = (found(each, text, vector=vector, limit=100) for each in (index, local))
            assert set(assets(here)) == set(assets(there)), text
            assert (here.total, here.facets, here.corrected) == (there.total, there.facets, there.corrected), text
            near, far = _reasons(here), _reasons(there)
            assert near.keys() == far.keys()
            for asset, (worded, cosine) in near.items():
                assert (worded, cosine) == (far[asset][0], pytest.approx(far[asset][1], abs=0.001)), text
    local.close()


def _reasons(answer: Found) -> dict[str, tuple[bool, float]]:
    """Whether a hit has words, and how near its meaning is."""
    return {hit.asset: (hit.reason.lexical_rank is not None, hit.reason.similarity or 0.0) for hit in answer.hits}


# --- the connection --------------------------------------------------------------------------------------------------


def test_requests_are_signed_with_the_sessions_credentials() -> None:
    headers: list[dict[str, str]] = []

    class Answering(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            headers.append({name.lower(): value for name, value in self.headers.items()})
            self.send_response(503)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Nothing is printed."""

    session = botocore.session.Session()
    session.set_credentials("AKIDEXAMPLE", "secret", "token")
    session.set_config_variable("region", "eu-west-1")
    with http.server.HTTPServer(("127.0.0.1", 0), Answering) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        client = connect(f"http://127.0.0.1:{server.server_port}", aws=Aws(session))
        with pytest.raises(TransportError):
            client.msearch(body=[{"routing": "anna"}, {"size": 0}], index="i")
        server.shutdown()
        thread.join()
        client.close()
    [sent] = headers  # and is not tried again by the library
    assert sent["authorization"].startswith("AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/")
    assert "/eu-west-1/es/aws4_request" in sent["authorization"]
    assert sent["x-amz-security-token"] == "token"


@pytest.mark.parametrize("wrong", ["", "ftp://x", "https://", "http:///x"])
def test_what_is_no_endpoint_is_refused(wrong: str) -> None:
    with pytest.raises(InvalidInput, match="no OpenSearch endpoint"):
        connect(wrong)


def test_a_domains_host_is_reached_over_tls() -> None:
    client = connect("search-x.eu-west-1.es.amazonaws.com")
    [host] = client.transport.hosts
    assert (host["host"], host["port"]) == ("search-x.eu-west-1.es.amazonaws.com", 443)
    assert client.transport.get_connection().use_ssl
    client.close()
