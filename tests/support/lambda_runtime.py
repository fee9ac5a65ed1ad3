"""A function under AWS's own runtime client, without a container: `awslambdaric` against a stub of the Runtime API.

The stub is an HTTP server on 127.0.0.1 that hands out one invocation at a time (AWS Lambda developer guide, "Using the
Lambda runtime API"). The function runs in a process of its own, which is ended by its id.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from tests.support.aws_events import ACCOUNT, REGION

_ROOT = Path(__file__).resolve().parents[2]
_ANSWER_SECONDS = 60.0


class InvocationFailed(Exception):
    """The function raised; what Lambda would hand to whoever invoked it."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind


class LambdaRuntime:
    """One warm container of a function.

    Args:
        handler: such as `handlers.intake.handler`.
        environment: its variables; nothing else of this process's environment is passed on but PATH and HOME.
        timeout_seconds: what the function is told that it has.
    """

    def __init__(self, handler: str, environment: Mapping[str, str], timeout_seconds: float = 900.0) -> None:
        self._timeout_seconds = timeout_seconds
        self._todo: queue.Queue[tuple[str, bytes] | None] = queue.Queue()
        self._answers: queue.Queue[tuple[str, bytes]] = queue.Queue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), name="runtime-api")
        self._thread.start()
        self._log: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the runtime
        variables = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ} | {
            "AWS_LAMBDA_RUNTIME_API": f"127.0.0.1:{self._server.server_address[1]}",
            "AWS_LAMBDA_FUNCTION_NAME": "photovault-test",
            "AWS_LAMBDA_FUNCTION_VERSION": "$LATEST",
            "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "512",
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "PYTHONPATH": str(_ROOT),
            "PYTHONWARNINGS": "error",
            **environment,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-m", "awslambdaric", handler],
            env=variables,
            cwd=_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    @property
    def pid(self) -> int:
        """Of the function's process."""
        return self._process.pid

    def invoke(self, event: Mapping[str, Any]) -> Any:
        """Hand one event to the function; what it answers.

        Raises:
            InvocationFailed: it raised, could not be imported, or its process ended.
        """
        self._todo.put((str(uuid.uuid4()), json.dumps(event).encode()))
        deadline = time.monotonic() + _ANSWER_SECONDS
        while time.monotonic() < deadline:
            try:
                kind, body = self._answers.get(timeout=0.05)
            except queue.Empty:
                if self._process.poll() is not None and self._answers.empty():
                    raise InvocationFailed("Runtime.ExitError", self.log()[-2000:]) from None
                continue
            if kind == "response":
                return json.loads(body)
            error = json.loads(body)
            raise InvocationFailed(error.get("errorType", ""), error.get("errorMessage", ""))
        raise InvocationFailed("Task.TimedOut", self.log()[-2000:])

    def log(self) -> str:
        """All that the function has written."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """End the function and the stub."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._todo.put(None)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        runtime = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                given = runtime._todo.get()
                if given is None:  # the function is gone
                    self.close_connection = True
                    return
                ident, body = given
                self.send_response(200)
                self.send_header("Lambda-Runtime-Aws-Request-Id", ident)
                self.send_header(
                    "Lambda-Runtime-Deadline-Ms", str(round((time.time() + runtime._timeout_seconds) * 1000))
                )
                self.send_header("Lambda-Runtime-Trace-Id", "Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700;Sampled=0")
                self.send_header(
                    "Lambda-Runtime-Invoked-Function-Arn",
                    f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:photovault-test",
                )
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                runtime._answers.put(("response" if self.path.endswith("/response") else "error", body))
                self.send_response(202)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Quiet."""

        return Handler
