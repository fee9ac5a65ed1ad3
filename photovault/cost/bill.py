"""The month's bill on AWS: a load, what an asset was measured to use, and a dated price table give lines that add up.

Pure arithmetic in Decimal; nothing here reads a vault or talks to AWS. `docs/cost.md` explains the formulas, and every
number that is neither measured nor a price is an entry of `ASSUMPTIONS`, which `photovault cost --explain` prints.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from msgspec import Struct

from domain.advice import FULL_PROCESSOR_MB
from domain.errors import InvalidInput
from photovault.cost.inputs import Footprint, FunctionShape, Measured, PerAsset, PriceTable
from photovault.cost.metering import Usage
from photovault.upkeep.scrub import DAILY_BYTES, DAILY_FILES

__all__ = [
    "ASSUMPTIONS",
    "FULL_PROCESSOR_MB",
    "HOURS",
    "PLAN_USD",
    "TARGET_SHARE",
    "Bill",
    "Draft",
    "Line",
    "Load",
    "duration_ms",
    "exact",
    "month_bill",
    "settle",
    "stretch",
]

PLAN_USD = (Decimal(30), Decimal(75))
"""What the proposal planned a month for 1,000 images and 100 videos, lowest and highest."""

TARGET_SHARE = Decimal("0.1")

GB = Decimal(10**9)
_GIB_MB = Decimal(1024)
HOURS = Decimal(730)
_DAYS = Decimal(30)
_LISTED = 200  # versions a page (photovault.aws.sweeping)
_SWEPT = 2_000  # objects a run at most (photovault.aws.sweeping)
_KEYS = 100  # rows a BatchGetItem
_AS_LONG_AS_THE_VIDEO = ("encode", "join", "fingerprint")  # their work grows with it; the others look at samples
_YOUNG_MONTHS = 2  # 30 days Standard, 30 days Intelligent-Tiering's frequent tier, at the same price


class Assumption(Struct, frozen=True):
    """A number that was neither measured nor looked up as a price."""

    value: Decimal
    why: str


def _assume(value: str, why: str) -> Assumption:
    return Assumption(Decimal(value), why)


ASSUMPTIONS: dict[str, Assumption] = {
    "processor_factor": _assume("2", "a Lambda vCPU is taken to be so many times slower than the measuring machine"),
    "db_request_ms": _assume("10", "DynamoDB promises single-digit milliseconds; requests one after the other"),
    "s3_request_ms": _assume("100", "first byte of an object: S3's guide says 100 to 200 ms; one after the other"),
    "s3_bytes_per_ms": _assume("85000", "S3's guide: 85 to 90 MB/s on one connection"),
    "sessions": _assume("30", "uploads come once a day; each finds all functions cold"),
    "starts_per_session": _assume("2", "containers that a function starts in a session"),
    "active_hours": _assume("30", "hours of the month in which custom metrics are sent: one a session"),
    "poll_seconds": _assume("20", "a long poll of an empty queue; each is a request"),
    "platform_log_bytes": _assume("600", "Lambda's own start and report lines as JSON, about what AWS's samples have"),
    "compressed_logs": _assume("0.15", "stored logs are compressed to 15 % in CloudWatch's own example"),
    "item_overhead_bytes": _assume("100", "DynamoDB adds so much to each stored item"),
    "pages_per_asset": _assume("3", "pages of the timeline asked for by people, for each asset of the month"),
    "thumbnails_per_page": _assume("50", "pictures of a page that a browser has not cached"),
    "large_views_per_asset": _assume("1", "views of the large picture"),
    "users": _assume("5", "people who sign in"),
    "emails": _assume("30", "alarms and notices by e-mail"),
}


class Load(Struct, frozen=True, kw_only=True):
    """One month's work."""

    images: int
    videos: int
    image_bytes: int
    video_bytes: int
    months: int = 1  # months of such uploads that lie in S3 and DynamoDB: the bill of the n-th month

    def __post_init__(self) -> None:
        if min(self.images, self.videos, self.image_bytes, self.video_bytes) < 0 or self.months < 1:
            raise InvalidInput("a load has no negative numbers, and at least one month")

    @property
    def assets(self) -> int:
        """Images and videos."""
        return self.images + self.videos


