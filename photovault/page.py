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

from photovault.auditing import clock

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
img.blurred { filter: blur(16px); clip-path: inset(0) }
img.blurred:hover { filter: none }
img { height: 192px; max-width: 256px; object-fit: contain; background: #8882 }
figcaption { overflow-wrap: anywhere }
a { position: relative; display: inline-block }
.moving { position: absolute; inset: 0; display: none }
a:hover .moving, a:focus .moving { display: block }
.length { position: absolute; right: 4px; bottom: 8px; padding: 0 4px; background: #000b; color: #fff }
small { opacity: .7 }
a { position: relative; display: inline-block }
b { position: absolute; top: 6px; left: 6px; padding: 0 6px; border-radius: 4px; font-size: 12px;
 background: #000a; color: #fff }
</style>
"""


_GUESSED = ("file_name", "file_modified")


def taken_text(item: Mapping[str, Any], characters: int) -> str:
    """A gallery item's local time for a person, cut to so many characters; with a ~ when no camera wrote it."""
    taken = (item["taken_at"] or "").replace("T", " ")[:characters]
    return f"~{taken}" if taken and item["taken_from"] in _GUESSED else taken


def marks(item: Mapping[str, Any]) -> str:
    """What stands behind a gallery item: "live, RAW", "burst of 12"."""
    roles = [part["role"] for part in item.get("parts", ())]
    frames = roles.count("burst_frame")
    return ", ".join(
        filter(
            None,
            (
                "live" if item.get("motion") or "live_video" in roles else "",
                "RAW" if "raw" in roles else "",
                f"burst of {frames + 1}" if frames else "",
            ),
        )
    )


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
    blurred = ' class="blurred"' if item.get("moderation") == "blur" else ""
    mark = f"<b>{escape(marks(item))}</b>" if marks(item) else ""
    return (
        f'<figure><a href="{_link(large["path"], folder)}">'
        f'<img{blurred} loading="lazy" src="{_link(small["path"], folder)}" '
        f'width="{small["width"]}" height="{small["height"]}" alt="{name}">{_of_video(item, folder)}{mark}</a>'
        f"<figcaption>{name}<br><small>{escape(about)}</small></figcaption></figure>\n"
    )


def _of_video(item: Mapping[str, Any], folder: Path) -> str:
    """A video's mark and length over its picture; its moving preview while it is pointed at."""
    if item["kind"] != "video":
        return ""
    length = f" {clock(item['duration_ms'])}" if item["duration_ms"] is not None else ""
    moving = item["preview"]
    shown = f'<img class="moving" loading="lazy" src="{_link(moving["path"], folder)}" alt="">' if moving else ""
    return f'{shown}<span class="length">\u25b6{length}</span>'


def _link(path: str, folder: Path) -> str:
    return escape(quote(os.path.relpath(path, folder)))
