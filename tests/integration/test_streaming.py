"""A video from import to playback: planned, encoded in parts side by side, joined, exported, played."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import av
import pytest

from domain.asset import Asset, asset_stream, fold, request_reprocess
from domain.errors import InvalidInput, PhotoVaultError
from domain.events import ChunkEncoded, StepFailed, StepSkipped, VideoTranscoded
from domain.playlists import blobs_in
from domain.transcoding import plan
from photovault.config import Settings
from photovault.importer import find_files, import_files
from photovault.rebuilding import rebuild
from photovault.runtime import Runtime, catch_up
from photovault.vault import Vault
from photovault.video_export import export_video
from projections import PROJECTIONS
from tests.e2e.streaming_driver import SMALL_PARTS
from tests.support.factories import OWNER, append, jpeg
from tests.support.fakes import active_rows
from tests.support.videos import click_times, drift, flashes, make_video, number_of, pictures_of, sound_of
from tests.support.waiting import wait_for

SECONDS = 6
ROOT = Path(__file__).resolve().parents[2]
MEDIA = Path(os.environ.get("PHOTOVAULT_MEDIA", "/nowhere"))
HEVC = {"preset": "ultrafast", "x265-params": "log-level=none"}


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Cut into parts of one second."""
    monkeypatch.setattr("steps.transcode.plan", partial(plan, limits=SMALL_PARTS))


@pytest.fixture
def vault(tmp_path: Path) -> Iterator[Vault]:
    with Vault(Settings(tmp_path / "vault", OWNER, 2), create=True) as made:
        yield made


def bring(vault: Vault, folder: Path) -> list[str]:
    """Import a folder; streams of its assets, by file name."""
    import_files(vault, find_files([folder]))
    streams = [stream for segment in vault.commits.segments(1) for stream in streams_of(vault, segment)]
    return sorted(streams, key=lambda stream: load(vault, stream).uploaded.file_name)  # type: ignore[union-attr]


def streams_of(vault: Vault, segment: str) -> list[str]:
    names = dict.fromkeys(commit.stream for commit in vault.commits.segment(segment))
    return [name for name in names if "#asset#" in name]


def load(vault: Vault, stream: str) -> Asset:
    return fold(stream, vault.store.load(stream).events)


def events(vault: Vault, stream: str, kind: type[Any]) -> list[Any]:
    return [each.event for each in vault.store.load(stream).events if isinstance(each.event, kind)]


@pytest.mark.usefixtures("small_parts")
def test_a_video_is_encoded_in_parts_and_plays_as_one(vault: Vault, tmp_path: Path) -> None:
    photos = tmp_path / "videos"
    photos.mkdir()
    make_video(photos / "a.mp4", SECONDS, codec="libx265", options=HEVC, audio="aac")
    [stream] = bring(vault, photos)
    Runtime(vault).run()
    asset = load(vault, stream)
    assert asset.state == "done"
    assert len(asset.chunks) == SECONDS + 1  # one for each second, one for the sound
    made = export_video(vault, stream, tmp_path / "web")
    assert made.master is not None
    with av.open(str(made.master)) as container:
        assert container.format.name == "hls"
        tracks = [(track.type, track.width if track.type == "video" else 0) for track in container.streams]  # type: ignore[attr-defined]
        assert Counter(tracks) == {("video", 320): 1, ("audio", 0): 1}
    shown = pictures_of(made.master)
    assert [number_of(image) for _, image in shown] == list(range(30 * SECONDS))
    assert [at - shown[0][0] for at, _ in shown] == pytest.approx([n / 30 for n in range(30 * SECONDS)], abs=1e-3)
    assert drift(made.master) <= 0.04
    shown = pictures_of(made.video)
    assert [number_of(image) for _, image in shown] == list(range(30 * SECONDS))
    assert [at for at, _ in shown] == pytest.approx([n / 30 for n in range(30 * SECONDS)], abs=1e-3)
    assert drift(made.video) <= 0.04
    assert [number_of(i) for _, i in shown if flashes(i)] == [n for n in range(30 * SECONDS) if n % 30 < 3]
    assert click_times(sound_of(made.video)[2], 48_000) == pytest.approx(list(range(SECONDS)), abs=0.025)


