"""Inspect and render pictures with libvips, Pillow and LibRaw; runs inside the sandbox's child, and only there in
production. `decoding` brings a file of any kind to sRGB pixels, `encoding` writes what is made of them.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

os.environ.setdefault("VIPS_CONCURRENCY", "1")  # read once, when libvips starts: workers run side by side already

import pyvips
from msgspec import structs

from adapters.media import picture_encoding as encoding
from adapters.media.decoding import load, open_subject, reduced, refuse, refuse_raw
from adapters.media.geometry import target_size
from adapters.media.gif import frame_extents
from adapters.media.header import Header, check_size, damaged, open_picture, read_header
from adapters.media.looks import look_of
from adapters.media.picture_encoding import FORMATS, Format
from adapters.media.polyglot import examine
from adapters.media.raw import RAW_TYPES, check_data
from adapters.media.sniff import sniff
from adapters.media.weight import check_weight
from domain.errors import MediaRejected
from domain.media import Inspection, Limits, Rendered

__all__ = ["ENGINE", "FORMATS", "Format", "inspect", "render", "target_size"]

ENGINE = f"libvips {pyvips.version(0)}.{pyvips.version(1)}.{pyvips.version(2)}"

pyvips.cache_set_max(0)  # no picture is asked for twice; a cache would only hold memory

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
    check_weight(found.media_type, header.width, header.height, header.whole_bytes, limits)
    if found.media_type in RAW_TYPES:
        note = check_data(source)
        notes += [note] if note else []
    elif found.media_type == "image/jpeg":
        notes += _decode_jpeg(source, header)
    elif found.media_type in ("image/png", "image/webp", "image/gif", "image/tiff"):
        frames = max(header.frames, _decode_frames(source, found.media_type, header, limits))
        if frames > limits.max_frames:
            raise MediaRejected("too_many_frames", f"{frames:,} frames; at most {limits.max_frames:,} are taken")
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
        refuse(error)
    complaint = _complaints()
    if complaint and not any(word in complaint.lower() for word in _HARMLESS):
        damaged(complaint)
    return [f"harmless oddity in the JPEG data: {complaint[:200]}"] if complaint else []


def _decode_frames(source: Path, media_type: str, header: Header, limits: Limits) -> int:
    """Decode every frame or page, within a budget of pixels; returns how many there are."""
    if media_type == "image/tiff":
        refuse_raw(header)
    try:
        first = load(source, media_type)
        frames = first.get("n-pages") if first.get_typeof("n-pages") else 1
        if frames > limits.max_frames:
            raise MediaRejected("too_many_frames", f"{frames:,} frames; at most {limits.max_frames:,} are taken")
        budget = _BUDGET * limits.max_pixels
        if media_type == "image/gif":
            for right, bottom in frame_extents(source):
                check_size(right, bottom, limits)
        if media_type == "image/tiff":  # its pages may differ in size
            for page in range(frames):
                picture = load(source, media_type, page=page)
                check_size(picture.width, picture.height, limits)
                budget -= picture.width * picture.height
                _spend(budget)
                _run_through(picture)
        else:
            _spend(budget - first.width * first.height * frames)
            _run_through(load(source, media_type, n=-1) if frames > 1 else first)
    except pyvips.Error as error:
        refuse(error)
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


def _run_through(picture: pyvips.Image) -> None:
    """Decode all rows and keep none."""
    picture.extract_band(0).shrink(min(16, picture.width), min(16, picture.height)).avg()


def _clear_complaints() -> None:
    pyvips.vips_lib.vips_error_clear()


def _complaints() -> str:
    """What libjpeg warned of since `_clear_complaints` without giving up."""
    said: str = pyvips.ffi.string(pyvips.vips_lib.vips_error_buffer()).decode("utf-8", "replace").strip()
    _clear_complaints()
    return said


# --- render ----------------------------------------------------------------------------------------------------------


def render(
    source: Path,
    limits: Limits,
    *,
    into: str,
    formats: Sequence[str] = FORMATS,
    optimise: Sequence[str] = (),
    keep_copyright: bool = False,
    full: bool = True,
) -> Rendered:
    """Write small, medium and large into a folder: upright, sRGB, no metadata, never larger than the original.

    The original is decoded once, straight into the large size; medium is made from large and small from medium.
    Each name is written in each format; where two names have the same size, the file is encoded once and copied.
    Where a browser could not show the original there is "full", a JPEG of all its pixels; of an animation there is
    "preview", a small WebP of its first seconds.

    Args:
        formats: "jpeg" (quality 82, alpha on white) and "webp" (quality 78, alpha kept).
        optimise: also write "web", a copy in full size in each of these: "jpeg", "webp", "avif". One that would be
            larger than the original is not kept.
        keep_copyright: write the original's copyright and artist into JPEGs.
        full: whether "full" may be made; a comparison with peers that make three sizes leaves it out.
    Raises:
        MediaRejected: the file is no picture, is over a limit or can't be decoded.
    """
    found = sniff(source, limits)
    if found.kind != "image":
        raise MediaRejected("unsupported", "this is a video; its renditions are made from its poster picture")
    header = read_header(source, found.media_type, limits)
    folder = Path(into)
    mark = encoding.copyright_block(header) if keep_copyright else b""
    try:
        subject = open_subject(source, found.media_type, header, limits, folder)
        picture = reduced(subject, limits)
        kinds = [kind for kind in FORMATS if kind in formats]
        files, small = encoding.cascade(picture, subject.upright, folder, kinds, mark)
        files += subject.extra
        notes = [*header.notes, *subject.notes]
        if full and encoding.needs_full(found.media_type, subject):
            files.append(encoding.make_full(subject, folder, limits, mark))
        if optimise and subject.frames == 1:
            web, left_out = encoding.make_web(subject, folder, limits, mark, optimise, source.stat().st_size)
            files, notes = files + web, notes + left_out
        width, height = subject.upright
        return Rendered(
            tuple(files),
            encoding.placeholder(small),
            ENGINE,
            tuple(dict.fromkeys(notes)),
            look_of(picture),
            round(width * height / 1e6, 3),
        )
    except pyvips.Error as error:
        refuse(error)
        raise AssertionError from error
    finally:
        (folder / "embedded.jpg").unlink(missing_ok=True)
