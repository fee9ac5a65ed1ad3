"""Starts ministack, the emulator of AWS, for tests and benchmarks: one process, on 127.0.0.1, stopped by its id.

It lives in a virtual environment of its own (`make emulator` makes `.venv-emulator` from constraints-emulator.txt),
because it pins its own botocore. PHOTOVAULT_EMULATOR names another executable.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import boto3

from adapters.aws.connection import Aws

_ROOT = Path(__file__).resolve().parents[1]
_START_SECONDS = 60.0
_STOP_SECONDS = 10.0

MISSING = "the emulator is not installed: run `make emulator` (or set PHOTOVAULT_EMULATOR to ministack's path)"


class EmulatorFailed(RuntimeError):
    """The emulator ended, or did not answer in time; the message holds the end of its log."""


def executable() -> Path | None:
    """Path of ministack, or None when it is not installed."""
    named = os.environ.get("PHOTOVAULT_EMULATOR")
    if named:
        found = shutil.which(named)
        return Path(found) if found else None
    place = _ROOT / ".venv-emulator" / "bin" / "ministack"
    return place if place.exists() else None


@contextmanager
def emulator() -> Iterator[str]:
    """A fresh emulator's endpoint, for as long as the context lasts.

    Raises:
        FileNotFoundError: it is not installed.
        EmulatorFailed: it did not start.
    """
    program = executable()
    if program is None:
        raise FileNotFoundError(MISSING)
    with tempfile.TemporaryDirectory(prefix="photovault-emulator-") as folder:
        port = _free_port()
        log = Path(folder) / "emulator.log"
        process = _start(program, port, Path(folder), log)
        try:
            endpoint = f"http://127.0.0.1:{port}"
            _await_ready(process, endpoint, log)
            yield endpoint
        finally:
            _stop(process)


def session(region: str = "us-east-1") -> boto3.session.Session:
    """Made-up credentials, so that no real account is ever touched."""
    return boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name=region)  # noqa: S106


def connect(endpoint: str, region: str = "us-east-1") -> Aws:
    """Clients for an emulator."""
    return Aws(session(region), endpoint_url=endpoint)


def _start(program: Path, port: int, folder: Path, log: Path) -> subprocess.Popen[bytes]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")} | {
        "BIND_HOST": "127.0.0.1",
        "GATEWAY_PORT": str(port),
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LOG_LEVEL": "WARNING",
        "TMPDIR": str(folder),
        "S3_DATA_DIR": str(folder / "s3"),
    }
    with log.open("wb") as output:
        return subprocess.Popen(  # noqa: S603 - the program that the environment or `make emulator` names
            [str(program)], env=environment, cwd=folder, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )


def _await_ready(process: subprocess.Popen[bytes], endpoint: str, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise EmulatorFailed(f"the emulator ended with {process.returncode}: {_end_of(log)}")
        try:
            with urllib.request.urlopen(f"{endpoint}/_ministack/health", timeout=2):  # noqa: S310
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.05)
    raise EmulatorFailed(f"the emulator did not answer within {_START_SECONDS:.0f} s: {_end_of(log)}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _end_of(log: Path) -> str:
    return log.read_text(errors="replace")[-2000:]
