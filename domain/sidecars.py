"""Which small file beside a picture speaks of it, by their names alone. Pure.

XMP: `IMG_1.jpg.xmp` (darktable, digiKam) or `IMG_1.xmp` (Adobe: the raw file's, if one of that name is there). Google
Takeout: `IMG_1.jpg.json`, `IMG_1.jpg.supplemental-metadata.json` and its cuts, with the number of a repeated name moved
(`IMG_1.jpg(1).json` speaks of `IMG_1(1).jpg`); what was edited in Google Photos, and the video of a live photo, have
their original's.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

__all__ = ["MAX_BYTES", "Sidecar", "could_be", "sidecars_of", "sounds_like"]

MAX_BYTES = 4 << 20
"""A sidecar that is larger is refused: one with a thousand darktable steps has 1 MB."""

SidecarKind = Literal["xmp", "takeout"]
_KINDS: dict[str, SidecarKind] = {"xmp": "xmp", "json": "takeout"}

_TAKEOUT_LONGEST = 46  # characters that Takeout leaves of a sidecar's name before ".json"
_TITLE_LONGEST = 47  # and of a picture's before its extension
_SUFFIX = ".supplemental-metadata"
_RAW = frozenset((
    "3fr", "arw", "cr2", "cr3", "crw", "dng", "erf", "iiq", "kdc", "mef", "mos", "mrw", "nef", "nrw", "orf", "pef",
    "raf", "raw", "rw2", "rwl", "sr2", "srf", "srw", "x3f",
))  # fmt: skip
_MOVING = frozenset(("mov", "mp4", "m4v", "mp"))
_EDITED = (
    "-edited", "-bearbeitet", "-modifié", "-editado", "-editada", "-modificato", "-bewerkt", "-edytowane", "-redigerad",
    "-redigeret", "-redigert", "-muokattu", "-upraveno", "-düzenlendi", "-изменено", "-編集済み", "-已修改", "-수정됨",
)  # fmt: skip
_NUMBERED = re.compile(r"(.+)\((\d{1,5})\)", re.DOTALL)


class Sidecar(Struct, frozen=True):
    """One sidecar of a picture."""

    name: str
    kind: SidecarKind


def could_be(name: str) -> SidecarKind | None:
    """The kind of sidecar that a file of this name would be."""
    stem, _, extension = name.rpartition(".")
    return _KINDS.get(extension.casefold()) if stem else None


def sounds_like(kind: SidecarKind, data: bytes) -> bool:
    """Whether a file's bytes may be such a sidecar at all; what they say is read in the sandbox."""
    return (b"photoTakenTime" if kind == "takeout" else b"http://www.w3.org/1999/02/22-rdf-syntax-ns#") in data


def sidecars_of(names: Iterable[str]) -> Mapping[str, tuple[Sidecar, ...]]:
    """The sidecars of each picture in a folder.

    Args:
        names: all files of one folder; what may not be a picture (a text) does no harm.
    Cost:
        Some thirty look-ups a name, however many names there are.
    """
    media: dict[str, list[str]] = defaultdict(list)  # names that differ in case or composition alone are one
    jsons: dict[str, str] = {}
    found: dict[str, list[Sidecar]] = defaultdict(list)
    xmps: list[str] = []
    for name in sorted(names):
        kind = could_be(name)
        if kind is None:
            media[_same(name)].append(name)
        elif kind == "takeout":
            jsons.setdefault(_same(name)[: -len(".json")], name)
        else:
            xmps.append(name)
    stems: dict[str, list[str]] = defaultdict(list)
    for same in media:
        stems[same.rpartition(".")[0] or same].append(same)
    for xmp in xmps:
        for owner in _owners_of_xmp(_same(xmp)[: -len(".xmp")], media, stems):
            found[owner].append(Sidecar(xmp, "xmp"))
    for same, owners in _owners_of_json(jsons, media, stems):
        for owner in owners:
            found[owner].append(Sidecar(jsons[same], "takeout"))
    return {name: tuple(sidecars) for name, sidecars in found.items()}


def _same(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _owners_of_xmp(base: str, media: Mapping[str, list[str]], stems: Mapping[str, list[str]]) -> list[str]:
    if base in media:
        return media[base]
    alike = stems.get(base, [])
    raw = [same for same in alike if same.rpartition(".")[2] in _RAW]
    return [name for same in raw or alike for name in media[same]]


def _owners_of_json(
    jsons: Mapping[str, str], media: Mapping[str, list[str]], stems: Mapping[str, list[str]]
) -> Iterable[tuple[str, list[str]]]:
    matched: dict[str, str] = {}
    for same in media:
        json = _find(jsons, same)
        if json is not None:
            matched[same] = json
    taken = set(matched.values())
    for base in sorted(jsons.keys() - taken):
        title = base.rpartition(".")[0]  # a suffix of another language: IMG_1.jpg.<words>.json
        for same in (title,) if title in media else stems.get(base, ()):  # or none of the extension: IMG_1.json
            matched.setdefault(same, base)
    for same in media:
        if same not in matched:
            original = _original(same, matched, stems)
            if original is not None:
                matched[same] = matched[original]
    for same, base in sorted(matched.items()):
        yield base, media[same]


def _find(jsons: Mapping[str, str], same: str) -> str | None:
    """The base of the JSON file that speaks of a picture, if it has one of its own."""
    for base in _bases(same, ""):
        if base in jsons:
            return base
    stem, dot, extension = same.rpartition(".")
    numbered = _NUMBERED.fullmatch(stem)
    if numbered:
        for base in _bases(f"{numbered[1]}{dot}{extension}", f"({numbered[2]})"):
            if base in jsons:
                return base
    return None


def _bases(title: str, number: str) -> Iterable[str]:
    """Names that Takeout may give the sidecar of a title, without ".json", the most telling first."""
    seen = set()
    for length in range(len(_SUFFIX), -1, -1):
        whole = title + _SUFFIX[:length]
        for longest in (_TAKEOUT_LONGEST, _TAKEOUT_LONGEST - len(number)):
            base = whole[:longest] + number
            if base not in seen:
                seen.add(base)
                yield base


def _original(same: str, matched: Mapping[str, str], stems: Mapping[str, list[str]]) -> str | None:
    """The picture with a sidecar that an edited one, or a live photo's video, was made from."""
    stem, _, extension = same.rpartition(".")
    numbered = _NUMBERED.fullmatch(stem)
    bare, number = (numbered[1], f"({numbered[2]})") if numbered else (stem, "")
    for suffix in _EDITED:
        # Only a name that was too long has lost a part of it.
        for cut in range(len(suffix), 1 if len(bare) == _TITLE_LONGEST else len(suffix) - 1, -1):
            if bare.endswith(suffix[:cut]):
                found = next((each for each in stems.get(bare[:-cut] + number, []) if each in matched), None)
                if found:
                    return found
    if extension in _MOVING:
        return next((each for each in stems.get(stem, []) if each in matched), None)
    return None
