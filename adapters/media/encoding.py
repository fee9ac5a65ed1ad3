"""Encode a stretch of a video for the web: decoded once, scaled down a ladder, H.264 in fMP4; runs in the child.

Pictures are put on an even grid: picture k of the output is shown at k / rate seconds after the video's origin, in
every stretch and rendition. So stretches that were made apart join without a seam (docs/adr/0011-videos-in-parts.md).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import av.error
import av.logging
import numpy as np
from av.video.reformatter import ColorRange

from adapters.media.fragments import avc_codecs, grouped, layout
from adapters.media.hdr import to_sdr
from adapters.media.opening import ENGINE, Clock, Opened, frames_from, open_source
from domain.errors import MediaRejected
from domain.media import Limits
from domain.streaming import LEAD_FRAMES, Encoded, EncodedFile, Rung

__all__ = ["encode_video"]

PRESET = "veryfast"
QUALITY = 23  # x264's CRF
_LUT_EDGE = 33
_SMALL = 720  # at fewer lines, a matrix that is not stated is BT.601's (as players assume)
_FRAGMENTED = "frag_keyframe+empty_moov+default_base_moof+frag_discont+skip_trailer"


def encode_video(
    source: Path,
    limits: Limits,
    *,
    into: str,
    format: str,  # noqa: A002 - the field's own term
    first: int,
    end: int,
    rate: Sequence[int],
    gop: int,
    segment: int,
    rungs: Sequence[dict[str, Any]],
    rotation: int = 0,
    mirrored: bool = False,
    interlaced: bool = False,
    hdr: str = "",
    threads: int = 1,
) -> Encoded:
    """Encode the pictures `first` to `end` (exclusive) of the grid in every rendition.

    Args:
        into: folder for the files; one for each rendition.
        format: FFmpeg's name of the container.
        rate: pictures a second, as a fraction.
        gop: pictures from one key picture to the next.
        segment: pictures in a segment; a multiple of `gop`.
        rungs: `domain.streaming.Rung` as plain values, the largest first.
        rotation: degrees clockwise by which the decoded picture is turned, after mirroring it.
        hdr: "pq" or "hlg" when the pictures are to be brought to SDR.
    Returns:
        The files; none when the video ends before `first`.
    """
    ladder = [Rung(**rung) for rung in rungs]
    per_second = Fraction(*rate)
    notes: list[str] = []
    with ExitStack() as stack:
        opened = stack.enter_context(open_source(source, format, limits))
        clock = opened.clock(opened.video)
        _allow(opened.video.codec_context, threads)
        shape = _Shape(rotation, mirrored, interlaced, hdr, _lut(Path(into), hdr) if hdr else "")
        outputs: list[_Output] = []
        pictures: _Graph | None = None
        frames = frames_from(
            opened, opened.video, (first - Fraction(1, 2)) / per_second, lambda: _decoded(opened, notes)
        )
        for frame, k, count in _on_grid(frames, clock, per_second, first, end):
            if pictures is None or pictures.key != _key(frame):
                if pictures is not None:  # a stream may change its size on the way
                    _drain(pictures.flush(), outputs)
                pictures = _Graph(frame, ladder, shape)
            if not outputs:
                colours = _colours(frame, ladder[0], hdr)
                outputs = [
                    stack.enter_context(_Output(Path(into), rung, per_second, first, gop, colours, threads))
                    for rung in ladder
                ]
            _drain(pictures.push(frame, k, count), outputs)
        if pictures is not None:
            _drain(pictures.flush(), outputs)
        for output in outputs:
            output.finish()
    return Encoded(files=tuple(output.file(segment) for output in outputs), engine=ENGINE, notes=tuple(notes))


# --- decoding --------------------------------------------------------------------------------------------------------


def _allow(context: Any, threads: int) -> None:
    context.thread_count = threads
    if threads > 1:
        context.thread_type = "AUTO"


def _decoded(opened: Opened, notes: list[str]) -> Iterator[Any]:
    """Pictures in the order of their presentation; what can't be decoded is left out, and noted once."""
    damaged = 0
    for packet in opened.packets(opened.video):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError:
            damaged += 1
        except av.error.EOFError:
            break
    if damaged:
        notes.append(f"{damaged:,} damaged packets were left out; the picture before stands in their place")


