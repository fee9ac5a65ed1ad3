"""Processor time of three JPEG sizes from a 12-megapixel JPEG: ours against plain pyvips and sharp.

All make 2048, 1024 and 256 pixels at quality 82 with the library's other JPEG settings. Each side is one warm process
that reports its own processor time (all threads, user and system); the sides take turns, and the medians are compared.
Run `python -m benchmarks.renditions`. sharp is fetched with npm into build/peers where node is present.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

__all__ = ["run"]

GOAL = 1.0  # at most the peer's processor time
ROUNDS = 9
SIZE = (4000, 3000)
PEERS = Path(__file__).resolve().parent.parent / "build" / "peers"

_OURS = """
import resource, sys
from pathlib import Path
from adapters.media.images import render
from domain.media import Limits
def make(source, into):
    render(Path(source), Limits(), into=str(into), formats=("jpeg",))
"""

_PYVIPS = """
import resource, sys
import pyvips
def make(source, into):
    picture = pyvips.Image.new_from_file(source).copy_memory()
    for edge in (2048, 1024, 256):
        picture.thumbnail_image(edge, height=edge, size="down").jpegsave(f"{into}/{edge}.jpg", Q=82, keep="none")
"""

_LOOP = """
def used():
    now = resource.getrusage(resource.RUSAGE_SELF)
    return now.ru_utime + now.ru_stime
for line in sys.stdin:
    source, into = line.rstrip().split("\\t")
    before = used()
    make(source, into)
    print(used() - before, flush=True)
"""

_SHARP = """
const sharp = require(process.argv[1] + "/node_modules/sharp");
const oneDecode = process.argv[2] === "one";
const lines = require("readline").createInterface({ input: process.stdin });
let queue = Promise.resolve();
const jpeg = { quality: 82, mozjpeg: false, optimizeCoding: false };
lines.on("line", (line) => { queue = queue.then(async () => {
  const [source, into] = line.split("\\t");
  const before = process.cpuUsage();
  let open = () => sharp(source);
  if (oneDecode) {
    const { data, info } = await sharp(source).raw().toBuffer({ resolveWithObject: true });
    open = () => sharp(data, { raw: { width: info.width, height: info.height, channels: info.channels } });
  }
  for (const edge of [2048, 1024, 256])
    await open().resize(edge, edge, { fit: "inside" }).jpeg(jpeg).toFile(`${into}/${edge}.jpg`);
  const spent = process.cpuUsage(before);
  console.log((spent.user + spent.system) / 1e6);
}); });
"""


class _Side:
    """One warm process that renders what it is told and answers with its processor time in seconds."""

    def __init__(self, name: str, command: list[str], into: Path) -> None:
        self.name, self.into, self.times = name, into, list[float]()
        into.mkdir()
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def turn(self, source: Path) -> float:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{source}\t{self.into}\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        if not answer:
            raise RuntimeError(f"{self.name} ended without an answer")
        return float(answer)

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def run() -> list[dict[str, Any]]:
    """Measure; a ratio over 1 means that ours is the cheaper."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        photos = [_photo(folder / f"photo{seed}.jpg", seed) for seed in range(2)]
        sides = [
            _Side("photovault", [sys.executable, "-c", _OURS + _LOOP], folder / "ours"),
            _Side("pyvips, one decode", [sys.executable, "-c", _PYVIPS + _LOOP], folder / "pyvips"),
        ]
        if _sharp_is_there():
            for name, way in (("sharp, one decode", "one"), ("sharp, shrink-on-load for each size", "each")):
                sides.append(_Side(name, ["node", "-e", _SHARP, str(PEERS), way], folder / f"sharp-{way}"))
        try:
            for side in sides:
                side.turn(photos[0])  # warm
            for _ in range(ROUNDS):
                for photo in photos:
                    for side in sides:
                        side.times.append(side.turn(photo))
        finally:
            for side in sides:
                side.end()
    ours, *peers = sides
    mine = statistics.median(ours.times)
    return [
        {
            "name": "renditions: three JPEG sizes from 12 megapixels",
            "ours": round(mine * 1000, 1),
            "peer": round(statistics.median(peer.times) * 1000, 1),
            "peer_name": peer.name,
            "ratio": round(statistics.median(peer.times) / mine, 2),
            "goal": GOAL,
            "unit": "ms of processor time",
        }
        for peer in peers
    ]


def _photo(path: Path, seed: int) -> Path:
    """Structure at all scales and sensor noise: 4 to 5 MB at quality 92, like a camera's."""
    rng = np.random.default_rng(seed)
    width, height = SIZE
    picture = np.full((height, width, 3), 128, np.float32)
    for cells, strength in ((8, 60), (32, 35), (128, 18), (512, 12), (1500, 8)):
        small = rng.normal(size=(cells * 3 // 4 + 2, cells + 2, 3)).astype(np.float32)
        for band in range(3):
            layer = Image.fromarray(small[..., band]).resize(SIZE, Image.Resampling.BICUBIC)
            picture[..., band] += strength * np.asarray(layer)
    picture += rng.normal(size=(height, width, 1)).astype(np.float32) * 4.5
    Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8)).save(path, quality=92)
    return path


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
    for row in run():
        print(json.dumps(row))
