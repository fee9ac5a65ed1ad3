"""Dates in file names, as cameras, phones, messengers and screenshots write them. Pure, and never raises."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from domain.media import DateCandidate

__all__ = ["file_name_date", "is_utc_name", "show"]

_AT = r"(?:at|um|om|kl\.?|klo|kell|alle|a\s+las|às|à|o|в)"
"""Between day and time in the names of screenshots and of WhatsApp on a computer."""
_TIME = (
    r"(?P<H>\d\d)(?:(?P<t>[-_.:h ])(?P<M>\d\d)(?:[-_.:m ](?P<S>\d\d)(?P<f>\d{3})?(?!\d))?"
    r"|(?P<M2>\d\d)(?P<S2>\d\d)(?P<f2>\d{3})?)"
    r"(?:\s*(?P<ap>[AP])\.?M\b)?"
)
_STAMP = re.compile(
    r"(?<!\d)(?P<y>(?:18|19|20)\d\d)(?P<s>[-_.]?)(?P<m>\d\d)(?P=s)(?P<d>\d\d)"
    rf"(?:(?:[-_ T,]|\s+{_AT}\s+)*{_TIME})?(?!\d)",
    re.IGNORECASE,
)
_DAY = re.compile(r"(?<!\d)(?P<y>(?:18|19|20)\d\d)(?P<s>[-_.]?)(?P<m>\d\d)(?P=s)(?P<d>\d\d)(?!\d)")
_TURNED = re.compile(rf"(?<!\d)(?P<d>\d\d)-(?P<m>\d\d)-(?P<y>20\d\d)_{_TIME}(?!\d)")
"""Telegram on a computer: photo_1@05-04-2023_10-11-12."""
_EPOCH_MS = re.compile(r"(?<!\d)(1[0-9]{12})(?!\d)")
_DIGITS = str.maketrans({"\u202f": " ", "\u00a0": " "})  # macOS writes a narrow space before AM and PM


def file_name_date(name: str) -> DateCandidate | None:
    """A date from a name such as IMG_20230405_101112, PXL_20230405_101112345 (UTC), IMG-20230405-WA0001 (day only),
    Screenshot_2023-04-05-10-11-12, 2023-04-05 10.11.12 PM, or milliseconds since 1970 (UTC)."""
    stem = _stem(name)
    for pattern in (_STAMP, _DAY, _TURNED):
        for match in pattern.finditer(stem):
            local = _moment({key: value for key, value in match.groupdict().items() if value})
            if local is not None:
                return DateCandidate("file_name", show(local), 0 if is_utc_name(name) else None)
    epoch = _EPOCH_MS.search(stem)
    if epoch and epoch[1].isascii():
        moment = datetime.fromtimestamp(0, UTC) + timedelta(milliseconds=int(epoch[1]))
        return DateCandidate("file_name", show(moment.replace(tzinfo=None)), 0)
    return None


def is_utc_name(name: str) -> bool:
    """Whether the date in a name is in UTC, not by the clock on the wall: Google's Pixel phones."""
    return _stem(name).upper().startswith("PXL_")


def show(local: datetime) -> str:
    """A wall clock in ISO 8601, with a fraction only where there is one."""
    text = local.isoformat(timespec="microseconds" if local.microsecond else "seconds")
    return text.rstrip("0") if local.microsecond else text


def _stem(name: str) -> str:
    return name.rsplit("/", 1)[-1].rsplit("\\", 1)[-1].translate(_DIGITS)


def _moment(parts: dict[str, str]) -> datetime | None:
    hour = int(parts.get("H", 0))
    if "ap" in parts:
        hour = hour % 12 + (12 if parts["ap"] in "Pp" else 0)
    try:
        return datetime(  # noqa: DTZ001 - a wall clock
            int(parts["y"]),
            int(parts["m"]),
            int(parts["d"]),
            hour,
            int(parts.get("M", parts.get("M2", 0))),
            int(parts.get("S", parts.get("S2", 0))),
            int(parts.get("f", parts.get("f2", 0))) * 1000,
        )
    except ValueError:
        return None
