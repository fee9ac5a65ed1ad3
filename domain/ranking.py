"""What ranking means, the same in every search index: which words of a document count, how much, and how deep."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from domain.query import Query
from domain.query_dates import date_words
from domain.search import STOP_WORDS, Document, file_words

__all__ = [
    "COLUMNS",
    "DEPTH",
    "K1",
    "LOOKS_LEAST",
    "MAX_FACET_VALUES",
    "SEMANTIC_DEPTH",
    "SIMILAR_LEAST",
    "B",
    "asked_words",
    "columns",
    "terms",
]

DEPTH = 500
"""So many documents of each ranking are fused; behind them a search has no more pages."""

SEMANTIC_DEPTH = 100
"""So many are found by meaning alone: behind them come pictures that have little to do with the question."""

LOOKS_LEAST = 0.2
"""Cosine from which a picture looks like another (benchmarks/quality/search.py)."""

SIMILAR_LEAST = 0.25
"""Cosine from which a document is found by its meaning (benchmarks/quality/search.py)."""

K1, B = 1.2, 0.4
"""Of BM25; a picture with many tags is not much less about each."""

MAX_FACET_VALUES = 20

COLUMNS = ("name", "text", "tag", "kind_of", "place", "camera", "date")


def asked_words(query: Query) -> Sequence[str]:
    """The words that rank: those that say something, where there are any."""
    return [word for word in query.words if word not in STOP_WORDS] or query.words


def columns(document: Document) -> tuple[tuple[str, ...], ...]:
    """A document's texts for each of `COLUMNS`."""
    return (
        (*file_words(document.file_name), document.file_name),
        (document.description, *document.keywords),
        document.tags,
        document.parents,
        tuple(filter(None, (document.city, document.region, document.country))),
        (document.camera,),
        date_words(document.taken, document.latitude) if document.dated else (),
    )


def terms(document: Document) -> Collection[str]:
    """What is suggested while somebody types, in lower case: tags, places, cameras, keywords, dates."""
    found = {*document.tags, *document.parents, *document.keywords, document.city, document.region, document.country}
    found |= {document.camera, *date_words(document.taken, document.latitude)} - {document.taken[:4]}
    return {term.lower() for term in found if term}
