"""Camera raw files: told apart by content, their tags, and the picture that the camera put inside (LibRaw, by rawpy).

What is shown is the camera's own preview; only where it has none of a useful size, the raw data is developed at half
its size. LibRaw's flip says how the sensor was held; the preview's own orientation repeats it and is not applied again.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read once, when LibRaw is loaded: workers run side by side already

from msgspec import Struct

from adapters.media.boxes import canon_directories
from domain.errors import MediaRejected

__all__ = ["RAW_TYPES", "RawSize", "check_data", "exif_blocks", "extract", "raw_size", "tiff_kind"]

RAW_TYPES = {
    "image/x-adobe-dng": "DNG",
    "image/x-canon-cr2": "CR2",
    "image/x-canon-cr3": "CR3",
    "image/x-nikon-nef": "NEF",
    "image/x-sony-arw": "ARW",
    "image/x-panasonic-rw2": "RW2",
    "image/x-fuji-raf": "RAF",
    "image/x-olympus-orf": "ORF",
}
"""Media type -> what a person calls it."""

USEFUL_EDGE = 1024
"""A preview with a shorter long edge is not shown, where the raw data has more and can be developed."""

_ORIENTATION = {0: 1, 1: 2, 2: 4, 3: 3, 4: 5, 5: 8, 6: 6, 7: 7}  # LibRaw's flip -> EXIF's orientation
_MAKERS = {b"NIKON": "image/x-nikon-nef", b"SONY": "image/x-sony-arw"}
_MAX_ENTRIES = 1000
_TIFF_HEAD = 1 << 20  # bytes of a Panasonic file that hold its tags


class RawSize(Struct, frozen=True):
    """Pixels of the raw picture as stored, and how to turn it."""

    width: int
    height: int
    orientation: int  # EXIF 1 to 8


def tiff_kind(file: BinaryIO) -> str:
    """The media type of what begins like a TIFF: a raw file's, or `image/tiff`.

    DNG has its version tag. Nikon and Sony begin with a reduced picture and put the raw data into sub-directories;
    an ordinary TIFF of these makers begins with the picture itself.
    """
    try:
        file.seek(0)
        head = file.read(8)
        order = ">" if head[:2] == b"MM" else "<"
        file.seek(struct.unpack_from(f"{order}I", head, 4)[0])
        (count,) = struct.unpack(f"{order}H", file.read(2))
        table = file.read(12 * min(count, _MAX_ENTRIES))
        entries = {
            tag: (kind, number, value)
            for tag, kind, number, value in struct.iter_unpack(f"{order}HHI4s", table[: len(table) // 12 * 12])
        }
        if 50706 in entries:
            return "image/x-adobe-dng"
        if 271 in entries and 330 in entries and 254 in entries and struct.unpack(f"{order}I", entries[254][2])[0] == 1:
            _, number, value = entries[271]
            make = value
            if number > 4:
                file.seek(struct.unpack(f"{order}I", value)[0])
                make = file.read(min(number, 64))
            return next((kind for name, kind in _MAKERS.items() if make.upper().startswith(name)), "image/tiff")
    except (struct.error, OSError, ValueError):
        pass
    return "image/tiff"


@contextmanager
def _opened(source: Path) -> Iterator[Any]:
    """The file in LibRaw, nothing decoded yet; LibRaw's errors become refusals or `MemoryError`."""
    import rawpy  # numpy and LibRaw, for raw files only

    raw = rawpy.RawPy()
    try:
        raw.open_file(str(source))
        yield raw
    except (MediaRejected, MemoryError, FileNotFoundError):
        raise
    except (rawpy.LibRawUnsufficientMemoryError, rawpy.LibRawTooBigError) as error:
        raise MemoryError(str(error)) from error
    except (rawpy.LibRawIOError, rawpy.LibRawDataError) as error:
        raise MediaRejected("truncated", f"the file is cut short: its raw data ends early ({error})") from error
    except rawpy.LibRawFileUnsupportedError as error:
        raise MediaRejected("unsupported", "this is a kind of camera raw file that PhotoVault does not read") from error
    except Exception as error:  # see header.open_picture
        raise MediaRejected("corrupt", f"the raw file is damaged and can't be read ({error})") from error
    finally:
        raw.close()


