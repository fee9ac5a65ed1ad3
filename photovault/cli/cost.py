"""What the deployment costs a month on AWS, for a load or for this vault's own history; and what a replay costs."""

from __future__ import annotations

import sys
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from photovault.cli.app import Json, open_vault
from photovault.cli.output import err, out, print_json, table
from photovault.cost.bill import ASSUMPTIONS, PLAN_USD, TARGET_SHARE, Bill, Load, month_bill
from photovault.cost.history import bills, history_by_month
from photovault.cost.inputs import Footprint, Measured, PriceTable, footprint, measured, price_table
from photovault.cost.options import extras, savings
from photovault.cost.replay import REPLAY_ASSUMPTIONS, ReplayCost, replay_cost

_MB = 1_000_000
_CENT = Decimal("0.01")
_SMALL = Decimal("0.0001")


def register(app: typer.Typer) -> None:
    """Add this module's command."""
    app.command()(cost)


def cost(
    context: typer.Context,
    images: Annotated[int, typer.Option(min=0, help="Photos a month.")] = 1000,
    videos: Annotated[int, typer.Option(min=0, help="Videos a month.")] = 100,
    mean_mb: Annotated[float, typer.Option(min=0, help="Megabytes of a photo, on average.")] = 4.5,
    video_mb: Annotated[
        float, typer.Option(min=0, help="Megabytes of a video, on average: 60 are a minute of 1080p at 8 Mbit/s.")
    ] = 60.0,
    months: Annotated[
        int, typer.Option(min=1, help="The bill of the n-th month of such uploads, all of them kept.")
    ] = 1,
    region: Annotated[str, typer.Option(help="A region of the price table.")] = "us-east-1",
    explain: Annotated[bool, typer.Option("--explain", help="Print every line, assumption and price.")] = False,
    from_vault: Annotated[
        bool, typer.Option("--from-vault", help="By month and owner, from this vault's history.")
    ] = False,
    replay_events: Annotated[
        int | None, typer.Option(min=1, help="Instead: price and time of a replay of so many events.")
    ] = None,
    owners: Annotated[int, typer.Option(min=1, help="Owners that a replay's rows spread over.")] = 1000,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Workers of a replay at once.", show_default="10, as in the template")
    ] = None,
    measure: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Instead: measure on this machine and write the result.")
    ] = None,
    json: Json = False,
) -> None:
    """The month's bill on AWS by service and function, beside the plan that the system was proposed with.

    Computed from times measured on one machine and from a price table that was written down by hand: see --explain.
    """
    if measure is not None:
        _measure(measure)
        return
    inputs = measured(), footprint(), price_table()
    if replay_events is not None:
        costs = [
            replay_cost(replay_events, *inputs, region, source=s, owners=owners, workers=workers)
            for s in ("scan", "export")
        ]
        _show_replays(costs, explain=explain, json=json)
    elif from_vault:
        with open_vault(context) as vault:
            _show_history(*bills(history_by_month(vault.store), *inputs, region), region, json=json)
    else:
        load = Load(
            images=images,
            videos=videos,
            image_bytes=round(mean_mb * _MB),
            video_bytes=round(video_mb * _MB),
            months=months,
        )
        _show_bill(load, inputs, region, explain=explain, json=json)


def _measure(path: Path) -> None:
    from photovault.cost.measuring import measure

    command = " ".join(["photovault", *sys.argv[1:]])
    err.print("measuring for about ten minutes: 20 photos of 12 megapixels and a video of a minute")
    found = measure(photos=20, videos=1, video_seconds=60, command=command)
    path.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n")
    out.print(f"written to {path}")


def _show_bill(
    load: Load, inputs: tuple[Measured, Footprint, PriceTable], region: str, *, explain: bool, json: bool
) -> None:
    bill = month_bill(load, *inputs, region)
    empty = Load(images=0, videos=0, image_bytes=0, video_bytes=0)
    fixed = month_bill(empty, *inputs, region)
    others, less = extras(load, *inputs, region), savings(load, *inputs, region)
    if json:
        print_json(_document(load, bill, fixed, inputs) | {"not_included": others, "could_be_saved": less})
        return
    low, high = PLAN_USD
    out.print(
        f"{load.images:,} images of {_plain(load.image_bytes / _MB)} MB and {load.videos:,} videos of "
        f"{_plain(load.video_bytes / _MB)} MB in a month, month {load.months}, {region}, US dollars"
    )
    for title in ("service", "function"):
        rows = [(name, _usd(amount), _usd(net)) for name, (amount, net) in bill.by(title).items()]
        if title == "service":
            rows.append(("total", _usd(bill.total), _usd(bill.net)))
            rows.append(("of it without any upload", _usd(fixed.total), _usd(fixed.net)))
        table(f"\nBy {title}", (title, ">list price", ">after the free tier"), rows)
    lowest, highest = (_usd(plan * TARGET_SHARE) for plan in PLAN_USD)
    out.print(f"\nPlan: ${low} to ${high}. Target, a tenth of it: ${lowest} to ${highest}.")
    out.print(f"At list price: {bill.verdict()}. After the free tier: {bill.verdict(free_tier=True)}.")
    rows = [(name, _usd(amount), _usd(net)) for name, (amount, net) in less.items()]
    table("\nCould be saved", ("by", ">list price", ">after the free tier"), rows)
    out.print("\nNot in the bill, because the pipeline does not do it:")
    for name, amount in others.items():
        out.print(f"  {name}: ${_usd(amount)}")
    if explain:
        _explain(bill, inputs, region)
    else:
        out.print("Prices were written down by hand and must be checked; --explain shows each with its source.")


