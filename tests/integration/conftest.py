"""What the tests on the emulator share: a deployment of its own for each, and its entry points in this process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from adapters.aws.connection import Aws
from photovault.aws.cloud import Cloud
from tests.contract.conftest import emulated, emulator_endpoint, prefix  # noqa: F401 - fixtures
from tests.integration.deployment import Deployment, Invokes, in_process


@pytest.fixture
def deployment(emulated: Aws, emulator_endpoint: str, prefix: str) -> Iterator[Deployment]:  # noqa: F811
    made = Deployment(emulated, emulator_endpoint, prefix)
    yield made
    made.cloud.close()


@pytest.fixture
def vault(deployment: Deployment) -> Cloud:
    return deployment.cloud


@pytest.fixture
def invoke(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> Iterator[Invokes]:
    with in_process(deployment, monkeypatch) as entries:
        yield entries
