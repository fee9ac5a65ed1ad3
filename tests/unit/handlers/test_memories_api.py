"""Memories through the API: the token's owner's alone, with pictures that may be shown."""

from __future__ import annotations

from domain.asset import asset_stream
from domain.memory import Found, Memory, memory_stream, remember
from tests.support.factories import append, trashed, whole_life
from tests.unit.handlers.conftest import FakeCloud
from tests.unit.handlers.test_api import call

FOUND = Found(
    kind="trip",
    title="Weekend in Rome, July 2024",
    since="2024-07-01T10:00:00",
    until="2024-07-02T10:00:00",
    members=("a1", "a2"),
    pictures=("a1", "a2"),
    cover="a2",
)


def remembered(vault: FakeCloud, owner: str = "anna") -> None:
    """Two pictures, and a memory of them."""
    for asset in FOUND.members:
        append(vault.store, asset_stream(owner, asset), *whole_life())
    append(vault.store, memory_stream(owner, "m1"), list(remember(Memory("m1"), FOUND)))
    project(vault)


def project(vault: FakeCloud) -> None:
    vault.projector.project(vault.commits.tail(None, 1000).commits)


def test_the_list_has_the_owners_memories_with_their_covers(vault: FakeCloud) -> None:
    remembered(vault)
    code, body = call("GET", "/memories")
    assert code == 200
    (item,) = body["items"]
    assert (item["memory"], item["title"], item["pictures"], item["cover"]["asset"]) == ("m1", FOUND.title, 2, "a2")
    assert call("GET", "/memories", subject="boris")[1]["items"] == []
    assert call("GET", "/memories", query={"kind": "party"})[0] == 400


def test_another_owners_memory_is_not_there(vault: FakeCloud) -> None:
    remembered(vault)
    assert call("GET", "/memories/m1")[0] == 200
    assert call("GET", "/memories/m1", subject="boris")[0] == 404
    assert call("PUT", "/memories/m1/dismissed", subject="boris")[0] == 404


def test_what_is_in_the_trash_is_not_shown_and_another_picture_is_the_cover(vault: FakeCloud) -> None:
    remembered(vault)
    append(vault.store, asset_stream("anna", "a2"), [trashed()])
    project(vault)
    _, body = call("GET", "/memories/m1")
    assert [item["asset"] for item in body["items"]] == ["a1"]
    assert body["cover"]["asset"] == "a1"


def test_a_memory_is_dismissed_and_comes_back(vault: FakeCloud) -> None:
    remembered(vault)
    assert call("PUT", "/memories/m1/dismissed")[1]["changed"] is True
    project(vault)
    assert call("GET", "/memories")[1]["items"] == []
    assert len(call("GET", "/memories", query={"dismissed": "yes"})[1]["items"]) == 1
    assert call("DELETE", "/memories/m1/dismissed")[1]["changed"] is True
    project(vault)
    assert len(call("GET", "/memories")[1]["items"]) == 1


def test_this_day_in_other_years(vault: FakeCloud) -> None:
    remembered(vault)
    _, body = call("GET", "/memories/today", query={"today": "2026-07-01"})
    assert body["title"] == "On this day, 1 July 2024"
    assert {item["asset"] for item in body["items"]} == {"a1", "a2"}
    assert call("GET", "/memories/today", query={"today": "2026-02-01"})[1] == {"items": []}
