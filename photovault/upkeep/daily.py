"""The day's upkeep: what `work --watch` does on one machine by itself. The doctor says what is overdue."""

from __future__ import annotations

from datetime import datetime, timedelta

from domain.errors import PhotoVaultError
from domain.events import BackupDrilled
from photovault.upkeep.backup import drill, save
from photovault.upkeep.cleaning import clean
from photovault.upkeep.log import last
from photovault.upkeep.scrub import scrub
from photovault.vault import Vault

__all__ = ["SAMPLE", "daily", "daily_due"]

SAMPLE = 20
"""Assets of a drill by the clock."""

_EVERY = timedelta(days=1)
_DRILL_EVERY = timedelta(days=7)
_DONE = ("upkeep", "daily")


def daily_due(vault: Vault) -> bool:
    """Whether a day has gone by since the last one began."""
    entry = vault.checkpoints.load(*_DONE)
    return entry is None or datetime.fromisoformat(entry.value.decode()) + _EVERY <= vault.clock()


def daily(vault: Vault) -> list[str]:
    """Clean, scrub, and with a backup's folder in the settings copy and (once a week) prove the copy.

    Returns:
        What could not be done, each a sentence: a disk that is away today is there tomorrow.
    """
    vault.checkpoints.save(*_DONE, vault.clock().isoformat().encode(), expected=None)
    failed: list[str] = []
    for task in (_clean, _scrub, _backup):
        try:
            task(vault)
        except (PhotoVaultError, OSError) as error:
            failed.append(f"{task.__name__.strip('_')}: {error}")
    return failed


def _clean(vault: Vault) -> None:
    clean(vault, vault.owners())


def _scrub(vault: Vault) -> None:
    scrub(vault)


def _backup(vault: Vault) -> None:
    folder = vault.settings.backup
    if folder is None:
        return
    save(vault, folder)
    drilled = last(vault, BackupDrilled)
    if drilled is None or drilled.occurred_at + _DRILL_EVERY <= vault.clock():
        drill(vault, folder, SAMPLE)
