"""Records what an owner looks at and how often they search, where they agreed to it; and forgets it.

Views are kept in memory and appended together, many in one commit: what a process that is killed had not yet written is
not counted. That is the one thing in a vault that may be lost, and nothing depends on it.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Protocol

from domain.behaviour import Agreement, agreement_of, agreement_stream, month_stream, months
from domain.behaviour_events import (
    AssetViewed,
    BehaviourAgreed,
    BehaviourErased,
    BehaviourWithdrawn,
    SearchMade,
)
from domain.commits import Cause, derive_id
from domain.errors import ConflictError
from domain.events import Event
from domain.eventstore import EventStore
from domain.keys import Keys

__all__ = ["Recorder", "agree", "agreement", "withdraw"]

MOST = 50
"""Views and searches in one commit."""

LONGEST = timedelta(minutes=1)
"""How long they wait for others, at least until the next one comes; and how long an agreement is taken to hold."""


class BehaviourVault(Protocol):
    """What is needed of a vault."""

    @property
    def store(self) -> EventStore:
        """The history."""
        ...

    @property
    def keys(self) -> Keys:
        """What personal fields are sealed with."""
        ...

    @property
    def clock(self) -> Callable[[], datetime]:
        """The time."""
        ...


def agreement(vault: BehaviourVault, owner: str) -> Agreement:
    """Whether the owner agreed. Cost: a read of a stream with an event for each time they changed their mind."""
    return agreement_of(vault.store.read(agreement_stream(owner)))


def agree(vault: BehaviourVault, owner: str, actor: str = "person") -> bool:
    """Begin to count; whether that is new."""
    while True:
        loaded = vault.store.load(agreement_stream(owner))
        known = agreement_of(loaded.events)
        if known.holds:
            return False
        number = known.number + 1
        said = derive_id(loaded.stream, "agree", number)
        try:
            cause = Cause(commit_id=said, actor=actor, correlation_id=said)
            vault.store.append(loaded.stream, [BehaviourAgreed(agreement=number)], loaded.token, cause)
        except ConflictError:
            continue
        return True


def withdraw(vault: BehaviourVault, owner: str, actor: str = "person") -> int:
    """Stop counting, and erase what was counted: each month's stream says so, and its key is destroyed. May be called
    again and again, also after it was killed half way; how many months were erased by this call.

    Cost:
        For each month of the agreement: a read of its stream, an append, and the deletion of a key.
    """
    while True:
        loaded = vault.store.load(agreement_stream(owner))
        known = agreement_of(loaded.events)
        if not known.number:
            return 0
        if not known.holds:
            break
        said = derive_id(loaded.stream, "withdraw", known.number)
        try:
            cause = Cause(commit_id=said, actor=actor, correlation_id=said)
            vault.store.append(loaded.stream, [BehaviourWithdrawn(agreement=known.number)], loaded.token, cause)
        except ConflictError:
            continue
        break
    assert known.since is not None
    now = vault.clock()
    return sum(
        _erase(
            vault,
            month_stream(owner, month, known.number),
            actor,
            always=(month.year, month.month) == (now.year, now.month),
        )
        for month in months(known.since, now)
    )


def _erase(vault: BehaviourVault, stream: str, actor: str, *, always: bool) -> bool:
    """Erase a month; the month that runs also when it is empty, so that nobody who is late begins it."""
    while True:
        loaded = vault.store.load(stream)
        if not loaded.events and not always:
            return False
        if any(isinstance(each.event, BehaviourErased) for each in loaded.events):
            return vault.keys.destroy(stream)
        said = derive_id(stream, "erase")
        try:
            cause = Cause(commit_id=said, actor=actor, correlation_id=said)
            vault.store.append(stream, [BehaviourErased()], loaded.token, cause)
        except ConflictError:
            continue
        vault.keys.destroy(stream)
        return bool(loaded.events)


class Recorder:
    """Notes views and searches of owners who agreed. Safe to share between threads."""

    def __init__(self, vault: BehaviourVault) -> None:
        self._vault = vault
        self._lock = threading.Lock()
        self._waiting: dict[str, list[AssetViewed | SearchMade]] = {}
        self._oldest: datetime | None = None
        self._agreed: dict[str, tuple[datetime, Agreement]] = {}
        self._ends: dict[str, int] = {}  # stream -> number of the last commit that is known

    def counts(self, owner: str) -> bool:
        """Whether the owner agreed, as far as it was known within `LONGEST`."""
        with self._lock:
            return self._agreement(owner).holds

    def note(self, owner: str, event: AssetViewed | SearchMade) -> None:
        """Note one; nothing where the owner has not agreed.

        Cost:
            A read of the agreement once in `LONGEST`.
        """
        with self._lock:
            if not self._agreement(owner).holds:
                return
            self._waiting.setdefault(owner, []).append(event)
            self._oldest = self._oldest or self._vault.clock()

    def flush_if_due(self) -> None:
        """Append what waits if there is much of it, or if it has waited long."""
        with self._lock:
            much = sum(map(len, self._waiting.values())) >= MOST
            if much or (self._oldest is not None and self._vault.clock() - self._oldest >= LONGEST):
                self._flush()

    def flush(self) -> None:
        """Append what waits.

        Cost:
            For each owner and `MOST` of theirs: one append; the first time in a process, a read of the month's stream.
        """
        with self._lock:
            self._flush()

    def _flush(self) -> None:
        waiting, self._waiting, self._oldest = self._waiting, {}, None
        for owner, events in waiting.items():
            agreed = agreement(self._vault, owner)
            if agreed.holds:
                stream = month_stream(owner, self._vault.clock(), agreed.number)
                for start in range(0, len(events), MOST):
                    self._append(stream, events[start : start + MOST])

    def _append(self, stream: str, events: list[AssetViewed | SearchMade]) -> None:
        said = uuid.uuid4().hex
        cause = Cause(commit_id=derive_id(stream, said), actor="analytics", correlation_id=derive_id(said))
        while True:
            loaded = self._vault.store.resume(stream, self._ends.get(stream, 0))
            if any(isinstance(each.event, BehaviourErased) for each in loaded.events):
                return
            batch: list[Event] = list(events)
            try:
                appended = self._vault.store.append(stream, batch, loaded.token, cause)
            except ConflictError:
                continue
            self._ends[stream] = appended.commit.number
            return

    def _agreement(self, owner: str) -> Agreement:
        now = self._vault.clock()
        known = self._agreed.get(owner)
        if known is None or now - known[0] >= LONGEST:
            known = self._agreed[owner] = (now, agreement(self._vault, owner))
        return known[1]
