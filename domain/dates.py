"""When a photo was taken: every answer that a file offers, judged and put in order. Pure, and never raises.

Order, best first: EXIF DateTimeOriginal, EXIF DateTimeDigitized, the GPS clock, the video container's own dates, EXIF
DateTime (often the moment of an edit), XMP, the file's name, and last the file's modification time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

from domain.media import DateCandidate, RawMetadata, TakenAt

__all__ = ["ZoneOf", "choose", "file_name_date", "parse_offset", "parse_time"]

ZoneOf = Callable[[float, float, datetime], tuple[str, int] | None]
"""(degrees north, degrees east, local time without zone) -> (IANA zone, minutes east of UTC), or None."""

FIRST_YEAR = 1826  # the oldest photograph that survives: Niépce's view from the window at Le Gras
LAST_YEAR = 2100

_DEFAULTS = {date(1904, 1, 1), date(1970, 1, 1), date(1980, 1, 1)}
"""Where clocks start that were never set: QuickTime, Unix, DOS and most cameras."""
_DEFAULT_MOMENT = datetime(2002, 12, 8, 12, 0)  # noqa: DTZ001 - a constant of early Android camera drivers

_TIME = re.compile(
    r"(\d{4})[-:/.](\d{1,2})[-:/.](\d{1,2})"
    r"(?:[T ]+(\d{1,2}):(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?"
    r"\s*(Z|UTC|[+-]\d{2}:?\d{2})?\s*",
    re.ASCII,
)
_TIME_START = re.compile(r"\s*\d{4}[-:/.]\d\d[-:/.]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?!\d)", re.ASCII)
_OFFSET = re.compile(r"([+-])(\d{1,2}):?(\d{2})", re.ASCII)
_BLANK = re.compile(r"[\s:0/.TZ-]*")

_REAL_QUARTERS = {-570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 690, 765, 825}
_REAL_OFFSETS = _REAL_QUARTERS | {60 * hours for hours in range(-12, 15)}
"""Offsets from UTC in minutes that clocks have really shown since GPS exists (IANA time zone database)."""
_GPS_SLACK = timedelta(minutes=5)  # a fix may be some minutes old; more than that says nothing about the zone

_EXIF_DATES = (
    ("DateTimeOriginal", "SubsecTimeOriginal", "OffsetTimeOriginal"),
    ("DateTimeDigitized", "SubsecTimeDigitized", "OffsetTimeDigitized"),
    ("DateTime", "SubsecTime", "OffsetTime"),
)
_XMP_DATES = ("exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate")


def parse_time(text: str) -> tuple[datetime, int | None] | None:
    """Read "2008:10:22 16:28:39", ISO 8601 and mixtures of them; a missing time is midnight.

    Returns:
        The wall clock without a zone, and the offset in minutes if the text has one; None when it is no real time.
    """
    match = _TIME.fullmatch(text.strip())
    if not match:
        return None
    year, month, day, hour, minute, second, fraction, zone = match.groups()
    try:
        local = datetime(  # noqa: DTZ001 - a wall clock
            int(year),
            int(month),
            int(day),
            int(hour or 0),
            int(minute or 0),
            min(59, int(second or 0)) if second == "60" else int(second or 0),
            int((fraction or "0")[:6].ljust(6, "0")),
        )
    except ValueError:
        return None
    return local, (0 if zone in ("Z", "UTC") else parse_offset(zone) if zone else None)


def parse_offset(text: str) -> int | None:
    """Read "+02:00" as 120 minutes; None when it is not between -12:00 and +14:00."""
    match = _OFFSET.fullmatch(text.strip())
    if not match or int(match[3]) > 59:
        return 0 if text.strip() == "Z" else None
    minutes = (int(match[2]) * 60 + int(match[3])) * (-1 if match[1] == "-" else 1)
    return minutes if -720 <= minutes <= 840 else None


# --- the file's name -------------------------------------------------------------------------------------------------

_STAMP = re.compile(
    r"(?<!\d)(?P<y>(?:18|19|20)\d\d)(?P<s>[-_.]?)(?P<m>\d\d)(?P=s)(?P<d>\d\d)"
    r"(?:(?:[-_ T]|\s+at\s+|--)*(?P<H>\d\d)(?P<t>[-_.:h]?)(?P<M>\d\d)(?:[-_.:m]?(?P<S>\d\d)(?P<f>\d{3})?)?"
    r"(?:\s*(?P<ap>[AP])M)?)?(?!\d)",
    re.ASCII | re.IGNORECASE,
)
_DAY = re.compile(r"(?<!\d)(?P<y>(?:18|19|20)\d\d)(?P<s>[-_.]?)(?P<m>\d\d)(?P=s)(?P<d>\d\d)(?!\d)", re.ASCII)
_EPOCH = re.compile(r"(?<!\d)(1[0-9]{12})(?!\d)", re.ASCII)


def file_name_date(name: str) -> DateCandidate | None:
    """A date from a name such as IMG_20230405_101112, PXL_20230405_101112345 (UTC), IMG-20230405-WA0001 (day only),
    Screenshot_2023-04-05-10-11-12, 2023-04-05 10.11.12, or milliseconds since 1970 (UTC)."""
    stem = name.rsplit("/", 1)[-1].rsplit("\\", 1)[-1]
    for pattern in (_STAMP, _DAY):
        for match in pattern.finditer(stem):
            parts = match.groupdict()
            hour = int(parts.get("H") or 0)
            if parts.get("ap"):
                hour = hour % 12 + (12 if parts["ap"] in "Pp" else 0)
            try:
                local = datetime(  # noqa: DTZ001 - a wall clock
                    int(parts["y"]),
                    int(parts["m"]),
                    int(parts["d"]),
                    hour,
                    int(parts.get("M") or 0),
                    int(parts.get("S") or 0),
                    int(parts.get("f") or 0) * 1000,
                )
            except ValueError:
                continue
            return DateCandidate("file_name", _show(local), 0 if stem.upper().startswith("PXL_") else None)
    epoch = _EPOCH.search(stem)
    if epoch:
        moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(epoch[1]))
        return DateCandidate("file_name", _show(moment.replace(tzinfo=None)), 0)
    return None


# --- all of them -----------------------------------------------------------------------------------------------------


def choose(
    raw: RawMetadata,
    *,
    file_name: str,
    modified_at: datetime | None,
    place: tuple[float, float] | None,
    zone_of: ZoneOf | None,
    notes: list[str],
) -> tuple[TakenAt | None, datetime | None, tuple[DateCandidate, ...]]:
    """The best date with its offset, the same moment in UTC where an offset is known, and what else was offered.

    The offset of a wall clock is the one that EXIF states; else its difference from the GPS clock, if that is an
    offset that exists; else that of the time zone at the position.

    Args:
        place: degrees north and east, if known.
        notes: what was refused, and why, is added here.
    """
    offered = _candidates(raw, file_name, modified_at, notes)
    doubtful = [candidate for candidate in offered if _is_default(candidate)]
    if doubtful and len(doubtful) < len(offered):
        notes += [
            f"{c.source} says {c.local}, where clocks start that were never set; others go first" for c in doubtful
        ]
    ranked = [candidate for candidate in offered if candidate not in doubtful] + doubtful
    if not ranked:
        return None, None, ()
    best, others = ranked[0], tuple(ranked[1:])
    local = datetime.fromisoformat(best.local)
    offset, source = best.offset_minutes, None
    zone = None
    in_utc = best.source in ("gps", "container:creation_time", "file_modified") or (
        best.source == "file_name" and offset == 0
    )
    if place and zone_of:
        found = zone_of(*place, local)
        if found and in_utc:  # the clock of the place is known after all
            found = zone_of(*place, local + timedelta(minutes=found[1]))
        zone = found[0] if found else None
        if found and in_utc:
            local, offset, source = _shift(local, found[1]), found[1], "position"
    if offset is not None:
        if source is None:
            source = best.source if in_utc else _offset_source(best.source)
    else:
        offset, source = _work_out_offset(
            local, best, offered, found[1] if place and zone_of and found else None, notes
        )
    utc = _to_utc(local, offset)
    return TakenAt(_show(local), best.source, offset, zone, source), utc, others


def _offset_source(source: str) -> str:
    name = source.removeprefix("exif:")
    return next((f"exif:{offset}" for date_tag, _, offset in _EXIF_DATES if date_tag == name), source)


def _work_out_offset(
    local: datetime, best: DateCandidate, offered: Sequence[DateCandidate], by_place: int | None, notes: list[str]
) -> tuple[int | None, str | None]:
    gps = next((c for c in offered if c.source == "gps"), None)
    if gps and best.source in ("exif:DateTimeOriginal", "exif:DateTimeDigitized"):
        difference = local - datetime.fromisoformat(gps.local)
        minutes = round(difference / timedelta(minutes=15)) * 15
        if minutes in _REAL_OFFSETS and abs(difference - timedelta(minutes=minutes)) <= _GPS_SLACK:
            if by_place is not None and by_place != minutes:
                notes.append(
                    f"the camera's clock is {_show_offset(minutes)} from the GPS clock, but the place's time zone is "
                    f"{_show_offset(by_place)} from UTC; the GPS clock was believed"
                )
            return minutes, "gps_time"
        notes.append("the camera's clock and the GPS clock do not differ by any time zone; the GPS clock was not used")
    return (by_place, "position") if by_place is not None else (None, None)


def _candidates(
    raw: RawMetadata, file_name: str, modified_at: datetime | None, notes: list[str]
) -> list[DateCandidate]:
    tags = raw.tags
    found: list[DateCandidate | None] = []
    exif = [_from_exif(tags, *names, notes) for names in _EXIF_DATES]
    found += exif[:2]
    found.append(_from_gps(tags, notes))
    for name in ("com.apple.quicktime.creationdate", "date", "creation_time"):
        candidate = _from_text(f"container:{name}", tags.get(f"Container:{name}"), notes)
        if candidate and name == "creation_time" and candidate.offset_minutes is None:
            candidate = DateCandidate(
                candidate.source, candidate.local, 0
            )  # UTC by the format, ISO/IEC 14496-12, 8.2.2
        found.append(candidate)
    found.append(exif[2])
    found += [_from_text(f"xmp:{name.split(':')[1]}", tags.get(f"XMP:{name}"), notes) for name in _XMP_DATES]
    found.append(file_name_date(file_name))
    if modified_at:
        found.append(DateCandidate("file_modified", _show(modified_at.astimezone(UTC).replace(tzinfo=None)), 0))
    kept = [c for c in found if c and _plausible(c, notes)]
    return list(dict.fromkeys(kept))


def _from_exif(
    tags: dict[str, str | int | float | list[float]], name: str, subsec: str, offset: str, notes: list[str]
) -> DateCandidate | None:
    candidate = _from_text(f"exif:{name}", tags.get(f"EXIF:{name}"), notes)
    if not candidate:
        return None
    local = candidate.local
    fraction = str(tags.get(f"EXIF:{subsec}", "")).strip()
    if "." not in local and re.fullmatch(r"\d{1,9}", fraction, re.ASCII) and int(fraction):
        local += "." + (fraction[:6].rstrip("0") or "0")
    minutes = candidate.offset_minutes
    stated = tags.get(f"EXIF:{offset}")
    if isinstance(stated, str) and stated.strip(" :"):
        minutes = parse_offset(stated)
        if minutes is None:
            notes.append(f"exif:{offset} is {stated[:40]!r}, which is no offset from UTC")
    return DateCandidate(candidate.source, local, minutes)


def _from_gps(tags: dict[str, str | int | float | list[float]], notes: list[str]) -> DateCandidate | None:
    day, clock = tags.get("GPS:GPSDateStamp"), tags.get("GPS:GPSTimeStamp")
    if not isinstance(day, str) or not isinstance(clock, list) or len(clock) < 3:
        return None
    parsed = parse_time(day)
    hour, minute, second = clock[:3]
    if not parsed or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second <= 60):
        if not _BLANK.fullmatch(day):
            notes.append(f"the GPS clock says {day[:40]!r} {clock[:3]}, which is no time")
        return None
    try:
        moment = parsed[0] + timedelta(hours=hour, minutes=minute, seconds=round(second, 3))
    except OverflowError:
        return None
    return DateCandidate("gps", _show(moment), 0)


def _from_text(source: str, value: object, notes: list[str]) -> DateCandidate | None:
    if not isinstance(value, str):
        return None
    if _BLANK.fullmatch(value):
        notes.append(f"{source} is blank")
        return None
    parsed = parse_time(value)
    if not parsed:
        start = _TIME_START.match(value)
        parsed = parse_time(start[0]) if start else None
        if not parsed:
            notes.append(f"{source} says {value[:40]!r}, which is no time")
            return None
        notes.append(f"{source} says {value[:40]!r}; its end was ignored")
    return DateCandidate(source, _show(parsed[0]), parsed[1])


def _plausible(candidate: DateCandidate, notes: list[str]) -> bool:
    """Between the first photograph and the far future. The file's own time is no bound: a copy may set it back."""
    year = datetime.fromisoformat(candidate.local).year
    if not FIRST_YEAR <= year <= LAST_YEAR:
        notes.append(f"{candidate.source} says {candidate.local}, when no photo can have been taken")
        return False
    return True


def _is_default(candidate: DateCandidate) -> bool:
    moment = datetime.fromisoformat(candidate.local)
    return moment.date() in _DEFAULTS or moment == _DEFAULT_MOMENT


def _show(local: datetime) -> str:
    text = local.isoformat(timespec="microseconds" if local.microsecond else "seconds")
    return text.rstrip("0") if local.microsecond else text


def _show_offset(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _shift(moment: datetime, minutes: int) -> datetime:
    try:
        return moment + timedelta(minutes=minutes)
    except OverflowError:
        return moment


def _to_utc(local: datetime, offset: int | None) -> datetime | None:
    return None if offset is None else _shift(local, -offset).replace(tzinfo=UTC)
