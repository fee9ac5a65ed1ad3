"""Search in SQLite: FTS5 for words, filters as columns, vectors compared exactly; tables of its own for each owner.

So that no owner's words weigh in another's ranking or turn up in another's suggestions, an owner's documents lie in
tables that hold nobody else's. Words are stemmed (Porter); one that nothing has is searched as its nearest spelling.
"""

from __future__ import annotations

import base64
import math
import sqlite3
import threading
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from adapters.local import search_sql as sql
from adapters.local.search_spelling import nearest_spellings, store_spellings
from adapters.local.sqlite import Database
from domain.errors import InvalidInput, NotFound
from domain.ports import ViewTable
from domain.query import Query, written
from domain.ranking import (
    COLUMNS,
    DEPTH,
    K1,
    LOOKS_LEAST,
    SEMANTIC_DEPTH,
    SIMILAR_LEAST,
    B,
    asked_words,
    columns,
    terms,
)
from domain.search import BEST, NEWEST, Document, Entry, Found, Hit, Reason, fused
from domain.taxonomy import canonical

if TYPE_CHECKING:  # writing needs no NumPy, and most processes only write
    from adapters.local.search_memory import Array, Memory

__all__ = ["SqliteSearchIndex"]

_PREFIX_FROM = 2


class SqliteSearchIndex:
    """`domain.ports.SearchIndex` in a SQLite file. Safe for threads and for several processes.

    Cost:
        search: FTS5 over what the words match, and a product of the owner's vectors (100,000: 150 MB of memory in a
        process that stays; a new process reads them first).
    """

    def __init__(self, path: Path | str, *, durable: bool = True) -> None:
        self._db = Database(path, durable=durable)
        self._db.execute_script(sql.upgrade(self._db.reader))
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
        least: float | None = None,
        only: Collection[str] | None = None,
        limit: int = 50,
        cursor: str | None = None,
        explain: bool = False,
    ) -> Found:
        """See `SearchIndex.search`."""
        import numpy as np

        scope = zlib.crc32(f"{table.name}|{owner}|{written(query)}|{vector is not None}".encode())
        start = _read_cursor(cursor, scope)
        number = self._number(table, owner)
        if number is None:
            return Found((), 0, {}, None)
        memory, reader = self._memory(f"s{number}"), self._db.reader
        passes = memory.passing(query, only)
        for expression, excluded in sql.text_filters(query):
            has = np.zeros(memory.count, bool)
            has[memory.having(reader, expression)] = True
            passes &= ~has if excluded else has
        similar: list[tuple[int, float]] | None = None
        asked: Array | None = None if vector is None else np.asarray(vector, np.float32)
        if query.like:
            like = _like(memory, query.like)
            passes[like] = False
            similar = memory.looking_like(reader, like, passes, SEMANTIC_DEPTH, LOOKS_LEAST)
            asked = memory.vector(like) if similar is None else None
            if similar is None and asked is None:
                raise InvalidInput(f"nothing is known yet of what {query.like} shows: `photovault work`, with models")
        asked_for = asked_words(query)
        words, corrected = self._words(memory, asked_for)
        scored, lexical, shares = _lexical(memory, reader, words, passes, len(asked_for))
        if asked is not None:
            similar = memory.nearest(asked, passes, SEMANTIC_DEPTH, SIMILAR_LEAST if least is None else least)
        similar = similar or []
        if query.words or query.like:
            near = [place for place, _ in similar]
            scores = fused([lexical, near], shares)
            for place in scores:
                scores[place] += NEWEST * float(memory.age[place]) + BEST * max(0.0, float(memory.rating[place])) / 5
            order = sorted(scores, key=lambda place: (-scores[place], place))
            matched = np.union1d(scored, np.array(near, np.int64))
        else:
            matched = np.flatnonzero(passes)
            order = memory.newest_first(matched)
            scores = {}
        page = order[start : start + limit]
        why = _reasons(lexical, similar, corrected)
        fields = self._matched(f"s{number}", [memory.assets[place] for place in page], words) if explain else {}
        hits = []
        for place in page:
            asset, reason = memory.assets[place], why.get(place, Reason())
            reason = structs.replace(reason, matched=tuple(fields.get(asset, ())))
            hits.append(Hit(asset, round(scores.get(place, 0.0), 6), reason))
        following = _cursor(start + limit, scope) if start + limit < len(order) else None
        return Found(hits, len(matched), memory.facets(matched), following, corrected)

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
        from adapters.local.search_memory import Memory

        with self._lock:
            memory = self._memories.setdefault(prefix, Memory(prefix))
            memory.refresh(self._db.reader)
            return memory

    # --- words ---

    def _words(
        self, memory: Memory, words: Sequence[str]
    ) -> tuple[list[tuple[str, ...]], Mapping[str, tuple[str, ...]]]:
        """For each word that documents have, the FTS5 strings to look for: itself, else what begins with it, else its
        nearest spellings; and the tag that it is another name of."""
        corrected: dict[str, tuple[str, ...]] = {}
        found: list[tuple[str, ...]] = []
        reader = self._db.reader
        for word in words:
            exact = sql.phrase(word)
            named = tuple(dict.fromkeys((exact, sql.phrase(canonical(word)))))
            if any(len(memory.having(reader, each)) for each in named):
                found.append(named)
            elif len(word) >= _PREFIX_FROM and len(memory.having(reader, f"{exact}*")):
                found.append((f"{exact}*",))
            else:
                near = nearest_spellings(reader, memory.prefix, word)
                spelled = tuple(each for each in near if len(memory.having(reader, sql.phrase(each))))
                if spelled:
                    corrected[word] = spelled
                    found.append(tuple(map(sql.phrase, spelled)))
        return found, corrected

    def _matched(self, prefix: str, page: Sequence[str], words: Sequence[tuple[str, ...]]) -> dict[str, list[str]]:
        """Which field of a hit has which word."""
        found: dict[str, list[str]] = {}
        marks = ",".join("?" * len(page))
        for string in dict.fromkeys(string for ways in words for string in ways):
            for column in COLUMNS:
                ask = (
                    f"SELECT d.asset FROM {prefix}_docs d JOIN {prefix}_fts f ON f.rowid=d.id "  # noqa: S608
                    f"WHERE {prefix}_fts MATCH ? AND d.asset IN ({marks})"
                )
                for (asset,) in self._db.reader.execute(ask, (f"{column} : {string}", *page)):
                    found.setdefault(asset, []).append(f"{column}: {string.strip('*').strip(chr(34))}")
        return found


