"""When a message is due: at once, in the next digest, or when somebody's quiet hours are over, by their own clock."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from domain.contact import Contact
from domain.errors import InvalidInput
from domain.notification_events import Kind, Pace

__all__ = ["DIGEST_HOUR", "checked_zone", "due", "quiet_until"]

DIGEST_HOUR = 8
"""Local time of a digest: of a daily one every day, of a weekly one on Monday."""


def checked_zone(name: str) -> str:
    """A time zone's name.

    Raises:
        InvalidInput: there is none of that name.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput(f"{name!r} is no time zone: it takes a name such as Europe/Lisbon, or UTC") from error
    return name


def due(contact: Contact, kind: Kind, now: datetime) -> tuple[datetime, str | None]:
    """When a cause of this kind is told, and the digest that it goes into (none: by itself).

    A digest's time is local; one that falls into quiet hours waits for their end.
    """
    pace: Pace = contact.pace(kind)
    if pace not in ("daily", "weekly"):
        return quiet_until(contact, now) or now, None
    zone = _zone(contact)
    local = now.astimezone(zone)
    day = local.date()
    if local.time() >= time(DIGEST_HOUR):
        day += timedelta(days=1)
    if pace == "weekly":
        day += timedelta(days=-day.weekday() % 7)
    at = _moment(day, time(DIGEST_HOUR), zone)
    return quiet_until(contact, at) or at, f"{pace}:{day.isoformat()}"


def quiet_until(contact: Contact, now: datetime) -> datetime | None:
    """The end of the quiet hours that a moment lies in; None: it lies in none."""
    if contact.quiet_from is None or contact.quiet_until is None or contact.quiet_from == contact.quiet_until:
        return None
    zone = _zone(contact)
    local = now.astimezone(zone)
    begins, ends = time.fromisoformat(contact.quiet_from), time.fromisoformat(contact.quiet_until)
    at = local.time().replace(tzinfo=None)
    if begins < ends:
        return _moment(local.date(), ends, zone) if begins <= at < ends else None
    if at >= begins:
        return _moment(local.date() + timedelta(days=1), ends, zone)
    return _moment(local.date(), ends, zone) if at < ends else None


def _moment(day: date, at: time, zone: ZoneInfo) -> datetime:
    """A local time in UTC; one that the clocks pass over becomes the one an hour later."""
    return datetime.combine(day, at, zone).astimezone(UTC)


def _zone(contact: Contact) -> ZoneInfo:
    try:
        return ZoneInfo(contact.zone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")
