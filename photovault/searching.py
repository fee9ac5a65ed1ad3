"""Search as an owner asks, on one machine and on AWS: words, whom they name, and the page that answers them."""

from __future__ import annotations

from datetime import date

from domain.behaviour_events import SearchMade
from domain.errors import InvalidInput, NotFound
from domain.ports import SearchIndex
from domain.query import Query, parse
from photovault.answering import Results, answer, begun
from photovault.owned import OwnedVault
from photovault.people import find_person, together

__all__ = ["Results", "of_people", "search", "suggest"]


def search(
    vault: OwnedVault,
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
    results = answer(
        vault,
        _index(vault),
        vault.settings.owner,
        query,
        vault.locate,
        only=only,
        limit=limit,
        cursor=cursor,
        lexical=lexical,
        explain=explain,
    )
    if cursor is None:
        vault.behaviour.note(vault.settings.owner, SearchMade(found=results.found.total))
    return results


def of_people(vault: OwnedVault, query: Query) -> set[str] | None:
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


def suggest(vault: OwnedVault, beginning: str, limit: int) -> list[str]:
    """The owner's tags, places, cameras and keywords that begin so."""
    return begun(vault, _index(vault), vault.settings.owner, beginning, limit)


def _index(vault: OwnedVault) -> SearchIndex:
    if vault.index is None:
        raise NotFound(
            "this deployment has no search: deploy it with the parameter OpenSearch=on (docs/search.md says what it "
            "costs), then `photovault replay --on aws --projection search`"
        )
    return vault.index
