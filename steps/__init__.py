"""What a processing step does: the asset and the ports in, events out. `worker.py` does what is the same for all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from domain.asset import Asset, Attempt
from domain.events import Event
from domain.eventstore import EventStore
from domain.faces import FaceAnalyzer
from domain.metadata import ZoneOf
from domain.people import FaceMemory
from domain.ports import BlobStore, Geocoder, Lookalikes, MediaEngine, Moderator, Scanner, Tagger, TextEmbedder
from domain.scanning import NoScanner, Serving

__all__ = ["LikelyLabels", "Ports", "Recognises", "Recognition", "StepFunction", "Steps"]

LikelyLabels = Callable[[bytes], Sequence[tuple[str, float]]]
"""The likeliest labels of a picture's vector."""

_asking = threading.RLock()


class Recognises(Protocol):
    """What recognises things; each is made when the first step asks, and no other step pays for it."""

    @property
    def tagger(self) -> Tagger | None:
        """None: pictures are not tagged."""
        ...

    @property
    def moderator(self) -> Moderator | None:
        """None: pictures are not moderated."""
        ...

    @property
    def texts(self) -> TextEmbedder | None:
        """None: nothing is embedded."""
        ...

    @property
    def likely_labels(self) -> LikelyLabels | None:
        """None: there is no classifier."""
        ...

    @property
    def faces(self) -> FaceAnalyzer | None:
        """None: no model is installed."""
        ...

    @property
    def people(self) -> FaceMemory | None:
        """None: this vault keeps no faces."""
        ...


class Recognition(Struct, frozen=True):
    """What recognises things, made already."""

    tagger: Tagger | None = None
    moderator: Moderator | None = None
    texts: TextEmbedder | None = None
    likely_labels: LikelyLabels | None = None
    faces: FaceAnalyzer | None = None
    people: FaceMemory | None = None


class Ports(Struct, frozen=True):
    """What a step may use."""

    store: EventStore
    blobs: BlobStore
    media: MediaEngine
    zone_of: ZoneOf
    scratch: Path  # a folder for temporary files, best on the blob store's disk
    lookalikes: Lookalikes
    geocoder: Geocoder | None = None  # None: places are not named
    scanner: Scanner = NoScanner()
    serving: Serving = Serving()
    recognises: Recognises = Recognition()

    @property
    def tagger(self) -> Tagger | None:
        """See `Recognises`; two threads that ask at once get the same one."""
        with _asking:
            return self.recognises.tagger

    @property
    def moderator(self) -> Moderator | None:
        """See `tagger`."""
        with _asking:
            return self.recognises.moderator

    @property
    def texts(self) -> TextEmbedder | None:
        """See `tagger`."""
        with _asking:
            return self.recognises.texts

    @property
    def likely_labels(self) -> LikelyLabels | None:
        """See `tagger`."""
        with _asking:
            return self.recognises.likely_labels

    @property
    def faces(self) -> FaceAnalyzer | None:
        """See `tagger`."""
        with _asking:
            return self.recognises.faces

    @property
    def people(self) -> FaceMemory | None:
        """See `tagger`."""
        with _asking:
            return self.recognises.people


StepFunction = Callable[[Asset, Attempt, Ports], Sequence[Event]]
Steps = Mapping[str, StepFunction]
