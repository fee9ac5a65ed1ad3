"""The nearest spelling of a word, from an index of words with one letter left out: no scan of the vocabulary.

Two words that are one insertion, deletion, substitution or swap of neighbours apart share such a cut (Garbe 2012,
"Symmetric delete spelling correction"); what merely shares one is then measured.
"""

from __future__ import annotations

import re
import sqlite3
import unicodedata

_WORD = re.compile(r"[^\W\d_]{4,30}")
_MAX_FOUND = 50
_MAX_SPELLINGS = 3


def _plain(text: str) -> str:
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def _cuts(word: str) -> set[str]:
    return {word, *(word[:i] + word[i + 1 :] for i in range(len(word)))}


def store_spellings(connection: sqlite3.Connection, prefix: str, text: str) -> None:
    """Make a text's words findable by what they are nearly called; words with digits are no words."""
    for word in set(_WORD.findall(_plain(text))):
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
    word = _plain(word)
    if not _WORD.fullmatch(word):
        return ()
    cuts = sorted(_cuts(word))
    marks = ",".join("?" * len(cuts))
    found = reader.execute(
        f"SELECT DISTINCT word FROM {prefix}_spellings WHERE cut IN ({marks}) LIMIT ?",  # noqa: S608
        (*cuts, _MAX_FOUND),
    ).fetchall()
    measured = sorted((edits(word, other), other) for (other,) in found)
    least = measured[0][0] if measured else 9
    if least > (2 if len(word) >= 7 else 1):
        return ()
    return tuple(other for distance, other in measured if distance == least)[:_MAX_SPELLINGS]


def edits(a: str, b: str) -> int:
    """Insertions, deletions, substitutions and swaps of neighbours between two words (optimal string alignment)."""
    before: list[int] = []
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        older, before, row = before, row, [i]
        for j, y in enumerate(b, 1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (x != y))
            if i > 1 and j > 1 and x == b[j - 2] and a[i - 2] == y:
                cost = min(cost, older[j - 2] + 1)
            row.append(cost)
    return row[-1]
