"""What a function imports when it starts cold: no decoder, no array library, nothing of the command line."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.support.aws_events import MODULES

HEAVY = {
    *("PIL", "pillow_heif", "pyvips", "av", "numpy", "timezonefinder", "onnxruntime"),  # the media engine's child's
    *("typer", "rich", "sqlite3"),  # the machine's at home
    *("boto3", "s3transfer", "pynamodb"),  # for who moves files, or makes tables
    *("aws_xray_sdk", "pydantic", "jsonschema", "hypothesis"),
}
NEEDED = {"memories": {"numpy"}}
"""What a function can do nothing without: this one runs once a day, and every run computes with arrays."""


@pytest.mark.parametrize("name", [*MODULES, "scan", "signatures"])
def test_a_function_imports_nothing_heavy(name: str) -> None:
    program = f"import sys, handlers.{name}; print(' '.join(sorted({{m.split('.')[0] for m in sys.modules}})))"
    environment = os.environ | {"STEP": "renditions", "AWS_DEFAULT_REGION": "us-east-1"}
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program], env=environment, capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert "botocore" in loaded
    assert not loaded & (HEAVY - NEEDED.get(name, set()))


def test_the_tracer_is_left_out_where_lambda_has_no_daemon_and_where_it_is_told_to_be() -> None:
    program = "import sys, handlers.seal; print('aws_xray_sdk' in sys.modules)"
    for variables, expected in (
        ({"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000"}, "True"),
        ({"AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000", "POWERTOOLS_TRACE_DISABLED": "true"}, "False"),
        ({}, "False"),
    ):
        environment = {name: value for name, value in os.environ.items() if not name.startswith("AWS_XRAY")} | variables
        done = subprocess.run(
            [sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == expected
