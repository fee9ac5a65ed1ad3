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

from adapters.ml.store import ModelStore
from domain.asset import fold
from domain.commits import Commit
from domain.eventstore import verify_chain
from domain.notification import notification_stream
from domain.pipeline import STEPS
from domain.ports import DeadLetter
from infrastructure.deploy_emulated import deploy
from infrastructure.emulator import MISSING, connect, emulator, executable
from photovault import analytics, contacts, sharing
from photovault.auditing import Life, life_of
from photovault.aws import replay as cloud_replay
from photovault.aws.cloud import Cloud, CloudSettings
from photovault.aws.rebuild import Order
from photovault.config import Settings, models_folder
from photovault.memories import Reader
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
FACE = Path(os.environ.get("PHOTOVAULT_MEDIA", "/nowhere")) / "faces" / "person_a_and_b.jpg"
LATE = "IMG_4001.jpg"  # its renditions are broken on purpose
FUNCTION = "photovault-dev-renditions"

needs_models = pytest.mark.skipif(
    not all(model.state == "installed" for model in ModelStore(models_folder()).look()),
    reason="not all models are installed: `photovault models install`, and PHOTOVAULT_MODELS",
)

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
    looked: dict[str, Any] = {}  # what the function for memories answered
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
        assert _photovault(told, "faces", "agree", "--on", "aws")["faces"] == "on"
        _upload(told, photos, (*GOOD, *BAD, FILM))
        if FACE.is_file():
            _upload(told, FACE.parent, (FACE.name,))
        _upload(told, photos, GOOD[:1])  # S3 tells of it again, as a new version with the same bytes
        aws.s3.upload_file(str(photos / GOOD[1]), outputs["OriginalsBucket"], "nobody knows/this key.jpg")
        aws.s3.put_object(Bucket=outputs["OriginalsBucket"], Key=f"{OWNER}/a folder/", Body=b"")
        _until(lambda: _ended(told, len(GOOD) + len(BAD) + 2 + FACE.is_file()))
        told.after_upload = _gallery(told)
        told.looked = _look_for_memories(told, endpoint)
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


def _look_for_memories(told: Story, endpoint: str) -> dict[str, Any]:
    """Ask for the day, years later, on which one of the pictures was taken."""
    day = (told.after_upload[GOOD[0]].taken_at or "")[5:10]
    answer = _lambda(told, endpoint).invoke(
        FunctionName="photovault-dev-memories", Payload=json.dumps({"day": f"2026-{day}"}).encode()
    )
    looked: dict[str, Any] = json.loads(answer["Payload"].read())
    return looked


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


@needs_models
@pytest.mark.parametrize("step", ["tags", "moderation", "embed", "faces", "identify"])
def test_models_recognise_in_their_functions(story: Story, step: str) -> None:
    ended = [entry for entry in _life(story, GOOD[1]).entries if entry.step == step and entry.outcome]
    # A caption may be embedded before the tags are there, and again with them.
    assert {entry.outcome for entry in ended} == {"done"}, [entry.detail for entry in ended]
    assert len(ended) == 1 or (step == "embed" and len(ended) == 2)


@needs_models
@pytest.mark.skipif(not FACE.is_file(), reason="PHOTOVAULT_MEDIA names no folder with faces")
def test_faces_of_an_owner_who_agreed_are_found_and_told_apart(story: Story) -> None:
    stream = f"{OWNER}#asset#{story.after_upload[FACE.name].asset}"
    asset = fold(stream, story.cloud.store.load(stream).events)
    assert asset.faces is not None
    assert [bool(face.doubts) for face in asset.faces.faces].count(False) == 2, "a bystander is turned away"
    assert len({each.person for each in asset.people.values()}) == 2
    key = story.cloud.people.key(OWNER)
    assert key is not None
    vectors = story.cloud.people.unseal(OWNER, asset.id, key, asset.faces.sealed or "")
    assert vectors is not None
    near = story.cloud.people.near(OWNER, "another picture", vectors).faces  # what the function has remembered
    assert all(near[face][0].person == each.person for face, each in asset.people.items())


def test_what_this_day_was_in_other_years_is_remembered(story: Story) -> None:
    assert story.looked.get("created", 0) >= 1, story.looked
    _, table = story.cloud.generations.active("memories")
    _until(lambda: bool(story.cloud.views.query(table, OWNER).rows), 30)
    albums, _ = Reader(story.cloud, OWNER, story.cloud.settings.serving, lambda blob: blob).page()
    days = [album for album in albums if album.memory["kind"] == "on_this_day"]
    assert [album.memory["title"] for album in days] == ["On this day, 4 September 2022"]
    assert GOOD[0] in {item["file_name"] for item in days[0].items}


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


