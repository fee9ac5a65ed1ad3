"""The outside world as the house sees it: `adapters/` implements these, `tests/contract/` holds them to it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol, runtime_checkable

from msgspec import Struct

from domain.commits import Commit
from domain.events import Scan, TranscodePlanned, VideoAnalyzed
from domain.likeness import Lookup
from domain.media import EmbeddedVideo, Hashed, Inspection, MotionFile, RawMetadata, RawSidecar, Rendered, Stripped
from domain.moderation import Moderated
from domain.places import NearestPlace
from domain.query import Query
from domain.recognition import ModelUse, Recognised
from domain.search import Entry as SearchEntry
from domain.search import Found
from domain.streaming import Encoded, Joined
from domain.video import VideoReport

# --- events ----------------------------------------------------------------------------------------------------------


class Tail(Struct, frozen=True):
    """Commits after a checkpoint, each stream's in order, and the checkpoint to ask with next time."""

    commits: Sequence[Commit]
    checkpoint: str


class CommitStore(Protocol):
    """Append-only storage of commits: one item a commit. No call updates or deletes.

    `domain.eventstore.EventStore` adds what is the same everywhere: encoding, hashes, tokens, claim checks.
    """

    def put(self, commit: Commit) -> Commit | None:
        """Store the commit durably if its place (stream, number) is free.

        Returns:
            None when it was stored (an acknowledged commit survives a power cut), or the commit that holds the place.
        Cost:
            DynamoDB: 1 request, 1 WCU for each started KB of the item; a lost race costs the same.
        """
        ...

    def read(self, stream: str, after: int = 0) -> Iterator[Commit]:
        """Commits of one stream with a number above `after`, in order, strongly consistent, however many pages.

        Cost:
            DynamoDB: 1 request for each started MB, 1 RCU for each started 4 KB.
        """
        ...

    def tail(self, checkpoint: str | None, limit: int) -> Tail:
        """At most about `limit` commits that came after a checkpoint (None: from the oldest the tail still holds)."""
        ...

    def segments(self, parts: int) -> Sequence[str]:
        """Names of up to `parts` disjoint parts of the whole history; together they hold every stream once."""
        ...

    def segment(self, segment: str, after: tuple[str, int] | None = None) -> Iterator[Commit]:
        """One part: streams one after the other, each whole and in order; `after` resumes behind (stream, number).

        Cost:
            DynamoDB: 1 request for each started MB, 0.5 RCU for each started 4 KB (eventually consistent).
        """
        ...

    def window(self, since_us: int, until_us: int) -> Iterator[Commit]:
        """Commits recorded in [since, until), microseconds since 1970 UTC, in order of recording."""
        ...


class BlobStore(Protocol):
    """Bytes under the SHA-256 of their content (or, on S3, under the key of an upload)."""

    def put(self, data: bytes) -> str:
        """Store bytes durably; the key is their SHA-256 in hex. Storing the same bytes again does nothing."""
        ...

    def put_files(self, paths: Sequence[Path]) -> Sequence[str]:
        """Move files into the store, all durable on return; each key is the file's SHA-256 in hex."""
        ...

    def get(self, key: str) -> bytes:
        """All bytes of a blob; `NotFound` when there is none."""
        ...

    def file(self, key: str) -> AbstractContextManager[Path]:
        """The blob as a file to read, for as long as the context lasts; `NotFound` when there is none."""
        ...


class ErasableBlobStore(BlobStore, Protocol):
    """A blob store that can forget: for `photovault.erasing` and the cleanup, and for nobody else."""

    def may_be_shared(self, key: str) -> bool:
        """Whether the blob may be another asset's too; false only where that is known."""
        ...

    def delete(self, key: str) -> int:
        """Remove a blob for good, with every version and copy; how many bytes it had, 0 when it was not there."""
        ...

    def listed(self, prefix: str = "") -> Iterator[tuple[str, int, float]]:
        """Key, bytes, and time of storing (seconds since 1970) of all blobs whose keys begin so."""
        ...


