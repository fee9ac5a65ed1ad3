"""For the family: search."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photovault.cli.app import Cursor, Json, Limit
from photovault.cli.output import number, out, print_json, progress_bar, table
from photovault.cli.place import anywhere, only_here, opened
from photovault.page import place_text, taken_text, write_page
from photovault.searching import search as find
from photovault.searching import suggest as complete


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(anywhere(search))
    app.command()(anywhere(suggest))


def search(
    context: typer.Context,
    query: Annotated[
        list[str],
        typer.Argument(
            help='Words, "phrases", place: camera: tag: before: after: on: type: is: near: like:', metavar="QUERY"
        ),
    ],
    explain: Annotated[bool, typer.Option("--explain", help="Say why each picture is there.")] = False,
    words_only: Annotated[bool, typer.Option("--words-only", help="Compare words alone, not what they mean.")] = False,
    html: Annotated[Path | None, typer.Option(help="Write a page of thumbnails to this file.", metavar="FILE")] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="Draw thumbnails with captions as one JPEG or PNG.", metavar="FILE")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """Find pictures by what they show, where and when: photovault search "dog on the beach" last summer place:lisbon.

    What begins with a minus goes behind two of them: photovault search -- beach -dog.
    """
    only_here(context, "--html", html)
    only_here(context, "--sheet", sheet)
    with opened(context) as vault:
        today = vault.clock().astimezone().date()
        results = find(vault, " ".join(query), today, limit=limit, cursor=cursor, lexical=words_only, explain=explain)
    found, items = results.found, results.items
    if sheet is not None:
        from photovault.contact_sheet import write_sheet  # Pillow, which only this needs

        with progress_bar("sheet", len(items)) as bar:
            write_sheet(items, sheet, bar.advance)
    if html is not None:
        write_page(items, html)
    if json:
        print_json(
            {
                "items": items,
                "total": found.total,
                "facets": found.facets,
                "corrected": found.corrected,
                "semantic": results.semantic,
                "cursor": found.cursor,
            }
        )
        return
    for word, ways in found.corrected.items():
        out.print(f"nothing has {word!r}: searched for {', '.join(ways)}", markup=False)
    columns = ["asset", "taken (local)", "file", "place", "camera", *(["why"] if explain else [])]
    rows = [
        (
            item["asset"][:8],
            taken_text(item, 19),
            item["file_name"],
            place_text(item),
            item["camera"],
            *([_why(item["why"])] if explain else []),
        )
        for item in items
    ]
    table(None, columns, rows)
    if not items:
        out.print("nothing was found")
    else:
        out.print(f"\n{number(found.total, 'picture')}")
        for facet, values in found.facets.items():
            if len(values) > 1:
                named = ", ".join(f"{value} {count}" for value, count in list(values.items())[:8])
                out.print(f"{facet}: {named}", markup=False)
    for file in filter(None, (html, sheet)):
        out.print(f"{file}", markup=False)
    if found.cursor:
        out.print(f"\nmore: --cursor {found.cursor}")


def _why(why: dict[str, object]) -> str:
    parts = []
    if why["lexical_rank"] is not None:
        matched, corrected = why["matched"], why["corrected"]
        assert isinstance(matched, tuple)
        assert isinstance(corrected, tuple)
        parts.append(f"words #{why['lexical_rank']} ({'; '.join((*matched, *corrected))})")
    if why["semantic_rank"] is not None:
        parts.append(f"meaning #{why['semantic_rank']} ({why['similarity']})")
    return ", ".join(parts) or "passes the filters"


def suggest(
    context: typer.Context,
    beginning: Annotated[str, typer.Argument(help="What was typed so far.", metavar="BEGINNING")],
    limit: Limit = 10,
    json: Json = False,
) -> None:
    """Words that your pictures are found by and that begin so, the most frequent first."""
    with opened(context) as vault:
        found = complete(vault, beginning, limit)
    if json:
        print_json({"items": found})
        return
    for each in found:
        out.print(each, markup=False)
