"""For the family: which pictures are there twice, or nearly so."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photovault.auditing import size
from photovault.cli.app import Cursor, Json, Limit, open_vault
from photovault.cli.output import number, out, print_json, table
from photovault.duplicates import alike, groups, write_groups
from photovault.page import taken_text
from photovault.runtime import catch_up


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(duplicates)


def duplicates(
    context: typer.Context,
    html: Annotated[
        Path | None, typer.Option(help="Write a page with the pictures of each group side by side.", metavar="FILE")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """Pictures that look alike, in groups: re-saved, resized or grey copies, and the same pixels under other metadata.

    The same bytes at several paths are one asset from the start: `query files` lists them.
    """
    with open_vault(context) as vault:
        catch_up(vault)
        found, following = groups(vault, limit, cursor)
    if html is not None:
        shown = write_groups(found, html)
    if json:
        items = [
            {
                "assets": group.items,
                "pairs": [{"a": e.a, "b": e.b, "kind": e.kind, "distance": e.distance} for e in group.pairs],
                "more": group.more,
            }
            for group in found
        ]
        print_json({"items": items, "cursor": following})
        return
    if html is not None:
        out.print(f"{number(shown, 'group')} on {html}")
        return
    rows: list[tuple[object, ...]] = []
    for place, group in enumerate(found, 1):
        for i, item in enumerate(group.items):
            pixels = f"{item['width']} x {item['height']}" if item["width"] else ""
            name, taken, bytes_ = item["file_name"], taken_text(item, 19), size(item["size_bytes"])
            likeness = alike(group, item["asset"])
            rows.append(("" if i else place, item["asset"][:8], taken, name, pixels, bytes_, likeness))
        if group.more:
            rows.append(("", "", "", "and more", "", "", ""))
    table(None, (">group", "asset", "taken (local)", "file", ">pixels", ">size", "alike"), rows)
    if not found:
        out.print("no two pictures look alike")
    if following:
        out.print(f"\nmore: --cursor {following}")
