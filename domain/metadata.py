"""What a file's tags mean: date, place, camera and caption, judged. Pure: same tags, same answer; never raises.

What is refused (null island, a clock that was never set, an exposure of nought seconds) is said in the notes.
"""

from __future__ import annotations

import math
import re
from datetime import datetime

from msgspec import Struct

from domain.dates import ZoneOf, choose
from domain.media import Camera, DateCandidate, Position, RawMetadata, TakenAt

__all__ = ["Extracted", "ZoneOf", "extract"]

MAX_DESCRIPTION = 2000
MAX_NOTES = 50

_BOILERPLATE = re.compile(
    r"(OLYMPUS|KONICA MINOLTA|MINOLTA|SONY|SAMSUNG|SANYO|KODAK|Digital)?\s*(DIGITAL CAMERA|DSC|Camera|StillCam)"
    r"|DCIM[\\/].*|DSC_?\d+|ASCII|charset=.*|screenshot|binary comment|<?KENOX.*>?|Exif_JPEG_PICTURE|default",
    re.IGNORECASE,
)
"""What cameras write into the caption of every picture."""
_ISO_6709 = re.compile(r"([+-]\d{1,2}(?:\.\d+)?)([+-]\d{1,3}(?:\.\d+)?)([+-]\d+(?:\.\d+)?)?(?:CRS[^/]*)?/?", re.ASCII)
_XMP_DEGREES = re.compile(r"(\d{1,3}),(\d{1,2}(?:\.\d+)?)(?:,(\d{1,2}(?:\.\d+)?))?([NSEW])", re.ASCII)

Tags = dict[str, str | int | float | list[float]]


class Extracted(Struct, frozen=True):
    """The values of `MetadataExtracted`."""

    taken_at: TakenAt | None = None
    taken_at_utc: datetime | None = None
    alternatives: tuple[DateCandidate, ...] = ()
    camera: Camera | None = None
    position: Position | None = None
    description: str | None = None
    notes: tuple[str, ...] = ()


def extract(
    raw: RawMetadata, *, file_name: str, modified_at: datetime | None, zone_of: ZoneOf | None = None
) -> Extracted:
    """Judge a file's tags.

    Args:
        file_name: the name that the file came with; many carry a date.
        modified_at: the file's modification time, with a zone: the date of last resort.
        zone_of: tells the time zone of a position; None to do without.
    """
    notes = list(raw.notes)
    position = _position(raw.tags, notes)
    place = (position.latitude, position.longitude) if position else None
    taken_at, utc, alternatives = choose(
        raw, file_name=file_name, modified_at=modified_at, place=place, zone_of=zone_of, notes=notes
    )
    return Extracted(
        taken_at,
        utc,
        alternatives,
        _camera(raw.tags, notes),
        position,
        _description(raw.tags),
        tuple(dict.fromkeys(notes))[:MAX_NOTES],
    )


# --- where -----------------------------------------------------------------------------------------------------------


def _position(tags: Tags, notes: list[str]) -> Position | None:
    """EXIF's GPS block, else the video container's location (ISO 6709), else XMP."""
    latitude = _exif_degrees(tags, "GPS:GPSLatitude", "NS", notes)
    longitude = _exif_degrees(tags, "GPS:GPSLongitude", "EW", notes)
    altitude = _exif_altitude(tags)
    if latitude is None and longitude is None:
        latitude, longitude, altitude = _container_location(tags, notes)
    if latitude is None and longitude is None:
        latitude, longitude = (_xmp_degrees(tags.get(f"XMP:exif:{name}")) for name in ("GPSLatitude", "GPSLongitude"))
    if latitude is None or longitude is None:
        return None
    if not (math.isfinite(latitude) and math.isfinite(longitude) and abs(latitude) <= 90 and abs(longitude) <= 180):
        notes.append(f"the position {latitude:.6g}, {longitude:.6g} is not on Earth and was refused")
        return None
    if abs(latitude) < 1e-4 and abs(longitude) < 1e-4:
        notes.append("the position 0, 0 is what a receiver without a fix writes; it was refused")
        return None
    if altitude is not None and not (math.isfinite(altitude) and -12_000 <= altitude <= 100_000):
        notes.append(f"the altitude {altitude:.6g} m is impossible and was refused")
        altitude = None
    return Position(round(latitude, 7), round(longitude, 7), None if altitude is None else round(altitude, 2))


