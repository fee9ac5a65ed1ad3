"""How well look-alikes are found: copies of real pictures by kind, and false pairs among all different ones.

    python -m benchmarks.quality.photos build/photos       # once; PHOTOVAULT_MEDIA may name a folder of sample media
    python -m benchmarks.quality.lookalikes build/photos [--every N]

Each picture, and each copy of it, goes the way of an upload: rendered, then the smallest JPEG hashed. Pictures over
2,048 pixels are first reduced to that. ImageHash's `phash` is measured beside ours when it is installed.
"""

from __future__ import annotations

import argparse
import io
import json
import statistics
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import pillow_heif
from PIL import Image, ImageEnhance, ImageOps

from adapters.media import fingerprint, images
from benchmarks.quality import photos
from domain.likeness import NEAR, band_values, distance, ranges
from domain.media import Limits

pillow_heif.register_heif_opener(thumbnails=False)
_LIMITS = Limits()
_EDGE = 2048
GOALS = ("jpeg 50", "jpeg 70", "jpeg 85", "75 %", "50 %", "25 %", "grey", "webp", "png", "brighter")
"""Kinds of copies that must be found; what else is made is for the record."""


class Hashes(NamedTuple):
    """One picture's hashes, and those of its copies."""

    source: str
    name: str
    phash: int | None
    copies: dict[str, int | None]
    peer: int | None
    milliseconds: float  # to hash the rendition


def main() -> None:
    """Print what was tested, recall by kind, false pairs and a histogram of distances; JSON on request."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality.lookalikes")
    parser.add_argument("cache", nargs="?", type=Path, default=Path("build/photos"))
    parser.add_argument("--every", type=int, default=1, help="only every so manieth picture")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    chosen = list(photos.photos(options.cache))[:: options.every]
    with ProcessPoolExecutor(options.jobs) as pool:
        measured = [each for each in pool.map(_measure, chosen, chunksize=4) if each is not None]
    report = _report(chosen, measured, photos.missing(options.cache))
    if options.json:
        options.json.write_text(json.dumps(report, indent=2))


def _measure(photo: photos.Photo) -> Hashes | None:
    try:
        with Image.open(io.BytesIO(photo.data)) as opened:
            original = _flat(ImageOps.exif_transpose(opened))
    except OSError as error:
        print(f"{photo.source} {photo.name} is left out: {error}", file=sys.stderr)
        return None
    original.thumbnail((_EDGE, _EDGE), Image.Resampling.LANCZOS)
    small = _small(_encoded(original, "PNG"))
    started = time.perf_counter()
    with Image.open(io.BytesIO(small)) as image:
        found = fingerprint.phash_of(image)
    took = (time.perf_counter() - started) * 1000
    copies = {kind: _hash(_small(data)) for kind, data in _copies(original)} if found.value else {}
    return Hashes(photo.source, photo.name, _number(found.value), copies, _peer(small), took)


def _copies(original: Image.Image) -> Iterator[tuple[str, bytes]]:
    width, height = original.size
    for quality in (50, 70, 85):
        yield f"jpeg {quality}", _encoded(original, "JPEG", quality=quality)
    for percent in (75, 50, 25):
        size = max(1, width * percent // 100), max(1, height * percent // 100)
        yield f"{percent} %", _encoded(original.resize(size, Image.Resampling.LANCZOS), "JPEG", quality=85)
    yield "grey", _encoded(original.convert("L"), "JPEG", quality=85)
    yield "webp", _encoded(original, "WEBP", quality=75)
    yield "png", _encoded(original, "PNG")
    yield "brighter", _encoded(ImageEnhance.Brightness(original).enhance(1.1), "JPEG", quality=85)
    for percent in (2, 5):
        x, y = width * percent // 200, height * percent // 200
        yield f"cut {percent} %", _encoded(original.crop((x, y, width - x, height - y)), "JPEG", quality=85)
    yield "turned", _encoded(original.transpose(Image.Transpose.ROTATE_90), "JPEG", quality=85)
    yield "mirrored", _encoded(ImageOps.mirror(original), "JPEG", quality=85)


def _flat(image: Image.Image) -> Image.Image:
    if "A" in image.getbands() or "transparency" in image.info:
        white = Image.new("RGBA", image.size, "white")
        white.alpha_composite(image.convert("RGBA"))
        image = white
    return image.convert("RGB")


def _encoded(image: Image.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **({"compress_level": 1} if kind == "PNG" else options))
    return out.getvalue()


def _small(data: bytes) -> bytes:
    """The smallest JPEG that an upload of these bytes is given."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "upload"
        source.write_bytes(data)
        made = images.render(source, _LIMITS, into=folder, formats=("jpeg",))
        smallest = min((f for f in made.files if f.format == "jpeg"), key=lambda f: f.width * f.height)
        return Path(smallest.path).read_bytes()


