"""Upkeep: once a day cleanup, a share of the scrub, a drill once a week, and the doctor. Asked by name, it erases.

{}                                        the day's upkeep
{"erase": ["anna#asset#..."]}             erase these streams, as their owner asked
{"empty_trash": "anna"}                   erase what is in an owner's trash
{"dry_run": true}                         say what the cleanup would delete
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import msgspec

from domain.asset import asset_stream
from domain.errors import PhotoVaultError
from domain.events import BackupDrilled
from domain.upkeep import TRASH_KEPT, worst
from handlers.observe import count, logger, observed, traced
from photovault.aws.cloud import Cloud, cloud
from photovault.aws.drilling import drill
from photovault.erasing import Erased, erase_all
from photovault.keyfile import KEYS, write_keys
from photovault.upkeep.cleaning import clean, expired
from photovault.upkeep.doctor import examine
from photovault.upkeep.log import last
from photovault.upkeep.scrub import scrub

FINDINGS = ("upkeep", "findings")
"""The document with what the doctor found last: `/health` shows its levels."""

_DRILL_EVERY = timedelta(days=7)


class Unhealthy(PhotoVaultError):
    """The doctor found what must be looked at: the run fails, and the alarm on errors tells of it."""


@traced
@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule, or an operator.

    Raises:
        Unhealthy: names the findings, after everything was done.
    """
    vault = cloud()
    if "erase" in event:
        return _told(erase_all(vault, list(event["erase"]), "asked", "operator"))
    if "empty_trash" in event:
        owner = str(event["empty_trash"])
        streams = [asset_stream(owner, each) for each in expired(vault, owner, vault.clock() + TRASH_KEPT)]
        return _told(erase_all(vault, streams, "trash_emptied", f"person:{owner}"))
    if event.get("dry_run"):
        plan, _ = clean(vault, vault.owners(), dry=True, everything=True)
        answer: dict[str, Any] = msgspec.to_builtins(plan)
        return answer
    return _daily(vault)


def _daily(vault: Cloud) -> dict[str, Any]:
    _, cleaned = clean(vault, vault.owners())
    scrubbed = scrub(vault)
    drilled = last(vault, BackupDrilled)
    if drilled is None or drilled.occurred_at + _DRILL_EVERY <= vault.clock():
        drill(vault)
    if vault.replica:
        with TemporaryDirectory() as folder:
            write_keys(vault.keys, Path(folder) / KEYS)
            vault.replica.put_keys(Path(folder) / KEYS)
    findings = examine(vault)
    vault.checkpoints.save(*FINDINGS, msgspec.json.encode(findings), expected=None)
    level = worst(findings)
    told = {
        "level": level,
        "freed_bytes": cleaned.freed_bytes,
        "erased": cleaned.erased,
        "scrubbed": scrubbed.files,
        "faulty": len(scrubbed.faults),
        "findings": [msgspec.to_builtins(each) for each in findings if each.level != "ok"],
    }
    logger.info("kept up", extra=told)
    if level == "failure":
        count("upkeep_failures", sum(each.level == "failure" for each in findings))
        raise Unhealthy("; ".join(f"{f.check}: {f.what}; {f.do}" for f in findings if f.level == "failure"))
    return told


def _told(done: Erased) -> dict[str, Any]:
    logger.info("erased", extra={"assets": len(done.assets), "blobs": done.blobs})
    answer: dict[str, Any] = msgspec.to_builtins(done)
    return answer
