"""The tables of the search index, and a query's filters as conditions. Values are bound, never written into SQL."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from domain.query import Query, boxes

COLUMNS = ("name", "text", "tag", "kind_of", "place", "camera", "date")
WEIGHTS = "bm25(1.0, 4.0, 5.0, 2.0, 4.0, 2.0, 3.0)"
"""Of the columns: what a person wrote and what is seen before the name of a file."""

_FIELDS = {"tag": "{tag kind_of text}", "place": "place", "camera": "camera"}

REGISTER = """
CREATE TABLE IF NOT EXISTS generations (generation INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS owners (
    id INTEGER PRIMARY KEY AUTOINCREMENT, generation INTEGER NOT NULL, owner TEXT NOT NULL, UNIQUE (generation, owner));
"""


def tables(number: int) -> Iterator[str]:
    """Statements that make an owner's tables, each harmless when they are there."""
    p = f"s{number}"
    yield (
        f"CREATE TABLE IF NOT EXISTS {p}_docs (id INTEGER PRIMARY KEY, asset TEXT NOT NULL UNIQUE, "
        "version INTEGER NOT NULL, seq INTEGER NOT NULL, gone INTEGER NOT NULL, taken TEXT, month INTEGER, kind TEXT, "
        "rating INTEGER, flags INTEGER NOT NULL, latitude REAL, longitude REAL, facets TEXT)"
    )
    yield f"CREATE INDEX IF NOT EXISTS {p}_seq ON {p}_docs (seq)"
    yield f"CREATE INDEX IF NOT EXISTS {p}_taken ON {p}_docs (taken)"
    yield f"CREATE INDEX IF NOT EXISTS {p}_latitude ON {p}_docs (latitude) WHERE latitude IS NOT NULL"
    yield (
        f"CREATE VIRTUAL TABLE IF NOT EXISTS {p}_fts USING fts5({', '.join(COLUMNS)}, "
        "tokenize='porter unicode61 remove_diacritics 2', prefix='2 3')"
    )
    yield (
        f"CREATE TABLE IF NOT EXISTS {p}_terms (term TEXT NOT NULL, id INTEGER NOT NULL, PRIMARY KEY (term, id)) "
        "WITHOUT ROWID"
    )
    yield f"CREATE INDEX IF NOT EXISTS {p}_term_of ON {p}_terms (id)"
    yield f"CREATE TABLE IF NOT EXISTS {p}_vectors (id INTEGER PRIMARY KEY, vector BLOB NOT NULL)"
    yield (
        f"CREATE TABLE IF NOT EXISTS {p}_spellings (cut TEXT NOT NULL, word TEXT NOT NULL, PRIMARY KEY (cut, word)) "
        "WITHOUT ROWID"
    )


def drop(number: int) -> str:
    """Statements that remove an owner's tables."""
    kinds = ("docs", "fts", "terms", "vectors", "spellings")
    return "".join(f"DROP TABLE IF EXISTS s{number}_{kind};" for kind in kinds)


def phrase(words: str) -> str:
    """Words as an FTS5 string: nothing in it is an operator."""
    return '"' + words.replace('"', '""') + '"'


def conditions(prefix: str, query: Query, flags: Sequence[str]) -> tuple[list[str], list[object]]:
    """SQL conditions over an owner's documents, joined by AND, and the values that they bind."""
    found: list[str] = []
    values: list[object] = []
    for each in query.filters:
        if each.field == "person":
            continue  # the caller knows whom it means, and passes `only`
        column = _FIELDS.get(each.field)
        expression = f"{column} : {phrase(each.value)}" if column else phrase(each.value)
        found.append(
            f"id {'NOT ' if each.excluded else ''}IN (SELECT rowid FROM {prefix}_fts WHERE {prefix}_fts MATCH ?)"  # noqa: S608
        )
        values.append(expression)
    if query.span.since:
        found.append("taken>=?")
        values.append(query.span.since)
    if query.span.until:
        found.append("taken<?")
        values.append(query.span.until)
    if query.months:
        found.append(f"month IN ({','.join('?' * len(query.months))})")
        values += query.months
    if query.kind:
        found.append("kind=?")
        values.append(query.kind)
    if query.rating is not None:
        found.append("COALESCE(rating, 0)>=?")
        values.append(query.rating)
    for flag, wanted in [*((f, 1) for f in query.flags), *((f, 0) for f in query.without_flags)]:
        found.append("(flags>>?)&1=?")
        values += [flags.index(flag), wanted]
    if query.near:
        squares = boxes(query.near)
        found.append(
            "(" + " OR ".join(["(latitude BETWEEN ? AND ? AND longitude BETWEEN ? AND ?)"] * len(squares)) + ")"
        )
        values += [edge for square in squares for edge in square]
    return found, values
