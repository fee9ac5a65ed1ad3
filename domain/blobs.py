"""Which blobs an event names: what must be kept while it says so, and can go when its asset is erased."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from domain.event_base import ERASED

__all__ = ["BLOB_FIELDS", "blobs_of"]

BLOB_FIELDS = frozenset({"blob", "tags_blob", "heads_blob", "master", "playlist", "audio_playlist", "vector", "sealed"})
"""Names of the fields that hold a blob's key, in events and in what is inside them (a test reads the schemas)."""


def blobs_of(said: Struct) -> Iterator[str]:
    """Keys of all blobs that an event names, or the state of an asset, at any depth."""
    return _walk(said)


def _walk(value: Any) -> Iterator[str]:
    if isinstance(value, Struct):
        for name in value.__struct_fields__:
            held = getattr(value, name)
            if name in BLOB_FIELDS and isinstance(held, str):
                if held != ERASED:
                    yield held
            elif isinstance(held, Struct | tuple | dict):
                yield from _walk(held)
    elif isinstance(value, tuple):
        for each in value:
            yield from _walk(each)
    elif isinstance(value, dict):
        for each in value.values():
            yield from _walk(each)
