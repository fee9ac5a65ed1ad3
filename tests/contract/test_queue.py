"""What every `Queue` does: hand each message to one worker at a time until it is done, retried or buried.

`QueueContract` is the suite; the classes at the end hold each adapter to it. A queue may deliver twice and may drop a
repeat of the same message, so the suite asks for neither.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from adapters.aws.connection import Aws
from adapters.aws.queues import SqsQueue
from domain.errors import NotFound
from domain.ports import Delivery, Message, Queue
from tests.support.waiting import wait_for

QUEUES = ("metadata", "renditions", "video")
LEASE = 60.0


def message(n: int = 1, **changes: str) -> Message:
    """A message with an id of its own."""
    fields = {
        "id": f"message-{n}",
        "stream": f"anna#asset#{n} ünïcode 📷",
        "step": "metadata",
        "causation_id": f"event-{n}",
        "correlation_id": "upload-1",
    }
    return Message(**fields | changes)


class QueueContract:
    """Subclasses give a `queue` whose QUEUES are there and empty, and say how time passes."""

    @pytest.fixture
    def queue(self) -> Iterator[Queue]:
        raise NotImplementedError

    def pass_time(self, seconds: float) -> None:
        """Let so much time pass for the queue; nothing where only waiting helps."""

    def take(self, queue: Queue, count: int, *, names: Sequence[str] = QUEUES, lease: float = LEASE) -> list[Delivery]:
        """Receive until so many have come, or the deadline has."""
        taken: list[Delivery] = []

        def enough() -> bool:
            taken.extend(queue.receive(names, count - len(taken), lease))
            return len(taken) >= count

        wait_for(enough, 20.0)
        return taken

    # --- send and receive --------------------------------------------------------------------------------------------

    def test_a_message_comes_as_it_was_sent(self, queue: Queue) -> None:
        queue.send("metadata", [message()])
        (delivery,) = self.take(queue, 1)
        assert (delivery.queue, delivery.message, delivery.receives) == ("metadata", message(), 1)

    def test_an_empty_queue_gives_nothing(self, queue: Queue) -> None:
        queue.send("metadata", [])
        assert list(queue.receive(QUEUES, 10, LEASE)) == []

    @pytest.mark.parametrize("count", [10, 11, 37])
    def test_any_number_may_be_sent_and_received_at_once(self, queue: Queue, count: int) -> None:
        queue.send("metadata", [message(n) for n in range(count)])
        taken = self.take(queue, count)
        assert sorted(d.message.id for d in taken) == sorted(message(n).id for n in range(count))
        assert list(queue.receive(QUEUES, 10, LEASE)) == []

    def test_no_more_are_received_than_asked_for(self, queue: Queue) -> None:
        queue.send("metadata", [message(n) for n in range(15)])
        assert len(queue.receive(QUEUES, 12, LEASE)) <= 12
        assert list(queue.receive(QUEUES, 0, LEASE)) == []

    def test_queues_are_emptied_in_the_order_in_which_they_are_named(self, queue: Queue) -> None:
        for name in QUEUES:
            queue.send(name, [message(step=name)])
        taken = self.take(queue, 3, names=("video", "metadata", "renditions"))
        assert [d.queue for d in taken] == ["video", "metadata", "renditions"]

    def test_queues_do_not_meet(self, queue: Queue) -> None:
        queue.send("metadata", [message()])
        assert list(queue.receive(["renditions", "video"], 10, LEASE)) == []
        assert len(self.take(queue, 1, names=["metadata"])) == 1

    def test_many_workers_share_the_messages(self, queue: Queue) -> None:
        queue.send("metadata", [message(n) for n in range(60)])
        seen: list[str] = []
        lock = threading.Lock()

        def work(_: int) -> None:
            def one_round() -> bool:
                deliveries = queue.receive(QUEUES, 7, LEASE)
                queue.done(deliveries)
                with lock:
                    seen.extend(d.message.id for d in deliveries)
                    return len(seen) >= 60

            wait_for(one_round, 20.0)

        with ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert sorted(seen) == sorted(message(n).id for n in range(60))

    # --- leases ------------------------------------------------------------------------------------------------------

    def test_a_leased_message_is_hidden_and_comes_again_when_the_lease_ends(self, queue: Queue) -> None:
        queue.send("metadata", [message()])
        (first,) = self.take(queue, 1, lease=1.0)
        self.pass_time(1.5)
        (second,) = self.take(queue, 1)
        assert second.message == first.message
        assert second.receives == 2
        assert list(queue.receive(QUEUES, 1, LEASE)) == []

    def test_what_is_done_never_comes_again(self, queue: Queue) -> None:
        queue.send("metadata", [message(n) for n in range(12)])
        queue.send("video", [message(n) for n in range(3)])
        queue.done(self.take(queue, 15))
        self.pass_time(LEASE + 1)
        assert list(queue.receive(QUEUES, 20, LEASE)) == []
        for name in QUEUES:
            depth = queue.depth(name)
            assert (depth.waiting, depth.delayed, depth.in_flight, depth.dead) == (0, 0, 0, 0)

    def test_nothing_may_be_done(self, queue: Queue) -> None:
        queue.done([])

    # --- retry -------------------------------------------------------------------------------------------------------

    def test_a_retried_message_comes_again_with_a_higher_count(self, queue: Queue) -> None:
        queue.send("metadata", [message()])
        for receives in (1, 2, 3):
            (delivery,) = self.take(queue, 1)
            assert (delivery.message, delivery.receives) == (message(), receives)
            queue.retry(delivery, 0)

    def test_a_message_is_not_retried_before_its_time(self, queue: Queue) -> None:
        queue.send("metadata", [message()])
        (delivery,) = self.take(queue, 1)
        queue.retry(delivery, 3600)
        assert list(queue.receive(QUEUES, 1, LEASE)) == []
        depth = queue.depth("metadata")
        assert depth.waiting == 0
        assert depth.delayed + depth.in_flight == 1

    def test_a_delayed_message_does_not_block_the_others(self, queue: Queue) -> None:
        queue.send("metadata", [message(1)])
        (delivery,) = self.take(queue, 1)
        queue.send("metadata", [message(2)])
        queue.retry(delivery, 3600)
        (other,) = self.take(queue, 1)
        assert other.message == message(2)

    # --- dead letters ------------------------------------------------------------------------------------------------

    def test_a_buried_message_lies_with_its_reason_and_is_received_no_more(self, queue: Queue) -> None:
        queue.send("metadata", [message(1), message(2)])
        for delivery in self.take(queue, 2):
            if delivery.message == message(1):
                queue.bury(delivery, "the file is corrupt: ünïcode 📷 \n" + "x" * 3000)
            else:
                queue.done([delivery])
        self.pass_time(LEASE + 1)
        assert list(queue.receive(QUEUES, 10, LEASE)) == []
        for _ in range(2):  # looking changes nothing
            (letter,) = queue.dead("metadata")
            assert (letter.queue, letter.message) == ("metadata", message(1))
            assert letter.reason == "the file is corrupt: ünïcode 📷 \n" + "x" * 3000
            assert letter.buried_us > 0
        assert queue.depth("metadata").dead == 1
        assert list(queue.dead("video")) == []

    def test_dead_letters_are_told_oldest_first(self, queue: Queue) -> None:
        queue.send("metadata", [message(n) for n in range(13)])
        buried = []
        for delivery in self.take(queue, 13):
            queue.bury(delivery, "why")
            buried.append(delivery.message)
            self.pass_time(1.0)
        assert [letter.message for letter in queue.dead("metadata")] == buried

    def test_redriven_letters_are_due_again_with_a_count_of_their_own(self, queue: Queue) -> None:
        queue.send("metadata", [message(n) for n in range(13)])
        for delivery in self.take(queue, 13):
            queue.bury(delivery, "why")
        assert queue.redrive("metadata") == 13
        assert list(queue.dead("metadata")) == []
        assert queue.depth("metadata").dead == 0
        taken = self.take(queue, 13)
        assert sorted(d.message.id for d in taken) == sorted(message(n).id for n in range(13))
        assert {d.receives for d in taken} == {1}

    def test_redriving_nothing_moves_nothing(self, queue: Queue) -> None:
        assert queue.redrive("metadata") == 0

    # --- depth -------------------------------------------------------------------------------------------------------

    def test_depth_counts_what_waits_is_held_and_is_dead(self, queue: Queue) -> None:
        queue.send("metadata", [message(n) for n in range(6)])
        taken = self.take(queue, 3)
        queue.bury(taken[0], "why")
        queue.done(taken[1:2])

        def counted() -> tuple[int, int, int]:
            depth = queue.depth("metadata")
            return depth.waiting, depth.in_flight, depth.dead

        wait_for(lambda: counted() == (3, 1, 1), 5.0)
        assert counted() == (3, 1, 1)


class TestSqlite(QueueContract):
    @pytest.fixture
    def queue(self, tmp_path: Path) -> Iterator[Queue]:
        from adapters.local.queue import SqliteQueue

        self._now = 1_800_000_000.0
        queue = SqliteQueue(tmp_path / "queue.db", clock=lambda: self._now)
        yield queue
        queue.close()

    def pass_time(self, seconds: float) -> None:
        self._now += seconds

    def test_a_retry_is_due_exactly_when_its_time_has_come(self, queue: Queue) -> None:
        queue.send("metadata", [message()])
        (delivery,) = queue.receive(QUEUES, 1, LEASE)
        queue.retry(delivery, 90)
        self.pass_time(89)
        assert list(queue.receive(QUEUES, 1, LEASE)) == []
        self.pass_time(1)
        assert len(queue.receive(QUEUES, 1, LEASE)) == 1

    def test_what_is_due_longest_comes_first(self, queue: Queue) -> None:
        for n in range(5):
            queue.send("metadata", [message(n)])
            self.pass_time(1)
        (first,) = queue.receive(QUEUES, 1, LEASE)
        queue.retry(first, 0)
        order = [queue.receive(QUEUES, 1, LEASE)[0].message.id for _ in range(5)]
        assert order == [f"message-{n}" for n in (1, 2, 3, 4, 0)]

    def test_a_worker_whose_lease_has_ended_can_neither_end_nor_bury(self, queue: Queue) -> None:
        queue.send("metadata", [message()])
        (late,) = queue.receive(QUEUES, 1, LEASE)
        self.pass_time(LEASE)
        (held,) = queue.receive(QUEUES, 1, LEASE)
        queue.done([late])
        queue.bury(late, "too late")
        queue.retry(late, 0)
        assert list(queue.dead("metadata")) == []
        assert list(queue.receive(QUEUES, 1, LEASE)) == []
        queue.done([held])
        self.pass_time(2 * LEASE)
        assert list(queue.receive(QUEUES, 1, LEASE)) == []


class TestMinistack(QueueContract):
    @pytest.fixture
    def queue(self, emulated: Aws, prefix: str) -> Iterator[SqsQueue]:
        queue = SqsQueue(emulated, prefix)
        for name in QUEUES:
            queue.create(name, max_receives=5)
            queue.create(name, max_receives=5)
        yield queue
        for name in QUEUES:
            queue.drop(name)
        queue.close()

    def test_ten_messages_are_one_request(self, queue: SqsQueue) -> None:
        queue.depth("metadata")  # learns the queue's URL
        queue.costs.reset()
        queue.send("metadata", [message(n) for n in range(10)])
        assert queue.costs.requests == 1
        queue.send("metadata", [message(n) for n in range(11)])
        assert queue.costs.requests == 3

    def test_what_no_worker_ends_is_moved_to_the_dead_letters(self, queue: SqsQueue) -> None:
        queue.send("metadata", [message()])
        for _ in range(5):
            (delivery,) = self.take(queue, 1)
            queue.retry(delivery, 0)

        def dead() -> bool:
            assert list(queue.receive(["metadata"], 1, LEASE)) == []
            return queue.depth("metadata").dead == 1

        assert wait_for(dead, 10.0)
        (letter,) = queue.dead("metadata")
        assert letter.message == message()
        assert "SQS moved it" in letter.reason

    def test_a_body_that_is_no_message_stops_nobody(self, emulated: Aws, queue: SqsQueue, prefix: str) -> None:
        url = emulated.sqs.get_queue_url(QueueName=f"{prefix}metadata")["QueueUrl"]
        emulated.sqs.send_message(QueueUrl=url, MessageBody="not a message")
        queue.send("metadata", [message()])
        (delivery,) = self.take(queue, 1)
        assert delivery.message == message()
        dead = emulated.sqs.get_queue_url(QueueName=f"{prefix}metadata-dead")["QueueUrl"]
        emulated.sqs.send_message(QueueUrl=dead, MessageBody="not a message")
        (letter,) = queue.dead("metadata")
        assert "not a message" in letter.reason

    def test_a_retry_later_than_sqs_allows_is_made_as_late_as_it_allows(self, queue: SqsQueue) -> None:
        queue.send("metadata", [message()])
        (delivery,) = self.take(queue, 1)
        queue.retry(delivery, 7 * 24 * 3600)
        assert list(queue.receive(QUEUES, 1, LEASE)) == []

    def test_a_queue_that_was_never_made_is_not_found(self, queue: SqsQueue) -> None:
        with pytest.raises(NotFound, match="there is no queue"):
            queue.send("nothing", [message()])
