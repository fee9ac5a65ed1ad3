"""An outbox: each message a file in a folder, for a vault without a mail server, and for looking at what would be sent.

A file's name follows from the message's id, so that sending again changes nothing, and anybody can see what was sent.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from domain.errors import NotDelivered
from domain.ports import Outgoing

__all__ = ["Outbox"]

_PLAIN = re.compile(r"[^A-Za-z0-9@._-]")


class Outbox:
    """`domain.ports.Notifier` into a folder: `.eml` for a mail, `.txt` for a text message. Whole or not at all; a file
    that is there survives a power cut."""

    name = "outbox"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def send(self, message: Outgoing) -> str:
        """Write the file, unless it is there. Raises `NotDelivered` when the folder can't be written."""
        suffix = "eml" if message.channel == "email" else "txt"
        body = message.body if suffix == "eml" else f"To: {message.to}\n\n".encode() + message.body
        path = self._folder / f"{_stem(message.message_id)}.{suffix}"
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not path.exists():
                _write(path, body)
        except OSError as error:
            raise NotDelivered(f"the outbox can't be written: {error.strerror or error}", retryable=True) from error
        return path.name

    def sent(self, message_id: str) -> bool | None:
        """Whether the file is there."""
        return any((self._folder / f"{_stem(message_id)}.{suffix}").exists() for suffix in ("eml", "txt"))


def _stem(message_id: str) -> str:
    plain = _PLAIN.sub("_", message_id.strip("<>"))[:80].lstrip(".")
    return f"{plain}-{hashlib.sha256(message_id.encode()).hexdigest()[:8]}"


def _write(path: Path, body: bytes) -> None:
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=".partial-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(body)
            file.flush()
            os.fsync(file.fileno())
        Path(partial).replace(path)
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