def _exif_degrees(tags: Tags, name: str, hemispheres: str, notes: list[str]) -> float | None:
    value = tags.get(name)
    parts = value if isinstance(value, list) else [value] if isinstance(value, (int, float)) else None
    if not parts or len(parts) > 3 or not all(isinstance(part, (int, float)) and math.isfinite(part) for part in parts):
        if value is not None:
            notes.append(f"{name} can't be read as degrees and was refused")
        return None
    side = str(tags.get(f"{name}Ref", "")).strip().upper()[:1]
    if not side or side not in hemispheres:
        if any(parts):
            notes.append(f"{name} does not say which side of the globe it means ({' or '.join(hemispheres)}); refused")
        return None
    degrees = sum(float(part) / 60.0**power for power, part in enumerate(parts))
    return -degrees if side in "SW" else degrees


def _exif_altitude(tags: Tags) -> float | None:
    value = tags.get("GPS:GPSAltitude")
    if not isinstance(value, (int, float)):
        return None
    below = tags.get("GPS:GPSAltitudeRef") in (1, "1", 1.0)
    return -abs(float(value)) if below else float(value)


def _container_location(tags: Tags, notes: list[str]) -> tuple[float | None, float | None, float | None]:
    for name in ("com.apple.quicktime.location.iso6709", "location", "location-eng"):
        value = tags.get(f"Container:{name}")
        if not isinstance(value, str):
            continue
        match = _ISO_6709.fullmatch(value.strip())
        if match:
            return float(match[1]), float(match[2]), float(match[3]) if match[3] else None
        notes.append(f"container:{name} says {value[:60]!r}, which is no position")
    return None, None, None


def _xmp_degrees(value: object) -> float | None:
    match = _XMP_DEGREES.fullmatch(value.strip()) if isinstance(value, str) else None
    if not match:
        return None
    degrees = int(match[1]) + float(match[2]) / 60 + float(match[3] or 0) / 3600
    return -degrees if match[4] in "SW" else degrees


# --- with what -------------------------------------------------------------------------------------------------------


def _camera(tags: Tags, notes: list[str]) -> Camera | None:
    flash = tags.get("EXIF:Flash")
    camera = Camera(
        make=_word(tags, "EXIF:Make", "Container:com.apple.quicktime.make", "Container:make", "XMP:tiff:Make"),
        model=_word(tags, "EXIF:Model", "Container:com.apple.quicktime.model", "Container:model", "XMP:tiff:Model"),
        lens=_word(tags, "EXIF:LensModel", "XMP:aux:Lens"),
        software=_word(tags, "EXIF:Software", "Container:com.apple.quicktime.software"),
        exposure_seconds=_positive(tags, "EXIF:ExposureTime", 100_000, notes),
        f_number=_positive(tags, "EXIF:FNumber", 1000, notes),
        iso=_whole(_positive(tags, "EXIF:ISOSpeedRatings", 10_000_000, notes)),
        focal_length_mm=_positive(tags, "EXIF:FocalLength", 100_000, notes),
        focal_length_35mm=_whole(_positive(tags, "EXIF:FocalLengthIn35mmFilm", 65_000, notes)),
        flash_fired=bool(flash & 1) if isinstance(flash, int) else None,
    )
    return camera if camera != Camera() else None


def _word(tags: Tags, *names: str) -> str | None:
    """The first of these tags that is a text, with its blanks and padding cleaned."""
    for name in names:
        value = tags.get(name)
        if isinstance(value, (str, int, float)):
            text = " ".join("".join(c for c in str(value) if c.isprintable()).split())[:200]
            if text.strip("-. ?") and text.lower() not in ("unknown", "none", "n/a"):
                return text
    return None


def _positive(tags: Tags, name: str, limit: float, notes: list[str]) -> float | None:
    value = tags.get(name)
    if isinstance(value, list) and value:
        value = value[0]
    if not isinstance(value, (int, float)) or value == 0:  # 0 stands for "unknown"
        return None
    if math.isfinite(value) and 0 < value <= limit:
        return float(value)
    notes.append(f"{name} is {value:.6g}, which can't be; it was left out")
    return None


def _whole(value: float | None) -> int | None:
    return None if value is None or round(value) < 1 else round(value)


# --- what it says ----------------------------------------------------------------------------------------------------


def _description(tags: Tags) -> str | None:
    names = ("EXIF:ImageDescription", "XMP:dc:description", "EXIF:UserComment", "EXIF:XPComment", "EXIF:XPTitle")
    for name in (*names, "Container:description", "Container:comment"):
        value = tags.get(name)
        if isinstance(value, str):
            text = "".join(c for c in value if c.isprintable() or c == "\n").strip()
            if len(text) > 1 and not _BOILERPLATE.fullmatch(text):
                return text[:MAX_DESCRIPTION]
    return None
