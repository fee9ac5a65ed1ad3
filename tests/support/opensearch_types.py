"""Holds the contract suite's requests to OpenSearch's published interface: `python -m tests.support.opensearch_types`.

The types of OpenSearch's own JavaScript client are written from the project's API specification. The requests that the
suite makes are written out as TypeScript constants of those types, and TypeScript says which has a field that there is
not, or a value of another kind. Needs npm, and fetches two packages into build/; so it is no part of `make test`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from tests.support.opensearch_server import KEEP, Request

PACKAGES = ("@opensearch-project/opensearch@3.9.0", "typescript@5.9.3", "@types/node@24.10.1")
FOLDER = Path("build/opensearch-types")

_HEAD = """\
import * as Search from './node_modules/@opensearch-project/opensearch/api/_types/_core.msearch'
import * as Bulk from './node_modules/@opensearch-project/opensearch/api/_types/_core.bulk'
import { Indices_PutIndexTemplate_RequestBody as Template } from \
'./node_modules/@opensearch-project/opensearch/api/indices/putIndexTemplate'
import { Indices_Create_RequestBody as Index } from './node_modules/@opensearch-project/opensearch/api/indices/create'
"""


def main(folder: Path = FOLDER) -> int:
    """Record, write, check; 1 when a request is not as published."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = (folder / "requests.jsonl").absolute()
    kept.unlink(missing_ok=True)
    suite = [sys.executable, "-m", "pytest", "-n", "0", "tests/contract", "-k", "EmulatedOpenSearch"]
    subprocess.run(suite, env=os.environ | {KEEP: str(kept)}, check=True)
    requests = [msgspec.json.decode(line, type=Request) for line in kept.read_bytes().splitlines()]
    constants = sorted({constant for request in requests for constant in typed(request)})
    lines = [f"const _{n}: {constant}" for n, constant in enumerate(constants)]
    (folder / "requests.ts").write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")
    (folder / "package.json").write_text('{"private": true}\n', encoding="utf-8")
    subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--silent", *PACKAGES], cwd=folder, check=True)
    options = [
        "--noEmit",
        "--strict",
        "--skipLibCheck",
        "--target",
        "es2022",
        "--module",
        "commonjs",
        "--moduleResolution",
        "node10",
    ]
    checked = subprocess.run(["npx", "tsc", *options, "requests.ts"], cwd=folder, check=False)
    print(
        f"{len(requests)} requests, {len(constants)} different: {'as published' if not checked.returncode else 'NOT'}"
    )
    return int(checked.returncode != 0)


def typed(request: Request) -> Iterator[str]:
    """TypeScript declarations of what a request carries; the same text for requests that differ in values alone.

    Raises:
        ValueError: it is of a kind that is not known here.
    """
    path = request.path
    if path.endswith("/_msearch"):
        for header, body in zip(request.lines[::2], request.lines[1::2], strict=True):
            yield _constant("Search.MultisearchHeader", header)
            for aggregation in body.get("aggregations", {}).values():
                aggregation.get("terms", {}).pop("field", None)  # which these types have forgotten
            yield _constant("Search.MultisearchBody", body)
    elif path.endswith("/_bulk"):
        for action in request.lines[::2]:
            yield _constant("Bulk.OperationContainer", action)
    elif path.startswith("/_index_template/") and request.method == "PUT":
        yield _constant("Template", request.lines[0])
    elif request.method == "PUT":
        yield _constant("Index", request.lines[0])
    elif request.lines:
        raise ValueError(f"{request.method} {path}")


def _constant(kind: str, value: Any) -> str:
    text = json.dumps(_short(value), sort_keys=True)
    return f"{kind} = {text}"


def _short(value: Any) -> Any:
    """The same shape with fewer values: long lists of numbers, and words that hypothesis made up, say nothing more."""
    if isinstance(value, dict):
        return {_plain(key): _short(held) for key, held in value.items()}
    if isinstance(value, list):
        return [_short(held) for held in value[:8]]
    if isinstance(value, str) and re.search(r"[^ -~]", value):
        return "x"
    return value


def _plain(key: str) -> str:
    return key if key.isascii() else "x"


if __name__ == "__main__":
    raise SystemExit(main())
