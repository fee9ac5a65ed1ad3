"""An owner's faces by nearness in a Rekognition collection (docs/people.md): finding faces and taking them into the
collection is one request, so this is both what analyses pictures and what remembers faces.

Nothing is asked before the owner has agreed. A collection belongs to one agreement: its name follows from the key that
the agreement made, by a hash that nobody without the key can compute, and goes with it.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime

import msgspec
from msgspec import Struct

from adapters.aws.face_collections import FACE_ID_BYTES, FaceCollections, Match
from domain.asset import asset_stream, fold
from domain.commits import to_us
from domain.errors import NotFound, PhotoVaultError
from domain.eventstore import EventStore, utc_now
from domain.faces import Look, Looked
from domain.people import FAR, NEIGHBOURS, Nearest, Neighbour
from domain.ports import BlobStore, Checkpoints, ViewStore
from photovault.face_index import Remembered
from photovault.face_keys import COLLECTIONS, TURNS, SealedFaces, key_name

__all__ = ["LEAST_SIMILARITY", "CollectedFaces", "apart"]

_ALIKE, _SCALE = 100.0, 20.0

LEAST_SIMILARITY = _ALIKE - _SCALE * FAR
"""From which on a face is a neighbour: 84. A face alone may be somebody's from a similarity of 90 on (`people.NEAR`).
Not measured: AWS's default for a pair is 80."""

_MOST_CACHED = 20_000  # ids of pictures' faces, some 100 bytes each
_DECIDED = 64  # pictures that the document of turns names: those whose events may not be recorded yet
_TURN_SECONDS = 60  # longer than a step's function runs
_PATIENCE_SECONDS, _PAUSE_SECONDS = 20.0, 0.1

_Known = dict[tuple[str, bytes], tuple[int, str | None]]
"""By asset and face's id: the face's number, and whose it is."""


class _Turn(Struct, frozen=True, array_like=True):
    """Who decides on an owner's faces, until when; and what was decided last."""

    holder: str = ""
    until_us: int = 0
    decided: tuple[Remembered, ...] = ()


_decode = msgspec.msgpack.Decoder(_Turn).decode
_encode = msgspec.msgpack.Encoder().encode


def apart(similarity: float) -> float:
    """A similarity of 0 to 100 as a distance on the scale of `domain.people`: 90 is 0.5, 84 is 0.8."""
    return max(0.0, (_ALIKE - similarity) / _SCALE)