# --- views -----------------------------------------------------------------------------------------------------------


class ViewTable(Struct, frozen=True):
    """One generation of one projection: a table of its own, so that dropping it costs nothing."""

    projection: str
    generation: int
    indexes: tuple[str, ...] = ()  # names of the indexes, each (partition, key) -> row

    @property
    def name(self) -> str:
        """Unique name of the table."""
        return f"{self.projection}_g{self.generation}"


class Row(Struct, frozen=True):
    """One row of a view. `version` is the checkpoint: the stream version that the row shows."""

    partition: str  # an owner, in nearly every view: no query crosses it
    key: str
    version: int
    data: bytes  # msgpack; what is in it is the projection's affair
    index: tuple[str | None, ...] = ()  # sort key in each of the table's indexes; None: not in that index
    deleted: bool = False  # a tombstone: never returned by a query, but its version still guards


class Move(Struct, frozen=True):
    """A stream's contribution to totals: its row, written only while it is still at version `base`, and the
    difference it makes, in one transaction."""

    row: Row
    base: int  # version of the stored row that `deltas` starts from; 0: no row yet
    deltas: Mapping[str, Mapping[str, int]]  # total -> counter -> difference


class Page(Struct, frozen=True):
    """Rows of one query, and the cursor for the next (None at the end)."""

    rows: Sequence[Row]
    cursor: str | None


class ViewStore(Protocol):
    """Rows of all projections. A write never takes a row back: it is guarded by the version inside the row."""

    def create(self, table: ViewTable) -> None:
        """Make the table; nothing when it is there."""
        ...

    def drop(self, table: ViewTable) -> None:
        """Remove the table with all its rows; nothing when it is gone."""
        ...

    def get(self, table: ViewTable, keys: Sequence[tuple[str, str]]) -> Sequence[Row | None]:
        """Rows by (partition, key) in the order asked, strongly consistent; tombstones are returned too.

        Cost:
            DynamoDB: 1 request for each started 100 keys, 1 RCU for each started 4 KB of each row.
        """
        ...

    def put(self, table: ViewTable, rows: Sequence[Row], *, repair: bool = False) -> int:
        """Write each row unless the stored one has the same version or a later one. Returns how many were written.

        With `repair`, a stored row of the same version is replaced too; a later one never is.

        Cost:
            DynamoDB: 1 request and 1 WCU a started KB for each row, and again for each index whose key it has.
        """
        ...

    def move(self, table: ViewTable, moves: Sequence[Move]) -> Sequence[bool]:
        """Write contribution rows and move totals by their deltas, each move whole or not at all.

        Returns:
            For each move, whether it was made: False when the stored row is not at `base` any more.
        Cost:
            DynamoDB: 1 request for each started 50 moves of a partition (2 WCU a started KB of each row and total).
        """
        ...

    def totals(self, table: ViewTable, partition: str) -> Mapping[str, Mapping[str, int]]:
        """All totals of a partition: total -> counter -> value; a counter at 0 may be absent."""
        ...

    def query(
        self,
        table: ViewTable,
        partition: str,
        *,
        index: str | None = None,
        low: str = "",
        high: str | None = None,
        descending: bool = False,
        limit: int = 100,
        cursor: str | None = None,
        consistent: bool = False,
    ) -> Page:
        """Rows of a partition with low <= key < high, by primary key or by an index, without tombstones.

        With `consistent`, a row that was written before is seen for sure; by primary key only.

        Cost:
            DynamoDB: 1 request for each started MB, 0.5 RCU for each started 4 KB; twice that when consistent.
        Raises:
            InvalidInput: the cursor is not one of this query's.
        """
        ...

    def scan(self, table: ViewTable, part: int = 0, parts: int = 1) -> Iterator[Row]:
        """Every row of the table in one of `parts` parts, tombstones too: for verification, never for a query."""
        ...


