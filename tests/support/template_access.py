"""Least privilege, as rules over the parsed template: who may do what, and that nobody may change the history."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from domain.pipeline import PIPELINE
from tests.support.template_reading import (
    Template,
    actions,
    allowed,
    functions,
    listed,
    of_type,
    reaches,
    resolved,
    resources_of,
    role_of,
    statements,
)

CHANGES_OF_EVENTS = {"UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLInsert", "PartiQLUpdate", "PartiQLDelete"}
WILDCARD_IS_DEMANDED = {
    "xray:PutTraceSegments",
    "xray:PutTelemetryRecords",
    "xray:GetSamplingRules",
    "xray:GetSamplingTargets",
    "rekognition:DetectLabels",
    "rekognition:DetectCustomLabels",
    "rekognition:DetectModerationLabels",
    "sns:Publish",  # to a phone number
    "sns:CheckIfPhoneNumberIsOptedOut",
}

READ_ORIGINALS = {"validate", "metadata", "renditions", "video", "fingerprint", "encode", "join"}
"""Steps that open what was uploaded; the others work on events and on what was derived."""

NEEDS: Mapping[str, Mapping[str, str]] = {
    "intake": {"dynamodb:PutItem": "EventTable", "dynamodb:Query": "EventTable", "sqs:ReceiveMessage": "UploadQueue"},
    "projector": {
        "dynamodb:GetRecords": "EventTable.StreamArn",
        "dynamodb:Query": "EventTable",
        "dynamodb:PutItem": "GalleryView",
        "dynamodb:UpdateItem": "LibraryView",
        "dynamodb:BatchGetItem": "GalleryView",
        "s3:GetObject": "DerivedBucket",
        "sqs:SendMessage": "OperationsDeadLetters",
    },
    "relay": {
        "dynamodb:GetRecords": "EventTable.StreamArn",
        "sqs:GetQueueUrl": "ValidateQueue",
        "sqs:SendMessage": "RenditionsQueue",
        "s3:PutObject": "ArchiveBucket",
        "dynamodb:PutItem": "EventTable",
        "dynamodb:Query": "ContactsView",
        "dynamodb:BatchGetItem": "NotificationsView",
    },
    **{
        step.name: {
            "dynamodb:PutItem": "EventTable",
            "dynamodb:Query": "EventTable",
            **({"s3:GetObjectVersion": "OriginalsBucket"} if step.name in READ_ORIGINALS else {}),
            "s3:PutObject": "DerivedBucket",
            "sqs:ChangeMessageVisibility": f"{step.name.capitalize()}Queue",
            "sqs:SendMessage": f"{step.name.capitalize()}DeadLetters",
            "sqs:GetQueueUrl": f"{step.name.capitalize()}DeadLetters",
        }
        for step in PIPELINE
    },
    "duplicates": {
        "dynamodb:PutItem": "EventTable",
        "dynamodb:Query": "FingerprintsView",
        "dynamodb:UpdateItem": "FingerprintsView",
        "dynamodb:GetItem": "CheckpointTable",
        "sqs:SendMessage": "DuplicatesDeadLetters",
    },
    "faces": {"dynamodb:GetItem": "CheckpointTable", "dynamodb:PutItem": "EventTable", "s3:PutObject": "DerivedBucket"},
    "identify": {
        "dynamodb:GetItem": "CheckpointTable",
        "dynamodb:UpdateItem": "CheckpointTable",
        "dynamodb:BatchGetItem": "FacesView",
        "dynamodb:Query": "FacesView",
        "dynamodb:PutItem": "EventTable",
        "s3:PutObject": "DerivedBucket",
        "sqs:SendMessage": "IdentifyDeadLetters",
    },
    "replay-plan": {
        "dynamodb:CreateTable": "GalleryView",
        "dynamodb:DeleteTable": "GalleryView",
        "dynamodb:UpdateItem": "CheckpointTable",
    },
    "replay-work": {
        "dynamodb:Scan": "EventTable",
        "dynamodb:PutItem": "GalleryView",
        "s3:PutObject": "DerivedBucket",
    },
    "replay-finish": {"dynamodb:Scan": "GalleryView", "dynamodb:UpdateItem": "CheckpointTable"},
    "reconcile": {
        "s3:ListBucketVersions": "OriginalsBucket",
        "dynamodb:PutItem": "EventTable",
        "dynamodb:BatchGetItem": "GalleryView",
        "sqs:SendMessage": "MetadataQueue",
        "sqs:GetQueueAttributes": "MetadataDeadLetters",
        "s3:PutObject": "ArchiveBucket",
    },
    "upkeep": {
        "s3:DeleteObjectVersion": "OriginalsBucket",
        "dynamodb:UpdateItem": "KeyTable",
        "dynamodb:PutItem": "EventTable",
        "s3:ListBucketVersions": "DerivedBucket",
    },
    "seal": {"s3:ListBucket": "ArchiveBucket", "dynamodb:PutItem": "EventTable"},
    "memories": {
        "s3:ListBucket": "OriginalsBucket",
        "dynamodb:PutItem": "EventTable",
        "dynamodb:Query": "MomentsView",
        "dynamodb:BatchGetItem": "MemoriesView",
        "dynamodb:UpdateItem": "CheckpointTable",
        "s3:PutObject": "DerivedBucket",
    },
    "cluster": {
        "dynamodb:PutItem": "EventTable",
        "dynamodb:Query": "FacesView",
        "dynamodb:BatchGetItem": "FacesView",
        "dynamodb:UpdateItem": "CheckpointTable",
        "s3:GetObject": "DerivedBucket",
    },
    "notify": {
        "dynamodb:PutItem": "EventTable",
        "dynamodb:Query": "NotificationsView",
        "dynamodb:BatchGetItem": "GalleryView",
        "dynamodb:UpdateItem": "CheckpointTable",
        "s3:ListBucket": "DerivedBucket",
        "s3:GetObject": "DerivedBucket",
    },
    "api": {
        "dynamodb:Query": "GalleryView",
        "dynamodb:PutItem": "EventTable",
        "dynamodb:UpdateItem": "CheckpointTable",
        "s3:ListBucket": "DerivedBucket",
        "s3:PutObject": "OriginalsBucket",
        "s3:GetObjectVersion": "OriginalsBucket",
    },
}
"""What each function can't do without: action -> the resource (its logical id, or attribute)."""

