"""Where files that may belong to one shot meet: what they have in common, read from their tags and names. Pure.

A live photo's halves carry the same content identifier, frames of a burst the same burst, and twins (RAW + JPEG,
picture + video) the same name in the same folder. Meeting proves nothing yet: `domain.stacks` decides who belongs
together.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import datetime

from msgspec import Struct

from domain.commits import derive_id
from domain.media import DateCandidate, TakenAt

__all__ = ["Meeting", "Shot", "is_raw", "meetings", "own_clock", "seconds_apart"]

Tags = Mapping[str, str | int | float | list[float]]

STILLS = frozenset(("image/jpeg", "image/heic", "image/heif"))
"""What cameras write beside a RAW, and phones beside a live photo's video."""

_RAW = re.compile(
    r"image/x-(adobe|canon|epson|fuji(film)?|hasselblad|kodak|leica|mamiya|minolta|nikon|olympus|panasonic|pentax"
    r"|phaseone|raw|ricoh|samsung|sigma|sony|dcraw)\b"
)

MAX_NAMED_VIDEO_MS = 5_000
"""A longer video is a video of its own, whatever its name: live photos last 1.5 to 3 s."""

_IDENTIFIER = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:{}\-]{7,99}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_PIXEL = re.compile(r"\.(RAW-\d\d\.(COVER|ORIGINAL)|MP)$", re.IGNORECASE)
_BURST_BY_TIME = re.compile(r"(?:^|_)BURST(?P<id>\d{14,20})(?P<cover>_COVER)?$", re.IGNORECASE | re.ASCII)
_BURST_BY_NUMBER = re.compile(r"^(?P<id>.+?)[._]BURST-?\d{1,5}(?P<cover>[._]COVER)?$", re.IGNORECASE | re.ASCII)
_SEQUENCE = re.compile(r"^(?P<id>\d{8}_\d{6})_\d{3}$", re.ASCII)

_CLOCKS = ("exif:", "container:", "gps")
"""Who wrote a date that files of one shot share; a sidecar's may have been given to one of them alone."""

_ZONE_STEP_S = 900  # every offset from UTC is a multiple of a quarter of an hour
_MAX_OFFSET_S = 14 * 3600


class Meeting(Struct, frozen=True):
    """What a file has in common with others."""

    kind: str  # "live", "burst", "sequence" (a burst by weak evidence), "name"
    on: str  # the identifier, or the folder and the name

    @property
    def stack(self) -> str:
        """Id of the stack that meets here, within its owner's vault."""
        return derive_id("stack", self.kind, self.on)


class Shot(Struct, frozen=True):
    """What is known of one file, as far as stacks care."""

    media_type: str
    file_name: str
    path: str | None = None
    taken_at: TakenAt | None = None
    camera: str | None = None
    tags: Tags = {}

    @property
    def duration_ms(self) -> int | None:
        """Length of a video."""
        value = self.tags.get("Container:duration_ms")
        return int(value) if isinstance(value, (int, float)) and 0 <= value < 1 << 53 else None

    @property
    def burst_cover(self) -> bool:
        """Whether the camera or its user chose this frame of the burst."""
        if str(self.tags.get("XMP:GCamera:BurstPrimary", "")) == "1":
            return True
        named = _burst_in_name(self.file_name)
        return named is not None and named[2]

    @property
    def moment(self) -> TakenAt | None:
        """When, unless only the file's modification time says so: two halves of a shot may be copied years apart."""
        return None if self.taken_at is None or self.taken_at.source == "file_modified" else self.taken_at


def is_raw(media_type: str) -> bool:
    """Whether it is a camera's raw data."""
    return _RAW.match(media_type) is not None


def meetings(shot: Shot) -> tuple[Meeting, ...]:
    """Where a file meets its like; most files meet by name only, and most of those meet nobody. What is not known to be
    a picture or a video meets nobody."""
    if not shot.media_type:
        return ()
    return tuple(meeting for meeting in (_live(shot), _burst(shot), _name(shot)) if meeting)


