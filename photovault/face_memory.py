"""An owner's faces by nearness in a graph of vectors (docs/adr/0014-faces-are-sealed.md).

It is built in memory at the first search, from the view `faces` and the sealed blobs, and dropped when the key changes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime

from adapters.ml.nearest import FaceGraph, vectors_of
from domain.eventstore import EventStore, utc_now
from domain.faces import VECTOR_BYTES
from domain.people import FAR, NEIGHBOURS, Nearest, Neighbour
from domain.ports import BlobStore, Checkpoints, ViewStore
from photovault.face_keys import SealedFaces

__all__ = ["KeptFaces"]


class _Known:
    """One owner's graph, with what this process has decided and the view may not show yet."""

    def __init__(self, key: str) -> None:
        self.key = key
        self.graph = FaceGraph()
        self.people: dict[str, Mapping[int, str]] = {}


class KeptFaces(SealedFaces):
    """`domain.people.FaceMemory`. Safe to share between threads; one process works on an owner's faces at a time."""

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
        self._known: dict[str, _Known] = {}
        self._locks: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()

    def destroy(self, owner: str, key: str) -> None:
        """Overwrite a key and remove it, and the graph of what it opened."""
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
            known = self._load(owner)
            if known is None:
                return Nearest([() for _ in vectors_of(vectors)])
            found = [
                [each for each in known.graph.near(vector, NEIGHBOURS + 8) if each[0] != asset and each[2] <= FAR]
                for vector in vectors_of(vectors)
            ]
        people = self._people(owner, known, {each[0] for neighbours in found for each in neighbours})
        return Nearest(
            [
                [
                    Neighbour(name, face, distance, people.get(name, {}).get(face))
                    for name, face, distance in neighbours[:NEIGHBOURS]
                ]
                for neighbours in found
            ]
        )

    def remember(self, owner: str, asset: str, vectors: bytes, people: Mapping[int, str]) -> None:
        """See `FaceMemory.remember`."""
        with self.deciding(owner):
            known = self._load(owner)
            if known is not None:
                known.graph.put(asset, vectors_of(vectors))
                known.people[asset] = dict(people)

    def erase(self, owner: str, asset: str) -> None:
        """See `FaceMemory.erase`."""
        self.remember(owner, asset, b"", {})

    def known(self) -> int:
        """Faces in the graphs of all owners that this process has built."""
        with self._lock:
            return sum(len(known.graph) for known in self._known.values())

    def tidy(self, owner: str) -> int:
        """See `FaceMemory.tidy`: the graph is made of what is recorded."""
        return 0

    def _load(self, owner: str) -> _Known | None:
        """The owner's graph, built when it is not there, or when the key has changed."""
        key = self.key(owner)
        known = self._known.get(owner)
        if key is None:
            self._known.pop(owner, None)
            return None
        if known is None or known.key != key:
            known = _Known(key)
            self._fill(owner, known)
            self._known[owner] = known
        return known

    def _fill(self, owner: str, known: _Known) -> None:
        secret = self.secret(owner, known.key)
        if secret is None:
            return
        assets, vectors = [], []
        for state in self.shown(owner):
            data = self._open(secret, owner, state.asset, known.key, state.sealed or "")
            if state.key == known.key and data is not None and len(data) == len(state.faces) * VECTOR_BYTES:
                assets.append(state.asset)
                vectors.append(vectors_of(data))
        known.graph.fill(assets, vectors)

    def _people(self, owner: str, known: _Known, assets: set[str]) -> dict[str, Mapping[int, str]]:
        """Whose the faces of some assets are: as the view says, and where it does not yet, as was just decided."""
        rows = self._rows(owner, assets)
        people: dict[str, Mapping[int, str]] = {}
        for name in assets:
            said = {n: face.person for n, face in enumerate(rows[name].faces) if face.person} if name in rows else {}
            people[name] = said or known.people.get(name, {})
        return people
