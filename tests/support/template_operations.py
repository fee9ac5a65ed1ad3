"""Alarms, the replay's state machine and the API, as rules over the parsed template."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.template_reading import ENVIRONMENT, Template, allowed, functions, of_type, resolved


def alarms(template: Template) -> list[str]:
    """Functions, queues and stream readers have their alarms, and each alarm tells somebody.

    What there is once a function or a step is watched in one metric of all: AWS bills each metric of an alarm.
    """
    watched: set[tuple[str, ...]] = set()
    found = []
    for logical, alarm in of_type(template, "AWS::CloudWatch::Alarm"):
        properties = alarm["Properties"]
        if properties.get("AlarmActions") != [{"Ref": "AlarmTopic"}]:
            found.append(f"{logical} tells nobody")
        dimensions = [resolved(template, dimension["Value"]) for dimension in properties.get("Dimensions", ())]
        watched.add((properties["MetricName"], *dimensions))
    filtered = {
        (f["Properties"]["LogGroupName"]["Ref"], t["MetricName"]): f["Properties"]["FilterPattern"]
        for _, f in of_type(template, "AWS::Logs::MetricFilter")
        for t in f["Properties"]["MetricTransformations"]
    }
    of_all = {("Errors",), ("Throttles",), ("MemoryNearLimit",), ("TimeNearLimit",)}
    of_steps = {("dead_letters", "photovault-dev"), ("waiting", "photovault-dev")}  # handlers/reconcile.py counts them
    wanted: set[tuple[str, ...]] = of_all | of_steps
    for logical, name, own in functions(template):
        if any(source["Type"] == "DynamoDB" for source in own.get("Events", {}).values()):
            wanted.add(("IteratorAge", f"photovault-dev-{name}"))
        group = own["LoggingConfig"].get("LogGroup", {}).get("Ref")
        for metric, limit in (
            ("MemoryNearLimit", own["MemorySize"] * 9 // 10),
            ("TimeNearLimit", own["Timeout"] * 800),
        ):
            if f"> {limit} " not in filtered.get((group, metric), ""):
                found.append(f"{logical}: nothing counts {metric} over {limit}")
    for _, queue in of_type(template, "AWS::SQS::Queue"):
        name = resolved(template, queue["Properties"]["QueueName"])
        if name.startswith(ENVIRONMENT["QUEUES_PREFIX"]):
            continue
        if name.endswith("-dead"):
            wanted.add(("ApproximateNumberOfMessagesVisible", name))
        else:
            wanted.add(("ApproximateAgeOfOldestMessage", name))
    return found + [f"no alarm on {' of '.join(missing)}" for missing in sorted(wanted - watched)]


def state_machine(template: Template) -> list[str]:
    """The replay's definition is sound JSON and calls the three functions that its role may call."""
    found = []
    for logical, machine in of_type(template, "AWS::StepFunctions::StateMachine"):
        try:
            definition = json.loads(resolved(template, machine["Properties"]["DefinitionString"]))
        except ValueError as error:
            found.append(f"{logical}: its definition is no JSON: {error}")
            continue
        called = {
            state["Parameters"]["FunctionName"].rpartition(":")[2]
            for state in _states(definition)
            if "Parameters" in state
        }
        if called != {f"photovault-dev-replay-{part}" for part in ("plan", "work", "finish")}:
            found.append(f"{logical} calls {', '.join(sorted(called))}")
        role = template["Resources"].get(machine["Properties"]["RoleArn"]["Fn::GetAtt"][0], {})
        may = {r.rpartition(":")[2] for a, r in allowed(template, role) if a == "lambda:InvokeFunction"}
        if missing := called - may:
            found.append(f"{logical}: its role may not call {', '.join(sorted(missing))}")
        tried_once = [state for state in _states(definition) if state["Type"] == "Task" and not state.get("Retry")]
        found += [f"{logical}: a task is tried once"] * len(tried_once)
    return found


OPEN_ROUTES = {"GET /health", "ANY /s/{proxy+}", "ANY /n/{proxy+}"}


def api(template: Template) -> list[str]:
    """Every route asks for a token but health, and the pages that a link opens; the gateway may call the function."""
    found = []
    for logical, route in of_type(template, "AWS::ApiGatewayV2::Route"):
        open_to_all = route["Properties"].get("AuthorizationType") != "JWT"
        if open_to_all and route["Properties"]["RouteKey"] not in OPEN_ROUTES:
            found.append(f"{logical}: {route['Properties']['RouteKey']} asks for no token")
    callers = [
        p["Properties"]["Principal"]
        for _, p in of_type(template, "AWS::Lambda::Permission")
        if p["Properties"]["FunctionName"] == {"Ref": "ApiFunction.Alias"}
    ]
    return found + ([] if callers == ["apigateway.amazonaws.com"] else ["the HTTP API may not call its function"])


def _states(definition: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    for state in definition["States"].values():
        yield state
        if "ItemProcessor" in state:
            yield from _states(state["ItemProcessor"])
