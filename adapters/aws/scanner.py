"""The malware scanner as a function of its own: it holds ClamAV and its signatures, which no other function could."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
from botocore.exceptions import BotoCoreError, ClientError

from adapters.aws.connection import Aws, Costs, attempts, error_code
from adapters.aws.originals import UNVERSIONED, parse_blob_key
from domain.errors import ScanFailed
from domain.events import Scan

__all__ = ["Answer", "FunctionScanner", "Question"]


class Question(msgspec.Struct, frozen=True):
    """What the function is asked: one version of one object."""

    bucket: str
    key: str
    version: str | None = None


class Answer(msgspec.Struct, frozen=True):
    """What it answers: a verdict, or why there is none."""

    scan: Scan
    retryable: bool = True


class FunctionScanner:
    """`domain.ports.Scanner` by invoking `handlers.scan`, which reads the object itself.

    Attributes:
        costs: requests used by this instance.
    """

    def __init__(self, aws: Aws, function: str, bucket: str) -> None:
        self.costs = Costs()
        self._aws = aws
        self._function = function
        self._bucket = bucket

    def scan(self, blob: str, path: Path) -> Scan:
        """Ask and wait; see `domain.ports.Scanner.scan`. Cost: 1 request, and the function's time."""
        key, version = parse_blob_key(blob)
        question = Question(self._bucket, key, None if version == UNVERSIONED else version)
        try:
            answer = self._aws.scan_invoker.invoke(
                FunctionName=self._function, InvocationType="RequestResponse", Payload=msgspec.json.encode(question)
            )
            said: bytes = answer["Payload"].read()
        except ClientError as error:
            raise ScanFailed(f"the scanner {self._function} can't be invoked ({error_code(error)})") from error
        except BotoCoreError as error:
            raise ScanFailed(f"the scanner {self._function} does not answer ({type(error).__name__})") from error
        self.costs.add(attempts(answer))
        if "FunctionError" in answer:
            raise ScanFailed(f"the scanner {self._function} failed: {_error(said)}")
        try:
            found = msgspec.json.decode(said, type=Answer)
        except msgspec.DecodeError as error:
            raise ScanFailed(f"the scanner {self._function} gave no verdict that can be read") from error
        if found.scan.status == "failed":
            scan = found.scan
            reason = scan.reason or "the scanner did not say why"
            raise ScanFailed(reason, retryable=found.retryable, engine=scan.engine, signatures=scan.signatures)
        return found.scan


def _error(said: bytes) -> str:
    """Lambda's own words for how a function failed (`errorMessage`), or none."""
    try:
        told: Any = msgspec.json.decode(said)
        return str(told["errorMessage"])[:300]
    except (msgspec.DecodeError, KeyError, TypeError):
        return "it did not say why"