APPENDERS = {
    "intake",
    *(step.name for step in PIPELINE),
    "reconcile",
    "seal",
    "cluster",
    "upkeep",
    "relay",
    "notify",
    "memories",
    "api",
}
"""Functions that append events; no other may put into the event table."""


def policies(template: Template) -> list[str]:
    """Each role allows named actions on named resources, and only kinds that PhotoVault made."""
    found = []
    for logical, role in (*of_type(template, "AWS::IAM::Role"), *of_type(template, "AWS::IAM::RolePolicy")):
        for statement in statements(role):
            if statement["Effect"] != "Allow":
                continue
            where = f"{logical}, {statement.get('Sid')}"
            found += [f"{where}: {action} is not one action" for action in actions(statement) if "*" in action]
            for resource in resources_of(template, statement):
                if resource == "*" and not set(actions(statement)) <= WILDCARD_IS_DEMANDED:
                    found.append(f"{where}: every resource")
                elif resource != "*" and "photovault-dev" not in resource and ":identity/" not in resource:
                    found.append(f"{where}: {resource} is not of this stage")
    return found + list(_needs(template)) + list(_originals(template))


def history_is_append_only(template: Template) -> list[str]:
    """No function may change or remove an event: an explicit deny on each role, and PutItem only where it appends."""
    table = resolved(template, {"Fn::GetAtt": ["EventTable", "Arn"]})
    found = []
    for logical, name, own in functions(template):
        role = role_of(template, own)
        denied: set[str] = set()
        for policy in listed(role.get("Properties", {}).get("ManagedPolicyArns", ())):
            target = template["Resources"].get(policy.get("Ref") if isinstance(policy, dict) else None, {})
            for statement in statements(target):
                if statement["Effect"] == "Deny" and table in resources_of(template, statement):
                    denied |= {action.removeprefix("dynamodb:") for action in actions(statement)}
        if missing := CHANGES_OF_EVENTS - denied:
            found.append(f"{logical}: its role does not deny {', '.join(sorted(missing))} on the event table")
        permitted = {action for action, resource in allowed(template, role) if reaches(resource, table)}
        if "dynamodb:PutItem" in permitted and name not in APPENDERS:
            found.append(f"{logical} may put into the event table and appends nothing")
        if changes := {f"dynamodb:{action}" for action in CHANGES_OF_EVENTS} & permitted:
            found.append(f"{logical} is allowed {', '.join(sorted(changes))} on the event table")
    return found


