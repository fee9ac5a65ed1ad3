"""The time zone of a place, from timezonefinder's map (timezone-boundary-builder, ODbL) and Python's zoneinfo.

Runs in the caller's process: it meets two numbers, never a file. Measured: 0.15 s and 12 MB once, then 1 us a look-up.
"""

from __future__ import annotations

import atexit
import threading
from datetime import datetime
from functools import lru_cache
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

__all__ = ["zone_of"]

_lock = threading.Lock()


def zone_of(latitude: float, longitude: float, local: datetime) -> tuple[str, int] | None:
    """Zone at a position and its offset at a local time; satisfies `domain.metadata.ZoneOf`.

    Args:
        local: the wall clock of the place, without a zone. An hour that occurs twice is taken as the first.
    Returns:
        ("Europe/Rome", 120), minutes east of UTC; None on the high seas, which have no legal time.
    """
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        return None
    with _lock:  # the finder reads one shared file
        name = _finder().timezone_at(lat=latitude, lng=longitude)
    if not name or name.startswith("Etc/"):
        return None
    try:
        offset = ZoneInfo(name).utcoffset(local)
    except (ZoneInfoNotFoundError, OverflowError):
        return None
    return None if offset is None else (name, round(offset.total_seconds() / 60))


@lru_cache(maxsize=1)
def _finder() -> Any:
    from timezonefinder import TimezoneFinder  # only photos with a position need it

    finder = TimezoneFinder()
    atexit.register(finder.cleanup)  # else its files are left to the interpreter's end, which complains
    return finder
