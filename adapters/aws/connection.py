"""Where AWS clients are made and configured, and where what they cost is counted.

Retries are botocore's own: standard mode, exponential back-off with jitter and a quota, so that an outage is not met
with a storm. No adapter sleeps or loops around an error by itself.
"""

from __future__ import annotations

import random
import threading
from typing import Any

import botocore
import botocore.session
from botocore.config import Config
from botocore.exceptions import ClientError

from adapters.aws import parsing

MAX_ATTEMPTS = 8
"""Attempts at one request, the first included."""

SCAN_SECONDS = 310
"""How long the scanner's function may take to answer: a little more than its own timeout, which then says so."""

_USER_AGENT = f"photovault botocore/{botocore.__version__}"
"""Named once, because botocore otherwise puts together anew, for each request, what system it runs on."""

_CONFLICTS = {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"}


class Costs:
    """Requests and capacity units that an adapter has used: what AWS bills by. Safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.requests = 0
        self.wcu = 0.0
        self.rcu = 0.0

    def add(self, requests: int = 0, wcu: float = 0.0, rcu: float = 0.0) -> None:
        """Count requests (retries included), write and read capacity units."""
        with self._lock:
            self.requests += requests
            self.wcu += wcu
            self.rcu += rcu

    def reset(self) -> None:
        """Begin to count anew."""
        with self._lock:
            self.requests, self.wcu, self.rcu = 0, 0.0, 0.0

    def __repr__(self) -> str:
        return f"Costs(requests={self.requests}, wcu={self.wcu:g}, rcu={self.rcu:g})"


class Aws:
    """A session and the clients made from it, each made once and shared by all threads.

    Args:
        session: credentials and region, boto3's or botocore's; botocore's default one (environment, profile, role) when
            not given: a function that starts cold does without boto3, which takes 70 ms to import.
        endpoint_url: where all services answer, for an emulator; AWS itself when not given.
        endpoints: one endpoint for one service, such as `{"dynamodb": "http://127.0.0.1:8000"}`; `dynamodb` stands for
            its streams too.
        connections: how many requests each client may have open at once.
    """

    def __init__(
        self,
        session: Any = None,
        endpoint_url: str | None = None,
        endpoints: dict[str, str] | None = None,
        connections: int = 32,
    ) -> None:
        self.session = session if session is not None else botocore.session.get_session()
        self._endpoint_url = endpoint_url
        self._endpoints = endpoints or {}
        self._connections = connections
        self._region: str | None = None  # the session's own
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()  # making a client is not safe for threads; using one is

    @property
    def dynamodb(self) -> Any:
        """botocore's DynamoDB client, without its validation of parameters, which DynamoDB repeats."""
        return self._client("dynamodb", parameter_validation=False)

    @property
    def streams(self) -> Any:
        """The client for DynamoDB Streams."""
        return self._client("dynamodbstreams")

    @property
    def s3(self) -> Any:
        """The S3 client. Its links are signed by version 4: botocore's own choice is 2, which newer regions refuse."""
        style = {"addressing_style": "path"} if self._endpoint_url else None
        return self._client("s3", s3=style, signature_version="s3v4")

    @property
    def sqs(self) -> Any:
        """The SQS client."""
        return self._client("sqs")

    @property
    def stepfunctions(self) -> Any:
        """The Step Functions client."""
        return self._client("stepfunctions")

    @property
    def scan_invoker(self) -> Any:
        """The Lambda client for the scanner, whose answer may take minutes, and which is asked once: the step that
        asks is tried again by itself."""
        return self._client("lambda", read_timeout=SCAN_SECONDS, retries={"mode": "standard", "total_max_attempts": 1})

    @property
    def kms(self) -> Any:
        """The KMS client."""
        return self._client("kms")

    @property
    def rekognition(self) -> Any:
        """The Rekognition client; it slows down by itself when it is throttled."""
        return self._client("rekognition", retries={"mode": "adaptive", "total_max_attempts": MAX_ATTEMPTS})

    @property
    def ses(self) -> Any:
        """The client for SES, which asks once: nobody can say of a mail that it may go out twice."""
        return self._client("sesv2", retries={"mode": "standard", "total_max_attempts": 1})

    @property
    def sns(self) -> Any:
        """The client for SNS, likewise."""
        return self._client("sns", retries={"mode": "standard", "total_max_attempts": 1})

    def elsewhere(self, region: str) -> Aws:
        """Clients for another region, with the same credentials; the emulator is everywhere."""
        other = Aws(self.session, self._endpoint_url, self._endpoints, self._connections)
        other._region = region
        return other

    def _client(self, service: str, **options: Any) -> Any:
        with self._lock:
            if service not in self._clients:
                usual: dict[str, Any] = {
                    "user_agent": _USER_AGENT,
                    "connect_timeout": 5,
                    "read_timeout": 30,
                    "max_pool_connections": self._connections,
                    "retries": {"mode": "standard", "total_max_attempts": MAX_ATTEMPTS},
                }
                config = Config(**(usual | options))
                endpoint = self._endpoints.get("dynamodb" if service == "dynamodbstreams" else service)
                make = getattr(self.session, "create_client", None) or self.session.client
                client = make(
                    service, region_name=self._region, endpoint_url=endpoint or self._endpoint_url, config=config
                )
                if service == "dynamodb":
                    client.meta.events.register("needs-retry.dynamodb.TransactWriteItems", retry_contention)
                    parsing.register(client)
                self._clients[service] = client
            return self._clients[service]

    def close(self) -> None:
        """Close all connections."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def retry_contention(response: Any = None, attempts: int = 1, **_: Any) -> float | None:
    """For botocore's retry loop: a transaction that met another one is tried again, as a throttled put is.

    botocore knows no cancelled transaction that is worth a retry; one whose only reasons are contention is.

    Returns:
        Seconds to wait (full jitter over 50 ms, doubling, at most 2 s), or None: leave it to the other handlers.
    """
    if response is None or attempts >= MAX_ATTEMPTS:
        return None
    codes = set(cancellation_codes(response[1])) - {"None"}
    if codes and codes <= _CONFLICTS:
        return random.uniform(0.0, min(2.0, 0.05 * 2**attempts))  # noqa: S311  (jitter, not a secret)
    return None


def cancellation_codes(response: dict[str, Any]) -> list[str]:
    """Why each item of a cancelled transaction failed, in the order of its items; "None" for one that did not."""
    return [reason.get("Code", "None") for reason in response.get("CancellationReasons", ())]


def error_code(error: ClientError) -> str:
    """AWS's word for what went wrong."""
    return str(error.response.get("Error", {}).get("Code", ""))


def attempts(response: dict[str, Any]) -> int:
    """How many requests an answer took, botocore's retries included."""
    return 1 + int(response.get("ResponseMetadata", {}).get("RetryAttempts", 0))


def capacity(response: dict[str, Any]) -> float:
    """Capacity units that DynamoDB reports, summed over tables."""
    consumed = response.get("ConsumedCapacity") or ()
    if isinstance(consumed, dict):
        return float(consumed["CapacityUnits"])
    return float(sum(entry["CapacityUnits"] for entry in consumed))
