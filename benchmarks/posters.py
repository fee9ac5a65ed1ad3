"""A poster from a 1080p video: ours against the `ffmpeg` command (Debian's package), in wall time and processor time.

The video is made here: two minutes of H.264 at 30 pictures a second, 11 Mbit/s with a key frame of 0.5 MB
each second. Each side writes one JPEG of 1920 x 1080. Ours runs in a warm process, as it does in a worker; `ffmpeg` is
started for each poster, as it is wherever it is a command, with as many threads as it likes. Compared are:

- the best picture of the whole video: ours takes the best of 24 key frames spread over it. ffmpeg can't spread its
  choice; it has to decode all 120 key frames (`-skip_frame nokey -vf thumbnail=1000`) and takes the most typical;
- the best of 10 and of 24 key frames of the whole video against the usual command, `-vf thumbnail`: the most typical of
  the first 100 pictures, all decoded;
- the same against the most typical of the *first* 24 key frames (`-skip_frame nokey -vf thumbnail=24`): as many
  pictures decoded as ours, but from the first 24 s only. Decoding them is nearly all of the work on either side;
- one key frame without any choice: ours, against `-ss 60 -i ... -frames:v 1`, most of which is ffmpeg's start.
Run `python -m benchmarks posters`.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measuring import BUILD, Row, row, scratch

__all__ = ["run"]

GOAL = 2.0
ROUNDS, QUICK_ROUNDS = 9, 3
SECONDS, REPEATS, RATE, SIZE = 10, 12, 30, (1920, 1080)

_OURS = """
import sys, time
from pathlib import Path
from adapters.media.video_analysis import extract_poster
from domain.media import Limits
for line in sys.stdin:
    source, into, count = line.rstrip().split("\\t")
    wall, cpu = time.perf_counter(), time.process_time()
    made = extract_poster(Path(source), Limits(), into=into, key_frames=int(count))
    assert (made.width, made.height) == (1920, 1080) and made.candidates == int(count), made
    print(time.perf_counter() - wall, time.process_time() - cpu, flush=True)
"""

_FFMPEG = {
    "ffmpeg -skip_frame nokey -vf thumbnail=1000 (all key frames)": (
        ["-skip_frame", "nokey"],
        ["-vf", "thumbnail=1000"],
    ),
    "ffmpeg -vf thumbnail (the first 100 pictures)": ([], ["-vf", "thumbnail"]),
    "ffmpeg -skip_frame nokey -vf thumbnail=24 (the first 24)": (["-skip_frame", "nokey"], ["-vf", "thumbnail=24"]),
    "ffmpeg -ss 60 (one picture, no choice)": (["-ss", "60"], []),
}

Turn = Callable[[], tuple[float, float]]  # seconds of wall time and of processor time


def run(quick: bool = False) -> list[Row]:
    """Rows for wall time and for processor time; a ratio over 1 means that ours is the quicker."""
    if shutil.which("ffmpeg") is None:
        raise ImportError("the ffmpeg command is not here (apt-get install ffmpeg)")
    source = _video()
    with (
        scratch() as folder,
        subprocess.Popen(
            [sys.executable, "-c", _OURS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        ) as process,
    ):
        sides: dict[str, Turn] = {
            "24": lambda: _ours(process, source, folder, 24),
            "10": lambda: _ours(process, source, folder, 10),
            "1": lambda: _ours(process, source, folder, 1),
        }
        for name, (before, after) in _FFMPEG.items():
            sides[name] = lambda before=before, after=after: _ffmpeg(source, folder / "peer.jpg", before, after)
        for turn in sides.values():
            turn()  # warm: code, and the file in the page cache
        found: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
        for _ in range(QUICK_ROUNDS if quick else ROUNDS):
            for name, turn in sides.items():
                found[name].append(turn())
        assert process.stdin is not None
        process.stdin.close()
    rows = []
    everywhere, usual, first, plain = _FFMPEG
    for count, peer in (("24", everywhere), ("10", usual), ("24", usual), ("24", first), ("1", plain)):
        what = f"1080p poster: best of {count} key frames" if count != "1" else "1080p poster: one key frame"
        for at, unit in enumerate(("ms", "ms of processor time")):
            ours, theirs = (1000 * statistics.median(turn[at] for turn in found[name]) for name in (count, peer))
            rows.append(row(what, ours, theirs, peer, GOAL, unit, less=True))
    return rows


def _ours(process: Any, source: Path, folder: Path, count: int) -> tuple[float, float]:
    process.stdin.write(f"{source}\t{folder}\t{count}\n")
    process.stdin.flush()
    wall, cpu = process.stdout.readline().split()
    return float(wall), float(cpu)


def _ffmpeg(source: Path, to: Path, before: list[str], after: list[str]) -> tuple[float, float]:
    command = ["ffmpeg", "-v", "error", "-nostdin", "-y", *before, "-i", str(source), *after]
    used, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*command, "-frames:v", "1", "-q:v", "2", str(to)], check=True)
    wall, now = time.perf_counter() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    assert to.stat().st_size > 10_000
    return wall, now.ru_utime + now.ru_stime - used.ru_utime - used.ru_stime


def _video() -> Path:
    """A camera that pans over a landscape with structure at all scales, with sensor noise; made once."""
    import av
    from PIL import Image

    path = BUILD / "poster-1080p.mp4"
    if path.exists():
        return path
    BUILD.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(7)
    width, height = SIZE
    wide = np.full((height, 2 * width, 3), 118, np.float32)
    for cells, strength in ((8, 55), (32, 35), (128, 14), (512, 5), (1500, 2)):
        small = rng.normal(size=(cells // 2 + 2, 2 * cells, 3)).astype(np.float32)
        for band in range(3):
            layer = Image.fromarray(small[..., band]).resize((2 * width, height), Image.Resampling.BICUBIC)
            wide[..., band] += strength * np.asarray(layer)
    grain = [rng.normal(size=(height, width, 1)).astype(np.float32) * 2 for _ in range(16)]
    unfinished = path.with_suffix(".part")
    with av.open(str(unfinished), "w", format="mp4") as container:
        stream: Any = container.add_stream("libx264", rate=RATE)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {
            "preset": "veryfast",
            "crf": "17",
            "g": str(RATE),
            "keyint_min": str(RATE),
            "sc_threshold": "0",
        }
        packets = []
        for number in range(SECONDS * RATE):
            at = number * width // (SECONDS * RATE)
            picture = wide[:, at : at + width] + grain[number % len(grain)]
            frame = av.VideoFrame.from_ndarray(np.clip(picture, 0, 255).astype(np.uint8), format="rgb24")
            frame.pts, frame.time_base = number, Fraction(1, RATE)
            packets += stream.encode(frame)
        packets += stream.encode()
        coded = [(bytes(p), p.pts, p.dts, p.is_keyframe, p.time_base) for p in packets]
        for again in range(REPEATS):  # the same ten seconds: decoding them costs the same each time
            for data, pts, dts, key, base in coded:
                packet = av.Packet(data)
                shift = round(again * SECONDS / base)
                packet.stream, packet.time_base, packet.pts, packet.dts = stream, base, pts + shift, dts + shift
                packet.is_keyframe = key
                container.mux(packet)
    unfinished.rename(path)
    return path
