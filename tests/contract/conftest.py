"""Where the contract suites run: on this machine's adapters, on ministack, and on a DynamoDB that is named.

PHOTOVAULT_TEST_DYNAMODB_ENDPOINT names one: a URL (DynamoDB Local), or `aws` for the account and region of the
environment. Tables get a prefix of their own there and are dropped at the end.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import boto3
import pytest

from adapters.aws.connection import Aws
from infrastructure.emulator import MISSING, connect, emulator, executable

pytest.register_assert_rewrite("tests.contract.suites")

ENDPOINT = "PHOTOVAULT_TEST_DYNAMODB_ENDPOINT"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Suites for a named DynamoDB are not part of a run that names none."""
    if os.environ.get(ENDPOINT):
        return
    left_out = [item for item in items if "named" in getattr(item, "fixturenames", ())]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if "named" not in getattr(item, "fixturenames", ())]


@pytest.fixture(scope="session")
def emulator_endpoint() -> Iterator[str]:
    """One emulator for the session (with pytest-xdist, one for each worker)."""
    if executable() is None:
        pytest.skip(MISSING)
    with emulator() as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def emulated(emulator_endpoint: str) -> Iterator[Aws]:
    """Clients for the emulator."""
    aws = connect(emulator_endpoint)
    yield aws
    aws.close()


@pytest.fixture(scope="session")
def named() -> Iterator[Aws]:
    """Clients for the DynamoDB that the environment names."""
    endpoint = os.environ[ENDPOINT]
    aws = Aws(boto3.session.Session()) if endpoint == "aws" else connect(endpoint)
    yield aws
    aws.close()


@pytest.fixture
def prefix() -> str:
    """A name that no other test, run or worker uses."""
    return f"photovault-test-{uuid.uuid4().hex[:12]}-"
