"""What a picture's header says, read by Pillow without decoding pixels: size, orientation, profile, EXIF and XMP.

One reader for every step, so that inspection, metadata and renditions can never disagree on what is upright.
"""

from __future__ import annotations

import struct
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

from msgspec import Struct
from PIL import Image, UnidentifiedImageError

from adapters.media.boxes import avif_transfer, jxl_exif
from adapters.media.png import late_metadata
from adapters.media.raw import RAW_TYPES, exif_blocks, raw_size
from adapters.media.weight import RAW_BYTES_A_PIXEL, whole_bytes
from domain.errors import MediaRejected
from domain.media import Limits

__all__ = ["HDR_TRANSFERS", "Header", "check_size", "damaged", "open_picture", "read_header", "upright_size"]

_FORMATS = {
    "image/jpeg": "JPEG",
    "image/png": "PNG",
    "image/gif": "GIF",
    "image/tiff": "TIFF",
    "image/webp": "WEBP",
    "image/bmp": "BMP",
    "image/heic": "HEIF",
    "image/heif": "HEIF",
    "image/avif": "AVIF",
    "image/jxl": "JXL",
}

HDR_TRANSFERS = (16, 18)  # PQ and HLG (ITU-T H.273)

_lock = threading.Lock()
_plugins: set[str] = set()


class Header(Struct, frozen=True):
    """Facts of a picture before its pixels are read."""

    width: int  # as stored
    height: int
    orientation: int = 1  # what is still to be applied to the stored pixels, EXIF 1..8
    stored_orientation: int = 1  # what the file says, also where the decoder has applied it already (HEIC)
    profile: bytes | None = None
    display_p3: bool = False  # said by the container's colour box instead of a profile
    exif: dict[int, Any] = {}
    exif_sub: dict[int, Any] = {}
    exif_gps: dict[int, Any] = {}
    xmp: bytes = b""
    adobe_rgb: bool = False
    mode: str = "RGB"  # Pillow's word for the kind of pixels
    frames: int = 1  # of an animation that Pillow reads (APNG, AVIF); libvips counts the others
    transfer: int = 2  # ITU-T H.273: 16 is PQ, 18 is HLG
    whole_bytes: int = 0  # what a decoder has to hold at once; 0 where it goes from top to bottom
    notes: tuple[str, ...] = ()

    @property
    def upright(self) -> tuple[int, int]:
        """Width and height as a person sees them."""
        return upright_size(self.width, self.height, self.orientation)


def upright_size(width: int, height: int, orientation: int) -> tuple[int, int]:
    """Size after an EXIF orientation is applied: 5 to 8 lie on their side."""
    return (height, width) if orientation >= 5 else (width, height)


def check_size(width: int, height: int, limits: Limits) -> None:
    """Refuse a picture by its stated size, before any memory is taken for it."""
    if width < 1 or height < 1:
        raise MediaRejected("corrupt", "the picture says that it has no pixels")
    if width * height > limits.max_pixels or max(width, height) > limits.max_edge_px:
        raise MediaRejected(
            "too_many_pixels",
            f"the picture says that it has {width:,} x {height:,} pixels; at most {limits.max_pixels:,} are taken, "
            f"and {limits.max_edge_px:,} along an edge",
        )


def damaged(error: BaseException | str) -> NoReturn:
    """Turn a decoder's complaint into a refusal."""
    said = " ".join(str(error).split())
    word = said.lower()
    if any(sign in word for sign in ("truncated", "premature end of jpeg", "unexpected end", "end of file", "cut off")):
        raise MediaRejected("truncated", f"the file is cut short: its end is missing ({said[:200]})")
    raise MediaRejected("corrupt", f"the picture is damaged and can't be decoded ({said[:200]})")


@contextmanager
def open_picture(
    source: Path, media_type: str, limits: Limits
) -> Iterator[tuple[Image.Image, list[warnings.WarningMessage]]]:
    """Open a picture with the one decoder that its content calls for; yields it and the warnings given so far.

    Warnings about decompression bombs are errors; every other complaint becomes a `MediaRejected`, also those that
    come while the caller uses the picture.
    """
    _prepare(media_type, limits)
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(source, formats=[_FORMATS[media_type]]) as image:
                check_size(*image.size, limits)
                yield image, caught
    except (MediaRejected, MemoryError, FileNotFoundError, PermissionError):
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise MediaRejected(
            "too_many_pixels", f"the picture says that it has more pixels than are taken: at most {limits.max_pixels:,}"
        ) from error
    except UnidentifiedImageError as error:
        raise MediaRejected("corrupt", "the picture is damaged: its header can't be read") from error
    except Exception as error:  # decoders fail on hostile bytes in every way there is
        damaged(error)