def _on_grid(
    frames: Iterator[Any], clock: Clock, rate: Fraction, first: int, end: int
) -> Iterator[tuple[Any, int, int]]:
    """Pictures with the place and the number of grid points that each fills: repeated where they come slowly, left out
    where two meet at one point. A picture belongs to the nearest point; what is before `first` only leads in."""
    held: Any = None
    at = last = 0
    distance = Fraction(0)
    for frame in frames:
        if frame.pts is None:
            continue
        k = clock.place(frame.pts, rate)
        off = abs(clock.seconds(frame.pts) * rate - k)
        if held is None:
            at = min(k, first)  # nothing is before the first picture: it stands there too
        elif k > at:
            start, stop = max(at, first), min(k, end)
            if start < stop:
                yield held, start, stop - start
            at = k
        elif k == at and off >= distance:
            continue  # the one before is nearer
        held, distance, last = frame, off, clock.place(frame.pts + frame.duration, rate) if frame.duration else k + 1
        if k >= end:
            return
    if held is not None:
        start, stop = max(at, first), min(last, end)
        if start < stop:
            yield held, start, stop - start


# --- filters ---------------------------------------------------------------------------------------------------------


class _Shape:
    """How the decoded picture becomes what a person sees."""

    def __init__(self, rotation: int, mirrored: bool, interlaced: bool, hdr: str, lut: str) -> None:
        self.interlaced, self.hdr, self.lut = interlaced, hdr, lut
        self.swapped = rotation % 180 == 90
        self.turns = ["hflip"] if mirrored else []
        self.turns += {90: ["transpose=clock"], 180: ["hflip", "vflip"], 270: ["transpose=cclock"]}.get(rotation, [])


def _key(frame: Any) -> tuple[Any, ...]:
    return frame.width, frame.height, frame.format.name, frame.colorspace, frame.color_range


class _Graph:
    """FFmpeg's filters from one decoded picture to one for each rendition, each scaled from the one above it."""

    def __init__(self, frame: Any, ladder: Sequence[Rung], shape: _Shape) -> None:
        self.key = _key(frame)
        self._waiting: deque[tuple[int, int]] = deque()
        self._graph = av.filter.Graph()
        self._graph.threads = 1
        self._source = self._graph.add(
            "buffer",
            f"video_size={frame.width}x{frame.height}:pix_fmt={frame.format.name}:time_base=1/1:pixel_aspect=1/1"
            f":colorspace={int(frame.colorspace)}:range={int(frame.color_range)}",
        )
        top = ladder[0]
        width, height = (top.height, top.width) if shape.swapped else (top.width, top.height)
        chain = ["bwdif=mode=send_frame"] if shape.interlaced else []
        chain.append(f"scale={width}:{height}:flags=bicubic:out_range=tv")
        if shape.hdr:
            chain += ["format=gbrp10le", f"lut3d=file={shape.lut}:interp=tetrahedral"]
            chain.append("scale=out_color_matrix=bt709:out_range=tv")
        elif frame.format.is_rgb:
            chain[-1] += ":out_color_matrix=bt709"
        chain += ["format=yuv420p", "setsar=1", *shape.turns]
        last = self._source
        for described in chain:
            last = self._then(last, described)
        self._sinks: list[Any] = []
        for below in [*ladder[1:], None]:
            if below is None:
                self._sinks.append(self._then(last, "buffersink"))
                break
            split = self._then(last, "split=2")
            sink = self._graph.add("buffersink")
            split.link_to(sink, 0)
            self._sinks.append(sink)
            scale = self._graph.add("scale", f"{below.width}:{below.height}:flags=bicubic")
            split.link_to(scale, 1)
            last = scale
        self._graph.configure(auto_buffer=False)

    def _then(self, before: Any, described: str) -> Any:
        name, _, arguments = described.partition("=")
        made = self._graph.add(name, arguments or None)
        before.link_to(made)
        return made

    def push(self, frame: Any, k: int, count: int) -> list[tuple[int, int, list[Any]]]:
        """Give one picture; returns what comes out: place, number of grid points, a picture for each rendition."""
        frame.pts = len(self._waiting)
        frame.time_base = Fraction(1)
        frame.pict_type = 0
        self._waiting.append((k, count))
        self._source.push(frame)
        return self._pull()

    def flush(self) -> list[tuple[int, int, list[Any]]]:
        """What is still inside."""
        self._source.push(None)
        return self._pull()

    def _pull(self) -> list[tuple[int, int, list[Any]]]:
        found: list[tuple[int, int, list[Any]]] = []
        while True:
            try:
                pictures = [sink.pull() for sink in self._sinks]
            except (av.error.BlockingIOError, av.error.EOFError):
                return found
            k, count = self._waiting.popleft()
            found.append((k, count, pictures))