@pytest.mark.usefixtures("small_parts")
def test_every_playlist_is_whole_and_every_byte_range_plays_alone(vault: Vault, tmp_path: Path) -> None:
    photos = tmp_path / "videos"
    photos.mkdir()
    make_video(photos / "a.webm", 4, size=(640, 360), codec="libvpx-vp9", audio="libopus",
               options={"deadline": "realtime", "cpu-used": "8"})  # fmt: skip
    [stream] = bring(vault, photos)
    Runtime(vault).run()
    web = tmp_path / "web"
    export_video(vault, stream, web)
    assert {path.name for path in web.glob("*.m3u8")} == {"master.m3u8", "360p.m3u8", "240p.m3u8", "audio.m3u8"}
    for name in ("360p", "240p"):
        count = 0
        lines = (web / f"{name}.m3u8").read_text().splitlines()
        head_name, head_bytes = lines[6].split('"')[1], int(lines[6].split('"')[3].partition("@")[0])
        head = (web / head_name).read_bytes()[:head_bytes]
        for duration, span, place in zip(lines[7::3], lines[8::3], lines[9::3], strict=False):
            size, at = (int(n) for n in span.removeprefix("#EXT-X-BYTERANGE:").split("@"))
            alone = tmp_path / "alone.mp4"
            alone.write_bytes(head + (web / place).read_bytes()[at : at + size])
            numbers = [number_of(image) for _, image in pictures_of(alone)]
            assert numbers == list(range(count, count + len(numbers)))
            assert float(duration.removeprefix("#EXTINF:").rstrip(",")) == pytest.approx(len(numbers) / 30, abs=1e-4)
            count += len(numbers)
        assert count == 120
        assert lines[-1] == "#EXT-X-ENDLIST"


@pytest.mark.usefixtures("small_parts")
def test_asked_for_again_a_video_is_planned_anew_and_joined_once_more(vault: Vault, tmp_path: Path) -> None:
    photos = tmp_path / "videos"
    photos.mkdir()
    make_video(photos / "a.mkv", 2, options={"preset": "ultrafast"}, codec="mpeg4")
    [stream] = bring(vault, photos)
    Runtime(vault).run()
    asked = request_reprocess(load(vault, stream), "transcode", "another ladder")
    append(vault.store, stream, asked)
    Runtime(vault).run()
    assert len(events(vault, stream, VideoTranscoded)) == 2
    assert Counter(event.part for event in events(vault, stream, ChunkEncoded)) == {0: 2, 1: 2}
    assert load(vault, stream).state == "done"
    one, two = events(vault, stream, VideoTranscoded)
    assert one.mp4 is not None
    assert two.mp4 is not None
    # Not the bytes: of 60 runs of x264 over the same pictures, one or two differ in a few.
    assert (one.mp4.width, one.mp4.height, one.duration_ms) == (two.mp4.width, two.mp4.height, two.duration_ms)
    assert [r.name for r in one.renditions] == [r.name for r in two.renditions]
    live = active_rows(vault)
    result = rebuild(vault, [projection.name for projection in PROJECTIONS])
    assert result.equal
    assert active_rows(vault) == live


def await_parts(vault: Vault, stream: str, process: subprocess.Popen[bytes], more: int) -> None:
    """Wait until so many more parts were recorded, or the worker has ended."""
    wanted = len(events(vault, stream, ChunkEncoded)) + more
    assert wait_for(lambda: len(events(vault, stream, ChunkEncoded)) >= wanted or process.poll() is not None, 60)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_a_worker_killed_in_the_middle_of_the_parts_loses_none_and_repeats_none(tmp_path: Path) -> None:
    photos = tmp_path / "videos"
    photos.mkdir()
    seconds = 12
    make_video(photos / "a.mp4", seconds, codec="mpeg4", audio="aac")
    home, dice = tmp_path / "vault", random.Random(11)
    with Vault(Settings(home, OWNER, 2), create=True) as vault:
        [stream] = bring(vault, photos)
        for _ in range(3):
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.e2e.streaming_driver", str(home), OWNER],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
            try:
                await_parts(vault, stream, process, dice.randint(1, 3))
                assert process.poll() is None, "it ended before it was killed: there is too little to do"
            finally:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
        subprocess.run([sys.executable, "-m", "tests.e2e.streaming_driver", str(home), OWNER], cwd=ROOT, check=True)
        assert load(vault, stream).state == "done"
        assert Counter(event.part for event in events(vault, stream, ChunkEncoded)) == dict.fromkeys(
            range(seconds + 1), 1
        )
        assert len(events(vault, stream, VideoTranscoded)) == 1
        assert {event.error for event in events(vault, stream, StepFailed)} <= {"DecoderKilled"}
        catch_up(vault)
        made = export_video(vault, stream, tmp_path / "web")
    assert [number_of(image) for _, image in pictures_of(made.video)] == list(range(30 * seconds))


