"""Vectors of one owner's faces by nearness: a graph (HNSW, usearch) that is searched, never all against all.

It lives in memory only, and is built of what is sealed: on disk there is nothing to steal.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

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

    def put(self, asset: str, vectors: NDArray[np.float32]) -> None:
        """Faces of an asset, in place of those it had."""
        import numpy as np

        for label in self._labels.pop(asset, ()):
            self._index.remove(label)
            self._count -= 1
        self._count += len(vectors)
        first = len(self._faces)
        self._faces += [(asset, number) for number in range(len(vectors))]
        self._labels[asset] = range(first, len(self._faces))
        if len(vectors):
            self._index.add(np.arange(first, len(self._faces), dtype=np.uint64), vectors, threads=1)

    def fill(self, assets: Sequence[str], vectors: Sequence[NDArray[np.float32]]) -> None:
        """Many at once: on all processors."""
        import numpy as np

        first, labels = len(self._faces), 0
        for asset, rows in zip(assets, vectors, strict=True):
            self._faces += [(asset, number) for number in range(len(rows))]
            self._labels[asset] = range(first + labels, first + labels + len(rows))
            labels += len(rows)
        self._count += labels
        if labels:
            self._index.add(np.arange(first, first + labels, dtype=np.uint64), np.concatenate(vectors))

    def near(self, vector: NDArray[np.float32], count: int) -> list[tuple[str, int, float]]:
        """The nearest faces: asset, number, Euclidean distance; nearest first."""
        if not len(self):
            return []
        found = self._index.search(vector, min(count, len(self)), threads=1)
        return [
            (*self._faces[int(label)], float(max(0.0, squared)) ** 0.5)
            for label, squared in zip(found.keys, found.distances, strict=True)
        ]
