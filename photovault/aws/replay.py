"""Replay on AWS, as the command line sees it: start the state machine, watch it, stop it, go on with it."""

from __future__ import annotations

import uuid

import msgspec
from botocore.exceptions import ClientError
from msgspec import Struct

from adapters.aws.connection import error_code
from domain.errors import NotFound, PhotoVaultError
from photovault.aws.cloud import Cloud
from photovault.aws.rebuild import Order, Outcome, outcome_of, planned_run
from projections.replay import Progress

_ENDED = ("SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED")


class ReplayFailed(PhotoVaultError):
    """The state machine ended without a result."""


class State(Struct, frozen=True, kw_only=True):
    """How far a replay has come."""

    execution: str
    status: str  # RUNNING, SUCCEEDED, FAILED, TIMED_OUT, ABORTED
    run: str | None  # None until it is planned
    progress: Progress | None = None
    outcome: Outcome | None = None
    error: str = ""

    @property
    def ended(self) -> bool:
        """Whether nothing more will happen by itself."""
        return self.status in _ENDED


def start(vault: Cloud, machine_arn: str, order: Order) -> str:
    """Start a replay; the ARN of its execution. Cost: 1 request."""
    name = f"replay-{uuid.uuid4().hex}"
    text = msgspec.json.encode(msgspec.structs.replace(order, execution=name)).decode()
    try:
        answer = vault.aws.stepfunctions.start_execution(stateMachineArn=machine_arn, name=name, input=text)
    except ClientError as error:
        if error_code(error) in ("StateMachineDoesNotExist", "InvalidArn"):
            raise NotFound(f"there is no state machine {machine_arn}: deploy the template first") from error
        raise
    return str(answer["executionArn"])


def progress(vault: Cloud, execution_arn: str) -> State:
    """How far it has come, now; ask again until it has ended.

    Cost:
        1 request to Step Functions, and 2 or 3 reads of small documents.
    """
    answer = vault.aws.stepfunctions.describe_execution(executionArn=execution_arn)
    run_id = planned_run(vault.checkpoints, execution_arn.rpartition(":")[2])
    outcome = outcome_of(vault.checkpoints, run_id) if run_id else None
    done = None
    if run_id and outcome is None:
        try:
            done = vault.replay.progress(vault.replay.find(run_id))
        except NotFound:  # it was finished and forgotten between the two looks
            outcome = outcome_of(vault.checkpoints, run_id)
    return State(
        execution=execution_arn,
        status=answer["status"],
        run=run_id,
        progress=done,
        outcome=outcome,
        error=": ".join(part for part in (answer.get("error", ""), answer.get("cause", "")) if part),
    )


def stop(vault: Cloud, execution_arn: str) -> str | None:
    """Let the workers end their slices, and the execution with them; the run to resume. None: it had not begun.

    An execution that has failed leaves its run behind; stopping it lets another replay of the same views begin.
    """
    run_id = planned_run(vault.checkpoints, execution_arn.rpartition(":")[2])
    if run_id is None:
        vault.aws.stepfunctions.stop_execution(executionArn=execution_arn, cause="stopped before it was planned")
    elif outcome_of(vault.checkpoints, run_id) is None:
        vault.replay.stop(run_id)
    return run_id


def resume(vault: Cloud, machine_arn: str, run_id: str) -> str:
    """Go on with a run that was stopped, or whose execution failed; the ARN of the new execution.

    Raises:
        NotFound: there is no such run, or it is finished.
    """
    vault.replay.find(run_id)
    return start(vault, machine_arn, Order(run=run_id))
