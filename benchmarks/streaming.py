"""Videos for the web: processor time of the ladder, what cutting into parts costs, how good the seams are, joining.

The source is a pan over structure at all scales with sensor noise, 1080p at 30 pictures a second: harder than most of
what phones film. Run `python -m benchmarks.streaming`. Times are of the processor, so a busy machine changes them
little; the last row is by the clock.
"""

from __future__ import annotations

import json
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import msgspec
import numpy as np
from PIL import Image

from adapters.media.encoding import encode_video
from adapters.media.joining import encode_audio, join_mp4
from adapters.media.sandbox import SandboxedMediaEngine
from benchmarks.measuring import Row, scratch
from domain.media import Limits
from domain.streaming import Encoded
from domain.transcoding import ladder

__all__ = ["run"]

SECONDS, RATE, SIZE = 12, 30, (1920, 1080)
GOP, SEGMENT = 2 * RATE, 6 * RATE
_AROUND = 5  # pictures on each side of a seam


def run() -> list[Row]:
    """Measure on one generated video."""
    with scratch() as folder:
        source, hdr = _source(folder / "pan.mp4", "libx264"), _source(folder / "hdr.mkv", "ffv1", hdr=True)
        frames = SECONDS * RATE
        rungs = [msgspec.to_builtins(rung) for rung in ladder(*SIZE, Fraction(RATE))]
        top, whole_cpu = _timed(lambda: _encode(source, folder / "top", rungs[:1]))
        whole, ladder_cpu = _timed(lambda: _encode(source, folder / "whole", rungs))
        _, hdr_cpu = _timed(lambda: _encode(hdr, folder / "hdr", rungs, format="matroska", end=2 * RATE, hdr="pq"))
        _, sdr_cpu = _timed(lambda: _encode(hdr, folder / "sdr", rungs, format="matroska", end=2 * RATE))
        half = frames // 2
        parts, parts_cpu = _timed(
            lambda: [_encode(source, folder / f"part{n}", rungs, first=n * half, end=(n + 1) * half) for n in range(2)]
        )
        late, late_cpu = _timed(lambda: _encode(source, folder / "late", rungs[-1:], first=frames - 10))
        sizes = [sum(f.bytes for f in part.files) for part in (whole, *parts)]
        seam, elsewhere = _quality(source, parts, half)
        joined, join_cpu = _timed(lambda: _join(source, folder, parts))
        sound, sound_cpu = _timed(lambda: _sound(source, folder))
        rows = [
            _row("1080p alone", frames / whole_cpu, "pictures a second and core"),
            _row("ladder 1080p 720p 480p 240p from one decode", frames / ladder_cpu, "pictures a second and core"),
            _row("the same from HDR10", 2 * RATE / hdr_cpu, "pictures a second and core"),
            _row("the same file, not tone-mapped", 2 * RATE / sdr_cpu, "pictures a second and core"),
            _row("1080p", top.files[0].bytes * 8 / SECONDS / 1e6, "Mbit/s"),
            _row("smaller renditions beside it", sum(f.bytes for f in whole.files[1:]) / whole.files[0].bytes, "times"),
            _row("two parts: processor time", parts_cpu / ladder_cpu, "times that of the whole"),
            _row("two parts: bytes", (sizes[1] + sizes[2]) / sizes[0], "times those of the whole"),
            _row(f"PSNR of {2 * _AROUND} pictures around the seam", seam, "dB"),
            _row("PSNR of all others", elsewhere, "dB"),
            _row("begin in the last third of a second (seek, decode, encode 10 pictures)", late_cpu, "s"),
            _row("join 12 s to an MP4", join_cpu * 1000, "ms"),
            _row("join", joined / 1e6 / join_cpu, "MB a second"),
            _row("sound to AAC", SECONDS / sound_cpu, "times real time"),
        ]
        rows += _side_by_side(source, folder, rungs, half)
        del late, sound
        return rows


def _row(name: str, value: float, unit: str) -> Row:
    return {"name": name, "ours": round(value, 3 if value < 10 else 1), "unit": unit}


def _timed(call: Callable[[], Any]) -> tuple[Any, float]:
    before = _used()
    made = call()
    return made, _used() - before


def _used() -> float:
    now = resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_utime + now.ru_stime


def _encode(source: Path, into: Path, rungs: Sequence[Any], **changes: Any) -> Encoded:
    into.mkdir()
    options: dict[str, Any] = {"format": "mp4", "first": 0, "end": SECONDS * RATE} | changes
    return encode_video(
        source, Limits(), into=str(into), rate=(RATE, 1), gop=GOP, segment=SEGMENT, rungs=rungs, **options
    )


