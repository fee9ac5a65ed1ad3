"""Pages behind links: what a visitor's browser gets, and what never leaves or is never logged."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from domain.share import MAX_WRONG, share_stream
from handlers import api
from photovault import contacts
from photovault.runtime import catch_up
from tests.support.aws_events import Context, api_event
from tests.support.sharing import cookie_of, friend, photo, shared
from tests.unit.handlers.conftest import FakeCloud

PASSWORD = "correct horse"


def call(method: str, path: str, *, cookie: str | None = None, **more: Any) -> dict[str, Any]:
    """A visitor's request, with the cookies of a browser."""
    event = api_event(method, path, subject=None, **more)
    if cookie:
        event["cookies"] = [cookie]
    answer: dict[str, Any] = api.handler(event, Context())
    return answer


def header(answer: dict[str, Any], name: str) -> str:
    """One header, however the answer spells them."""
    found = {**answer.get("headers", {}), **{k: v[0] for k, v in answer.get("multiValueHeaders", {}).items()}}
    return str({key.lower(): value for key, value in found.items()}[name.lower()])


def test_a_link_shows_pictures_and_nothing_else(vault: FakeCloud) -> None:
    photo(vault, "a1")
    made = shared(vault, title="<script>alert(1)</script>")
    answer = call("GET", f"/s/{made.token}")
    assert answer["statusCode"] == 200
    page = answer["body"]
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    for secret in ("SECRET", "Canon", "Rome", "anna", "2024", "41.9"):
        assert secret not in page
    assert re.search(r'src="https://s3\.example/[0-9a-f]{64}\?expires=900"', page)


def test_a_page_may_run_nothing_and_be_kept_nowhere(vault: FakeCloud) -> None:
    photo(vault, "a1")
    answer = call("GET", f"/s/{shared(vault).token}")
    policy = header(answer, "Content-Security-Policy")
    assert "default-src 'none'" in policy
    assert "img-src 'self' https://s3.example;" in policy
    assert "script" not in policy
    assert "frame-ancestors 'none'" in policy
    assert header(answer, "Referrer-Policy") == "no-referrer"
    assert header(answer, "X-Robots-Tag") == "noindex, nofollow"
    assert "no-store" in header(answer, "Cache-Control")


def test_the_session_is_a_cookie_for_this_link_alone_and_does_not_count_again(vault: FakeCloud) -> None:
    photo(vault, "a1")
    made = shared(vault)
    first = call("GET", f"/s/{made.token}")
    (said,) = first["cookies"]
    assert f"Path=/s/{made.token}" in said
    for flag in ("HttpOnly", "Secure", "SameSite=Lax", "Max-Age=1800"):
        assert flag in said
    assert not call("GET", f"/s/{made.token}", cookie=cookie_of(first)).get("cookies")
    opened = [e.event for e in vault.store.load(share_stream("anna", made.share)).events]
    assert [type(event).__name__ for event in opened] == ["ShareCreated", "ShareOpened"]


def test_a_password_is_asked_for_and_then_the_page_is_shown(vault: FakeCloud) -> None:
    photo(vault, "a1")
    made = shared(vault, password=PASSWORD)
    asked = call("GET", f"/s/{made.token}")
    assert 'type="password"' in asked["body"]
    assert "s3.example" not in asked["body"]
    wrong = call("POST", f"/s/{made.token}", body="password=wrong+one")
    assert (wrong["statusCode"], bool(wrong.get("cookies"))) == (403, False)
    right = call("POST", f"/s/{made.token}", body="password=correct+horse", encoded=True)
    assert (right["statusCode"], header(right, "Location")) == (303, f"/s/{made.token}")
    assert "s3.example" in call("GET", f"/s/{made.token}", cookie=cookie_of(right))["body"]


def test_guessing_is_locked_out(vault: FakeCloud) -> None:
    photo(vault, "a1")
    made = shared(vault, password=PASSWORD)
    for _ in range(MAX_WRONG):
        call("POST", f"/s/{made.token}", body="password=wrong+one")
    assert call("POST", f"/s/{made.token}", body="password=correct+horse")["statusCode"] == 429


