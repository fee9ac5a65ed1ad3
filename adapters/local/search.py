"""Search in SQLite: FTS5 for words, filters as columns, vectors compared exactly; tables of its own for each owner.

So that no owner's words weigh in another's ranking or turn up in another's suggestions, an owner's documents lie in
tables that hold nobody else's. Words are stemmed (Porter); one that nothing has is searched as its nearest spelling.
"""

from __future__ import annotations

import base64
import sqlite3
import threading
import zlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from adapters.local import search_sql as sql
from adapters.local.search_memory import Memory
from adapters.local.search_spelling import nearest_spellings, store_spellings
from adapters.local.sqlite import Database
from domain.errors import InvalidInput, NotFound
from domain.ports import ViewTable
from domain.query import Query, distance_km, written
from domain.query_dates import date_words
from domain.search import BEST, NEWEST, Document, Entry, Found, Hit, Reason, file_words, fused

__all__ = ["SqliteSearchIndex"]

DEPTH = 500
"""So many documents of each ranking are fused; behind them a search has no more pages."""

SEMANTIC_DEPTH = 100
"""So many are found by meaning alone: behind them come pictures that have little to do with the question."""

SIMILAR_LEAST = 0.30
"""Cosine from which a document is found by its meaning (benchmarks/quality/search.py)."""

_FLAGS = ("favourite", "live", "video", "raw", "burst", "located", "rated")


