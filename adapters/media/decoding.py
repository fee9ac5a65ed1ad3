"""From a file of any kind to pixels in sRGB: reduced for the sizes that are shown, or all of them for a web copy.

libvips reads JPEG, PNG, WebP, GIF and TIFF from top to bottom, so that their size does not matter; the other kinds are
decoded whole, once, and kept for both (docs/adr/0006-libvips-and-pillow.md).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyvips
from msgspec import Struct

from adapters.media.colour import ADOBE_RGB, matrix_profile, to_srgb
from adapters.media.geometry import resize, target_size, upright
from adapters.media.header import HDR_TRANSFERS, Header, check_size, damaged, open_picture, read_header
from adapters.media.raw import RAW_TYPES, RawSize, extract
from adapters.media.weight import check_weight
from domain.errors import MediaRejected
from domain.media import RENDITION_SIZES, Limits, RenditionFile

__all__ = ["Subject", "load", "open_subject", "reduced", "refuse", "refuse_raw", "whole"]

_LOADERS = {
    "image/jpeg": pyvips.Image.jpegload,
    "image/png": pyvips.Image.pngload,
    "image/webp": pyvips.Image.webpload,
    "image/gif": pyvips.Image.gifload,
    "image/tiff": pyvips.Image.tiffload,
}
_ANIMATED = ("image/gif", "image/webp", "image/png", "image/avif")
_TRANSPARENT = ("LA", "PA", "La", "RGBa", "RGBA")
_FULL_EDGE = 65_500  # libjpeg's longest edge


class Subject(Struct):
    """The picture to show for a file, before it is reduced."""

    path: Path
    media_type: str
    header: Header  # of what is shown: of a raw file's preview, not of the raw file
    orientation: int  # still to be applied
    picture: pyvips.Image | None = None  # in memory, where the decoder knows no other way
    page: int = 0
    profile: bytes | str | None = None
    peak_nits: float = 0.0  # of an HDR picture, known when it was reduced
    frames: int = 1
    extra: tuple[RenditionFile, ...] = ()  # a preview that moves
    notes: tuple[str, ...] = ()

    @property
    def size(self) -> tuple[int, int]:
        """Width and height as stored."""
        return (self.picture.width, self.picture.height) if self.picture else (self.header.width, self.header.height)

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as a person sees them."""
        width, height = self.size
        return (height, width) if self.orientation >= 5 else (width, height)

    @property
    def hdr(self) -> bool:
        """Whether its light has to be bent into what an ordinary screen shows."""
        return self.header.transfer in HDR_TRANSFERS


def open_subject(source: Path, media_type: str, header: Header, limits: Limits, scratch: Path) -> Subject:
    """Find what is to be shown; decode it where that can only be done as a whole. `scratch` takes temporary files."""
    check_weight(media_type, header.width, header.height, header.whole_bytes, limits)
    if media_type in RAW_TYPES:
        return _open_raw(source, header, limits, scratch)
    subject = Subject(source, media_type, header, header.orientation, profile=_profile(header))
    if media_type in _ANIMATED:
        from adapters.media import animation  # numpy takes 0.1 s that most pictures need not wait for

        subject.frames = animation.count_frames(source, media_type, header)
        if subject.frames > 1:
            subject.page, preview = animation.look(source, media_type, header, subject.profile, limits, scratch)
            subject.extra = (preview,) if preview else ()
    if media_type in ("image/heic", "image/heif"):
        subject.picture = _decode_heif(source, limits, deep=subject.hdr)
    elif media_type == "image/avif" and subject.hdr:  # Pillow gives 8 bits only
        subject.picture = pyvips.Image.heifload(str(source), unlimited=False).copy_memory()
        subject.orientation = 1  # libheif has applied it
    elif media_type not in _LOADERS or (media_type == "image/png" and subject.page):
        subject.picture, late = _decode_pillow(source, media_type, limits, subject.page)
        subject.profile = late or subject.profile
    if media_type == "image/tiff":
        refuse_raw(header)
    return subject


