"""The whole path of real phones' and cameras' videos, from a folder to the gallery; needs PHOTOVAULT_MEDIA/video."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from adapters.media.sandbox import SandboxedMediaEngine
from domain.commits import split_stream
from domain.errors import MediaFailed, MediaRejected
from domain.events import AssetUploaded, MetadataExtracted, PosterExtracted, RenditionsGenerated, VideoAnalyzed
from domain.media import Limits
from photovault.auditing import describe
from photovault.config import Settings
from photovault.importer import find_files, import_files
from photovault.runtime import Runtime
from photovault.vault import Vault

MEDIA = Path(os.environ.get("PHOTOVAULT_MEDIA") or "/nonexistent")
VIDEOS = sorted((MEDIA / "video").glob("*"))
pytestmark = pytest.mark.skipif(not VIDEOS, reason="PHOTOVAULT_MEDIA does not name a folder with sample videos")

EXPECTED: dict[str, dict[str, Any]] = {
    "bear-vp9-odd-dimensions.webm": {"codec": "vp9", "width": 161, "height": 121},
    "ftyp3gp5.mp4": {"codec": "h264", "width": 720, "height": 1280, "rotation": 90},
    "h265_with_metadata_track.mp4": {"codec": "hevc", "width": 1080, "height": 1920, "rotation": 90},
    "hdr10-video-with-sdr-container.mp4": {"codec": "hevc", "hdr": "hdr10", "bit_depth": 10, "primaries": "bt2020"},
    "portrait_4k60.mp4": {"codec": "h264", "width": 2160, "height": 3840, "rotation": 90},
    "sample.mkv": {"codec": "h264", "width": 1080, "height": 720},
    "sample_av1.mp4": {"codec": "av1", "width": 1080, "height": 720},
    "sample_mpeg4.mp4": {"codec": "mpeg4", "width": 190, "height": 240},
    "with-gps.mov": {"codec": "h264", "width": 320, "height": 568, "rotation": 90},
}


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, dict[type, Any]]]:
    """Events of each file by type, and its blobs' folder under `Path`, after an import and all the work."""
    with Vault(Settings(tmp_path_factory.mktemp("vault"), "me", 2), create=True) as vault:
        import_files(vault, find_files([MEDIA / "video"]))
        Runtime(vault).run()
        streams: dict[str, dict[type, Any]] = {}
        for commit in vault.commits.tail(None, 100_000).commits:
            if split_stream(commit.stream)[1] != "asset":
                continue
            for recorded in vault.store.events_of(commit):
                streams.setdefault(commit.stream, {})[type(recorded.event)] = recorded.event
        named = {by[AssetUploaded].file_name: by for by in streams.values()}
        for by in named.values():
            by[Path] = vault.locate
        yield named


@pytest.mark.parametrize("name", [path.name for path in VIDEOS])
def test_every_video_ends_with_facts_poster_preview_strip_and_renditions(found: Any, name: str) -> None:
    events = found[name]
    video, poster, made = events[VideoAnalyzed], events[PosterExtracted], events[RenditionsGenerated]
    facts = video.video
    for field, expected in EXPECTED.get(name, {}).items():
        assert getattr(facts, field) == expected, field
    assert video.duration_ms > 0
    assert facts.frame_rate > 5
    assert video.notes == ()
    assert (events[MetadataExtracted].width, events[MetadataExtracted].height) == (facts.width, facts.height)
    assert describe(video)
    assert describe(poster)
    with Image.open(events[Path](poster.blob)) as picture:
        assert picture.size == (poster.width, poster.height)
        assert abs(picture.width / picture.height - facts.width / facts.height) < 0.01
        luma = np.asarray(picture.convert("L"), np.float32)
        assert luma.mean() > 15, "the poster is black"
        assert luma.std() > 15, "the poster is flat"
    assert {r.name for r in made.renditions} >= {"small", "medium", "large"}
    assert max(r.width * r.height for r in made.renditions) <= poster.width * poster.height
    with Image.open(events[Path](poster.preview.blob)) as preview:
        assert preview.n_frames == poster.preview.frames > 1
        assert max(preview.size) <= 320
    with Image.open(events[Path](poster.strip.blob)) as strip:
        assert strip.size == (
            poster.strip.columns * poster.strip.tile_width,
            poster.strip.rows * poster.strip.tile_height,
        )


def test_hdr10_is_not_washed_out(found: Any) -> None:
    """The sky of this sample is a deep blue and its walls are white: both must be there in SDR."""
    events = found.get("hdr10-video-with-sdr-container.mp4")
    if events is None:
        pytest.skip("the HDR10 sample is not there")
    assert events[PosterExtracted].tone_mapped
    with Image.open(events[Path](events[PosterExtracted].blob)) as picture:
        rgb = np.asarray(picture.convert("RGB"), np.float32)
    low, high = np.percentile(rgb, (2, 98))
    assert low < 40
    assert high > 230
    sky = rgb[: rgb.shape[0] // 4].reshape(-1, 3)
    blue = sky[:, 2] - sky[:, 0]
    assert np.percentile(blue, 75) > 60


@pytest.mark.parametrize("path", sorted((MEDIA / "bad").glob("*")), ids=lambda p: p.name)
def test_a_bad_file_that_is_analysed_unasked_ends_with_a_reason(tmp_path: Path, path: Path) -> None:
    with SandboxedMediaEngine(Limits(max_seconds=30)) as engine, pytest.raises((MediaRejected, MediaFailed)) as refusal:
        engine.analyze_video(path, tmp_path)
    assert str(refusal.value)
