"""The doctor: what is wrong with a vault, or soon will be, and what to do about each. Reads only, and no file.

Cost: a handful of look-ups, whatever the size of the library: counts, the newest events, at most 200 streams that
changed lately, and 100 assets an owner that are not processed yet.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from domain.commits import from_us, split_stream, to_us
from domain.errors import PhotoVaultError, ViewUnavailable
from domain.events import BackupDrilled, BackupMade, FilesScrubbed, HistorySealed
from domain.pipeline import STEPS
from domain.upkeep import Finding, Level
from photovault.erasing import UNDER_WAY
from photovault.owned import UpkeptVault
from photovault.sealing import SEAL_STREAM
from photovault.upkeep.log import last
from projections.gallery import Gallery
from projections.processing import ProcessingView

__all__ = ["CHECKS", "examine"]

_LATELY = timedelta(hours=2)
_GRACE = timedelta(minutes=15)
_STREAMS = 200
_STUCK = timedelta(days=1)
_AHEAD = timedelta(minutes=5)
_FREE_SHARE, _FREE_BYTES = 0.05, 2 << 30
_WAITING = 10_000


def examine(vault: UpkeptVault) -> list[Finding]:
    """Every check, one after the other. One that can't be made is a finding of its own."""
    findings: list[Finding] = []
    for name, check in CHECKS.items():
        try:
            findings += check(vault)
        except ViewUnavailable as error:
            findings.append(Finding(name, "failure", str(error), "photovault replay"))
        except (PhotoVaultError, OSError) as error:
            findings.append(Finding(name, "failure", f"could not be looked at: {error}", "see the message"))
    return findings


def _lag(vault: UpkeptVault) -> Iterator[Finding]:
    """Streams that changed lately, and whose row in the gallery does not show it."""
    now = vault.clock()
    heads: dict[str, int] = {}
    for commit in vault.commits.window(to_us(now - _LATELY), to_us(now - _GRACE)):
        if split_stream(commit.stream)[1] == "asset":
            heads[commit.stream] = max(commit.last_version, heads.get(commit.stream, 0))
        if len(heads) == _STREAMS:
            break
    gallery, table = vault.generations.active(Gallery.name)
    rows = vault.views.get(table, [gallery.home(stream) for stream in heads]) if heads else []
    behind = sum(row is None or row.version < head for row, head in zip(rows, heads.values(), strict=True))
    level: Level = "failure" if behind else "ok"
    what = f"{behind} of {len(heads)} streams that changed in the last two hours are not shown as they are"
    yield Finding("lag", level, what, "photovault work; if it stays: photovault verify" if behind else "", behind)


def _parked(vault: UpkeptVault) -> Iterator[Finding]:
    parked = list(vault.parking.list())
    what = f"{len(parked)} streams can't be read or folded, and wait" if parked else "no stream waits"
    yield Finding(
        "parked", "failure" if parked else "ok", what, "photovault parked" if parked else "", float(len(parked))
    )


def _queues(vault: UpkeptVault) -> Iterator[Finding]:
    depths = {step: vault.queue.depth(step) for step in STEPS}
    dead = {step: depth.dead for step, depth in depths.items() if depth.dead}
    said = ", ".join(f"{step} {count}" for step, count in dead.items())
    what = f"steps were given up for good: {said}" if dead else "no step was given up"
    do = "photovault dead-letters, then --redrive" if dead else ""
    yield Finding("dead_letters", "warning" if dead else "ok", what, do, float(sum(dead.values())))
    waiting = sum(depth.waiting for depth in depths.values())
    many = waiting > _WAITING
    yield Finding(
        "queue",
        "warning" if many else "ok",
        f"{waiting:,} steps wait for a worker",
        "photovault work, with more PHOTOVAULT_WORKERS" if many else "",
        float(waiting),
    )


def _stuck(vault: UpkeptVault) -> Iterator[Finding]:
    """Assets that are not processed, and of which nothing was heard for a day."""
    _, gallery_table = vault.generations.active(Gallery.name)
    processing, table = vault.generations.active(ProcessingView.name)
    before = to_us(vault.clock() - _STUCK)
    stuck = 0
    for owner in vault.owners():
        page = vault.views.query(gallery_table, owner, index="state", low="processing#", high="processing$", limit=100)
        rows = vault.views.get(table, [(owner, row.key) for row in page.rows]) if page.rows else []
        stuck += sum(row is not None and processing.decode(row.data).changed_us < before for row in rows)
    what = f"{stuck} assets wait for more than a day" if stuck else "no asset waits for more than a day"
    yield Finding("stuck", "warning" if stuck else "ok", what, "photovault work" if stuck else "", float(stuck))


def _disk(vault: UpkeptVault) -> Iterator[Finding]:
    home = getattr(vault.settings, "home", None)
    if home is None or not home.exists():
        return
    usage = shutil.disk_usage(home)
    low = usage.free < _FREE_BYTES or usage.free < usage.total * _FREE_SHARE
    what = f"{usage.free / 1e9:,.1f} GB of {usage.total / 1e9:,.1f} GB are free"
    do = "free some space: photovault cleanup, photovault trash empty" if low else ""
    yield Finding("disk", "failure" if low else "ok", what, do, float(usage.free))


