"""Camera raw files that LibRaw reads, generated: TIFFs with the makers' tags, a picture inside and sensor data.

The sensor data is a plain grid of red, green, green, blue; the pictures inside are ordinary JPEGs.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from msgspec import Struct
from PIL import Image

__all__ = ["Blob", "arw", "cr2", "dng", "nef", "rw2", "tiff"]

_ASCII, _BYTE, _SHORT, _LONG, _RATIONAL, _UNDEFINED, _SRATIONAL = 2, 1, 3, 4, 5, 7, 10
_FORMS = {_BYTE: "B", _SHORT: "H", _LONG: "I", _RATIONAL: "II", _SRATIONAL: "ii"}


class Blob(Struct, frozen=True):
    """Bytes that a tag points at."""

    data: bytes


Directory = Mapping[int, tuple[int, Any]]


def tiff(first: Directory, magic: bytes = b"II*\0", after: Sequence[Directory] = (), middle: bytes = b"") -> bytes:
    """A little-endian TIFF; a value may be a number, a list, a text, bytes, a `Blob`, or a list of sub-directories.

    Args:
        after: directories that follow the first in the chain.
        middle: what stands between the head and the first directory.
    """
    out = bytearray(magic + struct.pack("<I", 8 + 2 * len(middle)) + middle + bytes(len(middle)))
    at = _write(out, first)
    for directory in after:
        (count,) = struct.unpack_from("<H", out, at)
        struct.pack_into("<I", out, at + 2 + 12 * count, len(out))
        at = _write(out, directory)
    return bytes(out)


def _append(out: bytearray, data: bytes) -> int:
    at = len(out)
    out += data + bytes(len(data) % 2)
    return at


def _write(out: bytearray, directory: Directory) -> int:
    start = len(out)
    out += bytes(2 + 12 * len(directory) + 4)
    entries = b""
    for tag, (kind, value) in sorted(directory.items()):
        values = value if isinstance(value, (list, tuple)) else [value]
        if isinstance(value, Blob):
            count, packed = 1, struct.pack("<I", _append(out, value.data))
        elif isinstance(value, bytes):
            count, packed = len(value), value
        elif isinstance(values[0], Mapping):
            places = [_write(out, sub) for sub in values]
            count, packed = len(places), struct.pack(f"<{len(places)}I", *places)
        elif kind == _ASCII:
            packed = str(value).encode() + b"\0"
            count = len(packed)
        else:
            form = _FORMS[kind]
            flat = [n for v in values for n in (v if isinstance(v, tuple) else (v,))]
            count, packed = len(values), struct.pack(f"<{form * len(values)}", *flat)
        if len(packed) > 4:
            packed = struct.pack("<I", _append(out, packed))
        entries += struct.pack("<HHI4s", tag, kind, count, packed.ljust(4, b"\0"))
    struct.pack_into(f"<H{len(entries)}sI", out, start, len(directory), entries, 0)
    return start


def _sensor(picture: Image.Image) -> bytes:
    """What a sensor with a red, green, green, blue grid sees: 16 bits, linear light, black at 256."""
    light = np.power(np.asarray(picture, np.float64) / 255, 2.2)
    grid = light[..., 1].copy()
    grid[0::2, 0::2] = light[0::2, 0::2, 0]
    grid[1::2, 1::2] = light[1::2, 1::2, 2]
    return (256 + grid * 15_000).astype("<u2").tobytes()


def _jpeg(picture: Image.Image, exif: bytes = b"") -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=92, exif=exif)
    return buffer.getvalue()


def _main(make: str, model: str, orientation: int) -> dict[int, tuple[int, Any]]:
    shot = {
        0x829A: (_RATIONAL, [(1, 250)]),
        0x829D: (_RATIONAL, [(28, 10)]),
        0x8827: (_SHORT, 400),
        0x9003: (_ASCII, "2021:06:05 04:03:02"),
        0x920A: (_RATIONAL, [(35, 1)]),
    }
    return {
        0x010F: (_ASCII, make),
        0x0110: (_ASCII, model),
        0x0112: (_SHORT, orientation),
        0x013B: (_ASCII, "A. Photographer"),
        0x8298: (_ASCII, "(c) A. Photographer"),
        0x8769: (_LONG, [shot]),
    }


def _strip(width: int, height: int, data: bytes, **more: tuple[int, Any]) -> dict[int, tuple[int, Any]]:
    return {
        0x0100: (_LONG, width),
        0x0101: (_LONG, height),
        0x0111: (_LONG, Blob(data)),
        0x0116: (_LONG, height),
        0x0117: (_LONG, len(data)),
        **{int(tag[1:], 16): value for tag, value in more.items()},
    }


def _cfa(picture: Image.Image, data: bytes | None = None) -> dict[int, tuple[int, Any]]:
    return _strip(
        *picture.size,
        _sensor(picture) if data is None else data,
        x00FE=(_LONG, 0),
        x0102=(_SHORT, 16),
        x0103=(_SHORT, 1),
        x0106=(_SHORT, 32803),
        x0115=(_SHORT, 1),
        x828D=(_SHORT, [2, 2]),
        x828E=(_BYTE, [0, 1, 1, 2]),
    )


def _thumbnail(picture: Image.Image) -> dict[int, tuple[int, Any]]:
    small = picture.resize((64, 64 * picture.height // picture.width))
    return _strip(
        *small.size,
        small.tobytes(),
        x00FE=(_LONG, 1),
        x0102=(_SHORT, [8, 8, 8]),
        x0103=(_SHORT, 1),
        x0106=(_SHORT, 2),
        x0115=(_SHORT, 3),
        x011C=(_SHORT, 1),
    )


def dng(
    picture: Image.Image,
    *,
    preview: Image.Image | None,
    orientation: int = 1,
    preview_exif: bytes = b"",
    sensor: bytes | None = None,
) -> bytes:
    """A DNG 1.4; `picture` and `preview` as stored, not upright. Without a preview there is a thumbnail only."""
    raw = _cfa(picture, sensor) | {
        0xC61A: (_SHORT, 256),  # black and white level
        0xC61D: (_LONG, 15_256),
    }
    subs = [raw]
    if preview is not None:
        jpeg = _jpeg(preview, preview_exif)
        subs.append(
            _strip(
                *preview.size,
                jpeg,
                x00FE=(_LONG, 1),
                x0102=(_SHORT, [8, 8, 8]),
                x0103=(_SHORT, 7),
                x0106=(_SHORT, 6),
                x0115=(_SHORT, 3),
            )
        )
    identity = [(1, 1), (0, 1), (0, 1), (0, 1), (1, 1), (0, 1), (0, 1), (0, 1), (1, 1)]
    return tiff(
        _thumbnail(picture)
        | _main("PhotoVault", "Generated DNG", orientation)
        | {
            0x014A: (_LONG, subs),
            0xC612: (_BYTE, [1, 4, 0, 0]),
            0xC613: (_BYTE, [1, 1, 0, 0]),
            0xC614: (_ASCII, "PhotoVault Generated DNG"),
            0xC621: (_SRATIONAL, identity),
            0xC628: (_RATIONAL, [(1, 1), (1, 1), (1, 1)]),
            0xC65A: (_SHORT, 21),
        }
    )


def nef(picture: Image.Image, *, preview: Image.Image, orientation: int = 1) -> bytes:
    """A Nikon NEF with uncompressed sensor data."""
    jpeg = _jpeg(preview)
    inside = {0x00FE: (_LONG, 1), 0x0103: (_SHORT, 6), 0x0201: (_LONG, Blob(jpeg)), 0x0202: (_LONG, len(jpeg))}
    return tiff(
        _thumbnail(picture)
        | _main("NIKON CORPORATION", "NIKON D750", orientation)
        | {0x014A: (_LONG, [inside, _cfa(picture)])}
    )


def arw(picture: Image.Image, *, preview: Image.Image, orientation: int = 1) -> bytes:
    """A Sony ARW with uncompressed sensor data; its first directory holds the picture inside."""
    jpeg = _jpeg(preview)
    return tiff(
        {0x00FE: (_LONG, 1), 0x0103: (_SHORT, 6), 0x0201: (_LONG, Blob(jpeg)), 0x0202: (_LONG, len(jpeg))}
        | _main("SONY", "ILCE-7M3", orientation)
        | {0x014A: (_LONG, [_cfa(picture)])}
    )


def rw2(picture: Image.Image, *, preview: Image.Image, orientation: int = 1) -> bytes:
    """A Panasonic RW2: a TIFF with a magic number and tags of its own. Its sensor saw nothing: all is black."""
    width, height = picture.size
    packed = bytes((width * height * 8 // 7 + 0x4000) // 0x4000 * 0x4000)  # 14 pixels in 16 bytes, in blocks
    return tiff(
        {
            0x0001: (_UNDEFINED, b"0310"),
            0x0002: (_SHORT, width),
            0x0003: (_SHORT, height),
            0x0004: (_SHORT, 0),  # the borders of what is exposed: top, left, bottom, right
            0x0005: (_SHORT, 0),
            0x0006: (_SHORT, height),
            0x0007: (_SHORT, width),
            0x0009: (_SHORT, 1),  # red, green, green, blue
            0x000A: (_SHORT, 12),
            0x002E: (_UNDEFINED, _jpeg(preview)),
            0x0118: (_LONG, Blob(packed)),
        }
        | _main("Panasonic", "DMC-GH4", orientation),
        magic=b"IIU\0",
    )


def cr2(picture: Image.Image, *, preview: Image.Image, orientation: int = 1) -> bytes:
    """A Canon CR2: four directories in a chain, the last with the sensor data as a lossless JPEG."""
    jpeg = _jpeg(preview)
    main = {
        0x0100: (_SHORT, preview.width),
        0x0101: (_SHORT, preview.height),
        0x0102: (_SHORT, [8, 8, 8]),
        0x0103: (_SHORT, 6),
        0x0111: (_LONG, Blob(jpeg)),
        0x0117: (_LONG, len(jpeg)),
    } | _main("Canon", "Canon EOS 5D Mark II", orientation)
    lossless = _lossless_jpeg(np.frombuffer(_sensor(picture), "<u2").reshape(picture.height, picture.width) >> 2)
    sensor = {0x0103: (_SHORT, 6), 0x0111: (_LONG, Blob(lossless)), 0x0117: (_LONG, len(lossless)), 0xC5D8: (_LONG, 1)}
    return tiff(main, after=[{0x0201: (_LONG, Blob(jpeg)), 0x0202: (_LONG, len(jpeg))}, sensor], middle=b"CR\2\0")


def _lossless_jpeg(samples: np.ndarray) -> bytes:
    """ITU-T T.81, annex H: two components side by side, predictor 1, one table with codes of five bits."""
    height, width = samples.shape
    pairs = samples.reshape(height, width // 2, 2).astype(np.int32)
    before = np.empty_like(pairs)
    before[:, 1:] = pairs[:, :-1]
    before[1:, 0] = pairs[:-1, 0]
    before[0, 0] = 1 << 13
    bits: list[str] = []
    for difference in (pairs - before).reshape(-1).tolist():
        size = abs(difference).bit_length()
        value = difference if difference >= 0 else difference + (1 << size) - 1
        bits.append(f"{size:05b}" + (f"{value:0{size}b}" if size else ""))
    text = "".join(bits)
    text += "1" * (-len(text) % 8)
    data = int(text, 2).to_bytes(len(text) // 8, "big").replace(b"\xff", b"\xff\0")
    table = bytes([0, 0, 0, 0, 0, 15, *bytes(11), *range(15)])
    start = struct.pack(">BHHB", 14, height, width // 2, 2) + bytes([1, 0x11, 0, 2, 0x11, 0])
    scan = bytes([2, 1, 0, 2, 0, 1, 0, 0])
    parts = ((b"\xff\xc4", table), (b"\xff\xc3", start), (b"\xff\xda", scan))
    return b"\xff\xd8" + b"".join(m + struct.pack(">H", len(b) + 2) + b for m, b in parts) + data + b"\xff\xd9"
