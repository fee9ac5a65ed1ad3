"""Cold start: what each Lambda function imports, beside botocore with a DynamoDB client, which none can do without.

Time is processor-bound import time in a fresh interpreter, from its first statement on, with compiled files in place.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

from benchmarks.measuring import Row, in_turn, row

HANDLERS = ("api", "intake", "projector", "relay", "steps", "replay", "reconcile", "seal", "cluster")
_GOAL = 1.3  # the API's import at most so many times botocore's
_BOTOCORE = "import botocore.session; botocore.session.get_session().create_client('dynamodb')"
_CLIENT = "import handlers.api; from adapters.aws.connection import Aws; Aws().dynamodb"
_TIMED = "import time; started = time.perf_counter(); {}; print(time.perf_counter() - started)"


def run(quick: bool = False) -> list[Row]:
    """Rows of name, ours, peer, peer_name, ratio (over 1: faster than the peer), goal and unit."""
    statements = [_BOTOCORE, *(f"import handlers.{name}" for name in HANDLERS), _CLIENT]
    peer, *ours = in_turn([lambda s=statement: _milliseconds(s) for statement in statements], 3 if quick else 15)
    names = [*(f"import of handlers.{name}" for name in HANDLERS), "handlers.api and its DynamoDB client"]
    return [
        row(name, time, peer, "botocore with a DynamoDB client", round(1 / _GOAL, 2), "ms", less=True)
        for name, time in zip(names, ours, strict=True)
    ]


def _milliseconds(statement: str) -> float:
    environment: dict[str, Any] = os.environ | {
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
    }
    timed = [sys.executable, "-c", _TIMED.format(statement)]
    return float(subprocess.run(timed, env=environment, check=True, capture_output=True, text=True).stdout) * 1000


if __name__ == "__main__":
    for measured in run():
        print(measured)
