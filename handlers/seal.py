"""The seal: once a day the heads of all streams that changed go under one Merkle root, in an event of its own."""

from __future__ import annotations

from typing import Any

from handlers.observe import count, logger, observed, traced
from photovault.aws.cloud import cloud
from photovault.sealing import last_seal_hash, seal


@traced
@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule. Returns the root (None when nothing has changed) and the newest seal's hash, to note elsewhere."""
    vault = cloud()
    sealed = seal(vault.store, vault.blobs, vault.clock())
    count("sealed_streams", sealed.streams if sealed else 0)
    logger.info("sealed", extra={"root": sealed.root if sealed else None})
    newest = last_seal_hash(vault.store)
    return {"root": sealed.root if sealed else None, "streams": sealed.streams if sealed else 0, "hash": newest}
