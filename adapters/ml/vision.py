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
from adapters.ml.pictures import Array, centre, open_jpeg, planes, smaller
from adapters.ml.sessions import session
from adapters.ml.store import ModelStore
from domain.recognition import ModelUse, Recognised, Tag
from domain.tagging import Sighting, activities, from_probabilities, from_sightings, merge
from domain.taxonomy import COCO

__all__ = ["CLASSIFIER", "DETECTOR", "OnnxTagger"]

CLASSIFIER, DETECTOR = "efficientnet-lite0", "nanodet"

_LABEL_SIDE = 224
_BOX_SIDE = 416
_LABEL_MEAN, _LABEL_SCALE = (127.0, 127.0, 127.0), (128.0, 128.0, 128.0)
_BOX_MEAN, _BOX_SCALE = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)  # red, green, blue
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
            views = np.empty((2, 3, _LABEL_SIDE, _LABEL_SIDE), np.float32)
            for each, view in zip((picture, centre(picture)), views, strict=True):
                planes(smaller(each, _LABEL_SIDE, _LABEL_SIDE), view, _LABEL_MEAN, _LABEL_SCALE)
            both = self._classifier.run(["prob", "embedding"], {"input": views})
            shares, vector = (each.mean(0) for each in both)
        boxes = self._boxes(smaller(picture, _BOX_SIDE, _BOX_SIDE)) if self._detects else []
        return self._recognised(shares, vector, boxes, tags_of(self._custom, picture))

    def _recognised(
        self, shares: Array | None, vector: Array | None, boxes: Sequence[Sighting], own: Sequence[Tag]
    ) -> Recognised:
        labels = from_probabilities(shares.tolist(), self._label_model) if shares is not None else []
        things = from_sightings(boxes, self._box_model)
        packed = vector.astype("<f2").tobytes() if vector is not None else None
        return Recognised(merge(labels, things, activities(things), own), self.models, packed)

    def _boxes(self, picture: Image.Image) -> list[Sighting]:
        normal = np.empty((1, 3, _BOX_SIDE, _BOX_SIDE), np.float32)
        planes(picture, normal[0, ::-1], _BOX_MEAN, _BOX_SCALE)  # blue comes first
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
