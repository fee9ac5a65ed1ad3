"""Pictures through models: tiny ones that are made here and see colours, and the real ones where they are installed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, UnidentifiedImageError

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

from adapters.ml.convert.graph import Array, Graph
from adapters.ml.detection import nanodet_boxes, suppress
from adapters.ml.moderation import OnnxModerator
from adapters.ml.store import ModelStore
from adapters.ml.vision import OnnxTagger
from domain.recognition import Box, ModelUse
from photovault.config import models_folder

RED, GREEN, BLUE = (250, 5, 5), (5, 250, 5), (5, 5, 250)
TABBY, GOLDEN_RETRIEVER, SEASHORE = 281, 207, 978
PERSON, SURFBOARD = 0, 37


def colour_classifier() -> bytes:
    """The mean colour decides: red is a tabby, green a retriever, blue the sea. The vector begins with the means."""
    weights = np.zeros((3, 1000), "f4")
    for channel, label in enumerate((TABBY, GOLDEN_RETRIEVER, SEASHORE)):
        weights[channel, label] = 15.0
    graph = Graph("colours")
    means = graph.node("ReduceMean", ["input"], axes=[2, 3], keepdims=0)
    graph.node("Softmax", [graph.node("MatMul", [means, graph.constant(weights)])], "prob", axis=1)
    graph.node("MatMul", [means, graph.constant(np.eye(3, 1280, dtype="f4"))], "embedding")
    return graph.model({"input": ["n", 3, 224, 224]}, {"prob": ["n", 1000], "embedding": ["n", 1280]})


def colour_detector() -> bytes:
    """Cells of 32 pixels: a red one is a person, a green one a surfboard, as far as its neighbours' middles."""
    weights = np.zeros((3, 80), "f4")  # blue, green, red
    weights[:, PERSON], weights[:, SURFBOARD] = (-4, -4, 4), (-4, 4, -4)
    graph = Graph("cells")
    cells = graph.node("AveragePool", ["pixels"], kernel_shape=[32, 32], strides=[32, 32])
    flat = graph.node("Reshape", [graph.node("Transpose", [cells], perm=[0, 2, 3, 1]), _shape(graph, 1, 169, 3)])
    surest = graph.node("Sub", [graph.node("MatMul", [flat, graph.constant(weights)]), _number(graph, 8.0)])
    graph.node("Sigmoid", [surest], "scores32")
    for stride, count in ((8, 2704), (16, 676)):
        graph.node("Identity", [graph.constant(np.zeros((1, count, 80), "f4"))], f"scores{stride}")
        graph.node("Identity", [graph.constant(np.zeros((1, count, 44), "f4"))], f"sides{stride}")
    sides = np.full((1, 169, 4, 11), -50, "f4")
    sides[..., 1] = 50  # one stride to each side
    graph.node("Identity", [graph.constant(sides.reshape(1, 169, 44))], "sides32")
    names = [f"{kind}{stride}" for kind in ("scores", "sides") for stride in (8, 16, 32)]
    return graph.model({"pixels": [1, 3, 416, 416]}, dict.fromkeys(names))


def _shape(graph: Graph, *sides: int) -> str:
    return graph.constant(np.array(sides, np.int64))


def _number(graph: Graph, value: float) -> str:
    return graph.constant(np.array(value, "f4"))


def redness_model() -> bytes:
    """The share of red decides; the picture comes as [n, height, width, blue-green-red], less the mean."""
    graph = Graph("redness")
    means = graph.node("ReduceMean", ["input:0"], axes=[1, 2], keepdims=0)
    graph.node("Softmax", [graph.node("MatMul", [means, graph.constant(np.array([[0, 0], [0, 0], [0, 1]], "f4"))])],
               "outputs", axis=1)  # fmt: skip
    return graph.model({"input:0": ["n", 224, 224, 3]}, {"outputs": ["n", 2]})


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    for folder, data in {
        "efficientnet-lite0-1": colour_classifier(),
        "nanodet-1": colour_detector(),
        "open-nsfw-1": redness_model(),
    }.items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "model.onnx").write_bytes(data)
    return ModelStore(tmp_path)


def painted(path: Path, ground: tuple[int, int, int], *patches: tuple[tuple[int, int, int], Box]) -> Path:
    picture = Image.new("RGB", (832, 416), ground)
    for colour, box in patches:
        left, top = round(box.left * 832), round(box.top * 416)
        picture.paste(colour, (left, top, left + round(box.width * 832), top + round(box.height * 416)))
    picture.save(path, "JPEG", quality=95)
    return path


