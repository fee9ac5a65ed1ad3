"""A view store whose search documents are also written to an index: one write path for live, replay and repair.

The index is written first and the row last, so that a row never claims what the index does not have; both refuse an
older version. What a killed writer left half done is delivered again, because the row still says so. Generations of
the view are generations of the index.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from domain.embedding import sketched
from domain.errors import NotFound
from domain.ports import Move, Page, Row, SearchIndex, ViewStore, ViewTable
from domain.search import Entry
from projections.search import Search

__all__ = ["IndexedViewStore"]

_BATCH = 1_000


class IndexedViewStore:
    """`domain.ports.ViewStore` over another one, and a search index beside it.

    Args:
        get_blob: reads a vector's blob.
        every_generation: whether each has an index. False where indexes came later than the rows: what was made before
            is written without, and the next rebuild makes one that has it.
    """

    def __init__(
        self,
        views: ViewStore,
        index: SearchIndex,
        get_blob: Callable[[str], bytes],
        *,
        every_generation: bool = True,
    ) -> None:
        self._views = views
        self._index = index
        self._get_blob = get_blob
        self._search = Search()
        self._every_generation = every_generation

    def create(self, table: ViewTable) -> None:
        """See `ViewStore.create`."""
        self._views.create(table)
        if table.projection == Search.name:
            self._index.create(table)

    def drop(self, table: ViewTable) -> None:
        """See `ViewStore.drop`."""
        self._views.drop(table)
        if table.projection == Search.name:
            self._index.drop(table)

    def get(self, table: ViewTable, keys: Sequence[tuple[str, str]]) -> Sequence[Row | None]:
        """See `ViewStore.get`."""
        return self._views.get(table, keys)

    def put(self, table: ViewTable, rows: Sequence[Row], *, repair: bool = False) -> int:
        """See `ViewStore.put`; the index comes first."""
        if table.projection == Search.name and rows:
            try:
                self._index.put(table, [self._entry(row) for row in rows], repair=repair)
            except NotFound:
                if self._every_generation:
                    raise
        return self._views.put(table, rows, repair=repair)

    def move(self, table: ViewTable, moves: Sequence[Move]) -> Sequence[bool]:
        """See `ViewStore.move`."""
        return self._views.move(table, moves)

    def totals(self, table: ViewTable, partition: str) -> Mapping[str, Mapping[str, int]]:
        """See `ViewStore.totals`."""
        return self._views.totals(table, partition)

    def query(
        self,
        table: ViewTable,
        partition: str,
        *,
        index: str | None = None,
        low: str = "",
        high: str | None = None,
        descending: bool = False,
        limit: int = 100,
        cursor: str | None = None,
        consistent: bool = False,
    ) -> Page:
        """See `ViewStore.query`."""
        return self._views.query(
            table,
            partition,
            index=index,
            low=low,
            high=high,
            descending=descending,
            limit=limit,
            cursor=cursor,
            consistent=consistent,
        )

    def scan(self, table: ViewTable, part: int = 0, parts: int = 1) -> Iterator[Row]:
        """See `ViewStore.scan`."""
        return self._views.scan(table, part, parts)

    def refill(self, table: ViewTable) -> int:
        """Write all rows to an index that was lost; how many documents were written."""
        self._index.create(table)
        written, batch = 0, list[Entry]()
        for row in self._views.scan(table):
            batch.append(self._entry(row))
            if len(batch) == _BATCH:
                written += self._index.put(table, batch, repair=True)
                batch.clear()
        return written + self._index.put(table, batch, repair=True)

    def _entry(self, row: Row) -> Entry:
        document = None if row.deleted else self._search.document(self._search.decode(row.data))
        vector = self._blob(document.vector if document else None)
        picture = self._blob(document.picture if document else None)
        return Entry(row.partition, row.key, row.version, document, vector, sketched(picture) if picture else None)

    def _blob(self, key: str | None) -> bytes | None:
        try:
            return self._get_blob(key) if key is not None else None
        except NotFound:  # the words remain
            return None
