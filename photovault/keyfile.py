"""The keys of personal fields as a file beside a copy of the history: without them what is personal can't be read, and
whoever has both can read all. Written whole or not at all, for its owner's eyes alone.
"""

from __future__ import annotations

import base64
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct

from domain.errors import InvalidInput

__all__ = ["KEYS", "keys_beside", "read_keys", "write_keys"]

KEYS = "keys.json"
"""Name of the file in a folder with a copy of the history."""


class _KeyFile(Struct, frozen=True):
    keys: dict[str, str | None]  # scope -> base64; null: destroyed


def keys_beside(history: Path) -> Path:
    """Where the keys of an exported history are: beside the file, or in the folder."""
    return history / KEYS if history.is_dir() else history.with_name(f"{history.name}.keys")


def write_keys(keys: Any, to: Path) -> int:
    """Write all keys that there are (`everything` of the adapter) to a file; how many."""
    held = {scope: base64.b64encode(key).decode() if key else None for scope, key in keys.everything()}
    with tempfile.NamedTemporaryFile(dir=to.parent, delete=False, suffix=".partial") as file:
        file.write(msgspec.json.encode(_KeyFile(held)))
        file.flush()
        os.fsync(file.fileno())
    Path(file.name).replace(to)  # its mode is 0600
    return len(held)


def read_keys(file: Path) -> Iterator[tuple[str, bytes | None]]:
    """Scopes and keys, None for those that were destroyed.

    Raises:
        InvalidInput: they can't be read.
    """
    try:
        held = msgspec.json.decode(file.read_bytes(), type=_KeyFile)
        for scope, key in held.keys.items():
            yield scope, base64.b64decode(key) if key else None
    except (OSError, ValueError) as error:
        raise InvalidInput(f"the keys in {file} can't be read: {error}") from error
