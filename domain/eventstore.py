"""The event store: what is the same on every back end, on top of a `CommitStore` that only keeps items.

Append is one conditional put. Its place comes from the caller's token, its id from what caused it; so a repeat is
recognised, a race has one winner, and the loser learns who won without another request.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import islice
from typing import Protocol

import msgspec
from msgspec import Struct

from domain.commits import (
    CLAIM_CHECK_BYTES,
    MAX_BODY_BYTES,
    MAX_HEADER_BYTES,
    NEW,
    Cause,
    Commit,
    Place,
    Recorded,
    Token,
    issue_token,
    read_token,
    to_us,
)
from domain.errors import CommitTooLarge, ConflictError, HistoryDamaged, InvalidInput, NotFound
from domain.events import Event
from domain.ports import BlobStore, CommitStore

_PREPARED = 500
_STREAM = re.compile(r"^[^#\x00-\x1f]{1,128}#[a-z]{1,32}#[^#\x00-\x1f]{1,256}$")


class Codec(Protocol):
    """Events to stored bytes and back; `events_schema.codec.EventCodec` is the one."""

    def encode(self, events: Sequence[Event], commit_id: str, occurred_at: datetime, stream: str = "") -> bytes:
        """The body of a commit of a stream; `InvalidEvent` when an event does not satisfy its schema."""
        ...

    def prepare(self, streams: Iterable[str]) -> None:
        """Get ready to decode commits of these streams."""
        ...

    def decode(self, commit: Commit, body: bytes) -> list[Recorded]:
        """Events of a commit, lifted to their current versions; `UnreadableEvent` when that can't be done."""
        ...


class Appended(Struct, frozen=True):
    """What an append did."""

    token: Token  # for the next append to the stream
    version: int  # of the stream, its last event included: what a reader waits for to read its own write
    commit: Commit
    repeated: bool  # the same commit was there already: a retry


class Loaded(Struct, frozen=True):
    """A whole stream."""

    stream: str
    events: Sequence[Recorded]
    token: Token

    @property
    def version(self) -> int:
        """Number of events in the stream; 0 when there is none."""
        return self.events[-1].version if self.events else 0


def utc_now() -> datetime:
    """The default clock."""
    return datetime.now(UTC)


class _ClaimCheck(Struct, frozen=True):
    """A body that lives in the blob store. Never begins with `[`, as a list of events does."""

    claim_check: str
    bytes: int


_claims = msgspec.json.Decoder(_ClaimCheck)


