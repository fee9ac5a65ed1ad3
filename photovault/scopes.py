"""Scopes of a repair: which streams are meant by an owner, a window of time, or one stream."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from domain.commits import split_stream
from photovault.vault import Vault

_FOREVER_US = sys.maxsize


def streams_in(
    vault: Vault,
    *,
    stream: str | None = None,
    owner: str | None = None,
    since_us: int | None = None,
    until_us: int | None = None,
) -> Iterator[str]:
    """Names of the streams in a scope, each once; the conditions narrow each other.

    Cost: a window reads the commits in it; an owner alone reads all commits of the store, by segments.
    """
    if stream is not None:
        candidates = iter([stream])
    elif since_us is not None or until_us is not None:
        window = vault.commits.window(since_us or 0, until_us if until_us is not None else _FOREVER_US)
        candidates = iter(sorted({commit.stream for commit in window}))
    else:
        candidates = (
            commit.stream
            for segment in vault.commits.segments(1)
            for commit in vault.commits.segment(segment)
            if commit.number == 1
        )
    return (name for name in candidates if owner in (None, split_stream(name)[0]))
