"""Moments as a person types them."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.errors import InvalidInput


def parse_moment(text: str) -> datetime:
    """An ISO 8601 date or time; without a zone it is UTC. A date alone is the beginning of that day.

    Raises:
        InvalidInput: it can't be read.
    """
    try:
        moment = datetime.fromisoformat(text)
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise InvalidInput(f"{text!r} is not a time; write 2026-11-24, or 2026-11-24T10:30:00Z") from error
