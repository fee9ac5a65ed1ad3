"""For the family: favourites, and the trash. Nothing is deleted until the trash is emptied."""

from __future__ import annotations

from typing import Annotated

import typer

from photovault.cli.app import Cursor, Json, Limit, open_vault
from photovault.cli.output import number, out, print_json, table
from photovault.finding import find_asset
from photovault.keeping import list_trash, restore, set_favourite, trash
from photovault.page import taken_text
from photovault.runtime import catch_up

Assets = Annotated[list[str], typer.Argument(help="Ids, beginnings of ids, or the files' paths.", metavar="ASSET")]
Why = Annotated[str, typer.Option("--reason", help="Why; it is kept in the history.")]
_ASKED = "asked for on the command line"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(favourite)
    trash_app = typer.Typer(no_args_is_help=True, help="The trash: no view shows what is in it, until it comes back.")
    trash_app.command("add")(trash_add)
    trash_app.command("list")(trash_list)
    trash_app.command("restore")(trash_restore)
    app.add_typer(trash_app, name="trash")


def favourite(
    context: typer.Context,
    assets: Assets,
    off: Annotated[bool, typer.Option("--off", help="It is one no longer.")] = False,
    json: Json = False,
) -> None:
    """Mark photos as favourites: `photovault search is:favourite` finds them, and those with 4 stars or more."""
    with open_vault(context) as vault:
        streams = [find_asset(vault, each) for each in assets]
        changed = [s.rpartition("#")[2] for s in streams if set_favourite(vault, s, favourite=not off)]
        catch_up(vault)
    if json:
        print_json({"assets": changed, "favourite": not off})
        return
    out.print(f"{number(len(changed), 'favourite')} {'fewer' if off else 'more'}" if changed else "it was so already")


def trash_add(context: typer.Context, assets: Assets, reason: Why = _ASKED, json: Json = False) -> None:
    """Put photos into the trash, each with what belongs to the same shot. Your files and the originals stay."""
    with open_vault(context) as vault:
        catch_up(vault)
        streams = [find_asset(vault, each) for each in assets]
        changed = [each for stream in streams for each in trash(vault, stream, reason)]
        catch_up(vault)
    if json:
        print_json({"assets": changed})
        return
    out.print(f"{number(len(changed), 'asset')} put into the trash" if changed else "it is there already")


def trash_restore(context: typer.Context, assets: Assets, reason: Why = _ASKED, json: Json = False) -> None:
    """Take photos out of the trash: they are again where they were."""
    with open_vault(context) as vault:
        catch_up(vault)
        streams = [find_asset(vault, each) for each in assets]
        changed = [each for stream in streams for each in restore(vault, stream, reason)]
        catch_up(vault)
    if json:
        print_json({"assets": changed})
        return
    out.print(f"{number(len(changed), 'asset')} taken out of the trash" if changed else "it is not there")


def trash_list(context: typer.Context, limit: Limit = 50, cursor: Cursor = None, json: Json = False) -> None:
    """What is in the trash, the last one put there first."""
    with open_vault(context) as vault:
        catch_up(vault)
        items, following = list_trash(vault, limit, cursor)
    if json:
        print_json({"items": items, "cursor": following})
        return
    rows = [(i["asset"][:8], i["trashed_at"][:19].replace("T", " "), i["file_name"], taken_text(i, 19)) for i in items]
    if rows:
        table(None, ("asset", "put there (UTC)", "file", "taken (local)"), rows)
    else:
        out.print("the trash is empty")
    if following:
        out.print(f"\nmore: --cursor {following}")
