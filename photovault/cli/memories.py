"""For the family: what the library remembers - trips, parties, this day in other years, people and places."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from photovault import memories as told
from photovault.cli.app import Cursor, Json, Limit
from photovault.cli.output import number, out, print_json, progress_bar, table
from photovault.cli.place import anywhere, only_here, opened
from photovault.contact_sheet import write_sheet
from photovault.memories import KINDS, Album, Reader
from photovault.memory_page import write_memories
from photovault.moments import parse_local
from photovault.owned import OwnedVault

memories = typer.Typer(help="Trips, events, this day in other years, people, places, the best.", no_args_is_help=True)

Memory = Annotated[str, typer.Argument(help="Id of a memory, or the beginning of one.", metavar="MEMORY")]
Html = Annotated[Path | None, typer.Option(help="Write a page with the pictures.", metavar="FILE")]
Sheet = Annotated[Path | None, typer.Option(help="Draw the pictures on one JPEG or PNG.", metavar="FILE")]
On = Annotated[str | None, typer.Option("--date", help="Another day than today: 2026-11-24.", metavar="DAY")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(memories, name="memories")


@memories.command()
@anywhere
def make(
    context: typer.Context,
    everything: Annotated[
        bool, typer.Option("--all", help="Look at the whole library, not only at what is new.")
    ] = False,
    on: On = None,
    json: Json = False,
) -> None:
    """Look at what is new, and make and revise memories; `work --watch` does it once a day."""
    from adapters.ml.density import density_clusters  # loads hdbscan, which takes a second
    from photovault.remembering import Made, look_all, places_by

    with opened(context) as vault, progress_bar("memories") as bar:
        made: Made = look_all(
            vault,
            vault.settings.owner,
            _day(on),
            places_by(density_clusters),
            vault.settings.serving,
            whole=everything,
            tick=bar.update,
        )
    if json:
        print_json({name: getattr(made, name) for name in ("changed", "read", "created", "revised", "retired")})
        return
    out.print(
        f"{number(made.changed, 'picture')} new or changed; {made.created} memories made, {made.revised} revised, "
        f"{made.retired} retired"
    )


@memories.command(name="list")
@anywhere
def list_(
    context: typer.Context,
    kind: Annotated[str | None, typer.Option(help=f"Of one kind: {', '.join(KINDS)}.")] = None,
    dismissed: Annotated[bool, typer.Option("--dismissed", help="Those that you dismissed.")] = False,
    since: Annotated[str | None, typer.Option(help="That began at this local time or later: 2008-10.")] = None,
    until: Annotated[str | None, typer.Option(help="That began before this local time.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    html: Html = None,
    sheet: Sheet = None,
    json: Json = False,
) -> None:
    """Memories, the newest first."""
    only_here(context, "--html", html)
    only_here(context, "--sheet", sheet)
    if kind is not None and kind not in KINDS:
        raise InvalidInput(f"{kind!r} is not a kind of memory; there are: {', '.join(KINDS)}")
    with opened(context) as vault:
        albums, following = _reader(vault).page(
            kind=kind,
            dismissed=dismissed,
            since=parse_local(since) if since else "",
            until=parse_local(until) if until else None,
            limit=limit,
            cursor=cursor,
        )
    if _written(albums, html, sheet, covers=True):
        return
    if json:
        print_json({"items": [album.plain(whole=False) for album in albums], "cursor": following})
        return
    _table(albums)
    if following:
        out.print(f"More: --cursor {following}")


@memories.command()
@anywhere
def show(context: typer.Context, memory: Memory, html: Html = None, sheet: Sheet = None, json: Json = False) -> None:
    """One memory with its pictures."""
    only_here(context, "--html", html)
    only_here(context, "--sheet", sheet)
    with opened(context) as vault:
        reader = _reader(vault)
        album = reader.album(reader.state(told.find_memory(vault, vault.settings.owner, memory)))
    _one(album, html, sheet, json=json)


@memories.command()
@anywhere
def today(context: typer.Context, on: On = None, html: Html = None, sheet: Sheet = None, json: Json = False) -> None:
    """This day in other years; the days around it when there is little."""
    only_here(context, "--html", html)
    only_here(context, "--sheet", sheet)
    day = _day(on)
    with opened(context) as vault:
        album = told.today(_reader(vault), day)
    if album is None:
        if json:
            print_json({"subject": f"{day:%m-%d}", "items": []})
        else:
            out.print(f"no earlier year has a picture of {day:%d %B}, or of the days around it")
        return
    _one(album, html, sheet, json=json)


@memories.command()
@anywhere
def dismiss(context: typer.Context, memory: Memory, json: Json = False) -> None:
    """Do not show a memory any more, whatever is added to it."""
    with opened(context) as vault:
        ident = told.find_memory(vault, vault.settings.owner, memory)
        changed = told.dismiss(vault, vault.settings.owner, ident)
    _said(
        ident, json=json, changed=changed, text=f"{ident[:8]} is not shown any more; `memories restore` takes that back"
    )


@memories.command()
@anywhere
def restore(context: typer.Context, memory: Memory, json: Json = False) -> None:
    """Show a memory again that was dismissed."""
    with opened(context) as vault:
        ident = told.find_memory(vault, vault.settings.owner, memory)
        changed = told.restore(vault, vault.settings.owner, ident)
    _said(ident, json=json, changed=changed, text=f"{ident[:8]} is shown again")


def _said(ident: str, *, json: bool, changed: bool, text: str) -> None:
    if json:
        print_json({"changed": changed, "memory": ident})
    else:
        out.print(text if changed else "nothing to change")


def _reader(vault: OwnedVault) -> Reader:
    return Reader(vault, vault.settings.owner, vault.settings.serving, vault.locate)


def _day(text: str | None) -> date:
    try:
        return date.fromisoformat(text) if text else date.today()  # noqa: DTZ011 - the family's own calendar
    except ValueError as error:
        raise InvalidInput(f"{text!r} is not a day; write 2026-11-24") from error


def _one(album: Album, html: Path | None, sheet: Path | None, *, json: bool) -> None:
    if _written([album], html, sheet, covers=False):
        return
    if json:
        print_json(album.plain())
        return
    out.print(album.memory["title"])
    rows = [
        (
            item["asset"][:8],
            (item["taken_at"] or "")[:16].replace("T", " "),
            item["file_name"],
            "cover" if item == album.cover else "",
        )
        for item in album.items
    ]
    table(None, ("asset", "taken (local)", "file", ""), rows)


def _written(albums: Sequence[Album], html: Path | None, sheet: Path | None, *, covers: bool) -> bool:
    """Write what was asked for; whether anything was."""
    if html is not None:
        out.print(f"{number(write_memories(albums, html), 'memory').replace('memorys', 'memories')} on {html}")
    if sheet is not None:
        titled = [album.cover | {"file_name": album.memory["title"]} for album in albums if album.cover]
        items = titled if covers else [item for album in albums for item in album.items]
        out.print(f"{number(write_sheet(items, sheet), 'picture')} on {sheet}")
    return html is not None or sheet is not None


def _table(albums: Sequence[Album]) -> None:
    rows = [
        (
            (album.memory["memory"] or "")[:8],
            album.memory["kind"].replace("_", " "),
            album.memory["title"],
            album.memory["since"][:10],
            album.memory["until"][:10],
            album.memory["members"],
            len(album.items),
        )
        for album in albums
    ]
    table(None, ("memory", "kind", "title", "from", "until", ">pictures", ">shown"), rows)
