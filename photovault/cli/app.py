"""The application, its global options, and how a command opens the vault."""

from __future__ import annotations

from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from domain.errors import InvalidInput
from photovault.config import DEFAULT_HOME, DEFAULT_OWNER, Settings
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


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"photovault {version('photovault')}")
        raise typer.Exit


@app.callback()
def settings(
    context: typer.Context,
    home: Annotated[Path, typer.Option(help="The vault's folder.", envvar="PHOTOVAULT_HOME")] = DEFAULT_HOME,
    owner: Annotated[str, typer.Option(help="Whose photos are meant.", envvar="PHOTOVAULT_OWNER")] = DEFAULT_OWNER,
    _: Annotated[bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)] = False,
) -> None:
    """Read the options that all commands share."""
    context.obj = Settings.of(home=home, owner=owner)


def refuse_others(context: typer.Context, what: str, *takes: str) -> None:
    """Refuse what was given on the command line and would be ignored.

    Args:
        what: the call that is made, for the message: "query library".
        takes: names of the parameters that it takes; `json` goes with all.
    Raises:
        InvalidInput: names the first option or argument that it does not take.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE" and parameter.name not in (*takes, "json"):
            name = parameter.opts[0] if parameter.param_type_name == "option" else str(parameter.metavar)
            raise InvalidInput(f"{name} has no meaning for `{what}`: leave it out")


def open_vault(context: typer.Context, *, create: bool = False) -> Vault:
    """The vault that the command line means."""
    chosen = context.find_root().obj
    assert isinstance(chosen, Settings)
    return Vault(chosen, create=create)
