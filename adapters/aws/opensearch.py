"""Search in OpenSearch: words and filters in one request, likeness in the other, fused as everywhere else.

All owners' documents lie in one index. Each request is routed by the owner and filtered by the owner, also inside the
search of the graph of vectors; nothing that comes back was counted over anybody else's documents.
"""

from __future__ import annotations

import base64
import time
import zlib
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct, structs
from opensearchpy import OpenSearch
from opensearchpy.exceptions import NotFoundError, RequestError, TransportError
from opensearchpy.helpers import streaming_bulk

from adapters.aws import opensearch_queries as bodies
from adapters.aws.opensearch_answers import Answer, Ranked, facets, field, marked, ranked
from adapters.aws.opensearch_client import BUSY, READING, WRITING, IndexBusy, asked
from adapters.aws.opensearch_documents import (
    DIMENSIONS,
    FRAGILE,
    action,
    alias_of,
    index_of,
    template,
    template_name,
)
from adapters.aws.opensearch_queries import Owned, Way
from domain.errors import InvalidInput, NotFound, PhotoVaultError, ViewUnavailable
from domain.ports import ViewTable
from domain.query import Query, written
from domain.ranking import DEPTH, SIMILAR_LEAST, asked_words
from domain.search import Entry, Found, Hit, Reason
from domain.spelling import nearest, plain
from domain.taxonomy import canonical

__all__ = ["NoIndex", "OpenSearchIndex"]

_CHUNK, _CHUNK_BYTES = 500, 4_000_000  # documents and bytes of a bulk request; the smallest node takes 10 MB
_MOST_WAYS = 120  # of a whole question: OpenSearch takes 1,024 clauses a query
_MOST_TYPED = 100
_ASKING_S = 4  # of one attempt; the API has 15 s for all
_PREFIX_FROM = 2
_SPELLED = range(4, 31)  # letters of a word that may be mended
_CONFLICT, _MISSING = 409, 404
_WRITTEN = (200, 201)


