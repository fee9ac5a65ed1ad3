"""From a detector's numbers to boxes: NanoDet's three grids, and non-maximum suppression."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from adapters.ml.pictures import Array
from domain.recognition import Box

__all__ = ["box_of", "nanodet_boxes", "suppress"]

_STRIDES = (8, 16, 32)
_BINS = 11


def nanodet_boxes(
    outputs: Sequence[Array], side: int, least: float, overlap: float = 0.5
) -> list[tuple[int, float, Box]]:
    """What NanoDet saw, the surest first: class, score, box.

    Args:
        outputs: for each stride scores [1, cells, classes] and distances [1, cells, 4 * 11], in any order.
        side: pixels of the square input.
        least: what scores less is left out.
        overlap: of two boxes of a class that share more than this (intersection over union), the surer one stays.
    """
    by_cells: dict[int, dict[bool, Array]] = {}
    for output in outputs:
        by_cells.setdefault(output.shape[1], {})[output.shape[2] == 4 * _BINS] = output[0]
    corners, scores, classes = [], [], []
    for stride in _STRIDES:
        cells = -(-side // stride)
        grid: Mapping[bool, Array] = by_cells[cells * cells]
        all_scores = grid[False]
        best = all_scores.argmax(1)
        score = all_scores[np.arange(len(best)), best]
        kept = np.flatnonzero(score >= least)
        if not len(kept):
            continue
        bins = grid[True][kept].reshape(-1, 4, _BINS)
        shares = np.exp(bins - bins.max(2, keepdims=True))
        shares /= shares.sum(2, keepdims=True)
        left, top, right, bottom = np.moveaxis((shares * np.arange(_BINS, dtype=np.float32)).sum(2) * stride, 1, 0)
        row, column = np.divmod(kept, cells)
        x, y = (column + 0.5) * stride, (row + 0.5) * stride
        corners.append(np.stack([x - left, y - top, x + right, y + bottom], 1))
        scores.append(score[kept])
        classes.append(best[kept])
    if not corners:
        return []
    boxes, sure, kinds = np.concatenate(corners), np.concatenate(scores), np.concatenate(classes)
    boxes = np.clip(boxes / side, 0.0, 1.0)
    return [(int(kinds[i]), float(sure[i]), box_of(boxes[i])) for i in suppress(boxes, sure, kinds, overlap)]


def suppress(boxes: Array, scores: Array, classes: Array, overlap: float) -> list[int]:
    """Indices of the boxes that stay, the surest first; boxes of different classes do not meet."""
    moved = boxes + classes[:, None] * 2.0  # far apart by class: one pass does for all
    areas = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    order = np.argsort(-scores, kind="stable")
    kept: list[int] = []
    while len(order):
        first, rest = order[0], order[1:]
        kept.append(int(first))
        low = np.maximum(moved[first, :2], moved[rest, :2])
        high = np.minimum(moved[first, 2:], moved[rest, 2:])
        both = np.prod(np.clip(high - low, 0.0, None), axis=1)
        union = areas[first] + areas[rest] - both
        order = rest[both <= overlap * union]
    return kept


def box_of(corners: Sequence[float] | Array) -> Box:
    """Left, top, right and bottom as shares of the picture, rounded to a ten-thousandth."""
    left, top, right, bottom = (min(1.0, max(0.0, round(float(edge), 4))) for edge in corners)
    return Box(left, top, round(max(0.0, right - left), 4), round(max(0.0, bottom - top), 4))
