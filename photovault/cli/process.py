"""For whoever brings photos in: ingest, work, status, reprocess, and the demo that shows them all."""

from __future__ import annotations

import shutil
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Annotated, Any

import typer

from domain.commits import from_us, split_stream
from domain.pipeline import STEPS
from photovault.cli.app import Json, open_vault
from photovault.cli.output import coloured, err, moment, number, out, print_json, progress_bar, table
from photovault.cli.place import anywhere, opened, say_next, threads
from photovault.finding import find_asset
from photovault.importer import Report, find_files, import_files
from photovault.page import write_page
from photovault.reprocessing import Selection, dead_letters, redrive, redrive_parked, reprocess
from photovault.runtime import Runtime, Tick, catch_up
from photovault.statistics import status_of
from photovault.unstacking import unstack
from photovault.vault import Vault
from projections.serving import served

Paths = Annotated[list[Path], typer.Argument(help="Files and folders.", metavar="PATH")]


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(ingest)
    app.command()(work)
    app.command()(status)
    app.command("reprocess")(anywhere(reprocess_command))
    app.command("unstack")(anywhere(unstack_command))
    app.command("dead-letters")(dead_letters_command)
    app.command("parked")(parked_command)
    app.command(hidden=True)(demo)


def ingest(
    context: typer.Context,
    paths: Paths,
    process: Annotated[bool, typer.Option("--work", help="Process them at once, as `work` does.")] = False,
    json: Json = False,
) -> None:
    """Take files and folders into the vault. Files that are known already are left alone.

    Originals are copied, never moved or changed. Run `photovault work` to process them.
    """
    with open_vault(context, create=True) as vault:
        report = _ingest(vault, paths)
        if process:
            _work(vault, watch=False)
        if json:
            fields = ("found", "added", "known", "refused", "sidecars", "refusals", "in_trash")
            print_json({name: getattr(report, name) for name in fields})
            return
        _print_report(report)
        if report.added and not process:
            out.print("Next: [bold]photovault work[/bold]")


def work(
    context: typer.Context,
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and process whatever is ingested.")] = False,
    json: Json = False,
) -> None:
    """Run the pipeline until every asset has reached an end; failed attempts are waited for and made again."""
    with open_vault(context) as vault:
        _work(vault, watch=watch)
        if json:
            print_json(status_of(vault))
        else:
            _print_status(status_of(vault))


def status(context: typer.Context, json: Json = False) -> None:
    """How many assets are in which state, and how far each step has come."""
    with open_vault(context) as vault:
        found = status_of(vault)
        if json:
            print_json(found)
        else:
            _print_status(found)


