"""Events as AWS hands them to a function, in the shapes that its documentation gives."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote_plus

from adapters.aws.items import to_item
from domain.commits import Commit

ACCOUNT = "123456789012"
REGION = "us-east-1"


MODULES = (
    *("intake", "projector", "relay", "steps", "replay", "reconcile", "seal"),
    *("cluster", "upkeep", "api", "shared", "notify", "memories"),
)
"""The modules of `handlers` that find their vault under the name `cloud`."""


class Context:
    """What Lambda tells a function of its invocation."""

    function_name = "photovault-test"
    function_version = "$LATEST"
    memory_limit_in_mb = 512
    invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:photovault-test"
    aws_request_id = "52fdfc07-2182-154f-163f-5f0f9a621d72"

    def __init__(self, remaining_ms: int = 900_000) -> None:
        self._remaining_ms = remaining_ms

    def get_remaining_time_in_millis(self) -> int:
        """The time that is left."""
        return self._remaining_ms


def s3_notice(
    key: str,
    *,
    bucket: str = "originals",
    version: str | None = "v1",
    size: int = 1024,
    name: str = "ObjectCreated:Put",
    at: str = "2026-05-01T12:00:00.000Z",
    etag: str = "d41d8cd98f00b204e9800998ecf8427e",
) -> dict[str, Any]:
    """One record of an S3 event notification (structure version 2.1); the key is URL-encoded, as S3 does."""
    stored: dict[str, Any] = {"key": quote_plus(key, safe="/"), "size": size, "eTag": etag, "sequencer": "0A1B2C3D4E5F"}
    if version is not None:
        stored["versionId"] = version
    return {
        "eventVersion": "2.1",
        "eventSource": "aws:s3",
        "awsRegion": REGION,
        "eventTime": at,
        "eventName": name,
        "userIdentity": {"principalId": "EXAMPLE"},
        "requestParameters": {"sourceIPAddress": "127.0.0.1"},
        "responseElements": {"x-amz-request-id": "EXAMPLE123456789", "x-amz-id-2": "EXAMPLE123/5678abcdefghijklambda"},
        "s3": {
            "s3SchemaVersion": "1.0",
            "configurationId": "uploads",
            "bucket": {"name": bucket, "ownerIdentity": {"principalId": "EXAMPLE"}, "arn": f"arn:aws:s3:::{bucket}"},
            "object": stored,
        },
    }


def s3_test_notice(bucket: str = "originals") -> dict[str, Any]:
    """What S3 sends when a notification is set up."""
    return {
        "Service": "Amazon S3",
        "Event": "s3:TestEvent",
        "Time": "2026-05-01T12:00:00.000Z",
        "Bucket": bucket,
        "RequestId": "5582815E1AEA5ADF",
        "HostId": "8cLeGAmw098X5cv4Zkwcmo8vvZa3eH3eKxsPzbB9wrR+YstdA6Knx4Ip8EXAMPLE",
    }


def sqs_record(body: Any, *, number: int = 1, receives: int = 1, receipt: str = "", queue: str = "q") -> dict[str, Any]:
    """One message as Lambda gets it; a body that is no text goes as JSON."""
    return {
        "messageId": f"059f36b4-87a3-44ab-83d2-{number:012d}",
        "receiptHandle": receipt or f"AQEBwJnKyrHigUMZj6rYigCgxlaS3SLy0a-{number}",
        "body": body if isinstance(body, str) else json.dumps(body),
        "attributes": {
            "ApproximateReceiveCount": str(receives),
            "SentTimestamp": "1545082649183",
            "SenderId": "AIDAIENQZJOLO23YVJ4VO",
            "ApproximateFirstReceiveTimestamp": "1545082649185",
        },
        "messageAttributes": {},
        "md5OfBody": "e4e68fb7bd0e697a0ae8f1bb342846b3",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
        "awsRegion": REGION,
    }


def sqs_event(*bodies: Any) -> dict[str, Any]:
    """A batch of messages with these bodies."""
    return {"Records": [sqs_record(body, number=n) for n, body in enumerate(bodies, 1)]}


def failed_items(answer: Mapping[str, Any]) -> list[str]:
    """What a partial batch response names."""
    return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]


def stream_record(commit: Commit, number: int = 1, name: str = "INSERT") -> dict[str, Any]:
    """A record of the event table's stream as Lambda gets it: binary attributes are base64 text."""
    item = {
        attribute: {kind: base64.b64encode(held).decode() if kind == "B" else held for kind, held in value.items()}
        for attribute, value in to_item(commit).items()
    }
    return {
        "eventID": f"7de3041dd709b024af6f29e4fa13d{number:03d}",
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": REGION,
        "dynamodb": {
            "ApproximateCreationDateTime": 1714564800.0,
            "Keys": {"stream": item["stream"], "commit": item["commit"]},
            "NewImage": item,
            "SequenceNumber": f"{111_000_000_000_000_000_000 + number}",
            "SizeBytes": 512,
            "StreamViewType": "NEW_IMAGE",
        },
        "eventSourceARN": f"arn:aws:dynamodb:{REGION}:{ACCOUNT}:table/events/stream/2026-05-01T00:00:00.000",
    }


def stream_event(commits: Iterable[Commit]) -> dict[str, Any]:
    """A batch of new commits."""
    return {"Records": [stream_record(commit, n) for n, commit in enumerate(commits, 1)]}


def api_event(
    method: str,
    path: str,
    *,
    subject: str | None = "anna",
    query: Mapping[str, str] | None = None,
    body: str | None = None,
    claims: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    encoded: bool = False,
) -> dict[str, Any]:
    """An HTTP API request, payload format 2.0, behind a JWT authorizer (without a subject: behind none)."""
    stage = {
        "http": {"method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "127.0.0.1", "userAgent": "t"}
    }
    context: dict[str, Any] = {
        "accountId": ACCOUNT,
        "apiId": "api-id",
        "domainName": "id.execute-api.us-east-1.amazonaws.com",
        "requestId": "JKJaXmPLvHcESHA=",
        "routeKey": "$default",
        "stage": "$default",
        "time": "01/May/2026:12:00:00 +0000",
        "timeEpoch": 1777636800000,
        **stage,
    }
    if subject is not None:
        token = {"sub": subject, "token_use": "access", "client_id": "client", **(claims or {})}
        context["authorizer"] = {"jwt": {"claims": token, "scopes": None}}
    event: dict[str, Any] = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": "&".join(f"{k}={quote_plus(v)}" for k, v in (query or {}).items()),
        "headers": {"accept": "application/json", **(headers or {})},
        "requestContext": context,
        "isBase64Encoded": encoded,
    }
    if query:
        event["queryStringParameters"] = dict(query)
    if body is not None:
        event["body"] = base64.b64encode(body.encode()).decode() if encoded else body
    return event
