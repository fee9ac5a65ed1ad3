"""Text to vectors with MiniLM (all-MiniLM-L6-v2, int8): the mean of the tokens' vectors, of length 1. English."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from adapters.ml.sessions import session
from adapters.ml.store import ModelStore
from domain.recognition import ModelUse

__all__ = ["MODEL", "MiniLm"]

MODEL = "minilm-l6-v2"
_TOKENS = 128  # what the model was trained with
_BATCH = 16
_KEPT = 4_096  # texts whose vectors are remembered: labels and questions come again (6 MB)


class MiniLm:
    """`domain.ports.TextEmbedder`. Safe to share between threads; the model is loaded by the first call.

    Args:
        model, tokenizer: files.
        version: of the model, as events name it.
    """

    def __init__(self, model: Path, tokenizer: Path, version: str) -> None:
        self._files = model, tokenizer
        self._use = ModelUse(name=MODEL, version=version)
        self._lock = threading.Lock()
        self._known: OrderedDict[str, tuple[float, ...]] = OrderedDict()

    @staticmethod
    def of(store: ModelStore) -> MiniLm | None:
        """The installed one; None when there is none."""
        if not store.has(MODEL):
            return None
        [model] = store.models([MODEL])
        return MiniLm(store.path(MODEL), store.path(MODEL, "tokenizer.json"), str(model.version))

    @property
    def model(self) -> ModelUse:
        """See `TextEmbedder.model`."""
        return self._use

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """See `TextEmbedder.embed`; a text that was asked lately is not computed again."""
        with self._lock:
            unknown = [text for text in dict.fromkeys(texts) if text not in self._known]
            found = dict(zip(unknown, self._compute(unknown), strict=True)) if unknown else {}
            for text in dict.fromkeys(texts):
                found.setdefault(text, self._known.get(text, ()))
                self._known[text] = found[text]
                self._known.move_to_end(text)
            while len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return [found[text] for text in texts]

    @cached_property
    def _loaded(self) -> tuple[Any, Any]:
        from tokenizers import Tokenizer

        tokenizer = Tokenizer.from_file(str(self._files[1]))
        tokenizer.enable_truncation(_TOKENS)
        tokenizer.enable_padding()
        return session(self._files[0]), tokenizer

    def _compute(self, texts: Sequence[str]) -> list[tuple[float, ...]]:
        loaded, tokenizer = self._loaded
        inputs = {each.name for each in loaded.get_inputs()}
        vectors: list[tuple[float, ...]] = []
        for start in range(0, len(texts), _BATCH):
            tokens = tokenizer.encode_batch(list(texts[start : start + _BATCH]))
            ids = np.array([each.ids for each in tokens], np.int64)
            mask = np.array([each.attention_mask for each in tokens], np.int64)
            given = {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            [states] = loaded.run(None, {name: value for name, value in given.items() if name in inputs})[:1]
            summed = (states * mask[..., None]).sum(1)
            vectors += map(tuple, (summed / np.maximum(np.sqrt((summed**2).sum(1, keepdims=True)), 1e-9)).tolist())
        return vectors
