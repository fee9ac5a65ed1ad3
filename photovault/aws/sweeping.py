"""The sweep: what S3, DynamoDB's stream or a queue never told is found by looking, a bounded piece of the vault a run.

Objects without events become assets; streams whose rows lag are projected; steps that are due and that nobody seems to
work on are sent again. Everything that it does again is harmless, so it needs to be certain of nothing. It also counts
what lies in the steps' queues, for the alarms.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct

from adapters.aws.originals import UNVERSIONED
from domain.asset import Asset, fold
from domain.commits import Commit, derive_id, split_stream, to_us
from domain.errors import HistoryDamaged, UnreadableEvent
from domain.pipeline import STEPS
from domain.ports import Message
from photovault.aws.cloud import Cloud
from photovault.aws.intake import Stored, place_of, take_in

GRACE = timedelta(minutes=15)
"""What is younger is left to those whose work it is."""

STUCK = timedelta(hours=1)
"""Longer than any wait between two attempts at a step (see `domain.pipeline.Step.delay_after`)."""

MOST_OBJECTS = 2_000
"""What one run looks at, so that a run costs the same however large the library is; the next one goes on."""

_KIND = "sweep"
_PAGE = 200
_MAX_WINDOW = timedelta(hours=6)  # what one run looks at; the first run looks so far back


class Swept(Struct):
    """What one run did."""

    objects: int = 0
    recovered: int = 0  # became assets only now
    refused: int = 0
    heads: int = 0
    lagging: int = 0  # streams whose rows were behind
    resent: int = 0  # messages
    waiting: int = 0  # messages of steps that no worker has in hand, and that are due
    dead_letters: int = 0  # of steps
    whole: bool = False  # the listing has come to its end, and begins anew with the next run


class _Cursor(Struct, frozen=True):
    """Where a listing of the bucket goes on: behind this version of this key."""

    key: str = ""
    version: str = ""


def sweep_queues(vault: Cloud, swept: Swept) -> None:
    """Count what waits in the steps' queues, and what was given up. Cost: 2 requests a step."""
    for step in STEPS:
        depth = vault.queue.depth(step)
        swept.waiting += depth.waiting
        swept.dead_letters += depth.dead


def sweep_objects(vault: Cloud, swept: Swept, until: datetime, page: int = 0) -> None:
    """Go through the upload bucket from where the last run stopped, until the end of the listing, of the time, or of
    what one run may look at.

    Cost:
        1 listing a page; for each object 1 read of its stream, or 1 append; for each page 1 read a projection. At
        most `MOST_OBJECTS` a run, whatever the bucket holds.
    """
    entry = vault.checkpoints.load(_KIND, "objects")
    cursor: _Cursor | None = msgspec.json.decode(entry.value, type=_Cursor) if entry else _Cursor()
    listed = 0
    while cursor is not None and listed < MOST_OBJECTS and vault.clock() < until:
        objects, following = _list(vault, cursor, page or _PAGE)
        _sweep_page(vault, objects, swept)
        listed += len(objects)
        swept.whole = following is None
        vault.checkpoints.save(_KIND, "objects", msgspec.json.encode(following or _Cursor()), expected=None)
        cursor = following


def sweep_heads(vault: Cloud, swept: Swept) -> None:
    """Compare the heads of the streams that changed since the last run with their rows, and project what lags.

    Cost:
        The archive's objects of that time; for each 100 streams 1 read a projection.
    """
    now = vault.clock()
    entry = vault.checkpoints.load(_KIND, "heads")
    since_us = int(entry.value) if entry else to_us(now - _MAX_WINDOW)
    until_us = min(to_us(now - GRACE), since_us + _MAX_WINDOW // timedelta(microseconds=1))
    if until_us <= since_us:
        return
    heads: dict[str, int] = {}
    for commit in vault.commits.window(since_us, until_us):
        heads[commit.stream] = max(heads.get(commit.stream, 0), commit.last_version)
    swept.heads += len(heads)
    _project(vault, heads, swept)
    vault.checkpoints.save(_KIND, "heads", str(until_us).encode(), expected=None)


def _sweep_page(vault: Cloud, objects: Iterable[Stored], swept: Swept) -> None:
    heads: dict[str, int] = {}
    for stored in objects:
        if vault.clock() - stored.at < GRACE:
            continue
        swept.objects += 1
        stream, _ = place_of(stored, vault.settings.default_owner)
        commits = list(vault.commits.read(stream))
        if not commits:
            taken = take_in(vault.store, stored, vault.settings.default_owner, actor="reconcile")
            swept.recovered += taken.new and taken.refused is None
            swept.refused += taken.new and taken.refused is not None
        elif vault.clock() - commits[-1].recorded_at >= GRACE:
            heads[stream] = commits[-1].last_version
            swept.resent += _resend(vault, stream, commits)
    _project(vault, heads, swept)


def _project(vault: Cloud, heads: Mapping[str, int], swept: Swept) -> None:
    """Project the streams whose rows are behind these versions."""
    lagging: set[str] = set()
    for projection, table in vault.generations.fed():
        mine = [stream for stream in heads if split_stream(stream)[1] == projection.category]
        homes = vault.views.get(table, [projection.home(stream) for stream in mine]) if mine else ()
        lagging.update(s for s, home in zip(mine, homes, strict=True) if home is None or home.version < heads[s])
    swept.lagging += len(lagging)
    if lagging:
        vault.projector.project(commit for stream in sorted(lagging) for commit in vault.commits.read(stream))


def _resend(vault: Cloud, stream: str, commits: Sequence[Commit]) -> int:
    """Messages for steps that should have been attempted an hour ago; and the commits into the archive, which the
    relay that lost the messages may have missed too."""
    if split_stream(stream)[1] != "asset" or vault.clock() - commits[-1].recorded_at < STUCK:
        return 0
    try:
        asset = fold(stream, (recorded for commit in commits for recorded in vault.store.events_of(commit)))
    except (UnreadableEvent, HistoryDamaged):
        return 0  # parked where it was met first
    messages = list(_messages(asset, vault.clock()))
    if messages:
        vault.archive.write(commits)
    for message in messages:
        vault.queue.send(message.step, [message])
    return len(messages)


def _messages(asset: Asset, now: datetime) -> Iterator[Message]:
    for name, step in asset.due().items():
        if step.next_attempt_at is None or now - step.next_attempt_at >= STUCK:
            ident = derive_id(asset.stream, name, step.caused_by, "again")
            yield Message(ident, asset.stream, name, step.caused_by, asset.correlation_id)


def _list(vault: Cloud, cursor: _Cursor, page: int) -> tuple[list[Stored], _Cursor | None]:
    """One page of the bucket's objects, every version of each; and where the next page begins."""
    markers: dict[str, Any] = {}
    if cursor.key:
        markers = {"KeyMarker": cursor.key} | ({"VersionIdMarker": cursor.version} if cursor.version else {})
    bucket = vault.settings.originals_bucket
    answer = vault.aws.s3.list_object_versions(Bucket=bucket, MaxKeys=page, **markers)
    objects = [
        Stored(
            bucket=bucket,
            key=entry["Key"],
            version=entry.get("VersionId") or UNVERSIONED,
            etag=entry["ETag"].strip('"'),
            size_bytes=entry["Size"],
            at=entry["LastModified"].astimezone(UTC),
        )
        for entry in answer.get("Versions", ())
    ]
    if not answer.get("IsTruncated"):
        return objects, None
    return objects, _Cursor(answer["NextKeyMarker"], answer.get("NextVersionIdMarker", ""))
