"""Tables, queues and buckets, as rules over the parsed template."""

from __future__ import annotations

import json
from typing import Any

from adapters.aws import tables
from domain.pipeline import PIPELINE
from projections import PROJECTIONS
from tests.support.template_reading import (
    ENVIRONMENT,
    Template,
    actions,
    functions,
    listed,
    of_type,
    resolved,
    resources_of,
)

VISIBILITY_FACTOR = 6  # AWS: "at least six times the timeout that you configure on your function"


def table_definitions(template: Template) -> list[str]:
    """The tables are those of adapters/aws/tables.py: keys, indexes, stream, and nothing more."""
    wanted = {
        ENVIRONMENT["EVENTS_TABLE"]: tables.definition(tables.EventItem, stream=True),
        ENVIRONMENT["CHECKPOINTS_TABLE"]: tables.definition(tables.CheckpointItem),
        ENVIRONMENT["KEYS_TABLE"]: tables.definition(tables.KeyItem),
    }
    for projection in PROJECTIONS:
        described = tables.definition(tables.ViewItem, indexes=projection.indexes)
        wanted[ENVIRONMENT["VIEWS_PREFIX"] + projection.table(1).name] = described
    given = {}
    for _, table in of_type(template, "AWS::DynamoDB::Table"):
        properties = table["Properties"]
        keys = {key for described in wanted.values() for key in described} | {"LocalSecondaryIndexes"}
        given[resolved(template, properties["TableName"])] = {k: v for k, v in properties.items() if k in keys}
    found = [
        f"table {name} is {json.dumps(given.get(name))}, not {json.dumps(wanted.get(name))}"
        for name in sorted(wanted.keys() | given.keys())
        if _canonical(given.get(name)) != _canonical(wanted.get(name))
    ]
    events = template["Resources"].get("EventTable", {})
    properties = events.get("Properties", {})
    if not properties.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled"):
        found.append("the event table has no point-in-time recovery")
    if not properties.get("DeletionProtectionEnabled") or events.get("DeletionPolicy") != "Retain":
        found.append("the event table can be deleted")
    return found


def step_queues(template: Template) -> list[str]:
    """One queue a step of the pipeline, each with its dead letters beside it, named as adapters/aws/queues.py does."""
    prefix = ENVIRONMENT["QUEUES_PREFIX"]
    names = {resolved(template, q["Properties"]["QueueName"]): q for _, q in of_type(template, "AWS::SQS::Queue")}
    wanted = {f"{prefix}{step.name}{end}" for step in PIPELINE for end in ("", "-dead")}
    found = [f"there is no queue {name}" for name in sorted(wanted - names.keys())]
    found += [f"queue {name} is of no step" for name in sorted(set(names) - wanted) if name.startswith(prefix)]
    for name, queue in names.items():
        if name.endswith("-dead"):
            continue
        redrive = queue["Properties"].get("RedrivePolicy", {})
        target = resolved(template, redrive.get("deadLetterTargetArn", ""))
        if target.rpartition(":")[2] != f"{name}-dead":
            found.append(f"queue {name} has no dead letters of its own")
    consumers = {own["Environment"]["Variables"].get("STEP"): own for _, _, own in functions(template)}
    for step in PIPELINE:
        queue_arns = [
            resolved(template, source["Properties"]["Queue"])
            for source in consumers.get(step.name, {}).get("Events", {}).values()
        ]
        if [arn.rpartition(":")[2] for arn in queue_arns] != [prefix + step.name]:
            found.append(f"no function takes exactly the messages of {step.name}")
    return found


def queue_times(template: Template) -> list[str]:
    """A queue hides a message for six times its function's time limit, and keeps it for 14 days."""
    found = []
    for logical, name, own in functions(template):
        for source in own.get("Events", {}).values():
            if source["Type"] != "SQS":
                continue
            queue = template["Resources"].get(source["Properties"]["Queue"]["Fn::GetAtt"][0], {}).get("Properties", {})
            if int(queue.get("VisibilityTimeout", 30)) < VISIBILITY_FACTOR * int(own["Timeout"]):
                found.append(f"{logical}: its queue hides a message for less than 6 x {own['Timeout']} s")
        if name == "api" and int(own["Timeout"]) >= 30:
            found.append(f"{logical}: the HTTP API gives up after 30 s")
    for logical, queue in of_type(template, "AWS::SQS::Queue"):
        if queue["Properties"].get("MessageRetentionPeriod") != 14 * 24 * 3600:
            found.append(f"{logical} does not keep messages for 14 days")
    return found


