"""Measures what an asset costs the pipeline: processor time, capacity units, requests and bytes, by function.

A vault in a temporary folder processes generated photos and videos through the real steps, relay and projector, one
commit a batch, behind the meters of `metering.py`. `photovault cost --measure FILE` writes the result.
"""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from msgspec import structs, to_builtins
from msgspec.json import encode

from adapters.aws.items import item_bytes, to_item
from adapters.ml.store import ModelStore
from domain.asset import asset_stream
from domain.commits import NEW, Cause, Commit, derive_id
from domain.errors import InvalidInput
from domain.events import AssetUploaded, RenditionsGenerated
from domain.eventstore import EventStore
from domain.parking import Parking
from domain.pipeline import STEPS
from domain.ports import Move, Row, ViewTable
from events_schema.codec import EventCodec
from photovault.config import Settings, models_folder
from photovault.cost.measuring_media import PHOTO_SIZE, VIDEO_SIZE, write_photo, write_video
from photovault.cost.measuring_recognition import RECOGNISERS, recognition
from photovault.cost.metering import (
    Meter,
    MeteredBlobs,
    MeteredCheckpoints,
    MeteredCommits,
    MeteredViews,
    Usage,
    archived_bytes,
    row_bytes,
    transfer_requests,
)
from photovault.lookalikes import IndexedLookalikes
from photovault.vault import Vault
from projections import PROJECTIONS
from projections.generations import Generations
from projections.projector import Projector, change_of
from projections.replay import Folded, fold_streams
from steps import Ports
from steps.catalogue import STEP_FUNCTIONS
from steps.relay import Relay
from steps.worker import Worker

__all__ = ["measure"]

_OWNER = "household"
_STEP = "import handlers.steps, steps.catalogue, steps.worker"
_DECODERS = f"{_STEP}, adapters.media.sandbox, adapters.media.zones"
_STARTS = {
    "intake": "import handlers.intake",
    "relay": "import handlers.relay, steps.relay",
    "projector": "import handlers.projector, projections.projector",
    **dict.fromkeys(STEPS, _DECODERS),
    **{step: f"{_STEP}\n{code}" for step, code in RECOGNISERS.items()},
    "api": "import handlers.api",
    "reconcile": "import handlers.reconcile",
    "seal": "import handlers.seal",
    "cluster": "import handlers.cluster",
    "notify": "import handlers.notify",
    "memories": "import handlers.memories",
    "upkeep": "import handlers.upkeep",
}
"""What each function imports before its first answer."""

_LOGGING = """
import types
from handlers.observe import count, logger, observed
@observed
def handler(event, context):
    for name in ("commits", "rows", "parked", "lag_ms"):
        count(name, 1)
    logger.info("projected", extra={"commits": 1, "rows": 5, "parked": 0})
for _ in range(2):
    handler({}, types.SimpleNamespace(function_name="photovault-prod-projector", memory_limit_in_mb=512,
        invoked_function_arn="arn:aws:lambda:us-east-1:123456789012:function:photovault-prod-projector",
        aws_request_id="00000000-0000-0000-0000-000000000000"))
"""
"""Two invocations that log and count as the projector does: the first says that it was a cold start."""

_CLIENT_ROUNDS = 500
_FOLDS = 20
_PAGE = 50
_TRANSACTION_ROWS = 50  # adapters.aws.views.DynamoViewStore.move


