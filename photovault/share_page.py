"""The pages that a visitor of a share sees: static HTML without scripts. Everything that a person wrote is escaped, and
a page may load pictures from its own place alone. What a page does not say: file names, places, cameras, owners.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Sequence
from html import escape
from typing import TypeAlias
from urllib.parse import urlsplit

from photovault.auditing import clock
from photovault.shared_items import Item

__all__ = ["Where", "closed_page", "headers", "pictures_page"]

Where: TypeAlias = Callable[[Item, str], str | None]
"""(item, `small`, `large`, `play`, `preview` or `download`) -> where that lies; None: it is not to be had."""

_STYLE = """
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif }
body { margin: 0 auto; max-width: 1200px; padding: 16px }
main { display: flex; flex-wrap: wrap; gap: 12px }
figure { margin: 0; position: relative }
figure > a > img { display: block; height: 192px; max-width: 100%; object-fit: contain; background: #8882 }
.blurred { filter: blur(16px); clip-path: inset(0) }
.blurred:hover, .blurred:focus { filter: none }
video { height: 192px; max-width: 100%; background: #000 }
figcaption { font-size: 13px; opacity: .8 }
form { max-width: 24em; display: grid; gap: 12px }
input, button { font: inherit; padding: 8px }
"""
STYLE_HASH = "sha256-" + base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def headers(origins: Sequence[str] = ()) -> dict[str, str]:
    """What goes with every page: nothing is kept, indexed, framed, told to others or run.

    Args:
        origins: other places that pictures may come from, by scheme and host.
    """
    places = " ".join(["'self'", *dict.fromkeys(origins)])
    policy = (
        f"default-src 'none'; img-src {places}; media-src {places}; style-src '{STYLE_HASH}'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Cache-Control": "private, no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
        "X-Robots-Tag": "noindex, nofollow",
        "Strict-Transport-Security": "max-age=31536000",
    }


def origin_of(url: str) -> str | None:
    """Scheme and host of a link; None of a path."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else None


def pictures_page(title: str, items: Sequence[Item], where: Where, *, until: str = "") -> str:
    """All items; each leads to its large picture, and to its file where that may be fetched."""
    figures = "".join(_figure(item, where) for item in items)
    count = "1 picture" if len(items) == 1 else f"{len(items):,} pictures"
    note = f"<p>{escape(until)}</p>" if until else ""
    body = f"<main>\n{figures}</main>" if items else "<p>There is nothing to see here any more.</p>"
    return _page(title or "Shared pictures", f"<p>{count}</p>\n{body}\n{note}" if items else body)


def closed_page(message: str, *, form: str | None = None, action: str = "", button: str = "Show the pictures") -> str:
    """Why nothing is shown; with a form for a password (`password`), or a button alone (`button`)."""
    field = ""
    if form == "password":
        field = (
            '<label for="p">Password</label>'
            '<input id="p" name="password" type="password" required maxlength="200" autocomplete="off" autofocus>'
        )
    asked = (
        f'<form method="post" action="{escape(action)}">{field}<button type="submit">{escape(button)}</button></form>'
    )
    return _page("Shared pictures", f"<p>{escape(message)}</p>\n{asked if form else ''}")


def _page(title: str, body: str) -> str:
    return (
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n'
        '<meta name="robots" content="noindex">\n<meta name="referrer" content="no-referrer">\n'
        f"<title>{escape(title)}</title>\n<style>{_STYLE}</style>\n<h1>{escape(title)}</h1>\n{body}\n</html>\n"
    )


def _figure(item: Item, where: Where) -> str:
    small = where(item, "small")
    if small is None:
        return ""
    picture = item.state.renditions["small"]
    label = f"Video {item.number}" if item.kind == "video" else f"Picture {item.number}"
    blurred = ' class="blurred" tabindex="0"' if item.blurred else ""
    seen = (
        f'<img{blurred} loading="lazy" src="{escape(small)}" width="{picture.width}" height="{picture.height}" '
        f'alt="{label}">'
    )
    play = where(item, "play") if item.kind == "video" else None
    if play is not None:
        poster = escape(where(item, "large") or small)
        shown = f'<video controls preload="none" poster="{poster}" src="{escape(play)}"></video>'
    else:
        shown = f'<a href="{escape(where(item, "large") or small)}">{seen}</a>'
    notes = [label]
    if item.kind == "video" and item.state.duration_ms is not None:
        notes.append(clock(item.state.duration_ms))
    file = where(item, "download")
    if file is not None:
        notes.append(f'<a href="{escape(file)}" download>Download</a>')
    return f"<figure>{shown}<figcaption>{' · '.join(notes)}</figcaption></figure>\n"
