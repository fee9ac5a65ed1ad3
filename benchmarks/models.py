"""All models on one picture, as the steps ask them, beside a loop that does nothing but run the same models.

Photos of people and places go through the pipeline once; then `faces` (with the vectors of each face, sealed),
`moderation` and `tags` (things with boxes, labels) run on each of them one after the other, on one thread, with
everything around the models: reading the rendition, its decode, scaling, boxes, blobs, events. The first peer decodes
the rendition once with Pillow, scales it to each network's input and runs the same networks on the arrays that the
steps gave them; the second only runs them. Text is one run for a picture whose labels were not met lately, and is
counted with all. Processor time; each picture is measured in turns.

Run `PHOTOVAULT_MEDIA=~/Pictures python -m benchmarks models`, with the models installed.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
from PIL import Image

from benchmarks.measuring import Row, in_turn, row, scratch
from domain.asset import Asset, Attempt, fold
from domain.commits import split_stream
from domain.events import AssetEmbedded, AssetTagged, ContentModerated, Event, FacesDetected
from domain.pipeline import STEPS
from photovault.config import Settings

__all__ = ["run"]

GOAL = 1 / 1.15
"""At most 15 % more processor time than the bare loop."""

_PHOTOS = 48
_FOLDERS = ("camera", "faces", "gps", "orientation")
_ASKED = (("faces", FacesDetected), ("moderation", ContentModerated), ("tags", AssetTagged), ("embed", AssetEmbedded))


def run(quick: bool = False) -> list[Row]:
    """Rows: pictures a second of one processor."""
    import onnxruntime

    from adapters.ml import pictures
    from steps.tags import looked_at

    photos = _photos(12 if quick else _PHOTOS)
    calls: list[tuple[Any, Any, Any]] = []
    plain = onnxruntime.InferenceSession.run

    def noted(session: Any, names: Any, feeds: Any, *rest: Any) -> Any:
        calls.append((session, names, feeds))
        return plain(session, names, feeds, *rest)

    with scratch() as folder:
        from photovault.vault import Vault

        with Vault(Settings(folder / "vault", "me", 2), create=True) as vault:
            assets = _processed(vault, photos)
            looks = pictures.decoded.cache_info()
            print(f"{len(assets)} pictures; decoded {looks.misses} times for {looks.hits + looks.misses} looks")
            steps = vault.worker._steps
            ports = vault.worker._ports
            functions = [(STEPS[name], steps[name], outcome) for name, outcome in _ASKED]

            def ours(asset: Asset) -> None:
                pictures.decoded.cache_clear()
                vault.texts._known.clear()  # type: ignore[union-attr]
                for step, function, outcome in functions:
                    found: Sequence[Event] = function(asset, Attempt(step, 1, "", step.name), ports)
                    assert isinstance(found[0], outcome), found[0]

            def ready() -> None:
                for session, names, feeds in calls:
                    plain(session, names, feeds)

            def bare(rendition: Path) -> None:
                with Image.open(rendition) as opened:
                    picture = opened.convert("RGB")
                for session, names, feeds in calls:
                    for given in feeds.values():
                        _prepared(picture, given)
                    plain(session, names, feeds)

            spent = []
            for asset in assets:
                fresh = _unembedded(asset)
                calls.clear()
                with mock.patch.object(onnxruntime.InferenceSession, "run", noted):
                    ours(fresh)
                rendition = vault.blobs.path(looked_at(asset.renditions).blob)  # type: ignore[union-attr]
                sides = (partial(ours, fresh), partial(bare, rendition), ready)
                spent.append(_in_turn(sides, 3 if quick else 5))
    steps_s, bare_s, ready_s = (sum(each) / len(spent) for each in zip(*spent, strict=True))
    name = "models: faces, moderation, tags, text of one picture"
    unit = "pictures/s of a core"
    return [
        row(name, 1 / steps_s, 1 / bare_s, "onnxruntime, one decode, scaling", GOAL, unit),
        row(name, 1 / steps_s, 1 / ready_s, "onnxruntime, arrays ready", GOAL, unit),
    ]


def _prepared(picture: Image.Image, given: Any) -> Any:
    """What a plain loop does for an input: scale the picture to it, whole, and make numbers of it. Not for words, and
    not for the cut-outs of faces, which are counted as ready."""
    if given.ndim != 4 or len(given) > 2 or min(given.shape[2:]) < 4:
        return given
    channels_last = given.shape[3] == 3
    one, other = given.shape[1:3] if channels_last else given.shape[2:4]
    made = [picture.resize((other, one), Image.Resampling.BILINEAR) for _ in given]
    return (np.stack([np.asarray(each, np.float32) for each in made]) - 127) / 128


def _processed(vault: Any, photos: Sequence[Path]) -> list[Asset]:
    """Import, agree to faces, and run the whole pipeline; the assets as they then stand."""
    from photovault.importer import import_files
    from photovault.runtime import Runtime

    import_files(vault, photos)
    vault.people.agree("me", "benchmark")
    Runtime(vault).run()
    streams = dict.fromkeys(commit.stream for commit in vault.commits.tail(None, 100_000).commits)
    loaded = [vault.store.load(stream) for stream in streams if split_stream(stream)[1] == "asset"]
    assets = [fold(each.stream, each.events) for each in loaded]
    return [each for each in assets if each.renditions is not None and each.tagged is not None]


def _unembedded(asset: Asset) -> Asset:
    """As before `embed` ran: the same words would cost it nothing."""
    from msgspec import structs

    return structs.replace(asset, embedded=None)


def _in_turn(sides: Sequence[Callable[[], None]], rounds: int) -> list[float]:
    def timed(side: Callable[[], None]) -> float:
        started = time.thread_time()
        side()
        return time.thread_time() - started

    return in_turn([partial(timed, side) for side in sides], rounds)


def _photos(most: int) -> list[Path]:
    folder = os.environ.get("PHOTOVAULT_MEDIA")
    if not folder:
        raise ImportError("PHOTOVAULT_MEDIA names no folder with photos")
    found = (path for name in _FOLDERS for path in sorted((Path(folder) / name).glob("*.jpg")))
    return list(found)[:most]
