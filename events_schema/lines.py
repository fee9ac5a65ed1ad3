"""A commit as a line of JSON: what an export of the history holds, and the archive in S3."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
from msgspec import Struct

from domain.commits import Commit


class Line(Struct, frozen=True, omit_defaults=True):
    """A commit, with hashes in hex."""

    stream: str
    number: int
    first_version: int
    count: int
    commit_id: str
    recorded_us: int
    actor: str
    correlation_id: str
    causation_id: str | None
    body: str
    prev_hash: str
    hash: str
    blobs: tuple[
        str, ...
    ] = ()  # an export's: texts that the history needs: a body behind a claim check, a seal's heads

    def commit(self) -> Commit:
        """The commit, exactly as it was.

        Raises:
            ValueError: a hash is no hex.
        """
        return Commit(
            stream=self.stream,
            number=self.number,
            first_version=self.first_version,
            count=self.count,
            commit_id=self.commit_id,
            recorded_us=self.recorded_us,
            actor=self.actor,
            correlation_id=self.correlation_id,
            causation_id=self.causation_id,
            body=self.body.encode(),
            prev_hash=bytes.fromhex(self.prev_hash),
            hash=bytes.fromhex(self.hash),
        )


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def to_line(commit: Commit, blobs: Sequence[str] = ()) -> bytes:
    """A commit as one line, without the newline."""
    return _encode(
        Line(
            stream=commit.stream,
            number=commit.number,
            first_version=commit.first_version,
            count=commit.count,
            commit_id=commit.commit_id,
            recorded_us=commit.recorded_us,
            actor=commit.actor,
            correlation_id=commit.correlation_id,
            causation_id=commit.causation_id,
            body=commit.body.decode(),
            prev_hash=commit.prev_hash.hex(),
            hash=commit.hash.hex(),
            blobs=tuple(blobs),
        )
    )


def from_line(line: bytes) -> Line:
    """Read a line.

    Raises:
        msgspec.DecodeError: it is not one.
    """
    return _decode(line)
