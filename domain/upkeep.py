"""What upkeep has to say: findings of the doctor, in the order of their weight, and how old what may be."""

from __future__ import annotations

from datetime import timedelta
from typing import Literal, TypeAlias

from msgspec import Struct

from domain.commits import VAULT_OWNER, stream_name

__all__ = ["TRASH_KEPT", "UNUSED_KEPT", "WITH_TRASH", "Finding", "Level", "stream_of", "worst"]

TRASH_KEPT = timedelta(days=30)
"""How long something may lie in the trash."""

UNUSED_KEPT = timedelta(days=7)
"""How long a blob that nothing names, or a generation that nobody reads, is kept: its writer may not be done yet."""

WITH_TRASH = "with-trash"
"""Kind of the documents that name owners who ever put something into their trash."""

Level: TypeAlias = Literal["ok", "warning", "failure"]
_WEIGHT: dict[Level, int] = {"ok": 0, "warning": 1, "failure": 2}


class Finding(Struct, frozen=True):
    """One thing that was looked at."""

    check: str  # a stable word for programs: "lag", "parked", "stuck" ...
    level: Level
    what: str  # a sentence for a person
    do: str = ""  # what to do about it; empty where there is nothing to do
    value: float | None = None  # the number behind it, for a graph


def worst(findings: list[Finding]) -> Level:
    """The level of the whole."""
    return max((each.level for each in findings), key=_WEIGHT.__getitem__, default="ok")


def stream_of(month: str) -> str:
    """The stream that upkeep writes what it has done to, one a month (`2026-11`)."""
    return stream_name(VAULT_OWNER, "upkeep", month)
