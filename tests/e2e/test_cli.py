"""The command line on real files, as a person and as a script use it: what it prints, writes, refuses and returns."""

from __future__ import annotations

import gzip
import io
import json
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from domain.asset import asset_stream
from domain.commits import NEW, Cause
from domain.events import AssetUploaded
from domain.pipeline import STEPS
from photovault.cli import main
from photovault.config import Settings
from photovault.vault import Vault
from projections.replay import Target
from tests.support.factories import jpeg


class Cli:
    """Calls `photovault` in this process, on one vault."""

    def __init__(self, home: Path, capture: pytest.CaptureFixture[str]) -> None:
        self.home = home
        self._capture = capture

    def __call__(self, *arguments: str | Path, home: Path | None = None) -> tuple[int, str, str]:
        self._capture.readouterr()
        try:
            code: Any = main(["--home", str(home or self.home), *map(str, arguments)])
        except SystemExit as ended:
            code = ended.code or 0
        printed = self._capture.readouterr()
        return int(code), printed.out, printed.err

    def json(self, *arguments: str | Path, code: int = 0, home: Path | None = None) -> Any:
        """The document that a command prints."""
        returned, out, err = self(*arguments, "--json", home=home)
        assert returned == code, err
        return json.loads(out)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five good photos, a copy, a truncated one, a text under a photo's name, and a text file."""
    folder = tmp_path_factory.mktemp("photos")
    for i in range(5):
        (folder / f"photo_{i}.jpg").write_bytes(jpeg(i, 400, 300))
    shutil.copy(folder / "photo_0.jpg", folder / "copy of photo_0.jpg")
    (folder / "cut.jpg").write_bytes(jpeg(99, 400, 300)[:-2000])
    (folder / "not a photo.jpg").write_text("hello")
    (folder / "notes.txt").write_text("not for the vault")
    return folder


