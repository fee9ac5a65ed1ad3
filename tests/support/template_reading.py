"""Reads a parsed template as CloudFormation would: references become names and ARNs, for stage dev."""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterator, Mapping
from typing import Any

Template = Mapping[str, Any]

_ACCOUNT, _REGION = "123456789012", "us-east-1"
_PSEUDO = {"AWS::AccountId": _ACCOUNT, "AWS::Region": _REGION, "AWS::Partition": "aws", "AWS::NoValue": ""}
_NAMES = {
    "AWS::S3::Bucket": ("BucketName", "arn:aws:s3:::{}"),
    "AWS::SQS::Queue": ("QueueName", f"arn:aws:sqs:{_REGION}:{_ACCOUNT}:{{}}"),
    "AWS::DynamoDB::Table": ("TableName", f"arn:aws:dynamodb:{_REGION}:{_ACCOUNT}:table/{{}}"),
    "AWS::Serverless::Function": ("FunctionName", f"arn:aws:lambda:{_REGION}:{_ACCOUNT}:function:{{}}"),
    "AWS::Logs::LogGroup": ("LogGroupName", f"arn:aws:logs:{_REGION}:{_ACCOUNT}:log-group:{{}}:*"),
    "AWS::StepFunctions::StateMachine": ("StateMachineName", f"arn:aws:states:{_REGION}:{_ACCOUNT}:stateMachine:{{}}"),
}


ENVIRONMENT = {
    "STAGE": "dev",
    "EVENTS_TABLE": "photovault-dev-events",
    "CHECKPOINTS_TABLE": "photovault-dev-checkpoints",
    "KEYS_TABLE": "photovault-dev-keys",
    "KEYS_KMS": "",
    "REPLICA_PREFIX": "photovault-dev-replica-123456789012",
    "REPLICA_REGION": "",
    "VIEWS_PREFIX": "photovault-dev-view-",
    "QUEUES_PREFIX": "photovault-dev-step-",
    "ORIGINALS_BUCKET": "photovault-dev-originals-123456789012-us-east-1",
    "DERIVED_BUCKET": "photovault-dev-derived-123456789012-us-east-1",
    "ARCHIVE_BUCKET": "photovault-dev-archive-123456789012-us-east-1",
    "DEFAULT_OWNER": "home",
    "SCAN_FUNCTION": "",
    "SERVE_UNSCANNED": "",
    "PHOTOVAULT_TAGGER": "models",
    "PHOTOVAULT_MODERATOR": "models",
    "PHOTOVAULT_FACES": "models",
    "PHOTOVAULT_REKOGNITION_CAP_USD": "5",
    "PHOTOVAULT_MODELS": "/opt/models",
    "POWERTOOLS_SERVICE_NAME": "photovault-dev",
    "POWERTOOLS_METRICS_NAMESPACE": "PhotoVault",
    "LOG_LEVEL": "INFO",
}
"""What every function's environment holds, for stage dev in account 123456789012."""


