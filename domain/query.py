"""The one query language of search, parsed once for every index: words to rank by, and filters that always hold.

    beach "red umbrella" -dog place:lisbon after:2019 type:photo is:live near:38.7,-9.1,5 last summer

Words and semantic likeness rank; everything else decides what may be ranked at all. Nothing here reads a clock: what
"last summer" means follows from the day that the caller passes.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from datetime import date
from typing import Literal, TypeAlias

from msgspec import Struct

from domain.errors import InvalidInput
from domain.query_dates import MONTHS, Span, natural_span, span_of

__all__ = [
    "FIELDS",
    "FLAGS",
    "MAX_LENGTH",
    "TYPES",
    "Filter",
    "Near",
    "Query",
    "Span",
    "parse",
    "plain_words",
    "written",
]

MAX_LENGTH = 1_000
MAX_PARTS = 64
TextField: TypeAlias = Literal["text", "person", "place", "camera", "tag"]
TYPES = {"photo": "image", "image": "image", "picture": "image", "video": "video", "movie": "video"}
FLAGS = ("favourite", "live", "video", "raw", "burst", "located", "rated")
_SYNONYMS = {"favorite": "favourite", "fav": "favourite", "motion": "live", "movie": "video", "geotagged": "located"}
FIELDS = ("person", "place", "camera", "tag", "before", "after", "on", "month", "type", "is", "rating", "near", "like")
_EARTH_KM = 20_038.0  # no two places are further apart
_TOKEN = re.compile(r'(-?)(?:([A-Za-z]+):)?(?:"([^"]*)"?|([^\s"]+))')
_WORD = re.compile(r"[^\W_]+")


class Filter(Struct, frozen=True, order=True):
    """Words that a document must hold in a field (`text`: anywhere), side by side and in that order; or must not."""

    field: TextField
    value: str  # lower case, words with single spaces
    excluded: bool = False


class Near(Struct, frozen=True):
    """Within so many kilometres of a position."""

    latitude: float
    longitude: float
    km: float


class Query(Struct, frozen=True):
    """What is asked. `words` rank; everything else filters."""

    words: tuple[str, ...] = ()
    filters: tuple[Filter, ...] = ()
    span: Span = Span()
    months: tuple[int, ...] = ()  # of any year; one of them
    kind: str | None = None
    flags: tuple[str, ...] = ()
    without_flags: tuple[str, ...] = ()
    rating: int | None = None  # at least
    near: Near | None = None
    like: str | None = None  # an asset, or the beginning of its id

    @property
    def text(self) -> str:
        """What a model of meaning is asked."""
        return " ".join(self.words)


def parse(text: str, today: date) -> Query:
    """What a person asks for. A field that there is not is a word; quotes make words of anything.

    Args:
        today: the person's own day, for "last summer".
    Raises:
        InvalidInput: a field's value can't be meant; says what it takes. Nothing else, whatever the text.
    """
    if len(text) > MAX_LENGTH:
        raise InvalidInput(f"a query has at most {MAX_LENGTH:,} characters, this has {len(text):,}: ask for less")
    found = _Builder()
    tokens = list(_tokens(text))
    if len(tokens) > MAX_PARTS:
        raise InvalidInput(f"a query has at most {MAX_PARTS} parts, this has {len(tokens)}: ask for less")
    while tokens:
        plain = [value.lower() if not (minus or field or quoted) else "" for minus, field, value, quoted in tokens[:3]]
        dated = natural_span(plain, today)
        if dated is not None:
            used, span, month = dated
            found.narrow(span)
            if month is not None:
                found.months.add(month)
            tokens = tokens[used:]
            continue
        minus, field, value, quoted = tokens.pop(0)
        if field:
            _field(found, field, value.strip(), minus, today)
        elif minus or quoted:
            found.filter("text", value, excluded=minus)
        else:
            found.words += _WORD.findall(value.lower())
    return found.query()


def written(query: Query) -> str:
    """The query as text; parsed again, it is the same query on any day."""
    parts = [
        f".{word}" if natural_span(query.words[i : i + 3], date(2000, 1, 1)) else word
        for i, word in enumerate(query.words)
    ]
    for each in query.filters:
        field = "" if each.field == "text" else f"{each.field}:"
        parts.append(f'{"-" if each.excluded else ""}{field}"{each.value}"')
    if query.span.since:
        parts.append(f"after:{query.span.since}")
    if query.span.until:
        parts.append(f"before:{query.span.until}")
    parts += [f"month:{MONTHS[month - 1]}" for month in query.months]
    if query.kind:
        parts.append(f"type:{'photo' if query.kind == 'image' else query.kind}")
    parts += [f"is:{flag}" for flag in query.flags]
    parts += [f"-is:{flag}" for flag in query.without_flags]
    if query.rating is not None:
        parts.append(f"rating:{query.rating}")
    if query.near:
        parts.append(f"near:{query.near.latitude!r},{query.near.longitude!r},{query.near.km!r}")
    if query.like:
        parts.append(f"like:{query.like}")
    return " ".join(parts)


def plain_words(text: str) -> str:
    """Lower case, words with single spaces, no punctuation: how a filter's value is kept."""
    return " ".join(_WORD.findall(text.lower()))