def _lexical(
    memory: Memory, reader: sqlite3.Connection, words: Sequence[tuple[str, ...]], passes: Array, asked: int
) -> tuple[Array, list[int], dict[int, float]]:
    """Places that have any of the words and pass, and the best of them in order: first by how many words they have,
    then by BM25's idf and length over weighted fields. How often a field says a word is not counted: tags say it once.
    """
    import numpy as np

    if not words:
        return np.empty(0, np.int64), [], {}
    n = memory.count
    total, mean = max(1, int(memory.live.sum())), max(1.0, float(memory.length[:n].mean()))
    norm = 1.0 / (1.0 + K1 * (1 - B + B * memory.length[:n] / mean))
    score, having = np.zeros(n, np.float32), np.zeros(n, np.int16)
    for ways in words:
        weight = np.zeros(n, np.float32)
        anywhere = np.zeros(n, bool)
        for string in ways:
            anywhere[memory.having(reader, string)] = True
        frequency = int(anywhere.sum())
        for value, group in reversed(sql.FIELDS):  # the heaviest comes last, and stays
            for string in ways:
                weight[memory.having(reader, f"{group} : {string}")] = value
        idf = math.log(1 + (total - frequency + 0.5) / (frequency + 0.5))
        score += idf * weight * norm * (1 + K1)
        having += anywhere
    found = np.flatnonzero((having > 0) & passes)
    key = having[found] * 1_000.0 + score[found]
    best = np.argpartition(key, -DEPTH)[-DEPTH:] if len(found) > DEPTH else np.arange(len(found))
    best = best[np.lexsort((-memory.age[found[best]], -key[best]))]
    order = found[best]
    return found, order.tolist(), dict(zip(order.tolist(), (having[order] / asked).tolist(), strict=True))