def measure(photos: int, videos: int, video_seconds: int, command: str) -> dict[str, Any]:
    """Process generated assets and return the document that `measured.json` holds.

    Args:
        photos: JPEGs of 12 megapixels, 4 to 5 MB each; one more is made to warm up.
        videos: clips of H.265 in 1080p, as phones make them; a short one more is made to warm up.
        video_seconds: length of each clip.
        command: how the measurement was called, for the record.
    """
    if photos < 1 or videos < 1:
        raise InvalidInput("at least one photo and one video are measured")
    if missing := [model.name for model in ModelStore(models_folder()).look() if model.state != "installed"]:
        raise InvalidInput(f"{', '.join(missing)} not installed: `photovault models install`, then measure")
    starts = {name: _start_cpu_ms(code) for name, code in _STARTS.items()}
    with tempfile.TemporaryDirectory(prefix="photovault-measure-") as name:
        folder = Path(name)
        images = [write_photo(folder / f"IMG_{i:04}.jpg", i) for i in range(photos + 1)]
        lengths = [2, *[video_seconds] * videos]
        clips = [write_video(folder / f"VID_{i:04}.mp4", i, seconds) for i, seconds in enumerate(lengths)]
        with _pipeline(folder / "vault") as pipeline:
            pipeline.process([images[0], clips[0]])
            per_image = pipeline.process(images[1:])
            per_video = pipeline.process(clips[1:])
            per_page = pipeline.page()
            replay = pipeline.replay()
    return {
        "measured_at": datetime.now(UTC).date().isoformat(),
        "command": command,
        "machine": f"{_processor()}, {os.cpu_count()} processors, {platform.system()}, "
        f"Python {platform.python_version()}",
        "photo": {"count": photos, "width": PHOTO_SIZE[0], "height": PHOTO_SIZE[1]},
        "video": {"count": videos, "width": VIDEO_SIZE[0], "height": VIDEO_SIZE[1], "seconds": video_seconds},
        "client_cpu_ms_per_request": _client_cpu_ms(),
        "start_cpu_ms": starts,
        "log_bytes_per_invocation": _log_bytes(),
        "per_image": per_image,
        "per_video": per_video,
        "per_page": per_page,
        "replay": replay,
    }


