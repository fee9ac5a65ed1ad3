"""A user's pair of models for pictures and words, generated here: colours in one space with their names."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx", reason="onnx is in the extra `models`")
pytest.importorskip("tokenizers", reason="tokenizers is in the extra `ml`")

from adapters.ml.convert.graph import Graph
from adapters.ml.pair import ImageTextPair, pair_in
from domain.errors import InvalidInput
from photovault.config import Settings
from photovault.importer import import_files
from photovault.meaning import embedder_of
from photovault.runtime import Runtime
from photovault.searching import search
from photovault.vault import Vault

MANIFEST = """
name = "colours"
version = "2"
image_output = "seen"
text_output = "meant"
tokens = 4
least = 0.9
[input]
width = 32
height = 32
"""
COLOURS = {"red": (250, 5, 5), "green": (5, 250, 5), "blue": (5, 5, 250)}


def _pair(folder: Path, manifest: str = MANIFEST) -> Path:
    """The image's vector is its mean colour; the text's is the sum of its words' colours."""
    place = folder / "colours"
    place.mkdir(parents=True)
    image = Graph("image")
    image.node("ReduceMean", ["pixels"], "seen", axes=[2, 3], keepdims=0)
    (place / "image.onnx").write_bytes(image.model({"pixels": ("n", 3, 32, 32)}, {"seen": ("n", 3)}))
    from onnx import TensorProto, helper, numpy_helper, save

    words = ["[PAD]", "[UNK]", *COLOURS, "crimson"]
    rows = [(0, 0, 0), (0, 0, 0), *((c / 255 for c in colour) for colour in COLOURS.values()), (0.9, 0, 0.1)]
    table = numpy_helper.from_array(np.array([list(row) for row in rows], "f4"), "table")
    graph = helper.make_graph(
        [
            helper.make_node("Gather", ["table", "ids"], ["states"]),
            helper.make_node("ReduceMean", ["states"], ["meant"], axes=[1], keepdims=0),
        ],
        "text",
        [helper.make_tensor_value_info("ids", TensorProto.INT64, ["n", 4])],
        [helper.make_tensor_value_info("meant", TensorProto.FLOAT, ["n", 3])],
        [table],
    )
    opset = helper.make_opsetid("", 17)
    save(helper.make_model(graph, opset_imports=[opset], ir_version=8), str(place / "text.onnx"))
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordLevel", "vocab": {w: i for i, w in enumerate(words)}, "unk_token": "[UNK]"},
    }
    (place / "tokenizer.json").write_text(json.dumps(tokenizer))
    (place / "pair.toml").write_text(manifest)
    return place


def _photo(place: Path, colour: tuple[int, int, int]) -> Path:
    Image.new("RGB", (320, 240), colour).save(place, quality=95)
    return place


def test_a_picture_is_near_its_words_and_far_from_others(tmp_path: Path) -> None:
    pair = ImageTextPair(_pair(tmp_path))
    seen = pair.see(_photo(tmp_path / "a.jpg", COLOURS["red"]))
    near = [
        sum(a * b for a, b in zip(seen, vector, strict=True)) for vector in pair.embed(["crimson", "green", "blue"])
    ]
    assert near[0] > 0.95
    assert max(near[1:]) < 0.2
    assert (pair.model.name, pair.model.version, pair.least) == ("colours", "2", 0.9)


def test_the_whole_way_from_a_photo_to_the_words_that_find_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _pair(tmp_path / "models" / "custom")
    monkeypatch.setenv("PHOTOVAULT_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("PHOTOVAULT_TAGGER", "off")
    photos = [_photo(tmp_path / f"IMG_{i}.jpg", colour) for i, colour in enumerate(COLOURS.values())]
    with Vault(Settings(tmp_path / "vault", "me", 1), create=True) as vault:
        import_files(vault, photos)
        Runtime(vault).run()

        def found(text: str) -> list[str]:
            return [item["file_name"] for item in search(vault, text, date(2026, 11, 24)).items]

        assert found("crimson") == ["IMG_0.jpg"]
        assert found("blue") == ["IMG_2.jpg"]
        assert found("green type:video") == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (MANIFEST.replace('image_output = "seen"', 'image_output = "seen"\nimage = "../image.onnx"'), "names a file"),
        (MANIFEST.replace('image_output = "seen"', 'image_output = "seen"\ntext = "lost.onnx"'), "no file lost"),
        (MANIFEST.replace("least = 0.9", "least = 7"), "least"),
        (MANIFEST.replace("width = 32", "width = 32\nscale = [0.0, 1.0, 1.0]"), "divides by nothing"),
    ],
)
def test_a_manifest_that_can_t_be_used_says_why(tmp_path: Path, wrong: str, says: str) -> None:
    with pytest.raises(InvalidInput, match=says):
        ImageTextPair(_pair(tmp_path, wrong))


def test_a_model_that_is_not_as_its_manifest_says_is_refused(tmp_path: Path) -> None:
    pair = ImageTextPair(_pair(tmp_path, MANIFEST.replace('"meant"', '"else"')))
    with pytest.raises(InvalidInput, match="can't be run"):
        pair.embed(["red"])


def test_one_pair_can_be_used_and_none_need_be(tmp_path: Path) -> None:
    assert pair_in(tmp_path / "custom") is None
    _pair(tmp_path / "custom")
    assert isinstance(embedder_of({"PHOTOVAULT_MODELS": str(tmp_path)}), ImageTextPair)
    _pair(tmp_path / "custom" / "again").rename(tmp_path / "custom" / "second")
    with pytest.raises(InvalidInput, match="2 pairs"):
        pair_in(tmp_path / "custom")
