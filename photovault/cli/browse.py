"""For the family and the operator: query the views, and audit the life of one photo."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import typer

from domain.commits import to_us
from domain.errors import InvalidInput, NotFound
from domain.ports import Page, Row, ViewStore, ViewTable
from photovault.analytics import note_view
from photovault.auditing import Life, clock, life_of, size
from photovault.cli.app import Cursor, Json, Limit, open_vault, refuse_others
from photovault.cli.output import coloured, exit_unless, moment, number, out, print_json, progress_bar, table
from photovault.finding import asset_id, find_asset
from photovault.moments import parse_local, parse_moment
from photovault.page import marks, place_text, taken_text, write_page
from photovault.rebuilding import at_moment
from photovault.runtime import catch_up
from photovault.sealing import verify_history
from photovault.tagged import tagged_page
from photovault.vault import Vault
from projections import Projection
from projections.files import PATHS
from projections.serving import in_trash, served

AsOf = Annotated[
    str | None, typer.Option("--as-of", help="Show a past moment: 2026-11-24, or 2026-11-24T10:30:00Z.", metavar="TIME")
]
ATTENTION = "attention"
_STATES = ("done", "processing", "quarantined", "given_up")
_SHA256 = re.compile(r"[0-9a-f]{64}", re.ASCII)


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.command()(query)
    app.command()(audit)


def query(
    context: typer.Context,
    view: Annotated[str, typer.Argument(help="gallery, renditions, processing, library or files.", metavar="VIEW")],
    state: Annotated[
        str | None, typer.Option(help="gallery: only assets that are done, processing, quarantined or given_up.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="gallery: taken at this local time or later: 2008-10.")] = None,
    until: Annotated[str | None, typer.Option(help="gallery: taken before this local time.")] = None,
    oldest_first: Annotated[bool, typer.Option("--oldest-first", help="gallery: turn the order round.")] = False,
    tag: Annotated[
        str | None, typer.Option(help="gallery: only what shows this: cat, or animal; also a word like kitten.")
    ] = None,
    asset: Annotated[str | None, typer.Option(help="Only this asset: id, prefix or path.")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="gallery: every file, also those shown as one with another; in order of id.")
    ] = False,
    as_of: AsOf = None,
    html: Annotated[
        Path | None, typer.Option(help="gallery: write a page of thumbnails to this file.", metavar="FILE")
    ] = None,
    sheet: Annotated[
        Path | None, typer.Option(help="gallery: draw thumbnails with captions as one JPEG or PNG.", metavar="FILE")
    ] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """Look at a view: the gallery (newest first), the pictures made, how processing stands, the library's totals."""
    if view == "library":
        refuse_others(context, "query library", "view", "as_of")
    elif asset is not None:
        refuse_others(
            context,
            f"query {view} --asset",
            "view",
            "asset",
            "as_of",
            *(["html", "sheet"] if view == "gallery" else ()),
        )
    elif view == "gallery" and tag is not None:
        others = ("since", "until", "oldest_first", "limit", "cursor", "html", "sheet")
        refuse_others(context, "query gallery --tag", "view", "tag", *others)
    elif view == "gallery" and everything:
        refuse_others(context, "query gallery --all", "view", "everything", "as_of", "limit", "cursor", "html", "sheet")
    elif view != "gallery":
        refuse_others(context, f"query {view}", "view", "as_of", "asset", "limit", "cursor")
    with open_vault(context) as vault:
        catch_up(vault)
        projection, view_table, views = _view(vault, view, as_of)
        if view == "library":
            totals = views.totals(view_table, vault.settings.owner)
            items: list[dict[str, Any]] = [{"name": name, **totals[name]} for name in sorted(totals)]
            _show(view, items, None, json=json)
            return
        hidden = 0
        if asset is not None:
            key = find_asset(vault, asset).rpartition("#")[2]
            page = views.query(view_table, vault.settings.owner, low=key, high=key + "\0", limit=1)
            if view == "gallery" and as_of is None:
                note_view(vault, vault.settings.owner, key)
        elif view == "gallery" and tag is not None:
            page = tagged_page(
                vault, tag, since=since, until=until, oldest_first=oldest_first, limit=limit, cursor=cursor
            )
        elif view == "gallery" and everything:
            page = views.query(view_table, vault.settings.owner, limit=limit, cursor=cursor)
        elif view == "gallery":
            refused_too = state is not None or (json and html is None) or sheet is not None
            page, hidden = _timeline(
                vault, projection, views, view_table, state, since, until, oldest_first, limit, cursor, refused_too
            )
        else:
            high = PATHS if projection.has_others() else None  # rows beside those of the assets stand behind them
            page = views.query(view_table, vault.settings.owner, limit=limit, cursor=cursor, high=high)
        rows = page.rows if asset is not None else [row for row in page.rows if not in_trash(projection, row)]
        items = [served(projection, row, vault.locate, vault.settings.serving) for row in rows]
        if sheet is not None:
            from photovault.contact_sheet import write_sheet  # Pillow, which only this needs

            with progress_bar("sheet", len(items)) as bar:
                drawn = write_sheet(items, sheet, bar.advance)
            if not json:
                out.print(f"{number(drawn, 'asset')} on {sheet}")
                return
        if html is not None:
            shown = write_page(items, html)
            if not json:
                out.print(f"{number(shown, 'picture')} on {html}")
                _tell_withheld(items)
                return
        _show(view, items, page.cursor, json=json)
        if hidden and not json:
            out.print(f"[dim]{hidden:,} quarantined not listed: --state quarantined shows them[/dim]")
        if not json:
            _tell_withheld(items)


