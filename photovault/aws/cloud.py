"""The composition root on AWS: which adapter stands behind which port, by the environment that the template sets.

A function makes only what it uses, once a container. What a few functions need alone (decoders, making tables) is
imported when it is first asked for.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Mapping
from copy import copy
from datetime import datetime
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import msgspec
from botocore.exceptions import ClientError
from msgspec import Struct, structs

from adapters.aws.archive import CommitArchive
from adapters.aws.blobs import S3BlobStore
from adapters.aws.checkpoints import DynamoCheckpoints
from adapters.aws.commits import DynamoCommitStore
from adapters.aws.connection import Aws, error_code
from adapters.aws.keys import DynamoKeys, KmsWrap
from adapters.aws.originals import CloudBlobStore, Originals, Replica
from adapters.aws.queues import SqsQueue
from adapters.aws.views import DynamoViewStore
from domain.errors import InvalidInput
from domain.eventstore import EventStore, utc_now
from domain.faces import FaceAnalyzer
from domain.parking import Parking
from domain.ports import (
    MediaEngine,
    Moderator,
    Notifier,
    Scanner,
    SearchIndex,
    Tagger,
    TextEmbedder,
    ViewStore,
    ViewTable,
)
from domain.scanning import NoScanner, Serving
from domain.upkeep import UNUSED_KEPT, WITH_TRASH
from events_schema.codec import EventCodec
from photovault.behaviour import Recorder
from photovault.config import MailOptions, RenditionOptions, Settings, serving_policy
from photovault.messages import Sender
from projections import PROJECTIONS
from projections.generations import Generations
from projections.indexing import IndexedViewStore

if TYPE_CHECKING:
    from photovault.face_collection import CollectedFaces
    from photovault.face_memory import KeptFaces
    from photovault.lookalikes import IndexedLookalikes
    from photovault.recognition import RecognitionOptions
    from projections.projector import Projector
    from projections.replay import Replay
    from steps import LikelyLabels
    from steps.relay import Relay
    from steps.worker import Worker

_BORN = ("vault", "born")
"""The document that names the projections which a deployment began with."""


class CloudSettings(Struct, frozen=True, kw_only=True):
    """Names of everything that the template made."""

    events_table: str
    checkpoints_table: str
    keys_table: str
    views_prefix: str
    queues_prefix: str
    originals_bucket: str
    derived_bucket: str
    archive_bucket: str
    default_owner: str | None = None
    stage: str = "dev"
    endpoint_url: str | None = None
    scan_function: str | None = None
    serving: Serving = Serving()
    opensearch: str | None = None  # its endpoint
    keys_kms: str | None = None
    replica_prefix: str | None = None
    replica_region: str | None = None
    owner: str = ""  # whose commands these are; functions learn it from what they are given, and leave it empty
    recognition: dict[str, str] = {}  # what the deployment says of recognition, where this process's variables do not
    public_url: str | None = None

    @staticmethod
    def of(environment: Mapping[str, str] = os.environ) -> CloudSettings:
        """Read EVENTS_TABLE, CHECKPOINTS_TABLE, KEYS_TABLE, VIEWS_PREFIX, QUEUES_PREFIX, ORIGINALS_BUCKET,
        DERIVED_BUCKET and ARCHIVE_BUCKET; DEFAULT_OWNER, STAGE, AWS_ENDPOINT_URL (an emulator's), SCAN_FUNCTION,
        SERVE_UNSCANNED, PHOTOVAULT_OPENSEARCH, KEYS_KMS (a KMS key), REPLICA_PREFIX and REPLICA_REGION may be empty.

        Raises:
            InvalidInput: one is missing, or the default owner can't be an owner's name.
        """
        needed = [name for name in CloudSettings.__struct_fields__ if name not in _OPTIONAL]
        missing = [name.upper() for name in needed if not environment.get(name.upper())]
        if missing:
            raise InvalidInput(f"{', '.join(missing)} not set: the template gives them to every function")
        default = environment.get("DEFAULT_OWNER") or None
        if default is not None and not is_owner(default):
            raise InvalidInput(f"DEFAULT_OWNER is {default!r}, which can't be an owner's name")
        return CloudSettings(
            **{name: environment[name.upper()] for name in needed},
            default_owner=default,
            stage=environment.get("STAGE") or "dev",
            endpoint_url=environment.get("AWS_ENDPOINT_URL") or None,
            keys_kms=environment.get("KEYS_KMS") or None,
            replica_prefix=environment.get("REPLICA_PREFIX") or None,
            replica_region=environment.get("REPLICA_REGION") or None,
            scan_function=(scanner := environment.get("SCAN_FUNCTION") or None),
            serving=serving_policy(
                environment.get("SERVE_UNSCANNED"), scanner=scanner is not None, name="SERVE_UNSCANNED"
            ),
            opensearch=environment.get("PHOTOVAULT_OPENSEARCH") or None,
            recognition={name: said for name in _RECOGNITION if (said := environment.get(name))},
            public_url=environment.get("PHOTOVAULT_PUBLIC_URL") or None,
        )


_OPTIONAL = (
    "default_owner",
    "stage",
    "endpoint_url",
    "scan_function",
    "serving",
    "opensearch",
    "keys_kms",
    "replica_prefix",
    "replica_region",
    "owner",
    "recognition",
    "public_url",
)
_RECOGNITION = ("PHOTOVAULT_FACES", "PHOTOVAULT_REKOGNITION_CAP_USD")
_LINK_SECONDS = 900


def is_owner(name: str) -> bool:
    """Whether a name may be an owner's, by the rule of `photovault.config`."""
    try:
        return bool(name) and bool(Settings.of({}, home=Path("/"), owner=name))
    except InvalidInput:
        return False


class Cloud:
    """A vault on AWS; the same parts under the same names as `photovault.vault.Vault`.

    Args:
        settings: names of tables, queues and buckets.
        aws: clients; from the environment when not given.
        clock: the time.
    """

    def __init__(
        self, settings: CloudSettings, aws: Aws | None = None, clock: Callable[[], datetime] = utc_now
    ) -> None:
        self.settings = settings
        self.clock = clock
        self.aws = aws or Aws(endpoint_url=settings.endpoint_url)
        self._owns_aws = aws is None
        self.scratch = Path(tempfile.gettempdir())

    @cached_property
    def archive(self) -> CommitArchive:
        """Every commit once more in S3."""
        return CommitArchive(self.aws, self.settings.archive_bucket)

    @cached_property
    def commits(self) -> DynamoCommitStore:
        """The event table."""
        return DynamoCommitStore(self.aws, self.settings.events_table, self.archive)

    @cached_property
    def originals(self) -> Originals:
        """What was uploaded."""
        return Originals(self.aws, self.settings.originals_bucket)

    @cached_property
    def blobs(self) -> CloudBlobStore:
        """Uploads, and what was derived from them."""
        replica = (self.replica.originals, self.replica.derived) if self.replica else None
        return CloudBlobStore(self.originals, S3BlobStore(self.aws, self.settings.derived_bucket), replica)

    @cached_property
    def replica(self) -> Replica | None:
        """The copy in another region, where there is one."""
        prefix, region = self.settings.replica_prefix, self.settings.replica_region
        return Replica(self.aws.elsewhere(region), prefix) if prefix and region else None

    @cached_property
    def store(self) -> EventStore:
        """The history."""
        return EventStore(self.commits, self.blobs, EventCodec(keys=self.keys), self.clock)

    @cached_property
    def keys(self) -> DynamoKeys:
        """What personal fields are sealed with."""
        table, kms = self.settings.keys_table, self.settings.keys_kms
        return DynamoKeys(self.aws, table, KmsWrap(self.aws, table, kms) if kms else None)

    @cached_property
    def checkpoints(self) -> DynamoCheckpoints:
        """The system's own small documents."""
        return DynamoCheckpoints(self.aws, self.settings.checkpoints_table)

    @cached_property
    def rows(self) -> DynamoViewStore:
        """Rows of all projections."""
        return DynamoViewStore(self.aws, self.settings.views_prefix)

    @cached_property
    def index(self) -> SearchIndex | None:
        """What searches are asked of; None where the deployment has no OpenSearch."""
        if self.settings.opensearch is None:
            return None
        from adapters.aws.opensearch import OpenSearchIndex
        from adapters.aws.opensearch_client import connect

        client = connect(self.settings.opensearch, aws=self.aws)
        return OpenSearchIndex(client, f"photovault-{self.settings.stage}-")

    @cached_property
    def views(self) -> ViewStore:
        """Rows of all projections, with the search index beside them where there is one."""
        return self._indexed(self.rows)

    def _indexed(self, rows: ViewStore) -> ViewStore:
        if self.settings.opensearch is None:
            return rows
        index = cast(SearchIndex, _Later(lambda: self.index))
        return IndexedViewStore(rows, index, self.blobs.get, every_generation=False)

    @cached_property
    def queue(self) -> SqsQueue:
        """One queue a step."""
        return SqsQueue(self.aws, self.settings.queues_prefix)

    @cached_property
    def generations(self) -> Generations:
        """Which table of a projection readers see."""
        return Generations(self.views, self.checkpoints, PROJECTIONS, self.clock)

    @cached_property
    def parking(self) -> Parking:
        """What waits alone, with its reason."""
        return Parking(self.checkpoints, self.clock)

    @cached_property
    def projector(self) -> Projector:
        """Keeps rows up to date. The first use in a deployment registers its projections."""
        from projections.projector import Projector

        self.register()
        return Projector(self.store, self.views, self.generations, self.parking)

    @cached_property
    def relay(self) -> Relay:
        """Sends work to the steps' queues."""
        from steps.relay import Relay

        return Relay(self.store, self.queue, self.parking)

    @cached_property
    def replay(self) -> Replay:
        """Rebuilds projections."""
        from projections.replay import Replay

        self.register()
        return Replay(self.store, self.views, self.checkpoints, self.generations.projections)

    @cached_property
    def media(self) -> MediaEngine:
        """The decoders; they start with the first file."""
        from adapters.media.sandbox import SandboxedMediaEngine

        options = RenditionOptions.of()
        return SandboxedMediaEngine(
            encoder_threads=os.cpu_count() or 1,  # one message at a time
            optimise=options.optimise,
            keep_copyright=options.keep_copyright,
        )

    @cached_property
    def scanner(self) -> Scanner:
        """The function that scans uploads, where there is one."""
        if self.settings.scan_function is None:
            return NoScanner()
        from adapters.aws.scanner import FunctionScanner

        return FunctionScanner(self.aws, self.settings.scan_function, self.settings.originals_bucket)

    @cached_property
    def tagger(self) -> Tagger | None:
        """Says what pictures show; None without models in the function."""
        from photovault.recognition import tagger_of

        return tagger_of(self.checkpoints, aws=self.aws, clock=self.clock)

    @cached_property
    def moderator(self) -> Moderator | None:
        """Says what is not safe for everybody; None without the model."""
        from photovault.recognition import moderator_of

        return moderator_of(self.checkpoints, aws=self.aws, clock=self.clock)

    @cached_property
    def texts(self) -> TextEmbedder | None:
        """Turns words into vectors; None without the model."""
        from photovault.meaning import embedder_of

        return embedder_of()

    @cached_property
    def faces(self) -> FaceAnalyzer | None:
        """Finds faces; None without the models."""
        from photovault.recognition import faces_of

        return faces_of(self.people, self._recognition)

    @property
    def _recognition(self) -> Mapping[str, str]:
        return {**os.environ, **self.settings.recognition}

    @property
    def recognition(self) -> RecognitionOptions:
        """Who recognises what."""
        from photovault.recognition import RecognitionOptions

        return RecognitionOptions.of(self._recognition)

    @cached_property
    def likely_labels(self) -> LikelyLabels | None:
        """Says the likeliest labels of a picture's vector; None without the classifier."""
        from photovault.meaning import likely_labels_of

        return likely_labels_of()

    @cached_property
    def worker(self) -> Worker:
        """Runs steps."""
        from adapters.geo.places import OfflineGeocoder
        from adapters.media.zones import zone_of
        from steps import Ports
        from steps.catalogue import STEP_FUNCTIONS
        from steps.worker import Worker

        ports = Ports(
            self.store,
            self.blobs,
            self.media,
            zone_of,
            self.scratch,
            lookalikes=self.lookalikes,
            geocoder=OfflineGeocoder(),
            scanner=self.scanner,
            serving=self.settings.serving,
            recognises=self,
        )
        return Worker(STEP_FUNCTIONS, ports, self.clock, alone=True)

    @cached_property
    def people(self) -> KeptFaces | CollectedFaces:
        """Owners' agreements to face recognition, their keys, and faces by nearness."""
        from photovault.recognition import people_of

        return people_of(
            self.store,
            self.views,
            self.checkpoints,
            self.blobs,
            self.clock,
            self._recognition,
            aws=self.aws,
            stage=self.settings.stage,
        )

    @cached_property
    def lookalikes(self) -> IndexedLookalikes:
        """Finds pictures that look alike; asks for many ranges of the index at once."""
        from photovault.lookalikes import IndexedLookalikes

        return IndexedLookalikes(self.store, self.views, self.checkpoints, self.clock, threads=16)

    @cached_property
    def behaviour(self) -> Recorder:
        """Notes what owners look at, of those who agreed."""
        return Recorder(self)

    @cached_property
    def sender(self) -> Sender:
        """Who messages come from, and where links lead."""
        options = MailOptions.of()
        return Sender(options.sender, self.settings.public_url or options.public_url)

    @cached_property
    def notifiers(self) -> Mapping[str, Notifier]:
        """Ways out for messages: SES for mail where there is a sender, SNS for text messages where they are on."""
        from adapters.aws.notify import Ses, Sns

        options = MailOptions.of()
        ways: dict[str, Notifier] = {"email": Ses(self.aws, options.configuration)} if options.ses else {}
        return ways | ({"sms": Sns(self.aws)} if options.sms else {})

    def of(self, owner: str) -> Cloud:
        """The same vault, for what this owner says and asks; not to be closed. Cost: nothing."""
        other = copy(self)
        other.settings = structs.replace(self.settings, owner=owner)
        return other

    @property
    def replica_region(self) -> str | None:
        """Where S3 copies the buckets to; empty for nowhere."""
        return self.settings.replica_region or ""

    def owners(self) -> list[str]:
        """Everybody who ever put something into the trash: whose library upkeep has to look at."""
        return [entry.name for entry in self.checkpoints.list(WITH_TRASH)]

    def abandoned_uploads(self, *, dry: bool) -> tuple[int, int]:
        """Multipart uploads that were begun a week ago and not ended: aborted unless `dry`; how many, and the bytes of
        their parts, which S3 does not say (0). The buckets' own rule does the same."""
        return self.originals.abandoned(self.clock() - UNUSED_KEPT, dry=dry), 0

    def register(self) -> None:
        """Give every projection its first generation. Those that the deployment began with saw its history from the
        first commit on and are active at once; one that came with a later release waits for its replay.

        Cost:
            1 read, and 1 more for each projection.
        """
        entry = self.checkpoints.load(*_BORN)
        if entry is None:
            names = msgspec.json.encode(list(self.generations.projections))
            entry = self.checkpoints.save(*_BORN, names, expected=0) or self.checkpoints.load(*_BORN)
        born = set(msgspec.json.decode(entry.value, type=list[str])) if entry else set()
        for empty in (True, False):
            some = [p for p in PROJECTIONS if (p.name in born) is empty]
            views = self._indexed(cast(ViewStore, _Provisioned(self.rows)))
            Generations(views, self.checkpoints, some, self.clock).ensure(empty=empty)

    def locate(self, blob: str) -> str:
        """A link that lets anyone read a blob for 15 minutes, for a person or a program to open. Cost: no request."""
        return self.blobs.url(blob, _LINK_SECONDS)

    def close(self) -> None:
        """End decoders, threads and connections; clients that were given stay open."""
        if "media" in self.__dict__:
            self.media.close()
        if "lookalikes" in self.__dict__:
            self.lookalikes.close()
        if "rows" in self.__dict__:
            self.rows.close()
        index: Any = self.__dict__.get("index")
        if index is not None:
            index.close()
        if self._owns_aws:
            self.aws.close()


class _Later:
    """A search index that is made when it is first asked: most functions only read rows, and its library is slow to
    import."""

    def __init__(self, make: Callable[[], SearchIndex | None]) -> None:
        self._make = make

    def __getattr__(self, name: str) -> Any:
        return getattr(self._make(), name)


class _Provisioned:
    """The views of a function that may not make tables: those that the template made need no making."""

    def __init__(self, views: DynamoViewStore) -> None:
        self._views = views

    def __getattr__(self, name: str) -> Any:
        return getattr(self._views, name)

    def create(self, table: ViewTable) -> None:
        """Make the table, unless it answers. Cost: 1 request when it is there."""
        try:
            self._views.get(table, [("-", "-")])
        except ClientError as error:
            if error_code(error) not in ("ResourceNotFoundException", "AccessDeniedException"):
                raise
            self._views.create(table)


@cache
def cloud() -> Cloud:
    """The container's one vault, from its environment."""
    return Cloud(CloudSettings.of())
