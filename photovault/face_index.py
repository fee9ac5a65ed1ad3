"""One owner's faces by nearness, kept so that no process reads all of them anew, and that two processes agree.

    Checkpoints  one document: which segments there are, and the newest pictures one by one   (compare-and-set)
    BlobStore    segments: graphs of many pictures, sealed with the owner's key               (never changed)

Whoever decides reads the document, searches, and writes its decision into the document if nobody has written since;
else it searches again. So two processes can't both take a stranger for two persons. After `NEWEST` pictures the newest
become a segment, and segments of like size become one: there are few, and a face is written again a logarithmic number
of times, however many there are (docs/adr/0014-faces-are-sealed.md).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from adapters.ml.nearest import FaceGraph
from adapters.ml.sealing import seal, unseal
from domain.errors import NotFound
from domain.ports import BlobStore, Checkpoints

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["KIND", "FaceIndex", "Remembered"]

KIND = "face-index"

NEWEST = 32
"""Pictures that the document names one by one: each is a small blob to read at a cold start."""

NEWEST_BYTES = 64_000
"""Or so many bytes: DynamoDB takes 400 KB, and bills a write by the kilobyte."""

GROWTH = 4
"""A segment is joined with the one before it unless that has more than so many times its faces."""

_MORE = 8
"""Faces asked for beside those wanted: some belong to the same picture, or were replaced since."""


class Remembered(Struct, frozen=True, array_like=True):
    """A picture whose faces were decided on."""

    asset: str
    sealed: str  # blob with its vectors
    people: Mapping[int, str] = {}


class _Named(Struct, frozen=True, array_like=True):
    blob: str
    faces: int


class _Document(Struct, frozen=True, array_like=True):
    segments: tuple[_Named, ...] = ()  # oldest first
    newest: tuple[Remembered, ...] = ()


class _Segment(Struct):
    graph: FaceGraph
    pictures: dict[str, Remembered]


_decode = msgspec.msgpack.Decoder(_Document).decode
_decode_segment = msgspec.msgpack.Decoder(tuple[list[Remembered], bytes]).decode


class _Unreadable(Exception):
    """A segment is not what was sealed."""


class FaceIndex:
    """The faces of one owner under one key. Not safe for threads: its owner is locked.

    Args:
        name: of the document, and what segments are bound to.
        secret: the owner's key.
        vectors_of: opens a picture's sealed vectors; None when they can't be read.
        before: the pictures that are known already, asked for once, when there is no document yet.
    """

    def __init__(
        self,
        name: str,
        secret: bytes,
        checkpoints: Checkpoints,
        blobs: BlobStore,
        vectors_of: Callable[[Remembered], NDArray[np.float32] | None],
        before: Callable[[], Iterable[Remembered]],
    ) -> None:
        self._name = name
        self._secret = secret
        self._checkpoints = checkpoints
        self._blobs = blobs
        self._vectors_of = vectors_of
        self._before = before
        self._revision = 0
        self._document = _Document()
        self._segments: dict[str, _Segment] = {}  # by blob, those of the document, oldest first
        self._open = _Segment(FaceGraph(), {})  # the newest pictures

    def __len__(self) -> int:
        found, seen = 0, set[str]()
        for segment in (self._open, *reversed(self._segments.values())):
            found += sum(len(segment.graph.vectors(asset)) for asset in segment.graph if asset not in seen)
            seen |= segment.pictures.keys()
        return found

    def refresh(self) -> None:
        """Know what every process has decided up to now.

        Cost:
            One read of a small document; of segments and pictures those that are new to this process.
        """
        while True:
            entry = self._checkpoints.load(KIND, self._name)
            if entry is None:
                self._found()
            elif entry.revision == self._revision:
                return
            else:
                try:
                    self._follow(_decode(entry.value), entry.revision)
                except (NotFound, _Unreadable):  # blobs were lost; all of it can be made again
                    self._checkpoints.delete(KIND, self._name)

    def near(self, asset: str, vector: NDArray[np.float32], count: int) -> list[tuple[str, int, float]]:
        """The nearest faces of other pictures, nearest first: asset, number, Euclidean distance.

        Cost:
            A search of each segment; there are at most about log4(pictures / 32), and one of the newest.
        """
        found: list[tuple[str, int, float]] = []
        newer: list[_Segment] = []
        for segment in (self._open, *reversed(self._segments.values())):
            found += [
                each
                for each in segment.graph.near(vector, count + _MORE)
                if each[0] != asset and not any(each[0] in other.pictures for other in newer)
            ]
            newer.append(segment)
        return sorted(found, key=lambda each: (each[2], each[0], each[1]))[:count]

    def people(self, asset: str) -> Mapping[int, str]:
        """Whose an asset's faces are, as was decided when they were looked at."""
        for segment in (self._open, *reversed(self._segments.values())):
            if asset in segment.pictures:
                return segment.pictures[asset].people
        return {}

    def remember(self, picture: Remembered, vectors: NDArray[np.float32]) -> bool:
        """Make a decision known to every process; False when another was faster: then refresh, and decide again.

        Cost:
            One write of a small document. After each 32 pictures a segment is written, and now and then a larger one.
        """
        newest = (*(each for each in self._document.newest if each.asset != picture.asset), picture)
        if not self._save(_Document(self._document.segments, newest)):
            return False
        self._open.graph.put(picture.asset, vectors)
        self._open.pictures[picture.asset] = picture
        if len(newest) >= NEWEST or len(msgspec.msgpack.encode(newest)) > NEWEST_BYTES:
            self._tidy()
        return True

    def _save(self, document: _Document) -> bool:
        value = msgspec.msgpack.encode(document)
        entry = self._checkpoints.save(KIND, self._name, value, expected=self._revision)
        if entry is None:
            return False
        self._document, self._revision = document, entry.revision
        return True

    def _found(self) -> None:
        """Begin with the pictures that are known: of a vault from before there was a document, or that lost it."""
        self._forget()
        known = [(each, vectors) for each in self._before() if (vectors := self._vectors_of(each)) is not None]
        self._open.graph.fill([each.asset for each, _ in known], [vectors for _, vectors in known])
        self._open.pictures = {each.asset: each for each, _ in known}
        segments = (self._store(self._open),) if known else ()
        if self._save(_Document(segments)) and segments:
            self._segments = {segments[0].blob: self._open}
        else:
            self._forget(self._document, self._revision)
        self._open = _Segment(FaceGraph(), {})

    def _follow(self, document: _Document, revision: int) -> None:
        """What the document says, of which only the rest is read."""
        self._segments = {
            named.blob: self._segments.get(named.blob) or self._load(named) for named in document.segments
        }
        if document.newest[: len(self._document.newest)] != self._document.newest:
            self._open = _Segment(FaceGraph(), {})
        for picture in document.newest:
            if self._open.pictures.get(picture.asset) != picture:
                vectors = self._vectors_of(picture)
                if vectors is not None:
                    self._open.graph.put(picture.asset, vectors)
                self._open.pictures[picture.asset] = picture
        self._document, self._revision = document, revision

    def _tidy(self) -> None:
        """The newest become a segment, together with those that are not much larger. Nothing depends on it: what
        another process did meanwhile stays, and if that was the same work, this one is thrown away."""
        before, done = self._document, self._open
        segments = list(before.segments)
        while segments and segments[-1].faces <= GROWTH * len(done.graph):
            done = _joined(self._segments[segments.pop().blob], done)
        named = self._store(done)
        kept = {each.blob: self._segments[each.blob] for each in segments}
        while not self._save(_Document((*segments, named), _without(self._document.newest, before.newest))):
            entry = self._checkpoints.load(KIND, self._name)
            found = _decode(entry.value) if entry else _Document()
            if entry is None or found.segments != before.segments:
                self._forget()
                return
            self._document, self._revision = found, entry.revision
        left = self._document
        self._segments, self._open = kept | {named.blob: done}, _Segment(FaceGraph(), {})
        self._document = _Document(left.segments)
        self._follow(left, self._revision)

    def _store(self, segment: _Segment) -> _Named:
        data = msgspec.msgpack.encode((list(segment.pictures.values()), segment.graph.to_bytes()))
        return _Named(self._blobs.put(seal(self._secret, data, f"{KIND}#{self._name}")), len(segment.graph))

    def _load(self, named: _Named) -> _Segment:
        data = unseal(self._secret, self._blobs.get(named.blob), f"{KIND}#{self._name}")
        if data is None:
            raise _Unreadable
        pictures, graph = _decode_segment(data)
        return _Segment(FaceGraph.of(graph), {each.asset: each for each in pictures})

    def _forget(self, document: _Document = _Document(), revision: int = 0) -> None:  # noqa: B008 - frozen
        self._document, self._revision = document, revision
        self._segments, self._open = {}, _Segment(FaceGraph(), {})


def _joined(older: _Segment, newer: _Segment) -> _Segment:
    """One segment of two, the smaller put into the larger; neither is to be used any more."""
    pictures = older.pictures | newer.pictures
    if len(older.graph) >= len(newer.graph):
        older.graph.absorb(newer.graph)
        return _Segment(older.graph, pictures)
    for asset in [each for each in older.graph if each not in newer.pictures]:
        newer.graph.put(asset, older.graph.vectors(asset))
    return _Segment(newer.graph, pictures)


def _without(pictures: Sequence[Remembered], gone: Sequence[Remembered]) -> tuple[Remembered, ...]:
    return tuple(each for each in pictures if each not in gone)
