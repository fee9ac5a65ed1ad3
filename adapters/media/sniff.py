"""What a file really is, by its first bytes and never by its name.

`sniff` answers with a media type, or refuses with a sentence that says what the file is instead.
"""

from __future__ import annotations

import re
from pathlib import Path

from msgspec import Struct

from adapters.media.raw import tiff_kind
from domain.errors import MediaRejected
from domain.media import Kind, Limits

__all__ = ["HEAD_BYTES", "Sniffed", "identify", "sniff"]

HEAD_BYTES = 4096


class Sniffed(Struct, frozen=True):
    """A type that PhotoVault reads."""

    media_type: str
    kind: Kind


_PICTURES: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\0", "image/tiff"),
    (b"MM\0*", "image/tiff"),
    (b"II+\0", "image/tiff"),
    (b"MM\0+", "image/tiff"),
    (b"\xff\x0a", "image/jxl"),
    (b"\0\0\0\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"FUJIFILMCCD-RAW", "image/x-fuji-raf"),
    (b"IIU\0", "image/x-panasonic-rw2"),
    (b"IIRO", "image/x-olympus-orf"),
    (b"IIRS", "image/x-olympus-orf"),
    (b"MMOR", "image/x-olympus-orf"),
)

_UNSUPPORTED: tuple[tuple[bytes, str], ...] = (
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 picture"),
    (b"\0\0\1\0", "a Windows icon"),
    (b"\0\0\2\0", "a Windows cursor"),
    (b"8BPS", "a Photoshop document"),
    (b"\x76\x2f\x31\x01", "an OpenEXR picture"),
    (b"\x30\x26\xb2\x75", "a Windows Media file"),
    (b"FLV\1", "a Flash video"),
    (b"\0\0\1\xba", "an MPEG program stream"),
)
"""Pictures and videos of a kind that PhotoVault does not read."""

_PDF, _SVG = "a PDF document", "an SVG drawing"
_ADVICE = {
    _PDF: "it may carry scripts and other files; save its pages as pictures to keep them here",
    _SVG: "it is a program that draws, and may carry scripts; export it as a PNG to keep it here",
}
"""Documents that people take for pictures, and what to do instead."""

_OTHER: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", _PDF),
    (b"%!PS", "a PostScript document"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a Linux program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"),
    (b"\xca\xfe\xba\xbe", "a macOS or Java program"),
    (b"Rar!\x1a\x07", "a RAR archive"),
    (b"PK\3\4", "a ZIP archive or an Office document"),
    (b"PK\5\6", "an empty ZIP archive"),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Microsoft Office document"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"ID3", "a sound file"),
    (b"OggS", "an Ogg sound file"),
    (b"fLaC", "a sound file"),
)
"""Not a picture or a video at all."""

_TEXT: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"<\?php", re.I), "a PHP script"),
    (re.compile(r"<svg[\s>]", re.I), _SVG),
    (re.compile(r"<!doctype html|<(html|head|body|script|div|iframe|form|p|a)[\s>]", re.I), "an HTML page"),
    (re.compile(r"\A\s*<\?xml", re.I), "an XML document"),
    (re.compile(r"\A#!"), "a script"),
    (re.compile(r"\A\s*[\[{]\s*[\"{\[]"), "a JSON document"),
)

