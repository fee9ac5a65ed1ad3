"""How well people are told apart: on real pictures, and on generated vectors of many people; with the time it takes.

    PHOTOVAULT_MEDIA=~/samples python -m benchmarks.quality.faces real       # <media>/faces/<person>_<n>.jpg
    python -m benchmarks.quality.faces groups [--faces 5000]                 # HDBSCAN on faces that are nobody's
    python -m benchmarks.quality.faces generated [--people 1000] [--faces 100000] [--orders 2]

Generated vectors have the distances that the sample photos have (one person's 0.4, strangers' 0.58 and more); with
`--hard`, those that dlib's authors state (99.38 % on Labeled Faces in the Wild at 0.6): of strangers about 0.5 % are
nearer than 0.6, and of pairs of one person as many farther apart.
"""

from __future__ import annotations

import argparse
import io
import os
import statistics
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from adapters.ml.density import density_clusters
from adapters.ml.faces import OnnxFaceAnalyzer
from adapters.ml.nearest import FaceGraph, vectors_of
from adapters.ml.store import ModelStore
from domain.people import FAR, NEIGHBOURS, Neighbour, choose
from photovault.clustering import LEAST_FACES
from photovault.config import models_folder


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.faces")
    parser.add_argument("what", choices=("real", "generated", "speed", "groups"))
    parser.add_argument("--people", type=int, default=1000)
    parser.add_argument("--faces", type=int, default=100_000)
    parser.add_argument("--orders", type=int, default=2)
    parser.add_argument("--hard", action="store_true", help="as dlib's authors state, not as the samples measure")
    options = parser.parse_args()
    if options.what == "real":
        real(Path(os.environ["PHOTOVAULT_MEDIA"]) / "faces")
    elif options.what == "speed":
        speed(options.people, options.faces)
    elif options.what == "groups":
        groups(options.faces)
    else:
        generated(options.people, options.faces, options.orders, hard=options.hard)


# --- generated vectors -----------------------------------------------------------------------------------------------


def generate(people: int, faces: int, seed: int = 1, *, hard: bool = True) -> tuple[np.ndarray, np.ndarray]:
    """Vectors and whose they are: people have unlike numbers of pictures, as in a family's library."""
    dice = np.random.default_rng(seed)
    latent = 23 if hard else 60  # as many dimensions as give strangers' distances their spread
    basis = np.linalg.qr(dice.normal(size=(128, latent)))[0]
    places = dice.normal(size=(people, latent)) * (0.752 / np.sqrt(2 * latent)) @ basis.T
    shares = dice.dirichlet(np.full(people, 2.0))
    whose = np.concatenate((np.arange(people), dice.choice(people, faces - people, p=shares)))
    lengths = 0.28 * np.exp(dice.normal(0, 0.22 if hard else 0.15, faces))  # one person's faces are 0.4 apart
    noise = dice.normal(size=(faces, 128))
    noise *= (lengths / np.linalg.norm(noise, axis=1))[:, None]
    return (places[whose] + noise).astype(np.float32), whose


def generated(people: int, faces: int, orders: int, *, hard: bool) -> None:
    """Assign all faces one by one, in several orders."""
    vectors, whose = generate(people, faces, hard=hard)
    same, others = _pairs(vectors, whose)
    print(f"{faces:,} faces of {people:,} people; distances of one person's {same}, of strangers' {others}")
    labels = []
    for n in range(orders):
        order = np.random.default_rng(100 + n).permutation(faces)
        found, milliseconds, last = assign(vectors, order)
        precision, recall, f1 = pairwise(found, whose)
        labels.append(found)
        print(
            f"order {n}: precision {precision:.4f}, recall {recall:.4f}, F1 {f1:.4f}; {len(set(found)):,} clusters; "
            f"{sum(milliseconds) / 1000:.0f} s in all, {statistics.mean(last):.2f} ms a face among the last 1,000 "
            f"(p99 {np.percentile(last, 99):.2f} ms)",
            flush=True,
        )
    for n in range(1, orders):
        print(f"order 0 against order {n}: F1 {pairwise(labels[n], labels[0])[2]:.4f}")


def speed(people: int, faces: int) -> None:
    """One more face among all: searched, decided, put into the graph."""
    vectors, whose = generate(people, faces + 1000, hard=False)
    graph = FaceGraph()
    started = time.perf_counter()
    graph.fill([str(i) for i in range(faces)], [vectors[i : i + 1] for i in range(faces)])
    print(f"a graph of {faces:,} faces was built in {time.perf_counter() - started:.0f} s")
    found = whose.copy()
    took: list[float] = []
    processor = time.process_time()
    for i in range(faces, faces + 1000):
        took += _one(graph, vectors, found, i)
    processor = (time.process_time() - processor) / 1000
    print(
        f"one more face: median {statistics.median(took):.2f} ms, p95 {np.percentile(took, 95):.2f} ms, "
        f"p99 {np.percentile(took, 99):.2f} ms; {processor * 1000:.2f} ms of a processor; "
        f"{(found[faces:] == whose[faces:]).mean():.1%} to the right person"
    )


