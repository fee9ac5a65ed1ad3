"""Finding faces: the geometry without any model, and the models themselves where they are installed."""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from adapters.ml.faces import MODELS, TEMPLATE, OnnxFaceAnalyzer, align, similarity
from adapters.ml.mtcnn import Detector, _apart, _square
from adapters.ml.nearest import FaceGraph, vectors_of
from adapters.ml.sealing import new_key, seal, unseal
from adapters.ml.store import ModelStore
from photovault.config import models_folder

STORE = ModelStore(models_folder())
needs_models = pytest.mark.skipif(
    not STORE.has(*MODELS), reason="`photovault models install mtcnn dlib-face-resnet`, and PHOTOVAULT_MODELS"
)
MEDIA = Path(os.environ.get("PHOTOVAULT_MEDIA", "/nowhere")) / "faces"
needs_faces = pytest.mark.skipif(not MEDIA.is_dir(), reason="PHOTOVAULT_MEDIA names no folder with faces")


class TestGeometry:
    def test_a_similarity_is_found_again_from_its_points(self) -> None:
        turn, shift = np.array(((0.6, -0.8), (0.8, 0.6))) * 2.5, np.array((7.0, -3.0))
        matrix, moved = similarity(TEMPLATE, TEMPLATE @ turn.T + shift)
        assert np.allclose(matrix, turn, atol=1e-4)
        assert np.allclose(moved, shift, atol=1e-3)

    def test_it_never_mirrors(self) -> None:
        matrix, _ = similarity(TEMPLATE.astype(float), TEMPLATE.astype(float) * (-1, 1))
        assert np.linalg.det(matrix) > 0

    @pytest.mark.parametrize("scale", [0.5, 1.0, 4.0])
    @pytest.mark.parametrize("degrees", [0, 30, -90, 180])
    def test_a_turned_and_scaled_face_comes_upright_with_its_landmarks_in_place(
        self, scale: float, degrees: int
    ) -> None:
        angle = np.radians(degrees)
        turn = np.array(((np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle)))) * scale
        points = (TEMPLATE - 75) @ turn.T + 400
        picture = np.zeros((800, 800, 3), np.uint8)
        for x, y in points:
            radius = max(1, round(3 * scale))
            picture[round(y) - radius : round(y) + radius + 1, round(x) - radius : round(x) + radius + 1] = 255
        chip = align(Image.fromarray(picture), points.astype(np.float32))
        assert chip.shape == (150, 150, 3)
        for x, y in TEMPLATE:
            assert chip[round(float(y)) - 2 : round(float(y)) + 3, round(float(x)) - 2 : round(float(x)) + 3].max() > 60

    def test_of_boxes_that_overlap_the_best_is_kept(self) -> None:
        boxes = np.array(((0, 0, 10, 10, 0.8), (1, 1, 11, 11, 0.9), (50, 50, 60, 60, 0.7)), np.float32)
        assert _apart(boxes, 0.5) == [1, 2]
        inside = np.array(((0, 0, 100, 100, 0.9), (10, 10, 20, 20, 0.8)), np.float32)
        assert _apart(inside, 0.7) == [0, 1]
        assert _apart(inside, 0.7, by_smaller=True) == [0]

    def test_a_square_keeps_the_middle_of_its_box(self) -> None:
        [square] = _square(np.array(((10, 0, 20, 40, 0.5),), np.float32))
        assert square[:4].tolist() == [-5, 0, 35, 40]


