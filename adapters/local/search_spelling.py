"""The nearest spelling of a word, from an index of words with one letter left out: no scan of the vocabulary.

Two words that are one insertion, deletion, substitution or swap of neighbours apart share such a cut (Garbe 2012,
"Symmetric delete spelling correction"); what merely shares one is then measured.
"""

from __future__ import annotations

import re
import sqlite3

from domain.spelling import nearest, plain

_WORD = re.compile(r"[^\W\d_]{4,30}")
_MAX_FOUND = 50


def _cuts(word: str) -> set[str]:
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def store_spellings(connection: sqlite3.Connection, prefix: str, text: str) -> None:
    """Make a text's words findable by what they are nearly called; words with digits are no words."""
    for word in set(_WORD.findall(plain(text))):
        known = connection.execute(
            f"SELECT 1 FROM {prefix}_spellings WHERE cut=? AND word=?",  # noqa: S608
            (word, word),
        ).fetchone()
        if known is None:
            connection.executemany(
                f"INSERT OR IGNORE INTO {prefix}_spellings VALUES (?,?)",  # noqa: S608
                [(cut, word) for cut in _cuts(word)],
            )


def nearest_spellings(reader: sqlite3.Connection, prefix: str, word: str) -> tuple[str, ...]:
    """At most three words of the vocabulary that are one edit from a word of four letters or more; from seven letters
    on two, when none is nearer."""
    word = plain(word)
    if not _WORD.fullmatch(word):
        return ()
    cuts = sorted(_cuts(word))
    marks = ",".join("?" * len(cuts))
    found = reader.execute(
        f"SELECT DISTINCT word FROM {prefix}_spellings WHERE cut IN ({marks}) LIMIT ?",  # noqa: S608
        (*cuts, _MAX_FOUND),
    ).fetchall()
    return nearest(word, {other for (other,) in found})
