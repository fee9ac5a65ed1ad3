"""Peak memory of the process that decodes: each kind of picture at 12 megapixels, and at the largest that is taken.

Each measurement is a fresh process that makes one call and tells its peak resident memory (VmHWM); the bare
process with the libraries loaded is the first row. The pictures are generated. `ratio` says how often it fits into the
memory of the function that does this on AWS. Run `python -m benchmarks.memory [--quick]`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyvips

__all__ = ["run"]

FUNCTION_MB = 1769  # MemorySize of the functions `validate` and `renditions` in template.yaml
GOAL = 1.0

_CALL = """
import json, resource, sys, tempfile
from pathlib import Path
from adapters.media.images import inspect, render
from domain.errors import MediaRejected
from domain.media import Limits
call, source = sys.argv[1:3]
before = resource.getrusage(resource.RUSAGE_SELF)
said = "ok"
try:
    if call == "inspect":
        inspect(Path(source), Limits())
    elif call != "nothing":
        with tempfile.TemporaryDirectory() as into:
            optimise = () if call == "render" else (call,)
            said = " ".join(n for n in render(Path(source), Limits(), into=into, optimise=optimise).notes if "web" in n)
except MediaRejected as error:
    said = error.code
used = resource.getrusage(resource.RUSAGE_SELF)
status = Path("/proc/self/status").read_text()  # ru_maxrss would be the parent's, where that is larger
print(json.dumps({"mb": int(status.partition("VmHWM:")[2].split()[0]) // 1024, "said": said,
    "seconds": round(used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime, 2)}))
"""


def picture(width: int, height: int) -> pyvips.Image:
    """Structure and noise without end, made as it is written: no size takes memory.

    The largest have no noise, or their PNG would be over the limit of bytes.
    """
    noise = pyvips.Image.gaussnoise(width, height, sigma=8 if width < 10_000 else 0)
    waves = pyvips.Image.sines(width, height, hfreq=max(1, width // 300), vfreq=max(1, height // 500))
    bands = [(waves * strength + 128 + noise).cast("uchar") for strength in (90, 60, -70)]
    return bands[0].bandjoin(bands[1:]).copy(interpretation="srgb")


def _jpeg(source: pyvips.Image, path: Path, **options: Any) -> None:
    source.jpegsave(str(path), Q=88, **options)


def _pillow(source: pyvips.Image, path: Path) -> None:
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    Image.fromarray(source.numpy()).save(path, **({"speed": 10} if path.suffix == ".avif" else {}))


def _heic(source: pyvips.Image, path: Path) -> None:
    import pillow_heif

    pillow_heif.register_heif_opener(thumbnails=False)
    pillow_heif.from_bytes("RGB", (source.width, source.height), source.write_to_memory()).save(
        path, quality=60, enc_params={"preset": "ultrafast"}
    )


def _jxl(source: pyvips.Image, path: Path) -> None:
    import pylibjxl

    path.write_bytes(pylibjxl.encode(source.numpy(), effort=1))


_KINDS: dict[str, tuple[str, Callable[[pyvips.Image, Path], None], tuple[int, int]]] = {
    "JPEG, baseline": (".jpg", _jpeg, (20_000, 20_000)),
    "JPEG, progressive": (".jpg", lambda s, p: _jpeg(s, p, interlace=True), (20_000, 20_000)),
    "PNG": (".png", lambda s, p: s.pngsave(str(p), compression=1), (20_000, 20_000)),
    "PNG, interlaced": (".png", lambda s, p: s.pngsave(str(p), compression=1, interlace=True), (0, 0)),
    "TIFF": (".tif", lambda s, p: s.tiffsave(str(p), compression="none"), (13_000, 13_000)),
    "WebP": (".webp", lambda s, p: s.webpsave(str(p), Q=60, effort=0), (0, 0)),
    "GIF": (".gif", lambda s, p: s.gifsave(str(p), effort=1), (0, 0)),
    "BMP": (".bmp", _pillow, (0, 0)),
    "HEIC": (".heic", _heic, (0, 0)),
    "AVIF": (".avif", _pillow, (0, 0)),
    "JPEG XL": (".jxl", _jxl, (0, 0)),
}
"""Name -> suffix, writer, and the size of the largest that is measured (0: only 12 and 48 megapixels)."""


def run(quick: bool = False) -> list[dict[str, Any]]:
    """Measure; a ratio over 1 means that it fits."""
    rows = [_row("the process with its libraries", _measure("nothing", Path("-")))]
    sizes = [(4000, 3000)] if quick else [(4000, 3000), (8000, 6000)]
    for name, (suffix, write, largest) in _KINDS.items():
        for size in [*sizes, *([largest] if largest[0] and not quick else [])]:
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder) / f"picture{suffix}"
                write(picture(*size), path)
                web = _WEB if name == "JPEG, baseline" and size[0] < 10_000 else ()
                calls = {"inspect": "inspect", "render": "render"} | {f"web {kind}": kind for kind in web}
                rows += [
                    _row(f"{name} {size[0]} x {size[1]}: {said}", _measure(call, path)) for said, call in calls.items()
                ]
    return rows


_WEB = ("jpeg", "webp", "avif")


def _measure(call: str, path: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, "-c", _CALL, call, str(path)], capture_output=True, text=True, check=False, timeout=600
    )
    if done.returncode:
        return {"mb": 0, "said": done.stderr.strip().splitlines()[-1] if done.stderr else f"ended {done.returncode}"}
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def _row(name: str, found: dict[str, Any]) -> dict[str, Any]:
    said = "" if found["said"] in ("ok", "") else f" ({found['said']})"
    return {
        "name": f"memory: {name}{said}",
        "ours": found["mb"],
        "peer": FUNCTION_MB,
        "peer_name": "memory of the function",
        "ratio": round(FUNCTION_MB / max(1, found["mb"]), 2),
        "goal": GOAL,
        "unit": f"MB, {found.get('seconds', 0)} s of processor time",
    }


if __name__ == "__main__":
    for row in run("--quick" in sys.argv):
        print(f"{row['ours']:>6} MB  {row['name']}  [{row['unit']}]", flush=True)
