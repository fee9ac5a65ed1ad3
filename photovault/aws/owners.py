"""Whose vaults a deployment holds: the folders of its upload bucket."""

from __future__ import annotations

from collections.abc import Iterator

from photovault.aws.cloud import Cloud, is_owner

__all__ = ["owners"]


def owners(vault: Cloud) -> Iterator[str]:
    """Every owner once: those who have uploaded, and the default one where there is one.

    Cost:
        1 listing for each started 1,000 folders.
    """
    default = vault.settings.default_owner
    if default is not None:
        yield default
    after: dict[str, str] = {}
    while True:
        answer = vault.aws.s3.list_objects_v2(Bucket=vault.settings.originals_bucket, Delimiter="/", **after)
        for prefix in answer.get("CommonPrefixes", ()):
            owner = prefix["Prefix"].rstrip("/")
            if is_owner(owner) and owner != default:
                yield owner
        if not answer.get("IsTruncated"):
            return
        after = {"ContinuationToken": answer["NextContinuationToken"]}
