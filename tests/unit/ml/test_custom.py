"""A user's own model: what its manifest may say, what it sees, and what it can't reach."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from adapters.local.checkpoints import SqliteCheckpoints
from adapters.ml.convert.graph import Graph
from adapters.ml.custom import MAX_MODELS, CustomModel, custom_models
from adapters.ml.store import ModelStore
from adapters.ml.vision import OnnxTagger
from domain.errors import InvalidInput
from domain.recognition import Box, ModelUse
from photovault.recognition import tagger_of

RED, BLUE = (250, 5, 5), (5, 5, 250)


def classifier() -> bytes:
    """Two logits: how red the picture is, and how blue."""
    graph = Graph("own")
    means = graph.node("ReduceMean", ["x"], axes=[2, 3], keepdims=0)
    weights = np.array([[8, 0], [0, 0], [0, 8]], "f4")
    graph.node("MatMul", [means, graph.constant(weights)], "logits")
    return graph.model({"x": ["n", 3, 32, 32]}, {"logits": ["n", 2]})


def detector() -> bytes:
    """Three boxes in pixels, two of them the same thing; scored by how red the picture is."""
    graph = Graph("own")
    red = graph.node("ReduceMean", [graph.node("Slice", ["x", *(_ints(graph, n) for n in (0, 1, 3))])], keepdims=0)
    boxes = np.array([[[8, 8, 24, 24], [8, 9, 24, 25], [0, 0, 64, 8]]], "f4")
    scores = np.array([[[0.9, 0.0], [0.8, 0.0], [0.0, 0.7]]], "f4")
    graph.node("Identity", [graph.constant(boxes)], "boxes")
    graph.node("Mul", [graph.constant(scores), red], "scores")
    return graph.model({"x": ["n", 32, 64, 3]}, {"boxes": [1, 3, 4], "scores": [1, 3, 2]})


def _ints(graph: Graph, value: int) -> str:
    return graph.constant(np.array([value], np.int64))


CLASSIFIER = """
name = "feeder"
version = "3"
kind = "classifier"
labels = ["Robin", "blue tit"]
threshold = 0.6
[input]
width = 32
height = 32
[output]
scores = "logits"
activation = "softmax"
"""

DETECTOR = """
name = "finder"
version = "1.2"
kind = "detector"
labels = ["robin", "perch"]
[input]
width = 64
height = 32
layout = "nhwc"
[output]
scores = "scores"
boxes = "boxes"
"""


def place(folder: Path, manifest: str, model: bytes, file: str = "model.onnx") -> Path:
    folder.mkdir(parents=True)
    (folder / "model.toml").write_text(manifest)
    (folder / file).write_bytes(model)
    return folder


def seen(folder: Path, colour: tuple[int, int, int]) -> list[tuple[str, float, Box | None]]:
    tags = CustomModel(folder).tags(Image.new("RGB", (640, 320), colour))
    return [(tag.name, tag.confidence, tag.box) for tag in tags]


class TestClassifier:
    def test_it_tells_its_labels_in_lower_case(self, tmp_path: Path) -> None:
        folder = place(tmp_path / "own", CLASSIFIER, classifier())
        [(name, confidence, box)] = seen(folder, RED)
        assert (name, box) == ("robin", None)
        assert confidence == pytest.approx(1 / (1 + np.exp(-8 * 245 / 255)), abs=0.001)
        assert [name for name, *_ in seen(folder, BLUE)] == ["blue tit"]

    def test_below_the_threshold_nothing_is_told(self, tmp_path: Path) -> None:
        assert seen(place(tmp_path / "own", CLASSIFIER, classifier()), (128, 128, 128)) == []

    def test_colours_may_be_turned_round(self, tmp_path: Path) -> None:
        turned = CLASSIFIER.replace("height = 32", 'height = 32\ncolours = "bgr"')
        assert [name for name, *_ in seen(place(tmp_path / "own", turned, classifier()), BLUE)] == ["robin"]

    def test_labels_that_are_not_as_many_as_scores_are_named(self, tmp_path: Path) -> None:
        folder = place(tmp_path / "own", CLASSIFIER.replace('"blue tit"', '"tit", "wren"'), classifier())
        with pytest.raises(InvalidInput, match="gives 2 scores for 3 labels"):
            seen(folder, RED)


class TestDetector:
    def test_boxes_are_shares_and_overlapping_ones_are_one(self, tmp_path: Path) -> None:
        found = seen(place(tmp_path / "own", DETECTOR, detector()), (255, 0, 0))
        assert found == [
            ("robin", 0.9, Box(0.125, 0.25, 0.25, 0.5)),
            ("perch", 0.7, Box(0.0, 0.0, 1.0, 0.25)),
        ]

    def test_a_picture_without_it_has_none(self, tmp_path: Path) -> None:
        assert seen(place(tmp_path / "own", DETECTOR, detector()), BLUE) == []

    @pytest.mark.parametrize(
        "change",
        [
            ('labels = ["robin", "perch"]', 'labels = ["robin", "perch", "tit", "owl"]'),  # 6 scores
            ('boxes = "boxes"', 'boxes = "scores"'),  # 6 numbers are no boxes
        ],
    )
    def test_outputs_of_another_shape_name_the_model(self, tmp_path: Path, change: tuple[str, str]) -> None:
        folder = place(tmp_path / "own", DETECTOR.replace(*change), detector())
        with pytest.raises(InvalidInput, match="the model finder gives what can't be read"):
            seen(folder, RED)

    def test_boxes_by_their_middle(self, tmp_path: Path) -> None:
        manifest = DETECTOR + 'box_format = "centre"\n'
        [first, *_] = seen(place(tmp_path / "own", manifest, detector()), (255, 0, 0))
        assert first == ("robin", 0.9, Box(0.0, 0.0, 0.3125, 0.625))


class TestManifest:
    @pytest.mark.parametrize(
        ("change", "why"),
        [
            (('name = "feeder"', 'name = "../feeder"'), "matching regex"),
            (('version = "3"', 'version = ""'), "matching regex"),
            (('kind = "classifier"', 'kind = "guesser"'), "guesser"),
            (("width = 32", "width = 100000"), "2048"),
            (('labels = ["Robin", "blue tit"]', "labels = []"), "labels"),
            (("threshold = 0.6", "threshold = 6"), "threshold"),
            (("threshold = 0.6", "command = 'rm'"), "command"),
            (("height = 32", "height = 32\nscale = [0.0, 1.0, 1.0]"), "scale of 0"),
            (('kind = "classifier"', 'kind = "detector"'), "boxes"),
            (("[input]", "[input"), "can't be used"),
        ],
    )
    def test_what_can_not_be_meant_is_refused_with_the_place(
        self, tmp_path: Path, change: tuple[str, str], why: str
    ) -> None:
        folder = place(tmp_path / "own", CLASSIFIER.replace(*change), classifier())
        with pytest.raises(InvalidInput, match=why) as refused:
            CustomModel(folder)
        assert str(folder) in str(refused.value)

    @pytest.mark.parametrize("file", ["../model.onnx", "/etc/passwd", "a/b.onnx", "", ".hidden"])
    def test_only_a_file_beside_the_manifest_is_read(self, tmp_path: Path, file: str) -> None:
        folder = place(tmp_path / "own", f'file = "{file}"\n' + CLASSIFIER, classifier())
        (tmp_path / "model.onnx").write_bytes(classifier())
        with pytest.raises(InvalidInput, match="names a file beside the manifest"):
            CustomModel(folder)

    def test_a_link_out_of_the_folder_is_not_followed(self, tmp_path: Path) -> None:
        folder = place(tmp_path / "own", CLASSIFIER, b"")
        (tmp_path / "elsewhere.onnx").write_bytes(classifier())
        (folder / "model.onnx").unlink()
        (folder / "model.onnx").symlink_to(tmp_path / "elsewhere.onnx")
        with pytest.raises(InvalidInput, match="there is no file"):
            CustomModel(folder)

    def test_another_file_than_the_manifest_names_is_not_run(self, tmp_path: Path) -> None:
        digest = hashlib.sha256(b"another").hexdigest()
        folder = place(tmp_path / "own", f'sha256 = "{digest}"\n' + CLASSIFIER, classifier())
        with pytest.raises(InvalidInput, match="SHA-256 differs"):
            seen(folder, RED)

    def test_what_is_no_model_says_so(self, tmp_path: Path) -> None:
        with pytest.raises(InvalidInput, match="feeder can't be run"):
            seen(place(tmp_path / "own", CLASSIFIER, b"not a model"), RED)


class TestFolder:
    def test_models_are_found_in_the_folder_of_models(self, tmp_path: Path) -> None:
        place(tmp_path / "custom" / "one", CLASSIFIER, classifier())
        place(tmp_path / "custom" / "two", DETECTOR, detector())
        tagger = tagger_of(SqliteCheckpoints(":memory:"), {"PHOTOVAULT_MODELS": str(tmp_path)})
        assert tagger is not None
        assert list(tagger.models) == [ModelUse("feeder", "3"), ModelUse("finder", "1.2")]

    def test_their_tags_stand_beside_those_of_the_others(self, tmp_path: Path) -> None:
        place(tmp_path / "custom" / "one", CLASSIFIER, classifier())
        Image.new("RGB", (100, 100), RED).save(tmp_path / "a.jpg")
        tagger = OnnxTagger(ModelStore(tmp_path), custom_models(tmp_path / "custom"))
        [found] = tagger.tag([tmp_path / "a.jpg"])
        assert [(tag.name, tag.model) for tag in found.tags] == [("robin", "feeder 3")]

    def test_two_of_one_name_and_too_many_are_refused(self, tmp_path: Path) -> None:
        for at in range(2):
            place(tmp_path / f"m{at}", CLASSIFIER, classifier())
        with pytest.raises(InvalidInput, match="two models"):
            custom_models(tmp_path)
        for at in range(2, MAX_MODELS + 1):
            place(tmp_path / f"m{at}", CLASSIFIER, classifier())
        with pytest.raises(InvalidInput, match="can be used at once"):
            custom_models(tmp_path)

    def test_no_folder_is_no_model(self, tmp_path: Path) -> None:
        nothing: list[Any] = custom_models(tmp_path / "nowhere")
        assert nothing == []