class OpenSearchIndex:
    """`domain.ports.SearchIndex` on an OpenSearch domain. Safe for threads.

    Args:
        client: from `opensearch_client.connect`.
        prefix: of all names, such as `photovault-dev-`.
        dimensions: of the vectors; those of another length are left out.
        shards, replicas: of an index that is made; a search goes to one shard, its owner's.
        wait: seconds; for tests.
    Cost:
        put: 1 request for 500 documents or 4 MB. It returns when the next search sees them: up to a second, or at once
        where a refresh is near.
        search: 1 request without words; with words 2 (which of them there are, then both rankings), 3 where one is
        mended; 1 more for `like:` and 1 for `explain`.
    """

    def __init__(
        self,
        client: OpenSearch,
        prefix: str,
        *,
        dimensions: int = DIMENSIONS,
        shards: int = 1,
        replicas: int = 0,
        wait: Callable[[float], None] = time.sleep,
    ) -> None:
        self._client = client
        self._prefix = prefix
        self._dimensions = dimensions
        self._shape = (shards, replicas)
        self._wait = wait

    def create(self, table: ViewTable) -> None:
        """See `SearchIndex.create`. Cost: 1 request when it is there, else 3."""
        if self.has(table):
            return
        body = template(self._prefix, self._dimensions, *self._shape)
        name = template_name(self._prefix)
        self._ask(lambda: self._client.indices.put_index_template(name=name, body=body), WRITING)
        alias: dict[str, Any] = {"aliases": {alias_of(self._prefix, table): {}}}
        try:
            self._ask(lambda: self._client.indices.create(index=index_of(self._prefix, table), body=alias), WRITING)
        except RequestError as error:
            if error.error != "resource_already_exists_exception":  # another function was first
                raise

    def has(self, table: ViewTable) -> bool:
        """Whether the generation's index is there."""
        return bool(self._ask(lambda: self._client.indices.exists(index=alias_of(self._prefix, table)), WRITING))

    def drop(self, table: ViewTable) -> None:
        """See `SearchIndex.drop`: whatever stands behind the alias."""
        try:
            found = self._ask(lambda: self._client.indices.get(index=alias_of(self._prefix, table)), WRITING)
            for name in found:
                self._ask(lambda name=name: self._client.indices.delete(index=name), WRITING)  # type: ignore[misc]
        except NotFoundError:
            return

    # --- writing ---

    def put(self, table: ViewTable, entries: Sequence[Entry], *, repair: bool = False) -> int:
        """See `SearchIndex.put`. The guard is OpenSearch's own: a version of ours, compared where it is written.

        A write that was answered too late is made again, and then counts as not written: it had been.
        Raises:
            IndexBusy: the domain did not take it in time; all of it may be put again.
            PhotoVaultError: a document is refused even without what is `FRAGILE`; names it.
        """
        waiting = [action(entry, self._dimensions, repair=repair) for entry in entries]
        done = 0
        for pause in (*WRITING.waits(), None):
            again: list[dict[str, Any]] = []
            for sent, status, error in self._sent(table, waiting):
                if status in _WRITTEN:
                    done += 1
                elif status == _MISSING:
                    raise _missing(table)
                elif status == _CONFLICT:
                    continue
                elif status in BUSY or not isinstance(status, int):
                    again.append(sent)
                else:
                    again.append(_bare(sent, error))
            if not again:
                return done
            waiting = again
            if pause is not None:
                self._wait(pause)
        raise IndexBusy(f"the search index did not take {len(waiting)} documents: put them again later")

    def _sent(
        self, table: ViewTable, actions: Sequence[dict[str, Any]]
    ) -> list[tuple[dict[str, Any], int | str, object]]:
        """(action, status, error) of each, in their order. A request that failed as a whole failed for each."""
        answers = streaming_bulk(
            self._client,
            [dict(each) for each in actions],  # the library takes them apart
            chunk_size=_CHUNK,
            max_chunk_bytes=_CHUNK_BYTES,
            raise_on_error=False,
            raise_on_exception=False,
            index=alias_of(self._prefix, table),
            require_alias=True,  # nothing makes an index by writing to it
            refresh="wait_for",
        )
        found = []
        for sent, (_, answer) in zip(actions, answers, strict=True):
            (said,) = answer.values()
            found.append((sent, said["status"], said.get("error")))
        return found

    # --- searching ---

    def search(
        self,
        table: ViewTable,
        owner: str,
        query: Query,
        *,
        vector: Sequence[float] | None = None,
        least: float | None = None,
        only: Collection[str] | None = None,
        limit: int = 50,
        cursor: str | None = None,
        explain: bool = False,
    ) -> Found:
        """See `SearchIndex.search`."""
        scope = zlib.crc32(f"{table.name}|{owner}|{written(query)}|{vector is not None}".encode())
        place = _read_cursor(cursor, scope)
        like, asked_for = None, list(vector) if vector is not None else None
        if query.like:
            like, asked_for = self._like(table, owner, query.like)
        owned = Owned.by(owner, query, only, like)
        if not (query.words or query.like):
            return self._newest(table, owned, limit, place, scope)
        words = self._words(table, owner, query)
        both = self._ranked(table, owned, words, asked_for, SIMILAR_LEAST if least is None else least)
        page = both.order[place.start : place.start + limit]
        fields = self._explained(table, owner, page, words) if explain and page else {}
        hits = []
        for asset in page:
            reason = structs.replace(both.reasons[asset], matched=tuple(fields.get(asset, ())))
            hits.append(Hit(asset, round(both.scores[asset], 6), reason))
        end = place.start + limit
        following = _cursor(_Place(scope, end)) if end < len(both.order) else None
        return Found(hits, both.total, both.facets, following, words.corrected)

    def suggest(self, table: ViewTable, owner: str, beginning: str, limit: int = 10) -> Sequence[str]:
        """See `SearchIndex.suggest`: counted over the owner's documents alone."""
        low = beginning.strip().lower()[:_MOST_TYPED]
        if not low or limit < 1:
            return []
        [answer] = self._searched(table, owner, [bodies.typed(owner, low, limit)])
        return [bucket["key"] for bucket in answer["aggregations"]["terms"]["buckets"]]

    def close(self) -> None:
        """End connections."""
        self._client.close()

    def _newest(self, table: ViewTable, owned: Owned, limit: int, place: _Place, scope: int) -> Found:
        [answer] = self._searched(table, owned.owner, [bodies.newest(owned, limit, place.after)])
        found = answer["hits"]["hits"]
        following = _cursor(_Place(scope, 0, tuple(found[limit - 1]["sort"]))) if len(found) > limit else None
        hits = [Hit(field(hit, "asset"), 0.0, Reason()) for hit in found[:limit]]
        return Found(hits, answer["hits"]["total"]["value"], facets(answer, ()), following)

    def _like(self, table: ViewTable, owner: str, beginning: str) -> tuple[str, list[float]]:
        """An asset and its vector."""
        [answer] = self._searched(table, owner, [bodies.like(owner, beginning)])
        found = answer["hits"]["hits"]
        if not found:
            raise NotFound(f"there is no asset {beginning} to find pictures like")
        if len(found) > 1:
            raise InvalidInput(f"several assets begin with {beginning}: give more of the id")
        vector = found[0].get("_source", {}).get("vector")
        if not vector:
            raise InvalidInput(f"nothing is known yet of what {beginning} shows: `photovault work`, with models")
        return field(found[0], "asset"), vector

    def _words(self, table: ViewTable, owner: str, query: Query) -> _Words:
        """For each word that documents have, what to look for: itself, else what begins with it, else its nearest
        spellings; and the tag that it is another name of."""
        asked_for = asked_words(query)
        choices: dict[str, tuple[Way, ...]] = {}
        for word in asked_for:
            choices[f"={word}"] = tuple(dict.fromkeys((Way(word), Way(canonical(word)))))
            if len(word) >= _PREFIX_FROM:
                choices[f"*{word}"] = (Way(word, begins=True),)
        if not choices:
            return _Words((), 0, 0, {})
        [answer] = self._searched(table, owner, [bodies.counted(owner, choices)])
        counts = {name: held["doc_count"] for name, held in answer["aggregations"]["words"]["buckets"].items()}
        total = answer["hits"]["total"]["value"]
        lost = [w for w in asked_for if not (counts[f"={w}"] or counts.get(f"*{w}"))]
        mended = self._mended(table, owner, lost) if total else {}
        found: list[tuple[tuple[Way, ...], int]] = []
        left = _MOST_WAYS
        for word in asked_for:
            if word in mended:
                spellings, frequency = mended[word]
                ways: tuple[Way, ...] = tuple(map(Way, spellings))
            else:
                name = f"={word}" if counts[f"={word}"] else f"*{word}"
                ways, frequency = choices.get(name, ()), counts.get(name, 0)
            if ways and frequency and len(ways) <= left:
                found.append((ways, frequency))
                left -= len(ways)
        return _Words(tuple(found), len(asked_for), total, {word: mended[word][0] for word in lost if word in mended})

    def _mended(self, table: ViewTable, owner: str, words: Sequence[str]) -> dict[str, tuple[tuple[str, ...], int]]:
        """The nearest spellings that the owner's documents have, and how many have any."""
        asked_for = {w: plain(w) for w in words if len(plain(w)) in _SPELLED and plain(w).isalpha()}
        if not asked_for:
            return {}
        answers = self._searched(table, owner, [bodies.spelled(owner, folded) for folded in asked_for.values()])
        found = {}
        for (word, folded), answer in zip(asked_for.items(), answers, strict=True):
            near = nearest(folded, {other for hit in answer["hits"]["hits"] for other in marked(hit)})
            if near:
                found[word] = (near, int(answer["hits"]["total"]["value"]))
        return found

    def _ranked(
        self, table: ViewTable, owned: Owned, words: _Words, vector: Sequence[float] | None, least: float
    ) -> Ranked:
        asking = []
        if words.found:
            asking.append(bodies.lexical(owned, words.found, words.total))
        if vector is not None and len(vector) == self._dimensions and any(vector):
            asking.append(bodies.semantic(owned, vector, words.found))
        answers = list(self._searched(table, owned.owner, asking)) if asking else []
        by_words = answers.pop(0) if words.found else None
        return ranked(by_words, answers.pop(0) if answers else None, words.asked, words.corrected, least)

    def _explained(self, table: ViewTable, owner: str, page: Sequence[str], words: _Words) -> dict[str, list[str]]:
        """Which column of a hit has which word."""
        ways = list(dict.fromkeys(way for ways, _ in words.found for way in ways))
        if not ways:
            return {}
        [answer] = self._searched(table, owner, [bodies.explained(owner, page, ways)])
        return {field(hit, "asset"): sorted(hit.get("matched_queries", ())) for hit in answer["hits"]["hits"]}

    def _searched(self, table: ViewTable, owner: str, asking: Sequence[dict[str, Any]]) -> Sequence[Answer]:
        """Answers to some bodies, in one request to the owner's shard.

        Raises:
            NotFound: there is no such index.
        """
        alias = alias_of(self._prefix, table)
        lines: list[dict[str, Any]] = []
        for body in asking:
            lines += ({"routing": owner}, body)

        def ask() -> Sequence[Answer]:
            found: Sequence[Answer] = self._client.msearch(body=lines, index=alias, request_timeout=_ASKING_S)[
                "responses"
            ]
            for answer in found:
                if "error" in answer:
                    error = answer["error"]
                    raise TransportError(int(answer["status"]), error.get("type", "error"), error)
            return found

        try:
            answers: Sequence[Answer] = self._ask(ask, READING)
            return answers
        except TransportError as error:
            if error.status_code == _MISSING:
                raise _missing(table) from error
            raise PhotoVaultError(f"the search index refuses a question ({error.error}): see its log") from error

    def _ask(self, ask: Callable[[], Any], patience: Any) -> Any:
        return asked(ask, patience, self._wait)