def raw_size(source: Path) -> RawSize:
    """Size and orientation, from the header alone."""
    with _opened(source) as raw:
        sizes = raw.sizes
        width, height = sizes.width, sizes.height
        if 0 < sizes.crop_width <= width and 0 < sizes.crop_height <= height:
            width, height = sizes.crop_width, sizes.crop_height
        return RawSize(width, height, _ORIENTATION.get(sizes.flip, 1))


def check_data(source: Path) -> str | None:
    """Decode the raw data, so that a file that is cut short is found; a note where LibRaw can't decode this kind."""
    import rawpy

    with _opened(source) as raw:
        try:
            raw.unpack()
        except (rawpy.LibRawNotImplementedError, rawpy.LibRawFileUnsupportedError):
            return "the raw data is of a kind that can't be decoded; only the picture inside was checked"
        if raw.raw_type == rawpy.RawType.Flat:
            rows = raw.raw_image_visible
            if not rows[-max(1, len(rows) // 50) :].any():  # a night's black is above zero, but not on every camera
                return "the lowest rows of the raw data are empty: the file may be cut short"
        return None


def extract(source: Path, size: RawSize, into: Path) -> tuple[Path, str] | tuple[Any, str]:
    """The picture to show: a path of a JPEG, or an array of 8-bit RGB (height, width, 3); and where it is from.

    Neither is turned: `RawSize.orientation` is still to be applied.
    """
    import rawpy

    with _opened(source) as raw:
        long_edge = max(size.width, size.height)
        found: Any = None
        edge = 0
        try:
            thumb = raw.extract_thumb()
            found = thumb.data
            if thumb.format == rawpy.ThumbFormat.JPEG:
                edge = _jpeg_edge(thumb.data)
            elif thumb.format == rawpy.ThumbFormat.BITMAP and thumb.data.ndim == 3 and thumb.data.shape[2] == 3:
                edge = max(thumb.data.shape[:2])
        except (rawpy.LibRawNoThumbnailError, rawpy.LibRawUnsupportedThumbnailError, rawpy.LibRawDataError):
            pass
        if edge >= min(USEFUL_EDGE, long_edge // 2) and edge:
            return _kept(found, into), f"shown from the {edge:,}-pixel picture that the camera put into the raw file"
        try:
            half = raw.postprocess(half_size=True, use_camera_wb=True, user_flip=0, output_bps=8)
        except (rawpy.LibRawNotImplementedError, rawpy.LibRawFileUnsupportedError):
            if not edge:
                raise
            return _kept(found, into), f"only a {edge:,}-pixel picture is inside, and the raw data can't be developed"
        return half, "developed from the raw data at half its size: the camera put no useful picture inside"


def _kept(found: Any, into: Path) -> Any:
    if not isinstance(found, bytes):
        return found
    path = into / "embedded.jpg"
    path.write_bytes(found)
    return path


def _jpeg_edge(data: bytes) -> int:
    from PIL import Image

    try:
        with Image.open(BytesIO(data), formats=["JPEG"]) as image:
            return max(image.size)
    except Exception:  # see header.open_picture
        return 0


def exif_blocks(source: Path, media_type: str) -> list[bytes]:
    """Blocks in EXIF's form (a TIFF each) that hold a raw file's tags, the main one first; as few bytes as possible.

    CR3: three directories. Panasonic: a TIFF with a magic number of its own. Fujifilm: the preview's EXIF. The others
    are TIFFs themselves, and are read from the file by the caller: no blocks.
    """
    if media_type == "image/x-canon-cr3":
        return canon_directories(source)
    with source.open("rb") as file:
        if media_type in ("image/x-panasonic-rw2", "image/x-olympus-orf"):
            head = bytearray(file.read(_TIFF_HEAD))
            head[2:4] = b"*\0" if head[:2] == b"II" else b"\0*"
            return [bytes(head)]
        if media_type == "image/x-fuji-raf":  # at 84: offset and length of the JPEG, which has it all
            file.seek(84)
            place = file.read(8)
            if len(place) == 8:
                offset, length = struct.unpack(">2I", place)
                file.seek(offset)
                jpeg = file.read(min(length, _TIFF_HEAD))
                at = jpeg.find(b"Exif\0\0", 0, 4096)
                return [jpeg[at:]] if at > 0 else []
    return []
