"""The schedule that looks at faces which are nobody's: what it answers, counts and says."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from msgspec import structs

from handlers import cluster
from photovault.face_memory import KeptFaces
from photovault.runtime import catch_up
from steps import Recognition
from steps.catalogue import STEP_FUNCTIONS
from steps.worker import Worker
from tests.support.aws_events import Context
from tests.support.fakes import work
from tests.support.people import ToldFaces, add_photo
from tests.unit.handlers.conftest import FakeCloud


@pytest.fixture
def faces(vault: FakeCloud) -> FakeCloud:
    vault.people = KeptFaces(vault.store, vault.views, vault.checkpoints, vault.blobs, vault.clock)
    told = ToldFaces({"m1": ["anna?"], "m2": ["anna"]})
    vault.ports = structs.replace(vault.ports, recognises=Recognition(faces=told, people=vault.people))
    vault.worker = Worker(STEP_FUNCTIONS, vault.ports, vault.clock)
    vault.people.agree("anna-of-the-hill", "person:test")
    for mark in ("m1", "m2"):
        add_photo(vault, mark, "anna-of-the-hill")
        work(vault)
    catch_up(vault)  # type: ignore[arg-type]
    return vault


def test_what_was_done_is_answered_and_counted_and_nobody_is_named(
    faces: FakeCloud, said: Callable[[], list[dict[str, Any]]]
) -> None:
    said()
    done = cluster.handler({}, Context())
    assert (done["owners"], done["looked"], done["assigned"], done["whole"]) == (1, 1, 1, True)
    lines = said()
    assert any(line.get("faces_assigned") == [1.0] for line in lines)
    assert not any("faces_failed" in line for line in lines)
    assert "anna-of-the-hill" not in str(lines)


def test_what_fails_is_counted(
    faces: FakeCloud, said: Callable[[], list[dict[str, Any]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(faces.people, "near", lambda *_: 1 / 0)
    assert cluster.handler({}, Context())["failed"] == 1
    assert any(line.get("faces_failed") == [1.0] for line in said())


def test_with_little_time_left_it_is_not_begun(faces: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Context, "get_remaining_time_in_millis", lambda self: 1000)
    done = cluster.handler({}, Context())
    assert (done["looked"], done["whole"]) == (0, False)