def test_every_byte_and_every_run_is_counted(story: Story) -> None:
    _, table = story.cloud.generations.active("library")
    library = story.cloud.views.totals(table, OWNER)["library"]
    assert analytics.storage(story.cloud, [OWNER])["original_bytes"] == library["original_bytes"]
    steps = {item["step"]: item for item in analytics.performance(story.cloud, [OWNER])["items"]}
    assert steps["validate"]["attempts"] >= len(GOOD) + len(BAD)
    assert steps["renditions"]["peak_mb"]["p50"] > 0
    assert sum(item["given_up"] for item in steps.values()) >= 1  # the step that was broken
    assert _get(story, "/stats/storage")[0] in (401, 403)


def test_the_api_answers_and_shows_nothing_without_a_token(story: Story) -> None:
    code, body = _get(story, "/health")
    assert code == 200, body
    assert _get(story, "/gallery")[0] in (401, 403)


def test_a_link_opens_without_a_token_and_hands_out_a_file_without_metadata(story: Story) -> None:
    asset = story.in_the_end["DSCF3002.jpg"].asset
    serving = story.cloud.settings.serving
    made = sharing.create(story.cloud, OWNER, "asset", serving, assets=[asset], download=True, password="correct horse")
    _until(lambda: _get(story, f"/s/{made.token}")[0] == 200, 60)
    assert 'type="password"' in _get(story, f"/s/{made.token}")[1]
    wrong, _, _ = _visit(story, f"/s/{made.token}", body="password=wrong+one")
    assert wrong == 403
    code, headers, _ = _visit(story, f"/s/{made.token}", body="password=correct+horse")
    assert (code, headers["Location"]) == (303, f"/s/{made.token}")
    cookie = headers["Set-Cookie"].split(";")[0]
    code, headers, page = _visit(story, f"/s/{made.token}", cookie=cookie)
    assert (code, b"DSCF3002" in page, b'type="password"' in page) == (200, False, False)
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    code, headers, _ = _visit(story, f"/s/{made.token}/1/download", cookie=cookie)
    assert code == 303
    with urllib.request.urlopen(headers["Location"], timeout=20) as answer:
        file = answer.read()
        assert 'filename="photo-001.jpg"' in answer.headers["Content-Disposition"]
    assert file.startswith(b"\xff\xd8\xff")
    assert b"FUJIFILM" not in file
    kinds = [type(e.event).__name__ for e in story.cloud.store.load(f"{OWNER}#share#{made.share}").events]
    assert kinds == ["ShareCreated", "ShareDenied", "ShareUnlocked", "ShareOpened", "ShareItemDownloaded"]
    sharing.revoke(story.cloud, OWNER, made.share)
    assert _visit(story, f"/s/{made.token}", cookie=cookie)[0] == 410


def test_the_relay_queues_a_question_and_the_schedule_looks_at_it(story: Story) -> None:
    contact = contacts.add(story.cloud, OWNER, "email", "boris@example.org")
    queued = notification_stream(OWNER, "")

    def messages() -> list[str]:
        return [c.stream for c in _history(story) if c.stream.startswith(queued)]

    _until(lambda: bool(messages()), 60)
    answer = _lambda(story, story.endpoint).invoke(FunctionName="photovault-dev-notify", Payload=b"{}")
    said = json.loads(answer["Payload"].read())
    assert said.get("postponed") == 1, said  # nobody named a sender: it waits
    assert contact.confirmed_at is None


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


class _Still(urllib.request.HTTPRedirectHandler):
    """A redirect is an answer."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Go nowhere."""


def _visit(story: Story, path: str, *, body: str | None = None, cookie: str | None = None) -> tuple[int, Any, bytes]:
    """What a browser without an account gets: status, headers, body."""
    url = urlsplit(story.outputs["ApiUrl"])
    headers = {"Host": url.netloc} | ({"Cookie": cookie} if cookie else {})
    data = body.encode() if body is not None else None
    request = urllib.request.Request(f"http://127.0.0.1:{url.port}{path}", data=data, headers=headers)
    try:
        with urllib.request.build_opener(_Still).open(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read()
    except urllib.error.HTTPError as error:
        return error.code, error.headers, error.read()
