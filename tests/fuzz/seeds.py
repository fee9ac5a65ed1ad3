"""One small sound file of every kind that is read, made here: what the fuzzers break."""

from __future__ import annotations

import io
import tempfile
from collections.abc import Callable
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from tests.support import rawfiles
from tests.support.moving import avif_hdr, heic_hdr
from tests.unit.media.pictures import quarters, save

__all__ = ["SEEDS", "sound"]

_XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
    b'<rdf:Description xmp:CreateDate="2021-03-04T05:06:07" GCamera:MotionPhoto="1" xmp:Rating="4">'
    b"<dc:description><rdf:Alt><rdf:li xml:lang='x-default'>a hill</rdf:li></rdf:Alt></dc:description>"
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)


def _exif() -> bytes:
    exif = Image.Exif()
    exif[0x010F], exif[0x0110], exif[0x0112] = "Canon", "Canon EOS R6", 6
    exif[0x8769] = {
        0x9003: "2021:03:04 05:06:07",
        0x9291: "25",
        0x9011: "+01:00",
        0x829A: 0.01,
        0x9286: b"ASCII\0\0\0hi",
    }
    exif[0x8825] = {1: "N", 2: (43.0, 27.0, 30.0), 3: "E", 4: (11.0, 52.0, 30.0), 29: "2021:03:04", 7: (4.0, 6.0, 7.0)}
    return exif.tobytes()


def _profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def _picture(kind: str, mode: str = "RGB", **options: Any) -> bytes:
    buffer = io.BytesIO()
    quarters(64, 48).convert(mode).save(buffer, kind, **options)
    return buffer.getvalue()


def _heic() -> bytes:
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
    return _picture("HEIF", exif=_exif(), quality=50)


def _png() -> bytes:
    text = PngInfo()
    text.add_itxt("XML:com.adobe.xmp", _XMP.decode())
    return _picture("PNG", exif=_exif(), pnginfo=text, icc_profile=_profile())


def _animated(kind: str) -> bytes:
    frames = [Image.new("RGB", (40, 30), (30 * n, 90, 200 - 30 * n)) for n in range(4)]
    buffer = io.BytesIO()
    frames[0].save(buffer, kind, save_all=True, append_images=frames[1:], duration=80)
    return buffer.getvalue()


def _written(write: Callable[[Path], Any], name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder) / name)
        return (Path(folder) / name).read_bytes()


def film(kind: str, codec: str, *, sound_codec: str | None = "aac", frames: int = 20, options: Any = None) -> bytes:
    """A film of moving stripes, 96 x 64 pixels, 20 frames a second, with a tone."""
    buffer = io.BytesIO()
    with av.open(buffer, "w", format=kind, options=options or {}) as container:
        container.metadata["creation_time"] = "2021-03-04T05:06:07Z"
        video: Any = container.add_stream(codec, rate=20)
        video.width, video.height, video.pix_fmt = 96, 64, "yuv420p"
        video.options = {} if codec == "mpeg4" else {"g": "5"}
        audio: Any = container.add_stream(sound_codec, rate=48000) if sound_codec else None
        for number in range(frames):
            picture = np.zeros((64, 96, 3), np.uint8)
            picture[:, (number * 4) % 96 :] = (200, 80, 30)
            container.mux(video.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        container.mux(video.encode())
        if audio:
            tone = (np.sin(np.arange(48000) / 12) * 8000).astype(np.float32)[None, :] / 32768
            block = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
            block.sample_rate, block.time_base, block.pts = 48000, Fraction(1, 48000), 0
            resampler = av.AudioResampler(audio.format, audio.layout, audio.rate, audio.frame_size or None)
            for piece in [*resampler.resample(block), *resampler.resample(None)]:
                container.mux(audio.encode(piece))
            container.mux(audio.encode())
    return buffer.getvalue()


SEEDS: dict[str, Callable[[], bytes]] = {
    "a.jpg": lambda: _picture("JPEG", exif=_exif(), xmp=_XMP, icc_profile=_profile(), comment=b"a note"),
    "progressive.jpg": lambda: _picture("JPEG", progressive=True),
    "cmyk.jpg": lambda: _picture("JPEG", "CMYK"),
    "motion.jpg": lambda: _picture("JPEG", xmp=_XMP) + film("mp4", "libx264", sound_codec=None),
    "a.png": _png,
    "interlaced.gif": lambda: _picture("GIF", "P", interlace=1),
    "animated.gif": lambda: _animated("GIF"),
    "a.webp": lambda: _picture("WEBP", exif=_exif(), xmp=_XMP),
    "animated.webp": lambda: _animated("WEBP"),
    "a.tif": lambda: _picture("TIFF", exif=_exif()),
    "lzw.tif": lambda: _picture("TIFF", compression="tiff_lzw"),
    "a.bmp": lambda: _picture("BMP"),
    "a.heic": _heic,
    "a.avif": lambda: _picture("AVIF", exif=_exif()),
    "animated.png": lambda: _animated("PNG"),
    "animated.avif": lambda: _animated("AVIF"),
    "pq.heic": lambda: _written(lambda path: heic_hdr(path, 16, (64, 48)), "a.heic"),
    "pq.avif": lambda: _written(lambda path: avif_hdr(path, 16, (64, 64)), "a.avif"),
    "a.jxl": lambda: _written(lambda path: save(path.parent, path.name, quarters(64, 48), orientation=6), "a.jxl"),
    "a.dng": lambda: rawfiles.dng(quarters(64, 48), preview=quarters(48, 36), orientation=6),
    "develop.dng": lambda: rawfiles.dng(quarters(64, 48), preview=None),
    "a.nef": lambda: rawfiles.nef(quarters(64, 48), preview=quarters(48, 36)),
    "a.arw": lambda: rawfiles.arw(quarters(64, 48), preview=quarters(48, 36)),
    "a.cr2": lambda: rawfiles.cr2(quarters(64, 48), preview=quarters(48, 36)),
    "a.rw2": lambda: rawfiles.rw2(quarters(64, 48), preview=quarters(48, 36)),
    "a.mp4": lambda: film("mp4", "libx264"),
    "fragmented.mp4": lambda: film("mp4", "libx264", options={"movflags": "frag_keyframe+empty_moov"}),
    "a.mov": lambda: film("mov", "mpeg4", sound_codec=None),
    "a.mkv": lambda: film("matroska", "libx264"),
    "a.webm": lambda: film("webm", "libvpx-vp9", sound_codec="libopus"),
}
"""Name of a file -> what makes it."""


@cache
def sound(name: str) -> bytes:
    """The bytes of a sound file; made once."""
    return SEEDS[name]()
