"""A gallery as one static page: thumbnails that link to the large picture. For a look without any server.

Everything that comes from a file is escaped, and the page may load nothing but pictures beside it.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote

_HEAD = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'">
<title>PhotoVault</title>
<style>
:root { color-scheme: light dark; font: 14px/1.4 system-ui, sans-serif }
main { display: flex; flex-wrap: wrap; gap: 12px; margin: 16px }
h1 { margin: 16px; font-size: 20px }
figure { margin: 0; width: 256px }
img { height: 192px; max-width: 256px; object-fit: contain; background: #8882 }
figcaption { overflow-wrap: anywhere }
small { opacity: .7 }
</style>
"""


_GUESSED = ("file_name", "file_modified")


def taken_text(item: Mapping[str, Any], characters: int) -> str:
    """A gallery item's local time for a person, cut to so many characters; with a ~ when no camera wrote it."""
    taken = (item["taken_at"] or "").replace("T", " ")[:characters]
    return f"~{taken}" if taken and item["taken_from"] in _GUESSED else taken


def place_text(item: Mapping[str, Any]) -> str:
    """A gallery item's city and country; the bare position where it has no name, nothing where it has none."""
    named = item.get("place")
    if named:
        return ", ".join(dict.fromkeys(part for part in (named["city"] or named["region"], named["country"]) if part))
    return "" if item["latitude"] is None else f"{item['latitude']:.4f}, {item['longitude']:.4f}"


def write_page(items: Iterable[Mapping[str, Any]], to: Path) -> int:
    """Write a page of gallery items (as `query gallery --json` gives them) that have pictures; how many it shows."""
    folder = to.absolute().parent
    figures = [_figure(item, folder) for item in items if item["renditions"]]
    title = "1 photo" if len(figures) == 1 else f"{len(figures):,} photos"
    body = f"<h1>{title}</h1>\n<main>\n{''.join(figures)}</main>\n</html>\n"
    to.write_text(_HEAD + body, encoding="utf-8")
    return len(figures)


def _figure(item: Mapping[str, Any], folder: Path) -> str:
    small, large = item["renditions"]["small"], item["renditions"]["large"]
    about = ", ".join(filter(None, (taken_text(item, 16), place_text(item), item["camera"])))
    name = escape(item["file_name"])
    return (
        f'<figure><a href="{_link(large["path"], folder)}">'
        f'<img loading="lazy" src="{_link(small["path"], folder)}" width="{small["width"]}" height="{small["height"]}" '
        f'alt="{name}"></a><figcaption>{name}<br><small>{escape(about)}</small></figcaption></figure>\n'
    )


def _link(path: str, folder: Path) -> str:
    return escape(quote(os.path.relpath(path, folder)))
