"""Tags by models on this machine: EfficientNet-Lite0 for what a picture is, NanoDet for what is where in it.

a JPEG --one decode--> whole and centre at 224 px --EfficientNet-Lite0--> 1,000 probabilities, 1,280 numbers
                   \\-> 416 px --NanoDet--> boxes
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from adapters.ml.custom import CustomModel, tags_of
from adapters.ml.detection import nanodet_boxes
from adapters.ml.pictures import Array, centre, open_jpeg, scaled
from adapters.ml.sessions import session
from adapters.ml.store import ModelStore
from domain.recognition import ModelUse, Recognised, Tag
from domain.tagging import Sighting, activities, from_probabilities, from_sightings, merge
from domain.taxonomy import COCO

__all__ = ["CLASSIFIER", "DETECTOR", "OnnxTagger"]

CLASSIFIER, DETECTOR = "efficientnet-lite0", "nanodet"

_LABEL_SIDE = 224
_BOX_SIDE = 416
_BOX_MEAN = np.array([103.53, 116.28, 123.675], np.float32)[:, None, None]  # blue, green, red
_BOX_SCALE = 1 / np.array([57.375, 57.12, 58.395], np.float32)[:, None, None]
_LEAST_SCORE = 0.35  # lower than any of domain.tagging's thresholds


class OnnxTagger:
    """`domain.ports.Tagger` with the models of a store; one that is not installed is not asked.

    Args:
        store: where models are; they are loaded at the first picture, once.
        custom: models of the user's own, asked besides.
    """

    def __init__(self, store: ModelStore, custom: Sequence[CustomModel] = ()) -> None:
        self._store = store
        self._custom = custom
        self._classifies, self._detects = store.has(CLASSIFIER), store.has(DETECTOR)
        self._label_model = ModelUse(CLASSIFIER, str(store.models([CLASSIFIER])[0].version))
        self._box_model = ModelUse(DETECTOR, str(store.models([DETECTOR])[0].version))

    @property
    def models(self) -> tuple[ModelUse, ...]:
        """The models that are asked; none when none is installed."""
        asked = ((self._label_model, self._classifies), (self._box_model, self._detects))
        own = (model.use for model in self._custom)
        return (*(model for model, there in asked if there), *own)

    def tag(self, pictures: Sequence[Path]) -> Sequence[Recognised]:
        """See `domain.ports.Tagger`. Measured: docs/tags.md."""
        return [self._tag(open_jpeg(path)) for path in pictures]

    def _tag(self, picture: Image.Image) -> Recognised:
        """One at a time: on one processor a batch of pictures is slower, as its arrays leave the caches."""
        shares = vector = None
        if self._classifies:
            views = [_label_view(scaled(each, _LABEL_SIDE, _LABEL_SIDE)) for each in (picture, centre(picture))]
            both = self._classifier.run(["prob", "embedding"], {"input": np.stack(views)})
            shares, vector = (each.mean(0) for each in both)
        boxes = self._boxes(scaled(picture, _BOX_SIDE, _BOX_SIDE)) if self._detects else []
        return self._recognised(shares, vector, boxes, tags_of(self._custom, picture))

    def _recognised(
        self, shares: Array | None, vector: Array | None, boxes: Sequence[Sighting], own: Sequence[Tag]
    ) -> Recognised:
        labels = from_probabilities(shares.tolist(), self._label_model) if shares is not None else []
        things = from_sightings(boxes, self._box_model)
        packed = vector.astype("<f2").tobytes() if vector is not None else None
        return Recognised(merge(labels, things, activities(things), own), self.models, packed)

    def _boxes(self, pixels: Array) -> list[Sighting]:
        normal = np.ascontiguousarray(pixels.transpose(2, 0, 1)[None, ::-1])
        normal -= _BOX_MEAN
        normal *= _BOX_SCALE
        name = self._detector.get_inputs()[0].name
        outputs = self._detector.run(None, {name: normal})
        return [
            Sighting(COCO[kind], score, box) for kind, score, box in nanodet_boxes(outputs, _BOX_SIDE, _LEAST_SCORE)
        ]

    @cached_property
    def _classifier(self) -> Any:
        return session(self._store.path(CLASSIFIER))

    @cached_property
    def _detector(self) -> Any:
        return session(self._store.path(DETECTOR))


def _label_view(pixels: Array) -> Array:
    pixels -= 127.0
    pixels /= 128.0
    return pixels.transpose(2, 0, 1)
