"""The linters find nothing in the template, before and after SAM's transform; each mistake is seen by them or by us."""

from __future__ import annotations

import copy
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from infrastructure import cfn
from infrastructure.packages import ROOT
from tests.support.template_checks import check
from tests.support.template_mistakes import SEEN_BY_CHECKS, SEEN_BY_LINT, Mistake
from tests.support.tools import MISSING, tool

SOUND = "the template as it is"
OF_THE_TRANSFORM = "W1020"  # SAM puts the stage into the layers' names and leaves the Fn::Sub around them


@pytest.fixture(scope="module")
def lint() -> Path:
    found = tool("cfn-lint")
    if found is None:
        pytest.skip(f"cfn-lint {MISSING}")
    return found


@pytest.fixture(scope="module")
def findings(lint: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What cfn-lint says of each mistake after SAM's transform, and what SAM itself refuses: one run for all."""
    place = tmp_path_factory.mktemp("mistakes")
    names = [SOUND, *SEEN_BY_LINT]
    for number, name in enumerate(names):
        template = mistaken(SEEN_BY_LINT.get(name, lambda _: None))
        folder = place / str(number)
        folder.mkdir()
        (folder / "template.json").write_text(json.dumps(template), encoding="utf-8")
    folders = sorted(place.iterdir())
    python = lint.parent / "python"
    run(python, "-m", "infrastructure.translate", *map(str, folders))
    found: dict[str, list[str]] = {name: [] for name in names}
    for folder in folders:
        if (refused := folder / "refused.txt").exists():
            found[names[int(folder.name)]].append(refused.read_text(encoding="utf-8"))
    translated = [str(path) for folder in folders if (path := folder / "translated.json").exists()]
    said = run(lint, "--format", "json", "--ignore-checks", OF_THE_TRANSFORM, "--", *translated, check=False)
    for one in json.loads(said or "[]"):
        found[names[int(Path(one["Filename"]).parent.name)]].append(f"{one['Rule']['Id']}: {one['Message']}")
    return found


def mistaken(mistake: Mistake) -> dict[str, Any]:
    template = copy.deepcopy(cfn.load())
    mistake(template)
    return template


def run(program: Path, *arguments: str, check: bool = True) -> str:
    environment = os.environ | {"AWS_DEFAULT_REGION": "us-east-1", "SAM_CLI_TELEMETRY": "0", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [program, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False
    )
    assert not check or done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_linter_finds_nothing_in_the_source(lint: Path) -> None:
    run(lint, "--format", "parseable", "--", str(cfn.TEMPLATE))


def test_the_linter_finds_nothing_after_the_transform(findings: dict[str, list[str]]) -> None:
    assert findings[SOUND] == []


def test_sam_finds_the_source_valid() -> None:
    sam = tool("sam")
    if sam is None:
        pytest.skip(f"sam {MISSING}")
    assert "is a valid SAM Template" in run(sam, "validate", "--lint", "--template", str(cfn.TEMPLATE))


@pytest.mark.parametrize("mistake", SEEN_BY_CHECKS.values(), ids=SEEN_BY_CHECKS)
def test_a_mistake_that_no_linter_knows_is_seen_by_our_rules(mistake: Mistake) -> None:
    assert check(mistaken(mistake)) != []


@pytest.mark.parametrize("mistake", SEEN_BY_LINT)
def test_a_mistake_that_our_rules_do_not_know_is_seen_by_the_linter(
    mistake: str, findings: dict[str, list[str]]
) -> None:
    assert findings[mistake] != []