class _Network:
    """Three networks in one: says everywhere, or nowhere, that there is a face."""

    def __init__(self, score: float) -> None:
        self._score = score
        self.batches: list[tuple[int, ...]] = []

    def get_inputs(self) -> list[object]:
        return [type("Input", (), {"name": "x"})()]

    def run(self, _: None, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        [batch] = inputs.values()
        self.batches.append(batch.shape)
        count, wide, high, _ = batch.shape
        lead = (count,) if wide in (24, 48) and wide == high else (1, (wide - 10) // 2, (high - 10) // 2)
        scores = np.full((*lead, 2), self._score, np.float32)
        return [scores, np.zeros((*lead, 4), np.float32), np.full((*lead, 10), 0.5, np.float32)]


class TestTheCascade:
    def test_without_any_candidate_the_later_networks_are_not_asked(self) -> None:
        first, later = _Network(0.1), _Network(1.0)
        assert Detector(first, later, later).detect(Image.new("RGB", (64, 48)), 20) == []
        assert first.batches
        assert later.batches == []

    def test_pictures_go_in_with_width_first(self) -> None:
        first = _Network(0.1)
        Detector(first, first, first).detect(Image.new("RGB", (100, 50)), 12)
        assert first.batches[0] == (1, 100, 50, 3)

    def test_a_score_under_the_last_limit_is_no_face(self) -> None:
        network = _Network(0.96)
        assert Detector(network, network, network).detect(Image.new("RGB", (48, 48)), 20) == []

    def test_a_picture_smaller_than_the_least_face_holds_none(self) -> None:
        network = _Network(1.0)
        assert Detector(network, network, network).detect(Image.new("RGB", (30, 30)), 40) == []


class TestTheGraph:
    def test_the_nearest_come_first_with_their_distances(self) -> None:
        graph = FaceGraph()
        dice = np.random.default_rng(3)
        vectors = dice.normal(size=(500, 128)).astype(np.float32)
        graph.fill([f"a{i}" for i in range(500)], [vectors[i : i + 1] for i in range(500)])
        exact = np.linalg.norm(vectors - vectors[7], axis=1)
        found = graph.near(vectors[7], 5)
        assert found[0][:2] == ("a7", 0)
        assert [asset for asset, _, _ in found] == [f"a{i}" for i in np.argsort(exact)[:5]]
        assert [d for _, _, d in found] == pytest.approx(np.sort(exact)[:5], abs=1e-3)

    def test_what_is_put_again_is_replaced(self) -> None:
        graph = FaceGraph()
        graph.put("a", np.zeros((2, 128), np.float32))
        graph.put("a", np.ones((1, 128), np.float32))
        assert len(graph) == 1
        assert [each[:2] for each in graph.near(np.zeros(128, np.float32), 5)] == [("a", 0)]

    def test_an_empty_one_knows_nobody(self) -> None:
        assert FaceGraph().near(np.zeros(128, np.float32), 5) == []

    def test_vectors_are_rows_of_little_endian_floats(self) -> None:
        assert vectors_of(np.arange(256, dtype="<f4").tobytes())[1, 0] == 128


class TestSealing:
    def test_opens_with_its_key_and_for_what_it_was_sealed_for(self) -> None:
        key = new_key()
        sealed = seal(key, b"vectors", "me#a")
        assert b"vectors" not in sealed
        assert unseal(key, sealed, "me#a") == b"vectors"
        assert unseal(key, sealed, "me#b") is None
        assert unseal(new_key(), sealed, "me#a") is None
        assert unseal(key, sealed[:-1] + bytes([sealed[-1] ^ 1]), "me#a") is None
        assert unseal(key, b"", "me#a") is None

    def test_the_same_twice_looks_different(self) -> None:
        key = new_key()
        assert seal(key, b"x", "a") != seal(key, b"x", "a")


@needs_models
class TestTheModels:
    def test_a_blank_picture_has_no_faces(self) -> None:
        data = io.BytesIO()
        Image.new("RGB", (400, 300), "grey").save(data, "JPEG")
        assert OnnxFaceAnalyzer(STORE).find(data.getvalue()) == []

    @needs_faces
    def test_one_person_is_nearer_than_two(self) -> None:
        analyzer = OnnxFaceAnalyzer(STORE)
        faces: dict[str, list[np.ndarray]] = {}
        for path in sorted(MEDIA.glob("person_[ab]_[0-9].jpg")):
            with Image.open(path) as opened:
                image = opened.convert("RGB")
            image.thumbnail((1024, 1024))
            data = io.BytesIO()
            image.save(data, "JPEG", quality=90)
            [found] = analyzer.find(data.getvalue())
            assert found.face.doubts == ()
            faces.setdefault(path.stem[7], []).append(vectors_of(found.vector)[0])
        flat = [(who, vector) for who, vectors in faces.items() for vector in vectors]
        for i, (one, a) in enumerate(flat):
            for other, b in flat[:i]:
                assert (np.linalg.norm(a - b) < 0.5) == (one == other)