def _reasons(
    lexical: Sequence[int], similar: Sequence[tuple[int, float]], corrected: Mapping[str, tuple[str, ...]]
) -> dict[int, Reason]:
    ways = tuple(f"{word} -> {', '.join(each)}" for word, each in corrected.items())
    found = {place: Reason(lexical_rank=rank, corrected=ways) for rank, place in enumerate(lexical, 1)}
    for rank, (place, cosine) in enumerate(similar, 1):
        before = found.get(place, Reason())
        found[place] = structs.replace(before, semantic_rank=rank, similarity=round(cosine, 4))
    return found


def _like(memory: Memory, beginning: str) -> int:
    found = [place for asset, place in memory.places.items() if asset.startswith(beginning) and memory.live[place]]
    if not found:
        raise NotFound(f"there is no asset {beginning} to find pictures like")
    if len(found) > 1:
        raise InvalidInput(f"several assets begin with {beginning}: give more of the id")
    return found[0]


def _put(connection: sqlite3.Connection, prefix: str, entry: Entry, *, repair: bool) -> int:
    row = connection.execute(f"SELECT id, version, gone FROM {prefix}_docs WHERE asset=?", (entry.asset,)).fetchone()  # noqa: S608
    if row is not None and (row[1] > entry.version if repair else row[1] >= entry.version):
        return 0
    [last] = connection.execute(f"SELECT COALESCE(MAX(seq), 0) FROM {prefix}_docs").fetchone()  # noqa: S608
    document = entry.document
    if row is not None:
        ident = row[0]
        for table, column in (("docs", "id"), ("fts", "rowid"), ("terms", "id"), ("vectors", "id"), ("pictures", "id")):
            connection.execute(f"DELETE FROM {prefix}_{table} WHERE {column}=?", (ident,))  # noqa: S608
    else:
        ident = None
    held = document or Document()
    month = int(held.taken[5:7]) if held.taken[5:7].isdigit() else None
    flags = sum(1 << i for i, flag in enumerate(sql.FLAGS) if flag in held.flags)
    facets = msgspec.json.encode([held.taken[:4], held.country, held.camera, held.kind or ""]).decode()
    texts = _texts(held)
    inserted = connection.execute(
        f"INSERT INTO {prefix}_docs VALUES ({','.join('?' * 14)})",  # noqa: S608
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
            sum(len(text.split()) for text in texts),
            facets,
        ),
    )
    ident = inserted.lastrowid
    if document is None:
        return 1
    connection.execute(
        f"INSERT INTO {prefix}_fts (rowid, {', '.join(COLUMNS)}) VALUES ({','.join('?' * (1 + len(COLUMNS)))})",  # noqa: S608
        (ident, *texts),
    )
    connection.executemany(
        f"INSERT OR IGNORE INTO {prefix}_terms VALUES (?,?)",  # noqa: S608
        [(term, ident) for term in terms(document)],
    )
    if entry.vector is not None:
        connection.execute(f"INSERT INTO {prefix}_vectors VALUES (?,?)", (ident, entry.vector))  # noqa: S608
    if entry.picture is not None:
        connection.execute(f"INSERT INTO {prefix}_pictures VALUES (?,?)", (ident, entry.picture))  # noqa: S608
    store_spellings(connection, prefix, " ".join(texts))
    return 1


def _texts(document: Document) -> tuple[str, ...]:
    return tuple(
        (", " if column in ("tag", "kind_of", "place") else " ").join(texts)
        for column, texts in zip(COLUMNS, columns(document), strict=True)
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
