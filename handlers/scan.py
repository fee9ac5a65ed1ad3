"""The malware scanner as a function of its own: {"bucket", "key", "version"} gives a verdict. Invoked by the validate
step (`adapters.aws.scanner`); runs in a container image with ClamAV (infrastructure/scan/Dockerfile).

One clamd lives as long as the container and holds the signatures in memory; they are fetched from S3, where
`handlers.signatures` keeps them fresh, at the first call and again when there are newer ones.
"""

from __future__ import annotations

import os
import tempfile
import time
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from adapters.aws.connection import Aws, error_code
from adapters.aws.scanner import Answer, Question
from adapters.aws.signatures import Manifest, Signatures
from adapters.scan.clamd import ClamdScanner
from adapters.scan.daemon import Daemon
from domain.errors import PhotoVaultError, ScanFailed
from domain.events import Scan
from handlers.observe import count, logger, observed

_LOOK_EVERY_SECONDS = 600.0
_SPARE_SECONDS = 5.0  # to answer in, before Lambda ends the function
_CHUNK = 1 << 20
_GONE = ("NoSuchKey", "NoSuchVersion", "404", "NotFound", "AccessDenied", "MethodNotAllowed")


@observed
def handler(event: dict[str, Any], context: Any) -> Any:
    """Scan one version of one object. Reads ORIGINALS_BUCKET, SIGNATURES_BUCKET and SIGNATURES_PREFIX."""
    deadline = time.monotonic() + context.get_remaining_time_in_millis() / 1000 - _SPARE_SECONDS
    try:
        answer = Answer(_scan(msgspec.convert(event, Question), deadline))
    except msgspec.ValidationError as error:
        answer = _failed(f"the scanner was not asked for one object: {error}", retryable=False)
    except ScanFailed as failed:
        scan = Scan(status="failed", engine=failed.engine, signatures=failed.signatures, reason=str(failed))
        answer = Answer(scan, failed.retryable)
    count(f"scan_{answer.scan.status}", 1)
    logger.info(answer.scan.status, extra={"reason": answer.scan.reason, "threat": answer.scan.threat})
    return msgspec.to_builtins(answer)


def _failed(reason: str, *, retryable: bool) -> Answer:
    return Answer(Scan(status="failed", reason=reason[:2000]), retryable)


def _scan(question: Question, deadline: float) -> Scan:
    if question.bucket != os.environ["ORIGINALS_BUCKET"]:
        raise ScanFailed("the scanner reads the bucket of originals only", retryable=False)
    container = _container()
    try:
        scanner = container.scanner(deadline)
        named = {"Bucket": question.bucket, "Key": question.key}
        if question.version is not None:
            named["VersionId"] = question.version
        body = container.aws.s3.get_object(**named)["Body"]
        return scanner.scan_chunks(body.iter_chunks(_CHUNK), deadline - time.monotonic())
    except ClientError as error:
        code = error_code(error)
        raise ScanFailed(f"the object can't be read ({code})", retryable=code not in _GONE) from error
    except BotoCoreError as error:
        raise ScanFailed(f"the object or the signatures can't be read ({type(error).__name__})") from error


class Container:
    """What lives as long as the container: the daemon, and which signatures it holds."""

    def __init__(self, folder: Path) -> None:
        self.aws = Aws(endpoint_url=os.environ.get("AWS_ENDPOINT_URL") or None)
        self._signatures = Signatures(
            self.aws, os.environ["SIGNATURES_BUCKET"], os.environ.get("SIGNATURES_PREFIX") or "clamav/"
        )
        self._databases = folder / "databases"
        self._daemon = Daemon(folder / "clamd")
        self._scanner: ClamdScanner | None = None
        self._held = Manifest()
        self._looked: float | None = None

    def scanner(self, deadline: float) -> ClamdScanner:
        """A daemon with the newest signatures; when those can't be had, with the ones it holds.

        Raises:
            ScanFailed: there are no signatures at all, or clamd does not start.
        """
        running = self._scanner if self._daemon.runs() else None
        now = time.monotonic()
        if running is not None and self._looked is not None and now < self._looked + _LOOK_EVERY_SECONDS:
            return running
        newest = self._signatures.manifest()
        if not newest.files:
            raise ScanFailed("there are no signatures yet: the function that fetches them has to run once")
        self._looked = now
        if running is not None and newest == self._held:
            return running
        try:
            self._signatures.fetch(newest, self._databases)
        except PhotoVaultError as error:
            if running is not None:
                return running
            raise ScanFailed(str(error)) from error
        self._scanner = self._daemon.start(self._databases, deadline - time.monotonic())
        self._held = newest
        return self._scanner

    def close(self) -> None:
        """End the daemon and the connections."""
        self._daemon.stop()
        self.aws.close()


@cache
def _container() -> Container:
    return Container(Path(tempfile.mkdtemp(prefix="scan-")))
