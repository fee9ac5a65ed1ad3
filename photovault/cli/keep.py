"""For the family: favourites, the trash, and erasing. Nothing is deleted until the trash is emptied."""

from __future__ import annotations

from typing import Annotated

import typer

from domain.asset import asset_stream
from domain.errors import InvalidInput
from photovault.auditing import size
from photovault.cli.app import Cursor, Json, Limit
from photovault.cli.output import number, out, print_json, progress_bar, table
from photovault.cli.place import anywhere, opened
from photovault.erasing import Erased, Why, erase_all
from photovault.finding import find_asset
from photovault.keeping import list_trash, restore, set_favourite, trash, trashed_ids
from photovault.owned import UpkeptVault
from photovault.page import taken_text

Assets = Annotated[list[str], typer.Argument(help="Ids, beginnings of ids, or the files' paths.", metavar="ASSET")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it is kept in the history.")]
_ASKED = "asked for on the command line"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(anywhere(favourite))
    trash_app = typer.Typer(no_args_is_help=True, help="The trash: no view shows what is in it, until it comes back.")
    trash_app.command("add")(anywhere(trash_add))
    trash_app.command("list")(anywhere(trash_list))
    trash_app.command("restore")(anywhere(trash_restore))
    trash_app.command("empty")(anywhere(trash_empty))
    app.add_typer(trash_app, name="trash")
    app.command("erase")(anywhere(erase_command))


def favourite(
    context: typer.Context,
    assets: Assets,
    off: Annotated[bool, typer.Option("--off", help="It is one no longer.")] = False,
    json: Json = False,
) -> None:
    """Mark photos as favourites: `photovault search is:favourite` finds them, and those with 4 stars or more."""
    with opened(context) as vault:
        streams = [find_asset(vault, each) for each in assets]
        changed = [s.rpartition("#")[2] for s in streams if set_favourite(vault, s, favourite=not off)]
    if json:
        print_json({"assets": changed, "favourite": not off})
        return
    out.print(f"{number(len(changed), 'favourite')} {'fewer' if off else 'more'}" if changed else "it was so already")


def trash_add(context: typer.Context, assets: Assets, reason: Reason = _ASKED, json: Json = False) -> None:
    """Put photos into the trash, each with what belongs to the same shot. Your files and the originals stay."""
    with opened(context) as vault:
        streams = [find_asset(vault, each) for each in assets]
        changed = [each for stream in streams for each in trash(vault, stream, reason)]
    if json:
        print_json({"assets": changed})
        return
    out.print(f"{number(len(changed), 'asset')} put into the trash" if changed else "it is there already")


def trash_restore(context: typer.Context, assets: Assets, reason: Reason = _ASKED, json: Json = False) -> None:
    """Take photos out of the trash: they are again where they were."""
    with opened(context) as vault:
        streams = [find_asset(vault, each) for each in assets]
        changed = [each for stream in streams for each in restore(vault, stream, reason)]
    if json:
        print_json({"assets": changed})
        return
    out.print(f"{number(len(changed), 'asset')} taken out of the trash" if changed else "it is not there")


def trash_list(context: typer.Context, limit: Limit = 50, cursor: Cursor = None, json: Json = False) -> None:
    """What is in the trash, the last one put there first."""
    with opened(context) as vault:
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


def trash_empty(
    context: typer.Context,
    assets: Annotated[
        list[str] | None, typer.Argument(help="Only these: ids, beginnings of ids, or paths.", metavar="ASSET")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Erase what is in the trash, for good: the originals in the vault too. Your own files stay as they are."""
    with opened(context) as vault:
        owner = vault.settings.owner
        ids = trashed_ids(vault)
        if assets:
            named = [find_asset(vault, each) for each in assets]
            outside = [each.rpartition("#")[2] for each in named if each.rpartition("#")[2] not in ids]
            if outside:
                raise InvalidInput(f"{outside[0]} is not in the trash: `photovault trash add` puts it there")
            ids = [each.rpartition("#")[2] for each in named]
        _erase(vault, [asset_stream(owner, each) for each in ids], "trash_emptied", dry=dry_run, yes=yes, json=json)


def erase_command(
    context: typer.Context,
    assets: Assets,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and erase nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    json: Json = False,
) -> None:
    """Erase photos for good, in the trash or not: files, rows, and the key of all that is personal in their history.

    That they were there, and what was done when, stays in the history: `photovault audit` shows it. The next run of
    `photovault backup` forgets them in the backup as well.
    """
    with opened(context) as vault:
        _erase(vault, [find_asset(vault, each) for each in assets], "asked", dry=dry_run, yes=yes, json=json)


def _erase(vault: UpkeptVault, streams: list[str], why: Why, *, dry: bool, yes: bool, json: bool) -> None:
    ids = [stream.rpartition("#")[2] for stream in streams]
    if dry:
        done = Erased(assets=ids)
    elif streams and not yes:
        if json:
            raise InvalidInput("what is erased can't be brought back, and --json asks nobody: give --yes")
        typer.confirm(f"Erase {number(len(ids), 'asset')} for good? Nothing can bring them back", abort=True)
    if not dry:
        with progress_bar("erase", len(streams)) as bar:
            done = erase_all(vault, streams, why, f"person:{vault.settings.owner}", bar.advance)
    if json:
        print_json(
            {
                "assets": done.assets,
                "blobs": done.blobs,
                "size_bytes": done.size_bytes,
                "doubted": done.doubted,
                "dry_run": dry,
            }
        )
        return
    if dry:
        out.print(f"{number(len(ids), 'asset')} would be erased; nothing was (--dry-run)")
        return
    out.print(f"{number(len(done.assets), 'asset')} erased, {number(done.blobs, 'file')} of {size(done.size_bytes)}")
    if done.doubted:
        out.print(
            f"{number(done.doubted, 'file')} may be other assets' too: [bold]photovault cleanup[/bold] deletes those "
            "that are not"
        )
