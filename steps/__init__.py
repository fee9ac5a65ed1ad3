"""What a processing step does: the asset and the ports in, events out. `worker.py` does what is the same for all."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from msgspec import Struct

from domain.asset import Asset, Attempt
from domain.events import Event
from domain.eventstore import EventStore
from domain.faces import FaceAnalyzer
from domain.metadata import ZoneOf
from domain.people import FaceMemory
from domain.ports import BlobStore, Geocoder, Lookalikes, MediaEngine, Moderator, Scanner, Tagger, TextEmbedder
from domain.scanning import NoScanner, Serving

__all__ = ["Ports", "StepFunction", "Steps"]


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
    moderator: Moderator | None = None  # None: pictures are not moderated
    tagger: Tagger | None = None  # None: pictures are not tagged
    texts: TextEmbedder | None = None  # None: nothing is embedded
    likely_labels: Callable[[bytes], Sequence[tuple[str, float]]] | None = None  # of a picture's vector
    faces: FaceAnalyzer | None = None  # None: no model is installed
    people: FaceMemory | None = None  # None: this vault keeps no faces


StepFunction = Callable[[Asset, Attempt, Ports], Sequence[Event]]
Steps = Mapping[str, StepFunction]
