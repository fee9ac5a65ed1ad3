"""EfficientNet-Lite0 from its PyTorch weights: 1,000 probabilities and the 1,280 numbers before the last layer.

The architecture is the table of Tan and Le, "EfficientNet" (2019), in its Lite variant: ReLU6, and no squeeze and
excitation.
"""

from __future__ import annotations

import numpy as np

from adapters.ml.convert import Files
from adapters.ml.convert.graph import Array, Graph
from adapters.ml.convert.torch_file import read_tensors
from adapters.ml.labels import packed_layer

__all__ = ["convert"]

_STAGES = (  # repeats, kernel, stride of the first, expansion, channels
    (1, 3, 1, 1, 16), (2, 3, 2, 6, 24), (2, 5, 2, 6, 40), (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112), (4, 5, 2, 6, 192), (1, 3, 1, 6, 320),
)  # fmt: skip
_EPSILON = 1e-3


def convert(files: Files) -> Files:
    """Input `input` [n, 3, 224, 224]: RGB, (value - 127) / 128. Outputs `prob` [n, 1000] and `embedding` [n, 1280].
    The last layer is kept beside, too: `adapters/ml/labels.py`."""
    (data,) = files.values()
    weights = read_tensors(data)
    graph = Graph("efficientnet-lite0")
    low, high = graph.constant(np.float32(0)), graph.constant(np.float32(6))  # type: ignore[arg-type]

    def layer(x: str, kernel: str, norm: str, stride: int = 1, group: int = 1, *, active: bool = True) -> str:
        """A convolution with its batch normalisation folded in, and ReLU6."""
        gain, bias, mean, variance = (
            weights[f"{norm}.{part}"] for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor: Array = gain / np.sqrt(variance + _EPSILON)
        kernels = weights[f"{kernel}.weight"] * factor[:, None, None, None]
        x = graph.node(
            "Conv",
            [x, graph.constant(kernels.astype("f4")), graph.constant((bias - mean * factor).astype("f4"))],
            kernel_shape=list(kernels.shape[2:]),
            strides=[stride, stride],
            group=group,
            auto_pad="SAME_UPPER",
        )
        return graph.node("Clip", [x, low, high]) if active else x

    x = layer("input", "_conv_stem", "_bn0", 2)
    number, channels = 0, 32
    for repeats, _, first_stride, expansion, wanted in _STAGES:
        for repeat in range(repeats):
            block, stride, inner = f"_blocks.{number}.", 1 if repeat else first_stride, channels * expansion
            y = layer(x, f"{block}_expand_conv", f"{block}_bn0") if expansion > 1 else x
            y = layer(y, f"{block}_depthwise_conv", f"{block}_bn1", stride, inner)
            y = layer(y, f"{block}_project_conv", f"{block}_bn2", active=False)
            x = graph.node("Add", [y, x]) if stride == 1 and channels == wanted else y
            number, channels = number + 1, wanted
    x = layer(x, "_conv_head", "_bn1")
    graph.node("Flatten", [graph.node("GlobalAveragePool", [x])], "embedding")
    last = [graph.constant(weights["_fc.weight"]), graph.constant(weights["_fc.bias"])]
    graph.node("Softmax", [graph.node("Gemm", ["embedding", *last], transB=1)], "prob", axis=1)
    shape = {"input": ("n", 3, 224, 224)}
    return {
        "model.onnx": graph.model(shape, {"prob": ("n", 1000), "embedding": ("n", 1280)}),
        "last_layer.f4": packed_layer(weights["_fc.weight"], weights["_fc.bias"]),
    }
