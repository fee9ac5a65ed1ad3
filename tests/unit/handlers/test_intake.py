"""Intake: every object becomes an asset of its owner or a refusal, once, however often and in what shape S3 tells."""

from __future__ import annotations

from typing import Any

import pytest

from adapters.aws.originals import blob_key, parse_blob_key
from domain.errors import NotFound
from domain.events import AssetUploaded, UploadRefused
from handlers.intake import handler
from photovault.aws.intake import owner_of
from tests.support.aws_events import Context, failed_items, s3_notice, s3_test_notice, sqs_event
from tests.support.fakes import outcomes
from tests.unit.handlers.conftest import FakeCloud


def told(*records: dict[str, Any]) -> dict[str, Any]:
    """One SQS message with these notices."""
    return {"Records": list(records)}


def uploads(vault: FakeCloud) -> dict[str, AssetUploaded]:
    """First events of all assets, by stream."""
    return {stream: events[0] for stream, events in outcomes(vault).items()}


def refusals(vault: FakeCloud) -> list[UploadRefused]:
    """All refusals."""
    return [events[0] for events in outcomes(vault, ("intake",)).values()]


def test_an_object_under_an_owners_folder_becomes_that_owners_asset(vault: FakeCloud) -> None:
    answer = handler(sqs_event(told(s3_notice("anna/2026/IMG 1 ü.jpg", version="v7", size=99))), Context())
    assert failed_items(answer) == []
    ((stream, event),) = uploads(vault).items()
    assert stream.startswith("anna#asset#")
    assert (event.file_name, event.path, event.size_bytes) == ("IMG 1 ü.jpg", "anna/2026/IMG 1 ü.jpg", 99)
    assert event.blob == "s3:anna/2026/IMG 1 ü.jpg?versionId=v7"
    assert event.source == "s3"
    assert event.sha256 is None


def test_the_same_notice_twice_and_late_makes_one_asset(vault: FakeCloud) -> None:
    first, late = s3_notice("anna/a.jpg"), s3_notice("anna/a.jpg", at="2026-05-02T08:00:00.000Z")
    for _ in range(2):
        handler(sqs_event(told(first, late), told(first)), Context())
    assert len(vault.everything()) == 1


def test_another_version_of_a_key_is_another_asset(vault: FakeCloud) -> None:
    handler(sqs_event(told(s3_notice("anna/a.jpg", version="v1"), s3_notice("anna/a.jpg", version="v2"))), Context())
    assert len(uploads(vault)) == 2


def test_without_versions_the_contents_tag_tells_an_overwrite_from_a_repeat(vault: FakeCloud) -> None:
    old, new = (s3_notice("anna/a.jpg", version=None, etag=tag) for tag in ("aaaa", "bbbb"))
    handler(sqs_event(told(old, old, new)), Context())
    assert [event.blob for event in uploads(vault).values()] == ["s3:anna/a.jpg?versionId=null"] * 2


def test_the_default_owner_adopts_what_lies_in_nobodys_folder(vault: FakeCloud) -> None:
    vault.settings.default_owner = "home"
    handler(sqs_event(told(s3_notice("a.jpg"), s3_notice("-odd-/a.jpg"))), Context())
    assert {stream.split("#")[0] for stream in uploads(vault)} == {"home"}


def test_what_nobody_owns_is_refused_with_an_event_once(vault: FakeCloud) -> None:
    for _ in range(2):
        assert failed_items(handler(sqs_event(told(s3_notice("a.jpg", size=5))), Context())) == []
    (refused,) = refusals(vault)
    assert (refused.code, refused.bucket, refused.key, refused.size_bytes) == ("no_owner", "originals", "a.jpg", 5)
    assert not uploads(vault)


@pytest.mark.parametrize(("key", "code"), [("anna/photos/", "folder"), ("anna/" + "x" * 1010, "key_too_long")])
def test_what_can_be_no_asset_is_refused(vault: FakeCloud, key: str, code: str) -> None:
    handler(sqs_event(told(s3_notice(key))), Context())
    assert [refused.code for refused in refusals(vault)] == [code]


def test_tests_and_deletions_are_no_uploads(vault: FakeCloud) -> None:
    gone = s3_notice("anna/a.jpg", name="ObjectRemoved:DeleteMarkerCreated")
    assert failed_items(handler(sqs_event(s3_test_notice(), told(gone)), Context())) == []
    assert vault.everything() == []


@pytest.mark.parametrize("name", ["ObjectCreated:Post", "ObjectCreated:Copy", "ObjectCreated:CompleteMultipartUpload"])
def test_every_way_of_creating_counts(vault: FakeCloud, name: str) -> None:
    handler(sqs_event(told(s3_notice("anna/a.jpg", name=name))), Context())
    assert len(uploads(vault)) == 1


def test_a_message_that_is_no_notice_fails_alone(vault: FakeCloud) -> None:
    event = sqs_event("no json", told(s3_notice("anna/a.jpg")), {"unknown": 1})
    assert failed_items(handler(event, Context())) == [event["Records"][i]["messageId"] for i in (0, 2)]
    assert len(uploads(vault)) == 1


def test_the_log_names_the_upload_and_the_metrics_count_it(vault: FakeCloud, said: Any) -> None:
    handler(sqs_event(told(s3_notice("anna/a.jpg", size=7))), Context())
    lines = said()
    (commit,) = vault.everything()
    assert any(line.get("correlation_id") == commit.correlation_id for line in lines)
    (emf,) = [line for line in lines if "uploads_taken" in line]
    assert (emf["uploads_taken"], emf["bytes"], emf["succeeded"]) == ([1.0], [7.0], [1.0])
    assert emf["_aws"]["CloudWatchMetrics"][0]["Namespace"] == "PhotoVault"


@pytest.mark.parametrize(
    ("key", "owner"),
    [
        ("anna/a.jpg", "anna"),
        ("anna@example.org/x/a", "anna@example.org"),
        ("a.jpg", "home"),
        ("/a.jpg", "home"),
        ("#/a", "home"),
    ],
)
def test_the_first_folder_names_the_owner(key: str, owner: str) -> None:
    assert owner_of(key, "home") == owner


def test_a_blob_key_gives_back_key_and_version() -> None:
    for key in ("anna/a.jpg", "anna/what?versionId=is this", "ü/📷"):
        assert parse_blob_key(blob_key(key, "v1")) == (key, "v1")
    for wrong in ("a" * 64, "s3:", "s3:a", "s3:?versionId=v", "other:a?versionId=v"):
        with pytest.raises(NotFound):
            parse_blob_key(wrong)