_INDEX = {"face-index", "face-turn", "budget"}
KEYS_TO_FACES: Mapping[str, Mapping[str, set[str]]] = {
    "faces": {
        "dynamodb:GetItem": {"face-key", "face-collection", "budget"},
        "dynamodb:UpdateItem": {"face-collection", "budget"},
        "dynamodb:DeleteItem": {"face-collection", "budget"},
    },
    "identify": {
        "dynamodb:GetItem": {"face-key", "projection", *_INDEX},
        "dynamodb:UpdateItem": _INDEX,
        "dynamodb:DeleteItem": _INDEX,
    },
    "cluster": {
        "dynamodb:GetItem": {"face-key", "projection", "faces-looked-at", *_INDEX},
        "dynamodb:Query": {"face-key", "projection", "faces-looked-at", *_INDEX},
        "dynamodb:UpdateItem": {"faces-looked-at", *_INDEX},
        "dynamodb:DeleteItem": {"faces-looked-at", *_INDEX},
    },
}
"""Functions that open vectors of faces, and the kinds of documents that each may read or change."""

_OPENS = {"dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem", "dynamodb:UpdateItem"}
_OPENS |= {"dynamodb:DeleteItem", "dynamodb:BatchWriteItem"}


def faces_stay_sealed(template: Template) -> list[str]:
    """Keys to faces are read by three functions, by their partition key; every other role is denied them."""
    table = resolved(template, {"Fn::GetAtt": ["CheckpointTable", "Arn"]})
    found = []
    for logical, name, own in functions(template):
        role = role_of(template, own)
        if name not in KEYS_TO_FACES:
            if not _denies_keys(template, role, table):
                found.append(f"{logical}: its role does not deny the keys to faces")
            continue
        given: dict[str, set[str]] = {}
        for statement in statements(role):
            if any(reaches(arn, table) for arn in resources_of(template, statement)):
                only = statement.get("Condition", {}).get("ForAllValues:StringEquals", {}).get("dynamodb:LeadingKeys")
                for action in (each for each in actions(statement) if each.startswith("dynamodb:")):
                    given.setdefault(action, set()).update(listed(only) if only else {"*"})
        if given != KEYS_TO_FACES[name]:
            found.append(f"{logical}: of the documents it may {given}, not {KEYS_TO_FACES[name]}")
    return found


def _denies_keys(template: Template, role: Mapping[str, Any], table: str) -> bool:
    denied: set[str] = set()
    for policy in listed(role.get("Properties", {}).get("ManagedPolicyArns", ())):
        target = template["Resources"].get(policy.get("Ref") if isinstance(policy, dict) else None, {})
        for statement in statements(target):
            keys = statement.get("Condition", {}).get("ForAnyValue:StringLike", {}).get("dynamodb:LeadingKeys")
            if statement["Effect"] == "Deny" and table in resources_of(template, statement) and keys == ["face-*"]:
                denied |= set(actions(statement))
    return denied >= _OPENS


def _originals(template: Template) -> Iterator[str]:
    """A step that opens no original may not open one."""
    bucket = resolved(template, {"Fn::GetAtt": ["OriginalsBucket", "Arn"]})
    for logical, name, own in functions(template):
        if "STEP" in own["Environment"]["Variables"] and name not in READ_ORIGINALS:
            for action, resource in allowed(template, role_of(template, own)):
                if action.startswith("s3:") and reaches(resource, bucket):
                    yield f"{logical} may {action} on the originals, and reads none"


def _needs(template: Template) -> Iterator[str]:
    for logical, name, own in functions(template):
        permitted = set(allowed(template, role_of(template, own)))
        for action, target in NEEDS.get(name, {}).items():
            resource, _, attribute = target.partition(".")
            arn = resolved(template, {"Fn::GetAtt": [resource, attribute or "Arn"]})
            if not any(held == action and reaches(pattern, arn) for held, pattern in permitted):
                yield f"{logical} may not {action} on {target}"