def _prepare(media_type: str, limits: Limits) -> None:
    Image.MAX_IMAGE_PIXELS = limits.max_pixels
    plugin = _FORMATS[media_type]
    if plugin not in ("HEIF", "JXL") or plugin in _plugins:
        return
    with _lock:  # plug-ins are registered with Pillow once in a process
        if plugin == "HEIF":
            import pillow_heif  # 40 ms and 10 MB that most files do not need

            pillow_heif.register_heif_opener(thumbnails=False)
        else:
            import pylibjxl

            pylibjxl.register_pillow()
        _plugins.add(plugin)


def read_header(source: Path, media_type: str, limits: Limits) -> Header:
    """Read a header; broken metadata becomes a note, never an error.

    Raises:
        MediaRejected: the picture itself can't be opened, or says that it is too large.
    """
    if media_type in RAW_TYPES:
        return _read_raw(source, media_type, limits)
    with open_picture(source, media_type, limits) as (image, caught):
        notes: list[str] = []
        if media_type == "image/jxl":
            block = jxl_exif(source)  # Pillow's plug-in finds it only together with the pixels
            if block:
                image.info["exif"] = block
        if media_type == "image/png" and "exif" not in image.info:
            late, late_xmp = late_metadata(source)
            image.info |= {"exif": b"Exif\0\0" + late} if late else {}
            image.info |= {"xmp": late_xmp} if late_xmp and "xmp" not in image.info else {}
        exif, sub, gps = _read_exif(image, notes)
        if any(issubclass(warning.category, UserWarning) for warning in caught):
            notes.append("the EXIF block is damaged in places; what could be read was kept")
        info = image.info
        width, height = image.size
        if media_type == "image/tiff" and exif.get(0x0112) in (5, 6, 7, 8):
            width, height = height, width  # Pillow tells the upright size of a TIFF, but of nothing else
        told = exif.get(0x0112)
        orientation = told if isinstance(told, int) and 1 <= told <= 8 else 1
        stored = info.get("original_orientation") or orientation
        if told is not None and orientation != told:
            notes.append(f"the EXIF orientation {str(told)[:20]!r} is not one of 1 to 8 and was ignored")
        if media_type in ("image/heic", "image/heif", "image/jxl"):
            orientation = 1  # the decoder applies the container's; EXIF's only repeats it (ISO/IEC 23008-12, 18181-2)
        profile = info.get("icc_profile")
        nclx = info.get("nclx_profile") or {}
        transfer = avif_transfer(source) if media_type == "image/avif" else int(nclx.get("transfer_characteristics", 2))
        xmp = info.get("xmp") or info.get("XML:com.adobe.xmp") or exif.get(0x02BC) or b""
        return Header(
            width=width,
            height=height,
            orientation=orientation,
            stored_orientation=stored if isinstance(stored, int) and 1 <= stored <= 8 else 1,
            profile=profile if isinstance(profile, bytes) and profile else None,
            display_p3=not profile and int(nclx.get("color_primaries", 0)) == 12,
            mode=image.mode,
            frames=_frames(image, media_type),
            transfer=transfer,
            whole_bytes=whole_bytes(image, media_type) * (2 if transfer in HDR_TRANSFERS else 1),  # kept at 16 bits
            exif=exif,
            exif_sub=sub,
            exif_gps=gps,
            xmp=xmp.encode("utf-8", "replace") if isinstance(xmp, str) else bytes(xmp)[:1_000_000],
            adobe_rgb=not profile and _says_adobe_rgb(image, sub),
            notes=tuple(dict.fromkeys(notes)),
        )


def _frames(image: Image.Image, media_type: str) -> int:
    """Frames of an APNG or an AVIF sequence: known from the header. (Pillow has to walk through a GIF.)"""
    return int(getattr(image, "n_frames", 1)) if media_type in ("image/png", "image/avif") else 1