class _Pipeline:
    """The steps, the relay and the projector of one vault, run in turn by one thread behind meters."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self.meter = Meter()
        self._commits = MeteredCommits(vault.commits, self.meter)
        self._views = MeteredViews(vault.views, self.meter)
        checkpoints = MeteredCheckpoints(vault.checkpoints, self.meter)
        blobs = MeteredBlobs(vault.blobs, self.meter)
        self._store = EventStore(self._commits, blobs, EventCodec())
        parking = Parking(checkpoints)
        generations = Generations(self._views, checkpoints, PROJECTIONS)
        self._projector = Projector(self._store, self._views, generations, parking)
        self._relay = Relay(self._store, vault.queue, parking)
        from adapters.media.zones import zone_of

        lookalikes = IndexedLookalikes(self._store, self._views, checkpoints)
        ports = Ports(
            self._store,
            blobs,
            vault.media,
            zone_of,
            vault.scratch,
            lookalikes,
            recognises=recognition(vault, self._store, self._views, checkpoints, blobs, _OWNER),
        )
        self._worker = Worker(STEP_FUNCTIONS, ports)
        self._checkpoint: str | None = None
        self._seen: list[Commit] = []

    def process(self, paths: Sequence[Path]) -> dict[str, Any]:
        """Take files in and work until all of them have ended; usage for each file, on average."""
        self._reset()
        for path in paths:
            sha256, size = self._upload(path)
            with self._function("intake"):
                self._take_in(path.name, sha256, size)
            self._pass_on()
            while deliveries := self._vault.queue.receive(tuple(STEPS), 1, 120):
                for delivery in deliveries:
                    with self._function(delivery.queue):
                        self._worker.handle(delivery)
                        self.meter.now.sqs_requests += 2  # its receive and its delete
                    self._vault.queue.done([delivery])
                self._pass_on()
        return self._mean(len(paths), sum(path.stat().st_size for path in paths))

    def page(self) -> dict[str, float]:
        """What one page of the timeline costs: the rows that the API asks for."""
        self._reset()
        projection = PROJECTIONS[0]
        with self._function("api"):
            table = ViewTable(projection.name, 1, projection.indexes)
            page = self._views.query(table, _OWNER, index="timeline", limit=_PAGE, descending=True)
            encode([projection.show(projection.decode(row.data), str) for row in page.rows])
        found: dict[str, float] = to_builtins(self.meter.functions["api"])
        return found

    def replay(self) -> dict[str, Any]:
        """What one event costs a replay: time to fold it, and the rows that its stream is written to once."""
        commits = list(self._vault.commits.segment(self._vault.commits.segments(1)[0]))
        times = []
        for _ in range(_FOLDS):
            started = time.process_time()
            folded = list(fold_streams(commits, self._store, PROJECTIONS))
            times.append(time.process_time() - started)
        events = sum(each.events for each in folded)
        self._reset()
        with self._function("replay-work"):
            sizes = [size for i in range(len(PROJECTIONS)) for size in self._write_once(i, folded)]
        usage = self.meter.functions["replay-work"]
        return {
            "events": events,
            "streams": len(folded),
            "commits": len(commits),
            "event_bytes": sum(item_bytes(to_item(commit)) for commit in commits),
            "fold_cpu_us_per_event": round(statistics.median(times) / events * 1e6, 1),
            "rows": len(sizes),
            "row_bytes": sum(sizes),
            "wcu_by_table": dict(sorted(self.meter.wcu_by_table.items())),
            "requests": usage.db_requests,
        }

    def _upload(self, path: Path) -> tuple[str, int]:
        """The client's own part: S3 bills its requests, and no function runs. SHA-256 and size."""
        sha256, size = self._vault.blobs.import_file(path)
        self.meter.function = "upload"
        self.meter.now.s3_puts += transfer_requests(size)
        return sha256, size

    def _take_in(self, name: str, sha256: str, size: int) -> None:
        """What the intake function does for an object in the upload bucket: its content is not known yet."""
        key = f"{_OWNER}/2026/11/{name}"
        asset = derive_id("asset", _OWNER, key)
        upload = derive_id("upload", asset)
        event = AssetUploaded(file_name=name, size_bytes=size, blob=sha256, source="s3", path=key)
        cause = Cause(commit_id=upload, actor="intake", correlation_id=upload)
        self._store.append(asset_stream(_OWNER, asset), [event], NEW, cause)
        self.meter.now.sqs_requests += 3  # S3's message, its receive and its delete

    def _pass_on(self) -> None:
        """The two consumers of the stream, one commit a batch: no batch of Lambda's costs more."""
        while True:
            tail = self._vault.commits.tail(self._checkpoint, 1)
            if not tail.commits:
                return
            with self._function("relay"):
                self.meter.now.sqs_requests += self._relay.relay(tail.commits)
                self.meter.now.s3_puts += 1
                size = archived_bytes(tail.commits)
                self.meter.now.s3_bytes_written += size
                self.meter.archived += size
            with self._function("projector"):
                self._projector.project(tail.commits)
            self._seen += tail.commits
            self._checkpoint = tail.checkpoint

    def _write_once(self, number: int, folded: Sequence[Folded]) -> list[int]:
        """Sizes of one projection's rows, written as a replay does: each once, contributions 50 to a transaction."""
        projection = PROJECTIONS[number]
        table = ViewTable(projection.name, 2, projection.indexes)
        self._vault.views.create(table)
        mine = [each for each in folded if each.stream.split("#")[1] == projection.category]
        rows: list[Row] = []
        moves: list[Move] = []
        for each in mine:
            change = change_of(projection, each.stream, None, 0, each.states[number], each.version)
            rows += change.others
            if projection.has_totals:
                moves.append(Move(change.home, change.base, change.deltas))
            else:
                rows.append(change.home)
        self._views.put(table, rows)
        for start in range(0, len(moves), _TRANSACTION_ROWS):
            self._views.move(table, moves[start : start + _TRANSACTION_ROWS])
        return [row_bytes(table, row) for row in (*rows, *(move.row for move in moves))]

    def _reset(self) -> None:
        for name in Meter.__struct_fields__:
            setattr(self.meter, name, getattr(Meter(), name))
        self._seen = []

    def _mean(self, assets: int, original_bytes: int) -> dict[str, Any]:
        def each(value: float) -> float:
            return round(value / assets, 3)

        meter = self.meter
        sizes = [item_bytes(to_item(commit)) for commit in self._seen]
        return {
            "commits": each(len(self._seen)),
            "events": each(sum(commit.count for commit in self._seen)),
            "items": each(meter.items),
            "original_bytes": each(original_bytes),
            "event_bytes": each(sum(sizes)),
            "view_bytes": each(sum(size for table, size in meter.stored_by_table.items() if table != "events")),
            "blob_bytes": each(meter.stored_blobs),
            "archive_bytes": each(meter.archived),
            "rendition_bytes": {name: each(size) for name, size in self._rendition_bytes().items()},
            "wcu_by_table": {table: each(units) for table, units in sorted(meter.wcu_by_table.items())},
            "functions": {
                name: {counter: each(getattr(usage, counter)) for counter in Usage.__struct_fields__}
                for name, usage in meter.functions.items()
            },
        }

    def _rendition_bytes(self) -> dict[str, int]:
        """Bytes of all pictures of a size, each in its smallest format: what a browser of today fetches."""
        sums: dict[str, int] = {}
        for commit in self._seen:
            for recorded in self._store.events_of(commit):
                if isinstance(recorded.event, RenditionsGenerated):
                    for name in {rendition.name for rendition in recorded.event.renditions}:
                        sizes = [r.size_bytes for r in recorded.event.renditions if r.name == name]
                        sums[name] = sums.get(name, 0) + min(sizes)
        return sums

    @contextmanager
    def _function(self, name: str) -> Iterator[None]:
        """What happens inside is one invocation of a function."""
        self.meter.function = name
        usage = self.meter.now
        usage.invocations += 1
        started = self._cpu_seconds()
        yield
        usage.cpu_ms += (self._cpu_seconds() - started) * 1000

    def _cpu_seconds(self) -> float:
        return time.thread_time() + self._vault.media.cpu_seconds()


