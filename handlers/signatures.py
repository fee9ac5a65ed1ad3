"""Keeps the scanner's signatures fresh: freshclam on a copy from S3, and back what changed. On a schedule."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

from adapters.aws.connection import Aws
from adapters.aws.signatures import Signatures
from adapters.scan.freshclam import OFFICIAL_MIRROR, update
from handlers.observe import count, logger, observed


@observed
def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """EventBridge Scheduler. Reads SIGNATURES_BUCKET, SIGNATURES_PREFIX, FRESHCLAM_MIRROR and FRESHCLAM_URLS (further
    databases, separated by blanks); answers with the names of the databases that changed.

    Raises:
        PhotoVaultError: freshclam failed: the old signatures stay, and the function's alarm tells.
    """
    aws = Aws(endpoint_url=os.environ.get("AWS_ENDPOINT_URL") or None)
    prefix = os.environ.get("SIGNATURES_PREFIX") or "clamav/"
    signatures = Signatures(aws, os.environ["SIGNATURES_BUCKET"], prefix)
    try:
        with tempfile.TemporaryDirectory(prefix="signatures-") as scratch:
            folder = Path(scratch) / "databases"
            signatures.fetch(signatures.manifest(), folder)
            left = context.get_remaining_time_in_millis() / 1000
            mirror = os.environ.get("FRESHCLAM_MIRROR") or OFFICIAL_MIRROR
            update(folder, mirror, os.environ.get("FRESHCLAM_URLS", "").split(), seconds=left * 0.8)
            changed = signatures.store(folder)
    finally:
        aws.close()
    count("databases_changed", len(changed))
    logger.info("signatures are up to date", extra={"changed": changed})
    return {"changed": changed}