class EventStore:
    """Append, load and read; one instance may serve many threads.

    Args:
        commits: where commits are kept.
        blobs: where bodies over 64 KB go.
        codec: events to bytes and back.
        clock: gives `recorded_at`, UTC.
    """

    def __init__(
        self, commits: CommitStore, blobs: BlobStore, codec: Codec, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.commits = commits
        self._blobs = blobs
        self._codec = codec
        self._clock = clock

    def append(self, stream: str, events: Sequence[Event], after: Token, cause: Cause) -> Appended:
        """Append the events of one decision: all of them, or none.

        Args:
            after: the token that `load` or the last `append` gave; `NEW` for a stream that does not exist.
        Cost:
            One `CommitStore.put`; with a body over 64 KB one `BlobStore.put` before it.
        Raises:
            ConflictError: another commit is there; it carries that commit.
            InvalidToken: the token was not issued for this stream.
            InvalidEvent, CommitTooLarge, InvalidInput: nothing was written.
        """
        if not events:
            raise InvalidInput("an append needs at least one event")
        if not _STREAM.match(stream):
            raise InvalidInput(f"{stream!r} is not a stream's name: it takes <owner>#<category>#<id>")
        place = read_token(stream, after)
        now = self._clock()
        body = self._codec.encode(events, cause.commit_id, cause.occurred_at or now, stream)
        if len(body) > MAX_BODY_BYTES:
            raise CommitTooLarge(
                f"the {len(events)} events for {stream} take {len(body):,} bytes; a commit holds {MAX_BODY_BYTES:,}: "
                "put what is large into the blob store and refer to it"
            )
        checked = len(body) > CLAIM_CHECK_BYTES
        commit = Commit(
            stream=stream,
            number=place.number + 1,
            first_version=place.version + 1,
            count=len(events),
            commit_id=cause.commit_id,
            recorded_us=to_us(now),
            actor=cause.actor,
            correlation_id=cause.correlation_id,
            causation_id=cause.causation_id,
            body=self._claim(body) if checked else body,
            prev_hash=place.hash,
        )
        if len(commit.header()) > MAX_HEADER_BYTES:
            raise CommitTooLarge(f"actor and ids of this commit to {stream} take over {MAX_HEADER_BYTES:,} bytes")
        if checked:
            self._blobs.put(body)
        commit = msgspec.structs.replace(commit, hash=commit.computed_hash())
        holder = self.commits.put(commit)
        if holder is None:
            return Appended(_token_after(commit), commit.last_version, commit, repeated=False)
        if holder.commit_id != commit.commit_id:
            raise ConflictError(holder)
        return Appended(_token_after(holder), holder.last_version, holder, repeated=True)

    def load(self, stream: str) -> Loaded:
        """The whole stream and the token for the next append; no events and `NEW` when it does not exist."""
        events: list[Recorded] = []
        token = NEW
        commit: Commit | None = None
        for commit in self.commits.read(stream):
            events += self.events_of(commit)
        if commit is not None:
            token = _token_after(commit)
        return Loaded(stream, events, token)

    def resume(self, stream: str, number: int) -> Loaded:
        """What came after the commit with this number (0: everything), and the token for the next append. For a stream
        that may grow long and whose state up to there lies in a row; `version` then says so only where there is news.

        Cost: as `CommitStore.read` from that commit on.
        """
        events: list[Recorded] = []
        token = NEW
        for commit in self.commits.read(stream, max(0, number - 1)):
            token = _token_after(commit)
            if commit.number > number:
                events += self.events_of(commit)
        return Loaded(stream, events, token)

    def read(self, stream: str, after: int = 0) -> Iterator[Recorded]:
        """Events of a stream from the commit with a number above `after` on."""
        for commit in self.commits.read(stream, after):
            yield from self.events_of(commit)

    def events_of(self, commit: Commit) -> list[Recorded]:
        """The events in a commit, lifted to their current versions; `UnreadableEvent` when that can't be done."""
        return self._codec.decode(commit, self.body_of(commit))

    def prepared(self, commits: Iterable[Commit]) -> Iterator[Commit]:
        """The same commits, with the keys of 500 looked up at once: for whoever reads many streams."""
        source = iter(commits)
        while batch := list(islice(source, _PREPARED)):
            self._codec.prepare(dict.fromkeys(commit.stream for commit in batch))
            yield from batch

    def body_of(self, commit: Commit) -> bytes:
        """A commit's body, fetched from the blob store when only its claim check is stored.

        Raises:
            HistoryDamaged: the blob is gone, or it is not what was put there.
        """
        if not commit.body.startswith(b"{"):
            return commit.body
        try:
            key = _claims.decode(commit.body).claim_check
        except msgspec.DecodeError as error:
            raise HistoryDamaged(commit.stream, commit.number, "its claim check can't be read") from error
        try:
            body = self._blobs.get(key)
        except NotFound as error:
            raise HistoryDamaged(commit.stream, commit.number, f"its body {key} is missing from the blobs") from error
        if hashlib.sha256(body).hexdigest() != key:
            raise HistoryDamaged(commit.stream, commit.number, f"its body {key} was changed in the blob store")
        return body

    def _claim(self, body: bytes) -> bytes:
        return msgspec.json.encode(_ClaimCheck(hashlib.sha256(body).hexdigest(), len(body)))


def _token_after(commit: Commit) -> Token:
    return issue_token(commit.stream, Place(commit.number, commit.last_version, commit.hash))


def verify_chain(commits: Iterator[Commit]) -> Iterator[tuple[Commit, HistoryDamaged | None]]:
    """Check commits of any number of streams, each stream's in order from its first commit.

    Yields:
        Each commit with what is wrong with it, or None. A stream is judged anew after each fault, so that one changed
        commit gives one finding.
    """
    stream, number, version, previous = "", 0, 0, Place().hash
    for commit in commits:
        if commit.stream != stream:
            stream, number, version, previous = commit.stream, 0, 0, Place().hash
        fault = None
        if commit.number != number + 1:
            fault = f"commit {number + 1} is missing" if commit.number > number + 1 else "stands twice"
        elif commit.prev_hash != previous:
            fault = "does not follow from the commit before it: one of the two was changed or put in"
        elif commit.computed_hash() != commit.hash:
            fault = "was changed after it was written"
        elif commit.first_version != version + 1 or commit.count < 1:
            fault = "numbers its events wrongly"
        yield commit, HistoryDamaged(stream, commit.number, fault) if fault else None
        number, version, previous = commit.number, commit.last_version, commit.hash
