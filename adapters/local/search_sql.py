"""The tables of the search index, and a query's filters as conditions. Values are bound, never written into SQL."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from domain.query import Query
from domain.ranking import COLUMNS

FIELDS = ((3.0, "{tag text place}"), (1.5, "{kind_of date camera}"), (1.0, "name"))
"""Weights of groups of columns, the heaviest first: what a person wrote and what is seen before the name of a file."""

_FIELDS = {"tag": "{tag kind_of text}", "place": "place", "camera": "camera"}

FLAGS = ("favourite", "live", "video", "raw", "burst", "located", "rated")
"""What is stored of a document as one bit each, by place."""

SCHEMA = 2
"""Raise it when the tables change: an index of another schema is emptied, and filled again from the rows."""

REGISTER = """
CREATE TABLE IF NOT EXISTS generations (generation INTEGER PRIMARY KEY);
CREATE TABLE IF NOT EXISTS owners (
    id INTEGER PRIMARY KEY AUTOINCREMENT, generation INTEGER NOT NULL, owner TEXT NOT NULL, UNIQUE (generation, owner));
"""


def upgrade(reader: sqlite3.Connection) -> str:
    """Statements that make the register, after those that empty an index of another schema."""
    [version] = reader.execute("PRAGMA user_version").fetchone()
    if version == SCHEMA:
        return REGISTER
    old = reader.execute(
        "SELECT name FROM sqlite_master WHERE type='table' AND "
        "(name IN ('generations', 'owners') OR (name GLOB 's[0-9]*' AND name NOT GLOB '*_fts_*'))"
    ).fetchall()
    drops = "".join(f'DROP TABLE IF EXISTS "{name}";' for (name,) in old)
    return f"{drops}{REGISTER}PRAGMA user_version={SCHEMA};"


def tables(number: int) -> Iterator[str]:
    """Statements that make an owner's tables, each harmless when they are there."""
    p = f"s{number}"
    yield (
        f"CREATE TABLE IF NOT EXISTS {p}_docs (id INTEGER PRIMARY KEY, asset TEXT NOT NULL UNIQUE, "
        "version INTEGER NOT NULL, seq INTEGER NOT NULL, gone INTEGER NOT NULL, taken TEXT, month INTEGER, kind TEXT, "
        "rating INTEGER, flags INTEGER NOT NULL, latitude REAL, longitude REAL, length INTEGER NOT NULL, facets TEXT)"
    )
    yield f"CREATE INDEX IF NOT EXISTS {p}_seq ON {p}_docs (seq)"
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
    yield f"CREATE TABLE IF NOT EXISTS {p}_pictures (id INTEGER PRIMARY KEY, vector BLOB NOT NULL)"
    yield (
        f"CREATE TABLE IF NOT EXISTS {p}_spellings (cut TEXT NOT NULL, word TEXT NOT NULL, PRIMARY KEY (cut, word)) "
        "WITHOUT ROWID"
    )


def drop(number: int) -> str:
    """Statements that remove an owner's tables."""
    kinds = ("docs", "fts", "terms", "vectors", "pictures", "spellings")
    return "".join(f"DROP TABLE IF EXISTS s{number}_{kind};" for kind in kinds)


def phrase(words: str) -> str:
    """Words as an FTS5 string: nothing in it is an operator."""
    return '"' + words.replace('"', '""') + '"'


def text_filters(query: Query) -> list[tuple[str, bool]]:
    """FTS5 expressions that a document must match, or (True) must not."""
    found: list[tuple[str, bool]] = []
    for each in query.filters:
        if each.field != "person":  # the caller knows whom it means, and passes `only`
            column = _FIELDS.get(each.field)
            found.append((f"{column} : {phrase(each.value)}" if column else phrase(each.value), each.excluded))
    return found
