"""OpenSearch for tests: osmem's server, what it lacks answered here, and every request kept to be looked at.

osmem (from PyPI, in memory, without Java) runs words, filters, facets, versions and aliases. It has no k-NN: `Emulated`
takes the `knn` clause out, lets osmem find what its filter passes, and measures the cosines itself, exactly.
What that can't show: HNSW's recall, analysis to the letter, shards by routing, signatures, how long anything takes.
"""

from __future__ import annotations

import copy
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from opensearchpy import OpenSearch, Urllib3HttpConnection
from osmem_server import OsmemServer

from adapters.aws.opensearch_client import connect

KEEP = "PHOTOVAULT_TEST_OPENSEARCH_REQUESTS"
"""Names a file to which all requests are added: `tests.support.opensearch_types` looks at them."""

_ALL = 10_000
_SEARCH = re.compile(r"^/(?P<index>[^/]+)/_msearch$")


class Request(Struct, frozen=True):
    """One request as it was sent."""

    method: str
    path: str
    params: Mapping[str, Any]
    lines: list[Any]  # of the body: one, or each of a bulk's or of several searches'


class Emulated(Urllib3HttpConnection):
    """A connection that keeps requests, fails when it is told to, and can find the nearest vectors."""

    sent: list[Request] = []
    failing: list[int] = []  # statuses of the next answers
    full_for: list[set[str]] = []  # documents that the next bulk requests have no room for

    def perform_request(
        self,
        method: str,
        url: str,
        params: Mapping[str, Any] | None = None,
        body: bytes | str | None = None,
        **more: Any,
    ) -> Any:
        text = body.decode() if isinstance(body, bytes) else body or ""
        lines = [json.loads(line) for line in text.splitlines() if line]
        type(self).sent.append(Request(method, url, dict(params or {}), copy.deepcopy(lines)))
        if self.failing:
            status = type(self).failing.pop(0)
            self._raise_error(status, '{"error": {"type": "rejected_execution_exception"}}', "application/json")
        if url.endswith("/_bulk") and self.full_for:
            return self._partly(type(self).full_for.pop(0), method, url, params, lines, **more)
        near: dict[int, Mapping[str, Any]] = {}
        if _SEARCH.match(url):
            for n in range(1, len(lines), 2):
                knn = _taken_out(lines[n])
                if knn:
                    near[n // 2] = knn
            text = "".join(json.dumps(line) + "\n" for line in lines)
        sent: Any = text.encode() if body else None
        status, headers, raw = super().perform_request(method, url, params, sent, **more)
        if near:
            answers = json.loads(raw)
            for n, knn in near.items():
                answers["responses"][n] = _nearest(answers["responses"][n], knn)
            raw = json.dumps(answers)
        return status, headers, raw

    def _partly(self, full_for: set[str], method: str, url: str, params: Any, lines: list[Any], **more: Any) -> Any:
        """A bulk of which some documents are turned away, as a node with a full queue does."""
        pairs = list(zip(lines[::2], lines[1::2], strict=True))
        taken = [line for pair in pairs if pair[0]["index"]["_id"] not in full_for for line in pair]
        body = "".join(json.dumps(line) + "\n" for line in taken).encode()
        status, headers, raw = super().perform_request(method, url, params, body, **more)
        answers = iter(json.loads(raw)["items"])
        full = {"status": 429, "error": {"type": "rejected_execution_exception", "reason": "the queue is full"}}
        items = [{"index": full} if pair[0]["index"]["_id"] in full_for else next(answers) for pair in pairs]
        return status, headers, json.dumps({"errors": True, "items": items})


def _taken_out(body: dict[str, Any]) -> Mapping[str, Any] | None:
    """The `knn` clause of a search, which is left with its filter alone; None where there is none."""
    before = copy.deepcopy(body)
    held = body.get("query", {}).get("bool", {})
    if not any("knn" in clause for clause in held.get("must", ())):
        return None
    [clause] = held.pop("must")
    [(field, knn)] = clause["knn"].items()
    held["filter"] = [*held["filter"], knn["filter"]]
    body["size"], body["_source"] = _ALL, [field]
    return {**knn, "size": before["size"], "field": field}


def _nearest(answer: dict[str, Any], knn: Mapping[str, Any]) -> dict[str, Any]:
    """What a search of the graph would give, if it missed nothing."""
    if "error" in answer:
        return answer
    near = []
    for hit in answer["hits"]["hits"]:
        vector = hit.pop("_source", {}).get(knn["field"])
        if vector:
            cosine = sum(a * b for a, b in zip(vector, knn["vector"], strict=True))
            cosine /= math.hypot(*vector) * math.hypot(*knn["vector"])
            near.append(hit | {"_score": (1 + cosine) / 2})
    near.sort(key=lambda hit: -hit["_score"])
    near = near[: min(knn["k"], knn["size"])]
    answer["hits"] = {"hits": near, "total": {"value": len(near), "relation": "eq"}}
    return answer


class Emulator:
    """One osmem for a session; each test gets a cluster of its own."""

    def __init__(self, server: OsmemServer) -> None:
        self._server = server

    @contextmanager
    def client(self) -> Iterator[OpenSearch]:
        """A client for an empty cluster."""
        with self._server.clone() as clone:
            Emulated.sent, Emulated.failing, Emulated.full_for = [], [], []
            client = connect(clone.url, connection=Emulated)
            yield client
            client.close()
        if kept := os.environ.get(KEEP):
            with Path(kept).open("ab") as file:
                file.writelines(msgspec.json.encode(request) + b"\n" for request in Emulated.sent)


@contextmanager
def emulator() -> Iterator[Emulator]:
    """osmem, for as long as the context lasts."""
    with OsmemServer.start(japanese=False) as server:
        yield Emulator(server)
    for pipe in (server.process.stdin, server.process.stdout):
        if pipe is not None:
            pipe.close()
