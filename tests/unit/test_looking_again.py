"""When faces that are nobody's are looked at again: whose turn it is, what has to have changed, and what a service is
asked then. What a look does with them is in tests/contract."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from domain.asset import asset_stream, fold
from domain.errors import ServicePaused
from photovault import people as told
from photovault.looking_again import LOOK_EVERY, last_look, look_at_everybody
from photovault.runtime import Runtime, catch_up
from tests.support.factories import OWNER
from tests.support.fakes import MemoryVault, work
from tests.support.people import add_photo, vault_with
from tests.unit.test_face_collections import world_of

LATE = {"m1": ["anna?"], "m2": ["anna"]}
"""A doubtful face, then a good one of the same person: a look gives the first to whom the second founded."""


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with vault_with(LATE) as made:
        yield made


def look(vault: MemoryVault, days: float = 0.0):  # type: ignore[no-untyped-def]
    vault.clock.tick(timedelta(days=days).total_seconds())
    done = look_at_everybody(vault, vault.clock())
    catch_up(vault)  # type: ignore[arg-type]
    return done


def by(vault: MemoryVault, mark: str, owner: str = OWNER) -> str | None:
    stream = asset_stream(owner, mark)
    known = fold(stream, vault.store.load(stream).events).people.get(0)
    return known.by if known else None


class TestWhoseTurnItIs:
    def test_who_has_agreed_is_looked_at_and_nobody_else(self, vault: MemoryVault) -> None:
        vault.ports.faces.who |= {"e1": ["eve?"], "e2": ["eve"]}  # type: ignore[union-attr]
        for mark in ("e1", "e2"):
            add_photo(vault, mark, "eve")
        work(vault)
        done = look(vault)
        assert (done.owners, done.looked, done.assigned, done.failed) == (1, 1, 1, 0)
        assert by(vault, "m1") == "cluster"
        assert by(vault, "e1", "eve") is None

    def test_without_anybodys_agreement_nothing_is_read(self) -> None:
        with vault_with(LATE, agreed=False) as vault:
            assert look(vault).owners == 0

    def test_every_owner_has_a_turn_of_their_own(self, vault: MemoryVault) -> None:
        vault.people.agree("eve", "person:eve")
        vault.ports.faces.who |= {"e1": ["anna?"], "e2": ["anna"]}  # type: ignore[union-attr]
        for mark in ("e1", "e2"):
            add_photo(vault, mark, "eve")
            work(vault)
        assert look(vault).assigned == 2
        mine, hers = (
            fold(stream, vault.store.load(stream).events).people[0].person
            for stream in (asset_stream(OWNER, "m1"), asset_stream("eve", "e1"))
        )
        assert mine != hers

    def test_once_a_day(self, vault: MemoryVault) -> None:
        assert look(vault).looked == 1
        self.more(vault)
        assert look(vault, 0.5).looked == 0
        assert look(vault, 0.5).looked == 1

    def test_not_while_nothing_has_changed(self) -> None:
        with vault_with({"m1": ["anna?"], "m2": ["ben"]}) as vault:
            assert look(vault).looked == 1
            assert look(vault, 1).looked == 0
            self.more(vault)
            assert look(vault, 1).looked == 1

    def test_who_had_no_time_comes_first_the_next_day(self, vault: MemoryVault) -> None:
        vault.people.agree("eve", "person:eve")
        vault.ports.faces.who |= {"e1": ["anna?"], "e2": ["anna"]}  # type: ignore[union-attr]
        for mark in ("e1", "e2"):
            add_photo(vault, mark, "eve")
            work(vault)
        turns = iter([True, False, True, False])
        done = look_at_everybody(vault, vault.clock(), lambda: next(turns))
        assert (done.looked, done.whole) == (1, False)
        first = {owner for owner in (OWNER, "eve") if last_look(vault, owner).at_us}
        vault.clock.tick(LOOK_EVERY.total_seconds())
        look_at_everybody(vault, vault.clock(), lambda: next(turns))
        assert {owner for owner in (OWNER, "eve") if last_look(vault, owner).at_us} == {OWNER, "eve"}
        assert len(first) == 1

    def more(self, vault: MemoryVault) -> None:
        vault.ports.faces.who |= {"n1": ["cleo?"]}  # type: ignore[union-attr]
        add_photo(vault, "n1")
        work(vault)


class TestWhatGoesWrong:
    def test_one_owners_failure_is_kept_with_their_look_and_no_concern_of_others(self, vault: MemoryVault) -> None:
        vault.people.agree("eve", "person:eve")
        near = vault.people.near
        vault.ports.faces.who |= {"e1": ["anna?"], "e2": ["anna"]}  # type: ignore[union-attr]
        for mark in ("e1", "e2"):
            add_photo(vault, mark, "eve")
            work(vault)

        def fails(owner: str, asset: str, vectors: bytes):  # type: ignore[no-untyped-def]
            if owner == "eve":
                raise ServicePaused("the cap is reached")
            return near(owner, asset, vectors)

        vault.people.near = fails  # type: ignore[method-assign]
        done = look(vault)
        assert (done.looked, done.failed, done.errors) == (1, 1, ["ServicePaused: the cap is reached"])
        assert last_look(vault, "eve").error == "ServicePaused: the cap is reached"
        assert last_look(vault, OWNER).error is None
        vault.people.near = near  # type: ignore[method-assign]
        assert look(vault, 1).failed == 0
        assert last_look(vault, "eve").error is None


class TestService:
    def test_a_service_is_asked_again_only_when_the_faces_have_grown_by_a_tenth(self) -> None:
        who = {f"m{i}": [f"person {i}!"] for i in range(20)}
        with world_of(who) as world:
            asked = world.service.asked
            assert look(world.vault).looked == 1
            once = asked.count("SearchFaces")
            assert once == 20 + 20  # each when it came, and once again
            for day, mark in enumerate(("n1", "n2")):
                world.service.who[mark] = [f"{mark}!"]
                add_photo(world.vault, mark)
                work(world.vault)
                assert look(world.vault, 1).looked == day, mark  # 21 faces are not a tenth more than 20; 22 are
            assert asked.count("SearchFaces") == once + 2 + 22

    def test_what_was_cut_off_by_the_cap_is_not_paid_again_the_next_day(self) -> None:
        who = {f"m{i}": [f"person {i}!"] for i in range(6)}
        with world_of(who, cap_microusd=15_000) as world:
            assert look(world.vault).failed == 1
            assert world.budget.spent() == 15_000
            asked = len(world.service.asked)
            assert look(world.vault, 40).looked == 0  # a new month; nothing new came
            assert world.service.asked[asked:].count("SearchFaces") == 0

    def test_what_no_picture_has_any_more_leaves_the_collection(self) -> None:
        with world_of({"m1": ["anna"]}) as world:
            from domain.faces import Look

            key = world.people.key(OWNER) or ""
            world.people.analyze(Look(OWNER, "m1", key, b"another rendition of m1", 1024, 1024))
            assert look(world.vault).tidied == 1
            assert [asset for asset, _ in world.service.held()] == ["m1"]


def test_the_runtime_looks_at_faces_when_its_work_is_done(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    from photovault.config import Settings
    from photovault.vault import Vault
    from tests.support.people import ToldFaces

    with Vault(Settings(tmp_path / "vault", OWNER, 1), create=True) as vault:
        vault.__dict__["faces"] = ToldFaces({})
        vault.people.agree(OWNER, "person:test")
        Runtime(vault).run()
        assert last_look(vault, OWNER).at_us > 0
        assert told.people(vault) == []