def _sound(source: Path, folder: Path) -> Encoded:
    return encode_audio(source, Limits(), into=str(folder), format="mp4", copy=False, rate=(RATE, 1))


def _join(source: Path, folder: Path, parts: Sequence[Encoded]) -> int:
    made = join_mp4(
        source,
        Limits(),
        into=str(folder),
        format="mp4",
        rate=(RATE, 1),
        pictures=[part.files[0].path for part in parts],
        copy_sound=True,
    )
    return made.bytes


def _quality(source: Path, parts: Sequence[Encoded], half: int) -> tuple[float, float]:
    """Mean PSNR of luma of the pictures around the seam, and of all others."""
    made = (frame for part in parts for frame in _luma(part.files[0].path))
    levels = [
        10 * np.log10(255**2 / max(float(np.mean((a.astype(np.float32) - b) ** 2)), 1e-9))
        for a, b in zip(_luma(source), made, strict=True)
    ]
    near = range(half - _AROUND, half + _AROUND)
    others = [level for n, level in enumerate(levels) if n not in near]
    return float(np.mean([levels[n] for n in near])), float(np.mean(others))


def _luma(path: Path | str) -> Any:
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            yield frame.to_ndarray(format="gray")


def _side_by_side(source: Path, folder: Path, rungs: Sequence[Any], half: int) -> list[Row]:
    """The clock: one child for all, and two children for a half each."""
    with SandboxedMediaEngine() as engine:

        def part(name: str, first: int, end: int) -> None:
            into = folder / name
            into.mkdir()
            options = {"into": str(into), "format": "mp4", "rate": (RATE, 1), "gop": GOP, "segment": SEGMENT}
            engine._call("encode_video", source, Encoded, options | {"first": first, "end": end, "rungs": rungs}, 600.0)

        started = time.perf_counter()
        part("one", 0, 2 * half)
        one = time.perf_counter() - started
        started = time.perf_counter()
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(part, ("a", "b"), (0, half), (half, 2 * half)))
        two = time.perf_counter() - started
    return [_row("two workers, by the clock", one / two, "times as fast as one")]


def _source(path: Path, codec: str, *, hdr: bool = False) -> Path:
    """A pan with noise; with `hdr`, two seconds of the same numbers in 10 bits, said to be PQ."""
    rng = np.random.default_rng(0)
    canvas = _canvas(rng, (3840, 1700))
    width, height = SIZE
    noise = [rng.normal(0, 3, (height, width, 1)).astype(np.int16) for _ in range(4)]
    with av.open(str(path), "w") as container:
        options = {"preset": "veryfast", "crf": "20", "g": str(RATE)} if codec == "libx264" else {}
        stream: Any = container.add_stream(codec, rate=RATE, options=options)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p10le" if hdr else "yuv420p"
        if hdr:
            context = stream.codec_context
            context.color_primaries, context.color_trc, context.colorspace = 9, 16, 9
        sound: Any = container.add_stream("aac", rate=48_000, layout="stereo") if not hdr else None
        for n in range((2 if hdr else SECONDS) * RATE):
            y, x = int(300 + 250 * np.sin(n / 40)), int(900 + 800 * np.sin(n / 70))
            image = np.clip(canvas[y : y + height, x : x + width] + noise[n % 4], 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format=stream.pix_fmt)
            frame.pts, frame.time_base = n, Fraction(1, RATE)
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if sound is not None:
            samples = (0.1 * rng.normal(size=(2, 1024))).astype(np.float32)
            for n in range(SECONDS * 48_000 // 1024):
                tone = av.AudioFrame.from_ndarray(samples, format="fltp", layout="stereo")
                tone.sample_rate, tone.pts, tone.time_base = 48_000, n * 1024, Fraction(1, 48_000)
                container.mux(sound.encode(tone))
            container.mux(sound.encode(None))
    return path


def _canvas(rng: np.random.Generator, size: tuple[int, int]) -> Any:
    """Structure at all scales, RGB."""
    canvas = np.full((size[1], size[0], 3), 128, np.float32)
    for cells, strength in ((8, 60), (32, 35), (128, 18), (512, 12), (1500, 8)):
        small = rng.normal(size=(cells * 3 // 4 + 2, cells + 2, 3)).astype(np.float32)
        for band in range(3):
            layer = Image.fromarray(small[..., band]).resize(size, Image.Resampling.BICUBIC)
            canvas[..., band] += strength * np.asarray(layer)
    return canvas.astype(np.int16)


if __name__ == "__main__":
    for row in run():
        print(json.dumps(row))
