"""Honest files with a lot behind their end, and things that hide behind or in a picture; all generated."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
import zlib
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from PIL import Image, ImageSequence
from PIL.PngImagePlugin import PngInfo

from tests.unit.media.pictures import encoded, noise, quarters, save

NAMES = (
    "a.jpg",
    "a.png",
    "a.gif",
    "a.webp",
    "a.bmp",
    "a.tiff",
    "a.heic",
    "a.avif",
    "a.mp4",
    "a.mov",
    "a.webm",
    "a.mkv",
)


def media(folder: Path, name: str) -> bytes:
    """A small good file of the format that its suffix names."""
    if name.rpartition(".")[2] in ("mp4", "mov", "webm", "mkv"):
        return clip(folder / name).read_bytes()
    return save(folder, name, noise(64, 48)).read_bytes()


def clip(path: Path, frames: int = 5, apart: float = 0.1, **metadata: str) -> Path:
    """A video of a few frames, so many seconds apart."""
    webm = path.suffix in (".webm", ".mkv")
    with av.open(str(path), "w") as container:
        container.metadata.update(metadata)
        stream = container.add_stream("libvpx" if webm else "mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            frame = av.VideoFrame.from_ndarray(np.full((48, 64, 3), 40 * number % 255, np.uint8), format="rgb24")
            frame.pts, frame.time_base = round(number * apart * 1000), Fraction(1, 1000)
            for packet in stream.encode(frame):
                container.mux(packet)
        for packet in stream.encode(None):
            container.mux(packet)
    return path


def archive() -> bytes:
    """A ZIP with one file."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        made.writestr("evil.class", b"\xca\xfe\xba\xbe" + bytes(200))
    return out.getvalue()


def program() -> bytes:
    """The headers of a Windows program."""
    return b"MZ".ljust(60, b"\0") + struct.pack("<I", 128) + bytes(64) + b"PE\0\0" + b"\x64\x86" + bytes(300)


PAYLOADS: dict[str, tuple[bytes, str]] = {
    "zip": (archive(), "a ZIP archive"),
    "zip with a comment": (archive()[:-2] + b"\x20\0" + b"c" * 32, "a ZIP archive"),
    "rar 4": (b"Rar!\x1a\x07\x00" + bytes(64), "a RAR archive"),
    "rar 5": (b"Rar!\x1a\x07\x01\x00" + bytes(64), "a RAR archive"),
    "7z": (b"7z\xbc\xaf\x27\x1c\x00\x04" + bytes(64), "a 7-Zip archive"),
    "pdf": (b"\n%PDF-1.7\n1 0 obj\n<< /Type /Catalog >>\nendobj\ntrailer\n%%EOF\n", "a PDF document"),
    "html": (b"\n<!DOCTYPE html><html><body onload=alert(1)>hello</body></html>", "a web page"),
    "html, no doctype": (b"<HTML>\n<p>hello", "a web page"),
    "script": (b"<ScRiPt>alert(document.cookie)</script>", "a web page"),
    "svg": (b'<svg xmlns="http://www.w3.org/2000/svg" onload="alert(1)"/>', "a web page"),
    "php": (b"<?php system($_GET['c']); ?>", "a PHP script"),
    "elf": (b"\x7fELF\x02\x01\x01" + bytes(300), "a Linux program"),
    "exe": (program(), "a Windows program"),
}
"""What may be appended to a picture: bytes, and what the refusal calls them."""

AT_THE_END_ONLY: dict[str, tuple[bytes, str]] = {
    "gzip": (b"\x1f\x8b\x08\0" + bytes(64), "a gzip archive"),
    "xz": (b"\xfd7zXZ\0" + bytes(64), "an xz archive"),
    "bzip2": (b"BZh91AY&SY" + bytes(64), "a bzip2 archive"),
    "zstd": (b"\x28\xb5\x2f\xfd" + bytes(64), "a Zstandard archive"),
    "shell": (b"#!/bin/sh\nrm -rf /\n", "a script"),
    "class": (b"\xca\xfe\xba\xbe\0\0\0\x34" + bytes(64), "Java program"),
    "cabinet": (b"MSCF\0\0\0\0" + bytes(64), "a Windows cabinet"),
}
"""Short signatures: looked for where a structure's end is known, and only right behind it."""


def with_comment(jpeg: bytes, comment: bytes) -> bytes:
    """A JPEG with a comment right behind its beginning."""
    return jpeg[:2] + b"\xff\xfe" + (len(comment) + 2).to_bytes(2, "big") + comment + jpeg[2:]


