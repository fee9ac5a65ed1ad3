"""For whoever looks at the events themselves: tail, show, export, import, seal; and the schemas."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from domain.commits import Recorded
from domain.errors import InvalidInput, NotFound, UnreadableEvent
from domain.eventstore import utc_now
from events_schema import generate
from events_schema.contract import FOLDER, read_folder
from photovault.auditing import describe
from photovault.cli.app import Cursor, Json, Limit, open_vault
from photovault.cli.cloud import open_stack
from photovault.cli.output import err, exit_unless, moment, number, out, print_json, progress_bar, table
from photovault.exporting import archived_lines, export_history, import_history, lines_in
from photovault.finding import find_asset
from photovault.keyfile import keys_beside, read_keys, write_keys
from photovault.runtime import catch_up
from photovault.sealing import last_seal_hash, seal, verify_history
from photovault.vault import Vault

events = typer.Typer(no_args_is_help=True, help="The history itself: tail, show, export, import, seal.")

_FOLLOW_SECONDS = 0.5
_FOREVER_US = 253_402_300_799_000_000  # the year 9999
AWS = "aws:"


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(events, name="events")
    app.command()(schema)


@events.command("tail")
def tail(
    context: typer.Context,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Go on as events are recorded.")] = False,
    limit: Limit = 20,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """The newest events, the latest last; with --cursor those after an earlier page.

    With --follow and --json each event is a line of JSON, printed as it comes.
    """
    with open_vault(context) as vault:
        position = _position(cursor) if cursor else max(0, vault.commits.last_position() - limit)
        page = vault.commits.tail(str(position), limit)
        shown = [recorded for commit in page.commits for recorded in _events_of(vault, commit)]
        if json and not follow:
            print_json({"items": [_item(each) for each in shown], "cursor": page.checkpoint})
            return
        if json:
            _print_lines(shown)
        else:
            _table(shown)
        while follow:
            page = vault.commits.tail(page.checkpoint, 500)
            news = [recorded for commit in page.commits for recorded in _events_of(vault, commit)]
            if json:
                _print_lines(news)
            else:
                for each in news:
                    out.print(*_cells(each), markup=False)
            time.sleep(_FOLLOW_SECONDS)


@events.command("show")
def show(
    context: typer.Context,
    what: Annotated[
        str, typer.Argument(help="An event's id, a stream's name, or an asset (id, prefix, path).", metavar="WHAT")
    ],
    json: Json = False,
) -> None:
    """One event, or all of a stream, whole."""
    with open_vault(context) as vault:
        stream = what if "#" in what else _stream_of_event(vault, what) or find_asset(vault, what)
        found = list(vault.store.load(stream).events)
        exact = [each for each in found if each.event_id == what]
        found = exact or found
        if not found:
            raise NotFound(f"there is no stream {stream}")
        print_json({"items": [_item(each) for each in found], "cursor": None}) if json else _details(found)


@events.command("export")
def export(
    context: typer.Context,
    to: Annotated[Path, typer.Argument(help="A new file; gzip if its name ends in .gz.", metavar="FILE")],
    json: Json = False,
) -> None:
    """Write the whole history to a file, one commit a line, hashes included. Blobs are not in it."""
    with open_vault(context) as vault:
        with progress_bar("export", vault.commits.last_position()) as bar:
            written = export_history(vault.store, vault.blobs, to, bar.advance)
        write_keys(vault.keys, keys_beside(to))
        if json:
            print_json({"commits": written, "file": str(to), "keys": str(keys_beside(to))})
            return
        out.print(f"{number(written, 'commit')} in {to}")
        out.print(f"Without {keys_beside(to)} nobody can read what is personal in it; keep the two apart.")


@events.command("import")
def import_(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            help="A file that `events export` wrote, a folder with a copy of the archive, or aws:STAGE for the archive "
            "of a deployment itself.",
            metavar="SOURCE",
        ),
    ],
    into: Annotated[
        str | None, typer.Option(help="aws:STAGE: into a deployment's event table; else into this machine's vault.")
    ] = None,
    json: Json = False,
) -> None:
    """Take an exported or archived history in, prove it by its hashes, and bring the views up to date.

    This restores the history: a lost table, or a copy in another place. Originals and pictures are blobs, and are
    copied by other means (docs/operations.md).
    """
    with ExitStack() as opened:
        if source.startswith(AWS):
            stack = opened.enter_context(open_stack(source.removeprefix(AWS)))
            lines = archived_lines(stack.cloud.store, stack.cloud.blobs, stack.cloud.archive.read(0, _FOREVER_US))
            keys = stack.cloud.keys.everything()
        else:
            if not Path(source).exists():
                raise InvalidInput(f"there is no file or folder {source}")
            lines = lines_in(Path(source))
            beside = keys_beside(Path(source))
            keys = read_keys(beside) if beside.exists() else iter(())
        if into is not None and not into.startswith(AWS):
            raise InvalidInput(f"--into takes aws:STAGE, not {into!r}")
        here = None if into else opened.enter_context(open_vault(context, create=True))
        vault = here or opened.enter_context(open_stack(str(into).removeprefix(AWS))).cloud
        vault.keys.take(keys)
        with progress_bar("import") as bar:
            done = import_history(vault.store, vault.blobs, lines, bar.advance)
        commits = (c for segment in vault.commits.segments(1) for c in vault.commits.segment(segment))
        audit = verify_history(vault.store, vault.blobs, commits)
        if here is not None:
            catch_up(here)  # on AWS, the table's stream tells the projector
        if json:
            print_json({"commits": done.commits, "added": done.added, "known": done.known, "intact": audit.intact})
        else:
            out.print(f"{number(done.commits, 'commit')} read: {done.added:,} added, {done.known:,} known")
            for fault in audit.faults:
                err.print(str(fault), markup=False)
        exit_unless(audit.intact)


@events.command("seal")
def seal_now(context: typer.Context, json: Json = False) -> None:
    """Seal the heads of all streams that changed under a Merkle root. `work` does it once a day.

    Prints the hash of the newest seal, for `audit --verify --against`.
    """
    with open_vault(context) as vault:
        sealed = seal(vault.store, vault.blobs, utc_now())
        found = last_seal_hash(vault.store)
        if json:
            root, streams = (sealed.root, sealed.streams) if sealed else (None, 0)
            print_json({"root": root, "streams": streams, "hash": found})
            return
        what = f"{number(sealed.streams, 'stream')} sealed" if sealed else "nothing has changed since the last seal"
        out.print(f"{what}. Note this hash elsewhere, it covers all seals so far:" if found else what)
        if found:
            out.print(found)


def schema(
    event: Annotated[str | None, typer.Argument(help="An event type, as in AssetUploaded.")] = None,
    version: Annotated[int | None, typer.Option(help="A version of it; the newest if none.")] = None,
    check: Annotated[bool, typer.Option("--check", help="Check that code and published contract agree.")] = False,
    json: Json = False,
) -> None:
    """The published contract: the event types, or the JSON Schema of one."""
    if check:
        exit_unless(generate.main(["--check"]) == 0)
        err.print("code and published contract agree")
        return
    contract = read_folder(FOLDER)
    newest = {name: max(v for n, v in contract if n == name) for name, _ in contract}
    if event is None:
        items = [
            {"event": name, "version": newest[name], "about": contract[name, newest[name]].get("description", "")}
            for name in sorted(newest)
        ]
        if json:
            print_json({"items": items, "cursor": None})
        else:
            table(None, ("event", ">version", "about"), [tuple(item.values()) for item in items])
        return
    if event not in newest:
        raise InvalidInput(f"there is no event type {event!r}; there are: {', '.join(sorted(newest))}")
    found = contract.get((event, version or newest[event]))
    if found is None:
        raise InvalidInput(f"{event} has no version {version}; the newest is {newest[event]}")
    print_json(found)


def _stream_of_event(vault: Vault, event_id: str) -> str | None:
    """The stream of an event by its id. Reads the history until it is found: for a person, not for a program."""
    commit_id, hyphen, _ = event_id.rpartition("-")
    if not hyphen:
        return None
    checkpoint: str | None = None
    while (page := vault.commits.tail(checkpoint, 1000)).commits:
        checkpoint = page.checkpoint
        for commit in page.commits:
            if commit.commit_id == commit_id:
                return commit.stream
    return None


def _position(cursor: str) -> int:
    if not cursor.isdigit():
        raise InvalidInput("this cursor is damaged: start again without one")
    return int(cursor)


def _events_of(vault: Vault, commit: Any) -> list[Recorded]:
    try:
        return vault.store.events_of(commit)
    except UnreadableEvent as error:
        err.print(str(error), markup=False)
        return []


def _item(recorded: Recorded) -> dict[str, Any]:
    commit = recorded.commit
    return {
        "stream": commit.stream,
        "version": recorded.version,
        "commit": commit.number,
        "event_id": recorded.event_id,
        "type": type(recorded.event).__name__,
        "occurred_at": recorded.occurred_at,
        "recorded_at": commit.recorded_at,
        "actor": commit.actor,
        "cause": commit.causation_id,
        "correlation_id": commit.correlation_id,
        "hash": commit.hash.hex(),
        "data": msgspec.to_builtins(recorded.event),
    }


def _print_lines(shown: list[Recorded]) -> None:
    sys.stdout.buffer.write(b"".join(msgspec.json.encode(_item(each)) + b"\n" for each in shown))
    sys.stdout.flush()


def _cells(recorded: Recorded) -> tuple[str, ...]:
    commit = recorded.commit
    return (
        moment(commit.recorded_at),
        commit.stream,
        f"#{recorded.version}",
        type(recorded.event).__name__,
        commit.actor,
        describe(recorded.event),
    )


def _table(shown: list[Recorded]) -> None:
    table(None, ("time (UTC)", "stream", ">#", "event", "actor", "detail"), [_cells(each) for each in shown])


def _details(shown: list[Recorded]) -> None:
    for each in shown:
        item = _item(each)
        data = item.pop("data")
        table(None, ("", ""), [(name, value) for name, value in item.items()])
        out.print(msgspec.json.format(msgspec.json.encode(data), indent=2).decode(), markup=False)
        out.print()
