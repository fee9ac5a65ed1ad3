"""The trash and favourites in the views: what is in the trash is in no list, no total and no search, and comes back."""

from __future__ import annotations

from typing import Any

import pytest

from domain.events import Event, FaceAssigned, FacesDetected
from domain.likeness import Lookalike
from domain.recognition import ModelUse
from domain.scanning import Serving
from projections import PROJECTIONS
from projections.base import Projection
from projections.fingerprints import Fingerprints
from projections.gallery import TRASH, Gallery
from projections.library import Library
from projections.people import Faces
from projections.renditions import Renditions
from projections.search import Search, SearchRow
from projections.serving import served
from projections.tagged import Tagged
from tests.support.factories import (
    favourite,
    fingerprint,
    lookalikes,
    metadata,
    processed,
    recorded,
    renditions,
    restored,
    run,
    sha,
    tagged,
    trashed,
    uploaded,
    validated,
)
from tests.support.people import face
from tests.support.specs import Projected

FOLLOWERS = [p for p in PROJECTIONS if "trashed" in p.state.__struct_fields__]


def life(*more: Event) -> list[list[Event]]:
    known = [renditions(), tagged("cat"), fingerprint()]
    return [[uploaded()], [validated()], [metadata()], known, [processed()], *([[*more]] if more else [])]


def detected() -> list[Event]:
    found = FacesDetected(
        run=run("faces"), faces=(face(),), sealed=sha("sealed"), key="k", models=(ModelUse("m", "1"),)
    )
    return [found, FaceAssigned(face=0, person="p1", by="person")]


def test_every_view_of_assets_follows_the_trash_but_the_three_that_must_not() -> None:
    of_assets = {p.name for p in PROJECTIONS if p.category == "asset"}
    assert of_assets == {p.name for p in FOLLOWERS}
    assert {p.name for p in FOLLOWERS if not p.follows_trash} == {"files", "processing", "performance"}


class TestGallery:
    def test_what_is_in_the_trash_is_not_on_the_timeline(self) -> None:
        Projected(Gallery()).given("a1", *life(trashed())).given("a2", *life()).then_index("timeline", "a2")

    def test_the_trash_is_a_range_of_its_own(self) -> None:
        for row in Projected(Gallery()).given("a1", *life(trashed())).rows():
            assert row.index[1].startswith(f"{TRASH}#")

    def test_what_is_restored_is_where_it_was(self) -> None:
        Projected(Gallery()).given("a1", *life(trashed()), [restored()]).then_index("timeline", "a1").then_index(
            "state", "a1"
        ).then_row("a1", trashed=None)

    def test_a_favourite_is_marked_and_unmarked(self) -> None:
        Projected(Gallery()).given("a1", *life(favourite())).then_row("a1", favourite=True)
        Projected(Gallery()).given("a1", *life(favourite()), [favourite(on=False)]).then_row("a1", favourite=False)


@pytest.mark.parametrize("projection", [Gallery(), Renditions(), Faces()], ids=lambda p: p.name)
def test_nothing_leads_to_a_picture_in_the_trash_but_the_trash_itself(projection: Projection[Any]) -> None:
    [row] = Projected(projection).given("a1", *life(trashed())).rows()
    hidden = served(projection, row, str, Serving())
    assert hidden["withheld"]
    assert hidden["trashed_at"]
    assert sha("jpeg") not in str(hidden)
    assert not served(projection, row, str, Serving(), from_trash=True)["withheld"]


def test_the_library_counts_the_trash_apart() -> None:
    Projected(Library()).given("a1", *life(favourite(), trashed())).then_totals(
        {"trash": {"assets": 1, "original_bytes": 1000}}
    )


def test_the_library_counts_favourites_and_what_came_back() -> None:
    view = Projected(Library()).given("a1", *life(favourite()), [trashed()], [restored()])
    view.then_row("a1", favourite=True, trashed=None)
    for row in view.rows():
        counted = Library().counted(Library().decode(row.data))
        assert counted["library"]["favourites"] == 1
        assert "trash" not in counted


def test_no_tag_leads_into_the_trash_and_all_do_again_afterwards() -> None:
    Projected(Tagged()).given("a1", *life(trashed())).then_keys("a1")
    when = "2024-07-01T10:00:00"
    Projected(Tagged()).given("a1", *life(trashed()), [restored()]).then_keys(
        "a1", f"~cat#{when}#a1", f"~animal#{when}#a1"
    )


def test_no_picture_looks_like_one_in_the_trash() -> None:
    Projected(Fingerprints()).given("a1", *life(trashed())).then_keys("a1").then_index("lookalikes")
    back = Projected(Fingerprints()).given("a1", *life(trashed()), [restored()])
    assert len(back.rows()) == len(Projected(Fingerprints()).given("a1", *life()).rows())


def test_a_find_is_listed_no_longer_when_the_finder_is_in_the_trash() -> None:
    finder = [*life(lookalikes(Lookalike("b2", "near", 3)))]
    Projected(Fingerprints()).given("a1", *finder).then_index("lookalikes", "a1")
    Projected(Fingerprints()).given("a1", *finder, [trashed()]).then_index("lookalikes")


def test_no_face_in_the_trash_is_anybodys() -> None:
    Projected(Faces()).given("a1", *life(*detected())).then_index("faces", "a1").then_keys("a1", "~p#p1#a1")
    Projected(Faces()).given("a1", *life(*detected()), [trashed()]).then_index("faces").then_keys("a1")


def document_flags(*events: Event) -> tuple[str, ...] | None:
    state = SearchRow()
    for each in recorded(list(events)):
        state = Search().evolve(state, each)
    found = Search().document(state)
    return found.flags if found else None


def test_a_search_finds_favourites_of_the_owner_and_of_the_camera_and_nothing_in_the_trash() -> None:
    known = [uploaded(), validated(), metadata(rating=None)]
    assert "favourite" not in (document_flags(*known) or ())
    assert "favourite" in (document_flags(*known, favourite()) or ())
    assert "favourite" in (document_flags(*known, metadata(rating=4), favourite(on=False)) or ())
    assert document_flags(*known, trashed()) is None
    assert document_flags(*known, trashed(), restored()) is not None
