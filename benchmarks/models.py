"""All models on one picture, as the steps ask them, beside a loop that does nothing but run the same models.

Photos of people and places go through the pipeline once; then `faces` (with the vectors of each face, sealed),
`moderation` and `tags` (things with boxes, labels) run on each of them one after the other, on one thread, with
everything around the models: reading the rendition, its decode, scaling, boxes, blobs, events. The peer is given the
arrays that the steps gave onnxruntime, ready, and runs the same networks on them. Text is one run for a picture whose
labels were not met lately, and is counted with both. Processor time; each picture is measured in turns.

Run `PHOTOVAULT_MEDIA=~/Pictures python -m benchmarks models`, with the models installed.
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

from benchmarks.measuring import Row, row, scratch
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

            def bare() -> None:
                for session, names, feeds in calls:
                    plain(session, names, feeds)

            spent = []
            for asset in assets:
                fresh = _unembedded(asset)
                calls.clear()
                with mock.patch.object(onnxruntime.InferenceSession, "run", noted):
                    ours(fresh)
                spent.append(_in_turn(lambda asset=fresh: ours(asset), bare, 3 if quick else 5))
            tagging = _batched(vault, assets, 2 if quick else 4)
    steps_s, bare_s = (sum(each) / len(spent) for each in zip(*spent, strict=True))
    name = "models: faces, moderation, tags, text of one picture"
    unit = "pictures/s of a core"
    return [row(name, 1 / steps_s, 1 / bare_s, "bare onnxruntime loop, inputs ready", GOAL, unit), tagging]


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


def _in_turn(first: Callable[[], None], second: Callable[[], None], rounds: int) -> tuple[float, float]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for side, taken in zip((first, second), times, strict=True):
            started = time.thread_time()
            side()
            taken.append(time.thread_time() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def _batched(vault: Any, assets: Sequence[Asset], rounds: int) -> Row:
    """The tagger alone: all pictures in one call, beside one call for each."""
    from steps.tags import looked_at

    paths = [vault.blobs.path(picture.blob) for asset in assets if (picture := looked_at(asset.renditions))]

    def one_by_one() -> None:
        for path in paths:
            vault.tagger.tag([path])

    together, alone = _in_turn(lambda: vault.tagger.tag(paths), one_by_one, rounds)
    count = len(paths)
    return row(
        "models: tags in batches of 16", count / together, count / alone, "one by one", 0.9, "pictures/s of a core"
    )


def _photos(most: int) -> list[Path]:
    folder = os.environ.get("PHOTOVAULT_MEDIA")
    if not folder:
        raise ImportError("PHOTOVAULT_MEDIA names no folder with photos")
    found = (path for name in _FOLDERS for path in sorted((Path(folder) / name).glob("*.jpg")))
    return list(found)[:most]
