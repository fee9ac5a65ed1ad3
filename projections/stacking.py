"""Where an asset stands in its stacks, as projections keep it: of each stack, what its highest version said."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from domain.events import Stacked

__all__ = ["Placement", "main_of", "parts_of", "placed"]


class Placement(Struct, frozen=True, array_like=True):
    """What one stack says of the asset."""

    version: int  # of the stack
    main: str | None = None  # behind whom it stands
    role: str | None = None
    parts: tuple[tuple[str, str], ...] = ()  # (asset, role) of those behind it


def placed(before: Mapping[str, Placement], event: Stacked) -> dict[str, Placement]:
    """After a stack has spoken; a lower version of it comes too late and changes nothing."""
    known = before.get(event.stack)
    if known is not None and known.version >= event.stack_version:
        return dict(before)
    parts = tuple((part.asset, part.role) for part in event.parts)
    return {**before, event.stack: Placement(event.stack_version, event.main, event.role, parts)}


def main_of(stacks: Mapping[str, Placement]) -> str | None:
    """The asset that it stands behind, if any: of several, as a part of a shot first, then as a frame of a burst."""
    behind = sorted((p.role == "burst_frame", stack) for stack, p in stacks.items() if p.main)
    return stacks[behind[0][1]].main if behind else None


def parts_of(stacks: Mapping[str, Placement]) -> list[dict[str, str]]:
    """Those that stand behind it, each once."""
    parts = {asset: role for _, placement in sorted(stacks.items()) for asset, role in placement.parts}
    return [{"asset": asset, "role": role} for asset, role in parts.items()]