class CollectedFaces(SealedFaces):
    """`domain.people.FaceMemory` and `domain.faces.FaceAnalyzer`. Safe to share between threads.

    Args:
        collections: the service.
        prefix: what names of collections begin with; rights may be limited to it.
        pause: waits for so many seconds.
    """

    size = FACE_ID_BYTES
    growth = 0.1

    def __init__(
        self,
        store: EventStore,
        views: ViewStore,
        checkpoints: Checkpoints,
        blobs: BlobStore,
        clock: Callable[[], datetime] = utc_now,
        *,
        collections: FaceCollections,
        prefix: str = "photovault-local-",
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        super().__init__(store, views, checkpoints, blobs, clock)
        self._collections = collections
        self._prefix = prefix
        self._clock = clock
        self._pause = pause
        self._turns: dict[str, str] = {}  # that this process has, by owner
        self._locks: dict[str, threading.RLock] = {}
        self._lock = threading.Lock()
        self._ids: dict[str, tuple[bytes, ...]] = {}  # of a sealed blob

    # --- looking at pictures ---

    def analyze(self, look: Look) -> Looked:
        """See `FaceAnalyzer.analyze`; nothing is found when the agreement was taken back meanwhile. Makes the
        collection with the first picture after the agreement."""
        for _ in range(2):
            collection = self._name(look.owner, look.key)
            if collection is None:
                return Looked((), ())
            found = self._collections.index(collection, look)
            if found is not None:
                return found
            self._checkpoints.save(COLLECTIONS, key_name(look.owner, look.key), collection.encode(), expected=None)
            self._collections.create(collection)
        raise NotFound("Rekognition does not know the collection that was just made: a later attempt helps")

    def seal(self, owner: str, asset: str, key: str, vectors: bytes) -> str | None:
        """See `FaceMemory.seal`. When the key has gone since the picture was looked at, so does what was collected."""
        sealed = super().seal(owner, asset, key, vectors)
        if sealed is None:
            self._remove(key_name(owner, key))
        return sealed

    # --- the collection ---

    def _name(self, owner: str, key: str) -> str | None:
        """What the owner's collection is called; None when the key was destroyed."""
        secret = self.secret(owner, key)
        if secret is None:
            return None
        return self._prefix + hmac.new(secret, b"face collection", hashlib.sha256).hexdigest()[:32]

    def _remove_outside(self, owner: str) -> None:
        for entry in list(self._checkpoints.list(COLLECTIONS)):
            if entry.name.startswith(f"{owner}#"):
                self._remove(entry.name)

    def _remove(self, name: str) -> None:
        """Delete a collection, then the document that says it is there: what is stopped in between is done again."""
        entry = self._checkpoints.load(COLLECTIONS, name)
        if entry is not None:
            self._collections.delete(entry.value.decode())
            self._checkpoints.delete(COLLECTIONS, name)

    # --- nearness ---

    @contextmanager
    def deciding(self, owner: str) -> Iterator[None]:
        """See `FaceMemory.deciding`: one at a time among the threads of this process, and, for as long as a turn lasts,
        among all processes, as a search that has to be made again is paid again.

        Raises:
            PhotoVaultError: others took all the time; a later attempt helps.
        """
        with self._lock:
            lock = self._locks.setdefault(owner, threading.RLock())
        with lock:
            key = self.key(owner)
            if key is None or owner in self._turns:
                yield
                return
            name = key_name(owner, key)
            self._turns[owner] = self._take(name)
            try:
                yield
            finally:
                held = self._turns.pop(owner)
                document, revision = self._turn(name)
                if document.holder == held:
                    self._put(name, _Turn(decided=document.decided), revision)

    def _take(self, name: str) -> str:
        """Wait for a turn; what it is called."""
        held = uuid.uuid4().hex
        for _ in range(round(_PATIENCE_SECONDS / _PAUSE_SECONDS)):
            document, revision = self._turn(name)
            now_us = to_us(self._clock())
            if document.until_us <= now_us and self._put(
                name, _Turn(held, now_us + _TURN_SECONDS * 1_000_000, document.decided), revision
            ):
                return held
            self._pause(_PAUSE_SECONDS)
        raise PhotoVaultError("others decide on this owner's faces all the time: a later attempt helps")

    def _turn(self, name: str) -> tuple[_Turn, int]:
        entry = self._checkpoints.load(TURNS, name)
        return (_decode(entry.value), entry.revision) if entry else (_Turn(), 0)

    def _put(self, name: str, turn: _Turn, revision: int) -> bool:
        return self._checkpoints.save(TURNS, name, _encode(turn), expected=revision) is not None

    def near(self, owner: str, asset: str, vectors: bytes) -> Nearest:
        """See `FaceMemory.near`. Cost: 1 paid request a face; 1 read of the view, and of what it does not show yet the
        asset's stream."""
        ids = _split(vectors)
        key = self.key(owner)
        collection = self._name(owner, key) if key else None
        if key is None or collection is None:
            return Nearest([() for _ in ids])
        found, models = self._collections.search(collection, ids, NEIGHBOURS + 8, LEAST_SIMILARITY)
        others = [[each for each in matches if each.asset and each.asset != asset] for matches in found]
        known = self._faces_of(owner, key, {(each.asset, each.face_id) for matches in others for each in matches})
        return Nearest([_neighbours(matches, known)[:NEIGHBOURS] for matches in others], models)

    def _faces_of(self, owner: str, key: str, wanted: set[tuple[str, bytes]]) -> _Known:
        """Number and person of the faces that matched; none of those that no recorded look names. As the view says, and
        where it says nothing yet, as the stream does, or as was just decided."""
        found: _Known = {}
        for asset, row in self._rows(owner, {asset for asset, _ in wanted}).items():
            if row.key == key:
                people = {n: face.person for n, face in enumerate(row.faces)}
                found |= self._numbered(owner, asset, key, row.sealed, people)
        decided = {each.asset: each for each in self._turn(key_name(owner, key))[0].decided}
        for asset in sorted({each[0] for each in wanted if found.get(each, (0, None))[1] is None}):
            state = fold(stream := asset_stream(owner, asset), self._store.load(stream).events)
            if state.faces is None or state.faces.key != key:
                continue
            people = {}
            if asset in decided and decided[asset].sealed == state.faces.sealed:
                refused = {face for face, _ in state.rejected}
                people = {n: each for n, each in decided[asset].people.items() if n not in refused}
            people |= {n: each.person for n, each in state.people.items()}
            found |= self._numbered(owner, asset, key, state.faces.sealed, people)
        return found

    def _numbered(
        self, owner: str, asset: str, key: str, sealed: str | None, people: Mapping[int, str | None]
    ) -> _Known:
        ids = self._ids_in(owner, asset, key, sealed)
        return {(asset, each): (n, people.get(n)) for n, each in enumerate(ids)}

    def _ids_in(self, owner: str, asset: str, key: str, sealed: str | None) -> tuple[bytes, ...]:
        if sealed is None:
            return ()
        if sealed not in self._ids:
            opened = self.unseal(owner, asset, key, sealed) or b""
            if len(self._ids) >= _MOST_CACHED:
                self._ids.clear()
            self._ids[sealed] = _split(opened)
        return self._ids[sealed]

    def remember(self, owner: str, asset: str, sealed: str, vectors: bytes, people: Mapping[int, str]) -> bool:
        """See `FaceMemory.remember`: the collection has the faces since the picture was looked at; what was decided is
        in no event yet. False when the turn has run out. Cost: 1 read and 1 write of a small document."""
        key, held = self.key(owner), self._turns.get(owner)
        if key is None or held is None:
            return True
        document, revision = self._turn(key_name(owner, key))
        others = tuple(each for each in document.decided if each.asset != asset)
        decided = (*others[1 - _DECIDED :], Remembered(asset, sealed, dict(people)))
        kept = document.holder == held and self._put(
            key_name(owner, key), _Turn(held, document.until_us, decided), revision
        )
        if not kept:
            self._turns[owner] = self._take(key_name(owner, key))
        return kept

    def erase(self, owner: str, asset: str) -> None:
        """See `FaceMemory.erase`. Cost: a load of the asset's stream, a blob, 1 request."""
        state = fold(stream := asset_stream(owner, asset), self._store.load(stream).events)
        key = self.key(owner)
        collection = self._name(owner, key) if key else None
        if key and collection and state.faces is not None and state.faces.key == key:
            self._collections.remove(collection, self._ids_in(owner, asset, key, state.faces.sealed))

    def tidy(self, owner: str) -> int:
        """See `FaceMemory.tidy`.

        A face is left over when its asset's stream was read after the listing, is not about to look for faces again,
        and does not name it: whatever attempt took it in has lost.

        Cost:
            1 request for 4,096 faces; a load of the stream, and a blob, for each asset whose faces the view does not
            name.
        """
        key = self.key(owner)
        collection = self._name(owner, key) if key else None
        if key is None or collection is None:
            return 0
        held: dict[str, set[bytes]] = {}
        for face, asset in self._collections.faces(collection):
            held.setdefault(asset, set()).add(face)
        for row in self.shown(owner):
            if row.asset in held and row.key == key:
                held[row.asset].difference_update(self._ids_in(owner, row.asset, key, row.sealed))
        left: list[bytes] = []
        for asset, ids in held.items():
            if not ids:
                continue
            state = fold(stream := asset_stream(owner, asset), self._store.load(stream).events)
            if "faces" in state.due():
                continue
            named = state.faces if state.faces is not None and state.faces.key == key else None
            left += ids.difference(self._ids_in(owner, asset, key, named.sealed) if named else ())
        self._collections.remove(collection, left)
        return len(left)


def _neighbours(matches: Sequence[Match], known: _Known) -> list[Neighbour]:
    placed = [(each, known[each.asset, each.face_id]) for each in matches if (each.asset, each.face_id) in known]
    return [Neighbour(each.asset, number, apart(each.similarity), person) for each, (number, person) in placed]


def _split(ids: bytes) -> tuple[bytes, ...]:
    return tuple(ids[first : first + FACE_ID_BYTES] for first in range(0, len(ids), FACE_ID_BYTES))