class SqliteSearchIndex:
    """`domain.ports.SearchIndex` in a SQLite file. Safe for threads and for several processes.

    Cost:
        search: FTS5 over what the words match, and a product of the owner's vectors (100,000: 150 MB of memory in a
        process that stays; a new process reads them first).
    """

    def __init__(self, path: Path | str, *, durable: bool = True) -> None:
        self._db = Database(path, sql.REGISTER, durable=durable)
        self._memories: dict[str, Memory] = {}
        self._lock = threading.Lock()

    def create(self, table: ViewTable) -> None:
        """See `SearchIndex.create`."""
        with self._db.write() as connection:
            connection.execute("INSERT OR IGNORE INTO generations VALUES (?)", (table.generation,))

    def has(self, table: ViewTable) -> bool:
        """Whether the generation's index is there."""
        row = self._db.reader.execute("SELECT 1 FROM generations WHERE generation=?", (table.generation,)).fetchone()
        return row is not None

    def drop(self, table: ViewTable) -> None:
        """See `SearchIndex.drop`."""
        found = self._db.reader.execute("SELECT id FROM owners WHERE generation=?", (table.generation,)).fetchall()
        for (number,) in found:
            self._db.execute_script(sql.drop(number))
        with self._db.write() as connection:
            connection.execute("DELETE FROM owners WHERE generation=?", (table.generation,))
            connection.execute("DELETE FROM generations WHERE generation=?", (table.generation,))

    def put(self, table: ViewTable, entries: Sequence[Entry], *, repair: bool = False) -> int:
        """See `SearchIndex.put`: one transaction for each owner in the batch."""
        written_ = 0
        by_owner: dict[str, list[Entry]] = {}
        for entry in entries:
            by_owner.setdefault(entry.owner, []).append(entry)
        for owner, mine in by_owner.items():
            number = self._number(table, owner, make=True)
            with self._db.write() as connection:
                written_ += sum(_put(connection, f"s{number}", entry, repair=repair) for entry in mine)
        return written_

    def search(
        self,
        table: ViewTable,
        owner: str,
        query: Query,
        *,
        vector: Sequence[float] | None = None,
        only: Collection[str] | None = None,
        limit: int = 50,
        cursor: str | None = None,
    ) -> Found:
        """See `SearchIndex.search`."""
        scope = zlib.crc32(f"{table.name}|{owner}|{written(query)}|{vector is not None}".encode())
        start = _read_cursor(cursor, scope)
        number = self._number(table, owner)
        if number is None:
            return Found((), 0, {}, None)
        prefix, memory = f"s{number}", self._memory(f"s{number}")
        allowed = self._allowed(prefix, query, only)
        asked: np.ndarray[Any, Any] | None = None if vector is None else np.asarray(vector, np.float32)
        if query.like:
            like = self._like(prefix, query.like)
            asked = memory.vector(like)
            if asked is None:
                raise InvalidInput(f"nothing is known yet of what {query.like} shows: `photovault work`, with models")
            allowed = np.setdiff1d(memory.ids if allowed is None else allowed, [like])
        expressions, corrected = self._expressions(prefix, query.words)
        every = self._all(prefix, expressions[-1], allowed) if expressions else np.empty(0, np.int64)
        lexical = self._ranked(prefix, expressions, allowed, len(every)) if len(every) else []
        similar = memory.nearest(asked, allowed, SEMANTIC_DEPTH, SIMILAR_LEAST) if asked is not None else []
        if query.words or query.like:
            scores = fused([lexical, [ident for ident, _ in similar]])
            matched = np.union1d(every, np.array([ident for ident, _ in similar], np.int64))
            for ident, boost in memory.boosts(scores, NEWEST, BEST).items():
                scores[ident] += boost
            order = sorted(scores, key=lambda ident: (-scores[ident], ident))
        else:
            matched = memory.ids if allowed is None else np.asarray(allowed, np.int64)
            order = memory.newest_first(matched)
            scores = dict.fromkeys(order, 0.0)
        page = order[start : start + limit]
        more = start + limit < len(order)
        hits = self._hits(prefix, page, scores, lexical, similar, query, corrected)
        return Found(
            hits, len(matched), memory.facets(matched), _cursor(start + limit, scope) if more else None, corrected
        )

    def suggest(self, table: ViewTable, owner: str, beginning: str, limit: int = 10) -> Sequence[str]:
        """See `SearchIndex.suggest`: a range of the owner's terms."""
        number = self._number(table, owner)
        low = beginning.strip().lower()
        if number is None or not low:
            return []
        found = self._db.reader.execute(
            f"SELECT term, COUNT(*) FROM s{number}_terms WHERE term>=? AND term<? "  # noqa: S608
            "GROUP BY term ORDER BY 2 DESC, 1 LIMIT ?",
            (low, low + "\U0010ffff", limit),
        )
        return [term for term, _ in found]

    def flush(self) -> None:
        """Force everything written so far to disk."""
        self._db.flush()

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # --- owners ---

    def _number(self, table: ViewTable, owner: str, *, make: bool = False) -> int | None:
        ask = "SELECT id FROM owners WHERE generation=? AND owner=?"
        row = self._db.reader.execute(ask, (table.generation, owner)).fetchone()
        if row is not None:
            return int(row[0])
        if not self.has(table):
            raise NotFound(f"there is no index of generation {table.generation} of view {table.projection}")
        if not make:
            return None
        with self._db.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO owners (generation, owner) VALUES (?,?)", (table.generation, owner)
            )
            number = int(connection.execute(ask, (table.generation, owner)).fetchone()[0])
            for statement in sql.tables(number):
                connection.execute(statement)
        return number

    def _memory(self, prefix: str) -> Memory:
        with self._lock:
            memory = self._memories.setdefault(prefix, Memory(prefix))
            memory.refresh(self._db.reader)
            return memory

    def _like(self, prefix: str, beginning: str) -> int:
        found = self._db.reader.execute(
            f"SELECT id FROM {prefix}_docs WHERE asset>=? AND asset<? AND NOT gone LIMIT 2",  # noqa: S608
            (beginning, beginning + "\U0010ffff"),
        ).fetchall()
        if not found:
            raise NotFound(f"there is no asset {beginning} to find pictures like")
        if len(found) > 1:
            raise InvalidInput(f"several assets begin with {beginning}: give more of the id")
        return int(found[0][0])

    # --- filters ---

    def _allowed(
        self, prefix: str, query: Query, only: Collection[str] | None
    ) -> np.ndarray[Any, np.dtype[np.int64]] | None:
        """Ids that pass every filter; None: all do."""
        conditions, values = sql.conditions(prefix, query, _FLAGS)
        if not conditions and only is None and query.near is None:
            return None
        where = " AND ".join(["NOT gone", *conditions])
        rows = self._db.reader.execute(
            f"SELECT id, asset, latitude, longitude FROM {prefix}_docs WHERE {where}",  # noqa: S608
            values,
        )
        near, wanted = query.near, None if only is None else set(only)
        kept = [
            ident
            for ident, asset, latitude, longitude in rows
            if (wanted is None or asset in wanted)
            and (near is None or distance_km((near.latitude, near.longitude), (latitude, longitude)) <= near.km)
        ]
        return np.array(kept, np.int64)

    # --- words ---

    def _expressions(self, prefix: str, words: Sequence[str]) -> tuple[list[str], Mapping[str, tuple[str, ...]]]:
        """FTS5 expressions, the strictest first: all words, then any of them. What nothing has is corrected."""
        corrected: dict[str, tuple[str, ...]] = {}
        groups: list[str] = []
        for word in words:
            exact = sql.phrase(word)
            if self._any(prefix, exact):
                groups.append(exact)
                continue
            if len(word) >= 2 and self._any(prefix, f"{exact}*"):
                groups.append(f"{exact}*")
                continue
            spelled = tuple(
                w for w in nearest_spellings(self._db.reader, prefix, word) if self._any(prefix, sql.phrase(w))
            )
            if spelled:
                corrected[word] = spelled
                groups.append("(" + " OR ".join(map(sql.phrase, spelled)) + ")")
        if not groups:
            return [], corrected
        if len(groups) == 1:
            return groups, corrected
        return [" AND ".join(groups), " OR ".join(groups)], corrected

    def _any(self, prefix: str, expression: str) -> bool:
        ask = f"SELECT 1 FROM {prefix}_fts WHERE {prefix}_fts MATCH ? LIMIT 1"  # noqa: S608
        return self._db.reader.execute(ask, (expression,)).fetchone() is not None

    def _all(
        self, prefix: str, expression: str, allowed: np.ndarray[Any, np.dtype[np.int64]] | None
    ) -> np.ndarray[Any, np.dtype[np.int64]]:
        ask = f"SELECT rowid FROM {prefix}_fts WHERE {prefix}_fts MATCH ?"  # noqa: S608
        found = np.array([row[0] for row in self._db.reader.execute(ask, (expression,))], np.int64)
        return found if allowed is None else np.intersect1d(found, allowed)

    def _ranked(
        self,
        prefix: str,
        expressions: Sequence[str],
        allowed: np.ndarray[Any, np.dtype[np.int64]] | None,
        _count: int,
    ) -> list[int]:
        """Ids by BM25: first those with all words, then, if these are few, those with any."""
        passes = None if allowed is None else set(allowed.tolist())
        order: dict[int, None] = {}
        for expression in expressions:
            ask = (
                f"SELECT rowid FROM {prefix}_fts WHERE {prefix}_fts MATCH ? "  # noqa: S608
                f"AND rank MATCH '{sql.WEIGHTS}' ORDER BY rank"
            )
            cursor = self._db.reader.execute(
                ask + (" LIMIT ?" if passes is None else ""), (expression, *((DEPTH,) if passes is None else ()))
            )
            for (ident,) in cursor:
                if passes is None or ident in passes:
                    order.setdefault(ident)
                    if len(order) >= DEPTH:
                        return list(order)
            if len(order) >= 50:
                break
        return list(order)

    # --- hits ---

    def _hits(
        self,
        prefix: str,
        page: Sequence[int],
        scores: Mapping[int, float],
        lexical: Sequence[int],
        similar: Sequence[tuple[int, float]],
        query: Query,
        corrected: Mapping[str, tuple[str, ...]],
    ) -> list[Hit]:
        ranks = {ident: rank for rank, ident in enumerate(lexical, 1)}
        meanings = {ident: (rank, cosine) for rank, (ident, cosine) in enumerate(similar, 1)}
        matched = self._matched(prefix, [i for i in page if i in ranks], query.words, corrected)
        hits = []
        for ident in page:
            [asset] = self._db.reader.execute(f"SELECT asset FROM {prefix}_docs WHERE id=?", (ident,)).fetchone()  # noqa: S608
            rank, cosine = meanings.get(ident, (None, None))
            reason = Reason(
                ranks.get(ident),
                tuple(matched.get(ident, ())),
                tuple(f"{word} -> {', '.join(ways)}" for word, ways in corrected.items()) if ident in ranks else (),
                rank,
                None if cosine is None else round(cosine, 4),
            )
            hits.append(Hit(asset, round(scores[ident], 6), reason))
        return hits

    def _matched(
        self, prefix: str, page: Iterable[int], words: Sequence[str], corrected: Mapping[str, tuple[str, ...]]
    ) -> dict[int, list[str]]:
        """Which field of a hit has which word."""
        page = list(page)
        found: dict[int, list[str]] = {}
        if not page:
            return found
        marks = ",".join("?" * len(page))
        for word in dict.fromkeys([*words, *(way for ways in corrected.values() for way in ways)]):
            for column in sql.COLUMNS:
                ask = f"SELECT rowid FROM {prefix}_fts WHERE {prefix}_fts MATCH ? AND rowid IN ({marks})"  # noqa: S608
                for (ident,) in self._db.reader.execute(ask, (f"{column} : {sql.phrase(word)}*", *page)):
                    found.setdefault(ident, []).append(f"{column}: {word}")
        return found


