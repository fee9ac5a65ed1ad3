"""What a vault that is worked on all day does by the clock, beside sealing: the day's look for memories."""

from __future__ import annotations

from datetime import date
from importlib.util import find_spec

from domain.errors import ViewUnavailable
from photovault.vault import Vault

__all__ = ["remember"]


def remember(vault: Vault, today: date) -> bool:
    """Look for memories unless that was done today; whether it was done now. Nothing without hdbscan, or while a view
    is not built: the next time does it.

    Cost:
        One document when it was done.
    """
    if find_spec("hdbscan") is None:
        return False
    from adapters.ml.density import density_clusters
    from photovault.memory_documents import MemoryDocuments
    from photovault.remembering import look_all, places_by

    owner = vault.settings.owner
    if MemoryDocuments(vault.checkpoints, owner).looked().on == today.isoformat():
        return False
    try:
        look_all(vault, owner, today, places_by(density_clusters), vault.settings.serving)
    except ViewUnavailable:
        return False
    return True
