"""Clusters by density (HDBSCAN): faces by their vectors, places by their distance on the globe.

Whatever the order of the rows, the same rows get the same labels; nothing is drawn by chance, no second thread or
process is started, and nothing is written to disk.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:  # loading hdbscan takes over a second, and few functions have it
    import numpy as np
    from numpy.typing import NDArray

__all__ = ["Densities", "density_clusters"]

NOISE = -1


class Densities(NamedTuple):
    """Which cluster each row is in."""

    labels: NDArray[np.int64]
    """From 0 on without gaps; -1: in none."""
    strengths: NDArray[np.float64]
    """0 to 1: how deep in its cluster a row lies; 0 for those in none."""


def density_clusters(
    rows: NDArray[np.float32] | NDArray[np.float64],
    *,
    metric: Literal["euclidean", "haversine"],
    min_cluster_size: int,
    min_samples: int | None = None,
    epsilon: float = 0.0,
    max_cluster_size: int = 0,
    method: Literal["eom", "leaf"] = "eom",
    single: bool = False,
) -> Densities:
    """Clusters of rows that lie densely together.

    Args:
        rows: one a thing. For `haversine` (latitude, longitude) in radians; across 180 degrees and at the poles
            distances are those on the globe.
        min_cluster_size: rows of which a cluster has at least so many, from 2 on.
        min_samples: neighbours that make a row's surroundings dense; more of them: more rows are in no cluster. None:
            as `min_cluster_size`.
        epsilon: clusters nearer to each other than this are one; for `haversine` in radians (metres / 6,371,009).
        max_cluster_size: rows that a cluster has at most, where `epsilon` does not ask for more; 0: any number.
        method: `eom` takes the clusters that last longest, `leaf` the smallest, all of like size.
        single: whether all rows may be one cluster. If not, rows that are all alike are in none.

    Raises:
        ValueError: a row holds what is not a number, or a parameter is out of its range.

    Cost:
        One processor. `haversine`, or up to 60 columns: about n log n (100,000 places: 18 s). More columns: every row
        with every other (5,000 faces: 2 s).
    """
    import numpy as np

    if not np.isfinite(rows).all():
        raise ValueError("a row to be clustered holds what is not a number")
    labels = np.full(len(rows), NOISE, np.int64)
    strengths = np.zeros(len(rows))
    if len(rows) < max(2, min_cluster_size):
        return Densities(labels, strengths)
    from hdbscan import HDBSCAN

    order = np.lexsort(rows.T[::-1])  # ties are broken by place, so that a row's place must not depend on when it came
    found = HDBSCAN(
        metric=metric,
        min_cluster_size=min_cluster_size,
        min_samples=min_samples,
        cluster_selection_epsilon=float(epsilon),
        max_cluster_size=max_cluster_size,
        cluster_selection_method=method,
        allow_single_cluster=single,
        approx_min_span_tree=False,
        core_dist_n_jobs=1,
    ).fit(rows[order].astype(np.float64))
    labels[order] = found.labels_
    strengths[order] = found.probabilities_
    return Densities(labels, strengths)
