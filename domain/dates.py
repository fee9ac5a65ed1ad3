"""When a photo was taken: every answer that a file offers, judged and put in order. Pure, and never raises.

Order, best first: an XMP sidecar that says otherwise than the file, EXIF DateTimeOriginal, EXIF DateTimeDigitized, the
GPS clock, the video container's own dates, XMP's original dates, Google Takeout, XMP CreateDate, EXIF DateTime (often
the moment of an edit), the file's name (`domain.names`), and last the file's modification time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta

from domain.media import DateCandidate, TakenAt
from domain.names import file_name_date, is_utc_name, show

__all__ = ["Tags", "ZoneOf", "choose", "file_name_date", "parse_offset", "parse_time"]

Tags = dict[str, str | int | float | list[float]]

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
    r"\s*(Z|UTC|[+-]\d{1,2}(?::?\d{2})?)?\s*",
    re.ASCII,
)
_TIME_START = re.compile(r"\s*\d{4}[-:/.]\d\d[-:/.]\d\d[T ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?!\d)", re.ASCII)
_OFFSET = re.compile(r"(?:UTC|GMT)?([+-])(\d{1,2})(?::?(\d{2}))?", re.ASCII)
_BLANK = re.compile(r"[\s:0/.TZ-]*")

_REAL_QUARTERS = {-570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 690, 765, 825}
_REAL_OFFSETS = _REAL_QUARTERS | {60 * hours for hours in range(-12, 15)}
"""Offsets from UTC in minutes that clocks have really shown since GPS exists (IANA time zone database)."""
_GPS_SLACK = timedelta(minutes=5)  # a fix may be some minutes old; more than that says nothing about the zone

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - in UTC
_CLOCKS_AGREE_SECONDS = 10.0
_LONG_VIDEO_SECONDS = 1800.0  # shorter than the smallest offset

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
    """Read "+02:00", "+0200", "+2:00" or "+2" as 120 minutes; None when it is not between -12:00 and +14:00."""
    match = _OFFSET.fullmatch(text.strip())
    if not match or int(match[3] or 0) > 59:
        return 0 if text.strip() in ("Z", "UTC") else None
    minutes = (int(match[2]) * 60 + int(match[3] or 0)) * (-1 if match[1] == "-" else 1)
    return minutes if -720 <= minutes <= 840 else None


# --- all of them -----------------------------------------------------------------------------------------------------


def choose(
    tags: Tags,
    *,
    file_name: str,
    modified_at: datetime | None,
    place: tuple[float, float] | None,
    zone_of: ZoneOf | None,
    notes: list[str],
) -> tuple[TakenAt | None, datetime | None, tuple[DateCandidate, ...]]:
    """The best date with its offset, the same moment in UTC where an offset is known, and what else was offered.

    The offset of a wall clock is the one that EXIF states; else its difference from the GPS clock, if that is an
    offset that exists; else that of the time zone at the position. A moment in UTC is turned to the clock of the
    position, or of the file's name.

    Args:
        tags: of the file; a sidecar's under "Sidecar:XMP:..." and "Sidecar:Takeout:...".
        place: degrees north and east, if known.
        notes: what was refused, and why, is added here.
    """
    offered = _candidates(tags, file_name, modified_at, notes)
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
    in_utc = offset == 0 and best.source in _IN_UTC
    zone = by_place = None
    if place and zone_of:
        found = zone_of(*place, local)
        if found and in_utc:  # the clock of the place is known after all
            found = zone_of(*place, _shift(local, found[1]))
        zone, by_place = found or (None, None)
    if in_utc:
        by_name = _offset_by_name(best, offered) if by_place is None else None
        if by_place is not None:
            local, offset, source = _shift(local, by_place), by_place, "position"
        elif by_name is not None:
            local, offset, source = _shift(local, by_name), by_name, "file_name"
        else:
            source = best.source
    elif offset is not None:
        source = _offset_source(best.source)
    else:
        offset, source = _work_out_offset(local, best, offered, by_place, notes)
    return TakenAt(show(local), best.source, offset, zone, source), _to_utc(local, offset), others


_IN_UTC = ("gps", "container:creation_time", "takeout:photoTakenTime", "file_name", "file_modified")
"""Sources that say a moment, not what a clock on the wall showed; the file's name only where it has an offset."""


