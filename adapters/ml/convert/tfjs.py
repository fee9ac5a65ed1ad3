"""A TensorFlow.js graph model as ONNX. Layers stay in TensorFlow's order (NHWC), with transposes around convolutions
that ONNX Runtime folds away. Knows the operations that the models in the catalogue have, and refuses others."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from adapters.ml.convert import Files
from adapters.ml.convert.graph import Array, Graph
from domain.errors import PhotoVaultError

__all__ = ["convert_nanodet"]

_TYPES = {"float32": "<f4", "int32": "<i4", "bool": "?"}
_QUANTIZED = {"uint8": "u1", "uint16": "<u2"}
_SIMPLE = {
    "Add": "Add", "AddV2": "Add", "BiasAdd": "Add", "Sub": "Sub", "Mul": "Mul", "RealDiv": "Div", "Maximum": "Max",
    "Minimum": "Min", "Relu": "Relu", "Abs": "Abs", "Sigmoid": "Sigmoid", "Sqrt": "Sqrt", "Exp": "Exp",
    "Identity": "Identity",
}  # fmt: skip
_CONSTANT = {"Add": np.add, "AddV2": np.add, "Sub": np.subtract, "Mul": np.multiply}


def convert_nanodet(files: Files) -> Files:
    """NanoDet: input [1, 416, 416, 3], BGR, normalised; outputs of three strides (8, 16, 32), scores of 80 classes and
    distributions of the four distances to the box's sides, 11 bins each."""
    document = json.loads(next(data for name, data in files.items() if name.endswith(".json")))
    weights = b"".join(data for name, data in sorted(files.items()) if name.endswith(".bin"))
    outputs = ["Identity", *(f"Identity_{n}" for n in range(1, 6))]
    return {"model.onnx": _convert(document, weights, outputs, "nanodet")}


def _convert(document: Mapping[str, Any], weights: bytes, outputs: Sequence[str], name: str) -> bytes:
    builder = _Builder(name, _tensors(document, weights))
    for node in document["modelTopology"]["node"]:
        builder.add(node)
    return builder.graph.model(builder.inputs, dict.fromkeys(outputs))


def _tensors(document: Mapping[str, Any], data: bytes) -> dict[str, Array]:
    found: dict[str, Array] = {}
    at = 0
    for weight in (each for group in document["weightsManifest"] for each in group["weights"]):
        count = int(np.prod(weight["shape"]))
        packing = weight.get("quantization")
        if not packing:
            kind = np.dtype(_TYPES[weight["dtype"]])
            value: Array = np.frombuffer(data, kind, count, at)
        elif packing["dtype"] == "float16":
            kind = np.dtype("<f2")
            value = np.frombuffer(data, kind, count, at).astype("f4")
        else:
            kind = np.dtype(_QUANTIZED[packing["dtype"]])
            value = np.frombuffer(data, kind, count, at) * np.float32(packing["scale"]) + np.float32(packing["min"])
            value = value.astype("f4")
        at += count * kind.itemsize
        found[weight["name"]] = value.reshape(weight["shape"])
    return found


