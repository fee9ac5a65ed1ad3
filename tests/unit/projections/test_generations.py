"""The life of a generation: backfilling, verifying, ready, active, draining, dropped; and races for the register."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from domain.errors import InvalidInput, NotFound, ViewUnavailable
from domain.ports import Entry
from projections.generations import Generations
from tests.support.fakes import MemoryVault
from tests.unit.projections.toys import Marks, marked


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault(projections=(Marks(),)) as vault:
        yield vault


def statuses(vault: MemoryVault) -> dict[int, str]:
    return {g.number: g.status for g in vault.generations.registered("marks").generations}


def build(vault: MemoryVault) -> int:
    """A generation that is ready."""
    number = vault.generations.begin("marks").number
    vault.generations.mark("marks", number, "verifying")
    vault.generations.mark("marks", number, "ready")
    return number


def test_the_first_generation_of_an_empty_history_is_active_at_once(vault: MemoryVault) -> None:
    assert statuses(vault) == {1: "active"}


def test_a_new_projection_on_an_old_history_must_be_filled_before_it_is_read() -> None:
    with MemoryVault(projections=()) as vault:
        generations = Generations(vault.views, vault.checkpoints, (Marks(),), vault.clock)
        generations.ensure(empty=False)
        assert generations.registered("marks").generations[0].status == "backfilling"
        with pytest.raises(ViewUnavailable, match="run `photovault replay`"):
            generations.active("marks")


def test_a_generation_whose_table_was_lost_is_forgotten_and_must_be_built_again(vault: MemoryVault) -> None:
    kept = build(vault)
    vault.views.drop(vault.table("marks", 1))
    vault.generations.ensure(empty=False, tables=vault.views.generations)
    assert statuses(vault) == {kept: "ready"}
    with pytest.raises(ViewUnavailable, match="run `photovault replay`"):
        vault.generations.active("marks")
    assert vault.generations.begin("marks").number == 3


def test_tables_that_a_lost_register_left_are_never_taken_for_new_ones(vault: MemoryVault) -> None:
    marked(vault, "a1", "red")
    vault.projector.project(vault.everything())
    vault.checkpoints.delete("projection", "marks")
    vault.generations.ensure(empty=False, tables=vault.views.generations)
    assert statuses(vault) == {1: "backfilling", 2: "backfilling"}
    assert [table.generation for _, table in vault.generations.fed()] == [2]
    assert list(vault.views.scan(vault.table("marks", 2))) == []
    with pytest.raises(InvalidInput, match="not ready"):
        vault.generations.switch("marks", 1)
    vault.generations.drop_inactive("marks")
    assert vault.views.generations() == {}


def test_a_generation_that_begins_while_a_vault_is_opened_is_not_taken_for_lost(vault: MemoryVault) -> None:
    def tables() -> Any:
        held = vault.views.generations()
        vault.generations.begin("marks")
        return held

    vault.generations.ensure(empty=False, tables=tables)
    assert statuses(vault) == {1: "active", 2: "backfilling"}


def test_opening_a_vault_again_changes_nothing(vault: MemoryVault) -> None:
    build(vault)
    before = vault.generations.registered("marks")
    vault.generations.ensure(empty=False)
    assert vault.generations.registered("marks") == before


def test_a_new_generation_is_fed_but_not_read(vault: MemoryVault) -> None:
    number = vault.generations.begin("marks").number
    marked(vault, "a1", "red")
    vault.projector.project(vault.everything())
    assert vault.views.get(vault.table("marks", number), [("anna", "a1")])[0] is not None
    assert vault.generations.active("marks")[1].generation == 1


@pytest.mark.parametrize("status", ["backfilling", "verifying"])
def test_what_is_not_ready_can_t_be_switched_to(vault: MemoryVault, status: Any) -> None:
    number = vault.generations.begin("marks").number
    vault.generations.mark("marks", number, status)
    with pytest.raises(InvalidInput, match=f"is {status}, not ready"):
        vault.generations.switch("marks", number)
    assert vault.generations.active("marks")[1].generation == 1


def test_a_switch_moves_the_readers_and_leaves_the_old_generation_draining(vault: MemoryVault) -> None:
    assert vault.generations.switch("marks", build(vault)) == 1
    assert statuses(vault) == {1: "draining", 2: "active"}
    assert vault.generations.active("marks")[1].generation == 2


def test_a_roll_back_is_one_more_switch_and_finds_the_old_generation_up_to_date(vault: MemoryVault) -> None:
    vault.generations.switch("marks", build(vault))
    marked(vault, "a1", "red")
    vault.projector.project(vault.everything())
    assert vault.generations.switch("marks", 1) == 2
    assert statuses(vault) == {1: "active", 2: "draining"}
    assert vault.views.get(vault.table("marks"), [("anna", "a1")])[0] is not None


def test_switching_to_what_is_active_changes_nothing(vault: MemoryVault) -> None:
    assert vault.generations.switch("marks", 1) == 1
    assert statuses(vault) == {1: "active"}


def test_there_must_be_such_a_generation_and_such_a_projection(vault: MemoryVault) -> None:
    with pytest.raises(InvalidInput, match="marks has no generation 7; it has: 1"):
        vault.generations.switch("marks", 7)
    with pytest.raises(InvalidInput, match="there is no view 'marx'; there are: marks"):
        vault.generations.projection("marx")


def test_the_active_generation_is_never_dropped(vault: MemoryVault) -> None:
    with pytest.raises(InvalidInput, match="switch to another first"):
        vault.generations.drop("marks", 1)


def test_what_is_dropped_is_gone_with_its_rows_and_fed_no_more(vault: MemoryVault) -> None:
    number = build(vault)
    table = vault.table("marks", number)
    vault.generations.drop("marks", number)
    assert statuses(vault) == {1: "active"}
    assert [t.generation for _, t in vault.generations.fed()] == [1]
    with pytest.raises(NotFound):
        vault.views.get(table, [("anna", "a1")])


def test_a_number_is_never_used_twice(vault: MemoryVault) -> None:
    vault.generations.drop("marks", vault.generations.begin("marks").number)
    assert vault.generations.begin("marks").number == 3


def test_a_rebuild_clears_away_what_earlier_ones_left(vault: MemoryVault) -> None:
    for _ in range(3):
        vault.generations.begin("marks")
    vault.generations.drop_inactive("marks", keep=[3])
    assert sorted(statuses(vault)) == [1, 3]


def test_rows_of_another_version_of_the_code_are_neither_read_nor_fed(vault: MemoryVault) -> None:
    class Newer(Marks):
        version = 2

    newer = Generations(vault.views, vault.checkpoints, (Newer(),), vault.clock)
    with pytest.raises(ViewUnavailable, match="version 1 of its code, this is version 2"):
        newer.active("marks")
    assert newer.fed() == []
    assert newer.begin("marks").version == 2
    assert [table.generation for _, table in newer.fed()] == [2]


class Interrupting:
    """Checkpoints that let another process go first, once, between a load and the save that follows it."""

    def __init__(self, vault: MemoryVault) -> None:
        self._vault = vault
        self.first: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._vault.checkpoints, name)

    def save(self, kind: str, name: str, value: bytes, expected: int | None) -> Entry | None:
        first, self.first = self.first, None
        if first:
            first()
        return self._vault.checkpoints.save(kind, name, value, expected)


def test_two_rebuilds_that_begin_at_once_get_a_generation_each(vault: MemoryVault) -> None:
    checkpoints = Interrupting(vault)
    racing = Generations(vault.views, checkpoints, (Marks(),), vault.clock)
    checkpoints.first = lambda: vault.generations.begin("marks")
    assert racing.begin("marks").number == 3
    assert statuses(vault) == {1: "active", 2: "backfilling", 3: "backfilling"}


def test_two_switches_at_once_leave_one_active_generation(vault: MemoryVault) -> None:
    second, third = build(vault), build(vault)
    checkpoints = Interrupting(vault)
    racing = Generations(vault.views, checkpoints, (Marks(),), vault.clock)
    checkpoints.first = lambda: vault.generations.switch("marks", second)
    assert racing.switch("marks", third) == second
    assert statuses(vault) == {1: "draining", 2: "draining", 3: "active"}


def test_a_generation_that_becomes_active_while_it_is_dropped_stays(vault: MemoryVault) -> None:
    second = build(vault)
    marked(vault, "a1", "red")
    vault.projector.project(vault.everything())
    checkpoints = Interrupting(vault)
    racing = Generations(vault.views, checkpoints, (Marks(),), vault.clock)
    checkpoints.first = lambda: vault.generations.switch("marks", second)
    with pytest.raises(InvalidInput, match="is active"):
        racing.drop("marks", second)
    assert vault.views.get(vault.table("marks"), [("anna", "a1")])[0] is not None
