"""Request bodies for OpenSearch: pure, so that a test can read them. Every one is about one owner's documents alone.

Words are matched one by one and weighed with the owner's own numbers (docs/adr/0016-ranking-in-opensearch.md): a score
that came from all owners' documents would tell of theirs.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from msgspec import Struct

from adapters.aws.opensearch_documents import FACETS
from domain.query import Query
from domain.ranking import COLUMNS, DEPTH, MAX_FACET_VALUES, SEMANTIC_DEPTH
from domain.spelling import edits_allowed, plain

__all__ = [
    "MARKS",
    "Nearness",
    "Owned",
    "Way",
    "counted",
    "explained",
    "lexical",
    "like",
    "newest",
    "semantic",
    "spelled",
    "typed",
]

Clause = dict[str, Any]

WEIGHTS = (("heavy", 3.0), ("middle", 1.5), ("name", 1.0))
"""What a person wrote and what is seen, before what follows from it, before the name of a file."""

MARKS = ("\u0001", "\u0002")
"""Around a highlighted word: no text holds them."""

_ANY = tuple(field for field, _ in WEIGHTS)
_FIELDS = {"text": _ANY, "tag": ("tag", "kind_of", "text"), "place": ("place",), "camera": ("camera",)}
_MOST_TERMS = 60_000  # of one clause; OpenSearch takes 65,536
_WORD = 1_000.0  # a document with one more word of the question stands before any that has fewer
_SPELLING_HITS = 20


class Way(Struct, frozen=True):
    """One form in which a word of the question is looked for: a phrase, or a beginning."""

    text: str
    begins: bool = False

    def matches(self, field: str) -> Clause:
        """What finds it in a field."""
        if self.begins:
            return {"prefix": {field: {"value": plain(self.text)}}}
        return {"match_phrase": {field: {"query": self.text}}}

    def anywhere(self) -> list[Clause]:
        """What finds it in any field."""
        return [self.matches(field) for field in _ANY]


class Nearness(Struct, frozen=True):
    """What documents should be near to."""

    field: str  # `vector`, of what words mean; `picture`, of how it looks
    vector: Sequence[float]
    least: float  # cosine from which a document is near


class Owned(Struct, frozen=True):
    """What may be ranked at all: an owner's documents that pass a query's filters."""

    owner: str
    passes: tuple[Clause, ...] = ()
    excluded: tuple[Clause, ...] = ()

    @staticmethod
    def by(owner: str, query: Query, only: Collection[str] | None, without: str | None) -> Owned:
        """The filters of a query.

        Args:
            only: assets that may be found at all.
            without: an asset that may not.
        """
        passes, excluded = list(_passing(query)), [_flag(each) for each in query.without_flags]
        for each in query.filters:
            if each.field != "person":  # the caller knows whom it means, and passes `only`
                (excluded if each.excluded else passes).append(_phrase(each.value, _FIELDS[each.field]))
        if only is not None:
            passes.append(_assets(only))
        if without is not None:
            excluded.append({"term": {"asset": {"value": without}}})
        return Owned(owner, tuple(passes), tuple(excluded))

    def clauses(self) -> dict[str, list[Clause]]:
        """For a `bool` query; the owner's name is always among them."""
        mine: list[Clause] = [{"term": {"owner": {"value": self.owner}}}, {"term": {"live": {"value": True}}}]
        held = {"filter": [*mine, *self.passes]}
        return held | ({"must_not": list(self.excluded)} if self.excluded else {})


def _passing(query: Query) -> list[Clause]:
    found: list[Clause] = []
    span = {name: day for name, day in (("gte", query.span.since), ("lt", query.span.until)) if day}
    if span:
        found.append({"range": {"day": span}})
    if query.months:
        found.append({"terms": {"month": list(query.months)}})
    if query.kind:
        found.append({"term": {"kind": {"value": query.kind}}})
    if query.rating is not None:
        found.append({"range": {"rating": {"gte": query.rating}}})
    found += [_flag(flag) for flag in query.flags]
    if query.near:
        found.append(
            {
                "geo_distance": {
                    "distance": f"{query.near.km!r}km",
                    "distance_type": "arc",
                    "position": {"lat": query.near.latitude, "lon": query.near.longitude},
                }
            }
        )
    return found


def _flag(flag: str) -> Clause:
    return {"term": {"flags": {"value": flag}}}


def _phrase(words: str, fields: Sequence[str]) -> Clause:
    return _either([Way(words).matches(field) for field in fields])


def _assets(only: Collection[str]) -> Clause:
    every = sorted(only)
    return _either(
        [{"terms": {"asset": every[i : i + _MOST_TERMS]}} for i in range(0, max(1, len(every)), _MOST_TERMS)]
    )


def _either(clauses: list[Clause]) -> Clause:
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses, "minimum_should_match": 1}}


# --- bodies ----------------------------------------------------------------------------------------------------------


def counted(owner: str, ways: Mapping[str, Sequence[Way]]) -> Clause:
    """How many of the owner's documents there are, and how many have each named choice of ways."""
    every = {name: _either([clause for way in held for clause in way.anywhere()]) for name, held in ways.items()}
    return _body(0, {"bool": Owned(owner).clauses()}, aggregations={"words": {"filters": {"filters": every}}})


def spelled(owner: str, word: str) -> Clause:
    """Documents with words that are spelled nearly so, the nearest first, those words marked."""
    near = [
        {"constant_score": {"filter": _fuzzy(word, edits), "boost": float(10 - edits)}}
        for edits in range(1, edits_allowed(word) + 1)
    ]
    highlight = {
        "type": "plain",
        "number_of_fragments": 0,
        "pre_tags": [MARKS[0]],
        "post_tags": [MARKS[1]],
        "fields": {"words": {"highlight_query": _fuzzy(word, edits_allowed(word))}},
    }
    query = {"bool": Owned(owner).clauses() | {"should": near, "minimum_should_match": 1}}
    return _body(_SPELLING_HITS, query, highlight=highlight)


