"""The worker around every step: load, skip what is done, time it, catch what fails, append the outcome.

It keeps no state of its own: attempts and ends are in the asset's stream, so a worker may die at any instant, and a
message may come twice, late or for nothing.
"""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Literal

from msgspec import Struct, structs

from domain.asset import Asset, Attempt, begin, fail, finish, fold
from domain.errors import ConflictError, WorkerDied
from domain.events import Event, Outcome, StepFailed, StepGivenUp, StepRun
from domain.eventstore import EventStore, Loaded, utc_now
from domain.ports import Delivery
from steps import Ports, Steps

MAX_SILENT_DEATHS = 5
"""A message that was handed out so many times more than attempts were recorded kills whoever touches it."""


class Verdict(Struct, frozen=True):
    """What is to become of the message."""

    action: Literal["done", "retry", "bury"]
    after_seconds: float = 0.0
    reason: str = ""
    ended: bool = False  # whether this delivery brought the step to an end


DONE = Verdict("done")


class Worker:
    """Runs steps; one instance may serve many threads.

    Args:
        alone: this process runs one step, one attempt at a time, and nothing else: its memory is that step's.
    """

    def __init__(
        self, steps: Steps, ports: Ports, clock: Callable[[], datetime] = utc_now, *, alone: bool = False
    ) -> None:
        self._alone = alone
        self._bare = _peak_bytes()  # before any step has loaded what it needs
        self._steps = steps
        self._ports = ports
        self._store: EventStore = ports.store
        self._clock = clock

    def handle(self, delivery: Delivery) -> Verdict:
        """Make one attempt at the step that a message names, if it is due.

        Cost:
            One load and one append; a lost race with another step of the same asset costs one more of each.
        """
        message = delivery.message
        loaded = self._store.load(message.stream)
        asset = fold(message.stream, loaded.events)
        attempt = begin(asset, message.step)
        if attempt is None:
            return DONE
        state = asset.steps[message.step]
        now = self._clock()
        if state.next_attempt_at is not None and state.next_attempt_at > now:
            return Verdict("retry", (state.next_attempt_at - now).total_seconds())
        if delivery.receives - state.attempts > MAX_SILENT_DEATHS:
            died = WorkerDied(
                f"the worker died {MAX_SILENT_DEATHS} times while it worked on this file, without saying why; "
                "look at the system's log for a lack of memory"
            )
            return self._record(asset, loaded, attempt, lambda a: fail(a, attempt, attempt.run(), died, now))
        return self._attempt(asset, loaded, attempt)

    def _attempt(self, asset: Asset, loaded: Loaded, attempt: Attempt) -> Verdict:
        started, cpu = time.perf_counter(), self._cpu_seconds()
        self._ports.media.peak_bytes()  # what another run on this thread left

        def run() -> StepRun:
            duration_ms = round((time.perf_counter() - started) * 1000)
            return attempt.run(duration_ms, round((self._cpu_seconds() - cpu) * 1000), self._peak_mb())

        try:
            found = self._steps[attempt.step.name](asset, attempt, self._ports)
        except Exception as error:  # every failure of a step is an outcome: it is recorded, never lost
            spent, cause, now = run(), error, self._clock()
            return self._record(asset, loaded, attempt, lambda a: fail(a, attempt, spent, cause, now))
        spent = run()
        timed = [structs.replace(e, run=spent) if isinstance(e, Outcome) else e for e in found]
        return self._record(asset, loaded, attempt, lambda a: finish(a, attempt, timed))

    def _record(
        self, asset: Asset, loaded: Loaded, attempt: Attempt, decide: Callable[[Asset], Sequence[Event]]
    ) -> Verdict:
        """Append what was decided; when another step was faster, load and decide again."""
        while True:
            events = decide(asset)
            if not events:
                return self._already_ended(asset, attempt)
            try:
                appended = self._store.append(loaded.stream, events, loaded.token, attempt.cause(asset))
            except ConflictError:
                loaded = self._store.load(loaded.stream)
                asset = fold(loaded.stream, loaded.events)
                continue
            if appended.repeated:  # another delivery made this attempt, and what it found is what counts
                recorded = self._store.events_of(appended.commit)[0].event
                return structs.replace(self._verdict(recorded), ended=False)
            return self._verdict(events[0])

    def _already_ended(self, asset: Asset, attempt: Attempt) -> Verdict:
        """Another delivery ended this attempt. When it failed, a retry is due, and this message may be the only one
        left that says so."""
        if begin(asset, attempt.name) is None:
            return DONE
        again = asset.steps[attempt.name].next_attempt_at
        return Verdict("retry", max(0.0, (again - self._clock()).total_seconds()) if again else 0.0)

    def _verdict(self, outcome: Event) -> Verdict:
        if isinstance(outcome, StepFailed):
            wait = (outcome.next_attempt_at - self._clock()).total_seconds()
            return Verdict("retry", max(0.0, wait), outcome.message)
        if isinstance(outcome, StepGivenUp) and (outcome.retryable or outcome.error == WorkerDied.__name__):
            return Verdict("bury", reason=f"{outcome.error}: {outcome.message}", ended=True)
        return Verdict("done", ended=True)

    def _cpu_seconds(self) -> float:
        return time.thread_time() + self._ports.media.cpu_seconds()

    def _peak_mb(self) -> int:
        """Most that this attempt can have needed; 0 where that is not known, as the process does other things too."""
        decoder = self._ports.media.peak_bytes()
        if self._alone:
            return (_peak_bytes() + decoder) // 1_000_000
        return (self._bare + decoder) // 1_000_000 if decoder else 0


def _peak_bytes() -> int:
    """Of this process, so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
