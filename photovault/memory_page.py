"""Memories as one static page: a title, and the pictures, each memory's cover first and large."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any

from photovault import page
from photovault.memories import Album

__all__ = ["write_memories"]

_STYLE = """<style>
section { margin: 28px 16px } section main { margin: 8px 0 }
h2 { font-size: 22px; margin: 0 } p { margin: 0; opacity: .7 }
figure.cover { width: auto } figure.cover img { height: 400px; max-width: 600px }
</style>
"""


def write_memories(albums: Iterable[Album], to: Path) -> int:
    """Write a page with some memories; how many it shows."""
    folder = to.absolute().parent
    parts = [_section(album, folder) for album in albums if album.items]
    title = "1 memory" if len(parts) == 1 else f"{len(parts):,} memories"
    to.write_text(f"{page._HEAD}{_STYLE}<h1>{title}</h1>\n{''.join(parts)}</html>\n", encoding="utf-8")
    return len(parts)


def _section(album: Album, folder: Path) -> str:
    memory = album.memory
    when = " to ".join(dict.fromkeys((memory["since"][:10], memory["until"][:10])))
    about = f"{memory['kind'].replace('_', ' ')}, {when}, {len(album.items)} of {memory['members']} pictures"
    figures = "".join(_figure(item, folder) for item in _ordered(album))
    return f"<section><h2>{escape(memory['title'])}</h2><p>{escape(about)}</p>\n<main>\n{figures}</main></section>\n"


def _ordered(album: Album) -> list[tuple[dict[str, Any], bool]]:
    first = album.cover or album.items[0]
    return [(first, True), *((item, False) for item in album.items if item["asset"] != first["asset"])]


def _figure(item: tuple[dict[str, Any], bool], folder: Path) -> str:
    shown, is_cover = item
    if not is_cover:
        return page._figure(shown, folder)
    pictures = shown["renditions"]
    large = shown | {"renditions": pictures | {"small": pictures.get("medium", pictures["small"])}}
    return page._figure(large, folder).replace("<figure>", '<figure class="cover">', 1)
