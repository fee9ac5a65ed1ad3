"""No product of NumPy's goes through BLAS in a process that has threads of ours.

OpenBLAS takes its own threads down whenever the process forks, and a product that another thread is in the middle of
then waits for ever: reproduced within a second with two threads in `matrix @ vector` and one in `os.fork()`, never
without the fork, never with einsum. A library can't forbid its caller to fork, so nothing here calls BLAS. Decoders
(adapters/media, adapters/ml/convert) have one thread each and may.
"""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
THREADED = ("domain", "steps", "projections", "photovault", "handlers", "adapters")
ALONE = ("adapters/media/", "adapters/ml/convert/", "photovault/sample_film.py")
BY_BLAS = {"dot", "matmul", "inner", "vdot", "tensordot", "linalg", "multi_dot", "matvec", "vecmat", "vecdot"}
BY_BLAS |= {"correlate", "convolve", "cov", "corrcoef", "polyfit", "lstsq"}


def calls(source: str) -> Iterator[str]:
    """What in a module's text goes through BLAS."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.BinOp | ast.AugAssign) and isinstance(node.op, ast.MatMult):
            yield f"line {node.lineno}: @"
        elif isinstance(node, ast.Attribute) and node.attr in BY_BLAS:
            yield f"line {node.lineno}: {node.attr}"
        elif (
            isinstance(node, ast.Call)
            and ast.unparse(node.func).endswith("einsum")
            and (any(keyword.arg == "optimize" for keyword in node.keywords) or len(node.args) > 3)
        ):
            yield f"line {node.lineno}: einsum that may choose tensordot"


@pytest.mark.parametrize("text", ["a @ b", "a @= b", "np.dot(a, b)", "a.dot(b)", "np.linalg.norm(a)"])
def test_the_search_itself_finds_products(text: str) -> None:
    assert list(calls(text))
    assert not list(calls("np.einsum('ij,j->i', a, b)"))


def test_nothing_in_a_process_with_threads_calls_blas() -> None:
    found = [
        f"{path.relative_to(ROOT)}, {what}"
        for folder in THREADED
        for path in sorted((ROOT / folder).rglob("*.py"))
        if not str(path.relative_to(ROOT)).startswith(ALONE)
        for what in calls(path.read_text(encoding="utf-8"))
    ]
    assert found == []


_FORKS = """
import os, sys, threading
import numpy as np
from adapters.local.search_memory import products
rows, asked = np.ones((1000, 1280), "f4"), np.ones(1280, "f4")
made = [0, 0]
ended = threading.Event()
def search(number):
    while not ended.is_set():
        assert products(rows, asked)[0] == 1280
        made[number] += 1
threads = [threading.Thread(target=search, args=(n,), daemon=True) for n in (0, 1)]
for thread in threads:
    thread.start()
for _ in range(100):
    child = os.fork()
    if not child:
        os._exit(0)
    os.waitpid(child, 0)
before = list(made)
while min(now - then for now, then in zip(made, before)) < 50:
    ended.wait(0.01)
ended.set()
for thread in threads:
    thread.join()
"""


def test_products_go_on_while_the_process_forks() -> None:
    environment = {name: value for name, value in os.environ.items() if "NUM_THREADS" not in name}
    done = subprocess.run([sys.executable, "-c", _FORKS], cwd=ROOT, env=environment, timeout=120, check=False)
    assert done.returncode == 0
