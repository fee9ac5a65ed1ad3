"""A deployment on the emulator without its template: tables, queues and buckets, by the names functions are given."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from adapters.aws.connection import Aws
from domain.asset import asset_stream
from domain.pipeline import STEPS
from photovault.aws.cloud import Cloud, CloudSettings
from tests.support.aws_events import MODULES, REGION, Context
from tests.support.factories import append, whole_life
from tests.support.poller import QueuePoller, StreamPoller

Invokes = dict[str, Callable[[dict[str, Any]], Any]]


class Deployment:
    """All that the template makes, and the event source mappings, played by pollers."""

    def __init__(self, aws: Aws, endpoint: str, prefix: str) -> None:
        self.aws = aws
        self.environment = {
            "STAGE": "test",
            "EVENTS_TABLE": f"{prefix}events",
            "CHECKPOINTS_TABLE": f"{prefix}checkpoints",
            "KEYS_TABLE": f"{prefix}keys",
            "VIEWS_PREFIX": f"{prefix}view-",
            "QUEUES_PREFIX": f"{prefix}step-",
            "ORIGINALS_BUCKET": f"{prefix}originals",
            "DERIVED_BUCKET": f"{prefix}derived",
            "ARCHIVE_BUCKET": f"{prefix}archive",
            "DEFAULT_OWNER": "",
            "POWERTOOLS_SERVICE_NAME": "photovault",
            "POWERTOOLS_METRICS_NAMESPACE": "PhotoVault",
            "LOG_LEVEL": "INFO",
            "AWS_ENDPOINT_URL": endpoint,
        }
        self.cloud = Cloud(CloudSettings.of(self.environment), aws)
        self.cloud.commits.create()
        self.cloud.checkpoints.create()
        self.cloud.keys.create()
        for name in ("ORIGINALS_BUCKET", "DERIVED_BUCKET", "ARCHIVE_BUCKET"):
            aws.s3.create_bucket(Bucket=self.environment[name])
        aws.s3.put_bucket_versioning(
            Bucket=self.environment["ORIGINALS_BUCKET"], VersioningConfiguration={"Status": "Enabled"}
        )
        for step in STEPS:
            self.cloud.queue.create(step, max_receives=5)
        self.uploads = aws.sqs.create_queue(QueueName=f"{prefix}uploads")["QueueUrl"]
        arn = f"arn:aws:sqs:{REGION}:000000000000:{prefix}uploads"
        aws.s3.put_bucket_notification_configuration(
            Bucket=self.environment["ORIGINALS_BUCKET"],
            NotificationConfiguration={"QueueConfigurations": [{"QueueArn": arn, "Events": ["s3:ObjectCreated:*"]}]},
        )

    def put(self, key: str, data: bytes) -> str:
        """Upload an object; its version."""
        answer = self.aws.s3.put_object(Bucket=self.environment["ORIGINALS_BUCKET"], Key=key, Body=data)
        return str(answer["VersionId"])

    def run(self, invoke: Mapping[str, Callable[[dict[str, Any]], Any]], rounds: int = 30) -> None:
        """Play the mappings until nothing moves any more; `invoke` has a function for each entry point and step."""
        table = self.environment["EVENTS_TABLE"]
        streams = [StreamPoller(invoke[name]) for name in ("projector", "relay")]
        queues = [QueuePoller(self.aws, self.uploads, invoke["intake"])]
        for step in STEPS:
            url = self.aws.sqs.get_queue_url(QueueName=f"{self.environment['QUEUES_PREFIX']}{step}")["QueueUrl"]
            queues.append(QueuePoller(self.aws, url, invoke[step]))
        for _ in range(rounds):
            moved = sum(poller.poll(self.aws, table) for poller in streams)
            if not moved + sum(queue.poll() for queue in queues):
                return
        raise AssertionError(f"something still moves after {rounds} rounds")


@contextmanager
def in_process(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """All entry points in this process, on one vault."""
    modules = {name: importlib.import_module(f"handlers.{name}") for name in MODULES}
    for module in modules.values():
        monkeypatch.setattr(module, "cloud", lambda: deployment.cloud)

    def entry(name: str) -> Callable[[dict[str, Any]], Any]:
        return lambda event: modules[name].handler(event, Context())

    def step(name: str) -> Callable[[dict[str, Any]], Any]:
        def invoke(event: dict[str, Any]) -> Any:
            monkeypatch.setenv("STEP", name)
            return modules["steps"].handler(event, Context())

        return invoke

    yield {name: entry(name) for name in MODULES if name not in ("steps", "replay")} | {s: step(s) for s in STEPS}


def gallery(vault: Cloud, owner: str = "anna") -> dict[str, int]:
    """Versions of the gallery's rows, by asset."""
    _, table = vault.generations.active("gallery")
    return {row.key: row.version for row in vault.views.query(table, owner, limit=1000).rows}


def filled(vault: Cloud, count: int = 6) -> None:
    """A projected history."""
    vault.register()
    for n in range(count):
        vault.projector.project(append(vault.store, asset_stream("anna", f"p{n}"), *whole_life()))
