"""For the engineer: replay, verify, and the generations of the projections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from domain.commits import from_us, to_us
from domain.errors import InvalidInput
from photovault.cli.app import Json, open_vault, refuse_others
from photovault.cli.cloud import check_place, replay_on_aws
from photovault.cli.output import coloured, err, exit_unless, moment, number, out, print_json, progress_bar, table
from photovault.finding import find_asset
from photovault.moments import parse_moment
from photovault.rebuilding import Result, rebuild, resume, verify_active
from photovault.runtime import catch_up
from photovault.scopes import streams_in
from photovault.vault import Vault
from projections.repair import repair
from projections.verify import Verdict

Names = Annotated[
    list[str] | None, typer.Option("--projection", "-p", help="Only this projection; may be given several times.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(replay)
    app.command()(verify)
    app.command()(projections)


def replay(
    context: typer.Context,
    projection: Names = None,
    asset: Annotated[str | None, typer.Option(help="Only this asset, mended in place: id, prefix or path.")] = None,
    only_owner: Annotated[str | None, typer.Option(help="Only this owner's rows, mended in place.")] = None,
    since: Annotated[str | None, typer.Option(help="Only streams with events recorded from this time on.")] = None,
    until: Annotated[str | None, typer.Option(help="Only streams with events recorded before this time.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Fold everything, write nothing.")] = False,
    no_switch: Annotated[
        bool, typer.Option("--no-switch", help="Leave the new generation ready; `projections --switch` goes over.")
    ] = False,
    rate: Annotated[float | None, typer.Option(min=1, help="At most so many events a second, in each process.")] = None,
    continue_run: Annotated[
        str | None, typer.Option("--resume", help="Go on with a run that was stopped.", metavar="RUN")
    ] = None,
    list_runs: Annotated[bool, typer.Option("--list", help="List the runs that are not finished.")] = False,
    on: Annotated[str, typer.Option(help="Where: local, or aws (a deployment's state machine).")] = "local",
    stage: Annotated[str, typer.Option(help="aws: the deployment's stage.", envvar="PHOTOVAULT_STAGE")] = "dev",
    export: Annotated[str | None, typer.Option(help="aws: read this DynamoDB export in S3, not the table.")] = None,
    stop: Annotated[str | None, typer.Option(help="aws: stop this execution; its run can be resumed.")] = None,
    json: Json = False,
) -> None:
    """Rebuild views from the events: beside the old ones, verified against the history, then switched to at once.

    Nothing is processed again: what a step or a model said is in its event. With --asset, --only-owner, --since or
    --until, rows of the active views are mended in place instead.
    """
    if check_place(on):
        if asset or only_owner or since or until:
            raise InvalidInput(
                "--asset, --only-owner, --since and --until mend a local vault; on aws views are rebuilt"
            )
        if list_runs:
            raise InvalidInput("--list is for a local vault; the state machine lists its own executions")
        replay_on_aws(
            stage,
            tuple(projection or ()),
            dry=dry_run,
            switch=not no_switch,
            rate=rate,
            export=export,
            resume=continue_run,
            stop=stop,
            json=json,
        )
        return
    if export or stop:
        raise InvalidInput("--export and --stop go with --on aws")
    mend = bool(asset or only_owner or since or until)
    if list_runs:
        refuse_others(context, "replay --list", "list_runs", "on")
    elif continue_run:
        refuse_others(context, "replay --resume", "continue_run", "no_switch", "on")
    elif mend:
        scope = ("asset", "only_owner", "since", "until")
        refuse_others(context, "replay of a part, mended in place", *scope, "projection", "dry_run", "on")
    with open_vault(context) as vault:
        if list_runs:
            _list_runs(vault, json=json)
            return
        names = _names(vault, projection)
        catch_up(vault)
        if mend:
            _mend(vault, names, asset, only_owner, since, until, dry=dry_run, json=json)
            return
        with progress_bar("replay") as bar:
            if continue_run:
                result = resume(
                    vault, continue_run, switch=not no_switch, on_progress=lambda p, total: bar.update(p.events, total)
                )
            else:
                result = rebuild(
                    vault,
                    names,
                    dry=dry_run,
                    switch=not no_switch,
                    events_per_second=rate,
                    on_progress=lambda progress, total: bar.update(progress.events, total),
                )
        _show_result(result, json=json, dry=dry_run)
        exit_unless(result.equal)


def _list_runs(vault: Vault, *, json: bool) -> None:
    items: list[dict[str, Any]] = []
    for run in vault.replay.runs():
        progress = vault.replay.progress(run)
        items.append(
            {
                "run": run.id,
                "started_at": from_us(run.started_us),
                "projections": [target.projection for target in run.targets],
                "events": progress.events,
                "streams": progress.streams,
                "stopped": run.stopped,
                "dry_run": run.dry,
            }
        )
    if json:
        print_json({"items": items, "cursor": None})
        return
    rows = [
        (
            item["run"],
            moment(item["started_at"]),
            ", ".join(item["projections"]),
            item["events"],
            "stopped" if item["stopped"] else "under way, or killed",
        )
        for item in items
    ]
    if rows:
        table(None, ("run", "started (UTC)", "projections", ">events done", "state"), rows)
        out.print("`photovault replay --resume RUN` goes on with one that does not run", markup=False)
    else:
        out.print("there are none")


def _mend(
    vault: Vault,
    names: list[str],
    asset: str | None,
    owner: str | None,
    since: str | None,
    until: str | None,
    *,
    dry: bool,
    json: bool,
) -> None:
    targets = [vault.generations.active(name) for name in names]
    streams = streams_in(
        vault,
        stream=find_asset(vault, asset) if asset else None,
        owner=owner,
        since_us=to_us(parse_moment(since)) if since else None,
        until_us=to_us(parse_moment(until)) if until else None,
    )
    done = repair(targets, streams, vault.store, vault.views, dry=dry)
    if json:
        print_json({"events": done.events, "streams": done.streams, "rows": done.rows, "damaged": done.damaged})
    else:
        verb = "would be mended" if dry else "mended"
        out.print(
            f"{number(done.events, 'event')} in {number(done.streams, 'stream')} folded, "
            f"{number(done.rows, 'row')} {verb}"
        )


def _show_result(result: Result, *, json: bool, dry: bool) -> None:
    if json:
        print_json(
            {
                "events": result.events,
                "streams": result.streams,
                "rows": result.rows,
                "seconds": round(result.seconds, 3),
                "switched": result.switched,
                "damaged": [{"stream": stream, "error": error} for stream, error in result.damaged],
                "projections": _verdicts(result.verdicts),
            }
        )
        return
    speed = result.events / result.seconds if result.seconds else 0
    into = "" if dry else f" into {number(result.rows, 'row')}"
    out.print(
        f"{number(result.events, 'event')} in {number(result.streams, 'stream')} folded{into} "
        f"in {result.seconds:.2f} s ({speed:,.0f} events a second)"
    )
    if dry:
        out.print("nothing was written (--dry-run)")
    else:
        _show_verdicts(result.verdicts)
        out.print("switched: readers see the new rows" if result.switched else "not switched: readers see the old rows")
    for stream, error in result.damaged[:20]:
        err.print(f"left out: {stream}: {error}", markup=False)


def verify(context: typer.Context, projection: Names = None, json: Json = False) -> None:
    """Compare every row of the views with a fresh fold of the history. Exit 0 when all are equal, 1 when not."""
    with open_vault(context) as vault, progress_bar("verify") as bar:
        verdicts = verify_active(vault, _names(vault, projection))
        bar.update(1, 1)
    equal = all(verdict.equal for verdict in verdicts)
    if json:
        print_json(
            {
                "equal": equal,
                "projections": _verdicts(verdicts),
                "differences": [
                    {"projection": v.projection, "partition": d.partition, "key": d.key, "what": d.what}
                    for v in verdicts
                    for d in v.different[:1000]
                ],
            }
        )
    else:
        _show_verdicts(verdicts)
    exit_unless(equal)


def _verdicts(verdicts: Sequence[Verdict]) -> dict[str, dict[str, int]]:
    return {v.projection: {"rows": v.rows, "different": len(v.different)} for v in verdicts}


def _show_verdicts(verdicts: Sequence[Verdict]) -> None:
    rows = []
    for verdict in verdicts:
        word = coloured("done") if verdict.equal else coloured("given_up")
        word.plain = "equal" if verdict.equal else "DIFFERENT"
        rows.append((verdict.projection, verdict.generation, verdict.rows, len(verdict.different), word))
    table(None, ("projection", ">generation", ">rows", ">different", "verdict"), rows)
    listed = [(v.projection, d.partition, d.key, d.what) for v in verdicts for d in v.different]
    if listed:
        table("\nDifferent", ("projection", "owner", "row", "what"), listed[:50])
        out.print(
            "First `photovault audit --verify`: is the history whole? Then `photovault replay` rebuilds what differs."
        )


def projections(
    context: typer.Context,
    switch: Annotated[
        str | None, typer.Option(help="Let readers see this generation: NAME:NUMBER.", metavar="NAME:NUMBER")
    ] = None,
    json: Json = False,
) -> None:
    """List the projections and their generations; switch to a ready one, or back to the one before."""
    with open_vault(context) as vault:
        if switch is not None:
            name, _, number = switch.partition(":")
            if not number.isdigit():
                raise InvalidInput(f"{switch!r} does not name a generation; write gallery:2")
            vault.generations.projection(name)
            catch_up(vault)
            vault.generations.switch(name, int(number))
        items: list[dict[str, Any]] = [
            {
                "projection": name,
                "about": projection.about,
                "code_version": projection.version,
                "active": registered.active,
                "generations": [
                    {"number": g.number, "status": g.status, "code_version": g.version} for g in registered.generations
                ],
            }
            for name, projection in vault.generations.projections.items()
            for registered in (vault.generations.registered(name),)
        ]
        if json:
            print_json({"items": items, "cursor": None})
            return
        rows = [
            (item["projection"], g["number"], coloured(str(g["status"])), item["about"])
            for item in items
            for g in item["generations"]
        ]
        table(None, ("projection", ">generation", "status", "about"), rows)


def _names(vault: Vault, chosen: list[str] | None) -> list[str]:
    for name in chosen or ():
        vault.generations.projection(name)
    return list(dict.fromkeys(chosen or vault.generations.projections))
