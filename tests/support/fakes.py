"""A vault without files or threads: the real adapters on SQLite in memory, a clock that a test moves, and a media
engine that decodes nothing. What is not under test stays real."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

from adapters.geo.places import OfflineGeocoder
from adapters.local.checkpoints import SqliteCheckpoints
from adapters.local.commits import SqliteCommitStore
from adapters.local.keys import SqliteKeys
from adapters.local.queue import SqliteQueue
from adapters.local.views import SqliteViewStore
from adapters.media.sidecar import read_sidecar
from domain.commits import VAULT_OWNER, Commit, split_stream
from domain.errors import MediaRejected, NotFound
from domain.events import TranscodePlanned, VideoAnalyzed
from domain.eventstore import EventStore
from domain.faces import FaceAnalyzer
from domain.media import (
    EmbeddedVideo,
    Hashed,
    Inspection,
    Limits,
    MotionFile,
    RawMetadata,
    RawSidecar,
    Rendered,
    RenditionFile,
    Stripped,
)
from domain.parking import Parking
from domain.pipeline import PIPELINE
from domain.ports import Delivery, Notifier, Outgoing, Row, Scanner, ViewTable
from domain.scanning import NoScanner, Serving
from domain.streaming import Encoded, EncodedFile, Joined, Segment
from domain.video import AudioTrack, PosterPicture, PreviewFile, VideoQuality, VideoReport, VideoTrack
from events_schema.codec import EventCodec
from photovault.behaviour import Recorder
from photovault.config import Settings
from photovault.face_collection import CollectedFaces
from photovault.face_memory import KeptFaces
from photovault.lookalikes import IndexedLookalikes
from photovault.messages import Sender
from photovault.runtime import catch_up
from projections import PROJECTIONS, Projection
from projections.generations import Generations
from projections.projector import Projector
from projections.replay import Replay
from steps import Ports, Recognition, Steps
from steps.catalogue import STEP_FUNCTIONS
from steps.relay import Relay
from steps.worker import Verdict, Worker
from tests.support.factories import OWNER, Clock

GEOCODER = OfflineGeocoder()
QUEUES = tuple(step.name for step in reversed(PIPELINE))
LEASE_SECONDS = 120.0


class FakeMediaEngine:
    """`domain.ports.MediaEngine` for `factories.fake_photo`: same file, same answer, at once.

    `misbehave` makes calls fail: for a file's content, the errors that its next calls raise, one a call.
    """

    def __init__(self) -> None:
        self.looks: dict[str, str | None] = {}  # mark -> its perceptual hash
        self.calls: list[tuple[str, str]] = []  # (call, mark of the file)
        self._errors: dict[tuple[str, str], list[Exception]] = {}
        self._lock = threading.Lock()

    def misbehave(self, mark: str, call: str, *errors: Exception) -> None:
        """Raise these errors, one a call, when `call` ("inspect", "render", "analyze_video" ...) meets the mark."""
        self._errors.setdefault((call, mark), []).extend(errors)

    def inspect(self, source: Path) -> Inspection:
        """Type and size from the first line."""
        kind, width, height, _, _ = self._look("inspect", source)
        media_type = "image/jpeg" if kind == "image" else "video/mp4"
        return Inspection(media_type, kind, width, height, 1)  # type: ignore[arg-type]

    def read_metadata(self, source: Path) -> RawMetadata:
        """The date in the first line, if there is one."""
        _, width, height, date, _ = self._look("read_metadata", source)
        return RawMetadata({} if date == "-" else {"EXIF:DateTimeOriginal": date.replace("_", " ")}, width, height)

    def read_sidecar(self, source: Path, kind: str) -> RawSidecar:
        """The real reader: it decodes no picture."""
        return read_sidecar(source, Limits(), kind=kind)

    def extract_video(self, source: Path, embedded: EmbeddedVideo, into: Path) -> MotionFile:
        """No fake photo holds a video."""
        raise MediaRejected("not_media", "there is no video in it")

    def render(self, source: Path, into: Path) -> Rendered:
        """Two files that hold the picture's mark."""
        *_, mark = self._look("render", source)
        files = []
        for name, size in (("small", 256), ("medium", 1024)):
            place = into / f"{name}.jpeg"
            place.write_text(f"{name} of {mark}")
            files.append(RenditionFile(name, "jpeg", str(place), size, size, place.stat().st_size))
        return Rendered(tuple(files), "AAAA", "fake 1")

    def analyze_video(self, source: Path, into: Path) -> VideoReport:
        """A poster that `render` takes, and a preview, that hold the video's mark; three seconds long."""
        _, width, height, _, mark = self._look("analyze_video", source)
        poster, preview = into / "poster.jpeg", into / "preview.webp"
        poster.write_text(f"FAKE image {width} {height} -\nposter of {mark}\n")
        preview.write_text(f"preview of {mark}")
        return VideoReport(
            container="mp4",
            brand="isom",
            duration_ms=3000,
            bitrate=1_000_000,
            fast_start=True,
            fragmented=False,
            video=VideoTrack(
                codec="hevc", width=width, height=height, coded_width=width, coded_height=height, frame_rate=30.0
            ),
            audio=AudioTrack(codec="pcm_s16le", channels=2, sample_rate=48_000),
            audio_tracks=1,
            web_obstacles=(),
            quality=VideoQuality(verdict="good", samples=8),
            poster=PosterPicture(
                path=str(poster),
                format="jpeg",
                width=width,
                height=height,
                bytes=poster.stat().st_size,
                at_ms=1500,
                sharpness=20.0,
                brightness=0.5,
                contrast=0.2,
                candidates=8,
            ),
            preview=PreviewFile(
                path=str(preview),
                format="webp",
                width=320,
                height=180,
                bytes=preview.stat().st_size,
                frames=8,
                duration_ms=2000,
            ),
            strip=None,
            engine="fake 1",
        )

    def pixel_hash(self, source: Path) -> Hashed:
        """The hash of the mark."""
        *_, mark = self._look("pixel_hash", source)
        return Hashed(hashlib.sha256(mark.encode()).hexdigest())

    def perceptual_hash(self, source: Path) -> Hashed:
        """As `looks` says for the mark; else one that is far from all others."""
        mark = source.read_text().partition(" of ")[2]
        known = self.looks.get(mark, hashlib.sha256(mark.encode()).hexdigest()[:16])
        return Hashed(known, "" if known else "it is blank")

    def strip(self, source: Path, into: Path) -> Stripped:
        """The mark alone."""
        *_, mark = self._look("strip", source)
        place = into / "stripped.jpg"
        place.write_text(f"{mark} without metadata")
        return Stripped(str(place), "image/jpeg", place.stat().st_size)

    def encode(self, source: Path, into: Path, found: VideoAnalyzed, planned: TranscodePlanned, part: int) -> Encoded:
        """One file for each rendition, or one for the sound, that holds the video's mark and the part's number."""
        *_, mark = self._look("encode", source)
        audio = planned.parts[part].media == "audio"
        files = []
        for name in ["audio"] if audio else [rung.name for rung in planned.renditions]:
            place = into / f"{name}.mp4"
            place.write_text(f"{name} of {mark}, part {part}")
            size = place.stat().st_size
            files.append(
                EncodedFile(
                    rendition=name,
                    path=str(place),
                    bytes=size,
                    head_bytes=4,
                    head_sha256=hashlib.sha256(name.encode()).hexdigest(),
                    timescale=1000,
                    segments=(Segment(size - 4, 3000),),
                    codecs="mp4a.40.2" if audio else "avc1.640028",
                )
            )
        return Encoded(files=tuple(files), engine="fake 1")

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
        """All that it is given, one behind the other."""
        self._look("join", source)
        place = into / "video.mp4"
        place.write_bytes(b"".join(path.read_bytes() for path in [*pictures, *([sound] if sound else [])]))
        return Joined(str(place), place.stat().st_size)

    def cpu_seconds(self) -> float:
        """It costs nothing."""
        return 0.0

    def peak_bytes(self) -> int:
        """It holds nothing."""
        return 0

    def close(self) -> None:
        """Nothing runs."""

    def _look(self, call: str, source: Path) -> tuple[str, int, int, str, str]:
        head, _, rest = source.read_bytes().partition(b"\n")
        words = head.decode("latin-1").split()
        if len(words) != 5 or words[0] != "FAKE":
            raise MediaRejected("not_media", "it is neither a picture nor a video")
        mark = rest.partition(b"\n")[0].decode()
        with self._lock:
            self.calls.append((call, mark))
            pending = self._errors.get((call, mark))
            if pending:
                raise pending.pop(0)
        return words[1], int(words[2]), int(words[3]), words[4], mark