def groups(faces: int) -> None:
    """Faces that are nobody's, ten of each person, as the periodic look clusters them."""
    vectors, whose = generate(max(1, faces // 10), faces, hard=False)
    density_clusters(vectors[:100], metric="euclidean", min_cluster_size=LEAST_FACES)  # loads the library
    processor = time.process_time()
    labels = density_clusters(vectors, metric="euclidean", min_cluster_size=LEAST_FACES).labels
    processor = time.process_time() - processor
    inside = labels >= 0
    precision, recall, _ = pairwise(labels[inside], whose[inside])
    print(
        f"{faces:,} faces: {processor:.1f} s of a processor; {labels.max() + 1:,} groups hold {inside.mean():.1%}, "
        f"precision {precision:.4f}, recall {recall:.4f} among them"
    )


def assign(vectors: np.ndarray, order: Iterable[int]) -> tuple[np.ndarray, list[float], list[float]]:
    """Faces one by one, as the step does; each is of a picture of its own."""
    graph = FaceGraph()
    found = np.full(len(vectors), -1)
    took: list[float] = []
    for i in order:
        took += _one(graph, vectors, found, i)
    return found, took, took[-1000:]


def _one(graph: FaceGraph, vectors: np.ndarray, found: np.ndarray, i: int) -> list[float]:
    started = time.perf_counter()
    near = [
        Neighbour(asset, face, distance, str(found[int(asset)]))
        for asset, face, distance in graph.near(vectors[i], NEIGHBOURS)
        if distance <= FAR
    ]
    chosen = choose([near], lambda face, person: False)
    found[i] = int(chosen[0].person) if chosen else i
    graph.put(str(i), vectors[i : i + 1])
    return [(time.perf_counter() - started) * 1000]


def pairwise(found: Sequence[int] | np.ndarray, truth: Sequence[int] | np.ndarray) -> tuple[float, float, float]:
    """Precision and recall of "these two are the same", over all pairs, and F1."""

    def pairs(groups: Iterable[object]) -> int:
        return sum(n * (n - 1) // 2 for n in Counter(groups).values())

    both = pairs(zip(map(int, found), map(int, truth), strict=True))
    claimed, true = pairs(map(int, found)), pairs(map(int, truth))
    precision, recall = both / max(1, claimed), both / max(1, true)
    return precision, recall, 2 * precision * recall / max(1e-9, precision + recall)


def _pairs(vectors: np.ndarray, whose: np.ndarray) -> tuple[str, str]:
    dice = np.random.default_rng(5)
    a, b = dice.integers(0, len(vectors), (2, 400_000))
    apart = np.linalg.norm(vectors[a] - vectors[b], axis=1)
    strangers = apart[whose[a] != whose[b]]
    first = np.argsort(whose, kind="stable")
    mine = whose[first][1:] == whose[first][:-1]
    same = np.linalg.norm(vectors[first][1:][mine] - vectors[first][:-1][mine], axis=1)
    return (
        f"{same.mean():.2f} +- {same.std():.2f} ({(same > 0.6).mean():.2%} over 0.6)",
        f"{strangers.mean():.2f} +- {strangers.std():.2f} ({(strangers < 0.6).mean():.2%} under 0.6)",
    )


# --- real pictures ---------------------------------------------------------------------------------------------------


def real(folder: Path) -> None:
    """Faces of pictures whose names say who is on them: found, told apart, and how far apart they are."""
    names, pictures, vectors, _ = read_faces(folder, tell=True)
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    for name, row in zip(names, apart, strict=True):
        print(f"{name:20} " + " ".join(f"{each:.2f}" for each in row))
    found, _, _ = assign(vectors, range(len(vectors)))
    groups: dict[int, list[str]] = {}
    for name, label in zip(names, found, strict=True):
        groups.setdefault(int(label), []).append(name)
    for group in groups.values():
        print("together:", ", ".join(group))
    sure = [n for n, picture in enumerate(pictures) if pictures.count(picture) == 1]  # whose, the name says
    whose = [names[n].rsplit("_", 1)[0] for n in sure]
    truth = [sorted(set(whose)).index(each) for each in whose]
    precision, recall, f1 = pairwise(found[sure], truth)
    print(f"{len(sure)} faces alone in their picture: precision {precision:.4f}, recall {recall:.4f}, F1 {f1:.4f}")


def read_faces(folder: Path, *, tell: bool = False) -> tuple[list[str], list[int], np.ndarray, list[bool]]:
    """All faces of a folder's pictures: names, numbers of the pictures, vectors, and whether they are good enough."""
    analyzer = OnnxFaceAnalyzer(ModelStore(models_folder()))
    names: list[str] = []
    pictures: list[int] = []
    vectors: list[np.ndarray] = []
    good: list[bool] = []
    for number, path in enumerate(sorted(folder.glob("*.jpg"))):
        with Image.open(path) as opened:
            image = opened.convert("RGB")
        image.thumbnail((1024, 1024))
        data = io.BytesIO()
        image.save(data, "JPEG", quality=90)
        started = time.perf_counter()
        found = analyzer.find(data.getvalue())
        milliseconds = (time.perf_counter() - started) * 1000
        if tell:
            print(f"{path.name}: {len(found)} faces in {milliseconds:.0f} ms")
        for n, each in enumerate(found):
            if tell:
                face = each.face
                print(
                    f"    {n}: {face.pixels} px, score {face.score:.3f}, sharpness {face.sharpness:.1f}, "
                    f"frontality {face.frontality:.2f}: {', '.join(face.doubts) or 'good'}"
                )
            names.append(f"{path.stem}:{n}")
            pictures.append(number)
            vectors.append(vectors_of(each.vector)[0])
            good.append(not each.face.doubts)
    return names, pictures, np.array(vectors), good


if __name__ == "__main__":
    main()
