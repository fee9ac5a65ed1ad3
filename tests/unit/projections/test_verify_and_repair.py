"""Verification finds every kind of damage and names it; repair mends what belongs to a stream."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import msgspec
import pytest

from domain.asset import asset_stream
from domain.ports import Row, ViewTable
from projections.repair import repair
from projections.verify import Digest, Verdict, compare, digest
from tests.support.fakes import MemoryVault, rows_of
from tests.unit.projections.toys import CountedMarks, Marks, marked

STREAMS = [asset_stream("anna", f"a{i}") for i in range(6)]


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault(projections=(Marks(), CountedMarks())) as vault:
        for mark in ("red blue", "green"):
            for i in range(6):
                marked(vault, f"a{i}", mark)
        vault.projector.project(vault.everything())
        yield vault


def verdict(vault: MemoryVault, name: str, parts: int = 1) -> Verdict:
    projection, table = vault.generations.active(name)
    whole = Digest()
    for segment in vault.commits.segments(parts):
        [part] = digest([projection], vault.store, vault.commits.segment(segment))
        whole.add(part)

    def history() -> Any:
        return (c for segment in vault.commits.segments(parts) for c in vault.commits.segment(segment))

    return compare(projection, table, whole, vault.store, vault.views, history)


def found(vault: MemoryVault, name: str) -> list[tuple[str, str]]:
    return [(d.key, d.what) for d in verdict(vault, name).different]


def sql(vault: MemoryVault, statement: str, *values: object) -> None:
    with vault.views._db.write() as connection:
        assert connection.execute(statement, values).rowcount > 0


def missing(vault: MemoryVault, table: ViewTable) -> None:
    sql(vault, f"DELETE FROM view_{table.name} WHERE key='a3'")


def changed(vault: MemoryVault, table: ViewTable) -> None:
    data = msgspec.msgpack.encode(Marks().state(("forged",), 7, "a3"))
    sql(vault, f"UPDATE view_{table.name} SET data=? WHERE key='a3'", data)


def unreadable(vault: MemoryVault, table: ViewTable) -> None:
    sql(vault, f"UPDATE view_{table.name} SET data=? WHERE key='a3'", b"\xc1")


def behind(vault: MemoryVault, table: ViewTable) -> None:
    data = msgspec.msgpack.encode(Marks().state(("red", "blue"), 1, "a3"))
    sql(vault, f"UPDATE view_{table.name} SET version=1, data=? WHERE key='a3'", data)


def deleted(vault: MemoryVault, table: ViewTable) -> None:
    sql(vault, f"UPDATE view_{table.name} SET deleted=1 WHERE key='a3'")


def no_total(vault: MemoryVault, table: ViewTable) -> None:
    sql(vault, f"DELETE FROM view_{table.name}_totals WHERE total='marks'")


def wrong_total(vault: MemoryVault, table: ViewTable) -> None:
    sql(vault, f"UPDATE view_{table.name}_totals SET value=value+3 WHERE total='marks'")


def made_up_total(vault: MemoryVault, table: ViewTable) -> None:
    sql(vault, f"INSERT INTO view_{table.name}_totals VALUES ('anna', 'marks', 'purple', 4)")


Damage = Callable[[MemoryVault, ViewTable], None]
OF_ROWS: list[tuple[Damage, str]] = [
    (missing, "missing"),
    (changed, "other content"),
    (unreadable, "other content"),
    (behind, "version 1 instead of 2"),
    (deleted, "missing"),
]
OF_TOTALS: list[tuple[Damage, tuple[str, str]]] = [
    (no_total, ("total marks/green", "0 instead of 6")),
    (wrong_total, ("total marks/green", "9 instead of 6")),
    (made_up_total, ("total marks/purple", "4 instead of 0")),
]


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("name", ["marks", "counted"])
def test_what_is_right_is_equal(vault: MemoryVault, name: str, parts: int) -> None:
    assert verdict(vault, name, parts).equal
    assert verdict(vault, name, parts).rows == (12 if name == "marks" else 6)


@pytest.mark.parametrize("name", ["marks", "counted"])
@pytest.mark.parametrize(("damage", "what"), OF_ROWS, ids=lambda d: getattr(d, "__name__", ""))
def test_damage_to_a_row_is_found_and_named(vault: MemoryVault, name: str, damage: Damage, what: str) -> None:
    damage(vault, vault.table(name))
    assert found(vault, name) == [("a3", what)]


@pytest.mark.parametrize(("damage", "what"), OF_TOTALS, ids=lambda d: getattr(d, "__name__", ""))
def test_a_wrong_total_is_found_and_named(vault: MemoryVault, damage: Damage, what: tuple[str, str]) -> None:
    damage(vault, vault.table("counted"))
    assert found(vault, "counted") == [what]


def test_a_row_that_no_history_asks_for_is_found(vault: MemoryVault) -> None:
    vault.views.put(vault.table("marks"), [Row("anna", "ghost", 1, b"\x80")])
    assert found(vault, "marks") == [("ghost", "unexpected")]


def test_a_row_of_another_owner_is_found_and_so_are_totals_of_one_who_has_nothing(vault: MemoryVault) -> None:
    vault.views.put(vault.table("counted"), [Row("ben", "ghost", 1, b"\x80")])
    sql(vault, "INSERT INTO view_counted_g1_totals VALUES ('ben', 'marks', 'red', 1)")
    different = verdict(vault, "counted").different
    assert [(d.partition, d.key, d.what) for d in different] == [
        ("ben", "ghost", "unexpected"),
        ("ben", "total marks/red", "1 instead of 0"),
    ]


def test_a_checkpoint_that_runs_ahead_is_found_though_the_content_is_right(vault: MemoryVault) -> None:
    """The live projector would ignore the stream's next events."""
    sql(vault, "UPDATE view_counted_g1 SET version=99 WHERE key='a3'")
    assert found(vault, "counted") == [("a3", "version 99 instead of 2")]


