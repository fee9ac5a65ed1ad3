"""Groups of pictures that look alike: what the searches found, joined from either side, for a person to choose from.

An edge is shown while both sides' present hashes still say so: one of a picture that was refused, or has got other
hashes since, is not. The same bytes at several paths are one asset from the start, and no matter of this list.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct

from domain.likeness import NEAR, distance
from domain.ports import Row, ViewTable
from photovault import page
from photovault.auditing import size
from photovault.vault import Vault
from projections.fingerprints import Fingerprint, Fingerprints, asset_in, by_range
from projections.serving import served

__all__ = ["Edge", "Group", "alike", "groups", "write_groups"]

MAX_GROUP = 200
"""Pictures of one group that are looked at; a crowd larger than that (a copier's white pages) is cut."""


class Edge(Struct, frozen=True):
    """Two assets that show the same picture."""

    a: str
    b: str
    kind: str  # "pixels", "near"
    distance: int  # bits in which the perceptual hashes differ


class Group(Struct, frozen=True):
    """Pictures that hang together by their edges; the one with the most pixels first."""

    items: Sequence[dict[str, Any]]  # as the gallery shows them, with `size_bytes`
    pairs: Sequence[Edge]
    more: bool = False  # there are more than are listed


class _Asset(Struct):
    """A home row of `fingerprints`, and its place in the index of finds."""

    state: Fingerprint
    place: tuple[str, str]  # ("", asset) when it found nothing itself


def groups(vault: Vault, limit: int = 50, cursor: str | None = None) -> tuple[list[Group], str | None]:
    """The owner's groups, the newest find first, and the cursor for the next page.

    A group is listed at that one of its assets which comes first in the index of finds.

    Cost:
        For each asset that found another: its row, those of its group, and one range of rows for each of them.
    Raises:
        ViewUnavailable: a view is not built.
        InvalidInput: the cursor is not one of this list's.
    """
    _, table = vault.generations.active(Fingerprints.name)
    found: list[Group] = []
    seen: set[str] = set()
    while len(found) < limit:
        index = vault.views.query(
            table, vault.settings.owner, index="lookalikes", descending=True, limit=limit - len(found), cursor=cursor
        )
        for row in index.rows:
            if row.key in seen:
                continue
            reached, edges, cut = _together(vault, table, row)
            seen |= reached.keys()
            first = max(asset.place for asset in reached.values())
            if edges and first == (row.index[0] or "", row.key):
                found.append(_group(vault, reached, edges, more=cut))
        cursor = index.cursor
        if cursor is None:
            break
    return found, cursor


def _together(vault: Vault, table: ViewTable, start: Row) -> tuple[dict[str, _Asset], list[Edge], bool]:
    """All assets that edges lead to from one, near ones first, and the edges between them."""
    reached = {start.key: _asset(start)}
    edges: dict[tuple[str, str], Edge] = {}
    frontier = [start.key]
    cut = False
    while frontier:
        beyond = {a: list(_neighbours(vault, table, a, reached[a].state)) for a in frontier}
        unknown = list(dict.fromkeys(b for named in beyond.values() for b in named if b not in reached))
        rows = vault.views.get(table, [(vault.settings.owner, name) for name in unknown])
        known = {row.key: _asset(row) for row in rows if row is not None and not row.deleted}
        known = {name: asset for name, asset in known.items() if not _fold.in_trash(asset.state)}
        frontier = []
        for a, b in ((a, b) for a, named in beyond.items() for b in named):
            other = reached.get(b) or known.get(b)
            edge = _edge(reached[a].state, other.state) if other else None
            if edge is None or other is None:
                continue
            if b not in reached and len(reached) >= MAX_GROUP:
                cut = True
                continue
            if b not in reached:
                reached[b] = other
                frontier.append(b)
            edges[edge.a, edge.b] = edge
    return reached, [edges[pair] for pair in sorted(edges)], cut


def _neighbours(vault: Vault, table: ViewTable, asset: str, state: Fingerprint) -> Iterator[str]:
    """Whom it named, and who named it."""
    yield from (match.asset for match in state.matches)
    low, high = by_range(asset)
    rows = vault.views.query(table, vault.settings.owner, low=low, high=high, limit=MAX_GROUP).rows
    yield from (asset_in(row.key) for row in rows)


def _asset(row: Row) -> _Asset:
    return _Asset(_fold.decode(row.data), (row.index[0] or "", row.key))


_fold = Fingerprints()


def _edge(a: Fingerprint, b: Fingerprint) -> Edge | None:
    """What the two hashes say today."""
    first, second = sorted((a.asset, b.asset))
    apart = distance(a.phash, b.phash) if a.phash is not None and b.phash is not None else None
    if a.pixels is not None and a.pixels == b.pixels:
        return Edge(first, second, "pixels", apart or 0)
    return Edge(first, second, "near", apart) if apart is not None and apart <= NEAR else None


def _group(vault: Vault, reached: dict[str, _Asset], edges: Sequence[Edge], *, more: bool) -> Group:
    gallery, table = vault.generations.active("gallery")
    names = sorted(reached)
    rows = vault.views.get(table, [(vault.settings.owner, name) for name in names])
    items = [
        served(gallery, row, vault.locate, vault.settings.serving) | {"size_bytes": reached[name].state.size_bytes}
        for name, row in zip(names, rows, strict=True)
        if row is not None and not row.deleted
    ]
    items.sort(key=lambda item: (-(item["width"] or 0) * (item["height"] or 0), -item["size_bytes"], item["asset"]))
    return Group(items, edges, more)


def alike(group: Group, asset: str) -> str:
    """How one picture of a group is like another, in words: by its closest edge."""
    mine = [edge for edge in group.pairs if asset in (edge.a, edge.b)]
    if not mine:
        return ""
    best = min(mine, key=lambda edge: (edge.kind != "pixels", edge.distance))
    if best.kind == "pixels":
        return "same pixels"
    return "looks the same" if best.distance == 0 else f"near ({best.distance} bits)"


def _told(group: Group, item: dict[str, Any]) -> dict[str, Any]:
    """A gallery item whose caption says how it differs: in pixels, bytes, and likeness."""
    pixels = f"{item['width']} x {item['height']}" if item["width"] else ""
    about = (item["camera"], pixels, size(item["size_bytes"]), alike(group, item["asset"]))
    return item | {"camera": ", ".join(filter(None, about))}


def write_groups(found: Iterable[Group], to: Path) -> int:
    """Write a page with the pictures of each group side by side; how many groups it shows."""
    folder = to.absolute().parent
    parts = []
    for group in found:
        figures = "".join(page._figure(_told(group, item), folder) for item in group.items if item["renditions"])
        cut = "<p>and more</p>" if group.more else ""
        parts.append(f"<h2>{len(group.items)} alike</h2>\n<main>\n{figures}</main>{cut}\n")
    title = "1 group" if len(parts) == 1 else f"{len(parts):,} groups"
    to.write_text(f"{page._HEAD}<h1>{title}</h1>\n{''.join(parts)}</html>\n", encoding="utf-8")
    return len(parts)
