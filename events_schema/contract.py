"""The published contract as data: the schema files, read from their folder or as a git commit holds them.

A contract maps (event type, version) to its JSON Schema; on disk that is `<type>/<version>.json`.
"""

from __future__ import annotations

import io
import json
import subprocess
import tarfile
from pathlib import Path, PurePosixPath
from typing import Any, TypeAlias

from domain.errors import InvalidInput

__all__ = ["FOLDER", "Contract", "Schema", "path_of", "read_folder", "read_git"]

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema, draft 2020-12, or a part of one."""

Contract: TypeAlias = dict[tuple[str, int], Schema]
"""(event type, version) -> schema of its data."""

FOLDER = Path(__file__).parent
"""Where the schema files lie."""


def path_of(event: str, version: int) -> str:
    """Path of a schema file inside the folder."""
    return f"{event}/{version}.json"


def read_folder(folder: Path) -> Contract:
    """The schema files in a folder.

    Raises:
        InvalidInput: a file is not JSON.
    """
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.glob("*/*.json")}
    return _contract(files)


def read_git(folder: Path, ref: str) -> Contract:
    """The schema files of a folder as a git commit holds them; none if the commit does not know the folder.

    Raises:
        InvalidInput: there is no such commit, the folder is in no git repository, or a file is not JSON.
    """
    if ref.startswith("-") or _git(folder, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}") is None:
        raise InvalidInput(f"git knows no commit {ref!r} in {folder}: name a branch, a tag or a commit with --against")
    archive = _git(folder, "archive", "--format=tar", ref)  # in a sub-folder: that folder alone
    if archive is None:
        return {}
    files = {}
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        for member in tar:
            if member.isfile() and (content := tar.extractfile(member)):
                files[member.name] = content.read()
    return _contract(files)


def _contract(files: dict[str, bytes]) -> Contract:
    contract: Contract = {}
    for name in sorted(files):
        path = PurePosixPath(name)
        if len(path.parts) == 2 and path.suffix == ".json" and path.stem.isdecimal():
            try:
                schema = json.loads(files[name])
            except (ValueError, RecursionError) as error:
                raise InvalidInput(f"the schema file {name} is not JSON ({error}): restore it from git") from error
            if not isinstance(schema, dict):
                raise InvalidInput(f"the schema file {name} is not a JSON object: restore it from git")
            contract[path.parts[0], int(path.stem)] = schema
    return contract


def _git(folder: Path, *arguments: str) -> bytes | None:
    """What git prints, or None when it refuses."""
    try:
        # The program is git as the user's shell finds it, without a shell in between.
        ran = subprocess.run(["git", *arguments], cwd=folder, capture_output=True, check=False)  # noqa: S603, S607
    except OSError as error:
        raise InvalidInput(f"git can't be run in {folder}: {error}") from error
    return ran.stdout if ran.returncode == 0 else None
