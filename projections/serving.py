"""The one way from a row to a person: what the serving policy does not allow is withheld, what moderation holds, and
what is in the trash; `moderation` is `blur` where a page blurs the picture until somebody asks for it."""

from __future__ import annotations

from typing import Any, TypeVar

from msgspec import Struct

from domain.ports import Row
from domain.scanning import Serving
from projections.base import Locate, Projection

__all__ = ["in_trash", "may_be_seen", "served"]

S = TypeVar("S", bound=Struct)


def in_trash(projection: Projection[Any], row: Row) -> bool:
    """Whether a row is of an asset in the trash, so that no listing has it."""
    return projection.in_trash(projection.decode(row.data))


def may_be_seen(projection: Projection[S], state: S, serving: Serving, *, from_trash: bool = False) -> bool:
    """Whether pictures of the asset may be shown, for what is drawn from a state itself (crops of faces)."""
    safety = projection.safety(state)
    return (
        (safety is None or serving.allows(safety))
        and projection.verdict(state) != "hold"
        and (from_trash or not projection.in_trash(state))
    )


def served(
    projection: Projection[Any], row: Row, locate: Locate, serving: Serving, *, from_trash: bool = False
) -> dict[str, Any]:
    """A row as its reader may see it. `withheld` is true where there would be more but for the policy.

    Args:
        from_trash: the owner looks into the trash, and sees what is in there as it was.
    """
    state = projection.decode(row.data)
    safety = projection.safety(state)
    if safety is None:
        return projection.show(state, locate)
    verdict = projection.verdict(state)
    open_to = state if may_be_seen(projection, state, serving, from_trash=from_trash) else projection.withhold(state)
    shown = projection.show(open_to, locate) | {"withheld": open_to != state, "moderation": verdict}
    return shown | ({"trashed_at": state.trashed} if projection.in_trash(state) else {})
