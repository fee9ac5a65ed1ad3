"""Blobs of the deployment: originals in S3 under the key that they were uploaded with, all else by SHA-256.

An upload is never copied: its blob key names the object and its version, so that the bytes behind an event stay the
same whatever is uploaded under that key later.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from adapters.aws.archive import CommitArchive
from adapters.aws.blobs import S3BlobStore, transfer, transfer_requests
from adapters.aws.connection import Aws, Costs, attempts, error_code
from domain.errors import NotFound

_SCHEME = "s3:"
_VERSION = "?versionId="
UNVERSIONED = "null"
"""S3's own word for the version of an object that was stored while its bucket kept none."""

_MISSING = {"404", "NoSuchKey", "NoSuchVersion", "NotFound", "MethodNotAllowed"}  # the last: a deletion marker


def blob_key(key: str, version: str) -> str:
    """The blob key of an upload: `s3:<key>?versionId=<version>`."""
    return f"{_SCHEME}{key}{_VERSION}{version}"


def parse_blob_key(blob: str) -> tuple[str, str]:
    """Object key and version of an upload's blob key; `NotFound` for anything else."""
    key, found, version = blob.removeprefix(_SCHEME).rpartition(_VERSION)
    if not (blob.startswith(_SCHEME) and found and key and version):
        raise NotFound(f"there is no blob {blob}: it names neither a SHA-256 nor an upload")
    return key, version


class Originals:
    """Uploads in their bucket; nothing here writes.

    Attributes:
        costs: requests used by this instance.
    """

    def __init__(self, aws: Aws, bucket: str) -> None:
        self.costs = Costs()
        self.bucket = bucket
        self._aws = aws

    def get(self, blob: str) -> bytes:
        """All bytes of an upload; `NotFound` when it is gone. Cost: 1 request."""
        with _found(blob):
            answer = self._aws.s3.get_object(**self._object(blob))
            data: bytes = answer["Body"].read()
        self.costs.add(attempts(answer))
        return data

    @contextmanager
    def file(self, blob: str) -> Iterator[Path]:
        """An upload as a temporary file, removed at the end; `NotFound` when it is gone.

        Cost:
            2 requests, or 1 more for each started 16 MB; as much disk as the upload has bytes.
        """
        named = self._object(blob)
        bucket, key = named.pop("Bucket"), named.pop("Key")
        with tempfile.TemporaryDirectory(prefix="photovault-") as folder:
            path = Path(folder) / "original"
            with _found(blob):
                transfer(self._aws.s3).download_file(bucket, key, str(path), extra_args=named or None)
            self.costs.add(1 + transfer_requests(path.stat().st_size))
            yield path

    def url(self, blob: str, seconds: int) -> str:
        """A link that lets anyone read this one version for so many seconds. Cost: no request."""
        link: str = self._aws.s3.generate_presigned_url("get_object", Params=self._object(blob), ExpiresIn=seconds)
        return link

    def delete(self, blob: str) -> int:
        """Remove one version of an upload for good; how many bytes it had, 0 when it was not there. Only `erasing` may,
        when its owner has said so. Cost: 2 requests."""
        named = self._object(blob)
        try:
            size = int(self._aws.s3.head_object(**named)["ContentLength"])
        except ClientError as error:
            if error_code(error) in _MISSING:
                return 0
            raise
        self._aws.s3.delete_object(**named)
        self.costs.add(2)
        return size

    def abandoned(self, before: datetime, *, dry: bool) -> int:
        """Abort multipart uploads that were begun before a moment, unless `dry`; how many.

        Cost:
            1 request for 1,000, and 1 for each.
        """
        query: dict[str, Any] = {}
        found = 0
        while True:
            answer = self._aws.s3.list_multipart_uploads(Bucket=self.bucket, **query)
            self.costs.add(attempts(answer))
            for upload in answer.get("Uploads", ()):
                if upload["Initiated"] >= before:
                    continue
                found += 1
                if not dry:
                    self._aws.s3.abort_multipart_upload(
                        Bucket=self.bucket, Key=upload["Key"], UploadId=upload["UploadId"]
                    )
                    self.costs.add(1)
            if not answer.get("IsTruncated"):
                return found
            query = {"KeyMarker": answer["NextKeyMarker"], "UploadIdMarker": answer["NextUploadIdMarker"]}

    def upload_url(self, key: str, seconds: int) -> str:
        """A link that lets its holder PUT one object under this key for so many seconds. Cost: no request."""
        link: str = self._aws.s3.generate_presigned_url(
            "put_object", Params={"Bucket": self.bucket, "Key": key}, ExpiresIn=seconds
        )
        return link

    def _object(self, blob: str) -> dict[str, Any]:
        key, version = parse_blob_key(blob)
        return {"Bucket": self.bucket, "Key": key} | ({"VersionId": version} if version != UNVERSIONED else {})


