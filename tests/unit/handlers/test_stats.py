"""The API's numbers: the token's owner's alone; behaviour is off until they agree, and erasable."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.asset import asset_stream
from handlers import api
from tests.support.aws_events import Context, api_event
from tests.support.factories import append, uploaded, whole_life
from tests.unit.handlers.conftest import FakeCloud


def call(method: str, path: str, **more: Any) -> tuple[int, Any]:
    answer = api.handler(api_event(method, path, **more), Context())
    return answer["statusCode"], json.loads(answer["body"])


@pytest.fixture(autouse=True)
def filled(vault: FakeCloud) -> None:
    for owner in ("anna", "boris"):
        vault.projector.project(append(vault.store, asset_stream(owner, "a1"), *whole_life()))


def test_storage_is_the_token_owners(vault: FakeCloud) -> None:
    for subject in ("anna", "boris"):
        code, body = call("GET", "/stats/storage", subject=subject)
        assert (code, body["owners"], body["original_bytes"]) == (200, [subject], uploaded().size_bytes)
    assert call("GET", "/stats/storage", subject="carla")[1]["original_bytes"] == 0


@pytest.mark.parametrize("what", ["performance", "cost", "advice"])
def test_every_number_can_be_asked_for(what: str) -> None:
    code, body = call("GET", f"/stats/{what}", query={"region": "eu-central-1"})
    assert code == 200
    assert body["cursor"] is None


@pytest.mark.parametrize("wrong", [{"since": "soon"}, {"by": "owner"}])
def test_a_wrong_question_is_refused(wrong: dict[str, str]) -> None:
    assert call("GET", "/stats/performance", query=wrong)[0] == 400
    assert call("GET", "/stats/everything")[0] == 404


def test_views_count_between_agreement_and_withdrawal(vault: FakeCloud) -> None:
    call("GET", "/assets/a1")
    assert call("GET", "/stats/behaviour")[1]["agreed"] is False
    vault.clock.now += api.behaviour.LONGEST * 2  # type: ignore[attr-defined]
    assert call("PUT", "/stats/behaviour")[1] == {"agreed": True, "new": True}
    assert call("GET", "/assets/a1")[0] == 200
    call("GET", "/stats/behaviour")
    vault.projector.project(vault.everything())
    assert [counts["views"] for counts in call("GET", "/stats/behaviour")[1]["months"].values()] == [1]
    assert call("DELETE", "/stats/behaviour")[1] == {"agreed": False, "months": 1}
    vault.projector.project(vault.everything())
    assert call("GET", "/stats/behaviour")[1]["months"] == {}
