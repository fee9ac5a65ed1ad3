"""Which models turn words and pictures into meaning; chosen here for one machine and for AWS alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence

from domain.ports import TextEmbedder
from photovault.config import models_folder

__all__ = ["embedder_of", "likely_labels_of"]


def embedder_of(environment: Mapping[str, str] = os.environ) -> TextEmbedder | None:
    """What turns words into vectors: the user's own pair for pictures and words, else the installed model; None
    without either, or where they can't run."""
    try:
        import onnxruntime  # noqa: F401

        from adapters.ml.pair import pair_in
        from adapters.ml.store import ModelStore
        from adapters.ml.text import MiniLm
    except ImportError:
        return None

    own = pair_in(models_folder(environment) / "custom")
    if own is not None:
        return own
    return MiniLm.of(ModelStore(models_folder(environment)))


def likely_labels_of(
    environment: Mapping[str, str] = os.environ,
) -> Callable[[bytes], Sequence[tuple[str, float]]] | None:
    """What says the likeliest labels of a picture's vector; None where it can't."""
    try:
        from adapters.ml.labels import LikelyLabels
        from adapters.ml.store import ModelStore
    except ImportError:
        return None

    return LikelyLabels.of(ModelStore(models_folder(environment)))