class Replica:
    """The buckets of `infrastructure/replica.yaml`: copies under the same keys and versions, as S3 makes them."""

    def __init__(self, aws: Aws, prefix: str) -> None:
        self.originals = Originals(aws, f"{prefix}-originals")
        self.derived = S3BlobStore(aws, f"{prefix}-derived")
        self.archive = CommitArchive(aws, f"{prefix}-archive")
        self._aws = aws
        self._keys_bucket = f"{prefix}-keys"  # without versions: a key that was destroyed must not be left in one

    def put_keys(self, file: Path) -> None:
        """Replace the copied keys by these. Cost: 1 request."""
        self._aws.s3.put_object(Bucket=self._keys_bucket, Key="keys.json", Body=file.read_bytes())

    def get(self, key: str) -> bytes | None:
        """A copied blob; None when it is not there."""
        try:
            return self.originals.get(key) if key.startswith(_SCHEME) else self.derived.get(key)
        except NotFound:
            return None


class CloudBlobStore:
    """`domain.ports.BlobStore` over both buckets: it writes content-addressed blobs only.

    Attributes:
        read_bytes, written_bytes: what steps moved through this instance.
    """

    def __init__(
        self, originals: Originals, derived: S3BlobStore, replica: tuple[Originals, S3BlobStore] | None = None
    ) -> None:
        self.originals = originals
        self._replica = replica
        self.derived = derived
        self.read_bytes = 0
        self.written_bytes = 0

    def put(self, data: bytes) -> str:
        """Store bytes under their SHA-256. Cost: 1 request."""
        self.written_bytes += len(data)
        return self.derived.put(data)

    def put_files(self, paths: Sequence[Path]) -> Sequence[str]:
        """Move files into the store. Cost: 2 requests a file."""
        self.written_bytes += sum(path.stat().st_size for path in paths)
        return self.derived.put_files(paths)

    def get(self, key: str) -> bytes:
        """All bytes of a blob; `NotFound` when there is none. Cost: 1 request."""
        data = self.originals.get(key) if key.startswith(_SCHEME) else self.derived.get(key)
        self.read_bytes += len(data)
        return data

    def file(self, key: str) -> AbstractContextManager[Path]:
        """The blob as a temporary file; `NotFound` when there is none. Cost: see `Originals.file`."""
        return self._file(key)

    def may_be_shared(self, key: str) -> bool:
        """Whether another asset may need the blob too: never so of an upload; of what was derived nobody knows."""
        return not key.startswith(_SCHEME)

    def delete(self, key: str) -> int:
        """Remove a blob for good, with all versions, and its copy in another region; how many bytes it had, 0 when it
        was not there."""
        upload = key.startswith(_SCHEME)
        if self._replica is not None:
            originals, derived = self._replica
            originals.delete(key) if upload else derived.delete(key)
        return self.originals.delete(key) if upload else self.derived.delete(key)

    def listed(self, prefix: str = "") -> Iterator[tuple[str, int, float]]:
        """Key, bytes and time of storing of the derived blobs whose keys begin so."""
        return self.derived.listed(prefix)

    def url(self, key: str, seconds: int, *, name: str | None = None, media_type: str | None = None) -> str:
        """A link to one blob, good for so many seconds; name and type are for what was derived. Cost: no request."""
        if key.startswith(_SCHEME):
            return self.originals.url(key, seconds)
        return self.derived.url(key, seconds, name=name, media_type=media_type)

    @contextmanager
    def _file(self, key: str) -> Iterator[Path]:
        source = self.originals if key.startswith(_SCHEME) else self.derived
        with source.file(key) as path:
            self.read_bytes += path.stat().st_size
            yield path


@contextmanager
def _found(blob: str) -> Iterator[None]:
    try:
        yield
    except ClientError as error:
        if error_code(error) in _MISSING:
            raise NotFound(f"there is no upload {blob}") from error
        raise
