"""The recorded envelope: a commit is what one decision appended to one stream, and the unit of storage
(docs/adr/0001-one-item-a-commit.md).

A commit's `hash` covers the hash before it, its own header and the stored bytes of its body, so that nothing in the
middle of a stream can change unnoticed. A cut-off tail is found by the daily seal: one Merkle root over the heads of
the streams that changed (RFC 6962, section 2.1, domain-separated SHA-256).
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import NewType

import msgspec
from msgspec import Struct

from domain.errors import InvalidToken
from domain.events import Event

Token = NewType("Token", str)
"""Where the next append to a stream goes. Opaque: issued by the event store, handed back to it unread."""

NEW = Token("")
"""The token of a stream that does not exist yet."""

VAULT_OWNER = "~"
"""Owner of the vault's own streams, as of its seals. No person can have this name (`photovault.config`)."""

GENESIS = bytes(32)
"""`prev_hash` of a stream's first commit."""

CLAIM_CHECK_BYTES = 64 * 1024
"""A body larger than this goes to the blob store; the commit keeps its SHA-256."""

MAX_BODY_BYTES = 8 * 1024 * 1024
"""A body larger than this is refused: a decision is a few facts, and what can grow is a blob to begin with."""

MAX_HEADER_BYTES = 16 * 1024
"""Bound on a commit's own attributes, so that with a claim-checked body an item stays far below DynamoDB's 400 KB."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_header = msgspec.json.Encoder()


class Commit(Struct, frozen=True, gc=False):
    """One stored item: the events that one decision appended to one stream, with who, when and why."""

    stream: str
    number: int  # 1, 2, 3, ... without gaps inside a stream
    first_version: int  # version of its first event inside the stream, from 1
    count: int  # number of its events
    commit_id: str  # derives from what caused it, so that a repeat is recognised
    recorded_us: int  # microseconds since 1970-01-01 UTC
    actor: str  # who or what did it: "import", "step:renditions", "person:anna"
    correlation_id: str  # the upload or request that began it all
    causation_id: str | None  # the event that led to it
    body: bytes  # JSON: [{"type", "event_id", "schema_version", "occurred_at", "data"}, ...] or a claim check
    prev_hash: bytes = GENESIS
    hash: bytes = b""

    @property
    def recorded_at(self) -> datetime:
        """When the store took it, UTC."""
        return from_us(self.recorded_us)

    @property
    def last_version(self) -> int:
        """Version of the stream after this commit."""
        return self.first_version + self.count - 1

    def header(self) -> bytes:
        """The canonical bytes of everything but body and hashes."""
        return _header.encode(
            (
                self.stream,
                self.number,
                self.first_version,
                self.count,
                self.commit_id,
                self.recorded_us,
                self.actor,
                self.correlation_id,
                self.causation_id,
            )
        )

    def computed_hash(self) -> bytes:
        """SHA-256 over the previous hash, the header and the stored body."""
        return hashlib.sha256(b"".join((self.prev_hash, self.header(), b"\n", self.body))).digest()


class Recorded(Struct, frozen=True, gc=False):
    """One event as read back: the typed event, its place in the stream, and the commit that holds it."""

    event: Event
    version: int
    event_id: str
    occurred_at: datetime
    commit: Commit


class Cause(Struct, frozen=True, kw_only=True):
    """Who appends, and what made it so. `commit_id` must derive from the cause (see `derive_id`)."""

    commit_id: str
    actor: str
    correlation_id: str
    causation_id: str | None = None
    occurred_at: datetime | None = None  # when it happened; the time of recording when not given


class Head(Struct, frozen=True):
    """The last commit of a stream, as a seal remembers it."""

    stream: str
    number: int
    hash: bytes


def to_us(moment: datetime) -> int:
    """Microseconds since 1970 UTC, exactly (a float loses them)."""
    return (moment - _EPOCH) // timedelta(microseconds=1)


def from_us(us: int) -> datetime:
    """The inverse of `to_us`."""
    return _EPOCH + timedelta(microseconds=us)


def derive_id(*parts: str | int | None) -> str:
    """26 characters (128 bits) that are the same whenever the parts are: ids for commits, events and assets."""
    joined = "\x1f".join("" if part is None else str(part) for part in parts)
    return base64.b32encode(hashlib.sha256(joined.encode()).digest()[:16]).decode().rstrip("=").lower()


def stream_name(owner: str, category: str, ident: str) -> str:
    """`<owner>#<category>#<id>`; none of the three may hold a `#`."""
    return f"{owner}#{category}#{ident}"


def split_stream(stream: str) -> tuple[str, str, str]:
    """Owner, category and id of a stream's name."""
    owner, category, ident = stream.split("#", 2)
    return owner, category, ident


class Place(Struct, frozen=True):
    """What a token says, for the event store alone: the stream's last commit."""

    number: int = 0
    version: int = 0
    hash: bytes = GENESIS


def issue_token(stream: str, place: Place) -> Token:
    """A token with a check digest over the stream, so that a made-up or mixed-up one is refused, not obeyed."""
    text = f"{place.number}.{place.version}.{place.hash.hex()}"
    return Token(f"{text}.{_check(stream, text)}")


def read_token(stream: str, token: Token) -> Place:
    """The place that a token names.

    Raises:
        InvalidToken: it was not issued for this stream.
    """
    if token == NEW:
        return Place()
    text, _, check = token.rpartition(".")
    if not text or check != _check(stream, text):
        raise InvalidToken(f"this token was not issued for stream {stream}: load the stream and use the one it gives")
    number, version, hash_hex = text.split(".")
    return Place(int(number), int(version), bytes.fromhex(hash_hex))


def _check(stream: str, text: str) -> str:
    return hashlib.sha256(f"{stream}\x1f{text}".encode()).hexdigest()[:8]


def merkle_root(heads: Iterable[Head]) -> bytes:
    """Root over heads in the order of their streams' names; of none, SHA-256 of nothing (RFC 6962, 2.1)."""
    leaves = [
        hashlib.sha256(b"\x00" + _header.encode((h.stream, h.number, h.hash.hex()))).digest()
        for h in sorted(heads, key=lambda h: h.stream)
    ]
    return _merkle(leaves)


def _merkle(level: Sequence[bytes]) -> bytes:
    """An odd node moves up unpaired, which gives RFC 6962's tree without recursion."""
    if not level:
        return hashlib.sha256(b"").digest()
    while len(level) > 1:
        pairs = [hashlib.sha256(b"\x01" + level[i] + level[i + 1]).digest() for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            pairs.append(level[-1])
        level = pairs
    return level[0]
