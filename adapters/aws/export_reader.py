"""The history from an export of the event table in S3 (DynamoDB JSON): a replay that leaves the live table alone.

An export is a manifest and gzipped data files of one item a line, in no order. A file is a segment: it is read whole,
sorted, and given stream by stream. A stream that is not whole in its file is read from the table, which is the truth.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

import msgspec
from botocore.exceptions import ClientError
from msgspec import Struct

from adapters.aws.connection import Aws, Costs, attempts, error_code
from adapters.aws.items import from_item
from adapters.aws.parsing import with_bytes
from domain.commits import Commit
from domain.errors import InvalidInput, NotFound
from domain.ports import CommitStore, Tail

_MANIFEST = "manifest-files.json"
_SUMMARY = "manifest-summary.json"


class _File(Struct, frozen=True):
    """A line of `manifest-files.json`."""

    item_count: int = msgspec.field(name="itemCount")
    data_file_s3_key: str = msgspec.field(name="dataFileS3Key")


class _Summary(Struct, frozen=True):
    """What is needed of `manifest-summary.json`."""

    export_time: datetime = msgspec.field(name="exportTime")


_file = msgspec.json.Decoder(_File).decode
_line = msgspec.json.Decoder(dict[str, Any]).decode


class ExportedCommits:
    """`domain.ports.CommitStore` whose segments are an export's files; all else is the live store's.

    Args:
        aws: the clients.
        source: where the export lies: `s3://bucket/prefix/AWSDynamoDB/<export id>`.
        live: the table's own store.

    Attributes:
        costs: requests to S3 by this instance.
    """

    def __init__(self, aws: Aws, source: str, live: CommitStore) -> None:
        bucket, _, prefix = source.removeprefix("s3://").partition("/")
        if not (source.startswith("s3://") and bucket and prefix):
            raise InvalidInput(f"{source!r} is not an export: it takes s3://bucket/.../AWSDynamoDB/<export id>")
        self.costs = Costs()
        self._client = aws.s3
        self._bucket = bucket
        self._prefix = prefix.strip("/")
        self._live = live

    def exported_at(self) -> datetime:
        """The moment that the export shows, UTC. Cost: 1 request."""
        return msgspec.json.decode(self._get(f"{self._prefix}/{_SUMMARY}"), type=_Summary).export_time.astimezone(UTC)

    def segments(self, parts: int) -> Sequence[str]:
        """Keys of the data files that hold anything, however many parts are asked for. Cost: 1 request.

        Raises:
            NotFound: there is no export, or it has not ended: the manifest comes last.
        """
        lines = self._get(f"{self._prefix}/{_MANIFEST}").splitlines()
        files = [_file(line) for line in lines if line.strip()]
        return [file.data_file_s3_key for file in files if file.item_count]

    def segment(self, segment: str, after: tuple[str, int] | None = None) -> Iterator[Commit]:
        """One file's streams by name, each whole and in order; `after` resumes behind (stream, number).

        Memory holds one file: DynamoDB cuts them at some tens of MB.

        Cost:
            1 request; 1 read of the table for each stream that is not whole in the file.
        """
        streams: dict[str, dict[int, Commit]] = {}
        for line in gzip.decompress(self._get(segment)).splitlines():
            if line.strip():
                commit = from_item(with_bytes([_line(line)["Item"]])[0])
                streams.setdefault(commit.stream, {})[commit.number] = commit
        for stream in sorted(streams):
            if after is not None and stream < after[0]:
                continue
            numbers = streams[stream]
            whole = set(numbers) == set(range(1, len(numbers) + 1))
            first = after[1] + 1 if after is not None and stream == after[0] else 1
            commits = (numbers[n] for n in sorted(numbers)) if whole else self._live.read(stream)
            yield from (commit for commit in commits if commit.number >= first)

    def put(self, commit: Commit) -> Commit | None:
        """See the live store."""
        return self._live.put(commit)

    def read(self, stream: str, after: int = 0) -> Iterator[Commit]:
        """See the live store."""
        return self._live.read(stream, after)

    def tail(self, checkpoint: str | None, limit: int) -> Tail:
        """See the live store."""
        return self._live.tail(checkpoint, limit)

    def window(self, since_us: int, until_us: int) -> Iterator[Commit]:
        """See the live store."""
        return self._live.window(since_us, until_us)

    def _get(self, key: str) -> bytes:
        try:
            answer = self._client.get_object(Bucket=self._bucket, Key=key)
        except ClientError as error:
            if error_code(error) in ("NoSuchKey", "404"):
                raise NotFound(f"there is no s3://{self._bucket}/{key}: has the export ended?") from error
            raise
        self.costs.add(attempts(answer))
        data: bytes = answer["Body"].read()
        return data