def tar_that_begins_as(head: bytes) -> bytes:
    """A tape archive whose first member's name is the beginning of a picture."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as made:
        made.addfile(tarfile.TarInfo("x" * 60), io.BytesIO())
    data = bytearray(out.getvalue())
    data[: len(head)] = head
    data[148:156] = b" " * 8
    data[148:156] = f"{sum(data[:512]):06o}\0 ".encode()
    return bytes(data)


# --- honest files ----------------------------------------------------------------------------------------------------


def motion_photo(folder: Path) -> bytes:
    """A JPEG with its video behind it (Google's Motion Photo format)."""
    return encoded(quarters(), "JPEG") + clip(folder / "motion.mp4").read_bytes()


def samsung_photo(folder: Path) -> bytes:
    """A JPEG with Samsung's trailer: blocks, then SEFH with their places, then SEFT."""
    block = b"\0\0\x30\x0a" + struct.pack("<I", 16) + b"MotionPhoto_Data" + clip(folder / "s.mp4").read_bytes()
    entry = struct.pack("<HHII", 0, 0x0A30, len(block) + 24, len(block))
    table = b"SEFH" + struct.pack("<II", 107, 1) + entry
    return encoded(quarters(), "JPEG") + block + table + struct.pack("<I", len(table)) + b"SEFT"


def multi_picture(folder: Path) -> bytes:
    """Two pictures in one file (CIPA DC-007)."""
    path = folder / "two.mpo"
    quarters().save(path, "MPO", save_all=True, append_images=[noise(160, 100)])
    return path.read_bytes()


def gain_map(folder: Path) -> bytes:
    """A second JPEG behind the first, with padding and a vendor's few bytes between and behind."""
    second = encoded(noise(80, 50).convert("L"), "JPEG")
    return encoded(quarters(), "JPEG") + bytes(32) + second + b"\0\0vendor\x01\x02\x03" * 9


def about_html(folder: Path) -> bytes:
    """XMP that speaks of web pages, as a photo of a screen may."""
    xmp = (
        b'<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?><x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
        b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description xmlns:dc="http://purl.org/dc/elements/'
        b'1.1/" dc:description="an &lt;html&gt; page with &lt;script&gt; and &lt;?php"/></rdf:RDF></x:xmpmeta>'
    )
    return encoded(quarters(), "JPEG", xmp=xmp)


def words_about_html(folder: Path) -> bytes:
    """A PNG whose text speaks of a page, with no script in it."""
    text = PngInfo()
    text.add_text("Description", "how the <html> and the <body> of a page are drawn, PK\3\4 and %PDF")
    return encoded(quarters(), "PNG", pnginfo=text)


def stored_bytes(folder: Path) -> bytes:
    """A PNG whose data holds a ZIP's first bytes and a program's by chance, not compressed."""
    rows = b"".join(b"\0" + (b"PK\3\4MZ\x1f\x8b\x08BZh%PDF<?=" * 12)[:192] for _ in range(48))
    data = zlib.compress(rows, 0)

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 64, 48, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def padded(folder: Path) -> bytes:
    """A JPEG filled up with zeros, as some cameras do."""
    return encoded(quarters(), "JPEG") + bytes(100_000)


def live_heic(folder: Path) -> bytes:
    """A HEIC with its video in a box behind it (Google's Motion Photo format, 1.0)."""
    video = clip(folder / "live.mp4").read_bytes()
    return save(folder, "live.heic", quarters()).read_bytes() + struct.pack(">I4s", 8 + len(video), b"mpvd") + video


def moving_gif(folder: Path) -> bytes:
    """An animated GIF with a comment and a byte too many behind it."""
    frames = [noise(64, 48, seed).quantize(16) for seed in range(3)]
    data = encoded(frames[0], "GIF", save_all=True, append_images=frames[1:], comment=b"made by hand")
    with Image.open(io.BytesIO(data)) as image:
        assert len(list(ImageSequence.Iterator(image))) == 3
    return data + b"\0"


def described_video(folder: Path) -> bytes:
    """A video whose title speaks of a page."""
    return clip(folder / "described.mp4", title="the <html> page & a PK").read_bytes()


HONEST = (
    motion_photo, samsung_photo, multi_picture, gain_map, about_html, words_about_html, stored_bytes, padded, live_heic,
    moving_gif, described_video,
)  # fmt: skip
