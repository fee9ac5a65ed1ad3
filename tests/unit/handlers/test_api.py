"""The API: everything that it shows is the token's owner's; errors are problem documents."""

from __future__ import annotations

import json
from typing import Any

import pytest

from domain.asset import asset_stream
from domain.events import Scan
from domain.scanning import Serving
from handlers import api
from tests.support.aws_events import Context, api_event
from tests.support.factories import append, failed, processed, quarantined, renditions, uploaded, validated, whole_life
from tests.unit.handlers.conftest import FakeCloud


def call(method: str, path: str, **more: Any) -> tuple[int, Any]:
    """Status and parsed body of a request."""
    answer = api.handler(api_event(method, path, **more), Context())
    return answer["statusCode"], json.loads(answer["body"])


def filled(vault: FakeCloud, owner: str = "anna", *assets: str) -> None:
    """Assets that are done."""
    for asset in assets or ("a1",):
        commits = append(vault.store, asset_stream(owner, asset), *whole_life())
        vault.projector.project(commits)


def test_the_gallery_shows_the_owners_assets_with_links(vault: FakeCloud) -> None:
    filled(vault, "anna", "a1", "a2")
    filled(vault, "boris", "b1")
    code, body = call("GET", "/gallery")
    assert code == 200
    assert {item["asset"] for item in body["items"]} == {"a1", "a2"}
    assert body["items"][0]["renditions"]["small"]["path"].startswith("https://s3.example/")


def test_pages_follow_each_other(vault: FakeCloud) -> None:
    filled(vault, "anna", "a1", "a2", "a3")
    seen, cursor = [], None
    while True:
        _, body = call("GET", "/gallery", query={"limit": "1"} | ({"cursor": cursor} if cursor else {}))
        seen += [item["asset"] for item in body["items"]]
        if (cursor := body["cursor"]) is None:
            break
    assert sorted(seen) == ["a1", "a2", "a3"]


def test_a_cursor_of_another_owner_is_refused(vault: FakeCloud) -> None:
    filled(vault, "anna", "a1", "a2")
    _, body = call("GET", "/gallery", query={"limit": "1"})
    code, problem = call("GET", "/gallery", subject="boris", query={"limit": "1", "cursor": body["cursor"]})
    assert code == 400
    assert problem["title"] == "Bad request"


@pytest.mark.parametrize("path", ["/assets/a1", "/assets/a1/audit"])
def test_another_owners_asset_is_not_there(vault: FakeCloud, path: str) -> None:
    filled(vault)
    assert call("GET", path)[0] == 200
    theirs, nowhere = call("GET", path, subject="boris"), call("GET", path.replace("a1", "zz"), subject="boris")
    assert theirs[0] == nowhere[0] == 404
    assert theirs[1]["detail"].replace("a1", "zz") == nowhere[1]["detail"]


@pytest.mark.parametrize("asset", ["anna%23asset%23a1", "..", "a1%23", "A1", "a" * 65])
def test_an_asset_is_named_by_its_id_alone(vault: FakeCloud, asset: str) -> None:
    filled(vault)
    assert call("GET", f"/assets/{asset}", subject="boris")[0] == 404


def test_only_the_verified_subject_is_the_owner(vault: FakeCloud) -> None:
    filled(vault)
    claims = {"email": "anna", "username": "anna", "cognito:username": "anna"}
    more = {"claims": claims, "query": {"owner": "anna", "sub": "anna"}, "headers": {"x-owner": "anna"}}
    assert call("GET", "/gallery", subject="boris", **more)[1]["items"] == []


def test_an_administrator_may_open_another_library_to_a_person(vault: FakeCloud) -> None:
    filled(vault, "family", "f1")
    filled(vault, "boris", "b1")
    items = call("GET", "/gallery", subject="boris", claims={"custom:owner": "family"})[1]["items"]
    assert [item["asset"] for item in items] == ["f1"]
    assert call("GET", "/gallery", subject="boris", claims={"custom:owner": "a#b"})[0] == 401


@pytest.mark.parametrize("path", ["/gallery", "/assets/a1", "/assets/a1/audit", "/status", "/failed"])
def test_without_an_identity_nothing_is_shown(vault: FakeCloud, path: str) -> None:
    filled(vault)
    code, problem = call("GET", path, subject=None)
    assert (code, problem["status"]) == (401, 401)


