"""Which models or services recognise things; chosen here for one machine and for AWS alike."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec

from domain.ports import Moderator, Tagger, TextEmbedder
from photovault.config import models_folder

__all__ = ["embedder_of", "likely_labels_of", "moderator_of", "tagger_of"]


def tagger_of(environment: Mapping[str, str] = os.environ) -> Tagger | None:
    """What tags pictures: the installed models; None where they can't run."""
    if not _can_run():
        return None
    from adapters.ml.store import ModelStore
    from adapters.ml.vision import OnnxTagger

    return OnnxTagger(ModelStore(models_folder(environment)))


def moderator_of(environment: Mapping[str, str] = os.environ) -> Moderator | None:
    """What finds sensitive content: the installed model; None where it can't run."""
    if not _can_run():
        return None
    from adapters.ml.moderation import OnnxModerator
    from adapters.ml.store import ModelStore

    return OnnxModerator(ModelStore(models_folder(environment)))


def embedder_of(environment: Mapping[str, str] = os.environ) -> TextEmbedder | None:
    """What turns words into vectors: the installed model; None without it, or where it can't run."""
    if not _can_run() or find_spec("tokenizers") is None:
        return None
    from adapters.ml.store import ModelStore
    from adapters.ml.text import MiniLm

    return MiniLm.of(ModelStore(models_folder(environment)))


def likely_labels_of(
    environment: Mapping[str, str] = os.environ,
) -> Callable[[bytes], Sequence[tuple[str, float]]] | None:
    """What says the likeliest labels of a picture's vector; None where it can't."""
    if not _can_run():
        return None
    from adapters.ml.labels import LikelyLabels
    from adapters.ml.store import ModelStore

    return LikelyLabels.of(ModelStore(models_folder(environment)))


def _can_run() -> bool:
    return all(find_spec(name) is not None for name in ("numpy", "PIL", "onnxruntime"))
