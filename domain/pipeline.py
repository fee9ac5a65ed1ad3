"""The processing graph as data: which step runs after which event, for which kinds, and how often it is tried.

The relay asks `steps_after(event)`, the asset's decider asks for what else there is; nothing else in the house knows
the order of the steps. A new step is one entry here and one function in `steps/`.
"""

from __future__ import annotations

from msgspec import Struct

from domain.events import AssetUploaded, Event, FileValidated, ReprocessRequested
from domain.media import Kind

ALL_KINDS: frozenset[Kind] = frozenset(("image", "video"))
IMAGES: frozenset[Kind] = frozenset(("image",))


class Step(Struct, frozen=True, kw_only=True):
    """One kind of work on an asset."""

    name: str
    version: int  # raise it when the same bytes would give another result
    follows: type[Event]
    kinds: frozenset[Kind] = ALL_KINDS
    not_for_others: str = ""  # why an asset of another kind skips it
    max_attempts: int = 5
    first_delay_seconds: float = 2.0  # before the second attempt; each further wait is three times longer
    lease_seconds: float = 120.0  # longer than the work may take; then the message goes to another worker

    def delay_after(self, attempt: int) -> float:
        """Seconds to wait after a failed attempt (1, 2, 3, ...), never over an hour."""
        return float(min(self.first_delay_seconds * 3.0 ** (attempt - 1), 3600.0))


PIPELINE: tuple[Step, ...] = (
    Step(name="validate", version=1, follows=AssetUploaded),
    Step(name="metadata", version=1, follows=FileValidated),
    Step(
        name="renditions",
        version=1,
        follows=FileValidated,
        kinds=IMAGES,
        not_for_others="renditions are made from pictures only",
    ),
)

STEPS: dict[str, Step] = {step.name: step for step in PIPELINE}


def steps_after(event: Event) -> tuple[Step, ...]:
    """The steps that an event makes due, whatever the asset's kind: the asset decides whether they apply."""
    if isinstance(event, ReprocessRequested):
        return (STEPS[event.step],) if event.step in STEPS else ()
    return tuple(step for step in PIPELINE if isinstance(event, step.follows))