def test_a_file_is_recorded_and_leaves_under_a_neutral_name(vault: FakeCloud) -> None:
    photo(vault, "a1")
    made = shared(vault, download=True)
    page = call("GET", f"/s/{made.token}")
    assert f'href="/s/{made.token}/1/download"' in page["body"]
    file = call("GET", f"/s/{made.token}/1/download", cookie=cookie_of(page))
    assert file["statusCode"] == 303
    key = re.match(r"https://s3\.example/([0-9a-f]{64})\?expires=900&name=photo-001\.jpg$", header(file, "Location"))
    assert key
    assert vault.blobs.get(key[1]) == b"a1 without metadata"
    last = vault.store.load(share_stream("anna", made.share)).events[-1].event
    assert type(last).__name__ == "ShareItemDownloaded"


def test_a_file_without_an_opening_leads_to_the_page(vault: FakeCloud) -> None:
    photo(vault, "a1")
    made = shared(vault, download=True, password=PASSWORD)
    for what in ("1/download", "1/small", "9/small"):
        answer = call("GET", f"/s/{made.token}/{what}")
        assert (answer["statusCode"], header(answer, "Location")) == (303, f"/s/{made.token}")
    assert len(vault.store.load(share_stream("anna", made.share)).events) == 1


@pytest.mark.parametrize("what", ["2/small", "0/small", "x/small", "1/original", "1/..", "1/name", "99999999/small"])
def test_what_is_not_in_the_share_is_not_found(vault: FakeCloud, what: str) -> None:
    photo(vault, "a1")
    made = shared(vault)
    page = call("GET", f"/s/{made.token}")
    assert call("GET", f"/s/{made.token}/{what}", cookie=cookie_of(page))["statusCode"] == 404


def test_closed_links_say_so_with_their_own_status(vault: FakeCloud) -> None:
    photo(vault, "a1")
    expired, limited = shared(vault, lasts=timedelta(minutes=1)), shared(vault, max_views=1)
    assert "<button" in call("GET", f"/s/{limited.token}")["body"]
    assert call("POST", f"/s/{limited.token}")["statusCode"] == 303
    assert call("POST", f"/s/{limited.token}")["statusCode"] == 410
    vault.clock.tick(61)
    assert "expired" in call("GET", f"/s/{expired.token}")["body"]
    unknown = call("GET", f"/s/{'x' * 43}")
    assert (unknown["statusCode"], "opens nothing" in unknown["body"]) == (404, True)


