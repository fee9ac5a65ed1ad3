"""Search: a person's words to a page of pictures, each as its reader may see it, with why it is there."""

from __future__ import annotations

from datetime import date
from typing import Any

from msgspec import Struct, structs

from domain.errors import InvalidInput
from domain.ports import PictureEmbedder, TextEmbedder
from domain.query import Query, parse
from domain.search import Found
from photovault.people import find_person, together
from photovault.vault import Vault
from projections.gallery import Gallery
from projections.search import Search
from projections.serving import served

__all__ = ["Results", "of_people", "search", "suggest"]


class Results(Struct, frozen=True):
    """One page."""

    query: Query
    found: Found
    items: list[dict[str, Any]]  # of the gallery, with `score` and `why`
    semantic: bool  # whether meaning was compared


def search(
    vault: Vault,
    text: str,
    today: date,
    *,
    limit: int = 50,
    cursor: str | None = None,
    lexical: bool = False,
    explain: bool = False,
) -> Results:
    """Find the owner's pictures.

    Args:
        today: what "last summer" is seen from.
        lexical: by words alone.
        explain: say which field has which word.
    Raises:
        InvalidInput: the query can't be meant; says what to do.
    """
    query = parse(text, today)
    only = of_people(vault, query)
    _, table = vault.generations.active(Search.name)
    owner = vault.settings.owner
    vector = None if lexical else _meaning(vault.texts, query)
    least = vault.texts.least if vector is not None and isinstance(vault.texts, PictureEmbedder) else None
    found = vault.index.search(
        table, owner, query, vector=vector, least=least, only=only, limit=limit, cursor=cursor, explain=explain
    )
    gallery, gallery_table = vault.generations.active(Gallery.name)
    rows = vault.views.get(gallery_table, [(owner, hit.asset) for hit in found.hits])
    items = [
        served(gallery, row, vault.locate, vault.settings.serving)
        | {"score": hit.score, "why": structs.asdict(hit.reason)}
        for hit, row in zip(found.hits, rows, strict=True)
        if row is not None and not row.deleted
    ]
    return Results(query, found, items, vector is not None)


def of_people(vault: Vault, query: Query) -> set[str] | None:
    """Assets that show everybody whom `person:` names; None where it names nobody.

    Raises:
        InvalidInput: a person is to be left out, or several have the name, or the owner has not agreed to faces.
        NotFound: nobody is called so.
    """
    named = [each for each in query.filters if each.field == "person"]
    if not named:
        return None
    if any(each.excluded for each in named):
        raise InvalidInput("-person: can't be asked yet: leave it out")
    wanted = [find_person(vault, each.value) for each in named]
    return {shown.asset for shown in together(vault, wanted)}


def suggest(vault: Vault, beginning: str, limit: int) -> list[str]:
    """The owner's tags, places, cameras and keywords that begin so."""
    _, table = vault.generations.active(Search.name)
    return list(vault.index.suggest(table, vault.settings.owner, beginning, limit))


def _meaning(texts: TextEmbedder | None, query: Query) -> list[float] | None:
    """The question's vector; None where there are no words, or no model."""
    if texts is None or not query.words:
        return None
    [vector] = texts.embed([query.text])
    return list(vector)
