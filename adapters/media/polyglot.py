"""Files that are two things at once: a picture to a viewer, and an archive, a program, a page or a script to others.

Three places are judged, each by what can hide there:

    the whole    a ZIP's directory before the end, a RAR or 7-Zip header, a tape archive's or a CD's: their readers
                 look for them behind anything else; and a PDF's header, which may stand in the first 1,024 bytes
    the words    of a picture all bytes, of a video those that are neither sound nor pictures: a script that a web
                 server or a browser would run
    the tail     what follows the structure's end: any of these, and programs, pages, other archives

Honest files have tails too: the video of a motion photo, further pictures (MPF, gain maps), a maker's own data. They
pass, because a tail is refused for what it is, never for being there. No signature here is short enough to be met by
chance: compressed data is any bytes, and what is searched all through needs 8 fitting ones or more.
"""

from __future__ import annotations

import re
import struct
from pathlib import Path

from adapters.media.anatomy import Anatomy, Content, dissect, windows
from domain.errors import MediaRejected
from domain.media import Limits

__all__ = ["examine"]

_SCRIPT = re.compile(rb"<\?php\s[\t\n\r -~]{8}|<script[\s>/]", re.I)
_PAGE = re.compile(
    rb"<\?php\s|<script[\s>/]|<!doctype\s+html|<html[\s>]|<iframe[\s>]|<svg[\s>]|<body[\s>]|<\?xml-stylesheet", re.I
)
_ARCHIVES = (
    (b"Rar!\x1a\x07\x00", "a RAR archive"),
    (b"Rar!\x1a\x07\x01\x00", "a RAR archive"),
    (b"7z\xbc\xaf\x27\x1c\x00", "a 7-Zip archive"),
)
_PROGRAM = re.compile(rb"\x7fELF[\x01\x02][\x01\x02]\x01|MZ")
_PDF = re.compile(rb"%PDF-[0-9]\.")
_AT_TAIL = (
    (b"PK\3\4", "a ZIP archive"),
    (b"\x1f\x8b\x08", "a gzip archive"),
    (b"BZh", "a bzip2 archive"),
    (b"\xfd7zXZ\0", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive"),
    (b"MSCF\0\0\0\0", "a Windows cabinet"),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a Microsoft Office document"),
    (b"\xca\xfe\xba\xbe", "a macOS or Java program"),
    (b"\xcf\xfa\xed\xfe", "a macOS program"),
    (b"\xce\xfa\xed\xfe", "a macOS program"),
    (b"#!/", "a script"),
    (b"%!PS", "a PostScript document"),
)
_PADDING = b"\0\xff \t\r\n"
_SEARCHED = 64 << 20  # of a tail, from its beginning on; and as much before the file's end
_HEADERS = 4 << 20  # how far into a file unpackers look for an archive behind a program


def examine(source: Path, media_type: str, limits: Limits) -> tuple[str, ...]:
    """Look for a second nature of a file that passes for a picture or a video.

    Returns:
        Notes: how much follows the end, when that is not padding.
    Raises:
        MediaRejected: `polyglot`, with what it is besides; `too_deep`.
    """
    with Content(source) as content:
        anatomy = dissect(content, media_type, limits)
        _judge_whole(content)
        _judge_words(content, anatomy)
        return _judge_tail(content, anatomy)


def _judge_whole(content: Content) -> None:
    head = content.read(0, _HEADERS)
    if _PDF.search(head[:1024]):
        raise _refused("a PDF document")
    _refuse_archives(head)
    if _is_tape_archive(head[:512]):
        raise _refused("a tar archive")
    if head[32769:32774] == b"CD001":
        raise _refused("an image of a CD")
    if _has_zip_directory(content):
        raise _refused("a ZIP archive, a Java program or an Office document")


def _judge_words(content: Content, anatomy: Anatomy) -> None:
    for start, end in ((0, content.size),) if anatomy.words is None else anatomy.words:
        for begin, stop in windows(start, min(end, content.size)):
            found = _SCRIPT.search(content.read(begin, stop - begin))
            if found:
                raise _refused(_name(found[0]))


def _judge_tail(content: Content, anatomy: Anatomy) -> tuple[str, ...]:
    end, rest = anatomy.end, content.size - anatomy.end
    start = content.read(end, 1 << 16).lstrip(_PADDING)
    if rest <= 0 or (not start and rest <= 1 << 16):
        return ()
    if anatomy.exact:
        for magic, what in _AT_TAIL:
            if start.startswith(magic):
                raise _refused(what)
    first = (end, min(content.size, end + _SEARCHED))
    last = (max(first[1], content.size - _SEARCHED), content.size)
    for begin, stop in (*windows(*first), *windows(*last)):
        block = content.read(begin, stop - begin)
        if _PDF.search(block):
            raise _refused("a PDF document")
        _refuse_archives(block)
        _refuse_programs(block)
        found = _PAGE.search(block)
        if found:
            raise _refused(_name(found[0]))
    if not anatomy.exact:
        return ()
    return (f"{rest:,} bytes follow the end of the picture; they were looked at and are not shown",)


def _name(found: bytes) -> str:
    return "a PHP script" if found[:5].lower() == b"<?php" else "a web page or a drawing with scripts"


def _refuse_archives(block: bytes) -> None:
    for magic, what in _ARCHIVES:
        if magic in block:
            raise _refused(what)


def _refuse_programs(block: bytes) -> None:
    for found in _PROGRAM.finditer(block):
        if found[0] != b"MZ":
            raise _refused("a Linux program")
        at = found.start()
        if at + 64 <= len(block):  # the DOS header says where Windows' own begins
            (header,) = struct.unpack_from("<I", block, at + 60)
            if 64 <= header <= 4096 and block[at + header : at + header + 4] == b"PE\0\0":
                raise _refused("a Windows program")


def _is_tape_archive(block: bytes) -> bool:
    """POSIX 1003.1, ustar: a name at 257, and a sum over the header in octal digits."""
    if block[257:262] != b"ustar" or len(block) < 512:
        return False
    digits = block[148:156].strip(b"\0 ")
    return digits.isdigit() and int(digits, 8) == sum(block) - sum(block[148:156]) + 8 * 32


def _has_zip_directory(content: Content) -> bool:
    """The end record, at most 65,557 bytes before the file's end, that points to a directory (APPNOTE.TXT, 4.3.16)."""
    base = max(0, content.size - 65_557)
    last = content.read(base, 65_557)
    at = last.rfind(b"PK\5\6")
    while at >= 0:
        if at + 22 <= len(last):
            entries, length, offset = struct.unpack_from("<HII", last, at + 10)
            places = (base + at - length, offset)
            if entries and any(content.read(place, 4) in (b"PK\1\2", b"PK\6\6") for place in places):
                return True
        at = last.rfind(b"PK\5\6", 0, at)
    return False


def _refused(what: str) -> MediaRejected:
    return MediaRejected("polyglot", f"the file is refused: besides a picture or a video it is, or hides, {what}")
