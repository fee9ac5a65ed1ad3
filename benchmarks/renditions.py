"""Three JPEG sizes from a camera's picture, beside plain pyvips and sharp, in processor time and in images a second.

All make 2048, 1024 and 256 pixels at quality 82 with the library's other JPEG settings, from JPEGs of 6, 12 and 24
megapixels, a PNG and a HEIC of 12. Processor time: each side is one warm process that reports its own (all threads,
user and system); the sides take turns, and the medians are compared. Images a second: each side gets the same pictures
and both processors, ours as two workers with the decoders behind their wall, pyvips as two processes, sharp as one that
is given all pictures at once and uses its own pool of threads. The peers' caches are off, since a library's photos
are all different and these few are not.

Neither pyvips-binary nor sharp's prebuilt libvips decodes HEVC, so HEIC is compared with Pillow and pillow-heif.
Run `python -m benchmarks renditions`. sharp is fetched with npm into build/peers where node is present.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from msgspec import Struct
from PIL import Image

from adapters.media.sandbox import SandboxedMediaEngine
from benchmarks.measuring import BUILD, Row, row, scratch
from domain.media import Rendered

__all__ = ["photo", "run"]

GOAL = 1.0  # at most the peer's processor time, at least its images a second
PEERS = Path(__file__).resolve().parent.parent / "build" / "peers"
WORKERS = 2


class Case(Struct, frozen=True):
    """One kind of picture."""

    name: str
    size: tuple[int, int]
    suffix: str = ".jpg"
    rounds: int = 5
    batch: int = 16  # pictures for the images a second


CASES = (
    Case("a JPEG of 6 megapixels", (3000, 2000)),
    Case("a JPEG of 12 megapixels", (4000, 3000), rounds=9),
    Case("a JPEG of 24 megapixels", (6000, 4000)),
    Case("a PNG of 12 megapixels", (4000, 3000), ".png", batch=8),
    Case("a HEIC of 12 megapixels", (4000, 3000), ".heic", batch=8),
)

_OURS = """
import resource, sys
from pathlib import Path
from adapters.media.images import render
from domain.media import Limits
def make(source, into):
    render(Path(source), Limits(), into=str(into), formats=("jpeg",), full=False)
"""

_PYVIPS = """
import resource, sys
import pyvips
pyvips.cache_set_max(0)
def make(source, into):
    picture = pyvips.Image.new_from_file(source).copy_memory()
    for edge in (2048, 1024, 256):
        picture.thumbnail_image(edge, height=edge, size="down").jpegsave(f"{into}/{edge}.jpg", Q=82, keep="none")
"""

_PILLOW = """
import resource, sys
import pillow_heif
from PIL import Image, ImageOps
pillow_heif.register_heif_opener(thumbnails=False)
def make(source, into):
    with Image.open(source) as image:
        picture = ImageOps.exif_transpose(image).convert("RGB")
    for edge in (2048, 1024, 256):
        picture.thumbnail((edge, edge), Image.Resampling.LANCZOS)
        picture.save(f"{into}/{edge}.jpg", quality=82)
"""

_LOOP = """
def used():
    now = resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_utime + now.ru_stime
for line in sys.stdin:
    *sources, into = line.rstrip().split("\\t")
    before = used()
    for source in sources:
        make(source, into)
    print(used() - before, flush=True)