class Entry(Struct, frozen=True):
    """A small document of the system's own (a checkpoint, a lease, a parked stream, a projection's generations)."""

    kind: str
    name: str
    value: bytes
    revision: int


class Checkpoints(Protocol):
    """Small documents that change by compare-and-set."""

    def load(self, kind: str, name: str) -> Entry | None:
        """The document, strongly consistent. Cost on DynamoDB: 1 request, 1 RCU."""
        ...

    def save(self, kind: str, name: str, value: bytes, expected: int | None) -> Entry | None:
        """Write if the stored revision is `expected` (0: there is none; None: whatever it is).

        Returns:
            The new entry, or None when another writer was first. Cost on DynamoDB: 1 request, 1 WCU.
        """
        ...

    def delete(self, kind: str, name: str) -> None:
        """Remove the document; nothing when it is gone."""
        ...

    def list(self, kind: str) -> Iterator[Entry]:
        """All documents of a kind, by name. Cost on DynamoDB: 1 request for each started MB."""
        ...


class Lookalikes(Protocol):
    """An owner's pictures by what they look like."""

    def near(self, stream: str, pixels: str | None, phash: str | None) -> Lookup:
        """Assets of the stream's owner with the same pixels, or with a perceptual hash at most
        `domain.likeness.NEAR` bits away; without the stream's own asset.

        Reads its own writes: the stream's fingerprint, which is recorded already, can be found by all searches that
        begin after this one has, so that of two assets at least one finds the other.

        Cost:
            DynamoDB: the stream is read and folded (7 writes, once); 46 requests, each 1 RCU a started 4 KB, for
            about a hundredth of the owner's hashes.
        Raises:
            ViewUnavailable: the index is not built.
        """
        ...


# --- work ------------------------------------------------------------------------------------------------------------


class Message(Struct, frozen=True):
    """A hint that a step may be due. The truth is the asset's stream; a message may come twice, late or for nothing."""

    id: str  # the same for the same cause: a queue may drop a repeat
    stream: str
    step: str
    causation_id: str
    correlation_id: str


class Delivery(Struct, frozen=True):
    """A message in the hands of one worker, until it is done, retried or buried, or its lease ends."""

    queue: str
    message: Message
    receipt: str
    receives: int  # how often it was handed out, this time included


class DeadLetter(Struct, frozen=True):
    """A message that was given up, for an operator to look at and redrive."""

    queue: str
    message: Message
    reason: str
    buried_us: int


class QueueDepth(Struct, frozen=True):
    """How many messages a queue holds."""

    waiting: int
    delayed: int
    in_flight: int
    dead: int


class Queue(Protocol):
    """One queue a step, each with its own dead letters."""

    def send(self, queue: str, messages: Sequence[Message]) -> None:
        """Store messages durably. Cost on SQS: 1 request for each started 10."""
        ...

    def receive(self, queues: Sequence[str], limit: int, lease_seconds: float) -> Sequence[Delivery]:
        """Up to `limit` messages that are due, from the queues in that order; hidden from others for the lease."""
        ...

    def done(self, deliveries: Sequence[Delivery]) -> None:
        """Remove messages for good."""
        ...

    def retry(self, delivery: Delivery, after_seconds: float) -> None:
        """Hand the message out again, not before so many seconds."""
        ...

    def bury(self, delivery: Delivery, reason: str) -> None:
        """Move the message to the queue's dead letters."""
        ...

    def depth(self, queue: str) -> QueueDepth:
        """How many messages there are; on SQS approximate."""
        ...

    def dead(self, queue: str) -> Iterable[DeadLetter]:
        """The queue's dead letters, oldest first."""
        ...

    def redrive(self, queue: str) -> int:
        """Make all dead letters of a queue due again; returns how many."""
        ...


# --- safety ----------------------------------------------------------------------------------------------------------


