"""dlib's face recognition network (a ResNet of 29 layers, 128 numbers a face) from its own format.

The format is a dump of C++ objects; what is needed of it are its tensors, in order, each a version (2), four sizes and
floats. The file is known by its SHA-256, and every tensor's size is checked against the architecture.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from adapters.ml.convert import Files
from adapters.ml.convert.graph import Array, Graph
from domain.errors import PhotoVaultError

__all__ = ["convert"]

_STAGES = ((32, 3, False), (64, 4, True), (128, 3, True), (256, 3, True), (256, 1, True))  # channels, blocks, halved
_TENSOR = b"\x01\x02"  # the integer 2, in dlib's coding: one byte follows
_LARGEST_SIDE = 2_000_000
_LEAST_FLOATS = 32


def convert(files: Files) -> Files:
    """Input `rgb` [n, 3, 150, 150], 0 to 255. Output `embedding` [n, 128]: the same person is nearer than 0.6 (L2)."""
    (data,) = files.values()
    tensors = _tensors(data)
    graph = Graph("dlib-face-resnet")

    def take(count: int) -> Array:
        tensor = next(tensors)
        if len(tensor) != count:
            raise PhotoVaultError(f"the face model is not the one that is known: {len(tensor)} numbers, not {count}")
        return tensor

    def layer(x: str, inputs: int, outputs: int, size: int, stride: int) -> str:
        """A convolution with the affine layer behind it folded in. A strided one has no border."""
        weights, affine = take(outputs * inputs * size * size + outputs), take(2 * outputs)
        kernels = weights[:-outputs].reshape(outputs, inputs, size, size)
        gain, shift = affine[:outputs], affine[outputs:]
        return graph.node(
            "Conv",
            [
                x,
                graph.constant((kernels * gain[:, None, None, None]).astype("f4")),
                graph.constant((weights[-outputs:] * gain + shift).astype("f4")),
            ],
            kernel_shape=[size, size],
            strides=[stride, stride],
            pads=[0 if stride != 1 else size // 2] * 4,
        )

    mean = graph.constant(np.array([122.782, 117.001, 104.298], "f4").reshape(1, 3, 1, 1))
    x = graph.node("Mul", [graph.node("Sub", ["rgb", mean]), graph.constant(np.array(1 / 256, "f4"))])
    x = graph.node("Relu", [layer(x, 3, 32, 7, 2)])
    x = graph.node("MaxPool", [x], kernel_shape=[3, 3], strides=[2, 2])
    channels, side = 32, 35
    for wanted, blocks, halved in _STAGES:
        for block in range(blocks):
            down = halved and block == 0
            y = graph.node("Relu", [layer(x, channels, wanted, 3, 2 if down else 1)])
            y = layer(y, wanted, wanted, 3, 1)
            if down:  # the short way: averages, and zeros where it is narrower or shorter
                x = graph.node("AveragePool", [x], kernel_shape=[2, 2], strides=[2, 2])
                long, short = (side - 3) // 2 + 1, (side - 2) // 2 + 1
                if wanted > channels:
                    x = graph.node("Pad", [x, graph.constant(np.array([0, 0, 0, 0, 0, wanted - channels, 0, 0]))])
                if short > long:
                    missing = short - long
                    y = graph.node("Pad", [y, graph.constant(np.array([0, 0, 0, 0, 0, 0, missing, missing]))])
                side = short
            x = graph.node("Relu", [graph.node("Add", [y, x])])
            channels = wanted
    x = graph.node("Flatten", [graph.node("GlobalAveragePool", [x])])
    graph.node("MatMul", [x, graph.constant(take(256 * 128).reshape(256, 128))], "embedding")
    return {"model.onnx": graph.model({"rgb": ("n", 3, 150, 150)}, {"embedding": ("n", 128)})}


def _tensors(data: bytes) -> Iterator[Array]:
    at = 0
    while (at := data.find(_TENSOR, at)) >= 0:
        sizes, start = _sizes(data, at + len(_TENSOR))
        count = int(np.prod(sizes)) if len(sizes) == 4 else 0
        if count >= _LEAST_FLOATS and start + 4 * count <= len(data):
            values = np.frombuffer(data, "<f4", count, start)
            if np.isfinite(values).all() and 1e-6 < np.abs(values).max() < 1e4:
                yield values
                at = start + 4 * count
                continue
        at += 1


def _sizes(data: bytes, at: int) -> tuple[list[int], int]:
    """Four integers: a byte with the number of bytes that follow, little-endian; fewer when there are not four."""
    sizes: list[int] = []
    while len(sizes) < 4 and at < len(data):
        length = data[at]
        value = int.from_bytes(data[at + 1 : at + 1 + length], "little")
        if not 0 < length <= 8 or value > _LARGEST_SIDE:
            break
        sizes.append(value)
        at += 1 + length
    return sizes, at
