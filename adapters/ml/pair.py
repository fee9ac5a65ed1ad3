"""A user's own pair of ONNX models that puts pictures and words into one space, as CLIP does: search then compares the
question with the picture itself, not with its labels.

    <models>/custom/clip/pair.toml         see docs/search.md
    <models>/custom/clip/image.onnx, text.onnx, tokenizer.json

The same limits hold as for other models of the user's own (adapters/ml/custom.py).
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta, Struct

from adapters.ml.custom import Input, Name, beside, pixels_for, read_manifest
from adapters.ml.pictures import Array, open_jpeg
from adapters.ml.sessions import session
from domain.errors import InvalidInput
from domain.recognition import ModelUse

__all__ = ["ImageTextPair", "PairManifest", "pair_in"]

MANIFEST = "pair.toml"


class PairManifest(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `pair.toml`."""

    name: Name
    version: Annotated[str, Meta(pattern=r"^[0-9][A-Za-z0-9._-]{0,31}$")]
    input: Input
    image_output: str  # of the image's model: [1, numbers]
    text_output: str  # of the text's model: [texts, numbers], as many
    image: str = "image.onnx"
    text: str = "text.onnx"
    tokenizer: str = "tokenizer.json"
    tokens: Annotated[int, Meta(ge=2, le=512)] = 77
    padded: bool = True  # every text to so many tokens; else to the longest
    least: Annotated[float, Meta(gt=0, lt=1)] = 0.2  # cosine from which a picture is found


def pair_in(folder: Path) -> ImageTextPair | None:
    """The pair in a folder below this one; None when there is none.

    Raises:
        InvalidInput: its manifest can't be used, or there are several.
    """
    manifests = sorted(folder.glob(f"*/{MANIFEST}")) if folder.is_dir() else []
    if len(manifests) > 1:
        raise InvalidInput(f"{folder} has {len(manifests)} pairs of models; one can be used")
    return ImageTextPair(manifests[0].parent) if manifests else None


class ImageTextPair:
    """`domain.ports.PictureEmbedder` with the user's models. Safe to share between threads; loaded by the first call.

    Raises:
        InvalidInput: the manifest or one of the files can't be used.
    """

    def __init__(self, folder: Path) -> None:
        self.manifest = read_manifest(folder / MANIFEST, PairManifest)
        named = (self.manifest.image, self.manifest.text, self.manifest.tokenizer)
        self._image, self._text, self._words = (beside(folder / MANIFEST, each) for each in named)
        self._lock = threading.Lock()

    @property
    def model(self) -> ModelUse:
        """See `TextEmbedder.model`."""
        return ModelUse(self.manifest.name, self.manifest.version)

    @property
    def least(self) -> float:
        """See `PictureEmbedder.least`."""
        return self.manifest.least

    def see(self, picture: Path) -> Sequence[float]:
        """See `PictureEmbedder.see`."""
        with self._lock:
            loaded = self._sessions[0]
        values = pixels_for(open_jpeg(picture), self.manifest.input)
        [vector] = self._run(loaded, {loaded.get_inputs()[0].name: values}, self.manifest.image_output, 1)
        return vector

    def embed(self, texts: Sequence[str]) -> Sequence[Sequence[float]]:
        """See `TextEmbedder.embed`."""
        with self._lock:
            _, loaded, tokenizer = self._sessions
        tokens = tokenizer.encode_batch(list(texts))
        given = {
            "input_ids": [each.ids for each in tokens],
            "attention_mask": [each.attention_mask for each in tokens],
        }
        kinds = {each.name: np.int32 if "int32" in each.type else np.int64 for each in loaded.get_inputs()}
        if len(kinds) == 1:
            given = dict.fromkeys(kinds, given["input_ids"])
        feeds = {name: np.array(given[name], kind) for name, kind in kinds.items() if name in given}
        return self._run(loaded, feeds, self.manifest.text_output, len(texts))

    def _run(self, loaded: Any, feeds: dict[str, Array], output: str, count: int) -> list[tuple[float, ...]]:
        try:
            [made] = loaded.run([output], feeds)
        except Exception as refused:  # whatever the runtime raises is about this model: it has no errors of ours
            raise InvalidInput(f"the model {self.manifest.name} can't be run: {str(refused)[:300]}") from refused
        rows = np.nan_to_num(np.asarray(made, np.float32))
        if rows.ndim != 2 or len(rows) != count or not 2 <= rows.shape[1] <= 4096:
            raise InvalidInput(f"the model {self.manifest.name} gives {rows.shape} for {count}: not a vector for each")
        lengths = np.maximum(np.sqrt((rows**2).sum(1, keepdims=True)), 1e-9)
        return list(map(tuple, (rows / lengths).tolist()))

    @cached_property
    def _sessions(self) -> tuple[Any, Any, Any]:
        from tokenizers import Tokenizer

        try:
            tokenizer = Tokenizer.from_file(str(self._words))
        except Exception as refused:  # tokenizers raises nothing narrower
            raise InvalidInput(f"{self._words} is no tokenizer: {str(refused)[:300]}") from refused
        tokenizer.enable_truncation(self.manifest.tokens)
        padding = tokenizer.padding or {}
        length = self.manifest.tokens if self.manifest.padded else None
        tokenizer.enable_padding(
            length=length, pad_id=padding.get("pad_id", 0), pad_token=padding.get("pad_token", "[PAD]")
        )
        return session(self._image.read_bytes()), session(self._text.read_bytes()), tokenizer
