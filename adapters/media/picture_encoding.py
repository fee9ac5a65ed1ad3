"""Write renditions: three sizes from one picture, a full-size JPEG where a browser can't show the original, and smaller
copies of originals on request. No file carries more than its pixels; a copyright only when asked for.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pyvips
from PIL import Image

from adapters.media.decoding import Subject, whole
from adapters.media.geometry import resize, target_size
from adapters.media.header import Header
from domain.media import RENDITION_SIZES, Limits, RenditionFile

__all__ = ["FORMATS", "Format", "cascade", "copyright_block", "make_full", "make_web", "needs_full", "placeholder"]

Format = Literal["jpeg", "webp", "avif"]
FORMATS: tuple[Format, ...] = ("jpeg", "webp")

JPEG_QUALITY = 82
WEBP_QUALITY = 78
WEBP_EFFORT = 0  # 0 to 6. Effort 4 made files 7 % smaller for four times the time (2048 px: 240 ms, not 61)
FULL_QUALITY = 88
WEB_OPTIONS: dict[str, dict[str, Any]] = {
    "jpeg": {  # mozjpeg's own way; the wheel's libjpeg is mozjpeg
        "Q": 80,
        "optimize_coding": True,
        "interlace": True,
        "optimize_scans": True,
        "trellis_quant": True,
        "overshoot_deringing": True,
        "quant_table": 3,
    },
    "webp": {"Q": 78, "effort": 2},
    "avif": {"Q": 55, "effort": 0, "compression": "av1", "bitdepth": 8},
}
_WEB_BYTES_A_PIXEL = {"jpeg": 8, "webp": 6, "avif": 24}  # what each encoder holds at once: benchmarks/memory.py
_WEB_EDGE = {"jpeg": 65_500, "webp": 16_383, "avif": 65_500}
_SUFFIX = {"jpeg": "jpeg", "webp": "webp", "avif": "avif"}
_SHOWN = ("image/jpeg", "image/png", "image/webp", "image/gif", "image/avif")
_COPYRIGHT = {0x013B: "Artist", 0x8298: "Copyright"}


def cascade(
    large: pyvips.Image, upright: tuple[int, int], into: Path, formats: Sequence[Format], mark: bytes
) -> tuple[list[RenditionFile], pyvips.Image]:
    """Write all sizes, each made from the next larger one; returns the files and the smallest picture."""
    files: list[RenditionFile] = []
    written: dict[tuple[int, int, str], Path] = {}
    picture = large
    for name, edge in sorted(RENDITION_SIZES.items(), key=lambda item: -item[1]):
        size = target_size(*upright, edge)
        if (picture.width, picture.height) != size:
            picture = resize(picture, *size).copy_memory()
        for kind in formats:
            path = into / f"{name}.{kind}"
            twin = written.get((*size, kind))
            if twin:
                path.write_bytes(twin.read_bytes())
            else:
                _save(picture, path, kind, mark)
                written[(*size, kind)] = path
            files.append(RenditionFile(name, kind, str(path), *size, path.stat().st_size))
    return files[::-1], picture


def _save(picture: pyvips.Image, path: Path, kind: Format, mark: bytes) -> None:
    if kind == "webp":
        picture.webpsave(str(path), Q=WEBP_QUALITY, effort=WEBP_EFFORT, keep="none")
    else:
        _save_jpeg(picture, path, mark, Q=JPEG_QUALITY)


def _save_jpeg(picture: pyvips.Image, path: Path, mark: bytes, **options: Any) -> None:
    if picture.hasalpha():
        picture = picture.flatten(background=255)
    picture.jpegsave(str(path), keep="none", **options)
    if mark:
        written = path.read_bytes()
        path.write_bytes(written[:2] + mark + written[2:])


def needs_full(media_type: str, subject: Subject) -> bool:
    """Whether a browser could not show the original as it should look."""
    return media_type not in _SHOWN or subject.hdr or (media_type == "image/jpeg" and subject.header.mode == "CMYK")


def make_full(subject: Subject, into: Path, limits: Limits, mark: bytes) -> RenditionFile:
    """All pixels as a baseline JPEG, encoded from top to bottom."""
    picture = whole(subject, limits)
    path = into / "full.jpeg"
    _save_jpeg(picture, path, mark, Q=FULL_QUALITY)
    return RenditionFile("full", "jpeg", str(path), picture.width, picture.height, path.stat().st_size)


def make_web(
    subject: Subject, into: Path, limits: Limits, mark: bytes, kinds: Sequence[str], original_bytes: int
) -> tuple[list[RenditionFile], list[str]]:
    """A full-size copy in each of `kinds`, where it is smaller than the original; and notes of what was left out."""
    files: list[RenditionFile] = []
    notes: list[str] = []
    width, height = subject.upright
    for kind in [name for name in WEB_OPTIONS if name in kinds]:
        if max(width, height) > _WEB_EDGE[kind] or _WEB_BYTES_A_PIXEL[kind] * width * height > limits.max_whole_bytes:
            notes.append(f"no {kind} copy for the web: the picture is too large to be encoded as a whole")
            continue
        path = into / f"web.{_SUFFIX[kind]}"
        picture = whole(subject, limits)
        if kind == "jpeg" and picture.hasalpha():
            notes.append("no jpeg copy for the web: it could not hold the transparency")
            continue
        if kind == "jpeg":
            _save_jpeg(picture, path, mark, **WEB_OPTIONS[kind])
        elif kind == "webp":
            picture.webpsave(str(path), keep="none", **WEB_OPTIONS[kind])
        else:
            picture.heifsave(str(path), keep="none", **WEB_OPTIONS[kind])
        if path.stat().st_size >= original_bytes:
            path.unlink()
            notes.append(f"no {kind} copy for the web: it would be larger than the original")
            continue
        files.append(RenditionFile("web", kind, str(path), picture.width, picture.height, path.stat().st_size))
    return files, notes


def copyright_block(header: Header) -> bytes:
    """A JPEG segment with the original's copyright and artist, and nothing else; empty when it names neither."""
    exif = Image.Exif()
    for tag in _COPYRIGHT:
        said = header.exif.get(tag)
        kept = "".join(c for c in str(said or "").split("\0")[0] if c.isprintable()).strip()[:500]
        if kept:
            exif[tag] = kept
    if not exif:
        return b""
    with contextlib.suppress(ValueError, UnicodeError):
        block = exif.tobytes()
        block = block if block.startswith(b"Exif\0\0") else b"Exif\0\0" + block
        return b"\xff\xe1" + (len(block) + 2).to_bytes(2, "big") + block
    return b""


def placeholder(picture: pyvips.Image) -> str:
    """The picture's hash, from at most 100 x 100 pixels with alpha."""
    import numpy as np  # 0.1 s, which inspection need not wait for

    from adapters.media.thumbhash import thumbhash

    picture = resize(picture, *target_size(picture.width, picture.height, 100))
    if not picture.hasalpha():
        picture = picture.bandjoin(255)
    return thumbhash(np.frombuffer(picture.write_to_memory(), np.uint8).reshape(picture.height, picture.width, 4))