class _Words(Struct, frozen=True):
    """The question's words as the index has them."""

    found: tuple[tuple[tuple[Way, ...], int], ...]  # ways, and how many documents have any
    asked: int
    total: int  # documents of the owner
    corrected: Mapping[str, tuple[str, ...]]


class _Place(Struct, frozen=True, array_like=True):
    """Where a page begins: so many hits in, or (by date) behind a document."""

    scope: int
    start: int = 0
    after: tuple[str, str] | None = None


_place = msgspec.msgpack.Decoder(_Place).decode


def _cursor(place: _Place) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(place)).decode().rstrip("=")


def _read_cursor(cursor: str | None, scope: int) -> _Place:
    if cursor is None:
        return _Place(scope)
    try:
        place = _place(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, msgspec.DecodeError) as error:
        raise InvalidInput("this cursor is damaged: start again without one") from error
    if place.scope != scope or not 0 <= place.start <= 2 * DEPTH:
        raise InvalidInput("this cursor belongs to another search: start again without one")
    return place


class NoIndex(NotFound, ViewUnavailable):
    """The generation was made before there was an index, or its index was lost."""


def _missing(table: ViewTable) -> NoIndex:
    return NoIndex(
        f"there is no index of generation {table.generation} of view {table.projection}: "
        f"run `photovault replay --on aws --projection {table.projection}`, which makes the next one"
    )


def _bare(sent: dict[str, Any], error: object) -> dict[str, Any]:
    """A refused write without what an index may refuse."""
    kept = {name: value for name, value in sent["_source"].items() if name not in FRAGILE}
    if kept == sent["_source"]:
        raise PhotoVaultError(f"the search index refuses {sent['_id']}: {error}")
    return sent | {"_source": kept}
