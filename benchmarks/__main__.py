"""Run benchmarks, print them beside their peers, and write build/bench.json.

    python -m benchmarks [--quick] [NAME ...]

A benchmark is a module with `run() -> list of rows` or `run(quick)`; a row has name, ours, peer, peer_name, ratio
(above 1: better than the peer), goal (the least ratio) and unit. One that fails loses its own rows only, and the exit
code is then 1. Rows of an earlier run that were not measured again stay in the file.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import sys
import time
import traceback
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

ALL = ("event_store", "replay", "ingest", "renditions", "posters", "memory", "dynamodb", "cold_start", "models")
RESULTS = Path(__file__).resolve().parent.parent / "build" / "bench.json"


def main() -> int:
    """The exit code: 0, or 1 when a benchmark could not be run (a missed goal is a finding, not a failure)."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split("\n", 1)[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"which: {', '.join(ALL)} (default: all)")
    parser.add_argument("--quick", action="store_true", help="small inputs, fewer rounds: a minute, with more noise")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ALL]
    if unknown:
        parser.error(f"there is no benchmark {', '.join(unknown)}; there are: {', '.join(ALL)}")
    failed = []
    rows: list[dict[str, Any]] = []
    for name in options.names or ALL:
        print(f"{name} ...", file=sys.stderr, flush=True)
        started = time.perf_counter()
        try:
            rows += _run(name, options.quick)
        except ImportError as error:
            print(
                f"{name} is left out: {error}; `pip install -e '.[bench,media,aws,test]'` has all of it",
                file=sys.stderr,
            )
        except Exception:  # one benchmark's fault must not lose the others' rows
            traceback.print_exc()
            failed.append(name)
        print(f"{name}: {time.perf_counter() - started:.0f} s", file=sys.stderr)
    _show(rows)
    _write(rows)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(name: str, quick: bool) -> list[dict[str, Any]]:
    run = importlib.import_module(f"benchmarks.{name}").run
    rows: list[dict[str, Any]] = run(quick) if inspect.signature(run).parameters else run()
    return rows


def _show(rows: list[dict[str, Any]]) -> None:
    table = Table("benchmark", "ours", "peer", "ratio", "goal", "unit", "met?")
    for row in rows:
        met = row["ratio"] >= row["goal"]
        table.add_row(
            row["name"],
            f"{row['ours']:,}",
            f"{row['peer']:,}  {row['peer_name']}",
            f"{row['ratio']:.2f}",
            f"{row['goal']:g}",
            row["unit"],
            "[green]yes[/]" if met else "[red]no[/]",
        )
    console = Console()
    (console if console.is_terminal else Console(width=200)).print(table)  # a log has no edge to fold at


def _write(rows: list[dict[str, Any]]) -> None:
    kept: dict[tuple[str, str], dict[str, Any]] = {}
    if RESULTS.exists():
        kept = {(row["name"], row["peer_name"]): row for row in json.loads(RESULTS.read_text())}
    kept |= {(row["name"], row["peer_name"]): row for row in rows}
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(list(kept.values()), indent=1) + "\n")


if __name__ == "__main__":
    sys.exit(main())
