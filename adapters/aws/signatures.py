"""Signature databases in S3: files under a prefix, and a manifest, written last, that says which belong together."""

from __future__ import annotations

import hashlib
from pathlib import Path

import msgspec
from botocore.exceptions import ClientError

from adapters.aws.blobs import transfer
from adapters.aws.connection import Aws, error_code
from domain.errors import PhotoVaultError

__all__ = ["File", "Manifest", "Signatures"]

_MANIFEST = "manifest.json"


class File(msgspec.Struct, frozen=True):
    """One database."""

    name: str
    sha256: str
    bytes: int


class Manifest(msgspec.Struct, frozen=True):
    """All databases of one moment."""

    files: tuple[File, ...] = ()


class Signatures:
    """The databases of a deployment.

    Args:
        aws: clients.
        bucket: where they are.
        prefix: under which keys.
    """

    def __init__(self, aws: Aws, bucket: str, prefix: str) -> None:
        self._aws = aws
        self._bucket = bucket
        self._prefix = prefix

    def manifest(self) -> Manifest:
        """What there is now; no files before the first update. Cost: 1 request."""
        try:
            answer = self._aws.s3.get_object(Bucket=self._bucket, Key=self._prefix + _MANIFEST)
        except ClientError as error:
            if error_code(error) in ("NoSuchKey", "404"):
                return Manifest()
            raise
        return msgspec.json.decode(answer["Body"].read(), type=Manifest)

    def fetch(self, manifest: Manifest, into: Path) -> None:
        """Make a folder hold exactly these databases; those that it has already are not read again.

        Raises:
            PhotoVaultError: one is not what the manifest says: it is being replaced, and a later try finds it whole.
        """
        into.mkdir(parents=True, exist_ok=True)
        wanted = {file.name: file for file in manifest.files}
        for path in into.iterdir():
            if path.name not in wanted:
                path.unlink()
        for name, file in wanted.items():
            path = into / name
            if "/" in name or name.startswith("."):
                raise PhotoVaultError(f"{name!r} can't be the name of a signature database")
            if path.exists() and _sha256(path) == file.sha256:
                continue
            part = into / f".{name}.part"
            transfer(self._aws.s3).download_file(self._bucket, self._prefix + name, str(part))
            if _sha256(part) != file.sha256:
                part.unlink()
                raise PhotoVaultError(f"the signature database {name} is being replaced: try again")
            part.rename(path)

    def store(self, folder: Path) -> list[str]:
        """Write what changed, then the manifest; names of the databases that were written."""
        before = {file.name: file for file in self.manifest().files}
        paths = sorted(path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        files = tuple(File(path.name, _sha256(path), path.stat().st_size) for path in paths)
        changed = [file.name for file in files if before.get(file.name) != file]
        for name in changed:
            transfer(self._aws.s3).upload_file(str(folder / name), self._bucket, self._prefix + name)
        if changed or len(files) != len(before):
            body = msgspec.json.encode(Manifest(files))
            self._aws.s3.put_object(Bucket=self._bucket, Key=self._prefix + _MANIFEST, Body=body)
        return changed


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
