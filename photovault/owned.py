"""A vault as its owner uses it: what people say and ask of their library needs no more, so it is the same for a folder
on this machine (`photovault.vault.Vault`) and a deployment (`photovault.aws.cloud.Cloud`, opened for one owner)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from domain.eventstore import EventStore
from domain.faces import FaceAnalyzer
from domain.keys import Keys
from domain.parking import Parking
from domain.ports import (
    BlobStore,
    Checkpoints,
    CommitStore,
    ErasableBlobStore,
    MediaEngine,
    Notifier,
    Queue,
    SearchIndex,
    TextEmbedder,
    ViewStore,
)
from domain.scanning import Serving
from photovault.messages import Sender
from photovault.recognition import RecognitionOptions
from projections.generations import Generations

if TYPE_CHECKING:
    from photovault.behaviour import Recorder
    from photovault.face_collection import CollectedFaces
    from photovault.face_memory import KeptFaces

__all__ = ["OwnedVault", "OwnersSettings", "UpkeptVault"]


class OwnersSettings(Protocol):
    """Whose library it is, and what of it may be shown."""

    @property
    def owner(self) -> str:
        """Whose photos are meant; nothing of another's is read or written."""
        ...

    @property
    def serving(self) -> Serving:
        """Whether what was not scanned may be shown."""
        ...


class OwnedVault(Protocol):
    """What the commands of an owner need of a vault; what each part costs is said where it is implemented."""

    @property
    def settings(self) -> OwnersSettings:
        """Whose it is."""
        ...

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time."""
        ...

    @property
    def commits(self) -> CommitStore:
        """The history as it lies there."""
        ...

    @property
    def store(self) -> EventStore:
        """The history."""
        ...

    @property
    def keys(self) -> Keys:
        """What personal fields are sealed with."""
        ...

    @property
    def blobs(self) -> BlobStore:
        """Bytes."""
        ...

    @property
    def checkpoints(self) -> Checkpoints:
        """The vault's own documents."""
        ...

    @property
    def views(self) -> ViewStore:
        """Rows."""
        ...

    @property
    def generations(self) -> Generations:
        """Which of them readers see."""
        ...

    @property
    def queue(self) -> Queue:
        """The steps' queues."""
        ...

    @property
    def index(self) -> SearchIndex | None:
        """What searches are asked of; None: there is none."""
        ...

    @property
    def texts(self) -> TextEmbedder | None:
        """Turns words into vectors; None without the model."""
        ...

    @property
    def people(self) -> KeptFaces | CollectedFaces:
        """Agreements to face recognition, their keys, and faces by nearness."""
        ...

    @property
    def faces(self) -> FaceAnalyzer | None:
        """Finds faces; None where the models are not on this machine."""
        ...

    @property
    def recognition(self) -> RecognitionOptions:
        """Who recognises what."""
        ...

    @property
    def behaviour(self) -> Recorder:
        """Notes what the owner looks at, where they agreed."""
        ...

    @property
    def sender(self) -> Sender:
        """Where links lead."""
        ...

    @property
    def notifiers(self) -> Mapping[str, Notifier]:
        """Ways out for messages."""
        ...

    @property
    def media(self) -> MediaEngine:
        """The decoders."""
        ...

    @property
    def scratch(self) -> Path:
        """A folder for temporary files."""
        ...

    def locate(self, blob: str) -> str:
        """Where a blob can be opened: a path, or a link that holds for a while."""
        ...


class UpkeptVault(OwnedVault, Protocol):
    """What erasure and upkeep need besides: they look after all owners, and delete."""

    @property
    def blobs(self) -> ErasableBlobStore:
        """Bytes, which can be forgotten."""
        ...

    @property
    def parking(self) -> Parking:
        """What could not be read."""
        ...

    @property
    def replica_region(self) -> str | None:
        """Where the store copies itself to, empty for nowhere; None: it never does, and backups are made instead."""
        ...

    def owners(self) -> list[str]:
        """Whose libraries there are to look after."""
        ...

    def abandoned_uploads(self, *, dry: bool) -> tuple[int, int]:
        """Uploads that were begun and never ended: removed unless `dry`; how many, and their bytes."""
        ...
