"""The application, its global options, and how a command opens the vault."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from photovault.config import Settings
from photovault.vault import Vault

app = typer.Typer(
    name="photovault",
    help=(
        "An event-sourced vault for photos and videos: every upload and every processing step is an event that is "
        "never changed; thumbnails, timelines and statistics are folded from the events and can be rebuilt.\n\n"
        "First steps:  photovault ingest ~/Pictures  then  photovault work  then  photovault status"
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document with stable field names.")]
Limit = Annotated[int, typer.Option("--limit", "-n", min=1, max=10_000, help="At most so many entries.")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Go on behind an earlier page: the cursor it gave.")]


@app.callback()
def settings(
    context: typer.Context,
    home: Annotated[
        Path | None,
        typer.Option(help="The vault's folder.", envvar="PHOTOVAULT_HOME", show_default="~/.photovault"),
    ] = None,
    owner: Annotated[
        str | None, typer.Option(help="Whose photos are meant.", envvar="PHOTOVAULT_OWNER", show_default="me")
    ] = None,
) -> None:
    """Read the options that all commands share."""
    context.obj = Settings.of(home=home, owner=owner)


def open_vault(context: typer.Context, *, create: bool = False) -> Vault:
    """The vault that the command line means."""
    chosen = context.find_root().obj
    assert isinstance(chosen, Settings)
    return Vault(chosen, create=create)
