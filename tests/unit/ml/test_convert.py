"""Converted networks compute what their formats say: tiny ones, written here, against numpy."""

from __future__ import annotations

import base64
import io
import json
import pickle
import struct
import zipfile
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest

from domain.errors import PhotoVaultError

pytest.importorskip("onnx", reason="onnx is not installed: pip install 'photovault[models]'")
ort = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed: pip install 'photovault[ml]'")

from adapters.ml.convert.dlib_faces import _tensors  # noqa: E402
from adapters.ml.convert.graph import Graph  # noqa: E402
from adapters.ml.convert.tfjs import _convert  # noqa: E402
from adapters.ml.convert.torch_file import read_tensors  # noqa: E402


def run(model: bytes, **inputs: Any) -> list[Any]:
    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    found: list[Any] = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"]).run(None, inputs)
    return found


def test_a_graph_keeps_only_what_leads_to_its_outputs_and_is_the_same_each_time() -> None:
    def build() -> bytes:
        graph = Graph("g")
        graph.node("Mul", ["x", graph.constant(np.float32([9]))], "unused")
        graph.node("Add", ["x", graph.constant(np.float32([2]))], "y")
        return graph.model({"x": ("n",)}, {"y": ("n",)})

    assert build() == build()
    assert b"unused" not in build()
    assert run(build(), x=np.float32([1, 5]))[0].tolist() == [3, 7]


class _Storage:
    """Stands for a torch storage while a checkpoint is pickled."""


