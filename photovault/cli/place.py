"""Where a command works: on the vault of this machine, or with `--on aws` on a deployment, for the same owner.

A command that is marked with `anywhere` takes `--on` and `--stage`, and opens what they mean with `opened`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer

from domain.errors import InvalidInput
from photovault.cli.app import open_vault
from photovault.cli.cloud import Stage, check_place, open_stack
from photovault.config import Settings
from photovault.owned import UpkeptVault
from photovault.runtime import catch_up

__all__ = ["anywhere", "on_aws", "only_here", "opened", "say_next", "threads"]

On = Annotated[str, typer.Option("--on", help="local, or aws: the deployment (docs/deploy.md).")]
_CLOUD_THREADS = 16
_PLACE, _STAGE = "photovault.place", "photovault.stage"


def anywhere(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command `--on` and `--stage`."""

    @functools.wraps(command)
    def placed(context: typer.Context, *, place: str, stage: str, **options: Any) -> None:
        context.meta[_PLACE], context.meta[_STAGE] = place, stage
        command(context=context, **options)

    signature = inspect.signature(command, eval_str=True)
    options = [
        inspect.Parameter("place", inspect.Parameter.KEYWORD_ONLY, default="local", annotation=On),
        inspect.Parameter("stage", inspect.Parameter.KEYWORD_ONLY, default="dev", annotation=Stage),
    ]
    parameters = [*signature.parameters.values(), *options]
    placed.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    placed.__annotations__ = {each.name: each.annotation for each in parameters}
    return placed


def on_aws(context: typer.Context) -> bool:
    """Whether the command works on a deployment.

    Raises:
        InvalidInput: `--on` means nothing.
    """
    return check_place(context.meta.get(_PLACE, "local"))


def only_here(context: typer.Context, option: str, given: object) -> None:
    """Refuse an option that opens files of this machine's vault.

    Raises:
        InvalidInput: it was given, with `--on aws`.
    """
    if given is not None and on_aws(context):
        raise InvalidInput(f"{option} has no form for --on aws yet: with --json each picture has a link")


@contextmanager
def opened(context: typer.Context, *, first: bool = False) -> Iterator[UpkeptVault]:
    """The vault that is meant, of the owner that is meant. Here its views are brought up to date before and after; a
    deployment does that by itself, within a second or so.

    Args:
        first: it may be the first that is ever asked of a deployment, whose views are then begun.
    """
    if on_aws(context):
        chosen = context.find_root().obj
        assert isinstance(chosen, Settings)
        with open_stack(context.meta[_STAGE], chosen.owner) as stack:
            if first:
                stack.cloud.register()
            yield stack.cloud
        return
    with open_vault(context) as vault:
        catch_up(vault)
        try:
            yield vault
        finally:
            catch_up(vault)


def threads(context: typer.Context) -> int:
    """How many assets are written to at once: a deployment answers each in its own time, a disk writes one by one."""
    return _CLOUD_THREADS if on_aws(context) else 1


def say_next(context: typer.Context) -> str:
    """What is to be done now that work was asked for."""
    if on_aws(context):
        return f"It begins at once; how far it is: photovault cloud status --stage {context.meta[_STAGE]}"
    return "Next: [bold]photovault work[/bold]"
