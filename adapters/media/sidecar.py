"""Read the sidecars of a picture (XMP, Google Takeout's JSON); runs inside the sandbox's child.

XML is parsed by expat alone: no entity is ever declared or fetched, and the depth and number of elements are limited.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any
from xml.parsers import expat

import msgspec
from msgspec import Struct

from domain.errors import MediaRejected
from domain.media import Limits, RawSidecar
from domain.sidecars import MAX_BYTES

__all__ = ["read_sidecar"]

Value = str | int | float | list[float]

_MAX_TEXT = 4000
_MAX_ITEMS = 200
_MAX_DEPTH = 64
_MAX_ELEMENTS = 200_000

_RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_NAMESPACES = {
    "http://ns.adobe.com/exif/1.0/": "exif",
    "http://ns.adobe.com/photoshop/1.0/": "photoshop",
    "http://ns.adobe.com/xap/1.0/": "xmp",
    "http://purl.org/dc/elements/1.1/": "dc",
    "http://ns.adobe.com/tiff/1.0/": "tiff",
    "http://www.digikam.org/ns/1.0/": "digiKam",
}
_WANTED = frozenset((
    "exif:DateTimeOriginal", "exif:GPSLatitude", "exif:GPSLongitude", "exif:GPSAltitude", "exif:GPSAltitudeRef",
    "photoshop:DateCreated", "xmp:CreateDate", "xmp:Rating", "dc:subject", "dc:description", "dc:title",
    "tiff:Make", "tiff:Model", "digiKam:TagsList",
))  # fmt: skip
_ONE_OF_LANGUAGES = frozenset(("dc:description", "dc:title"))


def read_sidecar(source: Path, limits: Limits, *, kind: str) -> RawSidecar:
    """What a sidecar says, as plain values under "XMP:..." or "Takeout:..."; of a list, one item a line.

    Raises:
        MediaRejected: it is too large, or not what its name says.
    """
    with source.open("rb") as file:
        data = file.read(MAX_BYTES + 1)
    if len(data) > MAX_BYTES:
        raise MediaRejected("too_large", f"it has more than the {MAX_BYTES:,} bytes that a sidecar may have")
    return _takeout(data) if kind == "takeout" else _xmp(data)


# --- XMP -------------------------------------------------------------------------------------------------------------


class _Reader:
    """Collects the wanted properties of all rdf:Description elements."""

    def __init__(self) -> None:
        self.found: dict[str, list[str]] = {}
        self._path: list[str] = []
        self._property: str | None = None
        self._property_depth = 0
        self._elements = 0
        self._text: list[str] = []
        self._length = 0
        self._is_rdf = False

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._elements += 1
        self._path.append(name)
        if len(self._path) > _MAX_DEPTH or self._elements > _MAX_ELEMENTS:
            raise MediaRejected("corrupt", "it is nested deeper, or has more elements, than a sidecar does")
        if name == f"{_RDF} RDF":
            self._is_rdf = True
        parent = self._path[-2] if len(self._path) > 1 else ""
        if name == f"{_RDF} Description" and parent == f"{_RDF} RDF":
            for attribute, value in attributes.items():
                self._keep(_short(attribute), value)
        elif parent == f"{_RDF} Description" and self._property is None:
            wanted = _short(name)
            self._property = wanted if wanted in _WANTED else None
            self._property_depth = len(self._path)
        self._text, self._length = [], 0

    def text(self, data: str) -> None:
        if self._property is not None and self._length < _MAX_TEXT:
            self._text.append(data)
            self._length += len(data)

    def end(self, name: str) -> None:
        if self._property is not None:
            if name == f"{_RDF} li" or (len(self._path) == self._property_depth and self._property not in self.found):
                self._keep(self._property, "".join(self._text))
            if len(self._path) == self._property_depth:
                self._property = None
        self._path.pop()
        self._text, self._length = [], 0

    @property
    def is_rdf(self) -> bool:
        """Whether it was XMP at all."""
        return self._is_rdf

    def _keep(self, name: str, value: str) -> None:
        text = _clean(value)
        kept = self.found.setdefault(name, []) if name in _WANTED and text else []
        if len(kept) < _MAX_ITEMS:
            kept.append(text)


def _short(name: str) -> str:
    namespace, _, local = name.rpartition(" ")
    return f"{_NAMESPACES.get(namespace, '?')}:{local}"


def _refuse(*_: Any) -> None:
    raise MediaRejected("corrupt", "it declares a document type, which no sidecar needs; it was not read")


def _xmp(data: bytes) -> RawSidecar:
    parser = expat.ParserCreate(namespace_separator=" ")
    reader = _Reader()
    parser.StartElementHandler, parser.EndElementHandler = reader.start, reader.end
    parser.CharacterDataHandler = reader.text
    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = parser.ExternalEntityRefHandler = _refuse  # type: ignore[assignment]
    notes: list[str] = []
    try:
        parser.Parse(data.strip(b"\0 \r\n\t"), True)
    except (expat.ExpatError, ValueError, UnicodeError, LookupError) as error:
        if not reader.found:
            raise MediaRejected("corrupt", f"it is no XML that can be read ({str(error)[:200]})") from error
        notes.append(f"its end can't be read ({str(error)[:200]})")
    if not reader.is_rdf:
        raise MediaRejected("not_media", "it is XML, but no XMP")
    tags: dict[str, Value] = {}
    for name, values in reader.found.items():
        kept = values[:1] if name in _ONE_OF_LANGUAGES else values
        tags[f"XMP:{name}"] = "\n".join(dict.fromkeys(kept))[:_MAX_TEXT]
    return RawSidecar("xmp", tags, tuple(notes))


# --- Google Takeout --------------------------------------------------------------------------------------------------


class _Time(Struct):
    timestamp: str | int | None = None


class _Geo(Struct):
    latitude: float | None = None
    longitude: float | None = None
    altitude: float | None = None


class _Person(Struct):
    name: str | None = None


class _Takeout(Struct, rename="camel"):
    title: str | None = None
    description: str | None = None
    photo_taken_time: _Time | None = None
    creation_time: _Time | None = None
    geo_data: _Geo | None = None
    geo_data_exif: _Geo | None = None
    people: list[_Person] | None = None
    favorited: bool | None = None


def _takeout(data: bytes) -> RawSidecar:
    try:
        said = msgspec.json.decode(data, type=_Takeout)
    except (msgspec.MsgspecError, RecursionError, UnicodeError) as error:
        raise MediaRejected("corrupt", f"it is no JSON of a Google Takeout ({str(error)[:200]})") from error
    people = [_clean(person.name or "") for person in (said.people or [])[:_MAX_ITEMS]]
    tags: dict[str, Value | None] = {
        "Takeout:title": _clean(said.title or "") or None,
        "Takeout:description": _clean(said.description or "") or None,
        "Takeout:photoTakenTime": _seconds(said.photo_taken_time),
        "Takeout:creationTime": _seconds(said.creation_time),
        "Takeout:people": "\n".join(dict.fromkeys(name for name in people if name))[:_MAX_TEXT] or None,
        "Takeout:favorited": int(said.favorited) if said.favorited is not None else None,
    }
    for name, geo in (("geoData", said.geo_data), ("geoDataExif", said.geo_data_exif)):
        for part in ("latitude", "longitude", "altitude"):
            value = getattr(geo, part) if geo else None
            tags[f"Takeout:{name}.{part}"] = value if value is not None and math.isfinite(value) else None
    return RawSidecar("takeout", {name: value for name, value in tags.items() if value is not None})


def _seconds(time: _Time | None) -> int | None:
    text = str(time.timestamp).strip() if time and time.timestamp is not None else ""
    return int(text) if text.lstrip("-").isdecimal() and text.isascii() and len(text) < 15 else None


def _clean(text: str) -> str:
    """Without control characters and padding, cut."""
    return "".join(c for c in text[: 2 * _MAX_TEXT] if c.isprintable() or c in "\n\t").strip()[:_MAX_TEXT]
