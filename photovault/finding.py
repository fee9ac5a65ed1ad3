"""Finding the asset that a person means: by its id, by a prefix of it that no other has, or by its file's path."""

from __future__ import annotations

from pathlib import Path

import msgspec

from domain.asset import asset_stream
from domain.commits import split_stream
from domain.errors import InvalidInput, NotFound, ViewUnavailable
from photovault.owned import OwnedVault
from projections.files import PATHS, Place, path_key


def find_asset(vault: OwnedVault, text: str) -> str:
    """The stream of the asset that `text` names.

    Raises:
        NotFound: the owner has no such asset.
        InvalidInput: several assets begin with it; lists them.
    """
    owner = vault.settings.owner
    if not text:
        raise InvalidInput("an asset is named by its id, the beginning of its id, or its file's path")
    try:
        found = _by_path(vault, text) or _by_prefix(vault, text)
    except ViewUnavailable:
        found = None  # the index is not built: a whole id still leads to the stream itself
    if found is None and "#" not in text and next(iter(vault.commits.read(asset_stream(owner, text))), None):
        found = text
    if found is None:
        raise NotFound(
            f"there is no asset {text!r} in {owner}'s library: `photovault query gallery` lists those there are"
        )
    return asset_stream(owner, found)


def asset_id(stream: str) -> str:
    """The id that a person sees."""
    return split_stream(stream)[2]


def _by_path(vault: OwnedVault, text: str) -> str | None:
    _, table = vault.generations.active("files")
    row = vault.views.get(table, [(vault.settings.owner, path_key(str(Path(text).absolute())))])[0]
    return msgspec.msgpack.decode(row.data, type=Place).asset if row and not row.deleted else None


def _by_prefix(vault: OwnedVault, text: str) -> str | None:
    _, table = vault.generations.active("files")
    rows = vault.views.query(table, vault.settings.owner, low=text, high=text + "\U0010ffff", limit=6).rows
    ids = [row.key for row in rows if not row.key.startswith(PATHS)]
    if text in ids:
        return text
    if len(ids) > 1:
        raise InvalidInput(f"several assets begin with {text!r}: {', '.join(ids)}; give more of the id")
    return ids[0] if ids else None
