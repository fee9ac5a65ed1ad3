"""Upkeep on one machine, on real files: backup and restore, drills that find what is amiss, cleanup, scrub, doctor."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from domain.asset import asset_stream, fold
from domain.blobs import blobs_of
from domain.commits import derive_id
from domain.errors import HistoryDamaged, InvalidInput, PhotoVaultError
from domain.events import ERASED, AssetUploaded, BackupDrilled, BackupMade, VaultCleaned
from domain.upkeep import Finding
from photovault.config import Settings
from photovault.erasing import DOUBTED, UNDER_WAY, erase
from photovault.importer import find_files, import_files
from photovault.keeping import restore as take_out
from photovault.keeping import trash
from photovault.rebuilding import verify_active
from photovault.runtime import Runtime, catch_up
from photovault.sealing import verify_history
from photovault.sharing import create, list_shares, saved_token
from photovault.upkeep.backup import drill, opened, restore, save
from photovault.upkeep.cleaning import clean
from photovault.upkeep.daily import daily, daily_due
from photovault.upkeep.doctor import examine
from photovault.upkeep.log import last
from photovault.upkeep.scrub import scrub
from photovault.vault import Vault
from projections import PROJECTIONS
from tests.support.factories import jpeg

NAMES = ("secret_0", "secret_1", "secret_2")


class Skewed:
    """The real time, and so many days."""

    def __init__(self) -> None:
        self.days = 0

    def __call__(self) -> datetime:
        return datetime.now(UTC) + timedelta(days=self.days)


@pytest.fixture(scope="module")
def worked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A vault with three pictures, processed."""
    folder = tmp_path_factory.mktemp("upkeep")
    for number, name in enumerate(NAMES):
        (folder / f"{name}.jpg").write_bytes(jpeg(number, 300, 200))
    with Vault(Settings(folder / "home", "anna", 2), create=True) as vault:
        import_files(vault, find_files([folder / f"{name}.jpg" for name in NAMES]))
        Runtime(vault).run()
    return folder / "home"


@pytest.fixture
def clock() -> Skewed:
    return Skewed()


@pytest.fixture
def vault(worked: Path, tmp_path: Path, clock: Skewed) -> Iterator[Vault]:
    """A copy of it, with the modes of its files."""
    shutil.copytree(worked, tmp_path / "home")
    with Vault(Settings(tmp_path / "home", "anna", 2), clock=clock) as vault:
        yield vault


def ids(vault: Vault) -> list[str]:
    return [derive_id("asset", "anna", key) for key in originals(vault)]


def originals(vault: Vault) -> list[str]:
    found = []
    for part in vault.commits.segments(1):
        for commit in vault.commits.segment(part):
            found += [e.event.sha256 or "" for e in vault.store.events_of(commit) if isinstance(e.event, AssetUploaded)]
    return found


def name_of(vault: Vault, asset: str) -> str:
    event = vault.store.load(asset_stream("anna", asset)).events[0].event
    assert isinstance(event, AssetUploaded)
    return event.file_name


def intact(vault: Vault) -> bool:
    history = (commit for part in vault.commits.segments(1) for commit in vault.commits.segment(part))
    return verify_history(vault.store, vault.blobs, history).intact and all(
        each.equal for each in verify_active(vault, [p.name for p in PROJECTIONS])
    )


def finding(vault: Vault, check: str) -> Finding:
    return next(each for each in examine(vault) if each.check == check)


def age(path: Path, days: float) -> None:
    then = time.time() - days * 86_400
    os.utime(path, (then, then))


# --- backup ----------------------------------------------------------------------------------------------------------