@contextmanager
def _pipeline(home: Path) -> Iterator[_Pipeline]:
    settings = structs.replace(Settings.of({}, home=home, owner=_OWNER), workers=1)
    with Vault(settings, create=True) as vault:
        yield _Pipeline(vault)


def _client_cpu_ms() -> float:
    """Processor time of one request through our DynamoDB client: signing, sending and parsing, without a network."""
    from boto3.session import Session
    from botocore.awsrequest import AWSResponse

    from adapters.aws.connection import Aws

    class Raw:
        """The body of a canned answer."""

        def stream(self, **_: Any) -> Iterator[bytes]:
            yield b'{"ConsumedCapacity":{"TableName":"t","CapacityUnits":1.0}}'

    session = Session(aws_access_key_id="none", aws_secret_access_key="none", region_name="us-east-1")  # noqa: S106
    aws = Aws(session)
    answer: Callable[..., AWSResponse] = lambda request, **_: AWSResponse(request.url, 200, {}, Raw())  # noqa: E731
    aws.dynamodb.meta.events.register("before-send.dynamodb.PutItem", answer)
    item = {"stream": {"S": "a#asset#b"}, "commit": {"N": "1"}, "body": {"S": "x" * 700}}
    started = 0.0
    for turn in range(_CLIENT_ROUNDS + 20):
        if turn == 20:
            started = time.thread_time()
        aws.dynamodb.put_item(TableName="t", Item=item, ConditionExpression="attribute_not_exists(#s)")
    spent = time.thread_time() - started
    aws.close()
    return round(spent / _CLIENT_ROUNDS * 1000, 3)


def _start_cpu_ms(imports: str) -> float:
    """Processor time of a new process that imports what a function needs, less that of an empty one; medians of 3."""
    with_imports, without = (statistics.median(_child_cpu_ms(code) for _ in range(3)) for code in (imports, "pass"))
    return round(with_imports - without, 1)


def _log_bytes() -> int:
    """Bytes that one invocation writes to its log, metrics included, on average over a cold and a warm one."""
    ran = subprocess.run([sys.executable, "-c", _LOGGING], check=True, env=_environment(), capture_output=True)  # noqa: S603
    return len(ran.stdout) // 2


def _child_cpu_ms(code: str) -> float:
    before = os.times()
    subprocess.run([sys.executable, "-c", code], check=True, env=_environment())  # noqa: S603
    after = os.times()
    return (after.children_user + after.children_system - before.children_user - before.children_system) * 1000


def _environment() -> dict[str, str]:
    return {**os.environ, "AWS_DEFAULT_REGION": "us-east-1", "AWS_LAMBDA_FUNCTION_NAME": "f", "STEP": "validate"}


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