def _explain(bill: Bill, inputs: tuple[Measured, Footprint, PriceTable], region: str) -> None:
    measurement, _, prices = inputs
    rows = [
        (
            line.service,
            line.what,
            line.function,
            f"{line.quantity:,.4f}",
            line.unit,
            _fine(line.amount),
            _fine(line.net),
        )
        for line in bill.lines
    ]
    table("\nLines", ("service", "what", "function", ">quantity", "unit", ">list price", ">after free tier"), rows)
    _show_assumptions(ASSUMPTIONS)
    used = {line.price for line in bill.lines}
    listed = []
    for name in sorted(used):
        unit, price = prices.price(name, region)
        source = prices.source(name, region)
        listed.append((name, f"{price.normalize():f}", unit, f"{source.how}: {source.title}", source.dated))
    table(f"\nPrices in {region}", ("price", ">US dollars", "unit", "source", "dated"), listed)
    out.print(f"\n{prices.warning}")
    out.print(f"Measured on {measurement.measured_at} ({measurement.machine}) with: {measurement.command}")


def _show_assumptions(assumptions: Any) -> None:
    rows = [(name, f"{each.value:f}", each.why) for name, each in assumptions.items()]
    table("\nAssumptions: neither measured nor prices", ("name", ">value", "why"), rows)


def _show_history(fixed: Bill, owners: list[Any], region: str, *, json: bool) -> None:
    if json:
        items = [msgspec.to_builtins(each, builtin_types=(Decimal,)) for each in owners]
        print_json({"region": region, "fixed_a_month": fixed.total, "items": items, "cursor": None})
        return
    rows = [
        (o.month, o.owner, o.images, o.videos, f"{o.bytes / 1e9:.3f}", f"{o.cpu_ms / 1000:.1f}", _fine(o.amount))
        for o in owners
    ]
    columns = ("month", "owner", ">images", ">videos", ">GB", ">processor s", ">US dollars")
    table("What each owner's month adds, at list price", columns, rows)
    out.print(f"\nThe deployment itself costs ${_usd(fixed.total)} a month in {region}, whoever uploads.")


def _show_replays(costs: list[ReplayCost], *, explain: bool, json: bool) -> None:
    if json:
        print_json({"items": [_replay_document(each) for each in costs], "cursor": None})
        return
    rows = []
    for each in costs:
        rows += [(each.source, line.what, f"{line.quantity:,.0f}", line.unit, _usd(line.amount)) for line in each.lines]
        rows.append((each.source, "total", "", "", _usd(each.total)))
    table(f"A replay of {costs[0].events:,} events", ("from", "what", ">quantity", "unit", ">US dollars"), rows)
    for each in costs:
        out.print(
            f"from {each.source}: {each.hours:,.2f} hours (functions {each.hours_of_functions:,.2f}, "
            f"tables {each.hours_of_tables:,.2f}, then verifying {each.hours_to_verify:,.2f})"
        )
    if explain:
        _show_assumptions({**ASSUMPTIONS, **REPLAY_ASSUMPTIONS})


def _document(
    load: Load,
    bill: Bill,
    fixed: Bill,
    inputs: tuple[Measured, Footprint, PriceTable],
) -> dict[str, Any]:
    measurement, _, prices = inputs
    return {
        "load": msgspec.to_builtins(load),
        "region": bill.region,
        "total": bill.total,
        "after_free_tier": bill.net,
        "without_uploads": fixed.total,
        "services": {name: {"total": a, "after_free_tier": n} for name, (a, n) in bill.by("service").items()},
        "functions": {name: {"total": a, "after_free_tier": n} for name, (a, n) in bill.by("function").items()},
        "lines": [msgspec.to_builtins(line, builtin_types=(Decimal,)) for line in bill.lines],
        "plan": {"low": PLAN_USD[0], "high": PLAN_USD[1], "target_share": TARGET_SHARE},
        "verdict": {"list_price": bill.verdict(), "after_free_tier": bill.verdict(free_tier=True)},
        "assumptions": {name: {"value": each.value, "why": each.why} for name, each in ASSUMPTIONS.items()},
        "measured": {"at": measurement.measured_at, "machine": measurement.machine, "command": measurement.command},
        "prices": {"compiled": prices.compiled, "warning": prices.warning},
    }


def _replay_document(each: ReplayCost) -> dict[str, Any]:
    return {
        "from": each.source,
        "events": each.events,
        "total": each.total,
        "hours": each.hours,
        "hours_of_functions": each.hours_of_functions,
        "hours_of_tables": each.hours_of_tables,
        "hours_to_verify": each.hours_to_verify,
        "lines": [msgspec.to_builtins(line, builtin_types=(Decimal,)) for line in each.lines],
    }


def _usd(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT):,}"


def _fine(amount: Decimal) -> str:
    return f"{amount.quantize(_SMALL):,}"


def _plain(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")
