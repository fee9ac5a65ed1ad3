"""For whoever keeps the vault: cleanup, scrub, backup and restore, and the doctor."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from domain.upkeep import Finding, worst
from photovault.auditing import describe, size
from photovault.cli.app import Json, Limit, open_vault
from photovault.cli.output import coloured, exit_unless, moment, number, out, print_json, progress_bar, table
from photovault.runtime import catch_up
from photovault.upkeep.backup import drill, restore, save
from photovault.upkeep.cleaning import clean
from photovault.upkeep.doctor import examine
from photovault.upkeep.log import recent
from photovault.upkeep.scrub import DAILY_BYTES, DAILY_FILES, scrub

Folder = Annotated[Path, typer.Argument(help="The backup's folder, on another disk.", metavar="FOLDER")]
_WORDS = {"ok": "done", "warning": "failed", "failure": "given_up"}


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command("cleanup")(cleanup_command)
    app.command("scrub")(scrub_command)
    app.command("restore")(restore_command)
    app.command()(doctor)
    app.command("upkeep")(upkeep_command)
    backup = typer.Typer(no_args_is_help=True, help="A copy of history, files and keys in a folder, and its proof.")
    backup.command("save")(backup_save)
    backup.command("drill")(backup_drill)
    app.add_typer(backup, name="backup")


def cleanup_command(
    context: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be deleted, and delete nothing.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Look for orphans in the whole store, not in the part whose turn it is.")
    ] = False,
    json: Json = False,
) -> None:
    """Delete what nobody needs: the trash after 30 days, orphaned files, half-written ones, old generations of views.

    No original is deleted but by its owner's trash.
    """
    with open_vault(context) as vault:
        catch_up(vault)
        with progress_bar("cleanup") as bar:
            plan, done = clean(
                vault, vault.owners(), dry=dry_run, everything=everything, on_step=lambda _: bar.advance()
            )
        catch_up(vault)
    if json:
        print_json(
            {
                "dry_run": dry_run,
                "trash": [stream.rpartition("#")[2] for stream in plan.trash],
                "unfinished": [stream.rpartition("#")[2] for stream in plan.unfinished],
                "orphans": [{"blob": key, "size_bytes": length} for key, length in plan.orphans],
                "released": plan.released,
                "uploads": plan.uploads,
                "generations": [{"projection": name, "generation": number} for name, number in plan.generations],
                "shares": [share for _, share in plan.shares],
                "unreadable": plan.unreadable,
                "freed_bytes": done.freed_bytes,
            }
        )
        return
    rows = [
        ("trash, after 30 days", len(plan.trash)),
        ("erasures that were begun", len(plan.unfinished)),
        ("orphaned files", len(plan.orphans) + len(plan.released)),
        ("half-written files", plan.uploads),
        ("old generations of views", len(plan.generations)),
        ("links whose time is over", len(plan.shares)),
    ]
    table(None, ("what", ">number"), rows)
    verb = "would be freed; nothing was deleted (--dry-run)" if dry_run else "freed"
    out.print(f"{size(done.freed_bytes)} {verb}")
    if plan.unreadable:
        out.print(
            f"[yellow]{number(len(plan.unreadable), 'stream')} can't be read, so nothing was called an orphan: "
            "photovault parked, photovault audit --verify[/yellow]"
        )


def scrub_command(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Read every file, not a day's share.")] = False,
    json: Json = False,
) -> None:
    """Read stored files back, and compare them with their recorded SHA-256. A day's share; exit 1 when one differs."""
    with open_vault(context) as vault, progress_bar("scrub") as bar:
        done = scrub(
            vault,
            most_bytes=None if everything else DAILY_BYTES,
            most_files=None if everything else DAILY_FILES,
            on_file=bar.advance,
        )
    faults = [{"asset": f.stream.rpartition("#")[2], "blob": f.blob, "what": f.what} for f in done.faults]
    if json:
        print_json(
            {
                "assets": done.assets,
                "files": done.files,
                "size_bytes": done.size_bytes,
                "through": done.through,
                "faults": faults,
            }
        )
    else:
        for fault in faults:
            out.print(coloured("given_up"), f"asset {fault['asset']}: {fault['blob']} {fault['what']}", markup=False)
        verdict = f"{number(len(faults), 'fault')}" if faults else "all as recorded"
        through = "; every asset has had its turn" if done.through else ""
        out.print(
            f"{number(done.files, 'file')} of {number(done.assets, 'asset')} read, {size(done.size_bytes)}: "
            f"{verdict}{through}"
        )
    exit_unless(not faults)


