"""Motion photos: find the video inside a picture's file, and copy it out. Runs inside the sandbox's child.

What metadata claim about places is only where to look first: a video is one when its boxes say so, from `ftyp` on, and
it plays. Sources: Google's Motion Photo format 1.0 (developer.android.com) and the MicroVideo before it; Samsung's
trailer (SEFH ... SEFT, as ExifTool documents it); the `mpvd` box of HEIC and AVIF.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

from adapters.media.shots import xmp_value
from adapters.media.sniff import sniff
from domain.errors import MediaRejected
from domain.media import EmbeddedVideo, Limits, MotionFile

__all__ = ["extract_video", "find_video"]

Data: TypeAlias = mmap.mmap

MAX_BYTES = 256 << 20  # real ones have 2 to 10 MB
_BOXES = {
    b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"uuid", b"moof", b"mfra", b"sidx", b"styp", b"meta",
    b"pdin", b"udta", b"emsg",
}  # fmt: skip
"""Top-level boxes of a movie (ISO/IEC 14496-12); the first of another type ends it."""
_MAX_BOXES = 10_000
_MAX_LOOKS = 16
_MOTION_PHOTO_DATA = 0x0A30
_ITEM = re.compile(r"<\w{1,40}:Item\b([^>]{1,2000})>")
_BOX_FILES = ("image/heic", "image/heif", "image/avif")


def find_video(source: Path, media_type: str, xmp: bytes) -> tuple[EmbeddedVideo | None, str | None]:
    """Where the video lies, if there is one; else a note when the file says that there is.

    A picture that claims nothing costs a look at its last bytes (JPEG) or at its boxes (HEIC); nothing is searched.
    """
    if media_type != "image/jpeg" and media_type not in _BOX_FILES:
        return None, None
    text = xmp.decode("utf-8", "replace") if b"MotionPhoto" in xmp or b"MicroVideo" in xmp else ""
    with source.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        claims = list(_claims(data, media_type, text))
        for origin, start, end in claims:
            length = _movie_length(data, start, end)
            if length:
                return EmbeddedVideo(start, length, origin), None
        if claims:
            found = _search(data, claims[0][0])
            if found:
                return found, None
            return None, "it is a motion photo, but its video is missing or cut short"
    return None, None


def extract_video(source: Path, limits: Limits, into: str, offset: int, length: int) -> MotionFile:
    """Copy bytes out of a picture's file and prove that they play.

    Raises:
        MediaRejected: they are no video, or one that can't be decoded.
    """
    from adapters.media import video  # PyAV takes 40 MB that most pictures do not need

    if not 0 < length <= MAX_BYTES or offset < 0 or offset + length > source.stat().st_size:
        raise MediaRejected("corrupt", "the place of the video is not inside the file, or too large")
    target = Path(into) / "motion.mp4"
    with source.open("rb") as file, target.open("xb") as out:
        file.seek(offset)
        left = length
        while left and (chunk := file.read(min(left, 1 << 20))):
            out.write(chunk)
            left -= len(chunk)
    found = sniff(target, limits)
    if found.kind != "video":
        raise MediaRejected("not_media", "what lies inside the picture is no video")
    about = video.inspect(target, found.media_type, limits)
    duration = video.read_metadata(target, found.media_type, limits).tags.get("Container:duration_ms")
    return MotionFile(
        path=str(target),
        bytes=length,
        width=about.width,
        height=about.height,
        duration_ms=int(duration) if isinstance(duration, (int, float)) and duration >= 0 else None,
    )


# --- claims: (source, where it begins, where it ends at the latest) --------------------------------------------------


def _claims(data: Data, media_type: str, xmp: str) -> Iterator[tuple[str, int, int]]:
    size = len(data)
    if media_type in _BOX_FILES:
        for kind, start, end in _boxes(data, 0, size):
            if kind == b"mpvd":
                yield "mpvd", start, end
    else:
        samsung = _samsung(data)
        if samsung:
            yield "samsung", *samsung
    if xmp_value(xmp, "MotionPhoto") == "1":
        behind = _behind_video(xmp)
        yield "google", size - behind[0] if behind else -1, size - behind[1] if behind else size
    if xmp_value(xmp, "MicroVideo") == "1":
        offset = xmp_value(xmp, "MicroVideoOffset") or ""
        yield "micro_video", size - int(offset) if re.fullmatch(r"[0-9]{1,12}", offset) else -1, size


def _behind_video(xmp: str) -> tuple[int, int] | None:
    """Bytes from the video's begin, and from its end, to the file's end, by the lengths in the container's list."""
    total = 0
    for attributes in reversed(_ITEM.findall(xmp)[:50]):
        length = re.search(r"""\b\w{1,40}:Length\s*=\s*["']([0-9]{1,12})["']""", attributes)
        semantic = xmp_value(attributes, "Semantic")
        before, total = total, total + (int(length[1]) if length else 0)
        if semantic == "MotionPhoto":
            return total, before
    return None


def _samsung(data: Data) -> tuple[int, int] | None:
    """The MotionPhoto_Data block of a trailer: a directory before "SEFT" that counts back from its own begin."""
    size = len(data)
    if size < 40 or data[size - 4 : size] != b"SEFT":
        return None
    (length,) = struct.unpack_from("<I", data, size - 8)
    start = size - 8 - length
    if start < 0 or data[start : start + 4] != b"SEFH" or length < 12:
        return None
    (count,) = struct.unpack_from("<I", data, start + 8)
    for at in range(start + 12, min(start + 12 + 12 * min(count, 200), size - 8 - 11), 12):
        _, kind, back, block = struct.unpack_from("<HHII", data, at)
        begin = start - back
        if kind == _MOTION_PHOTO_DATA and begin >= 0 and block <= back and block >= 8:
            (name,) = struct.unpack_from("<I", data, begin + 4)
            return begin + 8 + min(name, 256), begin + block
    return None


def _search(data: Data, origin: str) -> EmbeddedVideo | None:
    """An editor has changed the file, so that the claimed place is wrong: look for a movie behind the picture."""
    at = 16
    for _ in range(_MAX_LOOKS):
        at = data.find(b"ftyp", at)
        if at < 0:
            return None
        length = _movie_length(data, at - 4, len(data))
        if length:
            return EmbeddedVideo(at - 4, length, origin)
        at += 4
    return None


# --- boxes -----------------------------------------------------------------------------------------------------------


def _boxes(data: Data, start: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Type, begin of the content and end of each whole box in a row."""
    at = start
    for _ in range(_MAX_BOXES):
        if at < 0 or at + 8 > end:
            return
        size, kind = struct.unpack_from(">I4s", data, at)
        head = 8
        if size == 1 and at + 16 <= end:
            (size,) = struct.unpack_from(">Q", data, at + 8)
            head = 16
        elif size == 0:
            size = end - at
        if size < head or at + size > end:
            return
        yield kind, at + head, at + size
        at += size


def _movie_length(data: Data, start: int, end: int) -> int:
    """Length of the movie that begins here, by its boxes; 0 when there is none, or not all of it."""
    if start < 8 or end > len(data) or data[start + 4 : start + 8] != b"ftyp":
        return 0
    seen: set[bytes] = set()
    stop = start
    for kind, _, box_end in _boxes(data, start, end):
        if kind not in _BOXES:
            break
        seen.add(kind)
        stop = box_end
    whole = b"moov" in seen and (b"mdat" in seen or b"moof" in seen)
    return stop - start if whole else 0