class Line(Struct, frozen=True, kw_only=True):
    """One line of the bill."""

    service: str
    what: str
    price: str  # its name in the price table
    quantity: Decimal
    unit: str
    amount: Decimal  # without the free tier
    net: Decimal = Decimal(0)  # after the always-free tier
    function: str = ""


class Bill(Struct, frozen=True):
    """All lines of one month."""

    region: str
    lines: Sequence[Line]

    @property
    def total(self) -> Decimal:
        """US dollars, without the free tier."""
        return sum((line.amount for line in self.lines), Decimal(0))

    @property
    def net(self) -> Decimal:
        """US dollars, after the always-free tier of an account that runs nothing else."""
        return sum((line.net for line in self.lines), Decimal(0))

    def by(self, group: str) -> dict[str, tuple[Decimal, Decimal]]:
        """(amount, net) by `service` or by `function`, the dearest first; lines of no function are left out."""
        sums: dict[str, tuple[Decimal, Decimal]] = {}
        for line in self.lines:
            if name := getattr(line, group):
                amount, net = sums.get(name, (Decimal(0), Decimal(0)))
                sums[name] = amount + line.amount, net + line.net
        return dict(sorted(sums.items(), key=lambda entry: -entry[1][0]))

    def verdict(self, *, free_tier: bool = False) -> str:
        """Whether a tenth of the plan is met: `met` (its lowest), `met at the top` (its highest), or `missed`."""
        low, high = (plan * TARGET_SHARE for plan in PLAN_USD)
        total = self.net if free_tier else self.total
        return "met" if total <= low else "met at the top" if total <= high else "missed"


def month_bill(load: Load, measured: Measured, footprint: Footprint, prices: PriceTable, region: str) -> Bill:
    """The bill of one month.

    Raises:
        InvalidInput: the price table does not know the region.
    """
    draft = Draft(prices, region)
    used = _usage(load, measured, footprint)
    _lambda(draft, used, load, measured, footprint)
    _tables(draft, used, load, measured, footprint)
    _objects(draft, used, load, measured)
    _queues(draft, used, footprint)
    _watching(draft, used, load, measured, footprint)
    _people(draft, load, measured)
    return Bill(region, settle(draft.lines, prices.free()))


def duration_ms(usage: Usage, memory_mb: int, client_cpu_ms: Decimal) -> Decimal:
    """Milliseconds that one invocation is billed for, on average: processor time stretched to the memory's share, and
    waits for DynamoDB and S3, all one after the other.

    A function with m MB has m / 1,769 of a vCPU; above that one thread gains nothing more.
    """
    if not usage.invocations:
        return Decimal(0)
    waits = {name: ASSUMPTIONS[name].value for name in ("db_request_ms", "s3_request_ms", "s3_bytes_per_ms")}
    s3_requests = exact(usage.s3_puts) + exact(usage.s3_gets)
    requests = exact(usage.db_requests) + s3_requests
    cpu = (exact(usage.cpu_ms) + requests * client_cpu_ms) * stretch(memory_mb)
    waiting = exact(usage.db_requests) * waits["db_request_ms"] + s3_requests * waits["s3_request_ms"]
    moving = exact(usage.s3_bytes_read + usage.s3_bytes_written) / waits["s3_bytes_per_ms"]
    return (cpu + waiting + moving) / exact(usage.invocations)


def settle(lines: Iterable[Line], free: Mapping[str, Decimal]) -> list[Line]:
    """Lines with their `net` amounts: each allowance is used up by the lines that draw on it, in their order."""
    left = dict(free)
    settled: list[Line] = []
    for line in lines:
        pool = "lambda_gb_second" if line.price.startswith("lambda_gb_second") else line.price
        given = min(left.get(pool, Decimal(0)), line.quantity)
        left[pool] = left.get(pool, Decimal(0)) - given
        share = (line.quantity - given) / line.quantity if line.quantity else Decimal(0)
        settled.append(_with_net(line, line.amount * share))
    return settled