def of_type(template: Template, kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """(logical id, resource) of one type."""
    for logical, resource in template["Resources"].items():
        if resource["Type"] == kind:
            yield logical, resource


def resolved(template: Template, value: Any) -> str:
    """A value as text, with what it refers to; a reference to nothing stays as `?name`, which equals no name."""
    if not isinstance(value, dict):
        return str(value)
    ((function, argument),) = value.items()
    if function == "Ref":
        return _referred(template, argument)
    if function == "Fn::GetAtt":
        return _attribute(template, *argument)
    if function == "Fn::Sub" and isinstance(argument, str):
        return re.sub(r"\$\{([^}!]+)\}", lambda found: _in_text(template, found[1]), argument)
    if function == "Fn::If":
        condition, then, otherwise = argument
        return resolved(template, then if holds(template, template["Conditions"][condition]) else otherwise)
    return f"?{function}"


def holds(template: Template, condition: Any) -> bool:
    """Whether a condition is true while all parameters have their defaults."""
    ((function, argument),) = condition.items()
    if function == "Condition":
        return holds(template, template["Conditions"][argument])
    if function == "Fn::Not":
        return not holds(template, argument[0])
    if function == "Fn::And":
        return all(holds(template, part) for part in argument)
    assert function == "Fn::Equals", function
    first, second = (resolved(template, part) for part in argument)
    return first == second


def functions(template: Template) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """(logical id, name without stage, properties with the globals folded in) of each function."""
    shared = template.get("Globals", {}).get("Function", {})
    for logical, resource in of_type(template, "AWS::Serverless::Function"):
        own = resource["Properties"]
        merged = {**shared, **own}
        variables = dict(shared.get("Environment", {}).get("Variables", {}))
        variables |= own.get("Environment", {}).get("Variables", {})
        merged["Environment"] = {"Variables": variables}
        merged["LoggingConfig"] = {**shared.get("LoggingConfig", {}), **own.get("LoggingConfig", {})}
        yield logical, resolved(template, own["FunctionName"]).removeprefix("photovault-dev-"), merged


def statements(resource: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Statements of a role's own policies, or of a managed policy."""
    properties = resource.get("Properties", {})
    documents = [policy["PolicyDocument"] for policy in properties.get("Policies", ())]
    documents += [properties["PolicyDocument"]] if "PolicyDocument" in properties else []
    for document in documents:
        yield from document["Statement"]


def actions(statement: Mapping[str, Any]) -> list[str]:
    """A statement's actions, however it lists them."""
    return [str(action) for action in listed(statement["Action"])]


def resources_of(template: Template, statement: Mapping[str, Any]) -> list[str]:
    """A statement's resources as ARN patterns."""
    return [resolved(template, resource) for resource in listed(statement["Resource"])]


def role_of(template: Template, function: Mapping[str, Any]) -> dict[str, Any]:
    """The role that a function runs as; an empty one when it refers to none."""
    named = function.get("Role", {}).get("Fn::GetAtt", [None])[0]
    role: dict[str, Any] = template["Resources"].get(named, {})
    return role


def allowed(template: Template, role: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """(action, resource pattern) pairs of a role's own policies."""
    for statement in statements(role):
        if statement["Effect"] == "Allow":
            for action in actions(statement):
                for resource in resources_of(template, statement):
                    yield action, resource


def reaches(pattern: str, arn: str) -> bool:
    """Whether an ARN pattern covers a resource, or something inside it (an object of a bucket)."""
    return pattern == "*" or fnmatch.fnmatchcase(arn, pattern) or (":s3:::" in arn and pattern.startswith(f"{arn}/"))


def listed(value: Any) -> list[Any]:
    """One or several, as a list."""
    if value is None:
        return []
    return list(value) if isinstance(value, (list, tuple)) else [value]


def _referred(template: Template, name: str) -> str:
    if name in _PSEUDO:
        return _PSEUDO[name]
    if name in template.get("Parameters", {}):
        return str(template["Parameters"][name]["Default"])
    resource = template["Resources"].get(name.partition(".")[0])
    if resource is None:
        return f"?{name}"
    described = _NAMES.get(resource["Type"])
    return resolved(template, resource["Properties"][described[0]]) if described else f"<{name}>"


def _attribute(template: Template, name: str, attribute: str) -> str:
    resource = template["Resources"].get(name)
    if resource is None:
        return f"?{name}.{attribute}"
    described = _NAMES.get(resource["Type"])
    if described is None:
        return f"<{name}.{attribute}>"
    own = resolved(template, resource["Properties"][described[0]])
    if attribute == "Arn":
        return described[1].format(own)
    if attribute == "StreamArn":
        return f"{described[1].format(own)}/stream/2026-01-01T00:00:00.000"
    return own  # QueueName


def _in_text(template: Template, name: str) -> str:
    resource, dot, attribute = name.partition(".")
    return _attribute(template, resource, attribute) if dot else _referred(template, name)
