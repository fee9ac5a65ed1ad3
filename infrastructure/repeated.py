"""Writes what template.yaml repeats for each step, view and function: `python -m infrastructure.repeated [--check]`.

The template stays one plain file that CloudFormation, SAM, linters and people read as it is. Between a line
`# begin: NAME` and a line `# end: NAME` stands what this module writes; all else in it is written by hand. A test
compares the two. (`Fn::ForEach` would say it shorter, but SAM's translator does not know it.)
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from textwrap import dedent, indent

from infrastructure import cfn
from infrastructure.packages import LAYERS, RUNTIME, Layer
from infrastructure.steps import LEAST_STORAGE_MB, STEPS, VISIBILITY_FACTOR, StepShape
from projections import PROJECTIONS

__all__ = ["main", "written"]

_ASSUMED = (
    '{Version: "2012-10-17", Statement: [{Effect: Allow, Principal: {Service: lambda.amazonaws.com}, '
    "Action: sts:AssumeRole}]}"
)
_COLLECTIONS = "arn:${AWS::Partition}:rekognition:${AWS::Region}:${AWS::AccountId}:collection/photovault-${Stage}-*"
_ORIGINALS = "arn:${AWS::Partition}:s3:::photovault-${Stage}-originals-${AWS::AccountId}-${AWS::Region}"


def main(arguments: Sequence[str] | None = None, path: Path = cfn.TEMPLATE) -> int:
    """Write the template's repeated parts anew; with `--check`, only say (1) whether they would change."""
    parser = argparse.ArgumentParser(prog="infrastructure.repeated", description="Write what template.yaml repeats.")
    parser.add_argument("--check", action="store_true", help="change nothing; 1 when something would change")
    asked = parser.parse_args(arguments)
    text = path.read_text(encoding="utf-8")
    new = written(text)
    if asked.check:
        return int(new != text)
    path.write_text(new, encoding="utf-8")
    return 0


def written(text: str) -> str:
    """The template with each repeated part as it should be.

    Raises:
        ValueError: a part has no place in the template, or a place has no part.
    """
    for name, part in _PARTS.items():
        text = _replaced(text, name, part())
    if found := [line for line in text.splitlines() if "# begin:" in line and line.split("# begin: ")[1] not in _ALL]:
        raise ValueError(f"{found[0].strip()}: nothing writes this part")
    return _replaced(text, _LIMITS, _near_limits(text))


def _replaced(text: str, name: str, part: str) -> str:
    """The text with `part` at each place of that name, as deep as its marks stand."""
    begin, end = f"# begin: {name}\n", f"# end: {name}\n"
    if begin not in text:
        raise ValueError(f"the template has no place for {name!r}")
    head, *rest = text.split(begin)
    for piece in rest:
        depth = head[len(head.rstrip(" ")) :]
        tail = piece.split(end, 1)[1]
        head += f"{begin}{indent(part.strip(chr(10)), depth)}\n{depth}{end}{tail}"
    return head


def _logical(name: str) -> str:
    """`replay-plan` -> ReplayPlan."""
    return "".join(word.capitalize() for word in name.split("-"))


def _joined(blocks: Iterable[str]) -> str:
    return "\n\n".join(block.strip("\n") for block in blocks)


# --- views -----------------------------------------------------------------------------------------------------------


def _views() -> str:
    return _joined(_view(projection.name, projection.table(1).name, projection.indexes) for projection in PROJECTIONS)


def _view(name: str, table: str, indexes: Sequence[str]) -> str:
    keys = ["pk", "sk", *(f"ix_{index}" for index in indexes)]
    lines = [
        f"{_logical(name)}View:",
        "  Type: AWS::DynamoDB::Table",
        "  Properties:",
        f"    TableName: !Sub photovault-${{Stage}}-view-{table}",
        "    BillingMode: PAY_PER_REQUEST",
        "    AttributeDefinitions:",
        *(f"      - {{AttributeName: {key}, AttributeType: S}}" for key in keys),
        *_keys("    ", "sk"),
    ]
    if indexes:
        lines.append("    GlobalSecondaryIndexes:")
    for index in indexes:
        lines += [f"      - IndexName: {index}", *_keys("        ", f"ix_{index}")]
        lines.append("        Projection: {ProjectionType: ALL}")
    return "\n".join(lines)


def _keys(depth: str, sort: str) -> list[str]:
    return [
        f"{depth}KeySchema:",
        f"{depth}  - {{AttributeName: pk, KeyType: HASH}}",
        f"{depth}  - {{AttributeName: {sort}, KeyType: RANGE}}",
    ]


# --- layers ----------------------------------------------------------------------------------------------------------


def _layers() -> str:
    return _joined(map(_layer, LAYERS))


def _layer(layer: Layer) -> str:
    return f"""
{_logical(layer.name)}Layer:
  Type: AWS::Serverless::LayerVersion
  Properties:
    LayerName: !Sub photovault-${{Stage}}-{layer.name}
    Description: "{layer.about}"
    ContentUri: build/lambda/{layer.name}/
    CompatibleRuntimes: [python{RUNTIME}]
    CompatibleArchitectures: [x86_64]
    RetentionPolicy: Delete
"""


