"""The bill of a vault's own history: what each owner brought in each month, with the times and sizes in the events.

Requests and capacity units are those that were measured (`measured.json`); processor time by step, sizes of events and
of renditions are the vault's own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from decimal import Decimal

from msgspec import Struct, field, structs

from adapters.aws.items import item_bytes, to_item
from domain.commits import Recorded, split_stream
from domain.errors import HistoryDamaged, UnreadableEvent
from domain.events import AssetUploaded, FileValidated, Outcome, RenditionsGenerated
from domain.eventstore import EventStore
from photovault.cost.bill import Bill, Load, month_bill
from photovault.cost.inputs import Footprint, Measured, PerAsset, PriceTable

__all__ = ["MonthOfOwner", "OwnerBill", "bills", "history_by_month"]


class Totals(Struct):
    """Sums over the assets of one kind."""

    assets: int = 0
    bytes: int = 0
    event_bytes: int = 0
    blob_bytes: int = 0
    cpu_ms: dict[str, int] = field(default_factory=dict)  # by step


class MonthOfOwner(Struct):
    """What one owner brought in one month; a file that never showed what it is counts as an image."""

    month: str  # yyyy-mm, UTC
    owner: str
    images: Totals = field(default_factory=Totals)
    videos: Totals = field(default_factory=Totals)


class OwnerBill(Struct, frozen=True):
    """What one owner's month costs beyond what the deployment costs anyway."""

    month: str
    owner: str
    images: int
    videos: int
    bytes: int
    cpu_ms: int
    amount: Decimal  # US dollars


def history_by_month(store: EventStore) -> list[MonthOfOwner]:
    """Fold the whole history, one stream in memory at a time.

    Cost:
        One pass over all commits.
    """
    found: dict[tuple[str, str], MonthOfOwner] = {}
    for segment in store.commits.segments(1):
        for stream, recorded, size in _streams(store, segment):
            owner, category, _ = split_stream(stream)
            if category == "asset":
                _count(found, owner, recorded, size)
    return sorted(found.values(), key=lambda each: (each.month, each.owner))


def bills(
    months: Iterable[MonthOfOwner], measured: Measured, footprint: Footprint, prices: PriceTable, region: str
) -> tuple[Bill, list[OwnerBill]]:
    """(what a month without uploads costs, what each owner's month adds to it), without the free tier.

    Custom metrics cost the same whoever uploads, so no owner is billed for them.
    """
    nothing = Load(images=0, videos=0, image_bytes=0, video_bytes=0)
    fixed = month_bill(nothing, measured, footprint, prices, region)
    shared = structs.replace(footprint, pipeline_metrics=0)
    found: list[OwnerBill] = []
    for month in months:
        images, videos = month.images, month.videos
        load = Load(
            images=images.assets,
            videos=videos.assets,
            image_bytes=images.bytes // max(1, images.assets),
            video_bytes=videos.bytes // max(1, videos.assets),
        )
        own = structs.replace(
            measured, per_image=_own(measured.per_image, images), per_video=_own(measured.per_video, videos)
        )
        bill = month_bill(load, own, shared, prices, region)
        found.append(
            OwnerBill(
                month=month.month,
                owner=month.owner,
                images=images.assets,
                videos=videos.assets,
                bytes=images.bytes + videos.bytes,
                cpu_ms=sum(images.cpu_ms.values()) + sum(videos.cpu_ms.values()),
                amount=bill.total - fixed.total,
            )
        )
    return fixed, found


def _streams(store: EventStore, segment: str) -> Iterator[tuple[str, list[Recorded], int]]:
    """(stream, its events, bytes of its items); what can't be read is left out: `audit --verify` lists it."""
    stream, recorded, size = "", list[Recorded](), 0
    for commit in store.commits.segment(segment):
        if commit.stream != stream:
            if stream:
                yield stream, recorded, size
            stream, recorded, size = commit.stream, [], 0
        size += item_bytes(to_item(commit))
        try:
            recorded += store.events_of(commit)
        except (UnreadableEvent, HistoryDamaged):
            continue
    if stream:
        yield stream, recorded, size


def _count(found: dict[tuple[str, str], MonthOfOwner], owner: str, recorded: list[Recorded], size: int) -> None:
    uploaded = next((each for each in recorded if isinstance(each.event, AssetUploaded)), None)
    if uploaded is None:
        return
    assert isinstance(uploaded.event, AssetUploaded)
    month = _month(uploaded.commit.recorded_at)
    entry = found.setdefault((month, owner), MonthOfOwner(month, owner))
    video = any(isinstance(each.event, FileValidated) and each.event.kind == "video" for each in recorded)
    totals = entry.videos if video else entry.images
    totals.assets += 1
    totals.bytes += uploaded.event.size_bytes
    totals.event_bytes += size
    for each in recorded:
        event = each.event
        if isinstance(event, Outcome):
            totals.cpu_ms[event.run.step] = totals.cpu_ms.get(event.run.step, 0) + event.run.cpu_ms
        if isinstance(event, RenditionsGenerated):
            totals.blob_bytes += sum(rendition.size_bytes for rendition in event.renditions)


def _own(each: PerAsset, totals: Totals) -> PerAsset:
    """The measurement, with what the vault knows better."""
    if not totals.assets:
        return each
    functions = {
        name: structs.replace(usage, cpu_ms=totals.cpu_ms[name] / totals.assets) if name in totals.cpu_ms else usage
        for name, usage in each.functions.items()
    }
    return structs.replace(
        each,
        event_bytes=totals.event_bytes / totals.assets,
        blob_bytes=totals.blob_bytes / totals.assets,
        functions=functions,
    )


def _month(moment: datetime) -> str:
    return f"{moment:%Y-%m}"
