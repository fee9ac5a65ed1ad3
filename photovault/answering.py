"""A question to a page of pictures, wherever the vault lies: each as its reader may see it, with why it is there."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, Protocol

from msgspec import Struct, structs

from domain.ports import PictureEmbedder, SearchIndex, TextEmbedder, ViewStore
from domain.query import Query
from domain.scanning import Serving
from domain.search import Found
from projections.gallery import Gallery
from projections.generations import Generations
from projections.search import Search
from projections.serving import served

__all__ = ["Results", "Searched", "answer", "begun"]


class Searched(Protocol):
    """What of a vault a search needs; `photovault.vault.Vault` and `photovault.aws.cloud.Cloud` have it."""

    @property
    def generations(self) -> Generations:
        """Which table of a projection readers see."""

    @property
    def views(self) -> ViewStore:
        """Rows of all projections."""

    @property
    def texts(self) -> TextEmbedder | None:
        """Turns words into vectors, and remembers those that come again; None without the model."""

    @property
    def settings(self) -> HasServing:
        """Says what may be shown."""


class HasServing(Protocol):
    """Settings that say what may be shown."""

    @property
    def serving(self) -> Serving:
        """Whether what was not scanned may be."""


class Results(Struct, frozen=True):
    """One page."""

    query: Query
    found: Found
    items: list[dict[str, Any]]  # of the gallery, with `score` and `why`
    semantic: bool  # whether meaning was compared


def answer(
    vault: Searched,
    index: SearchIndex,
    owner: str,
    query: Query,
    locate: Callable[[str], str],
    *,
    only: Collection[str] | None = None,
    limit: int = 50,
    cursor: str | None = None,
    lexical: bool = False,
    explain: bool = False,
) -> Results:
    """An owner's pictures that a question finds.

    Args:
        locate: where a blob is.
        only: assets that may be found at all; None: all.
        lexical: by words alone.
        explain: say which field has which word.
    """
    _, table = vault.generations.active(Search.name)
    vector = None
    if query.words and not lexical and vault.texts is not None:
        [vector] = vault.texts.embed([query.text])
    least = vault.texts.least if vector is not None and isinstance(vault.texts, PictureEmbedder) else None
    found = index.search(
        table, owner, query, vector=vector, least=least, only=only, limit=limit, cursor=cursor, explain=explain
    )
    gallery, gallery_table = vault.generations.active(Gallery.name)
    rows = vault.views.get(gallery_table, [(owner, hit.asset) for hit in found.hits])
    items = [
        served(gallery, row, locate, vault.settings.serving) | {"score": hit.score, "why": structs.asdict(hit.reason)}
        for hit, row in zip(found.hits, rows, strict=True)
        if row is not None and not row.deleted and not gallery.in_trash(gallery.decode(row.data))
    ]
    return Results(query, found, items, vector is not None)


def begun(vault: Searched, index: SearchIndex, owner: str, beginning: str, limit: int) -> list[str]:
    """An owner's tags, places, cameras and keywords that begin so."""
    _, table = vault.generations.active(Search.name)
    return list(index.suggest(table, owner, beginning, limit))