class TestBackup:
    def test_what_is_restored_is_the_vault(self, vault: Vault, tmp_path: Path) -> None:
        done = save(vault, tmp_path / "backup")
        assert done.missing == []
        assert done.files == len(list(vault.blobs.listed()))
        with Vault(Settings(tmp_path / "restored", "anna", 2), create=True) as other:
            restore(other, tmp_path / "backup")
            catch_up(other)
            assert sorted(name_of(other, each) for each in ids(other)) == [f"{name}.jpg" for name in NAMES]
            assert {key for key, *_ in other.blobs.listed()} == {key for key, *_ in vault.blobs.listed()}
            assert intact(other)
            assert all(other.blobs.may_be_shared(key) for key in originals(other))

    def test_a_second_run_copies_what_is_new_and_no_file_twice(self, vault: Vault, tmp_path: Path) -> None:
        first = save(vault, tmp_path / "backup")
        again = save(vault, tmp_path / "backup")
        assert first.commits > 10
        assert (again.commits, again.files) == (1, 0)  # what the first run recorded of itself
        assert opened(tmp_path / "backup").commits == first.commits + 1
        assert len(list((tmp_path / "backup" / "events").iterdir())) == 2

    def test_no_name_is_in_it_in_the_clear_and_its_keys_are_for_its_owner_alone(
        self, vault: Vault, tmp_path: Path
    ) -> None:
        import gzip

        save(vault, tmp_path / "backup")
        events = b"".join(gzip.decompress(p.read_bytes()) for p in (tmp_path / "backup" / "events").iterdir())
        assert b"AssetUploaded" in events
        assert b"secret_" not in events
        assert (tmp_path / "backup" / "keys.json").stat().st_mode & 0o077 == 0

    def test_what_was_erased_is_forgotten_in_the_copy_too(self, vault: Vault, tmp_path: Path) -> None:
        save(vault, tmp_path / "backup")
        one, other = ids(vault)[:2]
        key = originals(vault)[0]
        assert (tmp_path / "backup" / "blobs" / key[:2] / key).exists()
        erase(vault, asset_stream("anna", one), "asked", "person:anna")
        done = save(vault, tmp_path / "backup")
        assert done.forgotten >= 2
        assert not (tmp_path / "backup" / "blobs" / key[:2] / key).exists()
        keys = json.loads((tmp_path / "backup" / "keys.json").read_bytes())["keys"]
        assert keys[asset_stream("anna", one)] is None
        with Vault(Settings(tmp_path / "restored", "anna", 2), create=True) as restored:
            restore(restored, tmp_path / "backup")
            catch_up(restored)
            assert name_of(restored, one) == ERASED
            assert name_of(restored, other).startswith("secret_")
            assert intact(restored)
        assert drill(vault, tmp_path / "backup", None).faults == []

    def test_an_old_copy_of_the_keys_does_not_undo_an_erasure(self, vault: Vault, tmp_path: Path) -> None:
        save(vault, tmp_path / "backup")
        keys = (tmp_path / "backup" / "keys.json").read_bytes()
        one = ids(vault)[0]
        erase(vault, asset_stream("anna", one), "asked", "person:anna")
        save(vault, tmp_path / "backup")
        (tmp_path / "backup" / "keys.json").write_bytes(keys)
        with Vault(Settings(tmp_path / "restored", "anna", 2), create=True) as restored:
            restore(restored, tmp_path / "backup")
            assert name_of(restored, one) == ERASED
            assert restored.keys.get(asset_stream("anna", one)) is None

    def test_another_vault_s_folder_is_refused(self, vault: Vault, tmp_path: Path) -> None:
        save(vault, tmp_path / "backup")
        with (
            Vault(Settings(tmp_path / "other", "anna", 2), create=True) as other,
            pytest.raises(InvalidInput, match="another vault"),
        ):
            save(other, tmp_path / "backup")

    def test_a_run_that_was_killed_before_it_noted_its_end_is_made_again(self, vault: Vault, tmp_path: Path) -> None:
        save(vault, tmp_path / "backup")
        state = (tmp_path / "backup" / "backup.json").read_bytes()
        before = len(list((tmp_path / "backup" / "events").iterdir()))
        save(vault, tmp_path / "backup")
        (tmp_path / "backup" / "backup.json").write_bytes(state)
        save(vault, tmp_path / "backup")
        assert len(list((tmp_path / "backup" / "events").iterdir())) >= before
        with Vault(Settings(tmp_path / "restored", "anna", 2), create=True) as restored:
            restore(restored, tmp_path / "backup")
            catch_up(restored)
            assert intact(restored)