class MemoryBlobs:
    """`domain.ports.BlobStore` in a dictionary."""

    def __init__(self) -> None:
        self.data: dict[str, bytes] = {}
        self.puts: Counter[str] = Counter()
        self.at: dict[str, float] = {}  # seconds since 1970

    def put(self, data: bytes) -> str:
        """Keep bytes under their SHA-256."""
        key = hashlib.sha256(data).hexdigest()
        self.puts[key] += 1
        self.data[key] = data
        return key

    def put_files(self, paths: Sequence[Path]) -> Sequence[str]:
        """Take files in."""
        keys = [self.put(path.read_bytes()) for path in paths]
        for path in paths:
            path.unlink()
        return keys

    def import_file(self, path: Path) -> tuple[str, int]:
        """Take a copy of a file in."""
        data = path.read_bytes()
        return self.put(data), len(data)

    def get(self, key: str) -> bytes:
        """All bytes."""
        if key not in self.data:
            raise NotFound(f"there is no blob {key}")
        return self.data[key]

    def may_be_shared(self, key: str) -> bool:
        """Whether it was stored more than once."""
        self.get(key)
        return self.puts[key] > 1

    def listed(self, prefix: str = "") -> Iterator[tuple[str, int, float]]:
        """All blobs; they were stored when `at` says so, else long ago."""
        return (
            (key, len(data), self.at.get(key, 0.0)) for key, data in sorted(self.data.items()) if key.startswith(prefix)
        )

    def delete(self, key: str) -> int:
        """Remove it; how many bytes that were."""
        self.puts.pop(key, None)
        return len(self.data.pop(key, b""))

    @contextmanager
    def file(self, key: str) -> Iterator[Path]:
        """The bytes as a file."""
        with tempfile.NamedTemporaryFile() as file:
            file.write(self.get(key))
            file.flush()
            yield Path(file.name)


