"""A picture's likeliest labels from the vector that its tags came with, so that no picture is looked at twice.

The classifier's last layer turns 1,280 numbers into 1,000 labels. Tags are what it is sure of; for likeness of meaning
the next likely ones say more than nothing ("rocket" at 0.2 beside "missile" at 0.3).
"""

from __future__ import annotations

import json
import threading
from functools import cached_property
from typing import Any

import numpy as np

from adapters.ml.pictures import Array
from adapters.ml.store import ModelStore

__all__ = ["LikelyLabels", "packed_layer"]

_CLASSIFIER = "efficientnet-lite0"
_LAYER = "last_layer.f4"


def packed_layer(weights: Array, bias: Array) -> bytes:
    """The file that a classifier's last layer is kept in: for each label its weights, then its bias; little-endian
    float32."""
    return np.concatenate((weights, bias[:, None]), 1).astype("<f4").tobytes()


class LikelyLabels:
    """Callable: little-endian float16 vector -> the likeliest labels with their probabilities.

    Args:
        store: holds the classifier.
        most: so many labels.
    """

    def __init__(self, store: ModelStore, most: int = 10) -> None:
        self._store = store
        self._most = most
        self._lock = threading.Lock()

    @staticmethod
    def of(store: ModelStore) -> LikelyLabels | None:
        """With the installed classifier; None without it, or where an older PhotoVault installed it without its last
        layer beside it (`photovault models install` adds that)."""
        there = store.has(_CLASSIFIER) and (store.path(_CLASSIFIER).parent / _LAYER).is_file()
        return LikelyLabels(store) if there else None

    def __call__(self, vector: bytes) -> list[tuple[str, float]]:
        """The likeliest first; none for a vector of another model. 0.2 ms."""
        with self._lock:
            weights, bias, names = self._layer
        numbers = np.frombuffer(vector, "<f2").astype(np.float32)
        if len(numbers) != weights.shape[1]:
            return []
        scores = np.einsum("ij,j->i", weights, numbers) + bias
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        best = np.argsort(-shares, kind="stable")[: self._most]
        return [(names[i], float(shares[i])) for i in best]

    @cached_property
    def _layer(self) -> tuple[Any, Any, list[str]]:
        labels = json.loads(self._store.path(_CLASSIFIER, "labels.json").read_text())
        table = np.frombuffer(self._store.path(_CLASSIFIER, _LAYER).read_bytes(), "<f4").reshape(len(labels), -1)
        return np.ascontiguousarray(table[:, :-1]), table[:, -1], [labels[str(i)] for i in range(len(labels))]