class TestDrill:
    def test_a_good_copy_is_proved(self, vault: Vault, tmp_path: Path) -> None:
        save(vault, tmp_path / "backup")
        done = drill(vault, tmp_path / "backup", 2)
        assert (done.assets, done.faults) == (2, [])
        assert done.files >= 2
        recorded = last(vault, BackupDrilled)
        assert recorded is not None
        assert finding(vault, "drill").level == "ok"

    def test_a_file_that_is_missing_or_changed_is_found(self, vault: Vault, tmp_path: Path) -> None:
        save(vault, tmp_path / "backup")
        first, second, _ = originals(vault)
        (tmp_path / "backup" / "blobs" / first[:2] / first).unlink()
        (tmp_path / "backup" / "blobs" / second[:2] / second).write_bytes(b"other")
        faults = drill(vault, tmp_path / "backup", None).faults
        assert len(faults) == 2
        assert any(f"file {first} is not in the backup" in each for each in faults)
        assert any(f"file {second} is not what was recorded" in each for each in faults)
        assert finding(vault, "drill").level == "failure"
        with (
            Vault(Settings(tmp_path / "restored", "anna", 2), create=True) as other,
            pytest.raises(PhotoVaultError, match="was changed"),
        ):
            restore(other, tmp_path / "backup")

    def test_a_key_that_is_missing_is_found(self, vault: Vault, tmp_path: Path) -> None:
        save(vault, tmp_path / "backup")
        path = tmp_path / "backup" / "keys.json"
        keys = json.loads(path.read_bytes())
        del keys["keys"][asset_stream("anna", ids(vault)[0])]
        path.write_text(json.dumps(keys))
        assert "is not in the backup" in drill(vault, tmp_path / "backup", None).faults[0]

    def test_a_changed_history_is_found(self, vault: Vault, tmp_path: Path) -> None:
        import gzip

        save(vault, tmp_path / "backup")
        [path] = (tmp_path / "backup" / "events").iterdir()
        path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes()).replace(b"image/jpeg", b"image/jpeh", 1)))
        assert "was changed after it was written" in str(drill(vault, tmp_path / "backup", None).faults)
        with (
            Vault(Settings(tmp_path / "restored", "anna", 2), create=True) as other,
            pytest.raises(HistoryDamaged),
        ):
            restore(other, tmp_path / "backup")


# --- cleanup ---------------------------------------------------------------------------------------------------------


class TestCleanup:
    def test_the_trash_goes_after_30_days_and_not_before(self, vault: Vault, clock: Skewed) -> None:
        one, other, _ = ids(vault)
        for each in (one, other):
            trash(vault, asset_stream("anna", each), "blurred")
        take_out(vault, asset_stream("anna", other), "not so bad")
        catch_up(vault)
        clock.days = 29
        assert clean(vault, vault.owners(), everything=True)[1] == VaultCleaned()
        clock.days = 31
        plan, _ = clean(vault, vault.owners(), dry=True)
        assert plan.trash == [asset_stream("anna", one)]
        assert name_of(vault, one).startswith("secret_")
        _, done = clean(vault, vault.owners())
        catch_up(vault)
        assert done.erased == 1
        assert name_of(vault, one) == ERASED
        assert name_of(vault, other).startswith("secret_")
        recorded = last(vault, VaultCleaned)
        assert recorded is not None
        assert recorded.event == done
        assert intact(vault)

    def test_a_link_goes_a_week_after_its_time_was_over(self, vault: Vault, clock: Skewed) -> None:
        serving = vault.settings.serving
        one, other = ids(vault)[:2]
        old = create(vault, "anna", "asset", serving, assets=[one], lasts=timedelta(days=1))
        create(vault, "anna", "asset", serving, assets=[other])
        catch_up(vault)
        clock.days = 7
        assert clean(vault, vault.owners())[0].shares == []
        clock.days = 9
        assert clean(vault, vault.owners(), dry=True)[0].shares == [("anna", old.share)]
        assert saved_token(vault.checkpoints, old.share) == old.token
        assert clean(vault, vault.owners())[1].shares == 1
        assert saved_token(vault.checkpoints, old.share) is None
        catch_up(vault)
        states = {item["share"]: item["state"] for item in list_shares(vault, "anna")["items"]}
        assert (states.pop(old.share), list(states.values())) == ("revoked", ["active"])
        assert clean(vault, vault.owners())[0].shares == []

    def test_an_orphan_goes_a_week_later_and_what_is_named_stays(self, vault: Vault) -> None:
        for key, *_ in list(vault.blobs.listed()):
            age(vault.blobs.path(key), 100)
        kept = {key for key, *_ in vault.blobs.listed()}
        young, old = vault.blobs.put(b"young"), vault.blobs.put(b"old")
        age(vault.blobs.path(old), 8)
        plan, _ = clean(vault, vault.owners(), dry=True, everything=True)
        assert plan.orphans == [(old, 3)]
        assert vault.blobs.path(old).exists()
        clean(vault, vault.owners(), everything=True)
        assert {key for key, *_ in vault.blobs.listed()} - kept == {young}
        assert kept <= {key for key, *_ in vault.blobs.listed()}

    def test_every_part_of_the_store_has_its_turn(self, vault: Vault) -> None:
        orphans = {vault.blobs.put(str(n).encode()) for n in range(40)}
        for key in orphans:
            age(vault.blobs.path(key), 8)
        for _ in range(16):
            clean(vault, vault.owners())
        assert not orphans & {key for key, *_ in vault.blobs.listed()}

    def test_what_another_asset_needs_too_outlives_an_erasure(self, vault: Vault, tmp_path: Path) -> None:
        one = ids(vault)[0]
        key = originals(vault)[0]
        with Vault(Settings(vault.settings.home, "boris", 2)) as other:  # somebody else has the same file
            import_files(other, [vault.blobs.path(key)])
        done = erase(vault, asset_stream("anna", one), "asked", "person:anna")
        assert done.doubted == 1
        assert vault.blobs.path(key).exists()
        clean(vault, vault.owners())
        assert vault.blobs.path(key).exists()
        assert list(vault.checkpoints.list(DOUBTED)) == []
        catch_up(vault)
        erase(vault, asset_stream("boris", derive_id("asset", "boris", key)), "asked", "person:boris")
        clean(vault, vault.owners())
        assert not vault.blobs.path(key).exists()

    def test_an_erasure_that_was_begun_is_ended(self, vault: Vault) -> None:
        one = asset_stream("anna", ids(vault)[0])
        erase(vault, one, "asked", "person:anna")
        vault.checkpoints.save(UNDER_WAY, one, b"1", expected=None)
        assert finding(vault, "erasures").level == "warning"
        plan, _ = clean(vault, vault.owners())
        assert plan.unfinished == [one]
        assert finding(vault, "erasures").level == "ok"

    def test_half_written_files_are_shown_first(self, vault: Vault) -> None:
        left = vault.blobs.temporary / "left"
        left.write_bytes(b"half")
        age(left, 1)
        plan, _ = clean(vault, vault.owners(), dry=True)
        assert (plan.uploads, plan.upload_bytes, left.exists()) == (1, 4, True)
        clean(vault, vault.owners())
        assert not left.exists()


