"""Facts about a picture or a video as plain values: what the media engine (behind `ports.MediaEngine`) reports."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

from domain.quality import Look

Kind = Annotated[Literal["image", "video"], Meta(description="What sort of media it is, by content.")]

RENDITION_SIZES: dict[str, int] = {"small": 256, "medium": 1024, "large": 2048}
"""Name of a rendition -> its long edge in pixels. A smaller original is never enlarged."""


class Limits(Struct, frozen=True):
    """What an upload may cost. Generous for cameras of today, far below what hurts a worker."""

    max_bytes: int = 4 << 30
    max_image_bytes: int = 512 << 20
    max_pixels: int = 400_000_000  # 20,000 x 20,000
    max_edge_px: int = 65_535
    max_whole_bytes: int = 1280 << 20  # where a decoder has to hold all of a picture: estimated before it is opened
    max_frames: int = 5_000  # of an animation, or pages
    max_video_frames: int = 10_000_000  # 12 hours at 240 a second
    max_duration_seconds: float = 12 * 3600.0  # of a video
    max_nesting: int = 16  # boxes, directories or elements in each other; honest files have 10 at most
    max_seconds: float = 45.0  # wall time of one decoder call
    max_memory_bytes: int = 3 << 30  # address space of one decoder process


class Stripped(Struct, frozen=True):
    """A picture's file without its metadata."""

    path: str
    media_type: str
    bytes: int


class Inspection(Struct, frozen=True):
    """What a file is, judged by its content alone, after its pixels were decoded once from end to end."""

    media_type: str  # "image/jpeg", "video/mp4"
    kind: Kind
    width: int  # upright, as a person sees it
    height: int
    frames: int
    notes: tuple[str, ...] = ()  # survivable faults, in words: "the EXIF block is cut short"


_SourceOfDate = Annotated[
    str, Meta(description="Who says so: `exif:DateTimeOriginal`, `gps`, `file_name`, `file_modified` ...")
]
_LocalTime = Annotated[
    str, Meta(description="The wall clock of the place, without a zone, e.g. `2008-10-22T16:28:39.50`.")
]
_Offset = Annotated[int | None, Meta(description="Minutes east of UTC, when known.")]


class DateCandidate(Struct, frozen=True):
    """One answer to "when was this taken", and who says so."""

    source: _SourceOfDate
    local: _LocalTime
    offset_minutes: _Offset = None


class TakenAt(Struct, frozen=True):
    """The answer that was chosen."""

    local: _LocalTime
    source: _SourceOfDate
    offset_minutes: _Offset = None
    zone: Annotated[str | None, Meta(description="Time zone, e.g. `Europe/Rome`, when the position gives one.")] = None
    offset_source: Annotated[
        str | None, Meta(description="Who says the offset: `exif:OffsetTimeOriginal`, `gps_time`, `position` ...")
    ] = None


_DEGREES = {"x-unit": "degrees"}


class Position(Struct, frozen=True):
    """Where the camera was (WGS 84)."""

    latitude: Annotated[float, Meta(description="North of the equator; south is negative.", extra_json_schema=_DEGREES)]
    longitude: Annotated[float, Meta(description="East of Greenwich; west is negative.", extra_json_schema=_DEGREES)]
    altitude_m: Annotated[float | None, Meta(description="Above the sea; below is negative.")] = None


class Camera(Struct, frozen=True, omit_defaults=True):
    """What took the picture, and how; every field as the file states it, cleaned of padding."""

    make: Annotated[str | None, Meta(description="Maker of the camera.")] = None
    model: Annotated[str | None, Meta(description="Model of the camera.")] = None
    lens: Annotated[str | None, Meta(description="Model of the lens.")] = None
    software: Annotated[str | None, Meta(description="Firmware, or the program that wrote the file.")] = None
    exposure_seconds: Annotated[float | None, Meta(description="Exposure time.")] = None
    f_number: Annotated[float | None, Meta(description="Aperture: focal length over its diameter.")] = None
    iso: Annotated[int | None, Meta(description="Sensitivity (ISO 12232).")] = None
    focal_length_mm: Annotated[float | None, Meta(description="True focal length.")] = None
    focal_length_35mm: Annotated[
        int | None,
        Meta(description="Focal length with the same view on 35 mm film.", extra_json_schema={"x-unit": "mm"}),
    ] = None
    flash_fired: Annotated[bool | None, Meta(description="Whether the flash fired.")] = None

    @property
    def name(self) -> str | None:
        """Make and model as a person says them: no "Canon Canon EOS 40D"."""
        if not self.model:
            return self.make
        if not self.make or self.model.lower().startswith(self.make.split()[0].lower()):
            return self.model
        return f"{self.make} {self.model}"


class EmbeddedVideo(Struct, frozen=True):
    """Where the video of a motion photo lies inside the picture's file, as its structure shows."""

    offset: int  # bytes
    length: int
    source: str  # who says so: "google", "micro_video", "samsung", "mpvd"


class MotionVideo(Struct, frozen=True):
    """The video of a motion photo, copied out of it; the picture's file is left as it is."""

    blob: Annotated[str, Meta(description="Blob with the video's bytes, unchanged.", min_length=1, max_length=1024)]
    size_bytes: Annotated[int, Meta(description="Its length.", extra_json_schema={"x-unit": "bytes"}, ge=0)]
    offset: Annotated[
        int, Meta(description="Where it begins in the file.", extra_json_schema={"x-unit": "bytes"}, ge=0)
    ]
    source: Annotated[str, Meta(description="Who says so: `google`, `micro_video`, `samsung` or `mpvd`.")]
    width: Annotated[int, Meta(description="Upright.", extra_json_schema={"x-unit": "px"}, ge=1)]
    height: Annotated[int, Meta(description="Upright.", extra_json_schema={"x-unit": "px"}, ge=1)]
    duration_ms: (
        Annotated[int, Meta(description="How long it plays.", extra_json_schema={"x-unit": "ms"}, ge=0)] | None
    ) = None


class MotionFile(Struct, frozen=True):
    """A motion photo's video that the engine wrote into the folder it was given, and proved to play."""

    path: str
    bytes: int
    width: int  # upright
    height: int
    duration_ms: int | None = None


class RawMetadata(Struct, frozen=True):
    """What the file says of itself, before any judgement: the media engine reads, `domain.metadata` decides."""

    tags: dict[str, str | int | float | list[float]]  # "EXIF:DateTimeOriginal" -> "2008:10:22 16:28:39"
    width: int  # upright
    height: int
    orientation: int = 1  # EXIF 1..8, as stored in the file
    notes: tuple[str, ...] = ()
    embedded: EmbeddedVideo | None = None


class RawSidecar(Struct, frozen=True):
    """What a sidecar says, before any judgement."""

    kind: Literal["xmp", "takeout"]
    tags: dict[str, str | int | float | list[float]]  # "XMP:xmp:Rating", "Takeout:photoTakenTime"; lists: one a line
    notes: tuple[str, ...] = ()


class RenditionFile(Struct, frozen=True):
    """One picture that the engine wrote into the folder it was given."""

    name: str  # "small", "medium", "large"; "full", "web", "preview" where there is one
    format: str  # "jpeg", "webp", "avif"
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
    look: Look | None = None
    megapixels: float = 0.0  # of what is shown, before it was made smaller


class Hashed(Struct, frozen=True):
    """A hash of a file's content, or why there is none."""

    value: str | None  # hex
    note: str = ""
