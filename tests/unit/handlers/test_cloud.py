"""The composition root: settings from the environment, or from the outputs of a stack."""

from __future__ import annotations

import pytest

from domain.errors import InvalidInput
from infrastructure import cfn
from photovault.aws import stacks
from photovault.aws.cloud import CloudSettings, is_owner

ENVIRONMENT = {
    "EVENTS_TABLE": "e",
    "CHECKPOINTS_TABLE": "c",
    "KEYS_TABLE": "k",
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


def test_the_command_line_finds_in_a_stacks_outputs_what_functions_find_in_their_environment() -> None:
    outputs = cfn.load()["Outputs"]
    assert set(stacks.SETTINGS) == set(ENVIRONMENT)
    assert {*stacks.SETTINGS.values(), stacks.REPLAY_MACHINE} <= set(outputs)