def _open_raw(source: Path, header: Header, limits: Limits, scratch: Path) -> Subject:
    found, note = extract(source, RawSize(header.width, header.height, header.orientation), scratch)
    if not isinstance(found, Path):
        picture = pyvips.Image.new_from_array(found).copy(interpretation="srgb")
        return Subject(source, "image/x-raw", header, header.orientation, picture=picture, notes=(note,))
    inside = read_header(found, "image/jpeg", limits)
    check_weight("image/jpeg", inside.width, inside.height, inside.whole_bytes, limits)
    on_its_side = header.orientation >= 5
    turned_already = on_its_side and (inside.width < inside.height) != (header.width < header.height)
    return Subject(
        found,
        "image/jpeg",
        inside,
        1 if turned_already else header.orientation,
        profile=_profile(inside),
        notes=(note,),
    )


def _profile(header: Header) -> bytes | str | None:
    if header.adobe_rgb:
        return matrix_profile(ADOBE_RGB, 563 / 256)
    return header.profile or ("p3" if header.display_p3 else None)


def reduced(subject: Subject, limits: Limits) -> pyvips.Image:
    """The picture in memory at the large size, upright and in sRGB. What it finds out is noted in the subject."""
    stored = subject.size
    width, height = target_size(*stored, RENDITION_SIZES["large"])
    if subject.picture is not None:
        picture = subject.picture
    elif subject.media_type == "image/jpeg":
        shrink = next(s for s in (8, 4, 2, 1) if s == 1 or (stored[0] >= s * width and stored[1] >= s * height))
        picture = pyvips.Image.jpegload(str(subject.path), shrink=shrink, access="sequential", fail_on="truncated")
    else:
        picture = load(subject.path, subject.media_type, page=subject.page)
    check_size(picture.width, picture.height, limits)
    picture = _bare(resize(picture, width, height)).copy_memory()
    if subject.hdr:
        from adapters.media import tones  # numpy

        subject.peak_nits = tones.peak_of(picture, subject.header.transfer)
        picture = _to_sdr(picture, subject)
    else:
        if subject.profile is not None and not _suits(subject.profile, picture):
            subject.profile = None
        picture, note = to_srgb(picture, subject.profile)
        if note:
            subject.profile, subject.notes = None, (*subject.notes, note)
    return upright(picture, subject.orientation).copy_memory()


def whole(subject: Subject, limits: Limits, edge: int = _FULL_EDGE) -> pyvips.Image:
    """All pixels, upright and in sRGB, as a pipeline that runs when it is written; after `reduced`.

    What has to be turned must lie in memory: where that would be more than a worker has, the picture is made smaller.
    """
    width, height = target_size(*subject.size, edge)
    if subject.orientation > 2 and subject.picture is None:
        factor = (limits.max_whole_bytes / (4 * width * height)) ** 0.5
        if factor < 1:
            width, height = int(width * factor), int(height * factor)
    picture = subject.picture
    if picture is None:
        picture = load(subject.path, subject.media_type, page=subject.page, fail_on="truncated")
    picture = _bare(resize(picture, width, height))
    if subject.hdr:
        picture = _to_sdr(picture, subject)
    else:
        picture, _ = to_srgb(picture, subject.profile, at_once=False)
    if subject.orientation > 2 and subject.picture is None:
        picture = picture.copy_memory()
    return upright(picture, subject.orientation)


def _to_sdr(picture: pyvips.Image, subject: Subject) -> pyvips.Image:
    from adapters.media import tones  # numpy

    if picture.bands < 3:
        picture = picture[0].bandjoin([picture[0], picture[0]])
    moved = tones.to_sdr(picture, subject.header.transfer, subject.peak_nits, p3=subject.header.display_p3)
    if picture.bands < 4:
        return moved
    alpha = picture[3] >> 8 if picture.format == "ushort" else picture[3]
    return moved.bandjoin(alpha.cast("uchar")).copy(interpretation="srgb")


