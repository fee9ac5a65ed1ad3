"""Which models turn words and pictures into meaning; chosen here for one machine and for AWS alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

from domain.ports import TextEmbedder
from photovault.config import models_folder

__all__ = ["embedder_of", "likely_labels_of"]


def embedder_of(environment: Mapping[str, str] = os.environ) -> TextEmbedder | None:
    """What turns words into vectors: the installed model; None without it, or where it can't run."""
    if any(find_spec(name) is None for name in ("numpy", "onnxruntime", "tokenizers")):
        return None
    from adapters.ml.store import ModelStore
    from adapters.ml.text import MiniLm

    return MiniLm.of(ModelStore(models_folder(environment)))


def likely_labels_of(
    environment: Mapping[str, str] = os.environ,
) -> Callable[[bytes], Sequence[tuple[str, float]]] | None:
    """What says the likeliest labels of a picture's vector; None where it can't."""
    if find_spec("numpy") is None:
        return None
    from adapters.ml.labels import LikelyLabels
    from adapters.ml.store import ModelStore

    return LikelyLabels.of(ModelStore(models_folder(environment)))
