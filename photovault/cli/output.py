"""How results are shown: JSON on standard output for programs, tables for people, progress and errors on the other."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

out = Console(highlight=False, soft_wrap=True)
err = Console(stderr=True, highlight=False)


def print_json(document: Any) -> None:
    """One JSON document, indented."""
    encoded = msgspec.json.format(msgspec.json.encode(document), indent=2)
    sys.stdout.buffer.write(encoded + b"\n")
    sys.stdout.flush()


def error_line(message: str) -> None:
    """An error on standard error, in one paragraph."""
    err.print(Text.assemble(("error: ", "bold red"), clean(message)), soft_wrap=True)


def exit_unless(good: bool) -> None:
    """End a check: exit 1 when it found something."""
    if not good:
        raise typer.Exit(1)


def number(count: int, thing: str) -> str:
    """So many of a thing: "1 stream", "2,000 streams"."""
    return f"{count:,} {thing}" if count == 1 else f"{count:,} {thing}s"


def clean(text: object) -> str:
    """Text from a file or an event, without what would drive a terminal."""
    return "".join(c if c.isprintable() or c == "\n" else "\N{REPLACEMENT CHARACTER}" for c in str(text))


def table(title: str | None, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A table for a person; a column whose name begins with `>` is set flush right."""
    shown = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for name in columns:
        right = name.startswith(">")
        shown.add_column(name.lstrip(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        shown.add_row(
            *(cell if isinstance(cell, Text) else escape(clean("" if cell is None else cell)) for cell in row)
        )
    Console(highlight=False, width=out.width if out.is_terminal else 160).print(shown)


STYLES = {
    "done": "green",
    "skipped": "dim",
    "failed": "yellow",
    "given_up": "red",
    "quarantined": "red",
    "processing": "cyan",
    "waiting": "cyan",
    "due": "cyan",
}


def coloured(word: str | None) -> Text:
    """A state in its colour."""
    return Text((word or "").replace("_", " "), style=STYLES.get(word or "", ""))


def moment(at: datetime) -> str:
    """A moment for a person, in UTC."""
    return f"{at:%Y-%m-%d %H:%M:%S}"


class Bar:
    """A progress bar on standard error; silent when that is not a terminal."""

    def __init__(self, progress: Progress, task: TaskID) -> None:
        self._progress = progress
        self._task = task
        self._total = 0.0

    def advance(self) -> None:
        """One more is done."""
        self._progress.advance(self._task)

    def update(self, done: float, total: float) -> None:
        """So much of so much is done; the total may grow, not shrink."""
        self._total = max(self._total, total)
        self._progress.update(self._task, completed=done, total=self._total)


@contextmanager
def progress_bar(title: str, total: float | None = None) -> Iterator[Bar]:
    """Shows progress while the context lasts."""
    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=err,
        disable=not err.is_terminal,
        transient=False,
    ) as progress:
        yield Bar(progress, progress.add_task(title, total=total))
