"""What a bill is computed from: the dated prices, the measurements, and the shape of the deployment.

Each is a JSON file beside this module: `prices.json` is written by hand, `measured.json` by the command's `--measure`,
`footprint.json` repeats what `template.yaml` deploys (a test holds the two together).
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from importlib import resources
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from domain.errors import InvalidInput
from photovault.cost.metering import Usage

__all__ = [
    "Footprint",
    "FunctionShape",
    "Measured",
    "PerAsset",
    "PriceTable",
    "ReplayMeasured",
    "footprint",
    "measured",
    "price_table",
]

T = TypeVar("T")


class Source(Struct, frozen=True):
    """Where a price comes from. `how`: `page` was read on the page named, `known` was not looked up."""

    title: str
    url: str
    dated: str
    how: str


class Allowance(Struct, frozen=True):
    """What AWS gives every account every month, without an end."""

    amount: Decimal
    about: str
    source: str


class PriceTable(Struct, frozen=True):
    """US dollars by region, each price with its unit and source."""

    compiled: str
    currency: str
    warning: str
    regions: Mapping[str, str]
    prices: Mapping[str, Mapping[str, Any]]
    always_free: Mapping[str, Allowance]
    sources: Mapping[str, Source]

    def price(self, name: str, region: str) -> tuple[str, Decimal]:
        """(unit, US dollars for one).

        Raises:
            InvalidInput: the region is not in the table.
        """
        if region not in self.regions:
            raise InvalidInput(f"there are no prices for {region!r}, only for {', '.join(self.regions)}")
        entry = self.prices[name]
        return str(entry["unit"]), Decimal(entry[region]) / Decimal(entry["per"])

    def source(self, name: str, region: str) -> Source:
        """Where a price comes from."""
        return self.sources[self.prices[name]["source"][region]]

    def free(self) -> dict[str, Decimal]:
        """Allowances by the name of the price that they are taken from."""
        return {name: allowance.amount for name, allowance in self.always_free.items()}


class PerAsset(Struct, frozen=True):
    """What one image or video was measured to use, on average."""

    commits: float
    events: float
    items: float  # commits, and rows of views
    event_bytes: float
    view_bytes: float  # indexes included
    blob_bytes: float  # renditions and tags
    archive_bytes: float
    original_bytes: float
    wcu_by_table: Mapping[str, float]
    functions: Mapping[str, Usage]
    rendition_bytes: Mapping[str, float] = {}  # the smallest format of each size


class ReplayMeasured(Struct, frozen=True):
    """What a rebuild of all projections was measured to fold and write."""

    events: int
    streams: int
    commits: int
    event_bytes: int
    fold_cpu_us_per_event: float
    rows: int
    row_bytes: int  # without their copies in indexes
    wcu_by_table: Mapping[str, float]
    requests: int


class Measured(Struct, frozen=True):
    """A measurement on one machine."""

    measured_at: str
    command: str
    machine: str
    photo: Mapping[str, float]
    video: Mapping[str, float]
    client_cpu_ms_per_request: float
    start_cpu_ms: Mapping[str, float]
    log_bytes_per_invocation: int
    per_image: PerAsset
    per_video: PerAsset
    per_page: Usage  # a page of 50 rows of the timeline
    replay: ReplayMeasured


class FunctionShape(Struct, frozen=True):
    """What matters for the bill of a function's configuration."""

    memory_mb: int
    storage_mb: int = 512  # ephemeral; the first 512 MB are free


class Footprint(Struct, frozen=True):
    """What is deployed, as far as it costs something."""

    architecture: str  # `x86_64` or `arm64`
    functions: Mapping[str, FunctionShape]
    polled_queues: Mapping[str, int]  # connections that ask each for work, also an empty one: 5, or 2 without a maximum
    schedules: Mapping[str, int]  # function -> runs a month
    alarms: int  # metrics that alarms watch
    dashboards: int
    pipeline_metrics: int  # custom metrics that are sent while assets are processed
    scheduled_metrics: int  # custom metrics that each scheduled run sends
    log_days: int
    replay_workers: int  # segments of a replay that are worked on at once
    replay_segments: int
    shared_hours: int = 0  # runs of schedules in an hour in which another one runs: its metrics cost nothing more
    pitr: bool = True
    tracing: bool = True


def price_table() -> PriceTable:
    """The price table of this version."""
    return _load("prices.json", PriceTable)


def measured() -> Measured:
    """The measurement of this version."""
    return _load("measured.json", Measured)


def footprint() -> Footprint:
    """What this version's template deploys."""
    return _load("footprint.json", Footprint)


def _load(name: str, kind: type[T]) -> T:
    text = resources.files("photovault.cost").joinpath(name).read_bytes()
    return msgspec.json.decode(text, type=kind)
