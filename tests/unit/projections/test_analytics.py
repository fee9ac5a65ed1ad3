"""Storage, performance and behaviour as projections: every delivery gives the same totals, and owners never meet."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import structs

from domain.asset import asset_stream
from domain.behaviour import month_stream
from domain.behaviour_events import AssetViewed, BehaviourErased, SearchMade
from domain.events import Event, Outcome, StepRun
from domain.histogram import bucket_of
from projections.performance import Performance
from projections.storage import Storage
from tests.support.factories import (
    NOW,
    append,
    erased,
    failed,
    metadata,
    poster,
    processed,
    quarantined,
    renditions,
    reprocess,
    restored,
    skipped,
    transcoded,
    trashed,
    uploaded,
    validated,
    video,
    whole_life,
)
from tests.support.fakes import MemoryVault
from tests.support.sharing import same_however_delivered
from tests.support.specs import Projected

MONTH = f"{NOW:%Y-%m}"


def timed(event: Outcome, ms: int, peak_mb: int = 0) -> Any:
    return structs.replace(event, run=structs.replace(event.run, duration_ms=ms, cpu_ms=ms // 2, peak_mb=peak_mb))


class TestStorage:
    def test_bytes_by_kind_month_and_rendition(self) -> None:
        Projected(Storage()).given("a1", *whole_life()).given(
            "v1", [uploaded(size_bytes=5000)], [video()], [poster(size_bytes=70)], [transcoded(size_bytes=900)]
        ).then_totals(
            {
                "kind:image": {"assets": 1, "original_bytes": uploaded().size_bytes},
                "kind:video": {"assets": 1, "original_bytes": 5000},
                "month:" + MONTH: {"assets": 2, "original_bytes": 5000 + uploaded().size_bytes},
                "made": {"small/jpeg": 300, "small/webp": 200, "streams": 900, **_extras()},
            }
        )

    def test_owners_are_counted_apart(self) -> None:
        given = (
            Projected(Storage())
            .given("a1", [uploaded(size_bytes=10)])
            .given("b1", [uploaded(size_bytes=7)], owner="boris")
        )
        given.then_totals(
            {"kind:unknown": {"assets": 1, "original_bytes": 7}, f"month:{MONTH}": {"assets": 1, "original_bytes": 7}},
            owner="boris",
        )

    def test_the_trash_moves_bytes_and_what_is_restored_comes_back(self) -> None:
        size = uploaded().size_bytes
        in_trash = Projected(Storage()).given("a1", *whole_life(), [trashed()])
        in_trash.then_totals({"trash": {"assets": 1, "original_bytes": size, "made_bytes": 500}})
        back = Projected(Storage()).given("a1", *whole_life(), [trashed()], [restored()])
        back.then_totals(
            {
                "kind:image": {"assets": 1, "original_bytes": size},
                f"month:{MONTH}": {"assets": 1, "original_bytes": size},
                "made": {"small/jpeg": 300, "small/webp": 200},
            }
        )

    def test_nothing_is_left_of_what_is_erased(self) -> None:
        Projected(Storage()).given("a1", *whole_life(), [trashed()], [erased()]).then_totals({})

    def test_what_is_quarantined_takes_room_too(self) -> None:
        Projected(Storage()).given(
            "a1", [uploaded(size_bytes=3)], [quarantined(), processed("quarantined")]
        ).then_totals(
            {
                "kind:quarantined": {"assets": 1, "original_bytes": 3},
                f"month:{MONTH}": {"assets": 1, "original_bytes": 3},
            }
        )

    def test_renditions_that_are_made_again_count_once(self) -> None:
        given = Projected(Storage()).given("a1", *whole_life(), [reprocess("renditions")], [renditions(2, mark="new")])
        given.then_row("a1", pictures={"small/jpeg": 300, "small/webp": 200})


class TestPerformance:
    def test_runs_by_step_version_and_month(self) -> None:
        lives = [[uploaded()], [timed(validated(), 100, peak_mb=140)], [timed(metadata(), 12)]]
        version = validated().run.version
        for name, vault in Projected(Performance()).given("a1", *lives)._delivered():
            totals = vault.views.totals(vault.table("performance"), "anna")
            counters = dict(totals[f"validate:{version}:{MONTH}"])
            lag = [counters.pop(name) for name in list(counters) if name.startswith("l")]
            want = {"done": 1, "ms": 100, "cpu_ms": 50, f"d{bucket_of(100)}": 1, f"m{bucket_of(140)}": 1}
            assert (counters, lag) == (want, [1]), name

    def test_failures_retries_and_skips_are_told_apart(self) -> None:
        life = [[uploaded()], [failed("validate")], [validated(2)], [skipped("faces")]]
        version = validated().run.version
        for name, vault in Projected(Performance()).given("a1", *life)._delivered():
            totals = vault.views.totals(vault.table("performance"), "anna")
            validate = totals[f"validate:{version}:{MONTH}"]
            assert (validate["failed"], validate["done"], validate["retries"]) == (1, 1, 1), name
            assert sum(n for counter, n in validate.items() if counter.startswith("l")) == 1, name
            faces = next(counters for total, counters in totals.items() if total.startswith("faces:"))
            assert faces == {"skipped": 1}, name  # it was never due here, and took no time

    def test_parts_of_a_step_count_as_that_step(self) -> None:
        part = structs.replace(validated(), run=StepRun(step="encode:0003", version=1, attempt=1, duration_ms=5))
        for name, vault in Projected(Performance()).given("a1", [uploaded()], [part])._delivered():
            totals = vault.views.totals(vault.table("performance"), "anna")
            assert totals[f"encode:1:{MONTH}"]["done"] == 1, name

    def test_what_was_spent_stays_when_the_asset_is_erased_and_says_nothing_of_it(self) -> None:
        life = [[uploaded("secret.jpg")], [timed(validated(), 9)], [trashed()], [erased()]]
        for name, vault in Projected(Performance()).given("a1", *life)._delivered():
            totals = vault.views.totals(vault.table("performance"), "anna")
            assert [counters["ms"] for counters in totals.values()] == [9], name
            assert all(b"secret" not in row.data for row in vault.views.scan(vault.table("performance"))), name

    def test_a_row_stays_small_however_often_steps_run(self) -> None:
        once = [[uploaded()], *([timed(validated(n), 100)] for n in range(1, 3))]
        often = [[uploaded()], *([timed(validated(n), 100)] for n in range(1, 201))]
        sizes = [len(Projected(Performance()).given("a1", *life).rows()[0].data) for life in (once, often)]
        assert sizes[1] < sizes[0] + 100  # 198 runs more: buckets of waits that are new, and nothing a run


@pytest.fixture
def vault() -> Iterator[MemoryVault]:
    with MemoryVault() as made:
        yield made


def looked_at(vault: MemoryVault, owner: str, *decisions: list[Event], agreement: int = 1) -> dict[str, Any]:
    append(vault.store, month_stream(owner, NOW, agreement), *decisions)
    vault.projector.project(vault.everything())
    return {name: dict(counts) for name, counts in vault.views.totals(vault.table("behaviour"), owner).items()}


class TestBehaviour:
    def test_views_and_searches_by_month_in_any_delivery(self, vault: MemoryVault) -> None:
        seen = AssetViewed(asset="a1", uploaded="2024-03", size_bytes=100)
        totals = looked_at(vault, "anna", [seen, seen, SearchMade(found=3)], [SearchMade(), seen])
        assert totals[f"month:{MONTH}"] == {"views": 3, "searches": 2, "without_result": 1}
        assert totals[f"touched:{MONTH}"] == {"2024-03": 100}
        same_however_delivered(vault, "behaviour")

    def test_erased_is_erased_whatever_comes_late(self, vault: MemoryVault) -> None:
        late = AssetViewed(asset="a2", uploaded="2024-03", size_bytes=1)
        totals = looked_at(vault, "anna", [late], [BehaviourErased()], [late, SearchMade()])
        assert not any(any(counts.values()) for counts in totals.values())

    def test_a_row_stays_small_whatever_is_looked_at(self, vault: MemoryVault) -> None:
        dice = random.Random(1)
        many: list[list[Event]] = [
            [AssetViewed(asset=f"a{dice.randint(0, 10**9)}", uploaded="2024-03", size_bytes=1) for _ in range(50)]
            for _ in range(20)
        ]
        looked_at(vault, "anna", *many)
        rows = list(vault.views.scan(vault.table("behaviour")))
        assert len(rows[0].data) < 1000
        assert vault.views.totals(vault.table("behaviour"), "anna")[f"touched:{MONTH}"]["2024-03"] == 1000


def _extras() -> dict[str, int]:
    made = poster(size_bytes=70)
    found = {f"poster/{made.format}": 70}
    if made.preview:
        found[f"motion preview/{made.preview.format}"] = made.preview.size_bytes
    if made.strip:
        found[f"scrub strip/{made.strip.format}"] = made.strip.size_bytes
    return found


def test_performance_is_the_same_however_delivered(vault: MemoryVault) -> None:
    for n, asset in enumerate(("a1", "a2")):
        append(
            vault.store,
            asset_stream("anna", asset),
            [uploaded()],
            [timed(validated(), 100 + n)],
            [renditions(), processed()],
        )
    vault.projector.project(vault.everything())
    same_however_delivered(vault, "performance", "storage")
