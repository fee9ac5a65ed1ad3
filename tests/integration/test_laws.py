"""The laws of the house, each by a test that fails when the law is broken. Law 3 is in tests/e2e/test_kill.py; law 6 is
held by every port's key, which begins with the owner, and by the suites of what serves people."""

from __future__ import annotations

import random
import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.asset import asset_stream, fold, request_reprocess, upload
from domain.commits import Cause, Commit, derive_id
from domain.errors import DecoderCrashed, DecoderKilled, DecoderTimeout, InvalidInput, MediaRejected
from domain.events import AssetProcessed, Outcome, StepGivenUp
from domain.eventstore import EventStore, verify_chain
from domain.pipeline import STEPS, runs_after
from domain.ports import Row
from events_schema.codec import EventCodec
from photovault.config import Settings
from photovault.importer import find_files, import_files
from photovault.rebuilding import rebuild
from photovault.runtime import catch_up
from photovault.sealing import SEAL_STREAM, seal, verify_history
from photovault.vault import Vault
from projections import PROJECTIONS
from tests.support.factories import OWNER, append, fake_photo, uploaded, whole_life
from tests.support.fakes import (
    LEASE_SECONDS,
    QUEUES,
    FakeMediaEngine,
    MemoryVault,
    active_rows,
    outcomes,
    rows_of,
    settle,
    work,
)

# --- random histories ------------------------------------------------------------------------------------------------

VIDEO_CALLS = ("encode", "join")
CALLS = ("inspect", "read_metadata", "render", *VIDEO_CALLS)
ERRORS: tuple[Exception, ...] = (
    OSError("the disk is away"),
    DecoderCrashed("signal 11"),
    DecoderTimeout("too slow"),
    DecoderKilled("killed"),
    MediaRejected("corrupt", "it can't be decoded"),
)


class Photo(msgspec.Struct, frozen=True):
    """One file that comes to the vault, and what goes wrong with it."""

    content: int  # the same number: the same bytes
    kind: str
    known: bool  # whether the importer knows its SHA-256
    date: str
    troubles: tuple[tuple[str, int], ...]  # (call of the engine, index of the error)


class Request(msgspec.Struct, frozen=True):
    """Somebody asks for a step again, of one of the photos."""

    photo: int
    step: str


PHOTOS = st.builds(
    Photo,
    content=st.integers(0, 4),
    kind=st.sampled_from(["image", "image", "image", "video", "text"]),
    known=st.booleans(),
    date=st.sampled_from(["", "2024:07:01_10:00:00", "1999:12:31_23:59:59"]),
    troubles=st.lists(st.tuples(st.sampled_from(CALLS), st.integers(0, len(ERRORS) - 1)), max_size=4).map(tuple),
)
REQUESTS = st.builds(Request, photo=st.integers(0, 9), step=st.sampled_from(sorted(STEPS)))
STORIES = st.lists(PHOTOS | REQUESTS, min_size=1, max_size=8)


def tell(vault: MemoryVault, story: Sequence[Photo | Request], pause: Callable[[], object]) -> None:
    """Let a story happen: photos arrive, requests are made, and `pause` runs between them."""
    streams: list[str] = []
    for i, part in enumerate(story):
        if isinstance(part, Photo):
            streams.append(_arrive(vault, part, i))
        elif streams:
            _ask(vault, streams[part.photo % len(streams)], part.step)
        pause()


def _arrive(vault: MemoryVault, photo: Photo, i: int) -> str:
    mark = f"{photo.kind}{photo.content}"
    data = b"nothing to see" + mark.encode() if photo.kind == "text" else fake_photo(mark, photo.kind, date=photo.date)
    key = vault.blobs.put(data)
    ident = derive_id("asset", key) if photo.known else f"s3-{i}"
    stream = asset_stream(vault.settings.owner, ident)
    for call, error in photo.troubles:
        vault.media.misbehave(mark, call, ERRORS[error])
    arrived = uploaded(
        f"{i}.jpg", blob=key, sha256=key if photo.known else None, size_bytes=len(data), path=f"/photos/{i % 3}.jpg"
    )
    loaded = vault.store.load(stream)
    events = upload(fold(stream, loaded.events), arrived)
    if events:
        append(vault.store, stream, events)
    return stream


