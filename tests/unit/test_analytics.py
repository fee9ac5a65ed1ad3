"""Analytics: what is reported is the owner's, behaviour is off until they agree, and erasable; advice."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from domain.advice import StepUse, Tiers, about_archive, about_failures, about_memory, about_waiting, year_before
from domain.asset import asset_stream
from domain.behaviour import agreement_stream, month_stream, months
from domain.behaviour_events import AssetViewed, BehaviourErased, SearchMade
from domain.errors import InvalidInput
from photovault import analytics
from photovault.behaviour import LONGEST, MOST, Recorder, agree, agreement, withdraw
from photovault.runtime import catch_up
from tests.support.factories import NOW, append, failed, renditions, uploaded, validated, whole_life
from tests.support.fakes import MemoryVault
from tests.support.sharing import same_however_delivered

PRICE = Decimal("0.0000166667")


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault() as made:
        yield made


def filled(vault: MemoryVault, owner: str = "anna", *assets: str) -> None:
    for asset in assets or ("a1",):
        append(vault.store, asset_stream(owner, asset), *whole_life())
    catch_up(vault)


def commits(vault: MemoryVault) -> bytes:
    return b"".join(commit.body for commit in vault.everything())


class TestBehaviour:
    def test_it_is_off_until_the_owner_agrees(self, vault: MemoryVault) -> None:
        filled(vault)
        before = len(vault.everything())
        analytics.note_view(vault, "anna", "a1")
        vault.behaviour.note("anna", SearchMade(found=1))
        vault.behaviour.flush()
        assert len(vault.everything()) == before
        assert analytics.behaviour(vault, "anna")["agreed"] is False

    def test_views_are_appended_together(self, vault: MemoryVault) -> None:
        filled(vault, "anna", "a1", "a2")
        assert agree(vault, "anna")
        assert not agree(vault, "anna")
        before = len(vault.everything())
        for asset in ("a1", "a2", "a1"):
            analytics.note_view(vault, "anna", asset)
        vault.behaviour.note("anna", SearchMade())
        vault.behaviour.flush()
        catch_up(vault)
        assert len(vault.everything()) == before + 1
        shown = analytics.behaviour(vault, "anna")
        assert list(shown["months"].values()) == [{"views": 3, "originals": 0, "searches": 1, "without_result": 1}]
        same_however_delivered(vault, "behaviour")

    def test_the_agreement_of_one_owner_is_not_anothers(self, vault: MemoryVault) -> None:
        filled(vault)
        filled(vault, "boris", "b1")
        agree(vault, "anna")
        analytics.note_view(vault, "boris", "b1")
        analytics.note_view(vault, "anna", "b1")  # not hers: she can't look at it
        vault.behaviour.flush()
        catch_up(vault)
        assert analytics.behaviour(vault, "anna")["months"] == {}
        assert analytics.behaviour(vault, "boris")["agreed"] is False

    def test_withdrawing_erases_for_good(self, vault: MemoryVault) -> None:
        filled(vault)
        agree(vault, "anna")
        analytics.note_view(vault, "anna", "a1")
        vault.behaviour.flush()
        stream = month_stream("anna", vault.clock(), 1)
        assert [each.event.asset for each in vault.store.read(stream) if isinstance(each.event, AssetViewed)] == ["a1"]
        assert withdraw(vault, "anna") == 1
        catch_up(vault)
        first, last = (each.event for each in vault.store.read(stream))
        assert first == AssetViewed(asset="erased")
        assert isinstance(last, BehaviourErased)
        totals = vault.views.totals(vault.table("behaviour"), "anna")
        assert not any(any(counts.values()) for counts in totals.values())
        assert analytics.behaviour(vault, "anna")["agreed"] is False
        same_however_delivered(vault, "behaviour")

    def test_what_is_stored_names_no_asset(self, vault: MemoryVault) -> None:
        filled(vault, "anna", "abcdefgh12345")
        agree(vault, "anna")
        before = commits(vault)
        analytics.note_view(vault, "anna", "abcdefgh12345")
        vault.behaviour.flush()
        assert b"abcdefgh12345" not in commits(vault).removeprefix(before)

    def test_withdrawing_may_be_killed_half_way(self, vault: MemoryVault, monkeypatch: pytest.MonkeyPatch) -> None:
        filled(vault)
        agree(vault, "anna")
        analytics.note_view(vault, "anna", "a1")
        vault.behaviour.flush()
        with monkeypatch.context() as patched:
            patched.setattr(vault.keys, "destroy", lambda stream: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                withdraw(vault, "anna")
        withdraw(vault, "anna")
        stream = month_stream("anna", vault.clock(), 1)
        assert next(iter(vault.store.read(stream))).event == AssetViewed(asset="erased")

    def test_who_is_late_records_nothing_after_a_withdrawal(self, vault: MemoryVault) -> None:
        filled(vault)
        agree(vault, "anna")
        late = Recorder(vault)
        late.note("anna", SearchMade(found=1))
        withdraw(vault, "anna")
        before = len(vault.everything())
        late.flush()
        assert len(vault.everything()) == before

    def test_a_new_agreement_has_streams_of_its_own(self, vault: MemoryVault) -> None:
        filled(vault)
        for _ in range(2):
            agree(vault, "anna")
            analytics.note_view(vault, "anna", "a1")
            vault.behaviour.flush()
            withdraw(vault, "anna")
        fresh = Recorder(vault)
        agree(vault, "anna")
        fresh.note("anna", AssetViewed(asset="a1"))
        fresh.flush()
        catch_up(vault)
        assert agreement(vault, "anna").number == 3
        assert [counts["views"] for counts in analytics.behaviour(vault, "anna")["months"].values()] == [1]

    def test_two_processes_count_both(self, vault: MemoryVault) -> None:
        filled(vault)
        agree(vault, "anna")
        one, other = Recorder(vault), Recorder(vault)
        for recorder in (one, other, one, other):
            recorder.note("anna", SearchMade(found=2))
            recorder.flush()
        catch_up(vault)
        assert [counts["searches"] for counts in analytics.behaviour(vault, "anna")["months"].values()] == [4]

    def test_a_buffer_is_emptied_when_it_is_full_or_old(self, vault: MemoryVault) -> None:
        agree(vault, "anna")
        before = len(vault.everything())
        vault.behaviour.note("anna", SearchMade())
        vault.behaviour.flush_if_due()
        assert len(vault.everything()) == before
        for _ in range(MOST):
            vault.behaviour.note("anna", SearchMade())
        vault.behaviour.flush_if_due()
        assert len(vault.everything()) == before + 2  # one more than a commit takes

    def test_months_are_those_in_between(self) -> None:
        first, last = datetime(2025, 11, 30, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
        assert [f"{month:%Y-%m}" for month in months(first, last)] == ["2025-11", "2025-12", "2026-01", "2026-02"]

    def test_an_agreement_is_believed_for_a_minute_only(self, vault: MemoryVault) -> None:
        assert not vault.behaviour.counts("anna")
        agree(vault, "anna")
        vault.clock.now += LONGEST + timedelta(seconds=1)  # type: ignore[attr-defined]
        assert vault.behaviour.counts("anna")
        assert vault.store.load(agreement_stream("anna")).version == 1


class TestReports:
    def test_storage_is_the_owners_own(self, vault: MemoryVault) -> None:
        filled(vault, "anna", "a1", "a2")
        filled(vault, "boris", "b1")
        size = uploaded().size_bytes
        assert analytics.storage(vault, ["anna"])["original_bytes"] == 2 * size
        both = analytics.storage(vault, ["anna", "boris"])
        assert (both["original_bytes"], both["made_bytes"]) == (3 * size, 1500)

    def test_performance_by_step_and_month(self, vault: MemoryVault) -> None:
        slow = structs.replace(validated(), run=structs.replace(validated().run, duration_ms=1000))
        append(vault.store, asset_stream("anna", "a1"), [uploaded()], [failed("validate")])
        append(vault.store, asset_stream("anna", "a2"), [uploaded()], [slow])
        catch_up(vault)
        found = analytics.performance(vault, ["anna"], ("month", "step"))
        (item,) = found["items"]
        assert (item["step"], item["attempts"], item["failed"], item["failure_rate"]) == ("validate", 2, 1, 0.5)
        assert abs(item["duration_ms"]["p95"] - 1000) <= 1000 * found["relative_error"]
        assert analytics.performance(vault, ["anna"], since="2999-01")["items"] == []
        assert analytics.performance(vault, ["boris"])["items"] == []

    def test_runs_can_be_sorted_by_nothing_else(self, vault: MemoryVault) -> None:
        with pytest.raises(InvalidInput, match="owner"):
            analytics.performance(vault, ["anna"], ("owner",))

    def test_cost_is_price_times_memory_times_time(self, vault: MemoryVault) -> None:
        long = structs.replace(renditions(), run=structs.replace(renditions().run, duration_ms=1_024_000))
        append(vault.store, asset_stream("anna", "a1"), [uploaded()], [validated()], [long])
        catch_up(vault)
        found = analytics.cost(vault, ["anna"])
        item = next(item for item in found["items"] if item["step"] == "renditions")
        assert item["gb_seconds"] == 1769
        assert item["compute"] == 1769 * PRICE
        assert item["total"] == item["compute"] + item["requests"]
        assert found["total"] == sum(item["total"] for item in found["items"])
        with pytest.raises(InvalidInput):
            analytics.cost(vault, ["anna"], "moon-1")


def use(**changes: Any) -> StepUse:
    base = StepUse(
        step="renditions",
        memory_mb=1769,
        runs=1000,
        failed=0,
        ms=1_000_000,
        cpu_ms=200_000,
        peak_mb=Decimal(310),
        most_mb=Decimal(400),
        known=1000,
        took_ms=Decimal(1000),
        lag_ms=Decimal(2000),
    )
    return structs.replace(base, **changes)


class TestAdvice:
    def test_a_step_that_waits_needs_less_memory(self) -> None:
        found = about_memory(use(), PRICE)
        assert found is not None
        assert found.saves is not None
        assert found.saves > 0
        assert "times as long" in found.text
        assert "infrastructure/steps.py" in found.change

    def test_memory_beyond_a_whole_processor_is_no_speed_for_one_thread(self) -> None:
        found = about_memory(use(memory_mb=3538, cpu_ms=1_000_000), PRICE)
        assert found is not None
        assert "at the same speed" in found.text
        assert "memory_mb=1769" in found.change

    def test_computing_alone_saves_nothing_with_less_memory(self) -> None:
        assert about_memory(use(cpu_ms=1_000_000), PRICE) is None

    def test_too_little_room_is_said_before_money(self) -> None:
        found = about_memory(use(memory_mb=512, peak_mb=Decimal(500), most_mb=Decimal(520)), PRICE)
        assert found is not None
        assert found.saves is None
        assert "too little room" in found.text

    @pytest.mark.parametrize("few", [{"peak_mb": None}, {"known": 5}, {"ms": 0}])
    def test_of_what_is_not_known_nothing_is_said(self, few: dict[str, Any]) -> None:
        assert about_memory(use(**few), PRICE) is None

    @given(
        peak=st.integers(20, 3000),
        over=st.integers(0, 1000),
        memory=st.sampled_from([512, 1024, 1769, 3538]),
        ms=st.integers(1, 10**7),
        cpu=st.integers(0, 2 * 10**7),
    )
    def test_advice_always_leaves_head_room(self, peak: int, over: int, memory: int, ms: int, cpu: int) -> None:
        found = about_memory(
            use(peak_mb=Decimal(peak), most_mb=Decimal(peak + over), memory_mb=memory, ms=ms, cpu_ms=cpu), PRICE
        )
        if found is not None and found.saves is not None:
            size = int(found.change.split("memory_mb=")[1].split()[0]) * (1 << 20) / 10**6
            assert size >= 1.3 * peak
            assert size >= 1.1 * (peak + over)

    def test_old_originals_that_nobody_looked_at(self) -> None:
        tiers = Tiers(Decimal("0.004"), Decimal("0.00099"))
        found = about_archive([("2024-01", 9 * 10**9), ("2024-02", 3 * 10**9)], 2 * 10**9, tiers, counted=True)
        assert found is not None
        assert found.saves == 10 * (tiers.now - tiers.archive)
        assert "10.0 GB of originals untouched for a year" in found.text
        assert about_archive([("2024-01", 10**9)], 2 * 10**9, tiers, counted=True) is None
        unknown = about_archive([("2024-01", 9 * 10**9)], 0, tiers, counted=False)
        assert unknown is not None
        assert "not counted" in unknown.text

    def test_a_step_that_fails_often(self) -> None:
        found = about_failures(use(failed=100), Decimal(2))
        assert found is not None
        assert found.saves == Decimal("0.2")
        assert about_failures(use(failed=49), Decimal(2)) is None

    def test_a_step_that_waits_for_its_turn(self) -> None:
        found = about_waiting(use(lag_ms=Decimal(600_000)))
        assert found is not None
        assert found.saves is None
        assert about_waiting(use()) is None

    def test_a_year_before(self) -> None:
        assert year_before(datetime(2026, 11, 25, tzinfo=UTC)) == "2025-10"
        assert year_before(datetime(2026, 1, 5, tzinfo=UTC)) == "2024-12"

    def test_originals_that_were_looked_at_are_left_out(self, vault: MemoryVault) -> None:
        append(vault.store, asset_stream("anna", "a1"), [uploaded(size_bytes=900 * 10**9)])
        vault.clock.now = NOW + timedelta(days=800)  # type: ignore[attr-defined]
        append(vault.store, asset_stream("anna", "a2"), [uploaded(size_bytes=900 * 10**9)])
        catch_up(vault)
        (found,) = analytics.advice(vault, ["anna"])
        assert found.subject == "archive"
        assert "900.0 GB" in found.text
        agree(vault, "anna")
        fresh = Recorder(vault)
        month = analytics.storage(vault, ["anna"])["months"]
        fresh.note("anna", AssetViewed(asset="a1", uploaded=min(month), size_bytes=900 * 10**9))
        fresh.flush()
        catch_up(vault)
        assert analytics.advice(vault, ["anna"]) == []
