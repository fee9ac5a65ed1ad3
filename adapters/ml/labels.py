"""A picture's likeliest labels from the vector that its tags came with, so that no picture is looked at twice.

The classifier's last layer turns 1,280 numbers into 1,000 labels. Tags are what it is sure of; for likeness of meaning
the next likely ones say more than nothing ("rocket" at 0.2 beside "missile" at 0.3).
"""

from __future__ import annotations

import json
import threading
from functools import cached_property
from importlib.util import find_spec
from typing import Any

import numpy as np

from adapters.ml.store import ModelStore

__all__ = ["LikelyLabels"]

_CLASSIFIER = "efficientnet-lite0"


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
        """With the installed classifier; None without it, or without onnx, which reads its last layer."""
        return LikelyLabels(store) if store.has(_CLASSIFIER) and find_spec("onnx") else None

    def __call__(self, vector: bytes) -> list[tuple[str, float]]:
        """The likeliest first; none for a vector of another model."""
        with self._lock:
            weights, bias, names = self._layer
        numbers = np.frombuffer(vector, "<f2").astype(np.float32)
        if len(numbers) != weights.shape[1]:
            return []
        scores = np.einsum("ij,j->i", weights, numbers) + bias  # 1.3 million products: no threads of BLAS for that
        shares = np.exp(scores - scores.max())
        shares /= shares.sum()
        best = np.argsort(-shares, kind="stable")[: self._most]
        return [(names[i], float(shares[i])) for i in best]

    @cached_property
    def _layer(self) -> tuple[Any, Any, list[str]]:
        import onnx
        from onnx import numpy_helper

        graph = onnx.load(str(self._store.path(_CLASSIFIER))).graph
        [last] = [node for node in graph.node if node.op_type == "Gemm"]
        held = {each.name: each for each in graph.initializer if each.name in last.input}
        weights, bias = (numpy_helper.to_array(held[name]).astype(np.float32) for name in last.input[1:])
        transposed = any(each.name == "transB" and each.i for each in last.attribute)
        labels = json.loads(self._store.path(_CLASSIFIER, "labels.json").read_text())
        names = [labels[str(i)] for i in range(len(bias))]
        return (weights if transposed else weights.T), bias, names
