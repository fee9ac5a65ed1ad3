"""Status: assets by state, steps by status, events, and how far the projections lag."""

from __future__ import annotations

from typing import Any

from domain.pipeline import STEPS
from photovault.runtime import lag
from photovault.vault import Vault
from projections.processing import COUNTERS


def status_of(vault: Vault) -> dict[str, Any]:
    """The document that `status --json` prints.

    Raises:
        ViewUnavailable: the view that counts is not built, so that the numbers are not known.
    """
    totals = _totals(vault)
    assets = totals.get("assets", {})
    events, streams = vault.commits.counts()
    behind = lag(vault)
    return {
        "assets": {name: assets.get(name, 0) for name in ("total", "done", "processing", "quarantined", "given_up")},
        "steps": {step: {name: totals.get(f"step:{step}", {}).get(name, 0) for name in COUNTERS} for step in STEPS},
        "events": events,
        "streams": streams,
        "projections": {
            name: {"generation": vault.generations.registered(name).active, "lag": behind}
            for name in vault.generations.projections
        },
        "parked": [
            {"consumer": p.consumer, "stream": p.stream, "error": p.error, "attempts": p.attempts}
            for p in vault.parking.list()
        ],
        "owner": vault.settings.owner,
        "home": str(vault.settings.home),
    }


def _totals(vault: Vault) -> dict[str, dict[str, int]]:
    _, table = vault.generations.active("processing")
    found = vault.views.totals(table, vault.settings.owner)
    return {name: dict(counters) for name, counters in found.items()}
