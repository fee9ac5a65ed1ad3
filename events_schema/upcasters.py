"""Upcasters: how an event recorded under an old schema version becomes one of the next, step by step, on read.

Nothing recorded is ever rewritten; the version in the envelope says where the climb begins.

To change an event in a way that old events could not survive:

1. Raise the `VERSION` of its class in `domain/events.py` and change its fields.
2. Add here a function that lifts the `data` of the version before, as plain JSON values, by exactly one version::

        def _asset_seen_again_1(data: dict[str, Any]) -> dict[str, Any]:
            # Version 2 has the file's name besides its path.
            return {**data, "file_name": data["path"].rsplit("/", 1)[-1]}

        UPCASTERS = {("AssetSeenAgain", 1): _asset_seen_again_1}

3. Run `python -m events_schema.generate`, which adds `events_schema/AssetSeenAgain/2.json` and leaves `1.json` alone.

A version 3 later on adds `("AssetSeenAgain", 2)`; the first function is never touched again. An upcaster is pure: no
clock, no look-up, nothing but `data`, or a replay would not give the same rows twice.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

from domain.events import Event

__all__ = ["UPCASTERS", "Upcaster", "Upcasters", "check_upcasters"]

Upcaster: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""`data` of one version in, `data` of the next version out."""

Upcasters: TypeAlias = Mapping[tuple[str, int], Upcaster]
"""(event type, version that it starts from) -> upcaster."""

UPCASTERS: dict[tuple[str, int], Upcaster] = {}


def check_upcasters(events: Sequence[type[Event]], upcasters: Upcasters) -> None:
    """See that every past version of every type can climb to the current one, and that no upcaster leads nowhere.

    Raises:
        ValueError: names each (type, version) that is missing or too many.
    """
    needed = {(cls.__name__, version) for cls in events for version in range(1, cls.VERSION)}
    faults = [
        f"{name} has no upcaster from version {version}: add ({name!r}, {version}) to UPCASTERS"
        for name, version in sorted(needed - upcasters.keys())
    ] + [
        f"the upcaster ({name!r}, {version}) leads to no version of any event: remove it, or raise {name}.VERSION"
        for name, version in sorted(upcasters.keys() - needed)
    ]
    if faults:
        raise ValueError("; ".join(faults))
