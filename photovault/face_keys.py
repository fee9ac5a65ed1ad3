"""What every memory of faces has: the owner's agreement, the key that it made, what is sealed with it, and people.

Keys are documents in `Checkpoints`: what is in the history is never changed, and a key must be destroyable
(docs/adr/0014-faces-are-sealed.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime

from adapters.ml.sealing import KEY_BYTES, new_key, seal, unseal
from domain.commits import NEW, Cause, derive_id
from domain.errors import ConflictError, NotFound, PhotoVaultError
from domain.events import FaceRecognitionAgreed, FaceRecognitionWithdrawn, PersonDiscovered
from domain.eventstore import EventStore, utc_now
from domain.people import agreement, agreement_stream
from domain.person import Person, fold, person_stream
from domain.ports import BlobStore, Checkpoints, ViewStore
from photovault.face_index import KIND as INDEX
from projections.generations import Generations
from projections.people import Faces, Shown

__all__ = ["COLLECTIONS", "TURNS", "SealedFaces", "agreed_owners", "key_name"]

_KIND = "face-key"
_PAGE = 1000
_fold = Faces()

TURNS = "face-turn"
"""Documents: whose turn it is to decide on an owner's faces, by owner and key, and what was decided last."""

COLLECTIONS = "face-collection"
"""Documents: names of collections that were made outside, by owner and key; each goes when its collection has."""


class SealedFaces:
    """The parts of `domain.people.FaceMemory` that are the same wherever nearness comes from."""

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
        self._generations = Generations(views, checkpoints, (_fold,), clock)

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
            self._checkpoints.save(_KIND, key_name(owner, key), new_key(), expected=0)
            cause = Cause(commit_id=derive_id(owner, "agree", key), actor=actor, correlation_id=key)
            try:
                self._store.append(loaded.stream, [FaceRecognitionAgreed(key=key)], loaded.token, cause)
            except ConflictError:
                continue
            return key

    def withdraw(self, owner: str, actor: str) -> str | None:
        """Destroy the key, and record that; the key's id. None when faces were off.

        Raises:
            PhotoVaultError: faces are kept outside too, where this memory can't have them removed.
        """
        self._remove_outside(owner)
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
            self._remove_outside(owner)  # a worker may have begun a collection before the key was gone
            return key

    def _remove_outside(self, owner: str) -> None:
        """Remove what is kept of an owner's faces outside of the vault."""
        if any(entry.name.startswith(f"{owner}#") for entry in self._checkpoints.list(COLLECTIONS)):
            raise PhotoVaultError(
                f"{owner}'s faces are in a Rekognition collection too, which only those with access to it can delete: "
                "set PHOTOVAULT_FACES=rekognition and call `photovault faces forget --yes` again"
            )

    def destroy(self, owner: str, key: str) -> None:
        """Overwrite a key and remove it."""
        if self._checkpoints.load(_KIND, key_name(owner, key)) is not None:
            self._checkpoints.save(_KIND, key_name(owner, key), bytes(KEY_BYTES), expected=None)
        for kind in (_KIND, INDEX, TURNS):
            self._checkpoints.delete(kind, key_name(owner, key))
        purge = getattr(self._checkpoints, "purge", None)
        if purge is not None:
            purge()

    def secret(self, owner: str, key: str) -> bytes | None:
        """The key itself; None when it was destroyed."""
        entry = self._checkpoints.load(_KIND, key_name(owner, key))
        return entry.value if entry is not None and len(entry.value) == KEY_BYTES and any(entry.value) else None

    def seal(self, owner: str, asset: str, key: str, vectors: bytes) -> str | None:
        """See `FaceMemory.seal`."""
        secret = self.secret(owner, key)
        return self._blobs.put(seal(secret, vectors, f"{owner}#{asset}#{key}")) if secret else None

    def unseal(self, owner: str, asset: str, key: str, blob: str) -> bytes | None:
        """See `FaceMemory.unseal`."""
        secret = self.secret(owner, key)
        return self._open(secret, owner, asset, key, blob) if secret else None

    def _open(self, secret: bytes, owner: str, asset: str, key: str, blob: str) -> bytes | None:
        try:
            sealed = self._blobs.get(blob) if blob else b""
        except NotFound:
            return None
        return unseal(secret, sealed, f"{owner}#{asset}#{key}")

    # --- who there is ---

    def _rows(self, owner: str, assets: set[str]) -> dict[str, Shown]:
        """What the view says of some assets."""
        if not assets:
            return {}
        names = sorted(assets)
        _, table = self._generations.active(Faces.name)
        rows = self._views.get(table, [(owner, name) for name in names])
        return {
            name: _fold.decode(row.data)
            for name, row in zip(names, rows, strict=True)
            if row is not None and not row.deleted
        }

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

    def person(self, owner: str, person: str) -> Person:
        """See `FaceMemory.person`."""
        stream = person_stream(owner, person)
        return fold(stream, (each.event for each in self._store.read(stream)))

    def discover(self, owner: str, person: str, asset: str, face: int, cause: Cause) -> None:
        """See `FaceMemory.discover`."""
        with suppress(ConflictError):  # it is there, and more has been said of it
            self._store.append(person_stream(owner, person), [PersonDiscovered(asset=asset, face=face)], NEW, cause)


def agreed_owners(checkpoints: Checkpoints) -> list[str]:
    """Owners who have a key: those who have agreed. Cost: 1 request for each started MB of keys."""
    return sorted({entry.name.rpartition("#")[0] for entry in checkpoints.list(_KIND)})


def key_name(owner: str, key: str) -> str:
    """What the document of an owner's key is called."""
    return f"{owner}#{key}"
