"""What the event store promises on every commit store: one winner, no half appends, repeats that change nothing.

`EventStoreContract` is the suite; `tests/contract/test_event_store.py` holds each adapter to it.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from domain.commits import CLAIM_CHECK_BYTES, GENESIS, MAX_BODY_BYTES, NEW, Cause, Place, Token, issue_token
from domain.errors import CommitTooLarge, ConflictError, HistoryDamaged, InvalidInput, InvalidToken, NotFound
from domain.events import AssetSeenAgain, Event
from domain.eventstore import EventStore, verify_chain
from domain.ports import CommitStore
from events_schema.codec import EventCodec

STREAM = "anna#asset#1"
OTHER = "anna#asset#2"


class Memory:
    """Blobs in a dictionary: this suite is about commits."""

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}

    def put(self, data: bytes) -> str:
        key = hashlib.sha256(data).hexdigest()
        self.blobs[key] = data
        return key

    def get(self, key: str) -> bytes:
        if key not in self.blobs:
            raise NotFound(f"there is no blob {key}")
        return self.blobs[key]

    def put_files(self, paths: Sequence[Path]) -> Sequence[str]:
        raise NotImplementedError

    def file(self, key: str) -> Any:
        raise NotImplementedError


def seen(path: str = "a.jpg", file_name: str = "a.jpg") -> Event:
    """A small event."""
    return AssetSeenAgain(path=path, file_name=file_name)


def events(size: int) -> list[Event]:
    """Events whose body takes about so many bytes."""
    return [seen("x" * 4000) for _ in range(max(1, size // 4200))]


def cause(ident: str, actor: str = "import") -> Cause:
    """What made a commit so."""
    return Cause(commit_id=ident, actor=actor, correlation_id="upload-1")


class EventStoreContract:
    """Subclasses give the `commits` store, empty for each test."""

    examples = 20
    """How many histories the property tests try."""

    @pytest.fixture
    def commits(self) -> Iterator[CommitStore]:
        raise NotImplementedError

    @pytest.fixture
    def blobs(self) -> Memory:
        return Memory()

    @pytest.fixture
    def store(self, commits: CommitStore, blobs: Memory) -> EventStore:
        return EventStore(commits, blobs, EventCodec())

    def paths(self, store: EventStore, stream: str = STREAM) -> list[str]:
        """What the events of a stream say."""
        return [one.event.path for one in store.load(stream).events if isinstance(one.event, AssetSeenAgain)]

    # --- append ------------------------------------------------------------------------------------------------------

    def test_a_new_stream_is_begun_and_loaded(self, store: EventStore) -> None:
        appended = store.append(STREAM, [seen("a"), seen("b")], NEW, cause("c1"))
        assert (appended.version, appended.repeated) == (2, False)
        loaded = store.load(STREAM)
        assert loaded.token == appended.token
        assert [(one.version, one.event_id) for one in loaded.events] == [(1, "c1-1"), (2, "c1-2")]
        assert self.paths(store) == ["a", "b"]

    def test_a_stream_that_does_not_exist_is_empty_and_new(self, store: EventStore) -> None:
        loaded = store.load(STREAM)
        assert (list(loaded.events), loaded.token, loaded.version) == ([], NEW, 0)

    def test_appends_follow_each_other_by_their_tokens(self, store: EventStore) -> None:
        token = NEW
        for number in range(1, 13):
            token = store.append(STREAM, [seen(str(number))] * 2, token, cause(f"c{number}")).token
        assert self.paths(store) == [str(number) for number in range(1, 13) for _ in range(2)]
        assert [one.version for one in store.load(STREAM).events] == list(range(1, 25))

    def test_a_stale_token_conflicts_and_carries_the_winner(self, store: EventStore) -> None:
        token = store.append(STREAM, [seen("a")], NEW, cause("c1")).token
        winner = store.append(STREAM, [seen("b")], token, cause("c2", actor="anna")).commit
        for stale in (token, NEW):
            with pytest.raises(ConflictError, match="first") as conflict:
                store.append(STREAM, [seen("c")], stale, cause("c3"))
            expected = winner if stale == token else next(store.commits.read(STREAM))
            assert conflict.value.winner == expected
        assert self.paths(store) == ["a", "b"]

    def test_an_append_is_atomic(self, store: EventStore) -> None:
        token = store.append(STREAM, [seen("a"), seen("b")], NEW, cause("c1")).token
        store.append(STREAM, [seen("c"), seen("d"), seen("e")], token, cause("c2"))
        with pytest.raises(ConflictError):
            store.append(STREAM, [seen("x"), seen("y")], token, cause("c3"))
        assert self.paths(store) == ["a", "b", "c", "d", "e"]

    def test_an_invalid_event_leaves_nothing_of_its_append(self, store: EventStore) -> None:
        with pytest.raises(InvalidInput):
            store.append(STREAM, [seen("a"), seen("")], NEW, cause("c1"))
        with pytest.raises(InvalidInput):
            store.append(STREAM, [], NEW, cause("c1"))
        assert list(store.commits.read(STREAM)) == []

    # --- tokens ------------------------------------------------------------------------------------------------------

    def test_a_token_of_another_stream_is_refused(self, store: EventStore) -> None:
        token = store.append(STREAM, [seen()], NEW, cause("c1")).token
        with pytest.raises(InvalidToken):
            store.append(OTHER, [seen()], token, cause("c2"))
        assert self.paths(store, OTHER) == []

    @pytest.mark.parametrize("token", ["1", "x", "1.1.00.ab", "...", "é", "0.0." + "0" * 64 + ".00000000", "\x00", " "])
    def test_a_made_up_token_is_refused(self, store: EventStore, token: str) -> None:
        with pytest.raises(InvalidToken):
            store.append(STREAM, [seen()], Token(token), cause("c1"))
        assert list(store.commits.read(STREAM)) == []

    def test_a_token_made_from_two_is_refused(self, store: EventStore) -> None:
        first = store.append(STREAM, [seen()], NEW, cause("c1")).token
        second = store.append(STREAM, [seen()], first, cause("c2")).token
        a, b = first.split("."), second.split(".")
        for position in range(len(a)):
            mixed = Token(".".join([*a[:position], b[position], *a[position + 1 :]]))
            with pytest.raises(InvalidToken):
                store.append(STREAM, [seen()], mixed, cause("c3"))
        assert len(list(store.commits.read(STREAM))) == 2

    # --- repeats -----------------------------------------------------------------------------------------------------

    def test_the_same_append_again_changes_nothing(self, store: EventStore) -> None:
        first = store.append(STREAM, [seen("a")], NEW, cause("c1"))
        again = store.append(STREAM, [seen("a")], NEW, cause("c1"))
        assert again.repeated
        assert (again.token, again.version, again.commit) == (first.token, first.version, first.commit)
        assert self.paths(store) == ["a"]

    def test_the_same_append_again_is_known_when_others_have_appended_since(self, store: EventStore) -> None:
        first = store.append(STREAM, [seen("a")], NEW, cause("c1"))
        second = store.append(STREAM, [seen("b")], first.token, cause("c2"))
        store.append(STREAM, [seen("c")], second.token, cause("c3"))
        again = store.append(STREAM, [seen("b")], first.token, cause("c2"))
        assert (again.repeated, again.token) == (True, second.token)
        assert self.paths(store) == ["a", "b", "c"]

    def test_of_many_that_append_the_same_at_once_all_succeed_and_one_commit_is_stored(self, store: EventStore) -> None:
        ready = threading.Barrier(8)

        def append(_: int) -> tuple[Token, bool]:
            ready.wait()
            appended = store.append(STREAM, [seen("a")], NEW, cause("c1"))
            return appended.token, appended.repeated

        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(append, range(8)))
        assert len({token for token, _ in answers}) == 1
        assert sorted(repeated for _, repeated in answers) == [False] + [True] * 7
        assert self.paths(store) == ["a"]

    def test_of_many_that_append_different_things_at_once_one_wins_each_round_and_none_is_lost(
        self, store: EventStore
    ) -> None:
        def append_all(worker: int) -> None:
            for n in range(5):
                while True:
                    try:
                        token = store.load(STREAM).token
                        store.append(STREAM, [seen(f"{worker}-{n}")], token, cause(f"{worker}-{n}"))
                        break
                    except ConflictError:
                        continue

        with ThreadPoolExecutor(6) as pool:
            list(pool.map(append_all, range(6)))
        assert sorted(self.paths(store)) == sorted(f"{w}-{n}" for w in range(6) for n in range(5))
        assert [fault for _, fault in verify_chain(store.commits.read(STREAM)) if fault] == []

    # --- sizes -------------------------------------------------------------------------------------------------------

    def test_a_body_over_64_kb_lies_in_the_blob_store(self, store: EventStore, blobs: Memory) -> None:
        small, large = events(CLAIM_CHECK_BYTES - 6000), events(CLAIM_CHECK_BYTES + 6000)
        token = store.append(STREAM, small, NEW, cause("c1")).token
        assert blobs.blobs == {}
        store.append(STREAM, large, token, cause("c2"))
        assert [len(data) > CLAIM_CHECK_BYTES for data in blobs.blobs.values()] == [True]
        assert len(next(iter(store.commits.read(STREAM, after=1))).body) < 200
        assert [one.event for one in store.load(STREAM).events] == small + large

    def test_a_body_that_was_changed_in_the_blob_store_is_found(self, store: EventStore, blobs: Memory) -> None:
        store.append(STREAM, events(CLAIM_CHECK_BYTES * 2), NEW, cause("c1"))
        (key,) = blobs.blobs
        blobs.blobs[key] += b" "
        with pytest.raises(HistoryDamaged, match="changed"):
            store.load(STREAM)
        del blobs.blobs[key]
        with pytest.raises(HistoryDamaged, match="missing"):
            store.load(STREAM)

    def test_too_large_a_commit_is_refused_before_anything_is_written(self, store: EventStore, blobs: Memory) -> None:
        token = store.append(STREAM, [seen("a")], NEW, cause("c1")).token
        with pytest.raises(CommitTooLarge):
            store.append(STREAM, events(MAX_BODY_BYTES + 400_000), token, cause("c2"))
        with pytest.raises(CommitTooLarge):
            store.append(STREAM, [seen()], token, cause("c" * 20_000))
        assert blobs.blobs == {}
        assert self.paths(store) == ["a"]

    def test_the_largest_commit_is_stored_and_loaded(self, store: EventStore) -> None:
        large = events(MAX_BODY_BYTES - 300_000)
        store.append(STREAM, large, NEW, cause("c1"))
        assert store.load(STREAM).version == len(large)

    def test_a_stream_of_more_than_a_megabyte_is_loaded_whole(self, store: EventStore) -> None:
        token, told = NEW, []
        for number in range(24):
            some = events(60_000)
            token = store.append(STREAM, some, token, cause(f"c{number}")).token
            told += some
        loaded = store.load(STREAM)
        assert [one.event for one in loaded.events] == told
        assert loaded.token == token

    # --- any history -------------------------------------------------------------------------------------------------

    def test_any_history_of_appends_repeats_and_races_leaves_a_whole_chain(self, commits: CommitStore) -> None:
        """Rules append with the newest token, an old one, a made-up one, or again; a list is the model."""
        runs = iter(range(10_000))

        class History(RuleBasedStateMachine):
            def __init__(self) -> None:
                super().__init__()
                self.stream = f"anna#asset#run{next(runs)}"
                self.store = EventStore(commits, Memory(), EventCodec())
                self.tokens: list[Token] = [NEW]
                self.model: list[tuple[str, int]] = []  # (commit id, events)

            @rule(count=st.integers(1, 4))
            def append(self, count: int) -> None:
                ident = f"c{len(self.model)}"
                appended = self.store.append(self.stream, [seen(ident)] * count, self.tokens[-1], cause(ident))
                assert not appended.repeated
                self.model.append((ident, count))
                self.tokens.append(appended.token)
                assert appended.version == sum(n for _, n in self.model)

            @rule(data=st.data())
            def append_with_an_old_token(self, data: st.DataObject) -> None:
                if len(self.tokens) < 2:
                    return
                old = data.draw(st.integers(0, len(self.tokens) - 2))
                with pytest.raises(ConflictError) as conflict:
                    self.store.append(self.stream, [seen("x")], self.tokens[old], cause("x"))
                assert conflict.value.winner.number == old + 1
                assert conflict.value.winner.commit_id == self.model[old][0]

            @rule(data=st.data())
            def repeat(self, data: st.DataObject) -> None:
                if not self.model:
                    return
                which = data.draw(st.integers(0, len(self.model) - 1))
                ident, count = self.model[which]
                again = self.store.append(self.stream, [seen(ident)] * count, self.tokens[which], cause(ident))
                assert (again.repeated, again.token) == (True, self.tokens[which + 1])

            @rule(number=st.integers(0, 20), version=st.integers(0, 20), other=st.booleans())
            def append_with_a_made_up_token(self, number: int, version: int, other: bool) -> None:
                stream = "anna#asset#elsewhere" if other else self.stream
                token = issue_token(stream, Place(number, version, GENESIS))
                forged = token if other else Token(token[:-1] + ("0" if token[-1] != "0" else "1"))
                with pytest.raises(InvalidToken):
                    self.store.append(self.stream, [seen("x")], forged, cause("x"))

            @invariant()
            def the_stream_is_what_was_appended(self) -> None:
                loaded = self.store.load(self.stream)
                assert loaded.token == self.tokens[-1]
                assert [one.commit.commit_id for one in loaded.events] == [i for i, n in self.model for _ in range(n)]
                assert [one.version for one in loaded.events] == list(range(1, len(loaded.events) + 1))

            def teardown(self) -> None:
                chain = list(verify_chain(commits.read(self.stream)))
                assert [fault for _, fault in chain if fault] == []
                assert [commit.number for commit, _ in chain] == list(range(1, len(self.model) + 1))

        run_state_machine_as_test(
            History,
            settings=settings(
                max_examples=self.examples, stateful_step_count=12, deadline=None,
                suppress_health_check=list(HealthCheck), database=None,
            ),
        )  # fmt: skip
