"""What must be true of template.yaml, as functions over the parsed template; each returns its findings as text.

`check` runs them all. A linter knows what CloudFormation accepts; these know what PhotoVault needs.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from domain.pipeline import PIPELINE
from tests.support.template_access import faces_stay_sealed, history_is_append_only, policies
from tests.support.template_operations import alarms, api, state_machine
from tests.support.template_reading import ENVIRONMENT, Template, functions, of_type, resolved
from tests.support.template_resources import buckets, queue_times, step_queues, table_definitions, upload_path
from tests.support.template_scanning import scanning
from tests.support.template_search import SEARCHING, searching

ROOT = Path(__file__).resolve().parents[2]

HANDLERS = {
    "intake": "handlers.intake.handler",
    "projector": "handlers.projector.handler",
    "relay": "handlers.relay.handler",
    **{step.name: "handlers.steps.handler" for step in PIPELINE},
    "replay-plan": "handlers.replay.plan",
    "replay-work": "handlers.replay.work",
    "replay-finish": "handlers.replay.finish",
    "reconcile": "handlers.reconcile.handler",
    "seal": "handlers.seal.handler",
    "cluster": "handlers.cluster.handler",
    "notify": "handlers.notify.handler",
    "memories": "handlers.memories.handler",
    "upkeep": "handlers.upkeep.handler",
    "api": "handlers.api.handler",
}
_PUBLIC = {"PHOTOVAULT_PUBLIC_URL": "https://<HttpApi>.execute-api.us-east-1.amazonaws.com"}
OWN_ENVIRONMENT: Mapping[str, Mapping[str, str]] = {
    "api": _PUBLIC,
    "notify": {"PHOTOVAULT_MAIL_FROM": "", "PHOTOVAULT_SMS": "off", "SES_CONFIGURATION": "", **_PUBLIC},
}
"""What single functions have besides."""

WHOLE_PROCESSOR_MB = 1769
"""What decodes for seconds has at least so much, and may not take all of the account's concurrency."""

SYNCHRONOUS = {"replay-plan", "replay-work", "replay-finish", "api"}
"""Their caller learns of a failure at once: the state machine (an alarm watches it), or the person who asked."""


def check(template: Template, root: Path = ROOT) -> list[str]:
    """All findings; none of a sound template."""
    found: list[str] = []
    for rule in (handlers, environments, policies, history_is_append_only, failure_paths, event_sources, log_groups):
        found += rule(template)
    for rule in (
        faces_stay_sealed,
        table_definitions,
        step_queues,
        queue_times,
        upload_path,
        buckets,
        alarms,
        state_machine,
        api,
        scanning,
        searching,
    ):
        found += rule(template)
    return [*found, *handlers_exist(template, root)]


def handlers(template: Template) -> list[str]:
    """The functions are those that the code has, each with its entry point."""
    found = {name: own["Handler"] for _, name, own in functions(template)}
    return [
        f"function {name} has handler {found.get(name)}, not {HANDLERS.get(name)}"
        for name in HANDLERS | found
        if found.get(name) != HANDLERS.get(name)
    ]


def handlers_exist(template: Template, root: Path = ROOT) -> list[str]:
    """Each entry point is a function at the top of its module."""
    found = []
    for _, name, own in functions(template):
        module, _, attribute = own["Handler"].rpartition(".")
        path = root / (module.replace(".", "/") + ".py")
        if not path.is_file():
            found.append(f"function {name}: there is no module {module}")
        elif attribute not in _top_names(path):
            found.append(f"function {name}: {module} has no {attribute}")
    return found


def environments(template: Template) -> list[str]:
    """Every function has exactly what the code reads, with the values that the resources have."""
    found = []
    for _, name, own in functions(template):
        wanted = dict(ENVIRONMENT)
        if own["Handler"] == "handlers.steps.handler":
            wanted["STEP"] = name
        if name in SEARCHING:
            wanted["PHOTOVAULT_OPENSEARCH"] = ""
        wanted |= OWN_ENVIRONMENT.get(name, {})
        given = {key: resolved(template, value) for key, value in own["Environment"]["Variables"].items()}
        found += [
            f"function {name}: {key} is {given.get(key)!r}, not {wanted.get(key)!r}"
            for key in sorted(wanted.keys() | given.keys())
            if wanted.get(key) != given.get(key)
        ]
    return found


def failure_paths(template: Template) -> list[str]:
    """What fails for good ends somewhere that an alarm watches."""
    found = []
    for logical, name, own in functions(template):
        sources = own.get("Events", {})
        asynchronous = own.get("EventInvokeConfig", {}).get("DestinationConfig", {}).get("OnFailure")
        if name in SYNCHRONOUS:
            continue
        if not sources and not asynchronous:
            found.append(f"{logical}: what fails is lost (no on-failure destination)")
        for source in sources.values():
            properties = source["Properties"]
            if source["Type"] == "DynamoDB" and not properties.get("DestinationConfig", {}).get("OnFailure"):
                found.append(f"{logical}: a batch that is given up is lost (no on-failure destination)")
            if source["Type"] == "SQS":
                queue = template["Resources"].get(properties["Queue"]["Fn::GetAtt"][0], {})
                if "RedrivePolicy" not in queue.get("Properties", {}):
                    found.append(f"{logical}: its queue has no dead letters")
    for logical, schedule in of_type(template, "AWS::Scheduler::Schedule"):
        if "DeadLetterConfig" not in schedule["Properties"]["Target"]:
            found.append(f"{logical}: a missed run is lost (no dead letters)")
    return found


def event_sources(template: Template) -> list[str]:
    """Mappings report partial failures; stream mappings are bounded, and halve a batch that fails."""
    bounds = (
        "MaximumRetryAttempts",
        "MaximumRecordAgeInSeconds",
        "BisectBatchOnFunctionError",
        "ParallelizationFactor",
    )
    found = []
    readers = 0
    for logical, _, own in functions(template):
        for source in own.get("Events", {}).values():
            properties = source["Properties"]
            if properties.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
                found.append(f"{logical}: one bad message fails its whole batch (no ReportBatchItemFailures)")
            large = own["MemorySize"] >= WHOLE_PROCESSOR_MB
            if source["Type"] == "SQS" and large and "ScalingConfig" not in properties:
                found.append(f"{logical}: no maximum concurrency")
            if source["Type"] == "DynamoDB":
                readers += 1
                found += [f"{logical}: no {bound}" for bound in bounds if not properties.get(bound)]
                if properties.get("StartingPosition") != "TRIM_HORIZON":
                    found.append(f"{logical}: misses what was appended before its mapping was there")
    if readers != 2:
        found.append(f"{readers} functions read the event table's stream; a shard serves two without throttling")
    return found


def log_groups(template: Template) -> list[str]:
    """Each function logs, as JSON, into a group of its own that forgets; its role may write there."""
    found = []
    for logical, name, own in functions(template):
        group = template["Resources"].get(own["LoggingConfig"].get("LogGroup", {}).get("Ref"), {}).get("Properties", {})
        if resolved(template, group.get("LogGroupName", "")) != f"/aws/lambda/photovault-dev-{name}":
            found.append(f"{logical}: no log group of its own")
        if not group.get("RetentionInDays"):
            found.append(f"{logical}: its logs are kept for ever")
        if own["LoggingConfig"].get("LogFormat") != "JSON":
            found.append(f"{logical}: its logs are no JSON, which the metric filters read")
    return found


def _top_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef):
            names.add(node.name)
        elif isinstance(node, ast.Assign):
            names |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name for alias in node.names}
    return names
