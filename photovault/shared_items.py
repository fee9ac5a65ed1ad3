"""What a share shows at this moment: its assets, as far as the serving policy and moderation let anybody see them.

A person's pictures follow merges, and vanish when the person is hidden or forgotten; so do those of a memory that was
retired, and of a hidden person in any memory. Nothing is fixed at the time of sharing but what was named one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Protocol

from msgspec import Struct, structs

from domain.errors import InvalidInput, NotFound, ViewUnavailable
from domain.person import MAX_HOPS, Person
from domain.ports import ViewStore, ViewTable
from domain.scanning import Serving
from domain.share import Share
from domain.share_events import MAX_ITEMS
from photovault.memories import Reader
from projections.gallery import Gallery
from projections.generations import Generations
from projections.people import Faces, PeopleView, asset_in, person_range
from projections.serving import served

__all__ = ["Item", "Library", "items_of", "shown_assets"]

_PAGE = 1000
_people = PeopleView()


class Library(Protocol):
    """What of a vault is read here, on one machine and on AWS alike."""

    @property
    def views(self) -> ViewStore:
        """Rows."""
        ...

    @property
    def generations(self) -> Generations:
        """Which of them."""
        ...


class Item(Struct, frozen=True):
    """One picture or video of a share."""

    number: int  # from 1, in the order shown
    asset: str
    kind: str
    state: Any  # the gallery's row, with nothing in it that may not be seen
    blurred: bool = False

    @property
    def name(self) -> str:
        """A name that says nothing: `photo-001`."""
        return f"{'video' if self.kind == 'video' else 'photo'}-{self.number:03}"


def items_of(vault: Library, owner: str, share: Share, serving: Serving) -> list[Item]:
    """The share's items, at most `MAX_ITEMS`: as they were named, or by the time they were taken.

    Cost: one read for each 100 assets; of a person also one for each 1,000 of the owner's persons.
    """
    created = share.created
    if created is None:
        return []
    assets: Sequence[str] = created.assets
    newest_first = False
    if created.kind == "person":
        assets, newest_first = _of_person(vault, owner, created.subject or ""), True
    elif created.kind == "memory":
        assets = _of_memory(vault, owner, created.subject or "", serving)
    return shown_assets(vault, owner, assets, serving, newest_first=newest_first)[:MAX_ITEMS]


def shown_assets(
    vault: Library, owner: str, assets: Sequence[str], serving: Serving, *, newest_first: bool = False
) -> list[Item]:
    """Those of an owner's assets that have pictures which may be seen. Where the order is the given one, a number is a
    place in it, so that it names the same picture when another is gone."""
    projection, table = vault.generations.active(Gallery.name)
    rows = vault.views.get(table, [(owner, asset) for asset in assets])
    found = []
    for number, row in enumerate(rows, 1):
        if row is None or row.deleted:
            continue
        shown = served(projection, row, lambda blob: blob, serving)
        state = projection.decode(row.data)
        if shown.get("withheld") or shown.get("hidden") or shown.get("trashed") or not state.renditions:
            continue
        found.append(Item(number, state.asset, state.kind or "image", state, shown.get("moderation") == "blur"))
    if newest_first:
        found.sort(key=lambda item: item.state.taken_at or item.state.uploaded_at, reverse=True)
        found = [structs.replace(item, number=number) for number, item in enumerate(found, 1)]
    return found


def _of_person(vault: Library, owner: str, person: str) -> list[str]:
    _, table = vault.generations.active(PeopleView.name)
    every = {}
    for row in _all(lambda cursor: vault.views.query(table, owner, limit=_PAGE, cursor=cursor)):
        state = _people.decode(row.data)
        if state.known:
            every[state.id] = state
    top = _top(every, person)
    if top is None or every[top].now.hidden:
        return []
    _, faces = vault.generations.active(Faces.name)
    assets: set[str] = set()
    for member in (each for each in every if _top(every, each) == top):
        low, high = person_range(member)
        assets.update(asset_in(row.key) for row in _range(vault, faces, owner, low, high))
    return sorted(assets)


def _top(every: dict[str, Person], person: str) -> str | None:
    for _ in range(MAX_HOPS):
        if person not in every:
            return None
        following = every[person].now.into
        if following is None or following not in every:
            return person
        person = following
    return None


def _of_memory(vault: Library, owner: str, memory: str, serving: Serving) -> list[str]:
    """Assets that a memory shows, in its order; none where there are no memories, or none of that id."""
    try:
        reader = Reader(vault, owner, serving, lambda blob: blob)
        return reader.assets(reader.state(memory))
    except (ViewUnavailable, InvalidInput, NotFound):
        return []


def _range(vault: Library, table: ViewTable, owner: str, low: str, high: str) -> Iterator[Any]:
    return _all(lambda cursor: vault.views.query(table, owner, low=low, high=high, limit=_PAGE, cursor=cursor))


def _all(page_at: Callable[[str | None], Any]) -> Iterator[Any]:
    cursor: str | None = None
    while True:
        page = page_at(cursor)
        yield from page.rows
        cursor = page.cursor
        if cursor is None:
            return