def _tell_withheld(items: list[dict[str, Any]]) -> None:
    withheld = sum(1 for item in items if item.get("withheld") and item["safety"] in ("not_scanned", "failed"))
    if withheld:
        out.print(
            f"[dim]pictures of {number(withheld, 'file')} are withheld: no scanner has called them clean; "
            "`photovault reprocess --step validate --all` scans again[/dim]"
        )


def _view(vault: Vault, name: str, as_of: str | None) -> tuple[Projection[Any], ViewTable, ViewStore]:
    vault.generations.projection(name)
    if as_of is not None:
        return at_moment(vault, name, to_us(parse_moment(as_of)))
    projection, view_table = vault.generations.active(name)
    return projection, view_table, vault.views


def _timeline(
    vault: Vault,
    projection: Projection[Any],
    views: ViewStore,
    view_table: ViewTable,
    state: str | None,
    since: str | None,
    until: str | None,
    oldest_first: bool,
    limit: int,
    cursor: str | None,
    everything: bool,
) -> tuple[Page, int]:
    """A page of the timeline; unless `everything` is wanted without what is quarantined, and how many that were."""
    if state is not None and state not in _STATES:
        raise InvalidInput(f"{state!r} is not a state; there are: {', '.join(_STATES)}")
    prefix = f"{state}#" if state else ""
    low = prefix + (parse_local(since) if since else "")
    high = prefix + parse_local(until) if until else (f"{state}$" if state else None)
    rows: list[Row] = []
    hidden = 0
    while True:
        page = views.query(
            view_table,
            vault.settings.owner,
            index="state" if state else "timeline",
            low=low,
            high=high,
            descending=not oldest_first,
            limit=limit - len(rows),
            cursor=cursor,
        )
        listed = [row for row in page.rows if everything or projection.decode(row.data).state != "quarantined"]
        hidden += len(page.rows) - len(listed)
        rows += listed
        cursor = page.cursor
        if cursor is None or len(rows) >= limit:
            return Page(rows, cursor), hidden