# --- steps -----------------------------------------------------------------------------------------------------------


def _queues() -> str:
    return _joined(map(_queue, STEPS))


def _queue(step: StepShape) -> str:
    own = _logical(step.name)
    return f"""
{own}Queue:
  Type: AWS::SQS::Queue
  Properties:
    QueueName: !Sub photovault-${{Stage}}-step-{step.name}
    VisibilityTimeout: {VISIBILITY_FACTOR * step.timeout_s}
    MessageRetentionPeriod: 1209600 # 14 days, the longest there is
    SqsManagedSseEnabled: true
    RedrivePolicy:
      deadLetterTargetArn: !GetAtt {own}DeadLetters.Arn
      maxReceiveCount: 20

{own}DeadLetters:
  Type: AWS::SQS::Queue
  Properties:
    QueueName: !Sub photovault-${{Stage}}-step-{step.name}-dead
    MessageRetentionPeriod: 1209600
    SqsManagedSseEnabled: true
"""


def _queue_arns() -> str:
    return "\n".join(f"- !GetAtt {_logical(step.name)}Queue.Arn" for step in STEPS)


def _functions() -> str:
    return _joined(block(step) for step in STEPS for block in (_role, _logs, _function))


def _role(step: StepShape) -> str:
    own = _logical(step.name)
    managed = ["!Ref HistoryIsAppendOnly"]
    if not any(kind.startswith("face-") for kind in step.documents):
        managed.append("!Ref FacesStaySealed")
    managed += ["!Ref OriginalsStay", "!Ref PersonalKeys"]
    head = f"""
{own}Role:
  Type: AWS::IAM::Role
  Properties:
    AssumeRolePolicyDocument: {_ASSUMED}
    ManagedPolicyArns: [{", ".join(managed)}]
    Policies:
      - PolicyName: {step.name}
        PolicyDocument:
          Version: "2012-10-17"
          Statement:
"""
    return head + indent("".join(dedent(statement).lstrip("\n") for statement in _statements(step, own)), " " * 12)


def _statements(step: StepShape, own: str) -> list[str]:
    found = [
        f"""
        - Sid: Log
          Effect: Allow
          Action: [logs:CreateLogStream, logs:PutLogEvents]
          Resource: !GetAtt {own}Logs.Arn
        - Sid: Trace # X-Ray knows no resources: AWS demands the wildcard
          Effect: Allow
          Action: [xray:PutTraceSegments, xray:PutTelemetryRecords]
          Resource: "*"
        - Sid: TakeMessages
          Effect: Allow
          Action: [sqs:ReceiveMessage, sqs:DeleteMessage, sqs:ChangeMessageVisibility, sqs:GetQueueAttributes]
          Resource: !GetAtt {own}Queue.Arn
        - Sid: Bury
          Effect: Allow
          Action: sqs:SendMessage
          Resource: !GetAtt {own}DeadLetters.Arn
        - Sid: FindQueues
          Effect: Allow
          Action: sqs:GetQueueUrl
          Resource:
            - !GetAtt {own}Queue.Arn
            - !GetAtt {own}DeadLetters.Arn
        - Sid: AppendEvents
          Effect: Allow
          Action: [dynamodb:PutItem, dynamodb:Query]
          Resource: !GetAtt EventTable.Arn
        """
    ]
    if step.originals:
        found.append(
            f"""
            - Sid: ReadOriginals
              Effect: Allow
              Action: [s3:GetObject, s3:GetObjectVersion]
              Resource: !Sub {_ORIGINALS}/*
            - Sid: OriginalsAreThere
              Effect: Allow
              Action: s3:ListBucket
              Resource: !Sub {_ORIGINALS}
            """
        )
    found.append(
        """
        - Sid: ReadAndStoreBlobs
          Effect: Allow
          Action: [s3:GetObject, s3:PutObject]
          Resource: !Sub "${DerivedBucket.Arn}/blobs/*"
        - Sid: BlobsAreThere
          Effect: Allow
          Action: s3:ListBucket
          Resource: !GetAtt DerivedBucket.Arn
        """
    )
    if step.views:
        found.append(
            f"""
            - Sid: ReadAndWriteViews
              Effect: Allow
              Action: [dynamodb:GetItem, dynamodb:BatchGetItem, dynamodb:PutItem, dynamodb:UpdateItem, dynamodb:Query]
              Resource:{_tables_of(step.views)}
            - Sid: Checkpoints
              Effect: Allow
              Action: [dynamodb:GetItem, dynamodb:Query, dynamodb:UpdateItem, dynamodb:DeleteItem]
              Resource: !GetAtt CheckpointTable.Arn
            """
        )
    if step.reads:
        found.append(
            f"""
            - Sid: ReadViews
              Effect: Allow
              Action: [dynamodb:BatchGetItem, dynamodb:Query]
              Resource:{_tables_of(step.reads)}
            """
        )
    documents = dict(step.documents) | ({"budget": "write"} if step.asks else {})
    for right, actions in _ON_DOCUMENTS.items():
        kinds = [kind for kind in documents if right == "read" or documents[kind] == "write"]
        if kinds:
            found.append(
                f"""
                - Sid: {right.capitalize()}Documents # of these kinds alone: they are the table's partition keys
                  Effect: Allow
                  Action: [{", ".join(actions)}]
                  Resource: !GetAtt CheckpointTable.Arn
                  Condition: {{"ForAllValues:StringEquals": {{dynamodb:LeadingKeys: [{", ".join(kinds)}]}}}}
                """
            )
    if step.asks:
        found.append(
            f"""
            - Sid: AskRekognition # it knows no resources but models of one's own: AWS demands the wildcard
              Effect: Allow
              Action: [{", ".join(f"rekognition:{action}" for action in step.asks)}]
              Resource: "*"
            """
        )
    if step.collections:
        found.append(
            f"""
            - Sid: AskCollections
              Effect: Allow
              Action: [{", ".join(f"rekognition:{action}" for action in step.collections)}]
              Resource: !Sub {_COLLECTIONS}
            """
        )
    return found


