"""Facts about a picture or a video as plain values: what the media engine (behind `ports.MediaEngine`) reports."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Kind = Literal["image", "video"]

RENDITION_SIZES: dict[str, int] = {"small": 256, "medium": 1024, "large": 2048}
"""Name of a rendition -> its long edge in pixels. A smaller original is never enlarged."""


class Limits(Struct, frozen=True):
    """What an upload may cost. Generous for cameras of today, far below what hurts a worker."""

    max_bytes: int = 4 << 30
    max_image_bytes: int = 512 << 20
    max_pixels: int = 400_000_000  # 20,000 x 20,000
    max_edge_px: int = 65_535
    max_frames: int = 5_000
    max_seconds: float = 45.0  # wall time of one decoder call
    max_memory_bytes: int = 3 << 30  # address space of one decoder process


class Inspection(Struct, frozen=True):
    """What a file is, judged by its content alone, after its pixels were decoded once from end to end."""

    media_type: str  # "image/jpeg", "video/mp4"
    kind: Kind
    width: int  # upright, as a person sees it
    height: int
    frames: int
    notes: tuple[str, ...] = ()  # survivable faults, in words: "the EXIF block is cut short"


class DateCandidate(Struct, frozen=True):
    """One answer to "when was this taken", and who says so."""

    source: str  # "exif:DateTimeOriginal", "gps", "file_name", "file_modified"
    local: str  # "2008-10-22T16:28:39.50": the wall clock of the place, without a zone
    offset_minutes: int | None = None  # east of UTC; None when nobody says


class TakenAt(Struct, frozen=True):
    """The answer that was chosen."""

    local: str
    source: str
    offset_minutes: int | None = None
    zone: str | None = None  # "Europe/Rome", when the position gives one
    offset_source: str | None = None  # "exif:OffsetTimeOriginal", "gps_time", "position"


class Position(Struct, frozen=True):
    """Where the camera was: degrees north and east (WGS 84), metres above the sea."""

    latitude: float
    longitude: float
    altitude_m: float | None = None


class Camera(Struct, frozen=True, omit_defaults=True):
    """What took the picture, and how; every field as the file states it, cleaned of padding."""

    make: str | None = None
    model: str | None = None
    lens: str | None = None
    software: str | None = None
    exposure_seconds: float | None = None
    f_number: float | None = None
    iso: int | None = None
    focal_length_mm: float | None = None
    focal_length_35mm: int | None = None
    flash_fired: bool | None = None

    @property
    def name(self) -> str | None:
        """Make and model as a person says them: no "Canon Canon EOS 40D"."""
        if not self.model:
            return self.make
        if not self.make or self.model.lower().startswith(self.make.split()[0].lower()):
            return self.model
        return f"{self.make} {self.model}"


class RawMetadata(Struct, frozen=True):
    """What the file says of itself, before any judgement: the media engine reads, `domain.metadata` decides."""

    tags: dict[str, str | int | float | list[float]]  # "EXIF:DateTimeOriginal" -> "2008:10:22 16:28:39"
    width: int  # upright
    height: int
    orientation: int = 1  # EXIF 1..8, as stored in the file
    notes: tuple[str, ...] = ()


class RenditionFile(Struct, frozen=True):
    """One picture that the engine wrote into the folder it was given."""

    name: str  # "small", "medium", "large"
    format: str  # "jpeg", "webp"
    path: str
    width: int
    height: int
    bytes: int


class Rendered(Struct, frozen=True):
    """All pictures made from one decode."""

    files: tuple[RenditionFile, ...]
    thumbhash: str  # base64, 25 bytes or fewer before it; https://evanw.github.io/thumbhash/
    engine: str  # "libvips 8.18.7"
    notes: tuple[str, ...] = ()