class Scanner(Protocol):
    """Looks for malware in a file before anything else reads it."""

    def scan(self, blob: str, path: Path) -> Scan:
        """Scan a blob whose bytes lie at `path`; an adapter reads whichever is nearer to its scanner.

        Returns:
            `clean`, `infected` (with the threat's name) or `not_scanned`, each with engine and signatures where known.
        Raises:
            ScanFailed: there is no verdict.
        """
        ...


# --- media -----------------------------------------------------------------------------------------------------------


class MediaEngine(Protocol):
    """Decoders, behind a wall: each call runs in a child process with limits on memory, time and pixels.

    Raises (all calls):
        MediaRejected: the file is at fault.
        MediaFailed: the decoder crashed, ran out of time or out of memory.
    """

    def inspect(self, source: Path) -> Inspection:
        """Tell type and size by content, and decode everything once, so that a cut or corrupt file is found."""
        ...

    def read_metadata(self, source: Path) -> RawMetadata:
        """All tags that the file carries."""
        ...

    def read_sidecar(self, source: Path, kind: str) -> RawSidecar:
        """What a sidecar (`xmp` or `takeout`) says of its picture."""

    def extract_video(self, source: Path, embedded: EmbeddedVideo, into: Path) -> MotionFile:
        """Copy the video out of a motion photo into a folder, and decode its beginning and its end."""
        ...

    def render(self, source: Path, into: Path) -> Rendered:
        """Write the renditions of an image into a folder: upright, sRGB, no metadata, from one decode."""
        ...

    def analyze_video(self, source: Path, into: Path) -> VideoReport:
        """What a video is made of and how good it is; writes its poster, preview and scrub strip into a folder."""

    def pixel_hash(self, source: Path) -> Hashed:
        """SHA-256 of the pixels as they are stored: equal for files that differ in their metadata alone."""
        ...

    def perceptual_hash(self, source: Path) -> Hashed:
        """64 bits that say what an upright sRGB picture looks like, in hex; None for one without features."""
        ...

    def strip(self, source: Path, into: Path) -> Stripped:
        """Write a picture without its metadata into a folder, its pixels untouched; needs no decoder's library."""
        ...

    def encode(self, source: Path, into: Path, found: VideoAnalyzed, planned: TranscodePlanned, part: int) -> Encoded:
        """Write one part of a plan into a folder, as fMP4: a stretch of the pictures in all renditions, or the sound.

        Takes at most 13 minutes: under AWS Lambda's 15.
        """
        ...

    def join(
        self,
        source: Path,
        into: Path,
        found: VideoAnalyzed,
        planned: TranscodePlanned,
        pictures: Sequence[Path],
        sound: Path | None,
        *,
        copy_sound: bool,
    ) -> Joined:
        """Write one MP4 with its index in front from packets that are there already; nothing is encoded.

        Args:
            pictures: files of one rendition in order; none: the original's pictures.
            sound: the file of the sound; None: the original's when `copy_sound`, else none.
        """
        ...

    def cpu_seconds(self) -> float:
        """Processor time that this thread's calls have used so far."""
        ...

    def peak_bytes(self) -> int:
        """Most memory that a child held in this thread's calls since this was last asked; 0: no call, or unknown."""
        ...

    def close(self) -> None:
        """End the child processes."""
        ...


# --- places ----------------------------------------------------------------------------------------------------------


class Geocoder(Protocol):
    """Places by position, without a network. Called in the worker's own process: it meets numbers, never a file."""

    @property
    def source(self) -> str:
        """Who made the data, its date and its licence."""
        ...

    def nearest(self, latitude: float, longitude: float) -> NearestPlace:
        """The place that a position on Earth (degrees north and east) belongs to, however far away it is."""
        ...


# --- search ----------------------------------------------------------------------------------------------------------


