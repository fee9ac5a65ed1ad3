"""The live projector: what it is handed is a hint, the store is the truth; a poisoned stream waits alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from domain.commits import Commit
from domain.errors import PhotoVaultError
from domain.ports import Move, Row, ViewTable
from projections.projector import Projected, Projector
from tests.support.fakes import MemoryVault, live_rows
from tests.unit.projections.toys import CountedMarks, Marks, marked


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault(projections=(Marks(), CountedMarks())) as vault:
        yield vault


def keys(vault: MemoryVault, name: str = "marks", generation: int | None = None) -> list[str]:
    return sorted(row.key for row in live_rows(vault, vault.table(name, generation)))


def version(vault: MemoryVault, ident: str = "a1", name: str = "marks") -> int:
    row = vault.views.get(vault.table(name), [("anna", ident)])[0]
    return row.version if row else 0


def counted(vault: MemoryVault, generation: int | None = None) -> Any:
    return vault.views.totals(vault.table("counted", generation), "anna")


def spoiled(commit: Commit) -> Commit:
    return msgspec.structs.replace(commit, body=b'[{"type": "Nonsense"}]')


class TestGapsRepeatsAndDisorder:
    def test_a_gap_is_read_from_the_store(self, vault: MemoryVault) -> None:
        commits = marked(vault, "a1", "red", "blue", "green")
        vault.projector.project(commits[:1])
        vault.projector.project(commits[2:])
        assert keys(vault) == ["a1", "a1:green"]
        assert counted(vault) == {"marks": {"green": 1}, "events": {"total": 3}}

    def test_the_middle_of_a_stream_is_enough_to_bring_it_up_to_date(self, vault: MemoryVault) -> None:
        commits = marked(vault, "a1", "red", "blue", "green")
        vault.projector.project(commits[1:2])
        assert version(vault) == 3

    def test_what_is_known_is_ignored(self, vault: MemoryVault) -> None:
        commits = marked(vault, "a1", "red", "blue")
        vault.projector.project(commits)
        assert vault.projector.project(commits).rows == 0
        assert vault.projector.project(commits[:1]).rows == 0
        assert counted(vault) == {"marks": {"blue": 1}, "events": {"total": 2}}

    def test_a_batch_is_folded_before_anything_is_written(self, vault: MemoryVault) -> None:
        done = vault.projector.project(marked(vault, "a1", *(str(i) for i in range(50))))
        assert done.commits == 50
        assert done.rows == 3  # two home rows and one mark

    def test_an_event_of_another_category_is_none_of_its_business(self, vault: MemoryVault) -> None:
        commits = marked(vault, "a1", "red")
        other = msgspec.structs.replace(commits[0], stream="anna#content#a1")
        assert vault.projector.project([other]).rows == 0

    def test_an_empty_batch_is_no_batch(self, vault: MemoryVault) -> None:
        assert vault.projector.project([]) == Projected(0, 0, 0)


class TestParking:
    def test_a_stream_that_can_t_be_folded_waits_alone(self, vault: MemoryVault) -> None:
        marked(vault, "bad", "poison")
        marked(vault, "good", "red")
        done = vault.projector.project(vault.everything())
        assert done.parked == 2  # by each of the two projections
        assert keys(vault) == ["good", "good:red"]

    def test_what_is_parked_says_which_commit_and_why(self, vault: MemoryVault) -> None:
        marked(vault, "bad", "red", "poison")
        vault.projector.project(vault.everything())
        parked = {p.consumer: p for p in vault.projector.parked()}
        assert set(parked) == {"marks", "counted"}
        assert parked["marks"].stream == "anna#asset#bad"
        assert parked["marks"].commit == 2
        assert parked["marks"].error == "Poisonous: this one is not for me"

    def test_a_commit_that_can_t_be_read_parks_its_stream_alone(self, vault: MemoryVault) -> None:
        [bad] = marked(vault, "bad", "red")
        [good] = marked(vault, "good", "blue")
        vault.projector.project([spoiled(bad), good])
        assert keys(vault) == ["good", "good:blue"]
        assert "UnreadableEvent" in vault.projector.parked()[0].error

    def test_a_claim_check_that_can_t_be_read_parks_its_stream_alone(self, vault: MemoryVault) -> None:
        [bad] = marked(vault, "bad", "red")
        [good] = marked(vault, "good", "blue")
        vault.projector.project([msgspec.structs.replace(bad, body=b'{"claim": 1}'), good])
        assert keys(vault) == ["good", "good:blue"]
        assert "HistoryDamaged" in vault.projector.parked()[0].error

    def test_what_came_before_the_poisoned_event_is_shown_however_it_was_delivered(self, vault: MemoryVault) -> None:
        vault.projector.project(marked(vault, "bad", "red", "poison", "blue"))
        assert version(vault, "bad") == 1
        assert keys(vault) == ["bad", "bad:red"]
        assert counted(vault) == {"marks": {"red": 1}, "events": {"total": 1}}

    def test_later_events_of_a_parked_stream_do_not_overtake_the_poisoned_one(self, vault: MemoryVault) -> None:
        vault.projector.project(marked(vault, "bad", "red"))
        vault.projector.project(marked(vault, "bad", "poison"))
        vault.projector.project(marked(vault, "bad", "blue"))
        assert version(vault, "bad") == 1
        assert {p.attempts for p in vault.projector.parked()} == {2}

    def test_a_redrive_reads_the_stream_again_and_heals_it(self, vault: MemoryVault) -> None:
        marked(vault, "bad", "red", "poison", "blue")
        vault.projector.project(vault.everything())
        assert vault.projector.redrive().parked == 2
        for projection in vault.generations.projections.values():
            projection.fatal = False  # the code was mended
        assert vault.projector.redrive().parked == 0
        assert vault.projector.parked() == []
        assert keys(vault) == ["bad", "bad:blue"]
        assert counted(vault) == {"marks": {"blue": 1}, "events": {"total": 3}}

    def test_a_redrive_of_one_projection_leaves_the_other_parked(self, vault: MemoryVault) -> None:
        marked(vault, "bad", "poison")
        vault.projector.project(vault.everything())
        vault.generations.projections["marks"].fatal = False  # type: ignore[attr-defined]
        vault.projector.redrive("marks")
        assert [p.consumer for p in vault.projector.parked()] == ["counted"]

    def test_a_stream_that_heals_by_itself_waits_no_longer(self, vault: MemoryVault) -> None:
        marked(vault, "bad", "poison")
        vault.projector.project(vault.everything())
        for projection in vault.generations.projections.values():
            projection.fatal = False
        vault.projector.project(marked(vault, "bad", "red"))
        assert vault.projector.parked() == []
        assert version(vault, "bad") == 2

    def test_a_sound_generation_does_not_hide_that_another_one_waits(self, vault: MemoryVault) -> None:
        """A row that was damaged in the active generation is parked until that one is mended."""
        vault.projector.project(marked(vault, "a1", "red"))
        table = vault.table("marks")
        vault.views.put(table, [Row("anna", "a1", 1, b"\xc1 not msgpack")], repair=True)
        vault.generations.begin("marks")
        for mark in ("blue", "green", "grey"):
            vault.projector.project(marked(vault, "a1", mark))
            assert [p.stream for p in vault.projector.parked()] == ["anna#asset#a1"]


class TestFaultsOfTheInfrastructure:
    @pytest.mark.parametrize("call", ["get", "put", "move"])
    def test_a_view_store_that_fails_fails_the_batch_and_parks_nothing(
        self, vault: MemoryVault, call: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: Any, **__: Any) -> Any:
            raise sqlite3.OperationalError("disk I/O error")

        commits = marked(vault, "a1", "red")
        with monkeypatch.context() as broken:
            broken.setattr(vault.views, call, fails)
            with pytest.raises(sqlite3.OperationalError):
                vault.projector.project(commits)
        assert vault.projector.parked() == []
        vault.projector.project(commits)  # the same batch, delivered again
        assert keys(vault) == ["a1", "a1:red"]
        assert counted(vault) == {"marks": {"red": 1}, "events": {"total": 1}}

    def test_an_event_store_that_fails_while_a_gap_is_read_fails_the_batch(
        self, vault: MemoryVault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fails(*_: Any) -> Any:
            raise sqlite3.OperationalError("database is locked")

        commits = marked(vault, "a1", "red", "blue")
        monkeypatch.setattr(vault.commits, "read", fails)
        with pytest.raises(sqlite3.OperationalError):
            vault.projector.project(commits[1:])
        assert vault.projector.parked() == []

    def test_a_generation_that_is_dropped_meanwhile_is_no_fault(self, vault: MemoryVault) -> None:
        """A rebuild in another process drops the old generation between two looks of this one."""
        number = vault.generations.begin("marks").number
        commits = marked(vault, "a1", "red")
        racing = Racing(vault)
        racing.before_get = lambda: vault.generations.drop("marks", number)
        racing.projector.project(commits)
        assert keys(vault) == ["a1", "a1:red"]
        assert keys(vault, "counted") == ["a1"]

    def test_a_table_that_is_missing_without_having_been_dropped_is_a_fault(self, vault: MemoryVault) -> None:
        vault.views.drop(vault.table("marks"))
        with pytest.raises(PhotoVaultError):
            vault.projector.project(marked(vault, "a1", "red"))


class Racing:
    """A projector whose view store lets another writer go first."""

    def __init__(self, vault: MemoryVault) -> None:
        self._views = vault.views
        self.before_get: Callable[[], object] | None = None
        self.before_move: Callable[[], object] | None = None
        self.projector = Projector(vault.store, self, vault.generations, vault.parking)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._views, name)

    def get(self, table: ViewTable, wanted: Any) -> Any:
        before, self.before_get = self.before_get, None
        if before:
            before()
        return self._views.get(table, wanted)

    def move(self, table: ViewTable, moves: list[Move]) -> Any:
        before, self.before_move = self.before_move, None
        if before:
            before()
        return self._views.move(table, moves)


class TestRaces:
    def test_two_projectors_with_the_same_batch_count_it_once(self, vault: MemoryVault) -> None:
        commits = marked(vault, "a1", "red", "blue")
        racing = Racing(vault)
        racing.before_move = lambda: vault.projector.project(commits)
        racing.projector.project(commits)
        assert counted(vault) == {"marks": {"blue": 1}, "events": {"total": 2}}

    def test_a_projector_that_is_behind_another_adds_only_what_is_new(self, vault: MemoryVault) -> None:
        commits = marked(vault, "a1", "red", "blue", "green")
        racing = Racing(vault)
        racing.before_move = lambda: vault.projector.project(commits[:2])
        racing.projector.project(commits)
        assert counted(vault) == {"marks": {"green": 1}, "events": {"total": 3}}

    def test_a_projector_that_never_wins_says_so_and_loses_nothing_in_silence(
        self, vault: MemoryVault, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        commits = marked(vault, "a1", "red")
        with monkeypatch.context() as losing:
            losing.setattr(vault.views, "move", lambda table, moves: [False] * len(moves))
            with pytest.raises(PhotoVaultError, match="again"):
                vault.projector.project(commits)
        vault.projector.project(commits)
        assert counted(vault) == {"marks": {"red": 1}, "events": {"total": 1}}
