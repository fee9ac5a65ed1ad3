"""The archive: every commit once more in S3, as gzipped JSON lines in a folder an hour. The relay feeds it.

Windows of time, other consumers and disaster recovery read it. An object's name holds the time of its first commit
and the hash of its content, so names sort by time and writing the same commits again writes nothing new.
"""

from __future__ import annotations

import gzip
import hashlib
import heapq
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

from adapters.aws.connection import Aws, Costs, attempts
from adapters.aws.objects import put_if_absent
from domain.commits import Commit, from_us
from events_schema.lines import from_line, to_line

_PREFIX = "events/"
_SUFFIX = ".jsonl.gz"


class CommitArchive:
    """Writes and reads the archive in a bucket.

    Attributes:
        costs: requests used by this instance.
    """

    def __init__(self, aws: Aws, bucket: str, prefix: str = "") -> None:
        self.costs = Costs()
        self._client = aws.s3
        self._bucket = bucket
        self._prefix = f"{prefix}{_PREFIX}"

    def write(self, commits: Iterable[Commit]) -> list[str]:
        """Store commits, in one object for each hour of their recording. Again with the same commits: nothing new.

        Returns:
            The objects' keys: `events/yyyy/mm/dd/hh/<first>-<hash>.jsonl.gz`, `first` in microseconds since 1970.
        Cost:
            1 request for each hour that the commits fall into.
        """
        hours: dict[str, list[Commit]] = {}
        for commit in sorted(commits, key=_order):
            hours.setdefault(_hour(commit.recorded_us), []).append(commit)
        return [self._put(hour, batch) for hour, batch in hours.items()]

    def read(self, since_us: int, until_us: int) -> Iterator[Commit]:
        """Commits recorded in [since, until), in the order of recording, each once even if it was archived twice.

        Objects are opened when the order reaches their first commit, so that memory holds those that overlap, not the
        window.

        Cost:
            1 request for each object of the window's hours, and 1 for each 1,000 of them.
        """
        opened: list[_Opened] = []
        last: tuple[int, str, int] | None = None
        objects = self._objects(since_us, until_us)
        following = next(objects, None)
        while opened or following is not None:
            while following is not None and (not opened or following[0] <= opened[0][0][0]):
                _push(opened, following[1], self._open(following[1]))
                following = next(objects, None)
            if not opened:
                continue
            order, key, commit, rest = heapq.heappop(opened)
            _push(opened, key, rest)
            if commit.recorded_us >= until_us:
                return
            if commit.recorded_us >= since_us and order != last:
                last = order
                yield commit

    def _open(self, key: str) -> Iterator[Commit]:
        answer = self._client.get_object(Bucket=self._bucket, Key=key)
        self.costs.add(attempts(answer))
        return (from_line(line).commit() for line in gzip.decompress(answer["Body"].read()).splitlines())

    def _objects(self, since_us: int, until_us: int) -> Iterator[tuple[int, str]]:
        """(time of the first commit, key) of the objects that may hold commits of the window, by time."""
        query: dict[str, Any] = {"StartAfter": f"{self._prefix}{_hour(since_us)}/"}
        while True:
            answer = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._prefix, **query)
            self.costs.add(attempts(answer))
            for entry in answer.get("Contents", ()):
                first = int(entry["Key"].rsplit("/", 1)[1].split("-", 1)[0])
                if first >= until_us:
                    return
                yield first, entry["Key"]
            if not answer.get("IsTruncated"):
                return
            query = {"ContinuationToken": answer["NextContinuationToken"]}

    def _put(self, hour: str, commits: list[Commit]) -> str:
        lines = b"".join(to_line(commit) + b"\n" for commit in commits)
        digest = hashlib.sha256(lines).hexdigest()[:32]
        key = f"{self._prefix}{hour}/{commits[0].recorded_us:016d}-{digest}{_SUFFIX}"
        put_if_absent(self._client, self.costs, self._bucket, key, gzip.compress(lines, 6, mtime=0))
        return key


_Opened: TypeAlias = tuple[tuple[int, str, int], str, Commit, Iterator[Commit]]
"""Of an object that is being read: the order of its next commit, its key (for a tie), that commit, and the rest."""


def _push(opened: list[_Opened], key: str, commits: Iterator[Commit]) -> None:
    if (commit := next(commits, None)) is not None:
        heapq.heappush(opened, (_order(commit), key, commit, commits))


def _order(commit: Commit) -> tuple[int, str, int]:
    return commit.recorded_us, commit.stream, commit.number


def _hour(us: int) -> str:
    return from_us(us).strftime("%Y/%m/%d/%H")