def _read_raw(source: Path, media_type: str, limits: Limits) -> Header:
    """A raw file's size and orientation from LibRaw, its tags from its own directories."""
    size = raw_size(source)
    check_size(size.width, size.height, limits)
    notes: list[str] = []
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        blocks = _raw_blocks(source, media_type, notes)
    if caught:
        notes.append("the EXIF block is damaged in places; what could be read was kept")
    xmp = blocks[0].get(0x02BC, b"")
    return Header(
        width=size.width,
        height=size.height,
        orientation=size.orientation,
        stored_orientation=size.orientation,
        exif=blocks[0],
        exif_sub=blocks[1],
        exif_gps=blocks[2],
        xmp=bytes(xmp)[:1_000_000] if isinstance(xmp, (bytes, tuple)) else b"",
        mode="RAW",
        whole_bytes=RAW_BYTES_A_PIXEL * size.width * size.height,
        notes=tuple(dict.fromkeys(notes)),
    )


def _raw_blocks(source: Path, media_type: str, notes: list[str]) -> list[dict[int, Any]]:
    blocks: list[dict[int, Any]] = [{}, {}, {}]
    try:
        held = exif_blocks(source, media_type)
        if media_type == "image/x-canon-cr3":
            for at, block in enumerate(held):
                if block:
                    blocks[at] = dict(_exif_of(BytesIO(block)))
        elif held:
            blocks = list(_directories(_exif_of(BytesIO(held[0].removeprefix(b"Exif\0\0"))), notes))
        elif media_type not in ("image/x-fuji-raf",):
            with source.open("rb") as file:
                blocks = list(_directories(_exif_of(file), notes))
    except Exception:  # see open_picture
        notes.append("the EXIF block is damaged and was not read")
    return blocks


def _exif_of(file: BinaryIO) -> Image.Exif:
    exif = Image.Exif()
    exif.load_from_fp(file)
    return exif


def _read_exif(image: Image.Image, notes: list[str]) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    """The three directories that matter, each as far as it can be read."""
    blocks: tuple[dict[int, Any], dict[int, Any], dict[int, Any]] = ({}, {}, {})
    try:
        blocks = _directories(Image.Image.getexif(image), notes)  # a PNG's own would decode all pixels to look behind
    except Exception:  # see open_picture
        notes.append("the EXIF block is damaged and was not read")
    if len(blocks[0]) < _stated_tags(image.info.get("exif")):
        notes.append("the EXIF block is damaged in places; what could be read was kept")
    return blocks


def _directories(exif: Image.Exif, notes: list[str]) -> tuple[dict[int, Any], dict[int, Any], dict[int, Any]]:
    blocks: list[dict[int, Any]] = [dict(exif), {}, {}]
    for at, tag, name in ((1, 0x8769, "EXIF"), (2, 0x8825, "GPS")):
        try:
            blocks[at] = dict(exif.get_ifd(tag))
        except Exception:  # see open_picture
            notes.append(f"the {name} part of the metadata is damaged and was not read")
        if tag in exif and not blocks[at]:
            notes.append(f"the {name} part of the metadata is named but missing or cut short")
    return blocks[0], blocks[1], blocks[2]


def _stated_tags(block: object) -> int:
    """How many tags the first directory of an EXIF block says that it has (TIFF 6.0, section 2)."""
    if not isinstance(block, bytes):
        return 0
    data = block.removeprefix(b"Exif\0\0")
    order = ">" if data[:2] == b"MM" else "<"
    try:
        (start,) = struct.unpack_from(f"{order}I", data, 4)
        (count,) = struct.unpack_from(f"{order}H", data, start)
        return len(set(struct.unpack_from(f"{order}{'H10x' * count}", data, start + 2)))
    except struct.error:
        return 1  # there is a block, and it can't be read


def _says_adobe_rgb(image: Image.Image, sub: dict[int, Any]) -> bool:
    """DCF's way to say Adobe RGB without a profile: interoperability index R03 (CIPA DC-009, 3.2.2)."""
    if sub.get(0xA001) not in (2, 0xFFFF) or 0xA005 not in sub:
        return False
    try:
        return str(image.getexif().get_ifd(0xA005).get(1, "")).startswith("R03")
    except Exception:  # see open_picture
        return False
