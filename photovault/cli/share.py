"""For the owner: links to pictures for people without an account."""

from __future__ import annotations

import re
import sys
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.commits import split_stream
from domain.errors import InvalidInput, ShareClosed
from domain.share import share_stream
from domain.share_events import ShareKind
from photovault import sharing
from photovault.auditing import size
from photovault.auditing_sharing import describe_sharing
from photovault.cli.app import Cursor, Json, Limit
from photovault.cli.output import clean, moment, number, out, print_json, progress_bar, table
from photovault.cli.place import anywhere, opened
from photovault.finding import find_asset
from photovault.memories import find_memory
from photovault.owned import OwnedVault
from photovault.people import find_person
from photovault.share_export import write_folder
from projections.shares import shown_share

share = typer.Typer(help="Links to pictures, for people without an account.", no_args_is_help=True)
_LASTS = re.compile(r"^(\d{1,4})([hdw])$")
_HOURS = {"h": 1, "d": 24, "w": 168}

Share = Annotated[str, typer.Argument(help="Id of the share, or the beginning of it.", metavar="SHARE")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(share, name="share")


@share.command("create")
@anywhere
def create_command(
    context: typer.Context,
    assets: Annotated[
        list[str] | None, typer.Argument(help="Ids, beginnings of ids, or the files' paths.", metavar="[ASSET]...")
    ] = None,
    person: Annotated[str | None, typer.Option(help="Share a person's pictures, also those to come.")] = None,
    memory: Annotated[str | None, typer.Option(help="Share a memory, by its id.")] = None,
    title: Annotated[str, typer.Option(help="Shown above the pictures.")] = "",
    lasts: Annotated[str, typer.Option(help="How long it opens: 12h, 30d, 8w, or never (ends).")] = "30d",
    password: Annotated[
        bool, typer.Option("--password", help="Ask for a password, here and of visitors; from a pipe, its first line.")
    ] = False,
    views: Annotated[int | None, typer.Option(min=1, help="How often it can be opened.")] = None,
    download: Annotated[bool, typer.Option("--download", help="Let visitors fetch files in full size.")] = False,
    to: Annotated[list[str] | None, typer.Option(help="Tell this contact: address or id. May be repeated.")] = None,
    json: Json = False,
) -> None:
    """Make a link. Names of files, dates and places stay at home: visitors see pictures and nothing else."""
    if (bool(assets), person is not None, memory is not None).count(True) != 1:
        raise InvalidInput("share assets, or a --person, or a --memory: one of the three")
    secret = _password() if password else None
    with opened(context) as vault:
        kind, ids, subject = _meant(vault, assets or [], person, memory)
        from photovault.contacts import find_contact

        told = [find_contact(vault, vault.settings.owner, each).id for each in to or []]
        made = sharing.create(
            vault,
            vault.settings.owner,
            kind,
            vault.settings.serving,
            assets=ids,
            subject=subject,
            title=title,
            password=secret,
            lasts=_time(lasts),
            max_views=views,
            download=download,
            to=told,
        )
        state = sharing.look(vault, vault.settings.owner, made.share)
        link = link_of(vault, made.token)
        if json:
            print_json(shown_share(state) | {"state": state.state(vault.clock()), "token": made.token, "link": link})
            return
        out.print(f"share [bold]{made.share}[/bold]")
        out.print(link or made.token, soft_wrap=True)
        if link is None:
            out.print(
                "There is no server here: [bold]photovault share open TOKEN --folder FOLDER[/bold] writes the page; "
                "PHOTOVAULT_PUBLIC_URL says where links lead"
            )


@share.command("list")
@anywhere
def list_command(context: typer.Context, limit: Limit = 50, cursor: Cursor = None, json: Json = False) -> None:
    """All links, the newest first."""
    with opened(context) as vault:
        found = sharing.list_shares(vault, vault.settings.owner, limit, cursor)
    if json:
        print_json(found)
        return
    table(
        None,
        ("share", "what", "title", "state", "until", ">openings", ">fetched", "password", "download"),
        [
            (
                item["share"][:8],
                item["kind"] if item["subject"] else number(len(item["assets"]), "asset"),
                item["title"],
                item["state"].replace("_", " "),
                moment(item["expires_at"]) if item["expires_at"] else "",
                f"{item['views']}/{item['max_views']}" if item["max_views"] else item["views"],
                item["downloads"],
                "yes" if item["password"] else "",
                "yes" if item["download"] else "",
            )
            for item in found["items"]
        ],
    )


@share.command()
@anywhere
def show(context: typer.Context, ident: Share, json: Json = False) -> None:
    """One link: what it opens, and every visit."""
    with opened(context) as vault:
        owner = vault.settings.owner
        state = sharing.look(vault, owner, ident)
        token = sharing.saved_token(vault.checkpoints, state.id)
        events = vault.store.load(share_stream(owner, state.id)).events
        visits: list[dict[str, Any]] = [
            {"at": each.commit.recorded_at, "type": type(each.event).__name__, "detail": describe_sharing(each.event)}
            for each in events
        ]
        found = shown_share(state) | {
            "state": state.state(vault.clock()),
            "token": token,
            "link": link_of(vault, token) if token else None,
            "events": visits,
        }
    if json:
        print_json(found)
        return
    out.print(f"{found['share']} {found['state'].replace('_', ' ')}  {clean(found['title'])}", markup=False)
    if token:
        out.print(found["link"] or token, soft_wrap=True, markup=False)
    table(None, ("time (UTC)", "event", "detail"), [(moment(v["at"]), v["type"], v["detail"]) for v in visits])


@share.command()
@anywhere
def revoke(context: typer.Context, ident: Share, json: Json = False) -> None:
    """End a link at once, for everybody."""
    with opened(context) as vault:
        state = sharing.look(vault, vault.settings.owner, ident)
        changed = sharing.revoke(vault, vault.settings.owner, state.id)
    if json:
        print_json({"share": state.id, "changed": changed})
        return
    out.print(f"share {state.id} opens nothing any more" if changed else "it was revoked before")


@share.command("open")
@anywhere
def open_command(
    context: typer.Context,
    token: Annotated[str, typer.Argument(help="The token, or the whole link.", metavar="TOKEN")],
    folder: Annotated[Path, typer.Option(help="A new folder for the page and its pictures.")],
    password: Annotated[
        bool, typer.Option("--password", help="Give the password; from a pipe, its first line.")
    ] = False,
    files: Annotated[bool, typer.Option("--files", help="Fetch all files in full size too.")] = False,
    json: Json = False,
) -> None:
    """Open a link as a visitor would, and write what they see. It counts as an opening."""
    secret = _password(again=False) if password else None
    with opened(context) as vault:
        try:
            seen = sharing.visit(
                vault, token.rstrip("/").rpartition("/")[2], vault.settings.serving, password=secret, asked=True
            )
            with progress_bar("open", len(seen.items)) as bar:
                written = write_folder(vault, seen, folder, bar.advance, files=files)
        except ShareClosed as closed:
            if closed.reason == "password_needed":
                raise ShareClosed(closed.reason, f"{closed} Say --password.") from closed
            raise
        page = folder.absolute() / "index.html"
        bytes_ = sum(path.stat().st_size for path in folder.iterdir())
    if json:
        print_json({"share": seen.share.id, "items": len(seen.items), "files": written, "page": str(page)})
        return
    out.print(f"{number(len(seen.items), 'item')}, {number(written, 'file')}, {size(bytes_)}: {page.as_uri()}")


def link_of(vault: OwnedVault, token: str) -> str | None:
    """Where a visitor goes; None without a server."""
    base = vault.sender.public_url
    return f"{base}/s/{token}" if base else None


def _meant(
    vault: OwnedVault, assets: list[str], person: str | None, memory: str | None
) -> tuple[ShareKind, list[str], Any]:
    if person is not None:
        return "person", [], find_person(vault, person).id
    if memory is not None:
        return "memory", [], find_memory(vault, vault.settings.owner, memory)
    ids = [split_stream(find_asset(vault, each))[2] for each in assets]
    return ("asset" if len(ids) == 1 else "selection"), ids, None


def _time(lasts: str) -> timedelta | None:
    if lasts == "never":
        return None
    found = _LASTS.match(lasts)
    if not found or int(found[1]) == 0:
        raise InvalidInput(f"--lasts is {lasts!r}; it takes 12h, 30d, 8w, or never")
    return timedelta(hours=int(found[1]) * _HOURS[found[2]])


def _password(*, again: bool = True) -> str:
    """Never from an argument, which other programs of this machine could read."""
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    said: str = typer.prompt("Password", hide_input=True, confirmation_prompt=again, err=True)
    return said
