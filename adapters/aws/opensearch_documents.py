"""What lies in OpenSearch: the index template, names, and one document for each asset.

An index belongs to one generation of the view `search`. Readers and writers know its alias alone, so that an operator
may put another index behind it (a restore, more shards) without a change here.
"""

from __future__ import annotations

import math
import re
import struct
from typing import Any

from domain.ports import ViewTable
from domain.ranking import COLUMNS, K1, B, columns, terms
from domain.search import Document, Entry
from domain.spelling import plain

__all__ = ["DIMENSIONS", "FACETS", "FRAGILE", "action", "alias_of", "index_of", "template", "template_name"]

MAPPING = 2
"""Part of an index's name; raise it with the mapping or the analysis. A replay of `search` then makes the next one."""

DIMENSIONS = 384
"""Of the vectors that `adapters.ml.text` makes."""

FACETS = ("year", "country", "camera", "type")

FRAGILE = ("position", "vector", "picture")
"""Fields that an index may refuse, where it was made for vectors of another model; words are always taken."""

MEAN_WORDS = 20
"""What length BM25 takes for usual; fixed, so that a document's share can be written with it."""

_MAX_CHARACTERS = 10_000  # of one text
_MAX_TERM = 256  # characters of what is suggested or counted
_WORD = re.compile(r"[^\W\d_]{4,30}")
_WEIGHED = {"heavy": ("text", "tag", "place"), "middle": ("kind_of", "camera", "date")}
_GROUP = {column: group for group, held in _WEIGHED.items() for column in held}


def alias_of(prefix: str, table: ViewTable) -> str:
    """Under what name a generation is read and written."""
    return f"{prefix}{table.name}"


def index_of(prefix: str, table: ViewTable) -> str:
    """What stands behind the alias of a generation when it is made."""
    return f"{alias_of(prefix, table)}-m{MAPPING}"


def template_name(prefix: str) -> str:
    """Name of the index template."""
    return f"{prefix}search"


def template(prefix: str, dimensions: int, looks: int, shards: int, replicas: int) -> dict[str, Any]:
    """What every generation's index is like.

    Words lose accents and are stemmed (Porter), as in SQLite; `words` keeps them whole, for the nearest spelling.
    Vectors are in Lucene's HNSW graph: small libraries, a filter inside the search, and no native memory beside the
    heap. `refresh_interval` is said, because a shard that nobody asks would else stop to refresh while writers wait.
    """
    text = {"type": "text", "analyzer": "stemmed", "index_options": "positions", "norms": False}
    keyword = {"type": "keyword", "ignore_above": _MAX_TERM}
    return {
        "index_patterns": [f"{prefix}search_g*"],
        "template": {
            "settings": {
                "index": {
                    "number_of_shards": shards,
                    "number_of_replicas": replicas,
                    "refresh_interval": "1s",
                    "knn": True,
                },
                "analysis": {
                    "char_filter": {
                        "words": {
                            "type": "pattern_replace",
                            "pattern": r"[^\p{L}\p{N}\p{M}]+",
                            "replacement": " ",
                        }
                    },
                    "filter": {"short": {"type": "truncate", "length": 100}},
                    "analyzer": {
                        "stemmed": _analyzer("lowercase", "asciifolding", "porter_stem", "short"),
                        "whole": _analyzer("lowercase", "asciifolding", "short"),
                    },
                },
            },
            "mappings": {
                "dynamic": "strict",
                "_routing": {"required": True},
                "properties": {
                    "owner": {"type": "keyword"},
                    "asset": {"type": "keyword"},
                    "live": {"type": "boolean"},
                    **{column: text | ({"copy_to": _GROUP[column]} if column in _GROUP else {}) for column in COLUMNS},
                    **dict.fromkeys(_WEIGHED, text),
                    "words": {"type": "text", "analyzer": "whole"},
                    "terms": keyword,
                    "length": {"type": "float"},
                    "taken": keyword,
                    "day": keyword,
                    "month": {"type": "byte"},
                    "kind": keyword,
                    "rating": {"type": "byte"},
                    "flags": keyword,
                    "position": {"type": "geo_point"},
                    "facets": {"properties": dict.fromkeys(FACETS, keyword)},
                    "vector": _graph(dimensions),
                    "picture": _graph(looks),
                },
            },
        },
    }


def _graph(dimensions: int) -> dict[str, Any]:
    return {
        "type": "knn_vector",
        "dimension": dimensions,
        "method": {
            "name": "hnsw",
            "engine": "lucene",
            "space_type": "cosinesimil",
            "parameters": {"m": 16, "ef_construction": 128},
        },
    }


def _analyzer(*filters: str) -> dict[str, Any]:
    return {"type": "custom", "char_filter": ["words"], "tokenizer": "standard", "filter": list(filters)}


def action(entry: Entry, dimensions: int, looks: int, *, repair: bool) -> dict[str, Any]:
    """A write as the library's bulk helpers take it.

    What is gone stays as a document that nothing finds: OpenSearch forgets the version of a deleted one after a
    minute (`index.gc_deletes`), and an older write would bring it back.
    """
    body: dict[str, Any] = {"owner": entry.owner, "asset": entry.asset, "live": entry.document is not None}
    if entry.document is not None:
        body |= _body(entry.document)
        for name, raw, length in (("vector", entry.vector, dimensions), ("picture", entry.picture, looks)):
            numbers = _vector(raw, length)
            if numbers is not None:
                body[name] = numbers
    return {
        "_op_type": "index",
        "_id": f"{entry.owner}/{entry.asset}",
        "routing": entry.owner,
        "version": entry.version,
        "version_type": "external_gte" if repair else "external",
        "_source": body,
    }


def _body(document: Document) -> dict[str, Any]:
    texts = {
        column: [text[:_MAX_CHARACTERS] for text in held if text]
        for column, held in zip(COLUMNS, columns(document), strict=True)
    }
    joined = " ".join(text for held in texts.values() for text in held)
    taken = document.taken
    facets = dict(zip(FACETS, (taken[:4], document.country, document.camera, document.kind), strict=True))
    body: dict[str, Any] = {
        **{column: held for column, held in texts.items() if held},
        "words": " ".join(sorted(set(_WORD.findall(plain(joined))))),
        "terms": sorted(terms(document)),
        "length": _length_factor(len(joined.split())),
        "taken": taken,
        "day": taken[:10] or None,
        "month": int(taken[5:7]) if taken[5:7].isdecimal() else None,
        "kind": document.kind,
        "rating": document.rating or 0,
        "flags": list(document.flags),
        "position": _position(document),
        "facets": {facet: value for facet, value in facets.items() if value},
    }
    return {name: value for name, value in body.items() if value not in (None, [], {})}


def _length_factor(words: int) -> float:
    """BM25's share for a document's length, with how often it says a word left out: tags say it once."""
    return round((1 + K1) / (1 + K1 * (1 - B + B * words / MEAN_WORDS)), 4)


def _position(document: Document) -> dict[str, float] | None:
    latitude, longitude = document.latitude, document.longitude
    if latitude is None or longitude is None or not (abs(latitude) <= 90 and abs(longitude) <= 180):
        return None
    return {"lat": latitude, "lon": longitude}


def _vector(raw: bytes | None, dimensions: int) -> list[float] | None:
    """The vector's numbers; None where it is not of the index's model, or points nowhere (a cosine has to)."""
    if raw is None or len(raw) != 2 * dimensions:
        return None
    numbers = struct.unpack(f"<{dimensions}e", raw)
    if not all(map(math.isfinite, numbers)) or not any(numbers):
        return None
    return [round(number, 5) for number in numbers]
