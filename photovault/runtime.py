"""The local runtime: plays the part of DynamoDB Streams, SQS and Lambda in one process.

A pump tails the history from durable checkpoints and hands each batch to the projector and to the relay; worker threads
take messages and run steps, whose heavy part happens in the media engine's child processes. Everything that it needs
to go on after a crash is on the disk.
"""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import timedelta

from msgspec import Struct

from domain.commits import Commit
from domain.errors import PhotoVaultError
from domain.pipeline import PIPELINE, STEPS
from domain.ports import Delivery
from photovault.daily import remember
from photovault.looking_again import look_at_everybody
from photovault.notices import CONSUMER, SETTLE, look, notice
from photovault.notifying import send_due
from photovault.sealing import SEAL_EVERY, last_seal, seal
from photovault.upkeep.daily import daily, daily_due
from photovault.vault import Vault

_BATCH = 500
_TAIL = "tail"
_IDLE_SECONDS = 0.25  # how long a thread waits for news of this process before it looks for work of others
_DAILY_EVERY_SECONDS = 600.0  # how often `watch` looks whether something of the day is due
_FINISHED_EVERY_SECONDS = 0.04  # how often a run looks whether it is done
_PROJECT_EVERY_SECONDS = 0.15  # under load: larger batches cost less
_NOTIFY_EVERY_SECONDS = 60.0  # while it watches; else once at the end of a run
_QUEUES = tuple(step.name for step in reversed(PIPELINE))  # the end of the pipeline first: finish what was begun
_LEASE_SECONDS = max(step.lease_seconds for step in PIPELINE)


class VaultBusy(PhotoVaultError):
    """Another process works on this vault."""


class Tick(Struct, frozen=True):
    """What has happened since the start of a run, for a progress bar."""

    ended: int  # steps that came to an end
    waiting: int  # messages that are due
    delayed: int  # messages that wait for their next attempt
    in_flight: int


def catch_up(vault: Vault) -> None:
    """Relay and project everything that is in the history but not yet passed on. Safe beside a running `work`."""
    while (
        _pump(vault, "relay", vault.relay.relay)
        or _pump(vault, "projector", vault.projector.project)
        or _pump(vault, CONSUMER, lambda commits: notice(vault, commits))
    ):
        continue


def lag(vault: Vault) -> int:
    """Commits that the projector has not seen yet."""
    return vault.commits.last_position() - _position(vault, "projector")


def _position(vault: Vault, consumer: str) -> int:
    entry = vault.checkpoints.load(_TAIL, consumer)
    return int(entry.value) if entry else 0


def _pump(vault: Vault, consumer: str, consume: Callable[[Sequence[Commit]], object]) -> int:
    """One batch from the consumer's checkpoint on; the checkpoint moves when the batch is done."""
    entry = vault.checkpoints.load(_TAIL, consumer)
    tail = vault.commits.tail(entry.value.decode() if entry else None, _BATCH)
    if tail.commits:
        consume(tail.commits)
        vault.checkpoints.save(_TAIL, consumer, tail.checkpoint.encode(), expected=None)
    return len(tail.commits)


