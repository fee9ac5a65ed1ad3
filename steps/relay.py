"""The relay: from events to the queues of the steps that follow. It asks the pipeline, and decides nothing itself."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from domain.commits import Commit, Recorded, derive_id
from domain.errors import HistoryDamaged, UnreadableEvent
from domain.events import Outcome
from domain.eventstore import EventStore
from domain.parking import Parking
from domain.pipeline import runs_after
from domain.ports import Message, Queue

CONSUMER = "relay"


class Relay:
    """Sends one message for each step that an event makes due; the same event always gives the same message ids."""

    def __init__(self, store: EventStore, queue: Queue, parking: Parking) -> None:
        self._store = store
        self._queue = queue
        self._parking = parking

    def relay(self, commits: Iterable[Commit]) -> int:
        """Send what follows from a batch of commits; how many messages. Cost: one send a queue and batch."""
        return self._relay(commits)[0]

    def redrive(self) -> int:
        """Relay parked streams again, whole, from the store; those that still can't be read stay parked.

        What was sent before is sent once more: a hint to a step that is done does nothing.

        Returns:
            How many messages were sent.
        """
        sent = 0
        for stream in [parked.stream for parked in self._parking.list() if parked.consumer == CONSUMER]:
            messages, unreadable = self._relay(self._store.commits.read(stream))
            sent += messages
            if not unreadable:
                self._parking.release(CONSUMER, stream)
        return sent

    def _relay(self, commits: Iterable[Commit]) -> tuple[int, int]:
        """How many messages were sent, and how many commits could not be read."""
        batches: dict[str, list[Message]] = defaultdict(list)
        unreadable = 0
        for commit in commits:
            try:
                events = self._store.events_of(commit)
            except (UnreadableEvent, HistoryDamaged) as error:
                self._parking.park(CONSUMER, commit.stream, commit.number, error)
                unreadable += 1
                continue
            for message in _messages(commit, events):
                batches[message.step.partition(":")[0]].append(message)  # parts share their step's queue
        for step, messages in batches.items():
            self._queue.send(step, messages)
        return sum(map(len, batches.values())), unreadable


def _messages(commit: Commit, events: list[Recorded]) -> Iterable[Message]:
    ended = {recorded.event.run.step for recorded in events if isinstance(recorded.event, Outcome)}
    for recorded in events:
        for run in runs_after(recorded.event):
            if run not in ended:  # the same decision found that it does not apply
                yield Message(
                    id=derive_id(commit.stream, run, recorded.event_id),
                    stream=commit.stream,
                    step=run,
                    causation_id=recorded.event_id,
                    correlation_id=commit.correlation_id,
                )
