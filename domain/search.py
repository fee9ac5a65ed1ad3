"""What is searched: a document for each asset, hits with the reasons for them, and how two rankings become one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

__all__ = ["STOP_WORDS", "Document", "Entry", "Found", "Hit", "Reason", "file_words", "fused"]

RRF_K = 60
"""Cormack, Clarke and Büttcher 2009, "Reciprocal rank fusion": the constant that they found robust."""

NEWEST, BEST = 0.00008, 0.00004
"""At most so much for how new and how well rated a photo is: less than one rank at the top (1/61 - 1/62 = 0.00026)."""

_LITTLE = "a an and are as at by for from in into is it me my of on or our the their to was were with"
STOP_WORDS = frozenset(_LITTLE.split())
"""Words that say nothing of a picture: they rank only where a question has no others."""

_PARTS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_a-zA-Z]+")


class Document(Struct, frozen=True, array_like=True):
    """One asset as search sees it: text by field, facets, and what filters ask."""

    file_name: str = ""
    kind: str | None = None
    taken: str = ""  # local, ISO 8601; of the upload where there is no date
    dated: bool = False
    description: str = ""
    keywords: tuple[str, ...] = ()
    rating: int | None = None
    camera: str = ""
    city: str = ""
    region: str = ""
    country: str = ""
    latitude: float | None = None
    longitude: float | None = None
    tags: tuple[str, ...] = ()  # the surest first
    parents: tuple[str, ...] = ()  # what the tags are kinds of
    flags: tuple[str, ...] = ()
    vector: str | None = None  # blob of little-endian float16, of length 1
    picture: str | None = None  # blob of what the picture looks like, little-endian float16


class Entry(Struct, frozen=True):
    """A document on its way into an index; None takes it out. Guarded by the version, like a row."""

    owner: str
    asset: str
    version: int
    document: Document | None
    vector: bytes | None = None  # of its words: little-endian float16
    picture: bytes | None = None  # of how it looks (`domain.embedding.sketched`), for `like:`


class Reason(Struct, frozen=True):
    """Why a hit is there."""

    lexical_rank: int | None = None
    matched: tuple[str, ...] = ()  # "tag: dog"
    corrected: tuple[str, ...] = ()  # "beech -> beach"
    semantic_rank: int | None = None
    similarity: float | None = None  # cosine


class Hit(Struct, frozen=True):
    """One asset that was found."""

    asset: str
    score: float
    reason: Reason


class Found(Struct, frozen=True):
    """One page of hits, the best first."""

    hits: Sequence[Hit]
    total: int  # of all pages
    facets: Mapping[str, Mapping[str, int]]  # over all pages: facet -> value -> how many
    cursor: str | None
    corrected: Mapping[str, tuple[str, ...]] = {}  # words that nothing has, and what was searched instead


def file_words(name: str) -> tuple[str, ...]:
    """The words in a file's name, without its ending: "IMG_BeachParty2.jpg" -> img, beach, party, 2."""
    stem = name.rpartition(".")[0] or name
    return tuple(dict.fromkeys(part.lower() for part in _PARTS.findall(stem)))


def fused(rankings: Iterable[Sequence[int]], shares: Mapping[int, float] | None = None) -> dict[int, float]:
    """Reciprocal rank fusion: documents of several rankings (best first) with one score each.

    Args:
        shares: how much of the question the first ranking's documents answer (words that they have), where not all.
    """
    scores: dict[int, float] = {}
    for number, ranking in enumerate(rankings):
        for rank, document in enumerate(ranking, 1):
            share = shares.get(document, 1.0) if shares is not None and number == 0 else 1.0
            scores[document] = scores.get(document, 0.0) + share / (RRF_K + rank)
    return scores