class SearchIndex(Protocol):
    """A copy of the search documents that can be searched, a generation of its own for each of the view's."""

    def create(self, table: ViewTable) -> None:
        """Make a generation's index; nothing when it is there."""
        ...

    def drop(self, table: ViewTable) -> None:
        """Remove a generation's index; nothing when it is gone."""
        ...

    def put(self, table: ViewTable, entries: Sequence[SearchEntry], *, repair: bool = False) -> int:
        """Write each document, or take it out, unless the index holds the same version or a later one (with `repair`,
        a later one). Returns how many were written; the next search sees them."""
        ...

    def search(
        self,
        table: ViewTable,
        owner: str,
        query: Query,
        *,
        vector: Sequence[float] | None = None,
        least: float | None = None,
        only: Collection[str] | None = None,
        limit: int = 50,
        cursor: str | None = None,
        explain: bool = False,
    ) -> Found:
        """Documents of an owner that pass the query's filters, ranked by words, and by likeness to a vector when one
        is given; without either, the newest first.

        Args:
            least: cosine from which a vector is near; None: the index's own, for words.
            only: assets that may be found at all, besides the filters; None: all.
            explain: say which field of a hit has which word.
        Raises:
            InvalidInput: the cursor is not one of this query's.
            NotFound: there is no such index, or no asset that `like:` names.
        """
        ...

    def suggest(self, table: ViewTable, owner: str, beginning: str, limit: int = 10) -> Sequence[str]:
        """Tags, places, cameras and keywords of an owner's documents that begin so, the most frequent first."""
        ...


class TextEmbedder(Protocol):
    """Turns words into a vector that is near for the same meaning."""

    @property
    def model(self) -> ModelUse:
        """Name and version of the model."""
        ...

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """A vector of length 1 for each text."""
        ...


@runtime_checkable
class PictureEmbedder(TextEmbedder, Protocol):
    """One that puts pictures and words into one space: a picture's own vector stands in for its words."""

    @property
    def least(self) -> float:
        """Cosine of a question and a picture from which the picture is found."""
        ...

    def see(self, picture: Path) -> Sequence[float]:
        """A JPEG's vector, of length 1."""
        ...


# --- messages --------------------------------------------------------------------------------------------------------


class Outgoing(Struct, frozen=True):
    """One message that is ready to be sent."""

    message_id: str  # the same at each attempt
    channel: str  # `email`, `sms`
    sender: str  # mail address
    to: str  # mail address, or phone number in E.164
    body: bytes  # a whole mail (RFC 5322), or a text in UTF-8


class Notifier(Protocol):
    """A way out for messages of some channels. It tries once: whoever calls it decides whether to try again."""

    @property
    def name(self) -> str:
        """What the history calls it: `outbox`, `smtp`, `ses`, `sns`."""
        ...

    def send(self, message: Outgoing) -> str:
        """Hand a message over; returns what the other side calls it ("" when it has no name for it).

        Raises:
            NotDelivered: it was surely not taken.
            DeliveryUnknown: the other side may have taken it.
        """
        ...

    def sent(self, message_id: str) -> bool | None:
        """Whether a message was taken at an earlier attempt that nobody heard the end of; None: nobody can know."""
        ...


# --- recognition -----------------------------------------------------------------------------------------------------


class Tagger(Protocol):
    """Says what pictures show: things, scenes, activities."""

    @property
    def models(self) -> Sequence[ModelUse]:
        """The models that would be asked; none when there is none, and why is for the caller to say."""
        ...

    def tag(self, pictures: Sequence[Path]) -> Sequence[Recognised]:
        """Look at upright JPEGs in sRGB, our own renditions; an answer for each, in their order.

        Raises:
            ServicePaused: a service may not be asked now (its monthly cap is reached).
        """
        ...


class Moderator(Protocol):
    """Says how likely a picture is not safe for everybody."""

    @property
    def available(self) -> bool:
        """Whether there is a model or a service to ask."""
        ...

    def moderate(self, picture: Path) -> Moderated:
        """Look at an upright JPEG in sRGB, one of our own renditions.

        Raises:
            ServicePaused: a service may not be asked now (its monthly cap is reached).
        """
        ...
