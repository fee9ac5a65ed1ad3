"""Inspect and render pictures with libvips and Pillow; runs inside the sandbox's child, and only there in production.

libvips decodes JPEG, PNG, WebP, GIF and TIFF; Pillow decodes HEIC, AVIF and BMP; libvips resizes and writes them all
(docs/adr/0006-libvips-and-pillow.md).
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

os.environ.setdefault("VIPS_CONCURRENCY", "1")  # read once, when libvips starts: workers run side by side already

import pyvips
from msgspec import structs

from adapters.media.colour import ADOBE_RGB, matrix_profile, to_srgb
from adapters.media.gif import frame_extents
from adapters.media.header import Header, check_size, damaged, open_picture, read_header
from adapters.media.polyglot import examine
from adapters.media.sniff import Sniffed, sniff
from domain.errors import MediaRejected
from domain.media import RENDITION_SIZES, Inspection, Limits, Rendered, RenditionFile

__all__ = ["ENGINE", "FORMATS", "Format", "inspect", "render"]

Format = Literal["jpeg", "webp"]
FORMATS: tuple[Format, ...] = ("jpeg", "webp")
ENGINE = f"libvips {pyvips.version(0)}.{pyvips.version(1)}.{pyvips.version(2)}"

JPEG_QUALITY = 82
WEBP_QUALITY = 78
WEBP_EFFORT = 0  # 0 to 6. Effort 4 made files 7 % smaller for four times the time (2048 px: 240 ms, not 61)

pyvips.cache_set_max(0)  # no picture is asked for twice; a cache would only hold memory

_LOADERS = {
    "image/jpeg": pyvips.Image.jpegload,
    "image/png": pyvips.Image.pngload,
    "image/webp": pyvips.Image.webpload,
    "image/gif": pyvips.Image.gifload,
    "image/tiff": pyvips.Image.tiffload,
}

_HARMLESS = ("extraneous bytes", "unknown adobe color", "jfif", "inconsistent progression", "iccp", "exif", "icc")
_BUDGET = 4  # frames of an animation are decoded up to this many times the pixels of the largest picture allowed


# --- inspect ---------------------------------------------------------------------------------------------------------


def inspect(source: Path, limits: Limits) -> Inspection:
    """Tell what the file is and decode it once, whole, at the lowest price.

    A JPEG is decoded at an eighth of its size: every byte passes the entropy decoder, which finds what is cut or
    corrupt, but the inverse transform is skipped (12 megapixels: 25 ms instead of 53).

    Raises:
        MediaRejected: not a picture or video, over a limit, cut short or corrupt.
    """
    found = sniff(source, limits)
    beyond = examine(source, found.media_type, limits)
    if found.kind == "video":
        from adapters.media import video  # PyAV takes 40 MB that pictures do not need

        seen = video.inspect(source, found.media_type, limits)
        return structs.replace(seen, notes=(*seen.notes, *beyond))
    header = read_header(source, found.media_type, limits)
    frames, notes = 1, [*header.notes, *beyond]
    if found.media_type == "image/jpeg":
        notes += _decode_jpeg(source, header)
    elif found.media_type in ("image/png", "image/webp", "image/gif", "image/tiff"):
        frames = _decode_frames(source, found.media_type, header, limits)
    else:
        frames = _decode_with_pillow(source, found.media_type, limits)
    width, height = header.upright
    return Inspection(found.media_type, found.kind, width, height, frames, tuple(notes))


def _decode_jpeg(source: Path, header: Header) -> list[str]:
    """Pass all of a JPEG through the entropy decoder; what libjpeg complains of is judged by `_HARMLESS`."""
    _clear_complaints()
    try:
        shrink = 8 if min(header.width, header.height) >= 8 else 1
        picture = pyvips.Image.jpegload(str(source), shrink=shrink, access="sequential", fail_on="error")
        picture.avg()
    except pyvips.Error as error:
        _refuse(error)
    complaint = _complaints()
    if complaint and not any(word in complaint.lower() for word in _HARMLESS):
        damaged(complaint)
    return [f"harmless oddity in the JPEG data: {complaint[:200]}"] if complaint else []


def _decode_frames(source: Path, media_type: str, header: Header, limits: Limits) -> int:
    """Decode every frame or page, within a budget of pixels; returns how many there are."""
    if media_type == "image/tiff":
        _refuse_raw(header)
    try:
        first = _load(source, media_type)
        frames = first.get("n-pages") if first.get_typeof("n-pages") else 1
        if frames > limits.max_frames:
            raise MediaRejected("too_many_frames", f"{frames:,} frames; at most {limits.max_frames:,} are taken")
        budget = _BUDGET * limits.max_pixels
        if media_type == "image/gif":
            for right, bottom in frame_extents(source):
                check_size(right, bottom, limits)
        if media_type == "image/tiff":  # its pages may differ in size
            for page in range(frames):
                picture = _load(source, media_type, page=page)
                check_size(picture.width, picture.height, limits)
                budget -= picture.width * picture.height
                _spend(budget)
                _run_through(picture)
        else:
            _spend(budget - first.width * first.height * frames)
            _run_through(_load(source, media_type, n=-1) if frames > 1 else first)
    except pyvips.Error as error:
        _refuse(error)
    return frames


def _spend(left: int) -> None:
    if left < 0:
        raise MediaRejected("too_many_pixels", "all frames together have more pixels than are taken")


def _decode_with_pillow(source: Path, media_type: str, limits: Limits) -> int:
    with open_picture(source, media_type, limits) as (image, _):
        image.load()
        frames = getattr(image, "n_frames", 1)
        if frames > limits.max_frames:
            raise MediaRejected("too_many_frames", f"{frames:,} frames; at most {limits.max_frames:,} are taken")
        return frames


def _load(source: Path, media_type: str, **options: int) -> pyvips.Image:
    """Open for one pass from top to bottom, with the loader that the content calls for."""
    return _LOADERS[media_type](str(source), access="sequential", fail_on="error", **options)


def _run_through(picture: pyvips.Image) -> None:
    """Decode all rows and keep none."""
    picture.extract_band(0).shrink(min(16, picture.width), min(16, picture.height)).avg()


def _refuse_raw(header: Header) -> None:
    """DNG, NEF, ARW and their kin are TIFFs whose first page is a thumbnail: never take that for the photo."""
    reduced_first_page = header.exif.get(254) == 1 and 330 in header.exif
    if 50706 in header.exif or (reduced_first_page and 271 in header.exif):
        raise MediaRejected("unsupported", "this is a camera raw file, a format that PhotoVault does not read")


def _refuse(error: pyvips.Error) -> None:
    said = str(error.detail or error.message)
    if "out of memory" in said.lower() or "unable to allocate" in said.lower():
        raise MemoryError(said) from error
    damaged(said)


def _clear_complaints() -> None:
    pyvips.vips_lib.vips_error_clear()


def _complaints() -> str:
    """What libjpeg warned of since `_clear_complaints` without giving up."""
    said: str = pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer()).decode("utf-8", "replace").strip()
    _clear_complaints()
    return said


# --- render ----------------------------------------------------------------------------------------------------------


def render(source: Path, limits: Limits, *, into: str, formats: Sequence[str] = FORMATS) -> Rendered:
    """Write small, medium and large into a folder: upright, sRGB, no metadata, never larger than the original.

    The original is decoded once, straight into the large size; medium is made from large and small from medium.
    Each name is written in each format; where two names have the same size, the file is encoded once and copied.

    Args:
        formats: "jpeg" (quality 82, alpha on white) and "webp" (quality 78, alpha kept).
    Raises:
        MediaRejected: the file is no picture, is over a limit or can't be decoded.
    """
    found = sniff(source, limits)
    if found.kind != "image":
        raise MediaRejected("unsupported", "this is a video; its renditions are made from its poster picture")
    header = read_header(source, found.media_type, limits)
    try:
        picture, notes = _decode_large(source, found, header, limits)
        files, small = _cascade(picture, header.upright, Path(into), [kind for kind in FORMATS if kind in formats])
        return Rendered(tuple(files), _placeholder(small), ENGINE, (*header.notes, *notes))
    except pyvips.Error as error:
        _refuse(error)
        raise AssertionError from error


def target_size(width: int, height: int, edge: int) -> tuple[int, int]:
    """Size whose long edge is at most `edge`, with the same proportions, never larger and never 0."""
    factor = min(1.0, edge / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _decode_large(source: Path, found: Sniffed, header: Header, limits: Limits) -> tuple[pyvips.Image, list[str]]:
    """The picture in memory at the large size, upright and in sRGB."""
    width, height = target_size(header.width, header.height, RENDITION_SIZES["large"])
    profile: bytes | str | None = header.profile or ("p3" if header.display_p3 else None)
    if header.adobe_rgb:
        profile = matrix_profile(ADOBE_RGB, 563 / 256)
    if found.media_type == "image/jpeg":
        shrink = next(s for s in (8, 4, 2, 1) if s == 1 or (header.width >= s * width and header.height >= s * height))
        picture = pyvips.Image.jpegload(str(source), shrink=shrink, access="sequential", fail_on="truncated")
    elif found.media_type in _LOADERS:
        if found.media_type == "image/tiff":
            _refuse_raw(header)
        picture = _load(source, found.media_type)
    else:
        picture = _decode_pillow(source, found.media_type, limits)
    check_size(picture.width, picture.height, limits)
    picture = _resize(picture, width, height)
    for name in ("icc-profile-data", "exif-data", "xmp-data", "iptc-data"):
        if picture.get_typeof(name):
            picture = picture.copy()
            picture.remove(name)
    if profile is not None and not _suits(profile, picture):
        profile = None
    picture, note = to_srgb(picture.copy_memory(), profile)
    return _upright(picture, header.orientation).copy_memory(), [note] if note else []


def _suits(profile: bytes | str, picture: pyvips.Image) -> bool:
    """Whether a profile is for the kind of colours that the picture has (its data colour space, ICC.1:2022, 7.2.6)."""
    space = profile[16:20] if isinstance(profile, bytes) else b"RGB "
    colours: int = picture.bands - (1 if picture.hasalpha() else 0)
    return {b"RGB ": 3, b"GRAY": 1, b"CMYK": 4, b"Lab ": 3}.get(space) == colours


def _decode_pillow(source: Path, media_type: str, limits: Limits) -> pyvips.Image:
    with open_picture(source, media_type, limits) as (image, _):
        if image.mode not in ("L", "RGB", "RGBA"):
            transparent = image.mode in ("LA", "PA", "La") or "transparency" in image.info
            converted = image.convert("RGBA" if transparent else "RGB")
        else:
            converted = image
            image.load()
        bands = len(converted.getbands())
        picture = pyvips.Image.new_from_memory(converted.tobytes(), *converted.size, bands, "uchar")
        return picture.copy(interpretation="b-w" if bands == 1 else "srgb")


def _resize(picture: pyvips.Image, width: int, height: int) -> pyvips.Image:
    """Reduce with Lanczos to exactly this size; alpha weighs the colours."""
    if (picture.width, picture.height) == (width, height):
        return picture
    alpha = picture.hasalpha()
    kind, interpretation = picture.format, picture.interpretation
    if alpha:
        picture = picture.premultiply()
    picture = picture.resize(width / picture.width, vscale=height / picture.height, kernel="lanczos3")
    if alpha:
        picture = picture.unpremultiply().rint().cast(kind).copy(interpretation=interpretation)
    if (picture.width, picture.height) != (width, height):  # libvips rounds for itself
        picture = picture.embed(0, 0, width, height, extend="copy")
    return picture


def _upright(picture: pyvips.Image, orientation: int) -> pyvips.Image:
    """Apply an EXIF orientation: mirror first, then turn clockwise (JEITA CP-3451, 4.6.4)."""
    if orientation in (2, 4, 5, 7):
        picture = picture.fliphor()
    turn = {3: "d180", 4: "d180", 5: "d270", 6: "d90", 7: "d90", 8: "d270"}.get(orientation)
    return picture.rot(turn) if turn else picture


def _cascade(
    large: pyvips.Image, upright: tuple[int, int], into: Path, formats: Sequence[Format]
) -> tuple[list[RenditionFile], pyvips.Image]:
    files: list[RenditionFile] = []
    written: dict[tuple[int, int, str], Path] = {}
    picture = large
    for name, edge in sorted(RENDITION_SIZES.items(), key=lambda item: -item[1]):
        size = target_size(*upright, edge)
        if (picture.width, picture.height) != size:
            picture = _resize(picture, *size).copy_memory()
        for kind in formats:
            path = into / f"{name}.{kind}"
            twin = written.get((*size, kind))
            if twin:
                path.write_bytes(twin.read_bytes())
            else:
                _save(picture, path, kind)
                written[(*size, kind)] = path
            files.append(RenditionFile(name, kind, str(path), *size, path.stat().st_size))
    return files[::-1], picture


def _save(picture: pyvips.Image, path: Path, kind: Format) -> None:
    if kind == "webp":
        picture.webpsave(str(path), Q=WEBP_QUALITY, effort=WEBP_EFFORT, keep="none")
        return
    if picture.hasalpha():
        picture = picture.flatten(background=255)
    picture.jpegsave(str(path), Q=JPEG_QUALITY, keep="none")


def _placeholder(picture: pyvips.Image) -> str:
    """The picture's hash, from at most 100 x 100 pixels with alpha."""
    import numpy as np  # 0.1 s, which inspection need not wait for

    from adapters.media.thumbhash import thumbhash

    picture = _resize(picture, *target_size(picture.width, picture.height, 100))
    if not picture.hasalpha():
        picture = picture.bandjoin(255)
    return thumbhash(np.frombuffer(picture.write_to_memory(), np.uint8).reshape(picture.height, picture.width, 4))
