"""A vault in memory in the place of the deployment's, for every entry point."""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from domain.commits import Commit
from domain.eventstore import EventStore
from domain.scanning import Serving
from events_schema.codec import EventCodec
from handlers.observe import logger
from photovault.lookalikes import IndexedLookalikes
from projections.projector import Projector
from steps import Ports
from steps.catalogue import STEP_FUNCTIONS
from steps.relay import Relay
from steps.worker import Worker
from tests.support.aws_events import MODULES
from tests.support.fakes import MemoryBlobs, MemoryVault


class CountedBlobs(MemoryBlobs):
    """Blobs that count, and make links, as those on S3 do."""

    read_bytes = 0
    written_bytes = 0

    def url(self, key: str, seconds: int, *, name: str | None = None, media_type: str | None = None) -> str:
        """A link to one blob."""
        return f"https://s3.example/{key}?expires={seconds}" + (f"&name={name}" if name else "")


class ListArchive:
    """An archive that is a list."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []

    def write(self, commits: Any) -> list[str]:
        """Keep commits."""
        self.commits += commits
        return ["events/1"] if commits else []


class FakeOriginals:
    """Links to upload with."""

    def upload_url(self, key: str, seconds: int) -> str:
        """A link to PUT to."""
        return f"https://s3.example/upload/{key}?expires={seconds}"


class NamedParts:
    """What of a deployment's settings a handler reads."""

    default_owner: str | None = None
    stage = "test"
    serving = Serving()


class FakeCloud(MemoryVault):
    """`photovault.aws.cloud.Cloud` in memory."""

    def __init__(self) -> None:
        super().__init__()
        self.archive = ListArchive()
        self.originals = FakeOriginals()
        self.blobs: Any = CountedBlobs()
        self.settings: Any = NamedParts()
        self._rewire()

    def register(self) -> None:
        """The projections are there."""

    def _rewire(self) -> None:
        """Let the store and the steps use the blobs that count."""
        self.store = EventStore(self.commits, self.blobs, EventCodec(keys=self.keys), self.clock)
        self.projector = Projector(self.store, self.views, self.generations, self.parking)
        self.relay = Relay(self.store, self.queue, self.parking)
        self.lookalikes = IndexedLookalikes(self.store, self.views, self.checkpoints, self.clock)
        self.ports = Ports(self.store, self.blobs, self.media, lambda *_: None, self.scratch, self.lookalikes)
        self.worker = Worker(STEP_FUNCTIONS, self.ports, self.clock)


@pytest.fixture
def vault(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCloud]:
    """The vault that all handlers find."""
    with FakeCloud() as fake:
        for name in MODULES:
            monkeypatch.setattr(importlib.import_module(f"handlers.{name}"), "cloud", lambda: fake)
        monkeypatch.setenv("STEP", "validate")
        yield fake


class _Stdout:
    """Whatever standard output is at the moment: pytest gives each phase of a test its own."""

    def write(self, text: str) -> None:
        """Pass it on."""
        sys.stdout.write(text)

    def flush(self) -> None:
        """Nothing is held back."""


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Callable[[], list[dict[str, Any]]]:
    """What was written to the log since the last look, parsed."""
    monkeypatch.setattr(logger.registered_handler, "stream", _Stdout())

    def lines() -> list[dict[str, Any]]:
        return [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]

    return lines
