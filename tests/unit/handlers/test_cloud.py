"""The composition root: settings from the environment, or from a stage's name as the template spells it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from domain.errors import InvalidInput
from photovault.aws.cloud import CloudSettings, is_owner

_ROOT = Path(__file__).resolve().parents[3]
ENVIRONMENT = {
    "EVENTS_TABLE": "e",
    "CHECKPOINTS_TABLE": "c",
    "VIEWS_PREFIX": "v-",
    "QUEUES_PREFIX": "q-",
    "ORIGINALS_BUCKET": "o",
    "DERIVED_BUCKET": "d",
    "ARCHIVE_BUCKET": "a",
}


def test_settings_come_from_the_environment() -> None:
    settings = CloudSettings.of({**ENVIRONMENT, "DEFAULT_OWNER": "home", "STAGE": "prod"})
    assert (settings.events_table, settings.default_owner, settings.stage) == ("e", "home", "prod")
    assert CloudSettings.of({**ENVIRONMENT, "DEFAULT_OWNER": ""}).default_owner is None


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(InvalidInput, match=name):
        CloudSettings.of({**ENVIRONMENT, name: ""})


def test_a_default_owner_that_nobody_can_be_is_refused() -> None:
    with pytest.raises(InvalidInput, match="DEFAULT_OWNER"):
        CloudSettings.of({**ENVIRONMENT, "DEFAULT_OWNER": "a#b"})


@pytest.mark.parametrize(
    ("name", "right"), [("anna", True), ("a@b.c", True), ("", False), ("-", False), ("a/b", False)]
)
def test_an_owner_is_named_by_the_rule_of_the_vault_at_home(name: str, right: bool) -> None:
    assert is_owner(name) is right


def test_a_stages_names_are_those_of_the_template() -> None:
    template = (_ROOT / "template.yaml").read_text()
    given = dict(re.findall(r"^ +([A-Z_]+): !Sub (photovault-\S+)$", template, re.MULTILINE))
    expected = {
        name: text.replace("${Stage}", "dev")
        .replace("${AWS::AccountId}", "1234")
        .replace("${AWS::Region}", "eu-west-1")
        for name, text in given.items()
        if name in ENVIRONMENT
    }
    assert set(expected) == set(ENVIRONMENT)
    settings = CloudSettings.of_stage("dev", "1234", "eu-west-1")
    assert {name: getattr(settings, name.lower()) for name in expected} == expected