def _fuzzy(word: str, edits: int) -> Clause:
    """`rewrite` without a limit: the nearest words of the shard could all be other owners'."""
    how = {"fuzziness": edits, "transpositions": True, "rewrite": "constant_score"}
    return {"fuzzy": {"words": {"value": word, **how}}}


def lexical(owned: Owned, words: Sequence[tuple[Sequence[Way], int]], total: int) -> Clause:
    """Documents with any of the words: first by how many they have (named by their place), then by idf, weight of the
    field and length; and the facets of all of them.

    Args:
        words: the ways of each word, and how many of the owner's documents have it.
        total: how many documents the owner has.
    """
    should: list[Clause] = []
    for place, (ways, frequency) in enumerate(words):
        anywhere = _either([clause for way in ways for clause in way.anywhere()])
        should.append({"constant_score": {"filter": anywhere, "boost": _WORD, "_name": str(place)}})
        should.append(_weighed(ways, math.log(1 + max(0.5, total - frequency + 0.5) / (frequency + 0.5))))
    query = {"bool": owned.clauses() | {"should": should, "minimum_should_match": 1}}
    return _body(DEPTH, query, fields=("asset", "taken", "rating"), sort=_by("_score"), aggregations=_facets())


def _weighed(ways: Sequence[Way], idf: float) -> Clause:
    fields = [
        {"constant_score": {"filter": _either([way.matches(field) for way in ways]), "boost": round(idf * weight, 6)}}
        for field, weight in WEIGHTS
    ]
    return {
        "function_score": {
            "query": {"dis_max": {"queries": fields}},
            "functions": [{"field_value_factor": {"field": "length", "missing": 1.0}}],
            "boost_mode": "multiply",
        }
    }


def semantic(owned: Owned, near: Nearness, words: Sequence[tuple[Sequence[Way], int]]) -> Clause:
    """The nearest vectors among what passes: the filter is inside the search of the graph, not behind it. `words` names
    those that the lexical ranking has too."""
    knn = {near.field: {"vector": list(near.vector), "k": SEMANTIC_DEPTH, "filter": {"bool": owned.clauses()}}}
    query: Clause = {"bool": owned.clauses() | {"must": [{"knn": knn}]}}
    having = [clause for ways, _ in words for way in ways for clause in way.anywhere()]
    if having:
        query["bool"]["should"] = [{"constant_score": {"filter": _either(having), "boost": 0.0, "_name": "words"}}]
    facets = tuple(f"facets.{facet}" for facet in FACETS)
    return _body(SEMANTIC_DEPTH, query, fields=("asset", "taken", "rating", *facets))


def newest(owned: Owned, limit: int, after: Sequence[str] | None) -> Clause:
    """What passes, the newest first, behind a document; one more than the page, and the facets of all."""
    more: dict[str, Any] = {"search_after": list(after)} if after is not None else {}
    query = {"bool": owned.clauses()}
    return _body(limit + 1, query, fields=("asset", "taken"), sort=_by("taken"), aggregations=_facets(), **more)


def like(owner: str, beginning: str) -> Clause:
    """Two documents whose assets begin so, with their vectors and looks."""
    owned = Owned(owner, ({"prefix": {"asset": {"value": beginning}}},))
    return _body(2, {"bool": owned.clauses()}, fields=("asset",)) | {"_source": ["vector", "picture"]}


def explained(owner: str, assets: Sequence[str], ways: Sequence[Way]) -> Clause:
    """Which column of each asset has which word, as the names of the clauses that match."""
    should = [
        {"constant_score": {"filter": way.matches(column), "boost": 0.0, "_name": f"{column}: {way.text}"}}
        for way in ways
        for column in COLUMNS
    ]
    owned = Owned(owner, (_assets(assets),))
    return _body(len(assets), {"bool": owned.clauses() | {"should": should}}, fields=("asset",))


def typed(owner: str, beginning: str, limit: int) -> Clause:
    """The owner's terms that begin so, the most frequent first."""
    owned = Owned(owner, ({"prefix": {"terms": {"value": beginning}}},))
    pattern = re.sub(r"([^\w ])", r"\\\1", beginning) + ".*"
    most = {"field": "terms", "include": pattern, "size": limit, "order": [{"_count": "desc"}, {"_key": "asc"}]}
    return _body(0, {"bool": owned.clauses()}, aggregations={"terms": {"terms": most}})


def _facets() -> dict[str, Clause]:
    order = [{"_count": "desc"}, {"_key": "asc"}]
    return {
        facet: {"terms": {"field": f"facets.{facet}", "size": 2 * MAX_FACET_VALUES, "order": order}} for facet in FACETS
    }


def _by(first: str) -> list[Clause]:
    """By score, then by date, the newest first; the asset makes it one order."""
    leading: list[Clause] = [{"_score": {"order": "desc"}}] if first == "_score" else []
    return [*leading, {"taken": {"order": "desc", "missing": "_last"}}, {"asset": {"order": "asc"}}]


def _body(size: int, query: Clause, *, fields: Sequence[str] = (), **more: Any) -> Clause:
    """No `_source`, which holds the vector: what a search reads are columns."""
    columns = {"docvalue_fields": list(fields)} if fields else {}
    return {"size": size, "query": query, "_source": False, "track_total_hits": True, **columns, **more}
