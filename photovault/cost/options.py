"""What the bill could do without, and what it does not hold: both priced, so that a choice has a number."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from msgspec import structs

from photovault.cost.bill import HOURS, Bill, Load, month_bill
from photovault.cost.inputs import Footprint, Measured, PriceTable

__all__ = ["extras", "savings"]

_OPENSEARCH_GB = 10  # the template's volume


def savings(
    load: Load, measured: Measured, footprint: Footprint, prices: PriceTable, region: str
) -> dict[str, tuple[Decimal, Decimal]]:
    """(list price, after the free tier) in US dollars a month that each could save, and all of them together."""
    few_polls: dict[str, Any] = {"polled_queues": {queue: min(2, n) for queue, n in footprint.polled_queues.items()}}
    daily: dict[str, Any] = {
        "schedules": {**footprint.schedules, "reconcile": min(30, footprint.schedules.get("reconcile", 0))}
    }
    options = {
        "no maximum concurrency on any queue (AWS then polls with 2 connections)": few_polls,
        "the sweep once a day": daily,
        "both": few_polls | daily,
    }

    def bill(shape: Footprint) -> Bill:
        return month_bill(load, measured, shape, prices, region)

    whole = bill(footprint)
    less = {name: bill(structs.replace(footprint, **changes)) for name, changes in options.items()}
    return {name: (whole.total - each.total, whole.net - each.net) for name, each in less.items()}


def extras(load: Load, measured: Measured, footprint: Footprint, prices: PriceTable, region: str) -> dict[str, Decimal]:
    """What the plan had in mind and the pipeline does not do, in US dollars a month: none of it is in the bill."""
    _, page = prices.price("cloudwatch_dashboard", region)
    _, image = prices.price("rekognition_image", region)
    _, hour = prices.price("opensearch_hour", region)
    _, disk = prices.price("opensearch_storage", region)
    return {
        "Rekognition: labels, faces and moderation of every image (3 calls each)": 3 * load.images * image,
        "Rekognition: who the faces are, with one face an image (1 call each)": load.images * image,
        "A dashboard, if switched on (an account's first three are free)": page,
        "OpenSearch, if switched on: one t3.small.search node with 10 GB": hour * HOURS + _OPENSEARCH_GB * disk,
    }
