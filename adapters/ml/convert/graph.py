"""Writing an ONNX graph node by node; the same calls give the same bytes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

__all__ = ["Array", "Graph"]

Array = np.ndarray[Any, np.dtype[Any]]

OPSET = 13
IR_VERSION = 8


class Graph:
    """A graph under construction. Constants and results are known by their names."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._nodes: list[Any] = []
        self._constants: dict[str, Array] = {}
        self._count = 0

    def constant(self, value: Array, name: str | None = None) -> str:
        """Keep a tensor; its name."""
        name = name or self._next("k")
        self._constants[name] = np.ascontiguousarray(value)
        return name

    def node(self, operator: str, inputs: Sequence[str], output: str | None = None, **attributes: Any) -> str:
        """Add an operation with one result; the result's name."""
        output = output or self._next("t")
        self._nodes.append(helper.make_node(operator, list(inputs), [output], **attributes))
        return output

    def nodes(self, operator: str, inputs: Sequence[str], outputs: Sequence[str], **attributes: Any) -> None:
        """Add an operation with several results."""
        self._nodes.append(helper.make_node(operator, list(inputs), list(outputs), **attributes))

    def model(
        self, inputs: Mapping[str, Sequence[int | str]], outputs: Mapping[str, Sequence[int | str] | None]
    ) -> bytes:
        """The finished model, checked, with only what leads to its outputs.

        Args:
            inputs: name -> shape of a float32 input; a word is a size that is told at each run.
            outputs: the same; None: a shape that onnx works out.
        """
        made = {name: node for node in self._nodes for name in node.output}
        wanted, needed = list(outputs), set[str]()
        while wanted:
            node = made.get(wanted.pop())
            if node is not None and node.output[0] not in needed:
                needed |= set(node.output)
                wanted += node.input
        nodes = [node for node in self._nodes if node.output[0] in needed]
        used = {name for node in nodes for name in node.input}
        graph = helper.make_graph(
            nodes,
            self._name,
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, list(shape)) for n, shape in inputs.items()],
            [helper.make_tensor_value_info(n, TensorProto.FLOAT, s and list(s)) for n, s in outputs.items()],
            [numpy_helper.from_array(value, name) for name, value in self._constants.items() if name in used],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="photovault")
        model.ir_version = IR_VERSION
        for at, output in enumerate(onnx.shape_inference.infer_shapes(model).graph.output):
            model.graph.output[at].CopyFrom(output)
        onnx.checker.check_model(model)
        written: bytes = model.SerializeToString(deterministic=True)
        return written

    def _next(self, kind: str) -> str:
        self._count += 1
        return f"{kind}{self._count}"