class _Builder:
    """A query while it is read."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.filters: set[Filter] = set()
        self.span = Span()
        self.months: set[int] = set()
        self.kind: str | None = None
        self.flags: set[str] = set()
        self.without: set[str] = set()
        self.rating: int | None = None
        self.near: Near | None = None
        self.like: str | None = None

    def filter(self, field: TextField, value: str, *, excluded: bool) -> None:
        words = plain_words(value)
        if words:
            self.filters.add(Filter(field, words, excluded))
        elif field != "text":
            raise InvalidInput(f'{field}: takes a word, or several in quotes: {field}:"two words"')

    def narrow(self, span: Span) -> None:
        self.span = self.span.both(span)

    def query(self) -> Query:
        return Query(
            tuple(dict.fromkeys(self.words)),
            tuple(sorted(self.filters)),
            self.span,
            tuple(sorted(self.months)),
            self.kind,
            tuple(sorted(self.flags)),
            tuple(sorted(self.without)),
            self.rating,
            self.near,
            self.like,
        )


def _tokens(text: str) -> Iterator[tuple[bool, str, str, bool]]:
    """(minus, field or "", value, quoted), as they stand; a field that there is not belongs to its value."""
    for match in _TOKEN.finditer(text):
        minus, field, phrase, bare = match[1], (match[2] or "").lower(), match[3], match[4]
        value = phrase if phrase is not None else bare
        if field and field not in FIELDS:
            field, value = "", f"{match[2]} {value}"
        yield bool(minus), field, value, phrase is not None


def _field(found: _Builder, field: str, value: str, minus: bool, today: date) -> None:
    if field in ("person", "place", "camera", "tag"):
        found.filter(field, value, excluded=minus)  # type: ignore[arg-type]
        return
    if field == "is":
        flag = _SYNONYMS.get(value.lower(), value.lower())
        if flag not in FLAGS:
            raise InvalidInput(f"there is no is:{value}; there are: {', '.join(FLAGS)}")
        (found.without if minus else found.flags).add(flag)
        return
    if minus:
        raise InvalidInput(f"-{field}: can't be asked; a minus goes before words, person, place, camera, tag and is")
    if field in ("before", "after", "on"):
        span = span_of(value.lower(), today)
        if span is None:
            raise InvalidInput(f'{field}:{value} is no date; it takes 2019, 2019-06, 2019-06-21 or "last summer"')
        wanted = {"before": Span(None, span.since), "after": Span(span.since, None), "on": span}[field]
        found.narrow(wanted)
    elif field == "month":
        if value.lower() not in MONTHS:
            raise InvalidInput(f"month:{value} is no month; it takes january to december")
        found.months.add(MONTHS.index(value.lower()) + 1)
    elif field == "type":
        if value.lower() not in TYPES:
            raise InvalidInput(f"there is no type:{value}; there are: photo, video")
        found.kind = TYPES[value.lower()]
    elif field == "rating":
        if value not in ("0", "1", "2", "3", "4", "5"):
            raise InvalidInput(f"rating:{value} can't be; it takes the least number of stars, 0 to 5")
        found.rating = int(value)
    elif field == "near":
        found.near = _near(value)
    else:
        if not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", value):
            raise InvalidInput("like: takes the id of an asset, or its beginning: like:vuyn3vfs")
        found.like = value.lower()


def _near(value: str) -> Near:
    try:
        numbers = [float(part) for part in value.split(",")]
    except ValueError:
        numbers = []
    if len(numbers) == 2:
        numbers.append(10.0)
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)):
        raise InvalidInput("near: takes latitude, longitude and kilometres without spaces: near:38.72,-9.14,5")
    latitude, longitude, km = numbers
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180 and 0 < km <= _EARTH_KM):
        raise InvalidInput(
            f"near:{value} is not on Earth: latitude -90 to 90, longitude -180 to 180, kilometres above 0"
        )
    return Near(latitude, longitude, km)


def distance_km(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Along the surface between two positions in degrees (haversine on a sphere of 6,371 km)."""
    (la, lo), (lb, lp) = (map(math.radians, a)), (map(math.radians, b))
    h = math.sin((lb - la) / 2) ** 2 + math.cos(la) * math.cos(lb) * math.sin((lp - lo) / 2) ** 2
    return 2 * 6371.0 * math.asin(math.sqrt(min(1.0, h)))


def boxes(near: Near) -> Sequence[tuple[float, float, float, float]]:
    """Ranges (south, north, west, east) that hold the circle; two where it crosses the date line."""
    degrees = near.km / 111.0
    south, north = max(-90.0, near.latitude - degrees), min(90.0, near.latitude + degrees)
    widest = math.cos(math.radians(min(89.9, max(abs(south), abs(north)))))
    wide = degrees / max(widest, 1e-6)
    if wide >= 180 or north >= 90 or south <= -90:
        return [(south, north, -180.0, 180.0)]
    west, east = near.longitude - wide, near.longitude + wide
    if west < -180:
        return [(south, north, -180.0, east), (south, north, west + 360, 180.0)]
    if east > 180:
        return [(south, north, west, 180.0), (south, north, -180.0, east - 360)]
    return [(south, north, west, east)]