class Runtime:
    """Runs the pipeline of one vault until nothing is due, or until it is stopped."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._stop = threading.Event()
        self._asked_to_stop = threading.Event()  # by somebody; the end of the work sets the other one alone
        self._news = threading.Condition()
        self._told = 0  # how often there was news: nothing that is told between a look and a rest is missed
        self._ended = 0
        self._errors: list[BaseException] = []

    def stop(self) -> None:
        """End the run after the steps that are under way. Safe to call from a signal handler's thread."""
        self._asked_to_stop.set()
        self._stop.set()

    def run(self, *, watch: bool = False, on_tick: Callable[[Tick], None] | None = None) -> None:
        """Work until every asset has reached an end (retries are waited for), or with `watch` until `stop`.

        Raises:
            VaultBusy: another process works on this vault.
        """
        with _sole_worker(self._vault):
            self._vault.queue.release()
            self._vault.blobs.clear_temporary()
            threads = [
                threading.Thread(target=self._guard, args=(target,), name=name, daemon=True)
                for name, target in (
                    ("relay", self._relay),
                    ("projector", self._project),
                    *((("upkeep", self._keep_up),) if watch else ()),
                    *((f"worker-{i}", self._work) for i in range(self._vault.settings.workers)),
                )
            ]
            for thread in threads:
                thread.start()
            try:
                self._wait(watch, on_tick)
            finally:
                self._stop.set()
                self._tell()
                for thread in threads:
                    thread.join()
            if self._errors:
                raise self._errors[0]
            self._seal()
            catch_up(self._vault)
            self._look_at_faces()
            catch_up(self._vault)
            self._notify(timedelta(0) if not watch else SETTLE)
            if on_tick:
                on_tick(self._tick())

    # --- threads ---

    def _keep_up(self) -> None:
        """Once a day: what nobody needs goes, some files are read back, what is new is copied, faces that are nobody's
        are looked at again, and memories are looked for."""
        while not self._stop.is_set():
            if daily_due(self._vault):
                daily(self._vault)
            self._look_at_faces()
            remember(self._vault, self._vault.clock().astimezone().date())
            self._stop.wait(_DAILY_EVERY_SECONDS)

    def _wait(self, watch: bool, on_tick: Callable[[Tick], None] | None) -> None:
        next_seal = time.monotonic() + SEAL_EVERY.total_seconds()
        next_tick = 0.0
        next_notices = time.monotonic() + _NOTIFY_EVERY_SECONDS
        while not self._stop.wait(_IDLE_SECONDS if watch else _FINISHED_EVERY_SECONDS):
            now = time.monotonic()
            if now >= next_seal:
                next_seal += SEAL_EVERY.total_seconds()
                self._seal()
            if watch and now >= next_notices:
                next_notices = now + _NOTIFY_EVERY_SECONDS
                self._notify(SETTLE)
            if on_tick and now >= next_tick:
                next_tick = now + _IDLE_SECONDS
                on_tick(self._tick())
            if not watch and self._finished():
                return

    def _guard(self, target: Callable[[], None]) -> None:
        try:
            target()
        except BaseException as error:  # a thread's death ends the run with its reason, never in silence
            self._errors.append(error)
            self._stop.set()

    def _relay(self) -> None:
        while not self._stop.is_set():
            told = self._told
            if _pump(self._vault, "relay", self._vault.relay.relay):
                self._tell()
            else:
                self._rest(told)

    def _project(self) -> None:
        while not self._stop.is_set():
            told = self._told
            if not _pump(self._vault, "projector", self._vault.projector.project):
                self._rest(told)
            self._stop.wait(_PROJECT_EVERY_SECONDS)

    def _work(self) -> None:
        while not self._stop.is_set():
            told = self._told
            deliveries = self._vault.queue.receive(_QUEUES, 1, _LEASE_SECONDS)
            for delivery in deliveries:
                self._handle(delivery)
            if deliveries:
                self._tell()
            else:
                self._rest(told)

    def _handle(self, delivery: Delivery) -> None:
        verdict = self._vault.worker.handle(delivery)
        match verdict.action:
            case "done":
                self._vault.queue.done([delivery])
            case "retry":
                self._vault.queue.retry(delivery, verdict.after_seconds)
            case "bury":
                self._vault.queue.bury(delivery, verdict.reason)
        self._ended += verdict.ended

    def _rest(self, told: int) -> None:
        """Wait for news since it was told so often, or a while."""
        with self._news:
            self._news.wait_for(lambda: self._told != told, _IDLE_SECONDS)

    def _tell(self) -> None:
        with self._news:
            self._told += 1
            self._news.notify_all()

    def _seal(self) -> None:
        """Once a day, pin the history down under a Merkle root."""
        vault, now = self._vault, self._vault.clock()
        last = last_seal(vault.store)
        if last is None or now - last.until >= SEAL_EVERY:
            seal(vault.store, vault.blobs, now)

    def _look_at_faces(self) -> None:
        """Once a day, see whose the faces are that are nobody's yet."""
        look_at_everybody(self._vault, self._vault.clock(), lambda: not self._asked_to_stop.is_set())

    def _notify(self, settle: timedelta) -> None:
        """Queue what is worth telling, and send what is due."""
        vault = self._vault
        while _pump(vault, CONSUMER, lambda commits: notice(vault, commits)):
            continue
        if look(vault, settle):
            catch_up(vault)
        send_due(vault, vault.settings.serving)
        catch_up(vault)

    # --- state ---

    def _finished(self) -> bool:
        """Nothing waits in a queue, in a worker's hands or for a retry, and the relay saw all that there is.

        The end of the history is looked at twice: a worker that ended its message in between has made commits.
        """
        last = self._vault.commits.last_position()
        if _position(self._vault, "relay") != last or any(self._open_messages()):
            return False
        return self._vault.commits.last_position() == last

    def _open_messages(self) -> Iterator[int]:
        for queue in STEPS:
            depth = self._vault.queue.depth(queue)
            yield depth.waiting + depth.delayed + depth.in_flight

    def _tick(self) -> Tick:
        depths = [self._vault.queue.depth(queue) for queue in STEPS]
        return Tick(
            ended=self._ended,
            waiting=sum(d.waiting for d in depths),
            delayed=sum(d.delayed for d in depths),
            in_flight=sum(d.in_flight for d in depths),
        )


@contextmanager
def _sole_worker(vault: Vault) -> Iterator[None]:
    """The kernel drops the lock when the process ends, however it ends."""
    path = vault.settings.home / "work.lock"
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise VaultBusy(
                f"process {file.read().strip() or '(unknown)'} works on this vault already: wait for it or stop it"
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
