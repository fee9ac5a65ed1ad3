"""A user's own ONNX model: a folder with the model and a manifest that says what goes in and what comes out.

    <models>/custom/feeder/model.toml      name = "feeder", version = "3", kind = "detector", labels = [...]
    <models>/custom/feeder/birds.onnx      file = "birds.onnx"

Nothing outside the folder is read, sizes have limits, the model is loaded from memory (so that it can name no other
file), no library of operators of its own is ever loaded, and whatever it answers is checked before it becomes a tag.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import msgspec
import numpy as np
from msgspec import Meta, Struct
from PIL import Image

from adapters.ml.detection import box_of, suppress
from adapters.ml.pictures import Array, centre, scaled
from adapters.ml.sessions import session
from domain.errors import InvalidInput
from domain.recognition import ModelUse, Tag, TagKind

__all__ = ["CustomModel", "Input", "Manifest", "beside", "custom_models", "pixels_for", "read_manifest"]

MANIFEST = "model.toml"
MAX_MODEL_BYTES = 512 * 1024 * 1024
MAX_MANIFEST_BYTES = 2 * 1024 * 1024
MAX_MODELS = 8
_MAX_CANDIDATES = 20_000
_MAX_FOUND = 50
_OVERLAP = 0.5

Side = Annotated[int, Meta(ge=16, le=2048)]
Name = Annotated[str, Meta(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]
Label = Annotated[str, Meta(min_length=1, max_length=100)]
Three = tuple[float, float, float]
_Manifest = TypeVar("_Manifest", bound=Struct)


class Input(Struct, frozen=True, forbid_unknown_fields=True):
    """What the model takes: one picture, (value - mean) / scale of 0 to 255."""

    width: Side
    height: Side
    layout: Literal["nchw", "nhwc"] = "nchw"
    colours: Literal["rgb", "bgr"] = "rgb"
    mean: Three = (0.0, 0.0, 0.0)
    scale: Three = (255.0, 255.0, 255.0)
    fit: Literal["stretch", "centre"] = "stretch"  # a classifier may look at the middle alone


class Output(Struct, frozen=True, forbid_unknown_fields=True):
    """What the model gives, by the names of its outputs."""

    scores: str  # classifier: [1, labels]; detector: [1, boxes, labels], or [1, boxes] beside `classes`
    boxes: str | None = None  # detector: [1, boxes, 4]
    classes: str | None = None  # detector: [1, boxes], numbers of labels
    activation: Literal["none", "softmax", "sigmoid"] = "none"
    box_format: Literal["corners", "centre"] = "corners"  # left, top, right, bottom; or middle, width, height
    box_unit: Literal["share", "pixels"] = "pixels"  # of the input


class Manifest(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `model.toml`."""

    name: Name
    version: Annotated[str, Meta(pattern=r"^[0-9][A-Za-z0-9._-]{0,31}$")]
    kind: Literal["classifier", "detector"]
    labels: Annotated[tuple[Label, ...], Meta(min_length=1, max_length=20_000)]
    input: Input
    output: Output
    file: str = "model.onnx"
    sha256: Annotated[str, Meta(pattern="^[0-9a-f]{64}$")] | None = None
    threshold: Annotated[float, Meta(ge=0, le=1)] = 0.5
    tags: TagKind = "object"


def custom_models(folder: Path) -> list[CustomModel]:
    """The models in the folders below one, by name; none when it is not there.

    Raises:
        InvalidInput: a manifest can't be used; says which and why.
    """
    manifests = sorted(folder.glob(f"*/{MANIFEST}")) if folder.is_dir() else []
    if len(manifests) > MAX_MODELS:
        raise InvalidInput(f"{folder} has {len(manifests)} models; {MAX_MODELS} can be used at once")
    models = [CustomModel(manifest.parent) for manifest in manifests]
    names = [model.manifest.name for model in models]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise InvalidInput(f"{folder} has two models that are called {twice[0]}")
    return models


