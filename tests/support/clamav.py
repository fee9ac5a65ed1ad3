"""A real clamd with a database of its own: it knows one threat, the EICAR test file, and nothing else."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

CLAMD = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin:/usr/local/sbin")
FRESHCLAM = shutil.which("freshclam")
MISSING = "ClamAV is not installed: apt-get install clamav-daemon"

EICAR = "X5O!P%@AP[4\\PZX54(P^)7CC)7}$" + "EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The test file that every scanner knows (eicar.org); in two parts, so that no scanner takes this file for it."""
THREAT = "Eicar-Test-Signature.UNOFFICIAL"


def write_signatures(folder: Path) -> Path:
    """A database folder for ClamAV: one extended signature, for any type of file, at any place in it."""
    folder.mkdir(parents=True, exist_ok=True)
    line = f"{THREAT.removesuffix('.UNOFFICIAL')}:0:*:{EICAR.encode().hex()}\n"
    (folder / "eicar.ndb").write_text(line, encoding="ascii")
    return folder


@contextmanager
def running_clamd(folder: Path, *more: str, tcp_port: int | None = None) -> Iterator[str]:
    """A clamd on a UNIX socket in `folder` (or on a port of 127.0.0.1), with further lines for its configuration.

    Yields:
        Its address as `PHOTOVAULT_CLAMD` takes it.
    """
    assert CLAMD is not None, MISSING
    folder.mkdir(parents=True, exist_ok=True)
    socket = folder / "clamd.sock"
    place = [f"LocalSocket {socket}"] if tcp_port is None else ["TCPAddr 127.0.0.1", f"TCPSocket {tcp_port}"]
    configuration = folder / "clamd.conf"
    lines = [
        *place, f"DatabaseDirectory {write_signatures(folder / 'signatures')}", f"TemporaryDirectory {folder}",
        "Foreground yes", "ConcurrentDatabaseReload no", *more,
    ]  # fmt: skip
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    log = (folder / "clamd.log").open("wb")
    with log, subprocess.Popen([CLAMD, "-c", str(configuration)], stdout=log, stderr=log) as process:
        try:
            address = f"unix:{socket}" if tcp_port is None else f"tcp:127.0.0.1:{tcp_port}"
            _until_it_answers(address, process, folder / "clamd.log")
            yield address
        finally:
            process.kill()


def _until_it_answers(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    from adapters.scan.clamd import ClamdScanner
    from domain.errors import ScanFailed

    deadline = time.monotonic() + 60
    while True:
        try:
            ClamdScanner(address).version()
        except ScanFailed:
            assert process.poll() is None, log.read_text(errors="replace")
            assert time.monotonic() < deadline, log.read_text(errors="replace")
            time.sleep(0.02)  # a poll's pause
        else:
            return
