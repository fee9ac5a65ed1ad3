"""Clusters by density: the same for any order of rows and anywhere on the globe."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

pytest.importorskip("hdbscan")

from adapters.ml.density import density_clusters

EARTH_KM = 6371.009


def towns(seed: int = 1, count: int = 6, size: int = 20, km: float = 1.0, noise: int = 15) -> NDArray[np.float64]:
    """Points in space on the globe's surface around latitude and longitude 0: towns, and lonely points between them."""
    dice = np.random.default_rng(seed)
    middles = [np.array([1.0, 80 * i / EARTH_KM, 40 * (i % 2) / EARTH_KM]) for i in range(count)]
    points = [middle + dice.normal(size=(size, 3)) * km / EARTH_KM for middle in middles]
    points.append(
        np.array([1.0, 0, 0]) + dice.uniform(200, 3000, (noise, 3)) * dice.choice((-1, 1), (noise, 3)) / EARTH_KM
    )
    joined = np.concatenate(points)
    return joined / np.linalg.norm(joined, axis=1)[:, None]


def moved(points: NDArray[np.float64], latitude: float, longitude: float) -> NDArray[np.float64]:
    """The globe turned until (0, 0) lies elsewhere; latitudes and longitudes in radians."""
    a, b = np.radians((latitude, longitude))
    up = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    round_ = np.array([[np.cos(b), -np.sin(b), 0], [np.sin(b), np.cos(b), 0], [0, 0, 1]])
    x, y, z = (points @ up.T @ round_.T).T
    return np.stack([np.arcsin(np.clip(z, -1, 1)), np.arctan2(y, x)], axis=1)


def partition(labels: NDArray[np.int64]) -> set[frozenset[int]]:
    return {frozenset(np.flatnonzero(labels == each).tolist()) for each in set(labels.tolist()) if each >= 0}


def test_towns_are_clusters_and_lonely_points_are_in_none() -> None:
    found = density_clusters(moved(towns(), 0, 0), metric="haversine", min_cluster_size=5, epsilon=5 / EARTH_KM)
    assert [len(set(found.labels[20 * i : 20 * i + 20].tolist()) - {-1}) for i in range(6)] == [1] * 6
    assert len({int(each) for each in found.labels if each >= 0}) == 6
    assert (found.labels[120:] == -1).all()
    assert ((found.strengths >= 0) & (found.strengths <= 1)).all()
    assert (found.strengths[found.labels == -1] == 0).all()


@pytest.mark.parametrize("method", ["eom", "leaf"])
@pytest.mark.parametrize(
    ("latitude", "longitude"), [(0, 180), (0, -180), (90, 0), (-90, 0), (89.9, 179.99), (-60, 180), (70, 90)]
)
def test_the_same_towns_are_clusters_anywhere_on_the_globe(latitude: float, longitude: float, method: str) -> None:
    def clusters(rows: NDArray[np.float64]) -> set[frozenset[int]]:
        found = density_clusters(rows, metric="haversine", min_cluster_size=5, epsilon=3 / EARTH_KM, method=method)  # type: ignore[arg-type]
        return partition(found.labels)

    here, there = clusters(moved(towns(), 0, 0)), clusters(moved(towns(), latitude, longitude))
    assert here == there
    assert len(here) == 6


def test_a_town_on_180_degrees_is_not_cut_in_two() -> None:
    rows = moved(towns(), 0, 180)
    assert len({x > 0 for x in rows[:20, 1]}) == 2, "the first town lies on both sides"
    labels = density_clusters(rows, metric="haversine", min_cluster_size=5, epsilon=5 / EARTH_KM).labels
    assert len(set(labels[:20].tolist()) - {-1}) == 1


def test_epsilon_is_the_distance_in_radians_up_to_which_clusters_are_one() -> None:
    for latitude in (0, 89):
        rows = moved(towns(noise=0, km=0.5), latitude, 180)

        def count(kilometres: float, rows: NDArray[np.float64] = rows) -> int:
            found = density_clusters(
                rows, metric="haversine", min_cluster_size=5, epsilon=kilometres / EARTH_KM, single=True
            )
            return len(set(found.labels.tolist()) - {-1})

        assert count(10) == 6
        assert count(120) == 1, "neighbouring towns are 90 km apart"


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_the_order_of_rows_changes_nothing(seed: int) -> None:
    dice = np.random.default_rng(seed)
    rows = np.concatenate([dice.normal(size=(12, 128)) * 0.02 + dice.normal(size=128) for _ in range(5)])
    rows = np.round(np.concatenate([rows, rows[:7], dice.normal(size=(9, 128))]), 3).astype(np.float32)
    order = dice.permutation(len(rows))
    first = density_clusters(rows, metric="euclidean", min_cluster_size=3)
    again = density_clusters(rows[order], metric="euclidean", min_cluster_size=3)
    assert (first.labels[order] == again.labels).all()
    assert (first.strengths[order] == again.strengths).all()
    assert first.labels.max() >= 4


def test_a_cluster_is_no_larger_than_the_largest_allowed() -> None:
    dice = np.random.default_rng(3)
    rows = dice.normal(size=(300, 2))
    found = density_clusters(rows, metric="euclidean", min_cluster_size=5, max_cluster_size=40)
    sizes = np.bincount(found.labels[found.labels >= 0])
    assert len(sizes) > 1
    assert sizes.max() <= 40


def test_too_few_rows_are_in_no_cluster() -> None:
    for count in range(3):
        found = density_clusters(np.zeros((count, 2)), metric="haversine", min_cluster_size=3)
        assert found.labels.tolist() == [-1] * count
        assert found.strengths.tolist() == [0.0] * count


def test_many_rows_in_one_place_are_a_cluster() -> None:
    rows = np.repeat(np.radians([[38.7, -9.1], [38.7, -9.2], [-17.0, 180.0]]), 20, axis=0)
    labels = density_clusters(rows, metric="haversine", min_cluster_size=5).labels
    assert len(partition(labels)) == 3
    alike = density_clusters(rows[:20], metric="haversine", min_cluster_size=5, single=True)
    assert (alike.labels == 0).all()


def test_what_is_not_a_number_is_refused() -> None:
    with pytest.raises(ValueError, match="not a number"):
        density_clusters(np.array([[0.0, np.nan], [0, 0], [1, 1]]), metric="haversine", min_cluster_size=2)


def test_clustering_starts_no_thread_or_process_and_writes_nothing(tmp_path: Path) -> None:
    """20,000 rows: above the number from which hdbscan would use processes."""
    program = (
        "import os, threading, numpy as np\n"
        "from adapters.ml.density import density_clusters\n"
        "started = []\n"
        "os.register_at_fork(before=lambda: started.append('process'))\n"
        "begin = threading.Thread.start\n"
        "threading.Thread.start = lambda self: (started.append('thread'), begin(self))[1]\n"
        "rows = np.random.default_rng(1).normal(size=(20_000, 2))\n"
        "density_clusters(rows, metric='euclidean', min_cluster_size=50)\n"
        "print(started, os.listdir(os.environ['TMPDIR']))\n"
    )
    environment = os.environ | {"TMPDIR": str(tmp_path), "JOBLIB_TEMP_FOLDER": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[] []"


def test_the_module_loads_no_library_before_it_is_asked() -> None:
    program = "import sys, adapters.ml.density; print([m for m in ('numpy', 'hdbscan', 'sklearn') if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
