"""Mistakes that a person could make in template.yaml: each changes a parsed copy in place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Mistake = Callable[[dict[str, Any]], object]


def _properties(template: dict[str, Any], resource: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][resource]["Properties"]
    return found


def _statement(template: dict[str, Any], role: str, sid: str) -> dict[str, Any]:
    statements = _properties(template, role)["Policies"][0]["PolicyDocument"]["Statement"]
    found: dict[str, Any] = next(statement for statement in statements if statement["Sid"] == sid)
    return found


def _drop_statement(template: dict[str, Any], role: str, sid: str) -> None:
    statements = _properties(template, role)["Policies"][0]["PolicyDocument"]["Statement"]
    statements.remove(_statement(template, role, sid))


def _event(template: dict[str, Any], function: str) -> dict[str, Any]:
    (event,) = _properties(template, function)["Events"].values()
    found: dict[str, Any] = event["Properties"]
    return found


def _index_on_events(template: dict[str, Any]) -> None:
    table = _properties(template, "EventTable")
    table["AttributeDefinitions"].append({"AttributeName": "recorded_at", "AttributeType": "N"})
    keys = [{"AttributeName": "stream", "KeyType": "HASH"}, {"AttributeName": "recorded_at", "KeyType": "RANGE"}]
    table["GlobalSecondaryIndexes"] = [
        {"IndexName": "by-time", "KeySchema": keys, "Projection": {"ProjectionType": "ALL"}}
    ]


SEEN_BY_CHECKS: dict[str, Mistake] = {
    "a handler that does not exist": lambda t: _properties(t, "SealFunction").update(Handler="handlers.seal.handle"),
    "a handler of another function": lambda t: _properties(t, "RelayFunction").update(Handler="handlers.seal.handler"),
    "a missing permission": lambda t: _drop_statement(t, "RenditionsRole", "ReadAndStoreBlobs"),
    "a search that may write": lambda t: _properties(t, "SearchWriters")["Roles"].append({"Ref": "ApiRole"}),
    "an index that nobody can make": lambda t: _properties(t, "SearchMakers")["Roles"].clear(),
    "a search domain that costs without being asked for": lambda t: t["Resources"]["SearchDomain"].pop("Condition"),
    "a search domain that anybody may ask": lambda t: _properties(t, "SearchDomain")["AccessPolicies"]["Statement"][
        0
    ].update(Principal={"AWS": [{"Fn::GetAtt": ["SealRole", "Arn"]}]}),
    "a permission on everything": lambda t: _statement(t, "ApiRole", "ReadCheckpoints").update(Resource="*"),
    "all actions of a service": lambda t: _statement(t, "ProjectorRole", "WriteViews").update(Action="dynamodb:*"),
    "a function that may change the history": lambda t: _statement(t, "SealRole", "AppendEvents")["Action"].append(
        "dynamodb:UpdateItem"
    ),
    "a role without the deny": lambda t: _properties(t, "IntakeRole").update(ManagedPolicyArns=[]),
    "a role without the deny of keys to faces": lambda t: _properties(t, "TagsRole")["ManagedPolicyArns"].remove(
        {"Ref": "FacesStaySealed"}
    ),
    "a function of faces that may read any document": lambda t: _statement(t, "FacesRole", "ReadDocuments").pop(
        "Condition"
    ),
    "a reader that may append": lambda t: _statement(t, "ProjectorRole", "ReadEvents").update(
        Action=["dynamodb:Query", "dynamodb:PutItem"]
    ),
    "a queue that S3 may not write to": lambda t: _properties(t, "UploadQueuePolicy")["PolicyDocument"][
        "Statement"
    ].pop(0),
    "a queue that any bucket may write to": lambda t: _properties(t, "UploadQueuePolicy")["PolicyDocument"][
        "Statement"
    ][0].pop("Condition"),
    "a bucket that tells nobody": lambda t: _properties(t, "OriginalsBucket").pop("NotificationConfiguration"),
    "a queue without dead letters": lambda t: _properties(t, "MetadataQueue").pop("RedrivePolicy"),
    "a stream batch that is lost": lambda t: _event(t, "ProjectorFunction").pop("DestinationConfig"),
    "a batch that fails as a whole": lambda t: _event(t, "ValidateFunction").pop("FunctionResponseTypes"),
    "a third reader of the stream": lambda t: _properties(t, "SealFunction").update(
        Events=_properties(t, "RelayFunction")["Events"]
    ),
    "a message that comes back too early": lambda t: _properties(t, "RenditionsQueue").update(VisibilityTimeout=120),
    "a public bucket": lambda t: _properties(t, "DerivedBucket").pop("PublicAccessBlockConfiguration"),
    "a bucket without TLS": lambda t: t["Resources"].pop("ArchiveBucketPolicy"),
    "an index on the event table": _index_on_events,
    "a key of the wrong type": lambda t: _properties(t, "EventTable")["AttributeDefinitions"][1].update(
        AttributeType="S"
    ),
    "a view without its index": lambda t: _properties(t, "GalleryView")["GlobalSecondaryIndexes"].pop(),
    "a missing view": lambda t: t["Resources"].pop("FilesView"),
    "an event table without recovery": lambda t: _properties(t, "EventTable").pop("PointInTimeRecoverySpecification"),
    "a wrong name in the environment": lambda t: t["Globals"]["Function"]["Environment"]["Variables"].update(
        EVENT_TABLE=t["Globals"]["Function"]["Environment"]["Variables"].pop("EVENTS_TABLE")
    ),
    "a step's function that takes another step's messages": lambda t: _event(t, "MetadataFunction").update(
        Queue={"Fn::GetAtt": ["ValidateQueue", "Arn"]}
    ),
    "a decoder that may take all there is": lambda t: _event(t, "RenditionsFunction").pop("ScalingConfig"),
    "logs that are kept for ever": lambda t: _properties(t, "ApiLogs").pop("RetentionInDays"),
    "functions that fail without an alarm": lambda t: t["Resources"].pop("ErrorsAlarm"),
    "dead letters that nobody hears of": lambda t: t["Resources"].pop("StepDeadLettersAlarm"),
    "a sweep that may not count messages": lambda t: _drop_statement(t, "ReconcileRole", "CountMessages"),
    "an alarm that tells nobody": lambda t: _properties(t, "ThrottlesAlarm").pop("AlarmActions"),
    "a scanner that may write": lambda t: _statement(t, "ScanRole", "ReadSignatures").update(Action="s3:PutObject"),
    "a scanner without an image": lambda t: t["Resources"]["ScanFunction"].pop("Condition"),
    "a step that may open originals and need not": lambda t: _properties(t, "PlaceRole").update(
        Policies=_properties(t, "RenditionsRole")["Policies"]
    ),
    "an open route": lambda t: _properties(t, "ApiRoute").update(AuthorizationType="NONE"),
}
"""What the rules of tests/support/template_checks.py see; most of it is sound CloudFormation."""

SEEN_BY_LINT: dict[str, Mistake] = {
    "an attribute that does not exist": lambda t: t["Outputs"]["ApiUrl"].update(
        Value={"Fn::GetAtt": ["HttpApi", "Endpoint"]}
    ),
    "a reference to nothing": lambda t: t["Outputs"]["ApiId"].update(Value={"Ref": "HttpsApi"}),
    "a misspelt property": lambda t: _properties(t, "UserPool").update(
        DeletionProtections=_properties(t, "UserPool").pop("DeletionProtection")
    ),
    "a value that is none": lambda t: _properties(t, "UserPool").update(MfaConfiguration="MAYBE"),
    "a circle": lambda t: t["Resources"]["UploadQueuePolicy"].update(DependsOn="OriginalsBucket"),
    "too much memory": lambda t: _properties(t, "ReplayPlanFunction").update(MemorySize=99_999),
    "too long a time limit": lambda t: _properties(t, "ReplayWorkFunction").update(Timeout=901),
}
"""What only cfn-lint sees, in the source or after SAM's transform."""
