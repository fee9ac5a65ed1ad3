"""One picture as memories see it: when, where, who, what, how good; and whether it may be in a memory at all. Pure."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from msgspec import Struct

from domain.moderation import Verdict, standing
from domain.scanning import Safety, Serving

__all__ = ["GUESSED", "Glance", "Moment", "SeenFace", "local_seconds", "local_text", "may_be_remembered"]

GUESSED = frozenset(("file_modified",))
"""Who says when a picture was taken, and does not know: what an import or a copy did to the file is no memory."""

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - wall clocks


class Glance(Struct, frozen=True, array_like=True, gc=False):
    """What was measured of a picture, as `domain.quality` says."""

    brightness: float
    contrast: float
    sharpness: float
    dark: float
    megapixels: float = 0.0


class SeenFace(Struct, frozen=True, array_like=True, gc=False):
    """A face, as far as a choice of pictures needs it."""

    good: bool = False  # in focus, large enough, turned to the camera
    share: float = 0.0  # of the picture's area
    person: str | None = None


class Moment(Struct, frozen=True, array_like=True):
    """One asset."""

    asset: str = ""
    local: str | None = None  # wall clock of the place
    source: str = ""  # of that date
    latitude: float | None = None
    longitude: float | None = None
    city: str | None = None
    region: str | None = None
    country: str | None = None
    kind: str | None = None
    safety: Safety = "unknown"
    verdict: Verdict | None = None
    ruled: Verdict | None = None
    behind: str | None = None  # the asset that it stands behind
    trashed: str | None = None
    shown: bool = False  # it has pictures, and nothing is due
    favourite: bool = False
    rating: int | None = None
    glance: Glance | None = None
    faces: tuple[SeenFace, ...] = ()
    tags: tuple[tuple[str, float], ...] = ()
    phash: int | None = None
    pixels: str | None = None
    vector: str | None = None  # blob with the picture's vector

    @property
    def people(self) -> tuple[str, ...]:
        """Persons that it shows, as recorded: merges are not followed."""
        return tuple(dict.fromkeys(face.person for face in self.faces if face.person is not None))

    @property
    def listed(self) -> bool:
        """Whether it is among the owner's pictures with a date that is known, and nothing is wrong with it."""
        return (
            self.shown
            and self.local is not None
            and self.source not in GUESSED
            and self.behind is None
            and self.trashed is None
            and standing(self.verdict, self.ruled) in (None, "allow")
        )


def may_be_remembered(moment: Moment, hidden: Collection[str], serving: Serving) -> bool:
    """Whether a picture may be in a memory: never one in the trash, a sensitive one, one of a person that the owner
    hid, or one that nobody may see.

    Args:
        hidden: persons that are hidden, by all ids that lead to them.
    """
    return moment.listed and serving.allows(moment.safety) and not any(each in hidden for each in moment.people)


def local_seconds(local: str) -> float:
    """A wall clock as seconds since 1970."""
    return (datetime.fromisoformat(local) - _EPOCH).total_seconds()


def local_text(seconds: float) -> str:
    """The inverse, to the second; of seconds that no calendar holds, its first or last day."""
    try:
        return (_EPOCH + timedelta(seconds=int(seconds))).isoformat()
    except OverflowError:
        return "0001-01-01T00:00:00" if seconds < 0 else "9999-12-31T00:00:00"