class CustomModel:
    """One model. The manifest is read at once, the model at its first picture.

    Raises:
        InvalidInput: the manifest or the model's file can't be used.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.manifest = _read(folder / MANIFEST)
        self.use = ModelUse(self.manifest.name, self.manifest.version)
        _ = self._path

    def tags(self, picture: Image.Image) -> list[Tag]:
        """What the model sees.

        Raises:
            InvalidInput: its outputs are not what the manifest says.
        """
        taken = self.manifest.input
        if self.manifest.kind == "detector":
            taken = msgspec.structs.replace(taken, fit="stretch")
        values = pixels_for(picture, taken)
        wanted = [name for name in (self.manifest.output.scores, self.manifest.output.boxes) if name]
        if self.manifest.output.classes:
            wanted.append(self.manifest.output.classes)
        try:
            given = self._session.run(wanted, {self._input: values})
        except Exception as refused:  # whatever the runtime raises is about this model: it has no errors of ours
            raise InvalidInput(f"the model {self.manifest.name} can't be run: {str(refused)[:300]}") from refused
        outputs = dict(zip(wanted, given, strict=True))
        try:
            return self._classified(outputs) if self.manifest.kind == "classifier" else self._located(outputs)
        except ValueError as odd:  # shapes that do not fit, outputs that are no numbers
            raise self._odd(f"gives what can't be read ({str(odd)[:200]})") from odd

    def _classified(self, outputs: dict[str, Array]) -> list[Tag]:
        labels = self.manifest.labels
        scores = self._activated(_numbers(outputs[self.manifest.output.scores]).reshape(-1))
        if len(scores) != len(labels):
            raise self._odd(f"gives {len(scores)} scores for {len(labels)} labels")
        best = np.argsort(-scores, kind="stable")[:_MAX_FOUND]
        return [self._tag(int(at), scores[at]) for at in best if scores[at] >= self.manifest.threshold]

    def _located(self, outputs: dict[str, Array]) -> list[Tag]:
        asked = self.manifest.output
        boxes = _numbers(outputs[asked.boxes or ""]).reshape(-1, 4)[:_MAX_CANDIDATES]
        scores = self._activated(_numbers(outputs[asked.scores]))
        if asked.classes:
            kinds = _numbers(outputs[asked.classes]).reshape(-1).astype(np.int64)[:_MAX_CANDIDATES]
            sure = scores.reshape(-1)[:_MAX_CANDIDATES]
        else:
            table = scores.reshape(-1, len(self.manifest.labels))[:_MAX_CANDIDATES] if scores.size else scores
            kinds, sure = (table.argmax(1), table.max(1)) if table.size else (np.zeros(0, np.int64), np.zeros(0))
        if not len(boxes) == len(sure) == len(kinds):
            raise self._odd(f"gives {len(boxes)} boxes, {len(sure)} scores and {len(kinds)} classes")
        kept = (sure >= self.manifest.threshold) & (kinds >= 0) & (kinds < len(self.manifest.labels))
        boxes, sure, kinds = self._shares(boxes[kept]), sure[kept], kinds[kept]
        return [self._tag(int(kinds[at]), sure[at], boxes[at]) for at in suppress(boxes, sure, kinds, _OVERLAP)][
            :_MAX_FOUND
        ]

    def _shares(self, boxes: Array) -> Array:
        if self.manifest.output.box_format == "centre":
            middle, half = boxes[:, :2], boxes[:, 2:] / 2
            boxes = np.concatenate([middle - half, middle + half], 1)
        if self.manifest.output.box_unit == "pixels":
            sides = (self.manifest.input.width, self.manifest.input.height)
            boxes = boxes / np.array(sides * 2, np.float32)
        return np.clip(boxes, 0.0, 1.0)

    def _activated(self, scores: Array) -> Array:
        match self.manifest.output.activation:
            case "softmax":
                powers = np.exp(scores - scores.max(-1, keepdims=True))
                return np.asarray(powers / powers.sum(-1, keepdims=True))
            case "sigmoid":
                return np.asarray(1 / (1 + np.exp(-np.clip(scores, -60, 60))))
            case _:
                return scores

    def _tag(self, label: int, score: float, box: Array | None = None) -> Tag:
        name = self.manifest.labels[label].lower()
        where = box_of(box) if box is not None else None
        model = f"{self.use.name} {self.use.version}"
        return Tag(name, self.manifest.tags, round(min(1.0, max(0.0, float(score))), 4), model, where)

    def _odd(self, what: str) -> InvalidInput:
        return InvalidInput(f"the model {self.manifest.name} {what}: its manifest does not describe it")

    @cached_property
    def _path(self) -> Path:
        return beside(self._folder / MANIFEST, self.manifest.file)

    @cached_property
    def _session(self) -> Any:
        data = self._path.read_bytes()
        if self.manifest.sha256 and hashlib.sha256(data).hexdigest() != self.manifest.sha256:
            raise InvalidInput(f"{self._path} is not the file that its manifest names: the SHA-256 differs")
        return session(data)

    @cached_property
    def _input(self) -> str:
        return str(self._session.get_inputs()[0].name)


def _numbers(output: Any) -> Array:
    """An output as finite numbers; what is not a number counts as nothing."""
    return np.nan_to_num(np.asarray(output, np.float32), nan=0.0, posinf=0.0, neginf=0.0)


def pixels_for(picture: Image.Image, taken: Input) -> Array:
    """A picture as a model takes it: one of a batch, float32."""
    shown = centre(picture) if taken.fit == "centre" else picture
    pixels = scaled(shown, taken.width, taken.height)
    if taken.colours == "bgr":
        pixels = pixels[..., ::-1]
    values = (pixels - np.array(taken.mean, np.float32)) / np.array(taken.scale, np.float32)
    if taken.layout == "nchw":
        values = values.transpose(2, 0, 1)
    return np.ascontiguousarray(values[None], np.float32)


def beside(manifest: Path, named: str) -> Path:
    """A file that a manifest names.

    Raises:
        InvalidInput: it is not a file beside the manifest, or too large.
    """
    path = manifest.parent / named
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}", named, re.ASCII):
        raise InvalidInput(f"{manifest}: file is {named!r}; it names a file beside the manifest")
    if path.is_symlink() or not path.is_file():
        raise InvalidInput(f"{manifest}: there is no file {named} beside it")
    if path.stat().st_size > MAX_MODEL_BYTES:
        raise InvalidInput(f"{path} is larger than {MAX_MODEL_BYTES >> 20} MB")
    return path


def read_manifest(path: Path, kind: type[_Manifest]) -> _Manifest:
    """A manifest, checked.

    Raises:
        InvalidInput: it can't be used; says why.
    """
    if path.is_symlink() or path.stat().st_size > MAX_MANIFEST_BYTES:
        raise InvalidInput(f"{path} is a link, or larger than {MAX_MANIFEST_BYTES >> 20} MB")
    try:
        manifest = msgspec.toml.decode(path.read_bytes(), type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, ValueError) as wrong:
        raise InvalidInput(f"{path} can't be used: {wrong}") from wrong
    if 0.0 in manifest.input.scale:  # type: ignore[attr-defined]
        raise InvalidInput(f"{path} can't be used: a scale of 0 divides by nothing")
    return manifest


def _read(path: Path) -> Manifest:
    manifest = read_manifest(path, Manifest)
    if manifest.kind == "detector" and manifest.output.boxes is None:
        raise InvalidInput(f"{path} can't be used: a detector's output needs `boxes`")
    return manifest


def tags_of(models: Sequence[CustomModel], picture: Image.Image) -> list[Tag]:
    """What several models see in one picture."""
    return [tag for model in models for tag in model.tags(picture)]
