"""An owner's faces on any event store, view store and blob store: agreement, key, sealed vectors, and who is near.

Who is near is asked of an index that all processes share (`face_index.py`); what a process holds of it in memory is
dropped when the key changes. Keys are documents in `Checkpoints`: what is in the history is never changed, and a key
must be destroyable (docs/adr/0014-faces-are-sealed.md).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.ml.nearest import vectors_of
from adapters.ml.sealing import KEY_BYTES, new_key, seal, unseal
from domain.commits import NEW, Cause, derive_id
from domain.errors import ConflictError, NotFound
from domain.events import FaceRecognitionAgreed, FaceRecognitionWithdrawn, PersonDiscovered
from domain.eventstore import EventStore, utc_now
from domain.people import FAR, NEIGHBOURS, Neighbour, agreement, agreement_stream
from domain.person import Person, fold, person_stream
from domain.ports import BlobStore, Checkpoints, ViewStore
from photovault.face_index import KIND as INDEX
from photovault.face_index import FaceIndex, Remembered
from projections.generations import Generations
from projections.people import Faces, Shown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["KeptFaces"]

_KIND = "face-key"
_PAGE = 1000
_OWNERS = 8  # whose index a process holds in memory, the last ones asked for
_fold = Faces()


class KeptFaces:
    """`domain.people.FaceMemory`. Safe to share between threads, and beside others of its kind over the same stores."""

    def __init__(
        self,
        store: EventStore,
        views: ViewStore,
        checkpoints: Checkpoints,
        blobs: BlobStore,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._store = store
        self._views = views
        self._checkpoints = checkpoints
        self._blobs = blobs
        self._generations = Generations(views, checkpoints, (Faces(),), clock)
        self._known: OrderedDict[str, tuple[str, FaceIndex]] = OrderedDict()  # by owner, with the id of the key
        self._locks: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()

    # --- agreement and key ---

    def key(self, owner: str) -> str | None:
        """See `FaceMemory.key`."""
        return agreement([each.event for each in self._store.read(agreement_stream(owner))])

    def agree(self, owner: str, actor: str) -> str:
        """Make a key, and record that the owner agrees; the key's id. Nothing new when they have agreed."""
        while True:
            loaded = self._store.load(agreement_stream(owner))
            known = agreement([each.event for each in loaded.events])
            if known is not None:
                return known
            key = derive_id("face-key", owner, loaded.token)
            self._checkpoints.save(_KIND, _name(owner, key), new_key(), expected=0)
            cause = Cause(commit_id=derive_id(owner, "agree", key), actor=actor, correlation_id=key)
            try:
                self._store.append(loaded.stream, [FaceRecognitionAgreed(key=key)], loaded.token, cause)
            except ConflictError:
                continue
            return key

    def withdraw(self, owner: str, actor: str) -> str | None:
        """Destroy the key, and record that; the key's id. None when faces were off."""
        while True:
            loaded = self._store.load(agreement_stream(owner))
            key = agreement([each.event for each in loaded.events])
            if key is None:
                return None
            self.destroy(owner, key)
            cause = Cause(commit_id=derive_id(owner, "withdraw", key), actor=actor, correlation_id=key)
            try:
                self._store.append(loaded.stream, [FaceRecognitionWithdrawn(key=key)], loaded.token, cause)
            except ConflictError:
                continue
            return key

    def destroy(self, owner: str, key: str) -> None:
        """Overwrite a key and remove it."""
        if self._checkpoints.load(_KIND, _name(owner, key)) is not None:
            self._checkpoints.save(_KIND, _name(owner, key), bytes(KEY_BYTES), expected=None)
        self._checkpoints.delete(_KIND, _name(owner, key))
        self._checkpoints.delete(INDEX, _name(owner, key))
        purge = getattr(self._checkpoints, "purge", None)
        if purge is not None:
            purge()
        with self._lock:
            self._known.pop(owner, None)

    def seal(self, owner: str, asset: str, key: str, vectors: bytes) -> str | None:
        """See `FaceMemory.seal`."""
        entry = self._checkpoints.load(_KIND, _name(owner, key))
        if entry is None or len(entry.value) != KEY_BYTES or not any(entry.value):
            return None
        return self._blobs.put(seal(entry.value, vectors, f"{owner}#{asset}#{key}"))

    def unseal(self, owner: str, asset: str, key: str, blob: str) -> bytes | None:
        """See `FaceMemory.unseal`."""
        entry = self._checkpoints.load(_KIND, _name(owner, key))
        return self._open(entry.value, owner, asset, key, blob) if entry else None

    def _open(self, secret: bytes, owner: str, asset: str, key: str, blob: str) -> bytes | None:
        try:
            sealed = self._blobs.get(blob) if blob else b""
        except NotFound:
            return None
        return unseal(secret, sealed, f"{owner}#{asset}#{key}")

    # --- nearness ---

    @contextmanager
    def deciding(self, owner: str) -> Iterator[None]:
        """See `FaceMemory.deciding`."""
        with self._lock:
            lock = self._locks.setdefault(owner, threading.RLock())
        with lock:
            yield

    def near(self, owner: str, asset: str, vectors: bytes) -> Sequence[Sequence[Neighbour]]:
        """See `FaceMemory.near`."""
        with self.deciding(owner):
            index = self._load(owner)
            if index is None:
                return [() for _ in vectors_of(vectors)]
            index.refresh()
            found = [
                [each for each in index.near(asset, vector, NEIGHBOURS) if each[2] <= FAR]
                for vector in vectors_of(vectors)
            ]
            people = self._people(owner, index, {each[0] for neighbours in found for each in neighbours})
        return [
            [Neighbour(name, face, distance, people[name].get(face)) for name, face, distance in neighbours]
            for neighbours in found
        ]

    def remember(self, owner: str, asset: str, sealed: str, vectors: bytes, people: Mapping[int, str]) -> bool:
        """See `FaceMemory.remember`."""
        with self.deciding(owner):
            index = self._load(owner)
            return index is None or index.remember(Remembered(asset, sealed, dict(people)), vectors_of(vectors))

    def _load(self, owner: str) -> FaceIndex | None:
        """The owner's index, another one when the key has changed; None without a key."""
        key = self.key(owner)
        entry = self._checkpoints.load(_KIND, _name(owner, key)) if key is not None else None
        with self._lock:
            known = self._known.pop(owner, None)
            if key is None or entry is None:
                return None
            if known is None or known[0] != key:
                known = key, self._index(owner, key, entry.value)
            self._known[owner] = known
            while len(self._known) > _OWNERS:
                self._known.popitem(last=False)
            return known[1]

    def _index(self, owner: str, key: str, secret: bytes) -> FaceIndex:
        def opened(picture: Remembered) -> NDArray[np.float32] | None:
            data = self._open(secret, owner, picture.asset, key, picture.sealed)
            return None if data is None else vectors_of(data)

        def before() -> Iterator[Remembered]:
            for state in self.shown(owner):
                if state.key == key and state.sealed:
                    people = {n: face.person for n, face in enumerate(state.faces) if face.person}
                    yield Remembered(state.asset, state.sealed, people)

        return FaceIndex(_name(owner, key), secret, self._checkpoints, self._blobs, opened, before)

    def _people(self, owner: str, index: FaceIndex, assets: set[str]) -> dict[str, Mapping[int, str]]:
        """Whose the faces of some assets are: as the view says, and where it does not yet, as was just decided."""
        if not assets:
            return {}
        names = sorted(assets)
        _, table = self._generations.active(Faces.name)
        people: dict[str, Mapping[int, str]] = {}
        for name, row in zip(names, self._views.get(table, [(owner, name) for name in names]), strict=True):
            state = _fold.decode(row.data) if row is not None and not row.deleted else Shown()
            refused = {face for face, _ in state.rejected}
            said = {n: face.person for n, face in enumerate(state.faces) if face.person}
            people[name] = said or {n: each for n, each in index.people(name).items() if n not in refused}
        return people

    def shown(self, owner: str) -> Iterator[Shown]:
        """All pictures with faces.

        Raises:
            ViewUnavailable: the view is not built.
        """
        _, table = self._generations.active(Faces.name)
        cursor: str | None = None
        while True:
            page = self._views.query(table, owner, index="faces", limit=_PAGE, cursor=cursor)
            for row in page.rows:
                yield _fold.decode(row.data)
            cursor = page.cursor
            if cursor is None:
                return

    # --- people ---

    def person(self, owner: str, person: str) -> Person:
        """See `FaceMemory.person`."""
        stream = person_stream(owner, person)
        return fold(stream, (each.event for each in self._store.read(stream)))

    def discover(self, owner: str, person: str, asset: str, face: int, cause: Cause) -> None:
        """See `FaceMemory.discover`."""
        with suppress(ConflictError):  # it is there, and more has been said of it
            self._store.append(person_stream(owner, person), [PersonDiscovered(asset=asset, face=face)], NEW, cause)


def _name(owner: str, key: str) -> str:
    return f"{owner}#{key}"
