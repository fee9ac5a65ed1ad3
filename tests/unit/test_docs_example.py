"""What the documentation says is so: its Python runs, its commands and options exist, its links lead somewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main

from photovault.cli import app
from tests.support.fakes import MemoryVault

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.M | re.S)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_INLINE = re.compile(r"`(photovault [^`]+)`")


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of one language on a page."""
    return [code for name, code in _BLOCK.findall(page.read_text(encoding="utf-8")) if name == language]


def commands(page: Path) -> Iterator[str]:
    """Every call of `photovault` on a page, in a console or in a sentence."""
    for code in blocks(page, "console"):
        yield from (line[2:] for line in code.splitlines() if line.startswith("$ photovault"))
    yield from _INLINE.findall(_BLOCK.sub("", page.read_text(encoding="utf-8")))


CALLS = [(page, call) for page in PAGES for call in commands(page)]
LINKS = [(page, link) for page in PAGES for link in _LINK.findall(_BLOCK.sub("", page.read_text(encoding="utf-8")))]


def name_of(page: Path) -> str:
    """A page's path inside the repository."""
    return str(page.relative_to(ROOT))


@pytest.fixture(scope="module")
def example() -> dict[str, Any]:
    """The worked example of docs/projections.md, run from top to bottom as one module."""
    names: dict[str, Any] = {"__name__": "docs_example"}
    for code in blocks(ROOT / "docs" / "projections.md", "python"):
        exec(compile(code, "docs/projections.md", "exec", dont_inherit=True), names)
    return names


def test_the_tests_of_the_worked_projection_pass(example: dict[str, Any]) -> None:
    tests: list[Callable[[], None]] = [value for name, value in example.items() if name.startswith("test_")]
    assert len(tests) == 2
    for test in tests:
        test()


def test_the_worked_projection_can_be_registered(example: dict[str, Any]) -> None:
    with MemoryVault(projections=(example["Lenses"](),)) as vault:
        assert vault.generations.active("lenses")[1].name == "lenses_g1"


@pytest.mark.parametrize(("page", "call"), CALLS, ids=[f"{name_of(page)}: {call}" for page, call in CALLS])
def test_every_command_that_the_docs_name_exists(page: Path, call: str) -> None:
    command: Any = typer.main.get_command(app)
    known = _options(command)
    for word in _words(call):
        if word.startswith("-"):
            assert word.partition("=")[0] in known, f"{name_of(page)}: {call}"
        elif word in getattr(command, "commands", {}):
            command = command.commands[word]
            known |= _options(command)
    assert not hasattr(command, "commands") or "-" in call, f"{name_of(page)}: there is no such command: {call}"


@pytest.mark.parametrize(("page", "link"), LINKS, ids=[f"{name_of(page)}: {link}" for page, link in LINKS])
def test_every_link_leads_to_a_file_and_a_heading(page: Path, link: str) -> None:
    if link.startswith("http"):
        return
    path, _, heading = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    assert target.exists()
    if heading:
        text = _BLOCK.sub("", target.read_text(encoding="utf-8"))
        assert heading in {_anchor(line) for line in re.findall(r"^#+ (.+)$", text, re.M)}


def _anchor(heading: str) -> str:
    """A heading's anchor, as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _words(call: str) -> list[str]:
    """What a shell would hand to the program, up to a pipe, a redirection or `--`."""
    words = shlex.split(re.split(r" [|>&]", call)[0].replace("COMMAND", ""), comments=True)[1:]
    return words[: words.index("--")] if "--" in words else words


def _options(command: Any) -> set[str]:
    return {option for parameter in command.params for option in parameter.opts} | {"--help"}
