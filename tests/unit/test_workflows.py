"""The workflows: no stored keys, no more permissions than needed, actions that can't be moved, targets that exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

_ROOT = Path(__file__).parents[2]
_FILES = sorted((_ROOT / ".github" / "workflows").glob("*.yml"))
_PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")
_LONG_LIVED = re.compile(r"aws[_-](access[_-]key[_-]id|secret[_-]access[_-]key|session[_-]token)", re.IGNORECASE)
_MAKE = re.compile(r"^make ([a-z-]+)\b", re.MULTILINE)

workflows = pytest.mark.parametrize("path", _FILES, ids=lambda path: path.name)


def load(path: Path) -> dict[Any, Any]:
    document = yaml.safe_load(path.read_text(encoding="utf-8"))
    assert isinstance(document, dict)
    return document


def jobs_of(path: Path) -> dict[str, dict[str, Any]]:
    jobs = load(path)["jobs"]
    assert jobs
    return dict(jobs)


def steps_of(job: dict[str, Any]) -> list[dict[str, Any]]:
    return list(job.get("steps", []))


def test_there_are_workflows_to_test_lint_build_and_deploy() -> None:
    assert [path.name for path in _FILES] == ["build.yml", "deploy.yml", "lint.yml", "test.yml"]


@workflows
def test_no_workflow_uses_a_stored_secret_or_a_long_lived_key(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text
    assert not _LONG_LIVED.search(text)


@workflows
def test_every_action_is_named_by_a_full_commit(path: Path) -> None:
    for job in jobs_of(path).values():
        uses = [step["uses"] for step in steps_of(job) if "uses" in step]
        if "uses" in job:
            assert job["uses"].startswith("./.github/workflows/")
            assert (_ROOT / job["uses"]).exists()
        assert all(_PINNED.match(name) for name in uses), uses


@workflows
def test_permissions_are_set_and_only_a_deployment_may_ask_for_a_token(path: Path) -> None:
    document = load(path)
    assert document["permissions"] in ({}, {"contents": "read"})
    for name, job in document["jobs"].items():
        granted = job.get("permissions", document["permissions"])
        deploys = "environment" in job
        assert granted == {"contents": "read"} | ({"id-token": "write"} if deploys else {}), name


@workflows
def test_a_checkout_leaves_no_credentials_behind_and_every_job_ends(path: Path) -> None:
    for job in jobs_of(path).values():
        if "uses" in job:
            continue
        assert job["timeout-minutes"] <= 60
        for step in steps_of(job):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


@workflows
def test_every_make_target_that_is_called_exists(path: Path) -> None:
    makefile = (_ROOT / "Makefile").read_text(encoding="utf-8")
    called = {
        target
        for job in jobs_of(path).values()
        for step in steps_of(job)
        for target in _MAKE.findall(step.get("run", ""))
    }
    missing = {target for target in called if not re.search(rf"^{target}:", makefile, re.MULTILINE)}
    assert not missing


@workflows
def test_nothing_that_a_stranger_writes_is_run_as_a_command(path: Path) -> None:
    for job in jobs_of(path).values():
        for step in steps_of(job):
            assert "${{" not in step.get("run", "")
    assert "pull_request_target" not in path.read_text(encoding="utf-8")


def test_tests_run_on_every_supported_python() -> None:
    matrix = jobs_of(_ROOT / ".github/workflows/test.yml")["test"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_a_stage_is_deployed_by_a_role_of_its_own_environment_after_all_checks(stage: str) -> None:
    job = jobs_of(_ROOT / ".github/workflows/deploy.yml")[stage]
    assert job["environment"] == stage
    assert {"test", "lint", "build"} <= set(job["needs"])
    assert "refs/heads/main" in job["if"]
    assert job["concurrency"] == {"group": f"deploy-{stage}", "cancel-in-progress": False}
    (credentials,) = [
        s for s in steps_of(job) if s.get("uses", "").startswith("aws-actions/configure-aws-credentials@")
    ]
    assert credentials["with"]["role-to-assume"] == "${{ vars.AWS_ROLE_ARN }}"
    (deploy,) = [s for s in steps_of(job) if s.get("run") == "make deploy"]
    assert deploy["env"]["STAGE"] == stage


def test_prod_follows_dev() -> None:
    job = jobs_of(_ROOT / ".github/workflows/deploy.yml")["prod"]
    assert "dev" in job["needs"]
    assert "needs.dev.result == 'success'" in job["if"]


@pytest.mark.parametrize("stage", ["dev", "prod"])
def test_packages_are_installed_before_there_are_credentials(stage: str) -> None:
    names = [s.get("run") or s["uses"] for s in steps_of(jobs_of(_ROOT / ".github/workflows/deploy.yml")[stage])]
    credentials = next(i for i, name in enumerate(names) if name.startswith("aws-actions/configure"))
    installs = [i for i, name in enumerate(names) if "pip install" in name or name.startswith("make build")]
    assert max(installs) < credentials
