"""For the owner: what becomes of sensitive pictures, by score or one by one. Nothing is ever deleted."""

from __future__ import annotations

from typing import Annotated, cast

import typer

from domain.errors import InvalidInput
from domain.moderation import Policy, Verdict
from photovault.cli.app import Json
from photovault.cli.output import out, print_json
from photovault.cli.place import anywhere, opened
from photovault.finding import find_asset
from photovault.moderating import rule, set_policy
from steps.moderation import policy_of

_VERDICTS = ("allow", "blur", "hold", "model")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    moderation = typer.Typer(no_args_is_help=True, help="Sensitive pictures: the owner's policy, and single rulings.")
    moderation.command("policy")(anywhere(policy_command))
    moderation.command("rule")(anywhere(rule_command))
    app.add_typer(moderation, name="moderation")


def policy_command(
    context: typer.Context,
    blur: Annotated[
        str | None, typer.Option(help="Blur from this score on (0 to 1), or never.", metavar="SCORE")
    ] = None,
    hold: Annotated[
        str | None, typer.Option(help="Do not show from this score on (0 to 1), or never.", metavar="SCORE")
    ] = None,
    json: Json = False,
) -> None:
    """Show the policy, or change it: it counts for what is looked at from then on."""
    with opened(context) as vault:
        now = policy_of(vault.store, vault.settings.owner)
        wanted = Policy(
            now.blur if blur is None else _score(blur, "--blur"), now.hold if hold is None else _score(hold, "--hold")
        )
        changed = set_policy(vault, wanted)
        if json:
            print_json({"blur": wanted.blur, "hold": wanted.hold, "changed": changed})
            return
        for name, least in (("blurred", wanted.blur), ("held", wanted.hold)):
            out.print(f"{name}: {'never' if least is None else f'from score {least:g}'}")
        if changed:
            out.print("For pictures that were judged before: [bold]photovault reprocess --step moderation --all[/bold]")


def rule_command(
    context: typer.Context,
    asset: Annotated[str, typer.Argument(help="Id, the beginning of an id, or the file's path.", metavar="ASSET")],
    verdict: Annotated[str, typer.Argument(help="allow, blur, hold, or model: as the model says.", metavar="VERDICT")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the history.")] = "asked for on the command line",
    json: Json = False,
) -> None:
    """Say what becomes of one picture, whatever models say of it now or later."""
    if verdict not in _VERDICTS:
        raise InvalidInput(f"{verdict!r} is not a verdict; there are: {', '.join(_VERDICTS)}")
    with opened(context) as vault:
        stream = find_asset(vault, asset)
        changed = rule(vault, stream, None if verdict == "model" else cast(Verdict, verdict), reason)
        if json:
            print_json({"asset": stream.rpartition("#")[2], "verdict": verdict, "changed": changed})
            return
        out.print(f"{verdict} holds for {stream.rpartition('#')[2]}" if changed else "it was so already")


def _score(text: str, option: str) -> float | None:
    if text == "never":
        return None
    try:
        score = float(text)
    except ValueError:
        score = -1.0
    if not 0 <= score <= 1:
        raise InvalidInput(f"{option} is {text!r}; it takes a number from 0 to 1, or never")
    return score
