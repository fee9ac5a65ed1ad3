"""Assets that join stacks through the real worker: their metadata are given, all else is as in a vault."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from domain.asset import Asset, Attempt, asset_stream, fold
from domain.commits import split_stream
from domain.events import Event, FileQuarantined, MetadataExtracted
from domain.meetings import Shot
from domain.ports import Delivery, Message
from domain.stacks import FREE, Position, positions
from domain.stacks import fold as fold_stack
from steps import Ports
from steps.stacks import join_stacks, leave_stacks
from steps.worker import Worker
from tests.support.factories import append, reprocess, uploaded, validated
from tests.support.fakes import MemoryVault


class Killed(BaseException):
    """The process is gone: nothing may catch this."""


class Library:
    """Assets that have been validated, and a worker for their metadata."""

    def __init__(self, vault: MemoryVault, shots: dict[str, Shot], owner: str = "anna") -> None:
        self.vault = vault
        self.shots = shots
        self.owner = owner
        self.worker = Worker({"metadata": self._extract, "validate": self._refuse}, vault.ports, vault.clock)
        for ident, shot in shots.items():
            kind = "video" if shot.media_type.startswith("video/") else "image"
            about = validated(media_type=shot.media_type, kind=kind)
            append(vault.store, self.stream(ident), [uploaded(shot.file_name, path=shot.path)], [about])

    def stream(self, ident: str) -> str:
        """An asset's stream."""
        return asset_stream(self.owner, ident)

    def handle(self, ident: str, step: str = "metadata") -> None:
        """A message reaches a worker, which may die of it."""
        message = Message(f"{ident}-{step}", self.stream(ident), step, "c", "c")
        with contextlib.suppress(Killed):
            self.worker.handle(Delivery(step, message, "r", 1))

    def again(self, ident: str, shot: Shot) -> None:
        """The file says something else now."""
        self.shots[ident] = shot
        append(self.vault.store, self.stream(ident), [reprocess("metadata")])
        self.handle(ident)

    def asset(self, ident: str) -> Asset:
        """As its stream says."""
        return fold(self.stream(ident), self.vault.store.load(self.stream(ident)).events)

    def positions(self) -> dict[str, dict[str, Position]]:
        """What is recorded on the assets' streams: asset -> stack -> position; those who stand alone are left out."""
        found: dict[str, dict[str, Position]] = {}
        for ident in self.shots:
            for stack, s in self.asset(ident).stacked.items():
                position = Position(s.main, s.role, s.parts)
                if position != FREE:
                    found.setdefault(ident, {})[stack] = position
        return found

    def decided(self) -> dict[str, dict[str, Position]]:
        """What follows from the members of each stack alone."""
        found: dict[str, dict[str, Position]] = {}
        for stream in {c.stream for c in self.vault.everything()}:
            owner, category, stack = split_stream(stream)
            if category == "stack" and owner == self.owner:
                stood = positions(fold_stack(self.vault.store.load(stream).events))
                for ident, position in stood.items():
                    found.setdefault(ident, {})[stack] = position
        return found

    def done(self) -> bool:
        """Whether every asset's metadata step has ended."""
        return all(self.asset(ident).steps["metadata"].ended for ident in self.shots)

    def _extract(self, asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
        stacks, stacked, _ = join_stacks(asset, attempt, ports.store, self.shots[asset.id])
        about = MetadataExtracted(run=attempt.run(), width=1, height=1, stacks=stacks)
        return [about, *stacked]

    def _refuse(self, asset: Asset, attempt: Attempt, ports: Ports) -> Sequence[Event]:
        refused = FileQuarantined(run=attempt.run(), code="infected", reason="it carries a virus")
        return [refused, *leave_stacks(asset, attempt, ports.store)]