def _views(vault: UpkeptVault) -> Iterator[Finding]:
    old = []
    for name, projection in vault.generations.projections.items():
        registered = vault.generations.registered(name)
        active = registered.find(registered.active)
        if active is None or active.version != projection.version:
            old.append(name)
    what = f"of another version than this code: {', '.join(old)}" if old else "all views are of this code"
    yield Finding("views", "failure" if old else "ok", what, "photovault replay" if old else "", float(len(old)))


def _schemas(vault: UpkeptVault) -> Iterator[Finding]:
    from domain.events import EVENTS
    from events_schema.contract import FOLDER, read_folder
    from events_schema.generate import schema_of

    published = read_folder(FOLDER)
    drift = [cls.__name__ for cls in EVENTS if published.get((cls.__name__, cls.VERSION)) != schema_of(cls)]
    what = f"code and published contract differ in {', '.join(drift)}" if drift else "code and contract agree"
    do = "install the release anew: its files are mixed" if drift else ""
    yield Finding("schemas", "failure" if drift else "ok", what, do, float(len(drift)))


def _models(vault: UpkeptVault) -> Iterator[Finding]:
    from adapters.ml.store import ModelStore
    from photovault.config import models_folder

    store = ModelStore(models_folder())
    states = store.look()
    damaged = sorted(each.name for each in states if each.state == "damaged")
    there = sum(each.state == "installed" for each in states)
    what = f"damaged: {', '.join(damaged)}" if damaged else f"{there} of {len(states)} models are installed"
    yield Finding("models", "failure" if damaged else "ok", what, "photovault models install" if damaged else "")


def _clock(vault: UpkeptVault) -> Iterator[Finding]:
    """The newest seal or upkeep event must not lie ahead of the clock."""
    now: datetime = vault.clock()
    newest = max(
        (
            commit.recorded_us
            for commit in islice(vault.commits.window(to_us(now), to_us(now + timedelta(days=3650))), 1000)
        ),
        default=None,
    )
    ahead = from_us(newest) - now if newest is not None else timedelta(0)
    wrong = ahead > _AHEAD
    what = f"the history has events {ahead} ahead of this clock" if wrong else "the clock is not behind the history"
    do = "set the clock (NTP), or find who wrote with a wrong one" if wrong else ""
    yield Finding("clock", "failure" if wrong else "ok", what, do, max(0.0, ahead.total_seconds()))


def _seal(vault: UpkeptVault) -> Iterator[Finding]:
    events = vault.store.load(SEAL_STREAM).events
    sealed = events[-1].event if events else None
    at = sealed.until if isinstance(sealed, HistorySealed) else None
    yield _aged("seal", "the history was sealed", at, vault.clock(), timedelta(days=3), "photovault events seal")


def _backup(vault: UpkeptVault) -> Iterator[Finding]:
    now = vault.clock()
    replica = vault.replica_region
    if replica is not None:
        what = f"S3 copies to {replica}" if replica else "there is no copy in another region"
        do = "" if replica else "set ReplicaPrefix and ReplicaRegion (docs/upkeep.md)"
        yield Finding("backup", "ok" if replica else "warning", what, do)
    else:
        made = last(vault, BackupMade)
        yield _aged(
            "backup",
            "a backup was made",
            made.occurred_at if made else None,
            now,
            timedelta(days=7),
            "photovault backup save FOLDER",
        )
    drilled = last(vault, BackupDrilled)
    if drilled is not None and isinstance(drilled.event, BackupDrilled) and drilled.event.faults:
        said = drilled.event.faults[0]
        yield Finding("drill", "failure", f"the last drill failed: {said}", "photovault backup save FOLDER, then drill")
        return
    at = drilled.occurred_at if drilled else None
    yield _aged("drill", "a backup was proved", at, now, timedelta(days=32), "photovault backup drill FOLDER")


def _scrub(vault: UpkeptVault) -> Iterator[Finding]:
    read = last(vault, FilesScrubbed)
    if read is not None and isinstance(read.event, FilesScrubbed) and read.event.faulty:
        assets = ", ".join(read.event.faulty[:5])
        do = "photovault restore FOLDER brings files back that are missing; photovault scrub --all shows all"
        yield Finding("scrub", "failure", f"files are missing or changed of {assets}", do)
        return
    at = read.occurred_at if read else None
    yield _aged("scrub", "files were read back", at, vault.clock(), timedelta(days=7), "photovault scrub")


def _erasures(vault: UpkeptVault) -> Iterator[Finding]:
    begun = len(list(vault.checkpoints.list(UNDER_WAY)))
    what = f"{begun} erasures were begun and not ended" if begun else "no erasure is unfinished"
    yield Finding("erasures", "warning" if begun else "ok", what, "photovault cleanup" if begun else "", float(begun))


def _aged(check: str, what: str, at: datetime | None, now: datetime, most: timedelta, do: str) -> Finding:
    if at is None:
        return Finding(check, "warning", f"never yet that {what}", do)
    age = now - at
    old = age > most
    said = f"{what} {age.days} days ago" if age.days else f"{what} within a day"
    return Finding(check, "warning" if old else "ok", said, do if old else "", age.total_seconds())


CHECKS: dict[str, Callable[[Any], Iterator[Finding]]] = {
    "lag": _lag,
    "parked": _parked,
    "queues": _queues,
    "stuck": _stuck,
    "disk": _disk,
    "views": _views,
    "schemas": _schemas,
    "models": _models,
    "clock": _clock,
    "seal": _seal,
    "backup": _backup,
    "scrub": _scrub,
    "erasures": _erasures,
}
"""By name, in the order in which they are made."""
