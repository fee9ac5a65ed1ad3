"""Sidecars beside the files of an import: found in one listing of a folder, kept as blobs, attached to the asset."""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from msgspec import Struct

from domain.asset import asset_stream, attach, fold
from domain.commits import Cause, derive_id, to_us
from domain.errors import ConflictError
from domain.events import SidecarAttached
from domain.sidecars import MAX_BYTES, Sidecar, could_be, sidecars_of, sounds_like
from photovault.vault import Vault
from projections.files import Place

__all__ = ["Neighbours", "attach_to", "is_one"]

_FOLDERS_KEPT = 16


class Neighbours:
    """What lies beside a file; remembers the folders that it listed last."""

    def __init__(self, may_be_media: Callable[[str], bool]) -> None:
        self._may_be_media = may_be_media
        self._folders: dict[Path, _Folder] = {}

    def sidecars_of(self, path: Path) -> list[Path]:
        """The sidecars of a file; it need not be a picture."""
        return [path.with_name(each.name) for each in self._folder(path.parent).sidecars.get(path.name, ())]

    def owners_of(self, path: Path) -> list[Path]:
        """The files that a file is the sidecar of, by its name."""
        if could_be(path.name) is None:
            return []
        return [path.with_name(name) for name in self._folder(path.parent).owners.get(path.name, ())]

    def _folder(self, folder: Path) -> _Folder:
        if folder not in self._folders:
            try:
                names = os.listdir(folder)  # noqa: PTH208 - names, as many as there are
            except OSError:
                names = []
            if len(self._folders) >= _FOLDERS_KEPT:
                del self._folders[next(iter(self._folders))]
            some = any(could_be(name) for name in names)
            media = [name for name in names if could_be(name) or self._may_be_media(name)]
            sidecars = sidecars_of(media) if some else {}
            owners: dict[str, list[str]] = {}
            for owner, those in sidecars.items():
                for each in those:
                    owners.setdefault(each.name, []).append(owner)
            self._folders[folder] = _Folder(sidecars, owners)
        return self._folders[folder]


class _Folder(Struct, frozen=True):
    sidecars: Mapping[str, Sequence[Sidecar]]  # of each picture
    owners: Mapping[str, Sequence[str]]  # of each sidecar


def is_one(path: Path, known: Place | None) -> bool:
    """Whether a file that is named as a sidecar is one by its content. Cost: it is read, unless it is known."""
    read = _read(path, known)
    return read is None or isinstance(read, _Content)


def attach_to(vault: Vault, asset: str, path: Path, known: Place | None) -> bool:
    """Attach a sidecar to an asset; whether that was new.

    Cost:
        Nothing for one that is known. Else it is read, kept as a blob, and the asset's stream is loaded; 1 append.
    """
    read = _read(path, known if known and known.asset == asset else None)
    if not isinstance(read, _Content):
        return False
    stream = asset_stream(vault.settings.owner, asset)
    event = SidecarAttached(
        kind=could_be(path.name) or "xmp",
        file_name=_text(path.name)[:1024],
        blob=vault.blobs.put(read.data),
        sha256=hashlib.sha256(read.data).hexdigest(),
        size_bytes=len(read.data),
        path=_text(str(path))[:4096],
        modified_at=read.modified,
    )
    while True:
        loaded = vault.store.load(stream)
        state = fold(stream, loaded.events)
        events = attach(state, event)
        if not events:
            return False
        cause = Cause(
            commit_id=derive_id("sidecar", stream, event.path, event.sha256, loaded.version),
            actor="import",
            correlation_id=state.correlation_id,
        )
        try:
            vault.store.append(stream, events, loaded.token, cause)
        except ConflictError:
            continue
        return True


class _Content(Struct, frozen=True):
    data: bytes
    modified: datetime


def _read(path: Path, known: Place | None) -> _Content | str | None:
    """What a sidecar holds; None when that is known already, or why it is none."""
    kind = could_be(path.name)
    try:
        about = path.stat()
        if not stat.S_ISREG(about.st_mode):
            return "it is not a regular file"
        if about.st_size > MAX_BYTES:
            return "it is too large for a sidecar"
        modified = datetime.fromtimestamp(about.st_mtime_ns // 1000 / 1e6, UTC)
        if known and (known.size_bytes, known.modified_us) == (about.st_size, to_us(modified)):
            return None
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        return f"it can't be read: {error.strerror or error}"
    if len(data) > MAX_BYTES or kind is None or not sounds_like(kind, data):
        return "it is no sidecar by its content"
    return _Content(data, modified)


def _text(name: str) -> str:
    return name.encode("utf-8", "replace").decode()