# --- scrub, doctor, the day ------------------------------------------------------------------------------------------


class TestScrub:
    def test_a_little_each_time_and_all_in_a_round(self, vault: Vault) -> None:
        runs = [scrub(vault, most_files=1) for _ in range(4)]
        assert [run.assets for run in runs] == [1, 1, 1, 0]
        assert [run.through for run in runs] == [False, False, False, True]
        files = {
            key for a in ids(vault) for key in blobs_of(fold("", vault.store.load(asset_stream("anna", a)).events))
        }
        assert sum(run.files for run in runs) >= len(files)

    def test_what_is_missing_or_changed_is_named(self, vault: Vault) -> None:
        first, second, _ = originals(vault)
        vault.blobs.path(first).unlink()
        vault.blobs.path(second).chmod(0o644)
        vault.blobs.path(second).write_bytes(b"other")
        faults = {fault.blob: fault.what for fault in scrub(vault).faults}
        assert faults[first] == "is missing"
        assert faults[second].startswith("was changed")
        assert len(faults) == 2
        assert finding(vault, "scrub").level == "failure"


class TestDoctor:
    def test_a_healthy_vault_has_nothing_that_fails(self, vault: Vault) -> None:
        findings = {each.check: each.level for each in examine(vault)}
        assert "failure" not in findings.values(), findings
        assert findings["backup"] == findings["scrub"] == "warning"  # nobody made one yet

    def test_each_finding_says_what_to_do(self, vault: Vault) -> None:
        assert all(each.do for each in examine(vault) if each.level != "ok")

    def test_a_clock_that_is_behind_the_history_is_found(self, vault: Vault, clock: Skewed) -> None:
        clock.days = -2
        assert finding(vault, "clock").level == "failure"

    def test_a_view_of_other_code_is_found(self, vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(type(vault.generations.projections["gallery"]), "version", 999)
        found = finding(vault, "views")
        assert (found.level, found.do) == ("failure", "photovault replay")

    def test_an_old_backup_is_found(self, vault: Vault, tmp_path: Path, clock: Skewed) -> None:
        save(vault, tmp_path / "backup")
        assert finding(vault, "backup").level == "ok"
        clock.days = 9
        assert finding(vault, "backup").level == "warning"


def test_the_day_s_upkeep_runs_once_a_day_and_backs_up(worked: Path, tmp_path: Path, clock: Skewed) -> None:
    shutil.copytree(worked, tmp_path / "home")
    settings = Settings(tmp_path / "home", "anna", 2, backup=tmp_path / "backup")
    with Vault(settings, clock=clock) as vault:
        assert daily_due(vault)
        assert daily(vault) == []
        assert not daily_due(vault)
        made, drilled = last(vault, BackupMade), last(vault, BackupDrilled)
        assert made is not None
        assert drilled is not None
        assert isinstance(drilled.event, BackupDrilled)
        assert drilled.event.faults == ()
        clock.days = 1
        assert daily_due(vault)
        (tmp_path / "backup" / "backup.json").write_text("{")
        assert [each.partition(":")[0] for each in daily(vault)] == ["backup"]
