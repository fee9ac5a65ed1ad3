"""Deploys the template to an emulator through CloudFormation: `deploy(endpoint)` gives the stack's outputs.

Functions run in the emulator's own environment, which holds what the layers would bring; so the layers are empty there.
"""

from __future__ import annotations

import hashlib
import io
import json
import sys
import time
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from botocore.config import Config

from infrastructure import cfn
from infrastructure.emulate import emulated, packaged
from infrastructure.emulator import session
from infrastructure.packages import LAYERS, ROOT, code_files, zipped
from photovault.config import models_folder

STACK = "photovault"
_PACKAGES = "photovault-packages"
_WAIT_SECONDS = 120.0
_POLL_SECONDS = 0.2
_NO_CHANGE = "didn't contain changes"


class DeployFailed(RuntimeError):
    """CloudFormation gave up; the message holds what failed and why."""


def deploy(
    endpoint: str,
    *,
    stage: str = "dev",
    parameters: Mapping[str, str] | None = None,
    region: str = "us-east-1",
    template: Path = cfn.TEMPLATE,
    root: Path = ROOT,
) -> dict[str, str]:
    """Package the working tree, create the stack `photovault-<stage>` or change it, and wait until it is there.

    Args:
        endpoint: where the emulator answers, such as http://127.0.0.1:4566.
        parameters: of the template, beside Stage.
        root: the tree that functions are packaged from.
    Returns:
        The stack's outputs by name: ApiId, OriginalsBucket, EventsTable, ReplayStateMachineArn, ...
    Raises:
        DeployFailed: a resource could not be made.
    """
    given = {"Stage": stage, **(parameters or {})}
    clients = session(region)
    s3 = clients.client("s3", endpoint_url=endpoint, config=Config(s3={"addressing_style": "path"}))
    s3.create_bucket(Bucket=_PACKAGES)
    code = zipped(code_files(root))
    code_key = f"code-{hashlib.sha256(code).hexdigest()}.zip"  # a new name, so that changed code is deployed again
    s3.put_object(Bucket=_PACKAGES, Key=code_key, Body=code)
    s3.put_object(Bucket=_PACKAGES, Key="empty-layer.zip", Body=_empty_layer())
    empty = {layer.name: f"s3://{_PACKAGES}/empty-layer.zip" for layer in LAYERS}
    body = emulated(packaged(cfn.load(template), f"s3://{_PACKAGES}/{code_key}", empty), given, models_folder())
    s3.put_object(Bucket=_PACKAGES, Key="template.json", Body=json.dumps(body).encode())
    cloudformation = clients.client("cloudformation", endpoint_url=endpoint)
    return _apply(cloudformation, f"{STACK}-{stage}", f"{endpoint}/{_PACKAGES}/template.json", given)


def _apply(cloudformation: Any, name: str, url: str, parameters: Mapping[str, str]) -> dict[str, str]:
    exists = any(stack["StackName"] == name for stack in cloudformation.describe_stacks().get("Stacks", ()))
    change = f"change-{int(time.time() * 1000)}"
    cloudformation.create_change_set(
        StackName=name,
        ChangeSetName=change,
        ChangeSetType="UPDATE" if exists else "CREATE",
        TemplateURL=url,
        Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
        Capabilities=["CAPABILITY_IAM", "CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"],
    )
    described = _wait(lambda: cloudformation.describe_change_set(StackName=name, ChangeSetName=change))
    if described["Status"] == "FAILED":
        if _NO_CHANGE in described.get("StatusReason", ""):
            return _outputs(cloudformation.describe_stacks(StackName=name)["Stacks"][0])
        raise DeployFailed(f"{name}: {described.get('StatusReason')}")
    cloudformation.execute_change_set(StackName=name, ChangeSetName=change)
    stack = _wait(lambda: cloudformation.describe_stacks(StackName=name)["Stacks"][0])
    if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
        raise DeployFailed(f"{name} is {stack['StackStatus']}: {_reasons(cloudformation, name)}")
    return _outputs(stack)


def _outputs(stack: Mapping[str, Any]) -> dict[str, str]:
    return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}


def _wait(look: Any) -> dict[str, Any]:
    """Poll until a status is final."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        described: dict[str, Any] = look()
        status = str(described.get("StackStatus") or described.get("Status"))
        if not status.endswith(("IN_PROGRESS", "PENDING")):
            return described
        if time.monotonic() > deadline:
            raise DeployFailed(f"still {status} after {_WAIT_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)


def _reasons(cloudformation: Any, name: str) -> str:
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    failed = [event for event in events if event["ResourceStatus"].endswith("FAILED")]
    return "; ".join(f"{event['LogicalResourceId']}: {event.get('ResourceStatusReason')}" for event in failed)


def _empty_layer() -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(zipfile.ZipInfo("python/.empty"), b"")
    return buffer.getvalue()


if __name__ == "__main__":
    sys.stdout.write(json.dumps(deploy(sys.argv[1]), indent=2) + "\n")