class _Builder:
    """Adds TensorFlow's nodes one after the other; they come in an order in which every input is known."""

    def __init__(self, name: str, weights: Mapping[str, Array]) -> None:
        self.graph = Graph(name)
        self.inputs: dict[str, Sequence[int | str]] = {}
        self._weights = weights
        self._known: dict[str, Array] = {}

    def add(self, node: Mapping[str, Any]) -> None:
        operation, name = node["op"], node["name"]
        attributes = node.get("attr", {})
        inputs = [each.removesuffix(":0") for each in node.get("input", []) if not each.startswith("^")]
        if operation == "Const":
            self._constant(name, self._weights[name])
        elif operation == "Placeholder":
            sizes = [int(each["size"]) for each in attributes["shape"]["shape"]["dim"]]
            self.inputs[name] = ["n" if size < 0 else size for size in sizes]
        elif operation in _CONSTANT and all(each in self._known for each in inputs):
            self._constant(name, _CONSTANT[operation](*(self._known[each] for each in inputs)))
        elif operation in ("Conv2D", "_FusedConv2D", "DepthwiseConv2dNative", "FusedDepthwiseConv2dNative"):
            self._convolution(name, inputs, attributes, depthwise="epthwise" in operation)
        elif operation in _SIMPLE:
            self.graph.node(_SIMPLE[operation], inputs, name)
        else:
            self._other(operation, name, inputs, attributes)

    def _constant(self, name: str, value: Array) -> None:
        self._known[name] = value
        self.graph.constant(value, name)

    def _convolution(self, name: str, inputs: Sequence[str], attributes: Mapping[str, Any], *, depthwise: bool) -> None:
        kernels = self._known[inputs[1]]
        if depthwise:
            height, width, channels, times = kernels.shape
            group, kernels = channels, kernels.transpose(2, 3, 0, 1).reshape(channels * times, 1, height, width)
        else:
            group, kernels = 1, kernels.transpose(3, 2, 0, 1)
        x = self.graph.node("Transpose", inputs[:1], perm=[0, 3, 1, 2])
        x = self.graph.node(
            "Conv",
            [x, self.graph.constant(kernels.astype("f4"))],
            kernel_shape=list(kernels.shape[2:]),
            strides=_numbers(attributes["strides"])[1:3],
            dilations=_numbers(attributes.get("dilations"), [1, 1, 1, 1])[1:3],
            group=group,
            **_borders(attributes),
        )
        x = self.graph.node("Transpose", [x], perm=[0, 2, 3, 1])
        more = list(inputs[2:])
        for fused in attributes.get("fused_ops", {}).get("list", {}).get("s", []):
            match base64.b64decode(fused):
                case b"BiasAdd":
                    x = self.graph.node("Add", [x, more.pop(0)])
                case b"Relu":
                    x = self.graph.node("Relu", [x])
                case b"Relu6":
                    x = self.graph.node("Clip", [x, *(self.graph.constant(np.array(v, "f4")) for v in (0, 6))])
                case other:
                    raise PhotoVaultError(f"the model has a layer that is not known: {other!r}")
        self.graph.node("Identity", [x], name)

    def _other(self, operation: str, name: str, inputs: Sequence[str], attributes: Mapping[str, Any]) -> None:
        graph = self.graph
        match operation:
            case "LeakyRelu":
                graph.node("LeakyRelu", inputs, name, alpha=float(attributes.get("alpha", {}).get("f", 0.2)))
            case "Mean":
                axes = [int(axis) for axis in self._known[inputs[1]].reshape(-1)]
                keep = int(bool(attributes.get("keep_dims", {}).get("b")))
                graph.node("ReduceMean", inputs[:1], name, axes=axes, keepdims=keep)
            case "Transpose":
                graph.node("Transpose", inputs[:1], name, perm=[int(a) for a in self._known[inputs[1]].reshape(-1)])
            case "Reshape":
                shape = graph.constant(self._known[inputs[1]].astype(np.int64))
                graph.node("Reshape", [inputs[0], shape], name)
            case "ConcatV2":
                graph.node("Concat", inputs[:-1], name, axis=int(self._known[inputs[-1]].reshape(-1)[0]))
            case "MaxPool":
                x = graph.node("Transpose", inputs[:1], perm=[0, 3, 1, 2])
                sizes, strides = _numbers(attributes["ksize"])[1:3], _numbers(attributes["strides"])[1:3]
                x = graph.node("MaxPool", [x], kernel_shape=sizes, strides=strides, **_borders(attributes))
                graph.node("Transpose", [x], name, perm=[0, 2, 3, 1])
            case "ResizeBilinear":
                self._resize(name, inputs, attributes)
            case "SparseToDense":  # a table of paddings
                places, shape_of, values, rest = (self._known[each] for each in inputs)
                table = np.full([int(side) for side in shape_of.reshape(-1)], rest.reshape(-1)[0], np.int64)
                table[tuple(places.reshape(-1, table.ndim).T)] = values
                self._constant(name, table)
            case "Pad" | "PadV2":
                ends = self._known[inputs[1]]
                pads = graph.constant(np.concatenate([ends[:, 0], ends[:, 1]]).astype(np.int64))
                graph.node("Pad", [inputs[0], pads, *inputs[2:]], name)
            case "SplitV":
                sizes_of = graph.constant(self._known[inputs[1]].reshape(-1).astype(np.int64))
                parts = len(self._known[inputs[1]].reshape(-1))
                results = [name, *(f"{name}:{n}" for n in range(1, parts))]
                graph.nodes("Split", [inputs[0], sizes_of], results, axis=int(self._known[inputs[2]].reshape(-1)[0]))
            case _:
                raise PhotoVaultError(f"the model has an operation that is not known: {operation}")

    def _resize(self, name: str, inputs: Sequence[str], attributes: Mapping[str, Any]) -> None:
        graph = self.graph
        x = graph.node("Transpose", inputs[:1], perm=[0, 3, 1, 2])
        ends = [graph.constant(np.array([at], np.int64)) for at in (0, 2)]
        head = graph.node("Slice", [graph.node("Shape", [x]), *ends])
        side = graph.constant(self._known[inputs[1]].reshape(-1).astype(np.int64))
        shape = graph.node("Concat", [head, side], axis=0)
        corners, half = (attributes.get(each, {}).get("b") for each in ("align_corners", "half_pixel_centers"))
        mode = "align_corners" if corners else "half_pixel" if half else "asymmetric"
        x = graph.node("Resize", [x, "", "", shape], mode="linear", coordinate_transformation_mode=mode)
        graph.node("Transpose", [x], name, perm=[0, 2, 3, 1])


def _numbers(attribute: Mapping[str, Any] | None, default: Sequence[int] = ()) -> list[int]:
    return [int(each) for each in attribute["list"].get("i", [])] if attribute else list(default)


def _borders(attributes: Mapping[str, Any]) -> dict[str, Any]:
    match base64.b64decode(attributes["padding"]["s"]):
        case b"SAME":
            return {"auto_pad": "SAME_UPPER"}
        case b"VALID":
            return {"auto_pad": "VALID"}
        case b"EXPLICIT":
            _, _, top, bottom, left, right, *_ = _numbers(attributes["explicit_paddings"])
            return {"pads": [top, left, bottom, right]}
        case other:
            raise PhotoVaultError(f"the model has a padding that is not known: {other!r}")