class TestTagger:
    def test_what_the_classifier_sees_and_its_group(self, store: ModelStore, tmp_path: Path) -> None:
        [seen] = OnnxTagger(store).tag([painted(tmp_path / "a.jpg", BLUE)])
        assert {(tag.name, tag.kind) for tag in seen.tags} == {("seashore", "scene"), ("coast", "scene")}
        assert seen.models == (ModelUse("efficientnet-lite0", "1"), ModelUse("nanodet", "1"))

    def test_boxes_are_shares_of_the_upright_picture(self, store: ModelStore, tmp_path: Path) -> None:
        """One cell of 13 is red: the box reaches a cell to each side of its middle."""
        cell = Box(6 / 13, 3 / 13, 1 / 13, 1 / 13)
        [seen] = OnnxTagger(store).tag([painted(tmp_path / "a.jpg", BLUE, (RED, cell))])
        [person] = [tag for tag in seen.tags if tag.box]
        assert (person.name, person.model) == ("person", "nanodet 1")
        assert person.box is not None
        assert person.box.left == pytest.approx(5.5 / 13, abs=0.001)
        assert person.box.top == pytest.approx(2.5 / 13, abs=0.001)
        assert person.box.width == pytest.approx(2 / 13, abs=0.001)

    def test_a_person_beside_a_surfboard_surfs(self, store: ModelStore, tmp_path: Path) -> None:
        person, board = Box(6 / 13, 3 / 13, 1 / 13, 1 / 13), Box(6 / 13, 4 / 13, 1 / 13, 1 / 13)
        [seen] = OnnxTagger(store).tag([painted(tmp_path / "a.jpg", BLUE, (RED, person), (GREEN, board))])
        assert "surfing" in {tag.name for tag in seen.tags if tag.kind == "activity"}

    def test_several_pictures_at_once_are_told_apart(self, store: ModelStore, tmp_path: Path) -> None:
        colours = [RED, GREEN, BLUE] * 7
        pictures = [painted(tmp_path / f"{n}.jpg", colour) for n, colour in enumerate(colours)]
        together = OnnxTagger(store).tag(pictures)
        assert [seen.tags[0].name for seen in together][:3] != [together[0].tags[0].name] * 3
        for path, seen in zip(pictures, together, strict=True):
            [alone] = OnnxTagger(store).tag([path])
            assert [(tag.name, tag.kind) for tag in alone.tags] == [(tag.name, tag.kind) for tag in seen.tags]

    def test_the_vector_is_1280_numbers_of_two_bytes(self, store: ModelStore, tmp_path: Path) -> None:
        [seen] = OnnxTagger(store).tag([painted(tmp_path / "a.jpg", RED)])
        assert seen.vector is not None
        vector = np.frombuffer(seen.vector, "<f2")
        assert vector.shape == (1280,)
        assert vector[:3] == pytest.approx([(value - 127) / 128 for value in RED], abs=0.02)

    def test_a_model_that_is_missing_is_not_asked(self, store: ModelStore, tmp_path: Path) -> None:
        (store.folder / "nanodet-1" / "model.onnx").unlink()
        (store.folder / "nanodet-1").rmdir()
        tagger = OnnxTagger(store)
        [seen] = tagger.tag([painted(tmp_path / "a.jpg", RED)])
        assert seen.models == tagger.models == (ModelUse("efficientnet-lite0", "1"),)
        assert {tag.name for tag in seen.tags} == {"tabby", "cat"}

    def test_without_any_model_none_is_named(self, tmp_path: Path) -> None:
        assert OnnxTagger(ModelStore(tmp_path / "nowhere")).models == ()

    def test_only_jpeg_is_decoded(self, store: ModelStore, tmp_path: Path) -> None:
        Image.new("RGB", (8, 8)).save(tmp_path / "a.jpg", "PNG")
        with pytest.raises(UnidentifiedImageError):
            OnnxTagger(store).tag([tmp_path / "a.jpg"])


class TestModerator:
    def test_the_score_is_the_models_second_number(self, store: ModelStore, tmp_path: Path) -> None:
        moderator = OnnxModerator(store)
        assert moderator.available
        red = moderator.moderate(painted(tmp_path / "a.jpg", RED))
        blue = moderator.moderate(painted(tmp_path / "b.jpg", BLUE))
        assert red.score > 0.99 > 0.01 > blue.score
        assert (red.name, red.version) == ("open-nsfw", "1")

    def test_without_the_model_it_is_not_available(self, tmp_path: Path) -> None:
        assert not OnnxModerator(ModelStore(tmp_path)).available


class TestSuppression:
    def test_of_two_that_overlap_the_surer_one_stays_but_not_across_classes(self) -> None:
        boxes: Array = np.array([[0, 0, 0.5, 0.5], [0.02, 0, 0.52, 0.5], [0.01, 0, 0.51, 0.5], [0.6, 0.6, 1, 1]], "f4")
        scores: Array = np.array([0.5, 0.9, 0.7, 0.4], "f4")
        assert suppress(boxes, scores, np.array([0, 0, 0, 0]), 0.5) == [1, 3]
        assert suppress(boxes, scores, np.array([0, 0, 7, 0]), 0.5) == [1, 2, 3]

    def test_nothing_seen_is_an_empty_list(self) -> None:
        outputs = [np.zeros((1, n, width), "f4") for n in (2704, 676, 169) for width in (80, 44)]
        assert nanodet_boxes(outputs, 416, 0.3) == []

    def test_boxes_end_at_the_pictures_edge(self) -> None:
        outputs = {(n, width): np.zeros((1, n, width), "f4") for n in (2704, 676, 169) for width in (80, 44)}
        outputs[169, 80][0, 0, 15] = 0.9  # the first cell; its box would begin outside
        [(kind, score, box)] = nanodet_boxes(list(outputs.values()), 416, 0.3)
        assert (kind, score, box.left, box.top) == (15, pytest.approx(0.9), 0.0, 0.0)


@pytest.mark.skipif(
    not ModelStore(models_folder()).has("efficientnet-lite0", "nanodet", "open-nsfw"),
    reason="models are not installed: `photovault models install`",
)
class TestRealModels:
    def test_a_painted_picture_has_no_more_than_it_shows(self, tmp_path: Path) -> None:
        """A plain blue picture is nothing that a detector locates, and safe."""
        path = painted(tmp_path / "a.jpg", BLUE)
        store = ModelStore(models_folder())
        [seen] = OnnxTagger(store).tag([path])
        assert [tag for tag in seen.tags if tag.box] == []
        assert OnnxModerator(store).moderate(path).score < 0.5

    def test_labels_and_names_are_in_the_same_order(self) -> None:
        from domain.imagenet import IMAGENET

        labels = json.loads(ModelStore(models_folder()).path("efficientnet-lite0", "labels.json").read_text())
        for number in (0, 99, 207, 283, 340, 404, 560, 701, 850, 963, 980, 999):
            assert IMAGENET[number].split()[0] in labels[str(number)].lower()
