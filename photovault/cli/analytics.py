"""Analytics: what takes room, how fast steps are, what they cost, what could cost less, and what the owner looks at."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

import msgspec
import typer

from photovault import analytics as counted
from photovault.auditing import clock, size
from photovault.behaviour import agree as begin
from photovault.behaviour import withdraw as forget
from photovault.cli.app import Json, open_vault
from photovault.cli.output import number, out, print_json, table
from photovault.moments import checked_month
from photovault.runtime import catch_up
from photovault.vault import Vault

analytics = typer.Typer(help="Room, speed, cost, what could cost less, what you look at.", no_args_is_help=True)

AllOwners = Annotated[bool, typer.Option("--all-owners", help="Of everybody who has photos here.")]
Region = Annotated[str, typer.Option(help="A region of the price table.")]
Since = Annotated[str, typer.Option(help="From this month on: 2026-11.")]
Until = Annotated[str, typer.Option(help="Up to this month, included.")]
_BAR = 24


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(analytics, name="analytics")


@analytics.command()
def storage(context: typer.Context, all_owners: AllOwners = False, json: Json = False) -> None:
    """Bytes: originals by kind and by month of upload, what was made of them, the trash."""
    with open_vault(context) as vault:
        catch_up(vault)
        found = counted.storage(vault, _owners(vault, all_owners=all_owners))
    if json:
        print_json(found)
        return
    out.print(f"{size(found['original_bytes'])} of originals, {size(found['made_bytes'])} made of them")
    most = max((counts["original_bytes"] for counts in found["kinds"].values()), default=0)
    rows = [
        (name, counts["assets"], size(counts.get("original_bytes", 0)), _bar(counts.get("original_bytes", 0), most))
        for name, counts in sorted(found["kinds"].items())
    ]
    table("\nOriginals by kind", ("kind", ">assets", ">bytes", ""), rows)
    most = max(found["made"].values(), default=0)
    table(
        "\nMade of them", ("what", ">bytes", ""), [(name, size(n), _bar(n, most)) for name, n in found["made"].items()]
    )
    most = max((counts["original_bytes"] for counts in found["months"].values()), default=0)
    rows = [
        (month, counts["assets"], size(counts.get("original_bytes", 0)), _bar(counts.get("original_bytes", 0), most))
        for month, counts in found["months"].items()
    ]
    table("\nOriginals by month of upload", ("month", ">assets", ">bytes", ""), rows)
    if trash := found["trash"]:
        free = trash.get("original_bytes", 0) + trash.get("made_bytes", 0)
        out.print(f"\nIn the trash: {number(trash['assets'], 'asset')}, {size(free)}")


@analytics.command()
def performance(
    context: typer.Context,
    by: Annotated[list[str] | None, typer.Option(help="step, version, month; may be given several times.")] = None,
    since: Since = "",
    until: Until = "",
    all_owners: AllOwners = False,
    json: Json = False,
) -> None:
    """Steps: how long they take, how long after they were due they end, how often they fail, their memory."""
    groups = tuple(dict.fromkeys(by or ["step"]))
    window = checked_month(since) if since else "", checked_month(until) if until else "9999-99"
    with open_vault(context) as vault:
        catch_up(vault)
        found = counted.performance(vault, _owners(vault, all_owners=all_owners), groups, *window)
    if json:
        print_json(found)
        return
    rows = []
    for item in found["items"]:
        took, lag, peak = item["duration_ms"], item["lag_ms"], item["peak_mb"]
        rows.append(
            (
                *(item[group] for group in groups),
                f"{item['attempts']:,}",
                f"{item['skipped']:,}",
                f"{item['failure_rate']:.1%}",
                item["retries"],
                *(_time(took[name]) for name in ("p50", "p95", "p99")),
                *(_time(lag[name]) for name in ("p50", "p95")),
                "" if peak["p95"] is None else f"{peak['p95']:,}",
            )
        )
    columns = (
        ">attempts",
        ">skipped",
        ">failed",
        ">retries",
        ">p50",
        ">p95",
        ">p99",
        ">lag p50",
        ">lag p95",
        ">MB p95",
    )
    table(None, (*groups, *columns), rows)
    out.print(f"Percentiles are within {found['relative_error']:.0%} of the exact ones.")


@analytics.command()
def cost(
    context: typer.Context, region: Region = "us-east-1", all_owners: AllOwners = False, json: Json = False
) -> None:
    """What steps and storage cost on AWS at list price, by owner, month and step, from the times that were recorded."""
    with open_vault(context) as vault:
        catch_up(vault)
        found = counted.cost(vault, _owners(vault, all_owners=all_owners), region)
    if json:
        print_json(found)
        return
    most = max((item["total"] for item in found["items"]), default=Decimal(0))
    rows = [
        (
            item["owner"],
            item["month"],
            item["step"],
            f"{item['attempts']:,}",
            f"{item['gb_seconds']:,.2f}",
            _usd(item["compute"]),
            _usd(item["requests"]),
            _usd(item["total"]),
            _bar(item["total"], most),
        )
        for item in found["items"]
    ]
    columns = ("owner", "month", "step", ">attempts", ">GB-seconds", ">compute", ">requests", ">US dollars", "")
    table(f"Steps at list price in {region}", columns, rows)
    kept = [
        (owner, _usd(parts["originals"]), _usd(parts["made"]), _usd(parts["total"]))
        for owner, parts in found["storage_a_month"].items()
    ]
    table("\nStorage a month", ("owner", ">originals", ">made of them", ">US dollars"), kept)
    out.print(
        f"\nSteps in all: ${_usd(found['total'])}. Times are those that were recorded where the steps ran; what the "
        "deployment costs besides: photovault cost."
    )


@analytics.command()
def behaviour(context: typer.Context, json: Json = False) -> None:
    """What you look at: views and searches by month, favourites, shares. Off until `analytics agree`."""
    with open_vault(context) as vault:
        vault.behaviour.flush()
        catch_up(vault)
        found = counted.behaviour(vault, vault.settings.owner)
    if json:
        print_json(found)
        return
    if not found["agreed"]:
        out.print("Nothing is counted: you have not agreed. `photovault analytics agree` begins.")
        return
    most = max((counts["views"] for counts in found["months"].values()), default=0)
    rows = [
        (month, c["views"], c["originals"], c["searches"], c["without_result"], _bar(c["views"], most))
        for month, c in found["months"].items()
    ]
    columns = ("month", ">views", ">of originals", ">searches", ">found nothing", "")
    table(f"Counted since {found['since']:%Y-%m-%d}", columns, rows)
    shares = found["shares"]
    out.print(
        f"\n{number(found['favourites'], 'favourite')}; {number(shares['links'], 'link')}, opened {shares['views']:,} "
        f"times, {number(shares['downloads'], 'download')}"
    )


@analytics.command()
def advice(
    context: typer.Context, region: Region = "us-east-1", all_owners: AllOwners = False, json: Json = False
) -> None:
    """What could cost less or go better, with numbers and what to do."""
    with open_vault(context) as vault:
        catch_up(vault)
        found = counted.advice(vault, _owners(vault, all_owners=all_owners), region)
    if json:
        items = [msgspec.to_builtins(each, builtin_types=(Decimal,)) for each in found]
        print_json({"region": region, "items": items, "cursor": None})
        return
    for each in found:
        out.print(f"{each.text}\n  [dim]{each.change}[/dim]")
    if not found:
        out.print("Nothing to suggest, or too few runs to tell.")


@analytics.command()
def agree(context: typer.Context, json: Json = False) -> None:
    """Begin to count views and searches; never what is searched for."""
    with open_vault(context) as vault:
        new = begin(vault, vault.settings.owner)
        catch_up(vault)
    if json:
        print_json({"agreed": True, "new": new})
        return
    out.print("Views and searches are counted." if new else "They are counted already.")


@analytics.command()
def withdraw(context: typer.Context, json: Json = False) -> None:
    """Stop counting, and erase what was counted."""
    with open_vault(context) as vault:
        months = forget(vault, vault.settings.owner)
        catch_up(vault)
    if json:
        print_json({"agreed": False, "months": months})
        return
    out.print(f"Nothing is counted any more; {number(months, 'month')} erased.")


def _owners(vault: Vault, *, all_owners: bool) -> Sequence[str]:
    return sorted(vault.owners()) if all_owners else [vault.settings.owner]


def _bar(value: Any, most: Any) -> str:
    return "\N{FULL BLOCK}" * round(_BAR * value / most) if most else ""


def _time(ms: int | None) -> str:
    if ms is None:
        return ""
    return f"{ms} ms" if ms < 10_000 else f"{ms / 1000:,.1f} s" if ms < 600_000 else clock(ms)


def _usd(amount: Decimal) -> str:
    return f"{amount:,.2f}" if amount >= 100 else f"{amount:,.6f}"
