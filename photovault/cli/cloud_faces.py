"""For the owner of photos in a deployment on AWS: whether faces are looked for there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from domain.errors import InvalidInput
from photovault import people as told
from photovault.cli.app import Json
from photovault.cli.cloud import Stage, cloud, open_stack
from photovault.cli.output import number, out, print_json
from photovault.config import Settings
from photovault.reprocessing import Selection, reprocess

if TYPE_CHECKING:
    from photovault.aws.cloud import Cloud
    from photovault.vault import Vault

faces = typer.Typer(help="Face recognition on AWS: off until you agree, and forgotten again.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add this module's commands, below `cloud`."""
    cloud.add_typer(faces, name="faces")


@faces.command()
def agree(context: typer.Context, stage: Stage = "dev", json: Json = False) -> None:
    """Agree that faces are found and told apart, in the pictures that are there and those to come."""
    with open_stack(stage) as stack:
        vault = _owned(stack.cloud, context)
        owner = vault.settings.owner
        stack.cloud.register()
        vault.people.agree(owner, f"person:{owner}")
        asked = reprocess(vault, "faces", Selection(everything=True), "the owner agreed to face recognition")
    if json:
        print_json({"owner": owner, "faces": "on", "asked": len(asked)})
        return
    out.print(f"face recognition is on for {owner}; {number(len(asked), 'picture')} will be looked at")


@faces.command()
def forget(
    context: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask: what is forgotten is gone for good.")] = False,
    stage: Stage = "dev",
    json: Json = False,
) -> None:
    """Take the agreement back: the key is destroyed, and no face can be told from another any more."""
    if not yes:
        raise InvalidInput("what is forgotten is gone for good, names of people too: say --yes")
    with open_stack(stage) as stack:
        done = told.forget(_owned(stack.cloud, context)) or {"pictures": 0, "people": 0}
    if json:
        print_json({"faces": "off"} | done)
        return
    out.print(f"face recognition is off; forgotten: {done['people']} people in {number(done['pictures'], 'picture')}")


class _Owned:
    """A deployment as what people say of people takes a vault: one owner's."""

    def __init__(self, cloud: Cloud, settings: Settings) -> None:
        self._cloud = cloud
        self.settings = settings

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cloud, name)


def _owned(cloud: Cloud, context: typer.Context) -> Vault:
    chosen = context.find_root().obj
    assert isinstance(chosen, Settings)
    return cast("Vault", _Owned(cloud, chosen))