def test_a_subject_that_no_owner_can_be_called_is_nobody(vault: FakeCloud) -> None:
    assert call("GET", "/gallery", subject="anna#asset#a1")[0] == 401
    assert call("GET", "/gallery", subject="-")[0] == 401


def test_an_asset_has_a_link_to_its_original_once_it_is_known_to_be_harmless(vault: FakeCloud) -> None:
    filled(vault)
    assert call("GET", "/assets/a1")[1]["original"].startswith("https://s3.example/")
    vault.projector.project(append(vault.store, asset_stream("anna", "new"), uploaded()))
    assert call("GET", "/assets/new")[1]["original"] is None
    bad = append(vault.store, asset_stream("anna", "bad"), uploaded(), [quarantined(), processed("quarantined")])
    vault.projector.project(bad)
    assert call("GET", "/assets/bad")[1]["original"] is None


def test_the_audit_tells_every_event_and_what_is_due(vault: FakeCloud) -> None:
    append(vault.store, asset_stream("anna", "a1"), uploaded(), failed("validate"))
    _, life = call("GET", "/assets/a1/audit")
    assert [entry["type"] for entry in life["entries"]] == ["AssetUploaded", "StepFailed"]
    assert life["due"][0]["step"] == "validate"


def test_status_counts_and_failed_lists(vault: FakeCloud) -> None:
    filled(vault, "anna", "a1")
    bad = append(vault.store, asset_stream("anna", "bad"), uploaded(), [quarantined(), processed("quarantined")])
    vault.projector.project(bad)
    _, status = call("GET", "/status")
    assert status["assets"] == {"total": 2, "done": 1, "processing": 0, "quarantined": 1, "given_up": 0}
    _, listed = call("GET", "/failed")
    assert [item["asset"] for item in listed["items"]] == ["bad"]
    assert call("GET", "/failed", subject="boris")[1]["items"] == []


@pytest.mark.parametrize("encoded", [False, True])
def test_an_upload_gets_a_link_under_the_owners_folder(vault: FakeCloud, encoded: bool) -> None:
    code, body = call("POST", "/uploads", body='{"name": "IMG 1.jpg", "owner": "boris"}', encoded=encoded)
    assert code == 201
    owner, ident, name = body["key"].split("/")
    assert (owner, name, len(ident)) == ("anna", "IMG 1.jpg", 36)
    assert body["url"].startswith(f"https://s3.example/upload/{body['key']}")


@pytest.mark.parametrize(
    "body", ["", "no json", "[]", "{}", '{"name": "../boris/a"}', '{"name": ""}', '{"name": "a\\u0000"}']
)
def test_a_wrong_upload_is_a_bad_request(vault: FakeCloud, body: str) -> None:
    code, problem = call("POST", "/uploads", body=body)
    assert code == 400
    assert problem["detail"]


@pytest.mark.parametrize(
    "query", [{"limit": "0"}, {"limit": "x"}, {"limit": "201"}, {"state": "odd"}, {"cursor": "odd"}]
)
def test_a_wrong_query_is_a_bad_request(vault: FakeCloud, query: dict[str, str]) -> None:
    assert call("GET", "/gallery", query=query)[0] == 400


def test_problems_are_problem_documents(vault: FakeCloud) -> None:
    answer = api.handler(api_event("GET", "/nothing"), Context())
    assert answer["headers"]["Content-Type"] == "application/problem+json"
    assert json.loads(answer["body"]) == {
        "type": "about:blank",
        "title": "Not found",
        "status": 404,
        "detail": "there is nothing here",
        "request": "JKJaXmPLvHcESHA=",
    }


def test_a_view_that_is_not_built_is_not_available_yet(vault: FakeCloud) -> None:
    vault.checkpoints.delete("projection", "gallery")
    assert call("GET", "/gallery")[0] == 503


def test_a_fault_is_a_500_that_tells_nothing(vault: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: Any, **__: Any) -> None:
        raise OSError("secret detail")

    monkeypatch.setattr(vault.views, "query", away)
    code, problem = call("GET", "/gallery")
    assert code == 500
    assert "secret" not in json.dumps(problem)


