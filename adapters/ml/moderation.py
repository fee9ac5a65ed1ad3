"""Sensitive content by open_nsfw (Yahoo's network as ONNX): one number for a picture, 0 to 1."""

from __future__ import annotations

import io
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adapters.ml.pictures import open_jpeg, smaller
from adapters.ml.sessions import session
from adapters.ml.store import ModelStore
from domain.moderation import Moderated

__all__ = ["MODEL", "OnnxModerator"]

MODEL = "open-nsfw"
_RESIZED, _SIDE = 256, 224
_MEAN = np.array([104, 117, 123], np.float32)  # blue, green, red


class OnnxModerator:
    """`domain.ports.Moderator` with the model of a store.

    Args:
        store: where models are; this one is loaded at the first picture, once.
    """

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self._version = str(store.models([MODEL])[0].version)

    @property
    def available(self) -> bool:
        """Whether the model is installed."""
        return self._store.has(MODEL)

    def moderate(self, picture: Path) -> Moderated:
        """See `domain.ports.Moderator`."""
        outputs = self._session.run(None, {self._session.get_inputs()[0].name: _pixels(open_jpeg(picture))[None]})
        return Moderated(float(outputs[0][0, 1]), name=MODEL, version=self._version)

    @cached_property
    def _session(self) -> Any:
        return session(self._store.path(MODEL))


def _pixels(picture: Image.Image) -> np.ndarray[Any, np.dtype[np.float32]]:
    """The middle of the stretched picture, through JPEG as the network's training pictures went, less the mean."""
    edge = (_RESIZED - _SIDE) // 2
    small = smaller(picture, _RESIZED, _RESIZED)
    buffer = io.BytesIO()
    small.crop((edge, edge, edge + _SIDE, edge + _SIDE)).save(buffer, format="JPEG")
    coded = np.asarray(open_jpeg_bytes(buffer), np.float32)
    return np.ascontiguousarray(coded[:, :, ::-1] - _MEAN)


def open_jpeg_bytes(buffer: io.BytesIO) -> Image.Image:
    """Decode what was just written."""
    buffer.seek(0)
    return Image.open(buffer, formats=["JPEG"])
