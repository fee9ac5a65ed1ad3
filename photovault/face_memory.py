"""An owner's faces by nearness in an index of vectors that all processes share (`face_index.py`).

What a process holds of it in memory is dropped when the key changes (docs/adr/0014-faces-are-sealed.md).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.ml.nearest import vectors_of
from domain.eventstore import EventStore, utc_now
from domain.faces import VECTOR_BYTES
from domain.people import FAR, NEIGHBOURS, Nearest, Neighbour
from domain.ports import BlobStore, Checkpoints, ViewStore
from photovault.face_index import FaceIndex, Remembered
from photovault.face_keys import SealedFaces, key_name
from projections.people import Shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["KeptFaces"]

_OWNERS = 8  # whose index a process holds in memory, the last ones asked for


class KeptFaces(SealedFaces):
    """`domain.people.FaceMemory`. Safe to share between threads, and beside others of its kind over the same stores."""

    size = VECTOR_BYTES
    growth = 0.0

    def __init__(
        self,
        store: EventStore,
        views: ViewStore,
        checkpoints: Checkpoints,
        blobs: BlobStore,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__(store, views, checkpoints, blobs, clock)
        self._known: OrderedDict[str, tuple[str, FaceIndex]] = OrderedDict()  # by owner, with the id of the key
        self._locks: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()

    def destroy(self, owner: str, key: str) -> None:
        """Overwrite a key and remove it, and the index that it opened."""
        super().destroy(owner, key)
        with self._lock:
            self._known.pop(owner, None)

    @contextmanager
    def deciding(self, owner: str) -> Iterator[None]:
        """See `FaceMemory.deciding`."""
        with self._lock:
            lock = self._locks.setdefault(owner, threading.RLock())
        with lock:
            yield

    def near(self, owner: str, asset: str, vectors: bytes) -> Nearest:
        """See `FaceMemory.near`."""
        with self.deciding(owner):
            index = self._load(owner)
            if index is None:
                return Nearest([() for _ in vectors_of(vectors)])
            index.refresh()
            found = [
                [each for each in index.near(asset, vector, NEIGHBOURS) if each[2] <= FAR]
                for vector in vectors_of(vectors)
            ]
            people = self._people(owner, index, {each[0] for neighbours in found for each in neighbours})
        return Nearest(
            [
                [Neighbour(name, face, distance, people[name].get(face)) for name, face, distance in neighbours]
                for neighbours in found
            ]
        )

    def remember(self, owner: str, asset: str, sealed: str, vectors: bytes, people: Mapping[int, str]) -> bool:
        """See `FaceMemory.remember`."""
        with self.deciding(owner):
            index = self._load(owner)
            return index is None or index.remember(Remembered(asset, sealed, dict(people)), vectors_of(vectors))

    def erase(self, owner: str, asset: str) -> None:
        """See `FaceMemory.erase`."""
        while not self.remember(owner, asset, "", b"", {}):
            with self.deciding(owner):
                index = self._load(owner)
                if index is not None:
                    index.refresh()

    def tidy(self, owner: str) -> int:
        """See `FaceMemory.tidy`: the index is made of what was recorded, or of what will be."""
        return 0

    def known(self, owner: str) -> int:
        """Faces that are in an owner's index."""
        with self.deciding(owner):
            index = self._load(owner)
            if index is None:
                return 0
            index.refresh()
            return len(index)

    def _load(self, owner: str) -> FaceIndex | None:
        """The owner's index, another one when the key has changed; None without a key."""
        key = self.key(owner)
        secret = self.secret(owner, key) if key is not None else None
        with self._lock:
            known = self._known.pop(owner, None)
            if key is None or secret is None:
                return None
            if known is None or known[0] != key:
                known = key, self._index(owner, key, secret)
            self._known[owner] = known
            while len(self._known) > _OWNERS:
                self._known.popitem(last=False)
            return known[1]

    def _index(self, owner: str, key: str, secret: bytes) -> FaceIndex:
        faces: dict[str, int] = {}  # of a sealed blob

        def opened(picture: Remembered) -> NDArray[np.float32] | None:
            data = self._open(secret, owner, picture.asset, key, picture.sealed) if picture.sealed else b""
            if data is None or len(data) != faces.get(picture.sealed, len(data) // VECTOR_BYTES) * VECTOR_BYTES:
                return None  # gone, or found by another recogniser
            return vectors_of(data)

        def before() -> Iterator[Remembered]:
            for state in self.shown(owner):
                if state.key == key and state.sealed:
                    faces[state.sealed] = len(state.faces)
                    people = {n: face.person for n, face in enumerate(state.faces) if face.person}
                    yield Remembered(state.asset, state.sealed, people)

        return FaceIndex(key_name(owner, key), secret, self._checkpoints, self._blobs, opened, before)

    def _people(self, owner: str, index: FaceIndex, assets: set[str]) -> dict[str, Mapping[int, str]]:
        """Whose the faces of some assets are: as the view says, and where it does not yet, as was just decided."""
        rows = self._rows(owner, assets)
        people: dict[str, Mapping[int, str]] = {}
        for name in assets:
            state = rows.get(name, Shown())
            refused = {face for face, _ in state.rejected}
            said = {n: face.person for n, face in enumerate(state.faces) if face.person}
            people[name] = said or {n: each for n, each in index.people(name).items() if n not in refused}
        return people
