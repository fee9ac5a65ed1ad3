"""A share opened on this machine: the page that a visitor would see, with its pictures beside it, in a folder.
Counted and recorded like any other opening."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from domain.errors import InvalidInput, NotFound, ShareClosed
from photovault.share_page import pictures_page
from photovault.shared_items import Item
from photovault.sharing import SharingVault, Visit, download, picture

__all__ = ["write_folder"]


def write_folder(
    vault: SharingVault, seen: Visit, folder: Path, on_item: Callable[[], None] = lambda: None, *, files: bool = False
) -> int:
    """Write `index.html` and what it shows; how many files.

    Args:
        files: the files in full size too, if the link lets them be fetched; each is recorded.
    Raises:
        InvalidInput: the folder exists and is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidInput(f"{folder} exists and is not empty: name a new folder")
    folder.mkdir(parents=True, exist_ok=True)
    placed: dict[tuple[int, str], str] = {}
    for item in seen.items:
        for size in ("small", "large", "preview", "play"):
            name = f"{item.name}-{size}"
            try:
                made = picture(seen, item.number, size)
            except NotFound:
                continue
            placed[item.number, size] = _put(vault, made.blob, folder / f"{name}.{made.suffix}")
        if files:
            try:
                made, name = download(vault, seen, item.number)
            except (ShareClosed, NotFound):
                continue
            finally:
                on_item()
            placed[item.number, "download"] = _put(vault, made.blob, folder / name)
        else:
            on_item()

    def where(item: Item, what: str) -> str | None:
        return placed.get((item.number, what))

    created = seen.share.created
    page = pictures_page(created.title if created else "", seen.items, where)
    (folder / "index.html").write_text(page, encoding="utf-8")
    return len(placed) + 1


def _put(vault: SharingVault, blob: str, to: Path) -> str:
    with vault.blobs.file(blob) as source:
        shutil.copyfile(source, to)
    return to.name
