"""The gallery by tag: a range of the view `tagged`, and the gallery's rows of the assets in it."""

from __future__ import annotations

from domain.ports import Page
from photovault.moments import parse_local
from photovault.vault import Vault
from projections.stacking import main_of
from projections.tagged import tag_range

__all__ = ["tagged_page"]


def tagged_page(
    vault: Vault,
    word: str,
    *,
    since: str | None = None,
    until: str | None = None,
    oldest_first: bool = False,
    limit: int = 50,
    cursor: str | None = None,
) -> Page:
    """Gallery rows of what shows a thing, the newest first; what stands behind another asset is left out.

    Args:
        word: a tag, something that tags are a kind of, or another word for one.
        since, until: local times, as for the timeline.
    Cost:
        A range of the index and a look-up of its assets, whatever the size of the library.
    """
    low, high = tag_range(word, parse_local(since) if since else "", parse_local(until) if until else None)
    _, tags = vault.generations.active("tagged")
    gallery, items = vault.generations.active("gallery")
    owner = vault.settings.owner
    page = vault.views.query(tags, owner, low=low, high=high, descending=not oldest_first, limit=limit, cursor=cursor)
    rows = vault.views.get(items, [(owner, row.key.rpartition("#")[2]) for row in page.rows])
    shown = [row for row in rows if row is not None and not row.deleted]
    items_of = [(row, gallery.decode(row.data)) for row in shown]
    listed = [row for row, item in items_of if main_of(item.stacks) is None and not gallery.in_trash(item)]
    return Page(listed, page.cursor)
