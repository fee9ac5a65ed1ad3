"""A deployment on AWS as the command line finds it: by the outputs of its CloudFormation stack.

Credentials, region and (for an emulator) AWS_ENDPOINT_URL come from the environment, as for every AWS tool.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import boto3
from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

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


class Stack:
    """One deployed stage: its vault, and what else its outputs name.

    Raises:
        NotFound: there is no such stack in this account and region.
        PhotoVaultError: AWS can't be asked; says why.
    """

    def __init__(self, stage: str, environment: Mapping[str, str] = os.environ) -> None:
        self.stage = stage
        endpoint = environment.get("AWS_ENDPOINT_URL") or None
        outputs = _outputs(stage, endpoint)
        found = {variable: outputs[name] for variable, name in SETTINGS.items()}
        settings = {**found, "STAGE": stage, "AWS_ENDPOINT_URL": endpoint or ""}
        self.cloud = Cloud(CloudSettings.of(settings), Aws(endpoint_url=endpoint))
        self.replay_machine = outputs[REPLAY_MACHINE]

    def close(self) -> None:
        """End connections."""
        self.cloud.close()


def _outputs(stage: str, endpoint: str | None) -> dict[str, str]:
    name = STACK_PREFIX + stage
    try:
        client = boto3.session.Session().client("cloudformation", endpoint_url=endpoint)
        stacks = client.describe_stacks(StackName=name)["Stacks"]
    except NoRegionError as error:
        raise PhotoVaultError("no AWS region is set: export AWS_DEFAULT_REGION, or choose a profile") from error
    except ClientError as error:
        if "does not exist" in str(error):
            raise NotFound(f"there is no stack {name} in this account and region: docs/deploy.md says how") from error
        raise PhotoVaultError(f"AWS does not tell of stack {name}: {error}") from error
    except BotoCoreError as error:
        raise PhotoVaultError(f"AWS can't be asked: {error}") from error
    return {output["OutputKey"]: output["OutputValue"] for output in stacks[0].get("Outputs", ())}
