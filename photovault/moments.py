"""Moments as a person types them."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from domain.errors import InvalidInput

_MONTHS = re.compile(r"\d{4}(-\d\d)?", re.ASCII)
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])", re.ASCII)
_LOCAL = re.compile(r"\d{4}(-\d\d(-\d\d([T ]\d\d(:\d\d(:\d\d(\.\d{1,6})?)?)?)?)?)?", re.ASCII)


def parse_moment(text: str) -> datetime:
    """An ISO 8601 date or time; without a zone it is UTC. A year, a month or a date alone is its beginning.

    Raises:
        InvalidInput: it can't be read.
    """
    try:
        moment = datetime.fromisoformat((text + "-01-01")[:10] if _MONTHS.fullmatch(text) else text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{text!r} is not a time; write 2026-11-24, or 2026-11-24T10:30:00Z") from error


def parse_local(text: str) -> str:
    """A local time, or its beginning (2008, 2008-10, 2008-10-22T16:28), as the timeline is sorted by it.

    Raises:
        InvalidInput: it can't be read, or has a zone.
    """
    if not _LOCAL.fullmatch(text):
        raise InvalidInput(f"{text!r} is not a local time; write 2008, 2008-10, 2008-10-22 or 2008-10-22T16:28:39")
    parse_moment(text)
    return text.replace(" ", "T")


def checked_month(text: str) -> str:
    """A month as events are counted by: "2026-11".

    Raises:
        InvalidInput: it is none.
    """
    if not _MONTH.fullmatch(text):
        raise InvalidInput(f"{text!r} is not a month: write 2026-11")
    return text
