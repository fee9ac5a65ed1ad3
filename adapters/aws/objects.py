"""Objects in S3 that are written once: a put that does nothing when the object is there."""

from __future__ import annotations

from typing import Any

from botocore.exceptions import ClientError

from adapters.aws.connection import Costs, attempts, error_code


def put_if_absent(client: Any, costs: Costs, bucket: str, key: str, body: bytes) -> None:
    """Store an object under a name that follows from its content, unless it is there.

    Cost:
        1 request; 1 more when another writer is storing the same object at the same instant (S3 then answers 409).
    """
    condition = {"IfNoneMatch": "*"}
    while True:
        try:
            answer = client.put_object(Bucket=bucket, Key=key, Body=body, **condition)
        except ClientError as error:
            costs.add(attempts(error.response))
            if error_code(error) == "PreconditionFailed":
                return
            if error_code(error) != "ConditionalRequestConflict" or not condition:
                raise
            condition = {}  # the same bytes: whichever comes last changes nothing
        else:
            costs.add(attempts(answer))
            return
