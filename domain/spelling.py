"""How far two words are apart, and what a word is without its accents: for search that forgives typing."""

from __future__ import annotations

import unicodedata

__all__ = ["MAX_SPELLINGS", "edits", "edits_allowed", "nearest", "plain"]

MAX_SPELLINGS = 3
_LONG = 7  # letters from which two edits are forgiven


def plain(text: str) -> str:
    """Lower case, without accents."""
    return "".join(c for c in unicodedata.normalize("NFKD", text.lower()) if not unicodedata.combining(c))


def edits_allowed(word: str) -> int:
    """How many edits a word of four letters or more may be away from what was meant."""
    return 2 if len(word) >= _LONG else 1


def nearest(word: str, candidates: set[str]) -> tuple[str, ...]:
    """At most three candidates that are one edit from a word; from seven letters on two, when none is nearer."""
    measured = sorted((edits(word, other), other) for other in candidates)
    least = measured[0][0] if measured else 9
    if least > edits_allowed(word):
        return ()
    return tuple(other for distance, other in measured if distance == least)[:MAX_SPELLINGS]


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