# --- what is used ----------------------------------------------------------------------------------------------------


def _usage(load: Load, measured: Measured, footprint: Footprint) -> dict[str, Usage]:
    """What each function uses in the month: assets times what one was measured to use, and the schedules."""
    used: dict[str, Usage] = {name: Usage() for name in footprint.functions}
    for count, each, size in (
        (load.images, measured.per_image, load.image_bytes),
        (load.videos, measured.per_video, load.video_bytes),
    ):
        for name, usage in each.functions.items():
            total = used.setdefault(name, Usage())
            _add(total, usage, count)
            if each is measured.per_video and name in _AS_LONG_AS_THE_VIDEO:
                total.cpu_ms += count * usage.cpu_ms * (size / each.original_bytes - 1)
            whole_reads = usage.s3_bytes_read / each.original_bytes  # of the original, which may be larger here
            total.s3_bytes_read += count * whole_reads * (size - each.original_bytes)
    pages = float(load.assets * ASSUMPTIONS["pages_per_asset"].value)
    _add(used.setdefault("api", Usage()), measured.per_page, pages)
    for name, runs in footprint.schedules.items():
        _add(used.setdefault(name, Usage()), _scheduled(name, runs, load, measured), 1)
    return used


_NEIGHBOURS = 40  # rows read for a new picture (benchmarks/memories.py: 110 new ones in 90,000 read 4,405)
_ROWS_A_READ = 8  # rows of 500 bytes in 4 KB
_MEMORY_DOCUMENTS, _MEMORIES_A_DAY = 40, 10
_LOOK_MS = 3000  # with the start of hdbscan