def _hash(small: bytes) -> int | None:
    with Image.open(io.BytesIO(small)) as image:
        return _number(fingerprint.phash_of(image).value)


def _number(value: str | None) -> int | None:
    return int(value, 16) if value else None


def _peer(small: bytes) -> int | None:
    try:
        import imagehash
    except ImportError:
        return None
    with Image.open(io.BytesIO(small)) as image:
        return int(str(imagehash.phash(image)), 16)


# --- the report ------------------------------------------------------------------------------------------------------


def _report(chosen: list[photos.Photo], measured: list[Hashes], missing: list[str]) -> dict[str, Any]:
    by_name = {(photo.source, photo.name): photo for photo in chosen}
    hashed = [each for each in measured if each.phash is not None]
    print("pictures by source:", dict(Counter(each.source for each in measured)))
    print("sources that are not there:", ", ".join(missing) or "none")
    blank = [each.name for each in measured if each.phash is None]
    print(f"{len(measured)} pictures; {len(blank)} blank, never compared: {', '.join(blank)}")

    histogram: Counter[int] = Counter()
    false: list[str] = []
    known: list[str] = []
    for i, a in enumerate(hashed):
        for b in hashed[:i]:
            apart = distance(a.phash or 0, b.phash or 0)
            same = by_name[a.source, a.name].same_as(by_name[b.source, b.name])
            if not same:
                histogram[apart] += 1
            if apart <= NEAR:
                (known if same else false).append(f"{b.name} and {a.name}: {apart} bits")
    pairs = sum(histogram.values())
    print(f"\n{len(hashed)} different pictures, {pairs:,} pairs of different ones: {len(false)} false at {NEAR} bits")
    for line in false:
        print("  FALSE", line)
    for line in known:
        print("  known to show one picture:", line)
    print("distance of different pictures (bits: pairs):", dict(sorted(histogram.items())))

    print(f"\n{'copy':10} {'found':>7} {'of':>5}  recall  median  worst   missed")
    recall = {}
    kinds: dict[str, list[tuple[str, int]]] = defaultdict(list)
    for each in hashed:
        for kind, copy in each.copies.items():
            kinds[kind].append((each.name, 64 if copy is None else distance(copy, each.phash or 0)))
    for kind, apart_by_name in kinds.items():
        bits = [apart for _, apart in apart_by_name]
        found = sum(b <= NEAR for b in bits)
        recall[kind] = found / len(bits)
        lost = [f"{name} ({b})" for name, b in apart_by_name if b > NEAR][:4] if kind in GOALS else []
        print(
            f"{kind:10} {found:7} {len(bits):5}  {recall[kind]:6.1%} {statistics.median(bits):7.0f} {max(bits):6}"
            f"   {', '.join(lost)}"
        )
    goal = [b for kind in GOALS for _, b in kinds[kind]]
    print(f"all that must be found: {sum(b <= NEAR for b in goal):,} of {len(goal):,}, {_share(goal):.2%}")

    peers = [each for each in hashed if each.peer is not None]
    if peers:
        print(f"\nbit for bit as ImageHash's phash: {sum(e.peer == e.phash for e in peers)} of {len(peers)}")
    took = statistics.median(each.milliseconds for each in measured)
    print(f"hashing a rendition: {took:.2f} ms (median, decode included)")
    print(f"candidates of a look-up: 1 in {_candidates(hashed):.0f} of all hashes (uniform ones: 1 in 112)")
    return {"pictures": len(hashed), "pairs": pairs, "false": false, "recall": recall, "histogram": dict(histogram)}


def _share(bits: list[int]) -> float:
    return sum(b <= NEAR for b in bits) / len(bits)


def _candidates(hashed: list[Hashes]) -> float:
    """How few of real hashes the ranges of the index hold."""
    values = [band_values(each.phash or 0) for each in hashed]
    read = 0
    for each, own in zip(hashed, values, strict=True):
        asked = list(ranges(each.phash or 0))
        read += sum(any(a <= other[band] < b for band, a, b in asked) for other in values if other is not own)
    return len(hashed) * (len(hashed) - 1) / max(1, read)


if __name__ == "__main__":
    main()