def _show(view: str, items: list[dict[str, Any]], cursor: str | None, *, json: bool) -> None:
    if json:
        print_json({"items": items, "cursor": cursor})
        return
    rows: list[tuple[object, ...]]
    match view:
        case "gallery":
            _show_gallery(items)
        case "renditions":
            rows = [
                (i["asset"][:8], r["name"], r["format"], f"{r['width']} x {r['height']}", size(r["bytes"]), r["path"])
                for i in items
                for r in i["renditions"]
            ]
            table(None, ("asset", "name", "format", ">pixels", ">size", "file"), rows)
        case "processing":
            rows = [(i["asset"][:8], i["file_name"], coloured(i.get("state", "processing")), _steps(i)) for i in items]
            table(None, ("asset", "file", "state", "steps"), rows)
        case "library":
            rows = [(i["name"], ", ".join(_count(k, v) for k, v in i.items() if k != "name")) for i in items]
            table(None, ("total", "counts"), rows)
        case _:
            rows = [(i["asset"][:8], place["path"]) for i in items for place in i.get("places", ())]
            table(None, ("asset", "path"), rows)
    if not items:
        out.print("nothing here")
    if cursor:
        out.print(f"\nmore: --cursor {cursor}")


def _steps(item: dict[str, Any]) -> str:
    return ", ".join(f"{name} {step['status'].replace('_', ' ')}" for name, step in item.get("steps", {}).items())


def _count(name: str, value: int) -> str:
    return f"duration {clock(value)}" if name == "duration_ms" else f"{name} {value:,}"


def _show_gallery(items: list[dict[str, Any]]) -> None:
    rows = []
    films = any(item["duration_ms"] is not None for item in items)
    for item in items:
        length = () if not films else ("" if item["duration_ms"] is None else clock(item["duration_ms"]),)
        place = place_text(item)
        pixels = f"{item['width']} x {item['height']}" if item["width"] else ""
        taken = taken_text(item, 19)
        file = f"{item['file_name']} ({marks(item)})" if marks(item) else item["file_name"]
        rows.append(
            (
                item["asset"][:8],
                taken,
                file,
                coloured(item["state"]),
                pixels,
                *length,
                item["camera"],
                place,
            )
        )
    lengths = (">length",) if films else ()
    table(None, ("asset", "taken (local)", "file", "state", ">pixels", *lengths, "camera", "place"), rows)


def audit(
    context: typer.Context,
    asset: Annotated[
        str | None, typer.Argument(help="Id, the beginning of an id, or the file's path.", metavar="ASSET")
    ] = None,
    failed: Annotated[
        bool, typer.Option("--failed", help="Which photos are not processed, why, and when they are tried again.")
    ] = False,
    verify: Annotated[
        bool, typer.Option("--verify", help="Check that the history was not changed: of one asset, or all of it.")
    ] = False,
    against: Annotated[
        str | None,
        typer.Option(help="--verify: a seal's hash that you noted; the seal must still be there.", metavar="HASH"),
    ] = None,
    as_of: AsOf = None,
    limit: Limit = 50,
    cursor: Cursor = None,
    json: Json = False,
) -> None:
    """The life of one photo: every step, when, how long, by which version, what failed and why, what is still due."""
    if verify:
        refuse_others(context, "audit --verify", "verify", *(["against"] if asset is None else ["asset"]))
    elif failed:
        refuse_others(context, "audit --failed", "failed", "limit", "cursor")
    else:
        refuse_others(context, "audit ASSET", "asset", "as_of")
    if against is not None and not _SHA256.fullmatch(against):
        raise InvalidInput(f"{against!r} is not a seal's hash: `photovault events seal` prints 64 digits, 0-9 and a-f")
    with open_vault(context) as vault:
        if verify:
            _verify(vault, asset, against, json=json)
            return
        if failed:
            catch_up(vault)
            _show_failed(vault, limit, cursor, json=json)
            return
        if asset is None:
            raise InvalidInput("name an asset (id, prefix or path), or give --failed or --verify")
        catch_up(vault)
        stream = find_asset(vault, asset)
        events = list(vault.store.load(stream).events)
        if as_of is not None:
            before = to_us(parse_moment(as_of))
            events = [each for each in events if each.commit.recorded_us < before]
            if not events:
                raise NotFound(f"asset {asset_id(stream)} did not exist yet at {as_of}")
        life = life_of(stream, events)
        if json:
            print_json(life)
        else:
            _show_life(life)


