"""What a file's tags mean: date, place, camera and caption, judged. Pure: same tags, same answer; never raises.

What is refused (null island, a clock that was never set, an exposure of nought seconds) is said in the notes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from domain.dates import ZoneOf, choose
from domain.media import Camera, DateCandidate, Position, RawMetadata, RawSidecar, TakenAt
from domain.places import on_earth

__all__ = ["Extracted", "ZoneOf", "extract"]

MAX_DESCRIPTION = 2000
MAX_NOTES = 50
MAX_KEYWORDS = 100

_BOILERPLATE = re.compile(
    r"(OLYMPUS|KONICA MINOLTA|MINOLTA|SONY|SAMSUNG|SANYO|KODAK|Digital)?\s*(DIGITAL CAMERA|DSC|Camera|StillCam)"
    r"|DCIM[\\/].*|DSC_?\d+|ASCII|charset=.*|screenshot|binary comment|<?KENOX.*>?|Exif_JPEG_PICTURE|default",
    re.IGNORECASE,
)
"""What cameras write into the caption of every picture."""
_ISO_6709 = re.compile(r"([+-]\d{1,7}(?:\.\d+)?)([+-]\d{1,8}(?:\.\d+)?)([+-]\d+(?:\.\d+)?)?(?:CRS[^/]*)?/?", re.ASCII)
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
    rating: int | None = None
    keywords: tuple[str, ...] = ()


def extract(
    raw: RawMetadata,
    *,
    file_name: str,
    modified_at: datetime | None,
    zone_of: ZoneOf | None = None,
    sidecars: Sequence[RawSidecar] = (),
) -> Extracted:
    """Judge a file's tags.

    Args:
        file_name: the name that the file came with; many carry a date.
        modified_at: the file's modification time, with a zone: the date of last resort.
        zone_of: tells the time zone of a position; None to do without.
        sidecars: what the small files beside it say, the newest first.
    """
    notes = [*raw.notes, *(note for sidecar in sidecars for note in sidecar.notes)]
    edited, takeout = _merged(sidecars, "xmp"), _merged(sidecars, "takeout")
    position = _xmp_position(edited, notes) or _position(raw.tags, notes) or _takeout_position(takeout, notes)
    place = (position.latitude, position.longitude) if position else None
    taken_at, utc, alternatives = choose(
        raw.tags | {f"Sidecar:{name}": value for name, value in (edited | takeout).items()},
        file_name=file_name,
        modified_at=modified_at,
        place=place,
        zone_of=zone_of,
        notes=notes,
    )
    rating = _rating(edited if "XMP:xmp:Rating" in edited else raw.tags, notes)
    return Extracted(
        taken_at,
        utc,
        alternatives,
        _camera(raw.tags, notes),
        position,
        _description(edited, "XMP:dc:description", "XMP:dc:title")
        or _description(takeout, "Takeout:description")
        or _description(raw.tags, *_DESCRIPTIONS),
        tuple(dict.fromkeys(notes))[:MAX_NOTES],
        rating,
        _keywords(edited, raw.tags),
    )


def _merged(sidecars: Sequence[RawSidecar], kind: str) -> Tags:
    """What all sidecars of a kind say together; where two differ, the newer one."""
    merged: Tags = {}
    for sidecar in reversed(sidecars):
        if sidecar.kind == kind:
            merged |= sidecar.tags
    return merged


# --- where -----------------------------------------------------------------------------------------------------------


def _position(tags: Tags, notes: list[str]) -> Position | None:
    """EXIF's GPS block, else the video container's location (ISO 6709), else XMP in the file."""
    latitude = _exif_degrees(tags, "GPS:GPSLatitude", "NS", notes)
    longitude = _exif_degrees(tags, "GPS:GPSLongitude", "EW", notes)
    altitude = _exif_altitude(tags)
    if latitude is None and longitude is None:
        latitude, longitude, altitude = _container_location(tags, notes)
    if latitude is None and longitude is None:
        return _xmp_position(tags, notes)
    return _judged(latitude, longitude, altitude, notes)


def _xmp_position(tags: Tags, notes: list[str]) -> Position | None:
    latitude, longitude = (_xmp_degrees(tags.get(f"XMP:exif:{name}")) for name in ("GPSLatitude", "GPSLongitude"))
    return _judged(latitude, longitude, None, notes)


def _takeout_position(tags: Tags, notes: list[str]) -> Position | None:
    """Where Google Photos has it; then what it read from the file. 0, 0 stands for "unknown" there: no note."""
    for name in ("geoData", "geoDataExif"):
        values = [tags.get(f"Takeout:{name}.{part}") for part in ("latitude", "longitude", "altitude")]
        latitude, longitude, altitude = (float(v) if isinstance(v, (int, float)) else None for v in values)
        if latitude or longitude:
            found = _judged(latitude, longitude, altitude or None, notes)
            if found:
                return found
    return None


def _judged(
    latitude: float | None, longitude: float | None, altitude: float | None, notes: list[str]
) -> Position | None:
    if latitude is None or longitude is None:
        return None
    if not on_earth(latitude, longitude):
        notes.append(
            "the position 0, 0 is what a receiver without a fix writes; it was refused"
            if max(abs(latitude), abs(longitude)) < 1
            else f"the position {latitude:.6g}, {longitude:.6g} is not on Earth and was refused"
        )
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
            return _sexagesimal(match[1]), _sexagesimal(match[2]), float(match[3]) if match[3] else None
        notes.append(f"container:{name} says {value[:60]!r}, which is no position")
    return None, None, None


def _sexagesimal(text: str) -> float:
    """ISO 6709: +DD.DD, +DDMM.MM or +DDMMSS.SS (longitude with three digits of degrees)."""
    whole, _, fraction = text[1:].partition(".")
    parts = [whole]
    while len(parts[0]) > 3:
        parts[0:1] = [parts[0][:-2], parts[0][-2:]]
    parts[-1] += f".{fraction or 0}"
    degrees = sum(float(part) / 60.0**power for power, part in enumerate(parts))
    return -degrees if text[0] == "-" else degrees


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


_DESCRIPTIONS = (
    "EXIF:ImageDescription", "XMP:dc:description", "EXIF:UserComment", "EXIF:XPComment", "EXIF:XPTitle",
    "Container:description", "Container:comment",
)  # fmt: skip


def _description(tags: Tags, *names: str) -> str | None:
    for name in names:
        value = tags.get(name)
        if isinstance(value, str):
            text = "".join(c for c in value if c.isprintable() or c == "\n").strip()
            if len(text) > 1 and not _BOILERPLATE.fullmatch(text):
                return text[:MAX_DESCRIPTION]
    return None


def _rating(tags: Tags, notes: list[str]) -> int | None:
    """Stars; 0 and -1 (rejected) too, where they are stated."""
    value = tags.get("XMP:xmp:Rating", tags.get("EXIF:Rating"))
    try:
        stars = round(float(value)) if isinstance(value, (str, int, float)) else None
    except (ValueError, OverflowError):
        stars = 99
    if stars is None or -1 <= stars <= 5:
        return stars
    notes.append(f"the rating {str(value)[:40]!r} is none from 0 to 5; it was left out")
    return None


def _keywords(*sources: Tags) -> tuple[str, ...]:
    """Keywords of the sidecars and of the file, each once; of digiKam's hierarchies the last part."""
    found: dict[str, None] = {}
    for tags in sources:
        lines = [("XMP:dc:subject", "\n"), ("EXIF:XPKeywords", ";")]
        if "XMP:dc:subject" not in tags:
            lines.insert(0, ("XMP:digiKam:TagsList", "\n"))
        for name, separator in lines:
            for word in str(tags.get(name, "")).split(separator):
                word = word.rpartition("/")[2] if name.startswith("XMP:digiKam") else word
                clean = " ".join("".join(c if c.isprintable() else " " for c in word).split())[:200]
                if clean:
                    found.setdefault(clean)
    return tuple(found)[:MAX_KEYWORDS]
