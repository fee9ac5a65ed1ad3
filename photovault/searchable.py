"""The local views with the search index beside them, opened, mended and closed as one."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from adapters.local.search import SqliteSearchIndex
from adapters.local.views import SqliteViewStore
from projections.generations import Generations
from projections.indexing import IndexedViewStore
from projections.search import Search

__all__ = ["SearchableViews"]


class SearchableViews(IndexedViewStore):
    """`IndexedViewStore` over the two SQLite files."""

    def __init__(self, views: SqliteViewStore, index: SqliteSearchIndex, get_blob: Callable[[str], bytes]) -> None:
        super().__init__(views, index, get_blob)
        self._rows = views
        self._local_index = index

    def mend(self, generations: Generations) -> None:
        """Fill an index that was lost anew from the rows; nothing when it is there."""
        if Search.name not in generations.projections:
            return
        held = self._rows.generations().get(Search.name, ())
        for generation in generations.registered(Search.name).generations:
            table = Search().table(generation.number)
            if generation.number in held and not self._local_index.has(table):
                self.refill(table)

    def generations(self) -> Mapping[str, Collection[int]]:
        """See `SqliteViewStore.generations`."""
        return self._rows.generations()

    def flush(self) -> None:
        """Force everything written so far to disk."""
        self._local_index.flush()
        self._rows.flush()

    def close(self) -> None:
        """Close both files."""
        self._local_index.close()
        self._rows.close()