def test_where_the_store_gives_no_links_files_come_from_here(vault: FakeCloud, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(type(vault.blobs), "url")
    photo(vault, "a1")
    made = shared(vault, download=True)
    page = call("GET", f"/s/{made.token}")
    assert f'src="/s/{made.token}/1/small"' in page["body"]
    small = call("GET", f"/s/{made.token}/1/small", cookie=cookie_of(page))
    assert base64.b64decode(small["body"]) == b"the small picture of a1"
    assert header(small, "Content-Type") == "image/jpeg"
    file = call("GET", f"/s/{made.token}/1/download", cookie=cookie_of(page))
    assert base64.b64decode(file["body"]) == b"a1 without metadata"
    assert header(file, "Content-Disposition") == 'attachment; filename="photo-001.jpg"'


def test_no_token_and_no_address_is_logged(vault: FakeCloud, said: Callable[[], list[dict[str, Any]]]) -> None:
    photo(vault, "a1")
    made = shared(vault, password=PASSWORD)
    said()
    call("GET", f"/s/{made.token}")
    call("POST", f"/s/{made.token}", body=f"password={PASSWORD}")
    call("GET", f"/s/{made.token}/1/small")
    lines = json.dumps(said())
    assert "answered" in lines
    for secret in (made.token, PASSWORD, "127.0.0.1"):
        assert secret not in lines


def test_owners_make_list_and_end_links_over_the_api(vault: FakeCloud) -> None:
    photo(vault, "a1")
    made = api.handler(api_event("POST", "/shares", body='{"assets": ["a1"], "title": "For you"}'), Context())
    assert made["statusCode"] == 201, made["body"]
    body = json.loads(made["body"])
    assert body["link"] == f"https://photos.example/s/{body['token']}"
    catch_up(vault)
    listed = json.loads(api.handler(api_event("GET", "/shares"), Context())["body"])
    assert [item["share"] for item in listed["items"]] == [body["share"]]
    assert body["token"] not in json.dumps(listed)
    theirs = api.handler(api_event("DELETE", f"/shares/{body['share']}", subject="boris"), Context())
    assert theirs["statusCode"] == 404
    assert api.handler(api_event("GET", "/shares", subject="boris"), Context())["body"] == '{"items":[],"cursor":null}'
    assert api.handler(api_event("DELETE", f"/shares/{body['share']}"), Context())["statusCode"] == 200
    assert call("GET", f"/s/{body['token']}")["statusCode"] == 410


@pytest.mark.parametrize(
    "body", ["", "[]", '{"assets": []}', '{"assets": ["b1"]}', '{"assets": ["x#y"]}', '{"tok": 1}']
)
def test_a_link_to_nothing_or_to_others_pictures_is_refused(vault: FakeCloud, body: str) -> None:
    photo(vault, "b1", owner="boris")
    assert api.handler(api_event("POST", "/shares", body=body), Context())["statusCode"] in (400, 404)


def test_owners_keep_their_contacts_over_the_api(vault: FakeCloud) -> None:
    asked = api.handler(api_event("POST", "/contacts", body='{"address": "boris@example.org"}'), Context())
    assert asked["statusCode"] == 201, asked["body"]
    contact = json.loads(asked["body"])["contact"]
    catch_up(vault)
    wanted = '{"paces": {"memory": "off"}, "quiet": ["22:00", "07:30"], "zone": "Europe/Lisbon"}'
    assert api.handler(api_event("PUT", f"/contacts/{contact}", body=wanted), Context())["statusCode"] == 200
    assert (
        api.handler(api_event("PUT", f"/contacts/{contact}", subject="boris", body=wanted), Context())["statusCode"]
        == 404
    )
    catch_up(vault)
    (item,) = json.loads(api.handler(api_event("GET", "/contacts"), Context())["body"])["items"]
    assert (item["address"], item["paces"]["memory"], item["quiet"]) == ("boris@example.org", "off", ["22:00", "07:30"])
    assert json.loads(api.handler(api_event("GET", "/contacts", subject="boris"), Context())["body"])["items"] == []
    for body in ("", "{}", '{"address": "x"}', '{"address": "a@b.de", "zone": "x/y"}'):
        assert api.handler(api_event("POST", "/contacts", body=body), Context())["statusCode"] == 400


class TestYesAndNo:
    def test_a_look_changes_nothing_and_the_button_does(self, vault: FakeCloud) -> None:
        contact = friend(vault, agreed=False)
        code = contacts.code(vault, "anna", contact, "confirm")
        path = f"/n/confirm/anna/{contact.id}/{code}"
        assert "<button" in call("GET", path)["body"]
        assert contacts.load(vault, "anna", contact.id).confirmed_at is None
        assert call("POST", path)["statusCode"] == 200
        assert contacts.load(vault, "anna", contact.id).confirmed_at is not None

    def test_a_mail_programs_button_unsubscribes_with_one_click(self, vault: FakeCloud) -> None:
        contact = friend(vault)
        code = contacts.code(vault, "anna", contact, "unsubscribe")
        answer = call("POST", f"/n/unsubscribe/anna/{contact.id}/{code}", body="List-Unsubscribe=One-Click")
        assert answer["statusCode"] == 200
        assert contacts.load(vault, "anna", contact.id).unsubscribed

    def test_a_code_is_good_for_one_purpose_one_contact_and_one_owner(self, vault: FakeCloud) -> None:
        contact, other = friend(vault), friend(vault, "clara@example.org")
        code = contacts.code(vault, "anna", contact, "unsubscribe")
        for path in (
            f"/n/confirm/anna/{contact.id}/{code}",
            f"/n/unsubscribe/anna/{other.id}/{code}",
            f"/n/unsubscribe/boris/{contact.id}/{code}",
            f"/n/unsubscribe/anna/{contact.id}/{code[:-1]}x",
            f"/n/delete/anna/{contact.id}/{code}",
            f"/n/unsubscribe/anna%23x/{contact.id}/{code}",
        ):
            assert call("POST", path)["statusCode"] == 404, path
        assert not contacts.load(vault, "anna", contact.id).unsubscribed
        assert not contacts.load(vault, "anna", other.id).unsubscribed