def reprocess_command(
    context: typer.Context,
    assets: Annotated[list[str] | None, typer.Argument(help="Ids, prefixes of ids, or paths.", metavar="ASSET")] = None,
    step: Annotated[str, typer.Option(help=f"The step to run again: {', '.join(STEPS)}.")] = "renditions",
    failed: Annotated[bool, typer.Option("--failed", help="All assets where the step failed or was given up.")] = False,
    older_than: Annotated[
        int | None, typer.Option(help="All assets where the step was last done by an older version than this.")
    ] = None,
    skipped: Annotated[bool, typer.Option("--skipped", help="All assets where the step was skipped.")] = False,
    where: Annotated[
        str | None,
        typer.Option(
            help="All assets whose result is of such a model: 'model < 2', 'nanodet < 2'.", metavar="CONDITION"
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All assets that have come as far as the step.")] = False,
    reason: Annotated[str, typer.Option(help="Why; it is kept in the history.")] = "asked for on the command line",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be asked for, and ask for nothing.")
    ] = False,
    json: Json = False,
) -> None:
    """Ask for a step to run again. What it finds is appended to the history; nothing recorded before is changed."""
    with opened(context) as vault, progress_bar("asked") as bar:
        selection = Selection(tuple(assets or ()), failed, older_than, skipped, where, everything)
        pool = threads(context)
        asked = reprocess(vault, step, selection, reason, dry=dry_run, threads=pool, on_asset=bar.advance)
        if json:
            print_json({"step": step, "assets": asked, "dry_run": dry_run})
            return
        would = "would run" if dry_run else "is to run"
        out.print(f"{step} {would} again for {number(len(asked), 'asset')}.")
        if asked and not dry_run:
            out.print(say_next(context))


def unstack_command(
    context: typer.Context,
    asset: Annotated[str, typer.Argument(help="Id, the beginning of an id, or the file's path.", metavar="ASSET")],
    reason: Annotated[str, typer.Option(help="Why; it is kept in the history.")] = "asked for on the command line",
    json: Json = False,
) -> None:
    """Take a live photo, a RAW+JPEG pair or a burst apart, for good: each of its files is shown by itself."""
    with opened(context) as vault:
        changed = unstack(vault, find_asset(vault, asset), reason)
        if json:
            print_json({"assets": changed})
        else:
            out.print(f"{number(len(changed), 'asset')} shown by themselves again.")


def dead_letters_command(
    context: typer.Context,
    again: Annotated[bool, typer.Option("--redrive", help="Ask for all of them again, and empty the list.")] = False,
    json: Json = False,
) -> None:
    """Steps that were given up after their last attempt, and why; try them again when the cause is gone."""
    with open_vault(context) as vault:
        letters = dead_letters(vault)
        redriven = redrive(vault, vault.settings.owner) if again else 0
        if again:
            catch_up(vault)
        items = [
            {
                "asset": split_stream(letter.message.stream)[2],
                "step": letter.message.step,
                "reason": letter.reason,
                "buried_at": from_us(letter.buried_us),
            }
            for letter in letters
        ]
        if json:
            print_json({"items": items, "cursor": None, "redriven": redriven})
            return
        rows = [(str(i["asset"])[:8], i["step"], i["reason"], str(i["buried_at"])[:19]) for i in items]
        table(None, ("asset", "step", "why", "since (UTC)"), rows)
        if again and letters:
            out.print(f"{number(redriven, 'step')} to run again. Next: [bold]photovault work[/bold]")
        elif not letters:
            out.print("there are none")


def parked_command(
    context: typer.Context,
    again: Annotated[
        bool, typer.Option("--redrive", help="Read them again, from the history; what can be read waits no longer.")
    ] = False,
    json: Json = False,
) -> None:
    """Streams that a view or the pipeline could not take in, and why; try them again when the cause is gone."""
    with open_vault(context) as vault:
        catch_up(vault)
        before = {(p.consumer, p.stream) for p in vault.parking.list()}
        sent = redrive_parked(vault) if again else 0
        waiting = vault.parking.list()
        redriven = len(before - {(p.consumer, p.stream) for p in waiting})
        items = [
            {
                "consumer": p.consumer,
                "stream": p.stream,
                "commit": p.commit,
                "error": p.error,
                "attempts": p.attempts,
                "since": from_us(p.parked_us),
            }
            for p in waiting
        ]
        if json:
            print_json({"items": items, "cursor": None, "redriven": redriven})
            return
        rows = [(p.consumer, p.stream, p.commit, p.error, p.attempts, moment(from_us(p.parked_us))) for p in waiting]
        if rows:
            table(None, ("consumer", "stream", ">commit", "error", ">tries", "since (UTC)"), rows)
        if again and before:
            out.print(f"{redriven} of {len(before)} no longer parked" + (", still parked: see above" if rows else ""))
            if sent:
                out.print("Next: [bold]photovault work[/bold]")
        elif not rows:
            out.print("there are none")


def demo(
    context: typer.Context,
    photos: Annotated[Path | None, typer.Argument(help="A folder of photos; a generated one if none.")] = None,
) -> None:
    """Ingest a folder, process it, and say what came out and what to try next."""
    with open_vault(context, create=True) as vault:
        if photos is None:
            from photovault.sample import write_sample_library

            photos = vault.settings.home / "sample-photos"
            write_sample_library(photos)
        _print_report(_ingest(vault, [photos]))
        _work(vault, watch=False)
        found = status_of(vault)
        _print_status(found)
        _print_tour(vault)


def _ingest(vault: Vault, paths: list[Path]) -> Report:
    files = list(find_files(paths))
    with progress_bar("ingest", len(files)) as bar:
        report = import_files(vault, files, bar.advance)
    catch_up(vault)
    return report


def _work(vault: Vault, *, watch: bool) -> None:
    runtime = Runtime(vault)

    def on_signal(number: int, frame: FrameType | None) -> None:
        runtime.stop()

    before = {number: signal.signal(number, on_signal) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        with progress_bar("work  ") as bar:

            def on_tick(tick: Tick) -> None:
                bar.update(tick.ended, tick.ended + tick.waiting + tick.delayed + tick.in_flight)

            if watch:
                err.print("working; press Ctrl-C to stop")
            runtime.run(watch=watch, on_tick=on_tick)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _print_report(report: Report) -> None:
    out.print(
        f"{number(report.found, 'file')} found: [green]{report.added} added[/green], {report.known} known, "
        f"{report.refused} refused" + (f", {number(report.sidecars, 'sidecar')}" if report.sidecars else "")
    )
    if report.refusals:
        table("Refused", ("file", "why"), [(r.path, r.reason) for r in report.refusals[:20]])
        if len(report.refusals) > 20:
            out.print(f"... and {len(report.refusals) - 20} more")
    if report.in_trash:
        what = "is in the trash, and stays" if len(report.in_trash) == 1 else "are in the trash, and stay"
        out.print(
            f"{number(len(report.in_trash), 'known file')} {what} there: "
            f"`photovault trash restore {report.in_trash[0][:8]}`"
        )


def _print_status(found: dict[str, Any]) -> None:
    assets = found["assets"]
    table(
        None,
        (">assets", ">done", ">processing", ">quarantined", ">given up"),
        [[assets[name] for name in ("total", "done", "processing", "quarantined", "given_up")]],
    )
    out.print()
    names = ("done", "skipped", "failed", "given_up", "waiting")
    table(
        None,
        ("step", *(f">{name.replace('_', ' ')}" for name in names)),
        [(step, *(counts[name] for name in names)) for step, counts in found["steps"].items()],
    )
    out.print()
    table(
        None,
        ("projection", ">generation", ">lag"),
        [(name, view["generation"], view["lag"]) for name, view in found["projections"].items()],
    )
    out.print(f"\n{number(found['events'], 'event')} in {number(found['streams'], 'stream')}")
    for parked in found["parked"]:
        out.print(coloured("failed"), f"{parked['consumer']} waits for {parked['stream']}: {parked['error']}")
    if found["parked"]:
        out.print("When the cause is gone: [bold]photovault parked --redrive[/bold]")


def _print_tour(vault: Vault) -> None:
    """Where the pictures are, and three commands to try next."""
    projection, view = vault.generations.active("gallery")
    rows = vault.views.query(view, vault.settings.owner, index="timeline", limit=500, descending=True).rows
    items = [served(projection, row, vault.locate, vault.settings.serving) for row in rows]
    page = vault.settings.home / "gallery.html"
    shown = write_page(items, page)
    command = _called_as(vault)
    out.print(f"\nThumbnails are in [bold]{vault.settings.home / 'blobs'}[/bold];")
    out.print(f"a page with {shown} of them: [bold]{page.as_uri()}[/bold]")
    out.print("\nTry next:")
    asset = next((item["asset"][:8] for item in items if item["renditions"]), "ASSET")
    out.print(f"  {command} audit {asset}  [dim]# the life of one photo[/dim]")
    out.print(f"  {command} query gallery   [dim]# the timeline[/dim]")
    out.print(f"  {command} replay          [dim]# rebuild every view from the events, and prove it right[/dim]")


def _called_as(vault: Vault) -> str:
    """How to call the command line again from here: with the path that it was called by, and the vault if need be."""
    program = sys.argv[0] if Path(sys.argv[0]).name == "photovault" else "photovault"
    if shutil.which("photovault") == str(Path(program).absolute()):
        program = "photovault"
    home, here = vault.settings.home, Path.cwd()
    if home == Path("~/.photovault").expanduser():
        return program
    return f"{program} --home {home.relative_to(here) if home.is_relative_to(here) else home}"
