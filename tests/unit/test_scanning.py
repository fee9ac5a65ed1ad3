"""The scan before the decoders: four states, what becomes of each, and what readers see of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from domain.asset import asset_stream, fold, request_reprocess
from domain.errors import InvalidInput, ScanFailed
from domain.events import FileQuarantined, FileValidated, Scan, StepFailed
from domain.pipeline import STEPS
from domain.scanning import Serving
from photovault.auditing import describe
from photovault.config import Settings
from projections.serving import served
from tests.support.factories import STREAM, append, fake_photo, uploaded
from tests.support.fakes import MemoryVault, work

CLEAN = Scan(status="clean", engine="ClamAV 1.4.3", signatures="27500, Mon")
INFECTED = Scan(status="infected", engine="ClamAV 1.4.3", signatures="27500, Mon", threat="Eicar")
AWAY = ScanFailed("clamd can't be reached")
TOO_LONG = ScanFailed("the file is longer than clamd takes", retryable=False, engine="ClamAV 1.4.3")
BEACH = fake_photo("beach")
ONLY_CLEAN, EVERYTHING = Serving(unscanned=False), Serving(unscanned=True)


class ScriptedScanner:
    """Gives its answers one after the other, the last one for ever."""

    def __init__(self, *answers: Scan | ScanFailed) -> None:
        self.answers = list(answers)
        self.scans = 0

    def scan(self, blob: str, path: Path) -> Scan:
        self.scans += 1
        assert path.read_bytes() == BEACH
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, ScanFailed):
            raise answer
        return answer


@pytest.fixture
def vaults() -> Iterator[list[MemoryVault]]:
    made: list[MemoryVault] = []
    yield made
    for vault in made:
        vault.close()


def processed(vaults: list[MemoryVault], serving: Serving, *answers: Scan | ScanFailed) -> MemoryVault:
    """A vault with one photo, worked on until nothing is due."""
    vault = MemoryVault(scanner=ScriptedScanner(*answers) if answers else None, serving=serving)
    vaults.append(vault)
    key = vault.blobs.put(BEACH)
    append(vault.store, STREAM, [uploaded("beach.jpg", blob=key, sha256=key)])
    work(vault)
    return vault


def events(vault: MemoryVault, kind: type) -> list[Any]:
    return [r.event for r in vault.store.load(STREAM).events if isinstance(r.event, kind)]


def shown(vault: MemoryVault, view: str, serving: Serving | None = None) -> dict[str, Any]:
    projection, table = vault.generations.active(view)
    (row,) = vault.views.query(table, "anna").rows
    return served(projection, row, lambda blob: f"/blobs/{blob}", serving or vault.settings.serving)


def seen(vault: MemoryVault, serving: Serving | None = None) -> bool:
    """Whether anything of the picture reaches a reader; the two views agree."""
    gallery, renditions = shown(vault, "gallery", serving), shown(vault, "renditions", serving)
    every = [gallery["renditions"], gallery["thumbhash"], renditions["renditions"], renditions["original"]]
    assert all(every) or not any(every)
    return bool(every[0])


def test_a_clean_file_is_served_and_the_event_says_by_which_engine_and_signatures(vaults: list[MemoryVault]) -> None:
    vault = processed(vaults, ONLY_CLEAN, CLEAN)
    (validated,) = events(vault, FileValidated)
    assert validated.scan == CLEAN
    assert "scan: clean (by ClamAV 1.4.3, signatures 27500, Mon)" in describe(validated)
    assert seen(vault)
    assert shown(vault, "gallery")["safety"] == "clean"
    assert not shown(vault, "gallery")["withheld"]


@pytest.mark.parametrize("serving", [ONLY_CLEAN, EVERYTHING])
def test_an_infected_file_is_quarantined_unseen_by_any_decoder_whatever_the_policy(
    vaults: list[MemoryVault], serving: Serving
) -> None:
    vault = processed(vaults, serving, INFECTED)
    (refused,) = events(vault, FileQuarantined)
    assert (refused.code, refused.scan) == ("infected", INFECTED)
    assert "Eicar" in refused.reason
    assert vault.media.calls == []
    assert fold(STREAM, vault.store.load(STREAM).events).state == "quarantined"
    assert not seen(vault)
    assert not seen(vault, EVERYTHING)


def test_a_file_that_nobody_scans_is_served_by_a_policy_that_says_so_only(vaults: list[MemoryVault]) -> None:
    vault = processed(vaults, EVERYTHING)
    (validated,) = events(vault, FileValidated)
    assert validated.scan.status == "not_scanned"
    assert seen(vault)
    assert not seen(vault, ONLY_CLEAN)  # a change of policy counts at once
    assert shown(vault, "gallery", ONLY_CLEAN)["withheld"]


def test_a_scan_that_fails_is_tried_again_before_anything_decodes(vaults: list[MemoryVault]) -> None:
    vault = processed(vaults, ONLY_CLEAN, AWAY, AWAY, CLEAN)
    assert [type(r.event).__name__ for r in vault.store.load(STREAM).events][:4] == [
        "AssetUploaded", "StepFailed", "StepFailed", "FileValidated",
    ]  # fmt: skip
    assert [event.error for event in events(vault, StepFailed)] == ["ScanFailed"] * 2
    assert [call for call, _ in vault.media.calls].count("inspect") == 1
    assert seen(vault)


def test_after_the_last_attempt_a_file_without_a_verdict_is_quarantined_where_only_clean_ones_are_served(
    vaults: list[MemoryVault],
) -> None:
    vault = processed(vaults, ONLY_CLEAN, AWAY)
    assert len(events(vault, StepFailed)) == STEPS["validate"].max_attempts - 1
    (refused,) = events(vault, FileQuarantined)
    assert (refused.code, refused.scan.status, refused.scan.reason) == ("scan_failed", "failed", str(AWAY))
    assert vault.media.calls == []
    assert not seen(vault)


def test_where_unscanned_files_are_served_one_without_a_verdict_goes_on_and_says_so(vaults: list[MemoryVault]) -> None:
    vault = processed(vaults, EVERYTHING, AWAY)
    (validated,) = events(vault, FileValidated)
    assert (validated.scan.status, validated.scan.reason) == ("failed", str(AWAY))
    assert seen(vault)
    assert not seen(vault, ONLY_CLEAN)


def test_a_file_over_the_scanners_limits_is_not_tried_again(vaults: list[MemoryVault]) -> None:
    vault = processed(vaults, ONLY_CLEAN, TOO_LONG)
    assert events(vault, StepFailed) == []
    (refused,) = events(vault, FileQuarantined)
    assert refused.scan == Scan(status="failed", engine="ClamAV 1.4.3", reason=str(TOO_LONG))


def test_a_later_scan_replaces_an_earlier_one_in_both_directions(vaults: list[MemoryVault]) -> None:
    vault = processed(vaults, ONLY_CLEAN, CLEAN, INFECTED, CLEAN)
    for expected in (False, True):
        asset = fold(STREAM, vault.store.load(STREAM).events)
        append(vault.store, STREAM, list(request_reprocess(asset, "validate", "new signatures")))
        work(vault)
        assert seen(vault) is expected


def test_nothing_is_served_before_validation(vaults: list[MemoryVault]) -> None:
    vault = MemoryVault()
    vaults.append(vault)
    commits = append(vault.store, asset_stream("anna", "a1"), [uploaded("beach.jpg")])
    vault.projector.project(commits)
    assert not seen(vault, EVERYTHING)
    assert shown(vault, "renditions", EVERYTHING)["safety"] == "unknown"


@pytest.mark.parametrize(
    ("safety", "only_clean", "everything"),
    [
        ("clean", True, True),
        ("not_scanned", False, True),
        ("failed", False, True),
        ("infected", False, False),
        ("refused", False, False),
        ("unknown", False, False),
    ],
)
def test_the_policy(safety: Any, only_clean: bool, everything: bool) -> None:
    assert ONLY_CLEAN.allows(safety) is only_clean
    assert EVERYTHING.allows(safety) is everything


@pytest.mark.parametrize(
    ("environment", "unscanned"),
    [
        ({}, True),
        ({"PHOTOVAULT_CLAMD": "unix:/run/clamd"}, False),
        ({"PHOTOVAULT_CLAMD": "unix:/run/clamd", "PHOTOVAULT_SERVE_UNSCANNED": "yes"}, True),
        ({"PHOTOVAULT_SERVE_UNSCANNED": "no"}, False),
        ({"PHOTOVAULT_SERVE_UNSCANNED": ""}, True),
    ],
)
def test_with_a_scanner_only_clean_files_are_served_unless_the_policy_says_otherwise(
    environment: dict[str, str], unscanned: bool
) -> None:
    assert Settings.of(environment).serving == Serving(unscanned=unscanned)


def test_a_policy_is_yes_or_no() -> None:
    with pytest.raises(InvalidInput, match="takes yes or no"):
        Settings.of({"PHOTOVAULT_SERVE_UNSCANNED": "maybe"})