def _lut(folder: Path, hdr: str) -> str:
    """The tone map as a table that FFmpeg can apply: 33 points a channel over the coded signal."""
    path = folder / "sdr.cube"
    steps = np.linspace(0, 1, _LUT_EDGE, dtype=np.float32)
    blue, green, red = np.meshgrid(steps, steps, steps, indexing="ij")  # red changes fastest
    signal = np.stack([red, green, blue], axis=-1).reshape(_LUT_EDGE, -1, 3)
    table = to_sdr(signal, "hlg" if hdr == "hlg" else "pq", "bt2020", peak_nits=1000.0).reshape(-1, 3)
    lines = [f"LUT_3D_SIZE {_LUT_EDGE}", *(f"{r:.6f} {g:.6f} {b:.6f}" for r, g, b in table.tolist())]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")
    text = str(path)
    if any(c in text for c in "\\':,;[] "):
        raise ValueError("the scratch folder's name has characters that FFmpeg's filters give a meaning")
    return text


# --- encoding --------------------------------------------------------------------------------------------------------

_BT709, _BT601, _UNKNOWN = 1, 6, 2


def _colours(frame: Any, top: Rung, hdr: str) -> tuple[int, int, int]:
    """Primaries, transfer and matrix to write (ITU-T H.273 numbers)."""
    if hdr or frame.format.is_rgb:
        return _BT709, _BT709, _BT709
    matrix = int(frame.colorspace)
    if matrix in (0, _UNKNOWN):
        matrix = _BT709 if min(frame.width, frame.height) >= _SMALL else _BT601
    primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
    fallback = _BT709 if matrix == _BT709 else _BT601
    return (
        fallback if primaries in (0, _UNKNOWN) else primaries,
        fallback if transfer in (0, _UNKNOWN) else transfer,
        matrix,
    )


class _Output:
    """One rendition's encoder and file."""

    def __init__(
        self,
        folder: Path,
        rung: Rung,
        rate: Fraction,
        first: int,
        gop: int,
        colours: tuple[int, int, int],
        threads: int,
    ) -> None:
        self._path = folder / f"{rung.name}.mp4"
        self._rung, self._rate, self._next = rung, rate, first
        self._container = av.open(
            str(self._path),
            "w",
            format="mp4",
            options={
                "movflags": _FRAGMENTED,
                "use_editlist": "0",
                "avoid_negative_ts": "disabled",
                "video_track_timescale": str(timescale(rate)),
            },
        )
        x264 = f"keyint={gop}:min-keyint={gop}:scenecut=0:open-gop=0:stitchable=1:bframes=3:threads={threads}"
        self._stream: Any = self._container.add_stream(
            "libx264",
            rate=rate,
            options={
                "preset": PRESET,
                "profile": "high",
                "crf": str(QUALITY),
                "maxrate": str(rung.max_bitrate),
                "bufsize": str(2 * rung.max_bitrate),
                "x264-params": x264,
            },
        )
        self._stream.width, self._stream.height, self._stream.pix_fmt = rung.width, rung.height, "yuv420p"
        context = self._stream.codec_context
        context.time_base = 1 / rate
        context.color_primaries, context.color_trc, context.colorspace = colours
        context.color_range = ColorRange.MPEG
        self._codecs = ""

    def __enter__(self) -> _Output:
        return self

    def __exit__(self, *_: object) -> None:
        self._container.close()

    def put(self, picture: Any, k: int, count: int) -> None:
        """Encode a picture for so many grid points."""
        for place in range(k, k + count):
            picture.pts, picture.time_base, picture.pict_type = place, 1 / self._rate, 0
            self._write(self._stream.encode(picture))

    def finish(self) -> None:
        """Write what the encoder still holds, and close the file."""
        self._write(self._stream.encode(None))
        self._codecs = avc_codecs(bytes(self._stream.codec_context.extradata or b""))
        self._container.close()

    def _write(self, encoded: Sequence[Any]) -> None:
        for packet in encoded:
            packet.pts += LEAD_FRAMES  # so that decoding times, which run ahead, are never below 0
            packet.dts = self._next
            self._next += 1
            self._container.mux(packet)

    def file(self, segment: int) -> EncodedFile:
        """What was written."""
        found = layout(self._path)
        return EncodedFile(
            rendition=self._rung.name,
            path=str(self._path),
            bytes=self._path.stat().st_size,
            head_bytes=found.head_bytes,
            head_sha256=found.head_sha256,
            timescale=timescale(self._rate),
            segments=grouped(found.fragments, int(segment * timescale(self._rate) / self._rate)),
            codecs=self._codecs,
            width=self._rung.width,
            height=self._rung.height,
        )


def timescale(rate: Fraction) -> int:
    """Ticks a second in which a picture has a whole number of ticks: 30000 for 29.97 and for 30."""
    return rate.numerator * (1 if rate.numerator >= 10_000 else 1000)


def _drain(made: Sequence[tuple[int, int, list[Any]]], outputs: Sequence[_Output]) -> None:
    for k, count, pictures in made:
        for picture, output in zip(pictures, outputs, strict=True):
            output.put(picture, k, count)
    if made and not outputs:
        raise MediaRejected("corrupt", "the video has no picture that can be decoded")
