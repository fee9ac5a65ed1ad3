"""The whole system on an emulator: the real template, deployed by CloudFormation; photos put into S3; rows read back.

One deployment goes through one story (upload, process, replay, break a step, redrive), and each test reads one claim
from what it left behind. What the emulator can't show is listed in docs/emulator.md.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from msgspec import Struct

from domain.asset import fold
from domain.commits import Commit
from domain.eventstore import verify_chain
from domain.pipeline import STEPS
from domain.ports import DeadLetter
from infrastructure.deploy_emulated import deploy
from infrastructure.emulator import MISSING, connect, emulator, executable
from photovault.auditing import Life, life_of
from photovault.aws import replay as cloud_replay
from photovault.aws.cloud import Cloud, CloudSettings
from photovault.aws.rebuild import Order
from photovault.config import Settings
from photovault.reprocessing import dead_letters, redrive
from photovault.sample import write_sample_library
from photovault.vault import Vault
from projections.gallery import GalleryItem
from tests.support.films import write_webm
from tests.support.waiting import wait_for

OWNER = "anna"
GOOD = ("IMG_2103.heic", "IMG_2102.jpg", "DSCF3002.jpg", "DSCF3004.webp")
BAD = ("IMG_4004_cut_short.jpg", "not_a_photo.jpg")
FILM = "a film.webm"  # VP9: made ready for the web in parts
LATE = "IMG_4001.jpg"  # its renditions are broken on purpose
FUNCTION = "photovault-dev-renditions"

pytestmark = pytest.mark.timeout(600)


class Story(Struct):
    """What one deployment left behind."""

    cloud: Cloud
    outputs: dict[str, str]
    after_upload: dict[str, GalleryItem] = {}
    replayed: cloud_replay.State | None = None
    rows_before: dict[str, bytes] = {}
    rows_after: dict[str, bytes] = {}
    letters: list[DeadLetter] = []
    broken: Life | None = None
    redriven: int = 0
    in_the_end: dict[str, GalleryItem] = {}
    endpoint: str = ""


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """Deploy, upload, process, replay, break, redrive."""
    if executable() is None:
        pytest.skip(MISSING)
    photos = tmp_path_factory.mktemp("photos")
    write_sample_library(photos)
    write_webm(photos / FILM)
    with emulator() as endpoint:
        outputs = deploy(endpoint)
        aws = connect(endpoint)
        cloud = Cloud(CloudSettings.of(_environment(outputs, endpoint)), aws)
        told = Story(cloud, outputs, endpoint=endpoint)
        _upload(told, photos, (*GOOD, *BAD, FILM))
        _upload(told, photos, GOOD[:1])  # S3 tells of it again, as a new version with the same bytes
        aws.s3.upload_file(str(photos / GOOD[1]), outputs["OriginalsBucket"], "nobody knows/this key.jpg")
        aws.s3.put_object(Bucket=outputs["OriginalsBucket"], Key=f"{OWNER}/a folder/", Body=b"")
        _until(lambda: _ended(told, len(GOOD) + len(BAD) + 2))
        told.after_upload = _gallery(told)
        _break_and_upload(told, photos, endpoint)
        _replay(told)
        told.letters = wait_for(lambda: dead_letters(cloud), 240)
        told.broken = _life(told, LATE)
        _mend(told, endpoint)
        told.redriven = redrive(cloud, "operator")
        _until(lambda: _gallery(told)[LATE].state == "done")
        told.in_the_end = _gallery(told)
        yield told
        cloud.close()


def _environment(outputs: dict[str, str], endpoint: str) -> dict[str, str]:
    names = ("EventsTable", "CheckpointsTable", "KeysTable", "ViewsPrefix", "QueuesPrefix")
    buckets = ("OriginalsBucket", "DerivedBucket", "ArchiveBucket")
    upper = {"".join("_" + c if c.isupper() else c.upper() for c in name).lstrip("_"): name for name in names + buckets}
    return {variable: outputs[name] for variable, name in upper.items()} | {"AWS_ENDPOINT_URL": endpoint}


def _upload(told: Story, photos: Path, names: tuple[str, ...]) -> None:
    for name in names:
        told.cloud.aws.s3.upload_file(str(photos / name), told.outputs["OriginalsBucket"], f"{OWNER}/{name}")


def _until(condition: Callable[[], bool], seconds: float = 240) -> None:
    assert wait_for(condition, seconds), f"not within {seconds} seconds"


def _totals(told: Story) -> dict[str, Any]:
    try:
        _, table = told.cloud.generations.active("processing")
    except Exception:  # no function has registered the projections yet
        return {}
    return dict(told.cloud.views.totals(table, OWNER))


def _ended(told: Story, assets: int) -> bool:
    counts = _totals(told).get("assets", {})
    return counts.get("total") == assets and not counts.get("processing")


def _rows(told: Story) -> dict[str, bytes]:
    _, table = told.cloud.generations.active("gallery")
    return {row.key: row.data for row in told.cloud.views.query(table, OWNER, limit=1000).rows}


def _gallery(told: Story) -> dict[str, GalleryItem]:
    projection, _ = told.cloud.generations.active("gallery")
    items = [projection.decode(data) for data in _rows(told).values()]
    return {item.file_name: item for item in sorted(items, key=lambda item: len(item.renditions))}


def _life(told: Story, name: str) -> Life:
    stream = f"{OWNER}#asset#{_gallery(told)[name].asset}"
    return life_of(stream, told.cloud.store.load(stream).events)


def _lambda(told: Story, endpoint: str) -> Any:
    return told.cloud.aws.session.client("lambda", endpoint_url=endpoint)


def _break_and_upload(told: Story, photos: Path, endpoint: str) -> None:
    variables = _variables(told, endpoint) | {"DERIVED_BUCKET": "a-bucket-that-is-not-there"}
    _lambda(told, endpoint).update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": variables})
    _upload(told, photos, (LATE,))


def _mend(told: Story, endpoint: str) -> None:
    variables = _variables(told, endpoint) | {"DERIVED_BUCKET": told.outputs["DerivedBucket"]}
    _lambda(told, endpoint).update_function_configuration(FunctionName=FUNCTION, Environment={"Variables": variables})


def _variables(told: Story, endpoint: str) -> dict[str, str]:
    found = _lambda(told, endpoint).get_function_configuration(FunctionName=FUNCTION)
    return dict(found["Environment"]["Variables"])


def _replay(told: Story) -> None:
    told.rows_before = _rows(told)
    execution = cloud_replay.start(told.cloud, told.outputs["ReplayStateMachineArn"], Order())
    _until(lambda: cloud_replay.progress(told.cloud, execution).ended)
    told.replayed = cloud_replay.progress(told.cloud, execution)
    told.rows_after = _rows(told)


# --- what it shows ---------------------------------------------------------------------------------------------------


def test_every_good_upload_ends_done_with_its_pictures(story: Story) -> None:
    for name in GOOD:
        item = story.after_upload[name]
        assert item.state == "done", name
        assert set(item.renditions) >= {"small", "medium", "large"}
        for picture in item.renditions.values():
            assert len(story.cloud.blobs.get(picture.blob)) == picture.bytes


def test_a_video_ends_done_with_a_poster_an_mp4_and_a_stream(story: Story) -> None:
    item = story.after_upload[FILM]
    assert (item.state, item.kind, item.plays) == ("done", "video", "mp4")
    assert "small" in item.renditions
    assert item.mp4 is not None
    mp4 = story.cloud.blobs.get(item.mp4.blob)
    assert (len(mp4), mp4[4:8]) == (item.mp4.bytes, b"ftyp")
    assert item.stream is not None
    assert story.cloud.blobs.get(item.stream).startswith(b"#EXTM3U")


def test_a_place_has_its_name_and_a_picture_its_fingerprint(story: Story) -> None:
    item = story.after_upload["DSCF3002.jpg"]
    assert item.place is not None
    assert item.place.country_code == "JP"
    asset = fold("", story.cloud.store.load(f"{OWNER}#asset#{item.asset}").events)
    assert asset.fingerprint is not None
    assert asset.steps["duplicates"].status == "done"


def test_dates_places_and_cameras_are_there(story: Story) -> None:
    item = story.after_upload["DSCF3002.jpg"]
    assert item.camera == "FUJIFILM X-T4"
    assert item.taken_at is not None
    assert item.taken_at.startswith("2023-04-02T10:44:39")
    assert item.latitude == pytest.approx(34.9671, abs=1e-3)


def test_every_bad_upload_ends_quarantined(story: Story) -> None:
    for name in BAD:
        assert story.after_upload[name].state == "quarantined", name
        assert not story.after_upload[name].renditions


def test_the_same_bytes_again_are_a_duplicate_and_make_no_second_set_of_pictures(story: Story) -> None:
    same = [
        fold(stream, story.cloud.store.load(stream).events)
        for stream in (f"{OWNER}#asset#{key}" for key in story.rows_before)
    ]
    twice = [asset for asset in same if asset.uploaded and asset.uploaded.file_name == GOOD[0]]
    assert len(twice) == 2
    assert sorted(bool(asset.duplicate_of) for asset in twice) == [False, True]
    assert sum(asset.renditions is not None for asset in twice) == 1


def test_an_upload_under_an_unknown_key_is_adopted_by_the_default_owner(story: Story) -> None:
    projection, table = story.cloud.generations.active("gallery")
    (row,) = story.cloud.views.query(table, "home").rows
    item = projection.decode(row.data)
    assert (item.file_name, item.state) == ("this key.jpg", "done")


def test_an_object_that_is_no_file_is_refused_with_an_event(story: Story) -> None:
    refused = [
        recorded.event
        for commit in _history(story)
        if "#intake#" in commit.stream
        for recorded in story.cloud.store.events_of(commit)
    ]
    assert [type(event).__name__ for event in refused] == ["UploadRefused"]


def test_replay_on_the_state_machine_is_equal_to_the_live_rows_and_switches(story: Story) -> None:
    assert story.replayed is not None
    assert story.replayed.status == "SUCCEEDED", story.replayed.error
    outcome = story.replayed.outcome
    assert outcome is not None
    assert (outcome.done, outcome.equal, outcome.switched) == (True, True, True)
    done = {name for name, item in story.after_upload.items() if item.state == "done"}
    assert done >= set(GOOD)
    for key, data in story.rows_before.items():
        if key in {story.after_upload[name].asset for name in GOOD + BAD}:
            assert story.rows_after[key] == data


def test_a_broken_step_is_tried_again_given_up_and_buried_with_its_reason(story: Story) -> None:
    assert [(letter.queue, "a-bucket-that-is-not-there" in letter.reason) for letter in story.letters] == [
        ("renditions", True)
    ]
    assert story.broken is not None
    outcomes = [entry.outcome for entry in story.broken.entries if entry.step == "renditions"]
    assert outcomes == ["failed"] * 4 + ["given_up"]
    attempts = [entry.attempt for entry in story.broken.entries if entry.step == "renditions"]
    assert attempts == [1, 2, 3, 4, 5]
    assert story.broken.state == "given_up"


def test_a_redrive_brings_it_to_its_end(story: Story) -> None:
    assert story.redriven == 1
    assert story.in_the_end[LATE].state == "done"
    assert set(story.in_the_end[LATE].renditions) >= {"small", "medium", "large"}
    assert dead_letters(story.cloud) == []


def test_the_audit_tells_the_life_of_a_photo_and_why(story: Story) -> None:
    life = _life(story, LATE)
    assert life.due == []
    known = {entry.event_id for entry in life.entries}
    assert all(entry.cause in known for entry in life.entries if entry.step and entry.outcome)
    assert [entry.actor for entry in life.entries if entry.type == "ReprocessRequested"] == ["person:operator"]


def test_the_archive_in_s3_holds_every_commit_and_the_chain_is_whole(story: Story) -> None:
    live = _history(story)
    faults = [fault for _, fault in verify_chain(iter(live)) if fault]
    assert faults == []
    everything = {(c.stream, c.number): c.hash for c in live}

    def archived() -> dict[tuple[str, int], bytes]:
        since, until = min(c.recorded_us for c in live), max(c.recorded_us for c in live) + 1
        return {(c.stream, c.number): c.hash for c in story.cloud.archive.read(since, until)}

    _until(lambda: archived() == everything, 30)


def test_the_api_answers_and_shows_nothing_without_a_token(story: Story) -> None:
    code, body = _get(story, "/health")
    assert code == 200, body
    assert _get(story, "/gallery")[0] in (401, 403)


def _photovault(story: Story, *arguments: str) -> Any:
    """What the command line says of the deployment, as another process with the emulator in its environment."""
    environment = os.environ | {
        "AWS_ENDPOINT_URL": story.endpoint,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    command = [sys.executable, "-m", "photovault", "--owner", OWNER, *arguments, "--json"]
    ended = subprocess.run(command, env=environment, capture_output=True, check=False)
    assert ended.returncode == 0, ended.stderr.decode()
    return json.loads(ended.stdout)


def test_the_command_line_finds_the_deployment_and_shows_how_it_stands(story: Story) -> None:
    status = _photovault(story, "cloud", "status")
    assert status["assets"]["quarantined"] == len(BAD)
    assert status["assets"]["processing"] == 0
    assert set(status["queues"]) == set(STEPS)
    assert _photovault(story, "cloud", "dead-letters")["items"] == []


def test_the_command_line_replays_on_aws(story: Story) -> None:
    outcome = _photovault(story, "replay", "--on", "aws", "--projection", "library")
    assert (outcome["done"], outcome["equal"], outcome["switched"]) == (True, True, True)
    assert outcome["streams"] >= len(GOOD) + len(BAD)


def test_the_archive_restores_the_history_elsewhere_and_proves_it_equal_by_hash(story: Story, tmp_path: Path) -> None:
    home = ("--home", str(tmp_path / "restored"))
    done = _photovault(story, *home, "events", "import", "aws:dev")
    assert done["intact"] is True
    with Vault(Settings(tmp_path / "restored", OWNER, 1)) as vault:
        restored = {(c.stream, c.number): c.hash for c in vault.commits.tail(None, 100_000).commits}
    assert restored == {(c.stream, c.number): c.hash for c in _history(story)}
    assert done["added"] == len(restored)
    states = {item["file_name"]: item["state"] for item in _photovault(story, *home, "query", "gallery")["items"]}
    assert states[LATE] == "done"
    assert _photovault(story, *home, "verify")["equal"] is True
    _photovault(story, *home, "events", "export", str(tmp_path / "history.jsonl.gz"))
    back = _photovault(story, *home, "events", "import", str(tmp_path / "history.jsonl.gz"), "--into", "aws:dev")
    assert (back["known"], back["added"], back["intact"]) == (back["commits"], 0, True)


def _history(story: Story) -> list[Commit]:
    return [commit for segment in story.cloud.commits.segments(2) for commit in story.cloud.commits.segment(segment)]


def _get(story: Story, path: str) -> tuple[int, str]:
    url = urlsplit(story.outputs["ApiUrl"])
    request = urllib.request.Request(f"http://127.0.0.1:{url.port}{path}", headers={"Host": url.netloc})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