def _offset_source(source: str) -> str:
    name = source.removeprefix("exif:")
    return next((f"exif:{offset}" for date_tag, _, offset in _EXIF_DATES if date_tag == name), source)


def _offset_by_name(best: DateCandidate, offered: Sequence[DateCandidate]) -> int | None:
    """The offset of a moment in UTC, where the file's name tells the wall clock: their difference, if it is real."""
    name = next((c for c in offered if c.source == "file_name" and c.offset_minutes is None), None)
    if name is None or name.local.endswith("T00:00:00"):
        return None
    minutes = _real_offset(datetime.fromisoformat(name.local) - datetime.fromisoformat(best.local))
    return minutes or None  # no difference: the name may be in UTC too


def _real_offset(difference: timedelta) -> int | None:
    """A difference between two clocks in minutes, if it is that of a time zone."""
    minutes = round(difference / timedelta(minutes=15)) * 15
    return minutes if minutes in _REAL_OFFSETS and abs(difference - timedelta(minutes=minutes)) <= _GPS_SLACK else None


def _work_out_offset(
    local: datetime, best: DateCandidate, offered: Sequence[DateCandidate], by_place: int | None, notes: list[str]
) -> tuple[int | None, str | None]:
    gps = next((c for c in offered if c.source == "gps"), None)
    if gps and best.source in ("exif:DateTimeOriginal", "exif:DateTimeDigitized"):
        difference = local - datetime.fromisoformat(gps.local)
        minutes = _real_offset(difference)
        for days in (-1, 1) if minutes is None else ():  # receivers that write the local day beside the time in UTC
            shifted = _real_offset(difference + timedelta(days=days))
            if shifted is not None:
                minutes = shifted
                notes.append("the date of the GPS clock is a day off, its time is not; the time was used")
        if minutes is not None:
            if by_place is not None and by_place != minutes:
                notes.append(
                    f"the camera's clock is {_show_offset(minutes)} from the GPS clock, but the place's time zone is "
                    f"{_show_offset(by_place)} from UTC; the GPS clock was believed"
                )
            return minutes, "gps_time"
        notes.append("the camera's clock and the GPS clock do not differ by any time zone; the GPS clock was not used")
    return (by_place, "position") if by_place is not None else (None, None)


def _candidates(tags: Tags, file_name: str, modified_at: datetime | None, notes: list[str]) -> list[DateCandidate]:
    exif = [_from_exif(tags, *names, notes) for names in _EXIF_DATES]
    named = file_name_date(file_name)
    edited = [
        _from_text(f"sidecar:{name.split(':')[1]}", tags.get(f"Sidecar:XMP:{name}"), notes) for name in _XMP_DATES
    ]
    # A sidecar that repeats the file's date adds nothing: the file's own has fractions and an offset.
    own = next((c for c in exif[:2] if c), None)
    repeats = own is not None and any(e and e.local[:19] == own.local[:19] for e in edited[:2])
    found: list[DateCandidate | None] = [] if repeats else edited[:2]
    found += exif[:2]
    if repeats:
        found += edited[:2]
    found.append(_from_gps(tags, notes))
    found += _from_container(tags, file_name, named, notes)
    xmp = [_from_text(f"xmp:{name.split(':')[1]}", tags.get(f"XMP:{name}"), notes) for name in _XMP_DATES]
    found += [*xmp[:2], _from_takeout(tags), edited[2], xmp[2], exif[2], named]
    if modified_at:
        found.append(DateCandidate("file_modified", show(modified_at.astimezone(UTC).replace(tzinfo=None)), 0))
    kept = [c for c in found if c and _plausible(c, notes)]
    return list(dict.fromkeys(kept))


_QUICKTIME_LOCAL = "com.apple.quicktime.creationdate"
_GOPRO = re.compile(r"G(?:[HXPL]\d{6}|OPR\d{4})\.(?:MP4|LRV|360)", re.ASCII | re.IGNORECASE)


