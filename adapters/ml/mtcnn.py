"""MTCNN (Zhang et al. 2016): three small networks, each of which throws away most of what the one before let through.

The weights were trained on transposed pictures: width and height change places on the way in, and back on the way out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Detector", "Found"]

Found = tuple["NDArray[np.float32]", float, "NDArray[np.float32]"]
"""Box (left, top, right, bottom), score, five landmarks (x, y); in pixels."""

CELL = 12  # pixels that the first network looks at at once, every second pixel
SHRINK = 0.709  # from one size of the pyramid to the next: half the area
CANDIDATES, REFINED, FINAL = 0.6, 0.7, 0.97
MAX_CANDIDATES = 2000  # a picture of a crowd, or of a wall made of faces


class Detector:
    """Finds faces with the three networks' sessions."""

    def __init__(self, propose: Any, refine: Any, decide: Any) -> None:
        self._propose, self._refine, self._decide = propose, refine, decide

    def detect(self, image: Image.Image, least: int) -> list[Found]:
        """Faces of at least so many pixels in an RGB picture."""
        boxes = self._proposals(image, CELL / least)
        if len(boxes):
            boxes = self._refined(image, boxes)
        return self._decided(image, boxes) if len(boxes) else []

    def _proposals(self, image: Image.Image, scale: float) -> NDArray[np.float32]:
        """Squares that may hold a face, from a pyramid of sizes; the fifth column is the score."""
        found, size = [], image.size
        while min(size) * scale >= CELL:
            width, height = (int(np.ceil(edge * scale)) for edge in size)
            while image.width >= 2 * width and image.height >= 2 * height:
                image = image.reduce(2)  # once for all sizes that are left
            sized = image.resize((width, height), Image.Resampling.BILINEAR).transpose(Image.Transpose.TRANSPOSE)
            answers = _by_width(self._propose, _normal(np.asarray(sized)[None]))
            shifts, scores = answers[4][0].transpose(1, 0, 2), answers[2][0].transpose(1, 0, 2)[..., 1]
            rows, columns = np.nonzero(scores > CANDIDATES)
            if len(rows):
                left, top = columns * 2 / scale, rows * 2 / scale
                side = CELL / scale
                corners = np.stack((left, top, left + side, top + side, scores[rows, columns]), 1)
                corners[:, :4] += shifts[rows, columns] * side
                raw = np.stack((left, top, left + side, top + side, scores[rows, columns]), 1)
                found.append(corners[_apart(raw, 0.5)])
            scale *= SHRINK
        if not found:
            return np.empty((0, 5), np.float32)
        boxes = np.concatenate(found).astype(np.float32)
        return _square(boxes[_apart(boxes, 0.7)][:MAX_CANDIDATES])

    def _refined(self, image: Image.Image, boxes: NDArray[np.float32]) -> NDArray[np.float32]:
        answers = _by_width(self._refine, _crops(image, boxes, 24))
        scores = answers[2][:, 1]
        kept = scores > REFINED
        boxes, shifts = _scored(boxes, scores)[kept], answers[4][kept]
        order = _apart(boxes, 0.7)
        return _square(_shifted(boxes[order], shifts[order]))

    def _decided(self, image: Image.Image, boxes: NDArray[np.float32]) -> list[Found]:
        answers = _by_width(self._decide, _crops(image, boxes, 48))
        scores = answers[2][:, 1]
        kept = scores >= FINAL
        boxes, shifts, points = _scored(boxes, scores)[kept], answers[4][kept], answers[10][kept]
        x = boxes[:, 0:1] + points[:, :5] * (boxes[:, 2] - boxes[:, 0])[:, None]
        y = boxes[:, 1:2] + points[:, 5:] * (boxes[:, 3] - boxes[:, 1])[:, None]
        boxes = _shifted(boxes, shifts)
        return [
            (boxes[i, :4], float(boxes[i, 4]), np.stack((x[i], y[i]), 1)) for i in _apart(boxes, 0.7, by_smaller=True)
        ]


def _by_width(network: Any, batch: NDArray[np.float32]) -> dict[int, NDArray[np.float32]]:
    """A network's answers by their last axis: 2 scores, 4 shifts, 10 landmarks; whatever order it gives them in."""
    name = network.get_inputs()[0].name
    return {made.shape[-1]: made for made in network.run(None, {name: batch})}


def _normal(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    values = np.multiply(pixels, np.float32(1 / 128), dtype=np.float32)
    values -= np.float32(127.5 / 128)
    return values


def _crops(image: Image.Image, boxes: NDArray[np.float32], side: int) -> NDArray[np.float32]:
    """Squares of the picture, black outside of it, transposed: all in one picture, each below the last."""
    squares = [
        ((0, n * side, side, (n + 1) * side), (left, top, right, top, right, bottom, left, bottom))
        for n, (left, top, right, bottom) in enumerate(boxes[:, :4].tolist())
    ]
    made = image.transform((side, len(squares) * side), Image.Transform.MESH, squares, Image.Resampling.BILINEAR)
    return _normal(np.asarray(made).reshape(-1, side, side, 3))


def _scored(boxes: NDArray[np.float32], scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.concatenate((boxes[:, :4], scores[:, None]), 1).astype(np.float32)


def _shifted(boxes: NDArray[np.float32], shifts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each edge moved by a share of the box's size."""
    moved = boxes.copy()
    size = boxes[:, 2:4] - boxes[:, :2]
    moved[:, :4] += shifts * np.concatenate((size, size), 1)
    return moved


def _square(boxes: NDArray[np.float32]) -> NDArray[np.float32]:
    """The smallest square around each box, with the same centre."""
    squares = boxes.copy()
    size = boxes[:, 2:4] - boxes[:, :2]
    side = size.max(1, keepdims=True) if len(boxes) else size[:, :1]
    squares[:, :2] += (size - side) / 2
    squares[:, 2:4] = squares[:, :2] + side
    return squares


def _apart(boxes: NDArray[Any], most: float, *, by_smaller: bool = False) -> list[int]:
    """Indices of boxes that overlap no better one by more than a share: of their union, or of the smaller one."""
    left, top, right, bottom, scores = np.ascontiguousarray(boxes[:, :5].T)
    areas = (right - left) * (bottom - top)
    left_in = np.ones(len(boxes), bool)
    kept: list[int] = []
    for best in scores.argsort(kind="stable")[::-1].tolist():
        if left_in[best]:
            kept.append(best)
            wide = np.minimum(right[best], right) - np.maximum(left[best], left)
            high = np.minimum(bottom[best], bottom) - np.maximum(top[best], top)
            shared = np.maximum(wide, 0) * np.maximum(high, 0)
            whole = np.minimum(areas[best], areas) if by_smaller else areas[best] + areas - shared
            left_in &= shared <= most * whole
    return kept