def _scheduled(name: str, runs: int, load: Load, measured: Measured) -> Usage:
    """What a schedule uses in the month, as its work follows from the assets that there are."""
    usage = Usage(invocations=runs)
    objects = load.assets * load.months
    if name == "reconcile":  # lists all versions (LIST is billed as PUT); reads each stream, and its row in each view
        rows = len(measured.per_image.wcu_by_table.keys() - {"events", "checkpoints"})
        stream = -(-max(measured.per_image.event_bytes, measured.per_video.event_bytes) // 4096)
        seen = min(objects, _SWEPT)
        usage.s3_puts = runs * max(1, -(-seen // _LISTED))
        usage.rcu = runs * seen * (stream + rows)
        usage.db_requests = runs * seen * (1 + rows / _KEYS)
    if name == "seal":  # reads the archive of its day, writes the heads and one commit
        archived = load.images * measured.per_image.commits + load.videos * measured.per_video.commits
        usage.s3_gets = archived
        usage.s3_puts = usage.wcu = usage.db_requests = runs
    if name == "memories":  # lists owners; reads the rows of what is new and of its neighbourhood; a few commits a day
        usage.s3_puts = usage.s3_gets = runs
        usage.rcu = load.assets * _NEIGHBOURS * 0.5 / _ROWS_A_READ + runs * _MEMORY_DOCUMENTS
        usage.wcu = usage.db_requests = runs * (_MEMORY_DOCUMENTS + 2 * _MEMORIES_A_DAY)
        usage.cpu_ms = runs * _LOOK_MS
    if name == "upkeep":  # a pass over the history (half an RCU a 4 KB), a part of the store listed, a share read
        stream = -(-max(measured.per_image.event_bytes, measured.per_video.event_bytes) // 4096)
        usage.rcu = runs * objects * (stream * 1.5)  # the scrub and the doctor read some streams once more
        usage.db_requests = runs * (objects * stream / 256 + 50)
        usage.wcu = runs * 5
        usage.s3_gets = runs * min(DAILY_FILES, 10 * objects)
        usage.s3_puts = runs * max(1, -(-objects // _LISTED))
        usage.s3_bytes_read = runs * min(DAILY_BYTES, objects * load.image_bytes)
        usage.cpu_ms = runs * 10_000
    return usage


def _add(total: Usage, one: Usage, times: float) -> None:
    for name in Usage.__struct_fields__:
        setattr(total, name, getattr(total, name) + getattr(one, name) * times)


# --- the lines, service by service -----------------------------------------------------------------------------------


class Draft:
    """Collects lines."""

    def __init__(self, prices: PriceTable, region: str) -> None:
        self._prices = prices
        self._region = region
        self.lines: list[Line] = []

    def add(self, service: str, what: str, price: str, quantity: Decimal, function: str = "") -> None:
        """One line; a line of nothing is left out."""
        if not quantity:
            return
        unit, each = self._prices.price(price, self._region)
        self.lines.append(
            Line(
                service=service,
                what=what,
                price=price,
                quantity=quantity,
                unit=unit,
                amount=quantity * each,
                function=function,
            )
        )


def _lambda(draft: Draft, used: Mapping[str, Usage], load: Load, measured: Measured, footprint: Footprint) -> None:
    client = exact(measured.client_cpu_ms_per_request)
    per_gb_second = f"lambda_gb_second_{footprint.architecture}"
    starts = ASSUMPTIONS["sessions"].value * ASSUMPTIONS["starts_per_session"].value
    for name, usage in used.items():
        shape = footprint.functions.get(name, FunctionShape(memory_mb=512))
        memory_gb = Decimal(shape.memory_mb) / _GIB_MB
        invocations = exact(usage.invocations)
        billed_ms = duration_ms(usage, shape.memory_mb, client) * invocations
        cold = min(invocations, starts) * exact(measured.start_cpu_ms.get(name) or 0) * stretch(shape.memory_mb)
        draft.add("Lambda", "requests", "lambda_request", invocations, function=name)
        draft.add("Lambda", "duration", per_gb_second, billed_ms / 1000 * memory_gb, function=name)
        draft.add("Lambda", "cold starts", per_gb_second, cold / 1000 * memory_gb, function=name)
        storage_gb = Decimal(max(0, shape.storage_mb - 512)) / _GIB_MB
        draft.add("Lambda", "scratch", "lambda_storage_gb_second", billed_ms / 1000 * storage_gb, function=name)


def _tables(draft: Draft, used: Mapping[str, Usage], load: Load, measured: Measured, footprint: Footprint) -> None:
    for name, usage in used.items():
        draft.add("DynamoDB", "writes", "dynamodb_write", exact(usage.wcu), function=name)
        draft.add("DynamoDB", "reads", "dynamodb_read", exact(usage.rcu), function=name)
    events = _stored(load, measured, "event_bytes")
    overhead = _stored(load, measured, "items") * ASSUMPTIONS["item_overhead_bytes"].value
    views = _stored(load, measured, "view_bytes") + overhead
    draft.add("DynamoDB", "storage: events and views", "dynamodb_storage", (events + views) / GB)
    if footprint.pitr:
        draft.add("DynamoDB", "point-in-time recovery of the events", "dynamodb_pitr", events / GB)


def _objects(draft: Draft, used: Mapping[str, Usage], load: Load, measured: Measured) -> None:
    for name, usage in used.items():
        draft.add("S3", "PUT and LIST", "s3_put", exact(usage.s3_puts), function=name)
        draft.add("S3", "GET and HEAD", "s3_get", exact(usage.s3_gets), function=name)
    monthly = Decimal(load.images * load.image_bytes + load.videos * load.video_bytes) / GB
    young = min(load.months, _YOUNG_MONTHS)
    draft.add("S3", "storage: originals of two months", "s3_storage_standard", monthly * young)
    draft.add("S3", "storage: older originals", "s3_storage_intelligent_infrequent", monthly * (load.months - young))
    draft.add("S3", "watching older originals", "s3_tiering_monitor", Decimal(load.assets * (load.months - 1)))
    draft.add("S3", "moving originals", "s3_tiering_transition", Decimal(load.assets * min(1, load.months - 1)))
    longer = Decimal(load.video_bytes) / exact(measured.per_video.original_bytes)  # than the video that was measured
    made = load.images * exact(measured.per_image.blob_bytes)
    made += load.videos * exact(measured.per_video.blob_bytes) * longer
    draft.add("S3", "storage: renditions", "s3_storage_standard", made * load.months / GB)
    draft.add("S3", "storage: archive", "s3_storage_standard", _stored(load, measured, "archive_bytes") / GB)


def _queues(draft: Draft, used: Mapping[str, Usage], footprint: Footprint) -> None:
    for name, usage in used.items():
        draft.add("SQS", "messages", "sqs_request", exact(usage.sqs_requests), function=name)
    polls = HOURS * 3600 / ASSUMPTIONS["poll_seconds"].value
    draft.add("SQS", "polls of empty queues", "sqs_request", polls * sum(footprint.polled_queues.values()))


def _watching(draft: Draft, used: Mapping[str, Usage], load: Load, measured: Measured, footprint: Footprint) -> None:
    invocations = sum((exact(usage.invocations) for usage in used.values()), Decimal(0))
    logged = invocations * (ASSUMPTIONS["platform_log_bytes"].value + measured.log_bytes_per_invocation) / GB
    kept = logged * ASSUMPTIONS["compressed_logs"].value * min(exact(footprint.log_days) / _DAYS, Decimal(load.months))
    hours = ASSUMPTIONS["active_hours"].value / HOURS if load.assets else Decimal(0)
    name = "CloudWatch"
    draft.add(name, "alarms", "cloudwatch_alarm", Decimal(footprint.alarms))
    draft.add(name, "dashboards", "cloudwatch_dashboard", Decimal(footprint.dashboards))
    draft.add(name, "custom metrics: pipeline", "cloudwatch_metric", footprint.pipeline_metrics * hours)
    watched = footprint.scheduled_metrics * (sum(footprint.schedules.values()) - footprint.shared_hours) / HOURS
    draft.add(name, "custom metrics: schedules", "cloudwatch_metric", watched)
    draft.add(name, "logs taken in", "cloudwatch_logs", logged)
    draft.add(name, "logs kept", "cloudwatch_logs_storage", kept)
    if footprint.tracing:
        draft.add("X-Ray", "traces, if every invocation began one", "xray_trace", invocations)
    scheduled = sum(footprint.schedules.values())
    draft.add("EventBridge Scheduler", "schedules", "scheduler_call", Decimal(scheduled))


def _people(draft: Draft, load: Load, measured: Measured) -> None:
    pages = load.assets * ASSUMPTIONS["pages_per_asset"].value
    thumbnails = pages * ASSUMPTIONS["thumbnails_per_page"].value
    large = load.images * ASSUMPTIONS["large_views_per_asset"].value
    small_bytes, large_bytes = (exact(measured.per_image.rendition_bytes.get(n, 0)) for n in ("small", "large"))
    draft.add("API Gateway", "calls", "api_request", pages, function="api")
    draft.add("S3", "GET: pictures looked at", "s3_get", thumbnails + large)
    sent = (thumbnails * small_bytes + large * large_bytes) / GB
    draft.add("Data transfer", "pictures looked at", "transfer_out", sent)
    draft.add("Cognito", "people who sign in", "cognito_user", ASSUMPTIONS["users"].value)
    draft.add("SNS", "e-mails", "sns_email", ASSUMPTIONS["emails"].value)


def _stored(load: Load, measured: Measured, what: str) -> Decimal:
    def each(asset: PerAsset) -> Decimal:
        return exact(getattr(asset, what))

    return (load.images * each(measured.per_image) + load.videos * each(measured.per_video)) * load.months


def stretch(memory_mb: int) -> Decimal:
    """How many times longer one thread takes with this memory on Lambda than on the machine that was measured."""
    share = max(Decimal(1), Decimal(FULL_PROCESSOR_MB) / memory_mb)
    return share * ASSUMPTIONS["processor_factor"].value


def exact(value: float) -> Decimal:
    """A measured number as Decimal, without binary noise."""
    return value if isinstance(value, Decimal) else Decimal(str(round(value, 6)))


def _with_net(line: Line, net: Decimal) -> Line:
    return Line(**{name: getattr(line, name) for name in Line.__struct_fields__ if name != "net"}, net=net)