def own_clock(taken_at: TakenAt | None, alternatives: Iterable[DateCandidate]) -> TakenAt | None:
    """The date that the camera's own clock gave, also where another was chosen; else the one that was chosen."""
    if taken_at is None or taken_at.source.startswith(_CLOCKS):
        return taken_at
    own = next((each for each in alternatives if each.source.startswith(_CLOCKS)), None)
    return taken_at if own is None else TakenAt(own.local, own.source, own.offset_minutes)


def seconds_apart(a: TakenAt | None, b: TakenAt | None) -> float | None:
    """How far apart two moments are; None when one is not known.

    A clock without a zone may differ from UTC by any offset that exists: then only what is left of a quarter of an hour
    counts.
    """
    if a is None or b is None:
        return None
    try:
        one, other = datetime.fromisoformat(a.local), datetime.fromisoformat(b.local)
        apart = abs((one - other).total_seconds())
    except (ValueError, TypeError):
        return None
    if a.offset_minutes is not None and b.offset_minutes is not None:
        return abs((one - other).total_seconds() - 60 * (a.offset_minutes - b.offset_minutes))
    if a.offset_minutes is None and b.offset_minutes is None:
        return apart
    shift = round(apart / _ZONE_STEP_S) * _ZONE_STEP_S
    return abs(apart - shift) if shift <= _MAX_OFFSET_S else apart


# --- the three kinds -------------------------------------------------------------------------------------------------


def _live(shot: Shot) -> Meeting | None:
    for name in ("Apple:ContentIdentifier", "Container:com.apple.quicktime.content.identifier"):
        value = shot.tags.get(name)
        if isinstance(value, str) and _IDENTIFIER.fullmatch(value):
            return Meeting("live", value.upper())
    return None


def _burst(shot: Shot) -> Meeting | None:
    if not (shot.media_type in STILLS or is_raw(shot.media_type)):
        return None
    for name in ("Apple:BurstUUID", "XMP:GCamera:BurstID"):
        value = shot.tags.get(name)
        if isinstance(value, str) and _IDENTIFIER.fullmatch(value):
            return Meeting("burst", value.upper())
    named, folder = _burst_in_name(shot.file_name), _folder(shot)
    if named is None or folder is None:
        return None
    return Meeting(named[0], f"{folder}/{named[1].casefold()}")


def _burst_in_name(file_name: str) -> tuple[str, str, bool] | None:
    """Kind, what its frames share, and whether it is the cover."""
    stem = file_name.rpartition(".")[0]
    for pattern in (_BURST_BY_TIME, _BURST_BY_NUMBER):
        match = pattern.search(stem)
        if match:
            return "burst", match["id"], match["cover"] is not None
    match = _SEQUENCE.match(stem)
    return ("sequence", match["id"], False) if match else None


def _name(shot: Shot) -> Meeting | None:
    """Same folder and same name. A long video has no twin; one with an identifier may, as a program that converts
    pictures often drops theirs."""
    if shot.media_type.startswith("video/"):
        if shot.duration_ms is None or shot.duration_ms > MAX_NAMED_VIDEO_MS or shot.moment is None:
            return None
    elif not (shot.media_type in STILLS or is_raw(shot.media_type)):
        return None
    stem = _PIXEL.sub("", shot.file_name.rpartition(".")[0]).casefold()
    if not stem:
        return None
    folder = _folder(shot)
    if folder is not None:
        return Meeting("name", f"{folder}/{stem}")
    if shot.moment is None or shot.camera is None:
        return None
    return Meeting("name", f"{stem} by {shot.camera} at {shot.moment.local[:19]}")


def _folder(shot: Shot) -> str | None:
    """The folder that a file came from; None where each upload has a folder of its own, which says nothing."""
    if shot.path is None:
        return None
    folder = shot.path.rpartition("/")[0]
    return None if _UUID.fullmatch(folder.rpartition("/")[2]) else folder
