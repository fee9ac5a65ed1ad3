"""Where the contract suites run: on this machine's adapters, on emulators, and on services that are named.

PHOTOVAULT_TEST_DYNAMODB_ENDPOINT names a DynamoDB: a URL (DynamoDB Local), or `aws` for the account and region of the
environment. PHOTOVAULT_TEST_OPENSEARCH_ENDPOINT names an OpenSearch, with PHOTOVAULT_TEST_OPENSEARCH_USER and
PHOTOVAULT_TEST_OPENSEARCH_PASSWORD where it wants them; a domain on AWS (its host) is asked with the environment's
credentials. Tables and indexes get a prefix of their own there and are dropped at the end.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import boto3
import pytest
from opensearchpy import OpenSearch

from adapters.aws.connection import Aws
from adapters.aws.opensearch_client import connect as opensearch_client
from infrastructure.emulator import MISSING, connect, emulator, executable
from tests.support.opensearch_server import Emulator
from tests.support.opensearch_server import emulator as opensearch_emulator

pytest.register_assert_rewrite("tests.contract.suites")

ENDPOINT = "PHOTOVAULT_TEST_DYNAMODB_ENDPOINT"
OPENSEARCH = "PHOTOVAULT_TEST_OPENSEARCH_ENDPOINT"


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Suites for a named service are not part of a run that names none."""
    fixtures = (("named", ENDPOINT), ("named_opensearch", OPENSEARCH))
    unnamed = {fixture for fixture, variable in fixtures if not os.environ.get(variable)}
    left_out = [item for item in items if unnamed & set(getattr(item, "fixturenames", ()))]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in left_out]


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
def opensearch() -> Iterator[Emulator]:
    """An OpenSearch without vectors of its own, likewise."""
    with opensearch_emulator() as server:
        yield server


@pytest.fixture(scope="session")
def named() -> Iterator[Aws]:
    """Clients for the DynamoDB that the environment names."""
    endpoint = os.environ[ENDPOINT]
    aws = Aws(boto3.session.Session()) if endpoint == "aws" else connect(endpoint)
    yield aws
    aws.close()


@pytest.fixture(scope="session")
def named_opensearch() -> Iterator[OpenSearch]:
    """A client for the OpenSearch that the environment names."""
    endpoint, user = os.environ[OPENSEARCH], os.environ.get(f"{OPENSEARCH.removesuffix('_ENDPOINT')}_USER")
    basic = (user, os.environ[f"{OPENSEARCH.removesuffix('_ENDPOINT')}_PASSWORD"]) if user else None
    on_aws = "amazonaws.com" in endpoint or endpoint.endswith(".on.aws")
    client = opensearch_client(endpoint, aws=Aws() if on_aws else None, basic=basic)
    yield client
    client.close()


@pytest.fixture
def prefix() -> str:
    """A name that no other test, run or worker uses."""
    return f"photovault-test-{uuid.uuid4().hex[:12]}-"
