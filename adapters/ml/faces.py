"""Faces: MTCNN finds them, a similarity transform brings them upright, dlib's ResNet says what tells them apart.

All three on onnxruntime with one thread each, NumPy and Pillow; no OpenCV, no dlib, no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from adapters.ml.mtcnn import Detector
from adapters.ml.pictures import decoded
from adapters.ml.sessions import session
from adapters.ml.store import ModelStore
from domain.faces import Face, FoundFace, Look, Looked, Point, doubts, frontality
from domain.recognition import Box, ModelUse

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["MODELS", "OnnxFaceAnalyzer", "align", "similarity"]

MODELS = ("mtcnn", "dlib-face-resnet")

_BATCH = 16  # faces in one run of the embedder

LONG_EDGE = 1024
"""Pixels that pictures are looked at in: 40-pixel faces are found there."""

CHIP = 150
"""Pixels of the square that dlib's network takes."""

TEMPLATE = np.array(((47.7, 47.1), (100.3, 47.1), (74.0, 77.9), (47.1, 100.2), (100.9, 100.2)), np.float32)
"""Where MTCNN's eyes, nose and corners of the mouth are to lie in a chip. The eyes are the middles of the eyes' corners
in dlib's mean face (150 pixels, padding 0.25: what its network was trained on); nose and mouth are the mean of MTCNN's
landmarks on frontal faces with their eyes brought there, made symmetric. Moved or scaled by 5 % it separates no better
(docs/people.md)."""


class OnnxFaceAnalyzer:
    """`domain.faces.FaceAnalyzer` with installed models. Sessions are loaded at the first picture.

    Args:
        store: where the models are.
        least: shortest side of a face that is looked for, in pixels.
    """

    def __init__(self, store: ModelStore, least: int = 40) -> None:
        self._store = store
        self._least = least
        self.models = tuple(ModelUse(model.name, str(model.version)) for model in store.models(MODELS))

    @cached_property
    def _detector(self) -> Detector:
        files = ("pnet.onnx", "rnet.onnx", "onet.onnx")
        return Detector(*(session(self._store.path("mtcnn", file)) for file in files))

    @cached_property
    def _embedder(self) -> Any:
        return session(self._store.path("dlib-face-resnet"))

    def analyze(self, look: Look) -> Looked:
        """See `domain.faces.FaceAnalyzer`."""
        return Looked(self.find(look.picture), self.models)

    def find(self, picture: bytes) -> Sequence[FoundFace]:
        """Faces of a JPEG of our own making, from left to right."""
        image = decoded(picture)
        if max(image.size) > LONG_EDGE:
            image = image.copy()  # it is shared
            image.thumbnail((LONG_EDGE, LONG_EDGE))
        found = self._detector.detect(image, self._least)
        if not found:
            return []
        chips = [align(image, landmarks) for _, _, landmarks in found]
        vectors = self.embed(chips)
        faces = [
            FoundFace(_face(image.size, box, score, landmarks, chip), vector.astype("<f4").tobytes())
            for (box, score, landmarks), chip, vector in zip(found, chips, vectors, strict=True)
        ]
        return sorted(faces, key=lambda each: (each.face.box.left, each.face.box.top))

    def embed(self, chips: Sequence[NDArray[np.uint8]]) -> NDArray[np.float32]:
        """Vectors of aligned faces, RGB, 150 x 150; a few at a time, so that a crowd takes no more memory than they."""
        name = self._embedder.get_inputs()[0].name
        made: list[NDArray[np.float32]] = []
        for start in range(0, len(chips), _BATCH):
            batch = np.stack(chips[start : start + _BATCH]).astype(np.float32).transpose(0, 3, 1, 2)
            made.append(np.asarray(self._embedder.run(None, {name: np.ascontiguousarray(batch)})[0], np.float32))
        return np.concatenate(made)


def similarity(source: NDArray[Any], target: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """The rotation with scale, and the shift, that bring points onto others with the least squares: in the plane, one
    division of complex numbers."""
    points, wanted = (each[:, 0] + 1j * each[:, 1] for each in (source, target))
    centred = points - points.mean()
    turn = (centred.conj() * (wanted - wanted.mean())).sum() / (np.abs(centred) ** 2).sum()
    shift = wanted.mean() - turn * points.mean()
    return _of_turn(turn), np.array((shift.real, shift.imag))


def _of_turn(turn: complex) -> NDArray[Any]:
    return np.array(((turn.real, -turn.imag), (turn.imag, turn.real)))


def align(image: Image.Image, landmarks: NDArray[np.float32]) -> NDArray[np.uint8]:
    """The face upright in 150 x 150 pixels, its landmarks near `TEMPLATE`."""
    matrix, shift = similarity(landmarks.astype(np.float64), TEMPLATE.astype(np.float64))
    turn = 1 / complex(matrix[0, 0], matrix[1, 0])
    start = -turn * complex(shift[0], shift[1])
    size = abs(turn)
    back, origin = _of_turn(turn), (start.real, start.imag)
    coefficients = (back[0, 0], back[0, 1], origin[0], back[1, 0], back[1, 1], origin[1])
    if size > 2:  # a large face: transform() samples single pixels, so it is made smaller first
        small = image.resize((max(1, int(image.width / size)), max(1, int(image.height / size))), Image.Resampling.BOX)
        fx, fy = small.width / image.width, small.height / image.height
        coefficients = (
            back[0, 0] * fx,
            back[0, 1] * fx,
            origin[0] * fx,
            back[1, 0] * fy,
            back[1, 1] * fy,
            origin[1] * fy,
        )
        image = small
    chip = image.transform((CHIP, CHIP), Image.Transform.AFFINE, coefficients, Image.Resampling.BICUBIC)
    return np.asarray(chip, np.uint8)


def _face(
    size: tuple[int, int],
    box: NDArray[np.float32],
    score: float,
    landmarks: NDArray[np.float32],
    chip: NDArray[np.uint8],
) -> Face:
    width, height = size
    left, top = max(0.0, float(box[0])), max(0.0, float(box[1]))
    right, bottom = min(float(width), float(box[2])), min(float(height), float(box[3]))
    pixels = max(0, int(min(right - left, bottom - top)))
    sharp = _sharpness(chip)
    frontal = frontality([(float(x), float(y)) for x, y in landmarks])
    return Face(
        box=Box(
            round(left / width, 5),
            round(top / height, 5),
            round(max(0.0, right - left) / width, 5),
            round(max(0.0, bottom - top) / height, 5),
        ),
        landmarks=tuple(Point(_share(x, width), _share(y, height)) for x, y in landmarks),
        score=round(min(1.0, score), 4),
        pixels=pixels,
        sharpness=round(sharp, 3),
        frontality=round(frontal, 3),
        doubts=doubts(score=score, pixels=pixels, sharpness=sharp, frontal=frontal),
    )


def _share(value: float, whole: int) -> float:
    return round(min(2.0, max(-1.0, float(value) / whole)), 5)


def _sharpness(chip: NDArray[np.uint8]) -> float:
    """Mean absolute Laplacian of the middle of a chip, in grey levels."""
    grey = (chip[25:-25, 25:-25] * np.array((0.299, 0.587, 0.114), np.float32)).sum(2)
    around = grey[:-2, 1:-1] + grey[2:, 1:-1] + grey[1:-1, :-2] + grey[1:-1, 2:]
    return float(np.abs(around - 4 * grey[1:-1, 1:-1]).mean())