_HEIC_BRANDS = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"}
_HEIF_BRANDS = {b"mif1", b"msf1", b"mif2"}
_AVIF_BRANDS = {b"avif", b"avis"}
_3GPP = re.compile(rb"3g[p2ers]")
_MP4_BRANDS = {
    b"isom", b"iso2", b"iso3", b"iso4", b"iso5", b"iso6", b"iso7", b"iso8", b"iso9", b"mp41", b"mp42", b"mp71",
    b"avc1", b"hvc1", b"hev1", b"av01", b"dash", b"M4V ", b"M4VP", b"MSNV", b"f4v ", b"mmp4", b"XAVC", b"cmfc", b"iso1",
}  # fmt: skip
_QUICKTIME_ATOMS = {b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"}
_BMP_HEADERS = {12, 40, 52, 56, 64, 108, 124}


def sniff(source: Path, limits: Limits) -> Sniffed:
    """Tell the type of a file and check its size in bytes.

    Raises:
        MediaRejected: `empty`, `too_large`, `unsupported` (a picture or video of a kind that is not read) or
            `not_media` (anything else), with a reason that names what the file is.
    """
    size = source.stat().st_size
    if size == 0:
        raise MediaRejected("empty", "the file is empty")
    if size > limits.max_bytes:
        raise MediaRejected("too_large", f"the file has {size:,} bytes; at most {limits.max_bytes:,} are taken")
    with source.open("rb") as file:
        found = identify(file.read(HEAD_BYTES))
        if found.media_type == "image/tiff":
            found = Sniffed(tiff_kind(file), "image")  # most raw files are TIFFs too
    if found.kind == "image" and size > limits.max_image_bytes:
        raise MediaRejected(
            "too_large", f"the picture has {size:,} bytes; at most {limits.max_image_bytes:,} are taken"
        )
    return found


def identify(head: bytes) -> Sniffed:
    """The type that a file's first bytes stand for; raises `MediaRejected` as `sniff` does."""
    for magic, media_type in _PICTURES:
        if head.startswith(magic):
            if head[8:10] == b"CR" and media_type == "image/tiff":
                return Sniffed("image/x-canon-cr2", "image")
            return Sniffed(media_type, "image")
    if head[:2] == b"BM" and int.from_bytes(head[14:18], "little") in _BMP_HEADERS:
        return Sniffed("image/bmp", "image")
    if head[:4] == b"RIFF":
        return _riff(head[8:12])
    if head[:4] == b"\x1a\x45\xdf\xa3":
        return Sniffed("video/webm" if b"webm" in head[:64] else "video/x-matroska", "video")
    if head[4:8] == b"ftyp":
        return _iso_media(head)
    if head[4:8] in _QUICKTIME_ATOMS:
        return Sniffed("video/quicktime", "video")
    for magic, what in _UNSUPPORTED:
        if head.startswith(magic):
            raise _unsupported(what)
    for magic, what in _OTHER:
        if head.startswith(magic):
            raise _document(what) if what in _ADVICE else _not_media(what)
    if b"%PDF-" in head[:1024]:
        raise _document(_PDF)
    text = _describe_text(head)
    raise _document(text) if text in _ADVICE else _not_media(text or "data of an unknown kind")


def _riff(form: bytes) -> Sniffed:
    if form == b"WEBP":
        return Sniffed("image/webp", "image")
    if form == b"WAVE":
        raise _not_media("a sound file")
    raise _unsupported("an AVI video" if form == b"AVI " else "a RIFF file of an unknown kind")


def _iso_media(head: bytes) -> Sniffed:
    """ISO base media file format, ISO/IEC 14496-12: the brands say what is inside."""
    end = max(16, min(int.from_bytes(head[:4], "big"), len(head)))
    major = head[8:12]
    brands = {major, *(head[at : at + 4] for at in range(16, end - 3, 4))}
    if major == b"crx ":
        return Sniffed("image/x-canon-cr3", "image")
    if major in (b"M4A ", b"M4B ", b"M4P "):
        raise _not_media("a sound file")
    if major in (b"jp2 ", b"jpx "):
        raise _unsupported("a JPEG 2000 picture")
    if major == b"qt  ":
        return Sniffed("video/quicktime", "video")
    if major not in _MP4_BRANDS and not _3GPP.match(major):
        if brands & _AVIF_BRANDS:
            return Sniffed("image/avif", "image")
        if brands & _HEIC_BRANDS:
            return Sniffed("image/heic", "image")
        if brands & _HEIF_BRANDS:
            return Sniffed("image/heif", "image")
    if _3GPP.match(major):
        return Sniffed("video/3gpp", "video")
    if brands & _MP4_BRANDS or any(_3GPP.match(brand) for brand in brands):
        return Sniffed("video/mp4", "video")
    raise _unsupported("an ISO media file of an unknown brand")


def _describe_text(head: bytes) -> str | None:
    """A name for a text, or None when the bytes are none."""
    try:
        text = head.decode("utf-16") if head[:2] in (b"\xff\xfe", b"\xfe\xff") else head.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        if error.start < len(head) - 4 or not error.start:  # not just a character that the cut has split
            return None
        text = head[: error.start].decode("utf-8", "replace")
    if any(ord(c) < 32 and c not in "\t\n\v\f\r\x1b" for c in text):
        return None
    return next((what for pattern, what in _TEXT if pattern.search(text)), "a text file")


def _unsupported(what: str) -> MediaRejected:
    return MediaRejected("unsupported", f"this is {what}, a format that PhotoVault does not read")


def _document(what: str) -> MediaRejected:
    return MediaRejected("not_media", f"this is {what}, not a picture or a video: {_ADVICE[what]}")


def _not_media(what: str) -> MediaRejected:
    return MediaRejected("not_media", f"this is {what}, not a picture or a video")
