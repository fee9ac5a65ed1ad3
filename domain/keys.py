"""Keys that personal fields are sealed with: one for each stream, so that destroying it forgets that stream alone
(docs/adr/0020-erasure.md). The history keeps the sealed bytes for ever; nobody can read them any more.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Protocol

__all__ = ["KEY_BYTES", "Keys", "new_key"]

KEY_BYTES = 32


def new_key() -> bytes:
    """A random key for AES-256-GCM."""
    return os.urandom(KEY_BYTES)


class Keys(Protocol):
    """Keys by scope: the name of the stream whose personal fields they seal."""

    def ensure(self, scope: str) -> bytes | None:
        """The scope's key, made when there is none, and durable on return; None when it was destroyed."""
        ...

    def get(self, scope: str) -> bytes | None:
        """The scope's key; None when it was destroyed.

        Raises:
            NotFound: there never was one here, so that what it sealed can't be read until the keys are restored.
        """
        ...

    def prepare(self, scopes: Iterable[str]) -> None:
        """Look many keys up at once, for `get` to have them at hand. Unknown ones are passed over."""
        ...

    def destroy(self, scope: str) -> bool:
        """Overwrite and forget the key, for good; that it was destroyed stays known. Whether it was there."""
        ...