class MemoryNotifier:
    """`domain.ports.Notifier` into a list. `fails` has errors for the next messages, one each; None: it is taken."""

    def __init__(self, name: str = "memory", known: bool | None = None) -> None:
        self.name = name
        self.taken: list[Outgoing] = []
        self.fails: list[BaseException | None] = []
        self.known = known  # what it says of a message that nobody heard the end of

    def send(self, message: Outgoing) -> str:
        """Keep the message, or raise."""
        error = self.fails.pop(0) if self.fails else None
        if error is not None:
            raise error
        self.taken.append(message)
        return f"{self.name}-{len(self.taken)}"

    def sent(self, message_id: str) -> bool | None:
        """As it was told to say."""
        return self.known


class MemoryVault:
    """The same parts under the same names as `photovault.vault.Vault`, in memory."""

    def __init__(
        self,
        *,
        projections: tuple[Projection[Any], ...] = PROJECTIONS,
        clock: Clock | None = None,
        steps: Steps = STEP_FUNCTIONS,
        owner: str = OWNER,
        scanner: Scanner | None = None,
        serving: Serving | None = None,
        faces: FaceAnalyzer | None = None,
        people: Callable[..., KeptFaces | CollectedFaces] = KeptFaces,
        keys: SqliteKeys | None = None,
    ) -> None:
        self.settings = Settings(Path("nowhere"), owner, 1, serving=serving or Serving())
        self.clock = clock or Clock(step_ms=1)
        self.commits = SqliteCommitStore(":memory:")
        self.views = SqliteViewStore(":memory:")
        self.checkpoints = SqliteCheckpoints(":memory:")
        self.queue = SqliteQueue(":memory:", clock=self.clock.seconds)
        self.blobs = MemoryBlobs()
        self.keys = keys or SqliteKeys(":memory:")
        self._own = () if keys else (self.keys,)  # others' are not closed here
        self.store = EventStore(self.commits, self.blobs, EventCodec(keys=self.keys), self.clock)
        self.generations = Generations(self.views, self.checkpoints, projections, self.clock)
        self.parking = Parking(self.checkpoints, self.clock)
        self.projector = Projector(self.store, self.views, self.generations, self.parking)
        self.relay = Relay(self.store, self.queue, self.parking)
        self.replay = Replay(
            self.store, self.views, self.checkpoints, self.generations.projections, clock=self.clock.seconds
        )
        self.media = FakeMediaEngine()
        self.scratch = Path(tempfile.mkdtemp(prefix="photovault-test-"))
        self.lookalikes = IndexedLookalikes(self.store, self.views, self.checkpoints, self.clock)
        self.people = people(self.store, self.views, self.checkpoints, self.blobs, self.clock)
        self.ports = Ports(
            self.store,
            self.blobs,  # type: ignore[arg-type]
            self.media,
            lambda *_: None,
            self.scratch,
            lookalikes=self.lookalikes,
            geocoder=GEOCODER,
            scanner=scanner or NoScanner(),
            serving=self.settings.serving,
            recognises=Recognition(
                faces=self.people if isinstance(self.people, CollectedFaces) else faces, people=self.people
            ),
        )
        self.worker = Worker(steps, self.ports, self.clock)
        self.mail, self.phone = MemoryNotifier("mail"), MemoryNotifier("texts")
        self.notifiers: dict[str, Notifier] = {"email": self.mail, "sms": self.phone}
        self.sender = Sender("vault@photos.example", "https://photos.example")
        self.behaviour = Recorder(self)
        self.generations.ensure(empty=True)

    def table(self, name: str, generation: int | None = None) -> ViewTable:
        """A generation's table; the active one's by default."""
        if generation is None:
            return self.generations.active(name)[1]
        return self.generations.projection(name).table(generation)

    def owners(self) -> list[str]:
        """Everybody who has photos here."""
        return [owner for owner in self.commits.owners() if owner != VAULT_OWNER]

    def abandoned_uploads(self, *, dry: bool) -> tuple[int, int]:
        """There are none in memory."""
        return 0, 0

    def locate(self, blob: str) -> str:
        """Where a blob would be."""
        return f"blobs/{blob}"

    def everything(self) -> list[Commit]:
        """The whole history in the order of its recording."""
        return list(self.commits.tail(None, 1_000_000).commits)

    def close(self) -> None:
        """Close what is open."""
        for part in (self.commits, *self._own, self.views, self.checkpoints, self.queue):
            part.close()
        shutil.rmtree(self.scratch, ignore_errors=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


# --- work without threads --------------------------------------------------------------------------------------------


def settle(vault: MemoryVault, delivery: Delivery, verdict: Verdict) -> None:
    """What the runtime does with a verdict."""
    match verdict.action:
        case "done":
            vault.queue.done([delivery])
        case "retry":
            vault.queue.retry(delivery, verdict.after_seconds)
        case "bury":
            vault.queue.bury(delivery, verdict.reason)


def work(vault: MemoryVault) -> None:
    """Run the pipeline until nothing is due; waits for retries by moving the clock."""
    while True:
        catch_up(vault)  # type: ignore[arg-type]
        for delivery in vault.queue.receive(QUEUES, 10, LEASE_SECONDS):
            settle(vault, delivery, vault.worker.handle(delivery))
        if not any(_open_messages(vault)):
            catch_up(vault)  # type: ignore[arg-type]
            if not any(_open_messages(vault)):
                return
        wait = vault.queue.next_due_in(QUEUES)
        if wait:
            vault.clock.tick(wait)


def _open_messages(vault: MemoryVault) -> Iterator[int]:
    for queue in QUEUES:
        depth = vault.queue.depth(queue)
        yield depth.waiting + depth.delayed + depth.in_flight


# --- what the views hold ---------------------------------------------------------------------------------------------


def rows_of(vault: Any, projection: Projection[Any], table: ViewTable) -> dict[tuple[str, str], Any]:
    """All that a generation shows, for comparing two: a home row with its version, other rows without theirs (it says
    when they last changed, which depends on the batches), totals without zeros."""
    found: dict[tuple[str, str], Any] = {}
    owners = set()
    homes = {projection.home(commit.stream) for commit in vault.commits.tail(None, 1_000_000).commits}
    for row in vault.views.scan(table):
        owners.add(row.partition)
        if not row.deleted:
            version = row.version if (row.partition, row.key) in homes else None
            found[row.partition, row.key] = (version, row.data, row.index)
    for owner in owners:
        for total, counters in vault.views.totals(table, owner).items():
            for counter, value in counters.items():
                if value:
                    found[owner, f"total {total}/{counter}"] = value
    return found


def active_rows(vault: Any) -> dict[str, dict[tuple[str, str], Any]]:
    """What readers see of every projection."""
    return {name: rows_of(vault, *vault.generations.active(name)) for name in vault.generations.projections}


def live_rows(vault: MemoryVault, table: ViewTable) -> list[Row]:
    """A table's rows without tombstones."""
    return [row for row in vault.views.scan(table) if not row.deleted]


def outcomes(vault: Any, categories: Iterable[str] = ("asset",)) -> Mapping[str, list[Any]]:
    """All events by stream."""
    found: dict[str, list[Any]] = {}
    for commit in vault.commits.tail(None, 1_000_000).commits:
        if split_stream(commit.stream)[1] in categories:
            found.setdefault(commit.stream, []).extend(r.event for r in vault.store.events_of(commit))
    return found
