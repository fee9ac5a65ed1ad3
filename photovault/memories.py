"""An owner's memories as they may be shown: their pictures as the gallery shows them, and the owner's word on them.

What is shown is judged at the moment of reading, not of making: a picture that went into the trash a minute ago, that
turned out to be sensitive, or of a person who was hidden, is in no answer, whatever the memory still holds.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

from msgspec import Struct

from domain import memory as memories
from domain.errors import InvalidInput, NotFound
from domain.memory import Found, Memory
from domain.memory_events import MemoryKind
from domain.picking import cover
from domain.scanning import Serving
from photovault.memory_deciding import decided
from photovault.moment_reading import MomentReader, Remembering, Viewed
from photovault.this_day import on_this_day
from projections.base import Locate
from projections.memories import RETIRED, Memories
from projections.serving import served

__all__ = ["KINDS", "Album", "Reader", "dismiss", "find_memory", "restore", "today"]

KINDS: tuple[MemoryKind, ...] = ("trip", "event", "on_this_day", "place", "person", "theme", "best")

_PAGE = 100


class Album(Struct, frozen=True):
    """A memory with what of it may be shown."""

    memory: dict[str, Any]  # as the view shows it
    cover: dict[str, Any] | None  # gallery items
    items: list[dict[str, Any]]

    def plain(self, *, whole: bool = True) -> dict[str, Any]:
        """For a program; the list has covers alone."""
        shown = self.memory | {"pictures": len(self.items), "cover": self.cover}
        return shown | ({"items": self.items} if whole else {})


class Reader:
    """Reads one owner's memories.

    Args:
        locate: where a blob can be opened.
    Cost:
        Everybody's row, once; for each memory a row for each of its pictures, twice.
    """

    def __init__(self, vault: Viewed, owner: str, serving: Serving, locate: Locate) -> None:
        self._vault, self._owner, self._serving, self._locate = vault, owner, serving, locate
        self.moments = MomentReader(vault, owner, serving)
        self._memories, self._table = vault.generations.active(Memories.name)
        self._gallery, self._gallery_table = vault.generations.active("gallery")

    def page(
        self,
        *,
        kind: MemoryKind | None = None,
        dismissed: bool = False,
        since: str = "",
        until: str | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> tuple[list[Album], str | None]:
        """Memories, the newest first; those without a picture that may be shown are left out.

        Args:
            kind: of this kind alone.
            dismissed: those that the owner dismissed, instead of the others.
            since, until: that began in this stretch of local time.
        """
        found: list[Album] = []
        while True:
            page = self._vault.views.query(
                self._table,
                self._owner,
                index="time",
                low=since,
                high=until or RETIRED,
                descending=True,
                limit=min(_PAGE, limit - len(found)),
                cursor=cursor,
            )
            states = [self._memories.decode(row.data) for row in page.rows]
            albums = [
                self.album(state)
                for state in states
                if state.dismissed == dismissed and kind in (None, state.found and state.found.kind)
            ]
            found += [album for album in albums if album.items]
            cursor = page.cursor
            if cursor is None or len(found) >= limit:
                return found, cursor

    def state(self, ident: str) -> Memory:
        """A memory by its id.

        Raises:
            NotFound: the owner has none of that id.
        """
        row = self._vault.views.get(self._table, [(self._owner, ident)])[0]
        state: Memory | None = None if row is None or row.deleted else self._memories.decode(row.data)
        if state is None or state.found is None:
            raise NotFound(f"there is no memory {ident!r}: `photovault memories list` lists those there are")
        return state

    def assets(self, state: Memory) -> list[str]:
        """Assets that a memory shows now, in order; none of one that is retired."""
        if state.found is None or not state.live:
            return []
        rows = {row.moment.asset: row.moment for row in self.moments.get(state.found.pictures)}
        return [each for each in state.found.pictures if each in rows and self.moments.may(rows[each])]

    def album(self, state: Memory) -> Album:
        """What of a memory may be shown; nothing of one that is retired."""
        shown = self._memories.show(state, self._locate)
        if state.found is None or not state.live:
            return Album(shown, None, [])
        return self.of(state.found, shown)

    def of(self, found: Found, shown: dict[str, Any]) -> Album:
        """What of some pictures may be shown, with a cover among them."""
        rows = {row.moment.asset: row.moment for row in self.moments.get(found.pictures)}
        fit = [rows[asset] for asset in found.pictures if asset in rows and self.moments.may(rows[asset])]
        items = {item["asset"]: item for item in self._items([each.asset for each in fit])}
        items = {asset: item for asset, item in items.items() if not item["withheld"] and item["renditions"]}
        left = [each for each in fit if each.asset in items]
        best = found.cover if found.cover in items else cover(left).asset if left else None
        return Album(shown, items[best] if best else None, [items[each.asset] for each in left])

    def _items(self, assets: Sequence[str]) -> list[dict[str, Any]]:
        rows = self._vault.views.get(self._gallery_table, [(self._owner, asset) for asset in assets]) if assets else ()
        return [
            served(self._gallery, row, self._locate, self._serving)
            for row in rows
            if row is not None and not row.deleted
        ]


def today(reader: Reader, day: date) -> Album | None:
    """What earlier years have of a day, as it is now; nothing is recorded."""
    found = on_this_day(reader.moments, day)
    if found is None:
        return None
    shown = {
        "memory": None,
        "kind": found.kind,
        "subject": found.subject,
        "title": found.title,
        "since": found.since,
        "until": found.until,
        "place": found.place,
        "members": len(found.members),
    }
    album = reader.of(found, shown)
    return album if album.items else None


def find_memory(vault: Viewed, owner: str, text: str) -> str:
    """The id of the owner's memory that is named by its id or the beginning of one.

    Raises:
        NotFound: there is none.
        InvalidInput: there are several.
    """
    _, table = vault.generations.active(Memories.name)
    rows = vault.views.query(table, owner, low=text, high=text + "\uffff", limit=3).rows if text else ()
    names = [row.key for row in rows if row.key.startswith(text)]
    if not names:
        raise NotFound(f"there is no memory {text!r}: `photovault memories list` lists those there are")
    if len(names) > 1 and text not in names:
        raise InvalidInput(f"several memories begin with {text!r}: give more of the id")
    return text if text in names else names[0]


def dismiss(vault: Remembering, owner: str, ident: str) -> bool:
    """The owner does not want to see it; whether that is new."""
    return bool(decided(vault.store, owner, ident, f"person:{owner}", memories.dismiss)[1])


def restore(vault: Remembering, owner: str, ident: str) -> bool:
    """The owner wants to see it again; whether that is new."""
    return bool(decided(vault.store, owner, ident, f"person:{owner}", memories.restore)[1])