@pytest.fixture(scope="module")
def worked(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault that has taken the photos in and processed them."""
    home = tmp_path_factory.mktemp("vault") / "home"
    for arguments in (["ingest", str(photos)], ["work"]):
        subprocess.run([sys.executable, "-m", "photovault", "--home", str(home), *arguments], check=True)
    return home


@pytest.fixture
def cli(worked: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line on a copy of the processed vault, so that no test sees what another did."""
    shutil.copytree(worked, tmp_path / "home")
    return Cli(tmp_path / "home", capsys)


def test_ingest_counts_what_it_found_added_knew_and_refused(photos: Path, cli: Cli, tmp_path: Path) -> None:
    refusals = [{"path": str(photos / "notes.txt"), "reason": "it is not a picture or video: .txt file"}]
    first = cli.json("ingest", photos, home=tmp_path / "new")
    rest = {"refused": 1, "sidecars": 0, "refusals": refusals, "in_trash": []}
    assert first == {"found": 9, "added": 7, "known": 1, **rest}
    again = cli.json("ingest", photos, home=tmp_path / "new")
    assert again == {"found": 9, "added": 0, "known": 8, **rest}


def test_ingest_tells_a_person_which_files_it_refused_and_what_to_do_next(
    photos: Path, cli: Cli, tmp_path: Path
) -> None:
    code, out, _ = cli("ingest", photos, home=tmp_path / "new")
    assert code == 0
    assert "notes.txt" in out
    assert "photovault work" in out


def test_status_adds_up(cli: Cli) -> None:
    status = cli.json("status")
    assert status["assets"] == {"total": 7, "done": 5, "processing": 0, "quarantined": 2, "given_up": 0}
    assert status["steps"]["validate"] == {"done": 7, "skipped": 0, "failed": 0, "given_up": 0, "waiting": 0}
    assert status["steps"]["renditions"]["done"] == 5
    assert status["events"] > 20
    assert status["streams"] == 13  # an asset each, a stack where each good photo met nobody, the vault's own for seals
    assert set(status["projections"]) >= {"gallery", "renditions", "processing", "library", "files", "fingerprints"}
    assert all(view == {"generation": 1, "lag": 0} for view in status["projections"].values())


def test_work_again_changes_nothing(cli: Cli) -> None:
    before = cli.json("status")
    assert cli.json("work") == before


def test_the_gallery_has_a_contract_for_scripts(cli: Cli) -> None:
    items = cli.json("query", "gallery", "--state", "done")["items"]
    assert len(items) == 5
    for item in items:
        assert {"asset", "file_name", "state", "kind", "taken_at", "taken_from", "width", "height"} <= item.keys()
        assert {"latitude", "longitude", "camera", "renditions"} <= item.keys()
        assert (item["width"], item["height"]) == (400, 300)
        assert set(item["renditions"]) == {"small", "medium", "large"}
        for picture in item["renditions"].values():
            assert Path(picture["path"]).stat().st_size == picture["bytes"]
    assert items[0]["renditions"]["small"]["width"] == 256


def test_a_cursor_walks_through_the_gallery_once(cli: Cli) -> None:
    seen: list[str] = []
    cursor: list[str] = []
    while True:
        page = cli.json("query", "gallery", "--limit", "2", *cursor)
        seen += [item["asset"] for item in page["items"]]
        if page["cursor"] is None:
            break
        cursor = ["--cursor", page["cursor"]]
    assert len(seen) == len(set(seen)) == 7


def test_a_person_sees_what_is_quarantined_only_when_asking_for_it(cli: Cli) -> None:
    code, out, _ = cli("query", "gallery", "--limit", "5")
    assert code == 0
    assert out.count("photo_") == 5
    assert "cut.jpg" not in out
    assert "2 quarantined not listed: --state quarantined" in out
    assert "cut.jpg" in cli("query", "gallery", "--state", "quarantined")[1]
    assert len(cli.json("query", "gallery")["items"]) == 7


def test_a_date_that_no_camera_wrote_is_marked(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "IMG_20200102_030405.jpg").write_bytes(jpeg(77, 400, 300))
    with Image.open(io.BytesIO(jpeg(78, 400, 300))) as picture:
        exif = picture.getexif()
        exif.get_ifd(0x8769)[0x9003] = "2019:05:06 07:08:09"  # DateTimeOriginal
        picture.save(tmp_path / "dated.jpg", exif=exif)
    cli("ingest", tmp_path / "IMG_20200102_030405.jpg", tmp_path / "dated.jpg", "--work")
    items = {item["file_name"]: item for item in cli.json("query", "gallery")["items"]}
    assert items["IMG_20200102_030405.jpg"]["taken_from"] == "file_name"
    assert items["dated.jpg"]["taken_from"] == "exif:DateTimeOriginal"
    listing = cli("query", "gallery")[1]
    assert "~2020-01-02 03:04:05" in listing
    assert " 2019-05-06 07:08:09" in listing
    cli("query", "gallery", "--html", tmp_path / "page.html")
    assert "~2020-01-02 03:04" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("view", ["gallery", "renditions", "processing", "library", "files", "fingerprints"])
def test_every_view_can_be_read_by_a_person_and_by_a_script(cli: Cli, view: str) -> None:
    code, out, _ = cli("query", view)
    assert code == 0
    assert out.strip()
    assert cli.json("query", view)["items"]


def test_an_asset_is_found_by_id_prefix_path_and_the_path_of_its_copy(cli: Cli, photos: Path) -> None:
    item = next(i for i in cli.json("query", "gallery")["items"] if "photo_0" in i["file_name"])
    whole = cli.json("audit", item["asset"])
    assert cli.json("audit", item["asset"][:12]) == whole
    assert cli.json("audit", photos / "photo_0.jpg") == whole
    assert cli.json("audit", photos / "copy of photo_0.jpg") == whole


def test_audit_tells_the_life_of_a_photo(cli: Cli, photos: Path) -> None:
    life = cli.json("audit", photos / "photo_1.jpg")
    assert life["state"] == "done"
    assert life["due"] == []
    types = [entry["type"] for entry in life["entries"]]
    assert types[:2] == ["AssetUploaded", "FileValidated"]
    assert types[-1] == "AssetProcessed"
    assert set(types) >= {"MetadataExtracted", "RenditionsGenerated"}
    keys = {"version", "at", "type", "step", "outcome", "attempt", "duration_ms", "actor", "cause", "detail"}
    assert all(keys <= entry.keys() for entry in life["entries"])
    by_id = {entry["event_id"]: entry for entry in life["entries"]}
    validated = next(e for e in life["entries"] if e["type"] == "FileValidated")
    assert by_id[validated["cause"]]["type"] == "AssetUploaded"
    assert (validated["outcome"], validated["attempt"], validated["actor"]) == ("done", 1, "step:validate")


def test_audit_failed_says_which_photos_are_not_processed_and_why(cli: Cli) -> None:
    items = cli.json("audit", "--failed")["items"]
    assert {item["file_name"] for item in items} == {"cut.jpg", "not a photo.jpg"}
    for item in items:
        (step,) = item["steps"]
        assert step["step"] == "validate"
        assert len(step["reason"]) > 10
    code, out, _ = cli("audit", "--failed")
    assert code == 0
    assert "cut.jpg" in out


def test_audit_as_of_shows_the_past_only(cli: Cli, photos: Path) -> None:
    entries = cli.json("audit", photos / "photo_2.jpg")["entries"]
    past = cli.json("audit", photos / "photo_2.jpg", "--as-of", entries[1]["at"])
    assert [e["version"] for e in past["entries"]] == [1]
    assert past["state"] == "processing"
    assert [due["step"] for due in past["due"]] == ["validate"]


def test_an_asset_that_was_not_there_yet_has_no_life_to_tell(cli: Cli, photos: Path) -> None:
    code, _, err = cli("audit", photos / "photo_2.jpg", "--as-of", "2001")
    assert code == 1
    assert "did not exist yet at 2001" in err


def test_query_as_of_shows_the_past_only(cli: Cli, photos: Path) -> None:
    entries = cli.json("audit", photos / "photo_2.jpg")["entries"]
    items = cli.json("query", "gallery", "--as-of", entries[1]["at"])["items"]
    states = {item["file_name"]: item["state"] for item in items}
    assert states["photo_2.jpg"] == "processing"


def test_replay_rebuilds_everything_and_switches(cli: Cli) -> None:
    before = cli.json("query", "gallery")
    done = cli.json("replay")
    assert done["events"] == cli.json("status")["events"] - 6  # the seal and five stacks belong to no projection
    assert done["streams"] == 7
    assert done["rows"] >= 5 * 7
    assert done["seconds"] >= 0
    assert done["switched"]
    assert cli.json("query", "gallery") == before
    assert {view["generation"] for view in cli.json("status")["projections"].values()} == {2}


def test_replay_dry_run_writes_nothing(cli: Cli) -> None:
    before = cli.json("projections")
    assert cli.json("replay", "--dry-run")["rows"] == 0
    assert cli.json("projections") == before


def test_one_can_go_back_to_the_generation_before(cli: Cli) -> None:
    cli.json("replay", "--projection", "gallery")
    items = {item["projection"]: item for item in cli.json("projections", "--switch", "gallery:1")["items"]}
    assert items["gallery"]["active"] == 1
    code, _, err = cli("projections", "--switch", "gallery:7")
    assert code == 2
    assert "gallery has no generation 7; it has: 1, 2" in err


def test_runs_that_are_not_finished_are_listed_and_gone_on_with(cli: Cli) -> None:
    assert cli.json("replay", "--list") == {"items": [], "cursor": None}
    code, _, err = cli("replay", "--resume", "nope")
    assert code == 1
    assert "photovault replay --list" in err
    with Vault(Settings.of({}, cli.home)) as vault:  # what a replay that was killed leaves
        number = vault.generations.begin("gallery").number
        run = vault.replay.start([Target("gallery", number)], 2)
        vault.replay.stop(run.id)
    (item,) = cli.json("replay", "--list")["items"]
    assert (item["run"], item["projections"], item["stopped"]) == (run.id, ["gallery"], True)
    assert run.id in cli("replay", "--list")[1]
    assert cli.json("replay", "--resume", run.id)["switched"]
    assert cli.json("replay", "--list")["items"] == []


def test_a_run_whose_rows_a_later_replay_dropped_is_not_offered_any_more(cli: Cli) -> None:
    with Vault(Settings.of({}, cli.home)) as vault:
        vault.replay.start([Target("gallery", vault.generations.begin("gallery").number)], 2)
    cli.json("replay")
    assert cli.json("replay", "--list")["items"] == []


LOST_VIEWS = ("views.db", "views.db-wal", "views.db-shm")
LOST_WORK = ("work.db", "work.db-wal", "work.db-shm")


@pytest.mark.parametrize("lost", [LOST_VIEWS, LOST_WORK, LOST_VIEWS + LOST_WORK], ids=["views", "work", "both"])
def test_a_lost_database_is_said_and_a_replay_makes_it_again(
    cli: Cli, photos: Path, lost: tuple[str, ...], tmp_path: Path
) -> None:
    before = cli.json("status")["assets"], cli.json("query", "gallery")
    for name in lost:
        (cli.home / name).unlink(missing_ok=True)
    for call in (["status"], ["query", "gallery"], ["verify"]):
        code, _, err = cli(*call)
        assert code == 1
        assert "run `photovault replay`" in err
    (tmp_path / "more.jpg").write_bytes(jpeg(4711, 400, 300))
    assert cli.json("ingest", photos, tmp_path / "more.jpg")["added"] == 1
    (asset,) = cli.json("events", "tail", "--limit", "1")["items"]
    assert cli.json("replay")["switched"]
    assert cli.json("verify")["equal"]
    assert cli.json("status")["assets"]["total"] == before[0]["total"] + 1
    items = [item for item in cli.json("query", "gallery")["items"] if item["asset"] not in asset["stream"]]
    assert items == before[1]["items"]
    with Vault(Settings.of({}, cli.home)) as vault:  # nothing is left that the register does not name
        held = vault.views.generations()["gallery"]
        assert set(held) == {g.number for g in vault.generations.registered("gallery").generations}


def test_verify_finds_a_row_that_was_changed_and_replay_of_the_asset_mends_it(cli: Cli, photos: Path) -> None:
    assert cli.json("verify")["equal"] is True
    asset = cli.json("audit", photos / "photo_3.jpg")["asset"]
    with sqlite3.connect(cli.home / "views.db") as views:
        views.execute("UPDATE view_gallery_g1 SET data = (SELECT data FROM view_gallery_g1 WHERE key<>?)", (asset,))
    found = cli.json("verify", code=1)
    assert found["equal"] is False
    assert found["projections"]["gallery"]["different"] >= 1
    assert found["projections"]["files"] == {"rows": 15, "different": 0}
    for path in photos.glob("*.jpg"):
        cli.json("replay", "--asset", path)
    assert cli.json("verify")["equal"] is True


def test_audit_verify_names_the_stream_and_the_commit_that_were_changed(cli: Cli, photos: Path) -> None:
    assert cli.json("audit", "--verify")["intact"] is True
    asset = cli.json("audit", photos / "photo_4.jpg")["asset"]
    change = "UPDATE commits SET body = replace(body, 'folder', 'f0lder') WHERE stream = ? AND number = 1"
    _tamper(cli.home, change, f"me#asset#{asset}")

    found = cli.json("audit", "--verify", code=1)
    assert {"stream": f"me#asset#{asset}", "commit": 1} in [
        {"stream": fault["stream"], "commit": fault["commit"]} for fault in found["faults"]
    ]
    code, out, _ = cli("audit", "--verify")
    assert code == 1
    assert f"stream me#asset#{asset}, commit 1" in out
    assert cli("audit", asset, "--verify")[0] == 1


def test_audit_verify_finds_a_tail_that_was_cut_off(cli: Cli, photos: Path) -> None:
    asset = cli.json("audit", photos / "photo_4.jpg")["asset"]
    last = "DELETE FROM commits WHERE stream = ?1 AND number = (SELECT max(number) FROM commits WHERE stream = ?1)"
    _tamper(cli.home, last, f"me#asset#{asset}")
    faults = cli.json("audit", "--verify", code=1)["faults"]
    assert [fault["stream"] for fault in faults] == [f"me#asset#{asset}"]
    assert "cut off" in faults[0]["what"]


def test_a_seal_s_hash_that_was_noted_shows_that_seals_were_cut_off(cli: Cli, photos: Path, tmp_path: Path) -> None:
    noted = cli.json("events", "seal")["hash"]
    (tmp_path / "more.jpg").write_bytes(jpeg(4711, 400, 300))
    cli("ingest", tmp_path / "more.jpg")
    newest = cli.json("events", "seal")
    assert newest["streams"] >= 1
    assert newest["hash"] in cli("events", "seal")[1]  # nothing to seal, and the hash to keep all the same
    for known in (noted, newest["hash"]):
        assert cli.json("audit", "--verify", "--against", known)["intact"] is True

    last = "DELETE FROM commits WHERE stream = ?1 AND number = (SELECT max(number) FROM commits WHERE stream = ?1)"
    _tamper(cli.home, last, "~#seal#history")
    assert cli.json("audit", "--verify")["intact"] is True  # nothing in the vault itself can tell
    assert cli.json("audit", "--verify", "--against", noted)["intact"] is True
    (fault,) = cli.json("audit", "--verify", "--against", newest["hash"], code=1)["faults"]
    assert fault["stream"] == "~#seal#history"
    assert "cut off or rewritten" in fault["what"]
    assert "DAMAGED in 1 place\n" in cli("audit", "--verify", "--against", newest["hash"])[1]


def test_the_seals_are_a_stream_that_can_be_shown(cli: Cli) -> None:
    (event,) = cli.json("events", "show", "~#seal#history")["items"]
    assert event["hash"] == cli.json("events", "seal")["hash"]


def _tamper(home: Path, statement: str, stream: str) -> None:
    events = sqlite3.connect(home / "events.db")
    with events:
        for (trigger,) in events.execute("SELECT name FROM sqlite_master WHERE type='trigger'").fetchall():
            events.execute(f"DROP TRIGGER {trigger}")
        assert events.execute(statement, (stream,)).rowcount == 1
    events.close()


def test_reprocess_appends_and_changes_nothing_before(cli: Cli, photos: Path) -> None:
    before = cli.json("audit", photos / "photo_1.jpg")["entries"]
    asked = cli.json("reprocess", photos / "photo_1.jpg", "--step", "renditions", "--reason", "for a test")
    assert len(asked["assets"]) == 1
    cli.json("work")
    after = cli.json("audit", photos / "photo_1.jpg")["entries"]
    assert after[: len(before)] == before
    types = [entry["type"] for entry in after[len(before) :]]
    assert (*types[:2], types[-1]) == ("ReprocessRequested", "RenditionsGenerated", "AssetProcessed")
    assert set(types[2:-1]) >= {"FingerprintComputed", "LookalikesFound"}  # what follows from other pictures
    assert cli.json("verify")["equal"] is True


def test_reprocess_selects_by_failure_and_by_version(cli: Cli) -> None:
    version = STEPS["metadata"].version
    assert len(cli.json("reprocess", "--failed", "--step", "validate", "--dry-run")["assets"]) == 2
    for older_than, assets in ((version + 1, 5), (version, 0)):
        found = cli.json("reprocess", "--older-than", str(older_than), "--step", "metadata", "--dry-run")
        assert len(found["assets"]) == assets
    assert cli("reprocess", "--step", "renditions")[0] == 2
    assert cli("reprocess", "--all", "--step", "nothing")[0] == 2


def test_dead_letters_are_listed_and_redriven(cli: Cli) -> None:
    assert cli.json("dead-letters") == {"items": [], "cursor": None, "redriven": 0}
    assert "there are none" in cli("dead-letters", "--redrive")[1]


def test_what_was_parked_is_redriven_when_it_can_be_read_again(cli: Cli) -> None:
    assert cli.json("parked") == {"items": [], "cursor": None, "redriven": 0}
    stream = asset_stream("me", "large")
    with Vault(Settings.of({}, cli.home)) as vault:
        key = vault.blobs.put(b"not a photo")
        uploaded = AssetUploaded(file_name="x.jpg", size_bytes=11, blob=key, sha256=key, source="folder")
        vault.store.append(stream, [uploaded], NEW, Cause(commit_id="1", actor="test", correlation_id="1"))
    _tamper(cli.home, "UPDATE commits SET body = '{' || body WHERE stream = ?", stream)
    status = cli.json("parked")
    consumers = {item["consumer"] for item in status["items"]}
    assert consumers >= {"relay", "gallery", "renditions", "processing", "library", "files", "fingerprints"}
    assert all(item["stream"] == stream and item["commit"] == 1 and item["error"] for item in status["items"])
    assert "photovault parked --redrive" in cli("status")[1]
    still = cli.json("parked", "--redrive")
    assert (len(still["items"]), still["redriven"]) == (len(consumers), 0)
    assert {item["attempts"] for item in still["items"]} == {2}
    assert [item["since"] for item in still["items"]] == [item["since"] for item in status["items"]]
    assert cli.json("status")["steps"]["validate"]["waiting"] == 0

    _tamper(cli.home, "UPDATE commits SET body = substr(body, 2) WHERE stream = ?", stream)
    done = cli.json("parked", "--redrive")
    assert (done["items"], done["redriven"]) == ([], len(consumers))
    assert cli.json("verify")["equal"] is True
    cli.json("work")
    assert cli.json("audit", "large")["due"] == []  # law 3: it reached an end, though the relay could not read it


def test_events_are_listed_shown_exported_and_imported_whole(cli: Cli, tmp_path: Path) -> None:
    listed = cli.json("events", "tail", "--limit", "3")["items"]
    assert listed[-1]["type"] == "HistorySealed"
    shown = cli.json("events", "show", listed[0]["event_id"])["items"]
    assert shown == [listed[0]]
    export = tmp_path / "history.jsonl.gz"
    commits = cli.json("events", "export", export)["commits"]
    taken = cli.json("events", "import", export, home=tmp_path / "restored")
    assert taken == {"commits": commits, "added": commits, "known": 0, "intact": True}
    assert cli.json("events", "import", export, home=tmp_path / "restored")["known"] == commits
    restored = cli.json("status", home=tmp_path / "restored")
    assert restored["assets"] == cli.json("status")["assets"]
    assert cli.json("audit", "--verify", home=tmp_path / "restored")["intact"] is True
    assert cli("events", "export", export)[0] == 2  # never over a file that is there


def test_a_changed_export_is_not_taken_in(cli: Cli, tmp_path: Path) -> None:
    export = tmp_path / "history.jsonl.gz"
    cli.json("events", "export", export)
    text = gzip.decompress(export.read_bytes()).replace(b"folder", b"f0lder")
    export.write_bytes(gzip.compress(text))
    code, _, err = cli("events", "import", export, home=tmp_path / "restored")
    assert code == 1
    assert "changed after it was written" in err
    export.write_bytes(export.read_bytes()[:-100])
    assert cli("events", "import", export, home=tmp_path / "restored")[0] in (1, 2)


def test_events_are_followed_as_lines_of_json(cli: Cli, photos: Path) -> None:
    call = [sys.executable, "-m", "photovault", "--home", str(cli.home), "events", "tail", "-n", "1", "-f", "--json"]
    with subprocess.Popen(call, stdout=subprocess.PIPE) as following:
        assert following.stdout
        try:
            old = json.loads(following.stdout.readline())
            assert old["type"] == "HistorySealed"
            cli("reprocess", photos / "photo_1.jpg", "--step", "metadata")
            new = json.loads(following.stdout.readline())
        finally:
            following.terminate()
    assert new["type"] == "ReprocessRequested"
    assert new.keys() == old.keys()


def test_the_version_is_printed(cli: Cli) -> None:
    code, out, _ = cli("--version")
    assert code == 0
    assert out.startswith("photovault 0.")


def test_the_page_shows_thumbnails_and_escapes_names(cli: Cli, tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    (folder / "<img src=x onerror=alert(1)>.jpg").write_bytes(jpeg(1234, 400, 300))
    cli("ingest", folder, "--work")
    page = tmp_path / "page.html"
    assert cli("query", "gallery", "--html", page)[0] == 0
    text = page.read_text()
    assert "<img src=x" not in text
    assert "&lt;img src=x onerror=alert(1)&gt;.jpg" in text
    assert text.count("<figure>") == 6


def test_owners_see_only_their_own(cli: Cli, photos: Path) -> None:
    code, _, err = cli("--owner", "anna", "audit", photos / "photo_1.jpg")
    assert code == 1
    assert "no asset" in err
    assert cli.json("--owner", "anna", "query", "gallery")["items"] == []
    mine = cli.json("query", "gallery")["items"][0]["asset"]
    assert cli("--owner", "anna", "audit", mine)[0] == 1


@pytest.mark.parametrize(
    "wrong",
    [
        ["frobnicate"],
        ["query", "nothing"],
        ["query", "gallery", "--state", "happy"],
        ["query", "gallery", "--cursor", "rubbish"],
        ["query", "gallery", "--limit", "0"],
        ["query", "gallery", "--as-of", "yesterday"],
        ["query", "files", "--state", "done"],
        ["query", "gallery", "--since", "foo"],
        ["query", "gallery", "--until", "2023-13"],
        ["query", "gallery", "--asset", "x", "--state", "done"],
        ["query", "library", "--asset", "x"],
        ["query", "library", "--limit", "5"],
        ["query", "library", "--html", "page.html"],
        ["query", "files", "--html", "page.html"],
        ["audit", "--failed", "--as-of", "2026"],
        ["audit", "--failed", "x"],
        ["audit", "x", "--limit", "5"],
        ["audit", "--verify", "--as-of", "2026"],
        ["audit", "--verify", "--against", "abc"],
        ["audit", "--against", "0" * 64, "x"],
        ["replay", "--since", "soon"],
        ["replay", "--asset", "x", "--no-switch"],
        ["replay", "--list", "--dry-run"],
        ["replay", "--resume", "x", "--rate", "5"],
        ["audit"],
        ["ingest", "/no/such/folder"],
        ["replay", "--projection", "nothing"],
        ["--owner", "a#b", "status"],
        ["schema", "Nothing"],
        ["events", "tail", "--cursor", "x"],
    ],
)
def test_a_wrong_call_exits_2_and_says_why_without_a_traceback(cli: Cli, wrong: list[str]) -> None:
    code, out, err = cli(*wrong)
    assert code == 2
    assert len(err.strip()) > 10
    assert "Traceback" not in out + err


def test_a_vault_that_is_not_there_is_a_failure_that_says_what_to_do(cli: Cli, tmp_path: Path) -> None:
    code, _, err = cli("status", home=tmp_path / "nowhere")
    assert code == 1
    assert "photovault ingest" in err
    assert "--home or PHOTOVAULT_HOME" in err
    assert not (tmp_path / "nowhere").exists()


def test_a_file_that_can_t_be_written_is_named(cli: Cli) -> None:
    for call in (
        ["query", "gallery", "--html", "/nonexistent/page.html"],
        ["events", "export", "/nonexistent/x.jsonl"],
    ):
        code, _, err = cli(*call)
        assert code == 1
        assert "/nonexistent/" in err
        assert "No such file" in err


def test_a_year_or_a_month_is_the_moment_when_it_begins(cli: Cli) -> None:
    assert cli.json("replay", "--since", "2001", "--until", "2001-02")["streams"] == 0
    assert cli.json("replay", "--since", "2001")["streams"] == 7


def test_schema_prints_the_contract(cli: Cli) -> None:
    events = {item["event"] for item in cli.json("schema")["items"]}
    assert {"AssetUploaded", "FileValidated", "RenditionsGenerated"} <= events
    code, out, _ = cli("schema", "AssetUploaded")
    assert code == 0
    assert json.loads(out)["type"] == "object"
    assert cli("schema", "--check")[0] == 0


def test_what_is_not_installed_is_named_with_the_way_to_install_it(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "boto3", None)
    monkeypatch.delitem(sys.modules, "photovault.aws.stacks", raising=False)
    code, _, err = cli("replay", "--on", "aws")
    assert code == 1
    assert "boto3 is not installed: pip install 'photovault[aws]'" in err
    monkeypatch.setattr("photovault.vault.find_spec", lambda name: None if name == "pyvips" else True)
    with (cli.home / "photo.jpg").open("wb") as file:
        file.write(jpeg(4711, 40, 30))
    code, _, err = cli("ingest", cli.home / "photo.jpg", "--work")
    assert code == 1
    assert "pyvips not installed: pip install 'photovault[media]'" in err
    monkeypatch.undo()
    assert cli.json("work")["assets"]["processing"] == 0  # nothing was lost


def test_a_fault_of_the_program_is_a_sentence_too(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("photovault.cli.process.status_of", lambda vault: 1 / 0)
    code, out, err = cli("status")
    assert code == 1
    assert "ZeroDivisionError" in err
    assert "Traceback" not in out + err
