"""A clamd of our own, for where no service manager keeps one: the scanner's function on Lambda."""

from __future__ import annotations

import ctypes
import shutil
import signal
import subprocess
import time
from pathlib import Path

from adapters.scan.clamd import ClamdScanner
from domain.errors import ScanFailed

__all__ = ["Daemon"]

MAX_BYTES = 2_000_000_000
"""ClamAV reads no file of 2 GiB or more (clamd.conf(5), MaxFileSize)."""
_PATHS = "/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin"
_PR_SET_PDEATHSIG = 1
_LOOK_EVERY_SECONDS = 0.05


class Daemon:
    """Keeps one clamd running over one folder of signatures.

    Args:
        folder: for its socket, its configuration and what it unpacks; made when missing.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, signatures: Path, seconds: float) -> ClamdScanner:
        """Start clamd on these signatures, in the place of one that runs; returns when it answers.

        Args:
            signatures: folder of databases; clamd holds them in memory from then on.
            seconds: how long that may take: with ClamAV's own signatures tens of seconds.
        Raises:
            ScanFailed: it is not installed, ends by itself, or does not answer in time.
        """
        self.stop()
        program = shutil.which("clamd") or shutil.which("clamd", path=_PATHS)
        if program is None:
            raise ScanFailed("clamd is not installed", retryable=False)
        self._folder.mkdir(parents=True, exist_ok=True)
        socket, log = self._folder / "clamd.sock", self._folder / "clamd.log"
        socket.unlink(missing_ok=True)
        configuration = self._folder / "clamd.conf"
        configuration.write_text(_CONFIGURATION.format(socket=socket, signatures=signatures, folder=self._folder))
        with log.open("wb") as said:
            self._process = subprocess.Popen(  # noqa: S603 - a fixed program, our own configuration
                [program, "--config-file", str(configuration)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                preexec_fn=_end_with_parent,  # noqa: PLW1509 - one system call, and the caller has no other threads yet
            )
        scanner = ClamdScanner(f"unix:{socket}")
        deadline = time.monotonic() + seconds
        while True:
            try:
                scanner.version()
            except ScanFailed as error:
                if self._process.poll() is not None:
                    last = " ".join(log.read_text(errors="replace").split())[-300:]
                    raise ScanFailed(f"clamd ended by itself: {last}") from error
                if time.monotonic() > deadline:
                    raise ScanFailed(f"clamd did not load its signatures in {seconds:.0f} s") from error
                time.sleep(_LOOK_EVERY_SECONDS)
            else:
                return scanner

    def runs(self) -> bool:
        """Whether the last one started still lives."""
        return self._process is not None and self._process.poll() is None

    def stop(self) -> None:
        """End it; nothing when none runs."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None


def _end_with_parent() -> None:
    """Let the kernel end the daemon when whoever started it dies, however that happens (prctl(2), Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


_CONFIGURATION = f"""\
LocalSocket {{socket}}
DatabaseDirectory {{signatures}}
TemporaryDirectory {{folder}}
Foreground yes
ConcurrentDatabaseReload no
SelfCheck 86400
StreamMaxLength {MAX_BYTES}
MaxFileSize {MAX_BYTES}
MaxScanSize {MAX_BYTES}
MaxScanTime 240000
AlertExceedsMax yes
"""
