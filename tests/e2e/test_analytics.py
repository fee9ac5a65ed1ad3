"""Analytics as an owner calls them, on real decoders."""

from __future__ import annotations

from pathlib import Path

import pytest

from photovault.sample import write_sample_library
from tests.e2e.test_sharing import Owner, ids

NAMES = ("IMG_2102.jpg", "IMG_2103.heic", "DSCF3002.jpg")


@pytest.fixture(scope="module")
def owner(tmp_path_factory: pytest.TempPathFactory) -> Owner:
    """Three painted photos, processed."""
    photos = tmp_path_factory.mktemp("photos")
    write_sample_library(photos)
    made = Owner(tmp_path_factory.mktemp("vault") / "v")
    made("ingest", *(str(photos / name) for name in NAMES))
    made("work")
    made.photos = photos  # type: ignore[attr-defined]
    return made


def test_storage_is_what_the_files_weigh(owner: Owner) -> None:
    photos: Path = owner.photos  # type: ignore[attr-defined]
    found = owner("analytics", "storage")
    assert found["original_bytes"] == sum((photos / name).stat().st_size for name in NAMES)
    assert found["kinds"]["image"]["assets"] == 3
    library = {item["name"]: item for item in owner("query", "library")["items"]}["library"]
    assert found["made_bytes"] == library["rendition_bytes"]
    assert owner("analytics", "storage", "--all-owners") == found
    assert owner("--owner", "boris", "analytics", "storage")["original_bytes"] == 0


def test_every_run_is_counted_and_decoders_tell_their_memory(owner: Owner) -> None:
    steps = {item["step"]: item for item in owner("analytics", "performance")["items"]}
    status = owner("status")["steps"]
    assert steps.keys() >= {name for name, counts in status.items() if counts["done"]}
    assert all(item["done"] >= status[name]["done"] for name, item in steps.items())  # some run more than once
    assert steps["renditions"]["attempts"] == 3
    assert steps["renditions"]["peak_mb"]["p95"] > 20
    assert steps["renditions"]["duration_ms"]["p50"] <= steps["renditions"]["duration_ms"]["p99"]
    months = owner("analytics", "performance", "--by", "month", "--by", "step")["items"]
    assert sum(item["attempts"] for item in months) == sum(item["attempts"] for item in steps.values())
    assert "not a month" in owner("analytics", "performance", "--since", "soon", code=2)


def test_cost_and_advice_answer(owner: Owner) -> None:
    cost = owner("analytics", "cost")
    assert {item["step"] for item in cost["items"]} >= {"validate", "renditions"}
    assert owner("analytics", "advice")["items"] == []  # three runs tell nothing
    assert "no prices" in owner("analytics", "cost", "--region", "moon-1", code=2)


def test_behaviour_is_off_then_counted_then_erased(owner: Owner) -> None:
    asset = ids(owner)[0]
    owner("query", "gallery", "--asset", asset)
    assert owner("analytics", "behaviour")["agreed"] is False
    assert owner("analytics", "agree") == {"agreed": True, "new": True}
    owner("query", "gallery", "--asset", asset)
    owner("search", "lisbon")
    owner("favourite", asset)
    seen = owner("analytics", "behaviour")
    (month,) = seen["months"].values()
    assert (month["views"], month["searches"], seen["favourites"]) == (1, 1, 1)
    assert owner("analytics", "withdraw") == {"agreed": False, "months": 1}
    assert owner("analytics", "behaviour") == {**seen, "agreed": False, "since": None, "months": {}} | {
        "favourites": None,
        "shares": None,
    }
    assert owner("verify")["equal"] is True
    assert owner("replay")["projections"]["behaviour"]["different"] == 0
    assert owner("audit", "--verify")["intact"] is True
