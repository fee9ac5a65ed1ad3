"""What every `CommitStore` does: one winner a place, order inside a stream, nothing lost, however many pages.

`CommitStoreContract` is the suite; `tests/contract/test_commit_store.py` holds each adapter to it.
"""

from __future__ import annotations

import itertools
import json
import threading
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.commits import Commit
from domain.errors import InvalidInput
from domain.ports import CommitStore
from tests.support.waiting import wait_for

START_US = 1_795_485_600_000_000  # 2026-11-24 02:00 UTC


def commit(stream: str = "anna#asset#1", number: int = 1, **changes: Any) -> Commit:
    """A commit with a hash that is its own; `changes` replace fields."""
    fields: dict[str, Any] = {
        "stream": stream,
        "number": number,
        "first_version": number,
        "count": 1,
        "commit_id": f"commit-{number}",
        "recorded_us": START_US + number,
        "actor": "import",
        "correlation_id": "upload-1",
        "causation_id": None,
        "body": json.dumps([{"type": "AssetUploaded", "n": number}]).encode(),
    } | changes
    plain = Commit(**fields)
    return Commit(**fields | {"hash": plain.computed_hash()})


def fill(store: CommitStore, commits: Iterable[Commit]) -> list[Commit]:
    """Store commits whose places are free."""
    stored = list(commits)
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(store.put, stored)) == [None] * len(stored)
    return stored


def history(streams: int, length: int, **changes: Any) -> list[Commit]:
    """Streams of so many commits each, told round by round."""
    return [commit(f"anna#asset#{s}", n, **changes) for n in range(1, length + 1) for s in range(streams)]


def by_stream(commits: Iterable[Commit]) -> dict[str, list[int]]:
    """Numbers in the order in which they came, by stream."""
    found: dict[str, list[int]] = {}
    for one in commits:
        found.setdefault(one.stream, []).append(one.number)
    return found


