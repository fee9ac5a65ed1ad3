"""For the operator of a deployment on AWS: how it stands, its dead letters, and replay over there."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from domain.commits import split_stream
from domain.errors import InvalidInput, PhotoVaultError
from domain.pipeline import STEPS
from photovault.cli.app import Json
from photovault.cli.output import coloured, err, exit_unless, out, print_json, progress_bar, table
from photovault.config import Settings
from photovault.reprocessing import dead_letters, redrive
from projections.processing import COUNTERS

if TYPE_CHECKING:
    from photovault.aws.stacks import Stack

cloud = typer.Typer(no_args_is_help=True, help="A deployment on AWS: its state and its dead letters (docs/deploy.md).")

Stage = Annotated[str, typer.Option(help="The deployment's stage.", envvar="PHOTOVAULT_STAGE")]
_POLL_SECONDS = 1.0
_STATES = ("total", "done", "processing", "quarantined", "given_up")


def register(app: typer.Typer) -> None:
    """Add this module's commands."""
    app.add_typer(cloud, name="cloud")


@contextmanager
def open_stack(stage: str, owner: str = "") -> Iterator[Stack]:
    """A deployment, found by its stack, for one owner. boto3 is imported here: no other command waits for it."""
    try:
        from photovault.aws.stacks import Stack
    except ModuleNotFoundError as missing:
        raise PhotoVaultError(f"{missing.name} is not installed: pip install 'photovault[aws]'") from missing
    stack = Stack(stage, owner=owner)
    try:
        yield stack
    finally:
        stack.close()


@cloud.command("status")
def status(context: typer.Context, stage: Stage = "dev", json: Json = False) -> None:
    """How many assets of the owner are in which state, how far each step has come, and the depth of each queue."""
    with open_stack(stage) as stack:
        vault, owner = stack.cloud, _owner(context)
        _, view = vault.generations.active("processing")
        totals = vault.views.totals(view, owner)
        assets = totals.get("assets", {})
        depths = {step: vault.queue.depth(step) for step in STEPS}
        parked = vault.parking.list()
        document = {
            "stage": stage,
            "owner": owner,
            "assets": {name: assets.get(name, 0) for name in _STATES},
            "steps": {step: {name: totals.get(f"step:{step}", {}).get(name, 0) for name in COUNTERS} for step in STEPS},
            "queues": depths,
            "parked": [{"consumer": p.consumer, "stream": p.stream, "error": p.error} for p in parked],
        }
        if json:
            print_json(document)
            return
        table(None, [f">{name.replace('_', ' ')}" for name in _STATES], [[assets.get(name, 0) for name in _STATES]])
        out.print()
        rows = [
            (step, *(totals.get(f"step:{step}", {}).get(name, 0) for name in COUNTERS), d.waiting, d.in_flight, d.dead)
            for step, d in depths.items()
        ]
        columns = ("step", *(f">{name.replace('_', ' ')}" for name in COUNTERS), ">queued", ">in flight", ">dead")
        table(None, columns, rows)
        for each in parked:
            out.print(coloured("failed"), f"{each.consumer} waits for {each.stream}: {each.error}", markup=False)


@cloud.command("dead-letters")
def dead_letters_command(
    context: typer.Context,
    stage: Stage = "dev",
    again: Annotated[bool, typer.Option("--redrive", help="Ask for all of them again, and empty the list.")] = False,
    json: Json = False,
) -> None:
    """Steps that were given up after their last attempt, and why; try them again when the cause is gone."""
    with open_stack(stage) as stack:
        letters = dead_letters(stack.cloud)
        redriven = redrive(stack.cloud, _owner(context)) if again else 0
        rows = [(*split_stream(letter.message.stream)[::2], letter.message.step, letter.reason) for letter in letters]
        if json:
            items = [dict(zip(("owner", "asset", "step", "reason"), row, strict=True)) for row in rows]
            print_json({"items": items, "cursor": None, "redriven": redriven})
            return
        table(None, ("owner", "asset", "step", "why"), rows)
        out.print(f"{redriven} steps are to run again" if redriven else "" if letters else "there are none")


def replay_on_aws(
    stage: str,
    projections: tuple[str, ...],
    *,
    dry: bool,
    switch: bool,
    rate: float | None,
    export: str | None,
    resume: str | None,
    stop: str | None,
    json: bool,
) -> None:
    """Start the state machine (or go on with a run, or stop an execution), and show its progress until it has ended."""
    with open_stack(stage) as stack:
        from photovault.aws import replay as cloud_replay
        from photovault.aws.rebuild import Order

        vault, machine = stack.cloud, stack.replay_machine
        if stop is not None:
            run = cloud_replay.stop(vault, stop)
            print_json({"run": run}) if json else out.print(f"run {run} stops after its current slices")
            return
        order = Order(projections=projections, dry=dry, switch=switch, events_per_second=rate, export=export)
        execution = cloud_replay.resume(vault, machine, resume) if resume else cloud_replay.start(vault, machine, order)
        err.print(f"execution {execution}", markup=False)
        with progress_bar("replay") as bar:
            state = cloud_replay.progress(vault, execution)
            while not state.ended:
                if state.progress is not None:
                    bar.update(state.progress.events, state.progress.events)
                time.sleep(_POLL_SECONDS)
                state = cloud_replay.progress(vault, execution)
        outcome = state.outcome
        if outcome is None:
            raise PhotoVaultError(f"the replay ended as {state.status}: {state.error or 'see the execution'}")
        if json:
            print_json(outcome)
        else:
            verdict = "stopped" if outcome.stopped else "equal" if outcome.equal else "DIFFERENT"
            out.print(
                f"run {outcome.run}: {outcome.events:,} events in {outcome.streams:,} streams, {outcome.rows:,} rows: "
                f"{verdict}{', switched' if outcome.switched else ''}"
            )
            if outcome.stopped:
                out.print(f"go on: photovault replay --on aws --stage {stage} --resume {outcome.run}")
        exit_unless(outcome.equal or outcome.stopped or dry)


def check_place(on: str) -> bool:
    """Whether `--on` means AWS; `InvalidInput` when it means nothing."""
    if on not in ("local", "aws"):
        raise InvalidInput(f"--on takes local or aws, not {on!r}")
    return on == "aws"


def _owner(context: typer.Context) -> str:
    chosen = context.find_root().obj
    assert isinstance(chosen, Settings)
    return chosen.owner
