"""person: in a search is who the vault's owner says it is."""

from __future__ import annotations

from datetime import date
from typing import Any, cast

import pytest

from domain.errors import InvalidInput, NotFound, PhotoVaultError
from domain.query import parse
from photovault import people as told
from photovault.runtime import catch_up
from photovault.searching import of_people
from tests.support.people import vault_with

TODAY = date(2026, 11, 24)


def asked(vault: Any, text: str) -> set[str] | None:
    return of_people(vault, parse(text, TODAY))


def test_a_named_persons_pictures_are_all_that_may_be_found() -> None:
    with vault_with({"a1": ["anna"], "a2": ["anna", "bert"], "a3": ["bert"]}) as memory:
        vault = cast("Any", memory)
        for person in told.people(vault):
            anna = {shown.asset for shown in told.pictures(vault, [person.person])} == {"a1", "a2"}
            told.name(vault, told.find_person(vault, person.person), "Anna" if anna else "Bert")
        catch_up(vault)
        assert asked(vault, "person:anna beach") == {"a1", "a2"}
        assert asked(vault, "person:anna person:BERT") == {"a2"}
        assert asked(vault, "beach") is None
        with pytest.raises(NotFound, match="no person"):
            asked(vault, "person:carl")
        with pytest.raises(InvalidInput, match="-person:"):
            asked(vault, "-person:anna")


def test_without_consent_nobody_is_looked_for() -> None:
    with vault_with({"a1": ["anna"]}, agreed=False) as memory, pytest.raises(PhotoVaultError):
        asked(cast("Any", memory), "person:anna")