def load(source: Path, media_type: str, fail_on: str = "error", **options: Any) -> pyvips.Image:
    """Open for one pass from top to bottom, with the loader that the content calls for."""
    if not options.get("page") or media_type in ("image/jpeg", "image/png"):
        options.pop("page", None)
    return _LOADERS[media_type](str(source), access="sequential", fail_on=fail_on, **options)


def _bare(picture: pyvips.Image) -> pyvips.Image:
    """Without what the file says of itself: profiles are applied by hand, and nothing is to be carried over."""
    for name in ("icc-profile-data", "exif-data", "xmp-data", "iptc-data"):
        if picture.get_typeof(name):
            picture = picture.copy()
            picture.remove(name)
    return picture


def _suits(profile: bytes | str, picture: pyvips.Image) -> bool:
    """Whether a profile is for the kind of colours that the picture has (its data colour space, ICC.1:2022, 7.2.6)."""
    space = profile[16:20] if isinstance(profile, bytes) else b"RGB "
    colours: int = picture.bands - (1 if picture.hasalpha() else 0)
    return {b"RGB ": 3, b"GRAY": 1, b"CMYK": 4, b"Lab ": 3}.get(space) == colours


def _decode_heif(source: Path, limits: Limits, *, deep: bool) -> pyvips.Image:
    """A HEIC's primary picture, straight from libheif's rows: Pillow's copies of it would double the memory.

    Args:
        deep: keep 10 and 12 bits (as 16), for HDR.
    """
    with open_picture(source, "image/heic", limits):  # the same checks, and its errors become refusals
        import numpy as np
        import pillow_heif

        held = pillow_heif.open_heif(source, convert_hdr_to_8bit=not deep)
        if held.mode.partition(";")[0] not in ("L", "LA", "RGB", "RGBA"):  # colours multiplied by alpha: Pillow's work
            return _decode_pillow(source, "image/heic", limits, 0)[0]
        rows = np.asarray(held[held.primary_index])
        picture = pyvips.Image.new_from_array(rows)
        deep_kind, flat_kind = ("grey16", "b-w") if picture.bands < 3 else ("rgb16", "srgb")
        return picture.copy(interpretation=deep_kind if picture.format == "ushort" else flat_kind)


def _decode_pillow(source: Path, media_type: str, limits: Limits, page: int) -> tuple[pyvips.Image, bytes | None]:
    """One frame by Pillow, and the profile where it is only known with the pixels (JPEG XL)."""
    with open_picture(source, media_type, limits) as (image, _):
        if page:
            image.seek(page)
        image.load()
        check_size(*image.size, limits)
        profile = image.info.get("icc_profile") if media_type == "image/jxl" else None
        converted = image
        if image.mode not in ("L", "RGB", "RGBA"):
            transparent = image.mode in _TRANSPARENT or "transparency" in image.info
            converted = image.convert("RGBA" if transparent else "RGB")
        bands = len(converted.getbands())
        picture = pyvips.Image.new_from_memory(converted.tobytes(), *converted.size, bands, "uchar")
        return picture.copy(interpretation="b-w" if bands == 1 else "srgb"), profile


def refuse_raw(header: Header) -> None:
    """Raw files of other makers are TIFFs whose first page is a thumbnail: never take that for the photo."""
    reduced_first_page = header.exif.get(254) == 1 and 330 in header.exif
    if 50706 in header.exif or (reduced_first_page and 271 in header.exif):
        raise MediaRejected("unsupported", "this is a camera raw file, a format that PhotoVault does not read")


def refuse(error: pyvips.Error) -> None:
    """What libvips complains of becomes a refusal, or `MemoryError`."""
    said = str(error.detail or error.message)
    if "out of memory" in said.lower() or "unable to allocate" in said.lower():
        raise MemoryError(said) from error
    damaged(said)