def test_health_needs_no_owner(vault: FakeCloud) -> None:
    code, body = call("GET", "/health", subject=None)
    assert (code, body["status"], body["views"]["gallery"]) == (200, "ok", 1)


def test_nothing_secret_is_logged(vault: FakeCloud, said: Any) -> None:
    filled(vault)
    call("GET", "/gallery", headers={"authorization": "Bearer very-secret"})
    call("POST", "/uploads", body='{"name": "private.jpg"}')
    text = json.dumps(said())
    assert "JKJaXmPLvHcESHA=" in text
    assert not any(word in text for word in ("very-secret", "s3.example", "private.jpg"))


def test_what_the_policy_withholds_has_no_link_anywhere(vault: FakeCloud) -> None:
    filled(vault)  # nobody has scanned it
    assert call("GET", "/assets/a1")[1]["original"].startswith("https://s3.example/")
    vault.settings.serving = Serving(unscanned=False)
    for path in ("/gallery", "/assets/a1"):
        body = call("GET", path)[1]
        assert "https://s3.example/" not in json.dumps(body)
        item = body["items"][0] if path == "/gallery" else body
        assert (item["safety"], item["withheld"], item["thumbhash"]) == ("not_scanned", True, None)
    assert call("GET", "/assets/a1")[1]["original"] is None


def test_a_clean_file_has_its_links_under_the_strictest_policy(vault: FakeCloud) -> None:
    vault.settings.serving = Serving(unscanned=False)
    clean = Scan(status="clean", engine="ClamAV 1.4.3")
    commits = append(vault.store, asset_stream("anna", "a1"), [uploaded()], [validated(scan=clean)], [renditions()])
    vault.projector.project(commits)
    item = call("GET", "/assets/a1")[1]
    assert item["original"].startswith("https://s3.example/")
    assert item["renditions"]["small"]["path"].startswith("https://s3.example/")


def test_the_trash_is_its_owners_alone_and_gives_back_what_it_holds(vault: FakeCloud) -> None:
    filled(vault, "anna", "a1", "a2")
    assert call("PUT", "/assets/a1/trash", subject="boris")[0] == 404
    assert call("PUT", "/assets/a1/trash") == (200, {"assets": ["a1"]})
    assert call("PUT", "/assets/a1/trash") == (200, {"assets": []})
    vault.projector.project(vault.everything())
    assert [item["asset"] for item in call("GET", "/gallery")[1]["items"]] == ["a2"]
    [item] = call("GET", "/trash")[1]["items"]
    assert (item["asset"], item["withheld"], bool(item["renditions"])) == ("a1", False, True)
    assert call("GET", "/trash", subject="boris")[1]["items"] == []
    shown = call("GET", "/assets/a1")[1]
    assert (shown["withheld"], shown["original"], shown["renditions"]) == (True, None, {})
    assert call("DELETE", "/assets/a1/trash") == (200, {"assets": ["a1"]})
    vault.projector.project(vault.everything())
    assert len(call("GET", "/gallery")[1]["items"]) == 2


def test_a_favourite_is_marked_and_unmarked(vault: FakeCloud) -> None:
    filled(vault, "anna", "a1")
    assert call("PUT", "/assets/a1/favourite") == (200, {"changed": True})
    assert call("PUT", "/assets/a1/favourite") == (200, {"changed": False})
    vault.projector.project(vault.everything())
    assert call("GET", "/assets/a1")[1]["favourite"] is True
    assert call("DELETE", "/assets/a1/favourite", subject="boris")[0] == 404
    assert call("DELETE", "/assets/a1/favourite") == (200, {"changed": True})


def test_health_shows_levels_and_nothing_else(vault: FakeCloud) -> None:
    found = [{"check": "scrub", "level": "failure", "what": "anna's file", "do": "look", "value": None}]
    vault.checkpoints.save("upkeep", "findings", json.dumps(found).encode(), expected=None)
    code, body = call("GET", "/health", subject=None)
    assert (code, body["status"], body["checks"]) == (503, "failure", {"scrub": "failure"})
    assert "anna" not in json.dumps(body)
