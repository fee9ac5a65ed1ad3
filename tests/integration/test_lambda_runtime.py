"""Each function in a process of its own under AWS's own runtime client, as Lambda starts it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from importlib.util import find_spec
from typing import Any

import pytest

from domain.pipeline import STEPS
from photovault.aws.cloud import Cloud
from tests.integration.deployment import Deployment, filled, gallery
from tests.support.aws_events import api_event, s3_test_notice, sqs_event
from tests.support.factories import jpeg
from tests.support.lambda_runtime import InvocationFailed, LambdaRuntime

# --- under AWS's own runtime client ----------------------------------------------------------------------------------


@pytest.mark.skipif(find_spec("awslambdaric") is None, reason="AWS's runtime client is installed on Linux alone")
class TestUnderTheRuntime:
    """Each function in a process of its own, as Lambda starts it."""

    @pytest.mark.parametrize(
        ("handler", "event", "answer"),
        [
            ("intake.handler", sqs_event(s3_test_notice()), {"batchItemFailures": []}),
            ("projector.handler", {"Records": []}, {"batchItemFailures": []}),
            ("relay.handler", {"Records": []}, {"batchItemFailures": []}),
            ("seal.handler", {"source": "aws.events"}, {"root": None, "streams": 0, "hash": None}),
            ("reconcile.handler", {"source": "aws.events"}, {"objects": 0, "whole": True}),
            ("api.handler", api_event("GET", "/health"), {"statusCode": 200}),
        ],
    )
    def test_it_starts_and_answers(
        self, deployment: Deployment, handler: str, event: dict[str, Any], answer: dict[str, Any]
    ) -> None:
        with LambdaRuntime(f"handlers.{handler}", deployment.environment) as runtime:
            for _ in range(2):  # cold, then warm
                given = runtime.invoke(event)
                assert {name: given[name] for name in answer} == answer

    def test_a_picture_goes_all_the_way(self, deployment: Deployment, vault: Cloud) -> None:
        with ExitStack() as stack:

            def function(name: str, **variables: str) -> Callable[[dict[str, Any]], Any]:
                environment = deployment.environment | variables
                return stack.enter_context(LambdaRuntime(f"handlers.{name}.handler", environment)).invoke

            invoke = {name: function(name) for name in ("intake", "projector", "relay")}
            invoke |= {step: function("steps", STEP=step) for step in STEPS}
            deployment.put("anna/a.jpg", jpeg(1))
            deployment.run(invoke)
        assert len(gallery(vault)) == 1
        _, table = vault.generations.active("processing")
        assert vault.views.totals(table, "anna")["assets"]["done"] == 1

    def test_a_replay_goes_all_the_way(self, deployment: Deployment, vault: Cloud) -> None:
        filled(vault, 2)
        with ExitStack() as stack:
            plan, work, finish = (
                stack.enter_context(LambdaRuntime(f"handlers.replay.{name}", deployment.environment)).invoke
                for name in ("plan", "work", "finish")
            )
            planned = plan({"projections": ["gallery"], "parts": 2})
            for segment in planned["segments"]:
                assert work(segment)["done"]
            assert finish(planned)["switched"]

    def test_what_it_raises_is_what_lambda_hears(self, deployment: Deployment) -> None:
        with LambdaRuntime("handlers.replay.work", deployment.environment) as runtime:
            with pytest.raises(InvocationFailed, match="there is no unfinished replay"):
                runtime.invoke({"run": "none", "segment": 0})
            assert '"message":"the invocation failed"' in runtime.log()

    def test_a_function_without_its_settings_says_which(self) -> None:
        with (
            LambdaRuntime("handlers.projector.handler", {"EVENTS_TABLE": "events"}) as runtime,
            pytest.raises(InvocationFailed, match="CHECKPOINTS_TABLE, KEYS_TABLE, VIEWS_PREFIX"),
        ):
            runtime.invoke({"Records": []})
