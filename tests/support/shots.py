"""Generated files of one shot, as phones and cameras write them: live photos, motion photos, bursts, RAW + JPEG."""

from __future__ import annotations

import io
import struct
from datetime import datetime
from pathlib import Path

import av
import numpy as np
from PIL import Image

from tests.support.factories import jpeg

CONTENT_ID = "1745E022-9712-43C7-B024-F308EC6413CB"
BURST_ID = "0AC1D3A1-0D2B-4C8A-93B7-0D6A1B8C9D10"


def movie(path: Path, *, seconds: float = 2.0, content_id: str | None = None, created: str | None = None) -> Path:
    """A real video of a moving bar, 10 frames a second, MPEG-4; the suffix tells the container."""
    options = {"movflags": "use_metadata_tags"} if content_id else {}
    with av.open(str(path), "w", options=options) as container:
        if content_id:
            container.metadata["com.apple.quicktime.content.identifier"] = content_id
        if created:
            container.metadata["creation_time"] = created
        stream = container.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for n in range(round(seconds * 10)):
            pixels = np.zeros((48, 64, 3), np.uint8)
            pixels[:, n % 64 : n % 64 + 8] = 255
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode())
    return path


def apple_note(texts: dict[int, str], order: str = ">") -> bytes:
    """Apple's maker note with ASCII tags, offsets counted from its first byte."""
    head = b"Apple iOS\0\0\1" + (b"MM" if order == ">" else b"II")
    table, data, start = b"", b"", 16 + 12 * len(texts) + 4
    for tag, text in sorted(texts.items()):
        value = text.encode() + b"\0"
        table += struct.pack(f"{order}HHII", tag, 2, len(value), start + len(data))
        data += value
    return head + struct.pack(f"{order}H", len(texts)) + table + bytes(4) + data


def photo(
    seed: int,
    taken: datetime | None = None,
    *,
    content_id: str | None = None,
    burst_id: str | None = None,
    xmp: str = "",
    kind: str = "JPEG",
) -> bytes:
    """A picture with EXIF, an Apple maker note where an identifier is given, and XMP."""
    exif = Image.Exif()
    exif[0x010F], exif[0x0110] = "Apple", "iPhone 13 Pro"
    sub: dict[int, str | bytes] = {}
    if taken:
        sub[0x9003] = f"{taken:%Y:%m:%d %H:%M:%S}"
    identifiers = {tag: text for tag, text in ((0x11, content_id), (0x0B, burst_id)) if text}
    if identifiers:
        sub[0x927C] = apple_note(identifiers)
    if sub:
        exif[0x8769] = sub
    out = io.BytesIO()
    more = {"xmp": f"<x:xmpmeta>{xmp}</x:xmpmeta>".encode()} if xmp else {}
    with Image.open(io.BytesIO(jpeg(seed))) as picture:
        picture.save(out, kind, exif=exif.tobytes(), **more)
    return out.getvalue()


def google(seed: int, video: bytes, *, behind: bytes = b"", claimed: int | None = None) -> bytes:
    """A motion photo in Google's format; other parts may lie behind the video, and its length may be a lie."""
    rest = f'<rdf:li><Container:Item Item:Semantic="GainMap" Item:Length="{len(behind)}"/></rdf:li>' if behind else ""
    xmp = (
        '<rdf:Description GCamera:MotionPhoto="1" GCamera:MotionPhotoVersion="1"><Container:Directory><rdf:Seq>'
        '<rdf:li><Container:Item Item:Mime="image/jpeg" Item:Semantic="Primary" Item:Length="0"/></rdf:li>'
        '<rdf:li><Container:Item Item:Mime="video/mp4" Item:Semantic="MotionPhoto" '
        f'Item:Length="{len(video) if claimed is None else claimed}" Item:Padding="0"/></rdf:li>{rest}'
        "</rdf:Seq></Container:Directory></rdf:Description>"
    )
    return photo(seed, xmp=xmp) + video + behind


def micro_video(seed: int, video: bytes, claimed: int | None = None) -> bytes:
    """Google's older format: one offset from the end of the file, as an element."""
    offset = len(video) if claimed is None else claimed
    xmp = f"<GCamera:MicroVideo>1</GCamera:MicroVideo><GCamera:MicroVideoOffset>{offset}</GCamera:MicroVideoOffset>"
    return photo(seed, xmp=xmp) + video


def samsung(seed: int, video: bytes) -> bytes:
    """Samsung's trailer: blocks, and a directory that counts back from its own begin."""
    blocks = [(0x0A01, b"Image_UTC_Data", b"1788746908068"), (0x0A30, b"MotionPhoto_Data", video)]
    blocks.append((0x0A31, b"MotionPhoto_Version", b"mpv2"))
    made = [struct.pack("<HHI", 0, kind, len(name)) + name + data for kind, name, data in blocks]
    directory = struct.pack("<4sII", b"SEFH", 106, len(blocks))
    for n, (kind, _, _) in enumerate(blocks):
        directory += struct.pack("<HHII", 0, kind, sum(map(len, made[n:])), len(made[n]))
    return photo(seed) + b"".join(made) + directory + struct.pack("<I", len(directory)) + b"SEFT"


def heic_motion(seed: int, video: bytes) -> bytes:
    """A HEIC with the video in an `mpvd` box at its end."""
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
    return photo(seed, kind="HEIF") + struct.pack(">I4s", 8 + len(video), b"mpvd") + video
