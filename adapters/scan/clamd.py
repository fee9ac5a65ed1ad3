"""ClamAV's daemon as the scanner: bytes go over a socket, so that it needs no right to read the vault.

Own code for a protocol of two commands (clamd(8), "COMMANDS"): the client on PyPI, `clamd` 1.0.2, had its last release
in 2014, sends a whole chunk with no deadline, and takes the daemon's refusal of a long stream for a broken pipe.
"""

from __future__ import annotations

import re
import socket
import struct
import time
from collections.abc import Iterable
from pathlib import Path

from domain.errors import InvalidInput, ScanFailed
from domain.events import Scan

__all__ = ["ClamdScanner", "parse_address", "parse_version", "verdict"]

_CHUNK = 256 << 10
_LENGTH = struct.Struct(">I")
_MAX_REPLY = 4096
_OVER_LIMITS = "Heuristics.Limits.Exceeded"
Address = str | tuple[str, int]


def parse_address(text: str) -> Address:
    """`unix:/run/clamav/clamd.ctl` or `tcp:127.0.0.1:3310`.

    Raises:
        InvalidInput: it is neither.
    """
    kind, _, rest = text.partition(":")
    host, _, port = rest.rpartition(":")
    if kind == "unix" and rest.startswith("/"):
        return rest
    if kind == "tcp" and host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536:
        return host, int(port)
    raise InvalidInput(f"{text!r} is no address of clamd: it takes unix:/run/clamav/clamd.ctl or tcp:127.0.0.1:3310")


class ClamdScanner:
    """`domain.ports.Scanner` by a clamd that runs already. Safe for threads: each scan has connections of its own.

    Args:
        address: see `parse_address`.
        seconds: how long one scan may take, the sending included.
    Raises:
        InvalidInput: the address can't be one.
    """

    def __init__(self, address: str, seconds: float = 180.0) -> None:
        self._name = address
        self._address = parse_address(address)
        self._seconds = seconds

    def version(self) -> tuple[str, str | None]:
        """Engine ("ClamAV 1.4.3") and signatures ("27500, Mon Jun  2 08:30:21 2025"), None where there are no dated
        ones; `ScanFailed` when nothing answers."""
        with _Connection(self, time.monotonic() + self._seconds) as connection:
            connection.send(b"zVERSION\0")
            return parse_version(connection.reply())

    def scan(self, blob: str, path: Path) -> Scan:
        """Send the file and wait for the verdict; see `domain.ports.Scanner.scan`."""
        with path.open("rb") as file:
            return self.scan_chunks(iter(lambda: file.read(_CHUNK), b""))

    def scan_chunks(self, chunks: Iterable[bytes], seconds: float | None = None) -> Scan:
        """Send bytes as they come, and wait for the verdict.

        Args:
            chunks: the content, in parts of any length but 0.
            seconds: how long it may take; the scanner's own time when not given.
        Raises:
            ScanFailed: there is no verdict.
        """
        deadline = time.monotonic() + (self._seconds if seconds is None else seconds)
        engine, signatures = self.version()
        try:
            with _Connection(self, deadline) as connection:
                try:
                    connection.send(b"zINSTREAM\0")
                    for chunk in chunks:
                        connection.send(_LENGTH.pack(len(chunk)), chunk)
                    connection.send(_LENGTH.pack(0))
                except (BrokenPipeError, ConnectionResetError):
                    pass  # it has seen enough: the reply says why
                return verdict(connection.reply(), engine, signatures)
        except ScanFailed as failed:
            raise ScanFailed(
                str(failed), retryable=failed.retryable, engine=engine, signatures=signatures
            ) from failed.__cause__

    @property
    def name(self) -> str:
        """The address as it was given."""
        return self._name


def parse_version(reply: str) -> tuple[str, str | None]:
    """Engine and signatures of `ClamAV 1.4.3/27500/Mon Jun  2 08:30:21 2025`; without a dated database, of `ClamAV
    1.4.3`."""
    engine, _, rest = reply.partition("/")
    number, _, date = rest.partition("/")
    return engine[:100], ", ".join(filter(None, (number, date)))[:100] or None


def verdict(reply: str, engine: str, signatures: str | None) -> Scan:
    """What a reply to INSTREAM means.

    A file over clamd's limits is not scanned to its end; with `AlertExceedsMax` it says so by a "threat" of that name.

    Raises:
        ScanFailed: it is no verdict.
    """
    said = reply.removeprefix("stream: ")
    if said == "OK":
        return Scan(status="clean", engine=engine, signatures=signatures)
    found = re.fullmatch(r"(.+) FOUND", said)
    if found and found[1].startswith(_OVER_LIMITS):
        why = f"the file is over clamd's limits and was not scanned to its end ({found[1][:200]})"
        raise ScanFailed(why, retryable=False)
    if found:
        return Scan(status="infected", engine=engine, signatures=signatures, threat=found[1][:200])
    if "size limit exceeded" in said:
        raise ScanFailed(
            "the file is longer than clamd takes: raise StreamMaxLength, MaxFileSize and MaxScanSize in clamd.conf",
            retryable=False,
        )
    raise ScanFailed(f"clamd gave no verdict: {said[:300] or 'it closed the connection'}")


class _Connection:
    """One connection with a deadline; every fault of it is a `ScanFailed`, but for a stream that clamd cuts off."""

    def __init__(self, scanner: ClamdScanner, deadline: float) -> None:
        self._deadline = deadline
        self._seconds = scanner._seconds
        self._name = scanner.name
        address = scanner._address
        family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
        try:
            if isinstance(address, str):
                self._socket = socket.socket(family, socket.SOCK_STREAM)
                self._socket.settimeout(self._left())
                self._socket.connect(address)
            else:
                self._socket = socket.create_connection(address, timeout=self._left())
        except OSError as error:
            if hasattr(self, "_socket"):
                self._socket.close()
            raise self._unreachable(error) from error

    def send(self, *parts: bytes) -> None:
        """Send bytes; `BrokenPipeError` or `ConnectionResetError` when clamd wants no more."""
        try:
            for part in parts:
                self._socket.settimeout(self._left())
                self._socket.sendall(part)
        except TimeoutError:
            raise self._late() from None

    def reply(self) -> str:
        """Everything up to the NUL that ends a reply, made printable."""
        received = bytearray()
        try:
            while b"\0" not in received and len(received) < _MAX_REPLY:
                self._socket.settimeout(self._left())
                part = self._socket.recv(_MAX_REPLY)
                if not part:
                    break
                received += part
        except TimeoutError:
            raise self._late() from None
        except OSError as error:
            raise self._unreachable(error) from error
        text = bytes(received).partition(b"\0")[0].decode("utf-8", "replace")
        return "".join(c for c in text if c.isprintable()).strip()

    def __enter__(self) -> _Connection:
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.close()

    def _left(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise self._late()
        return left

    def _late(self) -> ScanFailed:
        return ScanFailed(f"clamd at {self._name} gave no verdict in {self._seconds:g} s")

    def _unreachable(self, error: OSError) -> ScanFailed:
        why = error.strerror or str(error) or type(error).__name__
        return ScanFailed(f"clamd at {self._name} can't be reached ({why}): is it running?")
