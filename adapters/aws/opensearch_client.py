"""How an OpenSearch domain is reached: requests signed by the function's own role, and asked again when it is busy.

OpenSearch says "busy" with 429 (its queues or its memory are full) and 503 (a shard or a node is away for a moment).
The client library waits without jitter where it tries again at all, so it is told not to, and `asked` does.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from msgspec import Struct
from opensearchpy import OpenSearch, Urllib3AWSV4SignerAuth, Urllib3HttpConnection
from opensearchpy.exceptions import ConnectionError as NoConnection
from opensearchpy.exceptions import TransportError

from domain.errors import InvalidInput, ViewUnavailable

if TYPE_CHECKING:
    from adapters.aws.connection import Aws

__all__ = ["BUSY", "READING", "WRITING", "IndexBusy", "Patience", "asked", "connect"]

BUSY = (429, 502, 503, 504)
_PORTS = {"https": 443, "http": 80}
_TIMEOUT_S = 10
T = TypeVar("T")


class IndexBusy(ViewUnavailable):
    """The search index did not take a request, however often it was asked: deliver it again later."""


class Patience(Struct, frozen=True):
    """How often a request is made, and how long it is waited in between: full jitter over a time that doubles."""

    attempts: int
    first_s: float
    most_s: float

    def waits(self) -> Iterator[float]:
        """Seconds before each attempt but the first."""
        for number in range(self.attempts - 1):
            yield random.uniform(0.0, min(self.most_s, self.first_s * 2**number))  # noqa: S311  (jitter, not a secret)


WRITING = Patience(8, 0.5, 10.0)
"""At most 36 s of waiting, half of that on average: the batch is delivered again after that."""

READING = Patience(3, 0.1, 0.5)
"""A person waits for it."""


def asked(ask: Callable[[], T], patience: Patience, wait: Callable[[float], None] = time.sleep) -> T:
    """The answer to a request that may be made twice; asked again while the domain is busy or out of reach.

    Raises:
        IndexBusy: it still was at the last attempt.
        TransportError: it refuses the request itself.
    """
    for pause in patience.waits():
        try:
            return ask()
        except TransportError as error:
            if not is_busy(error):
                raise
        wait(pause)
    try:
        return ask()
    except TransportError as error:
        if is_busy(error):
            raise IndexBusy(f"the search index is busy or out of reach ({error.error}): try again later") from error
        raise


def is_busy(error: TransportError) -> bool:
    """Whether the same request may well succeed a little later."""
    return isinstance(error, NoConnection) or error.status_code in BUSY


def connect(
    endpoint: str,
    *,
    aws: Aws | None = None,
    basic: tuple[str, str] | None = None,
    connection: type[Urllib3HttpConnection] = Urllib3HttpConnection,
) -> OpenSearch:
    """A client for one domain, safe for threads.

    Args:
        endpoint: a host's name or a URL.
        aws: signs each request (Signature Version 4) with its session's credentials, which it renews as they expire.
        basic: a user and a password, for a cluster of one's own.
    Raises:
        InvalidInput: the endpoint is no http(s) URL, or there is nothing to sign with.
    """
    url = urlsplit(endpoint if "://" in endpoint else f"https://{endpoint}")
    if url.scheme not in _PORTS or not url.hostname:
        raise InvalidInput(f"{endpoint!r} is no OpenSearch endpoint: it takes a host's name, or a URL with http(s)")
    return OpenSearch(
        hosts=[{"host": url.hostname, "port": url.port or _PORTS[url.scheme]}],
        use_ssl=url.scheme == "https",
        http_auth=_signer(aws) if aws is not None else basic,
        connection_class=connection,
        http_compress=True,
        pool_maxsize=32,
        timeout=_TIMEOUT_S,
        max_retries=0,
        retry_on_status=(),
    )


def _signer(aws: Aws) -> Any:
    session = aws.session
    credentials = session.get_credentials()
    region = getattr(session, "region_name", None) or session.get_config_variable("region")
    if credentials is None or not region:
        raise InvalidInput("no AWS credentials or no region to sign requests with: set AWS_REGION and log in")
    return Urllib3AWSV4SignerAuth(credentials, region, "es")
