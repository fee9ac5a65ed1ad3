"""The one way from a row to a person: what the serving policy does not allow is withheld, and what
moderation holds; `moderation` is `blur` where a page blurs the picture until somebody asks for it."""

from __future__ import annotations

from typing import Any

from domain.ports import Row
from domain.scanning import Serving
from projections.base import Locate, Projection

__all__ = ["served"]


def served(projection: Projection[Any], row: Row, locate: Locate, serving: Serving) -> dict[str, Any]:
    """A row as its reader may see it. `withheld` is true where there would be more but for the policy."""
    state = projection.decode(row.data)
    safety = projection.safety(state)
    if safety is None:
        return projection.show(state, locate)
    verdict = projection.verdict(state)
    open_to = state if serving.allows(safety) and verdict != "hold" else projection.withhold(state)
    return projection.show(open_to, locate) | {"withheld": open_to != state, "moderation": verdict}
