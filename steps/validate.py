"""validate: what the bytes are, by content; harmless, whole, within the limits, and not in the vault already.

The malware scanner reads a file before any decoder does. Content that was not known at the upload is claimed by a
stream of its own (docs/adr/0004-asset-ids.md).
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path

from domain.asset import Asset, Attempt
from domain.commits import NEW, Cause, derive_id, stream_name
from domain.errors import ConflictError, MediaRejected, PhotoVaultError, ScanFailed
from domain.events import ContentClaimed, DuplicateFound, Event, FileQuarantined, FileValidated, Scan
from steps import Ports
from steps.stacks import leave_stacks


def validate(asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
    """Scan the file, then decode it from end to end once.

    Returns:
        `FileValidated` (with `DuplicateFound` when another asset holds the same bytes), or `FileQuarantined`.
    Raises:
        ScanFailed: there is no verdict, and another attempt may bring one.
    """
    uploaded = asset.uploaded
    assert uploaded is not None  # the step follows AssetUploaded
    with ports.blobs.file(uploaded.blob) as path:
        size, sha256 = path.stat().st_size, _sha256(path)
        if uploaded.sha256 not in (None, sha256):
            raise PhotoVaultError(
                f"the stored bytes have changed since the upload: their SHA-256 is {sha256}, it was {uploaded.sha256}; "
                "check the disk, then import the file again"
            )
        scan = _scan(uploaded.blob, path, attempt, ports)
        try:
            _refuse(scan, ports)
            found = ports.media.inspect(path)
        except MediaRejected as rejected:
            return [
                FileQuarantined(
                    run=attempt.run(),
                    code=rejected.code,
                    reason=rejected.reason,
                    sha256=sha256,
                    size_bytes=size,
                    scan=scan,
                ),
                *leave_stacks(asset, attempt, ports.store),  # nothing may stand behind what is refused
            ]
    validated = FileValidated(
        run=attempt.run(),
        media_type=found.media_type,
        kind=found.kind,
        sha256=sha256,
        size_bytes=size,
        width=found.width,
        height=found.height,
        frames=found.frames,
        scan=scan,
        notes=found.notes,
    )
    if uploaded.sha256 is None:  # the asset's id does not follow from its content: somebody else may hold it
        first = _claim(asset, sha256, ports)
        if first != asset.id:
            return [validated, DuplicateFound(of=first)]
    return [validated]


def _scan(blob: str, path: Path, attempt: Attempt, ports: Ports) -> Scan:
    """The scanner's verdict; after the last attempt, that there is none."""
    try:
        return ports.scanner.scan(blob, path)
    except ScanFailed as failed:
        if failed.retryable and attempt.number < attempt.step.max_attempts:
            raise
        return Scan(
            status="failed", engine=failed.engine, signatures=failed.signatures, reason=str(failed)[:2000] or None
        )


def _refuse(scan: Scan, ports: Ports) -> None:
    """Stop at what is infected, and at what nobody could scan where only clean files are served
    (docs/adr/0013-only-what-is-clean-is-served.md)."""
    if scan.status == "infected":
        raise MediaRejected("infected", f"the malware scanner found {scan.threat or 'something that it does not name'}")
    if scan.status == "failed" and not ports.serving.allows("failed"):
        raise MediaRejected("scan_failed", f"the malware scan failed, and only clean files are taken: {scan.reason}")


def _claim(asset: Asset, sha256: str, ports: Ports) -> str:
    """Be the first asset of the owner with this content, or learn who is. One append."""
    stream = stream_name(asset.owner, "content", sha256)
    cause = Cause(
        commit_id=derive_id(stream, asset.id),
        actor="step:validate",
        correlation_id=asset.correlation_id,
        causation_id=asset.steps["validate"].caused_by,
    )
    try:
        ports.store.append(stream, [ContentClaimed(asset=asset.id)], NEW, cause)
    except ConflictError as conflict:
        claimed = ports.store.events_of(conflict.winner)[0].event
        assert isinstance(claimed, ContentClaimed)
        return claimed.asset
    return asset.id


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