def test_an_index_that_leads_elsewhere_is_found() -> None:
    from projections.gallery import Gallery
    from tests.support.factories import append, whole_life

    with MemoryVault(projections=(Gallery(),)) as vault:
        append(vault.store, STREAMS[0], *whole_life())
        vault.projector.project(vault.everything())
        sql(vault, "UPDATE view_gallery_g1 SET index_0='1970'")
        assert found(vault, "gallery") == [("a0", "other content")]


def test_a_stream_that_can_t_be_folded_is_right_as_the_live_projector_left_it(vault: MemoryVault) -> None:
    marked(vault, "bad", "red", "poison")
    vault.projector.project(vault.everything())
    assert verdict(vault, "marks").equal
    assert verdict(vault, "counted").equal


def test_two_assets_at_one_path_are_no_damage() -> None:
    """A file that was edited in place."""
    from projections.files import Files
    from tests.support.factories import append, sha, uploaded, validated

    with MemoryVault(projections=(Files(),)) as vault:
        append(vault.store, STREAMS[1], [uploaded()], [validated()])
        append(vault.store, STREAMS[0], [uploaded(blob=sha("b"), sha256=sha("b"))])
        for commit in reversed(vault.everything()):
            vault.projector.project([commit])
        assert verdict(vault, "files").equal


class TestRepair:
    @staticmethod
    def mend(vault: MemoryVault, streams: list[str] = STREAMS, **options: Any) -> Any:
        targets = [vault.generations.active(name) for name in ("marks", "counted")]
        return repair(targets, streams, vault.store, vault.views, **options)

    def test_what_is_right_is_left_alone(self, vault: MemoryVault) -> None:
        mended = self.mend(vault)
        assert (mended.streams, mended.events, mended.rows, mended.damaged) == (6, 12, 0, 0)

    @pytest.mark.parametrize("name", ["marks", "counted"])
    @pytest.mark.parametrize("damage", [d for d, _ in OF_ROWS], ids=lambda d: d.__name__)
    def test_damage_to_a_row_is_mended(self, vault: MemoryVault, name: str, damage: Damage) -> None:
        before = rows_of(vault, *vault.generations.active(name))
        damage(vault, vault.table(name))
        assert self.mend(vault).rows > 0
        assert verdict(vault, name).equal
        assert rows_of(vault, *vault.generations.active(name)) == before

    @pytest.mark.parametrize("damage", [d for d, _ in OF_TOTALS], ids=lambda d: d.__name__)
    def test_a_wrong_total_is_mended(self, vault: MemoryVault, damage: Damage) -> None:
        damage(vault, vault.table("counted"))
        self.mend(vault)
        assert verdict(vault, "counted").equal

    @pytest.mark.parametrize("damage", [d for d, _ in OF_ROWS], ids=lambda d: d.__name__)
    def test_the_live_projector_goes_on_rightly_after_a_repair(self, vault: MemoryVault, damage: Damage) -> None:
        damage(vault, vault.table("counted"))
        self.mend(vault)
        vault.projector.project(marked(vault, "a3", "grey"))
        assert verdict(vault, "counted").equal

    def test_a_row_beside_the_home_row_is_mended_though_the_home_row_is_right(self, vault: MemoryVault) -> None:
        sql(vault, "DELETE FROM view_marks_g1 WHERE key='a3:green'")
        self.mend(vault)
        assert verdict(vault, "marks").equal

    def test_a_dry_run_says_how_much_and_changes_nothing(self, vault: MemoryVault) -> None:
        changed(vault, vault.table("marks"))
        wrong_total(vault, vault.table("counted"))
        assert self.mend(vault, dry=True).rows > 0
        assert not verdict(vault, "marks").equal
        assert not verdict(vault, "counted").equal

    def test_only_the_streams_that_are_named_are_read(self, vault: MemoryVault) -> None:
        changed(vault, vault.table("marks"))
        mended = self.mend(vault, STREAMS[:2])
        assert (mended.streams, mended.events) == (2, 4)
        assert found(vault, "marks") == [("a3", "other content")]

    def test_a_stream_that_can_t_be_folded_is_counted_and_kept_as_it_was(self, vault: MemoryVault) -> None:
        vault.projector.project(marked(vault, "bad", "red", "poison"))
        assert self.mend(vault, [asset_stream("anna", "bad")]).damaged == 1
        assert verdict(vault, "marks").equal

    def test_a_row_that_a_live_projector_has_moved_on_meanwhile_stays(self, vault: MemoryVault) -> None:
        _, table = vault.generations.active("marks")
        newer = Row("anna", "a3", 50, msgspec.msgpack.encode(Marks().state()))
        vault.views.put(table, [newer])
        self.mend(vault)
        assert vault.views.get(table, [("anna", "a3")]) == [newer]