class CommitStoreContract:
    """Subclasses give a `store`, empty for each test."""

    @pytest.fixture
    def store(self) -> Iterator[CommitStore]:
        raise NotImplementedError

    def ship(self, store: CommitStore, commits: Sequence[Commit]) -> None:
        """What a relay does in a real deployment: bring commits to where `window` reads."""

    # --- put ---------------------------------------------------------------------------------------------------------

    def test_a_commit_comes_back_as_it_was_put(self, store: CommitStore) -> None:
        one = commit(
            "ännä#asset#1 / 写真 📷",
            causation_id="event-0",
            actor="step:renditions",
            body='[{"name":"Ünïcode 写真 📷 \\u0000 \' \\" \\\\"}]'.encode(),
            prev_hash=bytes(range(32)),
        )
        assert store.put(one) is None
        assert list(store.read(one.stream)) == [one]

    @pytest.mark.parametrize("causation_id", [None, "", "event-1"])
    def test_no_cause_and_an_empty_cause_are_kept_apart(self, store: CommitStore, causation_id: str | None) -> None:
        one = commit(causation_id=causation_id, correlation_id="", actor="")
        store.put(one)
        assert list(store.read(one.stream)) == [one]

    def test_a_taken_place_gives_its_holder_and_changes_nothing(self, store: CommitStore) -> None:
        first = commit(actor="first", causation_id="event-1", prev_hash=b"\xff" * 32)
        second = commit(actor="second")
        store.put(first)
        assert store.put(second) == first
        assert list(store.read(first.stream)) == [first]

    def test_a_repeat_with_the_same_commit_id_gives_what_is_stored(self, store: CommitStore) -> None:
        stored = commit()
        store.put(stored)
        again = commit(recorded_us=stored.recorded_us + 5)
        holder = store.put(again)
        assert holder == stored
        assert holder.commit_id == again.commit_id

    def test_of_many_writers_to_one_place_exactly_one_wins_and_the_others_get_the_winner(
        self, store: CommitStore
    ) -> None:
        writers = 8
        for number in range(1, 6):
            ready = threading.Barrier(writers)

            def write(name: int, number: int = number, ready: threading.Barrier = ready) -> Commit | None:
                ready.wait()
                return store.put(commit(number=number, commit_id=f"c{number}-{name}", actor=f"writer-{name}"))

            with ThreadPoolExecutor(writers) as pool:
                answers = list(pool.map(write, range(writers)))
            assert answers.count(None) == 1
            winner = list(store.read("anna#asset#1", after=number - 1))
            assert len(winner) == 1
            assert winner[0].actor == f"writer-{answers.index(None)}"
            assert [a for a in answers if a is not None] == winner * (writers - 1)
        assert by_stream(store.read("anna#asset#1")) == {"anna#asset#1": [1, 2, 3, 4, 5]}

    def test_streams_do_not_meet(self, store: CommitStore) -> None:
        stored = fill(store, [commit("anna#asset#1"), commit("anna#asset#10"), commit("anna#asset#2")])
        assert list(store.read("anna#asset#1")) == [stored[0]]
        assert list(store.read("anna#asset#3")) == []

    # --- read --------------------------------------------------------------------------------------------------------

    def test_a_stream_is_read_in_the_order_of_its_numbers(self, store: CommitStore) -> None:
        fill(store, [commit(number=n) for n in (2, 10, 1, 11, 100, 9)])
        assert by_stream(store.read("anna#asset#1")) == {"anna#asset#1": [1, 2, 9, 10, 11, 100]}

    def test_reading_after_a_number_gives_what_follows(self, store: CommitStore) -> None:
        stored = fill(store, history(1, 12))
        assert list(store.read("anna#asset#0", after=9)) == stored[9:]
        assert list(store.read("anna#asset#0", after=12)) == []

    def test_a_stream_of_more_than_a_megabyte_is_read_whole(self, store: CommitStore) -> None:
        stored = fill(store, history(1, 45, body=b'["' + b"x" * 60_000 + b'"]'))
        assert list(store.read("anna#asset#0")) == stored
        assert list(store.read("anna#asset#0", after=20)) == stored[20:]

    def test_what_is_stored_does_not_depend_on_its_content(self, store: CommitStore) -> None:
        numbers = iter(range(1, 1000))
        text = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)

        @settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
        @given(text, st.none() | text, text, st.binary(min_size=32, max_size=32), st.integers(0, 2**52))
        def check(actor: str, cause: str | None, content: str, digest: bytes, us: int) -> None:
            one = commit(
                number=next(numbers),
                actor=actor,
                causation_id=cause,
                body=json.dumps([content], ensure_ascii=False).encode(),
                prev_hash=digest,
                recorded_us=us,
            )
            assert store.put(one) is None
            assert list(store.read(one.stream, after=one.number - 1)) == [one]

        check()

    # --- tail --------------------------------------------------------------------------------------------------------

    def drain(
        self, store: CommitStore, checkpoint: str | None, enough: int, limit: int = 7
    ) -> tuple[list[Commit], str]:
        """Follow the tail until it has given so many different commits."""
        seen: dict[tuple[str, int], Commit] = {}

        def more() -> bool:
            nonlocal checkpoint
            tail = store.tail(checkpoint, limit)
            checkpoint = tail.checkpoint
            seen.update({(one.stream, one.number): one for one in tail.commits})
            return len(seen) >= enough and not tail.commits

        assert wait_for(more), f"the tail gave {len(seen)} of {enough} commits"
        assert checkpoint is not None
        return list(seen.values()), checkpoint

    def test_the_tail_of_an_empty_store_is_empty_and_goes_on_later(self, store: CommitStore) -> None:
        tail = store.tail(None, 10)
        assert tail.commits == []
        one = commit()
        store.put(one)
        assert self.drain(store, tail.checkpoint, 1)[0] == [one]

    def test_the_tail_gives_every_commit_each_stream_in_order(self, store: CommitStore) -> None:
        stored = history(4, 12)
        for one in stored:
            store.put(one)
        found, checkpoint = self.drain(store, None, len(stored))
        assert by_stream(found) == by_stream(stored)
        assert {(one.stream, one.number): one for one in found} == {(one.stream, one.number): one for one in stored}
        assert store.tail(checkpoint, 10).commits == []

    def test_a_checkpoint_gives_the_same_again_and_what_came_later(self, store: CommitStore) -> None:
        for number in range(1, 6):
            store.put(commit(number=number))
        _, checkpoint = self.drain(store, None, 5)
        for number in range(6, 9):
            store.put(commit(number=number))
        for _ in range(2):
            found, _ = self.drain(store, checkpoint, 3)
            assert [one.number for one in found] == [6, 7, 8]

    def test_a_tail_with_a_limit_gives_about_so_many(self, store: CommitStore) -> None:
        fill(store, history(1, 30))
        tail = wait_for(lambda: store.tail(None, 10) if store.tail(None, 10).commits else None)
        assert tail is not None
        assert 1 <= len(tail.commits) <= 10

    def test_a_tail_that_runs_beside_writers_loses_nothing(self, store: CommitStore) -> None:
        streams, length = 6, 15

        def write(stream: int) -> None:
            for number in range(1, length + 1):
                store.put(commit(f"anna#asset#{stream}", number))

        with ThreadPoolExecutor(streams) as pool:
            for stream in range(streams):
                pool.submit(write, stream)
            found, _ = self.drain(store, None, streams * length)
        assert by_stream(found) == {f"anna#asset#{s}": list(range(1, length + 1)) for s in range(streams)}

    # --- segments ----------------------------------------------------------------------------------------------------

    @pytest.mark.parametrize("parts", [1, 3, 8])
    def test_segments_hold_every_stream_once_whole_and_in_order(self, store: CommitStore, parts: int) -> None:
        stored = fill(store, history(20, 12))
        found = [one for name in store.segments(parts) for one in store.segment(name)]
        assert len(store.segments(parts)) <= parts
        assert by_stream(found) == by_stream(stored)
        assert len(found) == len(stored)
        changes = sum(1 for a, b in itertools.pairwise(found) if a.stream != b.stream)
        assert changes == 19, "each stream is told in one piece"

    def test_a_segment_goes_on_behind_any_of_its_commits(self, store: CommitStore) -> None:
        fill(store, history(4, 11))
        whole = [one for name in store.segments(1) for one in store.segment(name)]
        (name,) = store.segments(1)
        for position, one in enumerate(whole):
            assert list(store.segment(name, after=(one.stream, one.number))) == whole[position + 1 :]

    def test_segments_of_more_than_a_megabyte_are_whole(self, store: CommitStore) -> None:
        stored = fill(store, history(5, 12, body=b'["' + b"x" * 60_000 + b'"]'))
        found = [one for name in store.segments(2) for one in store.segment(name)]
        assert by_stream(found) == by_stream(stored)

    def test_an_empty_store_has_empty_segments(self, store: CommitStore) -> None:
        assert [one for name in store.segments(4) for one in store.segment(name)] == []

    def test_a_made_up_segment_is_refused(self, store: CommitStore) -> None:
        with pytest.raises(InvalidInput):
            list(store.segment("nonsense"))

    # --- window ------------------------------------------------------------------------------------------------------

    def test_a_window_holds_what_was_recorded_from_its_start_to_before_its_end(self, store: CommitStore) -> None:
        hour = 3_600_000_000
        times = [START_US, START_US + 1, START_US + hour - 1, START_US + hour, START_US + 30 * hour]
        stored = fill(store, [commit(number=n, recorded_us=us) for n, us in enumerate(times, 1)])
        self.ship(store, stored[:3])
        self.ship(store, stored[2:])  # shipped twice in part, as a relay may
        assert list(store.window(START_US, START_US + 31 * hour)) == stored
        assert list(store.window(START_US, START_US + 1)) == stored[:1]
        assert list(store.window(START_US + 1, START_US + hour)) == stored[1:3]
        assert list(store.window(START_US + hour, START_US + hour + 1)) == stored[3:4]
        assert list(store.window(START_US + 2 * hour, START_US + 30 * hour)) == []
        assert list(store.window(0, START_US)) == []

    def test_a_window_tells_in_the_order_of_recording_across_streams(self, store: CommitStore) -> None:
        stored = [commit(f"anna#asset#{s}", n, recorded_us=START_US + 7 * n - s) for s in range(5) for n in range(1, 9)]
        fill(store, stored)
        for start in range(0, len(stored), 11):
            self.ship(store, stored[start : start + 11])
        times = [one.recorded_us for one in store.window(0, START_US + 10**6)]
        assert times == sorted(one.recorded_us for one in stored)
