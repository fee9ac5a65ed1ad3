"""Read the tensors of a PyTorch checkpoint without PyTorch: a pickle that may name nothing but tensors and storages."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from adapters.ml.convert.graph import Array

__all__ = ["read_tensors"]

_STORAGES: dict[str, np.dtype[Any]] = {
    "FloatStorage": np.dtype("<f4"),
    "HalfStorage": np.dtype("<f2"),
    "DoubleStorage": np.dtype("<f8"),
    "LongStorage": np.dtype("<i8"),
    "IntStorage": np.dtype("<i4"),
    "ByteStorage": np.dtype("u1"),
}


class _Tensor(NamedTuple):
    storage: tuple[str, str]  # class and key
    offset: int
    size: tuple[int, ...]
    stride: tuple[int, ...]


class _Unpickler(pickle.Unpickler):
    """Knows the few names that a checkpoint of plain tensors needs, and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda storage, offset, size, stride, *_: _Tensor(storage, offset, size, stride)
        if module == "torch" and name in _STORAGES:
            return name
        raise pickle.UnpicklingError(f"a checkpoint of tensors has no use for {module}.{name}")

    def persistent_load(self, pid: Any) -> tuple[str, str]:
        _, storage, key, *_ = pid
        return storage, key


def read_tensors(data: bytes) -> dict[str, Array]:
    """Name -> tensor, of a file in the zip format (PyTorch 1.6 and later) or in the one before it."""
    named, storage_of = _from_zip(data) if data[:2] == b"PK" else _from_stream(data)
    return {name: _view(tensor, storage_of(*tensor.storage)) for name, tensor in named.items()}


def _view(tensor: _Tensor, storage: Array) -> Array:
    steps = [step * storage.itemsize for step in tensor.stride]
    return np.lib.stride_tricks.as_strided(storage[tensor.offset :], tensor.size, steps).copy()


def _from_zip(data: bytes) -> tuple[dict[str, _Tensor], Callable[[str, str], Array]]:
    archive = zipfile.ZipFile(io.BytesIO(data))
    index = next(name for name in archive.namelist() if name.endswith("data.pkl"))
    folder = index.removesuffix("data.pkl")
    named = _Unpickler(io.BytesIO(archive.read(index))).load()
    return named, lambda kind, key: np.frombuffer(archive.read(f"{folder}data/{key}"), _STORAGES[kind])


def _from_stream(data: bytes) -> tuple[dict[str, _Tensor], Callable[[str, str], Array]]:
    """Three pickles of no interest, the tensors, the keys of the storages, and the storages one behind the other."""
    stream = io.BytesIO(data)
    for _ in range(3):
        _Unpickler(stream).load()
    named: dict[str, _Tensor] = _Unpickler(stream).load()
    kinds = {tensor.storage[1]: _STORAGES[tensor.storage[0]] for tensor in named.values()}
    storages = {}
    for key in _Unpickler(stream).load():
        (count,) = struct.unpack("<q", stream.read(8))
        storages[key] = np.frombuffer(stream.read(count * kinds[key].itemsize), kinds[key])
    return named, lambda _, key: storages[key]