def backup_save(context: typer.Context, folder: Folder, json: Json = False) -> None:
    """Copy what is new: history, files, keys. What was erased since the last run is forgotten in the copy as well."""
    with open_vault(context) as vault, progress_bar("backup", vault.commits.last_position()) as bar:
        done = save(vault, folder, bar.advance)
    if json:
        print_json(
            {
                "commits": done.commits,
                "files": done.files,
                "size_bytes": done.size_bytes,
                "forgotten": done.forgotten,
                "missing": done.missing,
            }
        )
    else:
        out.print(
            f"{number(done.commits, 'commit')} and {number(done.files, 'file')} of {size(done.size_bytes)} copied to "
            f"{folder}" + (f"; {number(done.forgotten, 'file')} forgotten" if done.forgotten else "")
        )
        for key in done.missing[:20]:
            out.print(coloured("given_up"), f"blob {key} is missing from the vault", markup=False)
    exit_unless(not done.missing)


def backup_drill(
    context: typer.Context,
    folder: Folder,
    sample: Annotated[int, typer.Option(min=1, help="How many assets to restore and prove.")] = 20,
    everything: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    json: Json = False,
) -> None:
    """Restore a sample of the backup beside the vault, and prove it by its hashes. Exit 1 when something is amiss."""
    with open_vault(context) as vault, progress_bar("drill") as bar:
        done = drill(vault, folder, None if everything else sample, bar.advance)
    if json:
        print_json({"assets": done.assets, "files": done.files, "size_bytes": done.size_bytes, "faults": done.faults})
    else:
        for fault in done.faults:
            out.print(coloured("given_up"), fault, markup=False)
        verdict = number(len(done.faults), "fault") if done.faults else "proved by hash"
        out.print(
            f"{number(done.assets, 'asset')} with {number(done.files, 'file')} restored, {size(done.size_bytes)}: "
            f"{verdict}"
        )
    exit_unless(not done.faults)


def restore_command(context: typer.Context, folder: Folder, json: Json = False) -> None:
    """Bring a backup back into an empty vault (`--home`), or what is missing into this one; proved by its hashes."""
    with open_vault(context, create=True) as vault:
        with progress_bar("restore") as bar:
            done = restore(vault, folder, bar.advance)
        catch_up(vault)
    if json:
        print_json({"commits": done.commits, "files": done.files, "size_bytes": done.size_bytes})
        return
    out.print(f"{number(done.commits, 'commit')} and {number(done.files, 'file')} restored, {size(done.size_bytes)}")
    out.print("Next: [bold]photovault verify[/bold], then [bold]photovault work[/bold]")


def doctor(context: typer.Context, json: Json = False) -> None:
    """What is wrong, or soon will be, and what to do about it. Exit 1 when something must be done."""
    with open_vault(context) as vault:
        catch_up(vault)
        findings = examine(vault)
    level = worst(findings)
    if json:
        print_json({"level": level, "findings": [_plain(each) for each in findings]})
    else:
        rows = []
        for each in findings:
            word = coloured(_WORDS[each.level])
            word.plain = each.level
            rows.append((each.check, word, each.what, each.do))
        table(None, ("check", "level", "what", "what to do"), rows)
    exit_unless(level != "failure")


def upkeep_command(context: typer.Context, limit: Limit = 50, json: Json = False) -> None:
    """What cleanups, scrubs, backups and drills did in the last year, the newest first."""
    with open_vault(context) as vault:
        shown = [each for each, _ in zip(recent(vault), range(limit), strict=False)]
    items: list[dict[str, Any]] = [
        {"at": each.occurred_at, "type": type(each.event).__name__, "detail": describe(each.event)} for each in shown
    ]
    if json:
        print_json({"items": items, "cursor": None})
        return
    table(None, ("time (UTC)", "event", "detail"), [(moment(i["at"]), i["type"], i["detail"]) for i in items])
    if not items:
        out.print("nothing yet")


def _plain(finding: Finding) -> dict[str, Any]:
    return {name: getattr(finding, name) for name in finding.__struct_fields__}