_ON_DOCUMENTS = {"read": ("dynamodb:GetItem",), "write": ("dynamodb:UpdateItem", "dynamodb:DeleteItem")}


def _tables_of(views: Sequence[str]) -> str:
    """ARNs of all generations of these views, as deep as a policy's resources stand."""
    arn = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/photovault-${Stage}-view-"
    return "".join(f"\n                - !Sub {arn}{view}_g*" for view in views)


def _logs(step: StepShape) -> str:
    return f"""
{_logical(step.name)}Logs:
  Type: AWS::Logs::LogGroup
  Properties:
    LogGroupName: !Sub /aws/lambda/photovault-${{Stage}}-{step.name}
    RetentionInDays: 30
"""


def _function(step: StepShape) -> str:
    own = _logical(step.name)
    layers = ", ".join(f"!Ref {_logical(layer)}Layer" for layer in ("core", *step.layers))
    storage = f"\n    EphemeralStorage: {{Size: {step.storage_mb}}} # {step.storage_why}"
    storage = storage if step.storage_mb > LEAST_STORAGE_MB else ""
    cap = "{MaximumConcurrency: !Ref MaxConcurrency}"
    cap = f"!If [{step.cap_if}, {cap}, !Ref AWS::NoValue]" if step.cap_if else cap
    scaling = f"\n          ScalingConfig: {cap}" if step.capped or step.cap_if else ""
    return f"""
{own}Function:
  Type: AWS::Serverless::Function
  Properties:
    FunctionName: !Sub photovault-${{Stage}}-{step.name}
    Description: "{step.about}"
    Handler: handlers.steps.handler
    Role: !GetAtt {own}Role.Arn
    Layers: [{layers}]
{indent(step.why, "    # ")}
    MemorySize: {step.memory_mb}
    Timeout: {step.timeout_s}{storage}
    Environment: {{Variables: {{STEP: {step.name}}}}}
    LoggingConfig: {{LogGroup: !Ref {own}Logs}}
    Events:
      Work:
        Type: SQS
        Properties:
          Queue: !GetAtt {own}Queue.Arn
          BatchSize: 1 # a file that kills its worker takes no other with it
          FunctionResponseTypes: [ReportBatchItemFailures]{scaling}
"""


# --- what every function has -----------------------------------------------------------------------------------------


def _near_limits(text: str) -> str:
    """Two metric filters for each function of the template, steps or not."""
    functions = {
        logical.removesuffix("Function"): resource
        for logical, resource in cfn.parse(text)["Resources"].items()
        if resource["Type"] in ("AWS::Serverless::Function", "AWS::Lambda::Function")
    }
    blocks = []
    for own, function in functions.items():
        memory_mb, seconds = function["Properties"]["MemorySize"], function["Properties"]["Timeout"]
        when = f"\n  Condition: {function['Condition']}" if "Condition" in function else ""
        blocks += [
            _filter(own, when, "Memory", "maxMemoryUsedMB", memory_mb * 9 // 10, "90 % of its memory"),
            _filter(own, when, "Time", "durationMs", seconds * 800, "80 % of its time"),
        ]
    return _joined(blocks)


def _filter(own: str, when: str, what: str, metric: str, limit: int, about: str) -> str:
    pattern = f'{{ $.type = "platform.report" && $.record.metrics.{metric} > {limit} }}'
    counted = f'{{MetricNamespace: !Sub "PhotoVault/${{Stage}}", MetricName: {what}NearLimit, MetricValue: "1"}}'
    return f"""
{own}{what}NearLimit:
  Type: AWS::Logs::MetricFilter{when}
  Properties:
    LogGroupName: !Ref {own}Logs
    FilterPattern: '{pattern}' # {about}
    MetricTransformations: [{counted}]
"""


_PARTS: dict[str, Callable[[], str]] = {
    "views": _views,
    "layers": _layers,
    "the steps' queues": _queues,
    "ARNs of the steps' queues": _queue_arns,
    "steps": _functions,
}
_LIMITS = "near a limit"
_ALL = {*_PARTS, _LIMITS}


if __name__ == "__main__":
    sys.exit(main())