class TestExport:
    def test_what_needs_nothing_is_exported_as_it_is(self, vault: Vault, tmp_path: Path) -> None:
        photos = tmp_path / "videos"
        photos.mkdir()
        source = make_video(photos / "a.mp4", 2, audio="aac", container_options={"movflags": "faststart"})
        [stream] = bring(vault, photos)
        Runtime(vault).run()
        assert "plays everywhere" in next(
            event.reason for event in events(vault, stream, StepSkipped) if event.run.step == "transcode"
        )
        made = export_video(vault, stream, tmp_path / "web")
        assert made.master is None
        assert made.video.read_bytes() == source.read_bytes()

    def test_a_picture_an_unready_video_and_a_folder_in_use_are_refused(self, vault: Vault, tmp_path: Path) -> None:
        photos = tmp_path / "videos"
        photos.mkdir()
        make_video(photos / "a.mkv", 1)
        (photos / "b.jpg").write_bytes(jpeg(1))
        (photos / "c.mp4").write_bytes(b"\0\0\0\x18ftypisom" + bytes(100))
        streams = bring(vault, photos)
        with pytest.raises(PhotoVaultError, match="not validated yet"):
            export_video(vault, streams[0], tmp_path / "web")
        Runtime(vault).run()
        with pytest.raises(InvalidInput, match="not a video"):
            export_video(vault, streams[1], tmp_path / "web")
        with pytest.raises(PhotoVaultError, match="quarantined"):
            export_video(vault, streams[2], tmp_path / "web")
        with pytest.raises(InvalidInput, match="not an empty folder"):
            export_video(vault, streams[0], photos)
        export_video(vault, streams[0], tmp_path / "web")
        assert (tmp_path / "web" / "video.mp4").exists()


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(not (MEDIA / "video").is_dir(), reason="no sample media: set PHOTOVAULT_MEDIA")
def test_every_real_video_ends_with_a_reason_to_be_left_alone_or_plays(vault: Vault, tmp_path: Path) -> None:
    for stream in bring(vault, MEDIA / "video"):
        assert stream == asset_stream(OWNER, stream.rpartition("#")[2])
    Runtime(vault).run()
    for stream in streams_of(vault, vault.commits.segments(1)[0]):
        asset = load(vault, stream)
        assert asset.state in ("done", "quarantined"), asset.uploaded
        if asset.quarantined is not None:
            continue
        assert asset.video is not None
        made = export_video(vault, stream, tmp_path / "web" / asset.id)
        shown = pictures_of(made.video)
        seconds = (asset.video.duration_ms or 0) / 1000
        assert shown[-1][0] == pytest.approx(seconds, abs=0.1 * seconds + 0.1)
        width, height = asset.video.video.width, asset.video.video.height
        image = shown[0][1]
        assert (image.shape[1] > image.shape[0]) == (width > height), asset.uploaded
        assert image.shape[1] / image.shape[0] == pytest.approx(width / height, rel=0.02)
        if made.master is not None:
            assert asset.transcoded is not None
            with av.open(str(made.master)) as container:
                assert len(container.streams.video) == len(asset.transcoded.renditions)
            for index in range(len(asset.transcoded.renditions)):
                assert len(pictures_of(made.master, index)) > 0
            for rendition in asset.transcoded.renditions:
                for blob in blobs_in(vault.blobs.get(rendition.playlist).decode()):
                    assert vault.blobs.path(blob).exists()
