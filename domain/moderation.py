"""Sensitive content: what a model's score means under an owner's policy. Never a deletion.

allow   shown as any other picture
blur    shown blurred until somebody asks for it
hold    not shown at all until a person decides otherwise
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

__all__ = ["LABELS", "Moderated", "Policy", "Verdict", "newest", "standing"]

Verdict: TypeAlias = Literal["allow", "blur", "hold"]

LABELS = 50
"""Labels of a service that are kept, at most."""

_Score = Annotated[float, Meta(ge=0, le=1)]


class Policy(Struct, frozen=True):
    """From which score on a picture is blurred, and from which it is held back; None: never."""

    blur: Annotated[_Score | None, Meta(description="From this score on a picture is blurred; none: never.")] = 0.8
    hold: Annotated[_Score | None, Meta(description="From this score on a picture is held; none: never.")] = None

    def verdict(self, score: float) -> Verdict:
        """What becomes of a picture with this score. Holding outdoes blurring."""
        if self.hold is not None and score >= self.hold:
            return "hold"
        return "blur" if self.blur is not None and score >= self.blur else "allow"


class Moderated(Struct, frozen=True):
    """What a model or a service said of one picture."""

    score: float  # 0: harmless, 1: surely not safe for work
    labels: tuple[str, ...] = ()  # the service's own words
    name: str = ""
    version: str = ""
    cost_microusd: int = 0


def standing(verdict: Verdict | None, ruled: Verdict | None) -> Verdict | None:
    """What holds for a picture: a person's ruling, else the model's verdict, else nothing is known."""
    return ruled or verdict


def newest(policies: Iterable[Policy]) -> Policy:
    """The last of some policies; the default where there is none."""
    last = Policy()
    for policy in policies:
        last = policy
    return last