def _put(connection: sqlite3.Connection, prefix: str, entry: Entry, *, repair: bool) -> int:
    row = connection.execute(f"SELECT id, version, gone FROM {prefix}_docs WHERE asset=?", (entry.asset,)).fetchone()  # noqa: S608
    if row is not None and (row[1] > entry.version if repair else row[1] >= entry.version):
        return 0
    document = entry.document
    if row is not None:
        ident = row[0]
        for table, column in (("docs", "id"), ("fts", "rowid"), ("terms", "id"), ("vectors", "id")):
            connection.execute(f"DELETE FROM {prefix}_{table} WHERE {column}=?", (ident,))  # noqa: S608
    else:
        ident = None
    [last] = connection.execute(f"SELECT COALESCE(MAX(seq), 0) FROM {prefix}_docs").fetchone()  # noqa: S608
    held = document or Document()
    month = int(held.taken[5:7]) if held.taken[5:7].isdigit() else None
    flags = sum(1 << i for i, flag in enumerate(_FLAGS) if flag in held.flags)
    facets = msgspec.json.encode([held.taken[:4], held.country, held.camera, held.kind or ""]).decode()
    inserted = connection.execute(
        f"INSERT INTO {prefix}_docs VALUES ({','.join('?' * 13)})",  # noqa: S608
        (
            ident,
            entry.asset,
            entry.version,
            last + 1,
            document is None,
            held.taken,
            month,
            held.kind,
            held.rating,
            flags,
            held.latitude,
            held.longitude,
            facets,
        ),
    )
    ident = inserted.lastrowid
    if document is None:
        return 1
    texts = _texts(document)
    connection.execute(
        f"INSERT INTO {prefix}_fts (rowid, {', '.join(sql.COLUMNS)}) VALUES ({','.join('?' * (1 + len(sql.COLUMNS)))})",  # noqa: S608
        (ident, *texts),
    )
    terms = {*document.tags, *document.parents, *document.keywords, document.city, document.region, document.country}
    terms |= {document.camera, *date_words(document.taken, document.latitude)} - {document.taken[:4]}
    connection.executemany(
        f"INSERT OR IGNORE INTO {prefix}_terms VALUES (?,?)",  # noqa: S608
        [(term.lower(), ident) for term in terms if term],
    )
    if entry.vector is not None:
        connection.execute(f"INSERT INTO {prefix}_vectors VALUES (?,?)", (ident, entry.vector))  # noqa: S608
    store_spellings(connection, prefix, " ".join(texts))
    return 1


def _texts(document: Document) -> tuple[str, ...]:
    return (
        " ".join((*file_words(document.file_name), document.file_name)),
        " ".join((document.description, *document.keywords)),
        ", ".join(document.tags),
        ", ".join(document.parents),
        ", ".join(filter(None, (document.city, document.region, document.country))),
        document.camera,
        " ".join(date_words(document.taken, document.latitude)) if document.dated else "",
    )


def _cursor(start: int, scope: int) -> str:
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((scope, start))).decode().rstrip("=")


def _read_cursor(cursor: str | None, scope: int) -> int:
    if cursor is None:
        return 0
    try:
        raw = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4))
        of, start = msgspec.msgpack.decode(raw, type=tuple[int, int])
    except (ValueError, msgspec.DecodeError) as error:
        raise InvalidInput("this cursor is damaged: start again without one") from error
    if of != scope or start < 0:
        raise InvalidInput("this cursor belongs to another search: start again without one")
    return start
