"""A deployment on AWS as the command line finds it: by the outputs of its CloudFormation stack.

Credentials, region and (for an emulator) AWS_ENDPOINT_URL come from the environment, as for every AWS tool.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError
from msgspec import structs

from adapters.aws.connection import Aws
from domain.errors import NotFound, PhotoVaultError
from photovault.aws.cloud import Cloud, CloudSettings

STACK_PREFIX = "photovault-"
REPLAY_MACHINE = "ReplayStateMachineArn"
SETTINGS = {
    "EVENTS_TABLE": "EventsTable",
    "CHECKPOINTS_TABLE": "CheckpointsTable",
    "KEYS_TABLE": "KeysTable",
    "VIEWS_PREFIX": "ViewsPrefix",
    "QUEUES_PREFIX": "QueuesPrefix",
    "ORIGINALS_BUCKET": "OriginalsBucket",
    "DERIVED_BUCKET": "DerivedBucket",
    "ARCHIVE_BUCKET": "ArchiveBucket",
}
"""Variables of functions, by the output that says the same."""

POSSIBLE = {"PHOTOVAULT_OPENSEARCH": "SearchEndpoint", "PHOTOVAULT_PUBLIC_URL": "ApiUrl"}
"""Outputs that not every deployment has."""

CHOSEN = {
    "DEFAULT_OWNER": "DefaultOwner",
    "SERVE_UNSCANNED": "ServeUnscanned",
    "PHOTOVAULT_FACES": "Faces",
    "PHOTOVAULT_REKOGNITION_CAP_USD": "RekognitionCap",
}
"""Variables of functions that are parameters of the template."""


class Stack:
    """One deployed stage: its vault, and what else its outputs name.

    Raises:
        NotFound: there is no such stack in this account and region.
        PhotoVaultError: AWS can't be asked; says why.
    """

    def __init__(self, stage: str, environment: Mapping[str, str] = os.environ, *, owner: str = "") -> None:
        self.stage = stage
        endpoint = environment.get("AWS_ENDPOINT_URL") or None
        outputs, parameters, key = _described(stage, endpoint)
        found = {variable: outputs[name] for variable, name in SETTINGS.items()}
        found |= {variable: outputs.get(name, "") for variable, name in POSSIBLE.items()}
        found |= {variable: parameters.get(name, "") for variable, name in CHOSEN.items()}
        scanner = f"{STACK_PREFIX}{stage}-scan" if parameters.get("ScanImage") else ""
        settings = CloudSettings.of(
            {**found, "STAGE": stage, "AWS_ENDPOINT_URL": endpoint or "", "KEYS_KMS": key, "SCAN_FUNCTION": scanner}
        )
        self.cloud = Cloud(structs.replace(settings, owner=owner), Aws(endpoint_url=endpoint))
        self.replay_machine = outputs[REPLAY_MACHINE]

    def close(self) -> None:
        """End connections."""
        self.cloud.close()


def _described(stage: str, endpoint: str | None) -> tuple[dict[str, str], dict[str, str], str]:
    """Outputs, parameters, and the KMS key that wraps personal keys, if any. Cost: 1 request, with a key 2."""
    name = STACK_PREFIX + stage
    try:
        client = boto3.session.Session().client("cloudformation", endpoint_url=endpoint)
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
        parameters = {each["ParameterKey"]: each.get("ParameterValue", "") for each in stack.get("Parameters", ())}
        key = ""
        if parameters.get("PersonalKeysIn") == "kms":
            found = client.describe_stack_resource(StackName=name, LogicalResourceId="PersonalKey")
            key = found["StackResourceDetail"]["PhysicalResourceId"]
    except NoRegionError as error:
        raise PhotoVaultError("no AWS region is set: export AWS_DEFAULT_REGION, or choose a profile") from error
    except ClientError as error:
        if "does not exist" in str(error):
            raise NotFound(f"there is no stack {name} in this account and region: docs/deploy.md says how") from error
        raise PhotoVaultError(f"AWS does not tell of stack {name}: {error}") from error
    except BotoCoreError as error:
        raise PhotoVaultError(f"AWS can't be asked: {error}") from error
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", ())}
    return outputs, parameters, key
