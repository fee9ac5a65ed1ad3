"""The composition root: which adapter stands behind which port. Nothing else in the house makes that choice."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from adapters.local.blobs import FileBlobStore
from adapters.local.checkpoints import SqliteCheckpoints
from adapters.local.commits import SqliteCommitStore
from adapters.local.keys import SqliteKeys
from adapters.local.queue import SqliteQueue
from adapters.local.search import SqliteSearchIndex
from adapters.local.views import SqliteViewStore
from domain.commits import VAULT_OWNER
from domain.errors import NotFound, PhotoVaultError
from domain.eventstore import EventStore, utc_now
from domain.faces import FaceAnalyzer
from domain.parking import Parking
from domain.ports import Lookalikes, MediaEngine, Moderator, Notifier, Scanner, Tagger, TextEmbedder
from domain.scanning import NoScanner
from events_schema.codec import EventCodec
from photovault.behaviour import Recorder
from photovault.config import MailOptions, RenditionOptions, Settings
from photovault.messages import Sender
from photovault.searchable import SearchableViews
from projections import PROJECTIONS, Projection
from projections.generations import Generations
from projections.projector import Projector
from projections.replay import Replay
from steps import LikelyLabels, Ports
from steps.relay import Relay
from steps.worker import Worker

if TYPE_CHECKING:
    from photovault.face_collection import CollectedFaces
    from photovault.face_memory import KeptFaces
    from photovault.recognition import RecognitionOptions


class Vault:
    """A vault on this machine: everything in one folder.

        events.db   the history              work.db   queues and checkpoints
        keys.db     of its personal fields
        views.db    all projections          blobs/    originals, renditions, large event bodies, by SHA-256

    Args:
        settings: where, and whose.
        create: make the folder when it is not there.
        durable_views: each write to views survives a power cut (a replay's workers do without).
    Raises:
        NotFound: there is no vault and `create` is false.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        create: bool = False,
        durable_views: bool = True,
        clock: Callable[[], datetime] = utc_now,
        projections: tuple[Projection[Any], ...] = PROJECTIONS,
    ) -> None:
        self.settings = settings
        home = settings.home
        if not create and not (home / "events.db").exists():
            raise NotFound(
                f"there is no vault in {home}: `photovault ingest FOLDER` makes one; "
                "--home or PHOTOVAULT_HOME says where"
            )
        home.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.clock = clock
        self.commits = SqliteCommitStore(home / "events.db")
        self.checkpoints = SqliteCheckpoints(home / "work.db")
        self.queue = SqliteQueue(home / "work.db", clock=lambda: clock().timestamp())
        self.blobs = FileBlobStore(home / "blobs")
        self.index = SqliteSearchIndex(home / "search.db", durable=durable_views)
        self.views = SearchableViews(
            SqliteViewStore(home / "views.db", durable=durable_views), self.index, self.blobs.get
        )
        self.keys = SqliteKeys(home / "keys.db")
        self.store = EventStore(self.commits, self.blobs, EventCodec(keys=self.keys), clock)
        self.generations = Generations(self.views, self.checkpoints, projections, clock)
        self.parking = Parking(self.checkpoints, clock)
        self.projector = Projector(self.store, self.views, self.generations, self.parking)
        self.relay = Relay(self.store, self.queue, self.parking)
        self.replay = Replay(self.store, self.views, self.checkpoints, self.generations.projections)
        self.generations.ensure(empty=self.commits.last_position() == 0, tables=self.views.generations)
        self.views.mend(self.generations)

    @cached_property
    def media(self) -> MediaEngine:
        """The decoders; loaded only when a step needs them.

        Raises:
            PhotoVaultError: they are not installed.
        """
        missing = [
            name
            for name in ("pyvips", "PIL", "pillow_heif", "pylibjxl", "rawpy", "av", "numpy")
            if find_spec(name) is None
        ]
        if missing:
            raise PhotoVaultError(f"{', '.join(missing)} not installed: pip install 'photovault[media]'")
        from adapters.media.sandbox import SandboxedMediaEngine

        options = RenditionOptions.of()
        return SandboxedMediaEngine(
            writable=(self.scratch,), optimise=options.optimise, keep_copyright=options.keep_copyright
        )

    @cached_property
    def scanner(self) -> Scanner:
        """The malware scanner that the settings name.

        Raises:
            InvalidInput: its address can't be one.
        """
        if self.settings.clamd is None:
            return NoScanner()
        from adapters.scan.clamd import ClamdScanner

        return ClamdScanner(self.settings.clamd)

    @cached_property
    def tagger(self) -> Tagger | None:
        """Says what pictures show; None without models, or without what they run on."""
        from photovault.recognition import tagger_of

        return tagger_of(self.checkpoints, clock=self.clock)

    @cached_property
    def moderator(self) -> Moderator | None:
        """Says what is not safe for everybody; None without the model."""
        from photovault.recognition import moderator_of

        return moderator_of(self.checkpoints, clock=self.clock)

    @cached_property
    def texts(self) -> TextEmbedder | None:
        """Turns words into vectors; None without the model."""
        from photovault.meaning import embedder_of

        return embedder_of()

    @cached_property
    def likely_labels(self) -> LikelyLabels | None:
        """Says the likeliest labels of a picture's vector; None without the classifier."""
        from photovault.meaning import likely_labels_of

        return likely_labels_of()

    @cached_property
    def worker(self) -> Worker:
        """Runs the steps."""
        from adapters.geo.places import OfflineGeocoder
        from adapters.media.zones import zone_of
        from steps.catalogue import STEP_FUNCTIONS

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
        return Worker(STEP_FUNCTIONS, ports, self.clock)

    @cached_property
    def lookalikes(self) -> Lookalikes:
        """Finds pictures that look alike."""
        from photovault.lookalikes import IndexedLookalikes

        return IndexedLookalikes(self.store, self.views, self.checkpoints, self.clock)

    @cached_property
    def people(self) -> KeptFaces | CollectedFaces:
        """The owner's agreement to face recognition, the key, and faces by nearness."""
        from photovault.recognition import people_of

        return people_of(self.store, self.views, self.checkpoints, self.blobs, self.clock)

    @cached_property
    def faces(self) -> FaceAnalyzer | None:
        """Finds faces; None where the models or what runs them are not installed."""
        from photovault.recognition import faces_of

        return faces_of(self.people)

    @property
    def recognition(self) -> RecognitionOptions:
        """Who recognises what."""
        from photovault.recognition import RecognitionOptions

        return RecognitionOptions.of()

    @cached_property
    def sender(self) -> Sender:
        """Who messages come from, and where links lead."""
        options = MailOptions.of()
        return Sender(options.sender, options.public_url)

    @cached_property
    def notifiers(self) -> Mapping[str, Notifier]:
        """Ways out for messages: a mail server if one is named, else a folder; text messages into the folder.

        Raises:
            InvalidInput: the mail server's address can't be one.
        """
        from adapters.notify.outbox import Outbox
        from adapters.notify.smtp import Smtp

        options = MailOptions.of()
        outbox = Outbox(self.settings.home / "outbox")
        return {"email": Smtp(options.smtp, options.smtp_password) if options.smtp else outbox, "sms": outbox}

    @cached_property
    def behaviour(self) -> Recorder:
        """Notes what the owner looks at, if they agreed."""
        return Recorder(self)

    @property
    def scratch(self) -> Path:
        """A folder for temporary files on the blobs' disk."""
        return self.blobs.temporary

    @property
    def replica_region(self) -> str | None:
        """None: a folder does not copy itself."""
        return None

    def owners(self) -> list[str]:
        """Everybody who has photos here."""
        return [owner for owner in self.commits.owners() if owner != VAULT_OWNER]

    def abandoned_uploads(self, *, dry: bool) -> tuple[int, int]:
        """Files that a crash left half written: removed unless `dry`; how many, and their bytes."""
        return self.blobs.clear_temporary(dry=dry)

    def locate(self, blob: str) -> str:
        """The path of a blob, for a person or a program to open."""
        return str(self.blobs.path(blob))

    def close(self) -> None:
        """Close files and end the decoders."""
        if "media" in self.__dict__:
            self.media.close()
        if "behaviour" in self.__dict__:
            self.behaviour.flush()
        for part in (self.commits, self.keys, self.views, self.checkpoints, self.queue):
            part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
