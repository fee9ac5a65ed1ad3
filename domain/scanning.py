"""Scanned or not: how safe a file is known to be, and which of that an operator lets people see."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeAlias

from msgspec import Struct

from domain.events import Scan

__all__ = ["NoScanner", "Safety", "Serving"]

Safety: TypeAlias = Literal["unknown", "refused", "not_scanned", "clean", "infected", "failed"]
"""`unknown`: not validated yet; `refused`: quarantined; the others: what the malware scan said (`events.Scan`)."""


class Serving(Struct, frozen=True):
    """The policy of everything that shows or hands out a picture, a video or a link to one.

    A view's rows hold the safety as it is; the reader applies the policy, so that a change of policy counts at once.
    """

    unscanned: bool = True  # whether a file may be seen that no scanner has called clean

    def allows(self, safety: Safety) -> bool:
        """Whether a file of this safety may be seen: one that is clean always, one that is refused never."""
        return safety == "clean" or (self.unscanned and safety in ("not_scanned", "failed"))


class NoScanner:
    """`domain.ports.Scanner` where none is configured."""

    def scan(self, blob: str, path: Path) -> Scan:
        """Says that nobody has looked."""
        return Scan(status="not_scanned")
