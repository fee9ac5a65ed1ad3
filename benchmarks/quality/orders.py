"""Whether faces that arrive in any order end in the same people: how well two orders agree, before and after the look
of `photovault people cluster`, which merges people who were founded apart.

    python -m benchmarks.quality.orders generated [--people 300] [--faces 8000] [--orders 5] [--hard]
    PHOTOVAULT_MEDIA=~/samples python -m benchmarks.quality.orders real [--orders 40]   # <media>/faces/<person>_<n>.jpg

Agreement is F1 of "these two faces are one person's" over all pairs, and the adjusted Rand index (Hubert and Arabie,
1985), each the worst and the mean over all pairs of orders.
"""

from __future__ import annotations

import argparse
import os
from collections import Counter
from collections.abc import Sequence
from itertools import combinations
from math import comb
from pathlib import Path

import numpy as np

from adapters.ml.nearest import FaceGraph
from benchmarks.quality.faces import generate, pairwise, read_faces
from domain.people import FAR, NEIGHBOURS, Neighbour, choose, same_as
from photovault.merging import FEW


def main() -> None:
    """Print what was measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.orders")
    parser.add_argument("what", choices=("real", "generated"))
    parser.add_argument("--people", type=int, default=300)
    parser.add_argument("--faces", type=int, default=8000)
    parser.add_argument("--orders", type=int, default=5)
    parser.add_argument("--hard", action="store_true", help="as dlib's authors state, not as the samples measure")
    options = parser.parse_args()
    if options.what == "real":
        names, pictures, vectors, good = read_faces(Path(os.environ["PHOTOVAULT_MEDIA"]) / "faces")
        print(f"{len(names)} faces in {len(set(pictures))} pictures, {sum(good)} of them good enough to found a person")
        compare(vectors, pictures, good, None, options.orders)
    else:
        vectors, whose = generate(options.people, options.faces, hard=options.hard)
        print(f"{options.faces:,} faces of {options.people:,} people, each in a picture of its own")
        compare(vectors, list(range(len(vectors))), [True] * len(vectors), whose, options.orders)


def compare(
    vectors: np.ndarray, pictures: Sequence[int], good: Sequence[bool], whose: np.ndarray | None, orders: int
) -> None:
    """Assign all pictures in each order; what comes out, against the truth if it is known, and order by order."""
    ends: dict[str, list[np.ndarray]] = {"on arrival": [], "after the look": []}
    for n in range(orders):
        graph, found = arrive(vectors, pictures, good, np.random.default_rng(100 + n).permutation(max(pictures) + 1))
        ends["on arrival"].append(found)
        ends["after the look"].append(merge(graph, vectors, pictures, found))
        for when, each in ends.items():
            truth = f"F1 {pairwise(each[-1], whose)[2]:.5f} against the truth, " if whose is not None else ""
            print(f"order {n} {when:15} {truth}{len(set(each[-1].tolist())):,} people", flush=True)
    for when, each in ends.items():
        pairs = list(combinations(each, 2))
        f1 = [pairwise(one, other)[2] for one, other in pairs]
        rand = [adjusted_rand(one, other) for one, other in pairs]
        print(
            f"{when:15} {len(pairs)} pairs of orders: F1 at least {min(f1):.5f}, mean {np.mean(f1):.5f}; "
            f"adjusted Rand at least {min(rand):.5f}, mean {np.mean(rand):.5f}"
        )


def arrive(
    vectors: np.ndarray, pictures: Sequence[int], good: Sequence[bool], order: Sequence[int] | np.ndarray
) -> tuple[FaceGraph, np.ndarray]:
    """Pictures one by one, as the step does; a face that is nobody's stands for itself, below 0."""
    graph = FaceGraph()
    found = np.arange(len(vectors)) * -1 - 1
    faces: dict[int, list[int]] = {}
    for face, picture in enumerate(pictures):
        faces.setdefault(picture, []).append(face)
    for picture in order:
        mine = faces[int(picture)]
        near = [_near(graph, vectors, found, face) for face in mine]
        chosen = {mine[choice.face]: int(choice.person) for choice in choose(near, lambda *_: False)}
        for face in mine:
            if face in chosen or good[face]:
                found[face] = chosen.get(face, face)
            graph.put(str(face), vectors[face : face + 1])
    return graph, found


def merge(graph: FaceGraph, vectors: np.ndarray, pictures: Sequence[int], found: np.ndarray) -> np.ndarray:
    """People who are one, as `photovault.merging` finds them."""
    found = found.copy()
    groups: dict[int, list[int]] = {}
    for face, person in enumerate(found.tolist()):
        if person >= 0:
            groups.setdefault(person, []).append(face)
    merged = True
    while merged:
        merged = False
        few = [each for each in groups if len(groups[each]) <= FEW]
        for person in sorted(few, key=lambda each: (len(groups[each]), min(groups[each]))):
            if person not in groups or len(groups[person]) > FEW:
                continue
            same = same_as(str(person), [_near(graph, vectors, found, face) for face in groups[person]])
            if same is None or {pictures[f] for f in groups[person]} & {pictures[f] for f in groups[int(same)]}:
                continue
            small, large = sorted((person, int(same)), key=lambda each: len(groups[each]))
            groups[large] += groups.pop(small)
            found[groups[large]] = large
            merged = True
    return found


def _near(graph: FaceGraph, vectors: np.ndarray, found: np.ndarray, face: int) -> list[Neighbour]:
    near = [
        Neighbour(asset, number, distance, str(found[int(asset)]) if found[int(asset)] >= 0 else None)
        for asset, number, distance in graph.near(vectors[face], NEIGHBOURS + 1)
        if distance <= FAR and int(asset) != face
    ]
    return near[:NEIGHBOURS]


def adjusted_rand(one: np.ndarray, other: np.ndarray) -> float:
    """1: the same groups; 0: as alike as chance makes them."""

    def pairs(labels: Sequence[object]) -> int:
        return sum(comb(count, 2) for count in Counter(labels).values())

    both = pairs(list(zip(one.tolist(), other.tolist(), strict=True)))
    first, second = pairs(one.tolist()), pairs(other.tolist())
    by_chance = first * second / max(1, comb(len(one), 2))
    largest = (first + second) / 2
    return 1.0 if largest == by_chance else (both - by_chance) / (largest - by_chance)


if __name__ == "__main__":
    main()
