"""MiniLM: near for the same meaning. With a tiny model and tokenizer made here, and the real one where installed."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from adapters.ml.store import ModelStore
from adapters.ml.text import MODEL, MiniLm
from photovault.config import models_folder

onnx = pytest.importorskip("onnx", reason="onnx is in the extra `models`")
pytest.importorskip("tokenizers", reason="tokenizers is in the extra `ml`")


def _tiny(folder: Path) -> MiniLm:
    """Tokens are words; a token's state is its row of an identity matrix."""
    words = ["[PAD]", "[UNK]", "dog", "cat", "car"]
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(words)}, "unk_token": "[UNK]"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    from onnx import TensorProto, helper, numpy_helper

    table = numpy_helper.from_array(np.eye(len(words), dtype=np.float32), "table")
    graph = helper.make_graph(
        [helper.make_node("Gather", ["table", "input_ids"], ["states"])],
        "tiny",
        [helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "tokens"])],
        [helper.make_tensor_value_info("states", TensorProto.FLOAT, ["batch", "tokens", len(words)])],
        [table],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, str(folder / "model.onnx"))
    return MiniLm(folder / "model.onnx", folder / "tokenizer.json", "1")


def test_a_text_is_the_mean_of_its_tokens_and_padding_counts_for_nothing(tmp_path: Path) -> None:
    short, long = _tiny(tmp_path).embed(["dog", "dog cat"])
    assert short == pytest.approx((0, 0, 1, 0, 0))
    assert long == pytest.approx((0, 0, math.sqrt(0.5), math.sqrt(0.5), 0))


def test_texts_come_back_in_their_order_also_when_some_are_remembered(tmp_path: Path) -> None:
    texts = _tiny(tmp_path)
    [dog] = texts.embed(["dog"])
    assert texts.embed(["cat", "dog", "cat"]) == [texts.embed(["cat"])[0], dog, texts.embed(["cat"])[0]]


def test_the_real_model_knows_what_is_near() -> None:
    texts = MiniLm.of(ModelStore(models_folder()))
    if texts is None:
        pytest.skip(f"{MODEL} is not installed: photovault models install {MODEL}")
    kitten, cat, lorry = (np.array(v) for v in texts.embed(["kitten", "cat", "lorry"]))
    assert kitten @ cat > 0.6 > kitten @ lorry
    assert np.linalg.norm(cat) == pytest.approx(1, abs=1e-4)
