"""Vectors of one owner's faces by nearness: a graph (HNSW, usearch) that is searched, never all against all.

It is searched in memory; what is stored of it is sealed first (`photovault/face_index.py`): on disk there is nothing to
steal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import msgspec

from domain.faces import DIMENSIONS

if TYPE_CHECKING:  # every function that runs steps loads this module, and few of them have NumPy
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["FaceGraph", "vectors_of"]

CONNECTIVITY, EXPANSION_ADD, EXPANSION_SEARCH = 16, 128, 96


def vectors_of(data: bytes) -> NDArray[np.float32]:
    """Vectors as rows."""
    import numpy as np

    return np.frombuffer(data, "<f4").reshape(-1, DIMENSIONS).astype(np.float32)


class FaceGraph:
    """Faces (asset, number) by their vectors. Not safe for threads: its owner is locked."""

    def __init__(self) -> None:
        # onnxruntime 1.32 dies of a segmentation fault when it is loaded after usearch 2.26, not before it.
        with suppress(ImportError):
            import onnxruntime  # noqa: F401
        from usearch.index import Index

        self._index: Any = Index(
            ndim=DIMENSIONS,
            metric="l2sq",
            dtype="f32",
            connectivity=CONNECTIVITY,
            expansion_add=EXPANSION_ADD,
            expansion_search=EXPANSION_SEARCH,
        )
        self._faces: list[tuple[str, int]] = []
        self._labels: dict[str, range] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def __contains__(self, asset: str) -> bool:
        return asset in self._labels

    def __iter__(self) -> Iterator[str]:
        return iter(self._labels)

    def put(self, asset: str, vectors: NDArray[np.float32]) -> None:
        """Faces of an asset, in place of those it had."""
        import numpy as np

        self._drop(asset)
        self._count += len(vectors)
        first = len(self._faces)
        self._faces += [(asset, number) for number in range(len(vectors))]
        self._labels[asset] = range(first, len(self._faces))
        if len(vectors):
            self._index.add(np.arange(first, len(self._faces), dtype=np.uint64), vectors, threads=1)

    def fill(self, assets: Sequence[str], vectors: Sequence[NDArray[np.float32]]) -> None:
        """Many at once, none of which it has: on all processors."""
        import numpy as np

        first, labels = len(self._faces), 0
        for asset, rows in zip(assets, vectors, strict=True):
            self._faces += [(asset, number) for number in range(len(rows))]
            self._labels[asset] = range(first + labels, first + labels + len(rows))
            labels += len(rows)
        self._count += labels
        if labels:
            self._index.add(np.arange(first, first + labels, dtype=np.uint64), np.concatenate(vectors))

    def absorb(self, other: FaceGraph) -> None:
        """All of another graph's faces, in place of those of the same assets."""
        assets = list(other)
        for asset in assets:
            self._drop(asset)
        self.fill(assets, [other.vectors(asset) for asset in assets])

    def vectors(self, asset: str) -> NDArray[np.float32]:
        """The vectors of an asset's faces, as they were put.

        Raises:
            KeyError: it has none.
        """
        import numpy as np

        labels = self._labels[asset]
        if not labels:
            return np.empty((0, DIMENSIONS), np.float32)
        return np.asarray(self._index.get(np.arange(labels.start, labels.stop, dtype=np.uint64)), np.float32)

    def to_bytes(self) -> bytes:
        """All of it, to be sealed: about 660 bytes a face."""
        places = [(asset, labels.start, len(labels)) for asset, labels in self._labels.items()]
        return msgspec.msgpack.encode((len(self._faces), places, bytes(self._index.save())))

    @staticmethod
    def of(data: bytes) -> FaceGraph:
        """What `to_bytes` gave. Cost: that of copying it."""
        length, places, index = msgspec.msgpack.decode(data, type=tuple[int, list[tuple[str, int, int]], bytes])
        graph = FaceGraph()
        graph._index.load(index)
        graph._faces = [("", 0)] * length
        for asset, first, count in places:
            graph._labels[asset] = range(first, first + count)
            graph._faces[first : first + count] = [(asset, number) for number in range(count)]
            graph._count += count
        return graph

    def _drop(self, asset: str) -> None:
        for label in self._labels.pop(asset, ()):
            self._index.remove(label)
            self._count -= 1

    def near(self, vector: NDArray[np.float32], count: int) -> list[tuple[str, int, float]]:
        """The nearest faces: asset, number, Euclidean distance; nearest first."""
        if not len(self):
            return []
        found = self._index.search(vector, min(count, len(self)), threads=1)
        return [
            (*self._faces[int(label)], float(max(0.0, squared)) ** 0.5)
            for label, squared in zip(found.keys, found.distances, strict=True)
        ]
