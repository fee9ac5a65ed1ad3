"""The bill: totals that a person can check by hand, allowances, regions, replays, and the vault's own history."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from domain.asset import asset_stream
from domain.errors import InvalidInput
from domain.ports import Move, Row, ViewTable
from handlers import observe
from infrastructure import cfn
from photovault.aws import sweeping
from photovault.cli import cost as cost_command
from photovault.config import Settings
from photovault.cost import bill as costing
from photovault.cost.bill import ASSUMPTIONS, PLAN_USD, Bill, Line, Load, duration_ms, month_bill, settle, stretch
from photovault.cost.history import bills, history_by_month
from photovault.cost.inputs import Footprint, FunctionShape, Measured, PerAsset, PriceTable, ReplayMeasured
from photovault.cost.inputs import footprint as real_footprint
from photovault.cost.inputs import measured as real_measured
from photovault.cost.inputs import price_table as real_prices
from photovault.cost.metering import Meter, MeteredViews, Usage, transfer_requests
from photovault.cost.options import extras, savings
from photovault.cost.replay import replay_cost
from photovault.vault import Vault
from tests.support import factories as make

D = Decimal
FACTOR = ASSUMPTIONS["processor_factor"].value
POLLS = 5 * 730 * 3600 / 20  # of one queue in a month


def one_dollar_each() -> PriceTable:
    """Everything costs a dollar a unit, in a region called here; so an amount is a quantity."""
    real = real_prices()
    prices = {name: {"unit": "u", "per": 1, "here": "1", "source": {"here": "sns-list"}} for name in real.prices}
    return msgspec.structs.replace(real, regions={"here": "Here"}, prices=prices, always_free={})


def an_asset(**changes: Any) -> PerAsset:
    """Uses 10 write units and 2 invocations of one function; nothing else."""
    usage = Usage(invocations=2, cpu_ms=100, wcu=10, db_requests=4)
    plain: dict[str, Any] = {
        "commits": 1,
        "events": 1,
        "items": 0,
        "event_bytes": 0,
        "view_bytes": 0,
        "blob_bytes": 0,
        "archive_bytes": 0,
        "original_bytes": 1_000,
        "wcu_by_table": {"events": 10},
        "functions": {"work": usage},
    }
    return PerAsset(**plain | changes)


REPLAY = ReplayMeasured(
    events=100,
    streams=20,
    commits=60,
    event_bytes=409_600,
    fold_cpu_us_per_event=10,
    rows=20,
    row_bytes=40_960,
    wcu_by_table={"gallery": 100, "files": 50},
    requests=16,
)

MEASURED = Measured(
    measured_at="2026-01-01",
    command="by hand",
    machine="a head",
    photo={},
    video={},
    client_cpu_ms_per_request=1,
    start_cpu_ms={"work": 0},
    log_bytes_per_invocation=0,
    per_image=an_asset(),
    per_video=an_asset(),
    per_page=Usage(),
    replay=REPLAY,
)

SHAPE = Footprint(
    architecture="x86_64",
    functions={name: FunctionShape(memory_mb=1769) for name in ("work", "replay-work", "replay-finish")},
    polled_queues={"one": 5},
    schedules={},
    alarms=2,
    dashboards=1,
    pipeline_metrics=0,
    scheduled_metrics=0,
    log_days=30,
    replay_workers=10,
    replay_segments=4,
    pitr=False,
    tracing=False,
)

NOTHING = Load(images=0, videos=0, image_bytes=0, video_bytes=0)


def quantities(bill: Bill, service: str) -> dict[str, Decimal]:
    return {line.what: line.quantity for line in bill.lines if line.service == service}


class TestOneMonth:
    def test_a_month_without_uploads_costs_what_is_there_anyway(self) -> None:
        bill = month_bill(NOTHING, MEASURED, SHAPE, one_dollar_each(), "here")
        fixed = {"alarms": 2, "dashboards": 1, "polls of empty queues": POLLS, "people who sign in": 5, "e-mails": 30}
        assert {line.what: line.quantity for line in bill.lines} == fixed
        assert bill.total == D(str(2 + 1 + POLLS + 5 + 30))

    def test_an_image_adds_its_units_its_invocations_and_its_bytes(self) -> None:
        load = Load(images=1, videos=0, image_bytes=2_000_000_000, video_bytes=0)
        bill = month_bill(load, MEASURED, SHAPE, one_dollar_each(), "here")
        assert quantities(bill, "DynamoDB")["writes"] == 10
        assert quantities(bill, "S3")["storage: originals of two months"] == 2  # GB
        assert quantities(bill, "API Gateway")["calls"] == 3
        work = {line.what: line.quantity for line in bill.lines if line.function == "work" and line.service == "Lambda"}
        # (100 ms of processor + 4 requests of 1 ms) twice as slow, and 4 waits of 10 ms; 1,769 MB
        assert work == {"requests": 2, "duration": D("0.248") * 1769 / 1024}

    def test_a_function_below_a_whole_processor_is_stretched_and_one_above_gains_nothing(self) -> None:
        assert stretch(1769) == FACTOR
        assert stretch(3538) == FACTOR
        assert stretch(512) == FACTOR * 1769 / 512
        half = duration_ms(Usage(invocations=1, cpu_ms=10), 512, D(0))
        assert half == 10 * FACTOR * 1769 / 512
        assert duration_ms(Usage(), 512, D(0)) == 0

    def test_waits_for_s3_are_in_the_duration(self) -> None:
        usage = Usage(invocations=1, s3_gets=1, s3_bytes_read=8_500_000)
        assert duration_ms(usage, 1769, D(0)) == 100 + 100  # first byte; 8.5 MB at 85 MB/s

    def test_originals_become_cheaper_after_two_months_and_pile_up(self) -> None:
        load = Load(images=10, videos=0, image_bytes=10**9, video_bytes=0, months=12)
        s3 = quantities(month_bill(load, MEASURED, SHAPE, one_dollar_each(), "here"), "S3")
        assert s3["storage: originals of two months"] == 20
        assert s3["storage: older originals"] == 100
        assert s3["watching older originals"] == 110

    def test_the_sweep_costs_more_the_more_there_is(self) -> None:
        shape = msgspec.structs.replace(
            SHAPE, functions={**SHAPE.functions, "reconcile": FunctionShape(512)}, schedules={"reconcile": 120}
        )
        load = Load(images=1_000, videos=0, image_bytes=0, video_bytes=0)
        asset = an_asset(wcu_by_table={"events": 10, "gallery": 1}, event_bytes=5_000)
        measured = msgspec.structs.replace(MEASURED, per_image=asset, per_video=asset)
        bill = month_bill(load, measured, shape, one_dollar_each(), "here")
        swept = {line.what: line.quantity for line in bill.lines if line.function == "reconcile"}
        assert swept["reads"] == 120 * 1_000 * (2 + 1)  # a stream of 5,000 bytes, and a row in one view
        assert swept["PUT and LIST"] == 120 * 5

    def test_a_load_below_zero_is_refused(self) -> None:
        with pytest.raises(InvalidInput):
            Load(images=-1, videos=0, image_bytes=0, video_bytes=0)
        with pytest.raises(InvalidInput):
            Load(images=0, videos=0, image_bytes=0, video_bytes=0, months=0)

    def test_an_unknown_region_is_named_with_those_that_there_are(self) -> None:
        with pytest.raises(InvalidInput, match="us-east-1"):
            month_bill(NOTHING, MEASURED, SHAPE, real_prices(), "moon-1")


class TestTheFreeTier:
    def test_an_allowance_is_used_up_by_the_lines_that_draw_on_it(self) -> None:
        def line(what: str) -> Line:
            return Line(service="SQS", what=what, price="sqs_request", quantity=D(600), unit="request", amount=D(6))

        first, second = settle([line("a"), line("b")], {"sqs_request": D(1000)})
        assert (first.net, second.net) == (D(0), D(2))  # 200 of 600 are left to pay

    def test_both_architectures_draw_on_the_same_gigabyte_seconds(self) -> None:
        line = Line(service="", what="", price="lambda_gb_second_arm64", quantity=D(10), unit="", amount=D(10))
        assert settle([line], {"lambda_gb_second": D(10)})[0].net == 0


class TestTheRealInputs:
    @given(st.integers(0, 100_000), st.integers(1, 100_000), st.integers(0, 5_000))
    def test_more_images_never_cost_less(self, images: int, more: int, videos: int) -> None:
        inputs = real_measured(), real_footprint(), real_prices()

        def total(count: int) -> Decimal:
            load = Load(images=count, videos=videos, image_bytes=4_500_000, video_bytes=60_000_000)
            return month_bill(load, *inputs, "us-east-1").total

        assert total(images) < total(images + more)

    @pytest.mark.parametrize("region", ["us-east-1", "eu-central-1"])
    def test_the_plan_of_a_month_is_kept_in_every_region(self, region: str) -> None:
        load = Load(images=1_000, videos=100, image_bytes=4_500_000, video_bytes=60_000_000)
        bill = month_bill(load, real_measured(), real_footprint(), real_prices(), region)
        assert bill.net < bill.total < PLAN_USD[0]
        services = sum((amount for amount, _ in bill.by("service").values()), D(0))
        assert abs(services - bill.total) < D("1e-9")

    def test_every_price_has_a_unit_a_source_and_a_date_in_every_region(self) -> None:
        prices = real_prices()
        for name in prices.prices:
            for region in prices.regions:
                unit, amount = prices.price(name, region)
                source = prices.source(name, region)
                assert unit
                assert amount > 0
                assert source.how in ("known", "page")
                assert source.dated
                assert source.url.startswith("https://")
        assert {allowance.source for allowance in prices.always_free.values()} <= set(prices.sources)
        assert "Check every one" in prices.warning

    def test_what_is_billed_is_what_the_template_deploys(self) -> None:
        resources = cfn.load()["Resources"]
        shape = real_footprint()

        def of(kind: str) -> list[dict[str, Any]]:
            return [r["Properties"] for r in resources.values() if r["Type"] == kind and "Condition" not in r]

        functions = {
            str(p["FunctionName"]["Fn::Sub"]).removeprefix("photovault-${Stage}-"): FunctionShape(
                p["MemorySize"], p.get("EphemeralStorage", {}).get("Size", 512)
            )
            for p in of("AWS::Serverless::Function")
        }
        assert shape.functions == functions
        polled = {
            event["Properties"]["Queue"]["Fn::GetAtt"][0].removesuffix("Queue").lower(): 5
            if "MaximumConcurrency" in event["Properties"].get("ScalingConfig", {})
            else 2
            for p in of("AWS::Serverless::Function")
            for event in p.get("Events", {}).values()
            if event["Type"] == "SQS"
        }
        assert shape.polled_queues == polled
        assert shape.alarms == len(of("AWS::CloudWatch::Alarm"))
        assert shape.dashboards == len(of("AWS::CloudWatch::Dashboard"))
        assert {p["RetentionInDays"] for p in of("AWS::Logs::LogGroup")} == {shape.log_days}
        assert len(shape.schedules) == len(of("AWS::Scheduler::Schedule"))
        assert [shape.architecture] == cfn.load()["Globals"]["Function"]["Architectures"]
        assert shape.replay_workers == cfn.load()["Parameters"]["MaxConcurrency"]["Default"]

    def test_what_the_pipeline_does_not_do_is_priced_beside_the_bill(self) -> None:
        load = Load(images=1_000, videos=0, image_bytes=0, video_bytes=0)
        others = list(extras(load, MEASURED, SHAPE, real_prices(), "us-east-1").values())
        assert others == [D("3"), D("1"), D("3"), D("0.036") * 730 + D("1.22")]

    def test_what_could_be_saved_is_the_difference_that_it_makes(self) -> None:
        load = Load(images=1_000, videos=100, image_bytes=4_500_000, video_bytes=60_000_000)
        inputs = real_measured(), real_footprint(), real_prices(), "us-east-1"
        *single, (total, net) = savings(load, *inputs).values()
        assert all(amount > 0 for amount, _ in single)
        assert abs(total - sum(amount for amount, _ in single)) < D("1e-9")
        assert 0 < net < total < month_bill(load, *inputs).total

    def test_a_verdict_compares_with_a_tenth_of_the_plan(self) -> None:
        def bill(amount: str) -> Bill:
            return Bill("here", [Line(service="", what="", price="", quantity=D(1), unit="", amount=D(amount))])

        assert [bill(a).verdict() for a in ("3", "3.01", "7.5", "7.51")] == [
            "met",
            "met at the top",
            "met at the top",
            "missed",
        ]


class TestReplay:
    def test_a_scan_reads_twice_writes_once_and_verifies(self) -> None:
        cost = replay_cost(1_000, MEASURED, SHAPE, one_dollar_each(), "here")
        lines = {line.what: line.quantity for line in cost.lines if line.what != "duration"}
        assert lines == {
            "requests": 4 + 2,  # a worker for each segment, plan and finish
            "scans of the events": 2 * 4_096_000 / D(8192),
            "rows written once": 1_500,
            "scan of the new rows": 100,
            "transitions": 3 + 2 * 4 + 2 * 4,
        }
        assert cost.hours_of_tables == D(1_000) / 40_000 / 3600

    def test_the_time_of_the_functions_is_that_of_their_work(self) -> None:
        cost = replay_cost(1_000, MEASURED, SHAPE, one_dollar_each(), "here")
        # twice 10 us an event and 160 requests of 1 ms, twice as slow; two scans of 3.90625 MB; 160 waits, 16 at once
        work_ms = (20 + 160) * FACTOR + 2 * D("3.90625") * 100 + 160 * 10 / D(16)
        assert cost.hours_of_functions == work_ms / 4 / 3_600_000  # four segments, so four workers

    def test_an_export_is_paid_by_the_gigabyte_instead_of_by_reads(self) -> None:
        cost = replay_cost(1_000, MEASURED, SHAPE, one_dollar_each(), "here", source="export")
        lines = {line.what: line.quantity for line in cost.lines}
        assert lines["export of the events"] == D("0.004096")
        assert "scans of the events" not in lines

    def test_one_owner_is_bound_by_one_partition(self) -> None:
        many = replay_cost(10_000, MEASURED, SHAPE, one_dollar_each(), "here", owners=40)
        one = replay_cost(10_000, MEASURED, SHAPE, one_dollar_each(), "here", owners=1)
        assert one.hours_of_tables == 40 * many.hours_of_tables
        assert one.total == many.total

    def test_ten_times_the_events_cost_ten_times_the_units(self) -> None:
        inputs = real_measured(), real_footprint(), real_prices(), "us-east-1"
        small, large = replay_cost(10_000_000, *inputs), replay_cost(100_000_000, *inputs)
        assert D(9) < large.total / small.total < D(11)

    @pytest.mark.parametrize("wrong", [{"events": 0}, {"events": 1, "owners": 0}, {"events": 1, "workers": 0}])
    def test_nothing_to_replay_is_refused(self, wrong: dict[str, int]) -> None:
        with pytest.raises(InvalidInput):
            replay_cost(measured=MEASURED, footprint=SHAPE, prices=one_dollar_each(), region="here", **wrong)


class TestMetering:
    TABLE = ViewTable("gallery", 1, ("timeline",))

    def test_a_row_in_an_index_is_written_twice_and_three_times_when_its_key_moves(self, tmp_path: Path) -> None:
        with Vault(Settings(tmp_path / "v", "anna", 1), create=True) as vault:
            meter = Meter()
            views = MeteredViews(vault.views, meter)
            for version, key in ((1, "2026"), (2, "2026"), (3, "2027"), (4, None)):
                views.put(self.TABLE, [Row("anna", "a1", version, b"x", (key,))])
        assert meter.now.wcu == (1 + 1) + (1 + 1) + (1 + 2) + (1 + 1)
        assert meter.now.db_requests == 4

    def test_a_move_is_a_transaction_of_the_row_and_its_totals(self, tmp_path: Path) -> None:
        table = ViewTable("library", 1, ())
        with Vault(Settings(tmp_path / "v", "anna", 1), create=True) as vault:
            meter = Meter()
            deltas = {"library": {"assets": 1}, "year:2026": {"assets": 1}}
            MeteredViews(vault.views, meter).move(table, [Move(Row("anna", "a1", 1, b"x" * 1500, ()), 0, deltas)])
        assert meter.now.wcu == 2 * 2 + 2 * 2  # a row of 2 KB and two totals, twice the price each
        assert meter.now.db_requests == 1

    def test_a_transfer_in_parts_is_billed_by_its_parts(self) -> None:
        mib = 1024 * 1024
        assert [transfer_requests(size) for size in (0, 16 * mib - 1, 16 * mib, 60 * mib)] == [1, 1, 3, 6]


class TestHistory:
    def test_each_owner_pays_for_what_they_brought(self, tmp_path: Path) -> None:
        with Vault(Settings(tmp_path / "v", "anna", 1), create=True, clock=make.Clock(step_ms=1)) as vault:
            for name in ("a1", "a2"):
                make.append(vault.store, asset_stream("anna", name), *make.whole_life())
            make.append(vault.store, asset_stream("ben", "b1"), make.uploaded(), make.video())
            months = history_by_month(vault.store)
            fixed, owners = bills(months, MEASURED, SHAPE, one_dollar_each(), "here")
        assert [(m.month, m.owner, m.images.assets, m.videos.assets) for m in months] == [
            ("2026-05", "anna", 2, 0),
            ("2026-05", "ben", 0, 1),
        ]
        assert fixed.total == month_bill(NOTHING, MEASURED, SHAPE, one_dollar_each(), "here").total
        anna, ben = owners
        assert anna.amount > ben.amount > 0

    def test_an_empty_vault_has_no_owners_to_bill(self, tmp_path: Path) -> None:
        with Vault(Settings(tmp_path / "v", "anna", 1), create=True) as vault:
            assert history_by_month(vault.store) == []


class TestThePage:
    """docs/cost.md says what the command says."""

    PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")

    @staticmethod
    def usd(amount: Decimal) -> str:
        return f"{amount.quantize(D('0.01')):,}"

    def test_the_bill_of_both_regions(self) -> None:
        inputs = real_measured(), real_footprint(), real_prices()
        load = Load(images=1_000, videos=100, image_bytes=4_500_000, video_bytes=60_000_000)
        near, far = (month_bill(load, *inputs, region) for region in ("us-east-1", "eu-central-1"))
        for name, (amount, net) in near.by("service").items():
            cells = [name, *map(self.usd, (amount, net, *far.by("service")[name]))]
            assert f"| {' | '.join(cells)} |" in self.PAGE
        totals = [f"**{self.usd(amount)}**" for amount in (near.total, near.net, far.total, far.net)]
        assert f"| **total** | {' | '.join(totals)} |" in self.PAGE
        for name, (amount, net) in savings(load, *inputs, "us-east-1").items():
            assert f"| {name} | {self.usd(amount)} | {self.usd(net)} |" in self.PAGE

    @pytest.mark.parametrize("events", [10_000_000, 1_000_000_000])
    def test_price_and_time_of_a_replay(self, events: int) -> None:
        inputs = real_measured(), real_footprint(), real_prices(), "us-east-1"
        for cost in (replay_cost(events, *inputs), replay_cost(events, *inputs, source="export")):
            (row,) = [line for line in self.PAGE.splitlines() if line.startswith(f"| {events:,} | {cost.source} |")]
            assert f"**{self.usd(cost.total)}**" in row
            assert f"**{cost.hours:.2f}**" in row


class TestTheCommand:
    def run(self, *arguments: str, home: Path | None = None) -> str:
        app = typer.Typer()
        cost_command.register(app)

        @app.callback()
        def settings(context: typer.Context) -> None:
            context.obj = Settings(home or Path("/nowhere"), "anna", 1)

        result = CliRunner().invoke(app, ["cost", *arguments])
        assert result.exit_code == 0, result.output
        return result.stdout

    def test_the_bill_names_the_plan_the_target_and_the_verdict(self) -> None:
        shown = self.run("--images", "1000", "--videos", "100")
        assert "Plan: $30 to $75" in shown
        assert "CloudWatch" in shown
        assert "renditions" in shown

    def test_the_document_adds_up(self) -> None:
        found = json.loads(self.run("--json", "--region", "eu-central-1"))
        assert abs(D(found["total"]) - sum(D(line["amount"]) for line in found["lines"])) < D("1e-9")
        assert D(found["after_free_tier"]) < D(found["total"])

    def test_every_assumption_and_every_price_is_explained(self) -> None:
        shown = self.run("--explain")
        assert all(name in shown for name in ASSUMPTIONS)
        assert "Check every one against AWS's own price list" in shown
        assert "known: Amazon S3 pricing" in shown

    def test_a_replay_is_priced_from_both_sources(self) -> None:
        found = json.loads(self.run("--replay-events", "10000000", "--json"))
        assert [each["from"] for each in found["items"]] == ["scan", "export"]
        assert "hours" in self.run("--replay-events", "10000000", "--explain")

    def test_a_vaults_own_history_is_billed(self, tmp_path: Path) -> None:
        home = tmp_path / "v"
        with Vault(Settings(home, "anna", 1), create=True) as vault:
            make.append(vault.store, asset_stream("anna", "a1"), *make.whole_life())
        found = json.loads(self.run("--from-vault", "--json", home=home))
        assert [(item["owner"], item["images"]) for item in found["items"]] == [("anna", 1)]
        assert "anna" in self.run("--from-vault", home=home)


def test_the_sweep_is_counted_as_it_is_bounded() -> None:
    assert (costing._LISTED, costing._SWEPT) == (sweeping._PAGE, sweeping.MOST_OBJECTS)


def test_functions_count_their_cost_by_the_price_table() -> None:
    _, per_gb_s = real_prices().price("lambda_gb_second_x86_64", "us-east-1")
    _, per_request = real_prices().price("lambda_request", "us-east-1")
    assert round(per_gb_s * 10**9) == observe.NANOUSD_PER_GB_S
    assert round(per_request * 10**9) == observe.NANOUSD_PER_REQUEST
    assert observe.cost_nanousd(2.0, "512") == 200 + 16_667