def _from_container(
    tags: Tags, file_name: str, named: DateCandidate | None, notes: list[str]
) -> list[DateCandidate | None]:
    """Apple's `creationdate` and a plain `date` as they stand; `creation_time` is in UTC by the format (ISO/IEC
    14496-12, 8.2.2), but cameras without a zone write their own clock there, and are found out where they can be."""
    found = [
        _from_text(f"container:{name}", tags.get(f"Container:{name}"), notes) for name in (_QUICKTIME_LOCAL, "date")
    ]
    created = _from_text("container:creation_time", tags.get("Container:creation_time"), notes)
    if created:
        duration = tags.get("Container:duration_ms")
        seconds = min(float(duration) / 1000 if isinstance(duration, (int, float)) else 0.0, _LONG_VIDEO_SECONDS)
        moment = datetime.fromisoformat(created.local)
        reason = None
        if named and named.offset_minutes is None and not named.local.endswith("T00:00:00"):
            late = (moment - datetime.fromisoformat(named.local)).total_seconds()
            if -_CLOCKS_AGREE_SECONDS <= late <= seconds + _CLOCKS_AGREE_SECONDS:
                reason = "the file's name says the same wall clock"
        if found[0] and found[0].offset_minutes and not is_utc_name(file_name):
            late = (moment - datetime.fromisoformat(found[0].local)).total_seconds()
            if abs(late) <= _CLOCKS_AGREE_SECONDS:
                reason = f"container:{_QUICKTIME_LOCAL} says the same wall clock"
        if _GOPRO.fullmatch(file_name) or "gopro" in str(tags.get("Container:handler_name", "")).lower():
            reason = "GoPro writes its own clock there"
        if reason:
            notes.append(f"container:creation_time was taken for local time, not UTC: {reason}")
        offset = None if reason else created.offset_minutes or 0
        created = DateCandidate(created.source, created.local, offset)
    return [*found, created]


def _from_takeout(tags: Tags) -> DateCandidate | None:
    seconds = tags.get("Sidecar:Takeout:photoTakenTime")
    if not isinstance(seconds, int) or not seconds:
        return None
    try:
        moment = _EPOCH + timedelta(seconds=seconds)
    except OverflowError:
        return None
    return DateCandidate("takeout:photoTakenTime", show(moment), 0)


def _from_exif(tags: Tags, name: str, subsec: str, offset: str, notes: list[str]) -> DateCandidate | None:
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


def _from_gps(tags: Tags, notes: list[str]) -> DateCandidate | None:
    day, clock = tags.get("GPS:GPSDateStamp"), tags.get("GPS:GPSTimeStamp")
    if not isinstance(day, str) or not isinstance(clock, list) or len(clock) < 3:
        return None
    parsed = parse_time(day) or _day_of_year(day)
    hour, minute, second = clock[:3]
    if not parsed or not (0 <= hour < 24 and 0 <= minute < 60 and 0 <= second <= 60):
        if not _BLANK.fullmatch(day):
            notes.append(f"the GPS clock says {day[:40]!r} {clock[:3]}, which is no time")
        return None
    try:
        moment = parsed[0] + timedelta(hours=hour, minutes=minute, seconds=round(second, 3))
    except OverflowError:
        return None
    return DateCandidate("gps", show(moment), 0)


def _day_of_year(text: str) -> tuple[datetime, None] | None:
    """What iOS 8 wrote for 16 September 2014: 2014:09:259."""
    match = re.fullmatch(r"(\d{4}):(\d\d):(\d{3})", text.strip(), re.ASCII)
    if not match or not 1 <= int(match[1]) <= LAST_YEAR:
        return None
    day = datetime(int(match[1]), 1, 1) + timedelta(days=int(match[3]) - 1)  # noqa: DTZ001 - in UTC
    return (day, None) if day.month == int(match[2]) else None


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
    return DateCandidate(source, show(parsed[0]), parsed[1])


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


def _show_offset(minutes: int) -> str:
    return f"{'-' if minutes < 0 else '+'}{abs(minutes) // 60:02}:{abs(minutes) % 60:02}"


def _shift(moment: datetime, minutes: int) -> datetime:
    try:
        return moment + timedelta(minutes=minutes)
    except OverflowError:
        return moment


def _to_utc(local: datetime, offset: int | None) -> datetime | None:
    return None if offset is None else _shift(local, -offset).replace(tzinfo=UTC)
