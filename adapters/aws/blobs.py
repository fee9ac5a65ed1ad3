"""Blobs in S3, under the SHA-256 of their content; the bytes of an upload under the key that it came with.

S3 stores an object whole or not at all, and is durable before it answers, so there is nothing to rename or flush.
"""

from __future__ import annotations

import hashlib
import re
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from adapters.aws.connection import Aws, Costs, attempts, error_code
from adapters.aws.objects import put_if_absent
from domain.errors import NotFound

_SHA256 = re.compile(r"^[0-9a-f]{64}$")
_MISSING = {"404", "NoSuchKey", "NotFound"}
_PART_BYTES = 16 * 1024 * 1024


class S3BlobStore:
    """`domain.ports.BlobStore` in a bucket.

    A key that is a SHA-256 names the object `<prefix><key>`; any other key is an upload's own, and is taken as it is.

    Args:
        aws: the clients.
        bucket: the bucket, which exists.
        prefix: what the names of content-addressed objects begin with.

    Attributes:
        costs: requests used by this instance (a transfer in parts is counted as its parts).
    """

    def __init__(self, aws: Aws, bucket: str, prefix: str = "blobs/") -> None:
        self.costs = Costs()
        self._client = aws.s3
        self._bucket = bucket
        self._prefix = prefix

    def put(self, data: bytes) -> str:
        """Store bytes; the key is their SHA-256. Cost: 1 request, which S3 refuses when the object is there."""
        key = hashlib.sha256(data).hexdigest()
        put_if_absent(self._client, self.costs, self._bucket, self.object_name(key), data)
        return key

    def put_files(self, paths: Sequence[Path]) -> Sequence[str]:
        """Move files into the store, all durable on return; each key is the file's SHA-256.

        Cost:
            1 request a file to look for it, 1 more (or 1 a started 16 MB) to store it when it is not there.
        """
        if not paths:
            return []
        with ThreadPoolExecutor(min(8, len(paths)), thread_name_prefix="blob-writer") as pool:
            keys = list(pool.map(self._put_file, paths))
        for path in paths:
            path.unlink(missing_ok=True)
        return keys

    def get(self, key: str) -> bytes:
        """All bytes of a blob; `NotFound` when there is none. Cost: 1 request."""
        with self._found(key):
            answer = self._client.get_object(Bucket=self._bucket, Key=self.object_name(key))
            data: bytes = answer["Body"].read()
        self.costs.add(attempts(answer))
        return data

    def file(self, key: str) -> AbstractContextManager[Path]:
        """The blob as a temporary file, removed at the end; `NotFound` when there is none.

        Cost:
            2 requests, or 1 more for each started 16 MB; as much disk as the blob has bytes.
        """
        return self._file(key)

    def url(self, key: str, seconds: int, *, name: str | None = None, media_type: str | None = None) -> str:
        """A link that lets anyone read this one blob for so many seconds (S3 allows 7 days). Cost: no request.

        Args:
            name: the bytes are saved under this name, not shown.
            media_type: what they are said to be.
        """
        wanted = {"Bucket": self._bucket, "Key": self.object_name(key)}
        if name is not None:
            wanted["ResponseContentDisposition"] = f'attachment; filename="{name}"'
        if media_type is not None:
            wanted["ResponseContentType"] = media_type
        link: str = self._client.generate_presigned_url("get_object", Params=wanted, ExpiresIn=seconds)
        return link

    def delete(self, key: str) -> int:
        """Remove a blob for good, in all its versions; how many bytes it had, 0 when it was not there.

        Cost:
            1 request, and 1 for each version.
        """
        if not _SHA256.match(key):
            return 0
        name = self.object_name(key)
        found = self._client.list_object_versions(Bucket=self._bucket, Prefix=name)
        size = 0
        for each in (*found.get("Versions", ()), *found.get("DeleteMarkers", ())):
            size = max(size, int(each.get("Size", 0)))
            self._client.delete_object(Bucket=self._bucket, Key=each["Key"], VersionId=each["VersionId"])
            self.costs.add(1)
        self.costs.add(attempts(found))
        return size

    def listed(self, prefix: str = "") -> Iterator[tuple[str, int, float]]:
        """Key, bytes and time of storing (seconds since 1970) of the blobs whose keys begin so. Cost: 1 request for
        1,000."""
        query: dict[str, Any] = {}
        while True:
            answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{self._prefix}{prefix}", **query)
            self.costs.add(attempts(answer))
            for entry in answer.get("Contents", ()):
                yield entry["Key"].removeprefix(self._prefix), entry["Size"], entry["LastModified"].timestamp()
            if not answer.get("IsTruncated"):
                return
            query = {"ContinuationToken": answer["NextContinuationToken"]}

    def object_name(self, key: str) -> str:
        """Name of the object that holds a blob; `NotFound` for an empty key."""
        if not key:
            raise NotFound("there is no blob without a key")
        return f"{self._prefix}{key}" if _SHA256.match(key) else key

    def close(self) -> None:
        """Nothing is held open; the clients belong to `Aws`."""

    def _put_file(self, path: Path) -> str:
        with path.open("rb") as file:
            key = hashlib.file_digest(file, "sha256").hexdigest()
        if not self._exists(key):
            size = path.stat().st_size
            transfer(self._client).upload_file(str(path), self._bucket, self.object_name(key))
            self.costs.add(transfer_requests(size))
        return key

    def _exists(self, key: str) -> bool:
        try:
            answer = self._client.head_object(Bucket=self._bucket, Key=self.object_name(key))
        except ClientError as error:
            if error_code(error) not in _MISSING:
                raise
            self.costs.add(attempts(error.response))
            return False
        self.costs.add(attempts(answer))
        return True

    @contextmanager
    def _file(self, key: str) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="photovault-") as folder:
            path = Path(folder) / "blob"
            with self._found(key):
                transfer(self._client).download_file(self._bucket, self.object_name(key), str(path))
            self.costs.add(1 + transfer_requests(path.stat().st_size))
            yield path

    @contextmanager
    def _found(self, key: str) -> Iterator[Any]:
        try:
            yield
        except ClientError as error:
            if error_code(error) in _MISSING:
                raise NotFound(f"there is no blob {key}") from error
            raise


def transfer(client: Any) -> Any:
    """Files in and out of S3, in parts of 16 MB. Imported here: a function that only reads rows needs no boto3."""
    from boto3.s3.transfer import S3Transfer, TransferConfig

    config = TransferConfig(multipart_threshold=_PART_BYTES, multipart_chunksize=_PART_BYTES, max_concurrency=4)
    return S3Transfer(client, config)


def transfer_requests(size: int) -> int:
    """Requests that a transfer takes: one, or one a part and two to begin and complete it."""
    return 1 if size < _PART_BYTES else -(-size // _PART_BYTES) + 2