def checkpoint(tensors: dict[str, np.ndarray[Any, Any]], how: str) -> bytes:
    """A checkpoint as PyTorch writes it, in the zip format or the one before it; the second tensor is transposed."""

    class Pickler(pickle._Pickler):  # type: ignore[name-defined, misc]
        def persistent_id(self, thing: Any) -> Any:
            return thing.pid if isinstance(thing, _Storage) else None

        def save_global(self, thing: Any, name: str | None = None) -> None:
            if isinstance(thing, _Global):
                self.write(b"c" + thing.where.encode() + b"\n" + thing.name.encode() + b"\n")
                self.memoize(thing)
            else:
                super().save_global(thing, name)

        def save(self, thing: Any, save_persistent_id: bool = True) -> None:
            if isinstance(thing, _Global):
                self.save_global(thing)
            elif isinstance(thing, _Rebuilt):
                self.save(_Global("torch._utils", "_rebuild_tensor_v2"))
                self.save(thing.arguments)
                self.write(b"R")
            else:
                super().save(thing, save_persistent_id)

    state: OrderedDict[str, Any] = OrderedDict()
    for key, (name, value) in enumerate(tensors.items()):
        storage = _Storage()
        storage.pid = ("storage", _Global("torch", "FloatStorage"), str(key), "cpu", value.size)  # type: ignore[attr-defined]
        stride = tuple(step // 4 for step in value.strides)
        state[name] = _Rebuilt((storage, 0, value.shape, stride, False, OrderedDict()))

    def pickled(thing: Any) -> bytes:
        buffer = io.BytesIO()
        Pickler(buffer, protocol=2).dump(thing)
        return buffer.getvalue()

    raw = [np.asarray(value.base if value.base is not None else value).tobytes() for value in tensors.values()]
    if how == "zip":
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as packed:
            packed.writestr("archive/data.pkl", pickled(state))
            for key, data in enumerate(raw):
                packed.writestr(f"archive/data/{key}", data)
        return buffer.getvalue()
    head = b"".join(pickle.dumps(each, 2) for each in (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True}))
    keys = pickle.dumps([str(key) for key in range(len(raw))], 2)
    return head + pickled(state) + keys + b"".join(struct.pack("<q", len(data) // 4) + data for data in raw)


class _Global:
    def __init__(self, where: str, name: str) -> None:
        self.where, self.name = where, name


class _Rebuilt:
    def __init__(self, arguments: tuple[Any, ...]) -> None:
        self.arguments = arguments


@pytest.mark.parametrize("how", ["zip", "stream"])
def test_tensors_of_a_checkpoint_are_read_with_their_strides(how: str) -> None:
    plain = np.arange(6, dtype="<f4").reshape(2, 3)
    turned = np.arange(12, dtype="<f4").reshape(3, 4).T
    found = read_tensors(checkpoint({"plain": plain, "turned": turned}, how))
    assert found["plain"].tolist() == plain.tolist()
    assert found["turned"].tolist() == turned.tolist()


def test_a_checkpoint_that_names_anything_but_tensors_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        packed.writestr("archive/data.pkl", b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(pickle.UnpicklingError, match=r"no use for os\.system"):
        read_tensors(buffer.getvalue())


def test_tensors_of_a_dlib_dump_are_found_by_their_sizes_and_noise_between_them_is_not() -> None:
    def dumped(*sizes: int) -> bytes:
        values = np.linspace(-1, 1, int(np.prod(sizes)), dtype="<f4")
        return b"\x01\x02" + b"".join(bytes([2]) + size.to_bytes(2, "little") for size in sizes) + values.tobytes()

    data = b"\x01\x02\x01\x03noise" + dumped(2, 3, 4, 5) + b"\x01\x02" + dumped(1, 64, 1, 1) + b"\x01\x02\x01"
    assert [len(values) for values in _tensors(data)] == [120, 64]


def tfjs(nodes: list[dict[str, Any]], weights: dict[str, np.ndarray[Any, Any]]) -> tuple[dict[str, Any], bytes]:
    manifest = [{"name": n, "shape": list(v.shape), "dtype": v.dtype.name} for n, v in weights.items()]
    constants = [{"name": name, "op": "Const"} for name in weights]
    start = {
        "name": "x",
        "op": "Placeholder",
        "attr": {"shape": {"shape": {"dim": [{"size": s} for s in (1, 5, 5, 2)]}}},
    }
    topology = {"node": [start, *constants, *nodes]}
    return {"modelTopology": topology, "weightsManifest": [{"weights": manifest}]}, b"".join(
        v.tobytes() for v in weights.values()
    )


def test_a_convolution_of_tensorflow_keeps_its_order_of_axes_its_padding_and_its_fused_layers() -> None:
    rng = np.random.default_rng(1)
    kernel, bias = rng.normal(size=(3, 3, 2, 4)).astype("f4"), rng.normal(size=4).astype("f4")
    coded = {name: base64.b64encode(name.encode()).decode() for name in ("SAME", "BiasAdd", "Relu")}
    attributes = {
        "strides": {"list": {"i": ["1", "1", "1", "1"]}},
        "padding": {"s": coded["SAME"]},
        "fused_ops": {"list": {"s": [coded["BiasAdd"], coded["Relu"]]}},
    }
    node = {"name": "y", "op": "_FusedConv2D", "input": ["x", "kernel", "bias"], "attr": attributes}
    document, data = tfjs([node], {"kernel": kernel, "bias": bias})
    x = rng.normal(size=(1, 5, 5, 2)).astype("f4")
    [found] = run(_convert(json.loads(json.dumps(document)), data, ["y"], "g"), x=x)
    wide = np.pad(x[0], ((1, 1), (1, 1), (0, 0)))
    expected = np.zeros((5, 5, 4))
    for row in range(5):
        for column in range(5):
            window = wide[row : row + 3, column : column + 3]
            expected[row, column] = np.maximum(0, np.tensordot(window, kernel, 3) + bias)
    assert found.shape == (1, 5, 5, 4)
    assert np.allclose(found[0], expected, atol=1e-4)


def test_an_operation_that_is_not_known_is_named() -> None:
    document, data = tfjs([{"name": "y", "op": "Einsum", "input": ["x"]}], {"k": np.float32([1])})
    with pytest.raises(PhotoVaultError, match="not known: Einsum"):
        _convert(document, data, ["y"], "g")