def upload_path(template: Template) -> list[str]:
    """S3 tells the upload queue of new originals, and may: the queue's policy names the bucket and the account."""
    bucket = template["Resources"]["OriginalsBucket"]
    queue = resolved(template, {"Fn::GetAtt": ["UploadQueue", "Arn"]})
    told = bucket["Properties"].get("NotificationConfiguration", {}).get("QueueConfigurations", ())
    found = []
    if [(c["Event"], resolved(template, c["Queue"])) for c in told] != [("s3:ObjectCreated:*", queue)]:
        found.append("S3 does not tell the upload queue of new originals")
    allowed = [
        statement
        for _, policy in of_type(template, "AWS::SQS::QueuePolicy")
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Allow"
        and statement["Principal"] == {"Service": "s3.amazonaws.com"}
        and "sqs:SendMessage" in actions(statement)
        and queue in resources_of(template, statement)
    ]
    source = f"arn:aws:s3:::{ENVIRONMENT['ORIGINALS_BUCKET']}"
    if not any(
        resolved(template, s.get("Condition", {}).get("ArnEquals", {}).get("aws:SourceArn", "")) == source
        and "aws:SourceAccount" in s["Condition"].get("StringEquals", {})
        for s in allowed
    ):
        found.append("S3 may not write to the upload queue from the originals bucket (or anyone's bucket may)")
    if "UploadQueuePolicy" not in listed(bucket.get("DependsOn")):
        found.append("the bucket does not wait for the policy that lets it write to the queue")
    return found


def buckets(template: Template) -> list[str]:
    """Private, encrypted, over TLS alone, without endless leftovers; kept when the stack goes."""
    closed = ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets")
    tls = set()
    for _, policy in of_type(template, "AWS::S3::BucketPolicy"):
        for statement in policy["Properties"]["PolicyDocument"]["Statement"]:
            if statement["Effect"] == "Allow":
                tls.add("open")
            secure = statement.get("Condition", {}).get("Bool", {}).get("aws:SecureTransport")
            if statement["Effect"] == "Deny" and secure == "false" and statement["Action"] == "s3:*":
                tls |= set(resources_of(template, statement))
    found = ["a bucket policy allows something"] if "open" in tls else []
    for logical, bucket in of_type(template, "AWS::S3::Bucket"):
        properties = bucket["Properties"]
        arn = resolved(template, {"Fn::GetAtt": [logical, "Arn"]})
        if not all(properties.get("PublicAccessBlockConfiguration", {}).get(key) is True for key in closed):
            found.append(f"{logical} may be made public")
        if "BucketEncryption" not in properties:
            found.append(f"{logical} is not encrypted")
        if not {arn, f"{arn}/*"} <= tls:
            found.append(f"{logical} can be read without TLS")
        rules = properties.get("LifecycleConfiguration", {}).get("Rules", ())
        if not any("AbortIncompleteMultipartUpload" in rule for rule in rules):
            found.append(f"{logical} keeps incomplete uploads for ever")
        if properties.get("VersioningConfiguration") != {"Status": "Enabled"}:
            found.append(f"{logical} keeps no versions")
        if bucket.get("DeletionPolicy") != "Retain" or bucket.get("UpdateReplacePolicy") != "Retain":
            found.append(f"{logical} goes with the stack")
    return found


def _canonical(described: Any) -> Any:
    """Without the order of lists, which means nothing here: a key says itself whether it is HASH or RANGE."""
    if isinstance(described, dict):
        return {key: _canonical(value) for key, value in described.items()}
    if isinstance(described, (list, tuple)):
        return sorted((_canonical(value) for value in described), key=lambda value: json.dumps(value, sort_keys=True))
    return described