def _ask(vault: MemoryVault, stream: str, step: str) -> None:
    asset = fold(stream, vault.store.load(stream).events)
    try:
        events = request_reprocess(asset, step, "a newer version is out")
    except InvalidInput:
        return  # the asset has not come so far
    if events:
        append(vault.store, stream, events)


def rebuilt_rows(vault: Any) -> dict[str, dict[tuple[str, str], Any]]:
    """All projections, rebuilt from the history alone and switched to."""
    result = rebuild(vault, [projection.name for projection in PROJECTIONS])
    assert [v.different for v in result.verdicts] == [[]] * len(PROJECTIONS)
    assert result.switched
    return active_rows(vault)


# --- law 1 -----------------------------------------------------------------------------------------------------------


class TestLaw1ReplayingTheHistoryGivesExactlyTheLiveRows:
    @settings(max_examples=40)
    @given(STORIES, st.booleans())
    def test_whatever_happened(self, story: list[Photo | Request], patient: bool) -> None:
        with MemoryVault() as vault:
            tell(vault, story, (lambda: work(vault)) if patient else (lambda: catch_up(vault)))  # type: ignore[arg-type]
            work(vault)
            live = active_rows(vault)
            assert rebuilt_rows(vault) == live

    def test_at_any_moment_in_the_middle_of_the_work(self) -> None:
        with MemoryVault() as vault:
            story = [Photo(i, "image", True, "", (("render", 0),)) for i in range(4)]
            tell(vault, story, lambda: None)
            catch_up(vault)  # type: ignore[arg-type]
            while deliveries := vault.queue.receive(QUEUES, 1, LEASE_SECONDS):
                settle(vault, deliveries[0], vault.worker.handle(deliveries[0]))
                catch_up(vault)  # type: ignore[arg-type]
                live = active_rows(vault)
                assert rebuilt_rows(vault) == live

    def test_on_files_by_several_processes(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("photovault.rebuilding._PROCESSES_FROM_COMMITS", 1)
        with _real_vault(tmp_path, workers=2) as vault:
            for i in range(30):
                append(vault.store, asset_stream(OWNER, f"a{i}"), *whole_life())
            catch_up(vault)
            live = active_rows(vault)
            assert rebuilt_rows(vault) == live

    def test_a_difference_is_noticed_and_not_switched_to(self) -> None:
        """The proof of the proof: a row that the live projector got wrong in the new generation."""
        with MemoryVault() as vault:
            append(vault.store, asset_stream(OWNER, "a1"), *whole_life())
            catch_up(vault)  # type: ignore[arg-type]
            original = vault.views.put

            def put(table: Any, rows: Sequence[Row], **options: Any) -> int:
                spoiled = [msgspec.structs.replace(row, data=b"\x80") for row in rows]
                return original(table, spoiled if table.name == "gallery_g2" else rows, **options)

            vault.views.put = put  # type: ignore[method-assign]
            result = rebuild(vault, ["gallery"])  # type: ignore[arg-type]
            assert not result.equal
            assert not result.switched
            assert vault.generations.active("gallery")[1].generation == 1


# --- law 2 -----------------------------------------------------------------------------------------------------------


class TestLaw2RepeatsAndDisorderChangeNothing:
    @settings(max_examples=40)
    @given(STORIES, st.integers(0, 2**32))
    def test_commits_to_the_projector(self, story: list[Photo | Request], seed: int) -> None:
        dice = random.Random(seed)
        with MemoryVault() as vault:
            tell(vault, story, lambda: work(vault))
            live = active_rows(vault)
            commits = vault.everything()
            second = {name: vault.generations.begin(name).number for name in live}
            deck = commits * 2
            dice.shuffle(deck)
            while deck:
                size = dice.randint(1, 5)
                vault.projector.project(deck[:size])
                deck = deck[size:]
            for name, number in second.items():
                projection = vault.generations.projection(name)
                assert rows_of(vault, projection, projection.table(number)) == live[name]
            assert active_rows(vault) == live

    @settings(max_examples=40)
    @given(STORIES, st.integers(0, 2**32))
    def test_messages_to_the_worker(self, story: list[Photo | Request], seed: int) -> None:
        dice = random.Random(seed)
        with MemoryVault() as vault:
            tell(vault, story, lambda: None)
            _work_carelessly(vault, dice)
            for stream, events in outcomes(vault).items():
                self._assert_one_outcome_an_attempt(stream, events)
            live = active_rows(vault)
            before = vault.commits.last_position()
            vault.relay.relay(vault.everything())  # the whole history, once more
            _work_carelessly(vault, dice)
            assert vault.commits.last_position() == before
            assert active_rows(vault) == live

    @staticmethod
    def _assert_one_outcome_an_attempt(stream: str, events: list[Any]) -> None:
        due: dict[str, int] = {}
        seen: set[tuple[str, int, int]] = set()
        asset = fold(stream, [])
        for event in events:
            for run in runs_after(event):
                due[run] = due.get(run, 0) + 1
            if isinstance(event, Outcome):
                attempt = (event.run.step, due.get(event.run.step, 0), event.run.attempt)
                assert attempt not in seen, f"{stream}: {attempt} ended twice"
                seen.add(attempt)
        assert asset.version == 0
        assert isinstance(events[-1], AssetProcessed), f"{stream} came to no end"


def _work_carelessly(vault: MemoryVault, dice: random.Random) -> None:
    """Like `work`, but messages come in any order, twice, late, or lose their lease in the middle of the work."""
    while True:
        catch_up(vault)  # type: ignore[arg-type]
        deliveries = list(vault.queue.receive(dice.sample(QUEUES, len(QUEUES)), dice.randint(1, 10), LEASE_SECONDS))
        if not deliveries:
            wait = vault.queue.next_due_in(QUEUES)
            if wait is None and not any(vault.queue.depth(q).in_flight for q in QUEUES):
                return
            vault.clock.tick(max(wait or 0.0, 0.0) if wait is not None else LEASE_SECONDS + 1)
            continue
        dice.shuffle(deliveries)
        for delivery in deliveries:
            fate = dice.random()
            if fate < 0.15:
                vault.worker.handle(delivery)  # the worker dies before it can say what is to become of the message
            elif fate < 0.2:
                continue  # ... or before it has done anything
            else:
                for _ in range(dice.randint(1, 2)):
                    settle(vault, delivery, vault.worker.handle(delivery))


# --- law 4 -----------------------------------------------------------------------------------------------------------


class TestLaw4OneBadFileAffectsOneAsset:
    @pytest.mark.parametrize("call", CALLS)
    @pytest.mark.parametrize("error", ERRORS, ids=lambda e: type(e).__name__)
    def test_it_ends_with_a_reason_and_all_others_are_done(self, call: str, error: Exception) -> None:
        with MemoryVault() as vault:
            kind = "video" if call in VIDEO_CALLS else "image"
            vault.media.misbehave(f"{kind}2", call, *[error] * 20)
            tell(vault, [Photo(i, kind, True, "", ()) for i in range(5)], lambda: None)
            work(vault)
            ends = Counter()
            for stream, events in outcomes(vault).items():
                state = fold(stream, vault.store.load(stream).events).state
                ends[state] += 1
                if state != "done":
                    reasons = [e for e in events if isinstance(e, StepGivenUp) or type(e).__name__ == "FileQuarantined"]
                    assert len(reasons) == (2 if call == "encode" else 1)  # the sound's part and the pictures'
                    assert all(getattr(e, "message", None) or e.reason == str(error) for e in reasons)
            assert ends["done"] == 4
            assert ends["given_up"] + ends["quarantined"] == 1

    def test_a_stream_that_can_t_be_read_stops_no_other_at_the_projector_or_the_relay(self) -> None:
        with MemoryVault() as vault:
            tell(vault, [Photo(i, "image", True, "", ()) for i in range(3)], lambda: None)
            with vault.commits._db.write() as connection:
                connection.execute("DROP TRIGGER commits_are_never_changed")
                connection.execute("UPDATE commits SET body='[{\"type\": 1}]' WHERE position=2")
            work(vault)
            states = Counter(
                fold(c.stream, vault.store.load(c.stream).events).state
                for c in vault.everything()
                if c.actor == "test" and c.body != b'[{"type": 1}]'
            )
            assert states == {"done": 2}
            assert {p.consumer for p in vault.parking.list()} == {
                "relay",
                *(p.name for p in PROJECTIONS if p.category == "asset"),
            }


# --- law 5 -----------------------------------------------------------------------------------------------------------


def _change(column: str, value: str) -> str:
    return f"UPDATE commits SET {column}={value} WHERE stream='anna#asset#a2' AND number=2"


LAST = len(whole_life())  # number of the last commit

TAMPERINGS: dict[str, tuple[str, str, int]] = {
    # what was done -> (statements, the stream that is found, the commit that is found)
    "a changed body": (_change("body", "replace(body, 'image/jpeg', 'image/gifs')"), "a2", 2),
    "another type of event": (_change("body", "replace(body, 'FileValidated', 'FileValidatex')"), "a2", 2),
    "another author": (_change("actor", "'person:mallory'"), "a2", 2),
    "another time": (_change("recorded_us", "recorded_us + 1"), "a2", 2),
    "another cause": (_change("causation_id", "'x'"), "a2", 2),
    "no cause at all": (_change("causation_id", "'y'"), "a2", 2),
    "another upload": (_change("correlation_id", "'x'"), "a2", 2),
    "another id": (_change("commit_id", "'x'"), "a2", 2),
    "another count": (_change("count", "count + 1"), "a2", 2),
    "another version": (_change("first_version", "first_version + 1"), "a2", 2),
    "another hash": (_change("hash", "zeroblob(32)"), "a2", 2),
    "another hash before": (_change("prev_hash", "zeroblob(32)"), "a2", 2),
    "a commit removed from the middle": ("DELETE FROM commits WHERE stream='anna#asset#a2' AND number=2", "a2", 3),
    "a first commit removed": ("DELETE FROM commits WHERE stream='anna#asset#a2' AND number=1", "a2", 2),
    "a commit removed and the rest moved up": (
        "DELETE FROM commits WHERE stream='anna#asset#a2' AND number=2;"
        "UPDATE commits SET number=number-1 WHERE stream='anna#asset#a2' AND number>2",
        "a2",
        2,
    ),
    "two commits swapped": (
        "UPDATE commits SET number=-2 WHERE stream='anna#asset#a2' AND number=2;"
        "UPDATE commits SET number=2 WHERE stream='anna#asset#a2' AND number=3;"
        "UPDATE commits SET number=3 WHERE stream='anna#asset#a2' AND number=-2",
        "a2",
        2,
    ),
    "a commit put in": (
        "UPDATE commits SET number=number+100 WHERE stream='anna#asset#a2' AND number>2;"
        "UPDATE commits SET number=number-99 WHERE stream='anna#asset#a2' AND number>100;"
        "INSERT INTO commits SELECT NULL, stream, 3, first_version, count, 'forged', recorded_us, actor,"
        " correlation_id, causation_id, body, prev_hash, hash FROM commits WHERE stream='anna#asset#a2' AND number=2",
        "a2",
        3,
    ),
    "a commit moved to another stream": (
        f"UPDATE commits SET stream='anna#asset#a9' WHERE stream='anna#asset#a2' AND number={LAST}",
        "a9",
        LAST,
    ),
}


class TestLaw5ATamperedHistoryIsFound:
    @staticmethod
    def vault() -> MemoryVault:
        vault = MemoryVault()
        for i in range(1, 4):
            append(vault.store, asset_stream(OWNER, f"a{i}"), *whole_life())
        return vault

    @staticmethod
    def tamper(vault: MemoryVault, script: str) -> None:
        """As somebody with the file and a SQLite shell would."""
        vault.commits._db.execute_script(
            "DROP TRIGGER commits_are_never_changed; DROP TRIGGER commits_are_never_deleted;" + script
        )

    @staticmethod
    def faults(vault: MemoryVault) -> list[tuple[str, int]]:
        found = []
        for segment in vault.commits.segments(3):
            for _, fault in verify_chain(vault.commits.segment(segment)):
                if fault is not None:
                    found.append((fault.stream.rpartition("#")[2], fault.number))
        return found

    def test_a_history_that_nobody_touched_has_no_fault(self) -> None:
        with self.vault() as vault:
            assert self.faults(vault) == []

    @pytest.mark.parametrize("what", TAMPERINGS)
    def test_the_chain_names_stream_and_commit(self, what: str) -> None:
        script, stream, number = TAMPERINGS[what]
        with self.vault() as vault:
            self.tamper(vault, script)
            assert self.faults(vault)[0] == (stream, number)
            assert {found for found, _ in self.faults(vault)} == {stream}

    def test_a_commit_whose_hash_was_made_to_fit_is_found_by_the_one_behind_it(self) -> None:
        with self.vault() as vault:
            stream = asset_stream(OWNER, "a2")
            commit = list(vault.commits.read(stream))[1]
            forged = msgspec.structs.replace(commit, body=commit.body.replace(b"image/jpeg", b"image/gifs"))
            fitting = forged.computed_hash().hex()
            self.tamper(
                vault,
                f"UPDATE commits SET body=replace(body, 'image/jpeg', 'image/gifs'), hash=x'{fitting}' "
                f"WHERE stream='{stream}' AND number=2",
            )
            assert self.faults(vault) == [("a2", 3)]

    def test_a_commit_that_is_missing_is_named(self) -> None:
        with self.vault() as vault:
            self.tamper(vault, TAMPERINGS["a commit removed from the middle"][0])
            [fault] = [f for _, f in verify_chain(vault.commits.read(asset_stream(OWNER, "a2"))) if f]
            assert fault.what == "commit 2 is missing"

    @pytest.mark.parametrize("statement", ["UPDATE commits SET actor='x'", "DELETE FROM commits"])
    def test_the_store_itself_refuses_to_change_or_remove(self, statement: str) -> None:
        with self.vault() as vault, pytest.raises(sqlite3.IntegrityError, match="never"):
            vault.commits._db.execute_script(statement)

    def test_a_changed_claim_check_body_is_found(self) -> None:
        with self.vault() as vault:
            big = uploaded("big.jpg", path="/" + "x" * 4000)
            append(vault.store, asset_stream(OWNER, "big"), [big] * 20)
            [commit] = vault.commits.read(asset_stream(OWNER, "big"))
            assert commit.body.startswith(b"{")
            [key] = [key for key, data in vault.blobs.data.items() if len(data) > 64 * 1024]
            vault.blobs.data[key] = vault.blobs.data[key].replace(b'"folder"', b'"fo1der"')
            audit = verify_history(vault.store, vault.blobs, self.history(vault))
            assert [(f.stream, f.number) for f in audit.faults] == [(asset_stream(OWNER, "big"), 1)]

    @staticmethod
    def history(vault: MemoryVault) -> Iterator[Commit]:
        return (commit for segment in vault.commits.segments(3) for commit in vault.commits.segment(segment))

    @pytest.mark.parametrize(
        "cut",
        [
            f"DELETE FROM commits WHERE stream='anna#asset#a2' AND number={LAST}",
            "DELETE FROM commits WHERE stream='anna#asset#a2' AND number>1",
            "DELETE FROM commits WHERE stream='anna#asset#a2'",
        ],
    )
    def test_a_tail_that_was_cut_off_is_found_by_the_seal(self, cut: str) -> None:
        with self.vault() as vault:
            assert seal(vault.store, vault.blobs, vault.clock() + timedelta(seconds=1))
            assert verify_history(vault.store, vault.blobs, self.history(vault)).intact
            self.tamper(vault, cut)
            assert self.faults(vault) == []  # the chain alone can't show it
            audit = verify_history(vault.store, vault.blobs, self.history(vault))
            assert {fault.stream for fault in audit.faults} == {asset_stream(OWNER, "a2")}

    def test_a_seal_that_was_taken_out_is_found_by_the_one_that_names_it(self) -> None:
        with self.vault() as vault:
            vault.clock.tick(3600)
            assert seal(vault.store, vault.blobs, vault.clock())
            append(vault.store, asset_stream(OWNER, "new"), uploaded())
            vault.clock.tick(3600)
            second = seal(vault.store, vault.blobs, vault.clock())
            assert second
            self.tamper(vault, f"DELETE FROM commits WHERE stream='{SEAL_STREAM}'")
            append(vault.store, SEAL_STREAM, second)  # with a sound chain of hashes
            (fault,) = verify_history(vault.store, vault.blobs, self.history(vault)).faults
            assert (fault.stream, fault.number) == (SEAL_STREAM, 1)
            assert "seal before it" in fault.what

    @pytest.mark.parametrize("what", TAMPERINGS)
    def test_an_audit_finds_whatever_the_chain_finds(self, what: str) -> None:
        with self.vault() as vault:
            self.tamper(vault, TAMPERINGS[what][0])
            assert not verify_history(vault.store, vault.blobs, self.history(vault)).intact


# --- law 7 -----------------------------------------------------------------------------------------------------------


def _real_vault(folder: Path, workers: int = 1) -> Vault:
    """On files, as a person has it, but for the decoders."""
    vault = Vault(Settings(folder / "vault", OWNER, workers), create=True)
    vault.__dict__["media"] = FakeMediaEngine()
    return vault


class Statements:
    """Counts the SQL statements of every database of a vault, but for the totals of `performance`: how many of them
    move goes by how long the steps took."""

    def __init__(self, vault: MemoryVault) -> None:
        self.count = 0
        for part in (vault.commits, vault.keys, vault.views, vault.checkpoints, vault.queue):
            database = getattr(part, "_db", None) or part._durable
            for connection in database._all:
                connection.set_trace_callback(self._seen)

    def _seen(self, statement: str) -> None:
        self.count += not re.match(r"INSERT INTO view_performance_g\d+_totals", statement)


def _prefill(vault: MemoryVault, assets: int) -> None:
    """A history of so many processed assets and its views, put in by the thousand."""
    unsealed = EventStore(vault.commits, vault.blobs, EventCodec(), vault.clock)  # type: ignore[arg-type]
    one = append(unsealed, asset_stream(OWNER, "template"), *whole_life())  # what is sealed can't be another stream's
    with vault.commits._db.write() as connection:
        for commit in one:
            connection.execute(
                "WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < ?1) "
                "INSERT INTO commits SELECT NULL, printf('anna#asset#b%07d', i), number, first_version, count, "
                "commit_id, recorded_us, actor, correlation_id, causation_id, body, prev_hash, hash "
                "FROM n, commits WHERE stream=?2 AND number=?3",
                (assets, commit.stream, commit.number),
            )
    last = str(vault.commits.last_position()).encode()
    for consumer in ("relay", "projector"):  # all of this was passed on long ago
        vault.checkpoints.save("tail", consumer, last, expected=None)
    rebuild(vault, [projection.name for projection in PROJECTIONS])  # type: ignore[arg-type]


def _cost_of_one_more(assets: int) -> dict[str, int]:
    """Statements for one new photo, from its arrival to its end, and for a page of the gallery."""
    cost: dict[str, int] = {}
    with MemoryVault() as vault:
        _prefill(vault, assets)
        statements = Statements(vault)

        def measure(name: str, action: Callable[[], object]) -> None:
            before = statements.count
            action()
            cost[name] = statements.count - before

        stream = asset_stream(OWNER, "new")
        key = vault.blobs.put(fake_photo("new"))
        arrived = uploaded("new.jpg", blob=key, sha256=key)
        cause = Cause(commit_id="new", actor="import", correlation_id="new")
        measure("append", lambda: vault.store.append(stream, [arrived], vault.store.load(stream).token, cause))
        measure("pass on", lambda: catch_up(vault))  # type: ignore[arg-type]
        measure("all steps", lambda: work(vault))
        _, table = vault.generations.active("gallery")
        measure("gallery", lambda: vault.views.query(table, OWNER, index="timeline", descending=True))
        assert fold(stream, vault.store.load(stream).events).state == "done"
        assert len({row.key for row in vault.views.scan(table)}) == assets + 2
    return cost


class TestLaw7WorkIsProportionalToWhatIsNew:
    @pytest.fixture(scope="class")
    @staticmethod
    def costs() -> dict[int, dict[str, int]]:
        """Statements beside 100 assets and beside 20,000."""
        return {assets: _cost_of_one_more(assets) for assets in (100, 20_000)}

    @pytest.mark.parametrize("what", ["append", "pass on", "all steps", "gallery"])
    def test_the_number_of_statements_does_not_depend_on_the_number_of_assets(
        self, costs: dict[int, dict[str, int]], what: str
    ) -> None:
        assert costs[100][what] == costs[20_000][what] > 0

    def test_no_statement_reads_a_whole_table(self) -> None:
        """The count alone would not show one statement that looks at every row."""
        with MemoryVault() as vault:
            _prefill(vault, 50)
            statements: list[tuple[Any, str]] = []
            for part in (vault.commits, vault.keys, vault.views, vault.checkpoints, vault.queue):
                connection = part._db._writer
                connection.set_trace_callback(lambda sql, c=connection: statements.append((c, sql)))
            key = vault.blobs.put(fake_photo("new"))
            append(vault.store, asset_stream(OWNER, "new"), [uploaded("new.jpg", blob=key, sha256=key)])
            work(vault)
            _, table = vault.generations.active("gallery")
            vault.views.query(table, OWNER, index="timeline", descending=True)
            for part in (vault.commits, vault.keys, vault.views, vault.checkpoints, vault.queue):
                part._db._writer.set_trace_callback(None)
            for connection, sql in statements:
                if sql.startswith(("SELECT", "UPDATE", "DELETE")):
                    plan = connection.execute(f"EXPLAIN QUERY PLAN {sql}").fetchall()
                    assert not [step[3] for step in plan if step[3].startswith("SCAN") and "CONSTANT" not in step[3]], (
                        sql
                    )

    def test_an_import_of_a_known_folder_reads_no_file(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        folder = tmp_path / "photos"
        folder.mkdir()
        for i in range(120):
            (folder / f"{i}.jpg").write_bytes(fake_photo(str(i)))
        with _real_vault(tmp_path) as vault:
            assert import_files(vault, find_files([folder])).added == 120
            catch_up(vault)
            opened: list[Path] = []
            inner = Path.open

            def watched(path: Path, *arguments: Any, **named: Any) -> Any:
                opened.append(path)
                return inner(path, *arguments, **named)

            monkeypatch.setattr(Path, "open", watched)
            before = vault.commits.last_position()
            assert import_files(vault, find_files([folder])).known == 120
            assert vault.commits.last_position() == before
            assert [path for path in opened if folder in path.parents] == []
