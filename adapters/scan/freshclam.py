"""ClamAV's updater: brings a folder of signature databases up to date."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from domain.errors import PhotoVaultError

__all__ = ["OFFICIAL_MIRROR", "update"]

OFFICIAL_MIRROR = "database.clamav.net"
NO_MIRROR = "none"
_DATABASES = ("main", "daily", "bytecode")


def update(folder: Path, mirror: str = OFFICIAL_MIRROR, further: Sequence[str] = (), seconds: float = 540.0) -> None:
    """Run freshclam on a folder; what is there already is brought up to date by differences.

    Args:
        folder: of the databases.
        mirror: host of ClamAV's own databases; "none" leaves them alone.
        further: URLs of single databases of others, `https:` or `file:`.
        seconds: how long it may take.
    Raises:
        PhotoVaultError: freshclam is missing, failed or took too long; says what it said last.
    """
    program = shutil.which("freshclam")
    if program is None:
        raise PhotoVaultError("freshclam is not installed")
    for line in (mirror, *further):
        if not line.isprintable() or " " in line or not line:
            raise PhotoVaultError(f"{line!r} can't be a mirror or the URL of a database")
    lines = [f"DatabaseDirectory {folder}", f"DatabaseMirror {mirror}", "Foreground yes", "Checks 1"]
    if mirror == NO_MIRROR:
        lines += [f"ExcludeDatabase {name}" for name in _DATABASES]
    lines += [f"DatabaseCustomURL {url}" for url in further]
    with contextlib.suppress(KeyError):  # on Lambda nobody has a name, and nobody is root, who alone would need one
        lines.append(f"DatabaseOwner {pwd.getpwuid(os.geteuid()).pw_name}")
    configuration = folder.with_name(f"{folder.name}.freshclam.conf")
    configuration.write_text("\n".join(lines) + "\n", encoding="utf-8")
    configuration.chmod(0o600)
    command = [program, "--config-file", str(configuration), "--stdout", "--no-warnings"]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed program, our own configuration
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PhotoVaultError(f"freshclam was stopped after {seconds:.0f} s") from error
    if done.returncode != 0:
        said = " ".join((done.stdout + done.stderr).decode("utf-8", "replace").split())[-500:]
        raise PhotoVaultError(f"freshclam failed ({done.returncode}): {said}")