def _show_life(life: Life) -> None:
    out.print(f"[bold]{life.asset}[/bold]", life.file_name, coloured(life.state), markup=True)
    versions = {entry.event_id: entry.version for entry in life.entries}
    rows = []
    for entry in life.entries:
        step = f"{entry.step} v{entry.step_version}" if entry.step_version else entry.step
        cause = f"#{versions[entry.cause]}" if entry.cause in versions else (entry.cause or "")
        took = f"{entry.duration_ms:,} ms" if entry.duration_ms is not None else ""
        attempt = entry.attempt if entry.outcome else ""
        rows.append(
            (
                f"#{entry.version}",
                moment(entry.at),
                entry.type,
                step,
                coloured(entry.outcome),
                attempt,
                took,
                entry.actor,
                cause,
                entry.detail,
            )
        )
    columns = ("#", "time (UTC)", "event", "step", "outcome", ">try", ">took", "actor", "cause", "detail")
    table(None, columns, rows)
    for due in life.due:
        when = f", next attempt {moment(due.next_attempt_at)} UTC" if due.next_attempt_at else ""
        out.print(f"still due: [bold]{due.step}[/bold] ({due.status}, {number(due.attempts, 'attempt')}{when})")
    if not life.due:
        out.print("nothing is due")


def _show_failed(vault: Vault, limit: int, cursor: str | None, *, json: bool) -> None:
    projection, view_table = vault.generations.active("processing")
    page = vault.views.query(view_table, vault.settings.owner, index=ATTENTION, limit=limit, cursor=cursor)
    items = []
    for row in page.rows:
        state = projection.decode(row.data)
        steps = [
            {
                "step": name,
                "status": "quarantined" if step.status == "done" else step.status,
                "error": step.error,
                "reason": step.reason,
                "attempt": step.attempt,
                "next_attempt_at": step.next_attempt_at,
            }
            for name, step in state.steps.items()
            if step.error
        ]
        items.append(
            {
                "asset": state.asset,
                "file_name": state.file_name,
                "path": state.path,
                "state": state.state,
                "steps": steps,
            }
        )
    if json:
        print_json({"items": items, "cursor": page.cursor})
        return
    rows = [
        (
            item["asset"][:8],
            item["file_name"],
            coloured(step["status"]),
            step["step"],
            step["attempt"],
            f"{step['error']}: {step['reason']}",
            (step["next_attempt_at"] or "")[:19].replace("T", " "),
        )
        for item in items
        for step in item["steps"]
    ]
    table(None, ("asset", "file", "state", "step", ">tries", "why", "next attempt (UTC)"), rows)
    if not rows:
        out.print("every asset is processed")
    if page.cursor:
        out.print(f"\nmore: --cursor {page.cursor}")


def _verify(vault: Vault, asset: str | None, against: str | None, *, json: bool) -> None:
    stream = find_asset(vault, asset) if asset is not None else None
    total = vault.commits.last_position()
    commits = (
        vault.commits.read(stream)
        if stream
        else (commit for segment in vault.commits.segments(1) for commit in vault.commits.segment(segment))
    )
    with progress_bar("verify", None if stream else total) as bar:
        found = verify_history(vault.store, vault.blobs, commits, stream, bar.advance, against)
    if json:
        faults = [{"stream": f.stream, "commit": f.number, "what": f.what} for f in found.faults]
        print_json(
            {
                "intact": found.intact,
                "commits": found.commits,
                "streams": found.streams,
                "seals": found.seals,
                "faults": faults,
            }
        )
    else:
        for fault in found.faults:
            out.print(coloured("given_up"), f"stream {fault.stream}, commit {fault.number}: {fault.what}", markup=False)
        verdict = "intact" if found.intact else f"DAMAGED in {number(len(found.faults), 'place')}"
        out.print(
            f"{number(found.commits, 'commit')} in {number(found.streams, 'stream')} against "
            f"{number(found.seals, 'seal')}: {verdict}",
            markup=False,
        )
    exit_unless(found.intact)