"""

_SHARP = """
const sharp = require(process.argv[1] + "/node_modules/sharp");
sharp.cache(false);
const oneDecode = process.argv[2] === "one";
const lines = require("readline").createInterface({ input: process.stdin });
let queue = Promise.resolve();
const jpeg = { quality: 82, mozjpeg: false, optimizeCoding: false };
async function make(source, into, number) {
  let open = () => sharp(source);
  if (oneDecode) {
    const { data, info } = await sharp(source).raw().toBuffer({ resolveWithObject: true });
    open = () => sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
  }
  for (const edge of [2048, 1024, 256])
    await open().resize(edge, edge, { fit: "inside" }).jpeg(jpeg).toFile(`${into}/${number}-${edge}.jpg`);
}
lines.on("line", (line) => { queue = queue.then(async () => {
  const words = line.split("\\t"), into = words.pop();
  const before = process.cpuUsage();
  await Promise.all(words.map((source, number) => make(source, into, number)));
  const spent = process.cpuUsage(before);
  console.log((spent.user + spent.system) / 1e6);
}); });
"""


class _Process:
    """One warm process that renders what it is told and answers with its processor time in seconds."""

    def __init__(self, command: list[str], into: Path) -> None:
        self._into = into
        into.mkdir()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def make(self, sources: Sequence[Path]) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("\t".join(map(str, (*sources, self._into))) + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError("a peer ended without an answer")
        return float(answer)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


class _Side:
    """One way to make the sizes: `make` one picture, or `make_all` of them with both processors."""

    def __init__(self, name: str, command: list[str], folder: Path, processes: int = WORKERS) -> None:
        self.name = name
        self._processes = [_Process(command, folder / f"{name}-{n}") for n in range(processes)]

    def make(self, source: Path) -> float:
        """Seconds of processor time."""
        return self._processes[0].make([source])

    def make_all(self, sources: Sequence[Path]) -> float:
        """Seconds of wall time."""
        shares = [sources[n :: len(self._processes)] for n in range(len(self._processes))]
        started = time.perf_counter()
        with ThreadPoolExecutor(len(shares)) as pool:
            list(pool.map(lambda process, share: process.make(share), self._processes, shares))
        return time.perf_counter() - started

    def end(self) -> None:
        for process in self._processes:
            process.end()


class _Ours(_Side):
    """As the house does it: two threads, each with a decoder in a child process behind the wall."""

    def __init__(self, folder: Path) -> None:
        super().__init__("photovault", [sys.executable, "-c", _OURS + _LOOP], folder, 1)
        self._engine = SandboxedMediaEngine(writable=[folder])
        self._folder = folder

    def make_all(self, sources: Sequence[Path]) -> float:
        def render(source: Path) -> None:
            with tempfile.TemporaryDirectory(dir=self._folder) as into:
                options = {"into": into, "formats": ("jpeg",), "full": False}
                self._engine._call("render", source, Rendered, options)

        started = time.perf_counter()
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(render, sources))
        return time.perf_counter() - started

    def end(self) -> None:
        super().end()
        self._engine.close()


def run(quick: bool = False) -> list[Row]:
    """Rows for every case and peer; a ratio over 1 means that ours is the cheaper, or the faster."""
    rows: list[Row] = []
    for case in CASES[1:2] if quick else CASES:
        rows += _compare(case, 3 if quick else case.rounds)
    return rows


def _compare(case: Case, rounds: int) -> list[Row]:
    with scratch() as folder:
        photos = [photo(case, seed) for seed in range(2)]
        sides: list[_Side] = [_Ours(folder), *_peers(case, folder)]
        spent: dict[str, list[float]] = {side.name: [] for side in sides}
        took: dict[str, list[float]] = {side.name: [] for side in sides}
        batch = (photos * case.batch)[: case.batch]
        try:
            for side in sides:
                side.make(photos[0])  # warm
                side.make_all(photos)
            for number in range(rounds):
                for side in sides:
                    spent[side.name] += [side.make(source) for source in photos]
                if number < 3:
                    for side in sides:
                        took[side.name].append(side.make_all(batch))
        finally:
            for side in sides:
                side.end()
    cpu = {name: statistics.median(times) * 1000 for name, times in spent.items()}
    speed = {name: case.batch / statistics.median(times) for name, times in took.items()}
    name = f"three JPEG sizes from {case.name}"
    peers = list(cpu)[1:]
    return [
        *(row(name, cpu["photovault"], cpu[p], p, GOAL, "ms of processor time", less=True) for p in peers),
        *(row(f"{name}, 2 processors", speed["photovault"], speed[p], p, GOAL, "images/s") for p in peers),
    ]


def _peers(case: Case, folder: Path) -> list[_Side]:
    if case.suffix == ".heic":
        return [_Side("Pillow with pillow-heif", [sys.executable, "-c", _PILLOW + _LOOP], folder)]
    sides = [_Side("pyvips with one decode", [sys.executable, "-c", _PYVIPS + _LOOP], folder)]
    if _sharp_is_there():
        for name, way in (("sharp with one decode", "one"), ("sharp with a shrink-on-load for each size", "each")):
            sides.append(_Side(name, ["node", "-e", _SHARP, str(PEERS), way], folder, 1))
    return sides


def photo(case: Case, seed: int) -> Path:
    """Structure at all scales and sensor noise: 4 to 5 MB for 12 megapixels at quality 92, like a camera's. Made once,
    into build/bench."""
    path = BUILD / "photos" / f"{case.size[0]}x{case.size[1]}-{seed}{case.suffix}"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    width, height = case.size
    picture = np.full((height, width, 3), 128, np.float32)
    for cells, strength in ((8, 60), (32, 35), (128, 18), (512, 12), (1500, 8)):
        small = rng.normal(size=(cells * height // width + 2, cells + 2, 3)).astype(np.float32)
        for band in range(3):
            layer = Image.fromarray(small[..., band]).resize(case.size, Image.Resampling.BICUBIC)
            picture[..., band] += strength * np.asarray(layer)
    picture += rng.normal(size=(height, width, 1)).astype(np.float32) * 4.5
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    unfinished = path.with_stem(f"{path.stem}-unfinished")
    if case.suffix == ".heic":
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
        image.save(unfinished, format="HEIF", quality=60, enc_params={"preset": "ultrafast"})
    elif case.suffix == ".png":
        image.save(unfinished, compress_level=3)
    else:
        image.save(unfinished, quality=92)
    return unfinished.rename(path)


def _sharp_is_there() -> bool:
    """Find sharp in build/peers, or fetch it; False, with a message, where that can't be."""
    if (PEERS / "node_modules" / "sharp").is_dir() and shutil.which("node"):
        return True
    if not shutil.which("npm"):
        print("sharp is left out: node and npm are not here", file=sys.stderr)
        return False
    PEERS.mkdir(parents=True, exist_ok=True)
    command = ["npm", "install", "--no-audit", "--no-fund", "--prefix", str(PEERS), "sharp@0.35"]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        print("sharp is left out: npm could not fetch it", file=sys.stderr)
        return False
    return True


if __name__ == "__main__":
    for each in run():
        print(json.dumps(each))
